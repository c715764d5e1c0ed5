"""What a specification costs, in core-seconds of the reference machine (one core of a 2-core AMD EPYC, 2026).

Rates are measured, not derived: small networks spend most of their time outside matrix products. The same model
orders the work, drives the progress bar, and holds each preset to its budget.
"""

from __future__ import annotations

import functools
import math

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..classifier.resnet import ResNet18, ResNetConfig
from ..diffusion.networks import build_network
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import Discriminator, DiscriminatorConfig
from ..gan.stylegan3 import Generator, GeneratorConfig
from ..metrics.likelihood import EVALUATIONS
from .specs import (
    Attend,
    Bootstrap,
    Data,
    MeasureDetection,
    MeasureFidelity,
    MeasureLikelihood,
    Predict,
    Reconstruct,
    SampleGan,
    Spec,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
    Trim,
)

UNET_RATE = 75e9  # FLOP/s of the U-Net, forward; forward and backward together reach the same rate
RESNET_RATE = 75e9  # FLOP/s of narrow ResNet-18s
STEP_OVERHEAD = 0.012  # s of the U-Net's optimiser step that does not shrink with the network
GAN_OVERHEAD = 0.045  # the same of a GAN's step, which has two of them, and R1 at times
CLASSIFIER_OVERHEAD = 0.0075  # the same of the classifier
POLICY_SECONDS = {"none": 0.0, "flip": 0.0, "RandAugment": 5e-5, "TrivialAugment": 5e-5}  # an image
BACKWARD = 1.25  # of a forward pass, one direction of the likelihood's trace
DETECTOR_SECONDS = {"logistic": 1.5e-6, "cnn": 5e-5, "resnet18": 3e-4}  # a pair and pixel, five folds
BUSY = 1.15  # how much slower each core is while all of them work (measured with two)
ARTIFACT_OVERHEAD = 0.05  # s to read inputs and write one artifact


def cost(spec: Spec) -> float:
    """Core-seconds that `spec` alone takes, its inputs being there."""
    return ARTIFACT_OVERHEAD + _work(spec)


def _work(spec: Spec) -> float:
    match spec:
        case TrainDiffusion():
            per_image = 3 * unet_flop(spec.network) / UNET_RATE  # backward costs twice the forward
            return spec.training.images * per_image + spec.training.steps * STEP_OVERHEAD
        case Synthesize():
            return network_evaluations(spec) * unet_flop(spec.model.network) / UNET_RATE
        case Reconstruct():
            return network_evaluations(spec) * unet_flop(spec.model.network) / UNET_RATE
        case TrainGan():
            generator, discriminator = gan_flop(spec.generator, spec.discriminator)
            # the generator's step: both, forward and back; the discriminator's: the one forward, itself on two batches
            per_image = (4 * generator + 9 * discriminator) / UNET_RATE
            return spec.training.images * per_image + spec.training.steps * GAN_OVERHEAD
        case SampleGan():
            return spec.data.count * gan_flop(spec.model.generator, spec.model.discriminator)[0] / UNET_RATE
        case TrainClassifier():
            batches = (spec.real is not None) + bool(spec.synthetic)
            steps = spec.training.steps(spec.epoch_images)
            size = _source_data(spec.real or spec.synthetic[0]).shape[1:]
            per_image = 3 * resnet_flop(spec.network, *size) / RESNET_RATE + POLICY_SECONDS[spec.training.policy]
            return steps * (batches * spec.training.batch * per_image + CLASSIFIER_OVERHEAD)
        case Predict():
            return _count(spec.images) * _classifier_pass(spec) / RESNET_RATE
        case Attend():
            return 3 * _count(spec.images) * _classifier_pass(spec) / RESNET_RATE
        case MeasureDetection():
            return DETECTOR_SECONDS[spec.detector] * _count(spec.real) * math.prod(_source_data(spec.real).shape)
        case MeasureLikelihood():
            dimensions = math.prod(_source_data(spec.images).shape)
            directions = dimensions if spec.settings.method == "exact" else spec.settings.probes
            passes = EVALUATIONS * spec.settings.steps * (1 + BACKWARD * directions)
            return _count(spec.images) * passes * unet_flop(spec.model.network) / UNET_RATE
        case MeasureFidelity():
            count = _count(spec.real.images)
            return 4 * count**2 * 8 * spec.real.classifier.network.width * 2 / UNET_RATE
        case _:
            return 0.0


def network_evaluations(spec: Synthesize | Reconstruct) -> float:
    """Σ NFE over the images; the mean over the range where each image draws its own t_re."""
    t_re = getattr(spec, "t_re", 100)
    low, high = t_re if isinstance(t_re, tuple) else (t_re, t_re)
    each = [spec.solver.evaluations(t) for t in range(low, high + 1)]
    return spec.data.count * sum(each) / len(each)


def _source_data(images: Spec) -> Data:
    """The real images that `images` are, or are made from."""
    if isinstance(images, (Subset, Trim, Bootstrap)):
        return _source_data(images.images)
    return getattr(images, "data", images)


def _count(images: Spec) -> int:
    count = _source_data(images).count
    if isinstance(images, (Subset, Trim)):
        count = images.count or -(-count // 2)
    return count


def _classifier_pass(spec: Predict | Attend) -> float:
    return resnet_flop(spec.classifier.network, *_source_data(spec.images).shape[1:])


@functools.cache
def unet_flop(config: UNetConfig) -> float:
    """Floating-point operations of one forward evaluation of one image."""
    with torch.device("meta"):
        network = build_network(config)
        x = torch.empty(1, config.channels, config.height, config.width)
        labels = torch.empty(1, config.label_dim) if config.label_dim else None
        with FlopCounterMode(display=False) as counter:
            network(x, torch.empty(1), labels)
    return float(counter.get_total_flops())


@functools.cache
def gan_flop(generator: GeneratorConfig, discriminator: DiscriminatorConfig) -> tuple[float, float]:
    """Floating-point operations of one forward evaluation of one image by either network."""
    with torch.device("meta"):
        networks = Generator(generator).eval(), Discriminator(discriminator).eval()
        labels = torch.empty(1, generator.label_dim) if generator.label_dim else None
        inputs = torch.empty(1, generator.z_dim), torch.empty(1, *networks[0].image_shape)
        counts = []
        for network, x in zip(networks, inputs, strict=True):
            with FlopCounterMode(display=False) as counter:
                network(x, labels)
            counts.append(float(counter.get_total_flops()))
    return counts[0], counts[1]


@functools.cache
def resnet_flop(config: ResNetConfig, height: int, width: int) -> float:
    """Floating-point operations of one forward evaluation of one image."""
    with torch.device("meta"):
        network = ResNet18(config).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, config.channels, height, width))
    return float(counter.get_total_flops())
