"""Reading again what was given to a study, as its specification says: a data set, a model's file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.errors import UserError
from ..base.files import file_sha256
from ..data.imageset import ImageSet
from ..data.pool import load_like
from ..data.shelf import Shelf
from ..data.sources import load_splits, own_path
from ..data.splits import Splits, spread, stratified_take
from ..diffusion.edm import EDM
from ..released.edm import load_edm
from .images import Data, LoadDiffusion
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


def load_data(spec: Data) -> ImageSet:
    """The images of a specification; UserError where they are others by now."""
    images = load_split(spec.loading)
    if images.fingerprint != spec.fingerprint:
        raise UserError(
            f"{spec.loading.source} has changed since this study began; start again in a new results folder"
        )
    return images


def load_generator(spec: LoadDiffusion) -> EDM:
    """The model of a specification, in eval mode on the CPU.

    Raises UserError where its file is gone, or holds something else by now.
    """
    path = own_path(spec.path)
    if not path.is_file():
        raise UserError(f"{spec.path} is not there, and the store has not its weights; put the model's file back")
    if file_sha256(path) != spec.fingerprint:
        raise UserError(f"{spec.path} has changed since this study began; put the model's file back, or start again")
    return load_edm(path)
