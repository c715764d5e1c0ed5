"""Intervals and paired comparisons at few seeds (t-based: a percentile bootstrap covers 75% of 95 at n = 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard deviation and the half-width of its 95% interval (NaN at n = 1)."""

    mean: float
    sd: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width


def estimate_mean(values: np.ndarray | list[float], level: float = 0.95) -> Estimate:
    """Mean of independent values, one a seed, with Student's interval; NaNs are refused by assertion."""
    values = np.asarray(values, dtype=np.float64)
    assert values.ndim == 1 and len(values) and np.isfinite(values).all()
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), math.nan, math.nan, 1)
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * sd / math.sqrt(n)
    return Estimate(float(values.mean()), sd, half, n)


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Estimate:
    """Mean of a − b over seeds, the two paired by seed."""
    return estimate_mean(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), level)
