"""How well a classifier does, in the measures that people go by; all in [0, 1], the larger the better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import softmax
from sklearn.metrics import average_precision_score, roc_auc_score

MEASURES = {  # name → how a sentence calls it
    "accuracy": "accuracy",
    "balanced": "balanced accuracy",
    "auc": "area under the ROC curve",
    "average-precision": "average precision",
    "recall": "recall",
    "precision": "precision",
}
BINS = 10  # of the calibration error (Naeini et al. 2015 and Guo et al. 2017 take 10 and 15)

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], float]  # (logits, labels, weights of the images)


def score(measure: str, positive: int | None = None) -> Score:
    """The function that measures logits (N × classes) against labels (N), each image counting by its weight (N).

    positive : the class that recall, precision, the area and the average precision are about; None: their mean over all
        classes that have an image. Where a class is never told, its precision is 0.
    Raises ValueError for an unknown measure.
    """
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}; known: {', '.join(MEASURES)}")
    if measure == "accuracy":
        return lambda logits, labels, weights: float(np.average(logits.argmax(axis=1) == labels, weights=weights))
    if measure == "balanced":
        return lambda logits, labels, weights: _over_classes(_recall, None, logits, labels, weights)
    one = {"auc": _area, "average-precision": _average_precision, "recall": _recall, "precision": _precision}[measure]
    return lambda logits, labels, weights: _over_classes(one, positive, logits, labels, weights)


def calibration_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of equal width; 0 is best."""
    chances = probabilities(logits)
    sure, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = (abs(sure[bins == b].sum() - right[bins == b].sum()) for b in np.unique(bins))
    return float(sum(gaps) / len(labels))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of N × classes, in float64."""
    return softmax(logits.astype(np.float64), axis=1)


def _over_classes(
    one: Callable[..., float], positive: int | None, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> float:
    present = np.unique(labels[weights > 0])
    several = present if positive is None else [positive]
    return float(np.mean([one(c, logits, labels, weights) for c in several]))


def _recall(c: int, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    mine = np.where(labels == c, weights, 0)
    return _share(mine[logits.argmax(axis=1) == c].sum(), mine.sum())


def _precision(c: int, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    told = np.where(logits.argmax(axis=1) == c, weights, 0)
    return _share(told[labels == c].sum(), told.sum())


def _area(c: int, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    if len(np.unique(labels[weights > 0] == c)) < 2:
        return 0.5
    return float(roc_auc_score(labels == c, probabilities(logits)[:, c], sample_weight=weights))


def _average_precision(c: int, logits: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    return float(average_precision_score(labels == c, probabilities(logits)[:, c], sample_weight=weights))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0
