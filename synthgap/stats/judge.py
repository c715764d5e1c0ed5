"""A claim set against a measure: from effects to one interval, one p-value, and one word.

The rule owes nothing to any run: a claim says its direction, the level that its measure is compared with, and the
smallest effect that would matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..base.errors import UserError
from .crossed import Crossed, crossed, crossing
from .intervals import ANY, agree, estimate_mean, range_of_difference
from .trends import Turn, turn
from .verdict import CLAIMS, OPEN, Reading, read, spent

REPRODUCED, REVERSED, NO_EFFECT = "reproduced", "reversed", "no effect of interest"
INCONCLUSIVE, BY_CONSTRUCTION, NOT_TESTED = "inconclusive", "by construction", "not tested at this scale"
VERDICTS = (REPRODUCED, REVERSED, NO_EFFECT, INCONCLUSIVE, BY_CONSTRUCTION, NOT_TESTED)
UNTESTED = (BY_CONSTRUCTION, NOT_TESTED)  # verdicts that no test has given
SIGN = {"rises": 1, "larger": 1, "falls": -1, "smaller": -1}
EQUAL = "equal"  # the direction that has no sign


@dataclass(frozen=True)
class Effect:
    """A measure with its 95% interval, in the measure's unit; NaN where there is no interval, with one seed."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """What a measure says of a claim.

    side : of the claim's level that the effect lies on. p : two-sided, against the level (of an equivalence: against
    the nearer end of level ± interest). p_within : against effects of level ± interest or beyond. Both are NaN with
    one seed. images : test images that the interval is over; 0 where it is over seeds alone. turn : of a trend that
    turns, what it does.
    """

    effect: Effect
    side: int
    p: float
    p_within: float
    seeds: int
    images: int
    turn: Turn[Crossed] | None = None


def judge(
    direction: str, measured: Measured, count: int, *, possibility: bool = False, growing: bool = False
) -> tuple[str, Reading]:
    """The verdict on one of `count` tested claims, and how it stands (`verdict.read`); open ones are inconclusive.

    An effect within ± interest is "no effect of interest", on whichever side of the level it lies; for the direction
    "equal" it is what was claimed, and one beyond ± interest is the reverse. A trend that turns is inconclusive: its
    slope sums up what does not move one way. possibility : as of `word_for`. growing : as of `verdict.decide`.
    """
    if measured.turn is not None:
        return INCONCLUSIVE, Reading(0, OPEN, math.nan)
    found = read(measured.side, measured.p, measured.p_within, count, CLAIMS.alpha, spent(growing))
    return word_for(direction, found, possibility)


def word_for(direction: str, found: Reading, possibility: bool = False) -> tuple[str, Reading]:
    """The verdict that a reading gives a claim, and the reading as it then stands.

    possibility : the claim is that something can be so; a data set where it is not leaves that open.
    """
    if found.standing == OPEN:
        return INCONCLUSIVE, found
    if direction == EQUAL:
        word = REVERSED if found.side else REPRODUCED
    elif found.side == 0:
        word = NO_EFFECT
    else:
        word = REPRODUCED if found.side == SIGN[direction] else REVERSED
    if possibility and word != REPRODUCED:
        return INCONCLUSIVE, replace(found, side=0, standing=OPEN)
    return word, found


def least(several: Sequence[Crossed], direction: str, level: float, interest: float) -> Measured:
    """The effect that speaks least for a claim: of one it is that one; of several all must be on the claim's side.

    Of several, the far end of the interval and the p-value against the claim are corrected for their number.
    """
    sign, count, first = SIGN.get(direction, 1), len(several), several[0]
    shifted = [_from_level(d, level, sign) for d in several]
    mean = min(d.mean for d in shifted)
    ends = (min(d.low for d in shifted), min(d.interval(1 - CLAIMS.alpha / count)[1] for d in shifted))
    if direction == EQUAL:
        p = replace(first, mean=abs(mean) - interest).p if abs(mean) > interest else _none(first)
    elif mean > 0:
        p = max(d.p for d in shifted)
    else:
        p = float(np.minimum(1.0, count * min(d.p for d in shifted if d.mean <= 0)))
    within = max(d.p_within(interest) for d in shifted)
    low, high = sorted(level + sign * end for end in ends)
    side = sign if mean > 0 else -sign
    return Measured(Effect(level + sign * mean, low, high), side, p, within, first.seeds, first.images)


def _none(d: Crossed) -> float:
    """The p-value of no effect at all; NaN with one seed."""
    return math.nan if d.seeds < 2 else 1.0


def _from_level(d: Crossed, level: float, sign: int) -> Crossed:
    """What lies between a level and an effect, counted as positive on the claim's side."""
    low, high = sorted(sign * (end - level) for end in d.span)
    return replace(d, mean=sign * (d.mean - level), span=(low, high))


def reached(curve: Sequence[tuple[float, np.ndarray]], target: np.ndarray, whole: float, level: float) -> Measured:
    """Where a curve reaches a target, its places in units of `whole`; side and p are those of the two at `level`.

    curve : (place, seeds × images) in ascending order; target : seeds × images.
    Raises UserError where the curve has fewer than two places, or none at `level`.
    """
    known = {place / whole: values for place, values in curve}
    if len(curve) < 2 or level not in known:
        raise UserError("the curve has too few places to tell where it reaches the other")
    at_level = crossed(known[level] - target)
    place = crossing(curve, target)
    if place.falls:
        first, second = (end / whole for end in place.falls)
        raise UserError(f"accuracy falls from ×{first:.3g} to ×{second:.3g}: where they meet is not identifiable")
    low, high = (math.nan, math.nan) if at_level.seeds < 2 else (place.low, place.high)
    effect = Effect(place.value / whole, low / whole, high / whole)
    side = -1 if at_level.mean > 0 else 1  # a curve that is above the target at the level has reached it before
    return Measured(effect, side, at_level.p, _none(at_level), at_level.seeds, at_level.images)


def finite(values: np.ndarray) -> np.ndarray:
    """The values; UserError where one is no finite number."""
    if not np.isfinite(values).all():
        raise UserError("with so few images the measure is not a finite number")
    return np.asarray(values)


def fine_enough(grain: float, interest: float) -> None:
    """UserError where a share of few images moves in steps that are no smaller than the smallest effect of interest.

    grain : the largest step, in the unit of `interest`. It is asked of measures that have an interval over seeds alone,
    whose seeds may agree by chance; the intervals of accuracies hold the test images' part, which is never 0.
    """
    if grain >= interest:
        raise UserError(
            f"the measure moves in steps of {grain:.3g}, the smallest effect of interest is {interest:g}: too coarse "
            "to judge with so few images"
        )


def over_seeds(values: np.ndarray) -> Crossed:
    """Mean of one number a seed, without images: Student's t alone.

    Raises UserError where one is not finite, or where all seeds give the same: a spread of 0 is that of a coarse
    measure, and no certainty.
    """
    e = estimate_mean(finite(values))
    if e.n > 1 and agree(e.low, e.high):
        raise UserError(f"every seed gives the same value, {e.mean:.3g}: the measure is too coarse to judge here")
    return Crossed(e.mean, e.sd**2 / e.n, 0.0, 0.0, e.n, 0)


def apart(a: Crossed, b: Crossed) -> Crossed:
    """a − b of different test images and different seeds' work; as many seeds, and so a cautious Student's t."""
    parts = {name: getattr(a, name) + getattr(b, name) for name in ("seed_part", "image_part", "noise_part")}
    span, lent = range_of_difference(a.span), min(a.lent, b.lent)
    return replace(a, mean=a.mean - b.mean, images=a.images + b.images, span=span, lent=lent, **parts)


def slope(steps: dict[int, np.ndarray], others: Mapping[int, np.ndarray] = MappingProxyType({})) -> Crossed:
    """Change of accuracy over 100 reverse steps in points: the least-squares slope, a value a seed and image.

    steps : reverse step → seeds × images. others : reverse step → accuracies of further seeds, as of `crossed`. Raises
    UserError where there is one step alone.
    """
    centred = np.array(list(steps), dtype=np.float64) - np.mean(list(steps))
    if not centred.any():
        raise UserError("a slope takes two reverse steps")
    weights = 100 * centred / (centred @ centred)
    weighed = list(zip(weights, steps, strict=True))
    further = sum(w * others[t] for w, t in weighed) if others else ()
    return crossed(sum(w * steps[t] for w, t in weighed), span=ANY, others=further).in_points


def slope_and_turn(
    steps: dict[int, np.ndarray], others: Mapping[int, np.ndarray] = MappingProxyType({})
) -> tuple[Crossed, Turn[Crossed] | None]:
    """The `slope` over all steps, and where the accuracy turns; arguments and errors as of `slope`."""
    return slope(steps, others), turn(list(steps), lambda some: slope({t: steps[t] for t in some}, others))
