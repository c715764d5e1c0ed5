"""Trends over the reverse steps: their slope with its interval, and where a measure turns."""

import math

import numpy as np
import pytest

from synthgap.stats.intervals import slopes
from synthgap.stats.judge import slope_and_turn
from synthgap.stats.trends import FALLS, RISES, trend, turn

STEPS = (0, 30, 50, 70, 100)
SHAPES = {  # name → height at a reverse step in [0, 1]; does it turn?
    "falls": (lambda t: 1 - t, False),
    "rises": (lambda t: t, False),
    "bends": (lambda t: t**3, False),
    "stays, then rises": (lambda t: max(0.0, t - 0.5), False),
    "a U": (lambda t: abs(t - 0.5), True),
    "a hill": (lambda t: -abs(t - 0.5), True),
    "a U that ends higher": (lambda t: (t - 0.4) ** 2, True),
}


def noisy(height, noise, seeds=3, seed=0):
    """Reverse steps, values of a shape with noise, and seeds: one value a step and seed."""
    rng = np.random.default_rng(seed)
    t_re, seeds = (axis.ravel() for axis in np.meshgrid(STEPS, np.arange(seeds), indexing="ij"))
    heights = np.array([height(t / 100) for t in t_re])
    return t_re, heights + noise * rng.standard_normal(len(t_re)) + seeds, seeds


def line(change):
    return lambda t: change * t


def test_slopes_are_those_of_numpy_a_unit_at_a_time_whatever_the_order():
    t_re, values, seeds = noisy(line(30), 1.0)
    wanted = [np.polyfit(t_re[seeds == s], values[seeds == s], 1)[0] for s in range(3)]
    assert slopes(t_re, values, seeds) == pytest.approx(wanted)
    mixed = np.random.default_rng(1).permutation(len(t_re))
    assert slopes(t_re[mixed], values[mixed], seeds[mixed]) == pytest.approx(wanted)


def test_a_slope_needs_two_places():
    with pytest.raises(ValueError, match="unit 1 has one x only"):
        slopes([0, 1, 5], [0, 1, 2], [0, 0, 1])


def test_an_exact_line_changes_by_its_slope_times_100():
    value = trend(*noisy(line(2), 0.0), "value", "p", RISES)
    assert value.change.mean == pytest.approx(2.0)
    assert value.change.half_width == pytest.approx(0, abs=1e-9)


def test_the_change_lies_within_what_the_measure_can_change_by():
    change = trend(*noisy(line(0.2), 0.3), "value", "p", RISES, (0.0, 1.0)).change
    assert -1 <= change.low <= change.high <= 1


@pytest.mark.parametrize(("change", "side"), [(5, 1), (-5, -1), (0, 0)])
def test_the_interval_of_a_known_change_lies_on_its_side(change, side):
    assert trend(*noisy(line(change), 0.3), "value", "p", FALLS).change.side == side


def test_one_seed_and_seeds_that_all_agree_have_no_side_and_no_turn():
    for study in (noisy(line(100), 0.0, seeds=1), noisy(line(100), 0.0), noisy(SHAPES["a U"][0], 0.0)):
        value = trend(*study, "value", "p", RISES)
        assert (value.change.side, value.turn) == (0, None)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_turns_is_seen_to_turn_and_no_other(name):
    height, turns = SHAPES[name]
    found = [trend(*noisy(height, 0.02, seed=s), "value", "p", FALLS).turn for s in range(40)]
    seen = np.mean([f is not None for f in found])
    assert seen > 0.7 if turns else seen < 0.1
    if turns:
        first = next(f for f in found if f)
        assert first.step == 50
        assert first.before.side == -first.after.side != 0


def test_a_measure_that_does_not_move_is_hardly_ever_seen_to_turn():
    for seeds in (3, 5):
        studies = (noisy(line(0), 1.0, seeds, seed=s) for s in range(600))
        seen = np.mean([trend(*study, "value", "p", FALLS).turn is not None for study in studies])
        assert seen < 0.015


def test_the_middle_step_belongs_to_both_halves_and_two_steps_have_none():
    asked = []
    turn([100, 0, 50, 30, 70], lambda some: asked.append(list(some)) or estimate())
    assert asked == [[0, 30, 50], [50, 70, 100]]
    asked.clear()
    turn([25, 50, 75, 100], lambda some: asked.append(list(some)) or estimate())
    assert asked == [[25, 50, 75], [75, 100]]
    assert turn([0, 100], lambda some: pytest.fail("there are no halves")) is None


def estimate():
    return trend(*noisy(line(0), 1.0), "value", "p", RISES).change


@pytest.mark.parametrize(("depth", "turns"), [(0.0, False), (0.3, True)])
def test_an_accuracy_that_turns_is_seen_over_seeds_and_test_images(depth, turns):
    rng = np.random.default_rng(0)
    hard = rng.random(2000)
    accuracy = {t: 0.8 - 0.1 * t / 100 - depth * (1 - abs(t - 50) / 50) for t in STEPS}
    right = {t: (hard + rng.uniform(-0.02, 0.02, (3, 2000)) < a).astype(float) for t, a in accuracy.items()}
    whole, found = slope_and_turn(right)
    assert whole.mean == pytest.approx(-10, abs=1)
    assert (found is not None) == turns
    if found:
        assert found.before.mean == pytest.approx(-100 * (0.05 + depth) * 2, abs=3)
        assert not math.isnan(found.after.low)
