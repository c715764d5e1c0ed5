"""The synthesis network of the alias-free generator: Fourier features, then filtered modulated convolutions.

Parameter and buffer names equal those in the released StyleGAN3-T checkpoints, so that those weights load here.
Everything else is written from Karras et al. 2021, "Alias-Free Generative Adversarial Networks".
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .filters import filtered_leaky, lowpass
from .layers import Linear
from .schedule import GeneratorConfig, Level

KERNEL = 3  # of all convolutions but the last, to colours


class FourierInput(nn.Module):
    """Sine waves of fixed random frequencies on the first layer's grid, rotated and moved as w tells, then mixed.

    w: B × w_dim  →  B × C × N × N. `transform` is the user's: a position p (x, y, 1) of the output, in canvas sides
    from the centre, shows what would be at transform·p (Section 3.2 and Appendix F).
    """

    def __init__(self, w_dim: int, level: Level):
        super().__init__()
        self.level, channels = level, level.channels
        radius = level.cutoff * torch.rand(channels).sqrt()  # uniform in the disc of the first cutoff
        angle = 2 * math.pi * torch.rand(channels)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Linear(w_dim, 4, bias=[1.0, 0.0, 0.0, 0.0], scale=0.0)  # cosine, sine, x and y
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: Tensor) -> Tensor:
        pose = self.affine(w)
        cos, sin, x, y = (pose / pose[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        turn = torch.stack([cos, -sin, sin, cos], dim=1).reshape(-1, 2, 2)
        shift = self.transform[:2, 2] - torch.stack([x, y], dim=1)
        # at p: sin 2π(f·R(Tp + t) + φ), with T and t the user's matrix and the user's shift less that of w
        phases = self.phases + (turn @ shift[:, :, None]).squeeze(2) @ self.freqs.T
        freqs = self.freqs @ (turn @ self.transform[:2, :2])
        nyquist, cutoff = self.level.rate / 2, self.level.cutoff
        excess = (freqs.norm(dim=2) - cutoff) / (nyquist - cutoff)  # enlarging may raise them beyond the grid's
        line = (torch.arange(self.level.size, device=w.device) - (self.level.size - 1) / 2) / self.level.rate
        across, down = freqs[:, :, :1] * line, freqs[:, :, 1:] * line  # B × C × N each
        angles = down[:, :, :, None] + across[:, :, None, :] + phases[:, :, None, None]
        waves = (2 * math.pi * angles).sin() * (1 - excess).clamp(0, 1)[:, :, None, None]
        return torch.einsum("oc,bchw->bohw", self.weight / math.sqrt(len(self.weight)), waves)


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool, gain: Tensor | float = 1.0, padding: int = 0
) -> Tensor:
    """Convolution of image b with weight · style[b], one factor an input channel (Karras et al. 2020, Eq. 1–3).

    x: B × I × H × W, weight: O × I × K × K, style: B × I. `demodulate` scales each output channel of each image so
    that independent inputs of unit variance give unit variance; `gain` is what scales the inputs to that.
    """
    x = F.conv2d(x * (style * gain)[:, :, None, None], weight, padding=padding)  # the same, with one weight for all
    if demodulate:
        power = style.square() @ weight.square().sum(dim=(2, 3)).T
        x = x * (power + 1e-8).rsqrt()[:, :, None, None]
    return x


class SynthesisLayer(nn.Module):
    """Modulated convolution, bias, and leaky ReLU between two low-pass filters; the last layer only makes colours.

    x: B × I × N × N, w: B × w_dim  →  B × O × M × M (Section 3.2, Figure 4b).
    """

    def __init__(self, config: GeneratorConfig, before: Level, level: Level, *, to_rgb: bool):
        super().__init__()
        self.to_rgb, self.size, self.clamp = to_rgb, level.size, config.conv_clamp
        self.decay = config.magnitude_decay
        kernel = 1 if to_rgb else KERNEL
        self.affine = Linear(config.w_dim, before.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(level.channels, before.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(level.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        if not to_rgb:
            inner = 2 * max(before.rate, level.rate)  # the nonlinearity works at twice the rate of its surroundings
            self.up, self.down = inner // before.rate, inner // level.rate
            up = lowpass(config.filter_size * self.up, before.cutoff, before.half_width, inner)
            down = lowpass(config.filter_size * self.down, level.cutoff, level.half_width, inner)
            self.register_buffer("up_filter", up)
            self.register_buffer("down_filter", down)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.magnitude_ema.lerp_(x.square().mean(), 1 - self.decay)
        style = self.affine(w)
        if self.to_rgb:
            style = style / math.sqrt(x.shape[1])
        padding = self.weight.shape[-1] - 1  # all that the input reaches; the layer's size is cut after filtering
        gain = self.magnitude_ema.rsqrt()
        x = modulated_conv(x, self.weight, style, demodulate=not self.to_rgb, gain=gain, padding=padding)
        x = x + self.bias[:, None, None]
        if self.to_rgb:
            return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        resampling = {"up": self.up, "down": self.down, "size": self.size}
        return filtered_leaky(x, self.up_filter, self.down_filter, **resampling, clamp=self.clamp)


class Synthesis(nn.Module):
    """w, B × w_dim (the same style for every layer) or B × (layers + 2) × w_dim  →  B × C × side × side."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        levels = config.schedule()
        self.input = FourierInput(config.w_dim, levels[0])
        self.names = []
        for i, level in enumerate(levels):
            self.names.append(f"L{i}_{level.size}_{level.channels}")
            layer = SynthesisLayer(config, levels[max(i - 1, 0)], level, to_rgb=i == config.layers)
            self.add_module(self.names[-1], layer)

    def forward(self, w: Tensor) -> Tensor:
        if w.ndim == 2:
            w = w[:, None].expand(-1, len(self.names) + 1, -1)
        x = self.input(w[:, 0])
        for i, name in enumerate(self.names):
            x = self.get_submodule(name)(x, w[:, i + 1])
        return x * self.config.output_scale
