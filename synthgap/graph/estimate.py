"""What a specification costs, in core-seconds of the reference machine (one core of a 2-core AMD EPYC, 2026).

Rates are measured, not derived: small networks spend most of their time outside matrix products. The same model
orders the work, drives the progress bar, and holds each preset to its budget.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..classifier.head import FOLDS, STRENGTHS
from ..classifier.resnet import ResNet18, ResNetConfig
from ..diffusion.networks import build_network
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import Discriminator, DiscriminatorConfig
from ..gan.stylegan3 import Generator, GeneratorConfig
from ..metrics.backbones import flop
from ..metrics.detectors import BATCH
from ..metrics.likelihood import EVALUATIONS
from .specs import (
    Attend,
    Bootstrap,
    Data,
    Extract,
    FitHead,
    Guided,
    MeasureDetection,
    MeasureFidelity,
    MeasureFrozen,
    MeasureLikelihood,
    Predict,
    Reconstruct,
    SampleGan,
    Selected,
    Spec,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
    Trim,
)

RATE = 75e9  # FLOP/s of the U-Net, forward; forward and backward together, and narrow ResNet-18s, reach the same rate
STEP_OVERHEAD = 0.012  # s of the U-Net's optimiser step that does not shrink with the network
GAN_OVERHEAD = 0.045  # the same of a GAN's step, which has two of them, and R1 at times
CLASSIFIER_OVERHEAD = 0.0075  # the same of a block of classifiers: its step has it once (measured at width 8)
POLICY_SECONDS = {"none": 0.0, "flip": 0.0, "turns": 2e-5, "RandAugment": 5e-5, "TrivialAugment": 5e-5}  # an image
EXTRACT_SECONDS = {"efficientnet-lite0": 0.03, "inception": 0.25, "pixels": 2e-4}  # an image
SQUARE_ROOT = 60  # FLOP of a matrix square root, over its side cubed; inferred
HEAD_SECONDS = 1.5e-8  # of fitting one to a feature of one image, for two classes
BACKWARD = 1.25  # of a forward pass, one direction of the likelihood's trace
DETECTOR_FOLDS, DETECTOR_EPOCHS, DETECTOR_BATCH = 5, 20, BATCH  # of at most 50 epochs; the number is inferred
DETECTOR_SHARE = 3 / 5  # of the pairs are trained on in each fold; others stop the training, and others are asked about
DETECTOR_OVERHEAD = 0.003  # s of a step of a detector's network that does not shrink with it; inferred
DETECTOR_SECONDS = {"logistic": 1.5e-6, "cnn": 5e-5, "resnet18": 3e-4}  # a pair and pixel, five folds
BUSY = 1.15  # how much slower each core is while all of them work (measured with two)
ARTIFACT_OVERHEAD = 0.05  # s to read inputs and write one artifact


class Work(NamedTuple):
    """What computing one specification takes.

    evaluations : images through a network; a training's step counts each image once, though it also goes back.
    flop : floating-point operations in networks and matrix products.
    overhead : core-seconds of the reference machine that don't shrink with the networks, or aren't in any.
    """

    evaluations: float = 0.0
    flop: float = 0.0
    overhead: float = 0.0


def cost(spec: Spec) -> float:
    """Core-seconds that `spec` alone takes, its inputs being there."""
    work = work_of(spec)
    return ARTIFACT_OVERHEAD + work.flop / RATE + work.overhead


def work_of(spec: Spec) -> Work:
    """What computing `spec` takes, its inputs being there."""
    match spec:
        case TrainDiffusion():
            images = spec.training.images
            flop = 3 * images * unet_flop(spec.network)  # backward costs twice the forward
            return Work(images, flop, spec.training.steps * STEP_OVERHEAD)
        case Synthesize() | Reconstruct():
            evaluations = network_evaluations(spec)
            return Work(evaluations, evaluations * unet_flop(spec.model.network))
        case Guided():
            evaluations = network_evaluations(spec)
            beside = 0.0  # what each evaluation costs beyond the generator's own
            if spec.method in ("weaker", "untold"):
                beside = unet_flop((spec.weaker or spec.model).network)
            elif spec.classifier is not None:
                beside = 3 * resnet_flop(spec.classifier.network, *image_shape(spec)[1:])
            return Work(evaluations, evaluations * (unet_flop(spec.model.network) + beside))
        case Selected():
            count = len(spec.judges) * sum(map(image_count, spec.draws))
            return Work(count, count * resnet_flop(spec.judges[0].network, *image_shape(spec)[1:]))
        case TrainGan():
            generator, discriminator = gan_flop(spec.generator, spec.discriminator)
            images = spec.training.images
            # the generator's step: both, forward and back; the discriminator's: the one forward, itself on two batches
            flop = images * (4 * generator + 9 * discriminator)
            return Work(5 * images, flop, spec.training.steps * GAN_OVERHEAD)
        case SampleGan():
            return Work(spec.data.count, spec.data.count * gan_flop(spec.model.generator, spec.model.discriminator)[0])
        case TrainClassifier():
            steps = spec.training.steps(spec.epoch_images)
            images = steps * step_images(spec) * len(spec.members)
            flop = 3 * images * resnet_flop(spec.network, *image_shape(spec)[1:])
            return Work(images, flop, images * POLICY_SECONDS[spec.training.policy] + steps * CLASSIFIER_OVERHEAD)
        case Predict():
            count = image_count(spec.images)
            return Work(count, count * _classifier_pass(spec))
        case Attend():
            count = image_count(spec.images)
            return Work(count, 3 * count * _classifier_pass(spec))
        case _:
            return _measuring(spec)


def _measuring(spec: Spec) -> Work:
    """The same of what looks at images or features without training a network on them."""
    match spec:
        case MeasureDetection():
            return _detecting(spec)
        case Extract():
            count = image_count(spec.images)
            return Work(count, count * extract_seconds(spec.network.extractor) * RATE)
        case FitHead():
            parts = FOLDS if spec.test is None else 1
            values = lesson_count(spec) * spec.real[0].network.dimensions * max(1, spec.classes / 3)
            return Work(overhead=(len(STRENGTHS) + parts * (1 + spec.draws)) * values * HEAD_SECONDS)
        case MeasureLikelihood():
            dimensions = math.prod(image_shape(spec.images))
            directions = dimensions if spec.settings.method == "exact" else spec.settings.probes
            evaluations = image_count(spec.images) * EVALUATIONS * spec.settings.steps
            return Work(evaluations, evaluations * (1 + BACKWARD * directions) * unet_flop(spec.model.network))
        case MeasureFrozen():
            count, dimensions = image_count(spec.real), spec.real.network.dimensions
            return Work(flop=4 * count**2 * dimensions + SQUARE_ROOT * dimensions**3)
        case MeasureFidelity():
            count = image_count(spec.real.images)
            return Work(flop=4 * count**2 * 8 * spec.real.classifier.network.width * 2)
        case _:
            return Work()


def _detecting(spec: MeasureDetection) -> Work:
    """The detector's seconds by the pixel; those of a network are divided into its steps and what shrinks with it."""
    count = image_count(spec.real)
    seconds = DETECTOR_SECONDS[spec.detector] * count * math.prod(image_shape(spec.real))
    if spec.detector == "logistic":
        return Work(overhead=seconds)
    images = 2 * count * DETECTOR_SHARE * DETECTOR_FOLDS * DETECTOR_EPOCHS
    steps = images / DETECTOR_BATCH
    overhead = min(seconds, steps * DETECTOR_OVERHEAD)
    return Work(images, (seconds - overhead) * RATE, overhead)


def on_gpu(spec: Spec) -> bool:
    """Does `spec` work on the study's device? What has none, and the logistic detector, stays on one core."""
    return hasattr(spec, "device") and getattr(spec, "detector", None) != "logistic"


def extract_seconds(name: str) -> float:
    """Core-seconds of the reference machine that a frozen network takes for an image."""
    return EXTRACT_SECONDS.get(name) or flop(name) / RATE


def network_evaluations(spec: Synthesize | Reconstruct | Guided) -> float:
    """Σ NFE over the images; the mean over the range where each image draws its own t_re."""
    t_re = getattr(spec, "t_re", 100)
    low, high = t_re if isinstance(t_re, tuple) else (t_re, t_re)
    each = [spec.solver.evaluations(t) for t in range(low, high + 1)]
    return spec.data.count * sum(each) / len(each)


def step_images(spec: TrainClassifier) -> int:
    """Images that a step takes for each member: a batch of each kind."""
    first = spec.members[0]
    return spec.training.batch * ((first.real is not None) + bool(first.synthetic))


def _source_data(images: Spec) -> Data:
    """The real images that `images` are, or are made from; of a classifier, those that its size is for."""
    if isinstance(images, TrainClassifier):
        first = images.members[0]
        return _source_data(first.real or first.synthetic[0])
    if isinstance(images, (Subset, Trim, Bootstrap, Extract)):
        return _source_data(images.images)
    return getattr(images, "data", images)


def image_shape(images: Spec) -> tuple[int, int, int]:
    """(C, H, W) of a set of images, or of those that a classifier is for; of features (D, 1, 1)."""
    return (images.network.dimensions, 1, 1) if isinstance(images, Extract) else _source_data(images).shape


def lesson_count(spec: FitHead) -> int:
    """How many sets of features a head is fitted to."""
    real = spec.count or image_count(spec.real[0])
    synthetic = spec.drawn or sum(map(image_count, spec.synthetic))
    return len(spec.real) * real * spec.beside + synthetic


def image_count(images: Spec) -> int:
    """How many images a set, or a set of features, holds; of those chosen by their labels, the most there can be."""
    if isinstance(images, Extract):
        return image_count(images.images)
    count = _source_data(images).count
    if isinstance(images, Selected) and images.rule == "agreeing":
        count *= len(images.draws)
    if isinstance(images, (Subset, Trim)):
        count = images.count or -(-count // 2)
    return count


def _classifier_pass(spec: Predict | Attend) -> float:
    return resnet_flop(spec.classifier.network, *image_shape(spec.images)[1:])


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
