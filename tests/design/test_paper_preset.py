"""The `paper` preset on fabricated archives of the paper's data sets: 14 images, two steps, the real networks but for
the GAN's, which takes half an hour here and is smaller.

Every kind of cell is computed on CIFAR-10 with EDM's own network of 56 million parameters; the other sets are loaded
by the same preset, and arms that need no generator are trained on them. Numbers mean nothing here.
"""

import numpy as np
import pytest
from fabricated import fabricate_aircraft, fabricate_cars, fabricate_cifar10, fabricate_cifar100, fabricate_cub
from presets import full_size

from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.exhibits import attention, classifiers, discussion, samples
from synthgap.exhibits.study import Study
from synthgap.graph.compute import KINDS
from synthgap.graph.specification import in_order
from synthgap.metrics.detection import Detection
from synthgap.metrics.fidelity import Fidelity
from synthgap.metrics.likelihood import Likelihood
from synthgap.metrics.memorization import Memorization

FINE = ("aircraft", "cub", "cars")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    patch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("paper")
    root = folder / "archives"
    fabricate_cifar10(root, patch, train=8, test=8)
    fabricate_cifar100(root, patch, train=2, test=1)
    fabricate_aircraft(root, classes=3, train=24, test=8)
    fabricate_cub(root, classes=3, train=8, test=4)
    fabricate_cars(root, classes=3, train=8, test=4)
    patch.setenv("SYNTHGAP_DATA", str(root))
    path = full_size(
        folder / "paper64.yaml",
        "paper",
        limits={"train": 14, "validation": 20, "test": 32},
        curves=[50, 100],
        attention_images=10,
        solver={"steps": 1, "method": "euler"},
        training={"images": 4, "batch": 2, "checkpoint_images": 4},
    )
    yield Study(preset=str(path), results=folder / "results", device="cpu", workers=1)
    patch.undo()


def test_the_data_sets_stand_where_the_paper_has_them(study):
    assert [a.name for a in study.design.columns] == ["cifar10", "cifar100", *FINE]
    assert [a.name for a in study.design.columns_of(2)] == ["cifar10", "cifar100"]
    assert [a.name for a in study.design.columns_of(4)] == list(FINE)
    assert (study.main.name, study.arms.name) == ("cifar10", "aircraft")
    assert {a.data["train"].shape for a in study.design.columns_of(2)} == {(3, 32, 32)}
    assert {a.data["train"].shape for a in study.design.columns_of(4)} == {(3, 64, 64)}
    assert study.store.get(study.main.data["train"]).augment == ("crop", "flip")


def test_every_column_of_the_tables_is_planned_for_its_data_sets(study):
    shapes = {}
    for spec in in_order(study.plan()):
        if spec.kind == "train-diffusion":
            shapes[spec.data.shape[1], spec.data.classes] = spec.network
    assert set(shapes) == {(32, 10), (32, 100), (64, 3)}
    assert shapes[32, 10].channel_mult == (2, 2, 2)
    assert shapes[64, 3].channel_mult == (1, 2, 2, 2)
    assert shapes[64, 3].attn_resolutions == shapes[32, 10].attn_resolutions == (16,)


def test_every_kind_of_cell_is_computed_with_the_real_cifar_10_network(study):
    arms, seed = study.main, study.seeds[0]
    cells = {
        "predict": classifiers.step_cells(study.design)["cifar10", 50, seed],
        "fidelity": samples.fidelity_cells(study.design)[PAPER, 50, seed],
        "cross-fitted": samples.fidelity_cells(study.design)[CROSSFIT, 50, seed],
        "attend": attention.attention_cells(study.design)[50, seed],
        "likelihood": discussion.likelihood_cells(study.design)[0.1, "train", 50, seed],
        "memorization": samples.memorization_cells(study.design)[50, seed],
        "policy": arms.test(arms.arm("100 + TrivialAugment", 1, seed)),
        "bootstrap": arms.test(arms.arm("real bootstrap", 1, seed)),
        "collapse": samples.collapse_cells(study.design)[(seed,)],
    }
    cells["detection"] = samples.detection_cells(study.design)[
        "dct", "logistic", 100, seed
    ]  # the other detectors take a minute each
    everything = in_order(list(cells.values()))
    # more of the same, a minute each; of images, and of generators, that are given
    left_out = {"trim", "snapshot", "guided", "selected", "extract", "head", "load-diffusion", "frozen-fidelity"}
    assert {s.kind for s in everything} == {kind.model_fields["kind"].default for kind in KINDS} - left_out
    study.compute(list(cells.values()))
    network = study.store.get(arms.generator(seed))
    assert sum(p.numel() for p in network.parameters()) == 55_735_299  # EDM's CIFAR-10 network, class-conditional
    values = {name: study.store.get(spec) for name, spec in cells.items()}
    for name in ("predict", "policy", "bootstrap"):
        assert values[name].logits.shape == (32, 10)
        assert values[name].features.shape == (32, 512)
        assert np.isfinite(values[name].logits).all()
    assert isinstance(values["fidelity"], Fidelity)
    assert isinstance(values["cross-fitted"], Fidelity)
    assert isinstance(values["memorization"], Memorization)
    assert values["collapse"].images == 14
    assert isinstance(values["likelihood"], Likelihood)
    assert np.isfinite(values["likelihood"].nats).all()
    assert values["attend"].shape == (10, 32, 32)
    assert isinstance(values["detection"], Detection)
    rebuilt, real = study.store.get(arms.samples(seed, 50)), study.store.get(arms.data["train"])
    assert rebuilt.images.shape == (14, 3, 32, 32)
    assert np.array_equal(rebuilt.labels, real.labels)


@pytest.mark.parametrize("place", [1, 2])
def test_classifiers_of_the_papers_recipe_train_on_coarse_and_fine_classes(study, place):
    arms = study.design.columns[place]
    policy = arms.test(arms.arm("RandAugment", 0, 0))
    study.compute([policy])
    classes = {"cifar10": 10, "cifar100": 100}.get(arms.name, 3)
    assert study.store.get(policy).logits.shape == (arms.data["test"].count, classes)
    training = policy.classifier.block.training
    assert (training.batch, training.learning_rate, training.momentum, training.weight_decay) == (64, 0.01, 0.9, 5e-4)
    assert policy.classifier.network.width == 64
