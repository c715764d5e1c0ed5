"""The paper's claims set against a study: one verdict each, by a rule that owes nothing to any run.

What decides a claim, and the smallest effect of interest, is data (`synthgap/paper/claims.yaml`); here is where the
number comes from and how it is judged. Nothing is read that the chapters don't read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..design.arms import CROSSFIT, GAN, MIX, NAIVE, REAL_ONLY, SYNTHETIC_ONLY, Arms
from ..diffusion.schedule import REVERSE_STEPS
from ..paper.published import PublishedClaim, claims
from ..stats.crossed import Crossed, crossed, crossing
from ..stats.intervals import ANY, estimate_mean, holm, range_of_difference, slopes
from .controls import Cell, cell_name

if TYPE_CHECKING:
    from .old_study import Study

REPRODUCED, REVERSED, NO_EFFECT = "reproduced", "reversed", "no effect of interest"
INCONCLUSIVE, NOT_TESTED = "inconclusive", "not tested at this scale"
VERDICTS = (REPRODUCED, REVERSED, NO_EFFECT, INCONCLUSIVE, NOT_TESTED)
SIGN = {"rises": 1, "larger": 1, "falls": -1, "smaller": -1}
ALPHA = 0.05  # of the intervals, and of Holm's correction over all tested claims
PAPERS_OWN = ("aircraft", "cub", "cars")  # data sets whose numbers the paper's multiples are
NUMBERS = ("match-above-three", "match-at-five-or-more", "match-at-three")  # claims about such a number
HELD = {  # what a run must hold beyond cells of its tables → does the study? What is not listed no study has.
    "two seeds": lambda study: len(study.seeds) >= 2,
    "several data sets": lambda study: len(study.columns_of(4)) >= 2,
    "GAN": lambda study: bool(study.main.rivals),
    "real images trimmed to the synthetic spread": lambda study: bool(study.main.preset.trimmed),
    "three data sets": lambda study: len(study.columns_of(4)) >= 3,
    "100 classes": lambda study: {10, 100} <= {arms.data["train"].classes for arms in study.columns_of(2)},
}
WORDS = {"100 classes": "data sets of 100 and of 10 classes in Table 2", "GAN": "samples of a GAN"}

REAL: Cell = (REAL_ONLY, 0)
POLICY_CELLS: tuple[Cell, ...] = (("RandAugment", 0), ("TrivialAugment", 0))


@dataclass(frozen=True)
class Effect:
    """A claim's measure with its 95% interval, in the unit of the claim's interest."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim judged.

    effect : None where nothing was measured; given for comparison where the claim is a number of another scale.
    p : two-sided, against the claim's level (of an equivalence: against the nearer end of level ± interest); p_holm:
        corrected for all tested claims. NaN with one seed or without a test. The verdict goes by the interval.
    n, dataset : what the number rests on: "3 seeds, 1,097 test images", "digits"; empty where nothing was measured.
    why : what was compared, or why it was not.
    """

    claim: PublishedClaim
    verdict: str
    effect: Effect | None
    unit: str
    p: float
    p_holm: float
    n: str
    dataset: str
    why: str


def judge(direction: str, interest: float, low: float, high: float) -> str:
    """The verdict on an interval of (measure − the claim's level); NaN, of one seed, is inconclusive.

    An interval inside ± interest is "no effect of interest", on whichever side of 0 it lies; for the direction "equal"
    it is what was claimed, and an interval outside ± interest is the reverse.
    """
    if math.isnan(low) or math.isnan(high):
        return INCONCLUSIVE
    inside = -interest < low and high < interest
    if direction == "equal":
        return REPRODUCED if inside else REVERSED if low >= interest or high <= -interest else INCONCLUSIVE
    if inside:
        return NO_EFFECT
    if low > 0 or high < 0:
        return REPRODUCED if (low > 0) == (SIGN[direction] > 0) else REVERSED
    return INCONCLUSIVE


def evaluate_claims(study: Study) -> list[ClaimVerdict]:
    """Every claim of the paper, in the order of `published.claims`, judged on what the study has."""
    rows = _Rows(study)
    several = [_evaluate(claim, rows) for claim in claims()]
    return [replace(v, p_holm=float(p)) for v, p in zip(several, holm([v.p for v in several]), strict=True)]


def _evaluate(claim: PublishedClaim, rows: _Rows) -> ClaimVerdict:
    unit = claim.interest.unit
    try:
        rows.check(claim)
        found = MEASURES[claim.id](rows, claim)
    except (_NotHereError, UserError) as error:  # a UserError: too few images for the measure
        return ClaimVerdict(claim, NOT_TESTED, None, unit, math.nan, math.nan, "", "", str(error))
    effect, measure = found.effect, f"{claim.measure}{found.detail}"
    if claim.id in NUMBERS and not _of_the_papers_scale(rows.study, found.dataset):
        why = f"a number of the paper's data sets and sizes; here, for comparison: {measure}"
        return ClaimVerdict(claim, NOT_TESTED, effect, unit, math.nan, math.nan, found.n, found.dataset, why)
    low, high = effect.low - claim.level, effect.high - claim.level
    verdict = judge(claim.direction, claim.interest.value, low, high)
    return ClaimVerdict(claim, verdict, effect, unit, found.p, math.nan, found.n, found.dataset, measure)


def _of_the_papers_scale(study: Study, dataset: str) -> bool:
    """Is the run the paper's, with its preset, its data set, and nothing made smaller?"""
    whole = study.options.image_size == study.options.max_images == "auto"
    return whole and study.preset.name == "paper" and dataset in PAPERS_OWN


class _NotHereError(Exception):
    """The study lacks what a claim needs; the message says what."""


@dataclass(frozen=True)
class _Found:
    effect: Effect
    p: float
    n: str
    dataset: str
    detail: str = ""


Measure = Callable[["_Rows", PublishedClaim], _Found]


class _Rows:
    """What claims read of a study, each thing once: tables, and who was right on which test image."""

    def __init__(self, study: Study):
        self.study = study
        self._kept: dict[Any, Any] = {}

    def check(self, claim: PublishedClaim) -> None:
        """Raises where the study can't decide the claim whatever its arms are."""
        others = [need for need in claim.needs if not _is_cell(need)]
        lacking = [WORDS.get(n, n) for n in others if n not in HELD or not HELD[n](self.study)]
        if lacking:
            raise _NotHereError(f"this run lacks what it needs: {', '.join(lacking)}")
        if claim.test == "none":
            raise _NotHereError("nothing that a run measures decides it")

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def table(self, name: str) -> pd.DataFrame:
        """Rows of a method of the study; cross-fitted where there are two protocols."""
        rows = self._once(name, getattr(self.study, name))
        if "protocol" not in rows:
            return rows
        rows = rows[rows.protocol == CROSSFIT]
        if rows.empty:
            raise _NotHereError("there are too few held-out images for the cross-fitted protocol")
        return rows

    def steps(self, name: str, column: str, **where: Any) -> pd.DataFrame:
        """One column of a table as seeds × reverse steps, of the rows that `where` picks."""
        rows = self.table(name)
        for key, value in where.items():
            rows = rows[rows[key] == value]
        return rows[rows.t_re >= 0].pivot(index="seed", columns="t_re", values=column)

    def cells(self, arms: Arms, group: str) -> dict[tuple, Any]:
        return self._once((id(arms), group), getattr(arms, group))

    def right(self, arms: Arms, group: str, cell: tuple) -> np.ndarray:
        """Seeds × test images: 1 where the classifier of a cell is right; `cell` is its name without the seed."""
        cells = self.cells(arms, group)
        if (*cell, self.study.seeds[0]) not in cells:
            raise _NotHereError(f"the preset {self.study.preset.name} does not run {cell_name(cell)}")
        return self._once((id(arms), cell), lambda: self._read([cells[*cell, s] for s in self.study.seeds]))

    def _read(self, specs: list) -> np.ndarray:
        self.study.compute(specs)
        return np.array([self.study.store.get(spec).correct for spec in specs], dtype=np.float64)

    def difference(self, arms: Arms, first: Cell, second: Cell, group: str = "table3") -> Crossed:
        """First minus second arm, in points."""
        return crossed(self.right(arms, group, first) - self.right(arms, group, second)).in_points

    def by_step(self, arms: Arms) -> dict[int, np.ndarray]:
        """Reverse step → seeds × test images of Table 2."""
        steps = sorted({t for t, _ in self.cells(arms, "table2")})
        return {t: self._once((id(arms), t), lambda t=t: self._of_step(arms, t)) for t in steps}

    def _of_step(self, arms: Arms, t: int) -> np.ndarray:
        return self._read([self.cells(arms, "table2")[t, s] for s in self.study.seeds])

    def advantage(self, arms: Arms) -> Crossed:
        """Naïve ×5 minus the better of the two policies, in points."""
        several = [self.difference(arms, (NAIVE, 5), policy, "table4") for policy in POLICY_CELLS]
        return min(several, key=lambda d: d.mean)

    def by_generator(self) -> list[Arms]:
        """The data sets of Table 4, best generator first: Fréchet distance over that of other real images."""
        rows = self.table("table4_fidelity")
        means = rows.groupby(["dataset", "t_re"]).frechet.mean()
        several = self.study.columns_of(4)
        if {arms.name for arms in several} - set(rows.dataset):
            raise _NotHereError("a data set has too few held-out images to judge its generator")
        return sorted(several, key=lambda arms: means[arms.name, REVERSE_STEPS] / means[arms.name, 0])


def _is_cell(need: str) -> bool:
    return " ×" in need or (need, 0) in POLICY_CELLS


# from numbers to an effect


def _found(several: Sequence[Crossed], claim: PublishedClaim, dataset: str, detail: str = "") -> _Found:
    """The effect that speaks least for the claim: of one it is that one; of several all must be on its side.

    Of several, the far end of the interval and the p-value against the claim are corrected for their number.
    """
    sign, count, first = SIGN.get(claim.direction, 1), len(several), several[0]
    shifted = [_from_level(d, claim.level, sign) for d in several]
    mean = min(d.mean for d in shifted)
    ends = (min(d.low for d in shifted), min(d.interval(1 - ALPHA / count)[1] for d in shifted))
    if claim.direction == "equal":
        p = replace(first, mean=abs(mean) - claim.interest.value).p
    elif mean > 0:
        p = max(d.p for d in shifted)
    else:
        p = float(np.minimum(1.0, count * min(d.p for d in shifted if d.mean <= 0)))
    low, high = sorted(claim.level + sign * end for end in ends)
    n = f"{first.seeds} seed{'s' * (first.seeds > 1)}" + (f", {first.images:,} test images" if first.images else "")
    return _Found(Effect(claim.level + sign * mean, low, high), p, n, dataset, detail)


def _from_level(d: Crossed, level: float, sign: int) -> Crossed:
    """What lies between a level and an effect, counted as positive on the claim's side."""
    low, high = sorted(sign * (end - level) for end in d.span)
    return replace(d, mean=sign * (d.mean - level), span=(low, high))


def _over_seeds(values: Sequence[float] | np.ndarray | pd.Series) -> Crossed:
    """One number a seed, without images: Student's t alone."""
    e = estimate_mean(_finite(values))
    return Crossed(e.mean, e.sd**2 / e.n, 0.0, 0.0, e.n, 0)


def _finite(values: Any) -> np.ndarray:
    if not np.isfinite(values).all():
        raise _NotHereError("with so few images the measure is not a finite number")
    return np.asarray(values)


def _apart(a: Crossed, b: Crossed) -> Crossed:
    """a − b of different test images and different seeds' work; as many seeds, and so a cautious Student's t."""
    parts = {name: getattr(a, name) + getattr(b, name) for name in ("seed_part", "image_part", "noise_part")}
    span = range_of_difference(a.span)
    return replace(a, mean=a.mean - b.mean, images=a.images + b.images, span=span, **parts)


def _slope(steps: dict[int, np.ndarray]) -> Crossed:
    """Change of accuracy over 100 reverse steps in points: the least-squares slope, a value a seed and image."""
    centred = np.array(list(steps), dtype=np.float64) - np.mean(list(steps))
    if not centred.any():
        raise _NotHereError("a slope takes two reverse steps")
    weights = 100 * centred / (centred @ centred)
    return crossed(sum(w * values for w, values in zip(weights, steps.values(), strict=True)), span=ANY).in_points


def _at(table: pd.DataFrame, t: int) -> pd.Series:
    if t not in table:
        raise _NotHereError(f"this run has no reverse step {t} here")
    return table[t]


def _reached(
    curve: list[tuple[float, np.ndarray]], target: np.ndarray, whole: float, claim: PublishedClaim, dataset: str
) -> _Found:
    """Where a curve reaches a target, its places in units of `whole`; p is of the two at the claim's level."""
    known = {place / whole: values for place, values in curve}
    if len(curve) < 2 or claim.level not in known:
        raise _NotHereError("the curve has too few places to tell where it reaches the other")
    at_level = crossed(known[claim.level] - target)
    place = crossing(curve, target)
    low, high = place.low, place.high
    if math.isnan(at_level.half_width()):
        low = high = math.nan
    n = f"{at_level.seeds} seed{'s' * (at_level.seeds > 1)}, {at_level.images:,} test images"
    return _Found(Effect(place.value / whole, low / whole, high / whole), at_level.p, n, dataset)


# what the claims measure


def _arms(*pairs: tuple[Cell, Cell]) -> Measure:
    """Accuracy of one arm minus another's; of several pairs the one that speaks least for the claim."""

    def measure(rows: _Rows, claim: PublishedClaim) -> _Found:
        arms = rows.study.arms
        return _found([rows.difference(arms, *pair) for pair in pairs], claim, arms.name)

    return measure


def _on_every_dataset(*pairs: tuple[Cell, Cell]) -> Measure:
    """The same with all data sets of Table 4."""

    def measure(rows: _Rows, claim: PublishedClaim) -> _Found:
        columns = rows.study.columns_of(4)
        several = [rows.difference(arms, *pair, "table4") for arms in columns for pair in pairs]
        found = _found(several, claim, ", ".join(arms.name for arms in columns))
        images = sum(arms.data["test"].count for arms in columns)
        return replace(found, n=f"{several[0].seeds} seeds, {images:,} test images of {len(columns)} data sets")

    return measure


def _trend(table: str, column: str, relative: bool = False, **where: Any) -> Measure:
    """Change of a column over 100 reverse steps, by its slope; relative: in percent of its value at 0."""

    def measure(rows: _Rows, claim: PublishedClaim) -> _Found:
        steps = rows.steps(table, column, **where)
        if relative:
            steps = 100 * steps.div(_at(steps, 0), axis=0)
        long = steps.reset_index().melt(id_vars="seed", var_name="t_re")
        each = 100 * slopes(long.t_re, _finite(long["value"]), long.seed)
        return _found([_over_seeds(each)], claim, rows.study.main.name)

    return measure


def _change(table: str, column: str, first: int, second: int | None = None) -> Measure:
    """A column at one reverse step, minus the same at another."""

    def measure(rows: _Rows, claim: PublishedClaim) -> _Found:
        steps = rows.steps(table, column)
        values = _at(steps, first) - (0.0 if second is None else _at(steps, second))
        return _found([_over_seeds(values)], claim, rows.study.main.name)

    return measure


def _recall_beyond_precision(rows: _Rows, claim: PublishedClaim) -> _Found:
    falls = []
    for column in ("recall", "precision"):
        steps = rows.steps("fidelity_curve", column)
        falls.append(_at(steps, 0) - _at(steps, REVERSE_STEPS))
    return _found([_over_seeds(falls[0] - falls[1])], claim, rows.study.main.name)


def _detection(rows: _Rows, claim: PublishedClaim) -> _Found:
    table = rows.table("table1")
    mine = table[table.t_re == REVERSE_STEPS]
    if mine.empty:
        raise _NotHereError("there are too few pairs of images for a detector")
    detector = mine.detector.iloc[0]
    mine = mine[mine.detector == detector]
    largest = 100 * mine.groupby("seed").accuracy.max()
    return _found([_over_seeds(largest)], claim, rows.study.main.name, f" (detector: {detector})")


def _against_gan(domain: str) -> Measure:
    """Detection accuracy of the diffusion model's images minus that of the GAN's, by the preset's first detector."""

    def measure(rows: _Rows, claim: PublishedClaim) -> _Found:
        collapsed = rows.study.collapsed()
        if collapsed:
            raise _NotHereError(f"the GAN has collapsed in seed {', '.join(map(str, collapsed))}")
        mine = rows.table("table1")
        mine = mine[mine.domain == domain]
        if not {REVERSE_STEPS, GAN} <= set(mine.t_re):
            raise _NotHereError(f"nothing was detected on {domain} here")
        detector = mine.detector.iloc[0]
        by = 100 * mine[mine.detector == detector].pivot(index="seed", columns="t_re", values="accuracy")
        where = f" (detector: {detector})"
        return _found([_over_seeds(by[REVERSE_STEPS] - by[GAN])], claim, rows.study.main.name, where)

    return measure


def _likelihood(rows: _Rows, claim: PublishedClaim) -> _Found:
    sigma = rows.table("likelihood_curve").sigma.max()  # at the smallest it is about the grid of grey levels
    found = _trend("likelihood_curve", "nats", split="test", sigma=sigma)(rows, claim)
    return replace(found, detail=f" (at σ = {sigma:g})")


def _accuracy_by_step(rows: _Rows, claim: PublishedClaim) -> _Found:
    arms = rows.study.columns_of(2)[0]
    return _found([_slope(rows.by_step(arms))], claim, arms.name)


def _harder_task(rows: _Rows, claim: PublishedClaim) -> _Found:
    columns, falls = {}, {}
    for arms in reversed(rows.study.columns_of(2)):  # the first one of each number of classes
        columns[arms.data["train"].classes] = arms
    for classes in (100, 10):
        steps = rows.by_step(columns[classes])
        if not {0, REVERSE_STEPS} <= set(steps):
            raise _NotHereError(f"this run lacks reverse step 0 or {REVERSE_STEPS} here")
        falls[classes] = crossed(steps[0] - steps[REVERSE_STEPS]).in_points
    return _found([_apart(falls[100], falls[10])], claim, f"{columns[100].name}, {columns[10].name}")


def _worth(rows: _Rows, claim: PublishedClaim) -> _Found:
    arms = rows.study.arms
    target = rows.right(arms, "table3", (SYNTHETIC_ONLY, 1))
    counts = sorted({count for count, _ in rows.cells(arms, "learning_curve")})
    curve = [(count, rows.right(arms, "learning_curve", (count,))) for count in counts]
    return _reached(curve, target, arms.data["train"].count, claim, arms.name)


def _match(rows: _Rows, claim: PublishedClaim) -> _Found:
    arms = rows.study.arms
    several = sorted({k for arm, k, _ in rows.cells(arms, "table3") if arm == SYNTHETIC_ONLY} | {3, 5})
    curve = [(k, rows.right(arms, "table3", (SYNTHETIC_ONLY, k))) for k in several]
    return _reached(curve, rows.right(arms, "table3", REAL), 1, claim, arms.name)


def _later_steps(rows: _Rows, claim: PublishedClaim) -> _Found:
    arms = rows.study.arms
    steps = {t: rows.right(arms, "table3", (str(t), 1)) for t in (25, 50, 75, 100)}
    return _found([_slope(steps)], claim, arms.name)


def _poor_generator(rows: _Rows, claim: PublishedClaim) -> _Found:
    worst = rows.by_generator()[-1]
    return _found([rows.difference(worst, (SYNTHETIC_ONLY, 5), REAL, "table4")], claim, worst.name)


def _advantage_by_generator(rows: _Rows, claim: PublishedClaim) -> _Found:
    best, *_, worst = rows.by_generator()
    both = _apart(rows.advantage(worst), rows.advantage(best))
    return _found([both], claim, f"{worst.name}, {best.name}")


def _trimmed(rows: _Rows, claim: PublishedClaim) -> _Found:
    return _found([rows.study.trimmed_loss().loss], claim, rows.study.main.name)


MEASURES: dict[str, Measure] = {
    "gap-at-equal-size": _arms((REAL, (SYNTHETIC_ONLY, 1))),
    "less-information-per-image": _worth,
    "gap-on-every-dataset": _on_every_dataset((REAL, (SYNTHETIC_ONLY, 1))),
    "original-is-lost": _trend("memorization", "ratio"),
    "distance-rises": _trend("fidelity_curve", "frechet", relative=True),
    "precision-falls": _trend("fidelity_curve", "precision"),
    "recall-falls": _trend("fidelity_curve", "recall"),
    "recall-falls-most": _recall_beyond_precision,
    "nearly-undetectable": _detection,
    "harder-to-detect-than-gan-pixel": _against_gan("pixel"),
    "harder-to-detect-than-gan-dct": _against_gan("dct"),
    "accuracy-falls": _accuracy_by_step,
    "harder-task-loses-more": _harder_task,
    "attention-unchanged": _change("attention", "similarity", REVERSE_STEPS, 0),
    "entropy-falls": _trend("entropy_curve", "entropy", relative=True, split="test"),
    "typical-of-the-class": _trend("concentration", "distance_ratio"),
    "concentrated-in-the-modes": _change("concentration", "trace_ratio", REVERSE_STEPS),
    "steps-pull-to-the-modes": _trend("concentration", "trace_ratio"),
    "edges-uncovered": _change("concentration", "outer_coverage", REVERSE_STEPS, 0),
    "half-way-fills-in": _change("concentration", "outer_coverage", 50, REVERSE_STEPS),
    "size-closes-the-gap": _arms(((SYNTHETIC_ONLY, 5), REAL)),
    "size-helps-replication": _arms(((SYNTHETIC_ONLY, 5), (SYNTHETIC_ONLY, 1))),
    "match-above-three": _match,
    "match-at-five-or-more": _match,
    "match-at-three": _arms(((SYNTHETIC_ONLY, 3), REAL)),
    "likelihood-rises": _likelihood,
    "concentration-is-the-cause": _trimmed,
    "augmentation-helps": _arms(((NAIVE, 1), REAL)),
    "augmentation-beats-replication": _arms(((NAIVE, 1), (SYNTHETIC_ONLY, 1))),
    "size-helps-augmentation": _arms(((NAIVE, 5), (NAIVE, 1))),
    "fixed-steps-below-naive": _arms(*(((t, 1), (NAIVE, 1)) for t in ("25", "50", "75"))),
    "small-step-hurts": _arms((("25", 1), REAL)),
    "larger-steps-help-more": _later_steps,
    "early-range-gains-less": _arms((("0-50", 1), (MIX, 1))),
    "late-mix-beats-naive": _arms(((MIX, 5), (NAIVE, 5))),
    "beats-traditional": _arms(*(((NAIVE, 5), policy) for policy in POLICY_CELLS)),
    "mix-at-least-competitive": _on_every_dataset(*(((MIX, 5), policy) for policy in POLICY_CELLS)),
    "poor-generator-never-matches": _poor_generator,
    "benefit-needs-fidelity": _advantage_by_generator,
}
