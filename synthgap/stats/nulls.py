"""Nulls for the gap of synthetic images alone: what copying, and what learning from N images only, cost by themselves.

At ×1 a gap to the real images needs no fault of the generator's. Two generators without one have it too:

- a memoriser: m images drawn with replacement from the N real ones (the bootstrap arms);
- a generator that estimated what it has to from the N images: in the parametric case its m images are worth
  N·m/(N + m) real ones (see `toy`). For images that is a line to compare with, not a law.

All functions are of arrays, seeds × test images, right (1) or wrong (0), so that the Gaussian toy goes through the same
code. Intervals hold for other seeds and other test images of the kind (see `crossed`).

Where a curve reaches a value there are two intervals. That of `crossing` inverts tests along the curve; it is the one
that is reported and decided by. The other resamples seeds and images (`resampled`). Where they disagree the first is to
be believed: three seeds have ten different bootstrap samples, whose percentiles span too little (as an interval of a
mean over seeds they cover 75% of nominal 95), and where a curve is flat the place is no smooth function of the means.
Measured on the toy, the fitted generator's rate at ×1, 3 seeds, 3,000 test samples, 80 studies: 96% and 90% of nominal
95, and 92% and 91% where all seeds share the training samples, as the images of a study are shared.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from .crossed import Crossed, Crossing, crossed, crossing, interpolated
from .intervals import SHARE
from .toy import effective_size, expected, simulate

DRAWS = 400  # of a bootstrap
GRID = 101  # places at which a bootstrap looks for a crossing
PARAMETERS = 3  # of the power law; it is fitted to more sizes than that and one
Curve = Sequence[tuple[float, np.ndarray]]  # (place, seeds × images), ascending


@dataclass(frozen=True)
class Place:
    """Where a curve reaches a value: `tested` by inverted tests, `resampled` by the bootstrap's percentiles.

    With one seed there is no interval: tested is unbounded, resampled None.
    """

    tested: Crossing
    resampled: tuple[float, float] | None

    @property
    def identifiable(self) -> bool:
        """Does the curve reach the value within the places there are, not from the start, and without falling?"""
        return 0 < self.tested.value < math.inf and self.tested.falls is None


@dataclass(frozen=True)
class Worth:
    """Real images that `drawn` synthetic ones are worth, and the exchange rate, synthetic images for a real one.

    power_law : real images by accuracy = c − a·n^(−b) fitted to the learning curve; None: not identifiable.
    """

    drawn: int
    place: Place
    power_law: float | None

    @property
    def rate(self) -> float | None:
        """None: not identifiable, the synthetic images being better than all real ones or worse than the fewest."""
        return self.drawn / self.place.tested.value if self.place.identifiable else None

    @property
    def tested(self) -> tuple[float, float]:
        """Interval of the rate by inverted tests; 0 and inf where it has no end. Told also where the rate is not."""
        return self._rates((self.place.tested.low, self.place.tested.high))

    @property
    def resampled(self) -> tuple[float, float] | None:
        """Interval of the rate by the bootstrap; None with one seed."""
        return None if self.place.resampled is None else self._rates(self.place.resampled)

    @property
    def power_law_rate(self) -> float | None:
        return None if self.power_law is None else self.drawn / self.power_law

    def _rates(self, places: tuple[float, float]) -> tuple[float, float]:
        low, high = (math.inf if n == 0 else self.drawn / n for n in places)  # n = inf: 0
        return high, low


@dataclass(frozen=True)
class Gaps:
    """Synthetic images ×`multiple` against real ones and both nulls, in accuracy. None: a cell was not run.

    raw : real − synthetic. bootstrap : real − real drawn with replacement, the same multiple and steps. subset : real −
    `size` real images, by the learning curve. excess : bootstrap − synthetic, 0 for a memoriser, negative for anything
    better. beyond : subset − synthetic. worth : None without a curve.
    """

    multiple: float
    drawn: int
    size: float
    raw: Crossed
    bootstrap: Crossed | None
    subset: Crossed | None
    excess: Crossed | None
    beyond: Crossed | None
    worth: Worth | None


@dataclass(frozen=True)
class NullReport:
    """Gaps by multiple, the levels they are differences of, and the multiple at which synthetic equals real.

    curve : real images → level; synthetic, bootstrap, subset : multiple → level. match : None with one multiple.
    """

    name: str
    measure: str
    train: int
    curve: dict[int, Crossed]
    synthetic: dict[float, Crossed]
    bootstrap: dict[float, Crossed]
    subset: dict[float, Crossed]
    gaps: dict[float, Gaps]
    match: Place | None


def report(
    name: str,
    curve: Mapping[int, np.ndarray],
    synthetic: Mapping[float, np.ndarray],
    copies: Mapping[float, np.ndarray],
    groups: np.ndarray | None = None,
    measure: str = "accuracy",
) -> NullReport:
    """The report of arrays, seeds × test images.

    Parameters
    ----------
    curve : number of real images → …; the largest is the whole training set.
    synthetic, copies : multiple → … of synthetic images and of real ones drawn with replacement.
    groups : class of each test image, for balanced accuracy (see `crossed`).
    """
    several = [(n, np.asarray(curve[n], dtype=float)) for n in sorted(curve)]
    train, real = several[-1]
    arrays = {k: np.asarray(synthetic[k], dtype=float) for k in sorted(synthetic)}
    again = {k: np.asarray(copies[k], dtype=float) for k in arrays if k in copies}
    fewer = {k: real_subset(several, effective_size(train, k * train)) for k in arrays}
    fewer = {k: values for k, values in fewer.items() if values is not None}

    def difference(first: np.ndarray | None, second: np.ndarray | None) -> Crossed | None:
        return None if first is None or second is None else crossed(first - second, groups)

    gaps = {
        k: Gaps(
            multiple=k,
            drawn=round(k * train),
            size=effective_size(train, k * train),
            raw=crossed(real - values, groups),
            bootstrap=difference(real, again.get(k)),
            subset=difference(real, fewer.get(k)),
            excess=difference(again.get(k), values),
            beyond=difference(fewer.get(k), values),
            worth=worth(several, values, round(k * train), groups) if len(several) > 1 else None,
        )
        for k, values in arrays.items()
    }
    levels = [{k: crossed(v, groups, SHARE) for k, v in part.items()} for part in (dict(several), arrays, again, fewer)]
    match = place(list(arrays.items()), real, groups) if len(arrays) > 1 else None
    return NullReport(name, measure, int(train), *levels, gaps, match)


@dataclass(frozen=True)
class Coverage:
    """Shares of simulated studies whose 95% interval holds the closed form's value, by quantity.

    shares : "raw", "bootstrap", "subset", "excess" as of `Gaps`; "rate" and "resampled", the two of the exchange rate.
    """

    shares: dict[str, float]
    studies: int


def coverage(
    studies: int, multiples: Sequence[float], seeds: int, images: int, train: int = 200, d: int = 100, norm: float = 1.0
) -> dict[float, Coverage]:
    """Multiple → coverage of the toy's fitted generator, in `studies` simulated studies of two seeds or more."""
    held: dict[float, list[dict[str, bool]]] = {k: [] for k in multiples}
    for number in range(studies):
        run = simulate(seeds, images, train, d, norm, multiples, seed=number)
        for k, g in report("toy", run.real, run.fitted, run.bootstrap).gaps.items():
            true = expected(train, k, d, norm)
            spans = {name: getattr(g, name).interval() for name in ("raw", "bootstrap", "subset", "excess")}
            one = {name: low <= getattr(true, name) <= high for name, (low, high) in spans.items()}
            for name, (low, high) in (("rate", g.worth.tested), ("resampled", g.worth.resampled)):
                one[name] = low <= true.rate <= high
            held[k].append(one)
    return {
        k: Coverage({name: float(np.mean([one[name] for one in several])) for name in several[0]}, studies)
        for k, several in held.items()
    }


def real_subset(curve: Curve, size: float) -> np.ndarray | None:
    """What `size` real images would give, interpolated over the logarithm; None outside the sizes there are."""
    places = np.array([n for n, _ in curve], dtype=float)
    if len(places) < 2 or not places[0] <= size <= places[-1]:
        return None
    return interpolated(curve, places, size)


def worth(curve: Curve, values: np.ndarray, drawn: int, groups: np.ndarray | None = None) -> Worth:
    """What `drawn` synthetic images with these results are worth on the real learning curve of two sizes or more."""
    means = [crossed(np.asarray(v), groups).mean for _, v in curve]
    fitted = power_law([n for n, _ in curve], means, crossed(np.asarray(values), groups).mean)
    return Worth(drawn, place(curve, values, groups), fitted)


def place(curve: Curve, target: np.ndarray, groups: np.ndarray | None = None) -> Place:
    """Where the curve reaches the target, with both intervals."""
    found = crossing(curve, target, groups)
    found = replace(found, low=min(found.low, curve[-1][0]))  # beyond the last place: as far as is known
    if len(target) < 2:
        return Place(replace(found, low=0.0, high=math.inf), None)
    return Place(found, resampled(curve, target, groups))


def resampled(
    curve: Curve,
    target: np.ndarray,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of a crossing by the percentiles of a bootstrap of seeds and of images (within their groups) at once.

    Its ends are 0 and inf as those of `Crossing` are.
    """
    places = np.array([n for n, _ in curve], dtype=float)
    arrays = np.array([*(v for _, v in curve), target], dtype=float)
    _, seeds, images = arrays.shape
    rng = np.random.default_rng(seed)
    of_image = np.zeros((draws, images))
    members = [np.arange(images)] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
    for mine in members:
        counts = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=draws)
        of_image[:, mine] = counts / len(mine) / len(members)
    of_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    means = np.einsum("ds,psd->dp", of_seed, arrays @ of_image.T)
    grid = np.geomspace(places[0], places[-1], GRID)
    along = np.array([np.interp(np.log(grid), np.log(places), row[:-1]) for row in means])
    there = along >= means[:, -1:]
    first = there.argmax(axis=1)
    found = np.where(there.any(axis=1), np.where(first > 0, grid[first], 0.0), math.inf)
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2], method="inverted_cdf")
    return float(min(low, places[-1])), float(high or places[0])


def power_law(places: Sequence[float], levels: Sequence[float], target: float) -> float | None:
    """The place at which c − a·n^(−b), fitted to the levels, has the target.

    None, not identifiable: with four places or fewer (three parameters), where the levels don't rise or the fit fails,
    or where that place lies outside the ones there are.
    """
    places, levels = np.asarray(places, dtype=float), np.asarray(levels, dtype=float)
    if len(places) <= PARAMETERS + 1 or levels[-1] <= levels[0]:
        return None
    law = lambda n, a, b, c: c - a * n**-b  # noqa: E731
    shares, start = places / places[-1], (max(levels[-1] - levels[0], 1e-3), 0.5, levels[-1] + 1e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", optimize.OptimizeWarning)
        try:
            (a, b, c), _ = optimize.curve_fit(law, shares, levels, start, bounds=([0, 1e-3, 0], [np.inf, 5, 2]))
        except (RuntimeError, ValueError, optimize.OptimizeWarning):
            return None
    if not (a > 0 and target < c):
        return None
    found = places[-1] * (a / (c - target)) ** (1 / b)
    return float(found) if places[0] <= found <= places[-1] else None
