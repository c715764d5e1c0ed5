"""What figures of all sections share. Series differ in colour, marker and line style, so that none is needed alone."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from scipy.stats import gaussian_kde

from ..base.words import plural
from ..design.values import GAN, INSTEAD
from ..stats.crossed import Crossed
from ..stats.intervals import Estimate, estimate_mean, range_of

COLOURS = sns.color_palette("colorblind")
MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
MESSAGE = "message"  # of a figure, among its output's metadata in a notebook
NARROW = 4.8  # inches: as wide as a chart may be whose letters a phone shows without scrolling
DPI = 120  # pixels of a page an inch; pictures have twice as many
NAME = 21  # letters in a line of a row's name
SMALL = 8  # points, of ticks and legends: on a phone they are about two thirds as large
DOTS = 5  # so many seeds or fewer are all drawn
INTERVAL = "bars: 95% interval over seeds (Student's t)"
CROSSED_INTERVAL = "bars: 95% interval"
PAPER = {"color": "0.45", "marker": "x", "linestyle": (0, (6, 2)), "linewidth": 1, "markersize": 5}  # its curves


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """An unregistered figure (nothing is shown twice in a notebook) with a plain style."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, panels_in(figure, rows, columns, **options)


def stacked(count: int, height: float) -> tuple[Figure, list[Any]]:
    """A narrow figure of parts one below the other, each with its own panels (`panels_in`) and its own legend."""
    figure = Figure(figsize=(NARROW, height * count), dpi=DPI, layout="constrained")
    return figure, list(np.ravel(figure.subfigures(count, 1)))


def panels_in(figure: Any, rows: int, columns: int, **options: Any) -> np.ndarray:
    """Panels of a figure, or of a part of one, in a plain style."""
    with sns.axes_style("whitegrid"):
        panels = figure.subplots(rows, columns, squeeze=False, **options)
    for ax in panels.flat:
        ax.tick_params(labelsize=SMALL)
        ax.xaxis.label.set_size(SMALL + 1)
        ax.yaxis.label.set_size(SMALL + 1)
    return panels


def one_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """An unregistered figure with one panel, and that panel."""
    figure, axes = new_figure(width, height)
    return figure, axes[0, 0]


def titled(ax: Axes, title: str) -> None:
    """A panel's title, in the size of its labels."""
    ax.set_title(title, fontsize=SMALL + 1)


def saying(figure: Figure, message: str) -> Figure:
    """The figure, which now carries in a sentence of Markdown what it shows; its caption begins with that."""
    figure.set_label(message)
    return figure


def style(number: int) -> dict[str, Any]:
    """Colour, marker and line of a series, by its number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": LINES[number % len(LINES)],
    }


def over_seeds(rows: pd.DataFrame) -> str:
    """What a figure's means and bars are: "3 seeds (small dots); bars: 95% interval over seeds (Student's t)"."""
    return seeds_and_bars(rows.seed.nunique())


def seeds_and_bars(seeds: int) -> str:
    """The same of so many seeds; one has no interval."""
    drawn = " (small dots)" if seeds <= DOTS else ""
    return f"{plural(seeds, 'seed')}{drawn}; {INTERVAL}" if seeds > 1 else "one seed: no interval"


def series(axes: Axes, rows: pd.DataFrame, x: str, y: str, number: int, label: str) -> None:
    """Mean over seeds with its interval, and each seed as a small dot beside it."""
    groups = [(value, estimate_mean(g[y].to_numpy(), span=range_of(y))) for value, g in rows.groupby(x)]
    xs = [value for value, _ in groups]
    bars = np.transpose([e.reach for _, e in groups])
    axes.errorbar(xs, [e.mean for _, e in groups], yerr=bars, label=label, capsize=3, markersize=5, **style(number))
    if 1 < rows.groupby(x).size().max() <= DOTS:
        dots(axes, rows[x], rows[y], number)


def dots(axes: Axes, x: Any, y: Any, number: int, across: bool = False) -> None:
    """Seeds as small dots a little to the right of where they belong; `across`: a little below."""
    shift = (0, -5 / 72) if across else (5 / 72, 0)
    moved = axes.transData + ScaledTranslation(*shift, axes.figure.dpi_scale_trans)
    axes.scatter(x, y, color=COLOURS[number % len(COLOURS)], s=9, linewidths=0.4, edgecolors="black", transform=moved)


def step_panels(count: int, beside: bool, height: float = 2.6, **options: Any) -> tuple[Figure, np.ndarray]:
    """Panels over the reverse steps, one below the other, as count × 2: to the right of each a narrow one for a GAN,
    which has no reverse steps and a scale of its own; None without one (`beside`)."""
    figure, axes = new_figure(
        NARROW, height * count, count, 1 + beside, width_ratios=[5, 1] if beside else None, sharex="col", **options
    )
    figure.get_layout_engine().set(w_pad=0.02)
    return figure, axes if beside else np.array([[ax, None] for ax in axes[:, 0]])


def rival(ax: Axes | None, main: Axes, rows: pd.DataFrame, columns: Mapping[str, int]) -> None:
    """The GAN's samples in a panel of their own: each seed a dot, the mean a line, no interval.

    columns : column → number of its series in `main`, whose scale this panel takes where the dots fit into it.
    """
    mine = rows[rows.t_re == GAN]
    if ax is None:
        return
    for place, (column, number) in enumerate(columns.items()):
        values = mine[column].to_numpy(dtype=float)
        spread = 0.08 * (np.arange(len(values)) - (len(values) - 1) / 2)
        marks = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
        ax.scatter(place + spread, values, s=16, linewidths=0.4, edgecolors="black", zorder=3, **marks)
        ax.hlines(values.mean(), place - 0.3, place + 0.3, color="black", linewidth=1.5)
    ax.set(xticks=[], xlim=(-0.6, len(columns) - 0.4))
    ax.set_xlabel(INSTEAD[GAN], fontsize=SMALL)
    ax.yaxis.tick_right()
    own_scale(ax, main, mine[list(columns)].to_numpy(dtype=float).ravel())


def own_scale(ax: Axes, main: Axes, values: np.ndarray) -> None:
    """The scale of the panel beside, where all values lie on it; else one of their own, framed to show that."""
    low, high = main.get_ylim()
    if low <= values.min() and values.max() <= high:
        ax.set_ylim(low, high)
        ax.tick_params(labelright=False)
        return
    ax.set_ylim(*room(values))
    for side in ax.spines.values():
        side.set(color="black", linewidth=1.2)


def room(values: Any) -> tuple[float, float]:
    """The ends of a scale around values: a quarter of their spread beyond either end."""
    values = np.asarray(values, dtype=float)
    low, high = float(values.min()), float(values.max())
    margin = 0.25 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def half_contour(ax: Axes, points: np.ndarray, colour: Any) -> None:
    """A line around the densest half of points in a plane, by a Gaussian kernel; none of few points or of a line."""
    if len(points) < 8 or min(np.ptp(points, axis=0)) == 0:
        return
    density = gaussian_kde(points.T)
    (left, below), (right, above) = points.min(axis=0), points.max(axis=0)
    wide, high = 0.3 * (right - left), 0.3 * (above - below)
    x, y = np.meshgrid(np.linspace(left - wide, right + wide, 60), np.linspace(below - high, above + high, 60))
    height = density(np.array([x.ravel(), y.ravel()])).reshape(x.shape)
    ax.contour(x, y, height, levels=[np.median(density(points.T))], colors=[colour], linewidths=1.2)


def theirs(ax: Axes, curve: Mapping[float, float], label: str, marker: str = "x", joined: bool = True) -> None:
    """Numbers of the paper, joined to a curve or not: grey and open, in long dashes, unlike any of ours."""
    look = PAPER | {"marker": marker} | ({} if joined else {"linestyle": "none"})
    ax.plot(list(curve), list(curve.values()), label=label, markerfacecolor="none", **look)


def forest_rows(titles: Sequence[str], each: float = 0.26, width: int = 30) -> tuple[Figure, Axes]:
    """A narrow figure with a line for each title, from above, as high as the longest title needs."""
    titles = [fill(title, width) for title in titles]
    most = max(title.count("\n") + 1 for title in titles)
    figure, ax = one_panel(NARROW, 1.1 + max(each, 0.04 + 0.14 * most) * len(titles))
    ax.set_yticks(range(len(titles)), titles)
    ax.set_ylim(len(titles) - 0.5, -0.5)
    return figure, ax


def across(ax: Axes, place: float, e: Crossed, by_seed: np.ndarray, number: int, label: str | None) -> None:
    """One line of a forest plot: a difference in points with its interval, and each seed's as a small dot."""
    bars = np.nan_to_num(np.transpose([e.reach]))
    marks = style(number) | {"linestyle": "none"}
    ax.errorbar(e.mean, place, xerr=bars, capsize=3, markersize=5, label=label, **marks)
    if 1 < len(by_seed) <= DOTS:
        dots(ax, by_seed, [place] * len(by_seed), number, across=True)


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


def changes(
    ax: Axes, several: Mapping[float, Crossed], by_seed: Mapping[float, np.ndarray], number: int, label: str, beside=0.0
) -> None:
    """Differences in points, by place, with their intervals, and each seed's as a small dot; beside: moved so far."""
    places = [place + beside for place in several]
    bars = np.nan_to_num(np.transpose([e.reach for e in several.values()]))
    means = [e.mean for e in several.values()]
    ax.errorbar(places, means, yerr=bars, capsize=3, markersize=5, label=label, **style(number))
    for place, values in zip(places, by_seed.values(), strict=True):
        if 1 < len(values) <= DOTS:
            dots(ax, [place] * len(values), values, number)


def levels(
    ax: Axes, several: Mapping[float, Crossed], number: int, label: str, seeds: Mapping[float, np.ndarray] | None = None
) -> None:
    """Levels in [0, 1], by place, with their intervals over seeds × test images, in percent; seeds: each one's."""
    bars = 100 * np.transpose([level.reach for level in several.values()])
    means = [100 * level.mean for level in several.values()]
    ax.errorbar(list(several), means, yerr=bars, capsize=3, markersize=5, label=label, **style(number))
    for place, values in (seeds or {}).items():
        if 1 < len(values) <= DOTS and place in several:
            dots(ax, [place] * len(values), 100 * values, number)


def basis(several: Mapping[Any, Crossed]) -> str:
    """What such levels rest on: "3 seeds × 4,000 test images"."""
    one = next(iter(several.values()))
    return f"{plural(one.seeds, 'redraw' if one.redrawn else 'seed')} × {one.images:,} test images"


def doubling(ax: Axes, places: list[int], **options: Any) -> None:
    """A logarithmic axis below, with a tick at each of these numbers of images."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(places, [f"{n:,}" for n in places], **options)
    ax.minorticks_off()


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
    margin = _for_names(rows)
    figure, axes = new_figure(0.62 * count * width / height + margin, 0.62 * len(rows) + 0.2, len(rows), count)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            draw_image(ax, image / 255)
        name_row(line[0], label)
    return figure


def name_row(ax: Axes, label: str) -> None:
    """A row's name, to the left of its first image; a long one on several lines."""
    ax.set_ylabel(fill(label, NAME), rotation=0, ha="right", va="center", fontsize=10)


def _for_names(names: Iterable[str]) -> float:
    """Inches to the left of rows for their names."""
    return 0.095 * min(NAME, max(map(len, names))) + 0.3


def attention_rows(images: np.ndarray, maps: Mapping[str, np.ndarray]) -> Figure:
    """GradCAM maps over images, a row a classifier; images: uint8 N × C × H × W, maps: label → N × H × W in [0, 1].

    Lightness alone carries the map, so that it reads without colour.
    """
    count, _, height, width = images.shape
    margin = _for_names(maps)
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

    if (shell := get_ipython()) is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, as_png)


def as_png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """The picture with twice as many pixels as a page shows, and how wide a page shows it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=2 * DPI, bbox_inches="tight")
    written = file.getvalue()
    (width,) = struct.unpack(">I", written[16:20])  # as a PNG's first bytes say
    return written, {"width": round(width / 2)}
