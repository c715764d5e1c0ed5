"""The arms of the plain answer in the measures that people go by, and the measure that its verdicts go by."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from ..metrics.scores import score
from ..stats.crossed import Crossed, of_scores
from ..stats.intervals import SHARE

RESAMPLED = 100  # draws of the test images, for the part of a score's variance that is theirs; inferred


@dataclass(frozen=True)
class Scored:
    """Logits of the answer's arms on the test images, by arm: seeds (or redraws, as of `Compared`) × images × classes.

    positive : the class that the measures are about, None: all of them alike. redrawn : as of `Compared`.
    clusters : as of `Task`; test images are drawn anew by these.
    """

    logits: dict[tuple, np.ndarray]
    labels: np.ndarray
    positive: int | None
    redrawn: int
    clusters: np.ndarray | None = None

    def first(self, count: int) -> Scored:
        """The same of so many seeds, the first ones."""
        return replace(self, logits={cell: v[:count] for cell, v in self.logits.items()})

    def level(self, measure: str, cell: tuple) -> Crossed:
        """An arm's own score."""
        how = {"redrawn": self.redrawn, "span": SHARE}
        return of_scores(self._rows(measure, cell), self._again(measure, cell), len(self.labels), **how)

    def difference(self, measure: str, first: tuple, second: tuple) -> Crossed:
        """First minus second arm."""
        rows, again = (values(measure, first) - values(measure, second) for values in (self._rows, self._again))
        return of_scores(rows, again, len(self.labels), redrawn=self.redrawn)

    def shown(self, cell: tuple) -> np.ndarray:
        """What the classifiers of an arm say, one a seed or generator; without those on redrawn images."""
        rows = self.logits[cell]
        return rows[:: len(rows) // self.redrawn] if self.redrawn else rows

    def _rows(self, measure: str, cell: tuple) -> np.ndarray:
        """A score of each row, on all test images."""
        how, even = score(measure, self.positive), np.ones(len(self.labels))
        return np.array([how(logits, self.labels, even) for logits in self.logits[cell]])

    def _again(self, measure: str, cell: tuple) -> np.ndarray:
        """The mean score of those that are shown, after each draw of the test images."""
        how, rows = score(measure, self.positive), self.shown(cell)
        return np.array([np.mean([how(logits, self.labels, w) for logits in rows]) for w in self._weights])

    @functools.cached_property
    def _weights(self) -> np.ndarray:
        count = len(self.labels)
        _, place = np.unique(np.arange(count) if self.clusters is None else self.clusters, return_inverse=True)
        several = int(place.max()) + 1
        drawn = np.random.default_rng(0).multinomial(several, np.full(several, 1 / several), RESAMPLED)
        weights = drawn.astype(np.float64)[:, place]
        whole = [np.bincount(self.labels, row)[np.unique(self.labels)].all() for row in weights]
        return weights[whole] if sum(whole) > 1 else weights  # a draw without a class has no area under its curve
