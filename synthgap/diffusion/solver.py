"""How a reverse process is solved: method, number of steps, churn, and what its reverse steps mean in σ."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .schedule import REVERSE_STEPS, SIGMA_MIN, Levels, VPProcess, level_grid, level_of, sigma_max_for

Method = Literal["heun", "euler", "multistep", "ancestral"]
CALLED: dict[Method, str] = {  # in tables and sentences
    "heun": "Heun",
    "euler": "Euler",
    "multistep": "the multistep solver",
    "ancestral": "DDPM's ancestral sampling",
}


class Solver(BaseModel):
    """Karras et al. 2022, Algorithm 2; the defaults are their deterministic sampler for CIFAR-10 (Algorithm 1).

    Attributes
    ----------
    steps
        of a full reverse process; a partial one from t_re takes ceil(steps · t_re / 100).
    method
        "heun" and "euler" : as published. "multistep" : the same equation with one evaluation a step, from estimates of
        earlier steps; see `sampler.follow`. "ancestral" : DDPM's own sampling (Eq. 2 of the paper, corrected) in
        σ-space, x at σ to D + (σ'/σ)²(x − D) + σ'√(1 − (σ'/σ)²) z at σ', which is the same step in other variables.
    levels
        what a reverse step means in σ, see `schedule.level_of`.
    churn
        S_churn, noise added back, spread over `steps`; none where 0. A multistep process can have none: earlier
        estimates are of the path that the noise would leave.
    churn_min
        S_min, the level from which noise is added.
    churn_max
        S_max, the level up to which noise is added; None is no upper limit.
    churn_noise
        S_noise, standard deviation of that noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has no infinity

    steps: int = Field(18, ge=1)
    method: Method = "heun"
    levels: Levels = "edm"
    churn: float = Field(0.0, ge=0)
    churn_min: float = Field(0.0, ge=0)
    churn_max: float | None = Field(None, ge=0)
    churn_noise: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.method == "multistep" and self.churn > 0:
            raise ValueError(f"churn is {self.churn:g}; a multistep process can have none, take heun or euler for it")
        return self

    def sigma(self, t_re: int, height: int, width: int) -> float:
        """σ of a reverse step under `levels`, for a model that was trained on images of this size (pixels)."""
        return level_of(t_re, self.levels, SIGMA_MIN, sigma_max_for(height, width))

    def steps_from(self, t_re: int) -> int:
        """Solver steps from reverse step t_re."""
        return -(-self.steps * t_re // REVERSE_STEPS)

    def grid(self, t_re: int, sigma_min: float, sigma_max: float, rho: float, process: VPProcess) -> np.ndarray:
        """The levels of the process from t_re, from its σ down to 0: float64, steps_from(t_re) + 1 values.

        They are those of `schedule.level_grid`, where a multistep process passes over σmin: an estimate from the level
        above is as good there, and the other steps are shorter for the same evaluations.
        """
        count, ends = self.steps_from(t_re), (sigma_min, sigma_max, rho, process)
        if self.method == "multistep" and self.levels != "vp" and count > 0:
            return np.delete(level_grid(t_re, count + 1, self.levels, *ends), -2)
        return level_grid(t_re, count, self.levels, *ends)

    def evaluations(self, t_re: int) -> int:
        """Network evaluations (NFE) from t_re: one a step, and two for all but the last of Heun's method."""
        steps = self.steps_from(t_re)
        return max(0, 2 * steps - 1) if self.method == "heun" else steps

    def gamma(self, sigma: float) -> float:
        """Relative increase of the noise level σ before a step: 0 where no noise is added."""
        if self.churn == 0 or not self.churn_min <= sigma <= (math.inf if self.churn_max is None else self.churn_max):
            return 0.0
        return min(self.churn / self.steps, math.sqrt(2) - 1)
