"""Eq. 1, Eq. 2 and Algorithm 1: against hand values, on data whose denoiser is known in closed form, and beside EDM.

Point mass at m: D = m, and ε is the noise itself. Gaussian data N(m, v): D(y; σ) = (σ² m + v y) / (σ² + v), and the
marginals are N(√ᾱ_t m, var_t) with var_t = ᾱ_t v + 1 − ᾱ_t.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.diffusion.ddpm import (
    LinearSchedule,
    eps_from_denoiser,
    reconstruct_ddpm,
    reverse_step,
)
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.sampler import Trajectory, solve
from synthgap.diffusion.schedule import sigma_grid, sigma_of, vp_sigma
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig

FULL, SHORT = LinearSchedule(1000), LinearSchedule(100)
SHAPE = (100, 1, 2, 2)
MEAN, VARIANCE = 0.3, 0.25  # of the Gaussian data
NETWORK = UNetConfig(height=4, width=4, channels=1, model_channels=8, channel_mult=(1,), num_blocks=1, dropout=0.0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def point_mass(x0):
    """The exact denoiser of data that are always x0."""
    return lambda x, sigma, labels: x0.float()


def gaussian(mean=MEAN, variance=VARIANCE):
    """The exact denoiser of N(mean, variance) data."""

    def denoiser(x, sigma, labels):
        square = sigma[:, None, None, None] ** 2
        return (square * mean + variance * x) / (square + variance)

    return denoiser


def marginal_variance(schedule, t, variance):
    return schedule.alpha_bar[t] * variance + 1 - schedule.alpha_bar[t]


def after_ancestral_sampling(schedule, mean, variance, first):
    """(mean, variance) of what steps first, …, 1 of the corrected Eq. 2 with exact ε make of N(0, 1), exactly.

    E[ε | x_t] = √(1 − ᾱ_t) (x_t − √ᾱ_t m) / var_t, so that a step is affine in x_t.
    """
    now_mean, now_variance = 0.0, 1.0
    for t in range(first, 0, -1):
        beta, bar = schedule.beta[t], schedule.alpha_bar[t]
        pull = beta / marginal_variance(schedule, t, variance)
        deviation = beta * (1 - schedule.alpha_bar[t - 1]) / (1 - bar)
        now_mean = (now_mean - pull * (now_mean - math.sqrt(bar) * mean)) / math.sqrt(1 - beta)
        now_variance = (1 - pull) ** 2 / (1 - beta) * now_variance + deviation
    return now_mean, now_variance


# the schedule


def test_the_first_steps_of_a_schedule_by_hand():
    # β scaled by 1000/50 = 20 runs from 0.002 to 0.4; ᾱ_1 and ᾱ_2 follow
    schedule = LinearSchedule(50)
    step = (0.4 - 0.002) / 49
    assert schedule.beta[[0, 1, 2, 50]] == pytest.approx([0, 0.002, 0.002 + step, 0.4], rel=1e-12)
    second = 0.998 * (1 - 0.002 - step)
    assert schedule.alpha_bar[:3] == pytest.approx([1, 0.998, second], rel=1e-12)
    assert schedule.sigma[:3] == pytest.approx(
        [0, math.sqrt(0.002 / 0.998), math.sqrt((1 - second) / second)], rel=1e-9
    )
    assert schedule.posterior_deviation[2] == pytest.approx(
        math.sqrt((1 - 0.998) / (1 - second) * (0.002 + step)), rel=1e-9
    )


def test_ho_et_al_s_schedule_of_1000_steps():
    assert FULL.beta[[1, 1000]] == pytest.approx([1e-4, 0.02], rel=1e-12)
    assert FULL.beta[1:].sum() == pytest.approx(10.05, rel=1e-12)  # 1000 times the mean of the two ends
    assert FULL.alpha_bar[1000] == pytest.approx(4.04e-5, rel=2e-3)
    assert FULL.sigma[1000] == pytest.approx(157.4, abs=0.05)  # 1 / √4.04e-5


@pytest.mark.parametrize("steps", [21, 100, 1000, 4000])
def test_noise_grows_from_none(steps):
    schedule = LinearSchedule(steps)
    for values in (schedule.beta, schedule.alpha_bar, schedule.sigma, schedule.posterior_deviation):
        assert values.shape == (steps + 1,)
        assert values.dtype == np.float64
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert (np.diff(schedule.sigma) > 0).all()
    assert schedule.alpha_bar[0] == 1
    assert schedule.sigma[0] == 0
    assert schedule.posterior_deviation[1] == 0  # z plays no part in the last step
    assert (schedule.posterior_deviation[2:] > 0).all()
    assert (schedule.posterior_deviation[1:] ** 2 < schedule.beta[1:]).all()  # the posterior is narrower than the prior


@pytest.mark.parametrize("steps", [100, 250, 4000])
def test_scaling_beta_keeps_the_last_alpha_bar_to_first_order(steps):
    # ln ᾱ_T = −Σβ − ½Σβ² − …: Σβ = 10.05 for every T, and Σβ² is 1000/T times that of T = 1000
    schedule = LinearSchedule(steps)
    assert schedule.beta.sum() == pytest.approx(10.05, rel=1e-12)
    beta = schedule.beta
    missing = -beta.sum() - (beta**2).sum() / 2 - math.log(schedule.alpha_bar[-1])
    assert 0 < missing < (beta**3).sum() / 3 / (1 - beta.max())
    assert 0.5 < schedule.alpha_bar[-1] / FULL.alpha_bar[-1] < 1.1


def test_sigma_of_the_continuous_process_at_the_reverse_steps():
    # by hand at t = 0.5: ½·19.9·0.25 + 0.1·0.5 = 2.5375, √(e^2.5375 − 1) = √(12.648 − 1) = 3.413
    table = {25: 0.95, 30: 1.23, 50: 3.41, 70: 11.8, 75: 17.0, 100: 152}
    for t_re, sigma in table.items():
        digits = 2 if sigma < 10 else 1 if sigma < 100 else 0
        assert round(float(vp_sigma(torch.tensor(t_re / 100, dtype=torch.float64))), digits) == sigma


def test_sigma_of_1000_discrete_steps_is_the_continuous_one_to_the_discretisation():
    # the discrete process ends at 157, not 152: −ln(1 − β) = β + ½β² + …, while both sums of β are 10.05
    time = torch.arange(1, 1001, dtype=torch.float64) / 1000
    ratio = FULL.sigma[1:] / vp_sigma(time).numpy()
    assert abs(ratio[[249, 299, 499]] - 1).max() < 0.005
    assert abs(ratio[[699, 749]] - 1).max() < 0.015
    assert ratio[999] == pytest.approx(math.exp((FULL.beta**2).sum() / 4), rel=1e-3)


def test_the_two_readings_of_a_reverse_step_agree_above_50_and_differ_sixfold_at_25():
    ratio = {t: FULL.sigma[10 * t] / float(sigma_of(t, 0.002, 80.0)) for t in (25, 70, 75)}
    assert ratio[25] == pytest.approx(6.2, abs=0.1)
    assert ratio[70] == pytest.approx(1, abs=0.03)
    assert ratio[75] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("steps", "reason"), [(0, "give 1 or more"), (-3, "give 1 or more"), (20, "more than 20")])
def test_a_schedule_that_is_none_is_refused(steps, reason):
    with pytest.raises(UserError, match=reason):
        LinearSchedule(steps)


# ε and D are one thing


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_the_noise_that_was_added_to_a_point_mass_is_found_exactly(t):
    x0, noise = torch.full(SHAPE, 0.25, dtype=torch.float64), normal(*SHAPE)
    bar = FULL.alpha_bar[t]
    x_t = math.sqrt(bar) * x0 + math.sqrt(1 - bar) * noise
    eps = eps_from_denoiser(point_mass(x0), FULL)
    found = eps(x_t, t, None)
    assert found.dtype == torch.float64
    assert torch.allclose(found, noise, rtol=0, atol=1e-12)


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_the_denoiser_is_asked_at_its_own_scale_and_level(t):
    asked = []

    def denoiser(x, sigma, labels):
        asked.append((x, sigma, labels))
        return torch.zeros_like(x)

    x_t, labels = normal(3, 1, 2, 2), torch.tensor([1, 0, 1])
    eps = eps_from_denoiser(denoiser, FULL)(x_t, t, labels)
    (x, sigma, told), bar = asked[0], FULL.alpha_bar[t]
    assert torch.equal(told, labels)
    assert x.dtype == sigma.dtype == torch.float32
    assert torch.allclose(x.double(), x_t / math.sqrt(bar), rtol=1e-6)
    assert sigma.tolist() == pytest.approx([math.sqrt(1 / bar - 1)] * 3, rel=1e-6)
    assert torch.allclose(eps, x_t / math.sqrt(1 - bar), rtol=1e-12)  # D = 0: all is noise


@pytest.mark.parametrize("t", [1, 50, 1000])
def test_exact_eps_of_a_gaussian_is_its_conditional_mean(t):
    x_t, bar = normal(*SHAPE), FULL.alpha_bar[t]
    total = marginal_variance(FULL, t, VARIANCE)
    wanted = math.sqrt(1 - bar) * (x_t - math.sqrt(bar) * MEAN) / total  # cov(ε, x_t) / var(x_t)
    eps = eps_from_denoiser(gaussian(), FULL)(x_t, t, None)
    assert torch.allclose(eps, wanted, rtol=0, atol=1e-4 if t == 1 else 1e-6)  # float32 in D, divided by σ_1 = 0.01


def eq_1(eps, t, x0, noise):
    """‖ε − ε_θ(x_t, t)‖² of each image."""
    x_t = FULL.alpha_bar[t] ** 0.5 * x0 + (1 - FULL.alpha_bar[t]) ** 0.5 * noise
    return ((noise - eps(x_t, t, None)) ** 2).sum(dim=(1, 2, 3))


@pytest.mark.parametrize("t", [10, 200, 1000])
def test_eq_1_is_edms_loss_in_other_variables(t):
    # ‖ε − ε_θ‖² = ‖x₀ − D‖² / σ²
    x0, noise = normal(*SHAPE, seed=1), normal(*SHAPE, seed=2)
    sigma = FULL.sigma[t]
    denoised = gaussian()((x0 + sigma * noise).float(), torch.full((100,), float(sigma)), None)
    wanted = ((x0 - denoised) ** 2).sum(dim=(1, 2, 3)) / sigma**2
    loss = eq_1(eps_from_denoiser(gaussian(), FULL), t, x0, noise)
    assert loss.shape == (100,)
    assert torch.allclose(loss, wanted, rtol=1e-4)


@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
@pytest.mark.parametrize("t", [10, 200, 900])
def test_eq_1_is_the_loss_of_a_network_up_to_its_weight(preconditioning, t):
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=NETWORK, preconditioning=preconditioning)).eval()
    with torch.no_grad():
        for weight in edm.parameters():
            weight += 0.1 * torch.randn_like(weight)  # a new network answers almost nothing
    x0, noise = normal(5, 1, 4, 4, seed=1), normal(5, 1, 4, 4, seed=2)
    sigma = torch.full((5,), float(FULL.sigma[t]))
    with torch.no_grad():
        ours = eq_1(eps_from_denoiser(edm, FULL), t, x0, noise)
        edms = edm.loss(x0.float(), None, sigma, noise.float()).double()
    # EDM's is λ‖x₀ − D‖² over 16 pixels; with VP, λ = 1/σ² (Karras et al. 2022, Table 1)
    square = float(FULL.sigma[t]) ** 2
    weight = 1 / square if preconditioning == "vp" else (square + 0.25) / (square * 0.25)
    assert torch.allclose(ours, 16 * edms / (weight * square), rtol=1e-3)


def test_the_raw_network_of_the_vp_preconditioning_is_eps():
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=NETWORK, preconditioning="vp")).eval()
    with torch.no_grad():
        for weight in edm.parameters():
            weight += 0.1 * torch.randn_like(weight)
        x_t, t = normal(5, 1, 4, 4), 400
        eps = eps_from_denoiser(edm, FULL)(x_t, t, None)
        # σ² + 1 = 1/ᾱ: the network sees x_t itself, at 999 times the root of ½·19.9 t² + 0.1 t = −ln ᾱ
        time = (math.sqrt(0.1**2 - 2 * 19.9 * math.log(FULL.alpha_bar[t])) - 0.1) / 19.9
        raw = edm.model(x_t.float(), torch.full((5,), 999 * time), None)
    assert torch.allclose(eps, raw.double(), rtol=0, atol=1e-4)
    assert raw.abs().max() > 0.1


# Eq. 2


def coefficients(schedule, t, **how):
    """(of x_t, of ε, of z) in Eq. 2, which is linear in the three."""
    one, zero = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    return (
        float(reverse_step(zero, one, t, zero, schedule, **how)),
        float(reverse_step(one, zero, t, zero, schedule, **how)),
        float(reverse_step(zero, zero, t, one, schedule, **how)),
    )


@pytest.mark.parametrize("schedule", [FULL, SHORT], ids=["1000", "100"])
def test_one_corrected_step_keeps_the_marginals_of_a_point_mass_and_the_printed_one_does_not(schedule):
    # x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε with the exact ε: x_{t−1} must be N(√ᾱ_{t−1} x₀, 1 − ᾱ_{t−1})
    for t in (1, 2, 3, schedule.steps // 2, schedule.steps):
        beta, bar, before = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
        of_x, of_eps, of_z = coefficients(schedule, t)
        assert of_x * math.sqrt(bar) == pytest.approx(math.sqrt(before), rel=1e-9)
        of_noise = of_x * math.sqrt(1 - bar) + of_eps
        assert of_noise**2 + of_z**2 == pytest.approx(1 - before, rel=1e-9, abs=1e-15)

        printed_x, printed_eps, printed_z = coefficients(schedule, t, as_printed=True)
        assert (printed_x, printed_eps) == pytest.approx((of_x, of_eps), rel=1e-12)
        assert printed_z == pytest.approx(of_z / math.sqrt(1 - beta), rel=1e-12)
        # too wide by σ_t² (1/α_t − 1), which is nothing at t = 1 only
        excess = (printed_x * math.sqrt(1 - bar) + printed_eps) ** 2 + printed_z**2 - (1 - before)
        variance = beta * (1 - before) / (1 - bar)
        assert excess == pytest.approx(variance * beta / (1 - beta), rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0])
def test_one_step_on_gaussian_data_by_hand(variance):
    # The exact posterior of x_{t−1} has variance β var_{t−1}/var_t; Eq. 2's σ_t² is that of a point mass,
    # β (1 − ᾱ_{t−1})/(1 − ᾱ_t). The step falls short of var_{t−1} by their difference, β² v ᾱ_{t−1}/(var_t (1 − ᾱ_t)).
    for t in (1, 2, 10, 500, 1000):
        beta, bar, before = FULL.beta[t], FULL.alpha_bar[t], FULL.alpha_bar[t - 1]
        now, then = marginal_variance(FULL, t, variance), marginal_variance(FULL, t - 1, variance)
        short = beta**2 * variance * before / (now * (1 - bar))
        drawn = beta * (1 - before) / (1 - bar)
        for as_printed, excess in ((False, 0), (True, drawn * beta / (1 - beta))):
            of_x, of_eps, of_z = coefficients(FULL, t, as_printed=as_printed)
            got = (of_x + of_eps * math.sqrt(1 - bar) / now) ** 2 * now + of_z**2  # ε is linear in x_t
            assert got == pytest.approx(then - short + excess, rel=1e-9, abs=1e-12)


def test_eq_2_by_hand():
    # T = 50, t = 2: β = 0.002 + 0.398/49, ᾱ₂ = 0.998 (1 − β), σ₂² = 0.002 β / (1 − ᾱ₂)
    schedule = LinearSchedule(50)
    beta = 0.002 + 0.398 / 49
    bar = 0.998 * (1 - beta)
    deviation = math.sqrt(0.002 / (1 - bar) * beta)
    x, eps, z = (torch.full((1, 1, 1, 1), v, dtype=torch.float64) for v in (0.7, -1.5, 2.0))
    inner = 0.7 + 1.5 * beta / math.sqrt(1 - bar)
    assert float(reverse_step(eps, x, 2, z, schedule)) == pytest.approx(inner / math.sqrt(1 - beta) + 2 * deviation)
    printed = reverse_step(eps, x, 2, z, schedule, as_printed=True)
    assert float(printed) == pytest.approx((inner + 2 * deviation) / math.sqrt(1 - beta))


@pytest.fixture(scope="module")
def ancestral_sample():
    """20,000 numbers from Eq. 2, corrected, on 1000 steps from N(0, 1), with the exact denoiser of the Gaussian."""
    eps, source = eps_from_denoiser(gaussian(), FULL), rng(5)
    x = torch.randn((1, 1, 100, 200), generator=source, dtype=torch.float64)
    for t in range(1000, 0, -1):
        z = torch.randn(x.shape, generator=source, dtype=torch.float64)
        x = reverse_step(eps(x, t, None), x, t, z, FULL)
    return x.flatten().numpy()


def test_ancestral_sampling_recovers_a_gaussian(ancestral_sample):
    mean, variance = after_ancestral_sampling(FULL, MEAN, VARIANCE, 1000)
    assert mean == pytest.approx(MEAN, abs=1e-4)
    assert math.sqrt(variance) == pytest.approx(0.5, rel=0.01)  # 1000 steps: within 1% of the data
    coarse = after_ancestral_sampling(SHORT, MEAN, VARIANCE, 100)[1]
    assert 0.9 < math.sqrt(coarse) / 0.5 < math.sqrt(variance) / 0.5  # Eq. 2's σ_t is too small for data with a width
    count = len(ancestral_sample)
    assert ancestral_sample.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / count))
    assert ancestral_sample.std() == pytest.approx(math.sqrt(variance), rel=4 / math.sqrt(2 * count))
    assert stats.kstest(ancestral_sample, "norm", args=(mean, math.sqrt(variance))).pvalue > 0.001


def test_edms_sampler_draws_from_the_same_distribution_as_ancestral_sampling(ancestral_sample):
    top = float(FULL.sigma[1000])
    start = top * np.random.default_rng(6).standard_normal((1, 100, 200))
    trajectory = Trajectory(0, start, sigma_grid(top, 100, 0.002))
    [(_, image)] = solve(gaussian(), iter([trajectory]), 1, solver=Solver(steps=100))
    other = image.flatten()
    count = len(other)
    # the ODE's flow is known: y(0) = m + (y(σ) − m) √(v / (v + σ²))
    exact = MEAN + (start.flatten() - MEAN) * math.sqrt(VARIANCE / (VARIANCE + top**2))
    assert abs(other - exact).max() < 0.01
    assert other.mean() == pytest.approx(ancestral_sample.mean(), abs=4 * 0.5 * math.sqrt(2 / count))
    assert other.std() == pytest.approx(ancestral_sample.std(), rel=4 / math.sqrt(count) + 0.01)
    assert stats.ks_2samp(other, ancestral_sample).pvalue > 0.001


# Algorithm 1


@pytest.mark.parametrize("as_printed", [False, True])
@pytest.mark.parametrize("t_re", [1, 2, 25, 100])
def test_with_an_oracle_both_readings_return_the_image(t_re, as_printed):
    # Corrected, the last step from x̂_1 has σ_1 = 0 and returns D. Printed, x̂_0 = (x_1 − √β_1 ε(x_1))/√α_1, and there
    # ᾱ_1 = α_1, so that slip 2 does nothing: it returns D(x_1/√α_1; σ_1) as well. An oracle can't tell them apart.
    x = normal(*SHAPE).clamp(-1, 1).float().double()
    rebuilt = reconstruct_ddpm(eps_from_denoiser(point_mass(x), SHORT), SHORT, x, t_re, rng(1), as_printed=as_printed)
    assert torch.allclose(rebuilt, x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("t_re", [1, 2, 30, 100])
def test_as_printed_one_step_from_x_1_is_returned_whatever_the_reverse_step(t_re):
    # x_1 = √α_1 x + √β_1 ε_0, and D shrinks x_1/√α_1 by v/(v + σ_1²), σ_1² = β_1/α_1; β_1 = 0.001 for T = 100
    x, first = normal(*SHAPE), normal(*SHAPE, seed=1)
    noisy = x + math.sqrt(0.001 / 0.999) * first
    wanted = noisy * VARIANCE / (VARIANCE + 0.001 / 0.999)
    eps = eps_from_denoiser(gaussian(mean=0.0), SHORT)
    printed = reconstruct_ddpm(eps, SHORT, x, t_re, rng(1), as_printed=True)
    assert torch.allclose(printed, wanted, rtol=0, atol=1e-5)
    corrected = reconstruct_ddpm(eps, SHORT, x, t_re, rng(1))
    assert torch.allclose(printed, corrected, rtol=0, atol=1e-12) == (t_re == 1)


def test_printed_differs_from_corrected_in_which_image_it_reads():
    read = {True: [], False: []}
    for as_printed, seen in read.items():

        def eps(x_t, t, labels, seen=seen):
            seen.append((t, x_t.clone(), labels))
            return torch.zeros_like(x_t)

        labels = torch.arange(100)
        x = normal(*SHAPE)
        reconstruct_ddpm(eps, SHORT, x, 3, rng(2), labels, as_printed=as_printed)
    source = rng(2)
    noised = [x]
    for t in (1, 2, 3):
        noise = torch.randn(SHAPE, generator=source, dtype=torch.float64)
        noised.append(math.sqrt(1 - SHORT.beta[t]) * noised[-1] + math.sqrt(SHORT.beta[t]) * noise)
    assert [t for t, *_ in read[True]] == [t for t, *_ in read[False]] == [3, 2, 1]
    assert all(torch.equal(told, labels) for calls in read.values() for *_, told in calls)
    for t, x_t, _ in read[True]:
        assert torch.allclose(x_t, noised[t], rtol=0, atol=1e-12)
    assert torch.allclose(read[False][0][1], noised[3], rtol=0, atol=1e-12)
    z = torch.randn(SHAPE, generator=source, dtype=torch.float64)
    assert torch.allclose(read[False][1][1], reverse_step(torch.zeros_like(x), noised[3], 3, z, SHORT))


@pytest.mark.parametrize("t_re", [100, 300, 1000])
def test_a_reconstruction_is_a_draw_of_the_data_that_resembles_its_image_less_the_later_it_starts(t_re):
    # x̂ ~ p(x | x_t): its variance is v, and its correlation with x is Var(E[x | x_t])/v = v/(v + σ_t²)
    x = math.sqrt(VARIANCE) * normal(1, 1, 100, 200, seed=3)
    rebuilt = reconstruct_ddpm(eps_from_denoiser(gaussian(mean=0.0), FULL), FULL, x, t_re, rng(4))
    assert float(rebuilt.std()) == pytest.approx(0.5, rel=0.03)
    correlation = np.corrcoef(x.flatten(), rebuilt.flatten())[0, 1]
    assert correlation == pytest.approx(VARIANCE / (VARIANCE + FULL.sigma[t_re] ** 2), abs=0.03)


@pytest.mark.parametrize("as_printed", [False, True])
def test_reverse_step_0_returns_the_image_without_asking_for_anything(as_printed):
    def eps(x_t, t, labels):
        raise AssertionError("the network was asked")

    x, source = normal(*SHAPE), rng(0)
    before = source.get_state()
    assert torch.equal(reconstruct_ddpm(eps, SHORT, x, 0, source, as_printed=as_printed), x)
    assert torch.equal(source.get_state(), before)


@pytest.mark.parametrize("t_re", [-1, 101])
def test_a_reverse_step_outside_the_schedule_is_refused(t_re):
    with pytest.raises(UserError, match=f"t_re is {t_re}; this schedule has steps 0 to 100"):
        reconstruct_ddpm(eps_from_denoiser(gaussian(), SHORT), SHORT, normal(*SHAPE), t_re, rng(0))


def test_a_reconstruction_is_a_function_of_its_generator_and_leaves_its_image():
    x = normal(*SHAPE)
    kept, eps = x.clone(), eps_from_denoiser(gaussian(), SHORT)
    first, again, other = (reconstruct_ddpm(eps, SHORT, x, 50, rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float64
    assert torch.equal(x, kept)


def test_a_reconstruction_keeps_no_graph_of_its_steps():
    edm = EDM(EDMConfig(network=NETWORK)).eval()  # whose weights do ask for gradients
    rebuilt = reconstruct_ddpm(eps_from_denoiser(edm, SHORT), SHORT, normal(2, 1, 4, 4), 2, rng(0))
    assert not rebuilt.requires_grad
