"""How a measure moves with the reverse step, and where it turns, so that one slope would hide what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from .crossed import Crossed
from .intervals import ANY, Estimate, Range, estimate_mean, range_of_difference, slopes

RISES, FALLS = 1, -1


class Sided(Protocol):
    """A change with its 95% interval; side: of 0 that the interval lies on, 0 where it holds 0."""

    @property
    def side(self) -> int: ...


Change = TypeVar("Change", bound=Sided)


@dataclass(frozen=True)
class Turn(Generic[Change]):
    """A measure that turns: its changes on the steps up to `step`, and on those from there, in the trend's unit."""

    step: int
    before: Change
    after: Change


def turn(steps: Sequence[int], change: Callable[[Sequence[int]], Change]) -> Turn[Change] | None:
    """Where a measure turns; None where it is not seen to.

    steps : reverse steps. change : some of them → the change over these alone.

    The rule: the steps are cut at the middle one, which belongs to both halves. The measure turns where the 95%
    intervals of the changes on both halves exclude 0 and lie on opposite sides of it. A measure that moves and then
    stays does so by chance in 1 of 40 runs, one that moves all along hardly ever. A turn far from the middle, or one
    that is small beside the noise, is not seen.
    """
    ordered = sorted(steps)
    middle = len(ordered) // 2
    if len(ordered) < 3:
        return None
    before, after = ordered[: middle + 1], ordered[middle:]
    if len(after) < 2:
        return None
    first, second = change(before), change(after)
    return Turn(ordered[middle], first, second) if first.side * second.side < 0 else None


@dataclass(frozen=True)
class Trend:
    """How a measure changes from t_re = 0 to 100 (least squares over the steps there are).

    direction : RISES or FALLS, what the paper reports.
    change : in the measure's unit, over seeds or (of accuracies) over seeds and test images; its interval is not
        corrected for there being several trends.
    turn : what it does instead of moving one way, where it is seen to turn.
    """

    measure: str
    protocol: str
    direction: int
    change: Estimate | Crossed
    turn: Turn | None = None


def trend(
    t_re: np.ndarray,
    values: np.ndarray,
    seeds: np.ndarray,
    measure: str,
    protocol: str,
    direction: int,
    span: Range = ANY,
) -> Trend:
    """The trend of `values` in the range `span` over the reverse steps, one value a step and seed; a slope a seed."""
    t_re, values, seeds = np.asarray(t_re), np.asarray(values, dtype=np.float64), np.asarray(seeds)

    def change(steps: Sequence[int]) -> Estimate:
        mine = np.isin(t_re, steps)
        return estimate_mean(100 * slopes(t_re[mine], values[mine], seeds[mine]), span=range_of_difference(span))

    several = [int(t) for t in np.unique(t_re)]
    return Trend(measure, protocol, direction, change(several), turn(several, change))
