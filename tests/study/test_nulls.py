"""The gap's nulls: signs, what synthetic images are worth, what is not identifiable, and the toy's closed form."""

import math
from importlib.resources import files

import numpy as np
import pytest
import yaml

from synthgap.design.arms import BOOTSTRAP, REAL_ONLY, SYNTHETIC_ONLY
from synthgap.exhibits import nulls_plots, nulls_tables
from synthgap.exhibits.study import Study
from synthgap.graph.specs import in_order
from synthgap.stats import nulls, toy
from synthgap.stats.crossed import crossed

TRAIN, D, NORM, MULTIPLES = 200, 100, 1.0, (1, 3, 5)
FIELDS = ("raw", "bootstrap", "subset", "excess", "beyond", "worth")


@pytest.fixture(scope="module")
def run():
    return toy.simulate(5, 3000, TRAIN, D, NORM, MULTIPLES)


@pytest.fixture(scope="module")
def closed():
    return {k: toy.expected(TRAIN, k, D, NORM) for k in MULTIPLES}


@pytest.fixture(scope="module")
def fitted(run):
    return nulls.report("toy", run.real, run.fitted, run.bootstrap)


@pytest.fixture(scope="module")
def of_smoke(smoke):
    return nulls.from_study(smoke)


def logarithmic(seeds, images, noise=0.0, places=(25, 50, 100, 200, 400)):
    """A learning curve with accuracy .5 + .05·log2(n / 25), as chances of being right."""
    rng = np.random.default_rng(0)
    return [(n, 0.5 + 0.05 * math.log2(n / 25) + noise * rng.normal(size=(seeds, images))) for n in places]


def rows_of(table):
    lines = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    return [dict(zip([c.strip() for c in lines[0]], [c.strip() for c in line], strict=True)) for line in lines[2:]]


def test_intervals_hold_the_closed_form_in_nine_of_ten_studies_of_the_fitted_generator():
    found = nulls.coverage(30, (1, 3), seeds=5, images=600)
    for k in (1, 3):
        assert found[k].studies == 30
        assert found[k].shares["rate"] >= 0.9
        assert all(share >= 0.8 for share in found[k].shares.values())  # three standard errors of 30 are .12
    rows = rows_of(nulls_tables.coverage(found, "tab"))
    assert [row["×1"] for row in rows] == [f"{share:.0%}" for share in found[1].shares.values()]


def test_gaps_and_rates_of_many_seeds_lie_near_the_closed_form(closed):
    run = toy.simulate(60, 2000, TRAIN, D, NORM, MULTIPLES)
    report = nulls.report("toy", run.real, run.fitted, run.bootstrap)
    for k, g in report.gaps.items():
        for name in ("raw", "bootstrap", "subset", "excess"):
            assert getattr(g, name).mean == pytest.approx(getattr(closed[k], name), abs=0.004)
        assert g.worth.rate == pytest.approx(closed[k].rate, rel=0.1)
        assert g.worth.power_law_rate == pytest.approx(closed[k].rate, rel=0.1)


def test_the_table_says_which_intervals_hold_the_closed_form(fitted, closed):
    rows = rows_of(nulls_tables.agreement(fitted, closed, "tab"))
    assert len(rows) == 6 * len(MULTIPLES)
    inside = sum(row["inside"] == "yes" for row in rows)
    assert f"**{inside} of 18**" in nulls_tables.agreement_sentence(fitted, closed)
    one, true = fitted.gaps[1].raw, closed[1].raw
    assert (rows[0]["inside"] == "yes") == (one.low <= true <= one.high)


def test_a_perfect_generator_has_no_raw_gap_at_times_one_and_is_better_than_copies(run):
    report = nulls.report("fresh", run.real, run.fresh, run.bootstrap)
    one = report.gaps[1]
    assert one.raw.low < 0 < one.raw.high
    assert one.excess.high < 0
    assert one.beyond.high < 0
    assert report.gaps[5].raw.high < 0
    assert "better than copies" in nulls_tables.sentences(report)[0]


def test_a_memoriser_and_a_fitted_generator_have_a_raw_gap_and_no_excess_gap(run, fitted):
    copies = nulls.report("copies", run.real, run.bootstrap, run.bootstrap)
    for report in (copies, fitted):
        one = report.gaps[1]
        assert one.raw.low > 0
        assert one.excess.low < 0 < one.excess.high
        assert "not told from copies" in nulls_tables.sentences(report)[0]
    assert copies.gaps[1].excess.mean == 0
    assert copies.gaps[1].raw == copies.gaps[1].bootstrap


def test_worse_than_copying_is_a_positive_excess_gap(run):
    worse = {k: v & (np.random.default_rng(0).random(v.shape) < 0.9) for k, v in run.bootstrap.items()}
    report = nulls.report("worse", run.real, worse, run.bootstrap)
    assert all(g.excess.low > 0 for g in report.gaps.values())
    assert "worse than copies" in nulls_tables.sentences(report)[0]


def test_fresh_samples_match_the_real_ones_at_times_one_and_fitted_ones_never():
    run = toy.simulate(5, 2000, TRAIN, D, NORM, (0.25, 0.5, 1, 2))
    perfect = nulls.report("fresh", run.real, run.fresh, run.bootstrap)
    assert perfect.match.tested.low <= 1 <= perfect.match.tested.high
    assert "The match multiple is ×" in nulls_tables.match_sentence(perfect)
    plugged = nulls.report("fitted", run.real, run.fitted, run.bootstrap)
    assert not plugged.match.identifiable
    assert "**not reached** by ×2" in nulls_tables.match_sentence(plugged)


def test_the_second_null_is_the_curve_itself_where_it_was_measured(run):
    several = sorted(run.real.items())
    assert nulls.real_subset(several, 100) == pytest.approx(run.real[100].astype(float))
    between = nulls.real_subset(several, 125).mean()
    assert run.real[100].mean() < between < run.real[150].mean()
    assert nulls.real_subset(several, 10) is None
    assert nulls.real_subset(several[-1:], 200) is None


def test_excess_is_the_raw_gap_less_the_memorisers(fitted):
    for g in fitted.gaps.values():
        assert g.excess.mean == pytest.approx(g.raw.mean - g.bootstrap.mean)
        assert g.beyond.mean == pytest.approx(g.raw.mean - g.subset.mean)


def test_groups_make_it_balanced_accuracy(run):
    groups = np.repeat([0, 1], [2700, 300])
    report = nulls.report("toy", run.real, run.fitted, run.bootstrap, groups, "balanced accuracy")
    by_hand = crossed(run.real[TRAIN].astype(float) - run.fitted[1], groups)
    assert report.gaps[1].raw == by_hand
    low, high = report.gaps[1].worth.place.resampled
    assert low < report.gaps[1].worth.place.tested.value < high
    assert "balanced accuracy in points" in nulls_tables.gaps(report, "tab")


def test_a_resampled_interval_holds_the_place_and_is_the_same_again():
    curve, target = logarithmic(5, 400, 0.3), 0.6 + 0.3 * np.random.default_rng(1).normal(size=(5, 400))
    low, high = nulls.resampled(curve, target)
    assert low < 100 < high
    assert (low, high) == nulls.resampled(curve, target)


def test_a_power_law_is_found_and_its_place_is_told_within_the_sizes_only():
    places = np.array([25, 50, 100, 200, 400])
    levels = 0.9 - 0.3 * (places / 25.0) ** -0.4
    at = lambda n: 0.9 - 0.3 * (n / 25.0) ** -0.4  # noqa: E731
    assert nulls.power_law(places, levels, at(130)) == pytest.approx(130, rel=1e-3)
    assert nulls.power_law(places, levels, at(500)) is None
    assert nulls.power_law(places, levels, 0.95) is None
    assert nulls.power_law(places[:4], levels[:4], at(130)) is None
    assert nulls.power_law(places, np.full(5, 0.8), 0.8) is None


@pytest.mark.parametrize(("level", "edge"), [(0.9, "at most 1.0"), (0.2, "at least 16.0")])
def test_beyond_the_ends_of_the_curve_the_rate_is_not_identifiable(level, edge):
    curve = dict(logarithmic(3, 2000))
    report = nulls.report("made", curve, {1: np.full((3, 2000), level)}, {})
    found = report.gaps[1].worth
    assert (found.rate, found.power_law_rate) == (None, None)
    assert found.tested == found.resampled
    row = rows_of(nulls_tables.exchange(report, "tab"))[0]
    assert row["exchange rate"] == row["rate by power law"] == "not identifiable"
    assert row["95%"] == edge


def test_cells_that_were_not_run_are_none_and_the_tables_say_so(run):
    report = nulls.report("toy", {TRAIN: run.real[TRAIN]}, run.fitted, {1: run.bootstrap[1]})
    assert [getattr(report.gaps[5], f) for f in FIELDS[1:]] == [None] * 5
    assert report.gaps[1].excess is not None
    gaps, rates = rows_of(nulls_tables.gaps(report, "tab")), rows_of(nulls_tables.exchange(report, "tab"))
    assert list(gaps[-1].values())[2:] == ["not run"] * 3
    assert list(rates[0].values())[1:] == ["not run"] * 5
    assert "not run" in nulls_tables.sentences(report)[-1]
    assert nulls_plots.against_images(report).axes


def test_one_multiple_has_no_match(run):
    report = nulls.report("toy", run.real, {1: run.fitted[1]}, run.bootstrap)
    assert report.match is None
    assert "not identifiable" in nulls_tables.match_sentence(report)


def test_one_seed_has_no_intervals(run):
    parts = ({k: v[:1] for k, v in part.items()} for part in (run.real, run.fitted, run.bootstrap))
    report = nulls.report("toy", *parts)
    found = report.gaps[1].worth
    assert (found.resampled, found.tested) == (None, (0.0, math.inf))
    assert "one seed" in nulls_tables.exchange(report, "tab")
    assert "one seed" in nulls_tables.match_sentence(report)
    assert "(" not in rows_of(nulls_tables.gaps(report, "tab"))[0]["raw gap: real − synthetic"]
    assert "not told from copies" in nulls_tables.sentences(report)[0]


def test_a_study_has_all_its_multiples(of_smoke, smoke):
    assert list(of_smoke.gaps) == [1, 3]
    assert of_smoke.train == 40
    assert list(of_smoke.curve) == [10, 20, 40]
    for k, g in of_smoke.gaps.items():
        assert all(getattr(g, field) is not None for field in FIELDS)
        assert g.raw.mean == pytest.approx(-smoke.difference((SYNTHETIC_ONLY, k), (REAL_ONLY, 0)).mean)
        assert g.excess.mean == pytest.approx(smoke.difference((BOOTSTRAP, k), (SYNTHETIC_ONLY, k)).mean)
    assert [g.size for g in of_smoke.gaps.values()] == [20, 30]


def test_only_planned_cells_are_read(smoke):
    study = Study(preset="smoke", results=smoke.results, device="cpu", workers=1)
    planned = {spec.key for spec in in_order(study.plan())}
    read = []
    study.compute = lambda specs: read.extend(specs)  # everything is in the store; what is asked for is noted
    nulls.from_study(study)
    assert {spec.key for spec in read} <= planned
    assert len(read) > 10


def test_a_preset_with_fewer_bootstrap_arms_leaves_them_out(smoke, tmp_path):
    content = yaml.safe_load(files("synthgap").joinpath("presets", "smoke.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content | {"bootstrap": [3]}), encoding="utf-8")
    study = Study(preset=str(tmp_path / "mine.yaml"), results=smoke.results, device="cpu", workers=1)
    report = nulls.from_study(study)
    assert report.gaps[1].bootstrap is None
    assert report.gaps[1].subset is not None
    assert report.gaps[3].excess is not None


def test_tables_and_figure_show_every_multiple(of_smoke):
    for make in (nulls_tables.gaps, nulls_tables.exchange):
        assert [row["synthetic images"] for row in rows_of(make(of_smoke, "tab"))] == ["×1 (40)", "×3 (120)"]
    assert len(nulls_tables.sentences(of_smoke)) == 2
    labels = [t.get_text() for t in nulls_plots.against_images(of_smoke).legends[0].get_texts()]
    assert len(labels) == 4


def test_the_toys_figure_has_the_closed_form_too(fitted):
    figure = nulls_plots.against_images(fitted, toy.lines(TRAIN, 1000, D, NORM))
    assert len(figure.legends[0].get_texts()) == 7
    assert "real, closed form" in [t.get_text() for t in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("ends", "words"),
    [((0, math.inf), "any"), ((0, 2), "at most 2.0"), ((2, math.inf), "at least 2.0"), ((1.5, 2), "1.5 to 2.0")],
)
def test_an_interval_of_a_rate_says_where_it_has_no_end(ends, words):
    assert nulls_tables.span(*ends) == words
