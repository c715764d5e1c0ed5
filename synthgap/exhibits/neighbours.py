"""The study in the terms of its neighbours: trained on one kind of images, tested on the other.

GAN-train (Shmelkov et al. 2018) is the accuracy on real images of a classifier trained on synthetic ones; Ravuri and
Vinyals (2019) call it the classification accuracy score, CAS. GAN-test is the reverse: a classifier trained on real
images, tested on synthetic ones. Both are set against real-on-real, of the same seed's classifier of real images.
Nothing is computed for them: the first are cells of Tables 2 to 4, the second of Figure 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..design.arms import GAN, GAN_ONLY, PAPER, REAL_ONLY, SYNTHETIC_ONLY, Arms
from ..diffusion.schedule import REVERSE_STEPS
from ..paper.published import read_paper
from ..stats.intervals import PERCENT, Comparison, Estimate, compare, estimate_mean

if TYPE_CHECKING:
    from .old_study import Study

TRAIN, TEST = "GAN-train", "GAN-test"
ALONE = (REAL_ONLY, SYNTHETIC_ONLY, GAN_ONLY)
UNSEEN = "test"  # reconstructions of images that the real classifier has not seen


@dataclass(frozen=True)
class Side:
    """One direction at one reverse step: percent, and points from real-on-real, paired by seed.

    n : images that were classified.
    """

    accuracy: Estimate
    against: Comparison
    n: int


@dataclass(frozen=True)
class Line:
    """Both directions for one set of images; None where the preset has no such reconstructions of test images.

    t_re : reverse step, or GAN. seeds : one row a seed, columns seed, train, test (percent; NaN where None).
    """

    t_re: int
    train: Side
    test: Side | None
    seeds: pd.DataFrame


@dataclass(frozen=True)
class BothWays:
    """GAN-train and GAN-test of the main data set; p-values are corrected over all lines and both directions.

    real : accuracy of real-on-real in percent, on all test images, one value a seed. n : test images.
    """

    name: str
    real: np.ndarray
    n: int
    lines: list[Line]

    def line(self, t_re: int) -> Line | None:
        return next((line for line in self.lines if line.t_re == t_re), None)


def both_ways(study: Study) -> BothWays:
    """Every reverse step above 0 of Table 2, and the GAN's samples where the preset has a GAN.

    GAN-test at a reverse step is of reconstructed *test* images: the classifier of real images has learnt the training
    images by heart, and their near copies would flatter it. It is set against the same images as they are. The GAN's
    samples are made from no image and have the labels of the training set; they are set against all test images.
    """
    forth, back = _gan_train(study), _gan_test(study)
    real, n = forth[0]
    steps = sorted(t for t in forth if t > 0)
    pairs: dict[tuple[int, str], tuple[np.ndarray, np.ndarray, int]] = {}
    for t in (*steps, *study.main.rivals):
        pairs[t, TRAIN] = (forth[t][0], real, forth[t][1])
        if t in back:
            pairs[t, TEST] = (back[t][0], real if t == GAN else back[0][0], back[t][1])
    tested = compare([(str(t), way, a, b) for (t, way), (a, b, _) in pairs.items()], PERCENT)
    sides = {
        cell: Side(estimate_mean(pairs[cell][0], span=PERCENT), comparison, pairs[cell][2])
        for cell, comparison in zip(pairs, tested, strict=True)
    }
    lines = []
    for t in dict.fromkeys(t for t, _ in pairs):
        values = {way.lower()[4:]: pairs[t, way][0] if (t, way) in pairs else np.nan for way in (TRAIN, TEST)}
        rows = pd.DataFrame({"seed": study.seeds, **values})
        lines.append(Line(t, sides[t, TRAIN], sides.get((t, TEST)), rows))
    return BothWays(study.main.name, real, n, lines)


@dataclass(frozen=True)
class Score:
    """The classification accuracy score of one set of synthetic images, in percent; against : minus real-on-real.

    real : real-on-real of the same data set.
    """

    dataset: str
    arm: str
    multiple: float
    real: Estimate
    accuracy: Estimate
    against: Comparison


def scores(study: Study) -> list[Score]:
    """CAS of every data set, model and multiple that the study has; p-values are corrected over all of them."""
    found = []
    for arms in study.columns:
        cells = _alone(study, arms)
        values = {cell: _percent(study, [cells[*cell, s] for s in study.seeds]) for cell in _names(cells)}
        real = values.pop((REAL_ONLY, 0), None)
        if real is not None:
            found += [(arms.name, *cell, real, mine) for cell, mine in values.items()]
    tested = compare([(f"{name} {arm} ×{k:g}", name, mine, real) for name, arm, k, real, mine in found], PERCENT)
    return [
        Score(name, arm, k, estimate_mean(real, span=PERCENT), estimate_mean(mine, span=PERCENT), comparison)
        for (name, arm, k, real, mine), comparison in zip(found, tested, strict=True)
    ]


@dataclass(frozen=True)
class Published:
    """Real-on-real and CAS at about equal size, in percent, printed with so many `digits`; cite is a BibTeX key."""

    cite: str
    data: str
    network: str
    real: float
    synthetic: float
    digits: int = 1


def published_scores() -> list[Published]:
    """The paper's own (its Tables 2 and 4), then its neighbours' (`synthgap/paper/neighbours.yaml`)."""
    tables = read_paper("tables.yaml")
    pairs = {data: (column[0][0], column[REVERSE_STEPS][0]) for data, column in tables["table2"].items()}
    real, synthetic = (tables["table4"][row] for row in ("real only", "synthetic only ×1"))
    pairs |= {data: (real[data][0], synthetic[data][0]) for data in real}
    papers = [Published("yamaguchi2024analyzing", data, "ResNet-18", *pair, digits=2) for data, pair in pairs.items()]
    return papers + [Published(**row) for row in read_paper("neighbours.yaml")["scores"]]


def error_ratio(real: float, synthetic: float) -> float:
    """How many times as many errors: (100 − synthetic) / (100 − real), both in percent; NaN without an error."""
    return (100 - synthetic) / (100 - real) if real < 100 else float("nan")


def difference(study: Study, first: tuple[str, float], second: tuple[str, float]) -> Estimate | None:
    """One arm of Table 3 minus another, paired by seed, in points; None where the preset has not both."""
    listed = study.arms.listed()
    return study.arm_difference(first, second) if first in listed and second in listed else None


# pieces


def _alone(study: Study, arms: Arms) -> dict[tuple[str, float, int], Any]:
    """Cells of one data set without augmentation, those that its tables have anyway."""
    if arms is study.main:
        return arms.figure1()
    if arms in study.columns_of(4):
        return {cell: spec for cell, spec in arms.table4().items() if cell[0] in ALONE}
    names = {0: (REAL_ONLY, 0), REVERSE_STEPS: (SYNTHETIC_ONLY, 1)}
    return {(*names[t], s): spec for (t, s), spec in arms.table2().items() if t in names}


def _names(cells: dict[tuple[str, float, int], Any]) -> list[tuple[str, float]]:
    return list(dict.fromkeys((arm, k) for arm, k, _ in cells))


def _percent(study: Study, specs: list) -> np.ndarray:
    study.compute(specs)
    return np.array([100 * study.store.get(spec).accuracy for spec in specs])


def _gan_train(study: Study) -> dict[int, tuple[np.ndarray, int]]:
    """Reverse step (or GAN) → accuracy in percent, one value a seed, and the number of test images."""
    cells = dict(study.main.table2())
    for t in study.main.rivals:
        cells |= {(t, s): study.main.test(study.main.arm(GAN_ONLY, 1, s)) for s in study.seeds}
    n = study.main.data["test"].count
    steps = dict.fromkeys(t for t, _ in cells)
    return {t: (_percent(study, [cells[t, s] for s in study.seeds]), n) for t in steps}


def _gan_test(study: Study) -> dict[int, tuple[np.ndarray, int]]:
    rows = study.entropy_curve()
    rows = rows[(rows.protocol == PAPER) & (((rows.split == UNSEEN) & (rows.t_re >= 0)) | (rows.t_re == GAN))]
    found = {}
    for t, mine in rows.groupby("t_re"):
        values = mine.set_index("seed").agreement.loc[list(study.seeds)]
        found[int(t)] = (100 * values.to_numpy(), int(mine.n.iloc[0]))
    return found
