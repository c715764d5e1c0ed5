"""Does the image move when its input moves? EQ-T (Karras et al. 2021, Section 2.2 and Appendix E.3)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..base.modes import sampling_mode
from .stylegan3 import Generator

PEAK = 2.0  # width of the range of pixel values, [−1, 1]


@contextlib.contextmanager
def translated(generator: Generator, right: float = 0.0, down: float = 0.0) -> Iterator[Generator]:
    """Within this context the generator's input, and so its image, is moved by that many pixels of the image.

    Fractions and negative numbers are allowed. Replaces the user's transform, which comes back afterwards.
    """
    transform: Tensor = generator.synthesis.input.transform
    before = transform.clone()
    side = generator.config.side
    moved = torch.eye(3)
    moved[0, 2], moved[1, 2] = -right / side, -down / side  # the content of p is found where it was before
    transform.copy_(moved)
    try:
        yield generator
    finally:
        transform.copy_(before)


def equivariance_psnr(
    generator: Generator, *, images: int = 64, batch: int = 8, reach: float = 0.125, seed: int = 0
) -> float:
    """EQ-T in dB: how like the moved image is to the image of the moved input, on the pixels that both show.

    PSNR = 10·log₁₀(2² / mean squared difference) over `images` images with random classes. Each batch is moved by
    a whole number of pixels along both axes, uniform up to `reach` of each side (at least one pixel), never by none.
    The generator is left as it was; its averages don't move.
    """
    config, device = generator.config, generator.device
    rng = torch.Generator().manual_seed(seed)
    most = [max(1, math.floor(reach * n)) for n in (config.height, config.width)]
    total, pixels = 0.0, 0
    with torch.no_grad(), sampling_mode(generator):
        for start in range(0, images, batch):
            count = min(batch, images - start)
            z = torch.randn(count, config.z_dim, generator=rng).to(device)
            labels = None
            if config.label_dim:
                labels = torch.randint(config.label_dim, (count,), generator=rng).to(device)
            down = right = 0
            while not (down or right):
                down, right = (int(torch.randint(-n, n + 1, (), generator=rng)) for n in most)
            still = generator(z, labels)
            with translated(generator, right=right, down=down):
                moved = generator(z, labels)
            difference = _overlap(moved, down, right) - _overlap(still, -down, -right)
            total += difference.double().square().sum().item()
            pixels += difference.numel()
    return 10 * math.log10(PEAK**2 * pixels / total) if total else math.inf


def _overlap(x: Tensor, down: int, right: int) -> Tensor:
    """The pixels of x that an image moved by (down, right) shows."""
    height, width = x.shape[2:]
    return x[:, :, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
