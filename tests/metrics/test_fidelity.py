"""Fréchet distance and precision/recall against closed forms and brute force."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from synthgap.base.errors import UserError
from synthgap.metrics import fidelity as fidelity_module
from synthgap.metrics import neighbours
from synthgap.metrics.fidelity import MEASURES, fidelity_of_features, frechet_of_few, frechet_of_gaussians


def normal(n, d, seed, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal((n, d))


def covariance(d, seed):
    a = normal(d, d, seed)
    return a @ a.T / d + 0.1 * np.eye(d)


def with_moments(n, mean, cov, seed):
    """n points whose sample mean and unbiased sample covariance are exactly the given ones."""
    x = normal(n, len(mean), seed)
    x -= x.mean(axis=0)
    whitener = np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)))
    return x @ whitener.T @ np.linalg.cholesky(cov).T + mean


@pytest.mark.parametrize(("d", "n"), [(2, 50), (8, 100), (32, 80)])
def test_frechet_of_gaussians_is_the_closed_form(d, n):
    means = np.linspace(0, 1, d), np.linspace(0.5, -1, d)
    covs = covariance(d, 1), covariance(d, 2)
    sets = [with_moments(n, m, c, seed) for seed, (m, c) in enumerate(zip(means, covs, strict=True))]
    root = sqrtm(covs[0] @ covs[1])
    wanted = np.sum((means[0] - means[1]) ** 2) + np.trace(covs[0] + covs[1] - 2 * root.real)
    assert fidelity_of_features(*sets, "x").frechet == pytest.approx(wanted, rel=1e-8)


def test_frechet_of_equal_covariances_is_the_squared_distance_of_the_means():
    x = normal(60, 5, 0)
    shift = np.array([3.0, 0, 0, 0, -4])
    assert fidelity_of_features(x, x + shift, "x").frechet == pytest.approx(25, abs=1e-6)


def test_frechet_with_fewer_samples_than_dimensions_is_the_nuclear_norm_form():
    a, b = normal(20, 50, 0), normal(30, 50, 1, scale=2.0) + 0.3
    centred = [(f - f.mean(axis=0)) / np.sqrt(len(f) - 1) for f in (a, b)]
    cross = np.linalg.norm(centred[0] @ centred[1].T, ord="nuc")
    wanted = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + sum(np.sum(c**2) for c in centred) - 2 * cross
    assert fidelity_of_features(a, b, "x").frechet == pytest.approx(wanted, rel=1e-5)


def test_frechet_does_not_depend_on_which_set_is_called_real():
    a, b = normal(40, 6, 0), normal(70, 6, 1, scale=1.5)
    assert fidelity_of_features(a, b, "x").frechet == pytest.approx(fidelity_of_features(b, a, "x").frechet)


@pytest.mark.parametrize(("n", "d"), [(40, 5), (10, 30)])
def test_identical_sets_are_at_distance_0_with_precision_and_recall_1(n, d):
    x = normal(n, d, 0)
    value = fidelity_of_features(x, x.copy(), "block4")
    assert value.frechet == pytest.approx(0, abs=1e-4)
    assert value.frechet >= 0
    assert (value.precision, value.recall) == (1, 1)
    assert (value.n, value.extractor) == ((n, n), "block4")


def test_a_tight_cluster_in_a_wide_set_is_precise_and_recalls_little():
    wide, tight = normal(200, 4, 0), normal(200, 4, 1, scale=0.05)
    value = fidelity_of_features(wide, tight, "x")
    assert value.precision > 0.8
    assert value.recall < 0.3
    swapped = fidelity_of_features(tight, wide, "x")
    assert (swapped.precision, swapped.recall) == (value.recall, value.precision)


def evenly(features, count):
    return features[((np.arange(count) + 0.5) * len(features) / count).astype(int)]


def brute_force(real, fake, k=3):
    """Kynkäänniemi et al. 2019 (≤) and Naeem et al. 2020 (<) on float64 distances of equal numbers."""
    n = min(len(real), len(fake))
    real, fake = evenly(real, n).astype(np.float64), evenly(fake, n).astype(np.float64)

    def radii(points):
        return np.sort(cdist(points, points), axis=1)[:, k]  # place 0 is the point itself

    across = cdist(fake, real)
    inside_fake = cdist(real, fake) <= radii(fake)
    return {
        "precision": (across <= radii(real)).any(axis=1).mean(),
        "recall": inside_fake.any(axis=1).mean(),
        "density": (across < radii(real)).sum(axis=1).mean() / k,
        "coverage": (across < radii(real)).any(axis=0).mean(),
    }


@pytest.mark.parametrize(
    ("n", "m", "d", "dtype"),
    [(40, 40, 3, np.float64), (30, 55, 40, np.float32), (200, 150, 8, np.float32), (90, 90, 300, np.float16)],
)
def test_the_manifold_measures_equal_a_float64_brute_force_exactly(n, m, d, dtype):
    real, fake = normal(n, d, 0).astype(dtype), (normal(m, d, 1) * 0.9 + 0.2).astype(dtype)
    value = fidelity_of_features(real, fake, "x")
    assert {name: getattr(value, name) for name in brute_force(real, fake)} == brute_force(real, fake)
    assert value.n == (n, m)


def test_the_manifold_measures_equal_brute_force_where_distances_tie():
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(0, 4, (60, 4)).astype(np.float32) for _ in range(2))
    value = fidelity_of_features(real, fake, "x")
    assert {name: getattr(value, name) for name in brute_force(real, fake)} == brute_force(real, fake)


def test_all_measures_equal_those_of_torch_fidelity_and_prdc_on_the_same_features():
    real, fake = normal(300, 12, 0), normal(300, 12, 1) * 1.1 + 0.1
    value = fidelity_of_features(real, fake, "x")
    a, b = torch.from_numpy(real), torch.from_numpy(fake)
    statistics = [fid_features_to_statistics(f) for f in (a, b)]
    fid = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert value.frechet == pytest.approx(fid, rel=1e-6)
    kid = kid_features_to_metric(a, b, kid_subsets=1, kid_subset_size=300, verbose=False)
    assert value.kid == pytest.approx(kid["kernel_inception_distance_mean"], rel=1e-6)
    prdc = pytest.importorskip("prdc").compute_prdc(real, fake, nearest_k=3)
    assert {name: getattr(value, name) for name in prdc} == pytest.approx(prdc, abs=1e-12)


def test_more_samples_than_dimensions_or_fewer_give_one_distance_by_both_forms():
    for n, m, d in ((30, 40, 64), (300, 200, 16)):
        a, b = normal(n, d, 0), normal(m, d, 1, scale=1.2)
        moments = [v for f in (a, b) for v in (f.mean(axis=0), np.cov(f, rowvar=False))]
        assert frechet_of_few(a, b) == pytest.approx(frechet_of_gaussians(*moments), rel=1e-6)


def test_the_kernel_distance_of_equal_distributions_is_0_on_average():
    values = [fidelity_of_features(normal(60, 4, 2 * s), normal(60, 4, 2 * s + 1), "x").kid for s in range(40)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(40)
    assert min(values) < 0 < max(values)


def test_density_and_coverage_of_identical_sets_are_1():
    x = normal(50, 5, 0)
    value = fidelity_of_features(x, x.copy(), "x")
    assert (value.density, value.coverage) == (1, 1)


def test_smaller_tiles_change_nothing(monkeypatch):
    real, fake = normal(230, 6, 0), normal(230, 6, 1) + 0.3
    whole = fidelity_of_features(real, fake, "x")
    for module in (fidelity_module, neighbours):
        monkeypatch.setattr(module, "ROWS", 50)
        monkeypatch.setattr(module, "COLUMNS", 70)
    parts = fidelity_of_features(real, fake, "x")
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(parts, name) == getattr(whole, name)
    for name in MEASURES:
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-9)
        assert parts.intervals[name] == pytest.approx(whole.intervals[name], rel=1e-6, abs=1e-9)


def test_sets_of_unequal_size_are_compared_over_their_whole_length():
    real = np.repeat(np.eye(4) * 50, 25, axis=0) + normal(100, 4, 0)  # sorted by class
    fake = np.repeat(np.eye(4) * 50, 10, axis=0) + normal(40, 4, 1)
    value = fidelity_of_features(real, fake, "x")
    assert value.recall > 0.5  # the first 40 real ones would be two classes of four


# intervals and the floor


def test_leaving_a_group_out_is_measuring_without_it():
    real, fake = normal(60, 5, 0), normal(60, 5, 1) + 0.2
    value = fidelity_of_features(real, fake, "x", seed=3, floor=False)
    groups = np.random.default_rng(3).permutation(60) % 10
    parts = [fidelity_of_features(real[groups != g], fake[groups != g], "x", intervals=False) for g in range(10)]
    for name in MEASURES:
        left = np.array([getattr(p, name) for p in parts])
        half = stats.t.ppf(0.975, 9) * np.sqrt(9 * left.var())
        low, high = value.intervals[name]
        assert low == pytest.approx(max(getattr(value, name) - half, 0 if name != "kid" else -9), rel=1e-6, abs=1e-9)
        assert high - getattr(value, name) == pytest.approx(half, rel=1e-6) or high == 1


def test_intervals_hold_the_mean_of_repeated_draws_in_about_95_of_100():
    def draw(seed):
        return fidelity_of_features(normal(100, 4, 2 * seed), normal(100, 4, 2 * seed + 1) + 0.4, "x", floor=False)

    values = [draw(seed) for seed in range(60)]
    for name in MEASURES:
        truth = np.mean([getattr(v, name) for v in values])
        hit = np.mean([v.intervals[name][0] <= truth <= v.intervals[name][1] for v in values])
        assert 0.85 <= hit <= 1, name  # a coverage of 95% gives fewer than 51 of 60 once in 300


def test_the_floor_is_what_halves_of_one_distribution_score():
    real, fake = normal(200, 8, 0), normal(200, 8, 1)
    value = fidelity_of_features(real, fake, "x")
    assert value.floor.n == value.matched.n == (100, 100)
    assert value.floor.frechet > value.frechet  # half as many samples, more bias
    assert value.matched.frechet == pytest.approx(value.floor.frechet, rel=0.3)
    shifted = fidelity_of_features(real, fake + 0.5, "x")
    assert shifted.floor == value.floor
    assert shifted.matched.frechet > 1.5 * shifted.floor.frechet


def test_paired_sets_are_matched_without_their_own_originals():
    real = normal(100, 4, 0)
    value = fidelity_of_features(real, real.copy(), "x")
    assert value.frechet == pytest.approx(0, abs=1e-9)
    assert value.matched.frechet == pytest.approx(value.floor.frechet)  # not 0: the copies of the other half


def test_too_few_samples_for_halves_have_no_floor_and_no_interval():
    value = fidelity_of_features(normal(9, 3, 0), normal(9, 3, 1), "x")
    assert value.floor is None
    assert value.matched is None
    assert value.intervals == {}


def test_near_copies_are_not_lost_to_rounding():
    real = 1000 + normal(30, 40, 0)
    near = real + 1e-7 * normal(30, 40, 1)
    value = fidelity_of_features(real, near, "x")
    assert (value.precision, value.recall) == (1, 1)


def test_features_that_cannot_be_compared_are_refused():
    good = normal(20, 4, 0)
    holed, endless = good.copy(), good.copy()
    holed[3, 2], endless[0, 0] = np.nan, np.inf
    for real, fake, reason in (
        (good[:4], good, "4 real samples"),
        (good, good[:1], "1 fake sample; "),
        (good, good[:4], "4 fake samples"),
        (holed, good, "the real features hold NaN"),
        (good, endless, "the fake features hold NaN or infinity"),
        (np.repeat(good[:10], 5, axis=0), good, "80% of the real features repeat"),
        (good, np.ones((20, 4)), "95% of the fake features repeat"),
        (good, good[:, :3], r"shape \(20, 3\); both sets need N × 4"),
        (good[:, 0], good, "features have shape"),
        (good, good[:, 0], "features have shape"),
    ):
        with pytest.raises(UserError, match=reason):
            fidelity_of_features(real, fake, "x")


def test_the_fewest_samples_allowed_are_enough():
    assert fidelity_of_features(normal(5, 3, 0), normal(5, 3, 1), "x").n == (5, 5)
