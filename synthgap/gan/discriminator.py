"""StyleGAN2's residual discriminator with a projection head, for images of any size (Karras et al. 2020)."""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..base.errors import UserError
from ..base.labels import one_hot
from .layers import Conv2d, Linear, Mapping, leaky

TAPS = (1, 3, 3, 1)  # of the low-pass filter before every second sample is dropped


class DiscriminatorConfig(BaseModel):
    """Size of a discriminator. The defaults are the paper's for 256 × 256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    height: int = Field(256, ge=1, le=4096)
    width: int = Field(256, ge=1, le=4096)
    channels: int = Field(3, gt=0, le=4)
    label_dim: int = Field(0, ge=0)  # number of classes; 0 is unconditional
    channel_base: int = Field(32768, gt=0)  # a map of side s has channel_base/s channels …
    channel_max: int = Field(512, gt=0)  # … but at most these
    mapping_layers: int = Field(8, ge=0, le=100)  # of the class embedding; 0 is the embedding itself
    embedding_dim: int | None = Field(None, gt=0)  # of the projection; None: as many as the last map's channels
    std_group: int = Field(4, gt=0)  # images compared by the minibatch standard deviation
    std_channels: int = Field(1, ge=0)  # maps it adds; 0 is none

    def sides(self) -> list[tuple[int, int]]:
        """(H, W) of the maps: halved, rounded up, until both are at most 4; images of at most 4 × 4 once, too."""
        sides = [(self.height, self.width)]
        while max(sides[-1]) > 4 or len(sides) == 1:
            sides.append(tuple(-(-n // 2) for n in sides[-1]))
        return sides

    def width_of(self, size: tuple[int, int]) -> int:
        """Channels of a map of H × W."""
        return max(1, min(self.channel_base // 2 ** math.ceil(math.log2(max(size))), self.channel_max))


class Discriminator(nn.Module):
    """Scores images: `discriminator(images, labels)`, higher is more real.

    The score is φ(x)·v(y)/√D with φ the image's features and v(y) the class's embedding (Miyato & Koyama 2018),
    scaled to unit mean square; without classes it is a linear function of the image.
    """

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        sides = config.sides()
        embedding = config.embedding_dim or config.width_of(sides[-1])
        self.blocks = [f"b{max(size)}" for size in sides[:-1]]
        for name, size, after in zip(self.blocks, sides, sides[1:], strict=False):
            colours = config.channels if name == self.blocks[0] else 0
            self.add_module(name, Block(config.width_of(size), config.width_of(after), colours))
        self.last = f"b{max(sides[-1])}"
        self.add_module(self.last, Epilogue(config, sides[-1], embedding if config.label_dim else 1))
        self.mapping = None
        if config.label_dim:
            self.mapping = Mapping(0, config.label_dim, embedding, config.mapping_layers, track=False)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits, float32 B.

        images: B × C × H × W in [−1, 1]; labels: int64 B, or one-hot float B × label_dim; None on an unconditional
        discriminator only.

        Raises UserError when the images' shape is another, or the labels are missing, unwanted, out of range or of
        another form.
        """
        onehot = one_hot(labels, len(images), self.config.label_dim)
        features = self.features(images)
        if self.mapping is None:
            return features.squeeze(1)
        return project(features, self.mapping(None, onehot))

    def features(self, images: Tensor) -> Tensor:
        """φ(x): B × D, or B × 1 without classes."""
        shape = self.config.channels, self.config.height, self.config.width
        if images.ndim != 4 or images.shape[1:] != shape:
            raise UserError(f"images have shape {tuple(images.shape)}; this discriminator takes B × {shape}")
        x = images.float()
        for name in self.blocks:
            x = self.get_submodule(name)(x)
        return self.get_submodule(self.last)(x)


def project(features: Tensor, embedding: Tensor) -> Tensor:
    """Inner products of the rows of B × D and B × D, over √D."""
    return (features * embedding).sum(dim=1) / math.sqrt(features.shape[1])


class Block(nn.Module):
    """Residual block that halves the sides, rounded up: B × I × H × W → B × O × ⌈H/2⌉ × ⌈W/2⌉.

    `colours` > 0: the first block, which takes images of that many channels.
    """

    def __init__(self, fan_in: int, fan_out: int, colours: int = 0):
        super().__init__()
        self.fromrgb = Conv2d(colours, fan_in, 1) if colours else None
        self.conv0 = Conv2d(fan_in, fan_in, 3)
        self.conv1 = Conv2d(fan_in, fan_out, 3, halve=True)
        self.skip = Conv2d(fan_in, fan_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.fromrgb is not None:
            x = leaky(self.fromrgb(x))
        skip = self.skip(blur(x, step=2, before=1))
        x = leaky(self.conv1(blur(leaky(self.conv0(x)), step=1, before=2)))
        return (x + skip) * math.sqrt(0.5)


def blur(x: Tensor, step: int, before: int) -> Tensor:
    """Low-pass filter along both axes and keep every `step`-th sample; sums to one.

    `before` zeros are put before the first sample and as many after the last, one more where the side is odd, so
    that halving rounds up.
    """
    for axis in (2, 3):
        size = x.shape[axis]
        count = (size + size % 2 + 2 * before - len(TAPS)) // step + 1
        # one axis at a time is a product with a banded matrix, which beats a convolution on maps this small
        start = step * torch.arange(count, device=x.device)[:, None] - before
        index = torch.arange(size, device=x.device) - start
        taps = torch.tensor((0, *TAPS, 0), dtype=x.dtype, device=x.device) / sum(TAPS)
        matrix = taps[(index + 1).clamp(0, len(TAPS) + 1)]
        x = matrix @ x if axis == 2 else x @ matrix.T
    return x


def minibatch_std(x: Tensor, group: int, channels: int) -> Tensor:
    """Append `channels` maps that hold how much the images of a group differ (Karras et al. 2018, Section 3).

    x: B × C × H × W. The batch is dealt out to B/G groups in turn (image i to group i mod B/G), with G the largest
    divisor of B up to `group`; a map holds the standard deviation over its group, averaged over H, W and its share
    of the C channels.
    """
    batch, width, height, side = x.shape
    members = max(g for g in range(1, min(group, batch) + 1) if batch % g == 0)
    parts = x.reshape(members, -1, channels, width // channels, height, side)
    spread = (parts.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(2, 3, 4))  # groups × channels
    maps = spread.repeat(members, 1)[:, :, None, None].expand(-1, -1, height, side)
    return torch.cat([x, maps], dim=1)


class Epilogue(nn.Module):
    """Minibatch standard deviation, a convolution and two linear maps: B × C × h × w → B × outputs."""

    def __init__(self, config: DiscriminatorConfig, size: tuple[int, int], outputs: int):
        super().__init__()
        self.group, self.extra = config.std_group, config.std_channels
        width = config.width_of(size)
        self.conv = Conv2d(width + self.extra, width, 3)
        self.fc = Linear(width * size[0] * size[1], width)
        self.out = Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.extra and len(x):
            x = minibatch_std(x, self.group, self.extra)
        x = leaky(self.conv(x))
        return self.out(leaky(self.fc(x.flatten(1))))
