"""Intervals against scipy's, and their coverage at few seeds."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgap.study.stats import estimate_mean, paired_difference


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
