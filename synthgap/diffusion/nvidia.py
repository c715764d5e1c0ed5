"""Reading the released EDM pickles without running what is inside them.

A released file pickles whole objects, class source code included; plain unpickling executes that code. Here an
unpickler resolves only the few names that such a file needs, each to a harmless stand-in of our own, and refuses
every other name. Objects become inert records of (class name, state), from which the weights and the constructor's
arguments are taken.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError

LARGEST = 4 * 2**30  # bytes; the largest released checkpoint has 1.2 GiB


@dataclass
class Persistent:
    """What a pickled object was: its class name and state. Its source code is dropped unread."""

    class_name: str
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return dict(self.state.get("_init_kwargs", {}))


class _ModuleDict:
    """Stand-in for torch's ModuleDict: holds a state, has no behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


class _EasyDict(dict):
    """Stand-in for the release's attribute dictionary."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


def _persistent(meta: dict[str, Any]) -> Persistent:
    return Persistent(str(meta.get("class_name", "?")), dict(meta.get("state", {})))


def _load_storage(data: bytes) -> Any:
    """torch.storage._load_from_bytes, but by torch's weights-only reader, which executes nothing."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(
    storage: Any, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, *rest: Any
) -> Tensor:
    """torch._utils._rebuild_tensor_v2 on a storage that was read safely."""
    if not isinstance(storage, (torch.storage.TypedStorage, torch.storage.UntypedStorage)):
        raise pickle.UnpicklingError("a tensor without a storage")
    return torch._utils._rebuild_tensor(storage, offset, tuple(size), tuple(stride))


def _parameter(data: Tensor, requires_grad: bool, hooks: Any) -> Tensor:
    return data


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    if np.dtype(dtype).hasobject:
        raise pickle.UnpicklingError("a numpy scalar of Python objects")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _dtype(name: str, *rest: Any) -> Any:
    made = np.dtype(name)
    if made.hasobject:
        raise pickle.UnpicklingError("a numpy type of Python objects")
    return _DType(made)


class _DType:
    """Stand-in for numpy.dtype: takes the byte order from the pickle, nothing else."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype

    def __setstate__(self, state: tuple) -> None:
        if len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.dtype = self.dtype.newbyteorder(state[1])


def _numpy_scalar(dtype: _DType, data: bytes) -> Any:
    return _scalar(dtype.dtype, data)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.storage", "_load_from_bytes"): _load_storage,
    ("torch.nn.modules.container", "ModuleDict"): _ModuleDict,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    ("numpy", "dtype"): _dtype,
    ("dnnlib.util", "EasyDict"): _EasyDict,
}


def _own_copy(value: Any) -> Any:
    return type(value.__name__, (value,), {}) if isinstance(value, type) else functools.partial(value)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BufferedReader):
        super().__init__(file)
        # a pickle may set attributes on what it names: it gets copies that live no longer than this load
        self.allowed = {key: _own_copy(value) for key, value in _ALLOWED.items()}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise UserError(
                f"the pickle asks for {module}.{name}, which no EDM checkpoint needs; it was refused and nothing ran"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UserError("the pickle refers to data outside itself; no EDM checkpoint does")


def read_pickle(path: str | Path) -> dict[str, Any]:
    """The top-level dictionary of a released pickle, its objects as `Persistent` records.

    Raises UserError when the file is missing, damaged, too large, not such a pickle, or asks for any name that is
    not on the list. Nothing in the file is executed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} has more than {LARGEST // 2**30} GiB; that is no EDM checkpoint")
        with path.open("rb") as file:
            content = _Unpickler(file).load()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle raises almost anything
        raise UserError(f"{path} can't be read as an EDM pickle ({type(error).__name__}: {error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("ema"), Persistent):
        raise UserError(f"{path} is a pickle without an 'ema' network; give a released EDM checkpoint")
    return content


def state_dict(record: Persistent, prefix: str = "") -> dict[str, Tensor]:
    """Parameters and buffers of a module record and of the modules in it, named as torch names them."""
    return _state(record.state, prefix)


def _state(state: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for group in ("_parameters", "_buffers"):
        for name, value in (state.get(group) or {}).items():
            if isinstance(value, Tensor):
                out[prefix + name] = value.detach().clone()
    for name, module in (state.get("_modules") or {}).items():
        if isinstance(module, (Persistent, _ModuleDict)):
            out |= _state(module.state, f"{prefix}{name}.")
    return out
