"""What figures of all sections share. Series differ in colour, marker and line style, so that none is needed alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..base.words import plural
from ..design.values import GAN
from ..stats.crossed import Crossed
from ..stats.intervals import Estimate, estimate_mean, range_of

COLOURS = sns.color_palette("colorblind")
MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
RIVAL_PLACE = 106  # of a GAN's samples on the axis of reverse steps
INTERVAL = "bars: 95% interval over seeds (Student's t)"
CROSSED_INTERVAL = "bars: 95% interval"


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """An unregistered figure (nothing is shown twice in a notebook) with a plain style."""
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def one_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """An unregistered figure with one panel, and that panel."""
    figure, axes = new_figure(width, height)
    return figure, axes[0, 0]


def style(number: int) -> dict[str, Any]:
    """Colour, marker and line of a series, by its number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": LINES[number % len(LINES)],
    }


def over_seeds(rows: pd.DataFrame) -> str:
    """What a figure's means and bars are: "3 seeds; bars: 95% interval over seeds (Student's t)"."""
    return f"{rows.seed.nunique()} seeds; {INTERVAL}"


def series(axes: Axes, rows: pd.DataFrame, x: str, y: str, number: int, label: str) -> None:
    """Mean over seeds with its interval, and each seed as a faint point."""
    groups = [(value, estimate_mean(g[y].to_numpy(), span=range_of(y))) for value, g in rows.groupby(x)]
    xs = [value for value, _ in groups]
    bars = np.transpose([e.reach for _, e in groups])
    axes.errorbar(xs, [e.mean for _, e in groups], yerr=bars, label=label, capsize=3, **style(number))
    axes.scatter(rows[x], rows[y], color=COLOURS[number], marker=MARKERS[number], s=12, alpha=0.35, linewidths=0)


def band(ax: Axes, level: Estimate | Crossed, colour: object = "black") -> None:
    """The interval of a level as a band over the whole width."""
    below, above = level.reach
    ax.axhspan(level.mean - below, level.mean + above, color=colour, alpha=0.08, linewidth=0)


def reference(ax: Axes, level: Estimate | Crossed, label: str) -> None:
    """A level, in the unit of the axis, as a black line with its interval as a band."""
    band(ax, level)
    ax.axhline(level.mean, color="black", linewidth=1, label=label)


def line(ax: Axes, place: float, number: int, label: str) -> None:
    """A level as a line over the whole width, without its interval."""
    ax.axhline(place, label=label, **{**style(number), "marker": None})


def levels(ax: Axes, several: Mapping[float, Crossed], number: int, label: str) -> None:
    """Levels in [0, 1], by place, with their intervals over seeds × test images, in percent."""
    bars = 100 * np.transpose([level.reach for level in several.values()])
    means = [100 * level.mean for level in several.values()]
    ax.errorbar(list(several), means, yerr=bars, capsize=3, label=label, **style(number))


def basis(several: Mapping[Any, Crossed]) -> str:
    """What such levels rest on: "3 seeds × 4,000 test images"."""
    one = next(iter(several.values()))
    return f"{plural(one.seeds, 'redraw' if one.redrawn else 'seed')} × {one.images:,} test images"


def doubling(ax: Axes, places: list[int], **options: Any) -> None:
    """A logarithmic axis below, with a tick at each of these numbers of images."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(places, [f"{n:,}" for n in places], **options)
    ax.minorticks_off()


def rival(ax: Axes, rows: pd.DataFrame, column: str, number: int, label: str) -> None:
    """The GAN's samples, where `rows` has them, to the right of reverse step 100."""
    mine = rows[rows.t_re == GAN]
    if len(mine):
        series(ax, mine.assign(t_re=RIVAL_PLACE), "t_re", column, number, label)


def label_steps(*axes: Axes) -> None:
    for ax in axes:
        ax.set_xlabel("reverse step t_re")


def draw_image(ax: Axes, image: np.ndarray) -> None:
    """Draw C × H × W in [0, 1] without axes."""
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def image_rows(rows: Mapping[str, np.ndarray]) -> Figure:
    """Images in rows with a label each; rows: label → uint8 N × C × H × W, all of one shape."""
    count, _, height, width = next(iter(rows.values())).shape
    margin = 0.075 * max(map(len, rows)) + 0.3  # inches for the labels
    figure, axes = new_figure(0.62 * count * width / height + margin, 0.62 * len(rows) + 0.2, len(rows), count)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            draw_image(ax, image / 255)
        name_row(line[0], label)
    return figure


def name_row(ax: Axes, label: str) -> None:
    """A row's name, to the left of its first image."""
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)


def attention_rows(images: np.ndarray, maps: Mapping[str, np.ndarray]) -> Figure:
    """GradCAM maps over images, a row a classifier; images: uint8 N × C × H × W, maps: label → N × H × W in [0, 1].

    Lightness alone carries the map, so that it reads without colour.
    """
    count, _, height, width = images.shape
    margin = 0.075 * max(map(len, maps)) + 0.3
    lines = len(maps) + 1
    figure, axes = new_figure(0.75 * count * width / height + margin, 0.75 * lines + 0.2, lines, count)
    draw_maps(axes, images, maps)
    return figure


def draw_maps(axes: np.ndarray, images: np.ndarray, maps: Mapping[str, np.ndarray]) -> None:
    """The images in the first line of `axes`, and below them the maps over them, a labelled line a classifier."""
    for column, image in enumerate(images):
        draw_image(axes[0, column], image / 255)
        for line, several in enumerate(maps.values(), start=1):
            draw_image(axes[line, column], image / 255)
            axes[line, column].imshow(several[column], cmap="viridis", vmin=0, vmax=1, alpha=0.65)
    for ax, label in zip(axes[:, 0], ("image", *maps), strict=True):
        name_row(ax, label)


def nothing(text: str) -> Figure:
    """A figure that says why there is none."""
    figure, ax = one_panel(3.0, 0.6)
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
    ax.set_axis_off()
    return figure


def show_inline() -> None:
    """Let a notebook display Figure objects as PNG (they are made without pyplot, which would do this)."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if (shell := get_ipython()) is not None:
        select_figure_formats(shell, {"png"}, bbox_inches="tight")
