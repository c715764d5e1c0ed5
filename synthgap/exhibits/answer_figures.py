"""How the plain answer's figures are drawn. Levels are of shares in [0, 1]; axes are in percent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..design.values import ArmCell, arm_words, mix_words
from ..stats.crossed import Crossed
from .answer import AS_MANY_REAL
from .base import of_arm
from .drawing import (
    COLOURS,
    CROSSED_INTERVAL,
    MARKERS,
    band,
    basis,
    doubling,
    draw_maps,
    levels,
    line,
    new_figure,
    one_panel,
    reference,
    style,
)


def worth(curve: Mapping[int, Crossed], alone: Mapping[str, Crossed], measure: str, name: str) -> Figure:
    """The learning curve of real images, and synthetic sets as lines; curve: real images → level."""
    figure, ax = one_panel(6.4, 3.8)
    levels(ax, curve, 0, "real images alone")
    for number, (label, level) in enumerate(alone.items(), start=1):
        line(ax, 100 * level.mean, number, label)
        band(ax, level.in_points, style(number)["color"])
    doubling(ax, list(curve))
    ax.set_xlabel("real training images")
    ax.set_ylabel(f"{measure} (%)")
    ax.legend(fontsize=7, loc="lower right")
    figure.suptitle(f"{name}: {basis(curve)}; {CROSSED_INTERVAL} and bands", fontsize=8)
    return figure


def gains(several: Mapping[ArmCell, Crossed], chosen: ArmCell, measure: str, name: str) -> Figure:
    """What each way of augmenting changes against real images alone, a line each; the chosen mix is filled."""
    figure, ax = one_panel(7.0, 0.8 + 0.27 * len(several))
    generated = [cell for cell in several if cell[1] and cell != AS_MANY_REAL]
    for place, (cell, d) in enumerate(several.items()):
        number = 1 if cell in generated else 0
        face = COLOURS[number] if cell == chosen or cell not in generated else "white"
        marks = {**style(number), "linestyle": "none", "markerfacecolor": face}
        ax.errorbar(100 * d.mean, place, xerr=_bars([d]), capsize=3, **marks)
    ax.axvline(0, color="black", linewidth=1)
    _lines(ax, [mix_words(c) + _mark(c, chosen) if c in generated else arm_words(c[0]) for c in several])
    ax.set_xlabel(f"change of {measure} against real images alone (points)")
    figure.suptitle(f"{name}: {basis(several)}; {CROSSED_INTERVAL}. Circles: no generator", fontsize=8)
    return figure


def by_multiple(lines: Mapping[str, Mapping[float, Crossed]], real: Crossed, measure: str, name: str) -> Figure:
    """Level against the multiple, a line an arm; real images alone as a band."""
    figure, ax = one_panel(6.4, 3.8)
    reference(ax, real.in_points, "real images alone")
    for number, (label, several) in enumerate(lines.items()):
        levels(ax, several, number, label)
    ax.set_xticks(sorted({k for several in lines.values() for k in several}))
    ax.set_xlabel("synthetic images, as a multiple of the real ones")
    ax.set_ylabel(f"{measure} (%)")
    ax.legend(fontsize=7)
    figure.suptitle(f"{name}: {basis({0: real})}; {CROSSED_INTERVAL}, and band", fontsize=8)
    return figure


def mixes(rows: pd.DataFrame, chosen: ArmCell, measure: str, name: str) -> Figure:
    """Validation values of the mixes: each seed a small point, the mean a large one; the chosen mix is filled."""
    cells = list(dict.fromkeys(zip(rows.arm, rows.multiple, strict=True)))
    figure, ax = one_panel(7.0, 0.8 + 0.27 * len(cells))
    for place, cell in enumerate(cells):
        values = 100 * of_arm(rows, cell).value.to_numpy()
        face = COLOURS[1] if cell == chosen else "white"
        ax.plot(values, np.full(len(values), place), ".", color="black", markersize=4, alpha=0.5)
        ax.plot(values.mean(), place, marker=MARKERS[1], color=COLOURS[1], markerfacecolor=face, markersize=8)
    _lines(ax, [mix_words(cell) + _mark(cell, chosen) for cell in cells])
    ax.set_xlabel(f"{measure} on validation images (%)")
    figure.suptitle(f"{name}: {rows.n.iloc[0]:,} validation images{_seeds(rows)}", fontsize=8)
    return figure


def by_class(rows: pd.DataFrame, name: str) -> Figure:
    """Shares told rightly of each class, three classifiers a class; rows as of `answer.by_class`."""
    figure, ax = one_panel(7.0, 1.0 + 0.45 * len(rows))
    titles = {"real": "trained on real", "alone": "on synthetic alone", "beside": "on both"}
    for number, (column, label) in enumerate(titles.items()):
        places = np.arange(len(rows)) + 0.2 * (number - 1)
        values = [100 * level.mean for level in rows[column]]
        marks = {**style(number), "linestyle": "none"}
        ax.errorbar(values, places, xerr=_bars(rows[column]), capsize=2, label=label, **marks)
    _lines(ax, [f"{name} (n = {n:,})" for name, n in zip(rows["name"], rows.n, strict=True)])
    ax.set_xlim(right=101)
    ax.set_xlabel("test images of the class told rightly (%)")
    figure.legend(fontsize=7, loc="outside lower center", ncols=3)
    figure.suptitle(f"{name}: {basis({0: rows.real.iloc[0]})} at the top; {CROSSED_INTERVAL}", fontsize=8)
    return figure


def attention(images: np.ndarray, maps: Mapping[str, np.ndarray], captions: list[str]) -> Figure:
    """Images with the GradCAM maps of each classifier below, a caption above each column."""
    lines, count = len(maps) + 1, len(images)
    figure, axes = new_figure(1.1 * count + 1.5, 1.15 * lines + 0.4, lines, count)
    draw_maps(axes, images, maps)
    for ax, caption in zip(axes[0], captions, strict=True):
        ax.set_title(caption, fontsize=6)
    return figure


def _seeds(rows: pd.DataFrame) -> str:
    return "; squares: mean, dots: seeds" if rows.seed.nunique() > 1 else ""


def _mark(cell: ArmCell, chosen: ArmCell) -> str:
    return " (chosen)" if cell == chosen else ""


def _lines(ax: Axes, titles: list[str]) -> None:
    """A line of the figure for each title, from above."""
    ax.set_yticks(range(len(titles)), titles, fontsize=8)
    ax.set_ylim(len(titles) - 0.5, -0.5)


def _bars(several: Iterable[Crossed]) -> np.ndarray:
    """Lengths of error bars below and above, in percent, 2 × levels."""
    return 100 * np.transpose([level.reach for level in several])
