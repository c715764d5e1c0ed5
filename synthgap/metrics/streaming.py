"""Fidelity of sets too large for memory: features in blocks on the disk, the Fréchet distance of all of them.

The mean and covariance are sums over blocks, taken from a point near the mean so that nothing cancels. The measures
that compare pairs (kernel distance, precision, recall, density, coverage) see at most `PAIRWISE` images of each set,
drawn without replacement by the seed; published precision and recall are of at most 50,000 images, too (Kynkäänniemi
et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..data.imageset import ImageSet
from ..data.shards import BLOCK, Shards, blocks_of
from .extractors import Extractor
from .features import cache_file, features, read_cached

# private names: giving them public ones would change the code behind every stored fidelity, and so its key
from .fidelity import (
    GROUPS,
    NEIGHBOURS,
    Fidelity,
    _groups,
    _jackknife,
    _Moments,
    fidelity_of_features,
    frechet_of_gaussians,
)

PAIRWISE = 50_000  # images of each set


@dataclass(frozen=True)
class StoredFeatures:
    """Features float32 N × D on the disk, in files of as many rows as `rows` says; one file at a time is in memory."""

    files: tuple[Path, ...]
    rows: tuple[int, ...]
    dimensions: int

    def __len__(self) -> int:
        return sum(self.rows)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(position of the first row, rows × D) of every file, in order. UserError where one was damaged since."""
        start = 0
        for file, rows in zip(self.files, self.rows, strict=True):
            block = read_cached(file, (rows, self.dimensions))
            if block is None:
                raise UserError(f"the features in {file} were lost while they were used; run the command again")
            yield start, block
            start += rows

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The rows at ascending `positions`, in memory."""
        out = np.empty((len(positions), self.dimensions), dtype=np.float32)
        for start, block in self.blocks():
            low, high = np.searchsorted(positions, (start, start + len(block)))
            out[low:high] = block[positions[low:high] - start]
        return out


def store_features(
    images: ImageSet | Shards,
    extractor: Extractor,
    folder: Path,
    positions: np.ndarray | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> StoredFeatures:
    """Compute features block by block and keep them below `folder`.

    Parameters
    ----------
    folder : as `cache` of `features`: blocks that are there already, under a hash of their content, are not computed
        again, so that an interrupted extraction goes on where it stopped.
    positions : of the images that count; default all.
    progress : called with (images done, images in all).
    """
    positions = np.arange(len(images)) if positions is None else positions
    files, rows = [], []
    for block in blocks_of(images, positions, BLOCK):
        before = sum(rows)
        told = (lambda done, _, before=before: progress(before + done, len(positions))) if progress else None
        features(block, extractor, cache=folder, progress=told)
        files.append(cache_file(folder, block, extractor))
        rows.append(len(block))
    return StoredFeatures(tuple(files), tuple(rows), extractor.dimensions)


def drawn(count: int, most: int, seed: int) -> np.ndarray:
    """Ascending positions of `most` of `count` images, drawn without replacement; all where there are no more."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, count, most]).choice(count, most, replace=False))


def fidelity_of_stored(
    real: StoredFeatures,
    fake: StoredFeatures,
    extractor: str,
    *,
    pairwise: int = PAIRWISE,
    intervals: bool = True,
    floor: bool = True,
    seed: int = 0,
) -> Fidelity:
    """As `fidelity_of_features`, and equal to it where no set has more than `pairwise` images.

    Else the Fréchet distance and its interval are of all images, `n` of them; the other measures, and the columns
    `floor` and `matched`, of at most `pairwise` of each set (see `drawn`). Sets of one size are drawn in the same
    places, so that pairs stay pairs.
    """
    if real.dimensions != fake.dimensions:
        raise UserError(
            f"real features have {real.dimensions} dimensions, fake ones {fake.dimensions}; use one network"
        )
    if pairwise < NEIGHBOURS + 2:
        raise UserError(f"pairwise is {pairwise}; precision and recall need {NEIGHBOURS + 2} images or more")
    few = [s.at(drawn(len(s), pairwise, seed)) for s in (real, fake)]
    value = fidelity_of_features(*few, extractor, intervals=intervals, floor=floor, seed=seed)
    if max(len(real), len(fake)) <= pairwise:
        return value
    distances = stored_frechet(real, fake, GROUPS if value.intervals else 0, seed)
    spans = value.intervals | ({"frechet": _jackknife("frechet", distances)} if value.intervals else {})
    return replace(value, frechet=float(distances[0]), n=(len(real), len(fake)), intervals=spans)


def stored_frechet(real: StoredFeatures, fake: StoredFeatures, groups: int = 0, seed: int = 0) -> np.ndarray:
    """Fréchet distance of everything, and with each of `groups` random groups left out: float64, 1 + groups.

    One pass over each set. Memory: 8·D² bytes for each group and set.
    """
    rng = np.random.default_rng(seed)
    mine = _groups(rng, len(real), groups)
    theirs = mine if len(real) == len(fake) else _groups(rng, len(fake), groups)
    centre = next(real.blocks())[1].mean(axis=0, dtype=np.float64)
    parts = [_sums(s, g, max(groups, 1), centre) for s, g in ((real, mine), (fake, theirs))]
    wholes = [_Moments(sum(m.count for m in p), sum(m.total for m in p), sum(m.outer for m in p)) for p in parts]
    out = [_distance(*wholes)]
    for group in range(groups):
        out.append(_distance(*(w.minus(p[group]) for w, p in zip(wholes, parts, strict=True))))
    return np.array(out)


def _sums(stored: StoredFeatures, groups: np.ndarray, number: int, centre: np.ndarray) -> list[_Moments]:
    """The moments of each group, from `centre`."""
    counts, totals = np.zeros(number, dtype=np.int64), np.zeros((number, len(centre)))
    outers = np.zeros((number, len(centre), len(centre)))
    for start, block in stored.blocks():
        here = groups[start : start + len(block)]
        for group in range(number):
            part = _Moments.of(block[here == group], centre)
            counts[group] += part.count
            totals[group] += part.total
            outers[group] += part.outer
    return [_Moments(int(c), t, o) for c, t, o in zip(counts, totals, outers, strict=True)]


def _distance(real: _Moments, fake: _Moments) -> float:
    return frechet_of_gaussians(*real.gaussian(), *fake.gaussian())
