"""Batches that fit into a card's memory: what is too much at once is done in smaller portions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

T = TypeVar("T")


class Portions:
    """How many images are worked on at once: `size` of them, and half as many each time that a card's memory is full.

    On a CPU, where PyTorch has no such error, the size stays as it is. A smaller batch of independent images changes
    their results by rounding only.
    """

    def __init__(self, size: int):
        if size < 1:
            raise ValueError(f"size is {size}; a portion holds one image at least")
        self.size = size

    def map(self, count: int, work: Callable[[slice], T], filled: bool = False) -> Iterator[tuple[slice, T]]:
        """(portion, what `work` makes of it), in order; a portion that the memory has no room for is divided.

        filled : does `work` fill up a portion that is smaller than `size`?
        Raises torch.OutOfMemoryError where there is no room for one image.
        """
        start = 0
        while start < count:
            part = slice(start, min(start + self.size, count))
            tried = self.size if filled else part.stop - part.start
            try:
                made = work(part)
            except torch.OutOfMemoryError:
                if tried == 1:
                    raise
            else:
                yield part, made
                start = part.stop
                continue
            self.halve(tried)  # here, where the error no longer holds what the work had in memory

    def halve(self, tried: int) -> None:
        """Work on half of the number that was tried (two at least) from now on, and say so."""
        self.size = -(-tried // 2)
        torch.cuda.empty_cache()
        print(
            f"synthgap: the GPU's memory is full with {tried} images at once; going on with {self.size}",
            file=sys.stderr,
            flush=True,
        )
