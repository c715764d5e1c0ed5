"""Fake detection: can a detector tell synthetic images from real ones? (Frank et al. 2020; Table 1 of the paper)"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.fft import dctn

from ..base.errors import UserError
from ..base.seeding import torch_seed
from ..data.imageset import ImageSet
from .detectors import DETECTORS, FIT

DOMAINS = ("pixel", "dct")

SMALLEST = 1e-12  # added to a coefficient's size before its logarithm (Frank et al. 2020)
CONSTANT = 1e-8  # standard deviation of a log-coefficient below which it tells nothing, and becomes 0 (inferred)
INIT, ORDER = 60, 61  # purposes of random numbers


@dataclass(frozen=True)
class Detection:
    """How well a detector tells fakes from real images; 0.5 is chance.

    Attributes
    ----------
    accuracy
        share of images judged rightly, in [0, 1].
    low
        lower end of the 95% interval over pairs (Wilson's, of the mean score; pairs joined by an identical image count
        once). It holds the choice of images, not that of another training of the detector: repeat with other seeds
        for that.
    high
        its upper end.
    scores
        float64, one a pair: share of its two images that were judged rightly, 0, ½ or 1.
    n
        pairs.
    """

    accuracy: float
    low: float
    high: float
    n: int
    domain: str
    detector: str
    scores: np.ndarray


def fake_detection(
    real: ImageSet,
    fake: ImageSet,
    domain: str = "dct",
    detector: str = "logistic",
    seed: int = 0,
    *,
    folds: int = 5,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Detection:
    """Train detectors to tell `fake` from `real`, and judge every image by one that has not seen its pair.

    Parameters
    ----------
    real, fake
        N images each; image i of `fake` was made from image i of `real`, or is paired with it by position.
        A pair is never divided between training and test, nor are pairs that share an identical image.
    domain
        "pixel", values scaled to [−1, 1]; "dct", logarithm of the size of the coefficients of the orthonormal
        type-II cosine transform of each channel, standardised by the training part's mean and deviation.
    detector
        "logistic" (Frank et al.'s "log2"), "cnn" (theirs), "resnet18".
    seed
        of folds, initial weights and order.
    folds
        of the cross-validation over pairs.
    device
        where the networks are trained; the logistic regression stays on the CPU.
    progress
        called with (folds done, folds).

    Returns
    -------
    Detection
        At t_re = 0, where the two sets are the same, it is exactly 0.5: of two equal images one is judged rightly,
        whatever the detector.

    Raises
    ------
    UserError
        sets of other lengths or shapes, an unknown domain or detector, fewer than two pairs a fold.
    """
    _check(real, fake, domain, detector, folds, seed)
    joined = _joined(real, fake)
    groups = _folds(joined, folds, seed)
    values = [to_domain(s.images, domain) for s in (real, fake)]
    scores = np.empty(len(real))
    for fold in range(folds):
        test = groups == fold
        parts = [v[chosen] for chosen in (~test, test) for v in values]
        seen_real, seen_fake, new_real, new_fake = _standardised(*parts) if domain == "dct" else parts
        judge = FIT[detector](seen_real, seen_fake, groups[~test], torch_seed(seed, INIT, fold), device)
        scores[test] = (judge(new_real) <= 0) * 0.5 + (judge(new_fake) > 0) * 0.5
        if progress:
            progress(fold + 1, folds)
    low, high = _wilson(float(scores.mean()), len(np.unique(joined)))
    return Detection(float(scores.mean()), low, high, len(scores), domain, detector, scores)


@dataclass(frozen=True)
class RealFloor:
    """How well a detector tells real images from real images of the same set.

    alternating : every second image of each class against the others. The two are alike in class and in order of
        collection, so that this is near 0.5 whatever the set.
    ends : the first half of each class against its last half, in the order of the set. Other writers, machines or days
        may have made the two; a detector that finds as much in synthetic images has not found that they are synthetic.
    """

    alternating: Detection
    ends: Detection


def real_floor(
    real: ImageSet,
    domain: str = "dct",
    detector: str = "logistic",
    seed: int = 0,
    *,
    folds: int = 5,
    device: str = "cpu",
) -> RealFloor | None:
    """The floor of `fake_detection`, from real images alone; None where they are too few for so many folds.

    Parameters and errors as for `fake_detection`. Each of the two compares about N/2 pairs of one class.
    """
    order = np.argsort(real.labels, kind="stable")
    members = [order[real.labels[order] == c] for c in np.unique(real.labels)]
    members = [m[: len(m) // 2 * 2] for m in members]  # the last one of an odd class has no partner
    if sum(map(len, members)) // 2 < 2 * folds:
        return None
    cuts = {
        "alternating": [(m[0::2], m[1::2]) for m in members],
        "ends": [(m[: len(m) // 2], m[len(m) // 2 :]) for m in members],
    }
    found = {}
    for name, parts in cuts.items():
        one, other = (real.subset(np.concatenate(side)) for side in zip(*parts, strict=True))
        found[name] = fake_detection(one, other, domain, detector, seed, folds=folds, device=device)
    return RealFloor(**found)


def to_domain(images: np.ndarray, domain: str) -> np.ndarray:
    """uint8 N × C × H × W → float64 of the same shape: scaled pixels, or log-coefficients (not yet standardised).

    Raises UserError when the domain is unknown.
    """
    if domain not in DOMAINS:
        raise UserError(f"unknown domain {domain!r}; known: {', '.join(DOMAINS)}")
    if domain == "pixel":
        return images / 127.5 - 1
    coefficients = dctn(images.astype(np.float64), type=2, norm="ortho", axes=(-2, -1))
    return np.log(np.abs(coefficients) + SMALLEST)


def _standardised(real: np.ndarray, fake: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """All sets by the mean and deviation of the first two; what is constant there becomes 0 everywhere."""
    both = np.concatenate([real, fake])
    mean, deviation = both.mean(axis=0), both.std(axis=0)
    varies = deviation > CONSTANT
    scale = np.where(varies, deviation, 1.0)
    return [np.where(varies, (v - mean) / scale, 0.0) for v in (real, fake, *others)]


def _joined(real: ImageSet, fake: ImageSet) -> np.ndarray:
    """int a pair, equal for pairs that are joined by an identical image, directly or through others."""
    owner = list(range(len(real)))

    def root(i: int) -> int:
        while owner[i] != i:
            owner[i] = owner[owner[i]]
            i = owner[i]
        return i

    first: dict[bytes, int] = {}
    for images in (real.images, fake.images):
        for i, image in enumerate(images):
            owner[root(i)] = root(first.setdefault(image.tobytes(), i))
    return np.array([root(i) for i in range(len(real))])


def _folds(joined: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each pair. Joined pairs stay together; the groups are dealt at random."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ORDER,)))
    fold = np.empty(len(joined), dtype=np.int64)
    sizes = np.zeros(folds, dtype=np.int64)
    members = {r: np.flatnonzero(joined == r) for r in rng.permutation(np.unique(joined))}
    for pairs in sorted(members.values(), key=len, reverse=True):  # large groups first, each to the smallest fold
        smallest = int(sizes.argmin())
        fold[pairs] = smallest
        sizes[smallest] += len(pairs)
    if (sizes == 0).any():
        raise UserError(
            f"only {len(members)} of the {len(joined)} pairs hold different images; {folds} folds need as many: "
            "remove duplicates or ask for fewer folds"
        )
    return fold


def _wilson(share: float, count: int) -> tuple[float, float]:
    z = float(stats.norm.ppf(0.975))
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _check(real: ImageSet, fake: ImageSet, domain: str, detector: str, folds: int, seed: int) -> None:
    if domain not in DOMAINS:
        raise UserError(f"unknown domain {domain!r}; known: {', '.join(DOMAINS)}")
    if detector not in DETECTORS:
        raise UserError(f"unknown detector {detector!r}; known: {', '.join(DETECTORS)}")
    if len(real) != len(fake):
        raise UserError(f"{len(real)} real and {len(fake)} fake images can't be paired; give as many of each")
    if real.shape != fake.shape:
        raise UserError(f"real images are of {real.shape} and fake ones of {fake.shape}; bring both to one size")
    if seed < 0:
        raise UserError(f"seed is {seed}; give 0 or more")
    if folds < 2:
        raise UserError(f"folds is {folds}; cross-validation needs 2 or more")
    if len(real) < 2 * folds:
        raise UserError(f"{len(real)} pairs are too few for {folds} folds; give {2 * folds} or more, or ask for fewer")
