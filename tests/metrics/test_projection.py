"""The PCA plane against numpy's SVD, and the spread of a set."""

import numpy as np
import pytest

from synthgap.errors import UserError
from synthgap.metrics.projection import Projection, spread_ratio


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((60, 5)) * [5, 3, 1, 0.5, 0.1] + 2).astype(np.float32)


def svd(features):
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    return centred, *np.linalg.svd(centred, full_matrices=False)[1:]


def test_explained_shares_are_those_of_numpys_svd(features):
    _, s, _ = svd(features)
    assert Projection.fit(features).explained == pytest.approx(tuple(s[:2] ** 2 / np.sum(s**2)))


def test_points_are_the_first_two_principal_components_up_to_sign(features):
    centred, _, vt = svd(features)
    plane = Projection.fit(features).project(features)
    np.testing.assert_allclose(np.abs(plane), np.abs(centred @ vt[:2].T), atol=1e-9)


def test_the_plane_is_fitted_on_the_real_set_alone(features):
    projection = Projection.fit(features)
    fake = features * 0.1 + 40
    _, _, vt = svd(features)
    wanted = (fake - features.mean(axis=0)) @ vt[:2].T
    np.testing.assert_allclose(np.abs(projection.project(fake)), np.abs(wanted), rtol=1e-4)
    assert np.allclose(projection.project(features).mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (0, 3)])
def test_too_few_samples_or_dimensions_have_no_plane(shape):
    with pytest.raises(UserError, match="no plane"):
        Projection.fit(np.zeros(shape))


def test_spread_is_the_ratio_of_the_traces_of_the_covariances(features):
    fake = features[:30] * [1, 0.5, 1, 2, 1] + 7
    wanted = np.trace(np.cov(fake, rowvar=False)) / np.trace(np.cov(features, rowvar=False))
    assert spread_ratio(fake, features) == pytest.approx(wanted, rel=1e-5)
    assert spread_ratio(features / 2, features) == pytest.approx(0.25, rel=1e-5)
