"""What the plain answer for one data set is measured by: would synthetic images replace or help the real ones?

Arms are compared on the test images by seeds × images intervals, or where heads on frozen features are the judge, by
redraws × images (see `stats.crossed`); the mix of synthetic images is chosen on validation images. Two questions carry
a verdict and are corrected together; the rest is description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd

from ..classifier.evaluate import Prediction
from ..classifier.head import Judged
from ..design.loading import Design
from ..design.values import (
    GIVEN,
    GIVEN_ONLY,
    MIX,
    NAIVE,
    REAL,
    REDUCED,
    SECOND_BATCH,
    SYNTHETIC_ONLY,
    Arm,
    ArmCell,
)
from ..graph.specs import Predict
from ..metrics.scores import score
from ..stats.crossed import DIFFERENCE, Crossed, Crossing, crossed, crossing, redrawn
from ..stats.intervals import SHARE, Range
from ..stats.pooling import contrast
from ..stats.verdict import DECIDED, Flattening, Verdict, decide, flattening
from .augmentation import ARM, curve_cells
from .base import WHOLE, Cells, Values, read, result
from .hits import Hits, alike, hits
from .scored import Scored
from .task import Task, task

AS_MANY_REAL: ArmCell = (SECOND_BATCH, 1)  # the control of "beside": as many images a step, all of them real
REDUCED_REAL: ArmCell = (REDUCED, 0)  # the control of what images lose by their size alone
CONTROLS = (AS_MANY_REAL, REDUCED_REAL)  # they are no way to train
FLIP = Arm("flip")

Decided = Mapping[str, tuple[ArmCell, ArmCell, Verdict]]


# what is compared


def alone(d: Design) -> list[ArmCell]:
    """The arms with synthetic images in the place of the real ones: the given ones, where there are such."""
    if d.given:
        return [(GIVEN_ONLY, k) for k in (d.heads or d.arms).given_multiples()]
    return [(SYNTHETIC_ONLY, k) for k in d.arms.preset.replication]


def answer_cells(d: Design) -> dict[str, list[ArmCell]]:
    """Arms by their part in the answer: "alone" and "beside" the real images, "without" a generator."""
    arms, preset = d.arms, d.arms.preset
    policies = [*([] if arms.mirrored else [FLIP]), *map(Arm, preset.policies)]
    without = d.heads.policies() if d.heads else [AS_MANY_REAL, *((policy, 0) for policy in policies)]
    if d.heads and not d.given:
        without = [REDUCED_REAL, *without]
    if d.given:
        beside: list[ArmCell] = [(GIVEN, k) for k in (d.heads or arms).given_multiples()]
    else:
        beside = [(arm, k) for arm, several in preset.augmentation.items() for k in several if arm.t_re != 0]
    return {"alone": alone(d), "beside": beside, "without": without}


def _predicted(d: Design, listed: Iterable[ArmCell], part: str) -> Cells:
    """Heads say something of all parts."""
    if d.heads:
        return {(*cell, s): d.head(cell, s) for cell in listed for s in d.judging}
    images = d.arms.data[part]
    return {(*cell, s): Predict(classifier=d.arms.arm(*cell, s), images=images) for cell in listed for s in d.seeds}


def tested_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of the real images alone and of every arm of the answer."""
    return _predicted(d, [REAL], "test") | hit_cells(d)


def hit_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of the answer's arms; the learning curve ends with the real images."""
    return _predicted(d, dict.fromkeys(chain(*answer_cells(d).values())), "test")


def mix_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → validation predictions of what may be done with the real images, to choose among it."""
    cells = answer_cells(d)
    return _predicted(d, [c for c in (*cells["beside"], *cells["without"]) if c not in CONTROLS], "validation")


def sizes_cells(d: Design) -> Cells:
    """(real images, seed) → test predictions with so many real images alone."""
    if not d.heads:
        return curve_cells(d)
    *fewer, whole = d.heads.curve()
    heads = {d.heads.fitted(n): d.head(REAL, count=n) for n in fewer} | {d.heads.fitted(whole): d.head(REAL)}
    return {(n, s): head for n, head in heads.items() for s in d.judging}


# results


@result("answer", tested_cells)
def tested(d: Design, values: Values) -> pd.DataFrame:
    """Every arm of the answer: columns arm, multiple (0: real images alone), seed, accuracy, balanced, n."""

    def scores(told: Prediction | Judged) -> dict[str, float]:
        one = told.itself if isinstance(told, Judged) else told
        return {"accuracy": one.accuracy, "balanced": one.balanced_accuracy, "n": one.n}

    return read(ARM, scores)(d, values)


answer_hits = hits("answer", hit_cells, heads=True)
answer_curve = hits("answer_curve", sizes_cells, no_rows="it is the learning curve, or the heads' own", heads=True)


@result("mixes", mix_cells, reads=[task])
def mixes(d: Design, values: Values, task: Task) -> pd.DataFrame:
    """What may be done, on validation images: columns arm, multiple (0: without a generator), seed, value (the answer's
    measure, in [0, 1]), n."""
    how = score(task.name, task.positive)

    def value(told: Prediction | Judged) -> dict[str, float]:
        one = told.on_validation if isinstance(told, Judged) else told
        return {"value": how(one.logits, one.labels, np.ones(one.n)), "n": one.n}

    return read(ARM, value)(d, values)


@dataclass(frozen=True)
class Compared:
    """Who is right on which test image, and how arms compare; differences are of shares in [0, 1].

    arms : the answer's; curve : of subsets of the real images, by their number (the last: all of them). listed : arms
    of Table 3, by which variances are told. redrawn : 0, or of how many generators there are rows like these: the first
    is of the images as they are, the others of redrawn ones (see `stats.crossed.redrawn`). scored : what classifiers
    say. measure : what differences and levels are of, where it is more than who is right: the area under a curve, for
    instance; else "".
    """

    arms: Hits
    curve: Hits
    groups: np.ndarray | None
    listed: tuple[ArmCell, ...]
    scored: Scored | None = None
    redrawn: int = 0
    measure: str = ""

    def cross(self, values: np.ndarray, groups: np.ndarray | None = None, span: Range = DIFFERENCE) -> Crossed:
        """`stats.crossed.crossed`, or `redrawn`."""
        return redrawn(values, groups, span, self.redrawn) if self.redrawn else crossed(values, groups, span)

    def first(self, count: int) -> Compared:
        """The same of so many seeds, the first ones; of heads, which have none, all of it."""
        if self.redrawn:
            return self
        scored = self.scored.first(count) if self.measure else self.scored
        return replace(self, arms=self.arms.first(count), curve=self.curve.first(count), scored=scored)

    def right(self, cell: ArmCell) -> np.ndarray:
        """bool, seeds × test images: does the classifier of this arm get the image's class right?"""
        return self.curve[max(self.curve.names)] if cell == REAL else self.arms[cell]

    def difference(self, first: ArmCell, second: ArmCell, *, plain: bool = False) -> Crossed:
        """First minus second arm, in the answer's measure or (`plain`) in accuracy."""
        groups = None if plain else self.groups
        if self.measure and not plain:
            return self.scored.difference(self.measure, first, second)
        if self.redrawn:
            return self.cross(self.right(first).astype(float) - self.right(second), groups)
        return contrast(self.right, first, second, alike(self.listed, first, second), groups)

    def level(self, cell: ArmCell) -> Crossed:
        """The arm's own value of the answer's measure."""
        if self.measure:
            return self.scored.level(self.measure, cell)
        return self.cross(self.right(cell).astype(float), self.groups, SHARE)

    def curve_levels(self) -> dict[int, Crossed]:
        """Number of real images → the answer's measure with them alone, ascending."""
        if self.measure:
            return {n: self.scored.level(self.measure, (n,)) for (n,) in sorted(self.curve.names)}
        return {n: self.cross(right, self.groups, SHARE) for n, right in self.real_curve()}

    def step(self, before: int, after: int) -> Crossed:
        """What so many real images give beyond fewer of them."""
        if self.measure:
            return self.scored.difference(self.measure, (after,), (before,))
        return self.cross(self.curve.minus((after,), (before,)), self.groups)

    def real_curve(self) -> list[tuple[int, np.ndarray]]:
        """(number of real images, who is right with them alone: float, seeds × test images), ascending."""
        return [(n, self.curve[n,].astype(float)) for (n,) in sorted(self.curve.names)]


@result("scores", lambda d: tested_cells(d) | sizes_cells(d), reads=[task], no_rows=WHOLE)
def scored(d: Design, values: Values, task: Task) -> Scored:
    """What the classifiers of the answer say of the test images, to be measured in any way."""
    logits: dict[tuple, list[np.ndarray]] = {}
    for (*cell, _), told in values.items():
        logits.setdefault(tuple(cell), []).extend(told.logits if isinstance(told, Judged) else [told.logits])
    rows = {cell: np.array(several) for cell, several in logits.items()}
    return Scored(rows, task.test, task.positive, _redrawn(d))


def _redrawn(d: Design) -> int:
    """See `Compared`."""
    return d.heads.generators if d.heads else 0


@result("compared", reads=[task, answer_hits, answer_curve, scored], no_rows=WHOLE)
def compared(d: Design, task: Task, arms: Hits, curve: Hits, scored: Scored) -> Compared:
    """The arms of the answer on the test images."""
    known = [cell for cell in d.arms.listed() if cell in arms or cell == REAL]
    measure = "" if task.name in ("accuracy", "balanced") else task.name
    return Compared(arms, curve, task.groups, tuple(known), scored, _redrawn(d), measure)


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


def mix_means(mixes: pd.DataFrame, *, generated: bool = True) -> pd.Series:
    """Mean over seeds of each mix on validation images, by (arm, multiple); or of what goes without a generator."""
    mine = mixes[(mixes.multiple > 0) == generated]
    return mine.groupby(["arm", "multiple"], sort=False).value.mean()


def chosen(mixes: pd.DataFrame, *, generated: bool = True) -> ArmCell:
    """The mix with the best mean on validation images; the first of equals. Or the best without a generator."""
    arm, multiple = mix_means(mixes, generated=generated).idxmax()
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
    """What synthetic images are worth in the place of real ones; by who is right, so of no other measure."""
    if compared.measure:
        multiples = tuple(k for _, k in answer_cells(d)["alone"])
        return Replacement(None, None, round(multiples[0] * d.fitted_to), d.fitted_to, multiples)
    arrays = {k: compared.right((arm, k)).astype(float) for arm, k in answer_cells(d)["alone"]}
    real, curve = compared.right(REAL).astype(float), compared.real_curve()
    how = {"groups": compared.groups, "cross": compared.cross}
    match = crossing(list(arrays.items()), real, **how) if len(arrays) > 1 else None
    multiple = 1 if 1 in arrays else next(iter(arrays))
    worth = crossing(curve, arrays[multiple], **how) if len(curve) > 1 else None
    return Replacement(match, worth, round(multiple * d.fitted_to), d.fitted_to, tuple(arrays))


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
    """Share of a class's test images classified correctly: columns name, n, train, real, alone, beside, change.

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
            row |= {key: compared.cross(value[:, mine], span=SHARE) for key, value in levels.items()}
            rows.append(row | {"change": compared.cross((alone - real)[:, mine])})
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["change"].mean, rows[i]["alone"].mean))
    return pd.DataFrame([rows[i] for i in order])
