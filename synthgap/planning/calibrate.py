"""How fast the present device is, against the cost model: a few seconds of a study's own networks."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from ..base.threads import one_thread
from ..classifier.train import train_classifier
from ..data.imageset import ImageSet
from ..design.arms import Arms
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import LANES, generate
from ..diffusion.solver import Solver
from ..diffusion.train import train_edm
from ..graph.estimate import ARTIFACT_OVERHEAD, RATE, cost, on_gpu, resnet_flop, unet_flop, work_of
from ..graph.specs import (
    MeasureLikelihood,
    Reconstruct,
    SampleGan,
    Spec,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
)
from .footprint import unet_size

STEP = {"cpu": 0.4, "cuda": 600.0}  # core-seconds that a step measured may take by the model; a GPU wants large ones
STEPS, SECONDS = (4, 40), 1.0  # fewest and most steps; what they may take together by the model
WARM = 2  # steps that don't count


@dataclass(frozen=True)
class Ratios:
    """Seconds measured over seconds by the cost model: 2 is a device half as fast as the reference core."""

    device: str
    training: float
    sampling: float
    classifier: float

    def seconds(self, spec: Spec) -> float:
        """What `spec` takes here; kinds that stay on the CPU beside a GPU are taken as on the reference core."""
        if self.device != "cpu" and not on_gpu(spec):
            return cost(spec)
        if isinstance(spec, (TrainDiffusion, TrainGan)):
            ratio = self.training
        elif isinstance(spec, (Synthesize, Reconstruct, SampleGan, MeasureLikelihood)):
            ratio = self.sampling
        else:  # what holds no network is a few percent at most
            ratio = self.classifier
        return ratio * (cost(spec) - ARTIFACT_OVERHEAD) + self.classifier * ARTIFACT_OVERHEAD


def measure(arms: Arms) -> Ratios:
    """Train the denoiser of `arms` for some steps, sample from it, train the classifier: on made-up images, one thread.

    Batches are smaller than the preset's where one of its steps takes seconds.
    """
    with one_thread():
        training, edm = _train(arms.generator(0))
        sampling = _sample(edm, arms)
        return Ratios(arms.device, training, sampling, _classify(arms.classifier(0, 0)))


def _train(spec: TrainDiffusion) -> tuple[float, EDM]:
    each = 3 * unet_flop(spec.network) / RATE
    batch = min(spec.training.batch, _fitting(spec, each))
    steps = _steps(batch * each)
    training = spec.training.model_copy(update={"batch": batch, "images": batch * steps, "checkpoint_images": 10**12})
    wanted = work_of(spec.model_copy(update={"training": training, "snapshots": ()}))
    ticks: list[float] = []
    images = _images(batch, spec.data.shape, spec.data.classes)
    edm = train_edm(
        images, spec.network, training, 0, device=spec.device, progress=lambda *_: ticks.append(time.perf_counter())
    )
    return _each(ticks) / ((wanted.flop / RATE + wanted.overhead) / steps), edm


def _fitting(spec: TrainDiffusion, each: float) -> int:
    """Images of a batch that a step's time and the GPU's memory allow."""
    most = STEP[spec.device] / each
    if spec.device == "cuda":
        most = min(most, 0.5 * torch.cuda.mem_get_info()[0] / unet_size(spec.network).saved)
    return max(1, int(most))


def _sample(edm: EDM, arms: Arms) -> float:
    shape, classes = arms.data["train"].shape, arms.data["train"].classes
    each = unet_flop(edm.config.network) / RATE
    count = max(1, min(LANES, int(STEP[arms.device] / each)))
    solver = Solver(steps=max(2, _steps(count * each) // 2), method="euler")
    labels = _images(count, shape, classes).labels
    names = tuple(map(str, range(classes)))
    generate(edm, labels, 0, classes=names, solver=Solver(steps=1, method="euler"))
    started = time.perf_counter()
    generate(edm, labels, 0, classes=names, solver=solver)
    return (time.perf_counter() - started) / (count * solver.steps * each)


def _classify(spec: TrainClassifier) -> float:
    batch, shape = spec.training.batch, spec.real.shape
    each = 3 * resnet_flop(spec.network, *shape[1:]) / RATE
    if spec.device == "cpu":
        batch = max(2, min(batch, int(STEP["cpu"] / each)))
    steps = _steps(batch * each)
    training = spec.training.model_copy(update={"batch": batch, "epochs": 1})
    small = spec.model_copy(update={"training": training, "epoch_images": batch * steps})
    wanted = work_of(small)
    ticks: list[float] = []
    images = _images(batch, shape, spec.network.classes)
    train_classifier(
        images,
        None,
        spec.network,
        training,
        0,
        epoch_images=small.epoch_images,
        device=spec.device,
        progress=lambda *_: ticks.append(time.perf_counter()),
    )
    return _each(ticks) / ((wanted.flop / RATE + wanted.overhead) / training.steps(small.epoch_images))


def _each(ticks: list[float]) -> float:
    """Seconds a step, the mean over all but the first ones."""
    return (ticks[-1] - ticks[WARM - 1]) / (len(ticks) - WARM)


def _steps(step: float) -> int:
    return max(STEPS[0], min(STEPS[1], int(SECONDS / step)))


def _images(count: int, shape: tuple[int, int, int], classes: int) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return ImageSet(pixels, np.arange(count) % classes, tuple(map(str, range(classes))), "made up")
