"""Names of files that tell of groups: patient12_03.png and patient12_04.png show one patient, if they are alike."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from ..base.names import shown
from .splits import SPLITS, Splits

ENDING = re.compile(r"(\d+|(?<=[\d_\-. ])[^\W\d_]+)$")  # a number, or a word after a number or a mark
MARKS = "_-. ()[]"
SIDE = 8  # pixels a side at which images are compared
LEAST_STEMS = 3  # of two files or more in a class; fewer could not be parted into three splits
MOST = 2_000  # images that are compared; more take over a second
NEARER = 0.1  # the least share by which images of one stem are nearer; inferred
PERMUTATIONS = 199


def name_lines(splits: Splits, below: int) -> list[str]:
    """One warning where files of one name but for its end lie in several splits and are alike; else nothing.

    below : parts of the files' paths that lie above their places within classes, as in `splits.record`.

    A stem is a name without its last number or word ("patient12_" of patient12_03.png), without its last two, or the
    sub-folder of its class folder. Classes count that have `LEAST_STEMS` stems of two files or more: cell0001.png,
    cell0002.png, … have one stem, "cell". Images are compared at 8×8 pixels. Stems are told of where two images of one
    lie nearer to each other than two of one class do, in mean squared distance by a tenth or more, and by more than
    after any of 199 permutations of the names within classes: names that say nothing of the images are told of in less
    than one of 200 sets for each of the three kinds of stems. Of many images 2,000 are compared.
    """
    if any(splits[s].shape != splits.train.shape for s in SPLITS):
        return []
    places = [file.split("/", below)[-1] for s in SPLITS for file in splits.record["members"][s]]
    split = np.repeat(np.arange(len(SPLITS)), [len(splits[s]) for s in SPLITS])
    labels = np.concatenate([splits[s].labels for s in SPLITS])
    for stems in _kinds(places):
        sides = defaultdict(list)
        for stem, side in zip(stems, split.tolist(), strict=True):
            sides[stem].append(side)
        shared = {stem: len(found) for stem, found in sides.items() if len(set(found)) > 1}
        number = np.unique(stems, return_inverse=True)[1]
        several = [of for c in np.unique(labels) if _several(number[of := np.flatnonzero(labels == c)])]
        if not shared or not several:
            continue
        looked = _sample(np.concatenate(several), number)
        values = np.concatenate([_small(splits[s].images[_within(looked, split == n)]) for n, s in enumerate(SPLITS)])
        members = [np.flatnonzero(labels[looked] == c) for c in np.unique(labels[looked])]
        if _alike([values[of] for of in members], [number[looked[of]] for of in members]):
            return [_told(shared)]
    return []


def _told(shared: dict[str, int]) -> str:
    first = max(shared, key=lambda stem: (shared[stem], stem))
    option = "--groups subfolders" if first.endswith("/") else "--groups"
    return (
        "WARNING: file names look as if several images share a patient, part or place "
        f"(e.g. {shown(first)}…: {shared[first]:,} files), and such images are alike; if they do, give {option}, or "
        "test images are no fresh ones"
    )


def _kinds(places: list[str]) -> Iterator[list[str]]:
    """The stems of all files, of one kind after the other."""
    for cut in (1, 2):
        yield [folder + mark + _stem(name, cut) for folder, mark, name in (place.rpartition("/") for place in places)]
    yield [place.split("/")[0] + "/" if "/" in place else "" for place in places]


def _stem(name: str, cut: int) -> str:
    """The name without its ending, and without so many numbers or words at its end."""
    stem = name.rpartition(".")[0] or name
    for _ in range(cut):
        stem = ENDING.sub("", stem.rstrip(MARKS))
    return stem


def _several(number: np.ndarray) -> bool:
    return (np.unique(number, return_counts=True)[1] > 1).sum() >= LEAST_STEMS


def _sample(positions: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Of these positions at most MOST, sorted: stem by stem in a random order, and of each at most a tenth of them."""
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(positions)
    rank = rng.permutation(number.max() + 1)[number[shuffled]]
    order = np.argsort(rank, kind="stable")
    _, starts, sizes = np.unique(rank[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    return np.sort(shuffled[order][place < MOST // 10][:MOST])


def _within(positions: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Places, counted within one part (bool, N; its images lie side by side), of the positions in it."""
    return positions[part[positions]] - part.argmax()


def _small(images: np.ndarray) -> np.ndarray:
    """Means over at most SIDE × SIDE blocks, float64, N × values; of large images not all pixels are looked at."""
    height, width = (max(1, n // (4 * SIDE)) for n in images.shape[2:])
    images = images[:, :, ::height, ::width]
    for axis in (2, 3):
        length = images.shape[axis]
        starts = np.unique(np.arange(SIDE) * length // SIDE)
        sizes = np.diff([*starts, length]).reshape([-1 if a == axis else 1 for a in range(4)])
        images = np.add.reduceat(images, starts, axis=axis, dtype=np.float64) / sizes
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _alike(classes: list[np.ndarray], stems: list[np.ndarray]) -> bool:
    """Are images of one stem nearer than others of their class? classes : values of each class's images, N × values."""
    centred = [values - values.mean(axis=0) for values in classes]
    total = sum(float((values**2).sum()) for values in centred)
    between = _between(centred, stems)
    free = sum(len(of) - 1 for of in stems)
    free_within = sum(len(of) - len(np.unique(of)) for of in stems)
    if total == 0 or free_within == 0 or (total - between) / free_within > (1 - NEARER) * total / free:
        return False
    rng = np.random.default_rng(0)
    return all(_between([rng.permutation(v) for v in centred], stems) < between for _ in range(PERMUTATIONS))


def _between(centred: list[np.ndarray], stems: list[np.ndarray]) -> float:
    """Σ over stems of ‖sum of its images‖² / their number: what of the sum of squares lies between stems."""
    found = 0.0
    for values, of in zip(centred, stems, strict=True):
        order = np.argsort(of, kind="stable")
        _, starts, sizes = np.unique(of[order], return_index=True, return_counts=True)
        found += float(((np.add.reduceat(values[order], starts) ** 2).sum(axis=1) / sizes).sum())
    return found
