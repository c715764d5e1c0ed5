"""What the two readers of released pickles share: from a file's inert record to a network of ours with its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from ..errors import UserError
from .nvidia import Persistent, read_pickle

Network = TypeVar("Network", bound=nn.Module)


def network_in(path: str | Path, entry: str, rebuild: Callable[[Persistent], Network]) -> Network:
    """What `rebuild` makes of the object that the pickle holds under `entry`.

    Raises UserError, with the path, when the file is not such a pickle or `rebuild` can't make a network of it.
    """
    record: Persistent = read_pickle(path, entry)[entry]
    try:
        return rebuild(record)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{path}: the network's description is wrong ({reason})") from error
    except Exception as error:  # a made-up file may hold anything anywhere
        raise UserError(f"{path}: the network's description is incomplete or wrong ({type(error).__name__})") from error


def with_weights(build: Callable[[], Network], tensors: dict[str, Tensor]) -> Network:
    """The network that `build` makes, its weights those of `tensors` bit for bit, as float32, in eval mode.

    Raises UserError when names, shapes or types don't fit.
    """
    with torch.device("meta"):  # names and shapes alone: no memory is taken before they are known to fit
        network = build()
    wanted = network.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors)) or sorted(
        k for k, v in tensors.items() if wanted[k].shape != v.shape or not v.is_floating_point()
    )
    if wrong:
        raise UserError(f"tensor {wrong[0]!r} ({len(wrong)} in all) does not fit the network that the file describes")
    network.load_state_dict({k: v.detach().to(torch.float32, copy=True) for k, v in tensors.items()}, assign=True)
    return network.eval().requires_grad_(False)
