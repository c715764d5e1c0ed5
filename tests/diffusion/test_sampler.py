"""The sampler: against Algorithms 1 and 2 of Karras et al. 2022 and a multistep method, exact solutions, its work."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from synthgap.diffusion.noise import CHURN, image_rng
from synthgap.diffusion.sampler import Trajectory, solve
from synthgap.diffusion.schedule import DDPM, sigma_grid, sigma_of
from synthgap.diffusion.solver import Solver

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
    return [
        Trajectory(i, start(i, 1.0 + i), sigma_grid(1.0 + i, n, 0.01), i % 2, image_rng(0, CHURN, i))
        for i, n in enumerate(steps)
    ]


EULER = Solver(method="euler")
CHURNED = Solver(steps=9, churn=2, churn_noise=1.1)
MULTISTEP = Solver(method="multistep")
SOLVERS = {"heun": Solver(), "euler": EULER, "churn": CHURNED, "euler and churn": Solver(method="euler", churn=3)}
SOLVERS["multistep"] = MULTISTEP
every_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)


class NoNumbers:
    """Stands for a generator from which nothing may be drawn."""

    def __getattr__(self, name):
        raise AssertionError("a random number was drawn")


def nfe(trajectory):
    return max(0, 2 * (len(trajectory.sigmas) - 1) - 1)


def published(denoise, x, sigmas, solver, rng):
    """x of one image after each step, by formulas of this test's own."""
    if solver.method == "multistep":
        return predicted_and_corrected(denoise, x, sigmas)
    return algorithm_2(denoise, x, sigmas, solver, rng)


def algorithm_2(denoise, x, sigmas, solver, rng):
    """Karras et al. 2022, Algorithm 2, for one image: x after each step. Algorithm 1 where the churn is 0."""
    each = []
    for here, there in pairwise(sigmas):
        top = math.inf if solver.churn_max is None else solver.churn_max
        gamma = min(solver.churn / solver.steps, math.sqrt(2) - 1) if solver.churn_min <= here <= top else 0
        raised = here + gamma * here
        if gamma > 0:
            x = x + math.sqrt(raised**2 - here**2) * solver.churn_noise * rng.standard_normal(x.shape)
        d = (x - denoise(x, raised)) / raised
        euler = x + (there - raised) * d
        if there == 0 or solver.method == "euler":
            x = euler
        else:
            x = x + (there - raised) * (d / 2 + (euler - denoise(euler, there)) / (2 * there))
        each.append(x)
    return each


def between(estimates, x, start, end):
    """x(σ') = σ'/σ x + σ' ∫ D/s² ds for the polynomial D in u = ∛s through {level: estimate}, by quadrature over u."""
    nodes, values = np.cbrt(list(estimates)), list(estimates.values())
    points, weights = np.polynomial.legendre.leggauss(30)
    low, high = np.cbrt([end, start])
    u = low + (points + 1) / 2 * (high - low)
    integral = 0
    for i, value in enumerate(values):  # Lagrange's polynomials
        others = np.delete(nodes, i)
        basis = np.prod([(u - o) / (nodes[i] - o) for o in others], axis=0)
        integral = integral + value * (weights * (high - low) / 2 * basis * 3 * u**2 / u**6).sum()
    return end / start * x + end * integral


def predicted_and_corrected(denoise, x, sigmas):
    """The predictions of a multistep process: by two estimates, after x was corrected by the newest and two more."""
    each, estimates, corrected = [], {}, x
    for i, here in enumerate(sigmas[:-1]):
        estimates[here] = denoise(x, here)
        if i > 0:
            corrected = between(dict(list(estimates.items())[-3:]), corrected, sigmas[i - 1], here)
        last = sigmas[i + 1] == 0
        x = estimates[here] if last else between(dict(list(estimates.items())[-2:]), corrected, here, sigmas[i + 1])
        each.append(x)
    return each


def test_one_heun_step_and_the_last_euler_step_computed_by_hand():
    # D = x/σ², all values short binary fractions, so that float32 in between loses nothing:
    # σ 4→2, x = 8:  d = (8 − ½)/4 = 1.875, Euler point 8 − 2·1.875 = 4.25, d′ = (4.25 − 1.0625)/2 = 1.59375,
    # x = 8 − (1.875 + 1.59375) = 4.53125;  σ 2→0: x = D = 4.53125/4 = 1.1328125
    def denoiser(x, sigma, labels):
        return x / sigma[:, None, None, None] ** 2

    whole = Trajectory(0, np.full((1, 1, 1), 8.0), np.array([4.0, 2.0, 0.0]), None)
    ((_, image),) = solve(denoiser, iter([whole]), 1)
    assert image.item() == pytest.approx(1.1328125, abs=1e-12)
    asked = []

    def recording(x, sigma, labels):
        asked.append((x.item(), sigma.item(), labels))
        return denoiser(x, sigma, labels)

    list(solve(recording, iter([whole]), 1))
    assert asked == [(8.0, 4.0, None), (4.25, 2.0, None), (4.53125, 2.0, None)]


def test_two_euler_steps_computed_by_hand():
    # D = x/σ²:  σ 4→2, x = 8: d = (8 − ½)/4 = 1.875, x = 8 − 2·1.875 = 4.25;  σ 2→0: x = D = 4.25/4 = 1.0625
    def denoiser(x, sigma, labels):
        asked.append((x.item(), sigma.item()))
        return x / sigma[:, None, None, None] ** 2

    asked = []
    whole = Trajectory(0, np.full((1, 1, 1), 8.0), np.array([4.0, 2.0, 0.0]))
    ((_, image),) = solve(denoiser, iter([whole]), 1, solver=EULER)
    assert image.item() == pytest.approx(1.0625, abs=1e-12)
    assert asked == [(8.0, 4.0), (4.25, 2.0)]


def test_multistep_steps_computed_by_hand():
    # Estimates 1, 2 and 4 at σ = 27, 8 and 1, that is at u = ∛σ = 3, 2 and 1; ∫ D/σ² dσ = ∫ D·3u⁻⁴ du.
    # 27→8 by D = 1: 8/27·27 + (1 − 8/27) = 8 + 19/27, where the answer is 2.
    # Corrected by D = 4 − u: 8 + 8·(4·(1/8 − 1/27) − 3/2·(1/4 − 1/9)); on to 1: an eighth, + 4·7/8 − 3/2·3/4.
    seen, answers = [], iter([1.0, 2.0, 4.0])
    whole = Trajectory(0, np.full((1, 1, 1), 27.0), np.array([27.0, 8.0, 1.0, 0.0]))
    list(
        solve(
            lambda x, sigma, labels: torch.full_like(x, next(answers)),
            iter([whole]),
            1,
            solver=MULTISTEP,
            callback=lambda i, step, sigma, x: seen.append(x.item()),
        )
    )
    corrected = 8 + 8 * (4 * (1 / 8 - 1 / 27) - 1.5 * (1 / 4 - 1 / 9))
    assert seen == pytest.approx([8 + 19 / 27, corrected / 8 + 3.5 - 1.125, 4], abs=1e-12)


def test_estimates_that_are_linear_in_the_cube_root_are_followed_exactly_from_the_second_step_on():
    # D = a + b·∛σ, whatever x: x(σ')/σ' = x(σ)/σ + [−a/s − 3/2·b/s^(2/3)] from σ to σ'
    a, b, sigmas, seen = 0.3, -0.2, sigma_grid(30.0, 9, 0.01), []

    def denoiser(x, sigma, labels):
        return torch.full_like(x, a).double() + b * levels[round(sigma.item(), 6)] ** (1 / 3)

    levels = {round(float(np.float32(s)), 6): s for s in sigmas}
    t = Trajectory(0, start(3, 30.0), sigmas)
    list(solve(denoiser, iter([t]), 1, solver=MULTISTEP, callback=lambda i, k, s, x: seen.append(x)))
    for k in range(1, len(sigmas) - 2):
        end = sigmas[k + 1]
        moved = a * (1 / end - 1 / 30) + 1.5 * b * (end ** (-2 / 3) - 30 ** (-2 / 3))
        assert np.allclose(seen[k], end * (t.start / 30 + moved), atol=1e-9)


@every_solver
def test_every_image_follows_the_paper_whatever_else_is_on_its_way(solver):
    trajectories = mixed_schedules()
    for index, image in solve(gaussian, iter(trajectories), 5, solver=solver):
        t = trajectories[index]
        v = VARIANCE[t.label]
        rng = image_rng(0, CHURN, index)
        wanted = [t.start, *published(lambda x, s, v=v: v / (v + s**2) * x, t.start, t.sigmas, solver, rng)][-1]
        assert np.allclose(image, wanted, atol=1e-6 * np.abs(t.start).max())  # the denoiser sees float32


def test_the_last_step_returns_the_estimate_of_the_denoiser():
    def constant(x, sigma, labels):
        return torch.full_like(x, 0.25)

    for count in (1, 2, 9):
        for solver in SOLVERS.values():
            t = Trajectory(0, start(0), sigma_grid(80.0, count, 0.002), None, image_rng(0, CHURN, 0))
            ((_, image),) = solve(constant, iter([t]), 1, solver=solver)
            assert np.allclose(image, 0.25, atol=1e-12)


def errors_on_a_gaussian(solver, steps):
    v = VARIANCE[0]
    exact = start(0) * math.sqrt(v / (v + 80.0**2))  # dx/dσ = σx/(v + σ²)
    errors = []
    for count in steps:
        t = Trajectory(0, start(0), sigma_grid(80.0, count, 0.002), 0)
        ((_, image),) = solve(gaussian, iter([t]), 1, solver=solver)
        errors.append(np.abs(image - exact).max() / np.abs(exact).max())
    return np.array(errors)


def test_heuns_error_on_a_gaussian_falls_fourfold_when_the_steps_double():
    errors = errors_on_a_gaussian(Solver(), (32, 64, 128, 256))
    ratios = errors[:-1] / errors[1:]
    assert ((ratios > 3.5) & (ratios < 5)).all()
    assert errors[-1] < 1e-3


def test_eulers_error_on_a_gaussian_halves_when_the_steps_double():
    errors = errors_on_a_gaussian(EULER, (64, 128, 256, 512))
    ratios = errors[:-1] / errors[1:]
    assert ((ratios > 1.8) & (ratios < 2.2)).all()
    assert errors[0] > 10 * errors_on_a_gaussian(Solver(), (64,))[0]


def error_before_the_last_step(solver, steps):
    """Relative error at the last level above 0, of a Gaussian from σ = 80."""
    levels, v, seen = sigma_grid(80.0, steps, 0.01), VARIANCE[0], {}
    t = Trajectory(0, start(0), levels, 0)
    list(solve(gaussian, iter([t]), 1, solver=solver, callback=lambda i, k, s, x: seen.setdefault(k, x)))
    exact = start(0) * math.sqrt((v + levels[-2] ** 2) / (v + 80.0**2))
    return np.abs(seen[steps - 1] - exact).max() / np.abs(exact).max()


def test_the_multistep_error_on_a_gaussian_falls_eightfold_when_the_steps_double():
    errors = np.array([error_before_the_last_step(MULTISTEP, steps) for steps in (24, 48, 96)])
    assert (errors[:-1] / errors[1:] > 6.5).all()  # Heun's are divided by 4
    assert errors[-1] < error_before_the_last_step(Solver(), 96) / 5  # at half the evaluations


@pytest.mark.parametrize("t_re", [50, 60, 70, 80, 90, 100])
@pytest.mark.parametrize("std", [0.1, 0.3, 0.75])
def test_multistep_is_nearer_to_the_exact_solution_than_heun_with_twice_the_evaluations(t_re, std):
    def denoiser(x, sigma, labels):
        return std**2 / (std**2 + sigma.double()[:, None, None, None] ** 2) * x.double()

    top = float(sigma_of(t_re, 0.002, 20.0))
    whole = np.full(
        (1, 1, 1), math.sqrt(std**2 + top**2)
    )  # one deviation of the noisy pixels, that ends at one of theirs
    errors = []
    for solver in (Solver(method="multistep", steps=13), Solver(steps=14)):
        sigmas = solver.grid(t_re, 0.002, 20.0, 7.0, DDPM)
        ((_, image),) = solve(denoiser, iter([Trajectory(0, whole, sigmas)]), 1, solver=solver)
        errors.append(abs(image.item() / std - 1))
    assert errors[0] < errors[1]


@every_solver
@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 12, 100])
def test_the_result_is_the_same_for_any_number_of_lanes_and_any_order(lanes, solver):
    wanted = dict(solve(gaussian, iter(mixed_schedules()), 4, solver=solver))
    for trajectories in (mixed_schedules(), mixed_schedules()[::-1], mixed_schedules()[::3]):
        got = dict(solve(gaussian, iter(trajectories), lanes, solver=solver))
        assert got.keys() == {t.index for t in trajectories}
        assert all(np.array_equal(wanted[i], got[i]) for i in got)
    assert wanted.keys() == set(range(12))


# churn


@pytest.mark.parametrize(
    "solver",
    [
        Solver(),
        EULER,
        MULTISTEP,
        Solver(churn=0, churn_noise=2),
        Solver(churn=5, churn_min=1e9),
        Solver(churn=5, churn_max=1e-9),
    ],
)
def test_without_churn_no_random_number_is_drawn(solver):
    t = Trajectory(0, start(0), sigma_grid(80.0, 9, 0.002), 0, NoNumbers())
    ((_, image),) = solve(gaussian, iter([t]), 1, solver=solver)
    ((_, plain),) = solve(gaussian, iter([t]), 1, solver=Solver(method=solver.method))
    assert np.array_equal(image, plain)
    with pytest.raises(AssertionError, match="was drawn"):
        list(solve(gaussian, iter([t]), 1, solver=Solver(churn=5)))


@pytest.mark.parametrize("method", ["heun", "euler"])
def test_a_churned_step_computed_by_hand(method):
    # D = c: the slope is (x̂ − c)/σ̂ at both ends of the step, so that Heun's and Euler's x′ are c + (x̂ − c)·σ′/σ̂.
    # σ 4→1, γ = ¼: σ̂ = 5, x̂ = x + √(25 − 16)·n·S = x + 3·2·n, x′ = c + (x̂ − c)/5
    solver = Solver(steps=4, churn=1, churn_noise=2, method=method)
    first = image_rng(0, CHURN, 3).standard_normal((1, 2, 3))
    asked, after = [], []

    def denoiser(x, sigma, labels):
        asked.append((sigma.item(), x[0].numpy().copy()))
        return torch.full_like(x, 0.5)

    t = Trajectory(3, start(3, 4.0), np.array([4.0, 1.0, 0.0]), None, image_rng(0, CHURN, 3))
    list(solve(denoiser, iter([t]), 1, solver=solver, callback=lambda i, k, sigma, x: after.append(x)))
    raised = t.start + 6 * first
    assert asked[0][0] == 5
    assert np.allclose(asked[0][1], raised, atol=1e-5)
    assert np.allclose(after[0], 0.5 + (raised - 0.5) / 5, atol=1e-12)
    # σ 1→0 starts from σ̂ = 1¼, √(25/16 − 1) = ¾
    second = skipped(image_rng(0, CHURN, 3), 6).standard_normal((1, 2, 3))
    assert asked[-1][0] == 1.25
    assert np.allclose(asked[-1][1], after[0] + 1.5 * second, atol=1e-5)
    assert np.array_equal(after[1], np.full((1, 2, 3), 0.5))


def skipped(rng, count):
    rng.standard_normal(count)
    return rng


@pytest.mark.parametrize("extra", [0.5, 1.0, 1.5])
def test_churn_adds_the_variance_between_the_two_levels(extra):
    seen = []

    def denoiser(x, sigma, labels):
        seen.append((sigma.item(), x.double().var().item()))
        return torch.zeros_like(x)

    clean = np.zeros((3, 80, 80))
    t = Trajectory(0, clean, np.array([2.0, 0.0]), None, image_rng(0, CHURN, 0))
    list(solve(denoiser, iter([t]), 1, solver=Solver(steps=10, churn=3, churn_noise=extra)))
    ((sigma, variance),) = seen
    assert sigma == pytest.approx(2 * 1.3)
    assert variance == pytest.approx((2.6**2 - 2**2) * extra**2, rel=5 * math.sqrt(2 / clean.size))


def test_noise_is_added_between_churn_min_and_churn_max_only():
    sigmas = sigma_grid(80.0, 12, 0.002)
    asked = []

    def denoiser(x, sigma, labels):
        asked.append(sigma.item())
        return gaussian(x, sigma, labels)

    t = Trajectory(0, start(0), sigmas, 0, image_rng(0, CHURN, 0))
    solver = Solver(steps=12, churn=1.2, churn_min=float(sigmas[7]), churn_max=float(sigmas[3]), method="euler")
    list(solve(denoiser, iter([t]), 1, solver=solver))
    wanted = [sigma * (1.1 if 3 <= i <= 7 else 1) for i, sigma in enumerate(sigmas[:-1])]
    assert np.allclose(asked, wanted, rtol=1e-6)


# guide and callback


@every_solver
def test_a_guide_decides_what_is_drawn(solver):
    def to_grey(estimate, x, sigma, labels):
        return torch.full_like(estimate, 0.25)

    for index, image in solve(gaussian, iter(mixed_schedules()), 5, solver=solver, guide=to_grey):
        assert index == 11 or np.allclose(image, 0.25, atol=1e-12)  # image 11 is clean already


def test_a_guide_is_given_the_estimate_and_all_that_the_denoiser_was_given():
    def checking(estimate, x, sigma, labels):
        assert torch.equal(estimate, gaussian(x, sigma, labels))
        assert (x.dtype, labels.dtype, len(labels)) == (torch.float32, torch.int64, len(x))
        classes.update(labels.tolist())
        return estimate

    classes = set()
    guided = dict(solve(gaussian, iter(mixed_schedules()), 5, guide=checking))
    assert classes == {0, 1}
    plain = dict(solve(gaussian, iter(mixed_schedules()), 5))
    assert all(np.array_equal(guided[i], plain[i]) for i in plain)


@every_solver
def test_a_guide_from_one_denoiser_to_another_draws_from_the_other(solver):
    def other(estimate, x, sigma, labels):
        return gaussian(x, sigma, 1 - labels)

    def swapped(x, sigma, labels):
        return gaussian(x, sigma, 1 - labels)

    guided = dict(solve(gaussian, iter(mixed_schedules()), 5, solver=solver, guide=other))
    wanted = dict(solve(swapped, iter(mixed_schedules()), 5, solver=solver))
    assert all(np.array_equal(guided[i], wanted[i]) for i in wanted)


@every_solver
def test_a_guide_of_weight_1_changes_nothing_and_others_do(solver):
    """D + (w − 1)(D − D'), as classifier-free guidance and autoguidance have it, with a worse denoiser D'."""

    def by(weight):
        def guide(estimate, x, sigma, labels):
            return estimate + (weight - 1) * (estimate - 0.8 * estimate)

        return dict(solve(gaussian, iter(mixed_schedules()), 5, solver=solver, guide=guide))

    plain, one, two = dict(solve(gaussian, iter(mixed_schedules()), 5, solver=solver)), by(1), by(2)
    assert all(np.array_equal(one[i], plain[i]) for i in plain)
    assert all(i == 11 or not np.allclose(two[i], plain[i]) for i in plain)  # image 11 is clean already


@every_solver
def test_a_callback_gets_every_step_of_every_image_in_order(solver):
    trajectories, steps = mixed_schedules(), {}
    images = dict(
        solve(
            gaussian,
            iter(trajectories),
            5,
            solver=solver,
            callback=lambda i, done, sigma, x: steps.setdefault(i, []).append((done, sigma, x)),
        )
    )
    assert steps.keys() == {t.index for t in trajectories if len(t.sigmas) > 1}
    for index, taken in steps.items():
        t = trajectories[index]
        done, sigmas, points = zip(*taken, strict=True)
        assert list(done) == list(range(1, len(t.sigmas)))
        assert list(sigmas) == t.sigmas[1:].tolist()
        assert sigmas[-1] == 0
        assert np.array_equal(points[-1], images[index])
        rng, v = image_rng(0, CHURN, index), VARIANCE[t.label]
        wanted = published(lambda x, s, v=v: v / (v + s**2) * x, t.start, t.sigmas, solver, rng)
        assert np.allclose(points, wanted, atol=1e-6 * np.abs(t.start).max())  # at σ, before the next step's churn


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_guide_that_answers_no_numbers_is_an_error(bad):
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        list(solve(gaussian, iter(mixed_schedules()), 5, guide=lambda estimate, *_: estimate * bad))


# work


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 12, 100])
def test_no_image_waits_for_another(lanes):
    trajectories = sorted(mixed_schedules(), key=lambda t: -len(t.sigmas))
    work = [nfe(t) for t in trajectories]
    batches, reported = [], []

    def counting(x, sigma, labels):
        batches.append(len(x))
        return gaussian(x, sigma, labels)

    list(solve(counting, iter(trajectories), lanes, on_evaluation=reported.append))
    assert sum(batches) == sum(work)
    assert reported == batches
    assert max(batches) <= lanes
    # list scheduling (Graham 1969): calls ≤ Σ/m + (1 − 1/m)·max
    assert len(batches) <= sum(work) / lanes + (1 - 1 / lanes) * max(work)


def test_images_of_equal_length_fill_every_lane_to_the_end():
    trajectories = [Trajectory(i, start(i), sigma_grid(80.0, 6, 0.01), i % 2) for i in range(12)]
    batches = []
    list(solve(gaussian, iter(trajectories), 4, on_evaluation=batches.append))
    assert batches == [4] * (12 * 11 // 4)


def test_an_image_without_levels_comes_back_as_it_started_and_costs_nothing():
    clean = Trajectory(7, start(7), np.zeros(1), 0)

    def never(x, sigma, labels):
        raise AssertionError("evaluated")

    ((index, image),) = solve(never, iter([clean]), 3)
    assert index == 7
    assert np.array_equal(image, clean.start)
    assert list(solve(never, iter([]), 3)) == []


def test_the_denoiser_is_given_float32_images_levels_and_integer_classes():
    def checking(x, sigma, labels):
        assert (x.dtype, sigma.dtype, labels.dtype) == (torch.float32, torch.float32, torch.int64)
        assert x.shape == (len(sigma), 1, 2, 3)
        assert not torch.is_grad_enabled()
        return gaussian(x, sigma, labels)

    for _, image in solve(checking, iter(mixed_schedules()), 5):
        assert image.dtype == np.float64
        assert torch.is_grad_enabled()  # also between the images


def test_starts_are_not_written_to():
    trajectories = mixed_schedules()
    before = [t.start.copy() for t in trajectories]
    list(solve(gaussian, iter(trajectories), 3))
    assert all(np.array_equal(t.start, b) for t, b in zip(trajectories, before, strict=True))


def test_trajectories_are_taken_only_as_lanes_become_free():
    taken = []

    def source():
        for t in mixed_schedules():
            taken.append(t.index)
            yield t

    images = solve(gaussian, source(), 2)
    next(images)
    assert len(taken) <= 4


def test_euler_agrees_with_the_diffusers_library():
    scheduler = pytest.importorskip("diffusers").EDMEulerScheduler()
    scheduler.set_timesteps(18)
    sigmas = sigma_grid(80.0, 18, 0.002)
    assert np.allclose(scheduler.sigmas.numpy(), sigmas, rtol=1e-5)
    x = torch.from_numpy(start(0))[None]
    for step, time in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas[step].double()
        skip, out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / (sigma**2 + 0.25).sqrt()
        clean = gaussian(x, sigma[None], torch.tensor([1]))
        x = scheduler.step((clean - skip * x) / out, time, x).prev_sample
    ((_, image),) = solve(gaussian, iter([Trajectory(0, start(0), sigmas, 1)]), 1, solver=EULER)
    assert np.allclose(image, x[0].numpy(), atol=1e-3)
