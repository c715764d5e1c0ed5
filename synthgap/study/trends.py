"""Does a measure move with the reverse step as the paper says? One answer a measure and protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .stats import Estimate, estimate_mean, page_p, range_of, range_of_difference, slopes

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
        if np.isnan(self.change.half_width) or self.change.low <= 0 <= self.change.high:
            return UNDECIDED
        return HOLDS if self.change.mean * self.direction > 0 else FAILS


def trend(rows: pd.DataFrame, column: str, measure: str, protocol: str, direction: int) -> Trend:
    """The trend of `column` over `t_re` (≥ 0), a slope a seed; rows: columns t_re, seed and `column`."""
    used = rows[rows.t_re >= 0]
    each = 100 * slopes(used.t_re, used[column], used.seed)
    table = used.pivot_table(index="seed", columns="t_re", values=column).sort_index(
        axis=1, ascending=direction == RISES
    )
    change = estimate_mean(each, span=range_of_difference(range_of(column)))
    return Trend(measure, protocol, direction, change, page_p(table.to_numpy()))
