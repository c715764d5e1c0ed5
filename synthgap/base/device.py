"""Which device "auto" is."""

from __future__ import annotations

from .errors import UserError


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; "auto" is cuda where there is one. UserError for any other name."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device is {device!r}; give cpu, cuda or auto")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
