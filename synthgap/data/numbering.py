"""Image sets of plain arrays: classes are those that occur, whatever numbers or names a file gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..base.names import normal, shown
from .depth import array_scale
from .imageset import ImageSet

# a user's data before they are split further: {split: images}, {split: files or positions}, more for the record
Given = tuple[dict[str, ImageSet], dict[str, list], dict[str, Any]]
NAMED = 3  # labels or classes that a message names


def sets_of(
    given: dict[str, tuple[np.ndarray, np.ndarray]], names: Sequence[str] | None, path: Path
) -> tuple[dict[str, ImageSet], dict[str, list[str]]]:
    """({split: images}, {"found": what was assumed}) of what a file holds.

    given : a split's images, N × C × H × W of any depth (see `depth.array_scale`), and labels, N or N × 1.
    names, and errors : as of `numbered`.
    """
    raw = {s: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for s, (_, v) in given.items()}  # MedMNIST has N × 1
    labels, classes, notes = numbered(raw, names, str(path))
    scale = array_scale([images for images, _ in given.values()], str(path))
    sets = {s: ImageSet(scale.applied(v), labels[s], classes, f"{path.stem}/{s}") for s, (v, _) in given.items()}
    return sets, {"found": [*notes, *scale.notes]}


def numbered(
    labels: dict[str, np.ndarray], names: Sequence[str] | None, where: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    """({split: int64 labels from 0}, class names, notes) of the classes that occur in any split.

    Parameters
    ----------
    labels : a split's labels, N: whole numbers from 0, or texts, which are the names of classes then.
    names : name of label 0, 1, …; of label 1, 2, … where labels run from 1 to as many as there are names; None
        where there are none: the numbers are the names. A name without images is left out, and noted.
    where : the file, for messages.

    Raises UserError for labels of another kind, below 0 or without a name, and for fewer than two classes.
    """
    if any(v.dtype.kind in "US" for v in labels.values()):
        return _from_texts(labels, where)
    for values in labels.values():
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer):
            raise UserError(
                f"{where}: labels are {values.dtype} of shape {values.shape}; give one integer per image, or its name"
                + (" (of one row per image: labels.argmax(1))" if values.ndim == 2 else "")
            )
    present = sorted({label for values in labels.values() for label in np.unique(values).tolist()})
    if len(present) < 2:
        raise UserError(f"{where}: all labels are {present[:1]}; give images of two or more classes")
    if present[0] < 0:
        raise UserError(f"{where}: labels run from {present[0]} to {present[-1]}; number two or more classes from 0")
    notes = []
    if names is None:
        called = {label: str(label) for label in present}
        if present[-1] != len(present) - 1:
            notes.append(f"labels {_ends(present)}: {len(present):,} classes, called by their numbers, and no others")
    else:
        first = 1 if present[0] == 1 and present[-1] == len(names) else 0
        if present[-1] - first >= len(names):
            raise UserError(
                f"{where}: labels run from {present[0]} to {present[-1]} but there are {len(names)} classes; number "
                "them from 0, and name every class"
            )
        called = {label: str(names[label - first]) for label in present}
        if first:
            notes.append(f"labels 1 to {len(names)} are taken as the {len(names)} classes in their order")
        absent = [n for i, n in enumerate(names) if i + first not in called]
        if absent:
            verb = "class has" if len(absent) == 1 else "classes have"
            notes.append(
                f"{len(absent):,} {verb} no image and {'is' if len(absent) == 1 else 'are'} left out: {_ends(absent)}"
            )
    if len(set(called.values())) < len(called):
        raise UserError(f"{where}: two classes have one name; give every class a name of its own")
    place = {label: i for i, label in enumerate(present)}
    out = {s: np.array([place[label] for label in v.tolist()], dtype=np.int64) for s, v in labels.items()}
    return out, tuple(called.values()), notes


def _from_texts(labels: dict[str, np.ndarray], where: str) -> tuple[dict[str, np.ndarray], tuple[str, ...], list[str]]:
    try:
        texts = {
            s: [normal(t.decode() if isinstance(t, bytes) else str(t)) for t in v.ravel().tolist()]
            for s, v in labels.items()
        }
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: labels are bytes that are no UTF-8 ({error}); save them as text") from error
    classes = tuple(sorted({t for some in texts.values() for t in some}))
    if len(classes) < 2:
        raise UserError(f"{where}: all labels are {shown(repr(classes[:1]))}; give images of two or more classes")
    place = {name: i for i, name in enumerate(classes)}
    out = {s: np.array([place[t] for t in some], dtype=np.int64) for s, some in texts.items()}
    return out, classes, [f"labels are texts: {len(classes):,} classes in their alphabetical order"]


def _ends(values: Sequence) -> str:
    """ "1, 2, 3, …, 12", or all of them where they are few."""
    values = [shown(str(v)) for v in values]
    return ", ".join(values if len(values) <= NAMED + 1 else [*values[:NAMED], "…", values[-1]])
