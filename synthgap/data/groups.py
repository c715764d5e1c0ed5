"""Which images of a user's data set belong together: a CSV of file and group, or the sub-folders of class folders."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..base.errors import UserError
from ..base.names import normal, shown, some
from ..base.words import plural
from .splits import SPLITS, Splits

SUBFOLDERS = "subfolders"
COLUMNS = ("file", "group")


Names = dict[str, list[str]]  # split → its images, as paths with "/"


def groups_from_subfolders(names: Names, below: int) -> dict[str, str]:
    """File → the name of its class folder's sub-folder; one of that name in another class is the same group.

    below : parts of a path that lie above the place within the class. Raises UserError where images lie in the class
    folder itself, and as `_apart` does.
    """
    parts = {file: file.split("/")[below:] for files in names.values() for file in files}
    if direct := [file for file, own in parts.items() if len(own) < 2]:
        lie = "image lies" if len(direct) == 1 else "images lie"
        raise UserError(
            f"groups is {SUBFOLDERS}, but {len(direct):,} {lie} in a class folder itself ({some(map(shown, direct))}); "
            "put each into a folder of its group, PATH/<class>/<group>/<image>, or give a CSV file"
        )
    return _apart({file: normal(own[0]) for file, own in parts.items()}, names)


def groups_from_file(table: Path, names: Names, root: Path, repeats: Iterable[str] = ()) -> dict[str, str]:
    """File → its group, as a CSV file with the columns "file" and "group" says.

    table : UTF-8, parted by commas, semicolons or tabs; further columns are passed over. A file is named by its path
        relative to `root`, with "/", or by an end of that (the name alone, or class and name where the images
        lie in train/, val/, …) where only one image has it.
    names : the images, as paths relative to `root`; each needs a group.
    repeats : images that are left out since their bytes are those of another; they may be named. So may other files in
        `root`, such as images of a split that is not used.

    Raises UserError for a file that can't be read or lacks the columns, for images without a group, for a row that
    matches no image or several, for two groups of one image, and as `_apart` does.
    """
    files = [file for several in names.values() for file in several]
    known = {normal(file): file for file in (*repeats, *files)}
    called = defaultdict(list)
    for path in known:
        parts = path.split("/")
        for start in range(1, len(parts)):
            called["/".join(parts[start:])].append(path)
    found: dict[str, str] = {}
    for line, name, group in _rows(table):
        path = _place(name, known, called, root, f"{shown(str(table))}, line {line}")
        if path is None or not group:
            continue
        if found.setdefault(known[path], group) != group:
            raise UserError(
                f"{shown(str(table))}, line {line}: {shown(name)} is in group {shown(group)!r}, and before in "
                f"{shown(found[known[path]])!r}; leave one of them"
            )
    if absent := [file for file in files if file not in found]:
        have = "has" if len(absent) == 1 else "have"
        raise UserError(
            f"{shown(str(table))}: {len(absent):,} of {plural(len(files), 'image')} {have} no group "
            f"({some(map(shown, absent))}); add a row for each"
        )
    return _apart({file: found[file] for file in files}, names)


def _place(name: str, known: dict[str, str], called: dict[str, list[str]], root: Path, row: str) -> str | None:
    """The one known path that a row names; None of a file that is there and no image of the data set."""
    path = normal(name.replace("\\", "/").removeprefix("./"))
    if path in known:
        return path
    several = called.get(path, [])
    if len(several) == 1:
        return several[0]
    if several:
        raise UserError(
            f"{row}: {shown(name)} is the name of {len(several)} images ({some(map(shown, several))}); give the path "
            "of each"
        )
    if not path.startswith("/") and (root / path).is_file():
        return None
    raise UserError(
        f"{row}: there is no image {shown(name)!r} in {shown(str(root))}; give paths relative to it, with /, or take "
        "the row out"
    )


def _rows(table: Path) -> list[tuple[int, str, str]]:
    """(number of the line, file, group) of each row."""
    name = shown(str(table))
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is no text in UTF-8 (byte {error.start:,}); save it as CSV in UTF-8") from error
    except OSError as error:
        raise UserError(
            f"groups is {name}, which can't be read ({error.strerror}); give a CSV file with the columns file and "
            f"group, or {SUBFOLDERS}"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: {error}; save it as CSV anew") from error
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if any(header.count(column) != 1 for column in COLUMNS):
        told = some(map(shown, header), 5) or "nothing"
        raise UserError(f"{name} begins with {told}; its first line must name the columns file and group")
    file, group = map(header.index, COLUMNS)
    out = []
    for line, row in rows[1:]:
        if len(row) <= max(file, group):
            raise UserError(f"{name}, line {line} has {len(row)} of {len(header)} columns; give a file and its group")
        out.append((line, row[file].strip(), normal(row[group].strip())))
    return out


def _apart(groups: dict[str, str], names: Names) -> dict[str, str]:
    """The groups, if none lies in two of the splits that a user's data bring; else a UserError.

    An error, and no warning: who gives groups wants them apart, and given splits are never changed here, so that
    nothing but the user can mend it; who wants such a split as it is leaves the groups out.
    """
    sides = defaultdict(list)
    for split, files in names.items():
        for group in dict.fromkeys(groups[file] for file in files):
            sides[group].append(split)
    if shared := {group: at for group, at in sides.items() if len(at) > 1}:
        which = some(f"{shown(group)}: {' and '.join(at)}" for group, at in shared.items())
        raise UserError(
            f"{plural(len(shared), 'group')} in more than one of the given splits ({which}); move their images to one "
            "side, or leave the groups out"
        )
    return groups


def with_groups(splits: Splits, groups: dict[str, str]) -> Splits:
    """The splits with the group of each image in their record, and how many groups each has in its notes."""
    told = {s: [groups[file] for file in splits.record["members"][s]] for s in SPLITS}
    counts = ", ".join(f"{len(set(told[s])):,} {s}" for s in SPLITS)
    everyone = {group for several in told.values() for group in several}
    note = f"{plural(len(everyone), 'group')} of images ({counts}), none of them on two sides"
    record = splits.record | {"groups": told, "notes": [*splits.record["notes"], note]}
    return Splits(splits.train, splits.validation, splits.test, record)
