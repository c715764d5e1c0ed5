"""What a user's folder is: class folders, the folders of splits, or loose images. All commands read it here."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..base.names import normal, shown, some
from ..base.words import listed, plural
from .classnames import SPLIT_NAMES, has_control, read_names
from .splits import SPLITS
from .tree import BROKEN, HIDDEN, LINKED, LITTERED, OTHER, UNREAD, Tree, walk

ALL = "all"  # the one split of a folder without folders of splits
UNLABELLED = "image"  # the one class of loose images
NO_CLASS = "no images, "  # how the reason begins why a folder was never meant as a class


@dataclass(frozen=True)
class Listing:
    """The images of one split: paths relative to the layout's root, labels (int64, N), class names."""

    root: Path
    files: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        return [self.root / file for file in self.files]


@dataclass(frozen=True)
class Layout:
    """What one folder is.

    Attributes
    ----------
    root : the folder.
    listings : split → its images, in the order of SPLITS; the only split is "all" without folders of splits. All
        splits have the classes of the first.
    folders : split → the name of its folder ("valid"); empty without folders of splits.
    passed : reason (see `tree`) → files and folders that are passed over.
    loose : images outside of class folders, passed over.
    unlabelled : split → images of it without class folders, as in competitions' test sets; the split is left out.
    empty : folder that should be a class (or a split), but has no image → why.
    merged : class → its folders, where there are several whose names differ only in how letters are composed.
    hint : the folder that was probably meant, where this one holds nothing but it.
    """

    root: Path
    listings: dict[str, Listing]
    folders: dict[str, str]
    passed: dict[str, tuple[str, ...]]
    loose: tuple[str, ...]
    unlabelled: dict[str, int]
    empty: dict[str, str]
    merged: dict[str, tuple[str, ...]]
    hint: str | None

    @property
    def classes(self) -> tuple[str, ...]:
        return next(iter(self.listings.values())).classes


def read_layout(path: str | Path, least_classes: int = 2) -> Layout:
    """Say what a folder is.

    `path/<class>/**/<image>` are class folders: a class is a direct subfolder that holds images at any depth. Where
    subfolders are called train, val, test (or as usual, see SPLIT_NAMES), they are splits, and classes lie in them;
    without subfolders, and beside other folders of images, they are classes of that name. `path:test` is one split
    of a folder of splits, taken as if nothing lay beside it. Class names are in composed letters (NFC), or those that
    `ImageSet.export_folder` wrote down.

    least_classes : with less than 2, one class is enough, and a folder of loose images is one class "image".

    Raises UserError for a path that is no folder, a folder without images, too few classes, two folders for one split,
    a test/ or val/ without train/, and a class that train lacks.
    """
    root, split = named_split(Path(path))
    if not root.is_dir():
        name = shown(str(root))
        fault = f"{name} is a file and no folder" if root.exists() else f"there is no folder {name}"
        raise UserError(f"{fault}; give the path of an ImageFolder (one subfolder a class)")
    root = root.resolve()
    tree = walk(root)
    folders = _split_folders(tree)
    if split is not None:
        if split not in folders:
            raise UserError(f"{shown(str(root))} has no folder of the split {split}; leave :{split} out")
        others = tuple(f"{name}/" for other, name in folders.items() if other != split)
        return _layout(tree, {split: folders[split]}, least_classes, others)
    if folders and "train" not in folders:
        raise UserError(
            f"{shown(str(root))} has {', '.join(name + '/' for name in folders.values())} but no train/; add it, or "
            "name the folder itself"
        )
    return _layout(tree, folders, least_classes)


def named_split(path: Path) -> tuple[Path, str | None]:
    """(folder, split) of "photos:test"; (path, None) where there is such a path, or no folder before the colon."""
    before, _, last = str(path).rpartition(":")
    if before and last.lower() in SPLIT_NAMES and not path.exists() and Path(before).is_dir():
        return Path(before), SPLIT_NAMES[last.lower()]
    return path, None


def _split_folders(tree: Tree) -> dict[str, str]:
    """{split: folder's name}, in the order of SPLITS; empty where there are none, or they are classes."""
    tops = [name for name in tree.folders if "/" not in name]
    named = [name for name in tops if name.lower() in SPLIT_NAMES]
    parents = {name.split("/")[0] for name in tree.folders if "/" in name}
    filled = {name.split("/")[0] for name in tree.images if "/" in name}
    if not parents & set(named) and filled - set(named):
        return {}
    found: dict[str, str] = {}
    for name in named:
        split = SPLIT_NAMES[name.lower()]
        if split in found:
            raise UserError(f"{shown(str(tree.root))} holds two {split} folders, {found[split]}/ and {name}/; keep one")
        found[split] = name
    return {split: found[split] for split in SPLITS if split in found}


def _layout(tree: Tree, folders: dict[str, str], least_classes: int, elsewhere: tuple[str, ...] = ()) -> Layout:
    """`elsewhere`: folders of other splits, with "/", of which nothing is said."""
    root = tree.root
    within = {split: f"{name}/" for split, name in folders.items()} or {ALL: ""}
    readings = {split: _classes_in(tree, prefix) for split, prefix in within.items()}
    first, *others = readings
    loose_alone = least_classes < 2 and not any(r.classes for r in readings.values())
    if loose_alone and any(r.loose for r in readings.values()):
        readings = {s: replace(r, classes={UNLABELLED: r.loose}, loose=()) for s, r in readings.items() if r.loose}
        first, *others = readings
    classes = _checked(tree, root / within[first], readings[first], least_classes)
    unlabelled = {s: len(readings[s].loose) for s in others if readings[s].loose and not readings[s].classes}
    empty = {
        within[s].rstrip("/"): _why(tree, within[s])
        for s in others
        if not readings[s].loose and not readings[s].classes
    }
    listings = {
        s: _listing(root, root / within[s], r.classes, classes) for s, r in readings.items() if s == first or r.classes
    }
    used = {file for listing in listings.values() for file in listing.files}
    apart = {f for s in unlabelled for f in readings[s].loose}
    return Layout(
        root=root,
        listings=listings,
        folders=folders,
        passed=tree.passed,
        loose=tuple(f for f in tree.images if f not in used | apart and not f.startswith(elsewhere)),
        unlabelled=unlabelled,
        empty=empty | {name: why for r in readings.values() for name, why in r.empty.items()},
        merged={name: places for r in readings.values() for name, places in r.merged.items()},
        hint=_hint(tree, readings[first]),
    )


@dataclass(frozen=True)
class _Reading:
    """What lies in one folder of classes: class → images, images beside them, folders without images → why."""

    classes: dict[str, tuple[str, ...]]
    loose: tuple[str, ...]
    empty: dict[str, str]
    merged: dict[str, tuple[str, ...]]


def _classes_in(tree: Tree, prefix: str) -> _Reading:
    known = read_names(tree.root / prefix)
    depth = prefix.count("/")
    by_folder, loose = defaultdict(list), []
    for file in tree.images:
        if file.startswith(prefix):
            parts = file.split("/")
            (by_folder[parts[depth]] if len(parts) > depth + 1 else loose).append(file)
    names = {folder: known.get(normal(folder), normal(folder)) for folder in by_folder}
    places = defaultdict(list)
    for folder, name in names.items():
        if normal(folder) == name and has_control(name):
            raise UserError(
                f"{shown(str(tree.root / prefix))} holds a class folder '{shown(folder)}', whose name has a control "
                "character (a line break, for instance); rename it"
            )
        places[name].append(folder)
    children = [f.split("/")[depth] for f in tree.folders if f.startswith(prefix) and f.count("/") == depth]
    return _Reading(
        classes={name: tuple(f for folder in places[name] for f in by_folder[folder]) for name in sorted(places)},
        loose=tuple(loose),
        empty={prefix + c: _why(tree, f"{prefix}{c}/") for c in children if c not in by_folder},
        merged={name: tuple(prefix + f for f in some) for name, some in places.items() if len(some) > 1},
    )


def _why(tree: Tree, prefix: str) -> str:
    """Why no image lies in a folder, in words."""
    inside = {reason: [p for p in paths if p.startswith(prefix)] for reason, paths in tree.passed.items()}
    if unread := inside.get(UNREAD):
        return f"only {_endings(unread)} files, which can't be read here"
    if inside.get(LINKED):
        return "only links to folders that are read elsewhere"
    if inside.get(BROKEN):
        return "only links to nothing"
    if others := inside.get(OTHER):
        return NO_CLASS + plural(len(others), "other file")
    return "empty"


def _endings(files: list[str]) -> str:
    counts = Counter(Path(file).suffix.lower() for file in files)
    return " and ".join(ending for ending, _ in counts.most_common(2))


def _checked(tree: Tree, folder: Path, reading: _Reading, least_classes: int) -> tuple[str, ...]:
    """The class names, if there are enough."""
    name, place = shown(folder.name), shown(str(folder))
    if not reading.classes:
        unread = tree.passed.get(UNREAD, ())
        found = f" ({len(reading.loose):,} lie in it without one)" if reading.loose else ""
        if unread:
            found = f" (but {len(unread):,} {_endings(list(unread))}, which can't be read here: convert them to PNG)"
        raise UserError(f"{place} holds no images in class folders{found}; expected {name}/<class>/<image>.png")
    classes = tuple(reading.classes)
    if len(classes) < least_classes:
        hint = _hint(tree, reading)
        more = f"; did you mean folder:{shown(str(tree.root / hint))}?" if hint else ""
        raise UserError(f"{place} holds one class, {classes[0]!r}; a classifier needs two or more{more}")
    return classes


def _hint(tree: Tree, reading: _Reading) -> str | None:
    """The only folder of the root, where two or more folders of images lie in it: the root is one level too high."""
    if len(reading.classes) != 1:
        return None
    files = next(iter(reading.classes.values()))
    inner = {f.split("/")[1] for f in files if f.count("/") >= 2}
    return files[0].split("/")[0] if len(inner) > 1 else None


def _listing(root: Path, folder: Path, found: dict[str, tuple[str, ...]], classes: tuple[str, ...]) -> Listing:
    place = {name: i for i, name in enumerate(classes)}
    if unknown := sorted(set(found) - set(classes)):
        raise UserError(
            f"{shown(str(folder))} holds class {unknown[0]!r}, which train lacks; rename or remove it"
            + alike(unknown[0], classes)
        )
    files = [f for name in found for f in found[name]]
    labels = [place[name] for name in found for _ in found[name]]
    return Listing(root, tuple(files), np.array(labels, dtype=np.int64), classes)


def alike(name: str, known: tuple[str, ...]) -> str:
    """ "; did you mean 'Cat'?" where a known name differs only in case or in spaces around it, else nothing."""
    folded = normal(name).strip().casefold()
    near = next((k for k in known if normal(k).strip().casefold() == folded), None)
    return f"; did you mean {near!r}?" if near else ""


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
        lines.append(f"{plural(len(no_class), 'folder')} without images: {_reasons(no_class)}")
    for name, places in layout.merged.items():
        lines.append(
            f"class {name!r} lies in {len(places)} folders whose names differ only in how letters are composed"
        )
    return [*lines, *(f"WARNING: {line}" for line in _doubts(layout))]


def _doubts(layout: Layout) -> list[str]:
    """What of a folder was probably meant otherwise."""
    lines = []
    if unread := layout.passed.get(UNREAD):
        counts = listed(dict(Counter(Path(file).suffix.lower() for file in unread).most_common()))
        lines.append(
            f"{plural(len(unread), 'image')} of formats that can't be read here ({counts}); convert them to PNG or "
            "JPEG first (ImageMagick: magick mogrify -format png FILES)"
        )
    for split, count in layout.unlabelled.items():
        lines.append(
            f"{layout.folders[split]}/ holds {plural(count, 'image')} without class folders, as a competition's test "
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
