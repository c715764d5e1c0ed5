"""Words for intervals: what is decided and what is left open, how often that is wrong, and where a curve flattens."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.verdict import (
    BETTER,
    DECIDED,
    LEANING,
    LOOKS,
    OPEN,
    SAME,
    UNKNOWN,
    WORSE,
    decide,
    flattening,
    looks,
    read,
)


def certain(mean, error, seeds=3, images=300):
    """A difference whose standard error is all of the images', so that its intervals are the normal's."""
    return Crossed(mean, 0.0, error**2, 0.0, seeds, images)


def with_p(p, mean=0.05):
    return certain(mean, abs(mean) / stats.norm.isf(p / 2))


def words(*differences):
    """What is decided; `UNKNOWN` where nothing is."""
    return [v.word if v.standing == DECIDED else UNKNOWN for v in decide(list(differences))]


@pytest.mark.parametrize(
    ("mean", "error", "word"),
    [
        (0.05, 0.01, BETTER),
        (-0.05, 0.01, WORSE),
        (0.0, 0.003, SAME),
        (0.05, 0.03, UNKNOWN),
        (0.0, 0.01, UNKNOWN),
        (0.0, 0.0045, UNKNOWN),  # ±0.88 points at 95%, ±1.16 at 99%
        (0.004, 0.002, SAME),  # −0.1 to +0.9 points
        (0.006, 0.002, BETTER),  # p = .003, +0.1 to +1.1 points
        (0.002, 0.0002, SAME),  # ten standard errors from 0, and a fifth of a point
        (-0.002, 0.0002, SAME),
        (0.009, 0.001, BETTER),  # up to 1.16 points
        (-0.009, 0.001, WORSE),
    ],
)
def test_the_word_is_that_of_the_interval_at_99_percent(mean, error, word):
    assert words(certain(mean, error)) == [word]


def test_a_tiny_difference_is_the_same_though_its_p_value_is_small():
    (verdict,) = decide([certain(0.002, 0.0002)])
    assert (verdict.word, verdict.standing, verdict.needed) == (SAME, DECIDED, None)
    assert verdict.p == pytest.approx(2 * stats.norm.sf(0.008 / 0.0002), abs=1e-11)


@pytest.mark.parametrize(
    ("p", "corrected", "found"),
    [
        ([0.006], [0.006], [DECIDED]),
        ([0.006, 0.008], [0.012, 0.016], [LEANING, LEANING]),
        ([0.004, 0.008], [0.008, 0.016], [DECIDED, LEANING]),
        ([0.004, 0.02], [0.008, 0.04], [DECIDED, LEANING]),
        ([0.06, 0.004], [0.12, 0.008], [OPEN, DECIDED]),
        ([0.003, 0.004, 0.5], [0.009, 0.012, 1], [DECIDED, LEANING, OPEN]),
    ],
)
def test_verdicts_of_one_answer_are_corrected_together(p, corrected, found):
    verdicts = decide([with_p(value) for value in p])
    assert [v.p for v in verdicts] == pytest.approx(corrected, rel=1e-6)
    assert [v.standing for v in verdicts] == found


def test_a_verdict_that_leans_says_what_would_decide_it():
    (verdict,) = decide([with_p(0.03)])
    assert (verdict.word, verdict.standing) == (BETTER, LEANING)
    assert verdict.needed.images > 300


@pytest.mark.parametrize(
    ("side", "p", "p_within", "found"),
    [
        (1, 0.001, 0.9, (1, DECIDED, 0.004)),
        (-1, 0.001, 0.9, (-1, DECIDED, 0.004)),
        (1, 0.03, 0.9, (1, LEANING, 0.12)),
        (1, 0.2, 0.01, (0, DECIDED, 0.04)),
        (1, 0.001, 0.002, (0, DECIDED, 0.008)),  # told from 0, and smaller than what matters
        (1, 0.001, 0.03, (1, DECIDED, 0.004)),
        (1, 0.03, 0.04, (0, LEANING, 0.16)),
        (1, 0.2, 0.3, (0, OPEN, 0.8)),
        (1, 0.5, 0.6, (0, OPEN, 1.0)),
    ],
)
def test_one_rule_reads_a_comparison_of_four(side, p, p_within, found):
    one = read(side, p, p_within, 4, 0.05)
    assert (one.side, one.standing, pytest.approx(one.p)) == found


def test_verdicts_keep_the_order_and_the_differences():
    differences = [with_p(0.5), with_p(0.001, -0.05), with_p(0.001)]
    verdicts = decide(differences)
    assert [v.word for v in verdicts] == [UNKNOWN, WORSE, BETTER]
    assert all(v.difference == d for v, d in zip(verdicts, differences, strict=True))
    assert decide([]) == []


def test_one_seed_leaves_everything_open_and_nothing_can_be_planned():
    (verdict,) = decide([crossed(np.ones((1, 300)))])
    assert (verdict.word, verdict.standing, verdict.needed) == (UNKNOWN, OPEN, None)
    assert math.isnan(verdict.p)


@pytest.mark.parametrize(("mean", "effect"), [(0.02, 0.02), (-0.02, 0.02), (0.001, 0.01), (0.0, 0.01)])
def test_an_open_verdict_says_how_many_images_would_tell_the_difference_or_one_point(mean, effect):
    (verdict,) = decide([certain(mean, 0.02)])
    assert verdict.standing == OPEN
    quantiles = stats.norm.ppf(0.995) + stats.norm.ppf(0.8)
    images = 300 * (0.02 * quantiles / effect) ** 2
    assert images <= verdict.needed.images <= 1.1 * images  # two digits, rounded up
    assert verdict.needed.seeds is None  # the images decide alone


# How often an answer is wrong


TRUTHS = {"help": 0.08, "harm": -0.08, "none": 0.0}
RIGHT = {"help": BETTER, "harm": WORSE, "none": SAME}


def answers(rng, accuracies, of_seed, of_image, of_both, seeds=3, images=300):
    """Right or wrong, seeds × images, for arms of these true accuracies: the same images, of which some are hard."""
    spread = math.sqrt(1 + of_seed**2 + of_image**2 + of_both**2)
    hard = rng.normal(size=images)
    return [
        hard
        + spread * stats.norm.ppf(accuracy)
        + of_seed * rng.normal(size=(seeds, 1))
        + of_image * rng.normal(size=images)
        + of_both * rng.normal(size=(seeds, images))
        > 0
        for accuracy in accuracies
    ]


def simulated(truth, studies=400, **of):
    """The words of so many studies, each with two questions of the same truth."""
    rng = np.random.default_rng(list(TRUTHS).index(truth))
    difference = TRUTHS[truth]
    out = []
    for _ in range(studies):
        pairs = [answers(rng, (0.9 + difference / 2, 0.9 - difference / 2), **of) for _ in range(2)]
        out.append(words(*(crossed(a.astype(float) - b) for a, b in pairs)))
    return out


@pytest.mark.parametrize("truth", TRUTHS)
def test_at_most_3_answers_in_200_are_wrong_and_large_effects_are_mostly_told(truth):
    found = simulated(truth, of_seed=0.02, of_image=0.4, of_both=0.1)
    wrong = [any(word not in (RIGHT[truth], UNKNOWN) for word in answer) for answer in found]
    assert np.mean(wrong) <= 0.015
    told = Counter(word for answer in found for word in answer)
    if truth != "none":
        assert told[RIGHT[truth]] > 400  # of 800 questions


def test_at_most_3_answers_in_200_are_wrong_where_seeds_differ_much_and_nothing_helps():
    found = simulated("none", of_seed=0.2, of_image=0.4, of_both=0.4)
    assert np.mean([bool({BETTER, WORSE} & set(answer)) for answer in found]) <= 0.015


# Where a curve flattens


@pytest.mark.parametrize(
    ("differences", "multiple", "rising"),
    [
        ([(0.05, 0.002), (0.002, 0.002)], 3, False),  # 95% intervals end at 5.4 and 0.6 points
        ([(0.004, 0.002), (0.002, 0.002)], 1, False),
        ([(0.05, 0.002), (0.03, 0.002)], None, True),
        ([(0.05, 0.03), (0.02, 0.03)], None, False),  # can't tell
        ([(0.05, 0.002), (-0.03, 0.002)], 3, False),  # falls
        ([(0.05, 0.002), (0.005, 0.002)], 3, True),  # rises, by less than a point
    ],
)
def test_a_curve_is_flat_from_where_the_last_is_no_better_by_a_point(differences, multiple, rising):
    found = flattening([1, 3, 5], [certain(*d) for d in differences])
    assert (found.multiple, found.rising) == (multiple, rising)
    assert found.last.mean == differences[-1][0]
    assert found.between == (3, 5)


def test_two_multiples_are_a_curve():
    found = flattening([0.5, 1], [certain(0.0, 0.002)])
    assert (found.multiple, found.rising, found.between) == (0.5, False, (0.5, 1))


def test_with_one_seed_a_curve_is_neither_flat_nor_rising():
    found = flattening([1, 5], [crossed(np.ones((1, 300)))])
    assert (found.multiple, found.rising) == (None, False)


# studies that grow


def test_looks_are_at_whole_blocks_of_seeds():
    assert [looks(block) for block in (1, 2, 3, 5)] == [(3, 6, 12, 24), (4, 6, 12, 24), (3, 6, 12, 24), (5, 10, 15, 25)]


@pytest.mark.parametrize(("p", "standing"), [(0.0012, DECIDED), (0.0013, LEANING), (0.012, LEANING), (0.013, OPEN)])
def test_each_of_four_looks_may_spend_a_quarter_of_every_error(p, standing):
    fixed, growing = (decide([with_p(p), with_p(0.9)], growing=growing)[0] for growing in (False, True))
    assert growing.standing == standing
    assert growing.p == pytest.approx(4 * fixed.p)
    assert fixed.difference.half_width() == pytest.approx(0.05 * stats.norm.ppf(0.975) / stats.norm.isf(p / 2))
    assert growing.difference.half_width() == fixed.difference.half_width(1 - 0.05 / 4)


def test_more_images_are_asked_for_only_where_no_number_of_seeds_would_do():
    by_images = Crossed(0.02, 1e-8, 0.02**2, 0.0, 3, 100)  # ±5 points by the images alone
    by_seeds = Crossed(0.02, 0.02**2, 1e-8, 0.0, 3, 100)
    both = Crossed(0.02, 0.02**2, 0.02**2, 0.0, 3, 100)  # the mean over all seeds may be 8 points
    assert [decide([d])[0].images_forbid for d in (by_images, by_seeds, both)] == [True, False, False]
    assert decide([certain(0.05, 0.001)])[0].images_forbid is False  # it is decided


def test_a_difference_that_seeds_would_show_to_be_small_is_not_given_up():
    d = Crossed(0.0, 0.01**2, 0.003**2, 0.0, 3, 100)  # within a point by the images alone, if its mean is near 0
    assert decide([d])[0].standing == OPEN
    assert not decide([d])[0].images_forbid


def test_looking_four_times_is_wrong_no_more_often_than_once():
    """Gaussian differences of growing numbers of seeds, without an effect: at most 1% of studies decide at any look."""
    studies, wrong = 4000, np.zeros(4000, dtype=bool)
    values = np.random.default_rng(5).normal(0, 0.04, (studies, LOOKS[-1]))
    for n in LOOKS:
        means, variances = values[:, :n].mean(axis=1), values[:, :n].var(axis=1, ddof=1) / n
        for i in np.flatnonzero(np.abs(means) > stats.t.isf(0.01, n - 1) * np.sqrt(variances)):  # others have p > .02
            verdict = decide([Crossed(means[i], variances[i], 1e-12, 0.0, n, 100)], growing=True)[0]
            wrong[i] |= verdict.standing == DECIDED and verdict.word != SAME
    assert wrong.sum() > 10
    assert stats.binomtest(int(wrong.sum()), studies, 0.01, alternative="greater").pvalue > 0.001
