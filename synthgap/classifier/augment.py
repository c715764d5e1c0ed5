"""Label-preserving augmentations on whole batches of uint8 images, where the data set allows them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_batch(images: Tensor, allowed: tuple[str, ...], rng: torch.Generator) -> Tensor:
    """Random crop after padding by an eighth of the side, and horizontal flip; each image draws its own.

    images: B × C × H × W, any dtype; `allowed`: of "crop" and "flip". Returns a tensor of the same shape.
    An eighth is the usual 4 pixels at 32 × 32 (inferred; the paper does not state its augmentation).
    """
    batch, _, height, width = images.shape
    if "crop" in allowed:
        pad_h, pad_w = max(1, height // 8), max(1, width // 8)
        padded = F.pad(images, (pad_w, pad_w, pad_h, pad_h))
        top = torch.randint(2 * pad_h + 1, (batch,), generator=rng).to(images.device)
        left = torch.randint(2 * pad_w + 1, (batch,), generator=rng).to(images.device)
        rows = top[:, None] + torch.arange(height, device=images.device)
        columns = left[:, None] + torch.arange(width, device=images.device)
        item = torch.arange(batch, device=images.device)[:, None, None]
        images = padded[item, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if "flip" in allowed:
        mirrored = (torch.rand(batch, generator=rng) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images
