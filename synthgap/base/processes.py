"""The processes of one training that `torchrun` starts; a command without it is the only one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def several() -> bool:
    """Was this process started as one of several?"""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def first() -> bool:
    """Is this the process that prints and writes?"""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def joined(device: str) -> Iterator[int]:
    """While it lasts, the processes train together; yields the number of this one, 0 for the one that writes.

    device : "cpu", or "cuda", which then means the GPU of this process.
    """
    if not several():
        yield 0
        return
    import torch  # slow, and of no use to a command's --help
    import torch.distributed as dist

    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        if device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()
