"""The figure of the controls for the gap's causes. As in `plots`, nothing is told by colour alone."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..stats.intervals import PERCENT, estimate_mean
from .plots import INTERVAL, _band, _figure, _series


def controls(trimming: pd.DataFrame, checkpoints: pd.DataFrame, real: pd.DataFrame, name: str) -> Figure:
    """Left: accuracy of central and of random real images by their number; right: of synthetic ones by the training.

    trimming, checkpoints : of `Study.trimming` (may be empty) and `Study.checkpoints`; real : columns seed, accuracy.
    """
    figure, (axes,) = _figure(8.4, 3.7, 1, 2, sharey=True)
    left, right = axes
    if trimming.empty:
        left.text(0.5, 0.5, "not run", transform=left.transAxes, ha="center")
    else:
        for number, (column, label) in enumerate((("random", "random real images"), ("central", "the most central"))):
            rows = trimming.assign(percent=100 * trimming[column])
            _series(left, rows, "real_images", "percent", number, label)
        left.legend(fontsize=8)
    left.set_xlabel("real images that are left")
    left.set_ylabel("test accuracy (%)")
    _real_band(right, real)
    rows = checkpoints.assign(percent=100 * checkpoints.accuracy)
    _series(right, rows, "generator_images", "percent", 2, "synthetic images ×1")
    places = sorted(rows.generator_images.unique())
    right.set_xscale("log", base=2)
    right.set_xticks(places, [f"{n:,}" for n in places], fontsize=8)
    right.minorticks_off()
    right.set_xlabel("images the generator had seen, with repeats")
    right.legend(fontsize=8)
    figure.suptitle(f"{name}, {real.seed.nunique()} seeds; {INTERVAL}", fontsize=8)
    return figure


def _real_band(ax: Axes, real: pd.DataFrame) -> None:
    e = estimate_mean(100 * real.accuracy.to_numpy(), span=PERCENT)
    _band(ax, e)
    ax.axhline(e.mean, color="black", linewidth=1, label="real images, all")
