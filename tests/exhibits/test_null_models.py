"""Chapter A1: which cells its nulls are made of, and what its tables say of numbers that are known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from reading import rows_of

from synthgap.base.words import ONE_SEED, points
from synthgap.design.values import BOOTSTRAP, GIVEN_ONLY, REAL_ONLY, SYNTHETIC_ONLY
from synthgap.exhibits import null_models as a1
from synthgap.exhibits.augmentation import curve_hits, table3_hits
from synthgap.exhibits.hits import Hits
from synthgap.stats import nulls, toy
from synthgap.stats.crossed import crossed

TRAIN, SEEDS = a1.TRAIN, (0, 1, 2)
ACCURACY = SimpleNamespace(measure="accuracy", groups=None)


@pytest.fixture(scope="module")
def run():
    return toy.simulate(len(SEEDS), 1000, TRAIN, a1.DIMENSIONS, a1.NORM, a1.MULTIPLES)


@pytest.fixture(scope="module")
def fitted(run):
    closed = {k: toy.expected(TRAIN, k, a1.DIMENSIONS, a1.NORM) for k in a1.MULTIPLES}
    return a1.Toy(nulls.report("toy", run.real, run.fitted, run.bootstrap), closed)


def as_hits(name, cells):
    return Hits(name, {(*cell, s): v[i] for cell, v in cells.items() for i, s in enumerate(SEEDS)}, SEEDS)


def design(multiples, *, given=False):
    preset = SimpleNamespace(replication=multiples)
    arms = SimpleNamespace(name="made", preset=preset, given_multiples=lambda: multiples)
    return SimpleNamespace(arms=arms, given=given, heads=None)


def gaps_of(run, arm, copied, *, given=False, asked=ACCURACY):
    cells = {(arm, k): v for k, v in run.fitted.items()} | {(BOOTSTRAP, k): run.bootstrap[k] for k in copied}
    curve = as_hits("learning_curve", {(n,): v for n, v in reversed(run.real.items())})
    return a1.gaps.make(design(a1.MULTIPLES, given=given), as_hits("table3", cells), curve, asked)


@pytest.mark.parametrize(("arm", "given"), [(SYNTHETIC_ONLY, False), (GIVEN_ONLY, True)])
def test_the_nulls_are_those_of_the_synthetic_or_of_the_given_images(run, fitted, arm, given):
    found = gaps_of(run, arm, a1.MULTIPLES, given=given)
    assert (found.name, found.train, list(found.curve)) == ("made", TRAIN, sorted(run.real))
    assert found.gaps == fitted.report.gaps


def test_a_preset_with_fewer_bootstrap_arms_leaves_them_out(run):
    found = gaps_of(run, SYNTHETIC_ONLY, [3])
    assert found.gaps[1].bootstrap is None
    assert found.gaps[1].subset is not None
    assert found.gaps[3].excess is not None
    first, second, _ = a1.against_nulls(found)
    assert "not run" in first
    assert "memoriser's" in second


def test_the_measure_is_that_of_the_plain_answer(run):
    groups = np.repeat([0, 1], [900, 100])
    found = gaps_of(run, SYNTHETIC_ONLY, [1], asked=SimpleNamespace(measure="balanced accuracy", groups=groups))
    assert found.gaps[1].raw == crossed(run.real[TRAIN].astype(float) - run.fitted[1], groups)
    table, _ = a1.gaps_table(None, found)
    assert "balanced accuracy in points" in table


def test_a_study_has_all_its_multiples(smoke):
    found, right = smoke.lab.value(a1.gaps), smoke.lab.value(table3_hits)
    assert list(found.gaps) == [1, 3]
    assert (found.train, list(found.curve)) == (40, [10, 20, 40])
    assert [g.size for g in found.gaps.values()] == [20, 30]
    real = right[REAL_ONLY, 0].astype(float)
    assert (smoke.lab.value(curve_hits)[40,] == real).all()
    for k, g in found.gaps.items():
        assert all(getattr(g, field) is not None for field in (*a1.GAPS, "beyond", "worth"))
        assert g.raw == crossed(real - right[SYNTHETIC_ONLY, k])
        assert g.excess == crossed(right[BOOTSTRAP, k].astype(float) - right[SYNTHETIC_ONLY, k])
    for name in ("tab-nulls", "tab-exchange"):
        table, _ = smoke.lab.show(name)
        assert [row["synthetic images"] for row in rows_of(table)] == ["×1 (40)", "×3 (120)"]


def test_the_sentences_say_what_is_lost_beyond_copies_and_leave_verdicts_to_others(run):
    worse = {k: v & (np.random.default_rng(0).random(v.shape) < 0.9) for k, v in run.bootstrap.items()}
    for synthetic, side in ((run.fresh, -1), (run.bootstrap, 0), (worse, 1)):
        found = nulls.report("made", run.real, synthetic, run.bootstrap)
        assert found.gaps[1].excess.side == side
        table, told = a1.gaps_table(None, found)
        assert points(found.gaps[1].excess.in_points) in told.splitlines()[0]
        assert "**" not in told
        assert len(told.splitlines()) == len(rows_of(table)) == 3


@pytest.mark.parametrize(("level", "edge"), [(0.9, "at most 1.0"), (0.2, "at least 16.0")])
def test_beyond_the_ends_of_the_curve_a_rate_is_told_by_its_one_end(level, edge):
    curve = {n: np.full((3, 2000), 0.5 + 0.05 * math.log2(n / 25)) for n in (25, 50, 100, 200, 400)}
    table, _ = a1.exchange_table(None, nulls.report("made", curve, {1: np.full((3, 2000), level)}, {}))
    (row,) = rows_of(table)
    assert row["exchange rate"] == row["rate by power law"] == a1.NOT_IDENTIFIABLE
    assert row["95%"] == edge


def test_cells_that_were_not_run_are_told(run):
    found = nulls.report("toy", {TRAIN: run.real[TRAIN]}, run.fitted, {1: run.bootstrap[1]})
    gaps, told = a1.gaps_table(None, found)
    rates, _ = a1.exchange_table(None, found)
    assert list(rows_of(gaps)[-1].values())[2:] == ["not run"] * 3
    assert list(rows_of(rates)[0].values())[1:] == ["not run"] * 5
    assert "not run" in told.splitlines()[-1]
    assert a1.gaps_figure(None, found).axes


def test_the_match_multiple_is_told_where_there_is_one():
    run = toy.simulate(3, 500, TRAIN, a1.DIMENSIONS, a1.NORM, (0.5, 1, 2))
    perfect = nulls.report("fresh", run.real, run.fresh, run.bootstrap)
    assert f"×{perfect.match.tested.value:.1f} (95% interval" in a1.match(perfect)
    assert "**not reached** by ×2" in a1.match(nulls.report("fitted", run.real, run.fitted, run.bootstrap))
    assert a1.NOT_IDENTIFIABLE in a1.match(nulls.report("one", run.real, {1: run.fitted[1]}, run.bootstrap))


def test_where_a_curve_falls_its_crossing_is_not_identifiable():
    falling = {n: np.full((3, 2000), level) for n, level in ((50, 0.8), (100, 0.6), (200, 0.9))}
    several = {k: np.full((3, 2000), level) for k, level in ((1, 0.95), (3, 0.7), (5, 0.96))}
    found = nulls.report("made", falling, several, {})
    table, told = a1.exchange_table(None, found)
    assert "accuracy falls from ×1 to ×3" in told
    for row in rows_of(table):
        assert "accuracy falls from 50 images to 100 images" in row["worth, real images"]
        assert row["exchange rate"] == a1.NOT_IDENTIFIABLE
        assert row["95%"] == "any"


def test_one_seed_has_no_intervals(run):
    parts = ({k: v[:1] for k, v in part.items()} for part in (run.real, run.fitted, run.bootstrap))
    found = nulls.report("toy", *parts)
    gaps, told = a1.gaps_table(None, found)
    rates, match = a1.exchange_table(None, found)
    assert "(" not in rows_of(gaps)[0][a1.GAPS["raw"]]
    assert ONE_SEED in told
    assert "one seed" in rates
    assert "one seed" in match


def test_the_toys_table_says_which_intervals_hold_the_closed_form(fitted):
    table, told = a1.toy_table(None, fitted)
    rows = rows_of(table)
    assert len(rows) == 6 * len(a1.MULTIPLES)
    inside = sum(row["inside"] == "yes" for row in rows)
    assert f"**{inside} of {len(rows)}**" in told
    value, true = fitted.report.gaps[1].raw, fitted.closed[1].raw
    assert (rows[0]["inside"] == "yes") == (value.low <= true <= value.high)
    assert rows[0]["measured"] == f"{100 * value.mean:+.2f}"


def test_the_coverage_table_shows_the_shares():
    found = {k: nulls.Coverage({**dict.fromkeys(a1.GAPS, 0.95), "rate": k / 4, "resampled": 1.0}, 40) for k in (1, 3)}
    rows = rows_of(a1.coverage_table(None, found))
    assert [row["×1"] for row in rows] == ["95%"] * 4 + ["25%", "100%"]
    assert rows[4]["×3"] == "75%"


def test_the_figure_has_a_line_for_each_arm_and_for_each_closed_form(fitted):
    plain, closed = a1.gaps_figure(None, fitted.report), a1.toy_figure(None, fitted)
    labels = [[text.get_text() for text in figure.legends[0].get_texts()] for figure in (plain, closed)]
    assert list(map(len, labels)) == [4, 7]
    assert "real, closed form" in labels[1]
