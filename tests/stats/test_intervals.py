"""Intervals against scipy's, and their coverage at few seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgap.stats.intervals import (
    PERCENT,
    SHARE,
    estimate_mean,
    holm,
    paired_difference,
    variance_parts,
)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_scipys_t_interval(n, level):
    values = np.random.default_rng(n).normal(90, 2, n)
    e = estimate_mean(values, level)
    wanted = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (e.low, e.high) == pytest.approx(wanted)
    assert (e.mean, e.sd, e.n) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), n)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_the_mean_95_times_in_100(n):
    draws = np.random.default_rng(n).normal(5, 3, (4000, n))
    covered = [e.low <= 5 <= e.high for e in map(estimate_mean, draws)]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_one_value_has_no_interval():
    e = estimate_mean([7.0])
    assert (e.mean, e.n) == (7, 1)
    assert all(math.isnan(v) for v in (e.sd, e.half_width, e.low, e.high))


def test_equal_values_have_an_interval_of_no_width():
    e = estimate_mean([0.5, 0.5, 0.5])
    assert (e.low, e.high) == (0.5, 0.5)
    assert e.side == 0  # and decide nothing: a coarse measure agrees by chance
    assert estimate_mean([0.5, 0.51, 0.5]).side == 1


def test_a_paired_difference_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    base = rng.normal(90, 5, 6)
    a, b = base + rng.normal(1, 0.3, 6), base + rng.normal(0, 0.3, 6)
    e = paired_difference(a, b)
    wanted = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (e.low, e.high) == pytest.approx((wanted.low, wanted.high))
    assert e.half_width < estimate_mean(a).half_width  # what the pair shares is not in it


def test_a_paired_difference_changes_sign_with_the_order():
    a, b = np.array([1.0, 2, 4]), np.array([0.0, 2, 1])
    assert paired_difference(a, b).mean == -paired_difference(b, a).mean == pytest.approx(4 / 3)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0], [[1.0, 2.0]]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError, match="finite numbers"):
        estimate_mean(values)


@pytest.mark.parametrize("other", [1, 2, 4])
def test_values_that_cannot_be_paired_are_refused(other):
    with pytest.raises(ValueError, match="can't be paired"):
        paired_difference(np.ones(3), np.ones(other))


# tests of a family


def test_holm_by_hand():
    # sorted .01, .02, .03, .5 are scaled by 4, 3, 2, 1 to .04, .06, .06 (from .06 on it can't fall), .5
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.6]) == pytest.approx([1, 1])
    assert holm([0.02]) == pytest.approx([0.02])
    assert len(holm([])) == 0


def test_holm_leaves_out_what_was_not_tested():
    assert holm([math.nan, 0.02, 0.04]) == pytest.approx([math.nan, 0.04, 0.04], nan_ok=True)
    assert np.isnan(holm([math.nan, math.nan])).all()


def test_holm_keeps_the_error_of_a_family_of_nulls_at_5_percent():
    rng = np.random.default_rng(0)
    families = rng.normal(0, 1, (1500, 8, 3))
    wrong = [(holm(stats.ttest_1samp(family, 0, axis=1).pvalue) < 0.05).any() for family in families]
    assert 0.02 < np.mean(wrong) < 0.07


# variance by source


def correctness(generator, classifier, both, size, n=4000, seed=0):
    """Right and wrong answers with accuracies of known variance by source (standard deviations given)."""
    rng = np.random.default_rng(seed)
    rates = 0.8 + generator * rng.standard_normal((size, 1)) + classifier * rng.standard_normal(size)
    rates = rates + both * rng.standard_normal((size, size))
    difficulty = rng.random(n)  # the same image is easy or hard for all
    return difficulty < rates[..., None]


@pytest.mark.parametrize(
    ("generator", "classifier", "both"), [(0.03, 0, 0.005), (0, 0.03, 0.005), (0.02, 0.02, 0.02), (0, 0, 0.02)]
)
def test_variance_is_found_where_it_was_put(generator, classifier, both):
    parts = [variance_parts(correctness(generator, classifier, both, 12, seed=s)) for s in range(12)]
    for name, wanted in (("generator", generator), ("classifier", classifier), ("both", both)):
        found = math.sqrt(np.mean([getattr(p, name) ** 2 for p in parts]))
        assert found == pytest.approx(wanted, rel=0.25, abs=0.004), name


def test_test_images_that_all_agree_on_have_the_binomial_error():
    correct = np.broadcast_to(np.arange(400) % 4 > 0, (3, 3, 400))
    parts = variance_parts(correct)
    assert parts.images == pytest.approx(math.sqrt(0.75 * 0.25 / 399), rel=1e-6)
    assert (parts.generator, parts.classifier, parts.both) == (0, 0, 0)
    assert parts.shape == (3, 3)


def test_one_generator_alone_has_no_variance_to_divide():
    with pytest.raises(ValueError, match="two generators and two classifiers"):
        variance_parts(np.ones((1, 3, 10), bool))


def test_no_end_of_an_interval_lies_beyond_what_is_possible():
    e = estimate_mean([0.9, 1.0], span=SHARE)
    assert e.low == pytest.approx(0.95 - stats.t.ppf(0.975, 1) * 0.05)
    assert e.high == 1.0
    assert e.cut
    assert e.reach == pytest.approx((e.mean - e.low, 0.05))
    free = estimate_mean([0.9, 1.0])
    assert (free.mean, free.half_width, free.cut) == (e.mean, e.half_width, False)
    assert free.high > 1


def test_differences_of_percentages_end_at_100_points():
    lost = paired_difference(np.array([0.0, 0.0, 50.0]), np.array([100.0, 100.0, 50.0]), span=PERCENT)
    assert lost.mean == pytest.approx(-200 / 3)
    assert lost.low == -100
    assert lost.high == pytest.approx(lost.mean + lost.half_width)


def test_one_seed_has_no_end_to_cut():
    e = estimate_mean([1.0], span=SHARE)
    assert math.isnan(e.low)
    assert math.isnan(e.high)
    assert not e.cut
    assert e.reach == (0, 0)
