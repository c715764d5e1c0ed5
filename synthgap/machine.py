"""What this machine's parts are called."""

from __future__ import annotations

import platform
import re
from pathlib import Path


def device_name(device: str) -> str:
    """The GPU's name for "cuda", else the processor's where the system tells it."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()
