"""Intervals over seeds × test images: their coverage, what decides, and where a curve reaches a value."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgap.stats.crossed import Crossed, at_spread, crossed, crossing, of_scores, redrawn
from synthgap.stats.intervals import ANY, SHARE


def answers(rng, seeds, images, shifts, *, of_seed=0.1, of_image=0.4, of_both=0.4):
    """Right or wrong, seeds × images, for each arm of `shifts`: the same images, of which some are hard."""
    hard = rng.normal(size=images)
    return [
        hard
        + shift
        + of_seed * rng.normal(size=(seeds, 1))
        + of_image * rng.normal(size=images)
        + of_both * rng.normal(size=(seeds, images))
        > 0
        for shift in shifts
    ]


def true_accuracy(shift, of_seed=0.1, of_image=0.4, of_both=0.4):
    return stats.norm.cdf(shift / math.sqrt(1 + of_seed**2 + of_image**2 + of_both**2))


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("of_seed", [0.0, 0.1, 0.3])
def test_intervals_of_95_percent_cover_the_difference_on_all_images(seeds, of_seed):
    rng = np.random.default_rng(seeds)
    true = true_accuracy(1.5, of_seed) - true_accuracy(1.2, of_seed)
    hits = []
    for _ in range(400):
        a, b = answers(rng, seeds, 300, (1.5, 1.2), of_seed=of_seed)
        low, high = crossed(a.astype(float) - b).interval()
        hits.append(low <= true <= high)
    assert 0.925 <= np.mean(hits) <= 0.995  # three standard errors of 400 trials are .033


def test_an_interval_over_seeds_alone_misses_what_holds_for_other_images():
    rng = np.random.default_rng(0)
    of = {"of_seed": 0.0, "of_both": 0.2}
    true = true_accuracy(1.5, **of) - true_accuracy(1.2, **of)
    alone = []
    for _ in range(300):
        a, b = answers(rng, 5, 300, (1.5, 1.2), **of)
        by_seed = (a.astype(float) - b).mean(axis=1)
        half = stats.t.ppf(0.975, 4) * by_seed.std(ddof=1) / math.sqrt(5)
        alone.append(abs(by_seed.mean() - true) <= half)
    assert np.mean(alone) < 0.8


def test_seeds_of_which_only_the_means_are_known_count_like_the_others():
    first, second = answers(np.random.default_rng(0), 6, 4000, (0.3, 0.0))
    values = first.astype(float) - second
    whole, part = crossed(values), crossed(values[:2], others=values[2:].mean(axis=1))
    assert (part.mean, part.seed_part, part.seeds) == pytest.approx((whole.mean, whole.seed_part, 6))
    assert (part.image_part, part.noise_part) == pytest.approx((whole.image_part, whole.noise_part), rel=0.15)
    with pytest.raises(ValueError, match="can't stand beside groups"):
        crossed(values[:2], np.arange(4000) % 2, others=[0.1])


def test_their_intervals_cover_the_difference_on_all_images():
    rng, truth = np.random.default_rng(0), true_accuracy(0.3) - true_accuracy(0.0)
    inside = 0
    for _ in range(400):
        first, second = answers(rng, 5, 500, (0.3, 0.0))
        values = first.astype(float) - second
        found = crossed(values[:2], others=values[2:].mean(axis=1))
        inside += found.low <= truth <= found.high
    assert inside >= 0.93 * 400


def test_the_mean_is_that_of_the_accuracies_and_with_groups_of_the_balanced_ones():
    rng = np.random.default_rng(0)
    values, groups = rng.random((3, 50)), np.repeat([0, 1], [40, 10])
    assert crossed(values).mean == pytest.approx(values.mean())
    assert crossed(values, groups).mean == pytest.approx((values[:, :40].mean() + values[:, 40:].mean()) / 2)


def test_of_balanced_accuracy_a_small_class_widens_the_interval():
    rng = np.random.default_rng(0)
    values = (rng.random((3, 200)) < 0.8).astype(float)
    even, uneven = np.repeat([0, 1], 100), np.repeat([0, 1], [192, 8])
    assert crossed(values, uneven).image_part > 3 * crossed(values, even).image_part


def test_few_images_that_agree_prove_little_and_many_prove_more():
    few, many = (crossed(np.zeros((3, n))) for n in (20, 2000))
    assert few.p == many.p == 1.0
    assert few.half_width() == pytest.approx(1.96 / math.sqrt(20 * 21), rel=1e-3)
    assert many.half_width() < 0.002


def test_the_p_value_is_the_level_at_which_the_interval_reaches_zero():
    rng = np.random.default_rng(0)
    a, b = answers(rng, 5, 300, (1.5, 1.2))
    value = crossed(a.astype(float) - b)
    assert value.interval(1 - value.p)[0] == pytest.approx(0, abs=1e-9)
    assert value.p == pytest.approx(crossed(b.astype(float) - a).p)


def test_one_seed_has_no_interval():
    value = crossed(np.ones((1, 10)))
    assert value.mean == 1.0
    assert math.isnan(value.half_width())
    assert math.isnan(value.p)


def test_where_the_images_decide_more_of_them_are_asked_for_and_more_seeds_dont_help():
    rng = np.random.default_rng(0)
    a, b = answers(rng, 3, 100, (1.5, 1.2), of_seed=0.0, of_both=0.05)
    need = crossed(a.astype(float) - b).needed(0.02)
    assert need.seeds is None
    assert 1000 < need.images < 100_000


def test_where_the_seeds_decide_more_of_them_are_asked_for():
    rng = np.random.default_rng(1)
    a, b = answers(rng, 3, 2000, (1.5, 1.2), of_seed=0.2)
    value = crossed(a.astype(float) - b)
    need = value.needed(0.06)
    assert need.images is None
    assert 3 < need.seeds < 100


def test_as_many_as_needed_decide_with_the_power_that_was_asked_for():
    rng = np.random.default_rng(0)
    effect = true_accuracy(1.5, 0.03) - true_accuracy(1.2, 0.03)

    def run(images):
        a, b = answers(rng, 5, images, (1.5, 1.2), of_seed=0.03)
        return crossed(a.astype(float) - b)

    images = int(np.median([run(200).needed(effect).images or 9999 for _ in range(20)]))
    found = [run(images).p < 0.05 for _ in range(150)]
    assert 0.7 <= np.mean(found) <= 0.97


def logarithmic(rng, seeds, images, noise=0.0):
    """A learning curve with accuracy .5 + .05·log2(n / 25), as chances of being right."""
    places = (25, 50, 100, 200, 400)
    return [(n, 0.5 + 0.05 * math.log2(n / 25) + noise * rng.normal(size=(seeds, images))) for n in places]


def test_a_curve_is_crossed_where_it_has_the_value():
    rng = np.random.default_rng(0)
    found = crossing(logarithmic(rng, 3, 5000), np.full((3, 5000), 0.6))
    assert found.value == pytest.approx(100, rel=0.02)
    assert 90 < found.low <= found.value <= found.high < 110


def test_the_interval_of_a_crossing_covers_it():
    hits = []
    for trial in range(100):
        rng = np.random.default_rng(trial)
        target = 0.61 + 0.3 * rng.normal(size=(3, 300))
        found = crossing(logarithmic(rng, 3, 300, 0.3), target)
        hits.append(found.low <= 25 * 2 ** (0.11 / 0.05) <= found.high)
    assert np.mean(hits) > 0.9


@pytest.mark.parametrize(("accuracy", "value", "low", "high"), [(0.9, math.inf, math.inf, math.inf), (0.2, 0, 0, 25)])
def test_beyond_the_ends_of_a_curve_nothing_is_identified(accuracy, value, low, high):
    found = crossing(logarithmic(np.random.default_rng(0), 3, 2000), np.full((3, 2000), accuracy))
    assert (found.value, found.low, found.high) == (value, low, high)


def test_one_seed_rules_no_place_out():
    found = crossing(logarithmic(np.random.default_rng(0), 1, 500), np.full((1, 500), 0.6))
    assert found.value == pytest.approx(100, rel=0.05)
    assert (found.low, found.high) == (0, math.inf)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0)])
def test_values_without_seeds_or_images_are_refused(shape):
    with pytest.raises(ValueError, match="give seeds × images"):
        crossed(np.zeros(shape))


def test_a_curve_of_one_place_is_refused():
    with pytest.raises(ValueError, match="two or more ascending places"):
        crossing([(5, np.zeros((2, 3)))], np.zeros((2, 3)))


def test_an_interval_of_shares_ends_where_shares_do_and_decides_as_before():
    lost = np.array([[-1.0, -1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, -1.0, -1.0]])
    cut, free = crossed(lost), crossed(lost, span=ANY)
    assert cut.mean == free.mean == pytest.approx(-2 / 3)
    assert free.low < -1 == cut.low
    assert cut.high == free.high
    assert cut.p == free.p
    assert cut.reach == pytest.approx((1 / 3, cut.high + 2 / 3))
    assert (cut.in_points.low, cut.in_points.high) == pytest.approx((-100, 100 * cut.high))
    level = crossed(np.array([[1.0, 0.0], [1.0, 1.0]]), span=SHARE)
    assert (level.low, level.high) == (0, 1)
    assert crossed(lost[:1]).reach == (0, 0)


def test_points_are_hundredths():
    share = crossed(np.random.default_rng(0).random((3, 80)) - 0.4)
    points = share.in_points
    assert (points.mean, points.low) == pytest.approx((100 * share.mean, 100 * share.low))
    assert points.p == pytest.approx(share.p)


@pytest.mark.parametrize(
    ("spread", "loss"),
    [
        (0.8, [1, 2]),
        (0.9, [0.5, 1]),
        (0.65, [2.5, 5]),
        (1.3, [0, 0]),  # as wide as the real ones or wider: nothing is cut
        (0.1, [4, 8]),
    ],
)
def test_a_loss_is_read_off_between_sets_of_known_spread_in_any_order(spread, loss):
    spreads, losses = np.array([0.5, 0.8, 1.0]), np.array([[4.0, 8.0], [1.0, 2.0], [0.0, 0.0]])
    for order in ([0, 1, 2], [2, 0, 1]):
        assert at_spread(spread, spreads[order], losses[order]) == pytest.approx(loss)


# what few seeds don't tell


def test_seeds_that_agree_by_luck_don_t_make_an_interval_shorter_than_their_noise():
    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 1.0], size=(3, 500))
    values -= values.mean(axis=1, keepdims=True)  # every seed has the same mean, though its images are all noise
    found = crossed(values)
    assert found.seed_part == pytest.approx(0.0, abs=1e-20)
    assert found.half_width() >= stats.norm.ppf(0.975) * math.sqrt(1 / (3 * 500))


def test_p_values_are_the_levels_at_which_the_interval_reaches_0_or_the_interest():
    d = Crossed(0.02, 2e-5, 3e-5, 1e-5, 4, 200)
    assert d.half_width(1 - d.p) == pytest.approx(0.02)
    assert d.half_width(1 - d.p_within(0.03)) == pytest.approx(0.01)
    assert d.p_within(0.02) == 1.0


def test_several_generators_are_the_seeds_and_other_training_images_widen_the_interval():
    """Of each generator a row as it is and rows after redraws of the training images, which move all test images."""
    rng = np.random.default_rng(0)
    level = np.array([0.70, 0.75, 0.80])[:, None] + np.hstack([[0.0], rng.normal(0, 0.03, 40)])
    values = (rng.random((3, 41, 500)) < level[..., None]).astype(float)
    rows = values.reshape(-1, 500)
    found, plain = redrawn(rows, span=SHARE, seeds=3), crossed(values[:, 0], span=SHARE)
    by_training = values[:, 1:].mean(axis=(0, 2)).var(ddof=1)
    assert (found.mean, found.seeds, found.redrawn) == (plain.mean, 3, False)
    assert found.seed_part == plain.seed_part
    assert found.image_part == pytest.approx(plain.image_part + by_training)
    (alone,) = {redrawn(values[0], span=SHARE, seeds=1), redrawn(values[0], span=SHARE)}
    assert (alone.mean, alone.seeds, alone.redrawn) == (values[0, 0].mean(), 40, True)
    scores = values.mean(axis=2)
    again = np.linspace(-0.1, 0.1, 50)
    score = of_scores(scores.ravel(), again, 500, redrawn=3, span=SHARE)
    assert (score.mean, score.seeds) == (pytest.approx(found.mean), 3)
    assert score.seed_part == pytest.approx(found.seed_part)
    assert score.image_part == pytest.approx(again.var(ddof=1) + by_training)
