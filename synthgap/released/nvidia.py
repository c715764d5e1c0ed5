"""Reading the released pickles of EDM and StyleGAN3 without running what is inside them.

A released file pickles whole objects, class source code included; plain unpickling executes that code. Here the
pickle is read as inert values (see `base.inert`), from which the weights and the constructors' arguments are taken.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..base.errors import UserError
from ..base.inert import Made, Rules, Source, excerpt, read_inert
from ..base.torchfiles import ENCODE, LOAD, PARAMETER, SLACK, TENSOR, Tensors, as_bytes

NETWORKS = {"ema": "EDM", "G_ema": "StyleGAN3"}  # where a kind of checkpoint keeps its averaged network
LARGEST = 4 * 2**30  # bytes; the largest released checkpoint has 1.2 GiB
# bounds on what a description may hold, several times what the largest checkpoint's does
MOST_PARTS, DEEPEST, MOST_VALUES = 10_000, 16, 1_000

PERSISTENT, MODULE_DICT = "torch_utils.persistence._reconstruct_persistent_obj", "torch.nn.modules.container.ModuleDict"
_NUMPY = [f"numpy.{core}" for core in ("core", "_core")]
SCALARS = frozenset(f"{core}.multiarray.scalar" for core in _NUMPY)
ARRAYS = frozenset(
    {*(f"{core}.multiarray._reconstruct" for core in _NUMPY), *(f"{core}.numeric._frombuffer" for core in _NUMPY)}
)
SETS = frozenset({"builtins.set", "__builtin__.set"})  # before protocol 4
NAMES = (
    SCALARS | ARRAYS | SETS | {PERSISTENT, MODULE_DICT, TENSOR, PARAMETER, LOAD, ENCODE, "numpy.ndarray", "numpy.dtype"}
)
MAPPINGS = frozenset({"collections.OrderedDict", "dnnlib.util.EasyDict"})
NUMBERS = frozenset({"b1", "?", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8"})


@dataclass(frozen=True, eq=False)
class Persistent:
    """What a pickled object was: its class name and state, inert values. Its source code is dropped unread.

    room : bytes that tensors made of its state may take; see `torchfiles.Tensors`.
    """

    class_name: str
    state: dict[str, Any]
    room: int = SLACK

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the constructor, as plain numbers, text, lists and dictionaries.

        Raises UserError when there are arguments without a name, or one that is something else.
        """
        if self.state.get("_init_args"):
            raise UserError(f"the file's {self.class_name!r} was made with arguments that have no names")
        given = self.state.get("_init_kwargs", {})
        if not isinstance(given, dict):
            raise UserError(f"the arguments of the file's {self.class_name!r} are no dictionary")
        return {excerpt(str(name)): plain(value, excerpt(str(name))) for name, value in given.items()}


def read_pickle(path: str | Path, *entries: str) -> dict[str, Any]:
    """The top-level dictionary of a released pickle, its objects as `Persistent` records, all else inert values.

    One of `entries` (default "ema") must hold a network: EDM's averaged network is "ema", that of StyleGAN3 "G_ema".

    Raises UserError when the file is missing, damaged, too large, not such a pickle, or asks for any name that is
    not on the list. Nothing in the file is executed.
    """
    path, entries = Path(path), entries or ("ema",)
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UserError(f"{path} has more than {LARGEST // 2**30} GiB; that is no released checkpoint")
        with path.open("rb") as file:
            content = read_inert(Source(file, size), Rules(NAMES, MAPPINGS))
        if isinstance(content, dict):
            content = {name: _record(value, 2 * size + SLACK) or value for name, value in content.items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle raises almost anything
        reason = f"{type(error).__name__}: {excerpt(str(error))}"
        raise UserError(f"{path} can't be read as a released pickle ({reason})") from error
    if not isinstance(content, dict) or not any(isinstance(content.get(entry), Persistent) for entry in entries):
        wanted = " or ".join(map(repr, entries))
        kinds = " or ".join(NETWORKS[entry] for entry in entries)
        raise UserError(f"{path} is a pickle without an {wanted} network; give a released {kinds} checkpoint")
    return content


def plain(value: Any, where: str) -> Any:
    """An inert value as numbers, text, lists and dictionaries of a few parts; UserError for anything else."""
    left = MOST_VALUES

    def made(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise UserError(f"the file's argument {where!r} has too many parts")
        if isinstance(value, (list, tuple)):
            return [made(v, depth + 1) for v in value]
        if isinstance(value, dict):
            return {excerpt(str(k)): made(v, depth + 1) for k, v in value.items()}
        if isinstance(value, Made) and value.path in SCALARS:
            return _number(*value.arguments)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise UserError(f"the file's argument {where!r} is neither a number nor text")

    return made(value, 0)


def _number(dtype: Any, data: Any) -> Any:
    """The number that a numpy scalar of a plain type holds."""
    if not isinstance(dtype, Made) or dtype.path != "numpy.dtype" or dtype.arguments[0] not in NUMBERS:
        raise ValueError("a numpy scalar that is no plain number")
    order = dtype.state[1] if dtype.state else "="
    kind = np.dtype(dtype.arguments[0]).newbyteorder(order if order in ("<", ">") else "=")
    (number,) = np.frombuffer(as_bytes(data), dtype=kind)
    return number.item()


def state_dict(record: Persistent) -> dict[str, Tensor]:
    """Parameters and buffers of a module record and of the modules in it, named as torch names them.

    Raises UserError when modules hold one another in a circle or are more than any network has.
    """
    tensors, out = Tensors(record.room), {}
    waiting: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), record.state)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return out
        place, state = waiting.pop()
        for group in ("_parameters", "_buffers"):
            for name, value in _members(state, group).items():
                tensor = tensors.of(value)
                if tensor is not None:
                    out[".".join((*place, name))] = tensor
        inner = [((*place, name), _state(module)) for name, module in _members(state, "_modules").items()]
        waiting += [(path, found) for path, found in inner if found is not None]
        if len(place) > DEEPEST or len(out) + len(waiting) > MOST_PARTS:
            break
    raise UserError("the pickle's modules hold one another in a circle, or are too many")


def module_in(record: Persistent, name: str) -> Persistent | None:
    """The record of a module's own module of that name."""
    return _record(_members(record.state, "_modules").get(name), record.room)


def _record(value: Any, room: int) -> Persistent | None:
    """A persistent object's class name and state; None where the inert value is something else."""
    if not isinstance(value, Made) or value.path != PERSISTENT:
        return None
    (meta,) = value.arguments
    name, state = meta.get("class_name"), meta.get("state", {})
    if not isinstance(name, str):
        raise ValueError("an object without a class name")
    if value.state is not None or not isinstance(state, dict):
        raise ValueError("an object whose state is set twice, or is no dictionary")
    return Persistent(name, state, room)


def _state(value: Any) -> Mapping[str, Any] | None:
    """The state of a module; None where the inert value is none."""
    if isinstance(value, Made) and value.path == MODULE_DICT:
        return value.state if isinstance(value.state, dict) else {}
    record = _record(value, SLACK)
    return record and record.state


def _members(state: Mapping[str, Any], group: str) -> dict[str, Any]:
    members = state.get(group) or {}
    if not isinstance(members, dict) or not all(isinstance(name, str) for name in members):
        raise UserError(f"the pickle holds a module whose {group} are not named")
    return members
