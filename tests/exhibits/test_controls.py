"""Section 5 with its controls: what the arms hold, what validation chooses, where the variance lies."""

from dataclasses import replace

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.data.npz import save_npz
from synthgap.data.splits import bootstrap
from synthgap.design.arms import BOOTSTRAP, CROSSFIT, DEFAULT, EPOCH_MATCHED, GIVEN, GIVEN_ONLY, PAPER
from synthgap.design.variants import VARIANTS
from synthgap.exhibits.study import Study
from synthgap.graph.specs import Bootstrap, Data, Subset, TrainClassifier, TrainDiffusion, TrainGan, in_order


def spend(spec) -> tuple[int, int]:
    """(optimiser steps, images a step) of a classifier."""
    streams = (spec.real is not None) + bool(spec.synthetic)
    return spec.training.steps(spec.epoch_images), streams * spec.training.batch


# steps and images


def test_every_arm_takes_the_real_sets_steps_but_the_epoch_matched_one(smoke):
    steps, batch = spend(smoke.main.classifier(0, 0))
    assert (steps, batch) == (4 * 3, 16)  # 4 epochs of ceil(40 / 16)
    for (arm, multiple, _), predict in smoke.arms.table3().items():
        mine = spend(predict.classifier)
        beside_real = arm.partition(" + ")[0] in (*smoke.preset.augmentation, GIVEN)
        times = -(-multiple * 40 // 16) / 3 if arm == EPOCH_MATCHED else 1
        assert mine == (times * steps, 2 * batch if beside_real else batch), arm


def test_epoch_matched_is_step_matched_at_1(smoke):
    assert smoke.main.arm(EPOCH_MATCHED, 1, 0) == smoke.main.arm("synthetic only", 1, 0)
    assert smoke.main.arm(EPOCH_MATCHED, 3, 0) != smoke.main.arm("synthetic only", 3, 0)


def test_the_control_of_a_second_real_batch_sees_real_images_alone(smoke):
    arm = smoke.main.arm("0", 1, 0)
    assert {s.fingerprint for s in in_order([arm]) if isinstance(s, Data)} == {smoke.main.data["train"].fingerprint}
    assert not any(isinstance(s, TrainDiffusion) for s in in_order([arm]))


# who sees what


def test_no_arm_and_no_generator_sees_validation_or_test_images(smoke):
    parts = ("validation", "test", "probe", "floor", "other")
    hidden = {arms.data[part].fingerprint for arms in smoke.columns for part in parts}
    trained = [s for s in in_order(smoke.plan()) if isinstance(s, (TrainClassifier, TrainDiffusion, TrainGan))]
    assert len(trained) > 60
    for spec in trained:
        assert not hidden & {s.fingerprint for s in in_order([spec]) if isinstance(s, Data)}


def test_a_choice_of_arm_reads_validation_images_and_no_test_image(smoke):
    test = smoke.arms.data["test"].fingerprint
    cells = smoke.arms.validated()
    assert {arm for arm, *_ in cells} == set(smoke.preset.augmentation) - {"0"}
    for spec in cells.values():
        assert spec.images == smoke.arms.data["validation"]
        assert test not in {s.fingerprint for s in in_order([spec]) if isinstance(s, Data)}


def test_the_chosen_arm_is_the_best_on_validation_whatever_test_says(smoke):
    rows = smoke.validation()
    for multiple in (1, 3):
        means = {arm: g.accuracy.mean() for arm, g in rows[rows.multiple == multiple].groupby("arm")}
        assert means[smoke.chosen_arm(multiple)] == max(means.values())
    with pytest.raises(UserError, match="no arm of the preset smoke has synthetic images ×5"):
        smoke.chosen_arm(5)


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
    cells = smoke.arms.learning_curve()
    assert {count for count, _ in cells} == {10, 20, 40}
    for (count, seed), predict in cells.items():
        real = predict.classifier.real
        assert spend(predict.classifier)[0] == 12
        if count < 40:
            assert isinstance(real, Subset)
            assert (real.count, real.seed) == (count, seed)
            images = smoke.store.get(real)
            assert len(images) == count
            assert len(np.unique(images.labels)) == 10
    first, second = (smoke.store.get(cells[20, s].classifier.real) for s in (0, 1))
    assert not np.array_equal(first.images, second.images)


# comparisons


def test_comparisons_are_paired_differences_of_the_table(smoke):
    table = smoke.table3().set_index(["arm", "multiple", "seed"]).accuracy
    several = smoke.against_real()
    assert len(several) == len(smoke.arms.listed()) - 1
    mix = next(c for c in several if c.first == "50-100 ×3")
    wanted = [100 * (table["50-100", 3, s] - table["real only", 0, s]) for s in smoke.seeds]
    assert mix.difference.mean == pytest.approx(np.mean(wanted))
    assert mix.second == "real only"
    assert all(c.p_holm >= c.p for c in several)


def test_controls_isolate_the_synthetic_images(smoke):
    pairs = {(c.first, c.second) for c in smoke.against_controls()}
    assert {
        ("50-100 ×1", "0 ×1"),
        ("synthetic only ×1", "real bootstrap ×1"),
        ("synthetic only ×3", "real bootstrap ×3"),
        ("50-100 ×3", "100 ×3"),
        ("100 ×3", "0 + RandAugment ×1"),
        ("100 + TrivialAugment ×3", "0 + TrivialAugment ×1"),
    } <= pairs


def test_an_arm_outside_the_preset_is_named(smoke):
    with pytest.raises(UserError, match="25 ×5 is not part of the preset smoke"):
        smoke.arm_difference(("25", 5), ("real only", 0))


# variance


def test_crossed_cells_are_every_pair_and_their_diagonal_is_table_3(smoke):
    cells, table = smoke.arms.crossed(), smoke.arms.table3()
    assert set(cells) == {(g, c) for g in (0, 1) for c in (0, 1)}
    for (g, c), predict in cells.items():
        assert predict.classifier.seed == c
        assert {s.seed for s in predict.classifier.synthetic} == {g}
        if g == c:
            assert predict == table["synthetic only", 1, g]
    assert smoke.variance().shape == (2, 2)


# sensitivity


def test_a_variant_changes_what_it_says_and_nothing_else(smoke):
    usual = smoke.main
    for name in smoke.preset.sensitivity.variants:
        other = usual.varied(name)
        assert other.generator(0) == usual.generator(0)
        sampling = VARIANTS[name].concerns == "solver"
        assert (other.samples(0, 50) != usual.samples(0, 50)) == sampling
        assert (other.classifier(0, 0) != usual.classifier(0, 0)) != sampling
        assert other.data == usual.data


def test_the_smoke_preset_runs_every_variant(smoke):
    assert set(smoke.preset.sensitivity.variants) == set(VARIANTS)
    rows = smoke.sensitivity()
    assert set(rows.variant) == {DEFAULT, *VARIANTS}
    assert set(rows.t_re) == {0, 50, 100}
    fidelity = smoke.sensitivity_fidelity()
    assert set(fidelity.variant) == {DEFAULT, *(n for n, v in VARIANTS.items() if v.concerns == "solver")}


def test_the_default_of_the_sensitivity_study_is_table_2_and_figure_6(smoke):
    table2, figure6 = smoke.main.table2(), smoke.main.figure6()
    for (name, t, seed), spec in smoke.main.sensitivity().items():
        if name == DEFAULT:
            assert spec == table2[t, seed]
    for (name, protocol, t, seed), spec in smoke.main.sensitivity_fidelity().items():
        if name == DEFAULT:
            assert spec == figure6[protocol, t, seed]


# images of another generator


def given_set(smoke, tmp_path, count, classes=None, colour=False):
    """A file of `count` images with the training set's classes in reverse order, each image its label's grey."""
    names = classes or smoke.class_names()[::-1]
    labels = np.arange(count) % len(names)
    grey = np.array([20 * int(name) for name in names], np.uint8)[labels]
    images = np.broadcast_to(grey[:, None, None, None], (count, 3 if colour else 1, 5, 5))
    return save_npz(ImageSet(images, labels, tuple(names)), tmp_path / "given.npz")


def study_with(smoke, path, **options):
    return Study(preset="smoke", results=smoke.results, device="cpu", workers=1, synthetic=f"npz:{path}", **options)


def test_given_images_are_arms_of_table_3_of_their_own_multiple(smoke, tmp_path):
    study = study_with(smoke, given_set(smoke, tmp_path, 130))
    assert study.arms.given_multiples() == (1, 3)
    cells = {c: p for c, p in study.arms.table3().items() if c[0] in (GIVEN, GIVEN_ONLY)}
    assert {c[:2] for c in cells} == {(GIVEN, 1), (GIVEN, 3), (GIVEN_ONLY, 1), (GIVEN_ONLY, 3)}
    for (arm, multiple, seed), predict in cells.items():
        classifier = predict.classifier
        assert (classifier.real is None) == (arm == GIVEN_ONLY)
        (images,) = classifier.synthetic
        assert (images.count, images.seed) == (40 * multiple, seed)
        assert not any(isinstance(s, TrainDiffusion) for s in in_order([classifier]))


def test_given_images_are_brought_to_the_real_ones_size_and_classes(smoke, tmp_path):
    study = study_with(smoke, given_set(smoke, tmp_path, 30))
    images = study.store.get(study.arms.data["given"])
    assert images.shape == (1, 8, 8)
    assert images.classes == smoke.class_names()
    assert np.array_equal(images.images[:, 0, 0, 0], 20 * images.labels)


def test_fewer_given_images_than_real_ones_are_an_arm_of_their_own_multiple(smoke, tmp_path):
    study = study_with(smoke, given_set(smoke, tmp_path, 30))
    assert study.arms.given_multiples() == (0.75,)
    classifier = study.arms.arm(GIVEN, 0.75, 0)
    assert classifier.synthetic == (study.arms.data["given"],)
    assert spend(classifier) == (12, 32)


def test_a_study_with_given_images_differs_in_their_arms_alone(smoke, tmp_path):
    study = study_with(smoke, given_set(smoke, tmp_path, 130))
    new = study.store.missing(study.plan())
    judged = {"attend", "memorization"}  # the answer looks at the given images, too
    assert {s.kind for s in new} == {"subset", "train-classifier", "predict"} | judged
    rows = study.table3()
    assert set(rows.arm) - set(smoke.table3().arm) == {GIVEN, GIVEN_ONLY}
    assert {(c.first, c.second) for c in study.against_controls()} >= {("given ×1", "0 ×1")}
    assert {(c.first, c.second) for c in study.against_controls()} >= {("given only ×3", f"{BOOTSTRAP} ×3")}


def test_a_lost_given_set_is_loaded_again_by_its_specification(smoke, damageable, tmp_path):
    import shutil

    study = study_with(smoke, given_set(smoke, tmp_path, 30))
    given = study.arms.data["given"]
    fresh = type(study.store)(damageable.root)
    shutil.rmtree(fresh.folder(given), ignore_errors=True)
    assert np.array_equal(fresh.get(given).images, study.store.get(given).images)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"classes": ("0", "11")}, "has a class '11', which digits/train lacks"),
        ({"colour": True}, "holds colour images and digits/train grey ones"),
    ],
)
def test_given_images_that_do_not_fit_are_refused(smoke, tmp_path, options, reason):
    with pytest.raises(UserError, match=reason):
        study_with(smoke, given_set(smoke, tmp_path, 30, **options))
    with pytest.raises(UserError, match="nowhere"):
        study_with(smoke, tmp_path / "nowhere.npz")


def test_a_set_with_few_held_out_images_is_measured_in_the_papers_protocol_alone(smoke):
    arms = smoke.main
    assert arms.protocols() == (PAPER, CROSSFIT)
    few = arms.data["other"].model_copy(update={"count": 4})
    small = replace(arms, data=arms.data | {"other": few})
    assert small.protocols() == (PAPER,)
    assert {protocol for protocol, *_ in small.table4_fidelity()} == {PAPER}
    assert {protocol for _, protocol, *_ in small.sensitivity_fidelity()} == {PAPER}
