"""Section 1: the gap between real and synthetic images, and where their features lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..design.loading import Design
from ..design.values import FLOOR, GAN, GAN_ONLY, INSTEAD, REAL, REAL_ONLY, SYNTHETIC_ONLY, ArmCell
from ..diffusion.schedule import REVERSE_STEPS
from ..metrics.projection import Projection
from ..stats.intervals import PERCENT, estimate_mean
from .base import ACCURACY, WHOLE, Cells, Values, exhibit, measured, result, sentences
from .drawing import (
    COLOURS,
    MARKERS,
    NARROW,
    SMALL,
    dots,
    half_contour,
    new_figure,
    over_seeds,
    room,
    saying,
    style,
)
from .hits import Hits, arm_difference, hits
from .text import arm_percent, difference_sentence, myst_table

ALONE = {REAL_ONLY: "real", SYNTHETIC_ONLY: "synthetic", GAN_ONLY: INSTEAD[GAN]}  # no augmentation and no controls
FEW_CLASSES = 12  # so many or fewer have contours and numbers on a map
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
    """(t_re,) → features of the training set at t_re (FLOOR: of test images); ("classes",) → that set itself."""
    seed, steps = d.seeds[0], (*PROJECTED, *d.main.rivals)
    seen = {(t,): d.main.seen_by_real(seed, d.main.samples(seed, t)) for t in steps}
    return {**seen, (FLOOR,): d.main.seen_by_real(seed, d.main.data["floor"]), ("classes",): d.main.data["train"]}


@result("projections", feature_cells, rows=lambda planes: planes.rows)
def projections(d: Design, values: Values) -> Planes:
    """The points of Figures 2 and 9, all classes."""
    seen = {t: values[t,] for t in (*PROJECTED, FLOOR, *d.main.rivals)}
    plane = Projection.fit(seen[0].features)
    points = {t: plane.project(v.features) for t, v in seen.items()}
    return Planes(points, {t: v.labels for t, v in seen.items()}, plane.explained, values["classes",].classes)


# what the book shows


@exhibit("tab-data", [data], apart="the paper's sets are the published ones")
def data_table(d: Design, rows: pd.DataFrame) -> str:
    """The data sets, their splits and what identifies them."""
    return myst_table(rows, "Data sets, their splits and the hash of the splits' members", "tab-data")


@exhibit("fig-1", [accuracies], paper=["Figure 1", "Figure 3"])
def accuracy_dots(d: Design, rows: pd.DataFrame) -> Figure:
    """Test accuracy of real images alone and of synthetic ones alone, mean and interval a multiple, a dot a seed.

    The GAN's stand in a panel beside, with a scale of their own, so that they don't set that of the others.
    """
    arms = [arm for arm in ALONE if (rows.arm == arm).any()]
    cells = [(arm, k) for arm in arms for k in sorted(rows[rows.arm == arm].multiple.unique())]
    groups = [[cell for cell in cells if (cell[0] == GAN_ONLY) == of_gan] for of_gan in (False, True)]
    groups = [group for group in groups if group]
    figure, axes = new_figure(NARROW, 3.2, 1, len(groups), width_ratios=[len(g) + 0.5 for g in groups])
    for ax, group in zip(axes[0], groups, strict=True):
        ends = [end for place, cell in enumerate(group) for end in _level(ax, place, arm_percent(d, rows, cell), cell)]
        low, high = room(ends)
        ax.set_ylim(max(low, 0), min(high, 100))
        ax.set_xlim(-0.6, len(group) - 0.4)
        ax.set_xticks(range(len(group)), [f"{ALONE[arm]}\n×{k:g}" if k else ALONE[arm] for arm, k in group])
    axes[0, 0].set_ylabel("top-1 test accuracy (%)")
    figure.suptitle(f"{d.main.name}: {over_seeds(rows)}", fontsize=SMALL)
    return figure


def _level(ax: Axes, place: int, values: np.ndarray, cell: ArmCell) -> list[float]:
    """Draw one set's mean, interval and seeds, in percent; a GAN's interval is left to its table. Returns the values
    that the scale has to hold."""
    arm, e = list(ALONE).index(cell[0]), estimate_mean(values, span=PERCENT)
    below, above = (0.0, 0.0) if cell[0] == GAN_ONLY else e.reach
    marks = style(arm) | {"linestyle": "none"}
    ax.errorbar(
        place,
        e.mean,
        yerr=[[below], [above]],
        capsize=4 * (cell[0] != GAN_ONLY),
        markersize=7,
        clip_on=False,
        zorder=4,
        **marks,
    )
    if len(values) > 1:
        dots(ax, [place] * len(values), values, arm)
    return [*values, e.mean - below, e.mean + above]


@sentences("gap", [alone_hits])
def gaps(d: Design, known: Hits) -> list[str]:
    """Real images against synthetic ones, a sentence a multiple."""
    several = d.main.preset.replication
    losses = {k: arm_difference(d, known, REAL, (SYNTHETIC_ONLY, k)) for k in several}
    return [difference_sentence("real", f"synthetic ×{k}", loss) for k, loss in losses.items()]


@exhibit("fig-2", [projections], paper=["Figure 2", "Figure 3"])
def all_classes(d: Design, planes: Planes) -> Figure:
    """Features of all classes: real images, and fully synthetic ones beside them."""
    figure = feature_planes(planes, (0, FLOOR, REVERSE_STEPS), f"{d.main.name}, all classes")
    real = spread_on(planes, 0)
    if real == 0:  # a few images that all lie on one point
        return figure
    synthetic, others = (spread_on(planes, t) / real for t in (REVERSE_STEPS, FLOOR))
    return saying(
        figure,
        f"On this map synthetic images lie {synthetic:.1f} times as far from the middle of their class as the real "
        f"images that the classifier was trained on, real images that it has not seen {others:.1f} times as far.",
    )


def feature_planes(planes: Planes, steps: tuple[int, ...], title: str, label: int | None = None) -> Figure:
    """One panel a set, real images (step 0, which `steps` holds, too) first, all on one scale: points, and for each
    class a contour around the densest half of them.

    label : the class whose points are shown, with the contour of the real ones in each panel; None: all classes, each
        with its number, where they are few.
    """
    points = {t: p if label is None else p[planes.labels[t] == label] for t, p in planes.points.items() if t in steps}
    lines = (len(points) + 1) // 2
    figure, axes = new_figure(NARROW, 2.5 * lines + 0.4, lines, 2, sharex=True, sharey=True)
    ends = np.array([room(np.concatenate([p[:, axis] for t, p in points.items() if t != GAN])) for axis in (0, 1)])
    for number, (ax, (t, several)) in enumerate(zip(axes.flat, points.items(), strict=False)):
        if label is None:
            _classes(ax, several, planes.labels[t], named=len(planes.classes) <= FEW_CLASSES)
        else:
            _cloud(ax, several, number)
            half_contour(ax, points[0], "black")
        outside = int(((several < ends[:, 0]) | (several > ends[:, 1])).any(axis=1).sum())
        step = f"t_re = {t}" + ({0: ", real", REVERSE_STEPS: ", synthetic"}.get(t, ""))
        ax.set_title(INSTEAD.get(t, step) + (f" ({outside} lie outside)" if outside else ""), fontsize=SMALL)
    axes[0, 0].set(xlim=ends[0], ylim=ends[1])
    for ax in axes.flat[len(points) :]:
        ax.set_axis_off()
    figure.supxlabel(f"first component ({planes.explained[0]:.0%} of variance)", fontsize=SMALL)
    figure.supylabel(f"second component ({planes.explained[1]:.0%})", fontsize=SMALL)
    figure.suptitle(f"{title}: PCA of block4 features, fitted on the real set", fontsize=SMALL)
    return figure


def _classes(ax: Axes, points: np.ndarray, labels: np.ndarray, named: bool) -> None:
    """Each class in a colour and a marker of its own, its number at the median."""
    for label in np.unique(labels):
        mine = points[labels == label]
        _cloud(ax, mine, int(label))
        if named:
            half_contour(ax, mine, COLOURS[label % len(COLOURS)])
            at = {"ha": "center", "va": "center", "fontsize": SMALL, "weight": "bold"}
            ax.text(*np.median(mine, axis=0), str(label), **at)


def _cloud(ax: Axes, points: np.ndarray, number: int) -> None:
    marks = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    ax.scatter(*points.T, s=8, linewidths=0, alpha=0.6, **marks)


def spread_on(planes: Planes, t: int, label: int | None = None) -> float:
    """Mean distance of a set's points from the median of their class, on the map."""
    points, labels = planes.points[t], planes.labels[t]
    wanted = np.unique(labels) if label is None else [label]
    groups = [points[labels == one] for one in wanted]
    return float(np.mean([np.linalg.norm(g - np.median(g, axis=0), axis=1).mean() for g in groups if len(g)]))
