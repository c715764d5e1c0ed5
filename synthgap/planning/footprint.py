"""Bytes of an artifact on disk, and the memory that its computation needs, from shapes alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from ..classifier.evaluate import BATCH
from ..classifier.resnet import ResNet18, ResNetConfig
from ..diffusion.edm import EDM, EDMConfig
from ..diffusion.reconstruct import LANES
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import Discriminator, DiscriminatorConfig
from ..gan.stylegan3 import Generator, GeneratorConfig
from ..graph.estimate import image_count, image_shape, lesson_count, step_images
from ..graph.specs import (
    Attend,
    Extract,
    FitHead,
    Guided,
    LoadDiffusion,
    MeasureDetection,
    MeasureLikelihood,
    MeasureMemorization,
    Predict,
    Reconstruct,
    SampleGan,
    Selected,
    Snapshot,
    Spec,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
)

RECORDS, ENTRY = 800, 95  # bytes of provenance.json and small numbers; of a tensor's line in data.safetensors
PROCESS = 600e6  # bytes of a process that has imported everything and computes nothing
EXTRACTOR = 300e6  # bytes of a frozen network and of the few images that it sees at once
LIKELIHOOD_BATCH = 64


class Size(NamedTuple):
    """Of a network in float32, in bytes: its tensors, what a training step of one image saves for its backward pass,
    and the largest layer of one image."""

    weights: int
    tensors: int
    saved: int = 0
    largest: int = 0

    @property
    def file(self) -> int:
        return self.weights + ENTRY * self.tensors


def disk(spec: Spec) -> int:
    """Bytes of the artifact: its arrays, the specification as JSON, and records."""
    return round(_arrays(spec)) + len(spec.model_dump_json(indent=1)) + RECORDS


def scratch(spec: Spec) -> int:
    """Bytes of the checkpoint that lies beside the store while `spec` is computed: weights, average, two moments."""
    match spec:
        case TrainDiffusion():
            return 4 * unet_size(spec.network).weights
        case TrainGan():
            generator, discriminator = gan_size(spec.generator, spec.discriminator)
            return 4 * generator.weights + 3 * discriminator.weights
        case _:
            return 0


def memory(spec: Spec) -> float:
    """Bytes at the peak of computing `spec`, by a rule.

    A training: weights, gradients, the optimiser's moments and the average, and what one batch saves for its backward
    pass. Sampling and prediction: weights, and four times the largest layer of a batch. Images that are read: one byte
    a value, and eight where their mean or distances are taken in float64. On top of that the process itself.
    """
    return PROCESS + _memory(spec)


def _memory(spec: Spec) -> float:
    match spec:
        case TrainDiffusion():
            size = unet_size(spec.network)
            return (
                5 * size.weights + spec.training.batch * size.saved + 13 * _values(spec.data)
            )  # float32 and float64 copies
        case TrainGan():
            return 2.5 * scratch(spec) + 13 * _values(spec.data)
        case Synthesize() | Reconstruct() | Guided():
            size = unet_size(spec.model.network)
            return size.weights + 4 * LANES * size.largest + 2 * _values(spec.data)
        case Selected():
            size = resnet_size(spec.judges[0].network, *image_shape(spec)[1:])
            return 4 * BATCH * size.largest + 2 * sum(map(_values, spec.draws))
        case SampleGan():
            return scratch(spec.model) + 2 * _values(spec.data)
        case TrainClassifier():
            size, count = resnet_size(spec.network, *image_shape(spec)[1:]), len(spec.members)
            networks = count * (4 * size.weights + step_images(spec) * size.saved)  # each also by itself, to begin with
            sources = {s for one in spec.members for s in (one.real, *one.synthetic) if s is not None}
            first = {s for one in spec.members for s in ([one.real] if one.real is not None else one.synthetic)}
            return networks + 2 * sum(map(_values, sources)) + 8 * max(map(_values, first))
        case Predict() | Attend():
            size = resnet_size(spec.classifier.network, *image_shape(spec.images)[1:])
            block = len(spec.classifier.block.members) * size.weights
            return block + 4 * BATCH * size.largest + _values(spec.images) + _arrays(spec)
        case MeasureLikelihood():
            size = unet_size(spec.model.network)
            return size.weights + LIKELIHOOD_BATCH * size.saved
        case MeasureDetection():
            return 18 * _values(spec.real)
        case Extract():
            return EXTRACTOR + 2 * _values(spec.images) + _arrays(spec)
        case FitHead():
            return 3 * 4 * lesson_count(spec) * spec.real[0].network.dimensions + 2 * _arrays(spec)
        case MeasureMemorization():
            return 9 * sum(map(_values, (spec.train, spec.test, spec.fake)))
        case _:
            return 2 * _arrays(spec)


def _arrays(spec: Spec) -> float:
    match spec:
        case TrainDiffusion():
            return unet_size(spec.network).file * (1 + len(spec.snapshots))
        case Snapshot() | LoadDiffusion():
            return unet_size(spec.network).file
        case TrainGan():
            return gan_size(spec.generator, spec.discriminator)[0].file
        case TrainClassifier():
            return len(spec.members) * resnet_size(spec.network, *image_shape(spec)[1:]).file
        case Predict():
            network = spec.classifier.network
            return image_count(spec.images) * (4 * (8 * network.width + network.classes) + 8)
        case Attend():
            return 4 * image_count(spec.images) * math.prod(image_shape(spec.images)[1:])
        case MeasureLikelihood():
            return 16 * image_count(spec.images)
        case MeasureDetection():
            return 8 * image_count(spec.real)
        case Extract():
            return 4 * _values(spec) + 8 * image_count(spec)
        case FitHead():
            asked = image_count(spec.test or spec.real[0])
            return 4 * spec.classes * ((1 + spec.draws) * asked + image_count(spec.validation))
        case MeasureMemorization():
            return 8 * (image_count(spec.fake) + image_count(spec.test))
        case _ if spec.kind in ("fidelity", "frozen-fidelity", "collapse"):
            return 0
        case _:
            return _values(spec) + 8 * image_count(spec)


def _values(images: Spec) -> int:
    return image_count(images) * math.prod(image_shape(images))


@functools.cache
def unet_size(config: UNetConfig) -> Size:
    """Of the denoiser."""
    with torch.device("meta"):
        edm = EDM(EDMConfig.for_images(config, 0.5)).train()
        image = torch.zeros(1, config.channels, config.height, config.width)
        labels = torch.zeros(1, config.label_dim) if config.label_dim else None
        augment = torch.zeros(1, config.augment_dim) if config.augment_dim else None
        return _sizes(edm, lambda: edm.loss(image, labels, torch.ones(1), image, augment).mean())


@functools.cache
def resnet_size(config: ResNetConfig, height: int, width: int) -> Size:
    """Of the classifier."""
    with torch.device("meta"):
        network = ResNet18(config).train()
        images = torch.zeros(2, config.channels, height, width)  # batch normalisation wants two
        both = _sizes(network, lambda: network(images).sum())
    return both._replace(saved=both.saved // 2, largest=both.largest // 2)


@functools.cache
def gan_size(generator: GeneratorConfig, discriminator: DiscriminatorConfig) -> tuple[Size, Size]:
    """Of both networks: their weights alone."""
    with torch.device("meta"):
        return _weights(Generator(generator)), _weights(Discriminator(discriminator))


def _weights(network: nn.Module) -> Size:
    tensors = network.state_dict().values()
    return Size(sum(v.nbytes for v in tensors), len(tensors))


def _sizes(network: nn.Module, loss: Callable[[], torch.Tensor]) -> Size:
    weights, saved, largest = {p.untyped_storage()._cdata for p in network.parameters()}, {}, 0

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage  # held, so that its address is not used again
        return tensor

    def look(module, inputs, output):
        nonlocal largest
        if isinstance(output, torch.Tensor):
            largest = max(largest, output.nbytes)

    hooks = [m.register_forward_hook(look) for m in network.modules()]
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss()
    finally:
        for hook in hooks:
            hook.remove()
    return _weights(network)._replace(saved=sum(s.nbytes() for s in saved.values()), largest=largest)
