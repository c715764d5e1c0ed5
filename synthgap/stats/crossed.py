"""Differences that must hold for other seeds *and* other test images: intervals, decisions, and n to decide.

An interval over seeds alone treats the test images as given: of the difference on all images of the kind it covers 60%
to 96% instead of 95% (simulated: benchmarks/inference.py). A decision by it is one about those images.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import optimize, stats

from .intervals import ANY, SHARE, Range, range_of_difference, side, within

POWER = 0.8  # with which `Crossed.needed` wants a difference to be decided
POWER_QUANTILE = float(stats.norm.ppf(POWER))
SMALLEST_P = 1e-12
DIFFERENCE = range_of_difference(SHARE)
MOST_SEEDS = 200  # beyond that more seeds alone are no advice


Cross = Callable[..., "Crossed"]  # `crossed` or `redrawn`


@dataclass(frozen=True)
class Needed:
    """What would decide: so many seeds with these test images, or so many test images with these seeds, or both.

    seeds : with these test images; None where that alone can't do, or there are no seeds (`Crossed.redrawn`).
    images : test images with these seeds; None where that alone can't do.
    both : (seeds, images), grown by the same factor.
    factor : that factor; where images are redrawn in the place of seeds, of the training images and the test images.
    """

    seeds: int | None
    images: int | None
    both: tuple[int, int]
    factor: float


@dataclass(frozen=True)
class Crossed:
    """A mean over seeds × test images, in the unit of the values, with the two parts of its variance.

    span : the values that the mean can have; no end of an interval lies beyond.
    seed_part : variance of the mean by drawing other seeds; NaN with one seed.
    image_part : variance of the mean by drawing other test images.
    noise_part : what of seed_part is neither seeds nor images but the two together; it falls with either number.
    lent : degrees of freedom of seed_part beyond seeds − 1, lent by other comparisons (see `stats.pooling`).
    level : of the interval; larger where several looks at growing data shall hold together (see `stats.verdict`).
    redrawn : there are no seeds: seed_part is the variance by other training images, told by as many redraws of them as
        `seeds` says (see the function `redrawn`). It falls with the number of those images.
    """

    mean: float
    seed_part: float
    image_part: float
    noise_part: float
    seeds: int
    images: int
    span: Range = ANY
    lent: float = 0.0
    level: float = 0.95
    redrawn: bool = False

    def half_width(self, level: float | None = None) -> float:
        """Half of the interval before it is cut: the parts' own, Student's t and the normal's, added in squares.

        That of the seeds is no shorter than if they differed in nothing but what they and the images do together: a
        few seeds may agree by luck, the noise is told by all images.
        """
        if self.seeds < 2:
            return math.nan
        t, z = _quantiles(self.level if level is None else level, self.seeds - 1 + self.lent)
        return math.sqrt(max(t**2 * self.seed_part, z**2 * self.noise_part) + z**2 * self.image_part)

    def interval(self, level: float | None = None) -> tuple[float, float]:
        return within(self.mean, self.half_width(level), self.span)

    @property
    def low(self) -> float:
        return self.interval()[0]

    @property
    def high(self) -> float:
        return self.interval()[1]

    @property
    def side(self) -> int:
        """The side of 0 that the interval lies on, as of `intervals.side`."""
        return side(*self.interval())

    @property
    def reach(self) -> tuple[float, float]:
        """How far the interval lies below and above the mean, for error bars; zeros with one seed."""
        return (0.0, 0.0) if self.seeds < 2 else (self.mean - self.low, self.high - self.mean)

    @property
    def in_points(self) -> Crossed:
        """The same of shares in [0, 1], in percentage points."""
        parts = {name: 1e4 * getattr(self, name) for name in ("seed_part", "image_part", "noise_part")}
        return replace(self, mean=100 * self.mean, span=(100 * self.span[0], 100 * self.span[1]), **parts)

    @property
    def p(self) -> float:
        """Two-sided p-value against 0, the level at which the interval just reaches it; NaN with one seed."""
        return self.p_of(abs(self.mean))

    def p_within(self, interest: float) -> float:
        """p-value of “the difference is ± interest or more”: where it is small, the difference is smaller than that.

        The level at which the interval just fits between −interest and interest; NaN with one seed.
        """
        return self.p_of(interest - abs(self.mean))

    def p_of(self, distance: float) -> float:
        """The p at which the interval of level 1 − p reaches as far as `distance`; 1 for 0 and below, NaN: one seed."""
        if self.seeds < 2:
            return math.nan
        if distance <= 0:
            return 1.0
        reach = lambda p: self.half_width(1 - p) - distance  # noqa: E731 (falls with p)
        return SMALLEST_P if reach(SMALLEST_P) <= 0 else float(optimize.brentq(reach, SMALLEST_P, 1.0))

    def needed(self, effect: float, level: float = 0.95) -> Needed:
        """About how many seeds or test images would tell a difference of `effect` from 0, with power 0.8.

        The parts shrink in proportion to 1/n. Raises ValueError for an effect of 0 or one seed.
        """
        if effect <= 0 or self.seeds < 2:
            raise ValueError(f"effect {effect} with {self.seeds} seeds can't be planned for")

        def decided(seeds: float, images: float) -> bool:
            fewer, less = self.seeds / seeds, self.images / images
            noise = self.noise_part * fewer * less
            alone = max(0.0, self.seed_part - self.noise_part) * fewer
            told_by = self.seeds if self.redrawn else int(seeds)
            parts = alone + noise, self.image_part * less, noise
            grown = Crossed(self.mean, *parts, told_by, int(images), lent=self.lent)
            spread = math.sqrt(grown.seed_part + grown.image_part)
            return grown.half_width(level) + POWER_QUANTILE * spread <= effect

        several = () if self.redrawn else range(self.seeds, MOST_SEEDS + 1)
        seeds = next((s for s in several if decided(s, self.images)), None)
        factors = np.geomspace(1, 1e4, 200)
        images = next((_round_up(f * self.images) for f in factors if decided(self.seeds, f * self.images)), None)
        both = next((f for f in factors if decided(math.ceil(f * self.seeds), f * self.images)), 1e4)
        return Needed(seeds, images, (math.ceil(both * self.seeds), _round_up(both * self.images)), float(both))


@functools.lru_cache(maxsize=4096)
def _quantiles(level: float, freedom: float) -> tuple[float, float]:
    """Of Student's t with so many degrees of freedom, and of the normal."""
    return float(stats.t.ppf(0.5 + level / 2, freedom)), float(stats.norm.ppf(0.5 + level / 2))


def redrawn(values: np.ndarray, groups: np.ndarray | None = None, span: Range = DIFFERENCE, seeds: int = 1) -> Crossed:
    """Mean of one classifier's values, which must hold for other training images and other test images.

    values : (1 + draws) × test images: of the classifier itself, then of those that were trained on redrawn images. By
        how much these vary tells how much the first would with other images (Efron 1979); the mean is the first's.
    groups, span, errors : as of `crossed`.
    seeds : of generators, where each has such rows, one after another. The mean over them must then hold for other
        generators, too: it is a value of `crossed`, to whose images' part that of the training images is added.
    """
    rows = np.asarray(values).reshape(seeds, -1, np.shape(values)[1])
    itself = crossed(rows[:, 0], groups, span)
    again = crossed(rows[:, 1:].mean(axis=0), groups, span)
    by_training = again.seed_part * again.seeds
    if seeds > 1:
        return replace(itself, image_part=itself.image_part + by_training)
    return replace(itself, seed_part=by_training, seeds=again.seeds, redrawn=True)


def of_scores(
    rows: np.ndarray, again: np.ndarray, images: int, *, redrawn: int = 0, span: Range = DIFFERENCE
) -> Crossed:
    """A score that is no mean over images, such as an area under a curve, or a difference of two.

    rows : of each seed on all test images, or (`redrawn`: of so many generators) as the function of that name has them.
    again : of all seeds, or of the classifiers themselves, after each draw of the test images with replacement.
    """
    by_images, by_training = float(again.var(ddof=1)), 0.0
    if redrawn:
        several = rows.reshape(redrawn, -1)
        by_training = float(several[:, 1:].mean(axis=0).var(ddof=1))
        if redrawn == 1:
            draws = several.shape[1] - 1
            return Crossed(float(rows[0]), by_training, by_images, 0.0, draws, images, span, redrawn=True)
        rows = several[:, 0]
    seed_part = float(rows.var(ddof=1)) / len(rows) if len(rows) > 1 else math.nan
    return Crossed(float(rows.mean()), seed_part, by_images + by_training, 0.0, len(rows), images, span)


def crossed(
    values: np.ndarray, groups: np.ndarray | None = None, span: Range = DIFFERENCE, others: Sequence[float] = ()
) -> Crossed:
    """Mean of values from every seed on the same test images.

    Parameters
    ----------
    values : seeds × images; such as (right with one arm) − (right with the other).
    groups : class of each image; then the mean is that of the classes' means (of balanced accuracy, for instance) and
        the classes' sizes count as given. Without it all images are one group.
    span : what the mean can be: of shares SHARE, of differences of two shares DIFFERENCE.
    others : means of further seeds, of whose values nothing else is known. They count for the mean and for what seeds
        do to it; what images do is that of the seeds whose values are given.

    Raises ValueError for other shapes, no images, and others beside groups.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"values are of shape {values.shape}; give seeds × images")
    seeds, images = values.shape
    groups = np.zeros(images, dtype=np.int64) if groups is None else np.asarray(groups)
    if len(groups) != images:
        raise ValueError(f"{len(groups)} groups for {images} images")
    if len(others) and groups.any():
        raise ValueError("means of further seeds are of all images; they can't stand beside groups")
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    by_seed = np.mean([values[:, m].mean(axis=1) for m in members], axis=0)
    every = np.concatenate([by_seed, others])
    seed_part = float(every.var(ddof=1) / len(every)) if len(every) > 1 else math.nan
    parts = np.array([_image_variances(values[:, m]) for m in members]).sum(axis=0) / len(members) ** 2
    by_images, noise = float(parts[0]), float(parts[1]) * seeds / len(every)
    return Crossed(float(every.mean()), seed_part, by_images, noise, len(every), images, span)


def _image_variances(values: np.ndarray) -> tuple[float, float]:
    """Variances of one group's mean: by other images, and by what seeds and images do together.

    Half an image at +1 and half at −1 are added (after Agresti and Min 2005, for paired proportions): few images that
    all agree don't prove that every image would.
    """
    seeds, images = values.shape
    means = values.mean(axis=0)
    between = (((means - means.mean()) ** 2).sum() + 1) / (images + 1)
    if seeds == 1 or images == 1:
        return between / images, 0.0
    rest = values - means - values.mean(axis=1, keepdims=True) + values.mean()
    noise = (rest**2).sum() / ((seeds - 1) * (images - 1))
    return max(between - noise / seeds, 1 / (images + 1)) / images, noise / (seeds * images)


@dataclass(frozen=True)
class Crossing:
    """Where a curve first reaches a value: an estimate and its interval.

    value is inf where the curve never gets there, 0 where it is there from the start. low is the first place at which
    the curve may have the value (0: from the start; inf: it lies below all along), high the first at which it lies
    above (inf: nowhere); both by the level of the interval.

    falls : two neighbouring places between which the curve falls (by the interval of the step). Such a curve reaches
    the value more than once, or it has left it before it begins: the interval has no ends then.
    """

    value: float
    low: float
    high: float
    falls: tuple[float, float] | None = None


def crossing(
    curve: Sequence[tuple[float, np.ndarray]],
    target: np.ndarray,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    cross: Cross | None = None,
) -> Crossing:
    """Where a curve equals a target, both measured with the same seeds on the same images.

    curve : (place, seeds × images) in ascending order of place > 0, two or more. Raises ValueError for others.
    cross : `crossed`, or `redrawn` where rows are redraws.

    The interval inverts tests of the differences at the measured places: no spread of a ratio is needed. Between the
    places their means and the ends of their intervals are interpolated over the logarithm, not the values themselves:
    of these the seeds' errors at two places may cancel, and the curve would be told best where nothing was measured.
    """
    places = np.array([x for x, _ in curve], dtype=np.float64)
    if len(places) < 2 or (np.diff(places) <= 0).any() or places[0] <= 0:
        raise ValueError(f"a curve needs two or more ascending places above 0, got {places}")
    cross = cross or crossed
    differences = [cross(np.asarray(v, dtype=np.float64) - target, groups) for _, v in curve]
    value = _first(places, [d.mean for d in differences])
    falls = _falls(curve, groups, level, cross)
    if len(target) == 1 or falls:  # one seed rules nothing out
        return Crossing(value, 0.0, math.inf, falls)
    lows, highs = zip(*(d.interval(level) for d in differences), strict=True)
    return Crossing(value, _first(places, highs), _first(places, lows) or float(places[0]))


def _falls(
    curve: Sequence[tuple[float, np.ndarray]], groups: np.ndarray | None, level: float, cross: Cross
) -> tuple[float, float] | None:
    """The first two neighbouring places between which the curve falls."""
    for (place, before), (following, after) in pairwise(curve):
        step = cross(np.asarray(after, dtype=np.float64) - before, groups)
        if step.interval(level)[1] < 0:
            return place, following
    return None


def _first(places: np.ndarray, heights: Sequence[float]) -> float:
    """The first place at which a line through these heights reaches 0: 0 from the start, inf nowhere."""
    there = np.flatnonzero(np.asarray(heights) >= 0)
    if not len(there):
        return math.inf
    i = int(there[0])
    if i == 0:
        return 0.0
    share = -heights[i - 1] / (heights[i] - heights[i - 1])
    return float(places[i - 1] * (places[i] / places[i - 1]) ** share)


def interpolated(curve: Sequence[tuple[float, np.ndarray]], places: np.ndarray, x: float) -> np.ndarray:
    """The arrays of a curve at place x, linear in the logarithm of its `places`."""
    right = int(np.clip(np.searchsorted(places, x), 1, len(places) - 1))
    share = math.log(x / places[right - 1]) / math.log(places[right] / places[right - 1])
    before, after = (np.asarray(curve[i][1], dtype=np.float64) for i in (right - 1, right))
    return (1 - share) * before + share * after


def at_spread(spread: float, spreads: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The loss at one spread, between sets of known spread and loss; outside of them that of the nearest set.

    spreads : sets. losses : sets × images. Returns one value an image, linear in the losses, so that it can be crossed.
    """
    order = np.argsort(spreads, kind="stable")
    place = np.interp(spread, spreads[order], np.arange(len(order)))
    low = int(np.floor(place))
    high = min(low + 1, len(order) - 1)
    return losses[order[low]] + (place - low) * (losses[order[high]] - losses[order[low]])


def _round_up(count: float) -> int:
    """A count with two significant digits, for something that is an order of magnitude."""
    scale = 10 ** max(0, int(math.log10(max(count, 1))) - 1)
    return int(math.ceil(count / scale) * scale)
