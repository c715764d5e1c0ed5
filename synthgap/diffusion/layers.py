"""Layers shared by the networks. Parameter and buffer names equal those in the released EDM checkpoints."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SKIP_SCALE = math.sqrt(0.5)  # keeps the variance of (skip + residual) at one


class Linear(nn.Module):
    """Affine map of the last axis, Xavier-uniform initialised, scaled by `gain`."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = True, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(xavier((fan_out, fan_in), fan_in, fan_out) * gain)
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Conv2d(nn.Module):
    """Convolution with optional ×2 up- or down-sampling by a fixed low-pass filter, applied before it.

    `taps` are the filter's weights along one axis; [1, 1] is nearest-neighbour up and the mean of 2 × 2 pixels down.
    `kernel` = 0 resamples only. `filter_last` convolves at the full resolution and filters after (the shortcut of
    the residual encoder in the release).
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        kernel: int,
        up: bool = False,
        down: bool = False,
        taps: tuple[int, ...] = (1, 1),
        gain: float = 1.0,
        filter_last: bool = False,
    ):
        super().__init__()
        self.up, self.down, self.filter_last = up, down, filter_last
        self.plain = taps == (1, 1)
        if kernel:
            area = kernel * kernel
            shape = (fan_out, fan_in, kernel, kernel)
            self.weight = nn.Parameter(xavier(shape, fan_in * area, fan_out * area) * gain)
            self.bias = nn.Parameter(torch.zeros(fan_out))
        else:
            self.weight = self.bias = None
        if up or down:
            line = torch.tensor(taps, dtype=torch.float32)
            self.register_buffer("resample_filter", (line.outer(line) / line.sum() ** 2)[None, None])

    def forward(self, x: Tensor) -> Tensor:
        pad = self.weight.shape[-1] // 2 if self.weight is not None else 0
        if self.filter_last:
            x = F.conv2d(x, self.weight, padding=pad + self._filter_pad)
            return self._lower(x, padding=0) + self.bias[:, None, None]
        if self.up and self.plain:
            return self._nearest(x, pad)
        if self.up:
            x = self._raise(x)
        if self.down:
            x = F.avg_pool2d(x, 2) if self.plain else self._lower(x, padding=self._filter_pad)
        return x if self.weight is None else F.conv2d(x, self.weight, self.bias, padding=pad)

    def _nearest(self, x: Tensor, pad: int) -> Tensor:
        """Convolution of the image twice as large, at the cost of its distinct pixels: 2 × 2 pixels are alike, so the
        kernel's taps on them are added first (1.4× to 2.8× as fast for 3 × 3 kernels), and 1 × 1 kernels go first."""
        if pad == 0:
            x = x if self.weight is None else F.conv2d(x, self.weight, self.bias)
            return F.interpolate(x, scale_factor=2, mode="nearest")
        taps = F.pad(self.weight, (0, 1)) + F.pad(self.weight, (1, 0))
        taps = F.pad(taps, (0, 0, 0, 1)) + F.pad(taps, (0, 0, 1, 0))
        return F.conv_transpose2d(x, taps.flip(2, 3).transpose(0, 1), self.bias, stride=2, padding=pad)

    @property
    def _filter_pad(self) -> int:
        return (self.resample_filter.shape[-1] - 1) // 2

    def _each_channel(self, x: Tensor) -> Tensor:
        return self.resample_filter.to(x.dtype).expand(x.shape[1], 1, -1, -1)

    def _lower(self, x: Tensor, padding: int) -> Tensor:
        return F.conv2d(x, self._each_channel(x), stride=2, padding=padding, groups=x.shape[1])

    def _raise(self, x: Tensor) -> Tensor:
        weight = 4 * self._each_channel(x)  # each input pixel feeds four times as many outputs
        return F.conv_transpose2d(x, weight, stride=2, padding=self._filter_pad, groups=x.shape[1])


class GroupNorm(nn.GroupNorm):
    """Group normalisation with at least four channels a group, at most 32 groups, as many as divide evenly.

    `silu`: the activation is applied to the result.
    """

    def __init__(self, channels: int, eps: float = 1e-6):
        most = min(32, max(1, channels // 4))
        super().__init__(max(g for g in range(1, most + 1) if channels % g == 0), channels, eps=eps)

    def forward(self, x: Tensor, silu: bool = False) -> Tensor:
        if torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
            x = super().forward(x)
            return F.silu(x, inplace=True) if silu else x
        return self._of_pixels(x, silu)

    def _of_pixels(self, x: Tensor, silu: bool) -> Tensor:
        """The same in half of the time, for float32 images in channels-last order, on a CPU and without gradients.

        The variance is E[x²] − E[x]², whose rounding error grows with (mean/deviation)².
        """
        b, c, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(b, height * width, c)
        moments = torch.stack([pixels.sum(1), (pixels * pixels).sum(1)]).view(2, b, self.num_groups, -1)
        mean, square = moments.mean(3, keepdim=True) / (height * width)  # each B × groups × 1
        rstd = torch.addcmul(square, mean, mean, value=-1).clamp_(min=0).add_(self.eps).rsqrt_()
        scale = rstd * self.weight.view(self.num_groups, -1)
        shift = torch.addcmul(self.bias.view(self.num_groups, -1), mean, scale, value=-1)
        out = torch.addcmul(shift.view(b, 1, c), pixels, scale.view(b, 1, c))
        out = F.silu(out, inplace=True) if silu else out
        return out.view(b, height, width, c).permute(0, 3, 1, 2)


class Fourier(nn.Module):
    """Random Fourier features of B values, B × channels: cosines first. `freqs` are part of a checkpoint."""

    def __init__(self, channels: int, scale: float = 16.0):
        super().__init__()
        self.register_buffer("freqs", torch.randn(channels // 2) * scale)

    def forward(self, values: Tensor) -> Tensor:
        angles = values.float()[:, None] * (2 * math.pi * self.freqs)
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class Positional(nn.Module):
    """Sinusoidal embedding of B values, B × channels: cosines first.

    `endpoint`: the lowest frequency is 1/10000 exactly.
    """

    def __init__(self, channels: int, endpoint: bool = False):
        super().__init__()
        self.half, self.endpoint = channels // 2, endpoint

    def forward(self, values: Tensor) -> Tensor:
        steps = torch.arange(self.half, dtype=torch.float32, device=values.device)
        angles = values.float()[:, None] * (1 / 10000) ** (steps / max(self.half - self.endpoint, 1))
        return torch.cat([angles.cos(), angles.sin()], dim=1)


def swap_halves(x: Tensor) -> Tensor:
    """The first half of the last axis after the second."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([second, first], dim=-1)


def attend(qkv: Tensor, heads: int) -> Tensor:
    """Self-attention over the pixels of B × 3C × H × W → B × C × H × W, softmax in float32.

    The released weights interleave q, k and v along the channels, with stride 3.
    """
    b, channels, height, width = qkv.shape
    size = channels // 3 // heads
    tokens = qkv.permute(0, 2, 3, 1).reshape(b, height * width, heads, size, 3)
    q, k, v = tokens.permute(4, 0, 2, 1, 3).contiguous()  # B × heads × HW × size
    out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    return out.reshape(b, height, width, heads * size).permute(0, 3, 1, 2)


def xavier(shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    """Xavier-uniform values."""
    return (torch.rand(shape) * 2 - 1) * math.sqrt(6 / (fan_in + fan_out))
