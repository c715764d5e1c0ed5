"""Section 5: synthetic images in the place of real ones and beside them, and what isolates their effect."""

from __future__ import annotations

import pandas as pd

from ..design.arms import CROSSFIT, PAPER
from ..design.loading import Design
from ..design.values import MIX, NAIVE, REAL_ONLY, SYNTHETIC_ONLY
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Predict, Subset
from .base import Cells, Values, hits, known, measured, result
from .samples import FEW

ARM = ("arm", "multiple", "seed")
ACCURACY = ("accuracy", "n")


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
            part = Subset(images=train, count=count, seed=s)
            cells[count, s] = arms.test(arms.classifier(s, 0).model_copy(update={"real": part}))
    return cells


# accuracy against the number of real images: columns real_images, seed, accuracy, n
learning_curve = result("learning_curve", curve_cells)(measured(("real_images", "seed"), ACCURACY))
curve_hits = hits("learning_curve", curve_cells)


def crossed_cells(d: Design) -> Cells:
    """(generator's seed, classifier's seed) → test predictions of "synthetic only" ×1, every pair of a few seeds.

    The one group in which a classifier may be another seed's than its generator.
    """
    few, arms = d.seeds[: d.arms.preset.crossed], d.arms
    return {(g, s): arms.test(arms.arm(SYNTHETIC_ONLY, 1, g).model_copy(update={"seed": s})) for g in few for s in few}


# accuracies of "synthetic only" ×1 from crossed seeds: columns generator, classifier, accuracy, n
crossed_seeds = result("crossed", crossed_cells)(measured(("generator", "classifier"), ACCURACY))


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
