"""Training images a second of the study's classifier sweep, against the loop that a reader would write.

    python benchmarks/sweep.py

The sweep: classifiers of the preset `quick` on 500 digits, in two arms (real images; real images and a second batch of
them) and with several seeds, through the study's runner as `synthgap run` uses it: one single-threaded worker a core,
artifacts written to the store, accuracies on the test images. The workers are started, and have trained once, before
the clock runs.

The baseline trains the same networks, by the same recipe and for as many steps, one after the other in one process with
PyTorch's default threads, or one where that is faster: `DataLoader`, torchvision's transforms image by image, float32,
NCHW. Rounds have seeds of their own, and accuracies are of all of them. The last rows are of one thread against one, by
the CPU's time: of ours against the loop, and of several seeds as one network against one after the other.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from distributed import Client
from measure import Row, alternate, median_ratio, program, seconds
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from synthgap import ImageSet, Study
from synthgap.classifier.resnet import ResNet18
from synthgap.classifier.train import Member, train_block, train_classifier
from synthgap.graph import cluster
from synthgap.graph.estimate import image_shape, step_images
from synthgap.graph.run import longest_chain
from synthgap.graph.specs import OneClassifier, Predict
from synthgap.graph.store import Store
from synthgap.stats.intervals import estimate_mean, paired_difference

ARMS = ("real only", "0")  # "0": real images beside a second batch of them
WARM = 10_000  # seeds of what is trained before the clock runs
STEPS = 100  # of the bare step that is timed
TOGETHER = ((8, 1.4), (16, None))  # widths whose seeds are trained together, and the least that it has to gain
MEMBERS, EPOCHS = 4, 4  # of such a block


@dataclass(frozen=True)
class Size:
    seeds: int  # of each round
    rounds: int
    alone: int  # rounds of one thread against one
    preset: str = "quick"
    workers: int = 2


USUAL, QUICK = Size(4, 3, 5), Size(2, 2, 3)


class Pictures(Dataset):
    """An ImageSet as torchvision's data sets are: a PIL image through the transforms, and its label."""

    def __init__(self, images: ImageSet, mean: float, std: float, train: bool):
        self.images = images
        side = images.shape[1]
        steps: list = []
        if train and "crop" in images.augment:
            steps.append(transforms.RandomCrop(side, padding=max(1, side // 8)))
        if train and "flip" in images.augment:
            steps.append(transforms.RandomHorizontalFlip())
        channels = images.shape[0]
        steps += [transforms.ToTensor(), transforms.Normalize([mean] * channels, [std] * channels)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self.images.images[index].transpose(1, 2, 0)
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        return self.transform(picture), int(self.images.labels[index])


def plain_training(
    real: ImageSet, second: ImageSet | None, spec: OneClassifier, device: str = "cpu"
) -> tuple[nn.Module, int, transforms.Compose]:
    """(network in eval mode, images it was trained on, the test images' transforms) by the straightforward loop."""
    torch.manual_seed(spec.own.seed)
    recipe = spec.block.training
    mean, std = float(real.images.mean() / 255), float(real.images.std() / 255)
    sets = [Pictures(s, mean, std, train=True) for s in (real, second) if s is not None]
    loaders = [DataLoader(s, batch_size=recipe.batch, shuffle=True) for s in sets]
    model = ResNet18(spec.network).to(device)
    sgd = torch.optim.SGD(
        model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    steps, seen = recipe.steps(len(real)), 0
    schedule = torch.optim.lr_scheduler.LambdaLR(sgd, lambda k: recipe.rate_at(k, steps) / recipe.learning_rate)
    for _ in range(recipe.epochs):
        for batches in zip(*loaders, strict=True):
            images = torch.cat([b[0] for b in batches]).to(device)
            labels = torch.cat([b[1] for b in batches]).to(device)
            sgd.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            sgd.step()
            schedule.step()
            seen += len(images)
    return model.eval(), seen, Pictures(real, mean, std, train=False).transform


@torch.no_grad()
def plain_accuracy(model: nn.Module, transform: transforms.Compose, test: ImageSet, device: str = "cpu") -> float:
    pictures = Pictures(test, 0.0, 1.0, train=False)
    pictures.transform = transform
    right = 0
    for images, labels in DataLoader(pictures, batch_size=500):
        right += int((model(images.to(device)).argmax(1).cpu() == labels).sum())
    return right / len(test)


def cores() -> int:
    """PyTorch's default number of threads, whatever the environment says."""
    return len(os.sched_getaffinity(0))


def trained_images(spec: OneClassifier) -> int:
    """Images in all batches of a classifier's training."""
    return spec.block.training.steps(spec.block.epoch_images) * step_images(spec.block)


def predictions(study: Study, seeds: Sequence[int], arms: Sequence[str] = ARMS, **training: int) -> list[Predict]:
    """The arms of every seed on the test images; `training` changes their recipe."""
    together, found = replace(study.arms, seeds=tuple(seeds)), []
    for spec in (together.arm(arm, 1, seed) for seed in seeds for arm in arms):
        recipe = spec.block.training.model_copy(update=training)
        block = spec.block.model_copy(update={"training": recipe})
        found.append(study.arms.test(spec.model_copy(update={"block": block})))
    return found


def through(client: Client, specs: Sequence[Predict], store: Store) -> None:
    """Compute `specs` as `synthgap run` does, on workers that are there already."""
    missing = store.missing(list(specs))
    futures = cluster.submit_all(client, missing, store.root, longest_chain(missing))
    cluster.gather(futures, lambda spec: None, lambda: None)


@contextmanager
def warm_workers(count: int, study: Study) -> Iterator[Client]:
    """Workers of this machine that have loaded everything and trained once."""
    with cluster.local(count) as client:
        client.wait_for_workers(count)
        through(client, predictions(study, range(WARM, WARM + 2 * count), epochs=1), study.store)
        yield client


def measure(size: Size, device: str = "cpu") -> list[Row]:
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        study = Study("digits", size.preset, folder, device=device)
        try:
            blocks = [_together(study, size, device, *sizes) for sizes in TOGETHER]
            return [*_sweep(study, size, device), _alone(study, size, device), *blocks]
        finally:
            torch.set_num_threads(threads)


def _sweep(study: Study, size: Size, device: str) -> list[Row]:
    """The sweep on all cores against the loop with as many threads, and what the two reach on the test images."""
    threads, workers = _faster(study, device), size.workers if device == "cpu" else 1
    torch.set_num_threads(threads)
    speeds, reached = {"ours": [], "baseline": []}, {"ours": [], "baseline": []}
    with warm_workers(workers, study) as client:
        for number in range(size.rounds):
            specs = predictions(study, range(number * size.seeds, (number + 1) * size.seeds))
            start = time.perf_counter()
            through(client, specs, study.store)
            took = time.perf_counter() - start
            speeds["ours"].append(sum(trained_images(s.classifier) for s in specs) / took)
            reached["ours"] += [study.store.get(s).accuracy for s in specs]
            start = time.perf_counter()
            images, accuracies = _one_after_the_other(study, specs, device)
            speeds["baseline"].append(images / (time.perf_counter() - start))
            reached["baseline"] += accuracies
    ours, baseline = (statistics.median(each) for each in speeds.values())
    ratio = median_ratio(*speeds.values())
    name = " against ".join(f"{n} {w}{'s' * (n > 1)}" for n, w in ((workers, "worker"), (threads, "thread")))
    rows = [Row(f"classifier sweep, {name}", ours, "images/s", baseline, ratio, least=2.0)]
    for place, arm in enumerate(ARMS):
        rows.append(_accuracies(arm, *(np.array(each[place :: len(ARMS)]) for each in reached.values())))
    return rows


def _faster(study: Study, device: str) -> int:
    """The number of threads, PyTorch's default or one, with which the loop is faster here."""
    real, spec = study.store.get(study.arms.data["train"]), study.arms.arm(ARMS[0], 1, WARM)
    recipe = spec.block.training.model_copy(update={"epochs": 2})
    short = spec.model_copy(update={"block": spec.block.model_copy(update={"training": recipe})})
    took = {}
    for threads in {cores(), 1}:
        torch.set_num_threads(threads)
        took[threads] = seconds(lambda: plain_training(real, None, short, device), device, wall=True)
    return min(took, key=took.get)


def _one_after_the_other(study: Study, specs: list[Predict], device: str) -> tuple[int, list[float]]:
    """(images trained on, accuracies) of the loop."""
    real, test = (study.store.get(study.arms.data[split]) for split in ("train", "test"))
    images, accuracies = 0, []
    for spec in specs:
        second = real if spec.classifier.own.synthetic else None
        model, seen, transform = plain_training(real, second, spec.classifier, device)
        accuracies.append(plain_accuracy(model, transform, test, device))
        images += seen
    return images, accuracies


def _accuracies(arm: str, ours: np.ndarray, baseline: np.ndarray) -> Row:
    """Equal where the 95% interval of the mean difference over seeds holds 0: then `ratio`, |difference| over the
    interval's half-width, is at most 1."""
    difference = paired_difference(ours, baseline)
    each = [f"{100 * e.mean:.1f} ± {100 * e.half_width:.1f}" for e in map(estimate_mean, (ours, baseline))]
    said = f"{len(ours)} seeds: {each[0]} and {each[1]}; difference {100 * difference.mean:+.1f} ± "
    said += f"{100 * difference.half_width:.1f}"
    ratio = abs(difference.mean) / difference.half_width if difference.half_width > 0 else 0.0
    name = "real images" if arm == "real only" else "real images, two batches a step"
    return Row(f"its accuracy, {name}", ours.mean(), "%", baseline.mean(), ratio, most=1.0, ceiling=said)


def _alone(study: Study, size: Size, device: str) -> Row:
    """One thread against one, training only, by the CPU's time; the ceiling is the step on a batch that lies ready."""
    torch.set_num_threads(1)
    real, spec = study.store.get(study.arms.data["train"]), study.arms.arm(ARMS[0], 1, 0)
    trained = trained_images(spec)
    seen = plain_training(real, None, spec, device)[1]

    def ours() -> None:
        options = {"epoch_images": spec.block.epoch_images, "device": device}
        train_classifier(real, None, spec.network, spec.block.training, spec.own.seed, **options)

    works = {"ours": ours, "baseline": lambda: plain_training(real, None, spec, device)}
    times = alternate(works | {"step": bare_steps(spec, device)}, size.alone, device)
    speed, plain = trained / statistics.median(times["ours"]), seen / statistics.median(times["baseline"])
    bare = STEPS * spec.block.training.batch / statistics.median(times["step"])
    ratio = median_ratio(times["baseline"], times["ours"]) * trained / seen
    ceiling = f"{speed / bare:.0%} of the step on a batch that lies ready, {bare:,.0f}"
    return Row("classifier, one thread against one", speed, "images/s", plain, ratio, ceiling=ceiling)


def _together(study: Study, size: Size, device: str, width: int, least: float | None) -> Row:
    """Seeds trained as one network against the same seeds one after the other: images of a seed a second."""
    torch.set_num_threads(1)
    real, spec = study.store.get(study.arms.data["train"]), study.arms.arm(ARMS[0], 1, 0)
    network = spec.network.model_copy(update={"width": width})
    training = spec.block.training.model_copy(update={"epochs": EPOCHS})
    members = [Member(real, None, seed) for seed in range(MEMBERS)]
    works = {
        "ours": lambda: train_block(members, network, training, device=device),
        "baseline": lambda: [train_block([member], network, training, device=device) for member in members],
    }
    times = alternate(works, size.alone, device)
    trained = MEMBERS * training.steps(len(real)) * training.batch
    ours, baseline = (trained / statistics.median(each) for each in times.values())
    name = f"classifier of width {width}, {MEMBERS} seeds as one network against one by one"
    return Row(name, ours, "images/s", baseline, median_ratio(times["baseline"], times["ours"]), least=least)


def bare_steps(spec: OneClassifier, device: str) -> Callable[[], None]:
    """Work: `STEPS` optimiser steps of the classifier on one standardised batch."""
    channels, height, width = image_shape(spec.block)
    model = ResNet18(spec.network).to(device, memory_format=torch.channels_last)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
    images = torch.randn(spec.block.training.batch, channels, height, width).to(
        device, memory_format=torch.channels_last
    )
    labels = (torch.arange(len(images)) % spec.network.classes).to(device)

    def work() -> None:
        for _ in range(STEPS):
            loss = F.cross_entropy(model(images), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()

    work()
    return work


if __name__ == "__main__":
    program(__doc__, measure, (USUAL, QUICK))
