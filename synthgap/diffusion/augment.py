"""Non-leaking augmentation of a denoiser's training images (Karras et al. 2022, Appendix F.2).

The network is told what was done to each image (nine numbers), and is told "nothing" when it samples, so that the
augmentations don't leak into what it draws. Resampling is torch's bicubic with reflected borders; the release
filters more carefully.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LABELS = 9  # x-flip, y-flip, log2 scale, cos θ − 1, sin θ, anisotropy ×2, translation ×2
SCALE_STD, SHIFT_STD = 0.2, 0.125  # of log2 scale; of the shift, in sides of the image


def augment(images: Tensor, probability: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(augmented images, B × 9 labels).

    images : B × C × H × W, any range. Each image draws its own parameters from `rng` (a CPU generator).
    probability : of each of y-flip, scale, rotation, anisotropy and translation (the release: 0.12); the x-flip is a
        fair coin. At 0 nothing is done, the x-flip included: the images come back as they are, the labels are zero.
    """
    batch, _, height, width = images.shape
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

    # where each output pixel is read from: the inverse of flip, scale, rotate, stretch along `axis`, shift
    aspect = torch.tensor([width / 2, height / 2])
    flip = _diagonal(1 - 2 * x_flip, 1 - 2 * y_flip)
    zoom = _diagonal(2.0**scale, 2.0**scale)
    along = _rotation(axis) @ _diagonal(2.0**stretch, 2.0**-stretch) @ _rotation(-axis)
    forward = along @ _rotation(angle) @ zoom @ flip  # in pixels
    inverse = torch.linalg.inv(forward)
    normalised = inverse * aspect[None, None, :] / aspect[None, :, None]  # to grid_sample's [−1, 1]
    offset = -(normalised @ torch.stack([2 * shift_x, 2 * shift_y], dim=1)[:, :, None])
    theta = torch.cat([normalised, offset], dim=2).to(images.device, images.dtype)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    only_flips = (labels[:, 2:] == 0).all(dim=1).to(images.device)  # exact, where nothing is resampled
    flipped = torch.where(_each(x_flip, images), images.flip(3), images)
    flipped = torch.where(_each(y_flip, images), flipped.flip(2), flipped)
    out = torch.where(only_flips[:, None, None, None], flipped, moved)
    return out, labels.to(images.device)


def _each(flag: Tensor, images: Tensor) -> Tensor:
    return flag.bool().to(images.device)[:, None, None, None]


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y], dim=1))


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
