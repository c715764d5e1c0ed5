"""Variances that runs tell together: what few correlated comparisons know, and intervals that hold all the same."""

import itertools
import math

import numpy as np
import pytest

from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.pooling import contrast, independent, pooled


@pytest.mark.parametrize(
    ("pairs", "worth"),
    [
        ([("a", "b")], 1),
        ([("a", "b"), ("b", "a")], 1),  # the same one twice
        ([("a", "b"), ("c", "d")], 2),  # no run in common
        ([(i, "real") for i in range(5)], 4 * 5 / 8),  # all against one run: 4n / (n + 3)
        ([(i, j) for i in range(6) for j in range(i)], 5),  # every pair of six runs: five are independent
    ],
)
def test_comparisons_that_share_runs_count_as_fewer(pairs, worth):
    assert independent(pairs) == pytest.approx(worth)


def family(rng, arms, seeds, spread=1.0):
    """Every pair of so many runs of true mean 0 and one more, their standard deviations between 1/spread and spread."""
    sizes = [1.0, *np.geomspace(1 / spread, spread, arms)]
    runs = [size * rng.normal(size=seeds) for size in sizes]
    pairs = itertools.combinations(range(arms + 1), 2)
    differences = {(i, j): runs[i] - runs[j] for i, j in pairs}
    return {pair: Crossed(v.mean(), v.var(ddof=1) / seeds, 0.0, 0.0, seeds, 100) for pair, v in differences.items()}


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("spread", [1.0, math.sqrt(2)])
def test_pooled_intervals_cover_0_for_the_worst_arm_and_are_shorter_than_its_own(seeds, spread):
    rng = np.random.default_rng(0)
    held, widths = [], []
    for _ in range(1000):
        alone = family(rng, 5, seeds, spread)
        together = pooled(alone)
        held.append([abs(together[0, j].mean) <= together[0, j].half_width() for j in range(1, 6)])
        widths.append([f[0, 3].half_width(0.995) for f in (together, alone)])
    assert np.mean(held, axis=0).min() >= 0.93 - 3 * math.sqrt(0.07 * 0.93 / 1000)
    pooled_width, own = np.median(widths, axis=0)
    assert pooled_width < (0.45 if seeds == 3 else 0.85) * own


def test_what_pools_keeps_its_means_and_is_lent_fewer_than_six_degrees_of_freedom():
    alone = family(np.random.default_rng(1), 8, 3)
    together = pooled(alone)
    assert list(together) == list(alone)
    assert all(together[pair].mean == d.mean for pair, d in alone.items())
    assert [d.lent for d in together.values()] == pytest.approx([1 / (1 / 6 + 1 / (2 * (8 - 1)))] * 36)
    several = [[d.seed_part for d in f.values()] for f in (alone, together)]
    assert np.mean(several[1]) == pytest.approx(np.mean(several[0]))
    assert np.ptp(several[1]) < np.ptp(several[0])


def test_one_comparison_or_one_seed_has_nothing_to_pool():
    alone = family(np.random.default_rng(0), 1, 3)
    assert pooled(alone) == alone
    rng = np.random.default_rng(0)
    one_seed = {(i, "real"): crossed(rng.random((1, 50))) for i in range(3)}
    assert all(math.isnan(d.half_width()) for d in pooled(one_seed).values())


def test_a_contrast_with_a_run_that_is_not_alike_is_told_by_the_two_alone():
    rng = np.random.default_rng(0)
    right = {name: rng.random((3, 400)) < 0.8 for name in ("real", "flip", "policy", "synthetic")}
    alike = ["real", "flip", "policy"]
    alone = contrast(right.get, "synthetic", "real", alike)
    assert alone == crossed(right["synthetic"].astype(float) - right["real"])
    told = contrast(right.get, "flip", "real", alike)
    assert told.mean == pytest.approx(crossed(right["flip"].astype(float) - right["real"]).mean)
    assert told.lent == pytest.approx(1 / (1 / 6 + 1 / 2))  # three pairs of three runs: two are independent
    assert contrast(right.get, "real", "flip", alike).half_width() == pytest.approx(told.half_width())
