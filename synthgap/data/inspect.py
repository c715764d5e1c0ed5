"""What a user's folder of images holds, told before a study runs on it, and in words: headers and bytes, no pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ..base.errors import UserError
from ..base.names import shown, some
from ..base.words import listed, plural
from .decoding import ORIENTATION, opened
from .duplicates import repeated_files
from .layout import Layout, layout_lines, read_layout
from .splits import UNEVEN

FEW_CLASSES = 8  # so many are listed with their counts
FEW_IMAGES = 10  # a class with fewer is warned of
TINY = 4  # pixels a side below which an image shows nothing
LONG = 8  # times the median's aspect ratio from which an image is mostly border on the common canvas
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

    def repeats_across(self, part: Literal["splits", "classes"]) -> tuple[tuple[str, ...], ...]:
        """The groups of `repeats` that lie in more than one split, or in more than one class."""
        place = 0 if part == "splits" else 1
        return tuple(g for g in self.repeats if len({self.places[f][place] for f in g}) > 1)


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
        counts={
            s: dict(zip(layout.classes, np.bincount(v.labels, minlength=len(layout.classes)).tolist(), strict=True))
            for s, v in layout.listings.items()
        },
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


def report_lines(report: FolderReport) -> list[str]:
    """The report as plain text, one fact a line; only what there is to say, warnings last."""
    told = [*_class_lines(report), *_image_lines(report), *layout_lines(report.layout), *_repeats(report)]
    lines = [*told, *_warnings(report)]
    return [line for line in lines if not line.startswith("WARNING")] + [
        line for line in lines if line.startswith("WARNING")
    ]


def _class_lines(report: FolderReport) -> list[str]:
    per_class, imbalance = {shown(c): n for c, n in report.per_class.items()}, report.imbalance
    smallest, largest = min(per_class, key=per_class.get), max(per_class, key=per_class.get)
    line = f"{plural(report.total, 'image')} in {plural(len(per_class), 'class', 'classes')}"
    if len(per_class) <= FEW_CLASSES:
        line += ": " + listed(per_class)
    elif smallest == largest:
        line += f", {per_class[smallest]:,} each"
    else:
        line += f", from {per_class[smallest]:,} ({smallest}) to {per_class[largest]:,} ({largest})"
    if f"{imbalance:.1f}" != "1.0":
        start = "without copies, the" if report.repeats_within else "the"
        line += f" ({start} largest class has {imbalance:,.1f} times as many as the smallest)"
    lines = [line]
    if "all" not in report.counts:
        lines += [_split_line(split, counts) for split, counts in report.counts.items()]
    if imbalance >= UNEVEN:
        lines.append("the classes are uneven: balanced accuracy is given beside accuracy")
    return lines


def _split_line(split: str, counts: dict[str, int]) -> str:
    line = f"{split}: {plural(sum(counts.values()), 'image')}"
    if len(counts) <= FEW_CLASSES:
        return f"{line}: {listed(counts)}"
    absent = [c for c, n in counts.items() if n == 0]
    return line + (f", none of {plural(len(absent), 'class', 'classes')} ({some(absent)})" if absent else "")


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
            lines.append(f"{what}: {next(iter(counts)) if len(counts) == 1 else listed(counts)}")
    if report.rotated:
        verb = "is" if report.rotated == 1 else "are"
        lines.append(f"{report.rotated:,} {verb} stored turned (EXIF) and will be set upright")
    return lines


def _repeats(report: FolderReport) -> list[str]:
    n = sum(len(group) - 1 for group in report.repeats_within)
    if not n:
        return []
    verb, whose = ("repeats", "its") if n == 1 else ("repeat", "their")
    return [f"{plural(n, 'file')} {verb} another one of {whose} class byte for byte; each is used once"]


def _warnings(report: FolderReport) -> list[str]:
    lines = []
    if len(report.unreadable) == 1:
        first = shown(report.unreadable[0])
        lines.append(f"{first} can't be read as an image; the run will stop there: replace or remove it")
    elif n := len(report.unreadable):
        lines.append(
            f"{n:,} files can't be read as images, the first {shown(report.unreadable[0])}; the run will stop there: "
            "replace or remove them"
        )
    for places, harm in (
        ("splits", "the test would be too easy; keep each in one split"),
        ("classes", "one of the labels must be wrong; keep the right one"),
    ):
        groups = report.repeats_across(places)
        if n := len(groups):
            first = some(map(shown, groups[0]), between=" = ")
            which = first if n == 1 else f"{first} and {n - 1:,} more"
            verb = "is" if n == 1 else "are"
            lines.append(f"{plural(n, 'image')} {verb} in different {places} as identical files ({which}): {harm}")
    lines += _shapes(report)
    small = {c: n for c, n in report.per_class.items() if n < FEW_IMAGES}
    advice = "too few to learn from and to test with; add images or leave"
    if len(small) == 1:
        name, n = next(iter(small.items()))
        lines.append(f"class {name!r} has {plural(n, 'image')}: {advice} it out")
    elif small:
        which = some([f"{c} {n}" for c, n in small.items()])
        lines.append(f"{len(small):,} classes have fewer than {FEW_IMAGES} images ({which}): {advice} them out")
    return [f"WARNING: {line}" for line in lines]


def _shapes(report: FolderReport) -> list[str]:
    """Images too small, or too unlike the others in shape, to show anything on the common canvas."""
    lines = []
    if tiny := sum(n for (w, h), n in report.sizes.items() if min(w, h) < TINY):
        lines.append(f"{plural(tiny, 'image')} with fewer than {TINY} pixels a side, which show next to nothing")
    ratios = sorted(w / h for w, h in Counter(report.sizes).elements())
    if ratios:
        median = ratios[(len(ratios) - 1) // 2]
        if odd := sum(not 1 / LONG <= ratio / median <= LONG for ratio in ratios):
            lines.append(f"{plural(odd, 'image')} far longer than the others: on the common canvas mostly border")
    return lines
