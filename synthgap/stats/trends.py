"""Does a measure move with the reverse step as the paper says? One answer a measure and protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .intervals import ANY, Estimate, Range, estimate_mean, page_p, range_of_difference, slopes

RISES, FALLS = 1, -1
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"


@dataclass(frozen=True)
class Trend:
    """How a measure changes from t_re = 0 to 100 (least squares over the steps there are), over seeds.

    direction : RISES or FALLS, what the paper reports.
    change : in the measure's unit; its interval is Student's over seeds, not corrected for there being several trends.
    page : p-value of Page's test (1963) that the measure moves in this direction over the ordered steps, ranked within
        each seed; NaN with one seed or fewer than three steps.
    """

    measure: str
    protocol: str
    direction: int
    change: Estimate
    page: float = math.nan

    @property
    def verdict(self) -> str:
        """HOLDS: the interval lies on the paper's side of 0; FAILS: on the other; UNDECIDED: around 0, or one seed."""
        return {0: UNDECIDED, self.direction: HOLDS, -self.direction: FAILS}[self.change.side]


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
    change = estimate_mean(100 * slopes(t_re, values, seeds), span=range_of_difference(span))
    steps, units = np.unique(t_re), np.unique(seeds)
    table = np.full((len(units), len(steps)), math.nan)
    table[np.searchsorted(units, seeds), np.searchsorted(steps, t_re)] = values
    return Trend(measure, protocol, direction, change, page_p(table[:, :: 1 if direction == RISES else -1]))
