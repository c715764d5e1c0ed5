"""What lies in a folder: every file and folder below it, each with the reason why it counts or is passed over."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import UserError
from ..base.names import shown
from .classnames import NAMES_FILE, is_litter

EXTENSIONS = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".webp", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
# images that are not read here: phones', cameras' raw, medical and vector formats
FOREIGN = {
    *(".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".dcm", ".dicom", ".dng", ".cr2", ".cr3", ".nef"),
    *(".arw", ".orf", ".rw2", ".raf", ".psd", ".svg", ".exr", ".hdr", ".tga", ".nii", ".nrrd", ".czi", ".nd2", ".svs"),
}
# why something is passed over
OTHER = "other"  # a file without an image's ending
UNREAD = "unread"  # an image of a format that is not read here
LITTERED = "litter"  # left by a system or another program
HIDDEN = "hidden"  # its name begins with a full stop
LINKED = "linked"  # a link to a folder that is read already, or that holds the folder itself
BROKEN = "broken"  # a link to nothing, or no regular file


@dataclass(frozen=True)
class Tree:
    """All that lies below `root`; paths are relative to it, with "/", sorted part by part.

    Attributes
    ----------
    images : files with the ending of an image that can be read.
    folders : visible folders at any depth, empty ones too.
    passed : reason → what was passed over for it; of a hidden or littered folder the folder alone.
    """

    root: Path
    images: tuple[str, ...]
    folders: tuple[str, ...]
    passed: dict[str, tuple[str, ...]]


def walk(root: Path) -> Tree:
    """Look through `root`. Links are followed, each folder is read once, so that a circle of links ends.

    Raises UserError for a folder that can't be opened, or an image whose name is not UTF-8.
    """
    inside = root.resolve()
    images, folders, passed = [], [], defaultdict(list)
    waiting: deque[tuple[str, Path]] = deque([("", root)])
    links: deque[tuple[str, Path]] = deque()  # after all real folders, so that a folder is found where it lies
    seen: set[tuple[int, int]] = set()
    while waiting or links:
        name, folder = (waiting or links).popleft()
        identity, entries = _looked_at(folder)
        if identity in seen:
            passed[LINKED].append(name)
            continue
        seen.add(identity)
        if name:
            folders.append(name)
        for entry in entries:
            path = f"{name}/{entry.name}" if name else entry.name
            if (reason := _passed_by_name(entry.name)) is not None:
                passed[reason].append(path)
            elif (kind := _kind(entry)) == "folder":
                if entry.is_symlink() and inside.is_relative_to(os.path.realpath(entry.path)):
                    passed[LINKED].append(path)
                else:
                    (links if entry.is_symlink() else waiting).append((path, Path(entry.path)))
            elif kind is None:
                passed[BROKEN].append(path)
            elif (reason := _passed_by_ending(entry.name)) is not None:
                passed[reason].append(path)
            elif entry.name != NAMES_FILE:
                images.append(_in_utf8(path, root))
    found = {reason: _sorted(paths) for reason, paths in sorted(passed.items())}
    return Tree(root, _sorted(images), _sorted(folders), found)


def _looked_at(folder: Path) -> tuple[tuple[int, int], list[os.DirEntry]]:
    """(what tells a folder from all others, what lies in it, by name)."""
    try:
        status = folder.stat()
        return (status.st_dev, status.st_ino), sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"{shown(str(folder))} can't be opened ({error.strerror}); give the right to read it, or move it away"
        ) from error


def _kind(entry: os.DirEntry) -> str | None:
    """ "folder" or "file", links followed; None of anything else, and of links to nothing or to themselves."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else None
    except OSError:
        return None


def _passed_by_name(name: str) -> str | None:
    if is_litter(name):
        return LITTERED
    return HIDDEN if name.startswith(".") else None


def _passed_by_ending(name: str) -> str | None:
    ending = os.path.splitext(name)[1].lower()
    if ending in EXTENSIONS or name == NAMES_FILE:
        return None
    return UNREAD if ending in FOREIGN else OTHER


def _in_utf8(path: str, root: Path) -> str:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{shown(str(root))} holds a name that is not UTF-8, {shown(path)}; rename it "
            "(convmv -r --notest -f latin1 -t utf8 FOLDER does so for many)"
        ) from error
    return path


def _sorted(paths: list[str]) -> tuple[str, ...]:
    return tuple(sorted(paths, key=lambda path: path.split("/")))
