"""What a specification costs, in core-seconds of the reference machine (one core of a 2-core AMD EPYC, 2026).

Rates are measured, not derived: small networks spend most of their time outside matrix products. The same model
orders the work, drives the progress bar, and holds each preset to its budget.
"""

from __future__ import annotations

import functools

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..classifier.resnet import ResNet18, ResNetConfig
from ..diffusion.networks import build_network
from ..diffusion.unet import UNetConfig
from .specs import MeasureFidelity, Predict, Reconstruct, Spec, Synthesize, TrainClassifier, TrainDiffusion

UNET_RATE = 75e9  # FLOP/s of the U-Net, forward; forward and backward together reach the same rate
RESNET_RATE = 60e9  # FLOP/s of narrow ResNet-18s
STEP_OVERHEAD = 0.012  # s of an optimiser step that does not shrink with the network
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
        case TrainClassifier():
            batches = (spec.real is not None) + bool(spec.synthetic)
            steps = spec.training.steps(spec.epoch_images)
            size = (spec.real or _source_data(spec.synthetic[0])).shape[1:]
            per_image = 3 * resnet_flop(spec.network, *size) / RESNET_RATE
            return steps * (batches * spec.training.batch * per_image + STEP_OVERHEAD)
        case Predict():
            data = _source_data(spec.images)
            return data.count * resnet_flop(spec.classifier.network, *data.shape[1:]) / RESNET_RATE
        case MeasureFidelity():
            count = _source_data(spec.real.images).count
            return 4 * count**2 * 8 * spec.real.classifier.network.width * 2 / UNET_RATE
        case _:
            return 0.0


def network_evaluations(spec: Synthesize | Reconstruct) -> float:
    """Σ NFE over the images; the mean over the range where each image draws its own t_re."""
    t_re = getattr(spec, "t_re", 100)
    low, high = t_re if isinstance(t_re, tuple) else (t_re, t_re)
    each = [spec.solver.evaluations(t) for t in range(low, high + 1)]
    return spec.data.count * sum(each) / len(each)


def _source_data(images: Spec):
    return getattr(images, "data", images)


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
def resnet_flop(config: ResNetConfig, height: int, width: int) -> float:
    """Floating-point operations of one forward evaluation of one image."""
    with torch.device("meta"):
        network = ResNet18(config).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, config.channels, height, width))
    return float(counter.get_total_flops())
