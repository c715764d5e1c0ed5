"""Intervals over few seeds (Student's t: a percentile bootstrap covers 75% of 95 at n = 3), and parts of a variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

Range = tuple[float, float]  # the least and the largest value that a quantity can have
ANY: Range = (-math.inf, math.inf)
SHARE: Range = (0.0, 1.0)
PERCENT: Range = (0.0, 100.0)
POSITIVE: Range = (0.0, math.inf)
RANGES: dict[str, Range] = {  # of the columns of a study's tables; any value is possible in the others
    **dict.fromkeys(("percent", "train", "test"), PERCENT),
    **dict.fromkeys(("accuracy", "balanced", "value", "agreement", "authentic"), SHARE),
    **dict.fromkeys(("precision", "recall", "coverage", "outer_coverage"), SHARE),
    **dict.fromkeys(("collapsed_classes", "constant_pixels"), SHARE),
    **dict.fromkeys(("frechet", "density", "trace_ratio", "distance_ratio"), POSITIVE),
    **dict.fromkeys(("entropy", "marginal", "ratio", "closest", "diversity"), POSITIVE),
    "similarity": (-1.0, 1.0),
}


def range_of(column: str) -> Range:
    """The values that a column of a study's tables can have."""
    return RANGES.get(column, ANY)


def range_of_difference(span: Range) -> Range:
    """The values that the difference of two quantities of one range can have."""
    return span[0] - span[1], span[1] - span[0]


def within(mean: float, half_width: float, span: Range) -> tuple[float, float]:
    """The ends of an interval around a mean, none beyond what is possible; NaN where the half-width is."""
    # the end stands first, so that NaN stays NaN
    return max(mean - half_width, min(span[0], mean)), min(mean + half_width, max(span[1], mean))


def side(low: float, high: float) -> int:
    """The side of 0 that an interval lies on: 1 above, −1 below; 0 where it holds 0, or where there is none (NaN)."""
    return 1 if low > 0 else -1 if high < 0 else 0


def agree(low: float, high: float) -> bool:
    """Has an interval no width, all seeds having given the same value?"""
    return math.isclose(low, high, rel_tol=1e-9, abs_tol=1e-12)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard deviation and the half-width of its 95% interval (NaN at n = 1).

    Attributes
    ----------
    low
        the interval's lower end, cut where the quantity ends (`span`).
    high
        its upper end, cut likewise.
    """

    mean: float
    sd: float
    half_width: float
    n: int
    span: Range = ANY

    @property
    def low(self) -> float:
        return within(self.mean, self.half_width, self.span)[0]

    @property
    def high(self) -> float:
        return within(self.mean, self.half_width, self.span)[1]

    @property
    def side(self) -> int:
        """The side of 0 that the interval lies on, as of `side`; 0 where all seeds agree, which decides nothing."""
        return 0 if agree(self.low, self.high) else side(self.low, self.high)

    @property
    def cut(self) -> bool:
        """Does the interval end where the quantity does, so that it is not the mean ± half-width?"""
        return bool(self.low > self.mean - self.half_width or self.high < self.mean + self.half_width)

    @property
    def reach(self) -> tuple[float, float]:
        """How far the interval lies below and above the mean, for error bars; zeros with one seed."""
        return (0.0, 0.0) if math.isnan(self.half_width) else (self.mean - self.low, self.high - self.mean)


def estimate_mean(values: np.ndarray | list[float], level: float = 0.95, span: Range = ANY) -> Estimate:
    """Mean of independent values in `span`, one a seed, with Student's interval; ValueError on none or NaN."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"an interval needs one or more finite numbers, got {values}")
    n = len(values)
    if n == 1:
        return Estimate(float(values[0]), math.nan, math.nan, 1, span)
    sd = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * sd / math.sqrt(n)
    return Estimate(float(values.mean()), sd, half, n, span)


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = 0.95, span: Range = ANY) -> Estimate:
    """Mean of a − b over seeds, both in the range `span` and paired by seed; ValueError where their numbers differ."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"values of shape {a.shape} and {b.shape} can't be paired")
    return estimate_mean(a - b, level, range_of_difference(span))


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


def error_ratio(real: float, synthetic: float) -> float:
    """How many times as many errors: (100 − synthetic) / (100 − real), both in percent; NaN without an error."""
    return (100 - synthetic) / (100 - real) if real < 100 else math.nan


def holm(p: np.ndarray | list[float]) -> np.ndarray:
    """Holm's step-down adjusted p-values (1979), in the order given; NaN stays NaN and counts as no test."""
    p = np.asarray(p, dtype=np.float64)
    out = np.full(len(p), math.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * (len(order) - np.arange(len(order)))
    out[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(order) else scaled
    return out


@dataclass(frozen=True)
class VarianceParts:
    """Standard deviations of one accuracy by source, in the accuracy's unit.

    Attributes
    ----------
    generator
        between generators' seeds, the classifier's being the same; 0 where the estimate is negative.
    classifier
        between classifiers' seeds, the generator's being the same; 0 where the estimate is negative.
    both
        what is left: the two together.
    images
        of drawing other test images.
    shape
        (generators, classifiers).
    """

    generator: float
    classifier: float
    both: float
    images: float
    shape: tuple[int, int]


def variance_parts(correct: np.ndarray) -> VarianceParts:
    """Divide the variance of accuracies from crossed generators and classifiers (two-way random effects, ANOVA).

    correct : bool, generators × classifiers × test images. ValueError for fewer than two of either.
    """
    generators, classifiers, n = correct.shape
    if min(generators, classifiers) < 2:
        raise ValueError(f"variance by source needs two generators and two classifiers, got {correct.shape[:2]}")
    accuracy = correct.mean(axis=2)
    rows, columns, all_of_them = accuracy.mean(axis=1), accuracy.mean(axis=0), accuracy.mean()
    rest = accuracy - rows[:, None] - columns[None] + all_of_them
    both = float((rest**2).sum() / ((generators - 1) * (classifiers - 1)))
    of_generator = max(0.0, rows.var(ddof=1) - both / classifiers)
    of_classifier = max(0.0, columns.var(ddof=1) - both / generators)
    images = correct.mean(axis=(0, 1)).std(ddof=1) / math.sqrt(n)
    parts = (math.sqrt(of_generator), math.sqrt(of_classifier), math.sqrt(both), float(images))
    return VarianceParts(*parts, (generators, classifiers))
