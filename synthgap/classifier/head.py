"""A second judge: a linear head on the features of a frozen network, by multinomial logistic regression.

Its loss is convex, so a head has no seed: fitted again to the same images it is the same. What else it might have been
is told by redrawing: the images are drawn anew, class by class and with replacement, and it is fitted to each draw
(Efron's bootstrap).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from ..base.errors import UserError
from ..data.dealing import grouped_parts
from ..data.splits import stratified_take
from .evaluate import Prediction

STRENGTHS = tuple(10.0 ** (e / 2) for e in range(-8, 3))  # λ of λ/2·‖W‖² beside the mean loss; inferred
MOST_ITERATIONS = 300
FINE, ROUGH = 1e-4, 1e-3  # largest slope of the loss where a fit ends; redraws tell a spread, and take half the time
FOLDS = 5  # inferred
NEAR = 0.5  # inferred; 3 of 650 fresh photographs of solar cells lie so near, and all copies
LEAST_SPREAD = 1e-6  # of a feature; it is a constant below
IMPOSSIBLE = -1e4  # the logit of a class of which a head has seen no image
NOTHING = np.empty(0, dtype=np.int64)
REAL_DRAW, SYNTHETIC_DRAW = 30, 31  # see seeding.py

LeftOut = tuple[np.ndarray, np.ndarray]  # positions of real and of synthetic images that a head is not fitted to


@dataclass(frozen=True)
class Features:
    """Features of N images under a frozen network: float32 N × D; labels: int64, N."""

    features: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def joined(several: Sequence[Features]) -> Features | None:
    """Several sets as one; None where there are none."""
    if not several:
        return None
    return Features(*(np.concatenate([getattr(one, name) for one in several]) for name in ("features", "labels")))


@dataclass(frozen=True)
class Lesson:
    """What a head is fitted to.

    real : the real training images, under one view or several (mirrored, turned), which count alike. beside : are they
    fitted to, or do the synthetic ones stand in their place? count : how many of the real images, drawn class by class.
    synthetic : the images that a set of `drawn` of them is drawn from. balanced : every class counts the same.
    """

    real: Sequence[Features]
    synthetic: Features | None = None
    beside: bool = True
    count: int | None = None
    drawn: int | None = None
    balanced: bool = False


@dataclass(frozen=True)
class Judged:
    """What heads say of N test images and V validation images.

    Attributes
    ----------
    logits
        float32 (1 + draws) × N × classes: of the head fitted to the images as they are, then of one after each redraw.
    labels
        int64 N.
    validation, validation_labels
        float32 V × classes and int64 V, of the first head alone.
    strength
        λ of that head, and of all: the one with the smallest mean loss on the validation images.
    shown, shown_labels
        float32 M × classes and int64 M, as of `validation`, of images whose labels are to be checked; M may be 0.
    """

    logits: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    strength: float
    shown: np.ndarray
    shown_labels: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """bool, (1 + draws) × N: is the most probable class the given one?"""
        return self.logits.argmax(axis=2) == self.labels

    @property
    def itself(self) -> Prediction:
        """What the first head says of the test images."""
        return Prediction(np.empty((len(self.labels), 0), np.float32), self.logits[0], self.labels)

    @property
    def contradicted(self) -> np.ndarray:
        """bool, M: is the most probable class of an image another than its label says?"""
        return self.shown.argmax(axis=1) != self.shown_labels

    @property
    def on_validation(self) -> Prediction:
        """What it says of the validation images."""
        labels = self.validation_labels
        return Prediction(np.empty((len(labels), 0), np.float32), self.validation, labels)


@dataclass(frozen=True)
class Head:
    """logits = (features − mean) / std · weights + bias; weights D × classes."""

    weights: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """float32, N × classes."""
        return (((features - self.mean) / self.std) @ self.weights + self.bias).astype(np.float32)


def judge(
    lesson: Lesson,
    validation: Features,
    test: Features | None,
    classes: int,
    draws: int,
    *,
    groups: Sequence[int] = (),
    shown: Features | None = None,
    folds: int = FOLDS,
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """Fit a head to a lesson, and again after each of `draws` redraws, and ask it about the test images.

    test : None makes test images of all real ones: each is asked about with a head that was fitted to the other
        `folds` − 1 of as many parts, classes spread evenly over them (cross-fitting). A near copy of a real image
        is never trained on where its original is tested (see `originals`); a head that is left with no image tells
        the first class of all.
    groups : the group of each real image, where images belong together: the parts keep groups whole.
    shown : more images that the head fitted to all of the lesson is asked about.
    progress : called with (heads fitted, heads in all).

    Raises UserError where the lesson holds no images, or a class fewer real ones than parts, or all in one group.
    """
    rows, weights = weighted(lesson, classes)
    strength, whole = _chosen(rows, weights, classes, validation)
    asked = lesson.real[0] if test is None else test
    parts = [np.arange(len(asked))] if test else _folds(asked.labels, folds, groups)
    without = [(NOTHING, NOTHING)] if test else _without(lesson, parts)
    logits = np.empty((1 + draws, len(asked), classes), dtype=np.float32)
    for done, number in enumerate((None, *range(draws))):
        for part, left_out in zip(parts, without, strict=True):
            slope = FINE if number is None else ROUGH
            head = fit_head(*weighted(lesson, classes, number, left_out), classes, strength, slope)
            logits[done, part] = head(asked.features[part])
        if progress:
            progress(1 + done, 1 + draws)
    more = shown if shown is not None else Features(validation.features[:0], validation.labels[:0])
    told = whole(validation.features), validation.labels, strength, whole(more.features), more.labels
    return Judged(logits, asked.labels, *told)


def _without(lesson: Lesson, parts: list[np.ndarray]) -> list[LeftOut]:
    """What the head that is asked about each part must not have seen."""
    if lesson.synthetic is None:
        return [(part, NOTHING) for part in parts]
    original = originals(lesson.real[0].features, lesson.synthetic.features)
    return [(part, np.flatnonzero(np.isin(original, part))) for part in parts]


def originals(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """For each synthetic image the position of the real one that it is a near copy of, −1 where it is none.

    It is one where it lies at most `NEAR` as far from the real image as that does from the next real one.
    """
    nearest, distance = pairwise_distances_argmin_min(synthetic, real)
    others = NearestNeighbors(n_neighbors=2).fit(real).kneighbors(real)[0][:, 1]
    return np.where(distance <= NEAR * others[nearest], nearest, -1)


def _folds(labels: np.ndarray, count: int, groups: Sequence[int] = ()) -> list[np.ndarray]:
    """Positions of each part, each class spread evenly over them, or as evenly as whole groups allow."""
    if len(groups):
        return grouped_parts(labels, np.asarray(groups), count)
    if np.bincount(labels)[np.unique(labels)].min() < count:
        raise UserError(f"a class has fewer than {count} images to train and test on; give more of it, or a test split")
    dealt = StratifiedKFold(count, shuffle=True, random_state=0)
    return [part for _, part in dealt.split(np.zeros(len(labels)), labels)]


def fit_head(rows: Features, weights: np.ndarray, classes: int, strength: float, slope: float = FINE) -> Head:
    """Minimise Σ wᵢ·lossᵢ + strength/2·‖W‖² over weights that sum to 1, features being standardised by them.

    Classes without an image get the logit `IMPOSSIBLE`.
    """
    used = weights > 0
    features, labels, weights = rows.features[used], rows.labels[used], weights[used].astype(np.float32)
    mean = weights @ features
    std = np.sqrt(weights @ (features - mean) ** 2)
    std[std < LEAST_SPREAD] = 1.0
    present = np.unique(labels)
    matrix = np.zeros((features.shape[1], classes), dtype=np.float32)
    bias = np.full(classes, IMPOSSIBLE, dtype=np.float32)
    bias[present] = 0.0
    if len(present) > 1:
        model = LogisticRegression(C=1 / strength, max_iter=MOST_ITERATIONS, tol=slope)
        with warnings.catch_warnings():  # after so many steps the loss hardly falls any more
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((features - mean) / std, labels, sample_weight=weights)
        several = [np.zeros_like(model.coef_[0]), *model.coef_] if len(present) == 2 else model.coef_
        matrix[:, present] = np.transpose(several)
        bias[present] = [0.0, *model.intercept_] if len(present) == 2 else model.intercept_
    return Head(matrix, bias, mean, std)


def _chosen(rows: Features, weights: np.ndarray, classes: int, validation: Features) -> tuple[float, Head]:
    """The strength with the smallest mean loss on the validation images, and its head; from the strongest on, while the
    loss falls."""
    losses: dict[float, float] = {}
    heads: dict[float, Head] = {}
    for strength in reversed(STRENGTHS):
        heads[strength] = fit_head(rows, weights, classes, strength)
        losses[strength] = mean_loss(heads[strength](validation.features), validation.labels)
        *_, before, last = (math.inf, math.inf, *losses.values())
        if last > before > min(losses.values()):
            break
    best = min(losses, key=losses.get)
    return best, heads[best]


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats; logits N × classes."""
    return float(-np.mean(log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]))


def weighted(
    lesson: Lesson, classes: int, number: int | None = None, left_out: LeftOut = (NOTHING, NOTHING)
) -> tuple[Features, np.ndarray]:
    """The images of a lesson and their weights, which sum to 1; after the redraw `number`, or (None) as they are.

    Synthetic images count no more than the real ones together, and one no more than a real one. Those of a class count
    together as that class does among the real images: a set of another mix is not judged by its mix.
    """
    real, parts = lesson.real[0], []
    counts = np.bincount(real.labels, minlength=classes)
    together = 1.0
    if lesson.beside:
        times = _times(real.labels, lesson.count, number, REAL_DRAW)
        times[left_out[0]] = 0
        together = times.sum()
        for view in lesson.real:
            parts.append((view, times / len(lesson.real)))
    if lesson.synthetic is not None:
        times = _times(lesson.synthetic.labels, lesson.drawn, number, SYNTHETIC_DRAW)
        times[left_out[1]] = 0
        most = min(times.sum(), together) if lesson.beside else 1.0
        parts.append((lesson.synthetic, most * _mixed(times, lesson.synthetic.labels, counts)))
    if not parts or not sum(len(features) for features, _ in parts):
        raise UserError("there are no images to fit a head to; give real or synthetic ones")
    rows = joined([features for features, _ in parts])
    weights = np.concatenate([w for _, w in parts]).astype(np.float64)
    if lesson.balanced:
        weights = _mixed(weights, rows.labels, np.ones(classes))
    return rows, _to_one(weights)


def _mixed(weights: np.ndarray, labels: np.ndarray, mix: np.ndarray) -> np.ndarray:
    """Weights that sum to 1, those of each class in proportion to `mix`."""
    of_class = np.bincount(labels, weights=weights, minlength=len(mix))
    factors = np.divide(mix, of_class, out=np.zeros(len(mix)), where=of_class > 0)
    return _to_one(weights * factors[labels])


def _to_one(weights: np.ndarray) -> np.ndarray:
    """Weights that sum to 1; where all are 0, which leaves nothing to learn from, they stay so."""
    return weights / (weights.sum() or 1.0)


def _times(labels: np.ndarray, count: int | None, number: int | None, stream: int) -> np.ndarray:
    """How often each image is taken: `count` of them (None: all), without replacement, or in a redraw with it."""
    count = len(labels) if count is None else count
    taken = stratified_take(labels, count, seed=0)
    if number is None:
        return np.bincount(taken, minlength=len(labels)).astype(np.float64)
    rng, times = np.random.default_rng([stream, number, count, len(labels)]), np.zeros(len(labels))
    for c, wanted in zip(*np.unique(labels[taken], return_counts=True), strict=True):
        members = np.flatnonzero(labels == c)
        times[members] += np.bincount(rng.choice(len(members), wanted), minlength=len(members))
    return times
