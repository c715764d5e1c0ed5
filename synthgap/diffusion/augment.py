"""Non-leaking augmentation of a denoiser's training images (Karras et al. 2022, Appendix F.2).

The network is told what was done to each image (nine numbers), and is told "nothing" when it samples, so that the
augmentations don't leak into what it draws. Resampling is torch's bicubic with reflected borders; the release
filters more carefully.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..base.affine import diagonal, rotation, warp

LABELS = 9  # x-flip, y-flip, log2 scale, cos θ − 1, sin θ, anisotropy ×2, translation ×2
SCALE_STD, SHIFT_STD = 0.2, 0.125  # of log2 scale; of the shift, in sides of the image


def augment(images: Tensor, probability: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(augmented images, B × 9 labels).

    images : B × C × H × W, any range. Each image draws its own parameters from `rng` (a CPU generator).
    probability : of each of y-flip, scale, rotation, anisotropy and translation (the release: 0.12); the x-flip is a
        fair coin. At 0 nothing is done, the x-flip included: the images come back as they are, the labels are zero.
    """
    batch = len(images)
    if probability == 0:
        return images, torch.zeros(batch, LABELS, device=images.device)

    def on() -> Tensor:
        return (torch.rand(batch, generator=rng) < probability).float()

    def normal() -> Tensor:
        return torch.randn(batch, generator=rng)

    x_flip = (torch.rand(batch, generator=rng) < 0.5).float()
    y_flip = on()  # applied always: of an x- and a y-flip the second alone is rare
    scale = SCALE_STD * normal() * on()
    angle = (torch.rand(batch, generator=rng) * 2 - 1) * math.pi * on()
    axis = (torch.rand(batch, generator=rng) * 2 - 1) * math.pi
    stretch = SCALE_STD * normal() * on()
    shift_on = on()
    shift_x, shift_y = SHIFT_STD * normal() * shift_on, SHIFT_STD * normal() * shift_on

    labels = [x_flip, y_flip, scale, angle.cos() - 1, angle.sin(), stretch * axis.cos(), stretch * axis.sin()]
    labels = torch.stack([*labels, shift_x, shift_y], dim=1)

    # flip, scale, rotate, stretch along `axis`; the shift comes last
    along = rotation(axis) @ diagonal(2.0**stretch, 2.0**-stretch) @ rotation(-axis)
    flip = diagonal(1 - 2 * x_flip, 1 - 2 * y_flip)
    forward = along @ rotation(angle) @ diagonal(2.0**scale, 2.0**scale) @ flip
    moved = warp(images, forward, shift_x, shift_y, "bicubic")
    only_flips = (labels[:, 2:] == 0).all(dim=1).to(images.device)  # exact, where nothing is resampled
    flipped = torch.where(_each(x_flip, images), images.flip(3), images)
    flipped = torch.where(_each(y_flip, images), flipped.flip(2), flipped)
    out = torch.where(only_flips[:, None, None, None], flipped, moved)
    return out, labels.to(images.device)


def _each(flag: Tensor, images: Tensor) -> Tensor:
    return flag.bool().to(images.device)[:, None, None, None]
