"""The detectors of `fake_detection`: a logistic regression and two networks, each trained on pairs of images.

A detector is a function of (real, fake, groups that must stay together, seed, device) and returns a function of images,
> 0 where they look fake.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from ..base.portions import Portions
from ..classifier.resnet import ResNet18, ResNetConfig

PENALTY = 0.01  # λ of "log2", on the mean cross-entropy: λ·Σw² (Frank et al. 2020)
EPOCHS, PATIENCE, BATCH, RATE = 50, 5, 32, 1e-3  # Adam (Frank et al. 2020)
VALIDATION = 0.2  # share of the training pairs that stops a network, where they are of one fold (inferred)
LEAST_STEPS = 100  # of Adam before a network may stop: its batch statistics have settled by then (inferred)
RESNET_WIDTH = 16  # inferred
ASKED = 500  # images at once
LEAST_SIDE = 4  # pixels, of what the cnn sees

Judge = Callable[[np.ndarray], np.ndarray]


def _logistic(real: np.ndarray, fake: np.ndarray, groups: np.ndarray, seed: int, device: str = "cpu") -> Judge:
    """Logistic regression with an L2 penalty, solved to convergence.

    mean cross-entropy + λ·Σw² is Σ cross-entropy·C + ½·Σw² with C = 1/(2·λ·n), scikit-learn's form.
    """
    del groups, seed, device
    x = np.concatenate([real, fake]).reshape(2 * len(real), -1)
    y = np.repeat([0, 1], len(real))
    model = LogisticRegression(C=1 / (2 * PENALTY * len(x)), max_iter=10_000, tol=1e-6).fit(x, y)
    return lambda images: model.decision_function(images.reshape(len(images), -1))


def _network(build: Callable[[tuple[int, ...]], nn.Module]) -> Callable[..., Judge]:
    def fit(real: np.ndarray, fake: np.ndarray, groups: np.ndarray, seed: int, device: str = "cpu") -> Judge:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed CUDA, too
            net = build(real.shape[1:]).to(device)
        kept = _held_back(groups, seed)
        x, y = (_tensors(real[chosen], fake[chosen], device) for chosen in (~kept, kept))
        _train(net, *x, *y, seed)

        def judge(images: np.ndarray) -> np.ndarray:
            return _logits(net, torch.from_numpy(images).float().to(device)).cpu().numpy()

        return judge

    return fit


def _held_back(groups: np.ndarray, seed: int) -> np.ndarray:
    """bool a pair: whether it stops the training instead of taking part. One fold, or a part of the only one."""
    folds = np.unique(groups)
    if len(folds) > 1:
        return groups == folds[0]
    return np.random.default_rng(seed).permutation(len(groups)) < max(1, round(VALIDATION * len(groups)))


def _tensors(real: np.ndarray, fake: np.ndarray, device: str) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.concatenate([real, fake])).float()
    return x.to(device), torch.cat([torch.zeros(len(real)), torch.ones(len(fake))]).to(device)


@torch.no_grad()
def _logits(net: nn.Module, x: Tensor) -> Tensor:
    net.eval()
    return torch.cat([told for _, told in Portions(ASKED).map(len(x), lambda part: net(x[part])[:, 0])])


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


FIT: dict[str, Callable[..., Judge]] = {"logistic": _logistic, "cnn": _network(_cnn), "resnet18": _network(_resnet)}
DETECTORS = tuple(FIT)
