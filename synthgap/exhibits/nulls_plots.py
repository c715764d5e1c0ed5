"""The figure of the gap's nulls. As in `plots`, nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ..stats.nulls import NullReport
from .answer_plots import BARS, _basis, _levels
from .plots import LINES, _figure

APART = 0.05  # in powers of two, so that what is trained on equally many images doesn't hide each other


def against_images(report: NullReport, closed: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None) -> Figure:
    """Level against the number of training images: real ones, synthetic ones, and both nulls at the same number.

    closed : label → (training images, level in [0, 1]) of what is known beforehand, drawn as thin black lines.
    """
    figure, axes = _figure(7.0, 4.2)
    ax = axes[0, 0]
    for number, (label, (images, level)) in enumerate((closed or {}).items()):
        style = LINES[number % len(LINES)]
        ax.plot(images, 100 * np.asarray(level), color="black", linewidth=0.8, linestyle=style, label=label)
    _levels(ax, report.curve, 0, "real images")
    several = {
        "synthetic images, m": report.synthetic,
        "real, m drawn with replacement": report.bootstrap,
        "real, N·m/(N + m) images, by the curve": report.subset,
    }
    for number, (label, levels) in enumerate(several.items(), start=1):
        if levels:
            beside = 2 ** (APART * (-1, 1, 2)[number - 1])  # the real ones are at 0
            _levels(ax, {k * report.train * beside: level for k, level in levels.items()}, number, label)
    places = sorted({*report.curve, *(g.drawn for g in report.gaps.values())})
    ax.set_xscale("log", base=2)
    ax.set_xticks(places, [f"{n:,}" for n in places], rotation=45, fontsize=8)
    ax.minorticks_off()
    ax.set_xlabel("training images: n real, or m in the place of N real ones")
    ax.set_ylabel(f"{report.measure} (%)")
    figure.legend(fontsize=7, loc="outside lower center", ncols=2)
    figure.suptitle(f"{report.name}, N = {report.train:,}: {_basis(report.curve)}; {BARS}", fontsize=8)
    return figure
