"""How a reverse process is solved: method, number of steps, churn, and what its reverse steps mean in σ."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .schedule import REVERSE_STEPS, SIGMA_MIN, Levels, level_of, sigma_max_for


class Solver(BaseModel):
    """Karras et al. 2022, Algorithm 2; the defaults are their deterministic sampler for CIFAR-10 (Algorithm 1).

    Attributes
    ----------
    steps
        of a full reverse process; a partial one from t_re takes ceil(steps · t_re / 100).
    method
        "heun", "euler", or "ancestral": DDPM's own sampling (Eq. 2 of the paper, corrected) in σ-space, x at σ to
        D + (σ'/σ)²(x − D) + σ'√(1 − (σ'/σ)²) z at σ', which is the same step in other variables.
    levels
        what a reverse step means in σ, see `schedule.level_of`.
    churn
        S_churn, noise added back, spread over `steps`; none where 0.
    churn_min
        S_min, the level from which noise is added.
    churn_max
        S_max, the level up to which noise is added; None is no upper limit.
    churn_noise
        S_noise, standard deviation of that noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)  # JSON has no infinity

    steps: int = Field(18, ge=1)
    method: Literal["heun", "euler", "ancestral"] = "heun"
    levels: Levels = "edm"
    churn: float = Field(0.0, ge=0)
    churn_min: float = Field(0.0, ge=0)
    churn_max: float | None = Field(None, ge=0)
    churn_noise: float = Field(1.0, ge=0)

    def sigma(self, t_re: int, height: int, width: int) -> float:
        """σ of a reverse step under `levels`, for a model that was trained on images of this size (pixels)."""
        return level_of(t_re, self.levels, SIGMA_MIN, sigma_max_for(height, width))

    def steps_from(self, t_re: int) -> int:
        """Solver steps from reverse step t_re."""
        return -(-self.steps * t_re // REVERSE_STEPS)

    def evaluations(self, t_re: int) -> int:
        """Network evaluations (NFE) from t_re: Heun's method takes two a step and one for the last."""
        steps = self.steps_from(t_re)
        return max(0, 2 * steps - 1) if self.method == "heun" else steps

    def gamma(self, sigma: float) -> float:
        """Relative increase of the noise level σ before a step: 0 where no noise is added."""
        if self.churn == 0 or not self.churn_min <= sigma <= (math.inf if self.churn_max is None else self.churn_max):
            return 0.0
        return min(self.churn / self.steps, math.sqrt(2) - 1)
