"""RandAugment, TrivialAugment and plain mirroring, drawn image by image, for images of any size, grey or colour.

RandAugment (Cubuk et al. 2020): two operations an image at magnitude 9 of 30. TrivialAugment (Müller and Hutter 2021),
"wide" space: one operation an image at a magnitude drawn from 31. Operations and ranges are torchvision's, but for
the shift: TrivialAugment's 32 pixels would push a small image out of its frame, so that no shift is larger than
RandAugment's share of the side. Images that drew the same operation and magnitude are changed together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from ..data.transform import MIRRORED, views
from .augment import augment_batch

# "flip": left to right, half of the images; "turns": any of the ways in which an image fits its frame (`views`)
Policy = Literal["none", "flip", "turns", "RandAugment", "TrivialAugment"]
POLICIES = get_args(Policy)

BINS = 31
RAND_OPERATIONS, RAND_BIN = 2, 9  # torchvision's defaults; the paper states neither
SHIFT_SHARE = 150 / 331  # of the side: RandAugment's largest shift
WIDE_SHIFT = 32.0  # pixels: TrivialAugment's
SIGNED = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness")
LARGEST = {  # policy → (shear, rotation in degrees, change of brightness, …, bits taken away)
    "RandAugment": {"shear": 0.3, "rotate": 30.0, "enhance": 0.9, "bits": 4},
    "TrivialAugment": {"shear": 0.99, "rotate": 135.0, "enhance": 0.99, "bits": 6},
}


def apply_policy(images: Tensor, policy: Policy, rng: torch.Generator) -> Tensor:
    """Augment each image of a batch by operations of its own.

    images : B × C × H × W with C = 1 or 3; uint8, or floats in [0, 1], which are changed at 8 bits.
    rng : a CPU generator; it decides alone, whatever the device of the images.
    Returns a tensor of the same shape and dtype. Raises ValueError for an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"unknown policy {policy!r}; known: {', '.join(POLICIES)}")
    if policy == "none":
        return images
    if policy == "flip":
        return augment_batch(images, ("flip",), rng)
    if policy == "turns":
        return _turned(images, rng)
    if images.is_floating_point():
        eight_bit = (images * 255).round().clamp(0, 255).to(torch.uint8)
        return apply_policy(eight_bit, policy, rng).to(images.dtype) / 255
    for _ in range(RAND_OPERATIONS if policy == "RandAugment" else 1):
        images = _one_round(images, policy, rng)
    return images


def _turned(images: Tensor, rng: torch.Generator) -> Tensor:
    several, out = views(images.shape[1:]), images.clone()
    drawn = torch.randint(len(several), (len(images),), generator=rng)
    for place, view in enumerate(several):
        chosen = (drawn == place).to(images.device)
        mirrored = images[chosen].flip(3) if view >= MIRRORED else images[chosen]
        out[chosen] = torch.rot90(mirrored, view % 4, dims=(2, 3))
    return out


def _one_round(images: Tensor, policy: Policy, rng: torch.Generator) -> Tensor:
    count, operations = len(images), list(OPERATIONS)
    names = torch.randint(len(OPERATIONS), (count,), generator=rng).tolist()
    bins = torch.randint(BINS, (count,), generator=rng).tolist()
    signs = (1 - 2 * torch.randint(2, (count,), generator=rng)).tolist()
    groups: dict[tuple[str, float], list[int]] = defaultdict(list)
    for i, (number, place, sign) in enumerate(zip(names, bins, signs, strict=True)):
        name = operations[number]
        groups[name, magnitude(policy, name, place, sign, images.shape[-2:])].append(i)
    out = images.clone()
    for (name, value), members in groups.items():
        chosen = torch.tensor(members, device=images.device)
        out[chosen] = OPERATIONS[name](images[chosen], value)
    return out


def magnitude(policy: Policy, name: str, place: int, sign: int, size: tuple[int, int]) -> float:
    """What operation `name` is applied with, for bin `place` of 0…30 (RandAugment has one) and sign ±1."""
    share = (RAND_BIN if policy == "RandAugment" else place) / (BINS - 1)
    most = LARGEST[policy]
    if name.startswith("Shear"):
        value = most["shear"] * share
    elif name.startswith("Translate"):
        side = size[1] if name == "TranslateX" else size[0]
        furthest = SHIFT_SHARE * side
        value = float(int((furthest if policy == "RandAugment" else min(furthest, WIDE_SHIFT)) * share))
    elif name == "Rotate":
        value = most["rotate"] * share
    elif name == "Posterize":
        value = 8.0 - round(most["bits"] * share)
    elif name == "Solarize":
        value = 255.0 * (1 - share)
    elif name in SIGNED:
        value = most["enhance"] * share
    else:
        return 0.0
    return sign * value if name in SIGNED else value


def _affine(images: Tensor, shift: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    degrees = [math.degrees(math.atan(s)) for s in shear]
    corner = [0.0, 0.0] if any(shear) else None  # shears keep the upper left corner, as in AutoAugment
    return F.affine(images, angle=0.0, translate=list(shift), scale=1.0, shear=degrees, center=corner)


OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "Identity": lambda x, m: x,
    "ShearX": lambda x, m: _affine(x, shear=(m, 0.0)),
    "ShearY": lambda x, m: _affine(x, shear=(0.0, m)),
    "TranslateX": lambda x, m: _affine(x, shift=(int(m), 0)),
    "TranslateY": lambda x, m: _affine(x, shift=(0, int(m))),
    "Rotate": lambda x, m: F.rotate(x, m),
    "Brightness": lambda x, m: F.adjust_brightness(x, 1 + m),
    "Color": lambda x, m: F.adjust_saturation(x, 1 + m),
    "Contrast": lambda x, m: F.adjust_contrast(x, 1 + m),
    "Sharpness": lambda x, m: F.adjust_sharpness(x, 1 + m),
    "Posterize": lambda x, m: F.posterize(x, int(m)),
    "Solarize": lambda x, m: F.solarize(x, m),
    "AutoContrast": lambda x, m: F.autocontrast(x),
    "Equalize": lambda x, m: F.equalize(x),
}
