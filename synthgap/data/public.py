"""The paper's five data sets, as splits: read from a local copy, or stood in for by blank images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from .decoding import read_image
from .folder import fit
from .imageset import ImageSet
from .publicfiles import Official, read_official
from .publicsets import CIFAR, known, root_or_default
from .splits import SPLITS, Splits, split_record, stratified_split, stratified_take
from .transform import limited, resized

VALIDATION = 0.1  # share of the official training images; inferred: the paper mentions no validation split
BANNER = 20  # pixels at the bottom of every FGVC-Aircraft image that hold its copyright line
OFFICIAL = {"train": "train", "validation": "train", "test": "test"}  # the official set a split is taken from


def load_public(
    name: str,
    image_size: int | None,
    train_size: int | None,
    seed: int,
    root: Path | None = None,
    limits: dict[str, int | None] | None = None,
) -> Splits:
    """Read one of the paper's data sets from a local copy.

    Parameters
    ----------
    name : a key of PUBLIC.
    image_size : side in pixels; None is the set's own. CIFAR is resized; images of the other sets are put on a
        square canvas, aspect kept, as RGB.
    train_size : training images to keep after validation was cut off; None is all.
    seed : of the validation split and of what `train_size` and `limits` leave out.
    root : the data folder; None is `data_root()`.
    limits : most images per split, as for `transform.limited`. Image files that it leaves out are not decoded.

    Returns
    -------
    Splits: test is the official test set, validation a stratified 10% of the official training set.

    Raises
    ------
    UserError : unknown name; missing, damaged or contradictory files; sizes that don't fit the set.
    """
    public = known(name)
    official = read_official(name, root_or_default(root))
    chosen = _chosen(name, official, train_size, seed, limits or {})
    kept = chosen.record["members"]
    size = image_size or public.image_size
    notes = [*chosen.record["notes"], *([f"inferred: {public.inferred}"] if public.inferred else [])]
    if name in CIFAR:
        images = {s: official.images[OFFICIAL[s]][kept[s]] for s in SPLITS}
    else:
        files = {s: [official.files[OFFICIAL[s]][i] for i in kept[s]] for s in SPLITS}
        images, read = _decoded(files, size, BANNER if name == "aircraft" else 0)
        notes += read
    sets = {s: replace(chosen[s], images=images[s], augment=public.augment) for s in SPLITS}
    members = {s: [official.members[OFFICIAL[s]][i] for i in kept[s]] for s in SPLITS}
    splits = Splits(**sets, record=split_record(name, chosen.record["policy"], sets, members, notes))
    return resized(splits, size) if name in CIFAR else splits


def stand_in(
    name: str, image_size: int | None, train_size: int | None, seed: int, limits: dict[str, int | None] | None = None
) -> Splits:
    """Blank images in the numbers, shape and classes that are published of a set: to plan with, not to learn from.

    Arguments and errors as of `load_public`; no copy is read.
    """
    public = known(name)
    classes = tuple(str(c) for c in range(public.classes))
    labels = {split: np.arange(count) % public.classes for split, count in public.counts.items()}
    members = {split: list(range(count)) for split, count in public.counts.items()}
    chosen = _chosen(name, Official(classes, labels, members), train_size, seed, limits or {})
    size = image_size or public.image_size
    blank = {s: np.zeros((len(chosen[s]), 3, size, size), np.uint8) for s in SPLITS}
    sets = {s: replace(chosen[s], images=blank[s], augment=public.augment) for s in SPLITS}
    return Splits(**sets, record=chosen.record)


def _chosen(name: str, official: Official, train_size: int | None, seed: int, limits: dict[str, int | None]) -> Splits:
    """Which positions of the official sets each split keeps (`record["members"]`), as splits without pixels."""
    labels, classes = official.labels, official.classes
    positions = stratified_split(labels["train"], {"train": None, "validation": VALIDATION}, seed, classes)
    positions["test"] = np.arange(len(labels["test"]))
    share = f"{VALIDATION:.0%} of the official training images, at least one a class"
    notes = [f"test is the official test set; validation is {share} (inferred: the paper mentions none)"]
    if train_size is not None:
        train = positions["train"]
        least = len(np.unique(labels["train"]))
        if not least <= train_size <= len(train):
            raise UserError(
                f"train_size is {train_size:,}, but {name} has {len(train):,} training images of {least} classes "
                f"beside the validation split; give {least} to {len(train):,}"
            )
        positions["train"] = train[stratified_take(labels["train"][train], train_size, seed)]
        notes.append(f"{train_size:,} of {len(train):,} train images used (train_size)")
    sets = {
        s: ImageSet(np.zeros((len(positions[s]), 1, 1, 1), np.uint8), labels[OFFICIAL[s]][positions[s]], classes)
        for s in SPLITS
    }
    sets = {s: replace(sets[s], name=f"{name}/{s}") for s in SPLITS}
    for s in SPLITS:
        absent = len(classes) - len(np.unique(sets[s].labels))
        if absent:
            notes.append(f"{absent} of {len(classes)} classes have no {s} image")
    policy = f"validation cut from train, stratified, seed {seed}"
    members = {s: positions[s].tolist() for s in SPLITS}
    return limited(Splits(**sets, record=split_record(name, policy, sets, members, notes)), limits, seed)


def _decoded(files: dict[str, list[Path]], size: int, banner: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read image files onto square canvases: ({split: uint8 N × 3 × size × size}, what was done to them)."""
    out, sizes, grey = {}, [], 0
    for split, paths in files.items():
        out[split] = np.empty((len(paths), 3, size, size), np.uint8)
        for i, path in enumerate(paths):
            image = read_image(path)
            sizes.append(image.size)
            grey += image.mode == "L"
            if image.height <= banner:
                raise UserError(f"{path} is {image.height} pixels high, all of it banner; replace the image")
            pixels = fit(image.crop((0, 0, image.width, image.height - banner)), size, size)
            out[split][i] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # grey fills all channels
    (low_w, low_h), (high_w, high_h) = np.min(sizes, axis=0), np.max(sizes, axis=0)
    span = f"{low_w}–{high_w} pixels wide, {low_h}–{high_h} high"
    done = f"brought to {size}×{size} as RGB, aspect kept, edges repeated as padding"
    notes = [f"the {banner} pixels at the bottom of each image, its copyright banner, cut off"] if banner else []
    return out, [*notes, f"{len(sizes):,} images ({grey:,} grey; {span}) {done}"]
