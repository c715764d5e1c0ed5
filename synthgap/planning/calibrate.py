"""How fast the present device is, against the cost model: a few seconds of a study's own networks, or what its store
says of the artifacts that were made a short while ago."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ..base.threads import one_thread
from ..classifier.train import Member, train_block
from ..data.imageset import ImageSet
from ..design.arms import Arms
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import LANES, generate
from ..diffusion.solver import Solver
from ..diffusion.train import train_edm
from ..graph.estimate import (
    ARTIFACT_OVERHEAD,
    BUSY,
    RATE,
    cost,
    extract_seconds,
    image_shape,
    on_gpu,
    resnet_flop,
    unet_flop,
    work_of,
)
from ..graph.run import taken
from ..graph.specification import in_order
from ..graph.specs import (
    Extract,
    FitHead,
    Guided,
    LoadDiffusion,
    MeasureLikelihood,
    Reconstruct,
    SampleGan,
    Spec,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
)
from ..graph.store import Store
from ..metrics.extractors import FEW, extractor
from .footprint import unet_size

SAMPLED = (Synthesize, Reconstruct, Guided, SampleGan, MeasureLikelihood)  # by a denoiser or a GAN
LOOKED_AT = 16  # images that a frozen network is timed on
STEP = {"cpu": 0.4, "cuda": 600.0}  # core-seconds that a step measured may take by the model; a GPU wants large ones
STEPS, SECONDS = (4, 40), 1.0  # fewest and most steps; what they may take together by the model
WARM = 2  # steps that don't count
DRAWN = 0.05  # s that the figure of `draw` takes on the reference core
DRAWINGS = 5
WORTH_MEASURING = 5.0  # core-seconds by the model; measuring takes about as many
RECENT = 3600.0  # s; older artifacts may have been made beside other work, or elsewhere
ENOUGH = 2.0  # s that the recent artifacts of a kind took together; less says little


@dataclass(frozen=True)
class Ratios:
    """Seconds measured over seconds by the cost model: 2 is a device half as fast as the reference core.

    frozen : of a frozen network and what is fitted to its features. pages : of what is neither network nor measurement:
    reading, drawing, writing. crowded : how many times longer all of this takes by the clock, since other processes
    want the cores, too; the ratios before are of a core's own time. kinds : by the clock, of kinds of artifacts that
    were made a short while ago; they go before the others.
    """

    device: str
    training: float = 1.0
    sampling: float = 1.0
    classifier: float = 1.0
    frozen: float = 1.0
    pages: float = 1.0
    crowded: float = 1.0
    kinds: dict[str, float] = field(default_factory=dict)

    @property
    def busy(self) -> float:
        """How much slower each core is while we keep all of them busy; where others do so already, that is measured."""
        return max(1.0, BUSY / self.crowded)

    def seconds(self, spec: Spec) -> float:
        """What `spec` takes here; kinds that stay on the CPU beside a GPU are taken as on the reference core."""
        if spec.kind in self.kinds:
            return self.kinds[spec.kind] * cost(spec)
        if self.device != "cpu" and not on_gpu(spec):
            return self.crowded * cost(spec)
        if isinstance(spec, (TrainDiffusion, TrainGan)):
            ratio = self.training
        elif isinstance(spec, SAMPLED):
            ratio = self.sampling
        elif isinstance(spec, (Extract, FitHead)):
            ratio = self.frozen
        else:  # what holds no network is a few percent at most
            ratio = self.classifier
        own = ratio * (cost(spec) - ARTIFACT_OVERHEAD) + self.classifier * ARTIFACT_OVERHEAD
        return own * (self.crowded if self.device == "cpu" else 1.0)


def measure(arms: Arms, wanted: list[Spec]) -> Ratios:
    """Train the denoiser of `arms` for some steps, sample from it, train the classifier, show a frozen network some
    images: made-up ones, on one thread, and only what `wanted` holds.

    A generator that was trained elsewhere is not trained here either: the ratio of its sampling stands for the GAN's
    training, too. Batches are smaller than the preset's where one of its steps takes seconds.
    """
    found = {}
    with crowd() as crowded, one_thread():
        if any(isinstance(spec, (TrainDiffusion, TrainGan, *SAMPLED)) for spec in wanted):
            found |= _denoiser(arms)
        if any(isinstance(spec, TrainClassifier) for spec in wanted):
            found["classifier"] = _classify(arms.classifier(arms.seeds[0], 0).block)
        if shown := next((spec for spec in wanted if isinstance(spec, Extract)), None):
            found["frozen"] = _show(shown)
        pages = draw()
    return Ratios(arms.device, pages=pages, crowded=crowded[0], **found)


def made_lately(specs: list[Spec], store: Store) -> dict[str, float]:
    """Kind → seconds taken over seconds by the cost model, of those of `specs` that were made within `RECENT`."""
    several = taken(specs, store, RECENT)
    return {kind: real / modelled for kind, (real, modelled) in several.items() if real >= ENOUGH}


def rates(arms: Arms, plan: list[Spec], store: Store) -> Ratios:
    """How fast the artifacts that the store lacks of `plan` are made, and pages.

    Where a study goes on that was interrupted, it keeps its rate; kinds that it has not come to yet are measured, if
    there is enough of them.
    """
    every = in_order(plan)
    kinds = made_lately(every, store)
    unknown = [spec for spec in store.missing(plan) if spec.kind not in kinds]
    if sum(map(cost, unknown)) < WORTH_MEASURING:
        with crowd() as crowded:
            pages = draw()
        return Ratios(arms.device, pages=pages, crowded=crowded[0], kinds=kinds)
    return replace(measure(arms, unknown), kinds=kinds)


def draw() -> float:
    """Draw a figure of many lines some times: seconds over those of the reference core."""
    from matplotlib.figure import Figure  # slow to import

    def once() -> None:
        figure = Figure(figsize=(6, 3))
        for axes in figure.subplots(1, 3).flat:
            axes.plot(np.arange(20.0), label="a line")
            axes.legend()
        figure.savefig(io.BytesIO(), format="png")

    once()
    started = time.process_time()
    for _ in range(DRAWINGS):
        once()
    return (time.process_time() - started) / (DRAWINGS * DRAWN)


@contextmanager
def crowd() -> Iterator[list[float]]:
    """While the block works on one thread, look how much of a core it gets beside what else runs.

    Afterwards the list holds the seconds by the clock for each of the core's own, at least 1.
    """
    found: list[float] = []
    started, own = time.perf_counter(), time.process_time()
    yield found
    own, passed = time.process_time() - own, time.perf_counter() - started
    found.append(max(1.0, passed / max(own, 1e-9)))


def _denoiser(arms: Arms) -> dict[str, float]:
    generator = arms.generator(0)
    if isinstance(generator, LoadDiffusion):
        sampling = _sample(EDM(generator.config).eval().to(arms.device), arms)
        return {"training": sampling, "sampling": sampling}
    training, edm = _train(generator)
    return {"training": training, "sampling": _sample(edm, arms)}


def _train(spec: TrainDiffusion) -> tuple[float, EDM]:
    each = 3 * unet_flop(spec.network) / RATE
    batch = min(spec.training.batch, _fitting(spec, each))
    steps = _steps(batch * each)
    training = spec.training.model_copy(update={"batch": batch, "images": batch * steps, "checkpoint_images": 10**12})
    wanted = work_of(spec.model_copy(update={"training": training, "snapshots": ()}))
    ticks, clock = [], _clock(spec.device)
    images = _images(batch, spec.data.shape, spec.data.classes)
    edm = train_edm(images, spec.network, training, 0, device=spec.device, progress=lambda *_: ticks.append(clock()))
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
    clock = _clock(arms.device)
    started = clock()
    generate(edm, labels, 0, classes=names, solver=solver)
    return (clock() - started) / (count * solver.steps * each)


def _classify(spec: TrainClassifier) -> float:
    batch, shape = spec.training.batch, image_shape(spec)
    each = 3 * resnet_flop(spec.network, *shape[1:]) * len(spec.members) / RATE
    if spec.device == "cpu":
        batch = max(2, min(batch, int(STEP["cpu"] / each)))
    steps = _steps(batch * each)
    training = spec.training.model_copy(update={"batch": batch, "epochs": 1})
    small = spec.model_copy(update={"training": training, "epoch_images": batch * steps})
    wanted = work_of(small)
    ticks, clock = [], _clock(spec.device)
    images = _images(batch, shape, spec.network.classes)
    train_block(
        [Member(images, None, one.seed) for one in spec.members],
        spec.network,
        training,
        epoch_images=small.epoch_images,
        device=spec.device,
        progress=lambda *_: ticks.append(clock()),
    )
    return _each(ticks) / ((wanted.flop / RATE + wanted.overhead) / training.steps(small.epoch_images))


def _show(spec: Extract) -> float:
    network, clock = extractor(spec.network.extractor, weights=spec.weights, device=spec.device), _clock(spec.device)
    made_up = _images(LOOKED_AT, image_shape(spec.images), 1).images
    network(made_up[:FEW])
    started = clock()
    network(made_up)
    return (clock() - started) / (LOOKED_AT * extract_seconds(spec.network.extractor))


def _clock(device: str) -> Callable[[], float]:
    """The core's own time, which a busy machine disturbs less; beside a GPU the clock on the wall."""
    return time.process_time if device == "cpu" else time.perf_counter


def _each(ticks: list[float]) -> float:
    """Seconds a step, the mean over all but the first ones."""
    return (ticks[-1] - ticks[WARM - 1]) / (len(ticks) - WARM)


def _steps(step: float) -> int:
    return max(STEPS[0], min(STEPS[1], int(SECONDS / step)))


def _images(count: int, shape: tuple[int, int, int], classes: int) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    return ImageSet(pixels, np.arange(count) % classes, tuple(map(str, range(classes))), "made up")
