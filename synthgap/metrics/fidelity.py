"""How near one set of features is to another: Fréchet distance, KID, precision/recall, density/coverage.

Every measure comes with an interval (a delete-a-group jackknife over images) and with what two halves of the real set
score against each other, because at small n none of them is 0, or 1, between two samples of one distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from ..base.errors import UserError
from .neighbours import COLUMNS, NO_GROUP, ROWS, count_hits, squared_radii

NEIGHBOURS = 3  # k of Kynkäänniemi et al. 2019; Naeem et al. 2020 use 5
GROUPS = 10  # of the jackknife
HALVINGS = 5  # random halvings of the real set that the floor averages
KERNEL_LIMIT = 10_000  # images of each set that KID looks at: it is unbiased at any number
MOST_REPEATED = 0.4  # share of features that repeat another one; a bootstrap sample has 0.37
MEASURES = ("frechet", "kid", "precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Fidelity:
    """How near a fake set is to a real one, in one extractor's feature space.

    Attributes
    ----------
    frechet
        Fréchet distance, ≥ 0; called FID only where the extractor is Inception. Biased upwards at small n.
    kid
        squared maximum mean discrepancy of a cubic kernel, unbiased: about 0 for equal distributions, may be < 0.
    precision
        share of fake samples inside the real manifold, in [0, 1].
    recall
        share of real samples inside the fake manifold, in [0, 1].
    density
        mean number of real balls around a fake sample over k, ≥ 0; 1 for equal distributions.
    coverage
        share of real balls that hold a fake sample, in [0, 1].
    n
        (real, fake) sizes. The last four measures use the smaller one of both.
    intervals
        95% interval of each measure, where one was asked for.
    floor
        what two halves of the real set score against each other (mean over random halvings; `n` is their size).
    matched
        what as many fake samples score against such a half. It, not the value at full n, compares with `floor`.
    """

    frechet: float
    kid: float
    precision: float
    recall: float
    density: float
    coverage: float
    n: tuple[int, int]
    extractor: str
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    floor: Fidelity | None = None
    matched: Fidelity | None = None


def fidelity_of_features(
    real: np.ndarray, fake: np.ndarray, extractor: str, *, intervals: bool = True, floor: bool = True, seed: int = 0
) -> Fidelity:
    """Compare two feature sets, in float64 and bounded memory.

    Heusel et al. 2017 (Fréchet distance), Bińkowski et al. 2018 (KID), Kynkäänniemi et al. 2019 (precision, recall,
    k = 3, distances ≤ the radius), Naeem et al. 2020 (density, coverage, distances < the radius; their k is 5).

    Parameters
    ----------
    real, fake : N × D and M × D, any float type. The last four measures use equal numbers, min(N, M), evenly spaced
        over the larger set.
    intervals : measure again with a tenth of the images left out, ten times: the delete-a-group jackknife's 95%
        interval (Student's t), of the value at this n. Sets of equal size are taken to be paired. Below 2·(k + 2)
        samples there is none.
    floor : measure `floor` and `matched`, too; they stay None below 2·(k + 2) real samples.
    seed : of the groups and halvings.

    Raises
    ------
    UserError : fewer than k + 2 samples, other dimensions, NaN, or a set so full of duplicates that neighbour
        distances are zero.
    """
    check_features(real, fake)
    value = _measure(real, fake, extractor, intervals, seed)
    half = min(len(real) // 2, len(fake))
    if not floor or half < NEIGHBOURS + 2:
        return value
    floors, matches = [], []
    for number in range(HALVINGS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        order = rng.permutation(len(real))
        reference, other = real[order[:half]], real[order[half : 2 * half]]
        floors.append(_measure(reference, other, extractor, False, seed))
        # of paired sets, the fakes that were not made from the reference's images
        chosen = order[half : 2 * half] if len(fake) == len(real) else rng.permutation(len(fake))[:half]
        matches.append(_measure(reference, fake[chosen], extractor, False, seed))
    return replace(value, floor=_mean(floors), matched=_mean(matches))


def check_features(real: np.ndarray, fake: np.ndarray) -> None:
    """UserError unless the two sets can be compared."""
    for name, features in (("real", real), ("fake", fake)):
        if features.ndim != 2 or features.shape[1] != real.shape[1]:
            raise UserError(f"{name} features have shape {features.shape}; both sets need N × {real.shape[-1]}")
        if features.shape[1] < 2:
            raise UserError(f"{name} features have one dimension; the metrics need two or more")
        if len(features) < NEIGHBOURS + 2:
            raise UserError(
                f"{len(features)} {name} sample{'' if len(features) == 1 else 's'}; precision and recall need at "
                f"least {NEIGHBOURS + 2}: give more images"
            )
        if not np.isfinite(features).all():
            raise UserError(f"the {name} features hold NaN or infinity; check the images and the extractor")
        repeated = 1 - len({hash(row.tobytes()) for row in features}) / len(features)
        if repeated > MOST_REPEATED:
            raise UserError(
                f"{repeated:.0%} of the {name} features repeat another one, which collapses the neighbour radii; "
                "remove the duplicates"
            )


def _measure(real: np.ndarray, fake: np.ndarray, extractor: str, intervals: bool, seed: int) -> Fidelity:
    count = min(len(real), len(fake))
    groups = min(GROUPS, count // (NEIGHBOURS + 2)) if intervals else 0
    rng = np.random.default_rng(seed)
    mine = _groups(rng, len(real), groups)
    theirs = mine if len(real) == len(fake) else _groups(rng, len(fake), groups)
    leave_out = [NO_GROUP, *range(groups)] if groups >= 2 else [NO_GROUP]
    samples = _Samples(real, mine), _Samples(fake, theirs)
    values = {
        "frechet": _frechet(*samples, leave_out),
        "kid": _kernel_distance(*(s.evenly(KERNEL_LIMIT) for s in samples), leave_out),
        **_manifolds(*(s.evenly(count) for s in samples), leave_out),
    }
    spans = {name: _jackknife(name, v) for name, v in values.items()} if len(leave_out) > 1 else {}
    numbers = {name: float(v[0]) for name, v in values.items()}
    return Fidelity(**numbers, n=(len(real), len(fake)), extractor=extractor, intervals=spans)


def _groups(rng: np.random.Generator, count: int, groups: int) -> np.ndarray:
    """The group of each of `count` samples: equal shares, at random."""
    return rng.permutation(count) % groups if groups else np.zeros(count, dtype=np.int64)


@dataclass(frozen=True)
class _Samples:
    """Features and the jackknife group of each."""

    features: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def evenly(self, count: int) -> _Samples:
        """At most `count` samples, evenly spaced (of sets sorted by class, the first ones would be a few classes)."""
        if count >= len(self):
            return self
        chosen = (np.arange(count) + 0.5) * len(self) / count
        return _Samples(self.features[chosen.astype(int)], self.groups[chosen.astype(int)])

    def without(self, group: int) -> np.ndarray:
        return self.features if group == NO_GROUP else self.features[self.groups != group]


def _jackknife(name: str, values: np.ndarray) -> tuple[float, float]:
    """95% interval from the value of everything and the values with one group left out."""
    whole, left = values[0], values[1:]
    count = len(left)
    error = np.sqrt((count - 1) * left.var())
    half = float(stats.t.ppf(0.975, count - 1) * error)
    low, high = float(whole) - half, float(whole) + half
    if name == "kid":
        return low, high
    return max(low, 0.0), high if name in ("frechet", "density") else min(high, 1.0)


# Fréchet distance


def _frechet(real: _Samples, fake: _Samples, leave_out: list[int]) -> np.ndarray:
    if max(len(real), len(fake)) <= real.features.shape[1]:
        return np.array([frechet_of_few(real.without(g), fake.without(g)) for g in leave_out])
    centre = real.features.mean(axis=0, dtype=np.float64)
    whole = [_Moments.of(s.features, centre) for s in (real, fake)]
    out = []
    for group in leave_out:
        parts = whole
        if group != NO_GROUP:
            gone = (_Moments.of(s.features[s.groups == group], centre) for s in (real, fake))
            parts = [w.minus(g) for w, g in zip(whole, gone, strict=True)]
        out.append(frechet_of_gaussians(*parts[0].gaussian(), *parts[1].gaussian()))
    return np.array(out)


def frechet_of_gaussians(mean: np.ndarray, cov: np.ndarray, other_mean: np.ndarray, other_cov: np.ndarray) -> float:
    """‖Δμ‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½); float64 D and D × D."""
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(values.clip(min=0))
    inner = np.linalg.eigvalsh(root.T @ other_cov @ root)  # the eigenvalues of Σ₁Σ₂
    trace = np.sqrt(inner.clip(min=0)).sum()
    return max(float(((mean - other_mean) ** 2).sum() + np.trace(cov) + np.trace(other_cov) - 2 * trace), 0.0)


def frechet_of_few(real: np.ndarray, fake: np.ndarray) -> float:
    """The same for fewer samples than dimensions: Tr (Σ₁Σ₂)^½ is a nuclear norm of an N × M matrix."""
    means = [s.mean(axis=0, dtype=np.float64) for s in (real, fake)]
    a, b = ((s - m) / np.sqrt(len(s) - 1) for s, m in zip((real, fake), means, strict=True))
    trace = np.linalg.norm(a @ b.T, "nuc")
    return max(float(((means[0] - means[1]) ** 2).sum() + (a * a).sum() + (b * b).sum() - 2 * trace), 0.0)


@dataclass(frozen=True)
class _Moments:
    """Count, sum and sum of outer products of features, taken from `centre`."""

    count: int
    total: np.ndarray
    outer: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, centre: np.ndarray) -> _Moments:
        total, outer = np.zeros(len(centre)), np.zeros((len(centre), len(centre)))
        for start in range(0, len(features), COLUMNS):
            part = features[start : start + COLUMNS] - centre
            total += part.sum(axis=0)
            outer += part.T @ part
        return cls(len(features), total, outer)

    def minus(self, other: _Moments) -> _Moments:
        return _Moments(self.count - other.count, self.total - other.total, self.outer - other.outer)

    def gaussian(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean from the centre, unbiased covariance)."""
        mean = self.total / self.count
        return mean, (self.outer - self.count * np.outer(mean, mean)) / (self.count - 1)


# Kernel distance


def _kernel_distance(real: _Samples, fake: _Samples, leave_out: list[int]) -> np.ndarray:
    """Unbiased squared MMD with k(x, y) = (x·y / D + 1)³ (Bińkowski et al. 2018)."""
    within = [_kernel_sums(s, s, same=True) for s in (real, fake)]
    across = _kernel_sums(real, fake, same=False)
    sizes = [np.bincount(s.groups, minlength=len(across)) for s in (real, fake)]
    out = []
    for group in leave_out:
        kept = np.arange(len(across)) != group
        n, m = (int(s[kept].sum()) for s in sizes)
        real_part, fake_part, cross = (w[kept][:, kept].sum() for w in (*within, across))
        out.append(real_part / (n * (n - 1)) + fake_part / (m * (m - 1)) - 2 * cross / (n * m))
    return np.array(out)


def _kernel_sums(a: _Samples, b: _Samples, same: bool) -> np.ndarray:
    """Sums of the kernel between the groups of `a` and of `b`, groups × groups; without x = y where `same`."""
    groups, dimensions = 1 + int(max(a.groups.max(), b.groups.max())), a.features.shape[1]
    out = np.zeros((groups, groups))
    for top in range(0, len(a), ROWS):
        x = a.features[top : top + ROWS].astype(np.float64)
        for left in range(0, len(b), COLUMNS):
            kernel = (x @ b.features[left : left + COLUMNS].T.astype(np.float64) / dimensions + 1) ** 3
            if same:
                own = np.arange(max(top, left), min(top + len(x), left + kernel.shape[1]))
                kernel[own - top, own - left] = 0
            rows, columns = (np.eye(groups)[g] for g in (a.groups[top : top + ROWS], b.groups[left : left + COLUMNS]))
            out += rows.T @ kernel @ columns
    return out


# Manifolds


def _manifolds(real: _Samples, fake: _Samples, leave_out: list[int]) -> dict[str, np.ndarray]:
    """Precision, recall, density and coverage, with each group left out."""
    first, second = (squared_radii(s.features, NEIGHBOURS, s.groups, leave_out) for s in (real, fake))
    outside, inside = count_hits(real.features, fake.features, (first, second), (real.groups, fake.groups), leave_out)
    return {
        "precision": _shares(inside.closed > 0, fake, leave_out),
        "recall": _shares(outside.closed > 0, real, leave_out),
        "density": _shares(inside.open, fake, leave_out) / NEIGHBOURS,
        "coverage": _shares(inside.filled > 0, real, leave_out),
    }


def _shares(values: np.ndarray, samples: _Samples, leave_out: list[int]) -> np.ndarray:
    """The mean over the samples that are left in, for each variant."""
    return np.array([v[samples.groups != g].mean() for v, g in zip(values, leave_out, strict=True)])


def _mean(several: list[Fidelity]) -> Fidelity:
    numbers = {name: float(np.mean([getattr(f, name) for f in several])) for name in MEASURES}
    return Fidelity(**numbers, n=several[0].n, extractor=several[0].extractor)
