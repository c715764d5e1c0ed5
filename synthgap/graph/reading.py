"""Reading a data set again as a specification's `Loading` says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.imageset import ImageSet
from ..data.pool import load_like
from ..data.shelf import Shelf
from ..data.sources import load_splits
from ..data.splits import Splits, spread, stratified_take
from .settings import Loading


def load_all(loading: Loading, shelf: Shelf | None = None) -> Splits:
    """All splits of the data set that `loading` names. shelf : as for `load_splits`."""
    options = loading.model_dump(exclude={"source", "split", "limits", "take", "synthetic", "pooled"})
    return load_splits(loading.source, limits=dict(loading.limits), shelf=shelf, **options)


def load_split(loading: Loading, splits: Splits | None = None) -> ImageSet:
    """The images that `loading` describes; `splits` where they are loaded already."""
    splits = splits or load_all(loading)
    images = splits[loading.split]
    if loading.pooled:
        images = replace(ImageSet.concat([splits.train, splits.test]), name=splits.train.name)
        return images if loading.take is None else images.subset(pooled(loading, splits))
    if loading.synthetic is not None:
        images = load_like(loading.synthetic, images, loading.grey)
    return images if loading.take is None else images.subset(spread(images.labels, loading.take))


def pooled(loading: Loading, splits: Splits) -> np.ndarray:
    """Sorted positions of the images of a pool that `loading` takes, among those of train and then of test."""
    labels = np.concatenate([splits.train.labels, splits.test.labels])
    return stratified_take(labels, len(labels) if loading.take is None else loading.take, seed=0)
