"""Section 4.1 as pictures: reconstructed images, how far they are from real ones, and whether they are copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..base.words import capital, plain
from ..design.loading import Design
from ..design.values import FLOOR, GAN, INSTEAD
from ..diffusion.schedule import REVERSE_STEPS
from .base import exhibit, on_steps
from .drawing import (
    COLOURS,
    SMALL,
    image_rows,
    label_steps,
    nothing,
    over_seeds,
    rival,
    saying,
    series,
    step_panels,
    titled,
)
from .samples import NO_COPIES, beside_rivals, fidelity, memorization, reconstructed
from .text import moves


@exhibit("fig-5", [reconstructed], paper=["Figure 5"])
def reconstructions(d: Design, images: dict[int, np.ndarray]) -> Figure:
    """Reconstructed samples: a row for each reverse step."""
    figure = image_rows({f"t_re = {t}, σ = {d.main.sigma(t):.2g}" if t else "real": v for t, v in images.items()})
    far = {t: float(np.abs(v.astype(float) - images[0]).mean()) for t, v in images.items() if t}
    first, last = min(far), max(far)
    return saying(
        figure,
        f"From one reverse step to the next the images leave their originals: pixels differ by {plain(far[first])} of "
        f"255 grey levels at step {first}, by {plain(far[last])} at step {last} (means of the images shown).",
    )


@exhibit("fig-6", [fidelity], paper=["Figure 6"])
def fidelity_curves(d: Design, rows: pd.DataFrame) -> Figure:
    """Fréchet distance, and precision with recall, against t_re, a panel each for each protocol, one below the other.

    Dotted: other real images in the place of the fake ones (FLOOR), where the protocol has them. A GAN's samples (GAN)
    stand in panels of their own.
    """
    protocols = list(dict.fromkeys(on_steps(rows).protocol)) if len(rows) else []
    if not protocols:
        return nothing("too few images, or too many that are alike")
    figure, axes = step_panels(2 * len(protocols), bool((rows.t_re == GAN).any()), 2.2)
    for place, protocol in enumerate(protocols):
        mine = rows[rows.protocol == protocol]
        _distances(*axes[2 * place], mine, protocol)
        _shares(*axes[2 * place + 1], mine, protocol)
    label_steps(axes[-1, 0])
    figure.suptitle(f"{d.main.name}: {over_seeds(rows)}", fontsize=SMALL)
    last = on_steps(rows[rows.protocol == protocols[-1]]).groupby("t_re")[["precision", "recall"]].mean()
    told = [f"{column} {moves(last[column].iloc[0], last[column].iloc[-1], 2)}" for column in last]
    where = f"from reverse step {last.index[0]} to {last.index[-1]} ({protocols[-1]})"
    return saying(figure, f"{capital(' and '.join(told))}, {where}.")


def _distances(ax: Axes, beside: Axes | None, rows: pd.DataFrame, protocol: str) -> None:
    """The Fréchet distance under one protocol."""
    curve, floor = on_steps(rows), rows[rows.t_re == FLOOR]
    series(ax, curve, "t_re", "frechet", 0, f"n = {curve.n_real.iloc[0]}, {curve.n_fake.iloc[0]}")
    if len(floor):
        sizes = f"other real images, n = {floor.n_fake.iloc[0]}"
        ax.axhline(floor.frechet.mean(), color="black", linestyle=":", label=sizes)
    ax.set_ylabel("Fréchet distance\n(FD-classifier)")
    titled(ax, protocol)
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=SMALL - 1)
    rival(beside, ax, rows, {"frechet": 0})


def _shares(ax: Axes, beside: Axes | None, rows: pd.DataFrame, protocol: str) -> None:
    """Precision and recall under one protocol."""
    columns, floor = {"precision": 1, "recall": 2}, rows[rows.t_re == FLOOR]
    for column, number in columns.items():
        series(ax, on_steps(rows), "t_re", column, number, column)
        if len(floor):
            ax.axhline(floor[column].mean(), color=COLOURS[number], linestyle=":", label=f"{column}, other real")
    ax.set_ylabel("precision, recall\n(k = 3)")
    titled(ax, protocol)
    ax.set_ylim(top=1.02)
    ax.legend(fontsize=SMALL - 1)
    rival(beside, ax, rows, columns)


@exhibit("fig-rivals", [beside_rivals], apart="the paper shows no image of its GAN")
def rival_images(d: Design, images: dict[int, np.ndarray]) -> Figure:
    """A few real images, and images of their classes by the diffusion model and, where there is one, by the GAN."""
    names = {0: "real", REVERSE_STEPS: "EDM", **INSTEAD}
    return image_rows({names[t]: several for t, several in images.items()})


@exhibit("fig-copies", [memorization], apart=NO_COPIES)
def memorization_curves(d: Design, rows: pd.DataFrame) -> Figure:
    """Share of authentic images, and distance to train over distance to other real images, against t_re."""
    figure, axes = step_panels(2, bool((rows.t_re == GAN).any()))
    columns = {"authentic": "authentic images (share)", "ratio": "distance to train\n/ to other real images"}
    for number, ((ax, beside), (column, label)) in enumerate(zip(axes, columns.items(), strict=True)):
        series(ax, on_steps(rows), "t_re", column, number, "reconstructed")
        if column == "ratio":
            ax.axhline(1.0, color="black", linestyle=":", label="no nearer to train")
            ax.legend(fontsize=SMALL)
        ax.set_ylabel(label)
        ax.set_ylim(bottom=0)
        rival(beside, ax, rows, {column: number})
    label_steps(axes[-1, 0])
    figure.suptitle(f"{d.main.name}, {rows.n_fake.iloc[0]} images: {over_seeds(rows)}", fontsize=SMALL)
    means = on_steps(rows).groupby("t_re")[list(columns)].mean()
    first, last = int(means.index[means.index > 0][0]), int(means.index[-1])
    return saying(
        figure,
        f"At reverse step {last} the nearest training image is {means.ratio[last]:.2f} times as far away as the "
        f"nearest other real image, at step {first} {means.ratio[first]:.2f} times.",
    )
