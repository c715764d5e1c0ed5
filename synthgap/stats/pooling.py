"""One inference for all comparisons of arms: variances over seeds that alike runs tell together.

Three seeds tell a variance badly: Student's t on 2 degrees of freedom is 4.3 at 95% and 14.1 at 99.5%. Comparisons
without a generator, each of two classifiers' runs, lend their variance to one another (`pooled`). Comparisons whose
arms share a study's generators lend nothing: all of them rest on the same few generators, one a seed. How often the
intervals hold, and how often a decision is wrong, is simulated (benchmarks/inference.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .crossed import Crossed, crossed

LENT = 6.0  # most degrees of freedom that other runs lend a comparison; chosen by simulated coverage

Run = Hashable  # the name of a classifier's runs, one a seed


def contrast(
    right: Callable[[Run], np.ndarray],
    first: Run,
    second: Run,
    alike: Iterable[Run] = (),
    groups: np.ndarray | None = None,
    others: Callable[[Run, Run], Sequence[float]] = lambda first, second: (),
) -> Crossed:
    """First minus second arm: shares in [0, 1].

    right : arm → bool, seeds × test images. alike : arms whose runs are of like variance. Where both arms are among
    them, the variance is told by all of these together; else by the two themselves. groups : as of `crossed`.
    others : of two arms to that function's `others`.
    """
    pairs = list(itertools.combinations(alike, 2)) if {first, second} <= set(alike) else []
    pairs = [(first, second), *(pair for pair in pairs if set(pair) != {first, second})]
    family = {(a, b): crossed(right(a).astype(np.float64) - right(b), groups, others=others(a, b)) for a, b in pairs}
    return pooled(family)[first, second]


def pooled(family: Mapping[tuple[Hashable, Hashable], Crossed]) -> dict[tuple[Hashable, Hashable], Crossed]:
    """The comparisons of a family, each with its variance over seeds drawn towards that of the family.

    family : (first run, second run) → their difference; runs are classifiers trained apart from one another, whose
        variances are alike, on the same seeds and test images. Runs that share a generator don't belong here.

    Each variance becomes the mean of its own, with seeds − 1 degrees of freedom, and of the family's, with f: moderated
    variances (Smyth 2004). f stays below `LENT`, and below what the family knows beyond one comparison: all pairs of n
    runs are worth n − 1 independent ones (`independent`). f is not estimated: from so few correlated variances an
    estimate is often infinite, and the intervals are too short. The family's variance is fitted without what images
    add to it (it depends on their number); that of each comparison is added again.

    95% intervals hold in 93% or more where the runs' standard deviations differ by up to a factor of two, also for the
    arm that varies most; in 91% where they differ by a factor of four and there are three seeds.
    """
    if len(family) < 2:
        return dict(family)
    several = list(family.values())
    own = several[0].seeds - 1
    beyond = own * (independent(list(family)) - 1)
    if beyond < 1e-9:  # one seed, or one comparison again and again
        return dict(family)
    lent = 1 / (1 / LENT + 1 / beyond)
    alone = max(0.0, float(np.mean([d.seed_part - d.noise_part for d in several])))
    return {
        pair: replace(d, seed_part=(lent * (alone + d.noise_part) + own * d.seed_part) / (lent + own), lent=lent)
        for pair, d in family.items()
    }


def independent(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """How many independent comparisons tell a common variance as well as these (after Satterthwaite 1946).

    With covariances S of the differences of independent runs of one variance it is tr(S)² / tr(S²).
    """
    runs = {run: i for i, run in enumerate(dict.fromkeys(run for pair in pairs for run in pair))}
    signs = np.zeros((len(pairs), len(runs)))
    for row, (first, second) in zip(signs, pairs, strict=True):
        row[runs[first]] += 1
        row[runs[second]] -= 1
    covariances = signs @ signs.T
    return float(np.trace(covariances) ** 2 / (covariances**2).sum())
