"""Adaptive discriminator augmentation: what both real and generated images go through on their way to the
discriminator (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data").

Each operation is done to each image with probability p. As long as p is well below 1 the discriminator can tell the
distributions apart only by the images themselves, so the augmentations don't leak into what the generator draws.
Sizes are those of the paper but for the rotation: at a few pixels a side, letters and digits that stand on their
heads are other ones.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..base.affine import diagonal, rotation, warp

SHIFT = 0.125  # in sides: largest whole-pixel shift, and standard deviation of the fractional one
SCALE_STD = 0.2  # of log2 of the isotropic and of the anisotropic scale
TURN = math.pi / 12  # largest rotation either way; the paper's is π
BRIGHTNESS_STD, CONTRAST_STD = 0.2, 0.5  # of the offset, in units of images in [−1, 1]; of log2 of the factor
SATURATION_STD = 1.0  # of log2 of the factor
GREY = (1 / math.sqrt(3),) * 3  # the axis of colours without hue


def augment(images: Tensor, probability: float, flip: bool, rng: torch.Generator) -> Tensor:
    """Augmented images, differentiable in `images`.

    Parameters
    ----------
    images : B × C × H × W, about [−1, 1]; C is 1 or 3.
    probability : p in [0, 1], of each operation: whole-pixel shift, scale, rotation, stretch, fractional shift,
        brightness, contrast, and with three channels luma flip, hue and saturation. At 0 the images come back as
        they are. An image to which nothing geometric happens is not resampled.
    flip : mirror left and right with probability p/2 (a coin where the operation is on); False wherever a mirrored
        image is not of its class, digits say.
    rng : a CPU generator. Each image draws its own parameters, as many whatever happens to it.
    """
    if probability == 0:
        return images
    return _colours(_geometry(images, probability, flip, rng), probability, rng)


class _Draws:
    """Random parameters of each image of a batch."""

    def __init__(self, count: int, probability: float, rng: torch.Generator):
        self.count, self.probability, self.rng = count, probability, rng

    def uniform(self) -> Tensor:
        """B numbers in [−1, 1)."""
        return torch.rand(self.count, generator=self.rng) * 2 - 1

    def normal(self) -> Tensor:
        return torch.randn(self.count, generator=self.rng)

    def pixels(self, side: int) -> Tensor:
        """B whole numbers, up to SHIFT of a side of so many pixels either way."""
        most = round(SHIFT * side)
        return torch.randint(-most, most + 1, (self.count,), generator=self.rng).float()

    def on(self) -> Tensor:
        """B times 1 with the operation's probability, 0 otherwise."""
        return (torch.rand(self.count, generator=self.rng) < self.probability).float()


def _geometry(images: Tensor, probability: float, flip: bool, rng: torch.Generator) -> Tensor:
    """All that moves pixels, as one map: mirror, scale, rotation, stretch along an axis, both shifts."""
    draw = _Draws(len(images), probability, rng)
    height, width = images.shape[2:]
    mirror = 1 - 2 * (draw.on() * (draw.uniform() < 0)) * flip
    whole = draw.on()
    whole_x, whole_y = whole * draw.pixels(width) / width, whole * draw.pixels(height) / height
    scale = 2.0 ** (SCALE_STD * draw.normal() * draw.on())
    angle = TURN * draw.uniform() * draw.on()
    axis = math.pi * draw.uniform()
    stretch = 2.0 ** (SCALE_STD * draw.normal() * draw.on())
    fraction = draw.on()
    shift_x, shift_y = whole_x + fraction * SHIFT * draw.normal(), whole_y + fraction * SHIFT * draw.normal()

    along = rotation(axis) @ diagonal(stretch, 1 / stretch) @ rotation(-axis)
    forward = along @ rotation(angle) @ diagonal(scale * mirror, scale)
    moved = warp(images, forward, shift_x, shift_y, "bilinear")
    still = (mirror == 1) & (scale == 1) & (angle == 0) & (stretch == 1) & (shift_x == 0) & (shift_y == 0)
    return torch.where(_each(still, images), images, moved)


def _colours(images: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Contrast and brightness; in colour also luma flip, hue and saturation. Values are not clipped."""
    draw = _Draws(len(images), probability, rng)
    brightness = BRIGHTNESS_STD * draw.normal() * draw.on()
    contrast = 2.0 ** (CONTRAST_STD * draw.normal() * draw.on())
    if images.shape[1] == 3:
        images = torch.einsum("bij,bjhw->bihw", _colour_map(draw).to(images), images)
    return images * _each(contrast, images).to(images) + _each(brightness, images).to(images)


def _colour_map(draw: _Draws) -> Tensor:
    """B × 3 × 3: the part along the grey axis may change its sign, the rest is turned (hue) and scaled (saturation)."""
    grey = torch.tensor(GREY)
    luma = 1 - 2 * (draw.on() * (draw.uniform() < 0))
    angle = math.pi * draw.uniform() * draw.on()
    saturation = 2.0 ** (SATURATION_STD * draw.normal() * draw.on())
    onto = torch.outer(grey, grey)
    x, y, z = GREY
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned = angle.cos()[:, None, None] * (torch.eye(3) - onto) + angle.sin()[:, None, None] * cross
    return luma[:, None, None] * onto + saturation[:, None, None] * turned


def _each(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device)[:, None, None, None]
