"""Gradients of every kind of layer that the package builds, against those of the same layer in float64 and NCHW order.

Run by test_gradients.py in a process of its own, since a fault in a native library may end the process or hang it, and
since the instructions that oneDNN uses are chosen when it starts. Prints a JSON object: "errors", layer → largest error
over widths and numbers of threads, as a share of the largest gradient; "strided", the kernels of all convolutions with
a stride.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from synthgap.classifier.resnet import ResNet18, ResNetConfig, Shortcut, _layer, joined
from synthgap.diffusion.layers import Conv2d, GroupNorm, attend
from synthgap.gan import discriminator, filters
from synthgap.gan import layers as gan
from synthgap.gan.synthesis import modulated_conv
from synthgap.metrics.detectors import _cnn

WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)
SIDES = ((8, 8), (7, 5))  # in turn
THREADS = (1, 2)
TAPS = (1, 3, 3, 1)


class Does(nn.Module):
    """A function of images, and a weight of `shape` for it where it takes one."""

    def __init__(self, does: Callable[..., Tensor], *shape: int):
        super().__init__()
        self.does = does
        self.weight = nn.Parameter(torch.randn(shape)) if shape else None

    def forward(self, x: Tensor) -> Tensor:
        return self.does(x) if self.weight is None else self.does(x, self.weight)


def _filtered(by: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
    """The leaky ReLU of StyleGAN3 between two low-pass filters, at twice the rate, on a square map."""
    taps = filters.lowpass(12, 0.2, 0.1, 2.0)

    def does(x: Tensor) -> Tensor:
        square = x[:, :, :5, :5]
        return by(square, taps.to(x.dtype), taps.to(x.dtype), up=2, down=2, size=5, bound=None)

    return does


def _block(members: int) -> Callable[[int], nn.Module]:
    """Of a width: so many whole classifiers in groups, each on an image of its own."""

    def build(width: int) -> nn.Module:
        networks = [ResNet18(ResNetConfig(channels=1, classes=2, width=width)) for _ in range(members)]
        return nn.Sequential(nn.Conv2d(width, members, 1), nn.Upsample(scale_factor=2), joined(networks))

    return build


LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "classifier: block that halves the sides": lambda w: _layer(w, 2 * w, stride=2),
    "classifier: block of the same size": lambda w: _layer(w, w, stride=1),
    "classifier: shortcut": lambda w: Shortcut(w, 2 * w, 2),
    "classifier: 7×7 stem": lambda w: nn.Sequential(nn.Conv2d(w, 4, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1)),
    "denoiser: 3×3": lambda w: Conv2d(w, w, 3),
    "denoiser: 1×1": lambda w: Conv2d(w, 2 * w, 1),
    "denoiser: 3×3, up": lambda w: Conv2d(w, w, 3, up=True),
    "denoiser: 3×3, down": lambda w: Conv2d(w, w, 3, down=True),
    "denoiser: 1×1, up": lambda w: Conv2d(w, 2 * w, 1, up=True),
    "denoiser: 1×1, down": lambda w: Conv2d(w, 2 * w, 1, down=True),
    "denoiser: filter up": lambda w: Conv2d(w, w, 0, up=True, taps=TAPS),
    "denoiser: filter down": lambda w: Conv2d(w, w, 0, down=True, taps=TAPS),
    "denoiser: 3×3, filter up": lambda w: Conv2d(w, w, 3, up=True, taps=TAPS),
    "denoiser: 3×3, filter down": lambda w: Conv2d(w, w, 3, down=True, taps=TAPS),
    "denoiser: 3×3, filter down last": lambda w: Conv2d(w, w, 3, down=True, taps=TAPS, filter_last=True),
    "denoiser: normalisation": lambda w: GroupNorm(4 * w),
    "denoiser: attention": lambda w: Does(lambda x: attend(torch.cat([x] * 3, dim=1), heads=1)),
    "GAN: 3×3": lambda w: gan.Conv2d(w, w, 3),
    "GAN: 3×3 that halves the sides": lambda w: gan.Conv2d(w, w, 3, halve=True),
    "GAN: block of the discriminator": lambda w: discriminator.Block(w, 2 * w),
    "GAN: modulated 3×3": lambda w: Does(
        lambda x, weight: modulated_conv(x, weight, x.mean(dim=(2, 3)), demodulate=True, padding=2), w, w, 3, 3
    ),
    "GAN: filters by matrices": lambda w: Does(_filtered(filters.by_matrices)),
    "GAN: filters by convolutions": lambda w: Does(_filtered(filters.by_convolutions)),
    "detector: cnn": lambda w: nn.Sequential(nn.Conv2d(w, 4, 1), *_cnn((4, 5, 4))[:-2]),
    "classifier: whole network": lambda w: nn.Sequential(
        nn.Conv2d(w, 1, 1), nn.Upsample(scale_factor=2), ResNet18(ResNetConfig(channels=1, classes=2, width=w))
    ),
    **{f"classifier: {k} networks as one": _block(k) for k in (2, 3, 4, 5)},
}


class Strided(TorchDispatchMode):
    """Collects the kernel sizes of the strided convolutions that run in it."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.convolution.default and max(args[3]) > 1:
            self.kernels.add(tuple(args[1].shape[2:]))
        return function(*args, **(kwargs or {}))


def build(name: str, width: int) -> nn.Module:
    """The layer, with smooth activations: at a kink of ReLU a rounding error changes a gradient by its whole size."""
    layer = LAYERS[name](width).train()
    for module in list(layer.modules()):
        for child, inner in module.named_children():
            if isinstance(inner, nn.ReLU):
                setattr(module, child, nn.SiLU())
    return layer


def images(layer: nn.Module, width: int, side: tuple[int, int]) -> Tensor:
    return torch.randn(8, 4 * width if isinstance(layer, GroupNorm) else width, *side)


def gradients(layer: nn.Module, x: Tensor, weights: Tensor | None) -> tuple[list[Tensor], Tensor]:
    """Of a weighted sum of the layer's answer: by the images, then by each parameter. Also the weights."""
    x = x.requires_grad_()
    out = layer(x)
    weights = torch.randn(out.shape, dtype=torch.float64) if weights is None else weights
    return list(torch.autograd.grad((out * weights.to(out.dtype)).sum(), [x, *layer.parameters()])), weights


def error(name: str, width: int, side: tuple[int, int]) -> float:
    """The largest error of a gradient in float32 and channels-last order, as a share of the largest gradient."""
    torch.manual_seed(width)
    layer = build(name, width)
    x = images(layer, width, side)
    exact, weights = gradients(copy.deepcopy(layer).double(), x.double(), None)
    scale = max(float(b.abs().max()) for b in exact)  # some gradients are 0 but for rounding
    layer, worst = layer.to(memory_format=torch.channels_last), 0.0
    for threads in THREADS:
        torch.set_num_threads(threads)
        found, _ = gradients(layer, x.clone(memory_format=torch.channels_last), weights)
        worst = max(worst, *(float((a - b).abs().max()) / scale for a, b in zip(found, exact, strict=True)))
    return worst


def main() -> None:
    strided = Strided()
    with strided:
        for name in LAYERS:
            layer = build(name, 4)
            layer(images(layer, 4, SIDES[0]))
    errors = {name: max(error(name, w, SIDES[i % 2]) for i, w in enumerate(WIDTHS)) for name in LAYERS}
    print(json.dumps({"errors": errors, "strided": sorted(strided.kernels)}))


if __name__ == "__main__":
    main()
