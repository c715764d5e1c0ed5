"""Files of named tensors with a little JSON: written whole or not at all, checked by their digest, never executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .errors import UserError
from .files import replacing

META, DIGEST = "meta", "sha256"
MOST_META = 4 * 2**20  # letters of JSON beside the tensors; ours takes a few thousand
MOST_TENSORS = 100_000

Network = TypeVar("Network", bound=nn.Module)


class Damaged(UserError):
    """A file of ours holds no longer what was written."""


def write_weights(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Write one safetensors file; its folder is made. Equal contents give equal bytes.

    meta : what JSON can hold, but no "sha256": the digest of tensors and meta is put there.
    """
    path = Path(path)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps(meta | {DIGEST: _digest(tensors, meta)}, sort_keys=True)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={META: text})  # one entry: the format keeps several in no fixed order
    return path


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors by name, meta) that `write_weights` wrote.

    Raises OSError or SafetensorError when there is no such file or it is cut off, Damaged when its contents have
    changed, KeyError, ValueError or RecursionError when something else wrote it.
    """
    with safe_open(str(path), framework="pt") as file:
        text = (file.metadata() or {})[META]
        names = list(file.keys())
        if len(text) > MOST_META or len(names) > MOST_TENSORS:
            raise ValueError(f"it describes itself in {len(text):,} letters and has {len(names):,} tensors")
        meta = json.loads(text)
        tensors = {name: file.get_tensor(name) for name in names}
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


def impossible(error: ValidationError, called: Mapping[str, str] = MappingProxyType({})) -> str:
    """What is wrong with a configuration: the first field, by its name in `called` where it has another, and why."""
    first = error.errors()[0]
    field = ".".join(called.get(str(part), str(part)) for part in first["loc"])
    return ": ".join(filter(None, (field, first["msg"].removeprefix("Value error, "))))


def filled(build: Callable[[], Network], tensors: dict[str, Tensor]) -> Network:
    """The network that `build` makes, with the weights of `tensors` in its own types, in eval mode.

    Raises UserError when names, shapes or types don't fit, before memory is taken for what `build` describes.
    """
    with torch.device("meta"):  # names and shapes alone
        network = build()
    wanted = network.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors)) or sorted(
        k for k, v in tensors.items() if wanted[k].shape != v.shape or not v.is_floating_point()
    )
    if wrong:
        raise UserError(
            f"tensor {wrong[0][:200]!r} ({len(wrong)} in all) does not fit the network that the file describes"
        )
    network.load_state_dict({k: v.detach().to(wanted[k].dtype) for k, v in tensors.items()}, assign=True)
    return network.eval()


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
        """The inverse of `to_arrays`, in eval mode.

        Raises ValidationError for an impossible configuration, UserError for tensors that don't fit it.
        """
        config = cls.Config.model_validate_json(meta["config"])
        return filled(lambda: cls(config), tensors)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The inverse of `save`. Raises UserError when the file is missing or of another kind, Damaged when changed."""
        return load_saved(path, cls)


def load_saved(path: str | Path, *kinds: type[SavedModule]) -> SavedModule:
    """What `save` of a network of one of these kinds wrote; it is of the first kind whose fields its configuration has.

    Raises UserError when the file is missing or of another kind, Damaged when it has changed.
    """
    if not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "is not there"
        raise UserError(f"{path} {what}; name a model's file, as synthgap train-diffusion or `save` writes it")
    called = " or ".join(kind.called for kind in kinds)
    try:
        tensors, meta = read_weights(path)
        fields = json.loads(meta["config"]).keys()
        fitting = [kind for kind in kinds if fields <= kind.Config.model_fields.keys()]
        if len(fitting) == 1:
            called = fitting[0].called
        return (fitting or kinds)[0].from_arrays(tensors, meta)
    except Damaged as error:
        raise Damaged(f"{path} is damaged ({error}); train or save it again") from error
    except KeyError as error:
        reason = f"it lacks the entry {error}"
    except ValidationError as error:
        reason = impossible(error)
    except Exception as error:  # a made-up file may hold anything anywhere
        reason = (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")
    raise UserError(f"{path} is not {called} saved by synthgap ({reason}); train or save it again")
