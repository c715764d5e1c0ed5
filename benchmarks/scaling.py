"""Does twice the hardware halve the time, and does twice the work double it?

    python benchmarks/scaling.py

Workers: a sweep of classifiers of the preset `quick` through the study's runner, on two workers of one thread and on
one, by the clock, workers started beforehand. The ceiling is what two processes reach that share nothing but the
machine: each trains classifiers by itself, alone and beside the other.

Cost: seconds (of the CPU, one thread) of `generate` for several numbers of images, and of `reconstruct` for several
reverse steps, with the network of `quick` at random weights, and a least-squares line through them. The numbers of
images are multiples of the study's batch, and the reverse steps such that the number of solver steps is whole; a
reverse process of n steps of Heun's method has 2n − 1 evaluations. Reported are the largest distance of a point from
the line, as a share of the line's largest value, and the share of variance that the line explains.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from denoiser import build
from distributed import Client
from measure import Row, alternate, median_ratio, program
from plain_unet import DIGITS
from sweep import predictions, through, warm_workers

from synthgap import ImageSet, Study
from synthgap.classifier.train import train_classifier
from synthgap.diffusion.reconstruct import LANES, generate, reconstruct
from synthgap.diffusion.solver import Solver
from synthgap.graph.specs import TrainClassifier

NEAR = 0.05  # of the largest cost: how far a point may lie off the line


@dataclass(frozen=True)
class Size:
    classifiers: int  # of a round's sweep
    rounds: int  # of the sweep
    images: tuple[int, ...]  # multiples of LANES
    steps: tuple[int, ...]  # reverse steps
    solver_steps: int
    repeats: int  # of the cost
    preset: str = "quick"


USUAL = Size(8, 3, tuple(LANES * k for k in (1, 2, 3, 4, 6)), (10, 20, 30, 40, 50, 60, 70, 80, 90, 100), 10, 3)
QUICK = Size(4, 2, tuple(LANES * k for k in (1, 2, 3)), (20, 40, 60, 80, 100), 5, 2)


def measure(size: Size, device: str = "cpu") -> list[Row]:
    del device  # workers on a GPU share it
    torch.set_num_threads(1)
    return [_workers(size), *_costs(size)]


def _workers(size: Size) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        study = Study("digits", size.preset, folder, device="cpu")
        real, spec = study.store.get(study.arms.data["train"]), study.arms.classifier(0, 0).block
        with warm_workers(1, study) as one, warm_workers(2, study) as two:
            clients, times = {"one": one, "two": two}, {"one": [], "two": []}
            for number in range(2 * size.rounds):
                name = ("one", "two")[number % 2]
                seeds = range(number * size.classifiers, (number + 1) * size.classifiers)
                start = time.perf_counter()
                through(clients[name], predictions(study, seeds, ["real only"]), study.store)
                times[name].append(time.perf_counter() - start)
            ceiling = statistics.median(_apart(two, real, spec) for _ in range(size.rounds))
    return Row(
        f"{size.classifiers} classifiers, two workers against one",
        statistics.median(times["two"]),
        "s",
        statistics.median(times["one"]),
        median_ratio(times["one"], times["two"]),
        least=1.8,
        ceiling=f"{ceiling:.2f}, two processes that share nothing",
    )


def _apart(client: Client, real: ImageSet, spec: TrainClassifier) -> float:
    """How much more two processes do than one: 2 × the time of a training alone / beside another."""
    first, second = client.scheduler_info()["workers"]
    alone = _training(client, real, spec, [first])
    beside = _training(client, real, spec, [first, second])
    return 2 * statistics.mean(alone) / statistics.mean(beside)


def _training(client: Client, real: ImageSet, spec: TrainClassifier, workers: Sequence[str]) -> list[float]:
    """Seconds of one training on each of `workers`, at the same time."""

    def work(real: ImageSet, spec: TrainClassifier) -> float:
        start = time.perf_counter()
        train_classifier(real, None, spec.network, spec.training, 0)
        return time.perf_counter() - start

    futures = [client.submit(work, real, spec, workers=[w], pure=False) for w in workers]
    return client.gather(futures)


def _costs(size: Size) -> list[Row]:
    edm, solver = build(DIGITS), Solver(steps=size.solver_steps)
    classes = tuple("0123456789")
    blank = ImageSet(np.zeros((LANES, *edm.image_shape), dtype=np.uint8), np.arange(LANES) % 10, classes, "blank")
    labels = np.arange(max(size.images)) % 10
    by_images = {n: lambda n=n: generate(edm, labels[:n], 0, solver=solver) for n in size.images}
    by_steps = {t: lambda t=t: reconstruct(edm, blank, t, 0, solver=solver) for t in size.steps}
    return [
        _line(f"cost against N, {min(size.images)} to {max(size.images):,} images", by_images, "image", size.repeats),
        _line(f"cost against t_re, {min(size.steps)} to {max(size.steps)}", by_steps, "step", size.repeats),
    ]


def _line(name: str, works: dict[int, Callable[[], object]], of: str, repeats: int) -> Row:
    """A least-squares line through the medians."""
    next(iter(works.values()))()
    times = alternate(works, repeats)
    x, y = np.array(list(works), dtype=float), np.array([statistics.median(t) for t in times.values()])
    off, explained, slope = fit(x, y)
    said = f"{1e3 * slope:.3g} ms {'an' if of == 'image' else 'a'} {of}; the line explains {100 * explained:.2f}%"
    return Row(f"{name}: farthest from the line", off, "%", None, off, most=NEAR, ceiling=said)


def fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(largest |y − line| over the line's largest value, share of variance explained, slope), by least squares."""
    slope, start = np.polyfit(x, y, 1)
    line = start + slope * x
    explained = 1 - ((y - line) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    return float(np.abs(y - line).max() / line.max()), float(explained), float(slope)


if __name__ == "__main__":
    program(__doc__, measure, (USUAL, QUICK))
