"""The U-Nets of Song et al. 2021, DDPM++ and NCSN++: EDM's networks for CIFAR-10.

Parameter and buffer names are an interchange format: they equal the names in the released EDM checkpoints, so
that those weights load here. Everything else is written from the papers.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from ..base.errors import UserError
from .layers import SKIP_SCALE, Conv2d, Fourier, GroupNorm, Linear, Positional, attend, swap_halves

MOST_BLOCKS = 150  # of the encoder; building more takes seconds


class UNetConfig(BaseModel):
    """Size of a network. The defaults, with `label_dim` = 10, are EDM's CIFAR-10 DDPM++ (55.7 M parameters)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # upper bounds far above any network that was ever trained: a file may describe one that takes hours to build
    architecture: Literal["ddpm++", "ncsn++", "adm"] = "ddpm++"
    height: int = Field(32, gt=0, le=4096)
    width: int = Field(32, gt=0, le=4096)
    channels: int = Field(3, gt=0, le=64)
    label_dim: int = Field(0, ge=0, le=10**6)  # number of classes; 0 is unconditional
    model_channels: int = Field(128, gt=0, le=10_000, multiple_of=2)
    channel_mult: tuple[Annotated[int, Field(gt=0, le=100)], ...] = Field((2, 2, 2), min_length=1, max_length=13)
    num_blocks: int = Field(4, gt=0, le=100)
    attn_resolutions: tuple[int, ...] = Field((16,), max_length=100)  # heights at which blocks attend
    dropout: float = Field(0.13, ge=0, lt=1)
    augment_dim: int = Field(0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        blocks = self.num_blocks * len(self.channel_mult)
        if blocks > MOST_BLOCKS:
            raise ValueError(f"{blocks} blocks; at most {MOST_BLOCKS} are possible")
        return self

    @property
    def divisor(self) -> int:
        """Height and width must be multiples of this."""
        return 2 ** (len(self.channel_mult) - 1)

    def level_name(self, level: int) -> str:
        """ "32x32", "16x16", …: how layers of a level are called."""
        return f"{self.height >> level}x{self.width >> level}"

    def attends(self, level: int) -> bool:
        return self.height >> level in self.attn_resolutions

    def check_sides(self) -> None:
        """UserError when height or width is not a multiple of `divisor`."""
        if self.height % self.divisor or self.width % self.divisor:
            raise UserError(
                f"a network of {len(self.channel_mult)} levels needs sides divisible by {self.divisor}, "
                f"not {self.height}×{self.width}; pad the images or use fewer levels"
            )


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
        taps: tuple[int, ...] = (1, 1),
    ):
        super().__init__()
        self.dropout = dropout
        resample = {"up": up, "down": down, "taps": taps}
        self.norm0 = GroupNorm(fan_in)
        self.conv0 = Conv2d(fan_in, fan_out, 3, **resample)
        self.affine = Linear(emb, fan_out)
        self.norm1 = GroupNorm(fan_out)
        self.conv1 = Conv2d(fan_out, fan_out, 3, gain=1e-5)  # a new block starts as its skip path
        self.skip = Conv2d(fan_in, fan_out, 1, **resample) if fan_in != fan_out or up or down else None
        self.attention = attention
        if attention:
            self.norm2 = GroupNorm(fan_out)
            self.qkv = Conv2d(fan_out, fan_out * 3, 1, gain=math.sqrt(0.2))
            self.proj = Conv2d(fan_out, fan_out, 1, gain=1e-5)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv0(self.norm0(x, silu=True))
        h = self.norm1(h.add_(self.affine(emb)[:, :, None, None]), silu=True)
        h = self.conv1(F.dropout(h, self.dropout, self.training))
        x = h.add_(x if self.skip is None else self.skip(x)).mul_(SKIP_SCALE)
        if self.attention:
            x = self.proj(attend(self.qkv(self.norm2(x)), heads=1)).add_(x).mul_(SKIP_SCALE)
        return x


class SongUNet(nn.Module):
    """F(x, c_noise, labels): the raw network under the preconditioning, DDPM++ or NCSN++.

    NCSN++ differs by random Fourier features of twice the width for the noise level, by smoother resampling
    ([1, 3, 3, 1]) and by a residual encoder: the input itself, downsampled, is added at every level.

    x: float B × C × H × W; noise: B, the preconditioning's c_noise; labels: one-hot B × label_dim or None;
    augment: B × augment_dim or None (zeros)  →  B × C × H × W.

    Raises UserError when height or width is not a multiple of 2^(levels − 1).
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        config.check_sides()
        self.config = config
        residual = config.architecture == "ncsn++"
        taps = (1, 3, 3, 1) if residual else (1, 1)
        base, emb = config.model_channels, config.model_channels * 4
        width = base * 2 if residual else base
        self.map_noise = Fourier(width) if residual else Positional(width, endpoint=True)
        self.map_label = Linear(config.label_dim, width) if config.label_dim else None
        self.map_augment = Linear(config.augment_dim, width, bias=False) if config.augment_dim else None
        self.map_layer0 = Linear(width, emb)
        self.map_layer1 = Linear(emb, emb)
        self.enc = nn.ModuleDict()
        self.dec = nn.ModuleDict()

        def block(fan_in: int, fan_out: int, **kind: bool) -> Block:
            return Block(fan_in, fan_out, emb, dropout=config.dropout, taps=taps, **kind)

        out, raw = config.channels, config.channels
        skips: list[int] = []  # channels of the encoder outputs that the decoder takes back, last first
        for level, mult in enumerate(config.channel_mult):
            name = config.level_name(level)
            if level == 0:
                self.enc[f"{name}_conv"] = Conv2d(out, base, 3)
                out = base
            else:
                self.enc[f"{name}_down"] = block(out, out, down=True)
                if residual:
                    shortcut = Conv2d(raw, out, 3, down=True, taps=taps, filter_last=True)
                    self.enc[f"{name}_aux_residual"] = shortcut
                    raw = out
            skips.append(out)
            for i in range(config.num_blocks):
                self.enc[f"{name}_block{i}"] = block(out, base * mult, attention=config.attends(level))
                out = base * mult
                skips.append(out)
        for level, mult in reversed(list(enumerate(config.channel_mult))):
            name = config.level_name(level)
            if level == len(config.channel_mult) - 1:
                self.dec[f"{name}_in0"] = block(out, out, attention=True)
                self.dec[f"{name}_in1"] = block(out, out)
            else:
                self.dec[f"{name}_up"] = block(out, out, up=True)
            for i in range(config.num_blocks + 1):
                attention = config.attends(level) and i == config.num_blocks
                self.dec[f"{name}_block{i}"] = block(out + skips.pop(), base * mult, attention=attention)
                out = base * mult
        self.dec[f"{config.level_name(0)}_aux_norm"] = GroupNorm(out)
        self.dec[f"{config.level_name(0)}_aux_conv"] = Conv2d(out, config.channels, 3, gain=1e-5)

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        emb = swap_halves(self.map_noise(noise)).to(x.dtype)
        if self.map_label is not None and labels is not None:
            emb = emb + self.map_label(labels.to(x.dtype) * math.sqrt(self.config.label_dim))
        if self.map_augment is not None and augment is not None:
            emb = emb + self.map_augment(augment.to(x.dtype))
        emb = F.silu(self.map_layer1(F.silu(self.map_layer0(emb))))

        raw = x
        skips: list[Tensor] = []
        for key, layer in self.enc.items():
            if key.endswith("_aux_residual"):
                x = skips[-1] = raw = (x + layer(raw)) * SKIP_SCALE
            else:
                x = layer(x, emb) if isinstance(layer, Block) else layer(x)
                if not torch.is_grad_enabled() or x.dtype != torch.float32:
                    # convolutions are faster in this order, but float32 normalisation with gradients is slower
                    x = x.contiguous(memory_format=torch.channels_last)
                skips.append(x)
        for key, layer in self.dec.items():
            if isinstance(layer, Block):
                if "_block" in key:
                    x = torch.cat([x, skips.pop()], dim=1)
                x = layer(x, emb)
            elif isinstance(layer, GroupNorm):
                x = layer(x, silu=True)
            else:
                x = layer(x)
        return x
