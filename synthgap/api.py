"""The functions that `import synthgap` offers: those of the core, with a preset for their sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .classifier.evaluate import evaluate
from .classifier.train import Classifier
from .classifier.train import train_classifier as _train_classifier
from .data.imageset import ImageSet
from .diffusion.edm import EDM
from .diffusion.train import train_edm as _train_edm
from .errors import UserError
from .metrics.entropy import output_entropy
from .metrics.fidelity import Fidelity, fidelity_of_features
from .study.preset import load_preset
from .study.sizes import classifier_network, generator_network

__all__ = ["fidelity", "output_entropy", "train_classifier", "train_edm"]


def train_edm(
    real: ImageSet,
    preset: str = "quick",
    seed: int = 0,
    *,
    device: str = "cpu",
    progress: Callable[[int, int, float], None] | None = None,
) -> EDM:
    """Train a class-conditional diffusion model on `real`, with the network and recipe of a preset.

    `progress` gets (images seen, images in all, loss). Returns an EDM in eval mode.
    Raises UserError when the image sides don't fit the preset's network.
    """
    choice = load_preset(preset).generator
    network = generator_network(choice, real.shape, len(real.classes))
    return _train_edm(real, network, choice.training, seed, device=device, progress=progress)


def train_classifier(
    real: ImageSet | None = None,
    synthetic: ImageSet | None = None,
    preset: str = "quick",
    seed: int = 0,
    *,
    epoch_images: int | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train a ResNet-18 on real images, synthetic images, or one batch of each per step (Section 5).

    `epoch_images` is the size of an epoch, by which the preset counts optimiser steps; default the real set's size,
    or the synthetic set's where it is alone (give the real set's to compare the two at equal steps).
    `progress` gets (steps done, steps in all). Raises UserError when both sets are None or don't match.
    """
    images = real if real is not None else synthetic
    if images is None:
        raise UserError("neither real nor synthetic images given; a classifier needs one of them")
    choice = load_preset(preset).classifier
    network = classifier_network(choice, images.shape, len(images.classes))
    return _train_classifier(
        real,
        synthetic,
        network,
        choice.training,
        seed,
        epoch_images=epoch_images,
        device=device,
        progress=progress,
    )


def fidelity(
    real: ImageSet, fake: ImageSet, extractor: str = "classifier", *, classifier: Classifier | None = None
) -> Fidelity:
    """Fréchet distance and precision/recall of `fake` against `real`.

    extractor : "classifier", the pooled block4 features of `classifier`, which was trained on real images.
    Raises UserError for another extractor, a missing classifier, or sets too small.
    """
    if extractor != "classifier":
        raise UserError(f"unknown extractor {extractor!r}; known: classifier")
    if classifier is None:
        raise UserError("the extractor is a classifier but none was given; pass classifier=train_classifier(real=…)")
    features: list[np.ndarray] = [evaluate(classifier, images).features for images in (real, fake)]
    return fidelity_of_features(*features, extractor)
