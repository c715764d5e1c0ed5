"""Choosing among synthetic images: what is kept, and what that is worth where the truth is known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from synthgap.metrics.selection import kept, log_probabilities, looked_at, spread_out

LABELS = np.array([0, 1, 0, 1, 1])
SURE = {  # draw, place → probability of the label; below a half it is contradicted
    (0, 0): 0.9, (0, 1): 0.2, (0, 2): 0.7, (0, 3): 0.1, (0, 4): 0.6,
    (1, 0): 0.8, (1, 1): 0.95, (1, 2): 0.4, (1, 3): 0.3, (1, 4): 0.99,
}  # fmt: skip


@pytest.fixture
def told():
    out = np.zeros((2, 5, 2))
    for (draw, place), p in SURE.items():
        out[draw, place, LABELS[place]], out[draw, place, 1 - LABELS[place]] = p, 1 - p
    return np.log(out)


NOTHING = np.zeros((2, 5, 1))


def test_redrawing_takes_the_first_that_agrees_or_the_nearest_to_it(told):
    assert kept("redrawn", LABELS, told, NOTHING).tolist() == [0, 5 + 1, 2, 5 + 3, 4]
    assert looked_at(LABELS, told) == 1 + 2 + 1 + 2 + 1


def test_all_that_agree_are_kept_whatever_their_number(told):
    assert kept("agreeing", LABELS, told, NOTHING).tolist() == [0, 2, 4, 5, 6, 9]


def test_a_class_that_is_contradicted_throughout_keeps_one_image(told):
    wrong = told[:, :, ::-1].copy()
    wrong[:, LABELS == 0] = told[:, LABELS == 0]
    wrong[:, LABELS == 1] = np.log([0.7, 0.3])
    wrong[1, 3] = np.log([0.6, 0.4])
    found = kept("agreeing", LABELS, wrong, NOTHING)
    assert found[LABELS[found % 5] == 1].tolist() == [5 + 3]


@pytest.mark.parametrize(("rule", "zeros", "ones"), [("sure", {0, 5}, {9, 6, 4}), ("unsure", {2, 5}, {4, 6, 9})])
def test_the_classes_keep_their_numbers_and_what_agrees_comes_first(told, rule, zeros, ones):
    found = kept(rule, LABELS, told, NOTHING)
    assert set(found[:2]) == zeros
    assert set(found[2:]) == ones


@pytest.mark.parametrize("rule", ["redrawn", "unsure", "sure", "outskirts"])
def test_a_set_has_as_many_of_each_class_as_a_draw_also_where_nothing_agrees(rule):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40)
    told = np.log(rng.dirichlet(np.ones(3), (4, 40)))
    for probabilities in (told, np.where(np.arange(3) == (labels[:, None] + 1) % 3, 0.0, -40.0) * np.ones((4, 1, 1))):
        found = kept(rule, labels, probabilities, rng.normal(size=(4, 40, 2)))
        assert len(set(found)) == 40
        assert np.bincount(np.tile(labels, 4)[found]).tolist() == np.bincount(labels).tolist()


def test_the_outskirts_are_reached_before_the_middle_is_filled():
    """Nine points in the middle, and one at each end of a cross: those four are kept with the first five."""
    middle = 0.01 * np.random.default_rng(0).normal(size=(9, 2))
    ends = np.array([[5, 0], [-5, 0], [0, 5], [0, -5.0]])
    found = spread_out(np.concatenate([middle, ends]), 5)
    assert found[0] < 9
    assert set(found[1:]) == {9, 10, 11, 12}


def test_several_judges_say_the_mean_of_their_probabilities():
    logits = np.log([[[0.9, 0.1]], [[0.3, 0.7]]]) + np.array([[[3.0]], [[-5.0]]])
    assert np.exp(log_probabilities(logits)) == pytest.approx(np.array([[0.6, 0.4]]))


def test_a_filter_that_knows_the_labels_recovers_the_accuracy_that_wrong_labels_cost():
    """Two Gaussians, a fifth of the draws with the other's label: the classifier's threshold and slope suffer."""
    rng = np.random.default_rng(0)
    count, draws, mean = 30, 6, np.array([1.2, 0.0, 0.0, 0.0, 0.0])
    scores = {"plain": [], "filtered": [], "clean": []}
    for _ in range(60):
        labels = np.repeat([0, 1], count)
        truth = np.where(rng.random((draws, len(labels))) < 0.35, 1 - labels, labels)
        images = rng.normal(size=(draws, len(labels), 5)) + np.where(truth[..., None] == 1, mean, -mean)
        told = np.log(np.where(np.arange(2) == truth[..., None], 0.99, 0.01))
        clean = rng.normal(size=(len(labels), 5)) + np.where(labels[:, None] == 1, mean, -mean)
        chosen = kept("redrawn", labels, told, images)
        for name, seen in (("plain", images[0]), ("filtered", images.reshape(-1, 5)[chosen]), ("clean", clean)):
            rule = LinearDiscriminantAnalysis().fit(seen, labels)
            w, b = rule.coef_[0], rule.intercept_[0]
            spread = np.linalg.norm(w)
            scores[name].append(np.mean([norm.cdf((w @ mean + b) / spread), norm.cdf((w @ mean - b) / spread)]))
    mean_of = {name: np.mean(values) for name, values in scores.items()}
    assert mean_of["clean"] - mean_of["plain"] > 0.02
    assert mean_of["filtered"] == pytest.approx(mean_of["clean"], abs=0.004)
