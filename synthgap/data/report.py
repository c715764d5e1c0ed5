"""What was found in a folder, in words: one fact a line, warnings last."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..base.names import shown, some
from .inspect import FolderReport
from .layout import Layout
from .splits import UNEVEN
from .tree import BROKEN, HIDDEN, LINKED, LITTERED, OTHER, UNREAD

FEW_CLASSES = 8  # so many are listed with their counts
FEW_IMAGES = 10  # a class with fewer is warned of
TINY = 4  # pixels a side below which an image shows nothing
LONG = 8  # times the median's aspect ratio from which an image is mostly border on the common canvas
NO_CLASS = "no images, "  # how the reason begins why a folder was never meant as a class


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
    line = f"{_many(report.total, 'image')} in {_many(len(per_class), 'class', 'classes')}"
    if len(per_class) <= FEW_CLASSES:
        line += ": " + _listed(per_class)
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
    line = f"{split}: {_many(sum(counts.values()), 'image')}"
    if len(counts) <= FEW_CLASSES:
        return f"{line}: {_listed(counts)}"
    absent = [c for c, n in counts.items() if n == 0]
    return line + (f", none of {_many(len(absent), 'class', 'classes')} ({some(absent)})" if absent else "")


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


def layout_lines(layout: Layout) -> list[str]:
    """What of a folder is not used, and why, and how its class folders were understood."""
    passed = layout.passed
    lines = []
    for paths, one, more in (
        (passed.get(OTHER), "file without an image's ending is", "files without an image's ending are"),
        (layout.loose, "image lies outside of class folders and is", "images lie outside of class folders and are"),
        (passed.get(LITTERED), "leftover of the system or another program is", "leftovers of other programs are"),
        (passed.get(HIDDEN), "hidden file or folder is", "hidden files or folders are"),
        (passed.get(BROKEN), "link to nothing (or special file) is", "links to nothing (or special files) are"),
        (passed.get(LINKED), "link to a folder that is read already is", "links to folders that are read already are"),
    ):
        if paths:
            lines.append(f"{len(paths):,} {one if len(paths) == 1 else more} passed over: {some(map(shown, paths))}")
    no_class = {name: why for name, why in layout.empty.items() if why.startswith(NO_CLASS)}
    if no_class:
        lines.append(f"{_many(len(no_class), 'folder')} without images: {_reasons(no_class)}")
    for name, places in layout.merged.items():
        lines.append(
            f"class {name!r} lies in {len(places)} folders whose names differ only in how letters are composed"
        )
    return [*lines, *(f"WARNING: {line}" for line in _doubts(layout))]


def _doubts(layout: Layout) -> list[str]:
    """What of a folder was probably meant otherwise."""
    lines = []
    if unread := layout.passed.get(UNREAD):
        counts = _listed(dict(Counter(Path(file).suffix.lower() for file in unread).most_common()))
        lines.append(
            f"{_many(len(unread), 'image')} of formats that can't be read here ({counts}); convert them to PNG or "
            "JPEG first (ImageMagick: magick mogrify -format png FILES)"
        )
    for split, count in layout.unlabelled.items():
        lines.append(
            f"{layout.folders[split]}/ holds {_many(count, 'image')} without class folders, as a competition's test "
            "set does: without labels it can't be used and is left out; sort it into class folders to use it"
        )
    empty = {name: why for name, why in layout.empty.items() if not why.startswith(NO_CLASS)}
    if empty:
        folders = "folder yields" if len(empty) == 1 else "folders yield"
        lines.append(
            f"{len(empty):,} {folders} no image and {'is' if len(empty) == 1 else 'are'} no class: {_reasons(empty)}"
        )
    folded: dict[str, list[str]] = {}
    for name in layout.classes:
        folded.setdefault(" ".join(name.split()).casefold(), []).append(name)
    for names in folded.values():
        if len(names) > 1:
            lines.append(
                f"classes {some(map(repr, names))} differ only in case or spaces; rename one if they are the same"
            )
    if layout.hint is not None and len(layout.classes) == 1:
        lines.append(
            f"all images are of one class, {layout.hint!r}, with folders in it; did you mean "
            f"folder:{shown(str(layout.root / layout.hint))}?"
        )
    return lines


def _reasons(empty: dict[str, str]) -> str:
    return some(f"{shown(name)} ({why})" for name, why in empty.items())


def _repeats(report: FolderReport) -> list[str]:
    n = sum(len(group) - 1 for group in report.repeats_within)
    if not n:
        return []
    verb, whose = ("repeats", "its") if n == 1 else ("repeat", "their")
    return [f"{_many(n, 'file')} {verb} another one of {whose} class byte for byte; each is used once"]


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
    for groups, places, harm in (
        (report.repeats_across_splits, "splits", "the test would be too easy; keep each in one split"),
        (report.repeats_across_classes, "classes", "one of the labels must be wrong; keep the right one"),
    ):
        if n := len(groups):
            first = some(map(shown, groups[0]), between=" = ")
            which = first if n == 1 else f"{first} and {n - 1:,} more"
            verb = "is" if n == 1 else "are"
            lines.append(f"{_many(n, 'image')} {verb} in different {places} as identical files ({which}): {harm}")
    lines += _shapes(report)
    small = {c: n for c, n in report.per_class.items() if n < FEW_IMAGES}
    advice = "too few to learn from and to test with; add images or leave"
    if len(small) == 1:
        name, n = next(iter(small.items()))
        lines.append(f"class {name!r} has {_many(n, 'image')}: {advice} it out")
    elif small:
        which = some([f"{c} {n}" for c, n in small.items()])
        lines.append(f"{len(small):,} classes have fewer than {FEW_IMAGES} images ({which}): {advice} them out")
    return [f"WARNING: {line}" for line in lines]


def _shapes(report: FolderReport) -> list[str]:
    """Images too small, or too unlike the others in shape, to show anything on the common canvas."""
    lines = []
    if tiny := sum(n for (w, h), n in report.sizes.items() if min(w, h) < TINY):
        lines.append(f"{_many(tiny, 'image')} with fewer than {TINY} pixels a side, which show next to nothing")
    ratios = sorted(w / h for w, h in Counter(report.sizes).elements())
    if ratios:
        median = ratios[(len(ratios) - 1) // 2]
        if odd := sum(not 1 / LONG <= ratio / median <= LONG for ratio in ratios):
            lines.append(f"{_many(odd, 'image')} far longer than the others: on the common canvas mostly border")
    return lines


def _many(n: int, one: str, more: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else more or one + 's'}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())
