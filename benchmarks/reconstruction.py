"""Reconstruction where each image has its own t_re: what it takes beyond its network evaluations.

    OMP_NUM_THREADS=1 python benchmarks/reconstruction.py

The digits of the preset `quick` from t_re = rand(50, 100), with its network (weights at random: they don't change the
work), its solver and the study's batch. Ours is the time of `reconstruct`, of the CPU and one thread; the baseline is
Σ NFE over the images × the time of one evaluation in a full batch, measured in turn with it. Beside it stands the loop
that lets every batch wait for its longest image, by its number of evaluations.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
import torch
from denoiser import build
from measure import Row, alternate, median_ratio, program
from plain_unet import DIGITS

from synthgap.data.sources import load_splits
from synthgap.design.preset import load_preset
from synthgap.diffusion.noise import reverse_steps
from synthgap.diffusion.reconstruct import LANES, reconstruct

SPAN = (50, 100)


@dataclass(frozen=True)
class Size:
    images: int
    evaluations: int  # of a full batch, of which one is timed
    rounds: int


USUAL, QUICK = Size(500, 12, 9), Size(500, 6, 3)


def measure(size: Size, device: str = "cpu") -> list[Row]:
    torch.set_num_threads(1)
    preset = load_preset("quick")
    train = load_splits("digits", limits=preset.limits)["train"]
    real, solver = train.subset(np.arange(size.images)), preset.generator.solver
    edm = build(DIGITS, device)
    each = reverse_steps(SPAN, 0, np.arange(len(real)))
    work = [solver.evaluations(int(t)) for t in each]
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(LANES, *real.shape, generator=rng).to(device)
    sigma = torch.logspace(-2, 1, LANES).to(device)
    labels = (torch.arange(LANES) % len(real.classes)).to(device)

    @torch.no_grad()
    def evaluate() -> None:
        for _ in range(size.evaluations):
            edm(x, sigma, labels).cpu()

    works = {"ours": lambda: reconstruct(edm, real, SPAN, 0, solver=solver), "evaluations": evaluate}
    for once in works.values():
        once()
    times = alternate(works, size.rounds, device)
    one = [t / (size.evaluations * LANES) for t in times["evaluations"]]
    ideal = [sum(work) * t for t in one]
    waiting = sum(max(work[i : i + LANES]) * len(work[i : i + LANES]) for i in range(0, len(work), LANES))
    name = f"reconstruction, {size.images} images from t_re = rand({SPAN[0]}, {SPAN[1]})"
    return [
        Row(
            name,
            ours=statistics.median(times["ours"]),
            unit="s",
            baseline=statistics.median(ideal),
            ratio=median_ratio(times["ours"], ideal),
            most=1.1,
            ceiling=f"1: Σ NFE = {sum(work):,}, {waiting:,} if batches waited for their longest",
        )
    ]


if __name__ == "__main__":
    program(__doc__, measure, (USUAL, QUICK))
