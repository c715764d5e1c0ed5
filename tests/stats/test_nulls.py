"""The gap's nulls: signs, what synthetic images are worth, what is not identifiable, and the toy's closed form."""

import math

import numpy as np
import pytest

from synthgap.stats import nulls, toy
from synthgap.stats.crossed import crossed

TRAIN, D, NORM, MULTIPLES = 200, 100, 1.0, (1, 3, 5)


@pytest.fixture(scope="module")
def run():
    return toy.simulate(5, 3000, TRAIN, D, NORM, MULTIPLES)


@pytest.fixture(scope="module")
def fitted(run):
    return nulls.report("toy", run.real, run.fitted, run.bootstrap)


def logarithmic(seeds, images, noise=0.0, places=(25, 50, 100, 200, 400)):
    """A learning curve with accuracy .5 + .05·log2(n / 25), as chances of being right."""
    rng = np.random.default_rng(0)
    return [(n, 0.5 + 0.05 * math.log2(n / 25) + noise * rng.normal(size=(seeds, images))) for n in places]


def test_intervals_hold_the_closed_form_in_nine_of_ten_studies_of_the_fitted_generator():
    found = nulls.coverage(30, (1, 3), seeds=5, images=600)
    for k in (1, 3):
        assert found[k].studies == 30
        assert found[k].shares["rate"] >= 0.9
        assert all(share >= 0.8 for share in found[k].shares.values())  # three standard errors of 30 are .12


def test_gaps_and_rates_of_many_seeds_lie_near_the_closed_form():
    closed = {k: toy.expected(TRAIN, k, D, NORM) for k in MULTIPLES}
    run = toy.simulate(60, 2000, TRAIN, D, NORM, MULTIPLES)
    report = nulls.report("toy", run.real, run.fitted, run.bootstrap)
    for k, g in report.gaps.items():
        for name in ("raw", "bootstrap", "subset", "excess"):
            assert getattr(g, name).mean == pytest.approx(getattr(closed[k], name), abs=0.004)
        assert g.worth.rate == pytest.approx(closed[k].rate, rel=0.1)
        assert g.worth.power_law_rate == pytest.approx(closed[k].rate, rel=0.1)


def test_a_perfect_generator_has_no_raw_gap_at_times_one_and_is_better_than_copies(run):
    report = nulls.report("fresh", run.real, run.fresh, run.bootstrap)
    one = report.gaps[1]
    assert one.raw.low < 0 < one.raw.high
    assert one.excess.high < 0
    assert one.beyond.high < 0
    assert report.gaps[5].raw.high < 0


def test_a_memoriser_and_a_fitted_generator_have_a_raw_gap_and_no_excess_gap(run, fitted):
    copies = nulls.report("copies", run.real, run.bootstrap, run.bootstrap)
    for report in (copies, fitted):
        one = report.gaps[1]
        assert one.raw.low > 0
        assert one.excess.low < 0 < one.excess.high
    assert copies.gaps[1].excess.mean == 0
    assert copies.gaps[1].raw == copies.gaps[1].bootstrap


def test_worse_than_copying_is_a_positive_excess_gap(run):
    worse = {k: v & (np.random.default_rng(0).random(v.shape) < 0.9) for k, v in run.bootstrap.items()}
    report = nulls.report("worse", run.real, worse, run.bootstrap)
    assert all(g.excess.low > 0 for g in report.gaps.values())


def test_fresh_samples_match_the_real_ones_at_times_one_and_fitted_ones_never():
    run = toy.simulate(5, 2000, TRAIN, D, NORM, (0.25, 0.5, 1, 2))
    perfect = nulls.report("fresh", run.real, run.fresh, run.bootstrap)
    assert perfect.match.tested.low <= 1 <= perfect.match.tested.high
    plugged = nulls.report("fitted", run.real, run.fitted, run.bootstrap)
    assert not plugged.match.identifiable


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


@pytest.mark.parametrize(("level", "rates"), [(0.9, (0, 1)), (0.2, (16, math.inf))])
def test_beyond_the_ends_of_the_curve_the_rate_is_not_identifiable(level, rates):
    curve = dict(logarithmic(3, 2000))
    report = nulls.report("made", curve, {1: np.full((3, 2000), level)}, {})
    found = report.gaps[1].worth
    assert (found.rate, found.power_law_rate) == (None, None)
    assert found.tested == found.resampled == pytest.approx(rates)


def test_cells_that_were_not_run_are_none(run):
    report = nulls.report("toy", {TRAIN: run.real[TRAIN]}, run.fitted, {1: run.bootstrap[1]})
    fields = ("bootstrap", "subset", "excess", "beyond", "worth")
    assert [getattr(report.gaps[5], f) for f in fields] == [None] * 5
    assert report.gaps[1].excess is not None


def test_one_multiple_has_no_match(run):
    report = nulls.report("toy", run.real, {1: run.fitted[1]}, run.bootstrap)
    assert report.match is None


def test_one_seed_has_no_intervals(run):
    parts = ({k: v[:1] for k, v in part.items()} for part in (run.real, run.fitted, run.bootstrap))
    report = nulls.report("toy", *parts)
    found = report.gaps[1].worth
    assert (found.resampled, found.tested) == (None, (0.0, math.inf))
