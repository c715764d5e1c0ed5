"""The second judge: scikit-learn's own answer on the same features, nothing learnt of what is tested."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from synthgap.base.errors import UserError
from synthgap.classifier import head
from synthgap.classifier.head import IMPOSSIBLE, Features, Lesson, judge, weighted


def drawn(seed: int, count: int, *, classes: int = 2, apart: float = 1.0, size: int = 10) -> Features:
    """Normal features whose mean moves with the class, along a direction of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    means = apart * np.eye(classes, size)
    return Features((means[labels] + rng.normal(size=(count, size))).astype(np.float32), labels)


def judged(lesson: Lesson, test: Features | None, draws: int = 2, classes: int = 2):
    return judge(lesson, drawn(1, 60, classes=classes), test, classes, draws)


@pytest.mark.parametrize("classes", [2, 4])
def test_a_head_is_scikit_learns_logistic_regression_on_standardised_features(classes):
    real, test = drawn(0, 200, classes=classes), drawn(2, 300, classes=classes)
    found = judged(Lesson([real]), test, classes=classes)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (found.strength * len(real)), tol=1e-6))
    theirs.fit(real.features, real.labels)
    told = theirs.predict(test.features)
    ours = found.itself
    assert ours.accuracy == accuracy_score(test.labels, told)
    recalls = [ours.correct[test.labels == c].mean() for c in range(classes)]
    assert recalls == pytest.approx(recall_score(test.labels, told, average=None))
    if classes == 2:
        area = roc_auc_score(test.labels, theirs.decision_function(test.features))
        assert roc_auc_score(test.labels, ours.logits[:, 1] - ours.logits[:, 0]) == pytest.approx(area, abs=1e-4)


def test_the_strength_is_the_one_of_the_smallest_loss_on_validation_images():
    many, few = drawn(0, 2000), drawn(0, 12)
    assert judged(Lesson([few]), drawn(2, 50)).strength > judged(Lesson([many]), drawn(2, 50)).strength


def test_a_second_copy_of_the_real_images_beside_them_changes_nothing():
    real, test = drawn(0, 100), drawn(2, 300)
    alone, beside = judged(Lesson([real]), test), judged(Lesson([real], real), test)
    assert np.allclose(alone.logits[0], beside.logits[0], atol=0.01)
    assert judged(Lesson([real, real]), test).logits[0] == pytest.approx(alone.logits[0], abs=0.01)  # two views alike


def test_the_labels_of_test_images_play_no_part():
    real, test = drawn(0, 100), drawn(2, 300)
    other = replace(test, labels=1 - test.labels)
    assert (judged(Lesson([real]), test).logits == judged(Lesson([real]), other).logits).all()


@pytest.mark.parametrize("beside", [True, False])
def test_copies_of_images_whose_labels_are_chance_tell_nothing_of_them(beside, monkeypatch):
    monkeypatch.setattr(head, "STRENGTHS", (1e-3,))  # heads that learn what they see
    rng = np.random.default_rng(0)
    real = Features(rng.normal(size=(400, 60)).astype(np.float32), rng.integers(0, 2, 400))
    other = Features(rng.normal(size=(50, 60)).astype(np.float32), np.arange(50) % 2)
    alone, copies, nearest = (
        judge(lesson, other, test, 2, 2).itself
        for lesson, test in (
            (Lesson([real]), None),
            (Lesson([real], real, beside), None),
            (Lesson([real], real, beside), real),  # trained on what is tested
        )
    )
    assert alone.accuracy == pytest.approx(0.5, abs=0.08)  # three standard errors
    assert copies.accuracy == pytest.approx(0.5, abs=0.08)
    assert nearest.accuracy > 0.6


def test_all_images_are_test_images_where_no_others_are_given():
    real = drawn(0, 100, apart=3.0)
    found = judged(Lesson([real]), None)
    assert (found.labels == real.labels).all()
    assert found.itself.accuracy > 0.9
    with pytest.raises(UserError, match="a class has fewer than 5 images"):
        judged(Lesson([drawn(0, 8)]), None)


def test_copies_of_images_that_are_all_tested_at_once_teach_nothing():
    real = drawn(0, 100, apart=3.0)
    part = next(part for part in head._folds(real.labels, 5) if 0 in part)
    copies = Features(real.features[part[:6]], real.labels[part[:6]])
    found = judged(Lesson([real], copies, beside=False), None)
    assert np.isfinite(found.logits).all()
    assert (found.logits[0, part].argmax(axis=1) == 0).all()
    everything = judged(Lesson([real], real, beside=False), None)
    assert everything.itself.accuracy > 0.8


def test_another_mix_of_classes_among_synthetic_images_counts_as_that_of_the_real_ones():
    real, rng = drawn(0, 200), np.random.default_rng(0)
    uneven = drawn(3, 200)
    kept = (uneven.labels == 0) | (rng.random(200) < 0.2)
    given = Features(uneven.features[kept], uneven.labels[kept])
    for beside in (True, False):
        rows, weights = weighted(Lesson([real], given, beside), 2)
        assert weights.sum() == pytest.approx(1)
        assert weights[rows.labels == 1].sum() == pytest.approx(0.5)


def test_synthetic_images_count_no_more_than_the_real_ones_together_and_one_no_more_than_a_real_one():
    real = drawn(0, 100)
    for count, share in ((300, 1 / 2), (50, 1 / 3)):
        _, weights = weighted(Lesson([real], drawn(3, count)), 2)
        assert weights[100:].sum() == pytest.approx(share)


def test_a_class_without_an_image_is_never_told():
    real, test = drawn(0, 90, classes=3), drawn(2, 90, classes=3)
    some = Features(real.features[real.labels < 2], real.labels[real.labels < 2])
    found = judged(Lesson([real], some, beside=False), test, classes=3)
    assert (found.logits[..., 2] == IMPOSSIBLE).all()
    only = Features(real.features[real.labels == 1], real.labels[real.labels == 1])
    assert (judged(Lesson([real], only, beside=False), test, classes=3).itself.logits.argmax(axis=1) == 1).all()


def test_redraws_differ_as_much_as_classifiers_of_other_training_images_do():
    test = drawn(99, 4000)
    fresh = [judged(Lesson([drawn(seed, 60)]), test).itself.accuracy for seed in range(100, 140)]
    spreads = []
    for seed in range(6):
        again = judged(Lesson([drawn(seed, 60)]), test, draws=30).correct[1:].mean(axis=1)
        spreads.append(again.std(ddof=1))
    assert 0.7 < np.mean(spreads) / np.std(fresh, ddof=1) < 1.6


def test_a_redraw_is_the_same_for_every_arm():
    real, given = drawn(0, 50), drawn(3, 30)
    several = [weighted(lesson, 2, 4)[1][:50] for lesson in (Lesson([real]), Lesson([real], given))]
    assert (several[0] > 0).tolist() == (several[1] > 0).tolist()
    assert (several[0] > 0).mean() < 0.75  # drawn with replacement
    counted = weighted(Lesson([real], count=20), 2)[1]
    assert (counted > 0).sum() == 20


def test_a_group_lies_in_one_part_and_what_it_shares_is_not_learnt(monkeypatch):
    monkeypatch.setattr(head, "STRENGTHS", (1e-3,))  # heads that learn what they see
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(80), 6)
    labels = rng.permutation(np.arange(80) % 2)[groups]  # of a group, at random
    signatures = rng.normal(size=(80, 60))
    real = Features((signatures[groups] + 0.1 * rng.normal(size=(480, 60))).astype(np.float32), labels)
    other = Features(rng.normal(size=(50, 60)).astype(np.float32), np.arange(50) % 2)
    without, with_groups = (judge(Lesson([real]), other, None, 2, 2, groups=g).itself for g in ((), groups))
    assert without.accuracy > 0.8
    assert with_groups.accuracy == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(80))  # three standard errors, of groups
    parts = head._folds(labels, 5, groups)
    assert len(parts) == 5
    assert sum(len(set(groups[part])) for part in parts) == 80


def test_images_of_a_group_are_trained_on_for_other_groups_alone(monkeypatch):
    monkeypatch.setattr(head, "STRENGTHS", (1e-2,))  # else all images have a say in it
    groups = np.repeat(np.arange(4), 15)
    real = drawn(0, 60, apart=3.0)

    part = next(part for part in head._folds(real.labels, 5, groups) if 0 in part)
    assert set(groups[part]) & set(np.delete(groups, part)) == set()
    changed = real.features.copy()
    changed[part[1:]] *= -1  # of its own group: not trained on, so that what is said of image 0 stays
    first, second = (
        judge(Lesson([Features(f, real.labels)]), drawn(1, 60), None, 2, 2, groups=groups).logits[0, 0]
        for f in (real.features, changed)
    )
    assert first == pytest.approx(second)
    with pytest.raises(UserError, match="all images of a class lie in one group"):
        judge(Lesson([real]), drawn(1, 60), None, 2, 2, groups=real.labels)
