"""Section 4.2 as pictures: accuracy, output entropy and labels against the reverse step, and where features lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.errors import UserError
from ..base.words import escaped
from ..design.arms import CROSSFIT
from ..design.loading import Design
from ..design.values import FLOOR, GAN
from .base import exhibit, on_steps
from .classifiers import all_step_hits, entropy, table2
from .drawing import (
    NARROW,
    SMALL,
    changes,
    label_steps,
    one_panel,
    over_seeds,
    rival,
    saying,
    seeds_and_bars,
    series,
    step_panels,
    theirs,
    titled,
)
from .hits import Hits
from .introduction import Planes, feature_planes, projections, spread_on
from .text import moves, paper_table


@exhibit("fig-accuracy", [table2, all_step_hits], paper=["Table 2"])
def accuracy_curves(d: Design, rows: pd.DataFrame, known: Hits) -> Figure:
    """Table 2 as a picture: points from the first reverse step on, ours a line a data set, the paper's two in grey."""
    figure, ax = one_panel(NARROW, 3.4)
    first = int(rows.t_re.min())
    datasets = list(dict.fromkeys(rows.dataset))
    for number, name in enumerate(datasets):
        steps = [int(t) for t in sorted(rows[rows.dataset == name].t_re.unique())]
        found = {t: known.change((name, t), (name, first)) for t in steps}
        by_seed = {t: known.by_seed((name, t), (name, first)) for t in steps}
        changes(ax, found, by_seed, number, name, 1.2 * (number - (len(datasets) - 1) / 2))
    for marker, (name, column) in zip("x+", paper_table("table2").items(), strict=True):
        theirs(ax, {t: mean - column[first][0] for t, (mean, _) in column.items()}, f"the paper: {name}", marker)
    ax.axhline(0, color="black", linewidth=1)
    ax.set_ylabel(f"test accuracy: points from t_re = {first}")
    label_steps(ax)
    ax.legend(fontsize=SMALL)
    fewer = known.fewer({name: (name, first) for name in datasets})
    figure.suptitle(f"{seeds_and_bars(len(d.seeds))}, over test images too{fewer}", fontsize=SMALL)
    means = 100 * rows[rows.dataset == datasets[0]].groupby("t_re").accuracy.mean()
    where = f"from reverse step {means.index[0]} to {means.index[-1]} ({escaped(datasets[0])})"
    return saying(figure, f"Accuracy {moves(means.iloc[0], means.iloc[-1], 1, '%')} {where}.")


@exhibit("fig-8", [entropy], paper=["Figure 8"])
def entropy_curves(d: Design, rows: pd.DataFrame) -> Figure:
    """Output entropy against t_re, a panel a protocol, a line for train and one for test images."""
    protocols = list(dict.fromkeys(rows.protocol))
    figure, axes = step_panels(len(protocols), bool((rows.t_re == GAN).any()))
    largest = np.log(d.main.data["train"].classes)
    for (ax, beside), protocol in zip(axes, protocols, strict=True):
        mine = rows[rows.protocol == protocol]
        for number, (split, label) in enumerate((("train", "Train Samples"), ("test", "Test Samples"))):
            chosen = on_steps(mine[mine.split == split])
            series(ax, chosen, "t_re", "entropy", number, f"{label} (n = {chosen.n.iloc[0]})")
        ax.set_ylim(bottom=0)
        ax.set_ylabel(f"output entropy\n(nats, at most {largest:.2f})")
        titled(ax, protocol)
        ax.legend(fontsize=SMALL)
        rival(beside, ax, mine, {"entropy": 0})
    label_steps(axes[-1, 0])
    figure.suptitle(f"{d.main.name}: {over_seeds(rows)}", fontsize=SMALL)
    tested = on_steps(rows[(rows.split == "test") & (rows.protocol == protocols[-1])])
    means = tested.groupby("t_re").entropy.mean()
    lowest = means.idxmin()
    turn = f", with its lowest mean, {means[lowest]:.2f}, at step {lowest}" if 0 < lowest < means.index[-1] else ""
    where = f"from reverse step {means.index[0]} to {means.index[-1]}{turn} (test images, {protocols[-1]})"
    return saying(figure, f"The mean output entropy {moves(means.iloc[0], means.iloc[-1], 2, ' nats')} {where}.")


@exhibit("fig-agreement", [entropy], apart="the paper does not ask whether labels still fit")
def agreement_curves(d: Design, rows: pd.DataFrame) -> Figure:
    """Share of images that a classifier gives their label, against t_re; a line a protocol and split."""
    figure, ((ax, beside),) = step_panels(1, bool((rows.t_re == GAN).any()), 3.4)
    rows = rows.assign(percent=100 * rows.agreement)
    groups = dict(iter(rows.groupby(["protocol", "split"], sort=False)))
    for number, ((protocol, split), mine) in enumerate(groups.items()):
        series(ax, on_steps(mine), "t_re", "percent", number, f"{protocol}, {split}")
    ax.set_ylim(top=min(100, ax.get_ylim()[1]))
    ax.set_ylabel("images given their own label (%)")
    figure.legend(fontsize=SMALL - 1, loc="outside lower center", ncols=2)
    fitted = groups[CROSSFIT, "train"]
    rival(beside, ax, fitted, {"percent": list(groups).index((CROSSFIT, "train"))})
    label_steps(ax)
    figure.suptitle(f"{d.main.name}: {over_seeds(rows)}", fontsize=SMALL)
    means = on_steps(fitted).groupby("t_re").percent.mean()
    where = f"from reverse step {means.index[0]} to {means.index[-1]} ({CROSSFIT}, training images)"
    return saying(
        figure, f"The share of images given their own label {moves(means.iloc[0], means.iloc[-1], 1, '%')} {where}."
    )


@exhibit("fig-9", [projections], paper=["Figure 9"])
def one_class(d: Design, planes: Planes, label: int | None = None) -> Figure:
    """Features of one class at three reverse steps; by default of the last class (the paper's are trucks).

    Raises UserError for a label that no class has.
    """
    count = len(planes.classes)
    if label is not None and not 0 <= label < count:
        raise UserError(f"label is {label}; this data set has classes 0 to {count - 1}")
    label = count - 1 if label is None else label
    steps = tuple(t for t in planes.points if t != FLOOR)
    figure = feature_planes(planes, steps, f"{d.main.name}, class {planes.classes[label]}", label)
    real = spread_on(planes, 0, label)
    if real == 0:  # a few images that all lie on one point
        return figure
    ratios = {t: spread_on(planes, t, label) / real for t in planes.points if t > 0}
    told = " and ".join(f"{ratio:.1f} times (step {t})" for t, ratio in ratios.items())
    return saying(figure, f"Images of this class lie {told} as far from their middle as the real training images.")
