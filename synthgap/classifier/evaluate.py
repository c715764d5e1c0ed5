"""What a trained classifier says of an image set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..base.errors import UserError
from ..base.modes import sampling_mode
from ..base.portions import Portions
from ..data.imageset import ImageSet
from .train import Classifier

BATCH = 500  # fixed, so that a prediction does not depend on the caller; smaller where a card's memory is full


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of N images.

    Attributes
    ----------
    features
        float32 N × D, the pooled `layer4`.
    logits
        float32 N × classes.
    labels
        int64 N, the given ones.
    """

    features: np.ndarray
    logits: np.ndarray
    labels: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Is the most probable class the given one? A bool for each of N images."""
        return self.logits.argmax(axis=1) == self.labels

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in [0, 1]."""
        return float(self.correct.mean())

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes present of the share of their images that are right, in [0, 1]."""
        return float(np.mean([self.correct[self.labels == c].mean() for c in np.unique(self.labels)]))

    @property
    def n(self) -> int:
        return len(self.labels)


@torch.no_grad()
def evaluate(classifier: Classifier, images: ImageSet) -> Prediction:
    """Features and logits of `images` in eval mode; the modes of the network's parts are restored.

    Raises UserError when the set is empty or its channels or classes differ from the classifier's.
    """
    if not len(images):
        raise UserError(f"{images.name} is empty; nothing to evaluate")
    if images.classes != classifier.classes or images.shape[0] != classifier.network.config.channels:
        raise UserError(
            f"{images.name} ({images.shape[0]} channels, classes {', '.join(images.classes[:5])}, …) is not what "
            f"the classifier was trained on ({', '.join(classifier.classes[:5])}, …); load it the same way"
        )
    net = classifier.network
    device = next(net.parameters()).device

    def seen(part: slice) -> tuple[Tensor, Tensor]:
        pooled = net.features(classifier.standardise(torch.from_numpy(images.images[part]).to(device)))
        return pooled.cpu(), net.fc(pooled).cpu()

    with sampling_mode(net):
        features, logits = zip(*(both for _, both in Portions(BATCH).map(len(images), seen)), strict=True)
    return Prediction(torch.cat(features).numpy(), torch.cat(logits).numpy(), images.labels)
