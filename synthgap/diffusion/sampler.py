"""The reverse process, on images that are at different steps of different schedules.

Karras et al. 2022, Algorithm 2 (Algorithm 1 where the churn is 0). A *lane* is one place in the batch; it holds one
image until that image is done and then takes the next one waiting, so that no image waits for another: the work is
Σ NFE, not N × max NFE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .solver import Solver

Denoiser = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Guide = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]  # (clean estimate, x, σ, labels) → clean estimate
Callback = Callable[[int, int, float, np.ndarray], None]  # (image's index, steps done, σ, x)


@dataclass(frozen=True)
class Trajectory:
    """One image's reverse process: start (float64 C × H × W), levels σ₀ > … > 0, class (or None).

    `rng` draws the noise of its churn, or that of ancestral steps.
    """

    index: int
    start: np.ndarray
    sigmas: np.ndarray
    label: int | None = None
    rng: np.random.Generator | None = None


@torch.no_grad()
def solve(
    denoiser: Denoiser,
    trajectories: Iterator[Trajectory],
    lanes: int,
    *,
    solver: Solver | None = None,
    device: torch.device | str = "cpu",
    guide: Guide | None = None,
    callback: Callback | None = None,
    on_evaluation: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Integrate every trajectory from its first level to 0.

    Parameters
    ----------
    denoiser : (x float32 B × C × H × W, σ float32 B, labels int64 B or None) → clean estimate.
    trajectories : taken one by one, as lanes become free.
    lanes : largest batch, at least 1.
    solver : method and churn; default Heun without churn.
    guide : may change the clean estimate before it is used; gets (estimate, x, σ, labels) of a whole batch.
    callback : called for each image after each of its solver steps, before any churn of the next.
    on_evaluation : called with the batch size after each network evaluation.

    Yields
    ------
    (index, image float64 C × H × W), in the order in which images are finished. The state is float64; a
    trajectory whose levels are [0] alone comes back as it started.

    Raises
    ------
    FloatingPointError : the denoiser answers NaN or infinity.
    """
    solver = solver or Solver()
    waiting = iter(trajectories)
    running: list[_Lane] = []
    while True:
        while len(running) < lanes and (trajectory := next(waiting, None)) is not None:
            if len(trajectory.sigmas) == 1:
                yield trajectory.index, trajectory.start
            else:
                running.append(_Lane(trajectory, solver))
        if not running:
            return
        points = np.stack([lane.point for lane in running])
        levels = np.array([lane.level for lane in running])
        x = torch.from_numpy(points).to(device, torch.float32)
        sigma = torch.from_numpy(levels).to(device, torch.float32)
        labels = _labels(running, device)
        estimate = denoiser(x, sigma, labels)
        if guide is not None:
            estimate = guide(estimate, x, sigma, labels)
        clean = estimate.to("cpu", torch.float64).numpy()
        if not np.isfinite(clean).all():
            raise FloatingPointError("the denoiser answered NaN or infinity; the model did not train")
        if on_evaluation is not None:
            on_evaluation(len(running))
        slopes = (points - clean) / levels[:, None, None, None]
        for lane, slope in zip(running, slopes, strict=True):
            if not lane.advance(slope):
                continue
            if callback is not None:
                callback(lane.index, lane.step, lane.sigmas[lane.step], lane.x)
            if not lane.done:
                lane.begin()
        yield from ((lane.index, lane.x) for lane in running if lane.done)
        running = [lane for lane in running if not lane.done]


class _Lane:
    """An image on its way: after `step` steps at x, next to be evaluated at (point, level)."""

    def __init__(self, trajectory: Trajectory, solver: Solver):
        self.index, self.label, self.rng = trajectory.index, trajectory.label, trajectory.rng
        self.sigmas, self.solver = trajectory.sigmas, solver
        self.x, self.step = trajectory.start, 0
        self.begin()

    @property
    def done(self) -> bool:
        return self.step == len(self.sigmas) - 1

    def begin(self) -> None:
        """Start a step: raise the noise level where the solver churns."""
        sigma = self.sigmas[self.step]
        gamma = self.solver.gamma(sigma)
        self.start_level = sigma
        if gamma > 0:  # no random number is drawn otherwise
            self.start_level = sigma * (1 + gamma)
            added = np.sqrt(self.start_level**2 - sigma**2) * self.solver.churn_noise
            self.x = self.x + added * self.rng.standard_normal(self.x.shape)
        self.point, self.level = self.x, self.start_level
        self.slope: np.ndarray | None = None  # of the Euler half of the step, while its correction is due

    def advance(self, slope: np.ndarray) -> bool:
        """Take dx/dσ at (point, level); returns whether that finished a step."""
        target = self.sigmas[self.step + 1]
        change = target - self.start_level
        if self.solver.method == "ancestral":
            self.x = self._posterior_sample(self.x - self.start_level * slope, (target / self.start_level) ** 2, target)
        elif self.slope is not None:  # the trapezoidal correction of the Euler step before
            self.x = self.x + change * (self.slope + slope) / 2
        elif target == 0 or self.solver.method == "euler":  # no slope exists at σ = 0: the last step is Euler's
            self.x = self.x + change * slope
        else:
            self.point, self.level, self.slope = self.x + change * slope, target, slope
            return False
        self.step += 1
        return True

    def _posterior_sample(self, clean: np.ndarray, kept: float, target: float) -> np.ndarray:
        """x at level `target`, given x here and a clean image; kept = (target / level here)²."""
        mean = clean + kept * (self.x - clean)
        if target == 0:
            return mean
        return mean + target * np.sqrt(1 - kept) * self.rng.standard_normal(self.x.shape)


def _labels(running: list[_Lane], device: torch.device | str) -> Tensor | None:
    if running[0].label is None:
        return None
    return torch.tensor([lane.label for lane in running], device=device)
