"""Variances that runs tell together: what few correlated comparisons know, and intervals that hold all the same."""

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


def family(rng, arms, seeds, spread=None, images=0.0):
    """Differences of so many runs from one of true mean 0, the runs' standard deviations between 1/spread and it."""
    sizes = np.geomspace(1 / (spread or 1), spread or 1, arms)
    reference = rng.normal(size=seeds)
    out = {}
    for arm, size in enumerate(sizes):
        values = size * rng.normal(size=seeds) - reference
        out[arm, "real"] = Crossed(values.mean(), values.var(ddof=1) / seeds, images, 0.0, seeds, 100)
    return out


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("spread", [1.0, 1.5])
def test_pooled_intervals_cover_0_for_the_worst_arm_and_are_shorter_than_each_arm_s_own(seeds, spread):
    rng = np.random.default_rng(0)
    held, widths = [], []
    for _ in range(2000):
        alone = family(rng, 6, seeds, spread)
        together = pooled(alone)
        held.append([abs(d.mean) <= d.half_width() for d in together.values()])
        widths.append([np.median([d.half_width(0.995) for d in f.values()]) for f in (together, alone)])
    assert np.mean(held, axis=0).min() >= 0.93 - 3 * math.sqrt(0.07 * 0.93 / 2000)
    pooled_width, own = np.median(widths, axis=0)
    assert pooled_width < (0.55 if seeds == 3 else 0.9) * own


def test_what_pools_keeps_its_means_and_lends_no_more_than_three_degrees_of_freedom():
    alone = family(np.random.default_rng(1), 8, 3)
    together = pooled(alone)
    assert list(together) == list(alone)
    assert all(together[pair].mean == d.mean for pair, d in alone.items())
    beyond = 2 * (4 * 8 / 11 - 1)
    assert [d.lent for d in together.values()] == pytest.approx([1 / (1 / 3 + 1 / beyond)] * 8)
    own = np.array([d.seed_part for d in alone.values()])
    assert np.ptp([d.seed_part for d in together.values()]) < np.ptp(own)


def test_one_comparison_or_one_seed_has_nothing_to_pool():
    rng = np.random.default_rng(0)
    alone = family(rng, 1, 3)
    assert pooled(alone) == alone
    one_seed = {(i, "real"): crossed(rng.random((1, 50))) for i in range(3)}
    assert all(math.isnan(d.half_width()) for d in pooled(one_seed).values())


def test_a_contrast_with_a_run_that_is_not_alike_is_told_by_the_two_alone():
    rng = np.random.default_rng(0)
    right = {name: rng.random((3, 400)) < 0.8 for name in ("real", "flip", "policy", "synthetic")}
    alike = ["real", "flip", "policy"]
    alone = contrast(right.get, "synthetic", "real", alike, "real")
    assert alone == crossed(right["synthetic"].astype(float) - right["real"])
    told = contrast(right.get, "flip", "real", alike, "real")
    assert told.mean == pytest.approx(crossed(right["flip"].astype(float) - right["real"]).mean)
    assert told.lent == pytest.approx(1 / (1 / 3 + 1 / (2 * (8 / 5 - 1))))  # two comparisons with one reference
    assert contrast(right.get, "real", "flip", alike, "real").half_width() == pytest.approx(told.half_width())
