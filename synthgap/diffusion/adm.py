"""The U-Net of Dhariwal and Nichol 2021 (ADM): EDM's network for ImageNet at 64 × 64.

Parameter and buffer names equal those in the released EDM checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv2d, GroupNorm, Linear, Positional, attend
from .unet import UNetConfig

HEAD = 64  # channels of an attention head, or a few more where 64 does not divide
EPS = 1e-5


class ADMBlock(nn.Module):
    """Residual block whose embedding scales and shifts the normalised activations."""

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
        heads = range(1, max(1, fan_out // HEAD) + 1)
        self.heads = max(h for h in heads if fan_out % h == 0) if attention else 0
        self.norm0 = GroupNorm(fan_in, EPS)
        self.conv0 = Conv2d(fan_in, fan_out, 3, up=up, down=down)
        self.affine = Linear(emb, fan_out * 2)
        self.norm1 = GroupNorm(fan_out, EPS)
        self.conv1 = Conv2d(fan_out, fan_out, 3, gain=0.0)
        self.skip = None
        if fan_in != fan_out or up or down:
            self.skip = Conv2d(fan_in, fan_out, 1 if fan_in != fan_out else 0, up=up, down=down)
        if self.heads:
            self.norm2 = GroupNorm(fan_out, EPS)
            self.qkv = Conv2d(fan_out, fan_out * 3, 1)
            self.proj = Conv2d(fan_out, fan_out, 1, gain=0.0)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv0(F.silu(self.norm0(x)))
        scale, shift = self.affine(emb)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm1(h) * (1 + scale) + shift)
        h = self.conv1(F.dropout(h, self.dropout, self.training))
        x = h + (x if self.skip is None else self.skip(x))
        return x + self.proj(attend(self.qkv(self.norm2(x)), self.heads)) if self.heads else x


class ADMUNet(nn.Module):
    """F(x, c_noise, labels); arguments, result and errors as for `SongUNet`."""

    def __init__(self, config: UNetConfig):
        super().__init__()
        config.check_sides()
        self.config = config
        base, emb = config.model_channels, config.model_channels * 4
        self.map_noise = Positional(base)
        self.map_augment = Linear(config.augment_dim, base, bias=False, gain=0.0) if config.augment_dim else None
        self.map_layer0 = Linear(base, emb)
        self.map_layer1 = Linear(emb, emb)
        self.map_label = Linear(config.label_dim, emb, bias=False) if config.label_dim else None
        self.enc = nn.ModuleDict()
        self.dec = nn.ModuleDict()

        def block(fan_in: int, fan_out: int, **kind: bool) -> ADMBlock:
            return ADMBlock(fan_in, fan_out, emb, dropout=config.dropout, **kind)

        out = config.channels
        skips: list[int] = []
        for level, mult in enumerate(config.channel_mult):
            name = config.level_name(level)
            if level == 0:
                self.enc[f"{name}_conv"] = Conv2d(out, base * mult, 3)
                out = base * mult
            else:
                self.enc[f"{name}_down"] = block(out, out, down=True)
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
                fan_in = out + skips.pop()
                self.dec[f"{name}_block{i}"] = block(fan_in, base * mult, attention=config.attends(level))
                out = base * mult
        self.out_norm = GroupNorm(out, EPS)
        self.out_conv = Conv2d(out, config.channels, 3, gain=0.0)

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        emb = self.map_noise(noise).to(x.dtype)
        if self.map_augment is not None and augment is not None:
            emb = emb + self.map_augment(augment.to(x.dtype))
        emb = self.map_layer1(F.silu(self.map_layer0(emb)))
        if self.map_label is not None and labels is not None:
            emb = emb + self.map_label(labels.to(x.dtype))
        emb = F.silu(emb)

        skips: list[Tensor] = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, ADMBlock) else layer(x)
            skips.append(x)
        for key, layer in self.dec.items():
            x = layer(torch.cat([x, skips.pop()], dim=1) if "_block" in key else x, emb)
        return self.out_conv(F.silu(self.out_norm(x)))
