"""Verdicts on trends: what the interval of the slope over seeds says of the paper's direction."""

import numpy as np
import pandas as pd
import pytest

from synthgap.stats.intervals import estimate_mean, slopes
from synthgap.stats.trends import FAILS, FALLS, HOLDS, RISES, UNDECIDED, Trend, trend

STEPS = (0, 30, 50, 70, 100)


def rows(slope, noise, seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    cells = [(t, s, slope * t + noise * rng.standard_normal() + s) for t in STEPS for s in range(seeds)]
    return pd.DataFrame(cells, columns=["t_re", "seed", "value"])


def test_slopes_are_those_of_numpy_a_unit_at_a_time():
    table = rows(0.3, 1.0)
    wanted = [np.polyfit(g.t_re, g.value, 1)[0] for _, g in table.groupby("seed")]
    assert slopes(table.t_re, table.value, table.seed) == pytest.approx(wanted)


def test_slopes_do_not_depend_on_the_order_of_rows():
    table = rows(0.3, 1.0)
    mixed = table.sample(frac=1, random_state=1)
    assert slopes(mixed.t_re, mixed.value, mixed.seed) == pytest.approx(slopes(table.t_re, table.value, table.seed))


def test_a_slope_needs_two_places():
    with pytest.raises(ValueError, match="unit 1 has one x only"):
        slopes([0, 1, 5], [0, 1, 2], [0, 0, 1])


def test_an_exact_line_changes_by_its_slope_times_100():
    value = trend(rows(0.02, 0.0), "value", "v", "p", RISES)
    assert value.change.mean == pytest.approx(2.0)
    assert value.change.half_width == pytest.approx(0, abs=1e-9)


def test_steps_below_0_stand_for_other_images_and_are_left_out():
    table = rows(0.02, 0.0)
    floor = pd.DataFrame({"t_re": [-1] * 3, "seed": range(3), "value": [99.0] * 3})
    assert trend(pd.concat([table, floor]), "value", "v", "p", RISES).change.mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("slope", "direction", "verdict"),
    [(0.05, RISES, HOLDS), (0.05, FALLS, FAILS), (-0.05, FALLS, HOLDS), (-0.05, RISES, FAILS), (0.0, RISES, UNDECIDED)],
)
def test_known_effects_come_out_as_they_were_built(slope, direction, verdict):
    assert trend(rows(slope, 0.3), "value", "v", "p", direction).verdict == verdict


def test_one_seed_decides_nothing():
    assert trend(rows(1.0, 0.0, seeds=1), "value", "v", "p", RISES).verdict == UNDECIDED


def test_no_effect_is_undecided_in_about_95_of_100_studies_of_three_seeds():
    verdicts = [trend(rows(0.0, 1.0, seed=s), "value", "v", "p", RISES).verdict for s in range(300)]
    assert 0.92 <= np.mean([v == UNDECIDED for v in verdicts]) <= 0.98


def test_an_interval_that_touches_0_decides_nothing():
    assert Trend("m", "p", RISES, estimate_mean([0.0, 0.0, 0.0])).verdict == UNDECIDED
