"""Signs of copying: copies read as copies, fresh samples don't, and the numbers equal brute force."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu, norm
from sklearn.cluster import KMeans

from synthgap.base.errors import UserError
from synthgap.metrics import memorization as module
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


def test_a_score_of_fresh_samples_has_mean_0_and_the_deviation_of_its_number_of_cells():
    draws = [[normal(n, 3 * s + i, d=3) for i, n in enumerate((400, 300, 300))] for s in range(60)]
    for cells, spread in ((1, 1.0), (4, 0.5)):
        scores = [memorization(*sets, cells=cells).copying for sets in draws]
        assert abs(np.mean(scores)) < 3.5 * spread / np.sqrt(60)
        assert spread * 0.7 < np.std(scores) < spread * 1.4  # of 60 draws: 3 standard errors and more


def test_cells_are_weighted_by_their_fakes_and_those_with_too_few_samples_are_left_out():
    places = 40 * np.eye(4)[:, :3]  # four clusters: in the third are 4 test samples, in the fourth 4 fakes

    def draw(counts, seed):
        return np.concatenate([normal(n, seed + i, d=3) + places[i] for i, n in enumerate(counts)])

    train, test, fake = draw((30, 30, 30, 30), 0), draw((20, 15, 4, 9), 10), draw((12, 25, 9, 4), 20)
    value = memorization(train, test, fake, cells=4)
    to_train = [cdist(s, train).min(axis=1) for s in (test, fake)]
    cell = [cdist(s, places).argmin(axis=1) for s in (test, fake)]
    scores = []
    for number in (0, 1):
        p, q = (d[c == number] for d, c in zip(to_train, cell, strict=True))
        larger = sum((x > y) + (x == y) / 2 for x in q for y in p)
        scores.append((larger - len(p) * len(q) / 2) / np.sqrt(len(p) * len(q) * (len(p) + len(q) + 1) / 12))
    assert value.copying == pytest.approx((12 * scores[0] + 25 * scores[1]) / 37)
    assert value.cells_used == 37 / 50


def test_tied_distances_are_corrected_for_as_scipy_does():
    rng = np.random.default_rng(0)
    train, test, fake = (rng.integers(0, 3, (n, 5)) for n in (40, 60, 50))
    value = memorization(train, test, fake, cells=1)
    options = {"alternative": "less", "method": "asymptotic", "use_continuity": False}
    wanted = mannwhitneyu(value.distances_fake, value.distances_test, **options)
    assert len(np.unique(value.distances_fake)) < 6
    assert norm.cdf(value.copying) == pytest.approx(wanted.pvalue)


def test_there_is_one_cell_for_50_training_samples_and_10_at_most(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "KMeans", lambda cells, **options: seen.append(cells) or KMeans(cells, **options))
    for n in (20, 149, 400, 700):
        memorization(normal(n, 0), normal(60, 1), normal(60, 2))
    assert seen == [1, 2, 8, 10]


def test_copies_of_a_sample_that_the_training_set_holds_twice_are_not_authentic():
    train = np.repeat(normal(40, 0), 2, axis=0)
    assert memorization(train, normal(40, 1), train).authentic == 0


def test_a_few_exact_copies_among_fresh_samples_are_named(sets):
    train, test, fake = sets
    value = memorization(train, test, np.concatenate([fake, train[:2]]))
    assert abs(value.copying) < 3
    assert "a few are copies" in reading(value)


def test_copies_do_not_lower_the_ratio_where_test_samples_are_few_but_the_other_signs_show_them():
    train, test = normal(400, 0), normal(60, 1)
    value = memorization(train, test, train)
    assert value.ratio > 0.8  # 60 of 400 training samples are looked at
    assert (value.authentic, value.closest) == (0, 0)
    assert value.copying < -3


def test_the_order_of_any_set_means_nothing_in_one_cell():
    sets = [normal(n, seed) for seed, n in enumerate((80, 80, 50))]
    orders = [np.random.default_rng(9).permutation(len(s)) for s in sets]
    one = memorization(*sets, cells=1)
    other = memorization(*(s[o] for s, o in zip(sets, orders, strict=True)), cells=1)
    for name in ("authentic", "ratio", "copying", "closest"):
        assert getattr(other, name) == getattr(one, name)
    assert np.array_equal(other.distances_fake, one.distances_fake[orders[2]])


def test_a_unit_four_times_smaller_changes_distances_alone(sets):
    one, other = memorization(*sets), memorization(*(4 * s for s in sets))
    assert (other.authentic, other.ratio, other.copying) == (one.authentic, one.ratio, one.copying)
    assert other.closest == 4 * one.closest
    assert np.array_equal(other.distances_test, 4 * one.distances_test)


def test_a_seed_decides_everything_and_leaves_the_global_generator_alone(sets):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (what must not change)
    one, again = memorization(*sets, seed=5), memorization(*sets, seed=5)
    assert (one.ratio, one.copying) == (again.ratio, again.copying)
    assert memorization(*sets, seed=6).ratio != one.ratio
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_fakes_that_equal_the_test_samples_have_no_ratio(sets):
    train, test, _ = sets
    assert np.isnan(memorization(train[:250], test, test).ratio)


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
        ((good, good, np.full_like(good, np.inf)), "the fake samples hold NaN or infinity"),
        ((good[:, :0], good[:, :0], good[:, :0]), "hold no values"),
    ):
        with pytest.raises(UserError, match=reason):
            memorization(*sets)
    for cells in (0, -1, 21):
        with pytest.raises(UserError, match=f"cells is {cells}; give 1 to 20"):
            memorization(good, good, good, cells=cells)
