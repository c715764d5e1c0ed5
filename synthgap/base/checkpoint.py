"""Checkpoints of a training run: one safetensors file, written whole or not at all, read only by the run it is of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import UserError
from .weights import read_weights, write_weights


def run_identity(*what: Any) -> str:
    """SHA-256 (hex) of what a run is: configurations, seed, fingerprint of the data, in their JSON form."""
    return hashlib.sha256(json.dumps(list(what), sort_keys=True, default=list).encode()).hexdigest()


def save_checkpoint(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors and JSON metadata ("run", the identity, and "step" among them)."""
    write_weights(path, tensors, meta)


def load_checkpoint(path: Path, run: str, images: int, batch: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_checkpoint` wrote, for the run of identity `run` that is to see `images` in batches of `batch`.

    Raises UserError when it is damaged, of another run, or past the run's end.
    """
    try:
        tensors, meta = read_weights(path)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path} is not a readable checkpoint ({error}); remove it to start again") from error
    if meta.get("run") != run:
        raise UserError(
            f"{path} belongs to a run with other data, sizes, recipe or seed; name another file or remove it"
        )
    if meta["step"] > -(-images // batch):
        raise UserError(
            f"{path} has seen {meta['step'] * batch:,} images, more than the {images:,} asked for; "
            "ask for more or name another file"
        )
    return tensors, meta


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers as `prefix.name`."""
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def restore_module(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """The inverse of `module_tensors`."""
    module.load_state_dict(_under(prefix, tensors))


def optimizer_tensors(prefix: str, optimizer: Optimizer) -> dict[str, Tensor]:
    """The moments of each parameter as `prefix.number.name`."""
    states = optimizer.state_dict()["state"]
    return {f"{prefix}.{i}.{name}": value for i, state in states.items() for name, value in state.items()}


def restore_optimizer(optimizer: Optimizer, prefix: str, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; rates and the like stay as they are."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(prefix, tensors).items():
        i, name = key.split(".")
        moments.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}
