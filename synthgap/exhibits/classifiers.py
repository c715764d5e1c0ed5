"""Section 4.2: accuracy of classifiers trained on reconstructed images, and how real ones see reconstructions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..base.words import capital, difference
from ..classifier.evaluate import Prediction
from ..design.arms import CROSSFIT, PAPER, Arms
from ..design.loading import Design
from ..design.values import FLOOR
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Predict
from ..metrics.entropy import marginal_entropy, output_entropy
from ..metrics.projection import concentration as concentration_of
from ..stats.crossed import Crossed
from ..stats.intervals import PERCENT
from ..stats.judge import slope_and_turn
from ..stats.trends import FALLS, Trend, Turn
from .base import ACCURACY, Cells, Values, by_seed, exhibit, known, measured, read, result
from .hits import Hits, hits
from .text import (
    by_step,
    left_out,
    mean_told,
    myst_table,
    paper_table,
    percent_told,
    published,
    seeds_told,
    trend_of,
    trend_table,
    trends_by_protocol,
)

CONCENTRATION = ("trace_ratio", "distance_ratio", "outer_coverage", "grain")
TRAINED = "classifier trained on them"  # who looks at the images
NO_TREND = "the paper tests no trend"


def step_cells(d: Design) -> Cells:
    """(data set, t_re, seed) → test predictions of the classifier trained on the set at t_re."""
    return {
        (arms.name, t, s): arms.test(arms.classifier(s, t))
        for arms in d.columns_of(2)
        for t in arms.preset.table2
        for s in d.seeds
    }


@result("table2", step_cells)
def table2(d: Design, values: Values) -> pd.DataFrame:
    """Columns dataset, t_re, sigma, seed, accuracy (in [0, 1]), n (test images)."""
    rows = measured(("dataset", "t_re", "seed"), ACCURACY)(d, values)
    arms = {arms.name: arms for arms in d.columns_of(2)}
    rows.insert(2, "sigma", [arms[name].sigma(t) for name, t in zip(rows.dataset, rows.t_re, strict=True)])
    return rows


def main_step_cells(d: Design) -> Cells:
    """(t_re, seed) → the cells of Table 2 of the main data set."""
    return {(t, s): spec for (name, t, s), spec in step_cells(d).items() if name == d.main.name}


table2_hits = hits("table2", main_step_cells)
all_step_hits = hits(
    "every_table2", step_cells, no_rows="hits.csv holds the main data set's, table2.csv all accuracies"
)


def steps_of(known: Hits, dataset: str) -> dict[int, np.ndarray]:
    """Reverse step → seeds × test images, 1 where the classifier trained on a data set's images at it is right.

    known : what `all_step_hits` says.
    """
    return {t: known[name, t].astype(np.float64) for name, t in sorted(known.names) if name == dataset}


def slope_of(known: Hits, dataset: str) -> tuple[Crossed, Turn[Crossed] | None]:
    """How the accuracy on a data set moves with the reverse step, and where it turns; known : as of `steps_of`."""
    steps = steps_of(known, dataset)
    return slope_and_turn(steps, {t: known.level((dataset, t)) for t in steps})


def entropy_cells(d: Design) -> Cells:
    """(protocol, split, t_re, seed) → predictions of the protocol's classifier on that split at t_re.

    PAPER: the classifier of all of train on train and on test. CROSSFIT: that of half A on half B (which the
    generator has seen) and on test (which neither has). A GAN's samples (GAN) are made from no image; they stand
    under "train", whose labels they have.
    """
    arms, cells = d.main, {}
    for s in d.seeds:
        for t in arms.preset.curves:
            test = arms.samples(s, t, split="probe")
            cells[PAPER, "train", t, s] = arms.judged(PAPER, s, t)
            cells[PAPER, "test", t, s] = arms.seen_by_real(s, test)
            cells[CROSSFIT, "train", t, s] = arms.judged(CROSSFIT, s, t)
            cells[CROSSFIT, "test", t, s] = Predict(classifier=arms.crossfit(s), images=test)
        cells |= {(p, "train", t, s): arms.judged(p, s, t) for p in (PAPER, CROSSFIT) for t in arms.rivals}
    return cells


def _entropies(value: Prediction) -> dict[str, float]:
    numbers = {"entropy": output_entropy(value.logits), "marginal": marginal_entropy(value.logits)}
    return numbers | {"agreement": value.accuracy, "n": value.n}


# columns protocol, split, t_re, seed, entropy and marginal (nats), agreement (share of images, in [0, 1], that the
# classifier gives their label), n
entropy = result("figure8", entropy_cells)(read(("protocol", "split", "t_re", "seed"), _entropies))


def concentration_cells(d: Design) -> Cells:
    """(protocol, t_re, seed) → features of the set at t_re and, at FLOOR, of other real images.

    Cross-fitted, these are all test images: few of them count as outermost, and these few are what coverage counts.
    """
    steps = (*d.main.preset.table2, FLOOR, *d.main.rivals)
    cells = {(p, t, s): d.main.judged(p, s, t) for p in (PAPER, CROSSFIT) for t in steps for s in d.seeds}
    return cells | {(CROSSFIT, FLOOR, s): other_real(d.main, s) for s in d.seeds}


def other_real(arms: Arms, seed: int) -> Predict:
    """All test images as the cross-fitted classifier sees them."""
    return Predict(classifier=arms.crossfit(seed), images=arms.data["test"])


@result("concentration", concentration_cells)
def concentration(d: Design, values: Values) -> pd.DataFrame:
    """How tightly the sets lie around their classes: protocol, t_re (or FLOOR, GAN), seed, three numbers, and a grain.

    trace_ratio, distance_ratio, outer_coverage and its grain as in `metrics.projection.Concentration`. PAPER compares
    with the training set, CROSSFIT with other real images.
    """
    rows = []
    for protocol, t, seed in values:
        reference = 0 if protocol == PAPER else FLOOR
        if t != reference:
            fake = values[protocol, t, seed]
            numbers = concentration_numbers(values[protocol, reference, seed], fake.features, fake.labels)
            rows.append({"protocol": protocol, "t_re": t, "seed": seed, **numbers})
    return known(pd.DataFrame(rows))


def concentration_numbers(real: Prediction, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The numbers of one set against real images; NaN where there are too few images a class."""
    try:
        value = concentration_of(real.features, real.labels, features, labels)
    except UserError:
        return dict.fromkeys(CONCENTRATION, math.nan)
    return {name: getattr(value, name) for name in CONCENTRATION}


# what the book shows


@exhibit("tab-2", [table2, all_step_hits], paper=["Table 2"])
def accuracy_table(d: Design, rows: pd.DataFrame, known: Hits) -> str:
    """Accuracy against the reverse step, ours a column a data set, the paper's two beside them."""
    datasets, first, out = list(dict.fromkeys(rows.dataset)), rows.t_re.min(), []
    ends = {0: " (real)", REVERSE_STEPS: " (synthetic)"}
    for t in sorted(rows.t_re.unique()):
        line: dict[str, object] = {"t_re": f"{t}{ends.get(t, '')}"}
        for name in datasets:
            mine = rows[rows.dataset == name]
            cell = 100 * by_seed(d, mine[mine.t_re == t], "accuracy")
            line[f"σ, {name}"] = f"{mine[mine.t_re == t].sigma.iloc[0]:.3g}"
            line[f"{name} (%)"] = seeds_told(cell, span=PERCENT)
            change = known.change((name, t), (name, first))
            line[f"{name}: change"] = "–" if t == first else difference(change, 1)
        for name, column in paper_table("table2").items():
            line[f"{name}, paper (%)"] = published(column.get(int(t)))
        out.append(line)
    n = ", ".join(f"{name} {rows[rows.dataset == name].n.iloc[0]:,}" for name in datasets)
    caption = (
        f"Top-1 test accuracy against reverse step (the paper's Table 2). Ours: {mean_told(rows.seed.nunique())}; "
        f"change: points from t_re = {first}, with 95% intervals over seeds and test images ({n})"
        f"{known.fewer({name: (name, first) for name in datasets})}"
    )
    return myst_table(out, caption, "tab-2")


@exhibit("tab-accuracy-trends", [all_step_hits], apart=NO_TREND)
def accuracy_trends(d: Design, known: Hits) -> str:
    """How the accuracy on each data set moves with the reverse step, beside what the paper reports."""
    several = []
    for name in dict.fromkeys(name for name, _ in known.names):
        whole, turned = slope_of(known, name)
        several.append(Trend(f"test accuracy (%), {name}", TRAINED, FALLS, whole, turned))
    return trend_table(several, "tab-accuracy-trends")


@exhibit("tab-disagreement", [table2_hits], apart="the paper does not set its classifiers side by side")
def disagreement(d: Design, right: Hits) -> str:
    """Test images that only one of two classifiers classifies correctly: the one trained on real images, and the other.

    In the row of t_re = 0 the other is the next seed's classifier of real images: what another seed alone changes.
    """
    if (0,) not in right or len(d.seeds) < 2:
        return "This takes classifiers of real images of two seeds or more."
    real, out = right[0,], []
    for (t,) in right.names:
        other = right[t,] if t else np.roll(real, -1, axis=0)
        shares = {"real alone": real & ~other, "the other alone": ~real & other, "neither": ~real & ~other}
        row = {"the other is trained on": f"t_re = {t}" if t else "real images, another seed"}
        out.append(row | {f"{who} (%)": percent_told(share.mean(axis=1)) for who, share in shares.items()})
    caption = (
        f"Who classifies a test image correctly: the classifier of real images, or another ({d.main.name}; "
        f"{mean_told(len(d.seeds))}, {real.shape[1]:,} test images). The first row is what another seed alone changes"
    )
    return myst_table(out, caption, "tab-disagreement")


@exhibit("tab-entropy-trends", [entropy], apart=NO_TREND)
def entropy_trends(d: Design, rows: pd.DataFrame) -> str:
    """How the output entropy moves with the reverse step, beside what the paper reports."""
    several = [
        trend_of(part, "entropy", f"entropy (nats), {split} images", protocol, FALLS)
        for (protocol, split), part in rows.groupby(["protocol", "split"], sort=False)
    ]
    return trend_table(several, "tab-entropy-trends")


@exhibit("tab-concentration", [concentration], apart="the paper puts no number to its Figure 9")
def concentration_table(d: Design, rows: pd.DataFrame) -> str:
    """How tightly the sets lie around their classes, with intervals."""
    titles = {
        "trace_ratio": "spread (ratio of variances)",
        "distance_ratio": "distance to the class mean (ratio)",
        "outer_coverage": "outermost tenth covered",
    }
    if rows.empty:
        return left_out("Concentration within the classes", "tab-concentration")
    caption = (
        "Concentration within the classes, set against real images; 1 is as spread as they are. "
        f"{capital(mean_told(rows.seed.nunique()))}"
    )
    return myst_table(by_step(rows, titles), caption, "tab-concentration")


@exhibit("tab-concentration-trends", [concentration], apart=NO_TREND)
def concentration_trends(d: Design, rows: pd.DataFrame) -> str:
    """How concentration moves with the reverse step: the paper says that images gather around the modes."""
    columns = {
        "trace_ratio": ("spread within a class (ratio of variances)", FALLS),
        "distance_ratio": ("distance to the class mean (ratio)", FALLS),
        "outer_coverage": ("coverage of the outermost tenth", FALLS),
    }
    return trend_table(trends_by_protocol(rows, columns), "tab-concentration-trends")
