"""Training a classifier on real images, synthetic images, or one batch of each per step (Section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from .resnet import ResNet18, ResNetConfig, joined, part

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


@dataclass(frozen=True)
class Member:
    """One classifier of a block: what it is trained on, and the seed of its weights, orders and augmentation."""

    real: ImageSet | None
    synthetic: ImageSet | None
    seed: int

    @property
    def sources(self) -> list[ImageSet]:
        return [s for s in (self.real, self.synthetic) if s is not None]


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
    alone = [Member(real, synthetic, seed)]
    return train_block(alone, network, training, epoch_images=epoch_images, device=device, progress=progress)[0]


def train_block(
    members: Sequence[Member],
    network: ResNetConfig,
    training: ClassifierTraining,
    *,
    epoch_images: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[Classifier]:
    """Train K ResNet-18s from scratch as one network (see `resnet.joined`), each by its own images and its own seed.

    Nothing passes from one to another: each is what `train_classifier` makes of it, but for rounding. Arguments and
    errors are as there; UserError, too, where one member has real or synthetic images and another lacks them.
    """
    for member in members:
        _check(member.sources, network)
    _check_alike(members)
    steps = training.steps(epoch_images or len(members[0].sources[0]))
    lessons = [_Lesson(member, network, training, device) for member in members]
    block = joined([lesson.classifier.network for lesson in lessons])
    order = _memory_order(torch.device(device), len(members))
    block.to(memory_format=order).train()
    sgd = torch.optim.SGD(  # fused: a step of the preset quick takes 8% less
        block.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        nesterov=training.nesterov and training.momentum > 0,
        weight_decay=training.weight_decay,
        fused=True,
    )
    for step in range(steps):
        for group in sgd.param_groups:
            group["lr"] = training.rate_at(step, steps)
        batches = [lesson.batch(step) for lesson in lessons]
        images = torch.stack([images for images, _ in batches], dim=1).flatten(1, 2)  # B × K·C × H × W
        logits = block(images.contiguous(memory_format=order)).view(len(members), len(images), -1)
        each = zip(lessons, logits, batches, strict=True)
        loss = sum(F.cross_entropy(said, labels, weight=lesson.weight) for lesson, said, (_, labels) in each)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
        if progress:
            progress(step + 1, steps)
    if not all(torch.isfinite(p).all() for p in block.parameters()):
        raise FloatingPointError("the classifier's weights are not finite; lower the learning rate")
    block.to(memory_format=torch.contiguous_format).eval()  # as it comes back from a file
    part(block, [lesson.classifier.network for lesson in lessons])
    return [lesson.classifier for lesson in lessons]


def _memory_order(device: torch.device, members: int) -> torch.memory_format:
    """Channels-last: a seventh faster on a CPU, a tenth with three to five members.

    On a GPU several members keep PyTorch's own order, which cuDNN's convolutions in groups are made for (not measured).
    """
    return torch.channels_last if device.type == "cpu" or members == 1 else torch.contiguous_format


class _Lesson:
    """One member's part in a training: its classifier, its batches, the weights of its classes in the loss."""

    def __init__(self, member: Member, network: ResNetConfig, training: ClassifierTraining, device: torch.device | str):
        self.training, self.seed = training, member.seed
        with torch.random.fork_rng():
            torch.manual_seed(torch_seed(member.seed, INIT, 0))
            net = ResNet18(network).to(device).eval()
        first = member.sources[0]
        pixels = first.images / 255
        mean, std = float(pixels.mean()), max(float(pixels.std()), 1e-3)  # blank images have none
        self.classifier = Classifier(net, mean, std, first.classes)
        streams = {REAL_ORDER: member.real, SYNTHETIC_ORDER: member.synthetic}
        self.tensors = {
            order: (torch.from_numpy(s.images).to(device), torch.from_numpy(s.labels).to(device), s.augment)
            for order, s in streams.items()
            if s is not None
        }
        self.weight = None
        if training.class_weights == "balanced":
            labels = np.concatenate([s.labels for s in member.sources])
            self.weight = _balanced(labels, network.classes).to(device)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(standardised images, labels) of a step: the real ones before the synthetic ones."""
        batches = [self._drawn(order, step) for order in self.tensors]
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return self.classifier.standardise(images), labels

    def _drawn(self, order: int, step: int) -> tuple[Tensor, Tensor]:
        images, labels, augment = self.tensors[order]
        positions = torch.from_numpy(batch_positions(len(images), self.training.batch, self.seed, order, step))
        positions = positions.to(images.device)
        chosen = images[positions]
        if augment or self.training.policy != "none":
            rng = step_generator(self.seed, REAL_AUGMENT if order == REAL_ORDER else SYNTHETIC_AUGMENT, step)
            chosen = apply_policy(augment_batch(chosen, augment, rng), self.training.policy, rng)
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


def _check_alike(members: Sequence[Member]) -> None:
    first = members[0]
    for member in members[1:]:
        ours, theirs = member.sources[0], first.sources[0]
        if ours.shape != theirs.shape or ours.classes != theirs.classes:
            raise UserError(
                f"{theirs.name} {theirs.shape} and {ours.name} {ours.shape} differ in shape or classes; "
                "train them in blocks of their own"
            )
        if [s is None for s in (member.real, member.synthetic)] != [s is None for s in (first.real, first.synthetic)]:
            raise UserError(
                f"seeds {first.seed} and {member.seed} differ in having real or synthetic images; "
                "train them in blocks of their own"
            )
