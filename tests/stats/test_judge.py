"""How a claim is judged: the interval decides, and of several effects the one that speaks least for the claim."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.judge import (
    INCONCLUSIVE,
    NO_EFFECT,
    REPRODUCED,
    REVERSED,
    apart,
    judge,
    least,
    over_seeds,
    reached,
    slope,
)
from synthgap.stats.verdict import DECIDED, LEANING, OPEN


@pytest.mark.parametrize(
    ("direction", "low", "high", "word"),
    [
        ("larger", 0.5, 3, REPRODUCED),
        ("larger", -3, -0.5, REVERSED),
        ("larger", 0.2, 0.8, NO_EFFECT),
        ("larger", -0.8, -0.2, NO_EFFECT),
        ("larger", -0.5, 2, INCONCLUSIVE),
        ("larger", -0.01, 2, INCONCLUSIVE),
        ("rises", 0.5, 3, REPRODUCED),
        ("smaller", -3, -0.5, REPRODUCED),
        ("falls", 0.5, 3, REVERSED),
        ("falls", -0.5, 0.5, NO_EFFECT),
        ("equal", -0.5, 0.5, REPRODUCED),
        ("equal", 0.2, 0.8, REPRODUCED),
        ("equal", 1.01, 3, REVERSED),
        ("equal", -3, -1.01, REVERSED),
        ("equal", 0.5, 1.5, INCONCLUSIVE),
        ("larger", math.nan, math.nan, INCONCLUSIVE),
        ("equal", math.nan, math.nan, INCONCLUSIVE),
    ],
)
def test_what_the_interval_says_of_a_claim(direction, low, high, word):
    """An interval of 95% from low to high, one claim of a family of one, a smallest effect of interest of 1."""
    mean, error = (low + high) / 2, (high - low) / 2 / stats.norm.isf(0.025)
    seeds = 1 if math.isnan(low) else 3
    effect = Crossed(0.0 if seeds == 1 else mean, 0.0, 0.0 if seeds == 1 else error**2, 0.0, seeds, 100)
    found, reading = judge(direction, least([effect], direction, 0.0, 1.0), 1)
    assert (found, reading.standing == OPEN) == (word, word == INCONCLUSIVE)


@pytest.mark.parametrize(("count", "standing"), [(1, DECIDED), (4, DECIDED), (6, LEANING), (40, LEANING)])
def test_a_claim_among_many_is_decided_by_its_corrected_p(count, standing):
    effect = Crossed(2.6, 0.0, 1.0, 0.0, 3, 100)  # p = .0093
    found, reading = judge("larger", least([effect], "larger", 0.0, 1.0), count)
    assert (found, reading.standing) == (REPRODUCED, standing)
    assert reading.p == pytest.approx(min(1, count * 2 * stats.norm.sf(2.6)))


def seeds_around(mean):
    return mean + np.array([-0.1, 0.0, 0.1])


def test_one_effect_over_seeds_is_that_of_a_t_test_against_the_level():
    found = least([over_seeds(seeds_around(1.2))], "larger", 1.0, 0.5)
    assert (found.seeds, found.images) == (3, 0)
    assert found.effect.mean == pytest.approx(1.2)
    reference = stats.ttest_1samp(seeds_around(1.2), 1.0)
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.effect.low, found.effect.high) == pytest.approx(tuple(reference.confidence_interval()))


@pytest.mark.parametrize(("direction", "worst"), [("larger", 0.2), ("smaller", 0.9)])
def test_of_several_effects_the_one_that_speaks_least_for_the_claim_is_it(direction, worst):
    several = [over_seeds(seeds_around(mean)) for mean in (0.2, 0.9)]
    found = least(several, direction, 0.0, 0.5)
    assert found.effect.mean == pytest.approx(worst)
    against = stats.ttest_1samp(seeds_around(worst), 0.0)
    if direction == "larger":  # all lie on its side: no correction
        assert found.p == pytest.approx(against.pvalue)
        assert found.effect.high > against.confidence_interval().high  # the far end is corrected
    else:  # against it: of two tests the smaller p, twice
        assert found.p == pytest.approx(2 * against.pvalue)


def test_an_equivalence_is_tested_at_the_nearer_end():
    inside = least([over_seeds(seeds_around(50.2))], "equal", 50.0, 1.0)
    assert (inside.p, inside.p_within) == (1.0, pytest.approx(stats.ttest_1samp(seeds_around(50.2), 51.0).pvalue))
    outside = least([over_seeds(seeds_around(48.2))], "equal", 50.0, 1.0)
    assert (outside.p, outside.p_within) == (pytest.approx(stats.ttest_1samp(seeds_around(48.2), 49.0).pvalue), 1.0)


def test_the_difference_of_two_data_sets_adds_their_variances():
    rng = np.random.default_rng(0)
    a, b = (crossed(rng.normal(mean, 0.1, (3, n))) for mean, n in ((0.3, 40), (0.1, 60)))
    both = apart(a, b)
    assert both.mean == pytest.approx(a.mean - b.mean)
    assert both.image_part == pytest.approx(a.image_part + b.image_part)
    assert (both.seeds, both.images) == (3, 100)


def test_a_slope_is_that_of_least_squares_in_points_over_100_steps():
    rng = np.random.default_rng(0)
    steps = {t: rng.normal(0.7 - 0.001 * t, 0.01, (3, 50)) for t in (0, 30, 100)}
    wanted = 100 * 100 * np.polyfit(list(steps), [v.mean() for v in steps.values()], 1)[0]
    assert slope(steps).mean == pytest.approx(wanted)
    with pytest.raises(UserError, match="two reverse steps"):
        slope({50: steps[30]})


def test_where_a_curve_reaches_a_target_is_told_in_units_of_the_whole():
    rng = np.random.default_rng(0)
    levels = {50: 0.5, 100: 0.6, 200: 0.7}
    curve = [(place, rng.normal(level, 0.01, (3, 400))) for place, level in levels.items()]
    found = reached(curve, np.full((3, 400), 0.6), 200, 1.0)
    assert found.effect.low <= found.effect.mean == pytest.approx(0.5, abs=0.01)
    assert found.p < 0.05  # at the whole it lies above, so that it has reached the target before
    assert judge("smaller", found, 1)[0] == REPRODUCED
    assert math.isnan(reached([(p, v[:1]) for p, v in curve], np.full((1, 400), 0.6), 200, 1.0).effect.low)
    with pytest.raises(UserError, match="too few places"):
        reached(curve, curve[0][1], 200, 3.0)


def test_what_is_no_number_is_refused():
    with pytest.raises(UserError, match="not a finite number"):
        over_seeds(np.array([0.1, math.nan]))
