"""What a user's folder of images holds, told before a study runs on it: headers and bytes, no pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..base.errors import UserError
from .duplicates import repeated_files
from .folder import opened
from .layout import Layout, read_layout

ORIENTATION = 0x0112  # the EXIF tag
MODE_WORDS = {"1": "black and white", "L": "grey", "RGB": "colour", "P": "palette"}


@dataclass(frozen=True)
class FolderReport:
    """What one folder of images holds. All paths are relative to `layout.root`, with "/".

    Attributes
    ----------
    counts : split → class → images, files that can't be read among them; the split is "all" where the folder has
        no train/, val/, test/. Every split has every class, with 0 where it lacks images.
    formats : Pillow's name of the format (PNG, JPEG, …) → images that can be read; so too the next three.
    modes : how pixels are stored, in words ("grey", "colour", "palette", "with transparency", …) → images.
    sizes : (width, height) of the upright image → images.
    rotated : images that EXIF says are stored turned or mirrored.
    unreadable : files with an image's ending that Pillow can't open; they are in no group of `repeats`.
    places : file → (split, class).
    layout : what the folder is, and what of it is passed over.
    repeats : groups of two or more files with identical bytes.
    """

    counts: dict[str, dict[str, int]]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[tuple[int, int], int]
    rotated: int
    unreadable: tuple[str, ...]
    places: dict[str, tuple[str, str]]
    layout: Layout
    repeats: tuple[tuple[str, ...], ...]

    @property
    def total(self) -> int:
        """Images in class folders, all splits together."""
        return sum(self.per_class.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(self.per_class)

    @property
    def per_class(self) -> dict[str, int]:
        """Class → images, all splits together."""
        sums: Counter[str] = Counter()
        for counts in self.counts.values():
            sums.update(counts)
        return dict(sums)

    @property
    def imbalance(self) -> float:
        """Images of the largest class over those of the smallest, all splits together, copies not counted."""
        copies = Counter(self.places[f][1] for group in self.repeats_within for f in group[1:])
        used = [n - copies[c] for c, n in self.per_class.items()]
        return max(used) / min(used)

    @property
    def repeats_within(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in one class and one split."""
        return tuple(g for g in self.repeats if len({self.places[f] for f in g}) == 1)

    @property
    def repeats_across_classes(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in more than one class."""
        return tuple(g for g in self.repeats if len({self.places[f][1] for f in g}) > 1)

    @property
    def repeats_across_splits(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in more than one split."""
        return tuple(g for g in self.repeats if len({self.places[f][0] for f in g}) > 1)


def inspect_folder(root: Path, progress: Callable[[int, int], None] | None = None) -> FolderReport:
    """Look through `root/<class>/…` or `root/train/<class>/…` as a study would, and say what is there.

    Reads the header of every image, and hashes those that share their file size with another. `progress` is
    called with (images looked at, all images). Raises UserError for a folder that a study would refuse.
    """
    layout = read_layout(root)
    names = [file for listing in layout.listings.values() for file in listing.files]
    paths = [layout.root / name for name in names]
    headers: dict[int, tuple[str, str, tuple[int, int], bool]] = {}
    for i, path in enumerate(paths):
        with suppress(UserError):  # it is among the unreadable then
            headers[i] = _header(path)
        if progress:
            progress(i + 1, len(paths))
    readable = list(headers)
    formats, modes, sizes, turned = zip(*headers.values(), strict=True) if headers else ((),) * 4
    groups = repeated_files([paths[i] for i in readable])
    return FolderReport(
        counts={s: _class_counts(listing.labels, layout.classes) for s, listing in layout.listings.items()},
        formats=_most_first(formats),
        modes=_most_first(modes),
        sizes=_most_first(sizes),
        rotated=sum(turned),
        unreadable=tuple(name for i, name in enumerate(names) if i not in headers),
        places={
            name: (split, layout.classes[label])
            for split, listing in layout.listings.items()
            for name, label in zip(listing.files, listing.labels, strict=True)
        },
        layout=layout,
        repeats=tuple(sorted(tuple(sorted(names[readable[i]] for i in group)) for group in groups)),
    )


def _class_counts(labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _most_first(values: Iterable) -> dict:
    return dict(Counter(values).most_common())


def _header(path: Path) -> tuple[str, str, tuple[int, int], bool]:
    """(format, mode in words, upright (width, height), is it stored turned?) of a file, pixels not decoded.

    Raises UserError when Pillow can't open it.
    """
    with opened(path) as file:
        exif = Image.Image.getexif(file)  # PNG's own getexif decodes all pixels in search of late EXIF
        orientation = exif.get(ORIENTATION)
        swapped = file.format != "TIFF" and orientation in (5, 6, 7, 8)  # Pillow gives TIFF's upright size
        size = file.size[::-1] if swapped else file.size
        return str(file.format), _mode_words(file), size, orientation in range(2, 9)


def _mode_words(file: Image.Image) -> str:
    """How the pixels are stored, in a photographer's words; Pillow's own word where there is none."""
    if file.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in file.info:
        return "with transparency"
    if file.mode.startswith("I;16") or (file.mode == "I" and file.format in ("PNG", "PPM")):
        return "16-bit grey"
    return MODE_WORDS.get(file.mode, file.mode)
