"""Has a generator collapsed? Measured on its samples, so that a failed run is reported and never averaged away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import UserError
from ..data.imageset import ImageSet
from ..diffusion.pixels import to_uint8

# a sample set with one of these has collapsed
LEAST_DIVERSITY = 0.25  # of the real images' mean distance within a class
LEAST_CLASS_DIVERSITY = 0.1  # the same of one class: below it, the class has collapsed
MOST_COLLAPSED_CLASSES = 0.1  # share of classes; from this share on
LEAST_DISTINCT = 0.1  # distinct images, of as many as real images or samples allow
MOST_CONSTANT = 0.5  # share of the pixels that vary over the real images

VARIES = 0.1  # a pixel does whose standard deviation is at least this share of the most variable one's
PAIRED = 200  # images of a class whose distances are taken, evenly spaced


@dataclass(frozen=True)
class Collapse:
    """Signs of collapse in a set of samples.

    collapsed : whether one of the signs is beyond the threshold at the top of this module.
    reason : which, in one line; empty where none is.
    finite : no pixel is NaN or infinite. Where one is, the other signs are not measured (0 and 1).
    diversity : mean pairwise pixel distance within a class, samples over real images, the mean over classes. About 1
        for the real distribution and for its memorised training images, 0 for one image a class.
    collapsed_classes : share of classes with less than a tenth of the real images' diversity, in [0, 1].
    distinct : number of distinct images, after rounding to 8 bits.
    images : number of samples.
    constant_pixels : share of the pixels that vary over the real images and are constant over all samples.
    """

    collapsed: bool
    reason: str
    finite: bool
    diversity: float
    collapsed_classes: float
    distinct: int
    images: int
    constant_pixels: float


def collapse_of(images: ImageSet | np.ndarray, real: ImageSet, labels: np.ndarray | None = None) -> Collapse:
    """Compare samples with real images of the same classes.

    Parameters
    ----------
    images : the samples: an ImageSet, or an array N × C × H × W, uint8 or float in [−1, 1] (what a generator gives,
        before it is rounded: NaN can't be seen after).
    real : images to compare with, training or held-out.
    labels : int array, N, of samples that come as an array; None where classes don't matter.

    Raises UserError for another shape, other classes or fewer than two images on either side.
    """
    if isinstance(images, ImageSet):
        if images.classes != real.classes:
            raise UserError(f"{images.name} and {real.name} have other classes; compare samples with their own data")
        images, labels = images.images, images.labels
    images = np.asarray(images)
    _check(images, labels, real)
    if not np.isfinite(images).all():
        bad = 1 - np.isfinite(images).all(axis=(1, 2, 3)).mean()
        return Collapse(True, f"{bad:.0%} of the images hold NaN or infinity", False, 0.0, 1.0, 0, len(images), 1.0)
    if images.dtype != np.uint8:
        images = to_uint8(images)
    of_class = _class_diversity(images, labels, real)
    diversity, lost = float(of_class.mean()), float((of_class < LEAST_CLASS_DIVERSITY).mean())
    distinct, possible = _distinct(images), min(len(images), _distinct(real.images))
    constant = _constant_pixels(images, real.images)
    signs = {
        f"diversity within classes is {diversity:.0%} of the real images'": diversity < LEAST_DIVERSITY,
        f"{lost:.0%} of the classes show hardly more than one image": lost >= MOST_COLLAPSED_CLASSES,
        f"{distinct} of {len(images)} images are distinct": distinct < LEAST_DISTINCT * possible,
        f"{constant:.0%} of the pixels are the same in all images": constant > MOST_CONSTANT,
    }
    reason = "; ".join(text for text, beyond in signs.items() if beyond)
    return Collapse(bool(reason), reason, True, diversity, lost, distinct, len(images), constant)


def _class_diversity(images: np.ndarray, labels: np.ndarray | None, real: ImageSet) -> np.ndarray:
    """Diversity over the real images' for each class in which both can be measured, or for all images as one."""
    shares = []
    if labels is not None:
        for c in range(len(real.classes)):
            ours, theirs = images[labels == c], real.images[real.labels == c]
            if len(ours) >= 2 and len(theirs) >= 2 and (wanted := _spread(theirs)) > 0:
                shares.append(_spread(ours) / wanted)
    if not shares:
        wanted = _spread(real.images)
        shares = [_spread(images) / wanted if wanted > 0 else 1.0]  # where real images are all alike, so may ours be
    return np.array(shares)


def _spread(images: np.ndarray) -> float:
    """Mean Euclidean distance of two different ones of uint8 N × C × H × W, in grey levels."""
    if len(images) > PAIRED:
        images = images[np.linspace(0, len(images) - 1, PAIRED).round().astype(int)]
    flat = images.reshape(len(images), -1).astype(np.float64)
    square = (flat**2).sum(axis=1)
    distances = np.sqrt(np.maximum(square[:, None] + square - 2 * flat @ flat.T, 0))  # whole numbers: 0 is exact
    return float(distances.sum() / (len(flat) * (len(flat) - 1)))


def _distinct(images: np.ndarray) -> int:
    return len({image.tobytes() for image in images})


def _constant_pixels(images: np.ndarray, real: np.ndarray) -> float:
    deviation = real.std(axis=0)
    varies = (deviation > 0) & (deviation >= VARIES * deviation.max())
    return float((images == images[0]).all(axis=0)[varies].mean()) if varies.any() else 0.0


def _check(images: np.ndarray, labels: np.ndarray | None, real: ImageSet) -> None:
    if images.ndim != 4 or images.shape[1:] != real.shape:
        raise UserError(f"samples have shape {images.shape}, {real.name} {real.shape}; compare images of one size")
    if labels is not None and np.shape(labels) != (len(images),):
        raise UserError(f"labels have shape {np.shape(labels)} for {len(images)} images; give one per image")
    for name, count in (("samples", len(images)), (real.name, len(real))):
        if count < 2:
            raise UserError(f"{name}: {count} image{'' if count == 1 else 's'}; collapse shows in two or more")
