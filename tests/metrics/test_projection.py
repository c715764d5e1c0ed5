"""The PCA plane against numpy's SVD, and how tightly a set lies around its classes."""

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.metrics.projection import Projection, concentration, covered_by, outermost


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


def two_classes(n, d, seed, spread=1.0):
    labels = np.arange(n) % 2
    return spread * np.random.default_rng(seed).standard_normal((n, d)) + 10 * labels[:, None], labels


def test_shrinking_a_class_towards_its_mean_by_c_gives_a_trace_ratio_of_c_squared():
    real, labels = two_classes(200, 6, 0)
    means = np.stack([real[labels == c].mean(axis=0) for c in (0, 1)])[labels]
    value = concentration(real, labels, means + 0.6 * (real - means), labels)
    assert value.trace_ratio == pytest.approx(0.36)
    assert value.distance_ratio == pytest.approx(0.6 * 99 / 100)  # the real ones' mean leaves each of 100 out
    assert value.per_class[:, 0] == pytest.approx([0.36, 0.36])
    assert value.classes.tolist() == [0, 1]


def test_fresh_samples_of_the_same_distribution_have_ratios_of_1_on_average():
    values = []
    for seed in range(60):
        real, fake = two_classes(40, 5, 2 * seed), two_classes(40, 5, 2 * seed + 1)
        value = concentration(*real, *fake)
        values.append((value.trace_ratio, value.distance_ratio))
    mean, error = np.mean(values, axis=0), np.std(values, axis=0) / np.sqrt(60)
    # the ratio of two variances of 20 samples in 5 dimensions has mean 1 + 2/(19·5), that of distances 1
    assert abs(mean[0] - 1 - 2 / 95) < 4 * error[0]
    assert abs(mean[1] - 1) < 4 * error[1] + 0.002


def test_identical_sets_cover_all_of_each_other():
    real, labels = two_classes(100, 4, 0)
    assert concentration(real, labels, real, labels).outer_coverage == 1


def test_samples_near_the_mode_leave_the_outermost_tenth_uncovered():
    real, labels = two_classes(400, 4, 0)
    tight, tight_labels = two_classes(400, 4, 1, spread=0.2)
    other, other_labels = two_classes(400, 4, 2)
    assert concentration(real, labels, tight, tight_labels).outer_coverage == 0
    assert concentration(real, labels, other, other_labels).outer_coverage > 0.5


@pytest.mark.parametrize("k", [1, 3, 5])
def test_outer_coverage_equals_brute_force(k):
    real, labels = two_classes(200, 3, 0)
    fake, fake_labels = two_classes(50, 3, 1, spread=0.8)
    shares = []
    for c in (0, 1):
        mine, theirs = real[labels == c], fake[fake_labels == c]
        order = np.argsort([-np.linalg.norm(x - mine.mean(axis=0)) for x in mine])
        radii = [np.sort([np.linalg.norm(a - b) for b in theirs])[k] for a in theirs]
        hit = [any(np.linalg.norm(mine[i] - a) <= r for a, r in zip(theirs, radii, strict=True)) for i in order[:10]]
        shares.append(np.mean(hit))
    assert concentration(real, labels, fake, fake_labels, k=k).outer_coverage == pytest.approx(np.mean(shares))


def on_a_line(*places):
    return np.array(places, dtype=float)[:, None], np.zeros(len(places), dtype=int)


def test_a_sample_at_exactly_the_kth_neighbours_distance_is_covered():
    real = on_a_line(-1, 0, 0, 6)  # the outermost is 6
    radius_of_3 = on_a_line(0, 1, 2, 3)  # from 3 to its third neighbour, 0; 6 is as far
    assert concentration(*real, *radius_of_3, k=3).outer_coverage == 1
    assert concentration(*real, *radius_of_3, k=2).outer_coverage == 0
    assert concentration(*on_a_line(-1, 0, 0, 6.001), *radius_of_3, k=3).outer_coverage == 0


def test_a_class_of_three_has_one_outermost_sample_and_two_fakes_have_each_other_as_neighbour():
    real = on_a_line(-1, 0, 6)
    assert concentration(*real, *on_a_line(2, 4), k=3).outer_coverage == 1
    assert concentration(*real, *on_a_line(2, 3.9), k=3).outer_coverage == 0


def test_near_copies_are_nearer_to_the_mean_they_were_part_of_by_one_in_n():
    real, labels = two_classes(20, 6, 0)
    near = real + 1e-6 * np.random.default_rng(1).standard_normal(real.shape)
    value = concentration(real, labels, near, labels)
    assert value.trace_ratio == pytest.approx(1, abs=1e-4)
    assert value.distance_ratio == pytest.approx(9 / 10, abs=1e-4)


def test_the_order_of_samples_means_nothing_and_their_labels_do():
    real, labels = two_classes(100, 4, 0)
    fake, fake_labels = two_classes(80, 4, 1)
    value = concentration(real, labels, fake, fake_labels)
    order = np.random.default_rng(5).permutation(80)
    assert concentration(real, labels, fake[order], fake_labels[order]).per_class == pytest.approx(value.per_class)
    assert concentration(real, labels, fake, 1 - fake_labels).distance_ratio > 5 * value.distance_ratio


def test_classes_with_one_sample_are_left_out():
    real, labels = two_classes(20, 3, 0)
    labels = np.where(np.arange(20) == 7, 2, labels)
    value = concentration(real, labels, real, labels)
    assert value.classes.tolist() == [0, 1]
    with pytest.raises(UserError, match="no class has 2 different samples"):
        concentration(real[:3], np.arange(3), real[:3], np.arange(3))


def test_sets_that_cannot_be_compared_are_refused():
    real, labels = two_classes(20, 3, 0)
    holed = real.copy()
    holed[0, 0] = np.nan
    for arguments, reason in (
        ((real, labels, real[:, :2], labels), "both sets need N × D of one D"),
        ((real, labels[:-1], real, labels), "not as many labels"),
        ((real, labels, holed, labels), "NaN or infinity"),
        ((np.ones((6, 2)), np.zeros(6), real[:6, :2], np.zeros(6)), "no class has 2 different samples"),
    ):
        with pytest.raises(UserError, match=reason):
            concentration(*arguments)


# The outermost samples, and which of them are covered


def test_the_outermost_are_the_furthest_tenth_of_each_class_furthest_first():
    places, labels = np.zeros(41), np.repeat([7, 3, 5], [20, 20, 1])
    places[[4, 11]] = 5, -7  # of class 7, mean −0.1
    places[[20, 39]] = 102, 90
    places[21:39] = 100  # of class 3, mean 99.6: 90 lies furthest, 102 next
    places[40] = 1000  # alone in its class
    order = np.random.default_rng(0).permutation(41)
    for features in (places[:, None], places[:, None].astype(np.float32)):
        assert outermost(features, labels).tolist() == [39, 20, 11, 4]
        assert order[outermost(features[order], labels[order])].tolist() == [39, 20, 11, 4]


@pytest.mark.parametrize(("count", "outer"), [(3, 1), (10, 1), (14, 1), (20, 2), (30, 3), (100, 10)])
def test_a_tenth_is_one_sample_at_least(count, outer):
    features = np.arange(count, dtype=float)[:, None] ** 2
    assert outermost(features, np.zeros(count, int)).tolist() == list(range(count))[::-1][:outer]


def test_classes_of_one_sample_have_no_outermost_one():
    found = outermost(np.eye(3), np.arange(3))
    assert (len(found), found.dtype) == (0, np.int64)
    assert covered_by(np.eye(3), np.arange(3), found, np.eye(3), np.arange(3)).tolist() == []


def covered(places, labels, positions, fakes, fake_labels, k=3):
    features, fake = (np.array(p, dtype=np.float32)[:, None] for p in (places, fakes))
    arrays = (features, np.array(labels), np.array(positions), fake, np.array(fake_labels))
    return covered_by(*arrays, k=k).tolist()


def test_a_sample_is_covered_within_the_kth_neighbours_distance_of_a_fake():
    reach = ([-3, 6, 6.5, -3.5, 1], [0] * 5, [0, 1, 2, 3, 4], [0, 1, 2, 3], [0] * 4)
    assert covered(*reach, k=3) == [True, True, False, False, True]  # 3 from 0, and from 3
    assert covered(*reach, k=2) == [False, False, False, False, True]  # 2 from 0, and from 3
    assert covered(*reach, k=1) == [False, False, False, False, True]


def test_only_fakes_of_the_samples_own_class_cover_it():
    places, labels = [0, 10, 0, 10], [0, 0, 1, 1]
    fakes, fake_labels = [0, 1, 10, 11], [0, 0, 1, 1]
    assert covered(places, labels, [0, 1, 2, 3], fakes, fake_labels) == [True, False, False, True]
    assert covered(places, labels, [3, 1, 0], fakes, fake_labels) == [True, False, True]


def test_fewer_than_two_fakes_of_a_class_cover_nothing():
    assert covered([5, 0], [0, 1], [0, 1], [5, 0, 0], [0, 1, 1]) == [False, True]
    assert covered([5], [0], [0], [5, 5], [1, 1]) == [False]


def test_two_fakes_have_each_other_as_neighbour():
    assert covered([0, 2, -0.1], [0] * 3, [0, 1, 2], [1, 0.5], [0, 0]) == [True, False, False]


@pytest.mark.parametrize("k", [1, 3])
def test_the_share_covered_is_the_outer_coverage_of_classes_of_one_size(k):
    real, labels = two_classes(200, 3, 0)
    fake, fake_labels = two_classes(50, 3, 1, spread=0.9)
    found = covered_by(real, labels, outermost(real, labels), fake, fake_labels, k=k)
    value = concentration(real, labels, fake, fake_labels, k=k)
    assert len(found) == 20
    assert found.mean() == pytest.approx(value.outer_coverage)
    assert found.reshape(2, 10).mean(axis=1) == pytest.approx(value.per_class[:, 2])
    assert 0 < value.outer_coverage < 1
