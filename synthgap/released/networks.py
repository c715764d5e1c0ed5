"""What the readers of released pickles share: from a file's inert records to a network of ours with its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from torch import nn

from ..base.errors import UserError
from ..base.inert import excerpt
from ..base.weights import impossible
from .nvidia import Persistent, read_pickle

Network = TypeVar("Network", bound=nn.Module)

THEIRS = {
    "height": "img_resolution",
    "width": "img_resolution",
    "channels": "img_channels",
    "steps": "M",
}  # by our names


def network_in(path: str | Path, readers: Mapping[str, Callable[[Persistent], Network]]) -> Network:
    """The network that the reader of an entry makes of the object that the pickle holds there; the first entry counts.

    Its weights are those of the file bit for bit, as float32, in eval mode, without gradients.

    Raises UserError, with the path, when the file is not such a pickle or its reader can't make a network of it.
    """
    content = read_pickle(path, *readers)
    entry = next(name for name in readers if isinstance(content.get(name), Persistent))
    try:
        return readers[entry](content[entry]).requires_grad_(False)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        reason = impossible(error, THEIRS)
        raise UserError(f"{path}: the network's description is wrong ({reason})") from error
    except Exception as error:  # a made-up file may hold anything anywhere
        reason = f"{type(error).__name__}: {excerpt(str(error))}"
        raise UserError(f"{path}: the network's description is incomplete or wrong ({reason})") from error


def check_known(record: Persistent, known: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> None:
    """UserError, by name, where the record's constructor has an argument that is not `known`.

    given : instead of all of the record's arguments.
    """
    unknown = sorted((record.arguments if given is None else given).keys() - known)
    if unknown:
        raise UserError(f"the file's {record.class_name} has an argument {unknown[0]!r}, which is not known here")


def check_agrees(inner: Persistent | None, given: Mapping[str, Any]) -> None:
    """UserError, by name, where a record inside another was made with another argument than the outer one tells."""
    for name, value in (inner.arguments if inner else {}).items():
        if name in given and value != given[name]:
            raise UserError(
                f"the file's {inner.class_name} has {name} = {value!r}, but the object that holds it {given[name]!r}"
            )


def check_choice(class_name: str, name: str, value: Any, choices: tuple, reason: str = "") -> None:
    """UserError, by name, where an argument has a value that is not implemented here."""
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        known = " and ".join(map(repr, choices))
        raise UserError(f"the file's {class_name} has {name} = {value!r}: {reason or f'only {known} can be read'}")
