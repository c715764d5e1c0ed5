"""Random numbers of training as functions of (seed, purpose, step): nothing to save, nothing to replay."""

from __future__ import annotations

import functools

import numpy as np
import torch


def torch_seed(seed: int, purpose: int, step: int) -> int:
    """A 63-bit seed for torch, well mixed."""
    state = np.random.SeedSequence(seed, spawn_key=(purpose, step)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def step_generator(seed: int, purpose: int, step: int) -> torch.Generator:
    """A CPU generator for one step's draws, the same on every device."""
    return torch.Generator().manual_seed(torch_seed(seed, purpose, step))


@functools.lru_cache(maxsize=64)  # of each order that a block of classifiers draws from, this epoch and the next
def _epoch_order(count: int, seed: int, purpose: int, epoch: int) -> np.ndarray:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, epoch))).permutation(count)


def batch_positions(count: int, batch: int, seed: int, purpose: int, step: int) -> np.ndarray:
    """Positions of the `step`-th batch in an endless sequence of shuffled epochs of `count` items.

    Every item is seen once before any is seen again, also where a batch crosses epochs or is larger than one.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    out = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(places // count):
        here = places // count == epoch
        out[here] = _epoch_order(count, seed, purpose, int(epoch))[places[here] % count]
    return out
