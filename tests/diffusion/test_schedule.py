"""The noise schedule: Karras et al. 2022 (Eq. 5) as a function of the paper's reverse step."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgap.base.errors import UserError
from synthgap.diffusion.schedule import check_t_re, p_mean_for, sigma_grid, sigma_max_for, sigma_of, vp_sigma, vp_time
from synthgap.diffusion.solver import Solver

few = settings(max_examples=100, deadline=None, derandomize=True)
t_res, counts = st.integers(0, 100), st.integers(1, 120)

# t_re → σ with σmin = 0.002, σmax = 80, ρ = 7, to the digits that are stated for it
TABLE = {
    1: "0.002",
    10: "0.014",
    20: "0.076",
    25: "0.154",
    30: "0.292",
    40: "0.907",
    50: "2.40",
    60: "5.65",
    70: "12.1",
    75: "17.2",
    80: "24.1",
    100: "80",
}


def edm_levels(count, sigma_min, sigma_max, rho):
    """t_0 … t_{N−1} of Karras et al. 2022, Eq. 5, one by one."""
    a, b = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [(a + i / (count - 1) * (b - a)) ** rho for i in range(count)]


@pytest.mark.parametrize(("t_re", "sigma"), TABLE.items())
def test_sigma_of_a_reverse_step_is_the_stated_one(t_re, sigma):
    digits = len(sigma.partition(".")[2])
    assert f"{float(sigma_of(t_re, 0.002, 80.0)):.{digits}f}" == sigma


@pytest.mark.parametrize(("low", "high", "rho"), [(0.002, 80.0, 7.0), (0.01, 20.0, 7.0), (0.02, 100.0, 3.0)])
def test_reverse_step_t_is_level_100_minus_t_of_the_edm_grid_of_100(low, high, rho):
    sigma = sigma_of(np.arange(1, 101), low, high, rho)
    assert np.allclose(sigma[::-1], edm_levels(100, low, high, rho), rtol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(0.002, 80.0), (0.002, 5.0), (0.02, 20.0)])
def test_sigma_rises_from_zero_through_sigma_min_to_sigma_max(low, high):
    sigma = sigma_of(np.arange(101), low, high)
    assert sigma[0] == 0
    assert sigma[1] == pytest.approx(low, rel=1e-12)
    assert sigma[100] == pytest.approx(high, rel=1e-12)
    assert (np.diff(sigma) > 0).all()


@few
@given(t_res, counts)
def test_a_partial_process_has_its_share_of_the_steps_rounded_up(t_re, steps):
    assert Solver(steps=steps).steps_from(t_re) == math.ceil(Fraction(steps * t_re, 100))


def test_heun_spends_two_evaluations_a_step_and_one_on_the_last():
    assert Solver().evaluations(100) == 35  # EDM on CIFAR-10
    assert [Solver(steps=100).evaluations(t) for t in range(101)] == [0] + [2 * t - 1 for t in range(1, 101)]
    assert Solver(steps=18).evaluations(1) == 1
    assert Solver(steps=1).evaluations(100) == 1
    assert Solver(steps=1).evaluations(0) == 0


@few
@given(st.integers(2, 100), st.integers(1, 100))
def test_a_grid_falls_from_its_start_through_sigma_min_to_zero(t_re, steps):
    start = float(sigma_of(t_re, 0.002, 80.0))
    solver = Solver(steps=steps)
    grid = sigma_grid(start, solver.steps_from(t_re), 0.002)
    assert grid.dtype == np.float64
    assert grid[0] == start
    assert grid[-1] == 0
    assert (np.diff(grid) < 0).all()
    if len(grid) > 2:
        assert grid[-2] == pytest.approx(0.002, rel=1e-12)
    assert solver.evaluations(t_re) == 2 * np.count_nonzero(grid) - 1


@pytest.mark.parametrize("count", [2, 18, 40])
def test_the_grid_of_a_whole_process_is_the_edm_grid(count):
    assert np.allclose(sigma_grid(80.0, count, 0.002), [*edm_levels(count, 0.002, 80.0, 7.0), 0.0], rtol=1e-12)


def test_on_a_grid_of_100_a_partial_process_follows_the_levels_of_the_whole():
    whole = sigma_of(np.arange(100, -1, -1), 0.002, 80.0)
    for t_re in (1, 2, 37, 99, 100):
        part = sigma_grid(float(sigma_of(t_re, 0.002, 80.0)), Solver(steps=100).steps_from(t_re), 0.002)
        assert np.allclose(part, whole[100 - t_re :], rtol=1e-9)


def test_one_step_goes_straight_to_zero_and_no_step_stays_there():
    assert sigma_grid(3.0, 1, 0.002).tolist() == [3.0, 0.0]
    assert sigma_grid(0.0, 0, 0.002).tolist() == [0.0]


@pytest.mark.parametrize("t_re", [0, 1, 50, 100, np.int64(7)])
def test_a_whole_number_from_0_to_100_is_a_range_of_one(t_re):
    assert check_t_re(t_re) == (t_re, t_re)


@pytest.mark.parametrize("t_re", [(0, 100), (50, 50), (20, 80), [0, 1]])
def test_a_range_is_taken_as_given(t_re):
    assert check_t_re(t_re) == tuple(t_re)


@pytest.mark.parametrize(
    "t_re",
    [
        -1,
        101,
        50.5,
        np.float64(3),
        math.nan,
        True,
        np.bool_(True),
        None,
        "50",
        "5",
        {0, 1},
        (),
        (1,),
        (1, 2, 3),
        (80, 20),
        (-1, 5),
        (0, 101),
        (0, True),
        (0.0, 5),
        ("0", "5"),
        [[0, 1], 2],
    ],
)
def test_anything_else_is_refused_with_the_value_and_the_remedy(t_re):
    with pytest.raises(UserError, match="from 0 to 100") as caught:
        check_t_re(t_re)
    assert repr(t_re) in str(caught.value)


def test_sigma_max_is_edms_at_32_pixels_and_follows_the_root_of_the_area():
    assert sigma_max_for(32, 32) == 80
    assert sigma_max_for(8, 8) == 20
    assert sigma_max_for(64, 64) == 160
    assert sigma_max_for(16, 64) == 80  # as many pixels as 32 × 32
    assert sigma_max_for(8, 14) == sigma_max_for(14, 8)


def test_p_mean_is_edms_at_32_pixels_and_shifts_by_half_the_log_of_the_side():
    assert p_mean_for(32, 32) == pytest.approx(-1.2)
    assert p_mean_for(8, 8) == pytest.approx(-1.2 - math.log(2))  # a quarter of the side: ½ ln ¼ = −ln 2
    assert p_mean_for(16, 64) == pytest.approx(-1.2)
    assert p_mean_for(8, 14) == p_mean_for(14, 8)


def test_the_vp_level_of_a_time_is_that_of_the_vp_process():
    # ᾱ(t) = exp(−∫β), β(s) = β_min + β_d·s; σ = √((1 − ᾱ)/ᾱ) (Song et al. 2021; Karras et al. 2022, Table 1)
    time = np.linspace(1e-5, 1, 7)
    integral = np.array([np.trapezoid(0.1 + 19.9 * np.linspace(0, t, 2), np.linspace(0, t, 2)) for t in time])
    kept = np.exp(-integral)
    wanted = np.sqrt((1 - kept) / kept)
    assert np.allclose(vp_sigma(torch.from_numpy(time)).numpy(), wanted, rtol=1e-5)
    assert wanted[-1] == pytest.approx(152, abs=1)


def test_vp_time_undoes_vp_sigma():
    sigma = torch.logspace(-3, math.log10(150), 60, dtype=torch.float64)
    assert torch.allclose(vp_sigma(vp_time(sigma)), sigma, rtol=1e-9)
    assert torch.allclose(vp_sigma(vp_time(sigma.float())).double(), sigma, rtol=1e-3)
    time = torch.linspace(0, 1, 50, dtype=torch.float64)
    assert torch.allclose(vp_time(vp_sigma(time)), time, atol=1e-9)
