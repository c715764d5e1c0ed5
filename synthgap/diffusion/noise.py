"""Random numbers that belong to an image: functions of (seed, purpose, image index) and nothing else.

So an image is the same whatever the batch, the worker or the order it is drawn in.
"""

from __future__ import annotations

import numpy as np

from .schedule import check_t_re

INITIAL_NOISE, REVERSE_STEP, CHURN = 0, 1, 2  # purposes


def image_rng(seed: int, purpose: int, index: int) -> np.random.Generator:
    """The generator of image `index` for one purpose."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(purpose, index))))


def initial_noise(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float64 noise of image `index`."""
    return image_rng(seed, INITIAL_NOISE, index).standard_normal(shape)


def reverse_steps(t_re: int | tuple[int, int], seed: int, indices: np.ndarray) -> np.ndarray:
    """t_re of each image: the given one, or a whole number drawn uniformly from [low, high], both included."""
    low, high = check_t_re(t_re)
    if low == high:
        return np.full(len(indices), low)
    return np.array([image_rng(seed, REVERSE_STEP, int(i)).integers(low, high + 1) for i in indices])
