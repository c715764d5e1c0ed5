"""DDPM++ in straightforward PyTorch: float32, NCHW, one operation after the other, by the weights of a `SongUNet`.

What `benchmarks/denoiser.py` measures against and `tests/diffusion/test_plain_unet.py` compares with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from synthgap.diffusion.layers import Conv2d, GroupNorm
from synthgap.diffusion.unet import Block, SongUNet, UNetConfig

HALF = math.sqrt(0.5)
DIGITS = UNetConfig(  # of the preset `quick`
    height=8,
    width=8,
    channels=1,
    label_dim=10,
    model_channels=32,
    channel_mult=(1, 2),
    num_blocks=1,
    attn_resolutions=(4,),
    dropout=0.0,
)


def plain_forward(net: SongUNet, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """What `net(x, noise, labels)` answers; DDPM++ without dropout and augmentation."""
    frequencies = 10000.0 ** (-torch.arange(net.map_noise.half, device=noise.device) / (net.map_noise.half - 1))
    angles = noise[:, None] * frequencies
    emb = torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype)
    if labels is not None:
        emb = emb + net.map_label(labels * math.sqrt(labels.shape[1]))
    emb = F.silu(net.map_layer1(F.silu(net.map_layer0(emb))))
    skips = []
    for layer in net.enc.values():
        x = _block(layer, x, emb) if isinstance(layer, Block) else _conv(layer, x)
        skips.append(x)
    for name, layer in net.dec.items():
        if isinstance(layer, Block):
            x = _block(layer, torch.cat([x, skips.pop()], dim=1) if "_block" in name else x, emb)
        else:
            x = F.silu(_norm(layer, x)) if isinstance(layer, GroupNorm) else _conv(layer, x)
    return x


def _block(block: Block, x: Tensor, emb: Tensor) -> Tensor:
    h = _conv(block.conv0, F.silu(_norm(block.norm0, x)))
    h = h + F.linear(emb, block.affine.weight, block.affine.bias)[:, :, None, None]
    h = _conv(block.conv1, F.silu(_norm(block.norm1, h)))
    x = (h + (x if block.skip is None else _conv(block.skip, x))) * HALF
    return (_conv(block.proj, _attend(_conv(block.qkv, _norm(block.norm2, x)))) + x) * HALF if block.attention else x


def _conv(layer: Conv2d, x: Tensor) -> Tensor:
    if layer.up:
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    if layer.down:
        x = F.avg_pool2d(x, 2)
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


def _norm(layer: GroupNorm, x: Tensor) -> Tensor:
    return F.group_norm(x, layer.num_groups, layer.weight, layer.bias, layer.eps)


def _attend(qkv: Tensor) -> Tensor:
    q, k, v = qkv.reshape(len(qkv), -1, 3, qkv[0, 0].numel()).unbind(2)  # each B × C × HW
    scores = torch.einsum("bcq,bck->bqk", q, k) / math.sqrt(q.shape[1])
    return torch.einsum("bqk,bck->bcq", scores.softmax(dim=2), v).reshape(len(qkv), -1, *qkv.shape[2:])
