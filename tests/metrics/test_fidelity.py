"""Fréchet distance and precision/recall against closed forms and brute force."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from synthgap.errors import UserError
from synthgap.metrics.fidelity import fidelity_of_features


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


def brute_force(real, fake):
    """Kynkäänniemi et al. 2019 by loops, k = 3, equal n."""
    n = min(len(real), len(fake))
    real, fake = real[:n].astype(np.float64), fake[:n].astype(np.float64)

    def covered(points, manifold):
        radii = [np.sort([np.linalg.norm(m - o) for o in manifold])[3] for m in manifold]
        inside = [any(np.linalg.norm(p - m) <= r for m, r in zip(manifold, radii, strict=True)) for p in points]
        return np.mean(inside)

    return covered(fake, real), covered(real, fake)


@pytest.mark.parametrize(("n", "m", "d", "dtype"), [(40, 40, 3, np.float64), (30, 55, 40, np.float32)])
def test_precision_and_recall_equal_brute_force(n, m, d, dtype):
    real, fake = normal(n, d, 0).astype(dtype), (normal(m, d, 1) * 0.9 + 0.2).astype(dtype)
    value = fidelity_of_features(real, fake, "x")
    assert (value.precision, value.recall) == pytest.approx(brute_force(real, fake), abs=1e-6)
    assert value.n == (n, m)


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
