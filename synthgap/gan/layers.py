"""Layers with an equalised learning rate, shared by generator and discriminator (Karras et al. 2018, Section 4.1).

A weight is stored with unit variance and scaled by 1/√fan-in whenever it is used, so that Adam's step is the same
share of every weight. Parameter names equal those in the released StyleGAN3 checkpoints.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU for negative values


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU times √2, which keeps the mean square of a normal input near one."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


def unit_rms(x: Tensor) -> Tensor:
    """Rows of B × D scaled to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Linear(nn.Module):
    """Affine map of B × fan_in to B × fan_out.

    `rate` multiplies the learning rate of weight and bias without changing the initial map; `bias` is the bias's
    initial value, one for all or one each; `scale` is the initial standard deviation of a weight, before 1/√fan-in.
    """

    def __init__(
        self, fan_in: int, fan_out: int, *, bias: float | list[float] = 0.0, rate: float = 1.0, scale: float = 1.0
    ):
        super().__init__()
        self.gain, self.rate = rate / math.sqrt(fan_in), rate
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) * (scale / rate))
        self.bias = nn.Parameter((torch.tensor(bias) / rate).expand(fan_out).clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Conv2d(nn.Module):
    """Convolution of B × fan_in × H × W with an odd kernel, to the same size; or `halve`d, without padding."""

    def __init__(self, fan_in: int, fan_out: int, kernel: int, *, bias: bool = True, halve: bool = False):
        super().__init__()
        self.gain = 1 / math.sqrt(fan_in * kernel**2)
        self.stride, self.padding = (2, 0) if halve else (1, kernel // 2)
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.gain, self.bias, stride=self.stride, padding=self.padding)


class Mapping(nn.Module):
    """z and label to a style w: normalised, concatenated, through leaky layers (Karras et al. 2021, Appendix D).

    z: B × z_dim, may have z_dim = 0; labels: one-hot B × label_dim or None  →  B × w_dim.
    `track`: keep an average of w over training batches, for truncation.
    """

    def __init__(self, z_dim: int, label_dim: int, w_dim: int, layers: int, *, track: bool, rate: float = 0.01):
        super().__init__()
        self.z_dim, self.depth = z_dim, layers
        self.embed = Linear(label_dim, w_dim) if label_dim else None
        widths = [z_dim + (w_dim if label_dim else 0)] + [w_dim] * layers
        for i in range(layers):
            self.add_module(f"fc{i}", Linear(widths[i], widths[i + 1], rate=rate))
        if track:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, labels: Tensor | None) -> Tensor:
        parts = []
        if self.z_dim:
            parts.append(unit_rms(z))
        if self.embed is not None:
            parts.append(unit_rms(self.embed(labels.float())))
        x = torch.cat(parts, dim=1)
        for i in range(self.depth):
            x = leaky(self.get_submodule(f"fc{i}")(x))
        return x
