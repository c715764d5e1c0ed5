"""Files of named tensors with a few lines of text: written whole or not at all, read without running anything."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def write_weights(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, str]) -> Path:
    """Write one safetensors file; its folder is made. The tensors are contiguous and on the CPU."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata=meta)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors by name, text by name). Raises OSError or SafetensorError when there is no such file."""
    with safe_open(str(path), framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 (not a dict)
