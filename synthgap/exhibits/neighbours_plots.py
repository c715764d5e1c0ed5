"""The figure of both directions. As in `plots`, nothing is told by colour alone."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ..design.arms import GAN, INSTEAD
from ..stats.intervals import PERCENT, estimate_mean
from .neighbours import TEST, TRAIN, BothWays
from .plots import INTERVAL, RIVAL_PLACE, _band, _figure, _series


def both_ways(found: BothWays) -> Figure:
    """Both directions against the reverse step, real-on-real as a band; the GAN's samples to the right of step 100."""
    drawing, axes = _figure(6.4, 3.8)
    ax = axes[0, 0]
    real = estimate_mean(found.real, span=PERCENT)
    _band(ax, real)
    ax.axhline(real.mean, color="black", linewidth=1, label="real-on-real")
    for number, (way, column) in enumerate(((TRAIN, "train"), (TEST, "test"))):
        rows = pd.concat([line.seeds.assign(t_re=line.t_re) for line in found.lines]).dropna(subset=[column])
        for gan, label in ((False, way), (True, f"{way}, {INSTEAD[GAN]}")):
            mine = rows[(rows.t_re == GAN) == gan]
            if len(mine):
                placed = mine.assign(t_re=RIVAL_PLACE) if gan else mine
                _series(ax, placed, "t_re", column, number + 2 * gan, label)
    ax.set_xlabel("reverse step t_re")
    ax.set_ylabel("accuracy (%)")
    ax.legend(fontsize=7)
    drawing.suptitle(f"{found.name}: {len(found.real)} seeds; {INTERVAL}; band: real-on-real", fontsize=8)
    return drawing
