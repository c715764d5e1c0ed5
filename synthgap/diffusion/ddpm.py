"""DDPM: Eq. 2 and Algorithm 1 of the paper, as printed and as corrected, driven by an EDM denoiser.

The paper states the process in the discrete, variance-preserving (VP) form of Ho et al. 2020 and runs it with EDM.
The two are one process in other variables: x_t = √ᾱ_t · (x₀ + σ_t n) with σ_t = √((1 − ᾱ_t)/ᾱ_t), so that
ε_θ(x_t, t) = (x_t/√ᾱ_t − D(x_t/√ᾱ_t; σ_t)) / σ_t.

Slips of the printed text, each mended by `corrected`:

1. Eq. 2 has σ_t z inside the bracket, so that it is divided by √α_t too; DDPM adds it outside.
2. Algorithm 1, line 8, divides by √(1 − α_t) where Eq. 2 has √(1 − ᾱ_t).
3. Line 8 reads x_t and writes x̂_{t−1}: read literally, the loop never sees its own result, and what it returns is
   one step from x_1 (which the noising loop computed on its way). x̂_{t_re} ← x_{t_re} is missing.
4. Nothing says that z = 0 in the last step (σ_1 = 0 does it here), nor that the class enters ε_θ.
5. "t_re > 1" should be t_re ≥ 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base.errors import UserError

EpsModel = Callable[[Tensor, int, Tensor | None], Tensor]  # (x_t, t, labels) → ε


@dataclass(frozen=True)
class LinearSchedule:
    """β rises linearly from `beta_first` to `beta_last` over `steps` (Ho et al. 2020; values for T = 1000).

    For another T the β are scaled by 1000/T, which keeps ᾱ_T to first order in β (4.0e-5 at T = 1000, 2.0e-5 at
    T = 100). Index t runs from 1 to T; ᾱ_0 = 1.
    """

    steps: int = 1000
    beta_first: float = 1e-4
    beta_last: float = 0.02

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"a schedule of {self.steps} steps; give 1 or more")
        if self.beta_last * 1000 / self.steps >= 1:
            raise UserError(f"{self.steps} steps make β ≥ 1; give more than {self.beta_last * 1000:.0f} steps")

    @property
    def beta(self) -> np.ndarray:
        """β_0 … β_T, float64, T + 1 values; β_0 = 0 is a filler."""
        return np.append(0.0, np.linspace(self.beta_first, self.beta_last, self.steps) * (1000 / self.steps))

    @property
    def alpha_bar(self) -> np.ndarray:
        """ᾱ_0 … ᾱ_T, T + 1 values."""
        return np.cumprod(1 - self.beta)

    @property
    def sigma(self) -> np.ndarray:
        """EDM's noise level of each step, √((1 − ᾱ)/ᾱ), T + 1 values."""
        return np.sqrt((1 - self.alpha_bar) / self.alpha_bar)

    @property
    def posterior_deviation(self) -> np.ndarray:
        """σ_t of Eq. 2, √((1 − ᾱ_{t−1})/(1 − ᾱ_t) · β_t); σ_1 = 0."""
        bar = self.alpha_bar
        out = np.zeros(self.steps + 1)
        out[1:] = np.sqrt((1 - bar[:-1]) / (1 - bar[1:]) * self.beta[1:])
        return out


def eps_from_denoiser(
    denoiser: Callable[[Tensor, Tensor, Tensor | None], Tensor], schedule: LinearSchedule
) -> EpsModel:
    """ε_θ of an EDM denoiser by the change of variables above. The denoiser gets float32, ε comes back as x_t is."""
    bar, sigma = schedule.alpha_bar, schedule.sigma

    def eps(x_t: Tensor, t: int, labels: Tensor | None = None) -> Tensor:
        scaled = x_t / np.sqrt(bar[t])
        level = torch.full((len(x_t),), float(sigma[t]), dtype=torch.float32)
        clean = denoiser(scaled.float(), level, labels).to(x_t.dtype)
        return (scaled - clean) / sigma[t]

    return eps


def reverse_step(
    eps: Tensor, x_t: Tensor, t: int, z: Tensor, schedule: LinearSchedule, *, as_printed: bool = False
) -> Tensor:
    """Eq. 2: x_{t−1} from x_t; corrected (σ_t z outside the bracket) unless `as_printed`."""
    beta, bar = schedule.beta[t], schedule.alpha_bar[t]
    drift = x_t - beta / np.sqrt(1 - bar) * eps
    noise = schedule.posterior_deviation[t] * z
    if as_printed:
        return (drift + noise) / np.sqrt(1 - beta)
    return drift / np.sqrt(1 - beta) + noise


@torch.no_grad()
def reconstruct_ddpm(
    eps: EpsModel,
    schedule: LinearSchedule,
    x: Tensor,
    t_re: int,
    rng: torch.Generator,
    labels: Tensor | None = None,
    *,
    as_printed: bool = False,
) -> Tensor:
    """Algorithm 1 in its own variables.

    Parameters
    ----------
    x : float64 B × C × H × W, images in [−1, 1].
    t_re : 0…T of `schedule`; 0 returns x.
    as_printed : follow the text to the letter (slips 2 and 3 above, and Eq. 2's bracket).

    Raises UserError for a t_re outside the schedule.
    """
    if not 0 <= t_re <= schedule.steps:
        raise UserError(f"t_re is {t_re}; this schedule has steps 0 to {schedule.steps}")
    beta, deviation = schedule.beta, schedule.posterior_deviation

    def normal() -> Tensor:
        return torch.randn(x.shape, generator=rng, dtype=x.dtype)

    noisy = [x]  # lines 1–5
    for t in range(1, t_re + 1):
        noisy.append(np.sqrt(1 - beta[t]) * noisy[-1] + np.sqrt(beta[t]) * normal())
    if t_re == 0:
        return x
    current = noisy[t_re]
    for t in range(t_re, 0, -1):  # lines 6–10
        z = normal()
        if as_printed:
            x_t = noisy[t]  # the loop reads what the noising wrote, not what it wrote itself
            current = (x_t - beta[t] / np.sqrt(beta[t]) * eps(x_t, t, labels) + deviation[t] * z) / np.sqrt(1 - beta[t])
        else:
            current = reverse_step(eps(current, t, labels), current, t, z, schedule)
    return current
