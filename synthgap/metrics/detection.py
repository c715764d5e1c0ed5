"""Fake detection: can a detector tell synthetic images from real ones? (Frank et al. 2020; Table 1 of the paper)"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.fft import dctn
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from ..base.errors import UserError
from ..base.seeding import torch_seed
from ..classifier.resnet import ResNet18, ResNetConfig
from ..data.imageset import ImageSet

DOMAINS = ("pixel", "dct")
DETECTORS = ("logistic", "cnn", "resnet18")

SMALLEST = 1e-12  # added to a coefficient's size before its logarithm (Frank et al. 2020)
CONSTANT = 1e-8  # standard deviation of a log-coefficient below which it tells nothing, and becomes 0 (inferred)
PENALTY = 0.01  # λ of "log2", on the mean cross-entropy: λ·Σw² (Frank et al. 2020)
EPOCHS, PATIENCE, BATCH, RATE = 50, 5, 32, 1e-3  # Adam (Frank et al. 2020)
VALIDATION = 0.2  # share of the training pairs that stops a network, where they are of one fold (inferred)
LEAST_STEPS = 100  # of Adam before a network may stop: its batch statistics have settled by then (inferred)
RESNET_WIDTH = 16  # inferred
LEAST_SIDE = 4  # pixels, of what the cnn sees
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
        judge = _FIT[detector](seen_real, seen_fake, groups[~test], torch_seed(seed, INIT, fold))
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
    real: ImageSet, domain: str = "dct", detector: str = "logistic", seed: int = 0, *, folds: int = 5
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
        found[name] = fake_detection(one, other, domain, detector, seed, folds=folds)
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


# detectors: (real, fake, groups that must stay together, seed) → a function of images, > 0 where they look fake

Judge = Callable[[np.ndarray], np.ndarray]


def _logistic(real: np.ndarray, fake: np.ndarray, groups: np.ndarray, seed: int) -> Judge:
    """Logistic regression with an L2 penalty, solved to convergence.

    mean cross-entropy + λ·Σw² is Σ cross-entropy·C + ½·Σw² with C = 1/(2·λ·n), scikit-learn's form.
    """
    del groups, seed
    x = np.concatenate([real, fake]).reshape(2 * len(real), -1)
    y = np.repeat([0, 1], len(real))
    model = LogisticRegression(C=1 / (2 * PENALTY * len(x)), max_iter=10_000, tol=1e-6).fit(x, y)
    return lambda images: model.decision_function(images.reshape(len(images), -1))


def _network(build: Callable[[tuple[int, ...]], nn.Module]) -> Callable[..., Judge]:
    def fit(real: np.ndarray, fake: np.ndarray, groups: np.ndarray, seed: int) -> Judge:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed CUDA, too
            net = build(real.shape[1:])
        kept = _held_back(groups, seed)
        x, y = (_tensors(real[chosen], fake[chosen]) for chosen in (~kept, kept))
        _train(net, *x, *y, seed)

        def judge(images: np.ndarray) -> np.ndarray:
            return _logits(net, torch.from_numpy(images).float()).numpy()

        return judge

    return fit


def _held_back(groups: np.ndarray, seed: int) -> np.ndarray:
    """bool a pair: whether it stops the training instead of taking part. One fold, or a part of the only one."""
    folds = np.unique(groups)
    if len(folds) > 1:
        return groups == folds[0]
    return np.random.default_rng(seed).permutation(len(groups)) < max(1, round(VALIDATION * len(groups)))


def _tensors(real: np.ndarray, fake: np.ndarray) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.concatenate([real, fake])).float()
    return x, torch.cat([torch.zeros(len(real)), torch.ones(len(fake))])


@torch.no_grad()
def _logits(net: nn.Module, x: Tensor) -> Tensor:
    net.eval()
    return torch.cat([net(part)[:, 0] for part in x.split(500)])


@torch.enable_grad()
def _train(net: nn.Module, x: Tensor, y: Tensor, x_held: Tensor, y_held: Tensor, seed: int) -> None:
    """Adam until the held-back loss has not improved for some epochs; the best weights are restored."""
    rng = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(net.parameters(), lr=RATE)
    best, best_loss, waited = None, math.inf, 0
    per_epoch = -(-len(x) // BATCH)
    for epoch in range(max(EPOCHS, -(-LEAST_STEPS // per_epoch))):
        net.train()
        for chosen in torch.randperm(len(x), generator=rng).split(BATCH):
            if len(chosen) == 1 and len(x) > 1:
                continue  # batch normalisation needs two
            loss = F.binary_cross_entropy_with_logits(net(x[chosen])[:, 0], y[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
        held = float(F.binary_cross_entropy_with_logits(_logits(net, x_held), y_held))
        if held < best_loss:
            best, best_loss, waited = {k: v.clone() for k, v in net.state_dict().items()}, held, 0
        elif (epoch + 1) * per_epoch >= LEAST_STEPS and (waited := waited + 1) >= PATIENCE:
            break
    if best is not None:
        net.load_state_dict(best)
    net.eval()


def _cnn(shape: tuple[int, ...]) -> nn.Module:
    """Frank et al.'s: 3 × 3 convolutions of 3, 8, 16 and 32 channels, average pooling after the second and third.

    Two poolings take sides of 4; smaller images are padded with zeros to that.
    """
    channels, height, width = shape
    missing = [max(0, LEAST_SIDE - side) for side in (width, height)]

    def convolution(fan_in: int, fan_out: int) -> list[nn.Module]:
        return [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU()]

    return nn.Sequential(
        *([nn.ZeroPad2d((0, missing[0], 0, missing[1]))] if any(missing) else []),
        *convolution(channels, 3),
        *convolution(3, 8),
        nn.AvgPool2d(2),
        *convolution(8, 16),
        nn.AvgPool2d(2),
        *convolution(16, 32),
        nn.Flatten(),
        nn.Linear(32 * (max(height, LEAST_SIDE) // 4) * (max(width, LEAST_SIDE) // 4), 1),
    )


def _resnet(shape: tuple[int, ...]) -> nn.Module:
    return _Difference(ResNet18(ResNetConfig(channels=shape[0], classes=2, width=RESNET_WIDTH)))


class _Difference(nn.Module):
    """A two-class network's log-odds of the second class, B × 1."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net(x)
        return logits[:, 1:] - logits[:, :1]


_FIT: dict[str, Callable[..., Judge]] = {"logistic": _logistic, "cnn": _network(_cnn), "resnet18": _network(_resnet)}


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
