"""What a user's folder of images holds, told before a study runs on it: headers and bytes, no pixels."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from .folder import _files, _opened, _visible_folders, find_split_folders, list_folder
from .imageset import ImageSet
from .splits import SPLITS, Splits

ORIENTATION = 0x0112  # the EXIF tag
MODE_WORDS = {"1": "black and white", "L": "grey", "RGB": "colour", "P": "palette"}
FEW_CLASSES = 8  # so many are listed with their counts
FEW_IMAGES = 10  # a class with fewer is warned of
UNEVEN = 1.5  # largest class over smallest from which balanced accuracy is pointed to


@dataclass(frozen=True)
class FolderReport:
    """What one folder of images holds. All paths are relative to `root`, with "/".

    Attributes
    ----------
    counts : split → class → images, files that can't be read among them; the split is "all" where the folder has
        no train/, val/, test/. Every split has every class, with 0 where it lacks images.
    formats : Pillow's name of the format (PNG, JPEG, …) → images that can be read; so too the next three.
    modes : how pixels are stored, in words ("grey", "colour", "palette", "with transparency", …) → images.
    sizes : (width, height) of the upright image → images.
    rotated : images that EXIF says are stored turned or mirrored.
    unreadable : files with an image's ending that Pillow can't open; they are in no group of `repeats`.
    stray : files without an image's ending in the folders searched for classes.
    loose : images outside of every class folder.
    repeats : groups of two or more files with identical bytes.
    """

    root: Path
    counts: dict[str, dict[str, int]]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[tuple[int, int], int]
    rotated: int
    unreadable: tuple[str, ...]
    stray: tuple[str, ...]
    loose: tuple[str, ...]
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
        """Images of the largest class over those of the smallest, all splits together."""
        return max(self.per_class.values()) / min(self.per_class.values())

    @property
    def repeats_within(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in one class and one split."""
        return tuple(g for g in self.repeats if len({self._place(f) for f in g}) == 1)

    @property
    def repeats_across_classes(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in more than one class."""
        return tuple(g for g in self.repeats if len({self._place(f)[1] for f in g}) > 1)

    @property
    def repeats_across_splits(self) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in more than one split."""
        return tuple(g for g in self.repeats if len({self._place(f)[0] for f in g}) > 1)

    def _place(self, file: str) -> tuple[str, str]:
        """(split's folder, class) of a file in a class folder."""
        first, second = file.split("/")[:2]
        return ("all", first) if "all" in self.counts else (first, second)


def inspect_folder(root: Path, progress: Callable[[int, int], None] | None = None) -> FolderReport:
    """Look through `root/<class>/…` or `root/train/<class>/…` as a study would, and say what is there.

    Reads the header of every image, and hashes those that share their file size with another. `progress` is
    called with (images looked at, all images). Raises UserError for a folder that a study would refuse.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; give the path of an ImageFolder (one subfolder a class)")
    root = root.resolve()
    folders = find_split_folders(root) or {"all": root}
    main = list_folder(folders.get("train", root))
    classes = main.classes
    order = [s for s in ("all", *SPLITS) if s in folders]
    listings = {s: main if s in ("all", "train") else list_folder(folders[s], classes) for s in order}
    paths = [listing.root / f for listing in listings.values() for f in listing.files]
    names = [_relative(path, root) for path in paths]

    headers: dict[int, tuple[str, str, tuple[int, int], bool]] = {}
    for i, path in enumerate(paths):
        with suppress(UserError):  # it is among the unreadable then
            headers[i] = _header(path)
        if progress:
            progress(i + 1, len(paths))
    readable = list(headers)
    formats, modes, sizes, turned = zip(*headers.values(), strict=True) if headers else ((),) * 4
    groups = repeated_files([paths[i] for i in readable])
    strays = [p for folder in folders.values() for child in _visible_folders(folder) for p in _files(child)[1]]
    return FolderReport(
        root=root,
        counts={s: _class_counts(listing.labels, classes) for s, listing in listings.items()},
        formats=_most_first(formats),
        modes=_most_first(modes),
        sizes=_most_first(sizes),
        rotated=sum(turned),
        unreadable=tuple(name for i, name in enumerate(names) if i not in headers),
        stray=tuple(sorted(_relative(p, root) for p in strays)),
        loose=tuple(sorted({_relative(p, root) for p in _files(root)[0]} - set(names))),
        repeats=tuple(sorted(tuple(sorted(names[readable[i]] for i in group)) for group in groups)),
    )


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _class_counts(labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _most_first(values: Iterable) -> dict:
    return dict(Counter(values).most_common())


def _header(path: Path) -> tuple[str, str, tuple[int, int], bool]:
    """(format, mode in words, upright (width, height), is it stored turned?) of a file, pixels not decoded.

    Raises UserError when Pillow can't open it.
    """
    with _opened(path) as file:
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


def repeated_files(paths: list[Path]) -> list[list[int]]:
    """Positions of files with identical bytes: groups of two or more, ascending, by their first position.

    Only files that share their size with another are read. Raises UserError for a file that can't be.
    """
    by_size, by_bytes = defaultdict(list), defaultdict(list)
    try:
        for i, path in enumerate(paths):
            by_size[path.stat().st_size].append(i)
        for i in (i for group in by_size.values() if len(group) > 1 for i in group):
            path = paths[i]
            with path.open("rb") as file:
                by_bytes[hashlib.file_digest(file, "sha256").digest()].append(i)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); replace or remove it") from error
    return sorted(group for group in by_bytes.values() if len(group) > 1)


def shared_images(splits: Splits) -> dict[tuple[str, str], int]:
    """{(split, later split): images of the later one that are pixel for pixel in the earlier one}.

    Images are compared in the form in which the study uses them, whatever their class. Pairs that share none
    are left out.
    """
    digests = {s: _image_digests(splits[s]) for s in SPLITS}
    known = {s: set(d) for s, d in digests.items()}
    shared = {(a, b): sum(d in known[a] for d in digests[b]) for a, b in combinations(SPLITS, 2)}
    return {pair: n for pair, n in shared.items() if n}


def _image_digests(images: ImageSet) -> list[tuple[tuple[int, int, int], bytes]]:
    """(shape, SHA-256 of the pixels) of each image."""
    return [(images.shape, hashlib.sha256(image).digest()) for image in images.images]


# In words


def report_lines(report: FolderReport) -> list[str]:
    """The report as plain text, one fact a line; only what there is to say, warnings last."""
    return [*_class_lines(report), *_image_lines(report), *_passed_over(report), *_warnings(report)]


def _class_lines(report: FolderReport) -> list[str]:
    per_class, imbalance = report.per_class, report.imbalance
    smallest, largest = min(per_class, key=per_class.get), max(per_class, key=per_class.get)
    line = f"{_many(report.total, 'image')} in {_many(len(per_class), 'class', 'classes')}"
    if len(per_class) <= FEW_CLASSES:
        line += ": " + _listed(per_class)
    elif smallest == largest:
        line += f", {per_class[smallest]:,} each"
    else:
        line += f", from {per_class[smallest]:,} ({smallest}) to {per_class[largest]:,} ({largest})"
    if f"{imbalance:.1f}" != "1.0":
        line += f" (the largest class has {imbalance:,.1f} times as many as the smallest)"
    lines = [line]
    if "all" not in report.counts:
        lines += [_split_line(split, counts) for split, counts in report.counts.items()]
    if imbalance >= UNEVEN:
        lines.append("the classes are uneven: balanced accuracy is given beside accuracy")
    return lines


def _split_line(split: str, counts: dict[str, int]) -> str:
    line = f"{split}: {_many(sum(counts.values()), 'image')}"
    if len(counts) <= FEW_CLASSES:
        return f"{line}: {_listed(counts)}"
    absent = [c for c, n in counts.items() if n == 0]
    return line + (f", none of {_many(len(absent), 'class', 'classes')} ({_some(absent)})" if absent else "")


def _image_lines(report: FolderReport) -> list[str]:
    lines = []
    ordered = sorted(Counter(report.sizes).elements(), key=lambda size: (size[0] * size[1], size))
    if ordered:
        small, median, large = (f"{w}×{h}" for w, h in (ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]))
        if len(report.sizes) == 1:
            lines.append(f"{small} pixels")
        else:
            lines.append(f"from {small} to {large} pixels, median {median}")
    for what, counts in (("format", report.formats), ("pixels", report.modes)):
        if counts:
            lines.append(f"{what}: {next(iter(counts)) if len(counts) == 1 else _listed(counts)}")
    if report.rotated:
        verb = "is" if report.rotated == 1 else "are"
        lines.append(f"{report.rotated:,} {verb} stored turned (EXIF) and will be set upright")
    return lines


def _passed_over(report: FolderReport) -> list[str]:
    lines = []
    if n := len(report.stray):
        verb = "is" if n == 1 else "are"
        lines.append(f"{_many(n, 'file')} without an image's ending {verb} passed over: {_some(report.stray)}")
    if n := len(report.loose):
        verb = "lies outside of class folders and is" if n == 1 else "lie outside of class folders and are"
        lines.append(f"{_many(n, 'image')} {verb} passed over: {_some(report.loose)}")
    if n := sum(len(group) - 1 for group in report.repeats_within):
        verb, whose = ("repeats", "its") if n == 1 else ("repeat", "their")
        lines.append(f"{_many(n, 'file')} {verb} another one of {whose} class byte for byte; each is used once")
    return lines


def _warnings(report: FolderReport) -> list[str]:
    lines = []
    if len(report.unreadable) == 1:
        lines.append(f"{report.unreadable[0]} can't be read as an image; the run will stop there: replace or remove it")
    elif n := len(report.unreadable):
        lines.append(
            f"{n:,} files can't be read as images, the first {report.unreadable[0]}; the run will stop there: "
            "replace or remove them"
        )
    for groups, places, harm in (
        (report.repeats_across_splits, "splits", "the test would be too easy; keep each in one split"),
        (report.repeats_across_classes, "classes", "one of the labels must be wrong; keep the right one"),
    ):
        if n := len(groups):
            first = _some(groups[0], " = ")
            which = first if n == 1 else f"{first} and {n - 1:,} more"
            verb = "is" if n == 1 else "are"
            lines.append(f"{_many(n, 'image')} {verb} in different {places} as identical files ({which}): {harm}")
    small = {c: n for c, n in report.per_class.items() if n < FEW_IMAGES}
    advice = "too few to learn from and to test with; add images or leave"
    if len(small) == 1:
        name, n = next(iter(small.items()))
        lines.append(f"class {name!r} has {_many(n, 'image')}: {advice} it out")
    elif small:
        which = _some([f"{c} {n}" for c, n in small.items()])
        lines.append(f"{len(small):,} classes have fewer than {FEW_IMAGES} images ({which}): {advice} them out")
    return [f"WARNING: {line}" for line in lines]


def _many(n: int, one: str, more: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _some(names: Iterable[str], between: str = ", ") -> str:
    """At most three names, and "…" for the others."""
    names = list(names)
    return between.join([*names[:3], "…"] if len(names) > 3 else names)
