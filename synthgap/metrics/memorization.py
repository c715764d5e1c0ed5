"""Are the synthetic images copies? Distances to the training images against those of other real images.

AuthPct is by Alaa et al. 2022 (as Stein et al. 2023 use it), C_T by Meehan, Chaudhuri and Dasgupta 2020.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.cluster import KMeans

from ..base.errors import UserError
from .neighbours import nearest, nearest_distances

SAMPLES_A_CELL = 50  # training samples that pay for a cell of C_T (inferred)
MOST_CELLS = 10  # inferred
LEAST_IN_CELL = 5  # test and fake samples that a cell needs to be counted (inferred)
COPYING_BELOW = -3.0  # C_T: Meehan et al. 2020 read values far below 0 as copying; 3 is inferred


@dataclass(frozen=True)
class Memorization:
    """Signs of copying. Distances are Euclidean, in the unit of what was given.

    authentic : share of fakes that are no nearer to their nearest training sample than that one is to the next
        training sample (AuthPct, Alaa et al. 2022), in [0, 1]. Exact copies never are, even of a sample that the
        training set holds twice. 0 for copies; for fresh samples it depends on the data: 0.38 to 0.85 for 500
        normal ones of 2 to 300 dimensions.
    ratio : median distance of the fakes to the nearest training sample, over that to the nearest of as many test
        samples; ≥ 0. Near 1 for fakes that know nothing of the training samples in particular, 0 for copies; NaN
        where most fakes equal test samples. With fewer test than training samples, only as many training samples,
        drawn at random, are looked at: copies of the others don't lower it.
    copying : C_T (Meehan et al. 2020), a weighted mean of one z score a cell: far below 0 for copies, above 0 for
        samples further away than test samples are. For fresh samples its mean is 0 and its standard deviation 1
        with one cell, about 1/√cells with several of a size. NaN where no cell has enough samples.
    closest : smallest distance of a fake to a training sample, ≥ 0.
    cells_used : share of the fakes that lie in cells which C_T counts.
    distances_fake, distances_test : float64 arrays, of each to its nearest training sample.
    """

    authentic: float
    ratio: float
    copying: float
    closest: float
    cells_used: float
    n_train: int
    n_test: int
    n_fake: int
    distances_fake: np.ndarray
    distances_test: np.ndarray


def memorization(
    train: np.ndarray, test: np.ndarray, fake: np.ndarray, *, seed: int = 0, cells: int | None = None
) -> Memorization:
    """Compare how near fakes and other real samples lie to the training samples.

    Parameters
    ----------
    train, test, fake : N × … arrays of one shape a sample (images or features, of any range); `test` was not trained
        on and shares no sample with `fake`.
    seed : of the equal-sized draw for `ratio` and of the cells, ≥ 0.
    cells : k-means cells of the training samples for C_T; default one for 50 training samples, at most 10 (inferred).
        A cell counts with 5 test and 5 fake samples, by its number of fakes.

    Raises
    ------
    UserError : fewer than 2 training, 2 test or 1 fake samples, samples of other shapes or without values, NaN,
        fewer than 1 cell or more cells than training samples.
    """
    train, test, fake = _flat(train, test, fake)
    if cells is not None and not 1 <= cells <= len(train):
        raise UserError(f"cells is {cells}; give 1 to {len(train)}, the number of training samples")
    distances_fake, owner = (v[:, 0] for v in nearest(fake, train))
    distances_test = nearest_distances(test, train)[:, 0]
    copying, used = _three_sample_test(train, test, fake, distances_test, distances_fake, seed, cells)
    return Memorization(
        authentic=_authentic(train, owner, distances_fake),
        ratio=_ratio(train, test, fake, seed),
        copying=copying,
        closest=float(distances_fake.min()),
        cells_used=used,
        n_train=len(train),
        n_test=len(test),
        n_fake=len(fake),
        distances_fake=distances_fake,
        distances_test=distances_test,
    )


def reading(value: Memorization) -> str:
    """What C_T says, in words; and whether single fakes equal training samples, which C_T is blind to."""
    if np.isnan(value.copying):
        return "too few images to tell"
    if value.copying < COPYING_BELOW:
        return "nearer to the training images than other real images are: reads as copying"
    if value.copying > -COPYING_BELOW:
        return "further from the training images than other real images are: no copying, but not like them either"
    if value.closest == 0 < value.distances_test.min():
        return "no nearer to the training images than other real images are, but some equal one: a few are copies"
    return "no sign of copying"


def _authentic(train: np.ndarray, owner: np.ndarray, distances: np.ndarray) -> float:
    between = nearest_distances(train, train, exclude_self=True)[:, 0]
    return float(((distances >= between[owner]) & (distances > 0)).mean())


def _ratio(train: np.ndarray, test: np.ndarray, fake: np.ndarray, seed: int) -> float:
    count = min(len(train), len(test))
    rng = np.random.default_rng(seed)
    parts = (s if len(s) == count else s[rng.permutation(len(s))[:count]] for s in (train, test))
    to_train, to_test = (float(np.median(nearest_distances(fake, p)[:, 0])) for p in parts)
    return to_train / to_test if to_test > 0 else float("nan")


def _three_sample_test(
    train: np.ndarray,
    test: np.ndarray,
    fake: np.ndarray,
    distances_test: np.ndarray,
    distances_fake: np.ndarray,
    seed: int,
    cells: int | None,
) -> tuple[float, float]:
    """(C_T, share of the fakes in the cells that count): Mann–Whitney z of each cell, weighted by its fakes."""
    count = cells or min(max(len(train) // SAMPLES_A_CELL, 1), MOST_CELLS)
    means = KMeans(count, n_init=3, random_state=seed).fit(train.astype(np.float64))
    at_test, at_fake = (means.predict(s.astype(np.float64)) for s in (test, fake))
    scores, weights = [], []
    for cell in range(count):
        p, q = distances_test[at_test == cell], distances_fake[at_fake == cell]
        if min(len(p), len(q)) >= LEAST_IN_CELL:
            scores.append(_rank_score(p, q))
            weights.append(len(q))
    if not scores:
        return float("nan"), 0.0
    return float(np.average(scores, weights=weights)), sum(weights) / len(fake)


def _rank_score(test: np.ndarray, fake: np.ndarray) -> float:
    """z of the Mann–Whitney statistic of fake > test, ties corrected; below 0 where the fakes are smaller."""
    n, m = len(test), len(fake)
    ranks = stats.rankdata(np.concatenate([test, fake]))
    larger = ranks[n:].sum() - m * (m + 1) / 2  # pairs in which the fake is larger, ties half
    _, repeats = np.unique(ranks, return_counts=True)
    ties = (repeats**3 - repeats).sum() / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return float((larger - n * m / 2) / np.sqrt(variance)) if variance > 0 else 0.0


def _flat(train: np.ndarray, test: np.ndarray, fake: np.ndarray) -> list[np.ndarray]:
    """The three sets as N × D."""
    out = []
    for name, samples, least in (("training", train, 2), ("test", test, 2), ("fake", fake, 1)):
        if len(samples) < least:
            raise UserError(f"{len(samples)} {name} samples; a test for copies needs at least {least}: give more")
        if samples.shape[1:] != train.shape[1:]:
            raise UserError(
                f"{name} samples are of shape {samples.shape[1:]}, training ones of {train.shape[1:]}; resize one"
            )
        if 0 in samples.shape[1:]:
            raise UserError(f"{name} samples of shape {samples.shape[1:]} hold no values; give images or features")
        if not np.isfinite(samples).all():
            raise UserError(f"the {name} samples hold NaN or infinity; check the images")
        out.append(samples.reshape(len(samples), -1))
    return out
