"""Where a set lies in a feature space: two-dimensional views (Figures 2 and 9), and numbers for what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from ..base.errors import UserError
from ..data.splits import halves

NEIGHBOURS = 3  # k of Kynkäänniemi et al. 2019
LEAST = 2  # samples that a class needs in each set
OUTER_SHARE = 0.1  # of the real samples, those that count as outermost


@dataclass(frozen=True)
class Projection:
    """A PCA plane fitted on real features: `project` maps N × D features to N × 2.

    explained : share of the real features' variance along each of the two axes.
    """

    pca: PCA

    @classmethod
    def fit(cls, real: np.ndarray) -> Projection:
        """Fit on real training features only, so that other sets are seen from where the real ones lie."""
        if len(real) < 2 or real.shape[1] < 2:
            raise UserError(f"features of shape {real.shape} have no plane; give 2 or more samples and dimensions")
        return cls(PCA(n_components=2, svd_solver="full").fit(np.asarray(real, dtype=np.float64)))

    @property
    def explained(self) -> tuple[float, float]:
        first, second = self.pca.explained_variance_ratio_
        return float(first), float(second)

    def project(self, features: np.ndarray) -> np.ndarray:
        return self.pca.transform(np.asarray(features, dtype=np.float64))


@dataclass(frozen=True)
class Concentration:
    """How tightly a set lies around its classes, a real set being the measure. Means over the classes.

    trace_ratio : variance within a class (trace of the covariance, unbiased) over the real one; < 1 is tighter.
    distance_ratio : mean distance to the real class mean, over that of the real samples to the mean of the others of
        their class; < 1 is nearer to the mode.
    outer_coverage : of the tenth of real samples furthest from their class mean, the share within the k-th-neighbour
        radius of a sample of the set and class.
    per_class : the three for each class, len(classes) × 3.
    outermost : of each class, how many real samples count as outermost.
    classes : labels of the classes that have enough samples in both sets; the others are left out.
    """

    trace_ratio: float
    distance_ratio: float
    outer_coverage: float
    per_class: np.ndarray
    outermost: np.ndarray
    classes: np.ndarray

    @property
    def grain(self) -> float:
        """The largest step in which outer_coverage moves: by one outermost sample of the class with the fewest."""
        return float(1 / (len(self.classes) * self.outermost.min()))


def concentration(
    real: np.ndarray, real_labels: np.ndarray, fake: np.ndarray, fake_labels: np.ndarray, *, k: int = NEIGHBOURS
) -> Concentration:
    """Numbers for "concentrates near the modes" (Figures 2 and 9), on any features, in float64.

    Parameters
    ----------
    real, fake : N × D and M × D features. real_labels, fake_labels : N and M integers.
    k : neighbour whose distance is the radius of a sample, itself excluded (Kynkäänniemi et al. 2019).

    A class takes part with 2 samples or more in each set, the real ones not all the same; k is at most one less than
    it has. What other real samples score in the place of `fake` is the value to compare with: coverage of 1 is not to
    be expected of them. Near copies of the real samples themselves score a distance_ratio of (n − 1) / n for n a
    class: they are part of the mean.

    Raises
    ------
    UserError : other dimensions, NaN, or no class with enough samples.
    ValueError : k below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; a radius needs a first neighbour at least")
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    real_labels, fake_labels = np.asarray(real_labels), np.asarray(fake_labels)
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise UserError(f"features have shapes {real.shape} and {fake.shape}; both sets need N × D of one D")
    if len(real) != len(real_labels) or len(fake) != len(fake_labels):
        raise UserError("there are not as many labels as features; give one label a sample")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise UserError("the features hold NaN or infinity; check the images and the extractor")
    rows, outer, used = [], [], []
    for label in np.intersect1d(real_labels, fake_labels):
        mine, theirs = real[real_labels == label], fake[fake_labels == label]
        if min(len(mine), len(theirs)) >= LEAST and np.ptp(mine, axis=0).any():
            rows.append(_of_class(mine, theirs, k))
            outer.append(_outer_count(mine))
            used.append(label)
    if not rows:
        raise UserError(f"no class has {LEAST} different samples in both sets; give more images a class")
    table = np.array(rows)
    means = (float(v) for v in table.mean(axis=0))
    return Concentration(*means, per_class=table, outermost=np.array(outer), classes=np.array(used))


def _of_class(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float]:
    count, mean = len(real), real.mean(axis=0)
    spread = np.var(real, axis=0, ddof=1).sum()
    # the mean of the other samples lies count / (count − 1) times as far from a sample as the mean of all
    distances = np.linalg.norm(real - mean, axis=1)
    fair = distances.mean() * count / (count - 1)
    covered = _near(real[_outermost(real)], fake, k).mean()
    return (
        float(np.var(fake, axis=0, ddof=1).sum() / spread),
        float(np.linalg.norm(fake - mean, axis=1).mean() / fair),
        float(covered),
    )


def outermost(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Positions of the tenth of each class that is furthest from the class's mean (one at least), class by class.

    features : N × D; classes of fewer than 2 samples have no outermost one.
    """
    found = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        if len(mine) >= LEAST:
            found.append(mine[_outermost(features[mine].astype(np.float64))])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def covered_by(
    features: np.ndarray,
    labels: np.ndarray,
    positions: np.ndarray,
    fake: np.ndarray,
    fake_labels: np.ndarray,
    *,
    k: int = NEIGHBOURS,
) -> np.ndarray:
    """bool: does each of the samples at `positions` lie within the k-th-neighbour radius of a fake of its class?

    Fewer than 2 fakes of a class cover nothing.
    """
    out = np.zeros(len(positions), dtype=bool)
    for label in np.unique(labels[positions]):
        mine, theirs = labels[positions] == label, fake[fake_labels == label].astype(np.float64)
        if len(theirs) >= LEAST:
            out[mine] = _near(features[positions[mine]].astype(np.float64), theirs, k)
    return out


def centrality(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float N in [0, 1): the share of a sample's class that lies nearer to the class's mean than the sample does."""
    features, out = np.asarray(features, dtype=np.float64), np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        distances = np.linalg.norm(features[mine] - features[mine].mean(axis=0), axis=1)
        out[mine[np.argsort(distances, kind="stable")]] = np.arange(len(mine)) / len(mine)
    return out


def centralities(labels: np.ndarray, features: list[np.ndarray]) -> np.ndarray:
    """`centrality` of each image within its half; features: of half a and of half b."""
    out = np.empty(len(labels))
    for positions, vectors in zip(halves(labels), features, strict=True):
        out[positions] = centrality(vectors, labels[positions])
    return out


def _outermost(samples: np.ndarray) -> np.ndarray:
    distances = np.linalg.norm(samples - samples.mean(axis=0), axis=1)
    return np.argsort(-distances, kind="stable")[: _outer_count(samples)]


def _outer_count(samples: np.ndarray) -> int:
    return max(1, round(len(samples) * OUTER_SHARE))


def _near(points: np.ndarray, fake: np.ndarray, k: int) -> np.ndarray:
    radii = np.sort(cdist(fake, fake), axis=1)[:, min(k, len(fake) - 1)]  # place 0 is the sample itself
    return (cdist(points, fake) <= radii).any(axis=1)
