"""Two Gaussian classes, for which everything that `nulls` measures is known beforehand.

Classes ± have the means ±μ, ‖μ‖ = `norm`, and identity covariance in d dimensions; both are equally likely and known to
be each other's mirror image. The classifier is the difference of its training samples' class means: with w half of that
difference, x is told to be + where w·x > 0. Training sets have as many samples of one class as of the other.

Closed form. From n independent samples w is normal with mean μ and covariance I/n. A test sample is told rightly with
probability Φ(norm·cos), cos being the cosine of the angle between w and μ; with z normal and q chi-square with d − 1
degrees of freedom, independent, cos = t / √(t² + q) for t = norm·√n + z. The accuracy is the expectation over z and q
(`accuracy`, by quadrature). z = 0 and q = d − 1 give about Φ(norm / √(1 + d / (n·norm²))), off by less than .001 at
d = 100, norm = 1.

What synthetic samples are worth. A generator that knows the covariance, learns the two means from N real samples and
is asked for m samples gives w = (mean of the N) + (mean of m deviations): covariance I/N + I/m, the accuracy of
N·m/(N + m) real samples exactly (`effective_size`). A memoriser draws m of the N with replacement, class by class.
Given the draws w is normal with covariance I·Σcᵢ²/m², cᵢ being how often sample i was drawn; with C classes Σcᵢ² is
m + m·(m − C)/N on average, hence N·m/(N + m − C) samples (`copied_size`). That covariance is exact; the accuracy
taken at its mean is not, as it varies with the draws, but at N = 200 by less than .0001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

CLASSES = 2
NODES = 64  # of either quadrature; 32 give the same 12 digits at d = 100
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)  # of the real samples that the learning curve has


def accuracy(n: float, d: int, norm: float) -> float:
    """Expected accuracy with n real samples in d ≥ 2 dimensions; n need not be whole."""
    z, weight_z = np.polynomial.hermite_e.hermegauss(NODES)
    half_q, weight_q = special.roots_genlaguerre(NODES, (d - 1) / 2 - 1)
    t = norm * np.sqrt(n) + z[:, None]
    right = special.ndtr(norm * t / np.sqrt(t**2 + 2 * half_q))
    return float(weight_z @ right @ weight_q / (weight_z.sum() * weight_q.sum()))


def effective_size(train: float, drawn: float) -> float:
    """Real samples that `drawn` ones of a generator fitted on `train` are worth; exact for these Gaussians only."""
    return train * drawn / (train + drawn)


def copied_size(train: float, drawn: float, classes: int = CLASSES) -> float:
    """Real samples that `drawn` ones with replacement from each class of `train` are worth, by the same measure."""
    return train * drawn / (train + drawn - classes)


@dataclass(frozen=True)
class Expected:
    """What `nulls.Gaps` should measure of the fitted generator: gaps in accuracy, `worth` in real samples, `rate`."""

    raw: float
    bootstrap: float
    subset: float
    excess: float
    worth: float
    rate: float


def expected(train: int, multiple: float, d: int, norm: float) -> Expected:
    """The closed form of one multiple of the fitted generator."""
    drawn = multiple * train
    size = effective_size(train, drawn)
    sizes = (train, size, copied_size(train, drawn))
    real, fitted, copies = (accuracy(n, d, norm) for n in sizes)
    return Expected(real - fitted, real - copies, real - fitted, copies - fitted, size, drawn / size)


def lines(train: int, most: int, d: int, norm: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The closed form for a figure: label → (samples up to `most`, accuracy)."""
    real, drawn = np.geomspace(min(SHARES) * train, most, 60), np.geomspace(train, most, 30)
    several = {
        "real, closed form": (real, real),
        "fitted, closed form": (drawn, effective_size(train, drawn)),
        "drawn with replacement, closed form": (drawn, copied_size(train, drawn)),
    }
    return {label: (x, np.array([accuracy(n, d, norm) for n in sizes])) for label, (x, sizes) in several.items()}


@dataclass(frozen=True)
class Simulated:
    """Right or wrong (bool, seeds × test samples) of every classifier; the test samples are the same for all.

    real : number of real samples → …; the others : multiple → …, of the fitted generator, of the memoriser, and of a
    perfect generator, whose samples are fresh real ones. The samples of a multiple are among those of the larger ones.
    """

    train: int
    real: dict[int, np.ndarray]
    fitted: dict[float, np.ndarray]
    bootstrap: dict[float, np.ndarray]
    fresh: dict[float, np.ndarray]


def simulate(
    seeds: int,
    images: int,
    train: int = 200,
    d: int = 100,
    norm: float = 1.0,
    multiples: Sequence[float] = (1, 3, 5),
    seed: int = 0,
    *,
    shared: bool = False,
) -> Simulated:
    """Classifiers of `seeds` studies on `images` test samples.

    Each seed draws its own training samples, generator and classifiers, so that its mean is that of the closed form;
    with `shared` the training samples are the same for all seeds, as the images of a study are.
    """
    rng = np.random.default_rng(seed)
    mean = np.zeros(d)
    mean[0] = norm
    test = rng.normal(size=(images, d)) + mean  # samples of class − are mirrored here: right is where w·x > 0
    size, sizes = _even(train), sorted({_even(share * train) for share in SHARES})
    drawn = {k: _even(k * train) for k in sorted(multiples)}
    most = max(drawn.values()) // CLASSES
    out = Simulated(size, {}, {}, {}, {})
    samples = rng.normal(size=(CLASSES, size // CLASSES, d)) + mean
    for _ in range(seeds):
        if not shared:
            samples = rng.normal(size=samples.shape) + mean
        order = rng.permutation(size // CLASSES)
        deviations = rng.normal(size=(CLASSES, most, d))
        sources = {
            "fitted": samples.mean(axis=1, keepdims=True) + deviations,
            "bootstrap": np.stack([one[rng.integers(len(one), size=most)] for one in samples]),
            "fresh": rng.normal(size=(CLASSES, most, d)) + mean,
        }
        cells = [(out.real, n, samples[:, order[: n // CLASSES]]) for n in sizes]
        cells += [(getattr(out, arm), k, x[:, : m // CLASSES]) for arm, x in sources.items() for k, m in drawn.items()]
        for arm, place, seen in cells:
            right = test @ seen.mean(axis=(0, 1)) > 0
            arm[place] = np.vstack([arm[place], right]) if place in arm else right[None]
    return out


def _even(count: float) -> int:
    """The nearest number of samples with as many of either class, at least one each."""
    return CLASSES * max(1, round(count / CLASSES))
