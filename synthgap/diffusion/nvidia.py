"""Reading the released pickles of EDM and StyleGAN3 without running what is inside them.

A released file pickles whole objects, class source code included; plain unpickling executes that code. Here an
unpickler resolves only the few names that such a file needs, each to a harmless stand-in of our own, and refuses
every other name. Objects become inert records of (class name, state), from which the weights and the constructor's
arguments are taken.
"""

from __future__ import annotations

import functools
import io
import math
import pickle
import pickletools
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError

NETWORKS = {"ema": "EDM", "G_ema": "StyleGAN3"}  # where a kind of checkpoint keeps its averaged network
LARGEST = 4 * 2**30  # bytes; the largest released checkpoint has 1.2 GiB
# bounds on what a file may ask of the reader, several times what the largest checkpoint does
MOST_OPERATIONS, MOST_TUPLES, MOST_PARTS, DEEPEST = 5_000_000, 50_000, 10_000, 16


@dataclass
class Persistent:
    """What a pickled object was: its class name and state. Its source code is dropped unread."""

    class_name: str
    state: dict[str, Any] = field(default_factory=dict)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("an object whose state is set twice")

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return dict(self.state.get("_init_kwargs", {}))


class _ModuleDict:
    """Stand-in for torch's ModuleDict: holds a state, has no behaviour."""

    state: Mapping[str, Any] = MappingProxyType({})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = dict(state)


class _EasyDict(dict):
    """Stand-in for the release's attribute dictionary."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


def _persistent(meta: dict[str, Any]) -> Persistent:
    name = meta.get("class_name")
    if not isinstance(name, str):
        raise pickle.UnpicklingError("an object without a class name")
    return Persistent(name, dict(meta.get("state", {})))


def _load_storage(data: bytes) -> torch.TypedStorage:
    """torch.storage._load_from_bytes, but by torch's weights-only reader, which executes nothing."""
    try:
        storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))  # torch's own text advises to load without protection
        if asked:
            raise UserError(f"a tensor's bytes ask for {_shown(asked[1])}; it was refused and nothing ran") from None
        raise pickle.UnpicklingError("a tensor's bytes are no storage") from None
    if not isinstance(storage, torch.TypedStorage):  # nothing else that torch deems safe is wanted here
        raise pickle.UnpicklingError(f"a {type(storage).__name__} where a tensor's storage should be")
    return storage


def _tensor(
    storage: Any, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, *rest: Any
) -> Tensor:
    """torch._utils._rebuild_tensor_v2 on a storage that was read safely, and only inside it."""
    if not isinstance(storage, torch.TypedStorage):
        raise pickle.UnpicklingError("a tensor without a storage")
    if len(size) != len(stride) or min([offset, *size, *stride]) < 0:
        raise pickle.UnpicklingError(f"a tensor of size {size} and stride {stride} at {offset}")
    count = math.prod(size)
    end = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if count else 0
    room = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    if max(count, end) > room:  # torch would enlarge the storage by whatever lies in memory
        raise pickle.UnpicklingError(f"a tensor of size {size} in a storage of {room} numbers")
    return torch._utils._rebuild_tensor(storage, offset, tuple(size), tuple(stride))


def _parameter(data: Tensor, requires_grad: bool, hooks: Any) -> Tensor:
    return data


def _scalar(dtype: np.dtype, data: bytes) -> Any:
    if np.dtype(dtype).hasobject:
        raise pickle.UnpicklingError("a numpy scalar of Python objects")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _dtype(name: str, *rest: Any) -> Any:
    if not isinstance(name, str) or len(name) > 8:
        raise pickle.UnpicklingError("a numpy type that is no plain number")
    made = np.dtype(name)
    if made.hasobject:
        raise pickle.UnpicklingError("a numpy type of Python objects")
    return _DType(made)


class _Array:
    """Stand-in for numpy.ndarray: numbers within the bytes that the pickle gives."""

    values: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, by_columns, data = state
        if self.values is not None or not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("a numpy array that is set twice or is not made of plain numbers")
        if min([0, *shape]) < 0 or math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise pickle.UnpicklingError(f"a numpy array of shape {shape} in {len(data)} bytes")
        self.values = np.ndarray(shape, dtype.dtype, buffer=data, order="F" if by_columns else "C")


def _numpy_array(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


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
    ("numpy.core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy._core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy", "ndarray"): _Array,
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
                f"the pickle asks for {_shown(f'{module}.{name}')}, which no released checkpoint needs; "
                "it was refused and nothing ran"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UserError("the pickle refers to data outside itself; no released checkpoint does")


def read_pickle(path: str | Path, entry: str = "ema") -> dict[str, Any]:
    """The top-level dictionary of a released pickle, its objects as `Persistent` records.

    `entry` must hold a network: EDM's averaged network is "ema", that of StyleGAN3 "G_ema".

    Raises UserError when the file is missing, damaged, too large, not such a pickle, or asks for any name that is
    not on the list. Nothing in the file is executed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} has more than {LARGEST // 2**30} GiB; that is no released checkpoint")
        with path.open("rb") as file:
            _check_demands(file)
            file.seek(0)
            content = _Unpickler(file).load()
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle raises almost anything
        reason = f"{type(error).__name__}: {_shown(str(error))}"
        raise UserError(f"{path} can't be read as a released pickle ({reason})") from error
    if not isinstance(content, dict) or not isinstance(content.get(entry), Persistent):
        raise UserError(
            f"{path} is a pickle without an {entry!r} network; give a released {NETWORKS[entry]} checkpoint"
        )
    return content


def _check_demands(file: io.BufferedReader) -> None:
    """UserError when reading would exhaust memory or the stack, whatever the names: a few bytes can ask for that."""
    tuples = 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        tuples += "TUPLE" in operation.name  # Python hashes nested tuples recursively, without a limit
        memo = argument if operation.name.endswith("PUT") else 0  # the reader makes room for this many objects
        if memo > count or tuples > MOST_TUPLES or count > MOST_OPERATIONS:
            raise UserError("the pickle asks for more memory than any released checkpoint needs; it was refused")


def _shown(text: str) -> str:
    """Text from a file as part of a one-line message."""
    line = text[:200]
    return line if line.isprintable() else ascii(line)


def state_dict(record: Persistent) -> dict[str, Tensor]:
    """Parameters and buffers of a module record and of the modules in it, named as torch names them.

    Raises UserError when modules hold one another in a circle or are more than any network has.
    """
    out: dict[str, Tensor] = {}
    waiting: list[tuple[tuple[str, ...], Persistent | _ModuleDict]] = [((), record)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return out
        place, module = waiting.pop()
        for group in ("_parameters", "_buffers"):
            out |= {".".join((*place, n)): v for n, v in _members(module, group) if isinstance(v, Tensor)}
        inner = [((*place, n), m) for n, m in _members(module, "_modules") if isinstance(m, (Persistent, _ModuleDict))]
        waiting += inner
        if len(place) > DEEPEST or len(out) + len(waiting) > MOST_PARTS:
            break
    raise UserError("the pickle's modules hold one another in a circle, or are too many")


def _members(module: Persistent | _ModuleDict, group: str) -> list[tuple[str, Any]]:
    members = module.state.get(group) or {}
    if not isinstance(members, dict) or not all(isinstance(name, str) for name in members):
        raise UserError(f"the pickle holds a module whose {group} are not named")
    return list(members.items())
