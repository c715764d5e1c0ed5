"""What the classifiers of the plain answer are to tell apart, and by which measure they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.splits import UNEVEN
from ..design.loading import Design
from ..metrics.scores import MEASURES
from .base import WHOLE, Cells, Values, result


def split_cells(d: Design) -> Cells:
    """(part,) → the training and the test images."""
    return {(part,): d.judged[part] for part in ("train", "test")}


@dataclass(frozen=True)
class Task:
    """What classifiers are to tell apart; train, test: labels of the images, int64; classes: names.

    asked : the measure that was asked for, of `scores.MEASURES`; "auto" leaves it to the classes. positive : the class
    that it is about, None: all alike. clusters : number of the group of each test image, where images belong together
    (`--groups`); None: they are independent of one another.
    """

    train: np.ndarray
    test: np.ndarray
    classes: tuple[str, ...]
    asked: str = "auto"
    positive: int | None = None
    clusters: np.ndarray | None = None

    @property
    def counts(self) -> np.ndarray:
        """Training images of each class."""
        return np.bincount(self.train, minlength=len(self.classes))

    @property
    def imbalance(self) -> float:
        """Training images of the largest class over those of the smallest."""
        return float(self.counts.max() / max(self.counts.min(), 1))

    @property
    def measure(self) -> str:
        """What the answer is about, in words: "accuracy", or "balanced accuracy" where classes are uneven by half or
        more; or what was asked for."""
        of = f" of class {self.classes[self.positive]}" if self.about_one else ""
        return MEASURES[self.name] + of

    @property
    def name(self) -> str:
        """The same as `scores.MEASURES` names it."""
        if self.asked != "auto":
            return self.asked
        return "balanced" if self.imbalance >= UNEVEN else "accuracy"

    @property
    def about_one(self) -> bool:
        """Is the measure about one class?"""
        return self.positive is not None and self.name not in ("accuracy", "balanced")

    @property
    def groups(self) -> np.ndarray | None:
        """What `crossed` groups the test images by, so that it measures `measure`."""
        return self.test if self.name == "balanced" else None


@result("task", split_cells, no_rows=WHOLE)
def task(d: Design, values: Values) -> Task:
    """The classes and how many images each has."""
    train, test = values["train",], values["test",]
    positive = d.options.place(test.classes)
    return Task(train.labels, test.labels, test.classes, d.options.measure, positive, clusters(d))


def clusters(d: Design) -> np.ndarray | None:
    """The groups of the answer's test images, numbered; None where no groups are known."""
    if d.heads and d.heads.crossed:
        return np.array(d.heads.groups) if d.heads.groups else None
    return numbered(d.record)


def numbered(record: Mapping[str, Any]) -> np.ndarray | None:
    """The groups of the test images of a data set, by how it was split; None where no groups are known."""
    groups = record.get("groups")
    return None if groups is None else np.unique(groups["test"], return_inverse=True)[1]


@result("chapters_task", lambda d: {(part,): d.arms.data[part] for part in ("train", "test")}, no_rows=WHOLE)
def chapters_task(d: Design, values: Values) -> Task:
    """The same of the other chapters, whose classifiers are trained from scratch: accuracy, balanced where uneven."""
    train, test = values["train",], values["test",]
    record = d.arms_record
    return Task(train.labels, test.labels, test.classes, clusters=numbered(record))
