"""Which of many synthetic images to keep, by what classifiers of real images say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import logsumexp

from ..base.errors import UserError
from ..classifier.evaluate import evaluate
from ..classifier.train import Classifier
from ..data.imageset import ImageSet

Rule = Literal["redrawn", "agreeing", "unsure", "sure", "outskirts"]


def select(draws: Sequence[ImageSet], judges: Sequence[Classifier], rule: Rule = "redrawn") -> ImageSet:
    """Of several draws of a set of images those that a rule keeps, by what classifiers say of them together.

    Parameters
    ----------
    draws
        synthetic images, all with the same labels in the same order, as `generate` gives them for several seeds.
    judges
        classifiers of real images; the mean of their probabilities counts. "outskirts" goes by the first one's
        features.
    rule
        "redrawn" keeps an image a place, the first of its draws that is given its label; "agreeing" all that are; as
        many as one draw has: "unsure" and "sure" those of these that the judges are least and most sure of,
        "outskirts" some that lie far from one another. See `kept`.

    Returns
    -------
    ImageSet
        the images that are kept.

    Raises
    ------
    UserError
        no draws or judges, labels that differ, or a judge of other images.
    """
    if not draws or not judges:
        raise UserError("nothing to select from or by; give one set of images and one classifier at least")
    labels = draws[0].labels
    if any(not np.array_equal(one.labels, labels) for one in draws):
        raise UserError("the draws have different labels; draw them for the same ones, in the same order")
    seen = [[evaluate(judge, images) for images in draws] for judge in judges]
    told = log_probabilities(np.array([[one.logits for one in several] for several in seen]))
    features = np.array([one.features for one in seen[0]])
    return ImageSet.concat(draws).subset(kept(rule, labels, told, features))


def kept(rule: Rule, labels: np.ndarray, told: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Places of the images to keep, among K draws of N images in the order of the draws: int64, each below K·N.

    Parameters
    ----------
    labels : int64 N, of the images of every draw.
    told : float K × N × classes, log-probabilities.
    features : float K × N × D.
    rule : "redrawn" keeps at each of the N places the first draw that is given its label, as redrawing until then
        would; where none is, the one that comes nearest. "agreeing" keeps all that are given their label, of a class
        without any the one that comes nearest. The others keep as many of a class as one draw has, those that are given
        their label first, and of these: "unsure" those of the largest entropy, "sure" those of the smallest,
        "outskirts" those that lie furthest from the ones already kept, from the one nearest to the mean of its class on
        (farthest-first traversal, Gonzalez 1985).
    """
    draws, count, _ = told.shape
    own = np.take_along_axis(told, labels[None, :, None], axis=2)[:, :, 0]
    agreeing = told.argmax(axis=2) == labels
    if rule == "redrawn":
        draw = np.where(agreeing.any(axis=0), agreeing.argmax(axis=0), own.argmax(axis=0))
        return draw * count + np.arange(count)
    if rule == "agreeing":
        taken, all_labels = agreeing.ravel().copy(), np.tile(labels, draws)
        for label in set(labels) - set(all_labels[taken]):
            mine = np.flatnonzero(all_labels == label)
            taken[mine[own.ravel()[mine].argmax()]] = True
        return np.flatnonzero(taken)
    entropy = -(np.exp(told) * told).sum(axis=2).ravel()
    agreed, out = agreeing.ravel(), []
    for label in np.unique(labels):
        mine = np.flatnonzero(np.tile(labels == label, draws))
        wanted = len(mine) // draws
        if rule == "outskirts":
            good = mine[agreed[mine]]
            ordered = good[spread_out(features.reshape(draws * count, -1)[good], wanted)] if len(good) else good
            rest = mine[~agreed[mine]]
            order = np.concatenate([ordered, rest[np.argsort(-own.ravel()[rest], kind="stable")]])
        else:
            order = mine[np.lexsort((entropy[mine] if rule == "sure" else -entropy[mine], ~agreed[mine]))]
        out.append(order[:wanted])
    return np.concatenate(out)


def looked_at(labels: np.ndarray, told: np.ndarray) -> int:
    """Images that redrawing each until it is given its label takes (as `kept` by "redrawn"), of K draws at most."""
    agreeing = told.argmax(axis=2) == labels
    return int(np.where(agreeing.any(axis=0), agreeing.argmax(axis=0) + 1, len(told)).sum())


def spread_out(features: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` rows of N × D, each the one furthest from those before it; the first is the nearest to the mean."""
    nearest = ((features - features.mean(axis=0)) ** 2).sum(axis=1)
    order = [int(nearest.argmin())]
    distance = np.full(len(features), np.inf)
    while len(order) < min(count, len(features)):
        distance = np.minimum(distance, ((features - features[order[-1]]) ** 2).sum(axis=1))
        distance[order] = -1
        order.append(int(distance.argmax()))
    return np.array(order)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Of several judges' logits, judges × … × classes, the log of the mean of their probabilities."""
    each = logits - logsumexp(logits, axis=-1, keepdims=True)
    return logsumexp(each, axis=0) - np.log(len(logits))
