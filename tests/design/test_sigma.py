"""σ of a reverse step follows the levels of the preset's solver wherever it is told, against a formula of one's own."""

import math
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from synthgap.design.variants import VARIANTS
from synthgap.diffusion.edm import EDMConfig
from synthgap.diffusion.noise import initial_noise
from synthgap.diffusion.pixels import to_model
from synthgap.diffusion.reconstruct import noisy_start
from synthgap.exhibits import preliminary
from synthgap.exhibits.base import Lab
from synthgap.exhibits.classifiers import table2
from synthgap.exhibits.limitation import variant_levels
from synthgap.exhibits.study import Study

STEPS = (0, 1, 25, 50, 99, 100)


def of_vp(t_re):
    """σ of DDPM's continuous process: α² = exp(−∫β) with β from 0.1 to 20, and σ² = (1 − α²)/α²."""
    u = t_re / 100
    alpha_squared = math.exp(-(0.1 * u + (20 - 0.1) * u**2 / 2))
    return math.sqrt((1 - alpha_squared) / alpha_squared)


@pytest.fixture
def vp(smoke, tmp_path):
    """A lab of the smoke preset on the VP levels. In the place of what it computes it is given what smoke has."""
    preset = yaml.safe_load(files("synthgap").joinpath("presets", "smoke.yaml").read_text(encoding="utf-8"))
    preset["generator"]["solver"] = {"steps": 8, "method": "ancestral", "levels": "vp"}
    (tmp_path / "vp.yaml").write_text(yaml.safe_dump(preset), encoding="utf-8")
    study = Study(preset=str(tmp_path / "vp.yaml"), results=tmp_path / "results", device="cpu", workers=1)
    grid = smoke.store.get(smoke.main.data["grid"])

    def get(spec):
        if spec.kind == "train-diffusion":
            return smoke.store.get(smoke.main.generator(spec.seed))
        return SimpleNamespace(accuracy=0.5, n=40) if spec.kind == "predict" else grid

    return Lab(study.design, SimpleNamespace(get=get, missing=lambda specs: []))


def test_a_preset_on_the_vp_levels_has_their_sigma(vp):
    for arms in vp.design.columns:
        for t in STEPS:
            assert arms.sigma(t) == pytest.approx(of_vp(t), abs=1e-12)


def test_the_solver_of_a_data_set_counts_not_that_of_the_others(smoke):
    arms = smoke.main.varied("vp-ancestral")
    assert [arms.sigma(t) for t in STEPS] == pytest.approx([of_vp(t) for t in STEPS])
    assert smoke.main.sigma(50) != pytest.approx(of_vp(50), rel=0.1)


def test_it_is_the_level_that_sampling_starts_from(vp, smoke):
    for arms in (vp.design.main, smoke.main):
        config = EDMConfig.for_images(arms.generator(0).network, 0.5)
        image = np.zeros(arms.data["train"].shape, dtype=np.uint8)
        for t in STEPS:
            _, sigma = noisy_start(config, image, t, 0, 0, arms.preset.generator.solver.levels)
            assert arms.sigma(t) == pytest.approx(sigma, abs=1e-12)


def test_the_tables_tell_it(vp):
    rows = vp.rows(preliminary.noise_levels)
    assert list(rows.sigma) == pytest.approx([of_vp(t) for t in rows.t_re])
    assert list(rows.paper_scale) == pytest.approx(list(rows.sigma))  # VP levels don't depend on the image size
    assert list(rows.evaluations) == [math.ceil(8 * t / 100) for t in rows.t_re]
    assert f"{of_vp(75):.3g}" in vp.show("tab-noise")[0]
    rows = vp.rows(table2)
    assert set(rows.dataset) == {"digits", "mnist5k"}
    assert list(rows.sigma) == pytest.approx([of_vp(t) for t in rows.t_re])


def test_figure_4_adds_that_much_noise(vp, smoke):
    strip = vp.value(preliminary.strip)
    assert set(strip.sigmas) == set(preliminary.STRIP)
    image = to_model(smoke.store.get(smoke.main.data["grid"]).images[0])
    for t, sigma in strip.sigmas.items():
        assert sigma == pytest.approx(of_vp(t), abs=1e-12)
        added = strip.noisy[t] - (0 if t == 100 else image)
        np.testing.assert_allclose(added, of_vp(t) * initial_noise(0, 0, image.shape), atol=1e-9)


def test_figure_5_says_it(vp):
    (figure,) = vp.show("fig-5")
    assert f"t_re = 50, σ = {of_vp(50):.2g}" in {ax.get_ylabel() for ax in figure.axes}


def test_each_variant_of_the_sensitivity_study_tells_its_own(smoke):
    rows = smoke.lab.value(variant_levels)
    for name, mine in rows.groupby("variant"):
        levels = VARIANTS[name].change(smoke.preset.generator.solver).get("levels") if name in VARIANTS else None
        largest = {"vp": of_vp(100), "edm-80": 80.0, None: 80 * 8 / 32}[levels]
        assert mine[mine.t_re == 100].sigma.iloc[0] == pytest.approx(largest), name
