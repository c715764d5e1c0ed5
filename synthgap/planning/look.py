"""A first look at a user's own photographs, before anything long runs: what is left of them at the generator's size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.disk import write_text
from ..base.errors import UserError
from ..base.files import replacing
from ..base.machine import cores
from ..base.names import shown
from ..base.threads import one_thread
from ..base.words import duration, interval, plain
from ..classifier.head import FOLDS, Features, Lesson, judge
from ..data.decoding import upright_size
from ..data.folder import canvas_size, fit_all
from ..data.sources import own_path
from ..data.splits import spread, stratified_take
from ..data.transform import luminance
from ..design.loading import Design
from ..exhibits.drawing import as_png, image_rows
from ..graph.estimate import extract_seconds
from ..graph.store import Store
from ..metrics.extractors import Extractor, extractor
from ..metrics.scores import probabilities
from ..stats.intervals import PERCENT, SHARE, Estimate, Range, estimate_mean, range_of_difference

NETWORK, SEEN = "efficientnet-lite0", 224  # and the longer side, in pixels, that it sees
SECONDS = 12.0  # in which so many images as all cores can are shown to it, none of them busy otherwise
LEAST, MOST = 200, 1000  # how many these are
FITTED = 0.75  # share of them that is fitted to; by the others a fit's strength is chosen
AT_ONCE = 8  # images that a thread shows to it
OTHERS = 4.0  # seconds for reading, fitting and drawing
DRAWN = 8  # images in the picture
LOOK, PICTURE = "look.json", "look.png"


@dataclass(frozen=True)
class Chosen:
    """Images that are looked at: those that classifiers are fitted to, then those that a fit's strength is chosen by.

    small : as the generator is shown them, uint8 N × C × H × W. files, labels : of the same images, N each.
    classes : their names. groups : number of the group of each that is fitted to; () without groups.
    """

    small: np.ndarray
    files: list[Path]
    labels: np.ndarray
    fitted: int
    classes: tuple[str, ...]
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reached:
    """What linear classifiers reach on the images of a look, with 95% intervals for other images or groups of them.

    pixels : accuracy on pixels at the generator's size, in percent. features : on a frozen network's features at the
    images' own size; None where that network is not installed. areas : under the ROC curve, in [0, 1], of both. gain :
    the second area − the first.
    """

    pixels: Estimate
    features: Estimate | None = None
    areas: tuple[float, float] | None = None
    gain: Estimate | None = None


def first_look(d: Design, store: Store, folder: Path) -> Iterator[str]:
    """Lines that say what the generator's size costs a user's photographs; the first one at once.

    They are kept in `folder`/look.json, with a picture beside it, look.png, and read from there the next time. There
    are none where images are no files in a folder, or no larger than what the generator draws, and none where images
    of another generator are judged at their own size.
    """
    chosen = None if d.given and d.heads else _chosen(d, store)
    if chosen is None:
        return
    size, own = chosen.small.shape[2:], canvas_size([upright_size(path) for path in chosen.files], SEEN)
    if max(own) <= max(size):
        return
    yield f"a first look at what is left of your images at {_extent(size)} pixels:"
    network = _network()
    of = {"images": d.arms.data["train"].fingerprint, "size": size, "look": (len(chosen.files), network is not None)}
    key, before = json.dumps(of), read_look(folder)
    if before is None or before["of"] != key:
        expected = len(chosen.files) * _pace(network) / cores() if network else 0.0
        yield f"  (about {duration(OTHERS + expected)})"
        sharp = fit_all(chosen.files, *own).images
        sharp = luminance(sharp) if chosen.small.shape[1] == 1 else sharp
        before = {"of": key, "size": _extent(size), "lines": _words(d, chosen, sharp, network)}
        _draw(chosen, sharp, folder / PICTURE)
        write_text(folder / LOOK, json.dumps(before, indent=1))
    yield from (f"  {line}" for line in before["lines"])
    yield f"  some of them at both sizes: {folder / PICTURE}"
    yield "  you can stop here, and begin again with another size or judge"


def read_look(folder: Path) -> dict | None:
    """What an earlier look left there: "of" (a text that names it), "size" and "lines"; None where there is none."""
    try:
        told = json.loads((folder / LOOK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(told, dict) and told.keys() >= {"of", "size", "lines"}
    return told if whole and (folder / PICTURE).is_file() else None


def reached(chosen: Chosen, sharp: np.ndarray, network: Extractor | None) -> Reached | None:
    """What linear classifiers reach, each image being asked about with one that was fitted to others.

    sharp : the chosen images at their own size. None where a class, or the groups, are too few for that.
    """
    flat = chosen.small.reshape(len(chosen.small), -1).astype(np.float32) / 255
    try:
        several = [_said(chosen, flat)]
        if network is not None:
            several.append(_said(chosen, _features(network, sharp)))
    except UserError:
        return None
    labels = chosen.labels[: chosen.fitted]
    levels = [_estimate(100.0 * (logits.argmax(axis=1) == labels), chosen.groups, PERCENT) for logits in several]
    if network is None:
        return Reached(levels[0])
    first, second = (area(logits, labels) for logits in several)
    gain = _estimate(second - first, chosen.groups, range_of_difference(SHARE))
    return Reached(*levels, (float(first.mean()), float(second.mean())), gain)


def _estimate(values: np.ndarray, groups: tuple[int, ...], span: Range) -> Estimate:
    """The mean over images, with its interval for other images, or for other groups of them where there are groups.

    A group stands for what its images add to the mean, whose size is its own (Cochran, Sampling Techniques, § 3.12).
    """
    if groups:
        mean, count = values.mean(), max(groups) + 1
        values = mean + count / len(values) * np.bincount(groups, values - mean)
    return estimate_mean(values, span=span)


def area(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The area under the ROC curve, the mean over all classes, as a value for each image, N.

    Their mean is the area, and their spread that of the area for other images: DeLong et al., Biometrics 44 (1988).
    """
    chances, classes = probabilities(logits), np.unique(labels)
    out = np.zeros(len(labels))
    for c in classes:
        mine = labels == c
        inside, outside = chances[mine, c][:, None], chances[~mine, c]
        won = (inside > outside) + 0.5 * (inside == outside)
        out += won.mean()
        out[mine] += (won.mean(axis=1) - won.mean()) / mine.mean()
        out[~mine] += (won.mean(axis=0) - won.mean()) / (1 - mine.mean())
    return out / len(classes)


def _said(chosen: Chosen, features: np.ndarray) -> np.ndarray:
    """Logits of the images that are fitted to, each by a head that was fitted to others: N × classes."""
    n, classes = chosen.fitted, len(chosen.classes)
    fitted, others = Features(features[:n], chosen.labels[:n]), Features(features[n:], chosen.labels[n:])
    parts = min(FOLDS, len(set(chosen.groups))) if chosen.groups else FOLDS
    return judge(Lesson([fitted]), others, None, classes, 0, groups=chosen.groups, folds=parts).logits[0]


def _features(network: Extractor, images: np.ndarray) -> np.ndarray:
    """Features, on all cores."""
    with one_thread(), ThreadPoolExecutor(cores()) as threads:
        return np.concatenate(list(threads.map(network, np.array_split(images, -(-len(images) // AT_ONCE)))))


def _network() -> Extractor | None:
    try:
        return extractor(NETWORK)
    except UserError:
        return None


def _pace(network: Extractor) -> float:
    """Seconds by the clock that it takes for an image now, on one core."""
    some = np.zeros((AT_ONCE, 3, SEEN, SEEN), np.uint8)
    with one_thread():
        network(some)
        started = time.perf_counter()
        network(some)
    return (time.perf_counter() - started) / AT_ONCE


def _count() -> int:
    """How many images are looked at on this machine."""
    return int(np.clip(SECONDS * cores() / extract_seconds(NETWORK), LEAST, MOST))


def _chosen(d: Design, store: Store) -> Chosen | None:
    """The images; None where they are no files in a folder."""
    record = d.arms_record
    kind, _, place = record["source"].partition(":")
    if kind != "folder" or not own_path(place).is_dir():
        return None
    small, files, labels, fitted, groups = [], [], [], 0, []
    for split, share in (("train", FITTED), ("validation", 1 - FITTED)):
        images, most = store.get(d.arms.data[split]), round(share * _count())
        if len(images.classes) > most:
            return None
        taken = stratified_take(images.labels, most, seed=0)
        small.append(images.images[taken])
        labels.append(images.labels[taken])
        files += [own_path(place) / record["members"][split][i] for i in taken]
        if split == "train":
            fitted, groups = len(taken), [record["groups"][split][i] for i in taken] if "groups" in record else []
    if not all(path.is_file() for path in files):
        return None
    numbers = {group: n for n, group in enumerate(dict.fromkeys(groups))}
    together = tuple(numbers[group] for group in groups)
    return Chosen(np.concatenate(small), files, np.concatenate(labels), fitted, images.classes, together)


def _words(d: Design, chosen: Chosen, sharp: np.ndarray, network: Extractor | None) -> list[str]:
    """What the look says, a line each."""
    labels, size, own = chosen.labels[: chosen.fitted], chosen.small.shape[2:], sharp.shape[2:]
    counts = np.bincount(labels)
    largest = shown(chosen.classes[int(counts.argmax())])
    lines = [f"always saying {largest}, the largest class, is right on {counts.max() / len(labels):.0%} of them"]
    found = reached(chosen, sharp, network)
    judged = "" if d.heads else f", --judge features judges real images at {_extent(own)}"
    remedy = f"--image-size {2 * max(size)} keeps more, at up to four times the time{judged}"
    if found is None:
        return [*lines, remedy]
    lines.append(f"a linear classifier on their pixels at {_extent(size)} is right on {_level(found.pixels)}")
    if found.pixels.low <= 100 * counts.max() / len(labels):
        lines[-1] += ", which is not clearly more"
    if found.gain is None:
        return [*lines, remedy]
    lines.append(f"one on features of {NETWORK} at {_extent(own)} is right on {_level(found.features)}")
    first, second = (f"{area:.3f}" for area in found.areas)
    apart = f"the area under the ROC curve is {second} in place of {first}; {interval(found.gain, 3)}"
    if found.gain.side > 0:
        lines.append(
            f"WARNING: the second tells the classes apart better ({apart}): part of that is lost by the size, part for "
            "want of a network that knows other images. What the generator draws holds no more than this size does"
        )
    else:
        lines.append(f"whether the second tells the classes apart better is open ({apart})")
    return [*lines, remedy]


def _level(level: Estimate) -> str:
    return f"{plain(level.mean)}% ({plain(level.low)} to {plain(level.high)})"


def _extent(size: tuple[int, ...]) -> str:
    height, width = size
    return f"{width}×{height}"


def _draw(chosen: Chosen, sharp: np.ndarray, file: Path) -> None:
    """Some images as they are, and below them as the generator is shown them."""
    some = spread(chosen.labels[: chosen.fitted], DRAWN)
    rows = {"yours": sharp[some], _extent(chosen.small.shape[2:]): chosen.small[some]}
    with replacing(file) as temporary:
        temporary.write_bytes(as_png(image_rows(rows))[0])
