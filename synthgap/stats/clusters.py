"""Test images that belong together, such as those of one patient: intervals count groups of them, not images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from .crossed import Crossed

Z = float(stats.norm.ppf(0.975))
MOST = 1.0  # variance of a difference of two shares that is 1 or −1 with equal chance


def widened(found: Crossed, values: np.ndarray, groups: np.ndarray | None, clusters: np.ndarray | None) -> Crossed:
    """A mean over test images, which must hold for other clusters of them.

    values, groups : what it is the mean of, as of `crossed`. clusters : number of each image's cluster; None: images
    are independent of one another. To the images' part of the variance is added what images of a cluster share, by the
    sums of clusters (Liang and Zeger 1986). With few clusters Student's t is wider than the normal distribution, and
    the part grows by that. With one cluster it is `MOST`: nothing can be told.
    """
    if clusters is None:
        return found
    count = len(np.unique(clusters))
    if count == 1:
        return replace(found, image_part=MOST)
    extra = shared(np.asarray(values, dtype=np.float64).mean(axis=0), groups, clusters)
    few = (stats.t.ppf(0.975, count - 1) / Z) ** 2
    return replace(found, image_part=float((found.image_part + extra) * few))


def shared(values: np.ndarray, groups: np.ndarray | None, clusters: np.ndarray) -> float:
    """By how much the variance of a mean over images exceeds that of independent ones; 0 where it does not.

    Of the mean of several classes' means (`groups`), too. Two clusters or more.
    """
    _, place = np.unique(clusters, return_inverse=True)
    count, images = int(place.max()) + 1, len(values)
    parts = np.zeros(images, dtype=np.int64) if groups is None else np.asarray(groups)
    names = np.unique(parts)
    rest = np.empty(images)
    for name in names:
        mine = parts == name
        rest[mine] = (values[mine] - values[mine].mean()) / (mine.sum() * len(names))
    alone = (rest**2).sum() * images / (images - 1)
    together = (np.bincount(place, rest) ** 2).sum() * count / (count - 1)
    return max(0.0, float(together - alone))
