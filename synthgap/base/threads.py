"""One CPU thread for a while: the same bytes everywhere, and no two processes that fight over the cores."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch, NumPy and scikit-learn compute on one thread; not to be nested in threads of Python's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _controller(len(sys.modules)).limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@functools.lru_cache(1)
def _controller(modules: int) -> ThreadpoolController:
    """What limits libraries with threads. They are looked for again, for milliseconds, where `modules` are more."""
    del modules
    return ThreadpoolController()
