"""Intervals for other clusters of test images."""

import numpy as np
import pytest
from scipy import stats

from synthgap.stats.clusters import shared, widened
from synthgap.stats.crossed import crossed


def test_images_that_are_there_k_times_count_once():
    once = np.random.default_rng(0).normal(0, 0.1, size=(2, 400))
    five = np.repeat(once, 5, axis=1)
    found = widened(crossed(five), five, None, np.repeat(np.arange(400), 5))
    plain = crossed(once)
    assert found.mean == pytest.approx(plain.mean)
    assert found.image_part == pytest.approx(plain.image_part, rel=0.05, abs=plain.noise_part)
    assert found.image_part > 3 * crossed(five).image_part


def test_independent_images_in_clusters_share_next_to_nothing():
    rng = np.random.default_rng(0)
    several = [shared(rng.normal(size=2000), None, rng.integers(0, 200, 2000)) for _ in range(20)]
    assert min(several) >= 0
    assert np.mean(several) < 0.1 / 2000


def test_each_image_by_itself_is_no_cluster():
    values = np.random.default_rng(0).normal(size=5000)
    assert shared(values, None, np.arange(5000)) == pytest.approx(0, abs=1e-12)
    found = crossed(np.array([values, values]) / 10)
    assert widened(found, values[None], None, None) is found


def test_one_cluster_says_nothing_and_few_widen_by_students_t():
    values = np.zeros((2, 12))
    found = crossed(values)
    one = widened(found, values, None, np.zeros(12))
    assert (one.low, one.high) == (-1, 1)
    few = widened(found, values, None, np.arange(12) // 4)
    factor = (stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)) ** 2
    assert few.image_part == pytest.approx(factor * found.image_part)


@pytest.mark.parametrize("balanced", [False, True])
def test_intervals_cover_the_mean_over_other_clusters(balanced):
    """30 patients with 20 images each; a classifier is right on a patient's images at that patient's rate."""
    rng, inside, alone = np.random.default_rng(0), 0, 0
    clusters, runs = np.repeat(np.arange(30), 20), 400
    groups = (np.arange(600) % 4 == 0).astype(int) if balanced else None
    for _ in range(runs):
        rates = rng.beta(2, 1, 30)  # 2/3 on average
        values = (rng.random((3, 600)) < rates[clusters]).astype(float)
        found = crossed(values, groups)
        alone += found.low < 2 / 3 < found.high
        wide = widened(found, values, groups, clusters)
        inside += wide.low < 2 / 3 < wide.high
    assert inside / runs > 0.92
    assert alone / runs < 0.75
