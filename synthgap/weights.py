"""Files of named tensors with a little JSON: written whole or not at all, checked by their digest, never executed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .disk import usual_rights
from .errors import UserError

META, DIGEST = "meta", "sha256"


class Damaged(UserError):
    """A file of ours holds no longer what was written."""


def write_weights(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Write one safetensors file; its folder is made. Equal contents give equal bytes.

    meta : what JSON can hold, but no "sha256": the digest of tensors and meta is put there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps(meta | {DIGEST: _digest(tensors, meta)}, sort_keys=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata={META: text})  # one entry: the format keeps several in no fixed order
        usual_rights(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors by name, meta) that `write_weights` wrote.

    Raises OSError or SafetensorError when there is no such file or it is cut off, Damaged when its contents have
    changed, KeyError or ValueError when something else wrote it.
    """
    with safe_open(str(path), framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        meta = json.loads((file.metadata() or {})[META])
    if not isinstance(meta, dict):
        raise ValueError("its description is no JSON object")
    if meta.pop(DIGEST) != _digest(tensors, meta):
        raise Damaged("its contents have changed since they were written")
    return tensors, meta


def _digest(tensors: dict[str, Tensor], meta: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        flat = value.as_strided((value.numel(),), (1,))  # a single number may be stored with stride 0
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


class SavedModule(nn.Module):
    """A network that a configuration and its weights define: it goes to a file, or to a store's arrays, and back."""

    Config: ClassVar[type[BaseModel]]
    called: ClassVar[str]  # by messages, with its article

    config: BaseModel

    def save(self, path: str | Path, provenance: dict | None = None) -> Path:
        """Write weights, configuration and training provenance to one safetensors file (whole or not at all)."""
        tensors, meta = self.to_arrays()
        return write_weights(path, tensors, meta | {"provenance": provenance or {}})

    def to_arrays(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """(contiguous CPU tensors by name, {"config": JSON})."""
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
        return tensors, {"config": self.config.model_dump_json()}

    @classmethod
    def from_arrays(cls, tensors: dict[str, Tensor], meta: dict[str, str]) -> Self:
        """The inverse of `to_arrays`, in eval mode."""
        module = cls(cls.Config.model_validate_json(meta["config"]))
        module.load_state_dict(tensors)
        return module.eval()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The inverse of `save`. Raises UserError when the file is missing or of another kind, Damaged when changed."""
        if not Path(path).is_file():
            what = "is a folder" if Path(path).is_dir() else "is not there"
            raise UserError(f"{path} {what}; name a model's file, as synthgap train-diffusion or `save` writes it")
        try:
            return cls.from_arrays(*read_weights(path))
        except Damaged as error:
            raise Damaged(f"{path} is damaged ({error}); train or save it again") from error
        except KeyError as error:
            reason = f"it lacks the entry {error}"
        except (OSError, SafetensorError, ValueError, RuntimeError) as error:
            first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error).splitlines()[0]
            reason = first.removesuffix(".")
        raise UserError(f"{path} is not {cls.called} saved by synthgap ({reason}); train or save it again")
