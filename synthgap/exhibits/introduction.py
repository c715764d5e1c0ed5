"""Section 1: the gap between real and synthetic images, and where their features lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..design.loading import Design
from ..design.values import GAN, GAN_ONLY, INSTEAD, REAL, REAL_ONLY, SYNTHETIC_ONLY
from ..diffusion.schedule import REVERSE_STEPS
from ..metrics.projection import Projection
from ..stats.intervals import PERCENT, estimate_mean
from .base import ACCURACY, WHOLE, Cells, Values, exhibit, measured, result, sentences
from .drawing import COLOURS, INTERVAL, MARKERS, new_figure, one_panel
from .hits import Hits, arm_difference, hits
from .text import arm_percent, difference_sentence, myst_table

ALONE = {REAL_ONLY: "real", SYNTHETIC_ONLY: "synthetic", GAN_ONLY: INSTEAD[GAN]}  # no augmentation and no controls
HATCHES = ("", "//", "xx", "..", "\\\\")  # of neighbouring bars
PROJECTED = (0, 50, REVERSE_STEPS)  # reverse steps of Figure 9


def data_cells(d: Design) -> Cells:
    """(data set, part) → its images."""
    return {(arms.name, part): arms.data[part] for arms in d.columns for part in ("train", "validation", "test")}


@result("data", data_cells, no_rows=WHOLE)
def data(d: Design, values: Values) -> pd.DataFrame:
    """One row a data set: images a split, shape, classes, how it was split, the hash of its members."""
    rows = []
    for arms, record in zip(d.columns, d.records, strict=True):
        train = arms.data["train"]
        channels, height, width = train.shape
        rows.append(
            {
                "data set": arms.name,
                **record["sizes"],
                "pixels": f"{width}×{height}" + (" grey" if channels == 1 else " colour"),
                "classes": train.classes,
                "split": "; ".join([record["policy"], *record["notes"]]),
                "members (SHA-256)": record["members_sha256"][:12],
            }
        )
    return pd.DataFrame(rows)


def alone_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → the cells of Table 3 without augmentation and controls."""
    return d.main.tested([cell for cell in d.main.listed() if cell[0] in ALONE])


# columns arm, multiple (0: real images), seed, accuracy (in [0, 1]), n (test images)
accuracies = result("figure1", alone_cells)(measured(("arm", "multiple", "seed"), ACCURACY))
alone_hits = hits("figure1", alone_cells, no_rows="they are in those of table3")


@dataclass(frozen=True)
class Planes:
    """Features on the plane of the real images' two principal components, under the first seed's real classifier.

    points : reverse step (or GAN) → N × 2; labels : the same → N. explained : share of variance of either component.
    classes : names of the classes.
    """

    points: dict[int, np.ndarray]
    labels: dict[int, np.ndarray]
    explained: tuple[float, float]
    classes: tuple[str, ...]

    @property
    def rows(self) -> pd.DataFrame:
        """Columns t_re, label, x, y (first and second component)."""
        return pd.DataFrame(
            [
                {"t_re": t, "label": int(label), "x": float(x), "y": float(y)}
                for t, several in self.points.items()
                for label, (x, y) in zip(self.labels[t], several, strict=True)
            ]
        )


def feature_cells(d: Design) -> Cells:
    """(t_re,) → features of the training set at t_re; ("classes",) → the training set itself."""
    seed, steps = d.seeds[0], (*PROJECTED, *d.main.rivals)
    seen = {(t,): d.main.seen_by_real(seed, d.main.samples(seed, t)) for t in steps}
    return {**seen, ("classes",): d.main.data["train"]}


@result("projections", feature_cells, rows=lambda planes: planes.rows)
def projections(d: Design, values: Values) -> Planes:
    """The points of Figures 2 and 9, all classes."""
    seen = {t: values[t,] for t in (*PROJECTED, *d.main.rivals)}
    plane = Projection.fit(seen[0].features)
    points = {t: plane.project(v.features) for t, v in seen.items()}
    return Planes(points, {t: v.labels for t, v in seen.items()}, plane.explained, values["classes",].classes)


# what the book shows


@exhibit("tab-data", [data], apart="the paper's sets are the published ones")
def data_table(d: Design, rows: pd.DataFrame) -> str:
    """The data sets, their splits and what identifies them."""
    return myst_table(rows, "Data sets, their splits and the hash of the splits' members", "tab-data")


@exhibit("fig-1", [accuracies], paper=["Figure 1", "Figure 3"])
def accuracy_bars(d: Design, rows: pd.DataFrame) -> Figure:
    """Test accuracy of real images alone and of synthetic ones alone, a bar a multiple, a dot a seed."""
    arms = [arm for arm in ALONE if (rows.arm == arm).any()]
    order = [(arm, k) for arm in arms for k in sorted(rows[rows.arm == arm].multiple.unique())]
    figure, ax = one_panel(max(5.2, 0.6 + 0.95 * len(order)), 3.6)
    ends: list[float] = []
    for place, (arm, k) in enumerate(order):
        values = arm_percent(d, rows, (arm, k))
        e = estimate_mean(values, span=PERCENT)
        style = {"color": COLOURS[arms.index(arm)], "hatch": HATCHES[place % len(HATCHES)]}
        ax.bar(place, e.mean, alpha=0.6, width=0.6, **style)
        ax.errorbar(place, e.mean, yerr=np.transpose([e.reach]), color="black", capsize=4)
        below, above = e.reach
        ends += [*values, e.mean - below, e.mean + above]
        beside = place + 0.18 + 0.04 * (np.arange(len(values)) - (len(values) - 1) / 2)  # equal ones stay apart
        ax.scatter(beside, values, color="black", s=12, zorder=3)
    lowest, highest = min(ends), max(ends)
    ax.set_ylim(max(0.0, lowest - 0.35 * max(100 - lowest, 0) - 1), highest + 0.8)
    labels = [f"{ALONE[arm]}\n×{k:g}" if k else ALONE[arm] for arm, k in order]
    ax.set_xticks(range(len(order)), labels)
    ax.set_ylabel("top-1 test accuracy (%)")
    ax.set_title(f"{d.main.name}: {rows.seed.nunique()} seeds (dots); {INTERVAL}", fontsize=8)
    return figure


@sentences("gap", [alone_hits])
def gaps(d: Design, known: Hits) -> list[str]:
    """Real images against synthetic ones, a sentence a multiple."""
    several = d.main.preset.replication
    losses = {k: arm_difference(d, known, REAL, (SYNTHETIC_ONLY, k)) for k in several}
    return [difference_sentence("real", f"synthetic ×{k}", loss) for k, loss in losses.items()]


@exhibit("fig-2", [projections], paper=["Figure 2", "Figure 3"])
def all_classes(d: Design, planes: Planes) -> Figure:
    """Features of all classes: real images against fully synthetic ones."""
    return feature_planes(planes, (0, REVERSE_STEPS), f"{d.main.name}, all classes")


def feature_planes(planes: Planes, steps: tuple[int, ...], title: str, label: int | None = None) -> Figure:
    """One panel a synthetic set, its points over the real ones (step 0, which `steps` holds, too).

    label : the class whose points are shown; None: all of them.
    """
    points = {t: p if label is None else p[planes.labels[t] == label] for t, p in planes.points.items() if t in steps}
    others = [t for t in points if t != 0]
    figure, axes = new_figure(4.2 * len(others), 3.8, 1, len(others), sharex=True, sharey=True)
    for number, (ax, t) in enumerate(zip(axes[0], others, strict=True), start=1):
        step = f"t_re = {t}" + (" (fully synthetic)" if t == REVERSE_STEPS else "")
        for several, index, name in ((points[0], 0, "real (t_re = 0)"), (points[t], number, INSTEAD.get(t, step))):
            face = COLOURS[index] if index else "none"
            style = {"marker": MARKERS[index], "facecolors": face, "edgecolors": COLOURS[index], "label": name}
            ax.scatter(*several.T, s=14, linewidths=0.6, alpha=0.7, **style)
        ax.set_xlabel(f"first component ({planes.explained[0]:.0%} of variance)")
        ax.legend(fontsize=8, loc="best")
    axes[0, 0].set_ylabel(f"second component ({planes.explained[1]:.0%})")
    figure.suptitle(f"{title}: PCA of block4 features, fitted on the real set", fontsize=9)
    return figure
