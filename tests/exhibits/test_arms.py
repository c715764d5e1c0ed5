"""What the arms of Section 5 train on, at how many steps, and which images they never see."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from reading import behind, seeds_of

from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.data.npz import save_npz
from synthgap.data.splits import bootstrap
from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.design.loading import load
from synthgap.design.options import Options
from synthgap.design.values import (
    BOOTSTRAP,
    EPOCH_MATCHED,
    FLOOR,
    GAN_ONLY,
    GIVEN,
    GIVEN_ONLY,
    REAL_ONLY,
    SYNTHETIC_ONLY,
    Arm,
    cell_name,
)
from synthgap.exhibits.attention import attention_cells
from synthgap.exhibits.augmentation import (
    arm_cells,
    crossed_cells,
    curve_cells,
    table3,
    table4_cells,
    table4_fidelity_cells,
    validation_cells,
)
from synthgap.exhibits.augmentation_drawn import PANELS
from synthgap.exhibits.base import Lab
from synthgap.exhibits.classifiers import concentration_cells, entropy_cells, step_cells
from synthgap.exhibits.comparisons import against_controls
from synthgap.exhibits.limitation import sensitivity_fidelity_cells
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Bootstrap, Subset, TrainClassifier, TrainDiffusion
from synthgap.graph.store import Store


def spend(spec) -> tuple[int, int]:
    """(optimiser steps, images a step) of a classifier."""
    streams, block = (spec.own.real is not None) + bool(spec.own.synthetic), spec.block
    return block.training.steps(block.epoch_images), streams * block.training.batch


# steps and images


def test_every_arm_takes_the_real_sets_steps_but_the_epoch_matched_one(smoke):
    steps, batch = spend(smoke.main.classifier(0, 0))
    assert (steps, batch) == (4 * 3, 16)  # 4 epochs of ceil(40 / 16)
    for (arm, multiple, _), predict in arm_cells(smoke.design).items():
        mine = spend(predict.classifier)
        times = -(-multiple * 40 // 16) / 3 if arm == EPOCH_MATCHED else 1
        assert mine == (times * steps, 2 * batch if arm.mixed else batch), arm


def test_epoch_matched_is_step_matched_at_1(smoke):
    assert smoke.main.arm(EPOCH_MATCHED, 1, 0) == smoke.main.arm(SYNTHETIC_ONLY, 1, 0)
    assert smoke.main.arm(EPOCH_MATCHED, 3, 0) != smoke.main.arm(SYNTHETIC_ONLY, 3, 0)


def test_arms_train_on_what_their_name_says(smoke):
    train = smoke.main.data["train"]
    steps = {"100": 100, "75": 75, "50": 50, "25": 25, "50-100": (50, 100), "75-100": (75, 100)}
    steps |= {"0-50": (0, 50), "0-100": (0, 100)}
    for (arm, multiple, seed), predict in arm_cells(smoke.design).items():
        classifier = predict.classifier
        base, _, policy = arm.partition(" + ")
        if base in ("RandAugment", "TrivialAugment"):
            base, policy = REAL_ONLY, base
        assert classifier.block.training.policy == (policy or "none")
        assert classifier.own.real == (None if base in (BOOTSTRAP, SYNTHETIC_ONLY, GAN_ONLY, EPOCH_MATCHED) else train)
        assert len(classifier.own.synthetic) == multiple
        if base == "0":
            assert set(classifier.own.synthetic) == {train}
            assert behind(classifier) == {train.fingerprint}
            assert not any(isinstance(s, TrainDiffusion) for s in in_order([classifier]))
            continue
        assert [s.copy_index for s in classifier.own.synthetic] == list(range(multiple))
        if base == BOOTSTRAP:
            assert {(s.images, s.seed) for s in classifier.own.synthetic} == {(train, seed)}
            continue
        assert {getattr(s, "t_re", 100) for s in classifier.own.synthetic} <= {steps.get(base, 100)}


# who sees what


def test_no_arm_and_no_generator_sees_validation_or_test_images(smoke):
    specs = [
        spec for cells in (step_cells, arm_cells, table4_cells, crossed_cells) for spec in cells(smoke.design).values()
    ]
    hidden = {
        arms.data[part].fingerprint
        for arms in smoke.design.columns
        for part in ("validation", "test", "probe", "floor", "other")
    }
    trained = [s for s in in_order(specs) if isinstance(s, (TrainClassifier, TrainDiffusion))]
    assert len(trained) > 40
    assert not any(hidden & behind(spec) for spec in trained)


def test_a_seed_owns_its_generator_its_samples_and_its_classifier(smoke):
    d = smoke.design
    for cells in (step_cells, attention_cells, entropy_cells, concentration_cells, arm_cells, validation_cells):
        assert {seed for (*_, seed) in cells(d)} == {0, 1}
        for (*_, seed), spec in cells(d).items():
            assert seeds_of(spec) == {seed}


def blocked(arms, size, seeds):
    classifier = arms.preset.classifier.model_copy(update={"block": size})
    return replace(arms, preset=arms.preset.model_copy(update={"classifier": classifier}), seeds=seeds)


def test_blocks_have_fixed_bounds_and_hold_the_seeds_of_the_study(smoke):
    for size, seeds, wanted in (
        (4, (0, 1, 2), [(0, 1, 2)]),
        (4, tuple(range(10)), [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]),
        (4, (9, 2, 5, 6), [(8 + 1,), (2,), (5, 6)]),
        (1, (0, 1), [(0,), (1,)]),
    ):
        arms = blocked(smoke.main, size, seeds)
        assert {arms.block(s) for s in seeds} == set(wanted)
        assert arms.block(400) == (400,)
        for s in seeds:
            one = arms.arm("50-100", 1, s)
            assert one.own.seed == s
            assert one.own.synthetic == arms.copies(s, (50, 100), 1)
            assert tuple(member.seed for member in one.block.members) == arms.block(s)


def test_more_seeds_leave_full_blocks_as_they_are_and_the_order_of_seeds_does_not_count(smoke):
    few, many = (blocked(smoke.main, 2, seeds) for seeds in ((0, 1, 2), (3, 2, 1, 0)))
    assert few.classifier(1, 50) == many.classifier(1, 50)
    assert few.classifier(2, 50) != many.classifier(2, 50)  # its block was cut short


def test_reverse_step_0_is_the_data_itself(smoke):
    assert smoke.main.samples(0, 0) == smoke.main.data["train"]
    assert smoke.main.classifier(0, 0) == smoke.main.arm(REAL_ONLY, 0, 0)


def test_the_cross_fitted_classifier_has_not_seen_what_it_judges(smoke):
    for seed in smoke.seeds:
        classifier = smoke.main.crossfit(seed)
        assert classifier.block.epoch_images == 20
        seen = {i.tobytes() for i in smoke.store.get(classifier.own.real).images}
        for t_re in (0, FLOOR):
            judged = smoke.main.judged(CROSSFIT, seed, t_re)
            assert judged.classifier == classifier
            images = smoke.store.get(judged.images).images
            assert len(seen) == len(images) == 20
            assert not seen & {i.tobytes() for i in images}


def test_halves_divide_every_class(smoke):
    train = smoke.main.data["train"]
    a, b = (smoke.store.get(Subset(images=train, half=h)) for h in "ab")
    whole = smoke.store.get(train)
    assert sorted(i.tobytes() for s in (a, b) for i in s.images) == sorted(i.tobytes() for i in whole.images)
    assert np.abs(np.bincount(a.labels) - np.bincount(b.labels)).max() <= 1


def test_a_set_with_few_held_out_images_is_measured_in_the_papers_protocol_alone(smoke):
    d = smoke.design
    assert d.main.protocols() == (PAPER, CROSSFIT)
    few = d.main.data["other"].model_copy(update={"count": 4})
    small = replace(d, columns=(replace(d.main, data=d.main.data | {"other": few}), *d.columns[1:]))
    assert small.main.protocols() == (PAPER,)
    assert {protocol for name, protocol, *_ in table4_fidelity_cells(small) if name == small.main.name} == {PAPER}
    assert {protocol for _, protocol, *_ in sensitivity_fidelity_cells(small)} == {PAPER}


# bootstrap and subsets


def test_a_bootstrap_has_the_labels_of_its_images_and_draws_within_classes(smoke):
    train = smoke.store.get(smoke.main.data["train"])
    drawn = smoke.store.get(Bootstrap(images=smoke.main.data["train"], seed=0))
    assert np.array_equal(drawn.labels, train.labels)
    known = {i.tobytes(): int(y) for i, y in zip(train.images, train.labels, strict=True)}
    assert all(known[i.tobytes()] == y for i, y in zip(drawn.images, drawn.labels, strict=True))


@pytest.mark.parametrize(("copies", "kept"), [(1, 0.632), (3, 0.950), (5, 0.993)])
def test_a_bootstrap_of_k_times_n_keeps_1_minus_exp_minus_k_of_the_images(copies, kept):
    labels = np.repeat(np.arange(4), 500)
    drawn = np.concatenate([bootstrap(labels, 7, i) for i in range(copies)])
    assert len(np.unique(drawn)) / len(labels) == pytest.approx(kept, abs=0.015)
    assert np.array_equal(labels[bootstrap(labels, 7)], labels)
    assert not np.array_equal(bootstrap(labels, 7), bootstrap(labels, 8))


def test_subsets_of_the_learning_curve_are_drawn_by_the_seed_and_keep_every_class(smoke):
    cells = curve_cells(smoke.design)
    assert {count for count, _ in cells} == {10, 20, 40}
    for (count, seed), predict in cells.items():
        real = predict.classifier.own.real
        assert spend(predict.classifier)[0] == 12
        if count < 40:
            assert isinstance(real, Subset)
            assert (real.count, real.seed) == (count, seed)
            images = smoke.store.get(real)
            assert len(images) == count
            assert len(np.unique(images.labels)) == 10
    first, second = (smoke.store.get(cells[20, s].classifier.own.real) for s in (0, 1))
    assert not np.array_equal(first.images, second.images)


# images of another generator


def given_set(smoke, tmp_path, count, classes=None, colour=False):
    """A file of `count` images with the training set's classes in reverse order, each image its label's grey."""
    names = classes or smoke.store.get(smoke.main.data["train"]).classes[::-1]
    labels = np.arange(count) % len(names)
    grey = np.array([20 * int(name) for name in names], np.uint8)[labels]
    images = np.broadcast_to(grey[:, None, None, None], (count, 3 if colour else 1, 5, 5))
    return save_npz(ImageSet(images, labels, tuple(names)), tmp_path / "given.npz")


def lab_with(smoke, path):
    """The smoke study with images of another generator."""
    loaded = load("auto", "smoke", smoke.store.root.parent, "auto", "cpu", f"npz:{path}", Options())
    store = Store(smoke.store.root)
    return Lab(loaded.design(store.put), store, 1)


def test_given_images_are_arms_of_table_3_of_their_own_multiple(smoke, tmp_path):
    d = lab_with(smoke, given_set(smoke, tmp_path, 130)).design
    assert d.arms.given_multiples() == (1, 3)
    cells = {c: p for c, p in arm_cells(d).items() if c[0] in (GIVEN, GIVEN_ONLY)}
    assert {c[:2] for c in cells} == {(GIVEN, 1), (GIVEN, 3), (GIVEN_ONLY, 1), (GIVEN_ONLY, 3)}
    for (arm, multiple, seed), predict in cells.items():
        classifier = predict.classifier
        assert (classifier.own.real is None) == (arm == GIVEN_ONLY)
        (images,) = classifier.own.synthetic
        assert (images.count, images.seed) == (40 * multiple, seed)
        assert not any(isinstance(s, TrainDiffusion) for s in in_order([classifier]))


def test_given_images_are_brought_to_the_real_ones_size_and_classes(smoke, tmp_path):
    lab = lab_with(smoke, given_set(smoke, tmp_path, 30))
    images = lab.store.get(lab.design.arms.data["given"])
    assert images.shape == (1, 8, 8)
    assert images.classes == smoke.store.get(smoke.main.data["train"]).classes
    assert np.array_equal(images.images[:, 0, 0, 0], 20 * images.labels)


def test_fewer_given_images_than_real_ones_are_an_arm_of_their_own_multiple(smoke, tmp_path):
    arms = lab_with(smoke, given_set(smoke, tmp_path, 30)).design.arms
    assert arms.given_multiples() == (0.75,)
    classifier = arms.arm(GIVEN, 0.75, 0)
    assert classifier.own.synthetic == (arms.data["given"],)
    assert spend(classifier) == (12, 32)


def test_a_study_with_given_images_differs_in_their_arms_alone(smoke, tmp_path):
    lab = lab_with(smoke, given_set(smoke, tmp_path, 130))
    known = {s.key for s in in_order(table3.specs(smoke.design))}
    new = [s for s in in_order(table3.specs(lab.design)) if s.key not in known]
    assert {s.kind for s in new} == {"data", "subset", "train-classifier", "predict"}
    rows = lab.rows(table3)
    assert set(rows.arm) - set(smoke.rows("table3").arm) == {GIVEN, GIVEN_ONLY}
    pairs = {(cell_name(first), cell_name(second)) for first, second in against_controls(lab.design)}
    assert pairs >= {("given ×1", "0 ×1"), ("given only ×3", f"{BOOTSTRAP} ×3")}


def test_a_lost_given_set_is_loaded_again_by_its_specification(smoke, damageable, tmp_path):
    lab = lab_with(smoke, given_set(smoke, tmp_path, 30))
    given = lab.design.arms.data["given"]
    shutil.rmtree(damageable.folder(given), ignore_errors=True)
    assert np.array_equal(damageable.get(given).images, lab.store.get(given).images)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"classes": ("0", "11")}, "has a class '11', which digits/train lacks"),
        ({"colour": True}, "holds colour images and digits/train grey ones"),
    ],
)
def test_given_images_that_do_not_fit_are_refused(smoke, tmp_path, options, reason):
    with pytest.raises(UserError, match=reason):
        lab_with(smoke, given_set(smoke, tmp_path, 30, **options))
    with pytest.raises(UserError, match="nowhere"):
        lab_with(smoke, tmp_path / "nowhere.npz")


def test_every_arm_without_a_policy_is_drawn_once(smoke):
    drawn = [Arm(arm) for arms in PANELS.values() for arm in arms]
    assert len(drawn) == len(set(drawn))
    assert {arm for arm, _ in smoke.main.listed() if arm.policy == "none" and arm != REAL_ONLY} <= {*drawn, GAN_ONLY}
