"""One picture in several places: files of equal bytes, equal images, and images scaled or encoded anew."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.fft import dctn

from ..base.errors import UserError
from ..base.files import file_sha256
from ..base.names import shown
from .splits import SPLITS, Splits
from .transform import LUMA

COMPARED = 12  # lowest frequencies a side that are compared, whatever the size: finer noise is of the encoding
PLAIN = 3  # lowest frequencies a side that are no detail: brightness, slope and curvature, which skies share
FLAT = 2.0  # grey levels of detail (RMS) below which nothing can be told
BLOCK = 512  # images compared with all others at once
MOST, MOST_PIXELS = 20_000, 2**26  # that are compared: more take over ten seconds


def repeated_files(paths: list[Path]) -> list[list[int]]:
    """Positions of the files that have identical bytes, one group a content, in order.

    Only files that share their size with another one are read. Raises UserError for one that can't be.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    by_bytes: dict[str, list[int]] = defaultdict(list)
    try:
        for i, path in enumerate(paths):
            by_size[path.stat().st_size].append(i)
        for i in (i for group in by_size.values() if len(group) > 1 for i in group):
            path = paths[i]
            by_bytes[file_sha256(path)].append(i)
    except OSError as error:
        raise UserError(f"{shown(str(path))} can't be read ({error.strerror}); replace or remove it") from error
    return sorted(group for group in by_bytes.values() if len(group) > 1)


def shared_images(splits: Splits) -> dict[tuple[str, str], int]:
    """{(split, later split): images of the later one that are pixel for pixel in the earlier one}.

    Images are compared in the form in which the study uses them, whatever their class. Pairs that share none
    are left out.
    """
    digests = {s: [(splits[s].shape, hashlib.sha256(image).digest()) for image in splits[s].images] for s in SPLITS}
    known = {s: set(d) for s, d in digests.items()}
    shared = {(a, b): sum(d in known[a] for d in digests[b]) for a, b in combinations(SPLITS, 2)}
    return {pair: n for pair, n in shared.items() if n}


def near_pairs(images: np.ndarray) -> np.ndarray:
    """Pairs of images that show the same picture, scaled or encoded anew: int array P × 2, the first before the second.

    images : uint8, N × C × H × W. Their COMPARED × COMPARED lowest frequencies are compared (cosine transform, as in
        the perceptual hash pHash), channels weighted as in luminance. Two are a pair where the RMS of the difference
        is within `_tolerance` of the RMS detail of the plainer one; detail is what lies above the PLAIN × PLAIN lowest
        frequencies, and FLAT grey levels or more. Pixel for pixel equal images are pairs, too; turned or mirrored
        ones are not found.

    Measured: no pair among the 1,797 digits, the 5,000 MNIST digits (at 28 × 28 and at 14 × 14), 2,000 slopes with
    noise; all copies at half or twice the size, or as JPEG of quality 75, of pieces of photographs that are not plain,
    compared at 8 to 64 pixels.
    """
    if len(images) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    low = np.concatenate([_low_frequencies(images[i : i + BLOCK]) for i in range(0, len(images), BLOCK)])
    weights = np.sqrt(LUMA if images.shape[1] == 3 else (1.0,), dtype=np.float32)
    above = np.einsum("c,nchw->nhw", weights**2, low)
    above[:, :PLAIN, :PLAIN] = 0
    most = _tolerance(np.sqrt((above**2).sum(axis=(1, 2))))
    low = (low * weights[:, None, None]).reshape(len(low), -1)
    low -= low.mean(axis=0)  # shorter vectors leave less to cancel
    lengths = (low**2).sum(axis=1)
    found = []
    for start in range(0, len(low), BLOCK):
        stop = start + BLOCK
        distances = lengths[start:stop, None] + lengths[None, start:] - 2 * low[start:stop] @ low[start:].T
        pairs = np.argwhere(distances <= np.minimum(most[start:stop, None], most[None, start:])) + start
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(found)


def _low_frequencies(images: np.ndarray) -> np.ndarray:
    """Float32, N × C × up to COMPARED × up to COMPARED, the squares of which sum to the mean square of the pixels."""
    waves = dctn(images.astype(np.float32), axes=(2, 3), norm="ortho")[:, :, :COMPARED, :COMPARED]
    return waves / math.sqrt(math.prod(images.shape[2:]))


def _tolerance(detail: np.ndarray) -> np.ndarray:
    """The largest mean squared difference from a copy, of the RMS detail (grey levels); −∞ where there is too little.

    Scaling and encoding anew cost 1 to 4 grey levels, a little more where there is much detail; they stay well below
    the detail itself.
    """
    return np.where(detail >= FLAT, np.minimum(0.25 * detail, 3 + 0.05 * detail) ** 2, -np.inf)


@dataclass(frozen=True)
class Twins:
    """Pictures that occur again, not pixel for pixel, in another split or under another label.

    across_splits : (split, later split) → images of the later one with a twin, and none pixel for pixel, in the
        earlier one.
    across_classes : images that have a twin of another class.
    first : two members for each pair of splits in `across_splits`, and for "classes", as the splits' record names them.
    skipped : images that were not compared, where they are more than MOST or their pixels more than MOST_PIXELS.
    """

    across_splits: dict[tuple[str, str], int]
    across_classes: int
    first: dict[str | tuple[str, str], tuple[str, str]]
    skipped: int


def twins(splits: Splits) -> Twins:
    """Search all splits for near-duplicates; see `near_pairs`."""
    if len({splits[s].shape for s in SPLITS}) > 1:
        return Twins({}, 0, {}, 0)
    total = sum(len(splits[s]) for s in SPLITS)
    most = max(1, min(MOST, MOST_PIXELS // math.prod(splits.train.shape[1:])))
    kept = {s: len(splits[s]) if total <= most else len(splits[s]) * most // total for s in SPLITS}
    names = [str(member) for s in SPLITS for member in splits.record["members"][s][: kept[s]]]
    images = np.concatenate([splits[s].images[: kept[s]] for s in SPLITS])
    labels = np.concatenate([splits[s].labels[: kept[s]] for s in SPLITS])
    split = np.repeat(np.arange(len(SPLITS)), [kept[s] for s in SPLITS])
    pairs = near_pairs(images)
    i, j = pairs.T
    same = np.array([np.array_equal(images[a], images[b]) for a, b in pairs], dtype=bool)
    across, first = {}, {}
    for a, b in combinations(range(len(SPLITS)), 2):
        these = (split[i] == a) & (split[j] == b)
        if n := len(set(j[these & ~same]) - set(j[these & same])):
            across[SPLITS[a], SPLITS[b]] = n
            first[SPLITS[a], SPLITS[b]] = tuple(names[k] for k in pairs[these & ~same][0])
    crossing = pairs[labels[i] != labels[j]]
    if len(crossing):
        first["classes"] = tuple(names[k] for k in crossing[0])
    return Twins(across, len(np.unique(crossing)), first, total - len(images))


def duplicate_lines(splits: Splits) -> list[str]:
    """What `shared_images` and `twins` found, as warnings."""
    lines = [
        f"at the size used, {count:,} {b} images equal a {a} image pixel for pixel: the {b} set is easier than it "
        "should be"
        for (a, b), count in shared_images(splits).items()
    ]
    found = twins(splits)
    for (a, b), count in found.across_splits.items():
        verb = "image shows" if count == 1 else "images show"
        lines.append(
            f"{count:,} {b} {verb} the same picture as a {a} image, scaled or encoded anew "
            f"({_pair(found.first[a, b])}): the {b} set is easier than it should be; keep one of them"
        )
    if n := found.across_classes:
        verb = "image shows the same picture as one" if n == 1 else "images show the same picture as another"
        lines.append(
            f"{n:,} {verb} of another class ({_pair(found.first['classes'])}): one of the labels must be wrong; keep "
            "the right one"
        )
    out = [f"WARNING: {line}" for line in lines]
    if found.skipped:
        out.append(f"{found.skipped:,} images of so many were not searched for near-duplicates")
    return out


def _pair(names: tuple[str, str]) -> str:
    return " = ".join(map(shown, names))
