"""Choices that the paper does not state, each changed by itself: what a sensitivity study repeats Table 2 under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..diffusion.solver import CALLED, Solver

Change = Callable[[Any], dict[str, Any]]  # the preset's solver or classifier → fields that differ, as in the YAML files


@dataclass(frozen=True)
class Variant:
    """One choice. `concerns` says what it changes: the samples (and so Figure 6, too), or the classifier alone."""

    what: str  # for tables, in the place of `default`
    default: str  # {solver} stands for the preset's own
    concerns: Literal["solver", "classifier"]
    change: Change

    def title(self, solver: Solver) -> str:
        """What it does, in place of what, in a study with this solver."""
        return f"{self.what} (in place of {self.default.format(solver=CALLED[solver.method])})"


VARIANTS: dict[str, Variant] = {
    "churn": Variant(
        "Heun with churn, γ = √2 − 1 between σ = 0.01 and 1, S_noise 1.007",
        "{solver} without churn",
        "solver",
        lambda s: {"method": "heun", "churn": 0.5 * s.steps, "churn_min": 0.01, "churn_max": 1.0, "churn_noise": 1.007},
    ),
    "vp-ancestral": Variant(
        "DDPM's ancestral sampling on the VP levels, twice the steps",
        "{solver}, EDM's levels",
        "solver",
        lambda s: {"method": "ancestral", "levels": "vp", "steps": 2 * s.steps},
    ),
    "ancestral": Variant(
        "DDPM's ancestral sampling on EDM's levels, twice the steps",
        "{solver}",
        "solver",
        lambda s: {"method": "ancestral", "steps": 2 * s.steps},
    ),
    "vp-levels": Variant(
        "a reverse step is a time of the VP process", "a level of EDM's grid", "solver", lambda s: {"levels": "vp"}
    ),
    "sigma-80": Variant("largest σ 80 at every image size", "80 · side / 32", "solver", lambda s: {"levels": "edm-80"}),
    "half-steps": Variant(
        "half the solver steps", "all of them", "solver", lambda s: {"steps": max(1, round(s.steps / 2))}
    ),
    "imagenet-stem": Variant(
        "7×7 stem with stride 2 and pooling", "3×3 stem", "classifier", lambda c: {"stem": "imagenet"}
    ),
    "no-momentum": Variant(
        "plain SGD", "Nesterov momentum 0.9", "classifier", lambda c: {"training": {"momentum": 0.0}}
    ),
    "no-weight-decay": Variant(
        "no weight decay", "weight decay 5e-4", "classifier", lambda c: {"training": {"weight_decay": 0.0}}
    ),
}
