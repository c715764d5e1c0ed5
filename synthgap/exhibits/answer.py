"""What the plain answer for one data set is measured by: would synthetic images replace or help the real ones?

Arms are compared on the test images by seeds × images intervals (see `stats.crossed`); the mix of synthetic images is
chosen on validation images. Two questions carry a verdict and are corrected together; the rest is description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd

from ..data.splits import UNEVEN
from ..design.loading import Design
from ..design.values import GIVEN, GIVEN_ONLY, MIX, NAIVE, REAL, SECOND_BATCH, SYNTHETIC_ONLY, Arm, ArmCell
from ..graph.specs import Predict
from ..stats.crossed import Crossed, Crossing, crossed, crossing
from ..stats.intervals import SHARE
from ..stats.pooling import contrast
from ..stats.verdict import DECIDED, Flattening, Verdict, decide, flattening
from .augmentation import ARM, curve_hits
from .base import WHOLE, Cells, Values, measured, result
from .hits import Hits, alike, hits

AS_MANY_REAL: ArmCell = (SECOND_BATCH, 1)  # the control of "beside": as many images a step, all of them real
FLIP = Arm("flip")
BALANCED = "balanced accuracy"

Decided = Mapping[str, tuple[ArmCell, ArmCell, Verdict]]


# what is compared


def alone(d: Design) -> list[ArmCell]:
    """The arms with synthetic images in the place of the real ones: the given ones, where there are such."""
    if d.given:
        return [(GIVEN_ONLY, k) for k in d.arms.given_multiples()]
    return [(SYNTHETIC_ONLY, k) for k in d.arms.preset.replication]


def answer_cells(d: Design) -> dict[str, list[ArmCell]]:
    """Arms by their part in the answer: "alone" and "beside" the real images, "without" a generator."""
    arms, preset = d.arms, d.arms.preset
    policies = [*([] if arms.mirrored else [FLIP]), *map(Arm, preset.policies)]
    without = [AS_MANY_REAL, *((policy, 0) for policy in policies)]
    if d.given:
        beside: list[ArmCell] = [(GIVEN, k) for k in arms.given_multiples()]
    else:
        beside = [(arm, k) for arm, several in preset.augmentation.items() for k in several if arm.t_re != 0]
    return {"alone": alone(d), "beside": beside, "without": without}


def _predicted(d: Design, listed: Iterable[ArmCell], part: str) -> Cells:
    images = d.arms.data[part]
    return {(*cell, s): Predict(classifier=d.arms.arm(*cell, s), images=images) for cell in listed for s in d.seeds}


def tested_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of the real images alone and of every arm of the answer."""
    return _predicted(d, [REAL], "test") | hit_cells(d)


def hit_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of the answer's arms; the learning curve ends with the real images."""
    return _predicted(d, dict.fromkeys(chain(*answer_cells(d).values())), "test")


def mix_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → validation predictions of the mixes of synthetic images beside the real ones."""
    return _predicted(d, answer_cells(d)["beside"], "validation")


def split_cells(d: Design) -> Cells:
    """(part,) → the training and the test images."""
    return {(part,): d.arms.data[part] for part in ("train", "test")}


# results


@dataclass(frozen=True)
class Task:
    """What classifiers are to tell apart; train, test: labels of the images, int64; classes: names."""

    train: np.ndarray
    test: np.ndarray
    classes: tuple[str, ...]

    @property
    def counts(self) -> np.ndarray:
        """Training images of each class."""
        return np.bincount(self.train, minlength=len(self.classes))

    @property
    def imbalance(self) -> float:
        """Training images of the largest class over those of the smallest."""
        return float(self.counts.max() / max(self.counts.min(), 1))

    @property
    def measure(self) -> str:
        """What the answer is about: "accuracy", or "balanced accuracy" where classes are uneven by half or more."""
        return BALANCED if self.imbalance >= UNEVEN else "accuracy"

    @property
    def groups(self) -> np.ndarray | None:
        """What `crossed` groups the test images by, so that it measures `measure`."""
        return self.test if self.measure == BALANCED else None


@result("task", split_cells, no_rows=WHOLE)
def task(d: Design, values: Values) -> Task:
    """The classes and how many images each has."""
    train, test = values["train",], values["test",]
    return Task(train.labels, test.labels, test.classes)


@result("answer", tested_cells)
def tested(d: Design, values: Values) -> pd.DataFrame:
    """Every arm of the answer: columns arm, multiple (0: real images alone), seed, accuracy, balanced, n."""
    rows = measured(ARM, ("accuracy", "balanced_accuracy", "n"))(d, values)
    return rows.rename(columns={"balanced_accuracy": "balanced"})


answer_hits = hits("answer", hit_cells)


@result("mixes", mix_cells, reads=[task])
def mixes(d: Design, values: Values, task: Task) -> pd.DataFrame:
    """The mixes on validation images: columns arm, multiple, seed, value (the answer's measure, in [0, 1]), n."""
    name = "balanced_accuracy" if task.measure == BALANCED else "accuracy"
    return measured(ARM, (name, "n"))(d, values).rename(columns={name: "value"})


@dataclass(frozen=True)
class Compared:
    """Who is right on which test image, and how arms compare; differences are of shares in [0, 1].

    arms : the answer's; curve : of subsets of the real images, by their number (the last: all of them). listed : arms
    of Table 3, by which variances are told.
    """

    arms: Hits
    curve: Hits
    groups: np.ndarray | None
    listed: tuple[ArmCell, ...]

    def first(self, count: int) -> Compared:
        """The same of so many seeds, the first ones."""
        return replace(self, arms=self.arms.first(count), curve=self.curve.first(count))

    def right(self, cell: ArmCell) -> np.ndarray:
        """bool, seeds × test images: is the image's class told rightly by the classifier of this arm?"""
        return self.curve[max(self.curve.names)] if cell == REAL else self.arms[cell]

    def difference(self, first: ArmCell, second: ArmCell, *, plain: bool = False) -> Crossed:
        """First minus second arm, in the answer's measure or (`plain`) in accuracy."""
        runs = alike(self.listed, first, second)
        return contrast(self.right, first, second, runs, None if plain else self.groups)

    def level(self, cell: ArmCell) -> Crossed:
        """The arm's own value of the answer's measure."""
        return crossed(self.right(cell).astype(float), self.groups, SHARE)

    def real_curve(self) -> list[tuple[int, np.ndarray]]:
        """(number of real images, who is right with them alone: float, seeds × test images), ascending."""
        return [(n, self.curve[n,].astype(float)) for (n,) in sorted(self.curve.names)]


@result("compared", reads=[task, answer_hits, curve_hits], no_rows=WHOLE)
def compared(d: Design, task: Task, arms: Hits, curve: Hits) -> Compared:
    """The arms of the answer on the test images."""
    known = [cell for cell in d.arms.listed() if cell in arms or cell == REAL]
    return Compared(arms, curve, task.groups, tuple(known))


@result("verdicts", reads=[compared, mixes], no_rows=WHOLE)
def verdicts(d: Design, compared: Compared, mixes: pd.DataFrame) -> Decided:
    """The two decided questions: (first arm, second arm, verdict on first minus second) by name.

    "replace": the most synthetic images against the real ones. "augment": the mix chosen on validation images beside
    the real ones, against these alone. Where the study grew, a verdict that an earlier look has decided stands, with
    the mix of that look.
    """
    found: dict[str, tuple[ArmCell, ArmCell, Verdict]] = {}
    for count in d.looks or (len(d.seeds),):
        now, mix = compared.first(count), chosen(mixes[mixes.seed.isin(d.seeds[:count])])
        pairs = {"replace": (answer_cells(d)["alone"][-1], REAL), "augment": (mix, REAL)}
        decided = decide([now.difference(*pair) for pair in pairs.values()], growing=bool(d.looks))
        fresh = {name: (*pair, verdict) for (name, pair), verdict in zip(pairs.items(), decided, strict=True)}
        found = fresh | {name: kept for name, kept in found.items() if kept[2].standing == DECIDED}
    return found


def best_mix(decided: Decided) -> ArmCell:
    """The mix that the answer is about."""
    return decided["augment"][0]


# what follows from them


def mix_means(mixes: pd.DataFrame) -> pd.Series:
    """Mean over seeds of each mix on validation images, by (arm, multiple)."""
    return mixes.groupby(["arm", "multiple"], sort=False).value.mean()


def chosen(mixes: pd.DataFrame) -> ArmCell:
    """The mix with the best mean on validation images; the first of equals."""
    arm, multiple = mix_means(mixes).idxmax()
    return Arm(arm), multiple


@dataclass(frozen=True)
class Replacement:
    """Synthetic images alone.

    match : multiple at which they equal the real set; None with one multiple.
    worth : real images that the ×1 set (or the only one) is worth, of the `train` there are; None without a curve.
    count : synthetic images that `worth` is about. multiples : those that were run.
    """

    match: Crossing | None
    worth: Crossing | None
    count: int
    train: int
    multiples: tuple[float, ...]


def replacement(d: Design, compared: Compared) -> Replacement:
    """What synthetic images are worth in the place of real ones."""
    arrays = {k: compared.right((arm, k)).astype(float) for arm, k in answer_cells(d)["alone"]}
    real, curve = compared.right(REAL).astype(float), compared.real_curve()
    match = crossing(list(arrays.items()), real, compared.groups) if len(arrays) > 1 else None
    multiple = 1 if 1 in arrays else next(iter(arrays))
    worth = crossing(curve, arrays[multiple], compared.groups) if len(curve) > 1 else None
    train = d.arms.data["train"].count
    return Replacement(match, worth, round(multiple * train), train, tuple(arrays))


def gains(d: Design, compared: Compared) -> dict[ArmCell, Crossed]:
    """Every arm with the real images against the real images alone, in the order of the figure."""
    cells = answer_cells(d)
    return {cell: compared.difference(cell, REAL) for cell in [*cells["without"], *cells["beside"]]}


def how_many(d: Design, compared: Compared) -> Flattening | None:
    """Where accuracy with synthetic images alone flattens; None with one multiple."""
    alone = answer_cells(d)["alone"]
    if len(alone) < 2:
        return None
    against = [compared.difference(alone[-1], cell) for cell in alone[:-1]]
    return flattening([k for _, k in alone], against)


def against_rival(d: Design, compared: Compared, best: ArmCell) -> tuple[ArmCell, Crossed] | None:
    """The chosen mix against naïve images at the same multiple, or naïve ones against the paper's mix.

    None where that was not run.
    """
    rival = (MIX if best[0] == NAIVE else NAIVE, best[1])
    return (rival, compared.difference(best, rival)) if rival in answer_cells(d)["beside"] else None


def by_class(d: Design, task: Task, compared: Compared, mix: ArmCell) -> pd.DataFrame:
    """Share of a class's test images that are told rightly: columns name, n, train, real, alone, beside, change.

    real, alone (the most synthetic images), beside (that mix): Crossed; change: alone − real. Classes in the
    order of `change`, worst first.
    """
    alone, beside = (compared.right(c).astype(float) for c in (answer_cells(d)["alone"][-1], mix))
    real = compared.right(REAL).astype(float)
    rows = []
    for label, name in enumerate(task.classes):
        mine = task.test == label
        if mine.any():
            levels = {"real": real, "alone": alone, "beside": beside}
            row = {"name": name, "n": int(mine.sum()), "train": int((task.train == label).sum())}
            row |= {key: crossed(value[:, mine], span=SHARE) for key, value in levels.items()}
            rows.append(row | {"change": crossed((alone - real)[:, mine])})
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["change"].mean, rows[i]["alone"].mean))
    return pd.DataFrame([rows[i] for i in order])
