"""Noise levels: the EDM grid, and what a reverse step t_re means in σ.

The paper counts reverse steps from 0 (real image) to 100 (pure noise) and gives no mapping to σ. Ours, stated
wherever a t_re is shown: the EDM grid (Karras et al. 2022, Eq. 5) with N = 100 points, read from its clean end. Two
others are at hand, so that the choice can be tried.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from ..base.errors import UserError

REVERSE_STEPS = 100  # T in the paper, Section 4
SIGMA_MIN, RHO = 0.002, 7.0  # Karras et al. 2022, Table 1
EDM_SIGMA_MAX = 80.0  # the same
MOST_SIGMA = 1e6  # far above any process that is used

ReverseStep = int | tuple[int, int]
Levels = Literal["edm", "edm-80", "vp"]


def sigma_max_for(height: int, width: int) -> float:
    """σmax = 80·√(H·W)/32: EDM's 80 at 32 × 32, so that the same t_re destroys the same share of an image.

    Noise averages over fewer pixels in a smaller image (inferred; the paper works at 32 × 32 and above).
    """
    return EDM_SIGMA_MAX * math.sqrt(height * width) / 32


def p_mean_for(height: int, width: int) -> float:
    """Mean of ln σ in training: EDM's −1.2 at 32 × 32, shifted by half the logarithm of the side's ratio."""
    return -1.2 + math.log(math.sqrt(height * width) / 32) / 2


class VPProcess(BaseModel):
    """The continuous VP process with linear β, by default DDPM's (Karras et al. 2022, Table 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    beta_d: float = Field(19.9, gt=0)
    beta_min: float = Field(0.1, ge=0)
    steps: int = Field(1000, gt=1, le=10**6)  # M: the network is told (M − 1)·t
    epsilon_t: float = Field(1e-5, gt=0, lt=1)  # the smallest time in training

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0.5 * self.beta_d + self.beta_min <= 2 * math.log(MOST_SIGMA):
            raise ValueError(f"the noise of this process rises above {MOST_SIGMA:g}")
        return self


DDPM = VPProcess()


def vp_sigma(time: Tensor, process: VPProcess = DDPM) -> Tensor:
    """σ(t) = √(exp(½β_d t² + β_min t) − 1) of a continuous VP process, t in [0, 1] (Karras et al. 2022, Table 1)."""
    return torch.expm1(0.5 * process.beta_d * time**2 + process.beta_min * time).sqrt()


def vp_time(sigma: Tensor, process: VPProcess = DDPM) -> Tensor:
    """The inverse of `vp_sigma`."""
    root = (process.beta_min**2 + 2 * process.beta_d * torch.log1p(sigma**2)).sqrt()
    return (root - process.beta_min) / process.beta_d


def check_t_re(t_re: ReverseStep) -> tuple[int, int]:
    """(lowest, highest) of a reverse step or a range, both within 0…100; UserError otherwise."""
    low, high = t_re if isinstance(t_re, (tuple, list)) and len(t_re) == 2 else (t_re, t_re)
    whole = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in (low, high))
    if not whole or not 0 <= low <= high <= REVERSE_STEPS:
        raise UserError(f"t_re is {t_re!r}; give a whole number from 0 to {REVERSE_STEPS}, or a range (low, high)")
    return int(low), int(high)


def sigma_of(t_re: int | np.ndarray, sigma_min: float, sigma_max: float, rho: float = RHO) -> np.ndarray:
    """Noise level σ (in units of images in [−1, 1]) of reverse steps 0…100; σ(0) = 0, σ(1) = σmin, σ(100) = σmax.

    σ(t) = (σmax^{1/ρ} + (100 − t)/99·(σmin^{1/ρ} − σmax^{1/ρ}))^ρ for t ≥ 1.
    """
    t = np.asarray(t_re, dtype=np.float64)
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    root = top + (REVERSE_STEPS - t) / (REVERSE_STEPS - 1) * (bottom - top)
    return np.where(t < 1, 0.0, np.maximum(root, 0.0) ** rho)


def level_of(
    t_re: int, levels: Levels, sigma_min: float, sigma_max: float, rho: float = RHO, process: VPProcess = DDPM
) -> float:
    """σ of a reverse step under one of three readings; 0 at t_re = 0.

    "edm" : `sigma_of`, from the model's own σmin to σmax. "edm-80" : the same with EDM's σmax = 80 at every image size.
    "vp" : the continuous VP `process` at time t_re / 100; by default DDPM's with linear β.
    """
    if levels == "vp":
        return float(vp_sigma(torch.tensor(t_re / REVERSE_STEPS, dtype=torch.float64), process))
    return float(sigma_of(t_re, sigma_min, EDM_SIGMA_MAX if levels == "edm-80" else sigma_max, rho))


def level_grid(
    t_re: int,
    count: int,
    levels: Levels,
    sigma_min: float,
    sigma_max: float,
    rho: float,
    process: VPProcess = DDPM,
) -> np.ndarray:
    """`count` levels from that of `t_re` down, then 0: ρ-spaced down to σmin, or evenly spaced in time for "vp"."""
    if levels == "vp" and count > 0:
        times = torch.linspace(t_re / REVERSE_STEPS, 0, count + 1, dtype=torch.float64)
        return np.append(vp_sigma(times[:-1], process).numpy(), 0.0)
    return sigma_grid(level_of(t_re, levels, sigma_min, sigma_max, rho, process), count, sigma_min, rho)


def sigma_grid(start: float, count: int, sigma_min: float, rho: float = RHO) -> np.ndarray:
    """`count` ρ-spaced levels from `start` down to σmin, then 0: float64, count + 1 values.

    Karras et al. 2022, Eq. 5, with σmax = start. `count` = 1 gives [start, 0]; `count` = 0 gives [0].
    """
    if count == 0:
        return np.zeros(1)
    place = np.arange(count) / max(count - 1, 1)
    levels = (start ** (1 / rho) + place * (sigma_min ** (1 / rho) - start ** (1 / rho))) ** rho
    levels[0] = start  # exactly, where the two roots would round
    return np.append(levels, 0.0)
