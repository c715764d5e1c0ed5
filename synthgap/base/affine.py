"""Affine maps of images, one a picture: the composition that both kinds of augmentation share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def diagonal(x: Tensor, y: Tensor) -> Tensor:
    """B × 2 × 2 matrices that scale the axes by x and y, each B."""
    return torch.diag_embed(torch.stack([x, y], dim=1))


def rotation(angle: Tensor) -> Tensor:
    """B × 2 × 2 matrices that turn the x-axis towards the y-axis by `angle`, B, in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)


def warp(images: Tensor, forward: Tensor, shift_x: Tensor, shift_y: Tensor, mode: str) -> Tensor:
    """Each image under its own map about its centre, then shifted; borders are reflected.

    images : B × C × H × W, any range.
    forward : B × 2 × 2, where a point (x to the right, y down, in pixels from the centre) goes.
    shift_x, shift_y : B, in sides of the image.
    mode : grid_sample's kernel, "bilinear" or "bicubic".
    """
    height, width = images.shape[2:]
    aspect = torch.tensor([width / 2, height / 2])
    inverse = torch.linalg.inv(forward)  # where each output pixel is read from
    normalised = inverse * aspect[None, None, :] / aspect[None, :, None]  # to grid_sample's [−1, 1]
    offset = -(normalised @ torch.stack([2 * shift_x, 2 * shift_y], dim=1)[:, :, None])
    theta = torch.cat([normalised, offset], dim=2).to(images.device, images.dtype)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode="reflection", align_corners=False)
