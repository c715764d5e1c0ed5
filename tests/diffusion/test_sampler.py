"""Heun's method: against Algorithm 1 of Karras et al. 2022 step by step, against exact solutions, and its work."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from synthgap.diffusion.sampler import Trajectory, heun
from synthgap.diffusion.schedule import sigma_grid

VARIANCE = [0.3, 1.7]  # of the two classes of `gaussian`


def gaussian(x, sigma, labels):
    """The exact denoiser E[y | y + σn = x] of y ~ N(0, v), in float64 so that it is the same in any batch."""
    v = torch.tensor(VARIANCE, dtype=torch.float64)[labels][:, None, None, None]
    return v / (v + sigma.double()[:, None, None, None] ** 2) * x.double()


def start(index, size=80.0):
    return size * np.random.default_rng(index).standard_normal((1, 2, 3))


def mixed_schedules():
    """Twelve images with 1 to 9 solver steps from different levels, of both classes, one already clean."""
    steps = [3, 9, 1, 5, 2, 9, 7, 4, 1, 6, 8, 0]
    return [Trajectory(i, start(i, 1.0 + i), sigma_grid(1.0 + i, n, 0.01), i % 2) for i, n in enumerate(steps)]


def nfe(trajectory):
    return max(0, 2 * (len(trajectory.sigmas) - 1) - 1)


def algorithm_1(denoise, x, sigmas):
    """Karras et al. 2022, Algorithm 1, for one image."""
    for here, there in pairwise(sigmas):
        d = (x - denoise(x, here)) / here
        euler = x + (there - here) * d
        if there == 0:
            x = euler
        else:
            x = x + (there - here) * (d + (euler - denoise(euler, there)) / there) / 2
    return x


def test_one_heun_step_and_the_last_euler_step_computed_by_hand():
    # D = x/σ², all values short binary fractions, so that float32 in between loses nothing:
    # σ 4→2, x = 8:  d = (8 − ½)/4 = 1.875, Euler point 8 − 2·1.875 = 4.25, d′ = (4.25 − 1.0625)/2 = 1.59375,
    # x = 8 − (1.875 + 1.59375) = 4.53125;  σ 2→0: x = D = 4.53125/4 = 1.1328125
    def denoiser(x, sigma, labels):
        return x / sigma[:, None, None, None] ** 2

    whole = Trajectory(0, np.full((1, 1, 1), 8.0), np.array([4.0, 2.0, 0.0]), None)
    ((_, image),) = heun(denoiser, iter([whole]), 1)
    assert image.item() == pytest.approx(1.1328125, abs=1e-12)
    asked = []

    def recording(x, sigma, labels):
        asked.append((x.item(), sigma.item(), labels))
        return denoiser(x, sigma, labels)

    list(heun(recording, iter([whole]), 1))
    assert asked == [(8.0, 4.0, None), (4.25, 2.0, None), (4.53125, 2.0, None)]


def test_every_image_follows_algorithm_1_whatever_else_is_on_its_way():
    trajectories = mixed_schedules()
    for index, image in heun(gaussian, iter(trajectories), 5):
        t = trajectories[index]
        v = VARIANCE[t.label]
        wanted = algorithm_1(lambda x, s, v=v: v / (v + s**2) * x, t.start, t.sigmas)
        assert np.allclose(image, wanted, atol=1e-6 * np.abs(t.start).max())  # the denoiser sees float32


def test_the_last_step_returns_the_estimate_of_the_denoiser():
    def constant(x, sigma, labels):
        return torch.full_like(x, 0.25)

    for count in (1, 2, 9):
        t = Trajectory(0, start(0), sigma_grid(80.0, count, 0.002), None)
        ((_, image),) = heun(constant, iter([t]), 1)
        assert np.allclose(image, 0.25, atol=1e-12)


def test_the_error_on_a_gaussian_falls_fourfold_when_the_steps_double():
    v = VARIANCE[0]
    exact = start(0) * math.sqrt(v / (v + 80.0**2))  # dx/dσ = σx/(v + σ²)
    errors = []
    for steps in (32, 64, 128, 256):
        t = Trajectory(0, start(0), sigma_grid(80.0, steps, 0.002), 0)
        ((_, image),) = heun(gaussian, iter([t]), 1)
        errors.append(np.abs(image - exact).max())
    ratios = np.array(errors[:-1]) / errors[1:]
    assert ((ratios > 3.5) & (ratios < 5)).all()
    assert errors[-1] < 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 12, 100])
def test_the_result_is_the_same_for_any_number_of_lanes(lanes):
    wanted = dict(heun(gaussian, iter(mixed_schedules()), 4))
    got = dict(heun(gaussian, iter(mixed_schedules()), lanes))
    assert wanted.keys() == got.keys() == set(range(12))
    assert all(np.array_equal(wanted[i], got[i]) for i in wanted)


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 12, 100])
def test_no_image_waits_for_another(lanes):
    trajectories = sorted(mixed_schedules(), key=lambda t: -len(t.sigmas))
    work = [nfe(t) for t in trajectories]
    batches, reported = [], []

    def counting(x, sigma, labels):
        batches.append(len(x))
        return gaussian(x, sigma, labels)

    list(heun(counting, iter(trajectories), lanes, on_evaluation=reported.append))
    assert sum(batches) == sum(work)
    assert reported == batches
    assert max(batches) <= lanes
    # list scheduling (Graham 1969): calls ≤ Σ/m + (1 − 1/m)·max
    assert len(batches) <= sum(work) / lanes + (1 - 1 / lanes) * max(work)


def test_images_of_equal_length_fill_every_lane_to_the_end():
    trajectories = [Trajectory(i, start(i), sigma_grid(80.0, 6, 0.01), i % 2) for i in range(12)]
    batches = []
    list(heun(gaussian, iter(trajectories), 4, on_evaluation=batches.append))
    assert batches == [4] * (12 * 11 // 4)


def test_an_image_without_levels_comes_back_as_it_started_and_costs_nothing():
    clean = Trajectory(7, start(7), np.zeros(1), 0)

    def never(x, sigma, labels):
        raise AssertionError("evaluated")

    ((index, image),) = heun(never, iter([clean]), 3)
    assert index == 7
    assert np.array_equal(image, clean.start)
    assert list(heun(never, iter([]), 3)) == []


def test_the_denoiser_is_given_float32_images_levels_and_integer_classes():
    def checking(x, sigma, labels):
        assert (x.dtype, sigma.dtype, labels.dtype) == (torch.float32, torch.float32, torch.int64)
        assert x.shape == (len(sigma), 1, 2, 3)
        assert not torch.is_grad_enabled()
        return gaussian(x, sigma, labels)

    for _, image in heun(checking, iter(mixed_schedules()), 5):
        assert image.dtype == np.float64
        assert torch.is_grad_enabled()  # also between the images


def test_starts_are_not_written_to():
    trajectories = mixed_schedules()
    before = [t.start.copy() for t in trajectories]
    list(heun(gaussian, iter(trajectories), 3))
    assert all(np.array_equal(t.start, b) for t, b in zip(trajectories, before, strict=True))


def test_trajectories_are_taken_only_as_lanes_become_free():
    taken = []

    def source():
        for t in mixed_schedules():
            taken.append(t.index)
            yield t

    images = heun(gaussian, source(), 2)
    next(images)
    assert len(taken) <= 4
