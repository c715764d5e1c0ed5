"""Keys: what they depend on, and that specifications survive a trip through JSON, pickle and copies."""

import json
import pickle

import pytest
from pydantic import ValidationError

from synthgap.classifier.resnet import ResNetConfig
from synthgap.classifier.train import ClassifierTraining
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.train import DiffusionTraining
from synthgap.diffusion.unet import UNetConfig
from synthgap.graph import specification
from synthgap.graph.estimate import on_gpu
from synthgap.graph.settings import Frozen, Loading
from synthgap.graph.specification import in_order
from synthgap.graph.specs import (
    Attend,
    Data,
    Extract,
    Guided,
    MeasureDetection,
    MeasureFidelity,
    OneClassifier,
    Predict,
    Reconstruct,
    Seeded,
    Selected,
    Snapshot,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    Trim,
    parse_spec,
)

LOADING = Loading(source="digits", split="train")
DATA = Data(fingerprint="f", name="digits", count=40, shape=(1, 8, 8), classes=10, loading=LOADING)
OTHER = DATA.model_copy(update={"fingerprint": "g"})
MODEL = TrainDiffusion(data=DATA, network=UNetConfig(), training=DiffusionTraining(), seed=0)
FULL = Synthesize(model=MODEL, data=DATA, solver=Solver(steps=4), seed=0)
HALF = Reconstruct(model=MODEL, data=DATA, t_re=50, solver=Solver(steps=4), seed=0)
ALONE = Seeded(real=DATA, synthetic=(FULL,), seed=0)
BESIDE = Seeded(real=DATA, synthetic=(FULL.model_copy(update={"seed": 1}),), seed=1)
BLOCK = TrainClassifier(members=(ALONE, BESIDE), epoch_images=40, network=ResNetConfig(), training=ClassifierTraining())
CLASSIFIER = OneClassifier(block=BLOCK, place=0)
PREDICT = Predict(classifier=CLASSIFIER, images=DATA)
FIDELITY = MeasureFidelity(real=PREDICT, fake=Predict(classifier=CLASSIFIER, images=HALF))
EARLY = Snapshot(run=MODEL.model_copy(update={"snapshots": (100, 200)}), images=100)
SEEN = tuple(Predict(classifier=CLASSIFIER, images=Subset(images=DATA, half=half)) for half in "ab")
TRIM = Trim(images=DATA, seen=SEEN, count=20)
STEERED = Guided(model=MODEL, data=DATA, solver=Solver(steps=4), seed=0, method="weaker", weight=1.5, weaker=EARLY)
PICKED = Selected(draws=(FULL,), judges=(CLASSIFIER,), rule="redrawn")
PIXELS = Frozen(extractor="pixels", fingerprint="f", dimensions=192)
SHOWN = Extract(images=HALF, network=PIXELS)
CAUGHT = MeasureDetection(real=DATA, fake=HALF, domain="pixel", detector="cnn", seed=0)
ALL = (DATA, MODEL, EARLY, FULL, HALF, STEERED, PICKED, BLOCK, CLASSIFIER, PREDICT, TRIM, FIDELITY, SHOWN, CAUGHT)

OTHER_VALUES = {
    Data: {"fingerprint": "h", "count": 41, "shape": (1, 8, 9), "classes": 11},
    TrainDiffusion: {
        "data": OTHER,
        "network": UNetConfig(num_blocks=3),
        "training": DiffusionTraining(batch=511),
        "snapshots": (100,),
        "seed": 1,
        "device": "cuda",
    },
    Snapshot: {"run": EARLY.run.model_copy(update={"seed": 1}), "images": 200},
    Trim: {"images": OTHER, "seen": SEEN[::-1], "count": 21},
    Synthesize: {
        "model": MODEL.model_copy(update={"seed": 1}),
        "data": OTHER,
        "copy_index": 1,
        "solver": Solver(steps=5),
        "seed": 1,
        "device": "cuda",
    },
    Reconstruct: {
        "model": MODEL.model_copy(update={"seed": 1}),
        "data": OTHER,
        "t_re": (50, 100),
        "copy_index": 1,
        "solver": Solver(steps=5),
        "seed": 1,
        "device": "cuda",
    },
    Guided: {
        "model": MODEL.model_copy(update={"seed": 1}),
        "data": OTHER,
        "copy_index": 1,
        "solver": Solver(steps=5),
        "seed": 1,
        "device": "cuda",
        "method": "untold",
        "weight": 2.0,
        "weaker": MODEL,
        "classifier": CLASSIFIER,
    },
    Selected: {
        "draws": (FULL, FULL.model_copy(update={"copy_index": 1})),
        "judges": (CLASSIFIER.model_copy(update={"place": 1}),),
        "rule": "sure",
    },
    TrainClassifier: {
        "members": (ALONE,),
        "epoch_images": 41,
        "network": ResNetConfig(width=32),
        "training": ClassifierTraining(epochs=99),
        "device": "cuda",
    },
    OneClassifier: {"block": BLOCK.model_copy(update={"epoch_images": 41}), "place": 1},
    Extract: {"images": DATA, "network": PIXELS.model_copy(update={"fingerprint": "g"}), "view": 1, "device": "cuda"},
    MeasureDetection: {
        "real": OTHER,
        "fake": FULL,
        "domain": "dct",
        "detector": "resnet18",
        "seed": 1,
        "device": "cuda",
    },
    Predict: {"classifier": CLASSIFIER.model_copy(update={"place": 1}), "images": HALF},
    MeasureFidelity: {"real": FIDELITY.fake, "fake": PREDICT},
}


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s.kind)
def test_every_field_counts_in_the_key(spec):
    others = OTHER_VALUES[type(spec)]
    assert set(others) == set(type(spec).model_fields) - {"kind"} - set(spec.not_in_key)
    copies = [spec.model_copy(update={name: value}) for name, value in others.items()]
    assert len({spec.key, *(c.key for c in copies)}) == len(others) + 1


def test_a_configurations_every_field_counts_in_the_key():
    changes = {"epochs": 1, "batch": 1, "learning_rate": 1, "drop_every": 1, "momentum": 0, "nesterov": False}
    changes |= {"weight_decay": 0, "policy": "RandAugment", "class_weights": "balanced"}
    assert set(changes) == set(ClassifierTraining.model_fields)
    keys = {
        BLOCK.model_copy(update={"training": ClassifierTraining(**{name: value})}).key
        for name, value in changes.items()
    }
    assert len(keys | {BLOCK.key}) == len(changes) + 1


def test_every_field_of_the_solver_counts_in_the_key():
    changes = {"steps": 5, "method": "euler", "churn": 1, "churn_min": 1, "churn_max": 1, "churn_noise": 1.1}
    changes["levels"] = "vp"
    assert set(changes) == set(Solver.model_fields)
    for spec in (FULL, HALF):
        solvers = [Solver(**({"steps": 4} | {name: value})) for name, value in changes.items()]
        keys = {spec.model_copy(update={"solver": solver}).key for solver in solvers}
        assert len(keys | {spec.key}) == len(changes) + 1


@pytest.mark.parametrize(
    "changed",
    [
        {"real": None},
        {"real": OTHER},
        {"synthetic": ()},
        {"synthetic": (FULL, HALF)},
        {"synthetic": (HALF,)},
        {"seed": 2},
    ],
)
def test_whatever_a_member_is_trained_on_counts_in_the_key_of_its_block_and_of_its_neighbour(changed):
    other = Seeded(**({"real": DATA, "synthetic": BESIDE.synthetic, "seed": 1} | changed))
    block = BLOCK.model_copy(update={"members": (ALONE, other)})
    assert block.key != BLOCK.key
    assert OneClassifier(block=block, place=0).key != CLASSIFIER.key


def test_the_order_of_members_counts_and_a_classifier_is_stored_in_its_block():
    assert BLOCK.model_copy(update={"members": (BESIDE, ALONE)}).key != BLOCK.key
    assert (CLASSIFIER.stored, PREDICT.stored) == (BLOCK, PREDICT)
    assert PREDICT.inputs == (BLOCK, DATA)
    assert BLOCK.inputs == (DATA, FULL, *BESIDE.synthetic)
    assert in_order([CLASSIFIER]) == in_order([BLOCK])
    assert CLASSIFIER not in in_order([PREDICT])
    moved = DATA.model_copy(update={"name": "mine"})
    assert replaced(BLOCK, DATA, moved).key == BLOCK.key  # as a name does inside members


def test_a_range_is_not_its_ends():
    keys = {HALF.model_copy(update={"t_re": t}).key for t in (50, 100, (50, 100), (50, 50), (0, 50))}
    assert len(keys) == 5


def test_data_are_named_by_content_not_by_name_or_place():
    moved = DATA.model_copy(update={"name": "mine", "loading": Loading(source="folder:elsewhere", split="test")})
    assert moved.key == DATA.key
    assert moved == DATA
    assert MODEL.model_copy(update={"data": moved}).key == MODEL.key


def replaced(spec, old, new):
    """`spec` with the input `old` replaced everywhere below it."""
    if spec == old:
        return new

    def change(value):
        if isinstance(value, specification.Spec):
            return replaced(value, old, new)
        if isinstance(value, Seeded):
            return Seeded(**{name: change(getattr(value, name)) for name in Seeded.model_fields})
        return tuple(change(v) for v in value) if isinstance(value, tuple) else value

    return spec.model_copy(update={name: change(getattr(spec, name)) for name in type(spec).model_fields})


@pytest.mark.parametrize("spec", ALL[1:], ids=lambda s: s.kind)
def test_another_input_at_any_depth_is_another_key(spec):
    assert replaced(spec, DATA, OTHER).key != spec.key
    assert replaced(spec, DATA, DATA.model_copy()).key == spec.key


def test_code_counts_in_the_key_and_in_the_key_of_everything_downstream(monkeypatch):
    def keys():
        fresh = [replaced(s, DATA, DATA.model_copy()) for s in ALL]
        return {s.kind: s.key for s in fresh}

    before, real_hash = keys(), specification.code_hash
    monkeypatch.setattr(
        specification, "code_hash", lambda roots: "changed" if "synthgap.diffusion.train" in roots else real_hash(roots)
    )
    after = keys()
    changed = {kind for kind in before if before[kind] != after[kind]}
    assert changed == {s.kind for s in ALL} - {"data"}


@pytest.mark.parametrize("spec", ALL, ids=lambda s: s.kind)
def test_json_and_pickle_bring_back_the_same_specification(spec):
    for back in (parse_spec(spec.model_dump_json(indent=1)), pickle.loads(pickle.dumps(spec))):
        assert type(back) is type(spec)
        assert back.key == spec.key
        assert back.model_dump() == spec.model_dump()
    assert json.loads(spec.model_dump_json())["kind"] == spec.kind


def test_every_artifact_of_the_smoke_study_has_a_spec_json_that_gives_its_key(smoke):
    paths = sorted(smoke.store.root.glob("*/*/spec.json"))
    assert len(paths) > 100
    for path in paths:
        spec = parse_spec(path.read_text(encoding="utf-8"))
        assert (spec.kind, spec.key) == path.parts[-3:-1]


def test_a_copy_with_other_values_is_validated():
    with pytest.raises(ValidationError):
        MODEL.model_copy(update={"seed": -1})
    with pytest.raises(ValidationError):
        MODEL.model_copy(update={"sed": 1})


def test_specifications_are_frozen():
    with pytest.raises(ValidationError):
        MODEL.seed = 1


@pytest.mark.parametrize(
    "text",
    ["{}", '{"kind": "magic"}', '{"kind": "data", "fingerprint": "f"}', MODEL.model_dump_json()[:-1] + ',"x":1}'],
)
def test_what_is_no_specification_is_refused(text):
    with pytest.raises(ValidationError):
        parse_spec(text)


def test_inputs_are_named_once():
    assert MODEL.inputs == (DATA,)
    assert FULL.inputs == (MODEL, DATA)
    assert CLASSIFIER.inputs == (BLOCK,)
    twice = Seeded(real=DATA, synthetic=(FULL, HALF, FULL), seed=0)
    assert BLOCK.model_copy(update={"members": (twice,)}).inputs == (DATA, FULL, HALF)
    assert FIDELITY.inputs == (PREDICT, FIDELITY.fake)


def test_in_order_puts_inputs_first_and_names_everything_once():
    ordered = in_order([FIDELITY, PREDICT, FULL, FULL])
    place = {spec.key: i for i, spec in enumerate(ordered)}
    assert len(place) == len(ordered) == 9
    assert set(ordered) == {*ALL, FIDELITY.fake, *BESIDE.synthetic} - {
        EARLY,
        STEERED,
        PICKED,
        TRIM,
        CLASSIFIER,
        SHOWN,
        CAUGHT,
    }
    for spec in ordered:
        assert all(place[i.key] < place[spec.key] for i in spec.inputs)


def test_the_plans_order_puts_inputs_first(smoke):
    ordered = in_order(smoke.plan())
    place = {spec.key: i for i, spec in enumerate(ordered)}
    assert len(place) == len(ordered)
    assert {s.key for s in smoke.plan()} <= set(place)
    assert all(place[i.key] < place[s.key] for s in ordered for i in s.inputs)


def test_what_a_classifier_says_is_computed_where_it_was_trained():
    on_card = CLASSIFIER.model_copy(update={"block": BLOCK.model_copy(update={"device": "cuda"})})
    for classifier, device in ((CLASSIFIER, "cpu"), (on_card, "cuda")):
        several = (
            Predict(classifier=classifier, images=DATA),
            Attend(classifier=classifier, images=DATA),
            Selected(draws=(FULL,), judges=(classifier,), rule="sure"),
        )
        assert [spec.device for spec in several] == [device] * 3
        assert all(on_gpu(spec) for spec in several)
    assert on_gpu(SHOWN)
    assert on_gpu(CAUGHT)
    assert not on_gpu(CAUGHT.model_copy(update={"detector": "logistic"}))
    assert not any(map(on_gpu, (DATA, TRIM, FIDELITY, EARLY)))
