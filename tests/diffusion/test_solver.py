"""How a reverse process is solved: steps, evaluations and churn (Karras et al. 2022, Algorithm 2)."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

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
