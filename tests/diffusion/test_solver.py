"""How a reverse process is solved: steps, evaluations and churn (Karras et al. 2022, Algorithm 2)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synthgap.diffusion.schedule import DDPM, level_grid, level_of
from synthgap.diffusion.solver import Solver

few = settings(max_examples=100, deadline=None, derandomize=True)
t_res, counts = st.integers(0, 100), st.integers(1, 120)


def test_the_default_is_edms_deterministic_sampler_for_cifar10():
    assert Solver() == Solver(steps=18, method="heun", churn=0, churn_min=0, churn_max=None, churn_noise=1)
    assert Solver().evaluations(100) == 35


@few
@given(t_res, counts)
def test_euler_takes_one_evaluation_a_step_and_heun_one_less_than_two(t_re, steps):
    euler, heun = Solver(steps=steps, method="euler"), Solver(steps=steps)
    assert euler.steps_from(t_re) == heun.steps_from(t_re)
    assert euler.evaluations(t_re) == euler.steps_from(t_re)
    assert heun.evaluations(t_re) == max(0, 2 * euler.evaluations(t_re) - 1)


@few
@given(t_res, counts)
def test_a_later_start_is_no_shorter_and_a_whole_process_has_all_steps(t_re, steps):
    solver = Solver(steps=steps)
    assert solver.steps_from(100) == steps
    assert solver.steps_from(0) == 0
    assert solver.steps_from(t_re) <= solver.steps_from(min(t_re + 1, 100))
    assert (solver.steps_from(t_re) == 0) == (t_re == 0)


@few
@given(t_res, counts)
def test_a_multistep_process_takes_one_evaluation_a_step(t_re, steps):
    solver = Solver(steps=steps, method="multistep")
    assert solver.evaluations(t_re) == solver.steps_from(t_re) == Solver(steps=steps).steps_from(t_re)


def test_a_multistep_process_has_no_churn():
    with pytest.raises(ValidationError, match=r"churn is 2; a multistep process can have none, take heun or euler"):
        Solver(method="multistep", churn=2)
    assert Solver(method="multistep", churn_noise=1.1).gamma(1.0) == 0


ENDS = 0.002, 20.0, 7.0, DDPM


@pytest.mark.parametrize("levels", ["edm", "edm-80", "vp"])
@pytest.mark.parametrize("t_re", [2, 30, 99, 100])
def test_a_multistep_grid_is_that_of_a_step_more_without_sigma_min(levels, t_re):
    solver, plain = Solver(steps=13, method="multistep", levels=levels), Solver(steps=13, levels=levels)
    grid = solver.grid(t_re, *ENDS)
    assert len(grid) == solver.steps_from(t_re) + 1
    assert grid[0] == pytest.approx(level_of(t_re, levels, 0.002, 20.0))
    assert grid[-1] == 0
    assert (np.diff(grid) < 0).all()
    if levels == "vp":
        assert np.array_equal(grid, plain.grid(t_re, *ENDS))
    else:
        more = level_grid(t_re, len(grid), levels, *ENDS)
        assert more[-2] == pytest.approx(0.002)
        assert np.array_equal(grid, [*more[:-2], 0])


@pytest.mark.parametrize("method", ["heun", "euler", "multistep", "ancestral"])
def test_grids_of_no_and_of_one_step_go_straight_to_0(method):
    solver = Solver(steps=5, method=method)
    assert solver.grid(0, *ENDS).tolist() == [0]
    assert solver.grid(20, *ENDS).tolist() == [pytest.approx(level_of(20, "edm", 0.002, 20.0)), 0]
    assert solver.grid(1, *ENDS).tolist() == [pytest.approx(0.002), 0]


def test_churn_costs_no_evaluation():
    assert Solver(churn=40).evaluations(100) == Solver().evaluations(100)


@pytest.mark.parametrize("sigma", [1e-9, 0.002, 1.0, 80.0, 1e9])
def test_gamma_is_the_churn_spread_over_the_steps_up_to_root_2_less_1(sigma):
    assert Solver(steps=10).gamma(sigma) == 0
    assert Solver(steps=10, churn=2).gamma(sigma) == pytest.approx(0.2)
    for churn in (10 * (math.sqrt(2) - 1), 5, 1e9):  # the added noise is then as strong as the noise that is there
        gamma = Solver(steps=10, churn=churn).gamma(sigma)
        assert gamma == pytest.approx(math.sqrt(2) - 1)
        assert (1 + gamma) ** 2 - 1 == pytest.approx(1)


def test_gamma_is_0_outside_the_levels_and_their_ends_are_inside():
    solver = Solver(churn=1, churn_min=0.05, churn_max=50)
    inside = {0.01: False, 0.0499: False, 0.05: True, 1.0: True, 50.0: True, 50.01: False, 80.0: False}
    assert {sigma: solver.gamma(sigma) > 0 for sigma in inside} == inside


def test_without_an_upper_level_there_is_none():
    assert Solver(churn=1, churn_min=1, churn_max=None).gamma(1e12) > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", 2.5),
        ("method", "rk4"),
        ("churn", -1),
        ("churn", math.nan),
        ("churn", math.inf),  # JSON, and so an artifact's key, has no infinity: None is no limit
        ("churn_max", math.inf),
        ("churn_min", -0.1),
        ("churn_max", -1),
        ("churn_noise", -1),
        ("order", 2),
    ],
)
def test_impossible_settings_are_refused_by_name(field, value):
    with pytest.raises(ValidationError, match=field):
        Solver(**{field: value})


def test_a_solver_is_frozen_and_survives_json():
    solver = Solver(steps=7, method="euler", churn=3, churn_min=0.1, churn_max=9, churn_noise=1.007)
    assert Solver.model_validate_json(solver.model_dump_json()) == solver
    with pytest.raises(ValidationError):
        solver.steps = 3
