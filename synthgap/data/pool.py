"""Any images as one set, for measures that compare two sets: folders with or without classes, files, named sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..base.errors import UserError
from ..base.names import normal, shown, some
from .folder import fit, fit_all, read_images
from .imageset import ImageSet
from .layout import ALL, UNLABELLED, Layout, alike, layout_lines, named_split, read_layout
from .shards import Shards, is_shards
from .shelf import Shelf
from .sources import DESCRIPTIONS, load_splits, own_path
from .splits import SPLITS
from .transform import luminance

LARGEST_SIDE = 128  # of folders' images, where no size is asked for
IN_MEMORY = 10_000  # images of a sharded set up to which `open_pool` loads it


def load_pool(
    source: str,
    image_size: int | None = None,
    like: ImageSet | None = None,
    notes: list[str] | None = None,
    shelf: Shelf | None = None,
) -> ImageSet:
    """All images of a source as one set.

    Parameters
    ----------
    source : a folder of images (class folders or none; `folder:PATH` is the same), a `.safetensors` file of
        `ImageSet.save`, `npz:PATH`, `edm-zip:PATH`, a folder `NAME.shards` (`shards:PATH` is the same), or a named
        set, all of it ("digits") or a split ("digits:test"). A folder is read as `read_layout` says; of one with
        folders train/, val/, test/ all images are taken together, as of a named set, or one split ("photos:test").
    image_size : longest side in pixels; None is the images' own, for folders at most 128.
    like : bring the images to this set's height and width instead, whatever its channels (see `same_channels`).
    notes : gets lines about what was read, passed over and assumed.
    shelf : where decoded images of folders are kept for the next reading.

    Raises
    ------
    UserError : nothing there, unreadable files, images both in the folder itself and in class folders.
    """
    sharded = _shards(source, image_size)
    if sharded is not None:
        images = sharded.subset(slice(None))
        return images if like is None else _matched(images, like)
    kind, _, rest = source.partition(":")
    path = own_path(rest if kind == "folder" and rest else source)
    told = [] if notes is None else notes
    if path.is_dir() or (kind not in DESCRIPTIONS and named_split(path)[1] is not None):
        images = _folder(path, image_size, like, told, shelf)
    elif path.suffix == ".safetensors":
        images = ImageSet.load(path)
    elif kind in DESCRIPTIONS and rest in SPLITS:
        images = load_splits(kind, image_size=image_size)[rest]
    elif source in DESCRIPTIONS or (kind in ("npz", "edm-zip") and rest):
        splits = load_splits(source, image_size=image_size)
        told += splits.record.get("found", [])
        images = ImageSet.concat([splits[s] for s in SPLITS], name=source)
    elif path.suffix == ".npz" and path.is_file():
        raise UserError(f"{source} is a file of arrays; name it with its kind, npz:{source}")
    else:
        raise UserError(
            f"{source} is no folder, file or known data set; give a folder of images, npz:PATH, shards:PATH, a "
            ".safetensors file, or a set such as digits or digits:test (splits: train, validation, test)"
        )
    return images if like is None else _matched(images, like)


def open_pool(
    source: str,
    image_size: int | None = None,
    like: ImageSet | Shards | None = None,
    notes: list[str] | None = None,
) -> ImageSet | Shards:
    """As `load_pool`, but a sharded set of more than `IN_MEMORY` images stays on the disk."""
    sharded = _shards(source, image_size)
    if sharded is None or len(sharded) <= IN_MEMORY:
        return load_pool(source, image_size, like, notes)
    if like is None or sharded.shape[1:] == like.shape[1:]:
        return sharded
    size = like.subset(slice(0, 1))
    return sharded.changed(lambda images: _matched(images, size))


def _shards(source: str, image_size: int | None) -> Shards | None:
    """The sharded set that `source` names, if it names one."""
    kind, _, rest = source.partition(":")
    named = kind == "shards" and bool(rest)
    path = own_path(rest if named else source)
    if not named and not (is_shards(path) and path.is_dir()):
        return None
    sharded = Shards.open(path)
    if image_size is not None and image_size != max(sharded.shape[1:]):
        raise UserError(
            f"{path} holds images of {sharded.shape} (C, H, W), which keep their size; leave the image size out"
        )
    return sharded


def load_like(
    source: str, real: ImageSet, grey: bool = False, notes: list[str] | None = None, shelf: Shelf | None = None
) -> ImageSet:
    """Images from elsewhere, made fit to stand beside `real`: its height, width, channels, classes and augmentations.

    source : as for `load_pool`; the images need classes, named as those of `real` (in any order; some may be absent).
        Composed and decomposed letters are the same.
    grey : take colour away first.
    notes, shelf : as for `load_pool`.
    Raises UserError for a class that `real` lacks, or colour images beside grey ones.
    """
    images = load_pool(source, like=real, notes=notes, shelf=shelf)
    known = {normal(c): i for i, c in enumerate(real.classes)}
    unknown = sorted({c for c in images.classes if normal(c) not in known})
    if unknown:
        raise UserError(
            f"{source} has a class {unknown[0]!r}, which {real.name} lacks; name its class folders as those of "
            f"the real images: {some(map(shown, real.classes), 10)}" + alike(unknown[0], real.classes)
        )
    if grey:
        images = replace(images, images=luminance(images.images))
    if images.shape[0] > real.shape[0]:
        raise UserError(f"{source} holds colour images and {real.name} grey ones; make them grey (the option grey)")
    place = np.array([known[normal(c)] for c in images.classes])
    fitted = _coloured(images, real.shape[0])
    return replace(fitted, labels=place[fitted.labels], classes=real.classes, augment=real.augment, name=source)


def same_channels(a: ImageSet | Shards, b: ImageSet | Shards) -> tuple[ImageSet | Shards, ImageSet | Shards]:
    """The two sets with equal channels: grey images are repeated to three where the other set has colour."""
    channels = max(a.shape[0], b.shape[0])
    return _coloured(a, channels), _coloured(b, channels)


def _folder(
    path: Path, image_size: int | None, like: ImageSet | None, told: list[str], shelf: Shelf | None
) -> ImageSet:
    layout = read_layout(path, least_classes=1)
    _check_one_set(layout)
    listings = layout.listings.values()
    paths = [p for listing in listings for p in listing.paths]
    if like is not None:
        read, about = fit_all(paths, *like.shape[1:], shelf), slice(0, None)
    else:
        read, about = read_images(paths, LARGEST_SIDE, image_size, shelf), slice(1, None)
    name = layout.root.name
    if layout.folders:
        parts = ", ".join(f"{layout.folders[s]}/ {len(v.files):,}" for s, v in layout.listings.items() if s != ALL)
        together = f", all taken together ({shown(name)}:train is one of them)" if len(layout.listings) > 1 else ""
        told.append(f"{shown(name)} holds splits: {parts} images{together}")
    told += [*layout_lines(layout), *read.notes[about]]
    labels = np.concatenate([listing.labels for listing in listings])
    return ImageSet(read.images, labels, layout.classes, name)


def _check_one_set(layout: Layout) -> None:
    """UserError where images lie both in the folder itself and in one folder below it: which of them are meant?"""
    if layout.loose and len(layout.classes) == 1 and layout.classes != (UNLABELLED,) and not layout.folders:
        raise UserError(
            f"{shown(str(layout.root))} holds images and folders, such as {shown(layout.loose[0])}; move the images "
            "into class folders"
        )


def _matched(images: ImageSet, like: ImageSet) -> ImageSet:
    """`images` at the height and width of `like`."""
    height, width = like.shape[1:]
    if images.shape[1:] == (height, width):
        return images
    pixels = []
    for image in images.images:
        plane = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        fitted = fit(Image.fromarray(plane), height, width)
        pixels.append(fitted[None] if fitted.ndim == 2 else fitted.transpose(2, 0, 1))
    return replace(images, images=np.stack(pixels))


def _coloured(images: ImageSet | Shards, channels: int) -> ImageSet | Shards:
    if images.shape[0] == channels:
        return images
    if isinstance(images, Shards):
        return images.changed(lambda part: _coloured(part, channels))
    return replace(images, images=np.repeat(images.images, channels, axis=1))
