"""The Gaussian toy: its closed form, against simulation and against the numbers it was introduced with."""

import math

import numpy as np
import pytest
from scipy import stats

from synthgap.stats import toy

TRAIN, D, NORM = 200, 100, 1.0
SIZES = {
    "real": lambda n: n,
    "fitted": lambda k: toy.effective_size(TRAIN, k * TRAIN),
    "bootstrap": lambda k: toy.copied_size(TRAIN, k * TRAIN),
    "fresh": lambda k: k * TRAIN,
}


@pytest.fixture(scope="module")
def simulated():
    """Many studies of one seed each, on test samples of their own."""
    return [toy.simulate(1, 800, TRAIN, D, NORM, seed=number) for number in range(400)]


@pytest.mark.parametrize("arm", SIZES)
def test_the_closed_form_is_what_simulation_gives(simulated, arm):
    for place in getattr(simulated[0], arm):
        means = np.array([getattr(run, arm)[place].mean() for run in simulated])
        error = means.std(ddof=1) / math.sqrt(len(means))
        assert error < 0.002
        assert abs(means.mean() - toy.accuracy(SIZES[arm](place), D, NORM)) < 3.5 * error


@pytest.mark.parametrize("d", [2, 3, 20])
def test_it_holds_in_few_dimensions_too(d):
    runs = [toy.simulate(1, 200, 24, d, 1.5, (1,), seed=number) for number in range(300)]
    means = np.array([run.fitted[1].mean() for run in runs])
    assert abs(means.mean() - toy.accuracy(12, d, 1.5)) < 3.5 * means.std(ddof=1) / math.sqrt(len(means))


def test_the_numbers_that_were_known_of_it():
    accuracy = lambda n: toy.accuracy(n, D, NORM)  # noqa: E731
    assert accuracy(TRAIN) == pytest.approx(0.793, abs=0.0005)
    fitted, copies = (0.760, 0.774, 0.785, 0.791), (0.761, 0.774, 0.784, 0.792)  # simulated
    for k, of_fitted, of_copies, at_size in zip(
        (1, 2, 4, 16), fitted, copies, (0.760, 0.775, 0.784, 0.790), strict=True
    ):
        assert accuracy(SIZES["fitted"](k)) == pytest.approx(of_fitted, abs=0.0015)
        assert accuracy(SIZES["bootstrap"](k)) == pytest.approx(of_copies, abs=0.0015)
        assert accuracy(SIZES["fitted"](k)) == pytest.approx(at_size, abs=0.001)


def test_the_short_formula_is_near_in_many_dimensions():
    for n in (12, 50, 200, 1000):
        short = stats.norm.cdf(NORM / math.sqrt(1 + D / (n * NORM**2)))
        assert toy.accuracy(n, D, NORM) == pytest.approx(short, abs=0.001)


def test_accuracy_rises_to_that_of_the_known_mean():
    values = [toy.accuracy(n, D, NORM) for n in (1, 10, 100, 1000, 1e7)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(stats.norm.cdf(NORM), abs=1e-4)


def test_what_samples_are_worth_in_real_ones():
    assert [toy.effective_size(TRAIN, k * TRAIN) for k in (1, 3, 5)] == pytest.approx([100, 150, 1000 / 6])
    assert toy.copied_size(TRAIN, 10**9) == pytest.approx(TRAIN)


@pytest.mark.parametrize("drawn", [100, 600])
def test_the_memorisers_size_is_that_of_its_mean_covariance(drawn):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(drawn // 2, np.full(TRAIN // 2, 2 / TRAIN), size=(4000, 2)).reshape(4000, -1)
    covariance = (counts**2).sum(axis=1) / drawn**2  # of w, times the identity
    assert covariance.mean() == pytest.approx(1 / toy.copied_size(TRAIN, drawn), rel=0.003)
    sizes = 1 / np.linspace(covariance.min(), covariance.max(), 20)
    of_each = np.interp(covariance, 1 / sizes, [toy.accuracy(n, D, NORM) for n in sizes])
    assert of_each.mean() == pytest.approx(toy.accuracy(toy.copied_size(TRAIN, drawn), D, NORM), abs=1e-4)


def test_a_run_has_six_sizes_and_the_same_samples_again():
    run, again = (toy.simulate(3, 50, TRAIN, D, NORM, (0.5, 2), seed=4) for _ in range(2))
    assert list(run.real) == [12, 24, 50, 100, 150, 200]
    assert {v.shape for part in (run.real, run.fitted, run.bootstrap, run.fresh) for v in part.values()} == {(3, 50)}
    assert list(run.fitted) == list(run.bootstrap) == list(run.fresh) == [0.5, 2]
    assert all(np.array_equal(run.fitted[k], again.fitted[k]) for k in run.fitted)


def test_seeds_share_the_training_samples_where_told_to():
    alone, shared = (toy.simulate(3, 500, TRAIN, D, NORM, (1,), shared=s) for s in (False, True))
    assert len(np.unique(shared.real[TRAIN], axis=0)) == 1
    assert len(np.unique(shared.real[100], axis=0)) == 3
    assert len(np.unique(alone.real[TRAIN], axis=0)) == 3


def test_expected_gaps_belong_together():
    found = toy.expected(TRAIN, 1, D, NORM)
    assert found.raw == found.subset
    assert found.excess == pytest.approx(found.raw - found.bootstrap)
    assert (found.worth, found.rate) == (100, 2)
    assert abs(found.excess) < 0.0005  # fitting is no better than copying here
    assert 0.03 < found.raw < 0.035


def test_lines_begin_where_the_curve_does():
    lines = toy.lines(TRAIN, 1000, D, NORM)
    assert len(lines) == 3
    for images, level in lines.values():
        assert images[-1] == pytest.approx(1000)
        assert (np.diff(level) > 0).all()
