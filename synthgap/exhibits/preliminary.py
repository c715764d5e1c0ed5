"""Section 3: what a reverse step is, and what a reconstruction from it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..base.modes import sampling_mode
from ..base.threads import one_thread
from ..design.loading import Design
from ..diffusion.ddpm import LinearSchedule, eps_from_denoiser, reconstruct_ddpm
from ..diffusion.pixels import to_model, to_uint8
from ..diffusion.reconstruct import noisy_start
from ..diffusion.schedule import REVERSE_STEPS, SIGMA_MIN, sigma_max_for, sigma_of
from .base import IMAGES, Cells, Values, result

STRIP = (0, 25, 50, 75, REVERSE_STEPS)  # reverse steps of Figure 4
ALGORITHM_STEPS = (25, 50, 75, REVERSE_STEPS)  # reverse steps at which the forms of Algorithm 1 are compared


@result("noise_levels")
def noise_levels(d: Design) -> pd.DataFrame:
    """σ and network evaluations of reverse steps.

    Columns t_re, sigma, paper_scale (σ at 32 × 32), vp (σ of DDPM's T = 1000 linear schedule at 10·t_re),
    evaluations.
    """
    vp = LinearSchedule(1000).sigma
    steps = (0, 1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100)
    rows = {
        "t_re": steps,
        "sigma": [d.main.sigma(t) for t in steps],
        "paper_scale": [float(sigma_of(t, SIGMA_MIN, sigma_max_for(32, 32))) for t in steps],
        "vp": [float(vp[10 * t]) for t in steps],
        "evaluations": [d.main.preset.generator.solver.evaluations(t) for t in steps],
    }
    return pd.DataFrame(rows)


def grid_cells(d: Design, steps: tuple[int, ...]) -> Cells:
    """(t_re,) → a few training images at t_re, first seed; GAN: a GAN's of their classes."""
    return {(t,): d.main.samples(d.seeds[0], t, split="grid") for t in steps}


def _strip_cells(d: Design) -> Cells:
    return {**grid_cells(d, STRIP), ("model",): d.main.generator(d.seeds[0])}


@dataclass(frozen=True)
class Strip:
    """One image at growing reverse steps: with noise of σ, and reconstructed; C × H × W, float and uint8."""

    noisy: dict[int, np.ndarray]
    restored: dict[int, np.ndarray]
    sigmas: dict[int, float]


@result("strip", _strip_cells, no_rows=IMAGES)
def strip(d: Design, values: Values) -> Strip:
    """What is noised away from the first training image, and what is put back."""
    image, edm = values[0,].images[0], values["model",]
    levels = d.main.preset.generator.solver.levels
    starts = {t: noisy_start(edm.config, image, t, d.seeds[0], 0, levels) for t in STRIP}
    noisy, sigmas = ({t: pair[part] for t, pair in starts.items()} for part in (0, 1))
    return Strip(noisy, {t: values[t,].images[0] for t in STRIP}, sigmas)


def _algorithm_cells(d: Design) -> Cells:
    return {**grid_cells(d, (0, *ALGORITHM_STEPS)), ("model",): d.main.generator(d.seeds[0])}


@result("algorithms", _algorithm_cells, no_rows=IMAGES)
def algorithms(d: Design, values: Values) -> dict[tuple[str, int], np.ndarray]:
    """A few training images reconstructed by EDM, by Algorithm 1 as corrected, and as printed.

    (name, t_re) → uint8 images; ("real", 0) are the images themselves. Algorithm 1 runs on DDPM's linear
    schedule of T = 100, driven by the same denoiser.
    """
    real, edm = values[0,], values["model",]
    out = {("real", 0): real.images}
    schedule = LinearSchedule(REVERSE_STEPS)
    start, labels = torch.from_numpy(to_model(real.images)), torch.from_numpy(real.labels)
    with one_thread(), torch.no_grad(), sampling_mode(edm.cpu()):
        eps = eps_from_denoiser(edm, schedule)
        for t in ALGORITHM_STEPS:
            out["EDM", t] = values[t,].images
            for name, printed in (("corrected", False), ("printed", True)):
                rng = torch.Generator().manual_seed(d.seeds[0])
                rebuilt = reconstruct_ddpm(eps, schedule, start, t, rng, labels, as_printed=printed)
                out[name, t] = to_uint8(rebuilt.numpy())
    return out
