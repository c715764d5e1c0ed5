"""Heun's method for the probability-flow ODE, on images that are at different steps of different schedules.

Karras et al. 2022, Algorithm 1. A *lane* is one place in the batch; it holds one image until that image is done
and then takes the next one waiting, so that no image waits for another: the work is Σ NFE, not N × max NFE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Trajectory:
    """One image's reverse process: start (float64 C × H × W), levels σ₀ > … > 0, class (or None)."""

    index: int
    start: np.ndarray
    sigmas: np.ndarray
    label: int | None


@torch.no_grad()
def heun(
    denoiser: Denoiser,
    trajectories: Iterator[Trajectory],
    lanes: int,
    device: torch.device | str = "cpu",
    on_evaluation: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Integrate every trajectory from its first level to 0.

    Parameters
    ----------
    denoiser : (x float32 B × C × H × W, σ float32 B, labels int64 B or None) → clean estimate.
    trajectories : taken one by one, as lanes become free.
    lanes : largest batch.
    on_evaluation : called with the batch size after each network evaluation.

    Yields
    ------
    (index, image float64 C × H × W), in the order in which images are finished. The state is float64; a
    trajectory whose levels are [0] alone comes back as it started.

    Raises
    ------
    FloatingPointError : the denoiser answers NaN or infinity.
    """
    waiting = iter(trajectories)
    running: list[_Lane] = []
    while True:
        while len(running) < lanes and (trajectory := next(waiting, None)) is not None:
            if len(trajectory.sigmas) == 1:
                yield trajectory.index, trajectory.start
            else:
                running.append(_Lane(trajectory))
        if not running:
            return
        x = np.stack([lane.point for lane in running])
        sigma = np.array([lane.sigma for lane in running])
        estimate = denoiser(
            torch.from_numpy(x).to(device, torch.float32),
            torch.from_numpy(sigma).to(device, torch.float32),
            _labels(running, device),
        )
        clean = estimate.to("cpu", torch.float64).numpy()
        if not np.isfinite(clean).all():
            raise FloatingPointError("the denoiser answered NaN or infinity; the model did not train")
        slopes = (x - clean) / sigma[:, None, None, None]
        if on_evaluation:
            on_evaluation(len(running))
        for lane, slope in zip(running, slopes, strict=True):
            lane.advance(slope)
        yield from ((lane.index, lane.x) for lane in running if lane.done)
        running = [lane for lane in running if not lane.done]


class _Lane:
    """An image on its way: at step i with state x, about to be evaluated at (point, sigma)."""

    def __init__(self, trajectory: Trajectory):
        self.index, self.label = trajectory.index, trajectory.label
        self.sigmas = trajectory.sigmas
        self.x = self.point = trajectory.start
        self.step = 0
        self.slope: np.ndarray | None = None  # of the Euler half of the step, while its correction is due

    @property
    def sigma(self) -> float:
        return self.sigmas[self.step + (self.slope is not None)]

    @property
    def done(self) -> bool:
        return self.step == len(self.sigmas) - 1

    def advance(self, slope: np.ndarray) -> None:
        """Take dx/dσ at (point, sigma): an Euler step, or the trapezoidal correction of the one before."""
        change = self.sigmas[self.step + 1] - self.sigmas[self.step]
        if self.slope is not None:
            self.x = self.point = self.x + change * (self.slope + slope) / 2
        elif self.sigmas[self.step + 1] == 0:  # no slope exists at σ = 0: the last step is Euler's
            self.x = self.point = self.x + change * slope
        else:
            self.point, self.slope = self.x + change * slope, slope
            return
        self.step, self.slope = self.step + 1, None


def _labels(running: list[_Lane], device: torch.device | str) -> Tensor | None:
    if running[0].label is None:
        return None
    return torch.tensor([lane.label for lane in running], device=device)
