"""Section 4.2, where classifiers look: GradCAM maps of test images, and how alike they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import capital, difference, plain
from ..data.splits import spread
from ..design.arms import Arms
from ..design.loading import Design
from ..design.values import INSTEAD
from ..graph.specs import Attend, Subset
from ..metrics.gradcam import cam_layer, cross_similarity
from ..stats.intervals import paired_difference, range_of
from .base import IMAGES, Cells, Values, by_seed, exhibit, on_steps, result
from .drawing import attention_rows, saying
from .text import mean_of, mean_told, myst_table

HARDLY = 0.5  # a correlation below which two maps share less than a quarter of their variance


def attention_cells(d: Design) -> Cells:
    """(t_re, seed) → GradCAM maps of test images under the classifier trained on the set at t_re."""
    arms, images = d.main, attended(d.main)
    return {
        (t, s): Attend(classifier=arms.classifier(s, t), images=images)
        for t in (*arms.preset.table2, *arms.rivals)
        for s in d.seeds
    }


def attended(arms: Arms) -> Subset:
    """The test images of a data set whose maps are made."""
    test = arms.data["test"]
    return Subset(images=test, count=min(arms.preset.attention_images, test.count))


@result("figure7", attention_cells)
def attention(d: Design, values: Values) -> pd.DataFrame:
    """Columns t_re, seed, similarity.

    Mean correlation of a test image's GradCAM maps between the real classifier of `seed` and the classifiers of
    all other seeds trained at t_re; at t_re = 0 it is what another seed alone changes. Needs two seeds.
    """
    alike = cross_similarity(dict(values))
    return pd.DataFrame([(*cell, value) for cell, value in alike.items()], columns=["t_re", "seed", "similarity"])


@dataclass(frozen=True)
class Maps:
    """GradCAM maps of the first seed's classifiers.

    images : uint8 N × C × H × W; labels : N. maps : reverse step (or GAN) → N × H × W in [0, 1]. layer : whose maps.
    """

    images: np.ndarray
    labels: np.ndarray
    maps: dict[int, np.ndarray]
    layer: str


def map_cells(d: Design) -> Cells:
    """(t_re,) → the first seed's maps; ("images",) → what they are of; ("classifier",) → of real images."""
    seed = d.seeds[0]
    maps = {(t,): spec for (t, s), spec in attention_cells(d).items() if s == seed}
    return {**maps, ("images",): attended(d.main), ("classifier",): d.main.classifier(seed, 0)}


@result("attention_maps", map_cells, no_rows=IMAGES)
def attention_maps(d: Design, values: Values) -> Maps:
    """The maps that Figure 7 shows some of."""
    images = values["images",]
    maps = {t: values[t,] for t in (*d.main.preset.table2, *d.main.rivals)}
    return Maps(images.images, images.labels, maps, cam_layer(values["classifier",], d.main.data["train"].shape))


@exhibit("fig-7", [attention_maps, attention], paper=["Figure 7"])
def attention_figure(d: Design, seen: Maps, rows: pd.DataFrame, count: int = 8) -> Figure:
    """The maps of `count` test images, a row a classifier."""
    shown = spread(seen.labels, count)
    titles = {0: "real (t_re = 0)", **INSTEAD}
    figure = attention_rows(
        seen.images[shown], {titles.get(t, f"t_re = {t}"): several[shown] for t, several in seen.maps.items()}
    )
    return saying(figure, _alike(rows))


def _alike(rows: pd.DataFrame) -> str:
    """How alike maps are of two classifiers of real images: what another kind of images does is told beyond that."""
    if rows.empty:
        return "With one seed there are no two classifiers of real images, whose maps would show what a seed changes."
    alike = rows[rows.t_re == 0].similarity.mean()
    told = f"Maps of the same image by two classifiers of real images correlate at {plain(alike, 2)} on average"
    if alike < HARDLY:
        return f"{told}: they hardly agree, so that these maps can't decide what synthetic images change."
    return f"{told}; what synthetic images change is what they take away from that."


@exhibit("tab-attention", [attention, attention_maps], apart="the paper puts no number to its Figure 7")
def attention_table(d: Design, rows: pd.DataFrame, seen: Maps) -> list[str]:
    """Similarity of GradCAM maps, and its change from what another seed alone does; and the layer of the maps."""
    layer = f"The maps are those of `{seen.layer}`."
    if rows.empty:
        return ["With one seed there is no other classifier to compare the maps with: run two seeds or more.", layer]
    alone, out = by_seed(d, rows[rows.t_re == 0], "similarity"), []
    for t in (*sorted(on_steps(rows).t_re.unique()), *d.main.rivals):
        mine = rows[rows.t_re == t]
        moved = paired_difference(by_seed(d, mine, "similarity"), alone, span=range_of("similarity"))
        out.append(
            {
                "t_re": INSTEAD.get(t, t),
                "similarity": mean_of(mine, "similarity"),
                "change from t_re = 0": difference(moved) if t else "–",
            }
        )
    caption = (
        "Correlation of a test image's GradCAM maps between a classifier trained on real images and classifiers of "
        f"other seeds trained at t_re. {capital(mean_told(rows.seed.nunique()))}"
    )
    return [myst_table(out, caption, "tab-attention"), layer]
