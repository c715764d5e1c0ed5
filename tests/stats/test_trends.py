"""Verdicts on trends: what the interval of the slope over seeds says of the paper's direction."""

import numpy as np
import pytest

from synthgap.stats.intervals import estimate_mean, slopes
from synthgap.stats.trends import FAILS, FALLS, HOLDS, RISES, UNDECIDED, Trend, trend

STEPS = (0, 30, 50, 70, 100)


def noisy_line(slope, noise, seeds=3, seed=0):
    """Reverse steps, values on a line with noise, and seeds: one value a step and seed."""
    rng = np.random.default_rng(seed)
    t_re, seeds = (axis.ravel() for axis in np.meshgrid(STEPS, np.arange(seeds), indexing="ij"))
    return t_re, slope * t_re + noise * rng.standard_normal(len(t_re)) + seeds, seeds


def test_slopes_are_those_of_numpy_a_unit_at_a_time_whatever_the_order():
    t_re, values, seeds = noisy_line(0.3, 1.0)
    wanted = [np.polyfit(t_re[seeds == s], values[seeds == s], 1)[0] for s in range(3)]
    assert slopes(t_re, values, seeds) == pytest.approx(wanted)
    mixed = np.random.default_rng(1).permutation(len(t_re))
    assert slopes(t_re[mixed], values[mixed], seeds[mixed]) == pytest.approx(wanted)


def test_a_slope_needs_two_places():
    with pytest.raises(ValueError, match="unit 1 has one x only"):
        slopes([0, 1, 5], [0, 1, 2], [0, 0, 1])


def test_an_exact_line_changes_by_its_slope_times_100():
    value = trend(*noisy_line(0.02, 0.0), "value", "p", RISES)
    assert value.change.mean == pytest.approx(2.0)
    assert value.change.half_width == pytest.approx(0, abs=1e-9)


def test_the_change_lies_within_what_the_measure_can_change_by():
    change = trend(*noisy_line(0.002, 0.3), "value", "p", RISES, (0.0, 1.0)).change
    assert -1 <= change.low <= change.high <= 1


@pytest.mark.parametrize(
    ("slope", "direction", "verdict"),
    [(0.05, RISES, HOLDS), (0.05, FALLS, FAILS), (-0.05, FALLS, HOLDS), (-0.05, RISES, FAILS), (0.0, RISES, UNDECIDED)],
)
def test_known_effects_come_out_as_they_were_built(slope, direction, verdict):
    assert trend(*noisy_line(slope, 0.3), "value", "p", direction).verdict == verdict


def test_pages_test_looks_in_the_papers_direction():
    rising = noisy_line(0.05, 0.3)
    up, down = (trend(*rising, "value", "p", direction).page for direction in (RISES, FALLS))
    assert up < 0.01 < 0.9 < down


def test_one_seed_decides_nothing():
    assert trend(*noisy_line(1.0, 0.0, seeds=1), "value", "p", RISES).verdict == UNDECIDED


def test_no_effect_is_undecided_in_about_95_of_100_studies_of_three_seeds():
    verdicts = [trend(*noisy_line(0.0, 1.0, seed=s), "value", "p", RISES).verdict for s in range(300)]
    assert 0.92 <= np.mean([v == UNDECIDED for v in verdicts]) <= 0.98


def test_an_interval_that_touches_0_decides_nothing():
    assert Trend("m", "p", RISES, estimate_mean([0.0, 0.0, 0.0])).verdict == UNDECIDED
