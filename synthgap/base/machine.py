"""What this machine's parts are called, how many cores a process may use, and which device "auto" is."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from .errors import UserError

LOW_PRECISION = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 bf16", "amx_bf16": "AMX bf16"}


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; "auto" is cuda where there is one. UserError for any other name."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device is {device!r}; give cpu, cuda or auto")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_name(device: str) -> str:
    """The GPU's name for "cuda", else the processor's where the system tells it."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return _facts().get("model name") or platform.processor() or platform.machine()


def processor() -> str:
    """The processor's name, with the instructions that decide how fast low precision is."""
    flags = set(_facts().get("flags", "").split())
    found = [name for flag, name in LOW_PRECISION.items() if flag in flags]
    return device_name("cpu") + (f" ({', '.join(found)})" if found else "")


def _facts() -> dict[str, str]:
    """What the system says of the first processor; nothing where it is not Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    parts = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, _, value in parts}
