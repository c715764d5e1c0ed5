"""Between 8-bit images and the range in which the model works."""

from __future__ import annotations

import numpy as np


def to_model(images: np.ndarray) -> np.ndarray:
    """uint8 0–255 → float64 in [−1, 1]."""
    return images.astype(np.float64) / 127.5 - 1


def to_uint8(images: np.ndarray) -> np.ndarray:
    """float in [−1, 1] → uint8, rounded to nearest; what lies outside is clipped. Raises on NaN."""
    if not np.isfinite(images).all():
        raise FloatingPointError("the sampler produced NaN or infinite pixels; the model did not train")
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
