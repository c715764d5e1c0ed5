"""One CPU thread for a while: the same bytes everywhere, and no two processes that fight over the cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch, NumPy and scikit-learn compute on one thread; not to be nested in threads of Python's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)
