"""Section 4.2: classifiers trained on reconstructed images, and how they see images."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..classifier.evaluate import Prediction
from ..design.arms import CROSSFIT, PAPER
from ..design.loading import Design
from ..design.values import FLOOR
from ..graph.specs import Attend, Predict, Subset
from ..metrics.entropy import marginal_entropy, output_entropy
from ..metrics.gradcam import cross_similarity
from ..metrics.projection import concentration as concentration_of
from .base import Cells, Values, hits, known, measured, read, result

CONCENTRATION = ("trace_ratio", "distance_ratio", "outer_coverage")


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
    rows = measured(("dataset", "t_re", "seed"), ("accuracy", "n"))(d, values)
    arms = {arms.name: arms for arms in d.columns_of(2)}
    rows.insert(2, "sigma", [arms[name].sigma(t) for name, t in zip(rows.dataset, rows.t_re, strict=True)])
    return rows


def main_step_cells(d: Design) -> Cells:
    """(t_re, seed) → the cells of Table 2 of the main data set."""
    return {(t, s): spec for (name, t, s), spec in step_cells(d).items() if name == d.main.name}


table2_hits = hits("table2", main_step_cells)


def attention_cells(d: Design) -> Cells:
    """(t_re, seed) → GradCAM maps of test images under the classifier trained on the set at t_re."""
    arms, test = d.main, d.main.data["test"]
    images = Subset(images=test, count=min(arms.preset.attention_images, test.count))
    return {
        (t, s): Attend(classifier=arms.classifier(s, t), images=images)
        for t in (*arms.preset.table2, *arms.rivals)
        for s in d.seeds
    }


@result("figure7", attention_cells)
def attention(d: Design, values: Values) -> pd.DataFrame:
    """Columns t_re, seed, similarity.

    Mean correlation of a test image's GradCAM maps between the real classifier of `seed` and the classifiers of
    all other seeds trained at t_re; at t_re = 0 it is what another seed alone changes. Needs two seeds.
    """
    del d
    alike = cross_similarity(dict(values))
    return pd.DataFrame([(*cell, value) for cell, value in alike.items()], columns=["t_re", "seed", "similarity"])


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
    """(protocol, t_re, seed) → features of the set at t_re and, at FLOOR, of other real images."""
    steps = (*d.main.preset.table2, FLOOR, *d.main.rivals)
    return {(p, t, s): d.main.judged(p, s, t) for p in (PAPER, CROSSFIT) for t in steps for s in d.seeds}


@result("concentration", concentration_cells)
def concentration(d: Design, values: Values) -> pd.DataFrame:
    """How tightly the sets lie around their classes: protocol, t_re (or FLOOR, GAN), seed, three numbers.

    trace_ratio, distance_ratio, outer_coverage as in `metrics.projection.Concentration`. PAPER compares with the
    training set, CROSSFIT with other real images.
    """
    del d
    rows = []
    for protocol, t, seed in values:
        reference = 0 if protocol == PAPER else FLOOR
        if t != reference:
            fake = values[protocol, t, seed]
            numbers = concentration_numbers(values[protocol, reference, seed], fake.features, fake.labels)
            rows.append({"protocol": protocol, "t_re": t, "seed": seed, **numbers})
    return known(pd.DataFrame(rows))


def concentration_numbers(real: Prediction, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The three numbers of one set against real images; NaN where there are too few images a class."""
    try:
        value = concentration_of(real.features, real.labels, features, labels)
    except UserError:
        return dict.fromkeys(CONCENTRATION, math.nan)
    return {name: getattr(value, name) for name in CONCENTRATION}
