"""DDPM++ U-Net (Ho et al. 2020; Song et al. 2021), the network of EDM's class-conditional CIFAR-10 model.

Parameter and buffer names are an interchange format: they equal the names in the released EDM checkpoints, so
that those weights load here. Everything else is written from the papers.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..errors import UserError

SKIP_SCALE = math.sqrt(0.5)  # keeps the variance of (skip + residual) at one


class UNetConfig(BaseModel):
    """Size of a DDPM++ network. The defaults, with `label_dim` = 10, are EDM's CIFAR-10 network (55.7 M)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(32, gt=0)
    width: int = Field(32, gt=0)
    channels: int = Field(3, gt=0)
    label_dim: int = Field(0, ge=0)  # number of classes; 0 is unconditional
    model_channels: int = Field(128, gt=0, multiple_of=2)
    channel_mult: tuple[int, ...] = (2, 2, 2)
    num_blocks: int = Field(4, gt=0)
    attn_resolutions: tuple[int, ...] = (16,)  # heights at which blocks attend
    dropout: float = Field(0.13, ge=0, lt=1)
    augment_dim: int = Field(0, ge=0)

    @property
    def divisor(self) -> int:
        """Height and width must be multiples of this."""
        return 2 ** (len(self.channel_mult) - 1)


class Linear(nn.Module):
    """Affine map of the last axis, Xavier-uniform initialised, scaled by `gain`."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = True, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(_xavier((fan_out, fan_in), fan_in, fan_out) * gain)
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Conv2d(nn.Module):
    """Convolution with optional ×2 up- or down-sampling by a fixed low-pass filter, applied before it.

    With filter [1, 1] up-sampling is nearest-neighbour and down-sampling the mean of 2 × 2 pixels.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        kernel: int,
        up: bool = False,
        down: bool = False,
        gain: float = 1.0,
    ):
        super().__init__()
        self.up, self.down = up, down
        area = kernel * kernel
        shape = (fan_out, fan_in, kernel, kernel)
        self.weight = nn.Parameter(_xavier(shape, fan_in * area, fan_out * area) * gain)
        self.bias = nn.Parameter(torch.zeros(fan_out))
        if up or down:
            self.register_buffer("resample_filter", torch.full((1, 1, 2, 2), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        if self.down:
            x = F.avg_pool2d(x, 2)
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class GroupNorm(nn.GroupNorm):
    """Group normalisation with at least four channels a group, at most 32 groups, as many as divide evenly."""

    def __init__(self, channels: int):
        most = min(32, max(1, channels // 4))
        super().__init__(max(g for g in range(1, most + 1) if channels % g == 0), channels, eps=1e-6)


class Block(nn.Module):
    """Residual block conditioned on an embedding, with optional resampling and self-attention.

    x: B × in × H × W, emb: B × E  →  B × out × H' × W'.
    """

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        emb: int,
        up: bool = False,
        down: bool = False,
        attention: bool = False,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dropout = dropout
        self.norm0 = GroupNorm(fan_in)
        self.conv0 = Conv2d(fan_in, fan_out, 3, up=up, down=down)
        self.affine = Linear(emb, fan_out)
        self.norm1 = GroupNorm(fan_out)
        self.conv1 = Conv2d(fan_out, fan_out, 3, gain=1e-5)  # a new block starts as its skip path
        self.skip = Conv2d(fan_in, fan_out, 1, up=up, down=down) if fan_in != fan_out or up or down else None
        self.attention = attention
        if attention:
            self.norm2 = GroupNorm(fan_out)
            self.qkv = Conv2d(fan_out, fan_out * 3, 1, gain=math.sqrt(0.2))
            self.proj = Conv2d(fan_out, fan_out, 1, gain=1e-5)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv0(F.silu(self.norm0(x)))
        h = F.silu(self.norm1(h + self.affine(emb)[:, :, None, None]))
        h = self.conv1(F.dropout(h, self.dropout, self.training))
        x = (h + (x if self.skip is None else self.skip(x))) * SKIP_SCALE
        return self._attend(x) if self.attention else x

    def _attend(self, x: Tensor) -> Tensor:
        b, c, height, width = x.shape
        # one head; the released weights interleave q, k, v along the channels
        q, k, v = self.qkv(self.norm2(x)).reshape(b, c, 3, height * width).unbind(2)
        scores = torch.einsum("bcq,bck->bqk", q.float(), k.float()) / math.sqrt(c)
        out = torch.einsum("bqk,bck->bcq", scores.softmax(dim=2).to(v.dtype), v)
        return (self.proj(out.reshape(b, c, height, width)) + x) * SKIP_SCALE


class DDPMpp(nn.Module):
    """F(x, c_noise, labels): the raw network under the preconditioning.

    x: float B × C × H × W; noise: B, the conditioning value ln(σ)/4; labels: one-hot B × label_dim or None;
    augment: B × augment_dim or None (zeros)  →  B × C × H × W.

    Raises UserError when height or width is not a multiple of 2^(levels − 1).
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config = config
        if config.height % config.divisor or config.width % config.divisor:
            raise UserError(
                f"a network of {len(config.channel_mult)} levels needs sides divisible by {config.divisor}, "
                f"not {config.height}×{config.width}; pad the images or use fewer levels"
            )
        base, emb = config.model_channels, config.model_channels * 4
        self.map_label = Linear(config.label_dim, base) if config.label_dim else None
        self.map_augment = Linear(config.augment_dim, base, bias=False) if config.augment_dim else None
        self.map_layer0 = Linear(base, emb)
        self.map_layer1 = Linear(emb, emb)
        self.enc = nn.ModuleDict()
        self.dec = nn.ModuleDict()

        def block(fan_in: int, fan_out: int, **kind: bool) -> Block:
            return Block(fan_in, fan_out, emb, dropout=config.dropout, **kind)

        def name(level: int) -> str:
            return f"{config.height >> level}x{config.width >> level}"

        out = config.channels
        skips: list[int] = []  # channels of the encoder outputs that the decoder takes back, last first
        for level, mult in enumerate(config.channel_mult):
            attends = config.height >> level in config.attn_resolutions
            if level == 0:
                self.enc[f"{name(level)}_conv"] = Conv2d(out, base, 3)
                out = base
            else:
                self.enc[f"{name(level)}_down"] = block(out, out, down=True)
            skips.append(out)
            for i in range(config.num_blocks):
                self.enc[f"{name(level)}_block{i}"] = block(out, base * mult, attention=attends)
                out = base * mult
                skips.append(out)
        for level, mult in reversed(list(enumerate(config.channel_mult))):
            attends = config.height >> level in config.attn_resolutions
            if level == len(config.channel_mult) - 1:
                self.dec[f"{name(level)}_in0"] = block(out, out, attention=True)
                self.dec[f"{name(level)}_in1"] = block(out, out)
            else:
                self.dec[f"{name(level)}_up"] = block(out, out, up=True)
            for i in range(config.num_blocks + 1):
                last = i == config.num_blocks
                fan_in = out + skips.pop()
                self.dec[f"{name(level)}_block{i}"] = block(fan_in, base * mult, attention=attends and last)
                out = base * mult
        self.dec[f"{name(0)}_aux_norm"] = GroupNorm(out)
        self.dec[f"{name(0)}_aux_conv"] = Conv2d(out, config.channels, 3, gain=1e-5)

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        emb = _positional(noise, self.config.model_channels).to(x.dtype)
        if self.map_label is not None and labels is not None:
            emb = emb + self.map_label(labels.to(x.dtype) * math.sqrt(self.config.label_dim))
        if self.map_augment is not None and augment is not None:
            emb = emb + self.map_augment(augment.to(x.dtype))
        emb = F.silu(self.map_layer1(F.silu(self.map_layer0(emb))))

        skips: list[Tensor] = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for key, layer in self.dec.items():
            if isinstance(layer, Block):
                if "_block" in key:
                    x = torch.cat([x, skips.pop()], dim=1)
                x = layer(x, emb)
            elif isinstance(layer, GroupNorm):
                x = F.silu(layer(x))
            else:
                x = layer(x)
        return x


def _positional(values: Tensor, channels: int) -> Tensor:
    """Sinusoidal embedding of B values to B × channels: sines first, both ends of the frequency range included."""
    half = channels // 2
    powers = torch.arange(half, dtype=torch.float32, device=values.device) / max(half - 1, 1)
    angles = values.float()[:, None] * (1 / 10000) ** powers
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _xavier(shape: tuple[int, ...], fan_in: int, fan_out: int) -> Tensor:
    return (torch.rand(shape) * 2 - 1) * math.sqrt(6 / (fan_in + fan_out))
