"""How the plain answer's figures are drawn. Levels are of shares in [0, 1]; axes are in percent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..base.words import difference, escaped
from ..design.values import ArmCell, arm_words, mix_words
from ..stats.crossed import Crossed
from .answer import AS_MANY_REAL
from .base import of_arm
from .drawing import (
    COLOURS,
    CROSSED_INTERVAL,
    DOTS,
    MARKERS,
    NARROW,
    SMALL,
    band,
    basis,
    dots,
    doubling,
    draw_maps,
    forest_rows,
    levels,
    line,
    new_figure,
    one_panel,
    reference,
    saying,
    style,
)

Seeds = Mapping[Any, np.ndarray]  # place or arm → each seed's share or change, where seeds are few and it is plain


def worth(curve: Mapping[int, Crossed], seeds: Seeds, alone: Mapping[str, Crossed], measure: str, name: str) -> Figure:
    """The learning curve of real images, and synthetic sets as lines; curve: real images → level."""
    figure, ax = one_panel(NARROW, 3.6)
    levels(ax, curve, 0, "real images alone", seeds)
    for number, (label, level) in enumerate(alone.items(), start=1):
        line(ax, 100 * level.mean, number, label)
        band(ax, level.in_points, style(number)["color"])
    doubling(ax, list(curve))
    ax.set_xlabel("real training images")
    ax.set_ylabel(f"{measure} (%)")
    ax.legend(fontsize=SMALL, loc="lower right")
    _title(figure, f"{name}: {basis(curve)}; {CROSSED_INTERVAL} and bands")
    told = [f"{label} {100 * level.mean:.1f}%" for label, level in alone.items()]
    most = max(curve)
    return saying(figure, f"{most:,} real images reach {100 * curve[most].mean:.1f}%, {', '.join(told)}.")


def gains(several: Mapping[ArmCell, Crossed], seeds: Seeds, chosen: ArmCell, measure: str, name: str) -> Figure:
    """What each way of augmenting changes against real images alone, a line each; the chosen mix is filled."""
    titles = [mix_words(c) + _mark(c, chosen) if _generated(c) else arm_words(c[0]) for c in several]
    figure, ax = _rows(titles)
    for place, (cell, d) in enumerate(several.items()):
        number = int(_generated(cell))
        face = COLOURS[number] if cell == chosen or not number else "white"
        marks = {**style(number), "linestyle": "none", "markerfacecolor": face}
        ax.errorbar(100 * d.mean, place, xerr=_bars([d]), capsize=3, markersize=5, **marks)
        _seed_dots(ax, seeds.get(cell, ()), place, number)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_xlabel(f"change of {measure} (points)")
    _title(figure, f"{name}: {basis(several)}; {CROSSED_INTERVAL}.\nCircles: no generator; filled: chosen")
    best = max(several, key=lambda cell: several[cell].mean)
    told = [
        f"{title}: {difference(several[c].in_points, 1)} points"
        for c, title in zip(several, titles, strict=True)
        if c in (best, chosen)
    ]
    return saying(figure, f"Against real images alone, with 95% intervals: {'; '.join(told)}.")


def _rows(titles: Iterable[str]) -> tuple[Figure, Axes]:
    """A line for each mix, which all are of images, so that a phone shows their names large enough."""
    short = [title.removeprefix("images from ").replace(" images (t_re = 100)", "") for title in titles]
    figure, ax = forest_rows(short)
    ax.tick_params(axis="y", labelsize=SMALL + 2)
    return figure, ax


def _generated(cell: ArmCell) -> bool:
    return bool(cell[1]) and cell != AS_MANY_REAL


def by_multiple(
    lines: Mapping[str, Mapping[float, Crossed]], seeds: Mapping[str, Seeds], real: Crossed, measure: str, name: str
) -> Figure:
    """Level against the multiple, a line an arm; real images alone as a band."""
    figure, ax = one_panel(NARROW, 3.8)
    reference(ax, real.in_points, "real images alone")
    for number, (label, several) in enumerate(lines.items()):
        levels(ax, several, number, label, seeds.get(label))
    ax.set_xticks(sorted({k for several in lines.values() for k in several}))
    ax.set_xlabel("synthetic images, as a multiple of the real ones")
    ax.set_ylabel(f"{measure} (%)")
    figure.legend(fontsize=SMALL, loc="outside lower center")
    _title(figure, f"{name}: {basis({0: real})}; {CROSSED_INTERVAL}, and band")
    told = [f"{100 * several[max(several)].mean:.1f}% {label} (×{max(several):g})" for label, several in lines.items()]
    return saying(figure, f"Real images alone reach {100 * real.mean:.1f}%; synthetic ones {', '.join(told)}.")


def mixes(rows: pd.DataFrame, chosen: ArmCell, measure: str, name: str) -> Figure:
    """Validation values of the mixes: each seed a small point, the mean a large one; the chosen mix is filled."""
    cells = list(dict.fromkeys(zip(rows.arm, rows.multiple, strict=True)))
    figure, ax = _rows([mix_words(cell) + _mark(cell, chosen) for cell in cells])
    means = {}
    for place, cell in enumerate(cells):
        values = 100 * of_arm(rows, cell).value.to_numpy()
        face, means[cell] = COLOURS[1] if cell == chosen else "white", values.mean()
        ax.plot(values, np.full(len(values), place), ".", color="black", markersize=4, alpha=0.5)
        ax.plot(values.mean(), place, marker=MARKERS[1], color=COLOURS[1], markerfacecolor=face, markersize=8)
    ax.set_xlabel(f"{measure} on validation images (%)")
    _title(figure, f"{name}: {rows.n.iloc[0]:,} validation images{_seeds(rows)}")
    if chosen not in means or not len(means):
        return figure
    return saying(
        figure,
        f"“{mix_words(chosen)}” has the chosen mix's {means[chosen]:.1f}% on validation images; all mixes lie between "
        f"{min(means.values()):.1f}% and {max(means.values()):.1f}%.",
    )


def by_class(rows: pd.DataFrame, name: str) -> Figure:
    """Shares classified correctly of each class, three classifiers a class; rows as of `answer.by_class`."""
    figure, ax = forest_rows([f"{name} (n = {n:,})" for name, n in zip(rows["name"], rows.n, strict=True)], 0.45)
    titles = {"real": "trained on real", "alone": "on synthetic alone", "beside": "on both"}
    for number, (column, label) in enumerate(titles.items()):
        places = np.arange(len(rows)) + 0.2 * (number - 1)
        values = [100 * level.mean for level in rows[column]]
        marks = {**style(number), "linestyle": "none", "markersize": 5}
        ax.errorbar(values, places, xerr=_bars(rows[column]), capsize=2, label=label, **marks)
    ax.set_xlim(right=101)
    ax.set_xlabel("test images of the class classified correctly (%)")
    figure.legend(fontsize=SMALL - 1, loc="outside lower center", ncols=3)
    _title(figure, f"{name}: {basis({0: rows.real.iloc[0]})} at the top; {CROSSED_INTERVAL}")
    worst = rows.iloc[0]
    if worst.alone.mean >= worst.real.mean:
        return saying(figure, "After training on synthetic images alone no class is classified correctly less often.")
    return saying(
        figure,
        f"The largest drop is that of class {escaped(str(worst['name']))}: {100 * worst.real.mean:.1f}% of its test "
        f"images are classified correctly after training on real images, {100 * worst.alone.mean:.1f}% after training "
        "on synthetic ones alone.",
    )


def attention(images: np.ndarray, maps: Mapping[str, np.ndarray], captions: list[str]) -> Figure:
    """Images with the GradCAM maps of each classifier below, a caption above each column."""
    lines, count = len(maps) + 1, len(images)
    figure, axes = new_figure(1.1 * count + 1.5, 1.15 * lines + 0.7, lines, count)
    draw_maps(axes, images, maps)
    for ax, caption in zip(axes[0], captions, strict=True):
        ax.set_title(caption.replace(", ", "\n"), fontsize=SMALL)
    return figure


def _seeds(rows: pd.DataFrame) -> str:
    return "; squares: mean, dots: seeds" if rows.seed.nunique() > 1 else ""


def _mark(cell: ArmCell, chosen: ArmCell) -> str:
    return " (chosen)" if cell == chosen else ""


def _seed_dots(ax: Axes, values: Iterable[float], place: float, number: int) -> None:
    """Each of a few seeds' changes, in [−1, 1]."""
    values = 100 * np.asarray(list(values))
    if 1 < len(values) <= DOTS:
        dots(ax, values, [place] * len(values), number, across=True)


def _title(figure: Figure, text: str) -> None:
    figure.suptitle("\n".join(fill(part, 62) for part in text.split("\n")), fontsize=SMALL)


def _bars(several: Iterable[Crossed]) -> np.ndarray:
    """Lengths of error bars below and above, in percent, 2 × levels."""
    return 100 * np.transpose([level.reach for level in several])
