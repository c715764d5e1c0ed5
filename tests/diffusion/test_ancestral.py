"""DDPM's own sampling in σ-space, and the three readings of what a reverse step means in σ."""

import math

import numpy as np
import pytest
import torch
from test_reconstruct import Known, oracle, pictures

from synthgap.data.imageset import ImageSet
from synthgap.diffusion.ddpm import LinearSchedule, reverse_step
from synthgap.diffusion.noise import CHURN, image_rng
from synthgap.diffusion.reconstruct import noisy_start, reconstruct
from synthgap.diffusion.sampler import Trajectory, solve
from synthgap.diffusion.schedule import level_grid, level_of, sigma_grid, sigma_of
from synthgap.diffusion.solver import Solver

ANCESTRAL = Solver(steps=12, method="ancestral")
VP = Solver(steps=12, method="ancestral", levels="vp")
OTHERS = [Solver(steps=7, method=m, levels=levels) for m in ("heun", "multistep") for levels in ("vp", "edm-80")]


def test_an_ancestral_step_is_eq_2_corrected_in_other_variables():
    """The same noise through DDPM's step and ours, for levels of its schedule, from random clean estimates."""
    schedule = LinearSchedule(1000)
    bar, sigma = schedule.alpha_bar, schedule.sigma
    rng = np.random.default_rng(0)
    for t in (2, 10, 300, 999):
        y, clean = sigma[t] * rng.standard_normal((1, 2, 3)), rng.uniform(-1, 1, (1, 2, 3))
        z = image_rng(0, CHURN, 0).standard_normal((1, 2, 3))
        eps = torch.from_numpy((y - clean) / sigma[t])
        theirs = reverse_step(eps, torch.from_numpy(np.sqrt(bar[t]) * y), t, torch.from_numpy(z), schedule)
        seen: list[tuple] = []
        start = Trajectory(0, y, np.array([sigma[t], sigma[t - 1], 0.0]), None, image_rng(0, CHURN, 0))
        answer = torch.from_numpy(clean)[None]

        def note(index, step, level, x, seen=seen):
            seen.append(x)

        list(solve(lambda x, s, c, a=answer: a, iter([start]), 1, solver=ANCESTRAL, callback=note))
        assert np.allclose(np.sqrt(bar[t - 1]) * seen[0], theirs.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", [ANCESTRAL, VP, *OTHERS])
def test_an_oracle_denoiser_returns_the_image_for_every_reverse_step(solver):
    real = pictures(3, (3, 2, 3), 3)
    for t_re in range(0, 101):
        assert np.array_equal(reconstruct(oracle(real), real, t_re, 0, solver=solver).images, real.images), t_re


@pytest.mark.parametrize(
    "solver",
    [Solver(steps=200, method="ancestral"), *(Solver(steps=200, method=m, levels="vp") for m in ("heun", "multistep"))],
)
def test_a_gaussian_keeps_its_variance(solver):
    std = 0.3
    edm = Known(lambda x, sigma, labels: std**2 / (std**2 + sigma**2) * x, (1, 8, 8), 2)
    blank = ImageSet(np.zeros((200, 1, 8, 8), np.uint8), np.zeros(200, int), ("a", "b"))
    pixels = reconstruct(edm, blank, 100, 0, solver=solver).images / 127.5 - 1
    assert abs(pixels.mean()) < 5 * std / math.sqrt(pixels.size)
    assert pixels.std() == pytest.approx(std, rel=0.04)


def test_an_ancestral_process_takes_one_evaluation_a_step():
    assert ANCESTRAL.evaluations(100) == 12
    assert ANCESTRAL.evaluations(50) == 6
    counted = []
    real = pictures(4)
    reconstruct(oracle(pictures(2)), real, 50, 0, solver=ANCESTRAL, progress=counted.append)
    assert sum(counted) == 4 * 6


def test_images_do_not_depend_on_their_company():
    edm = Known(lambda x, sigma, labels: 0.5 * x / (1 + sigma), (1, 2, 2), 2)
    real = pictures(6)
    together = reconstruct(edm, real, 60, 3, solver=VP).images
    alone = [reconstruct(edm, real.subset([i]), 60, 3, solver=VP, first_index=i).images[0] for i in range(6)]
    assert np.array_equal(together, np.stack(alone))


# what a reverse step means

SIGMA_VP = {25: 0.95, 30: 1.23, 50: 3.41, 70: 11.8, 75: 17.0, 100: 152}  # DDPM's linear β, continuous


@pytest.mark.parametrize(("t_re", "sigma"), SIGMA_VP.items())
def test_vp_levels_are_those_of_the_linear_process(t_re, sigma):
    assert level_of(t_re, "vp", 0.002, 20.0) == pytest.approx(sigma, rel=0.02)


def test_edm_80_is_the_models_own_reading_at_32_pixels_and_four_times_it_at_8_pixels_from_pure_noise():
    for t in range(101):
        assert level_of(t, "edm-80", 0.002, 80.0) == level_of(t, "edm", 0.002, 80.0) == sigma_of(t, 0.002, 80.0)
    assert level_of(100, "edm-80", 0.002, 20.0) == pytest.approx(80)
    assert level_of(100, "edm", 0.002, 20.0) == pytest.approx(20)


@pytest.mark.parametrize("levels", ["edm", "edm-80", "vp"])
def test_every_reading_rises_from_0_and_its_grid_falls_from_the_start_to_0(levels):
    values = [level_of(t, levels, 0.002, 20.0) for t in range(101)]
    assert values[0] == 0
    assert (np.diff(values) > 0).all()
    for t in (1, 30, 100):
        grid = level_grid(t, 5, levels, 0.002, 20.0, 7.0)
        assert len(grid) == 6
        assert grid[0] == pytest.approx(values[t], rel=1e-12)
        assert grid[-1] == 0
        assert (np.diff(grid) <= 0).all()
    assert level_grid(0, 0, levels, 0.002, 20.0, 7.0).tolist() == [0.0]


def test_the_models_own_reading_is_unchanged_by_there_being_others():
    assert np.array_equal(level_grid(50, 9, "edm", 0.002, 20.0, 7.0), sigma_grid(sigma_of(50, 0.002, 20.0), 9, 0.002))


def test_vp_levels_are_evenly_spaced_in_time():
    grid = level_grid(80, 4, "vp", 0.002, 20.0, 7.0)
    assert np.allclose(grid, [level_of(t, "vp", 0.002, 20.0) for t in (80, 60, 40, 20, 0)])


def test_reconstruction_starts_at_the_level_of_its_reading():
    edm = Known(lambda x, sigma, labels: x, (1, 2, 2), 2)
    image = pictures(1).images[0]
    for levels in ("edm", "edm-80", "vp"):
        start, sigma = noisy_start(edm.config, image, 40, 0, 0, levels)
        plain, other = noisy_start(edm.config, image, 40, 0, 0)
        assert sigma == pytest.approx(level_of(40, levels, 0.002, edm.config.sigma_max))
        clean = image / 127.5 - 1
        assert np.allclose((start - clean) / sigma, (plain - clean) / other)
