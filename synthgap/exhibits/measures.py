"""Section 7, its numbers: what decides each claim of the paper, read off the results that the measure names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..base.words import plural
from ..design.loading import Design
from ..design.values import GAN, MIX, NAIVE, REAL, SYNTHETIC_ONLY, Arm, ArmCell, cell_name
from ..diffusion.schedule import REVERSE_STEPS
from ..paper.published import PublishedClaim
from ..stats.crossed import Crossed
from ..stats.intervals import estimate_mean, slopes
from ..stats.judge import Measured, apart, fine_enough, finite, least, over_seeds, reached, slope_and_turn
from ..stats.trends import Turn, turn
from .attention import attention
from .augmentation import all_arm_hits, curve_hits, table3_hits, table4_fidelity
from .base import Result, by_steps, crossfitted, on_steps
from .causes import Loss, trimmed_loss
from .classifiers import all_step_hits, concentration, entropy, slope_of
from .discussion import likelihood
from .hits import Hits, arm_difference
from .samples import Collapses, collapse, detection, fidelity, memorization
from .text import turn_words

POLICY_CELLS: tuple[ArmCell, ...] = ((Arm("RandAugment"), 0), (Arm("TrivialAugment"), 0))


@dataclass(frozen=True)
class Found:
    """What a measure found: the number, its data sets, what to add to the measure's name, and n where it says more."""

    measured: Measured
    dataset: str
    detail: str = ""
    n: str = ""


@dataclass(frozen=True)
class Measure:
    """What decides a claim.

    reads : results. find : from the design, the claim and what `reads` say to what was found; it raises UserError
    where the study lacks what that takes.
    """

    reads: tuple[Result, ...]
    find: Callable[..., Found]


def reading(*reads: Result) -> Callable[[Callable[..., Found]], Measure]:
    """Declare a measure that reads these results."""
    return lambda find: Measure(reads, find)


def _found(several: Sequence[Crossed], claim: PublishedClaim, dataset: str, detail: str = "") -> Found:
    without = [difference for difference in several if np.isnan(difference.low)]
    if without and max(difference.seeds for difference in several) > 1:  # a block lacks the other seeds' predictions
        raise UserError(f"of {dataset} one seed alone says who is right on which image; it takes two")
    return Found(least(several, claim.direction, claim.level, claim.interest.value), dataset, detail)


def _moving(
    whole: Crossed, turned: Turn[Crossed] | None, claim: PublishedClaim, dataset: str, detail: str = ""
) -> Found:
    """A trend; `judge` leaves the claim open where it turns."""
    found = _found([whole], claim, dataset, detail + (f"; it turns: {turn_words(turned)}" if turned else ""))
    return replace(found, measured=replace(found.measured, turn=turned))


# differences of arms


def _right(d: Design, known: Hits, cell: ArmCell) -> np.ndarray:
    """Seeds × test images: 1 where the classifier of a cell is right."""
    if cell not in known:
        raise UserError(f"the preset {d.preset.name} does not run {cell_name(cell)}")
    return known[cell].astype(np.float64)


def difference(*pairs: tuple[ArmCell, ArmCell]) -> Measure:
    """Accuracy of one arm minus another's; of several pairs the one that speaks least for the claim."""

    @reading(table3_hits)
    def find(d: Design, claim: PublishedClaim, known: Hits) -> Found:
        return _found([arm_difference(d, known, *pair) for pair in pairs], claim, d.arms.name)

    return find


def difference_everywhere(*pairs: tuple[ArmCell, ArmCell]) -> Measure:
    """Accuracy of one arm minus another's, on all data sets of Table 4; the pair that speaks least for the claim."""

    @reading(all_arm_hits)
    def find(d: Design, claim: PublishedClaim, known: Hits) -> Found:
        columns = d.columns_of(4)
        several = [arm_difference(d, known, *pair, arms.name) for arms in columns for pair in pairs]
        found = _found(several, claim, ", ".join(arms.name for arms in columns))
        images = sum(arms.data["test"].count for arms in columns)
        seeds = min(difference.seeds for difference in several)
        return replace(found, n=f"{plural(seeds, 'seed')}, {images:,} test images of {len(columns)} data sets")

    return find


@reading(table3_hits)
def _later_steps(d: Design, claim: PublishedClaim, known: Hits) -> Found:
    steps = {t: _right(d, known, (Arm(str(t)), 1)) for t in (25, 50, 75, 100)}
    return _moving(*slope_and_turn(steps), claim, d.arms.name)


@reading(table3_hits)
def _match(d: Design, claim: PublishedClaim, known: Hits) -> Found:
    several = sorted({k for arm, k in known.names if arm == SYNTHETIC_ONLY} | {3, 5})
    curve = [(k, _right(d, known, (SYNTHETIC_ONLY, k))) for k in several]
    return Found(reached(curve, _right(d, known, REAL), 1, claim.level), d.arms.name)


@reading(table3_hits, curve_hits)
def _worth(d: Design, claim: PublishedClaim, known: Hits, subsets: Hits) -> Found:
    target = _right(d, known, (SYNTHETIC_ONLY, 1))
    curve = [(count, subsets[count,].astype(np.float64)) for (count,) in sorted(subsets.names)]
    return Found(reached(curve, target, d.arms.data["train"].count, claim.level), d.arms.name)


def _by_generator(d: Design, rows: pd.DataFrame) -> list[str]:
    """The data sets of Table 4, best generator first: Fréchet distance over that of other real images."""
    rows = crossfitted(rows)
    means = rows.groupby(["dataset", "t_re"]).frechet.mean()
    names = [arms.name for arms in d.columns_of(4)]
    if set(names) - set(rows.dataset):
        raise UserError("a data set has too few held-out images to judge its generator")
    return sorted(names, key=lambda name: means[name, REVERSE_STEPS] / means[name, 0])


@reading(all_arm_hits, table4_fidelity)
def _poor_generator(d: Design, claim: PublishedClaim, known: Hits, rows: pd.DataFrame) -> Found:
    worst = _by_generator(d, rows)[-1]
    return _found([arm_difference(d, known, (SYNTHETIC_ONLY, 5), REAL, worst)], claim, worst)


@reading(all_arm_hits, table4_fidelity)
def _advantage_by_generator(d: Design, claim: PublishedClaim, known: Hits, rows: pd.DataFrame) -> Found:
    best, *_, worst = _by_generator(d, rows)
    both = apart(_advantage(d, known, worst), _advantage(d, known, best))
    return _found([both], claim, f"{worst}, {best}")


def _advantage(d: Design, known: Hits, dataset: str) -> Crossed:
    """Naïve ×5 minus the better of the two policies, in points."""
    several = [arm_difference(d, known, (NAIVE, 5), policy, dataset) for policy in POLICY_CELLS]
    return min(several, key=lambda difference: difference.mean)


# accuracy by reverse step


@reading(all_step_hits)
def _accuracy_by_step(d: Design, claim: PublishedClaim, known: Hits) -> Found:
    name = d.columns_of(2)[0].name
    return _moving(*slope_of(known, name), claim, name)


@reading(all_step_hits)
def _harder_task(d: Design, claim: PublishedClaim, known: Hits) -> Found:
    """The two data sets differ in more than the number of classes, which the verdict's reader is told."""
    names, falls = {}, {}
    for arms in reversed(d.columns_of(2)):  # the first one of each number of classes
        names[arms.data["train"].classes] = arms.name
    for classes in (100, 10):
        ends = [(names[classes], t) for t in (0, REVERSE_STEPS)]
        if not all(end in known for end in ends):
            raise UserError(f"this run lacks reverse step 0 or {REVERSE_STEPS} here")
        falls[classes] = known.change(*ends)
    many, few = names[100], names[10]
    detail = f" ({many} and {few}, which differ in their classes, images a class and layout, too)"
    return _found([apart(falls[100], falls[10])], claim, f"{many}, {few}", detail)


# measures of images, one number a seed


def _steps(rows: pd.DataFrame, column: str, **where: Any) -> pd.DataFrame:
    """One column as seeds × reverse steps, of the rows that `where` picks."""
    for key, value in where.items():
        rows = rows[rows[key] == value]
    return by_steps(rows, column)


def _at(table: pd.DataFrame, t: int) -> pd.Series:
    if t not in table:
        raise UserError(f"this run has no reverse step {t} here")
    return table[t]


def _change_over_steps(steps: pd.DataFrame) -> tuple[Crossed, Turn[Crossed] | None]:
    """Change over 100 reverse steps, a least-squares slope a seed; and where it turns."""

    def slopes_of(some: Sequence[int]) -> np.ndarray:
        long = steps[list(some)].reset_index().melt(id_vars="seed", var_name="t_re")
        return 100 * slopes(long.t_re, finite(long["value"]), long.seed)

    return over_seeds(slopes_of(list(steps))), turn(list(steps), lambda some: estimate_mean(slopes_of(some)))


Grain = Callable[[pd.DataFrame], float]  # rows of a result → the largest step in which a measure moves


SIZES = {"precision": "n_fake", "recall": "n_real"}  # columns of Figure 6: a share, and the number of images it is of


def outer_grain(rows: pd.DataFrame) -> float:
    """The grain of outer coverage, as `concentration` has it."""
    return float(on_steps(crossfitted(rows)).grain.max())


def of_images(count: str) -> Grain:
    """The grain of a share of as many images as a column says."""
    return lambda rows: 1 / crossfitted(rows)[count].min()


def trend(rows_of: Result, column: str, relative: bool = False, grain: Grain | None = None, **where: Any) -> Measure:
    """Change of a column over 100 reverse steps, by its slope; relative: in percent of its value at 0."""

    @reading(rows_of)
    def find(d: Design, claim: PublishedClaim, rows: pd.DataFrame) -> Found:
        steps = _steps(rows, column, **where)
        if grain:
            fine_enough(grain(rows), claim.interest.value)
        if relative:
            steps = 100 * steps.div(_at(steps, 0), axis=0)
        return _moving(*_change_over_steps(steps), claim, d.main.name)

    return find


def change(rows_of: Result, column: str, first: int, second: int | None = None, grain: Grain | None = None) -> Measure:
    """A column at one reverse step, minus the same at another."""

    @reading(rows_of)
    def find(d: Design, claim: PublishedClaim, rows: pd.DataFrame) -> Found:
        steps = _steps(rows, column)
        if grain:
            fine_enough(grain(rows), claim.interest.value)
        values = _at(steps, first) - (0.0 if second is None else _at(steps, second))
        return _found([over_seeds(values)], claim, d.main.name)

    return find


@reading(fidelity)
def _recall_beyond_precision(d: Design, claim: PublishedClaim, rows: pd.DataFrame) -> Found:
    recall, precision = (_steps(rows, column) for column in ("recall", "precision"))
    fine_enough(max(of_images(count)(rows) for count in SIZES.values()), claim.interest.value)
    falls = [_at(steps, 0) - _at(steps, REVERSE_STEPS) for steps in (recall, precision)]
    return _found([over_seeds(falls[0] - falls[1])], claim, d.main.name)


@reading(detection)
def _detection(d: Design, claim: PublishedClaim, rows: pd.DataFrame) -> Found:
    mine = rows[rows.t_re == REVERSE_STEPS]
    if mine.empty:
        raise UserError("there are too few pairs of images for a detector")
    detector = mine.detector.iloc[0]
    fine_enough(100 / mine.n.min(), claim.interest.value)
    largest = 100 * mine[mine.detector == detector].groupby("seed").accuracy.max()
    return _found([over_seeds(largest)], claim, d.main.name, f" (detector: {detector})")


def against_gan(domain: str) -> Measure:
    """Detection accuracy of the diffusion model's images minus that of the GAN's, by the preset's first detector."""

    @reading(detection, collapse)
    def find(d: Design, claim: PublishedClaim, rows: pd.DataFrame, signs: Collapses) -> Found:
        if signs.reasons:
            raise UserError(f"the GAN has collapsed in seed {', '.join(map(str, signs.reasons))}")
        mine = rows[rows.domain == domain]
        if not {REVERSE_STEPS, GAN} <= set(mine.t_re):
            raise UserError(f"nothing was detected on {domain} here")
        detector = mine.detector.iloc[0]
        fine_enough(100 / mine.n.min(), claim.interest.value)
        by = 100 * mine[mine.detector == detector].pivot(index="seed", columns="t_re", values="accuracy")
        return _found([over_seeds(by[REVERSE_STEPS] - by[GAN])], claim, d.main.name, f" (detector: {detector})")

    return find


@reading(likelihood)
def _likelihood(d: Design, claim: PublishedClaim, rows: pd.DataFrame) -> Found:
    sigma = rows.sigma.max()  # at the smallest it is about the grid of grey levels
    steps = _steps(rows, "nats", split="test", sigma=sigma)
    return _moving(*_change_over_steps(steps), claim, d.main.name, f" (at σ = {sigma:g})")


@reading(trimmed_loss)
def _trimmed(d: Design, claim: PublishedClaim, control: Loss | str) -> Found:
    if isinstance(control, str):
        raise UserError(control)
    return _found([control.loss], claim, d.main.name)


MEASURES: dict[str, Measure] = {
    "gap-at-equal-size": difference((REAL, (SYNTHETIC_ONLY, 1))),
    "less-information-per-image": _worth,
    "gap-on-every-dataset": difference_everywhere((REAL, (SYNTHETIC_ONLY, 1))),
    "original-is-lost": trend(memorization, "ratio"),
    "distance-rises": trend(fidelity, "frechet", relative=True),
    "precision-falls": trend(fidelity, "precision", grain=of_images(SIZES["precision"])),
    "recall-falls": trend(fidelity, "recall", grain=of_images(SIZES["recall"])),
    "recall-falls-most": _recall_beyond_precision,
    "nearly-undetectable": _detection,
    "harder-to-detect-than-gan-pixel": against_gan("pixel"),
    "harder-to-detect-than-gan-dct": against_gan("dct"),
    "accuracy-falls": _accuracy_by_step,
    "harder-task-loses-more": _harder_task,
    "attention-unchanged": change(attention, "similarity", REVERSE_STEPS, 0),
    "entropy-falls": trend(entropy, "entropy", relative=True, split="test"),
    "typical-of-the-class": trend(concentration, "distance_ratio"),
    "concentrated-in-the-modes": change(concentration, "trace_ratio", REVERSE_STEPS),
    "steps-pull-to-the-modes": trend(concentration, "trace_ratio"),
    "edges-uncovered": change(concentration, "outer_coverage", REVERSE_STEPS, 0, outer_grain),
    "half-way-fills-in": change(concentration, "outer_coverage", 50, REVERSE_STEPS, outer_grain),
    "size-closes-the-gap": difference(((SYNTHETIC_ONLY, 5), REAL)),
    "size-helps-replication": difference(((SYNTHETIC_ONLY, 5), (SYNTHETIC_ONLY, 1))),
    "match-above-three": _match,
    "match-at-five-or-more": _match,
    "match-at-three": difference(((SYNTHETIC_ONLY, 3), REAL)),
    "likelihood-rises": _likelihood,
    "concentration-is-the-cause": _trimmed,
    "augmentation-helps": difference(((NAIVE, 1), REAL)),
    "augmentation-beats-replication": difference(((NAIVE, 1), (SYNTHETIC_ONLY, 1))),
    "size-helps-augmentation": difference(((NAIVE, 5), (NAIVE, 1))),
    "fixed-steps-below-naive": difference(*(((Arm(t), 1), (NAIVE, 1)) for t in ("25", "50", "75"))),
    "small-step-hurts": difference(((Arm("25"), 1), REAL)),
    "larger-steps-help-more": _later_steps,
    "early-range-gains-less": difference(((Arm("0-50"), 1), (MIX, 1))),
    "late-mix-beats-naive": difference(((MIX, 5), (NAIVE, 5))),
    "beats-traditional": difference(*(((NAIVE, 5), policy) for policy in POLICY_CELLS)),
    "mix-at-least-competitive": difference_everywhere(*(((MIX, 5), policy) for policy in POLICY_CELLS)),
    "poor-generator-never-matches": _poor_generator,
    "benefit-needs-fidelity": _advantage_by_generator,
}
