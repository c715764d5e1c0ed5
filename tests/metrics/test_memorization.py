"""Signs of copying: copies read as copies, fresh samples don't, and the numbers equal brute force."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from synthgap.errors import UserError
from synthgap.metrics.memorization import memorization, reading


def normal(n, seed, d=6):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.fixture(scope="module")
def sets():
    return normal(300, 0), normal(250, 1), normal(200, 2)


def test_the_training_set_itself_reads_as_copying(sets):
    train, test, _ = sets
    value = memorization(train, test, train)
    assert (value.authentic, value.ratio, value.closest) == (0, 0, 0)
    assert value.copying < -8
    assert "reads as copying" in reading(value)


def test_jittered_copies_read_as_copying_too(sets):
    train, test, _ = sets
    value = memorization(train, test, train + 0.1 * normal(300, 9))
    assert value.authentic < 0.05
    assert value.ratio < 0.3
    assert value.copying < -5


def test_half_copies_lie_between(sets):
    train, test, fresh = sets
    half = memorization(train, test, np.concatenate([train[:100], fresh[:100]]))
    assert half.authentic < 0.5 * memorization(train, test, fresh).authentic + 0.1
    assert -8 < half.copying < -2


def test_fresh_samples_show_no_sign_of_it():
    values = [memorization(normal(150, 3 * s), normal(150, 3 * s + 1), normal(150, 3 * s + 2)) for s in range(30)]
    scores = [v.copying for v in values]
    assert abs(np.mean(scores)) < 4 * np.std(scores) / np.sqrt(30)
    assert 0.2 < np.std(scores) <= 1.2
    ratios = [v.ratio for v in values]
    assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / np.sqrt(30)
    assert all(reading(v) == "no sign of copying" for v in values)


def test_one_cell_scores_as_the_standard_mann_whitney_test(sets):
    train, test, fake = sets
    value = memorization(train, test, fake, cells=1)
    u = mannwhitneyu(value.distances_fake, value.distances_test, method="asymptotic", use_continuity=False)
    n, m = len(fake), len(test)
    wanted = (u.statistic - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    assert value.copying == pytest.approx(wanted)


def test_samples_far_from_everything_score_above_0(sets):
    train, test, fake = sets
    value = memorization(train, test, fake + 4)
    assert value.copying > 3
    assert value.authentic > 0.95
    assert "further from the training images" in reading(value)


def test_the_numbers_equal_brute_force(sets):
    train, test, fake = sets
    value = memorization(train, test, fake)
    across, within = cdist(fake, train), cdist(train, train)
    np.fill_diagonal(within, np.inf)
    nearest = across.argmin(axis=1)
    wanted = [across[i, j] >= within[j].min() for i, j in enumerate(nearest)]
    assert value.authentic == np.mean(wanted)
    assert value.closest == pytest.approx(across.min(), rel=1e-12)
    assert value.distances_test == pytest.approx(cdist(test, train).min(axis=1))


def test_the_ratio_takes_as_many_test_as_training_samples():
    train, test, fake = normal(60, 0), normal(60, 1), normal(50, 2)
    wanted = np.median(cdist(fake, train).min(axis=1)) / np.median(cdist(fake, test).min(axis=1))
    assert memorization(train, test, fake).ratio == pytest.approx(wanted)
    many = [memorization(train, normal(600, 10 + s), normal(200, 50 + s)).ratio for s in range(12)]
    assert np.mean(many) == pytest.approx(1, abs=0.08)  # 600 test samples at once would give about 1.3


def test_near_copies_are_told_from_copies():
    train = 1000 + normal(40, 0)
    fake = train + 1e-9
    value = memorization(train, normal(40, 1) + 1000, fake)
    assert value.closest == pytest.approx(1e-9 * np.sqrt(6), rel=1e-3)


def test_order_and_scale_mean_nothing(sets):
    train, test, fake = sets
    value = memorization(train, test, fake)
    order = np.random.default_rng(0).permutation(len(fake))
    other = memorization(3 * train, 3 * test, 3 * fake[order])
    assert (other.authentic, other.closest / 3) == pytest.approx((value.authentic, value.closest))
    assert other.copying == pytest.approx(value.copying, abs=1e-6)
    assert other.ratio == pytest.approx(value.ratio, rel=0.05)  # another draw of equal numbers


def test_images_are_taken_as_they_are(make_images):
    train, test = make_images(30, seed=0), make_images(30, seed=1)
    value = memorization(train.images, test.images, test.images)
    flat = cdist(*(s.images.reshape(30, -1).astype(float) for s in (test, train)))
    assert value.distances_fake == pytest.approx(flat.min(axis=1))


def test_too_few_in_every_cell_say_nothing():
    value = memorization(normal(10, 0), normal(3, 1), normal(3, 2))
    assert np.isnan(value.copying)
    assert value.cells_used == 0
    assert reading(value) == "too few images to tell"


def test_sets_that_cannot_be_compared_are_refused():
    good = normal(20, 0)
    holed = good.copy()
    holed[0, 0] = np.nan
    for sets, reason in (
        ((good[:1], good, good), "1 training samples"),
        ((good, good[:1], good), "1 test samples"),
        ((good, good, good[:0]), "0 fake samples"),
        ((good, good, good[:, :3]), "fake samples are of shape"),
        ((good, holed, good), "the test samples hold NaN"),
    ):
        with pytest.raises(UserError, match=reason):
            memorization(*sets)
