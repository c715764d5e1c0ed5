"""Changes made alike to all splits of a data set: limits, sizes, colours, flips; each leaves a note."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from .splits import SPLITS, Splits, split_record, stratified_take

MIRRORED = 4  # see `viewed`
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


def limited(splits: Splits, limits: dict[str, int | None], seed: int) -> Splits:
    """At most `limits[split]` images a split, drawn class by class; None is no limit."""
    sets = {s: splits[s] for s in SPLITS}
    members = dict(splits.record["members"])
    cut = []
    for s, most in limits.items():
        if most is None:
            continue
        most = max(most, len(np.unique(splits[s].labels)))  # every class is kept
        if len(splits[s]) <= most:
            continue
        kept = stratified_take(sets[s].labels, most, seed)
        cut.append(f"{len(kept):,} of {len(sets[s]):,} {s}")
        sets[s] = sets[s].subset(kept)
        members[s] = [members[s][i] for i in kept]
    notes = [*splits.record["notes"], *([f"{', '.join(cut)} images used (the limits of the run)"] if cut else [])]
    record = split_record(splits.record["source"], splits.record["policy"], sets, members, notes)
    return Splits(**sets, record=splits.record | record)


def resized(splits: Splits, longest: int | None) -> Splits:
    """Bring the longest side to `longest` pixels, aspect kept (box filter: exact means at whole factors)."""
    _, height, width = splits.train.shape
    if longest is None or longest == max(height, width):
        return splits
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    kernel = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC

    def resize(images: np.ndarray) -> np.ndarray:
        planes = images.reshape(-1, *images.shape[2:]).astype(np.float32)  # 8 bits would be rounded twice
        small = np.stack([np.asarray(Image.fromarray(p).resize(size, kernel)) for p in planes])
        small = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        return small.reshape(*images.shape[:2], *small.shape[1:])

    return _mapped(splits, resize, f"resized from {width}×{height} to {size[0]}×{size[1]} pixels")


def padded(splits: Splits, divisor: int) -> Splits:
    """Sides rounded up to a multiple of `divisor` by repeating the border."""
    _, height, width = splits.train.shape
    extra_h, extra_w = -height % divisor, -width % divisor
    if not extra_h and not extra_w:
        return splits
    pad = [(0, 0), (0, 0), (extra_h // 2, extra_h - extra_h // 2), (extra_w // 2, extra_w - extra_w // 2)]
    note = f"padded from {width}×{height} to {width + extra_w}×{height + extra_h} for the network"
    return _mapped(splits, lambda images: np.pad(images, pad, mode="edge"), note)


def greyed(splits: Splits) -> Splits:
    """Colour taken away, where there is any."""
    if splits.train.shape[0] == 1:
        return splits
    return _mapped(splits, luminance, "made grey")


def luminance(images: np.ndarray) -> np.ndarray:
    """uint8 N × 3 × H × W → N × 1 × H × W, by the weights of ITU-R 601; grey images as they are."""
    if images.shape[1] == 1:
        return images
    grey = np.einsum("c,nchw->nhw", LUMA, images)
    return np.rint(grey).astype(np.uint8)[:, None]


def mirrored(splits: Splits, flip: bool | None) -> Splits:
    """Allow (or forbid) classifiers to see the images mirrored left to right; None leaves it to the data set."""
    if flip is None or flip == ("flip" in splits.train.augment):
        return splits
    augment = tuple({*splits.train.augment, "flip"} if flip else {*splits.train.augment} - {"flip"})
    sets = {s: replace(splits[s], augment=augment) for s in SPLITS}
    note = "mirrored left to right at random in training" if flip else "not mirrored in training"
    return Splits(**sets, record=splits.record | {"notes": [*splits.record["notes"], note]})


def _mapped(splits: Splits, change: Callable[[np.ndarray], np.ndarray], note: str) -> Splits:
    sets = {s: replace(splits[s], images=change(splits[s].images)) for s in SPLITS}
    return Splits(**sets, record=splits.record | {"notes": [*splits.record["notes"], note]})


def viewed(images: np.ndarray, view: int) -> np.ndarray:
    """Images turned by `view` % 4 quarters, and mirrored left to right before that where it is `MIRRORED` or more.

    images : uint8 N × C × H × W. The eight views of a square image are all that its pixels' grid allows.
    """
    mirrored = images[..., ::-1] if view >= MIRRORED else images
    return np.ascontiguousarray(np.rot90(mirrored, view % 4, axes=(2, 3)))


def views(shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The views of (C, H, W) images that keep height and width: all eight of square ones, else four."""
    _, height, width = shape
    return tuple(range(8)) if height == width else (0, 2, 4, 6)
