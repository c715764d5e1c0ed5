"""One inference for all comparisons of arms: variances over seeds that alike runs tell together.

Three seeds tell a variance badly: Student's t on 2 degrees of freedom is 4.3 at 95% and 14.1 at 99.5%. Comparisons
without a generator, each of two classifiers' runs, lend their variance to one another (`pooled`). Comparisons whose
arms share a study's generators lend nothing: all of them rest on the same few generators, one a seed. How often the
intervals hold, and how often a decision is wrong, is simulated (`stats.simulation`, benchmarks/inference.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from .crossed import Crossed, crossed

LENT = 3.0  # most degrees of freedom that other comparisons lend one; chosen by simulation, before looking at runs

Run = Hashable  # the name of a classifier's runs, one a seed


def contrast(
    right: Callable[[Run], np.ndarray],
    first: Run,
    second: Run,
    alike: Collection[Run] = (),
    reference: Run = None,
    groups: np.ndarray | None = None,
) -> Crossed:
    """First minus second arm: shares in [0, 1].

    right : arm → bool, seeds × test images. alike : arms whose runs are of like variance. Where both arms are among
    them, the variance is told by all of these, each against the `reference`; else by the two themselves. groups : as of
    `crossed`.
    """

    def difference(a: Run, b: Run) -> Crossed:
        return crossed(right(a).astype(np.float64) - right(b), groups)

    asked = first, second
    if not {first, second} <= set(alike):
        return difference(*asked)
    others = ((run, reference) for run in alike if run != reference and {run, reference} != {first, second})
    return pooled({pair: difference(*pair) for pair in (asked, *others)})[asked]


def pooled(family: Mapping[tuple[Hashable, Hashable], Crossed]) -> dict[tuple[Hashable, Hashable], Crossed]:
    """The comparisons of a family, each with its variance over seeds drawn towards that of the family.

    family : (first run, second run) → their difference; runs are classifiers trained apart from one another, whose
        variances are alike, on the same seeds and test images. Runs that share a generator don't belong here.

    Each variance becomes the mean of its own, with seeds − 1 degrees of freedom, and of the family's, with f: moderated
    variances (Smyth 2004). f is at most `LENT`, and at most what the family's independent comparisons know beyond one
    of them: differences from one run share its variance, so that n of them are worth 4n/(n + 3) (`independent`). f is
    not estimated: from so few correlated variances an estimate is often infinite, and its intervals too short.
    The family's variance is fitted without what images add to it, and that of each comparison added again.
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
