"""Section 3: what a reverse step is, and what a reconstruction from it looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from ..base.labels import model_labels
from ..base.modes import sampling_mode
from ..base.threads import one_thread
from ..base.words import plain, plural
from ..design.loading import Design
from ..diffusion.ddpm import LinearSchedule, eps_from_denoiser, reconstruct_ddpm
from ..diffusion.pixels import to_model, to_uint8
from ..diffusion.reconstruct import noisy_start
from ..diffusion.schedule import REVERSE_STEPS
from ..diffusion.solver import CALLED
from .base import IMAGES, Cells, Values, exhibit, result
from .drawing import draw_image, image_rows, new_figure
from .text import myst_table

STRIP = (0, 25, 50, 75, REVERSE_STEPS)  # reverse steps of Figure 4
ALGORITHM_STEPS = (25, 50, 75, REVERSE_STEPS)  # reverse steps at which the forms of Algorithm 1 are compared


@result("noise_levels")
def noise_levels(d: Design) -> pd.DataFrame:
    """σ and network evaluations of reverse steps.

    Columns t_re, sigma, paper_scale (σ at 32 × 32), vp (σ of DDPM's T = 1000 linear schedule at 10·t_re),
    evaluations.
    """
    vp, solver = LinearSchedule(1000).sigma, d.main.preset.generator.solver
    steps = (0, 1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100)
    rows = {
        "t_re": steps,
        "sigma": [d.main.sigma(t) for t in steps],
        "paper_scale": [solver.sigma(t, 32, 32) for t in steps],
        "vp": [float(vp[10 * t]) for t in steps],
        "evaluations": [solver.evaluations(t) for t in steps],
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
    known = edm.config.network.label_dim
    told = model_labels(real.labels, real.classes, edm.config.classes, known, real.name)
    start, labels = torch.from_numpy(to_model(real.images)), torch.from_numpy(told)
    with one_thread(), torch.no_grad(), sampling_mode(edm.cpu()):
        eps = eps_from_denoiser(edm, schedule)
        for t in ALGORITHM_STEPS:
            out["EDM", t] = values[t,].images
            for name, printed in (("corrected", False), ("printed", True)):
                rng = torch.Generator().manual_seed(d.seeds[0])
                rebuilt = reconstruct_ddpm(eps, schedule, start, t, rng, labels, as_printed=printed)
                out[name, t] = to_uint8(rebuilt.numpy())
    return out


# what the book shows


@exhibit(
    "tab-noise",
    [noise_levels],
    rests_on="formulas of Section 3; nothing is trained for it",
    apart="the paper does not say which noise level a reverse step is",
)
def noise_table(d: Design, rows: pd.DataFrame) -> str:
    """σ of each reverse step in three conventions."""
    out = pd.DataFrame(
        {
            "reverse step t_re": rows.t_re,
            "σ in this run": [f"{v:.3g}" for v in rows.sigma],
            "σ at 32×32": [f"{v:.3g}" for v in rows.paper_scale],
            "σ, DDPM with 1000 steps": [f"{v:.3g}" for v in rows.vp],
            "network evaluations": rows.evaluations,
        }
    )
    solver = d.main.preset.generator.solver
    caption = (
        "Noise level of a reverse step, in units of images scaled to [−1, 1], and the evaluations it costs "
        f"({CALLED[solver.method]}, {plural(solver.steps, 'step')} from t_re = {REVERSE_STEPS})"
    )
    return myst_table(out, caption, "tab-noise")


@exhibit("fig-4", [strip], paper=["Figure 4"])
def noised_and_restored(d: Design, shown: Strip) -> Figure:
    """Above: an image with noise of σ added; below: the reverse process's answer. One column a reverse step."""
    figure, axes = new_figure(1.5 * len(shown.noisy), 3.3, 2, len(shown.noisy))
    for (above, below), (t, noisy) in zip(axes.T, shown.noisy.items(), strict=True):
        draw_image(above, (noisy - noisy.min()) / max(np.ptp(noisy), 1e-9))
        draw_image(below, shown.restored[t] / 255)
        above.set_title(f"t_re = {t}\nσ = {shown.sigmas[t]:.3g}", fontsize=8)
    axes[0, 0].set_ylabel("noisy", fontsize=8)
    axes[1, 0].set_ylabel("reconstructed", fontsize=8)
    return figure


@exhibit("fig-algorithms", [algorithms], apart="the paper shows no image of its Algorithm 1")
def algorithm_images(d: Design, images: dict[tuple[str, int], np.ndarray]) -> Figure:
    """The images of every algorithm, a row for each reverse step."""
    names = {"real": "real", "EDM": "EDM", "corrected": "Algorithm 1, corrected", "printed": "Algorithm 1, printed"}
    return image_rows({names[name] + (f", t_re = {t}" if t else ""): v for (name, t), v in images.items()})


@exhibit("tab-algorithms", [algorithms], apart="the paper measures nothing of its Algorithm 1")
def algorithm_table(d: Design, images: dict[tuple[str, int], np.ndarray]) -> str:
    """How far each algorithm moves the images (mean grey levels, of 255), a line a reverse step."""
    vp = LinearSchedule(REVERSE_STEPS).sigma
    real = images["real", 0].astype(float)
    moved = {cell: plain(float(np.abs(rebuilt - real).mean())) for cell, rebuilt in images.items()}
    out = [
        {
            "t_re": t,
            "σ, EDM": f"{d.main.sigma(t):.3g}",
            "distance, EDM": moved["EDM", t],
            "σ, DDPM with 100 steps": f"{float(vp[t]):.3g}",  # both forms of Algorithm 1 share it
            "distance, corrected": moved["corrected", t],
            "distance, printed": moved["printed", t],
        }
        for t in ALGORITHM_STEPS
    ]
    caption = "Mean distance between an image and its reconstruction, in grey levels of 255"
    return myst_table(out, caption, "tab-algorithms")
