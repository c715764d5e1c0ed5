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
    """Mean of independent values, one a seed, with Student's interval; ValueError on none or NaN."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an interval needs one or more finite numbers, got {values}")
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), math.nan, math.nan, 1)
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * sd / math.sqrt(n)
    return Estimate(float(values.mean()), sd, half, n)


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Estimate:
    """Mean of a − b over seeds, the two paired by seed; ValueError where their numbers differ."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"values of shape {a.shape} and {b.shape} can't be paired")
    return estimate_mean(a - b, level)


def slopes(x: np.ndarray, y: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Least-squares slope of y on x, one for each distinct value of `unit` (a seed), in ascending order of it."""
    x, y, unit = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), np.asarray(unit)
    out = []
    for one in np.unique(unit):
        mine = unit == one
        centred = x[mine] - x[mine].mean()
        if not centred.any():
            raise ValueError(f"unit {one} has one x only; a slope needs two")
        out.append(float(centred @ y[mine] / (centred @ centred)))
    return np.array(out)
