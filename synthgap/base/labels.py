"""Class labels as networks take them, and the names by which a set's classes are found among a model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import UserError
from .names import normal, some


def one_hot(labels: Tensor | None, batch: int, classes: int) -> Tensor | None:
    """Labels of a batch, int64 B or one-hot float B × classes, as float B × classes; None where there are no classes.

    Integer and one-hot labels are told apart by dtype and rank.
    Raises UserError when labels are missing, unwanted, out of range or of another form.
    """
    if classes == 0:
        if labels is not None:
            raise UserError("this model is unconditional; call it without labels")
        return None
    if labels is None:
        raise UserError(f"this model is class-conditional; give labels of {classes} classes")
    if labels.is_floating_point() and labels.shape == (batch, classes):
        return labels
    if labels.dtype != torch.int64 or labels.shape != (batch,):
        raise UserError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)} for {batch} images; "
            f"give {batch} int64 numbers, or float one-hot rows of {classes}"
        )
    if batch and not (labels.min() >= 0 and labels.max() < classes):
        raise UserError(f"labels run from {labels.min()} to {labels.max()}; the model has {classes} classes")
    return F.one_hot(labels, classes).float()


def check_names(classes: Sequence[str], label_dim: int) -> None:
    """ValueError where a model of `label_dim` classes (0: unconditional) has another number of names, or one twice."""
    if classes and label_dim not in (0, len(classes)):
        raise ValueError(f"{len(classes)} names of classes for {label_dim} classes")
    if len(set(classes)) < len(classes):
        raise ValueError("two classes have one name")


def default_names(count: int) -> tuple[str, ...]:
    """ "0", "1", …: names of classes that nobody has named."""
    return tuple(map(str, range(count)))


def model_labels(
    labels: np.ndarray, classes: tuple[str, ...], known: tuple[str, ...], count: int, of: str
) -> np.ndarray:
    """A set's labels as those of a model of `count` classes.

    Labels are matched by the names of the classes where both sides have any: `classes` are the set's, `known` the
    model's. Where one side has none (an empty tuple, or "0", "1", … in order), label i is the model's class i; but
    names that are all whole numbers are first brought into their order as numbers, whatever order a folder has.

    labels: int N, each in [0, len(classes)); of: what has the labels, for messages. Returns int64 N.
    Raises UserError when there are not `count` classes, or when names don't match.
    """
    labels = np.asarray(labels, dtype=np.int64)
    if len(classes) != count:
        raise UserError(f"{of} has {len(classes)} classes, the model {count}; give it data of its classes")
    mine, theirs = (tuple(map(normal, names)) for names in (classes, known))
    numbers = default_names(count)
    if sorted(mine) == sorted(theirs):
        return np.array([theirs.index(name) for name in mine], dtype=np.int64)[labels]
    if mine == numbers:
        return labels
    if theirs not in ((), numbers):
        foreign, lacking = ([n for n in a if n not in b] for a, b in ((mine, theirs), (theirs, mine)))
        raise UserError(
            f"{of} has classes that the model does not know ({some(foreign)}; the model's are {some(lacking)}); "
            "rename them, or give data of the model's classes"
        )
    if all(name.isdecimal() for name in mine):
        return np.argsort(np.argsort([int(name) for name in mine], kind="stable"), kind="stable")[labels]
    return labels
