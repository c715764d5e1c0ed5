"""A rehearsal of the paper's CIFAR-10 on a CPU: a file of the released network's own size (55.7 million parameters,
random weights), ten images in the archives' layout, and the chapters of Sections 1, 3, 4.1 and 4.2.

    python -m pytest -n 0 --stress tests/chapters/test_paper_scale.py

Five minutes of one core and 2.3 GB. Everything is the preset's but the numbers of images, steps and cells, the GAN,
which is smaller, and the detectors, of which the linear one is left. Numbers mean nothing here.
"""

import numpy as np
import pytest
from cells import executed, impossible, quickened
from fabricated import fabricate_cifar10
from inception_weights import random_inception
from presets import full_size
from released_pickle import network, random_edm, written

from synthgap import generate, reconstruct
from synthgap.base.files import file_sha256
from synthgap.design.heads import frozen
from synthgap.exhibits import inception
from synthgap.exhibits.study import Study

pytestmark = pytest.mark.stress
CHAPTERS = ("01_introduction", "03_preliminary", "04_1_synthetic_samples", "04_2_training_classifiers")
PARAMETERS = 55_735_299  # EDM's class-conditional CIFAR-10 network (DDPM++), with its layer for augmentation


@pytest.fixture
def edm():
    """A network of the released one's structure and size."""
    sizes = {"height": 32, "width": 32, "channels": 3, "model_channels": 128, "channel_mult": (2, 2, 2)}
    sizes |= {"num_blocks": 4, "attn_resolutions": (16,), "dropout": 0.13, "augment_dim": 9}
    made = random_edm(label_dim=10, **sizes)
    assert sum(value.numel() for value in made.parameters()) == PARAMETERS
    for value in made.parameters():
        value.data *= 0.1  # images are then neither black nor white throughout
    return made


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Inception's, at random, where the book looks for them."""
    random_inception(tmp_path)
    monkeypatch.setenv("SYNTHGAP_WEIGHTS", str(tmp_path))
    caches = frozen, inception._space
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("weights")
def test_a_file_of_the_released_size_drives_the_papers_first_chapters(edm, tmp_path, monkeypatch):
    released = written(tmp_path / "edm-cifar10-32x32-cond-vp.pkl", network(edm))
    fabricate_cifar10(tmp_path / "data", monkeypatch, train=4, test=4)
    monkeypatch.setenv("SYNTHGAP_DATA", str(tmp_path / "data"))
    preset = full_size(
        tmp_path / "small.yaml",
        "paper-cifar10",
        limits={"train": 10, "validation": 10, "test": 20},
        table2=[0, 50, 100],
        curves=[0, 50, 100],
        grid=[50],
        attention_images=2,
        detectors=["logistic"],
        trimmed=[0.5],
        sensitivity={"steps": [2], "variants": []},
        solver={"steps": 2},
    )
    given = {"preset": str(preset), "generator": str(released), "results": str(tmp_path / "results")}
    given |= {"device": "cpu", "workers": 1}
    quickened(monkeypatch)

    made_by = f"generators, trained elsewhere, and SHA-256 of their files: cifar10 ({file_sha256(released)[:12]})"
    for name in CHAPTERS:
        text = executed(name, given, monkeypatch)
        assert impossible(text) == [], name
        assert made_by in text, name

    study = Study(**given)
    distances = study.rows("frozen_fidelity").set_index("t_re").frechet
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert (distances[[50, 100]] > 0).all()
    arms, real = study.main, study.store.get(study.main.data["train"])
    solver = study.preset.generator.solver
    half, full = (study.store.get(arms.samples(0, t)) for t in (50, 100))
    assert half.images.shape == full.images.shape == (10, 3, 32, 32)
    assert np.array_equal(half.images, reconstruct(edm, real, 50, 0, solver=solver).images)
    assert np.array_equal(full.images, generate(edm, real.labels, 0, solver=solver).images)
    assert not np.array_equal(half.images, full.images)
