"""Section 5 as pictures: Tables 3 and 4, ours beside the paper's, and the learning curve of real images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from ..base.words import difference, escaped
from ..design.loading import Design
from ..design.values import (
    BOOTSTRAP,
    EPOCH_MATCHED,
    GIVEN,
    GIVEN_ONLY,
    MIX,
    NAIVE,
    REAL,
    REAL_ONLY,
    SECOND_BATCH,
    SYNTHETIC_ONLY,
    Arm,
    cell_title,
    parse_cell,
)
from .augmentation import all_arm_hits, learning_curve, table3, table3_hits, table4
from .base import exhibit
from .drawing import (
    MARKERS,
    NARROW,
    SMALL,
    across,
    changes,
    doubling,
    line,
    new_figure,
    one_panel,
    over_seeds,
    panels_in,
    saying,
    seeds_and_bars,
    series,
    stacked,
    theirs,
    titled,
)
from .hits import Hits, arm_difference
from .text import paper_table

PANELS = {  # of the figure of multiples: title → {arm: label}
    "in the place of real images": {
        SYNTHETIC_ONLY: "synthetic",
        EPOCH_MATCHED: "synthetic, ×k steps",
        BOOTSTRAP: "real, drawn with replacement",
        GIVEN_ONLY: "given",
    },
    "beside real images, fixed t_re": {
        NAIVE: "t_re = 100 (naïve)",
        "75": "t_re = 75",
        "50": "t_re = 50",
        "25": "t_re = 25",
        SECOND_BATCH: "0 (a second real batch)",
    },
    "beside real images, t_re drawn": {
        "75-100": "rand(75, 100)",
        MIX: "rand(50, 100)",
        "0-100": "rand(0, 100)",
        "0-50": "rand(0, 50)",
        GIVEN: "given",
    },
}


@exhibit("fig-multiples", [table3, table3_hits], paper=["Table 3"])
def changes_by_multiple(d: Design, rows: pd.DataFrame, known: Hits) -> Figure:
    """Points against real images alone by the multiple of synthetic images, a part a group of arms; ours to the left,
    the paper's Table 3 to the right. The GAN's, which would set the scale, stand in Figure 1 alone."""
    there = {title: {a: t for a, t in arms.items() if (rows.arm == a).any()} for title, arms in PANELS.items()}
    groups = {title: arms for title, arms in there.items() if arms}
    published_arms = paper_table("table3")
    real = published_arms[REAL_ONLY][0][0]
    figure, parts = stacked(len(groups), 2.9)
    for part, (title, arms) in zip(parts, groups.items(), strict=True):
        ((ours, paper),) = panels_in(part, 1, 2, width_ratios=[3, 2])
        for number, (arm, label) in enumerate(arms.items()):
            multiples = sorted(rows[rows.arm == arm].multiple.unique())
            found = {k: arm_difference(d, known, (Arm(arm), k), REAL) for k in multiples}
            by_seed = {k: 100 * known.minus((arm, k), REAL).mean(axis=1) for k in multiples}
            changes(ours, found, by_seed, number, label, 0.07 * (number - (len(arms) - 1) / 2))
            curve = {k: mean - real for k, (mean, _) in published_arms.get(arm, {}).items()}
            theirs(paper, curve, "", MARKERS[number % len(MARKERS)])
        for ax, name in ((ours, d.arms.name), (paper, "the paper: Aircraft")):
            ax.axhline(0, color="black", linewidth=1)
            ax.set_xticks(sorted(set(rows.multiple) - {0}) if ax is ours else [1, 3, 5])
            titled(ax, name)
        ours.set_ylabel("points against\nreal images alone")
        ours.set_xlabel("synthetic images, times the real ones")
        part.suptitle(title, fontsize=SMALL + 1, weight="bold")
        part.legend(*ours.get_legend_handles_labels(), fontsize=SMALL - 1, loc="outside lower center", ncols=2)
    return saying(figure, _most(d, rows, known))


def _most(d: Design, rows: pd.DataFrame, known: Hits) -> str:
    """What the most synthetic images change, in the place of the real ones and beside them."""
    told = []
    for arm, where in ((SYNTHETIC_ONLY, "in the place of the real images"), (NAIVE, "beside them, fully synthetic,")):
        multiples = rows[rows.arm == arm].multiple.unique()
        if len(multiples):
            change = difference(arm_difference(d, known, (arm, max(multiples)), REAL), 1)
            told.append(f"{max(multiples):g} times as many synthetic images {where} change accuracy by {change} points")
    return f"{'; '.join(told)} (95% intervals, each by itself)." if told else ""


@exhibit("fig-learning-curve", [learning_curve, table3], apart="the paper trains on no fewer real images")
def curve_of_real_images(d: Design, rows: pd.DataFrame, arms: pd.DataFrame) -> Figure:
    """Accuracy against the number of real images (log scale), with synthetic sets' mean accuracies as lines."""
    figure, ax = one_panel(NARROW, 3.6)
    series(ax, rows.assign(percent=100 * rows.accuracy), "real_images", "percent", 0, "real images alone")
    synthetic: Mapping[float, float] = arms[arms.arm == SYNTHETIC_ONLY].groupby("multiple").accuracy.mean()
    for number, (k, accuracy) in enumerate(synthetic.items(), start=1):
        line(ax, 100 * accuracy, number, f"synthetic ×{k:g}")
    doubling(ax, sorted(rows.real_images.unique()))
    ax.set_xlabel("real training images")
    ax.set_ylabel("top-1 test accuracy (%)")
    ax.legend(fontsize=SMALL)
    figure.suptitle(f"{d.arms.name}: {over_seeds(rows)}", fontsize=SMALL)
    means = 100 * rows.groupby("real_images").accuracy.mean()
    few, all_of_them = means.index[0], means.index[-1]
    return saying(
        figure,
        f"Accuracy rises from {means[few]:.1f}% with {few:,} real images to {means[all_of_them]:.1f}% with all "
        f"{all_of_them:,}."
        if means[all_of_them] > means[few]
        else "",
    )


@exhibit("fig-data-sets", [table4, all_arm_hits], paper=["Table 4"])
def data_sets_forest(d: Design, rows: pd.DataFrame, known: Hits) -> Figure:
    """Table 4's arms in points against real images alone: ours to the left, the paper's three sets to the right."""
    paper = {row: columns for row, columns in paper_table("table4").items() if row != REAL_ONLY}
    datasets = list(dict.fromkeys(rows.dataset))
    figure, ((ours, beside),) = new_figure(NARROW, 0.42 * len(paper) + 1.3, 1, 2, sharey=True, width_ratios=[3, 2])
    for number, name in enumerate(datasets):
        for place, row in enumerate(paper):
            cell = parse_cell(row)
            if (name, *cell) in known:
                e = arm_difference(d, known, cell, REAL, name)
                by_seed = known.by_seed((name, *cell), (name, *REAL))
                at = place + 0.25 * (number - (len(datasets) - 1) / 2)
                across(ours, at, e, by_seed, number, name if place == 0 else None)
    real = paper_table("table4")[REAL_ONLY]
    for name, marker in zip(real, MARKERS, strict=False):
        values = {columns[name][0] - real[name][0]: place for place, columns in enumerate(paper.values())}
        theirs(beside, values, f"the paper: {name}", marker, joined=False)
    for ax, title in ((ours, "here"), (beside, "the paper")):
        ax.axvline(0, color="black", linewidth=1)
        titled(ax, title)
    ours.set_yticks(range(len(paper)), [fill(cell_title(row), 15) for row in paper])
    ours.set_ylim(len(paper) - 0.5, -0.5)
    ours.set_xlabel("points against real images alone")
    figure.legend(fontsize=SMALL - 1, loc="outside lower center", ncols=3)
    fewer = known.fewer({name: (name, *REAL) for name in datasets})
    figure.suptitle(f"{seeds_and_bars(len(d.seeds))}, over test images too{fewer}", fontsize=SMALL)
    return saying(figure, _best(d, known, datasets, paper))


def _best(d: Design, known: Hits, datasets: list[str], rows: Iterable[str]) -> str:
    """Which of the arms gains most on each data set, on these test images."""
    told = []
    for name in datasets:
        gains = {
            row: arm_difference(d, known, parse_cell(row), REAL, name)
            for row in rows
            if (name, *parse_cell(row)) in known
        }
        if gains:
            best = max(gains, key=lambda row: gains[row].mean)
            told.append(f"on {escaped(name)} “{cell_title(best)}” ({difference(gains[best], 1)} points)")
    return f"The largest change against real images alone: {'; '.join(told)}." if told else ""
