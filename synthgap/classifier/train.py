"""Training a classifier on real images, synthetic images, or one batch of each per step (Section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..base.errors import UserError
from ..base.seeding import batch_positions, step_generator, torch_seed
from ..data.imageset import ImageSet
from .augment import augment_batch
from .policies import Policy, apply_policy
from .resnet import ResNet18, ResNetConfig

REAL_ORDER, SYNTHETIC_ORDER, REAL_AUGMENT, SYNTHETIC_AUGMENT, INIT = 20, 21, 22, 23, 24  # see seeding.py


class ClassifierTraining(BaseModel):
    """The training recipe.

    An epoch is one pass over as many images as the caller says. The study says the *real* training set's size in
    every arm, so that all take the same number of optimiser steps whatever the size of the synthetic set
    ("step-matched"); "epoch-matched" arms, the paper's likely way, count the synthetic set where it is alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(100, gt=0)  # Section 4.2
    batch: int = Field(64, gt=0)  # of each kind, Section 5
    learning_rate: float = Field(0.01, gt=0)  # Section 4.2
    drop_every: float = Field(0.3, gt=0)  # × 0.1 every 30 of 100 epochs, Section 4.2
    momentum: float = Field(0.9, ge=0, lt=1)  # inferred
    nesterov: bool = True  # inferred, from the author's later public code
    weight_decay: float = Field(5e-4, ge=0)  # inferred
    policy: Policy = "none"  # Table 4; of all images, real and synthetic, after crop and flip (inferred)
    class_weights: Literal["none", "balanced"] = "none"  # of the loss; balanced: N / (classes · images of the class)

    def steps(self, epoch_images: int) -> int:
        """Optimiser steps: epochs × ceil(epoch_images / batch)."""
        return self.epochs * math.ceil(epoch_images / self.batch)

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step: divided by ten after each `drop_every` share of the run."""
        return self.learning_rate * 0.1 ** int(step / (steps * self.drop_every))


@dataclass(frozen=True)
class Classifier:
    """A trained network and the pixel statistics it standardises with; `classifier.evaluate` makes use of it."""

    network: ResNet18
    mean: float
    std: float
    classes: tuple[str, ...]

    def standardise(self, images: Tensor) -> Tensor:
        """uint8 0–255 → float32 with the training set's pixel mean and standard deviation removed."""
        return (images.float() / 255 - self.mean) / self.std


def train_classifier(
    real: ImageSet | None,
    synthetic: ImageSet | None,
    network: ResNetConfig,
    training: ClassifierTraining,
    seed: int,
    *,
    epoch_images: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train a ResNet-18 from scratch.

    Parameters
    ----------
    real, synthetic : either may be None. With both, each step uses one batch of each and the mean loss over the
        two together (equal weights; the paper does not state them).
    seed : initial weights, the order of real batches and of synthetic batches, augmentation: each a stream of its
        own, so that two arms with one seed see the same real batches.
    epoch_images : images in an epoch; default the real set, or the synthetic set where it is alone.
    progress : called with (steps done, steps in all).

    Returns
    -------
    Classifier in eval mode.

    Raises
    ------
    UserError : no images, or sets of different shape or classes.
    """
    sources = [s for s in (real, synthetic) if s is not None]
    _check(sources, network)
    steps = training.steps(epoch_images or len(sources[0]))
    pixels = sources[0].images / 255
    mean, std = float(pixels.mean()), max(float(pixels.std()), 1e-3)  # blank images have none
    streams = {REAL_ORDER: real, SYNTHETIC_ORDER: synthetic}
    tensors = {
        order: (torch.from_numpy(s.images).to(device), torch.from_numpy(s.labels).to(device), s.augment)
        for order, s in streams.items()
        if s is not None
    }
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(seed, INIT, 0))
        net = ResNet18(network).to(device, memory_format=torch.channels_last).train()  # a seventh faster than without
    classifier = Classifier(net, mean, std, sources[0].classes)
    sgd = torch.optim.SGD(  # fused: a step of the preset quick takes 8% less
        net.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        nesterov=training.nesterov and training.momentum > 0,
        weight_decay=training.weight_decay,
        fused=True,
    )
    weight = None
    if training.class_weights == "balanced":
        weight = _balanced(np.concatenate([s.labels for s in sources]), network.classes).to(device)
    for step in range(steps):
        for group in sgd.param_groups:
            group["lr"] = training.rate_at(step, steps)
        batches = [_batch(*tensors[order], training, seed, order, step) for order in tensors]
        images = torch.cat([b[0] for b in batches]).contiguous(memory_format=torch.channels_last)
        labels = torch.cat([b[1] for b in batches])
        loss = F.cross_entropy(net(classifier.standardise(images)), labels, weight=weight)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
        if progress:
            progress(step + 1, steps)
    if not all(torch.isfinite(p).all() for p in net.parameters()):
        raise FloatingPointError("the classifier's weights are not finite; lower the learning rate")
    net.to(memory_format=torch.contiguous_format).eval()  # as it comes back from a file
    return classifier


def _batch(
    images: Tensor,
    labels: Tensor,
    augment: tuple[str, ...],
    training: ClassifierTraining,
    seed: int,
    order: int,
    step: int,
) -> tuple[Tensor, Tensor]:
    positions = torch.from_numpy(batch_positions(len(images), training.batch, seed, order, step)).to(images.device)
    chosen = images[positions]
    if augment or training.policy != "none":
        rng = step_generator(seed, REAL_AUGMENT if order == REAL_ORDER else SYNTHETIC_AUGMENT, step)
        chosen = apply_policy(augment_batch(chosen, augment, rng), training.policy, rng)
    return chosen, labels[positions]


def _balanced(labels: np.ndarray, classes: int) -> Tensor:
    """Weights with which every class counts the same: N / (classes · images of the class); 0 for absent ones."""
    count = np.bincount(labels, minlength=classes)
    weights = np.divide(len(labels), (count > 0).sum() * count, out=np.zeros(classes), where=count > 0)
    return torch.from_numpy(weights).float()


def _check(sources: list[ImageSet], network: ResNetConfig) -> None:
    if not sources:
        raise UserError("neither real nor synthetic images given; a classifier needs one of them")
    for s in sources:
        if not len(s):
            raise UserError(f"{s.name} is empty; a classifier needs training images")
        if s.shape[0] != network.channels or len(s.classes) != network.classes:
            raise UserError(
                f"{s.name} has {s.shape[0]} channels and {len(s.classes)} classes, the network is for "
                f"{network.channels} and {network.classes}; build the network for the data"
            )
        if s.shape != sources[0].shape or s.classes != sources[0].classes:
            raise UserError(
                f"{sources[0].name} {sources[0].shape} and {s.name} {s.shape} differ in shape or classes; "
                "bring both to one size and one list of classes"
            )
