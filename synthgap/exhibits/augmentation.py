"""Section 5: synthetic images in the place of real ones and beside them, and what isolates their effect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from ..base.words import NOT_RUN
from ..design.arms import CROSSFIT, PAPER
from ..design.loading import Design
from ..design.values import (
    MIX,
    NAIVE,
    REAL_ONLY,
    SYNTHETIC_ONLY,
    Arm,
    arm_title,
    cell_title,
    parse_cell,
)
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Predict
from ..stats.intervals import VarianceParts, variance_parts
from .base import ACCURACY, Cells, Values, exhibit, known, measured, of_arm, result
from .hits import hits
from .samples import FEW
from .text import (
    TOO_FEW,
    folded,
    mean_of,
    mean_told,
    myst_table,
    paper_table,
    percent_told,
    published,
)

GENERATORS = (  # last rows of Table 4: title, t_re, measure; cross-fitted
    ("Fréchet distance of the samples, t_re = 100", REVERSE_STEPS, "frechet"),
    ("the same of other real images", 0, "frechet"),
    ("recall of the samples, t_re = 100", REVERSE_STEPS, "recall"),
    ("the same of other real images", 0, "recall"),
)
ARM = ("arm", "multiple", "seed")


def arm_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of every arm that the preset lists (0: real images alone)."""
    return d.arms.tested(d.arms.listed())


# replication, augmentation and controls: columns arm, multiple (0: real images alone), seed, accuracy, n
table3 = result("table3", arm_cells)(measured(ARM, ACCURACY))
table3_hits = hits("table3", arm_cells)


def validation_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → validation predictions of the arms with synthetic images, to choose among them."""
    return {
        (arm, k, s): Predict(classifier=d.arms.arm(arm, k, s), images=d.arms.data["validation"])
        for s in d.seeds
        for arm, multiples in d.arms.preset.augmentation.items()
        for k in multiples
        if arm.t_re != 0
    }


# accuracy on the validation split: columns as of table3
validation = result("validation", validation_cells)(measured(ARM, ACCURACY))


def curve_cells(d: Design) -> Cells:
    """(real images, seed) → test predictions; each seed draws its own subsets, at the whole set's steps."""
    arms, train = d.arms, d.arms.data["train"]
    cells = {(train.count, s): arms.test(arms.classifier(s, 0)) for s in d.seeds}
    for share in sorted(arms.preset.subsets):
        count = arms.share(share)
        for s in d.seeds:
            cells[count, s] = arms.test(arms.on_real(s, partial(arms.drawn, count)))
    return cells


# accuracy against the number of real images: columns real_images, seed, accuracy, n
learning_curve = result("learning_curve", curve_cells)(measured(("real_images", "seed"), ACCURACY))
curve_hits = hits("learning_curve", curve_cells)


def crossed_cells(d: Design) -> Cells:
    """(generator's seed, classifier's seed) → test predictions of "synthetic only" ×1, every pair of a few seeds.

    The one group in which a classifier may be another seed's than its generator. None where all seeds draw from one
    generator, which was trained elsewhere.
    """
    few = d.seeds[: d.arms.preset.crossed] if d.arms.model is None else ()
    arms, cells = replace(d.arms, seeds=few), {}
    for shift in range(len(few)):  # each seed's classifier on the images of the one so many places further
        generator = dict(zip(few, few[shift:] + few[:shift], strict=True))
        for s in few:
            if shift == 0:
                classifier = d.arms.arm(SYNTHETIC_ONLY, 1, s)  # the one of Table 3
            else:
                classifier = arms.trained(s, lambda c, of=generator: (None, arms.copies(of[c], REVERSE_STEPS, 1)))
            cells[generator[s], s] = arms.test(classifier)
    return {(g, s): cells[g, s] for g in few for s in few}


@dataclass(frozen=True)
class CrossedSeeds:
    """Accuracies of "synthetic only" ×1 from crossed seeds, and where their variance lies.

    rows : columns generator, classifier, accuracy, n; variance : in points, None with fewer than two seeds.
    """

    rows: pd.DataFrame
    variance: VarianceParts | None


@result("crossed", crossed_cells, rows=lambda value: value.rows)
def crossed_seeds(d: Design, values: Values) -> CrossedSeeds:
    """The variance is parted by predictions, so that test images count as a source, too."""
    rows = measured(("generator", "classifier"), ACCURACY)(d, values)
    few = sorted({generator for generator, _ in values})
    if len(few) < 2:
        return CrossedSeeds(rows, None)
    parts = variance_parts(np.array([[values[g, s].correct for s in few] for g in few]))
    sizes = (100 * v for v in (parts.generator, parts.classifier, parts.both, parts.images))
    return CrossedSeeds(rows, VarianceParts(*sizes, parts.shape))


def table4_cells(d: Design) -> Cells:
    """(data set, arm, multiple, seed) → the cells of Table 3 that Table 4 repeats; augmentation at its largest."""
    cells: Cells = {}
    for arms in d.columns_of(4):
        whole = {REAL_ONLY, SYNTHETIC_ONLY, *arms.preset.policies}
        largest = {(arm, max(arms.preset.augmentation.get(arm, (0,)))) for arm in (NAIVE, MIX)}
        repeated = [cell for cell in arms.listed() if cell[0] in whole or cell in largest]
        cells |= {(arms.name, *cell): spec for cell, spec in arms.tested(repeated).items()}
    return cells


# Table 4's arms on every data set: columns dataset, arm, multiple, seed, accuracy, n
table4 = result("table4", table4_cells)(measured(("dataset", *ARM), ACCURACY))
all_arm_hits = hits("table4", table4_cells, no_rows="hits.csv holds those of Table 3, table4.csv all accuracies")


def table4_fidelity_cells(d: Design) -> Cells:
    """(data set, protocol, t_re, seed) → fidelity of the fully synthetic set and, at t_re = 0, of real ones."""
    return {
        (arms.name, protocol, t, s): arms.fidelity(protocol, s, t)
        for arms in d.columns_of(4)
        for protocol, t in ((PAPER, REVERSE_STEPS), (CROSSFIT, 0), (CROSSFIT, REVERSE_STEPS))
        if protocol in arms.protocols()
        for s in d.seeds
    }


@result("table4_fidelity", table4_fidelity_cells)
def table4_fidelity(d: Design, values: Values) -> pd.DataFrame:
    """Generators of Table 4: columns dataset, protocol, t_re (0: other real images), seed, three measures."""
    return known(measured(("dataset", "protocol", "t_re", "seed"), FEW)(d, values))


# what the book shows


@exhibit("tab-3", [table3], paper=["Table 3"])
def arms_table(d: Design, rows: pd.DataFrame) -> str:
    """Replication and augmentation, ours by multiple beside the paper's Aircraft column; controls below."""
    paper = paper_table("table3")
    multiples = sorted({*rows.multiple.unique(), 1, 3, 5} - {0})
    out = []
    for arm in [*paper, *(a for a in dict.fromkeys(rows.arm) if a not in paper)]:
        mine = rows[rows.arm == arm]
        alone = Arm(arm).base == REAL_ONLY  # one number, whatever the multiple: it stands under the first
        row: dict[str, object] = {"method": arm_title(arm)}
        for k in multiples:
            cell = mine[mine.multiple == (0 if alone else k)].accuracy
            shown = percent_told(cell) if len(cell) else NOT_RUN
            row[f"×{k:g} (%)"] = "" if alone and k != 1 else shown
        for k in (1, 3, 5):
            theirs = published(paper.get(arm, {}).get(0 if alone else k))
            row[f"paper: ×{k} (%)"] = "" if alone and k != 1 else theirs
        out.append(row)
    caption = (
        f"Dataset replication and augmentation (the paper's Table 3). Ours: {d.arms.name}, "
        f"{mean_told(rows.seed.nunique())}, {rows.n.iloc[0]:,} test images. Paper: "
        f"Aircraft; rows without its numbers are controls of ours. “{NOT_RUN}”: not part of the preset {d.preset.name}"
    )
    return folded(myst_table(out, caption, "tab-3"), "Replication and augmentation: the numbers")


@exhibit("tab-4", [table4, table4_fidelity], paper=["Table 4"])
def data_sets_table(d: Design, rows: pd.DataFrame, generators: pd.DataFrame) -> str:
    """Table 4's arms on every data set beside the paper's three, with the generator's fidelity below."""
    paper, datasets = paper_table("table4"), list(dict.fromkeys(rows.dataset))
    out: list[dict[str, object]] = []
    for row, theirs in paper.items():
        shown: dict[str, object] = {"method": cell_title(row)}
        for name in datasets:
            mine = of_arm(rows[rows.dataset == name], parse_cell(row))
            shown[f"{name} (%)"] = percent_told(mine.accuracy) if len(mine) else NOT_RUN
        out.append(shown | {f"{column}, paper (%)": published(pair) for column, pair in theirs.items()})
    fitted = generators[generators.protocol == CROSSFIT] if len(generators) else generators
    for title, t, column in GENERATORS:
        shown = {"method": title}
        for name in datasets:
            mine = fitted[(fitted.dataset == name) & (fitted.t_re == t)] if len(fitted) else fitted
            shown[f"{name} (%)"] = mean_of(mine, column) if len(mine) else TOO_FEW
        fid = paper_table("table4_fid") if column == "frechet" and t else {}
        out.append(shown | {f"{c}, paper (%)": f"{fid[c]:.1f} (FID)" if c in fid else "" for c in paper[REAL_ONLY]})
    caption = (
        f"Replication, traditional and synthetic augmentation on several data sets (the paper's Table 4). Ours: "
        f"{mean_told(rows.seed.nunique())}. Last rows: the generator, cross-fitted, "
        f"FD-classifier (not a percentage; the paper: FID). “{NOT_RUN}”: not part of the preset {d.preset.name}"
    )
    return myst_table(out, caption, "tab-4")
