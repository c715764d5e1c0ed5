"""Figures from tables and arrays. Series differ in colour, marker and line style, so that none is needed alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..design.arms import CROSSFIT, FLOOR, GAN, INSTEAD
from ..stats.crossed import Crossed
from ..stats.intervals import PERCENT, Estimate, estimate_mean, range_of

COLOURS = sns.color_palette("colorblind")
MARKERS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
RIVAL_PLACE = 106  # of a GAN's samples on the axis of reverse steps
INTERVAL = "bars: 95% interval over seeds (Student's t)"


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, np.ndarray]:
    """An unregistered figure (nothing is shown twice in a notebook) with a plain style."""
    with sns.axes_style("whitegrid"):
        figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _series(axes: Axes, rows: pd.DataFrame, x: str, y: str, number: int, label: str) -> None:
    """Mean over seeds with its interval, and each seed as a faint point."""
    style = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": LINES[number]}
    groups = [(value, estimate_mean(g[y].to_numpy(), span=range_of(y))) for value, g in rows.groupby(x)]
    xs = [value for value, _ in groups]
    bars = np.transpose([e.reach for _, e in groups])
    axes.errorbar(xs, [e.mean for _, e in groups], yerr=bars, label=label, capsize=3, **style)
    axes.scatter(rows[x], rows[y], color=COLOURS[number], marker=MARKERS[number], s=12, alpha=0.35, linewidths=0)


def _band(ax: Axes, level: Estimate | Crossed, colour: object = "black") -> None:
    """The interval of a level as a band over the whole width."""
    below, above = level.reach
    ax.axhspan(level.mean - below, level.mean + above, color=colour, alpha=0.08, linewidth=0)


def _rival(ax: Axes, rows: pd.DataFrame, column: str, number: int, label: str) -> None:
    """The GAN's samples, where `rows` has them, to the right of reverse step 100."""
    mine = rows[rows.t_re == GAN]
    if len(mine):
        _series(ax, mine.assign(t_re=RIVAL_PLACE), "t_re", column, number, label)


def real_against_synthetic(rows: pd.DataFrame, name: str) -> Figure:
    """Accuracy of real only and of synthetic only at each multiple (columns arm, multiple, seed, accuracy)."""
    names = {"real only": "real", "synthetic only": "synthetic"}  # another arm of synthetic images: as it is called
    arms = [a for a in (*names, *dict.fromkeys(rows.arm)) if (rows.arm == a).any()]
    order = [(arm, m) for arm in dict.fromkeys(arms) for m in sorted(rows[rows.arm == arm].multiple.unique())]
    figure, axes = _figure(max(5.2, 0.6 + 0.95 * len(order)), 3.6)
    ax = axes[0, 0]
    labels, ends, hatches = [], [], ("", "//", "xx", "..", "\\\\")
    seeds = rows.seed.nunique()
    for place, (arm, multiple) in enumerate(order):
        values = 100 * rows[(rows.arm == arm) & (rows.multiple == multiple)].accuracy.to_numpy()
        e = estimate_mean(values, span=PERCENT)
        ax.bar(
            place,
            e.mean,
            color=COLOURS[arms.index(arm)],
            alpha=0.6,
            width=0.6,
            hatch=hatches[place % 5],
        )
        ax.errorbar(place, e.mean, yerr=np.transpose([e.reach]), color="black", capsize=4)
        ends += [*values, *((e.low, e.high) if np.isfinite(e.half_width) else ())]
        beside = place + 0.18 + 0.04 * (np.arange(len(values)) - (len(values) - 1) / 2)  # equal ones stay apart
        ax.scatter(beside, values, color="black", s=12, zorder=3)
        called = names.get(arm, arm.removesuffix(" only"))
        labels.append(f"{called}\n×{multiple}" if multiple else called)
    lowest, highest = min(ends), max(ends)
    ax.set_ylim(max(0.0, lowest - 0.35 * max(100 - lowest, 0) - 1), highest + 0.8)
    ax.set_xticks(range(len(labels)), labels)
    ax.set_ylabel("top-1 test accuracy (%)")
    ax.set_title(f"{name}: {seeds} seeds (dots); {INTERVAL}", fontsize=8)
    return figure


def accuracy_by_multiple(rows: pd.DataFrame, panels: Mapping[str, Mapping[str, str]], name: str) -> Figure:
    """Accuracy against the multiple of synthetic images, a panel a group of arms, real images alone as a band.

    rows: columns arm, multiple (0: real only), seed, accuracy; panels: title → {arm: label}, of arms with rows.
    """
    real = estimate_mean(100 * rows[rows.arm == "real only"].accuracy.to_numpy(), span=PERCENT)
    figure, axes = _figure(7.0, 3.0 * len(panels), len(panels), 1, sharex=True)  # a GAN's interval may be huge
    for ax, (title, arms) in zip(axes[:, 0], panels.items(), strict=True):
        _band(ax, real)
        ax.axhline(real.mean, color="black", linewidth=1, label="real only")
        for number, (arm, label) in enumerate(arms.items()):
            mine = rows[rows.arm == arm]
            beside = 0.07 * (number - (len(arms) - 1) / 2)  # so that arms at one multiple don't hide each other
            placed = mine.assign(percent=100 * mine.accuracy, place=mine.multiple + beside)
            _series(ax, placed, "place", "percent", number, label)
        ax.set_title(title, fontsize=9)
        ax.set_xticks(sorted(set(rows.multiple) - {0}))
        ax.set_xlabel("synthetic images, as a multiple of the real ones", fontsize=8)
        ax.set_ylabel("top-1 test accuracy (%)", fontsize=8)
        ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(f"{name}: {rows.seed.nunique()} seeds; {INTERVAL}; band: that of real only", fontsize=9)
    return figure


def learning_curve(rows: pd.DataFrame, synthetic: Mapping[str, float], name: str) -> Figure:
    """Accuracy against the number of real images (log scale), with synthetic sets' mean accuracies as lines.

    rows: columns real_images, seed, accuracy; synthetic: label → accuracy in [0, 1].
    """
    figure, axes = _figure(5.6, 3.8)
    ax = axes[0, 0]
    _series(ax, rows.assign(percent=100 * rows.accuracy), "real_images", "percent", 0, "real images alone")
    for number, (label, accuracy) in enumerate(synthetic.items(), start=1):
        style = {"color": COLOURS[number % len(COLOURS)], "linestyle": LINES[number % len(LINES)]}
        ax.axhline(100 * accuracy, label=label, **style)
    counts = sorted(rows.real_images.unique())
    ax.set_xscale("log", base=2)
    ax.set_xticks(counts, [f"{c:,}" for c in counts])
    ax.minorticks_off()
    ax.set_xlabel("real training images")
    ax.set_ylabel("top-1 test accuracy (%)")
    ax.legend(fontsize=7)
    figure.suptitle(f"{name}: {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=9)
    return figure


def feature_planes(points: Mapping[int, np.ndarray], explained: tuple[float, float], title: str) -> Figure:
    """One panel a synthetic set, its points over the real ones; points: t_re → N × 2, with t_re = 0 the real set."""
    others = [t for t in points if t != 0]
    figure, axes = _figure(4.2 * len(others), 3.8, 1, len(others), sharex=True, sharey=True)
    for number, (ax, t) in enumerate(zip(axes[0], others, strict=True), start=1):
        for step, index, size in ((0, 0, 14), (t, number, 14)):
            label = INSTEAD.get(step, f"t_re = {step}" + (" (fully synthetic)" if step == 100 else ""))
            label = "real (t_re = 0)" if step == 0 else label
            face = "none" if step == 0 else COLOURS[index]
            ax.scatter(
                *points[step].T,
                s=size,
                marker=MARKERS[index],
                facecolors=face,
                edgecolors=COLOURS[index],
                linewidths=0.6,
                alpha=0.7,
                label=label,
            )
        ax.set_xlabel(f"first component ({explained[0]:.0%} of variance)")
        ax.legend(fontsize=8, loc="best")
    axes[0, 0].set_ylabel(f"second component ({explained[1]:.0%})")
    figure.suptitle(f"{title}: PCA of block4 features, fitted on the real set", fontsize=9)
    return figure


def reconstruction_strip(
    noisy: Mapping[int, np.ndarray], restored: Mapping[int, np.ndarray], sigmas: Mapping[int, float]
) -> Figure:
    """Above: an image with noise σ(t_re) added; below: the reverse process's answer. One column a t_re."""
    figure, axes = _figure(1.5 * len(noisy), 3.3, 2, len(noisy))
    for column, t in enumerate(noisy):
        shown = (noisy[t] - noisy[t].min()) / max(np.ptp(noisy[t]), 1e-9)
        _image(axes[0, column], shown)
        _image(axes[1, column], restored[t] / 255)
        axes[0, column].set_title(f"t_re = {t}\nσ = {sigmas[t]:.3g}", fontsize=8)
    axes[0, 0].set_ylabel("noisy", fontsize=8)
    axes[1, 0].set_ylabel("reconstructed", fontsize=8)
    return figure


def image_rows(rows: Mapping[str, np.ndarray]) -> Figure:
    """Images in rows with a label each; rows: label → uint8 N × C × H × W, all of one shape."""
    count, _, height, width = next(iter(rows.values())).shape
    margin = 0.075 * max(map(len, rows)) + 0.3  # inches for the labels
    figure, axes = _figure(0.62 * count * width / height + margin, 0.62 * len(rows) + 0.2, len(rows), count)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            _image(ax, image / 255)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    return figure


def fidelity_curves(rows: pd.DataFrame, name: str) -> Figure:
    """Fréchet distance, and precision with recall, against t_re; a row of panels for each protocol.

    Dotted: other real images in the place of the fake ones (FLOOR), where the protocol has them. A GAN's samples (GAN)
    stand to the right of the steps.
    """
    protocols = list(dict.fromkeys(rows[rows.t_re >= 0].protocol))
    if not protocols:
        return nothing("too few images, or too many that are alike")
    figure, axes = _figure(8.4, 3.2 * len(protocols), len(protocols), 2, sharex=True)
    for (left, right), protocol in zip(axes, protocols, strict=True):
        mine = rows[rows.protocol == protocol]
        curve, floor = mine[mine.t_re >= 0], mine[mine.t_re == FLOOR]
        _series(left, curve, "t_re", "frechet", 0, f"n = {curve.n_real.iloc[0]}, {curve.n_fake.iloc[0]}")
        _series(right, curve, "t_re", "precision", 1, "precision")
        _series(right, curve, "t_re", "recall", 2, "recall")
        if len(floor):
            sizes = f"other real images, n = {floor.n_fake.iloc[0]}"
            left.axhline(floor.frechet.mean(), color="black", linestyle=":", label=sizes)
            right.axhline(floor.precision.mean(), color=COLOURS[1], linestyle=":", label="precision, other real")
            right.axhline(floor.recall.mean(), color=COLOURS[2], linestyle=":", label="recall, other real")
        _rival(left, mine, "frechet", 3, INSTEAD[GAN])
        _rival(right, mine, "precision", 3, f"precision, {INSTEAD[GAN]}")
        _rival(right, mine, "recall", 4, f"recall, {INSTEAD[GAN]}")
        left.set(ylabel="Fréchet distance (FD-classifier)", title=protocol)
        left.set_ylim(bottom=0)
        right.set(ylabel="precision, recall (k = 3)", title=protocol, ylim=(-0.02, 1.02))
        for ax in (left, right):
            ax.legend(fontsize=7)
    _label_steps(axes)
    figure.suptitle(f"{name}: {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=9)
    return figure


def entropy_curves(rows: pd.DataFrame, name: str, largest: float) -> Figure:
    """Output entropy against t_re, a panel a protocol, a line for train and one for test images; `largest` = ln C."""
    protocols = list(dict.fromkeys(rows.protocol))
    figure, axes = _figure(8.4, 3.4, 1, len(protocols), sharey=True)
    for ax, protocol in zip(axes[0], protocols, strict=True):
        for number, (split, label) in enumerate((("train", "Train Samples"), ("test", "Test Samples"))):
            mine = rows[(rows.split == split) & (rows.protocol == protocol)]
            chosen = mine[mine.t_re >= 0]
            _series(ax, chosen, "t_re", "entropy", number, f"{label} (n = {chosen.n.iloc[0]})")
            _rival(ax, mine, "entropy", 3, INSTEAD[GAN])
        ax.set_title(protocol)
        ax.legend(fontsize=8)
    axes[0, 0].set_ylim(bottom=0)
    axes[0, 0].set_ylabel(f"output entropy (nats, at most {largest:.2f})")
    _label_steps(axes)
    figure.suptitle(f"{name}, {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=9)
    return figure


def agreement_curves(rows: pd.DataFrame, name: str) -> Figure:
    """Share of images that a classifier gives their label, against t_re; a line a protocol and split."""
    figure, axes = _figure(5.6, 3.6)
    ax = axes[0, 0]
    for number, ((protocol, split), chosen) in enumerate(rows.groupby(["protocol", "split"], sort=False)):
        mine = chosen.assign(percent=100 * chosen.agreement)
        _series(ax, mine[mine.t_re >= 0], "t_re", "percent", number, f"{protocol}, {split}")
        if protocol == CROSSFIT:
            _rival(ax, mine, "percent", 4, f"{protocol}, {INSTEAD[GAN]}")
    ax.set_ylabel("images given their own label (%)")
    ax.legend(fontsize=7)
    _label_steps(axes)
    figure.suptitle(f"{name}, {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=8)
    return figure


def likelihood_curves(rows: pd.DataFrame, name: str) -> Figure:
    """Log-likelihood against t_re, a panel a noise level, a line for train and one for test images."""
    levels = list(dict.fromkeys(rows.sigma))
    figure, axes = _figure(4.2 * len(levels), 3.5, 1, len(levels))
    for ax, sigma in zip(axes[0], levels, strict=True):
        for number, split in enumerate(("train", "test")):
            chosen = rows[(rows.split == split) & (rows.sigma == sigma)]
            _series(ax, chosen, "t_re", "bits_per_dim", number, f"made from {split} (n = {chosen.n.iloc[0]})")
        ax.set_title(f"σ = {sigma:g}", fontsize=9)
        ax.set_ylabel("−log₂ p per pixel (bits; lower is likelier)")
        ax.legend(fontsize=8)
    _label_steps(axes)
    figure.suptitle(f"{name}, {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=9)
    return figure


def memorization_curves(rows: pd.DataFrame, name: str) -> Figure:
    """Share of authentic images, and distance to train over distance to other real images, against t_re."""
    figure, axes = _figure(8.4, 3.3, 1, 2)
    for number, (ax, column, label, fair) in enumerate(
        (
            (axes[0, 0], "authentic", "authentic images (share)", None),
            (axes[0, 1], "ratio", "distance to train / to other real images", 1.0),
        )
    ):
        _series(ax, rows[rows.t_re >= 0], "t_re", column, number, "reconstructed")
        _rival(ax, rows, column, 3, INSTEAD[GAN])
        if fair is not None:
            ax.axhline(fair, color="black", linestyle=":", label="no nearer to train")
        ax.set_ylabel(label)
        ax.set_ylim(bottom=0)
        ax.legend(fontsize=8)
    _label_steps(axes)
    figure.suptitle(f"{name}, {rows.n_fake.iloc[0]} images, {rows.seed.nunique()} seeds; {INTERVAL}", fontsize=9)
    return figure


def attention_rows(images: np.ndarray, maps: Mapping[str, np.ndarray]) -> Figure:
    """GradCAM maps over images, a row a classifier; images: uint8 N × C × H × W, maps: label → N × H × W in [0, 1].

    Lightness alone carries the map, so that it reads without colour.
    """
    count, _, height, width = images.shape
    margin = 0.075 * max(map(len, maps)) + 0.3
    lines = len(maps) + 1
    figure, axes = _figure(0.75 * count * width / height + margin, 0.75 * lines + 0.2, lines, count)
    _draw_maps(axes, images, maps)
    return figure


def _draw_maps(axes: np.ndarray, images: np.ndarray, maps: Mapping[str, np.ndarray]) -> None:
    """The images in the first line of `axes`, and below them the maps over them, a labelled line a classifier."""
    for column, image in enumerate(images):
        _image(axes[0, column], image / 255)
        for line, several in enumerate(maps.values(), start=1):
            _image(axes[line, column], image / 255)
            axes[line, column].imshow(several[column], cmap="viridis", vmin=0, vmax=1, alpha=0.65)
    for line, label in enumerate(("image", *maps)):
        axes[line, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)


def _label_steps(axes: np.ndarray) -> None:
    for ax in axes[-1]:
        ax.set_xlabel("reverse step t_re")


def _image(ax: Axes, image: np.ndarray) -> None:
    """Draw C × H × W in [0, 1] without axes."""
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def nothing(text: str) -> Figure:
    """A figure that says why there is none."""
    figure, axes = _figure(3.0, 0.6)
    axes[0, 0].text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
    axes[0, 0].set_axis_off()
    return figure


def show_inline() -> None:
    """In a notebook: display Figure objects as PNG (they are made without pyplot, which would do this)."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if (shell := get_ipython()) is not None:
        select_figure_formats(shell, {"png"}, bbox_inches="tight")
