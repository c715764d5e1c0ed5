"""From a released EDM pickle to a model of ours: its configuration is read off the constructor's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ..errors import UserError
from .edm import EDM, EDMConfig
from .nvidia import Persistent, read_pickle, state_dict
from .unet import UNetConfig

# what the release's constructors assume where a checkpoint doesn't say
SONG = {"model_channels": 128, "channel_mult": [1, 2, 2, 2], "num_blocks": 4, "attn_resolutions": [16], "dropout": 0.1}
ADM = {"model_channels": 192, "channel_mult": [1, 2, 3, 4], "num_blocks": 3, "attn_resolutions": [32, 16, 8]}
VARIANTS = {  # (embedding, encoder, decoder, noise multiple, filter) → our name
    ("positional", "standard", "standard", 1, (1, 1)): "ddpm++",
    ("fourier", "residual", "standard", 2, (1, 3, 3, 1)): "ncsn++",
}
PRECONDITIONINGS = {"EDMPrecond": "edm", "VPPrecond": "vp"}


def from_released(path: str | Path) -> EDM:
    """The averaged network of a released pickle, weights bit for bit, in eval mode.

    Raises UserError when the file is not such a pickle, or holds a network that is not implemented here.
    """
    record: Persistent = read_pickle(path)["ema"]
    try:
        return _network(record)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{path}: the network's description is wrong ({reason})") from error
    except Exception as error:  # a made-up file may hold anything anywhere
        raise UserError(f"{path}: the network's description is incomplete or wrong ({type(error).__name__})") from error


def _network(record: Persistent) -> EDM:
    config = _configuration(record)
    tensors = state_dict(record)
    if config.network.num_blocks * len(config.network.channel_mult) > len(tensors):
        raise UserError(f"a network of {config.network.num_blocks} blocks a level, but {len(tensors)} tensors")
    with torch.device("meta"):  # names and shapes alone: no memory is taken before they are known to fit
        edm = EDM(config)
    wanted = edm.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors)) or sorted(
        k for k, v in tensors.items() if wanted[k].shape != v.shape or not v.is_floating_point()
    )
    if wrong:
        raise UserError(f"tensor {wrong[0]!r} ({len(wrong)} in all) does not fit the network that the file describes")
    edm.load_state_dict({k: v.detach().to(torch.float32, copy=True) for k, v in tensors.items()}, assign=True)
    return edm.eval().requires_grad_(False)


def _configuration(record: Persistent) -> EDMConfig:
    arguments = record.arguments
    if record.class_name not in PRECONDITIONINGS:
        raise UserError(f"the file holds a {record.class_name!r}; known: {', '.join(PRECONDITIONINGS)}")
    kind = arguments.get("model_type", "DhariwalUNet")
    given: dict[str, Any] = (SONG if kind == "SongUNet" else ADM) | arguments
    variant = "adm"
    if not isinstance(kind, str):
        raise UserError("the file's network has a type that is not a name; known: SongUNet, DhariwalUNet")
    if kind == "SongUNet":
        key = (
            given.get("embedding_type", "positional"),
            given.get("encoder_type", "standard"),
            given.get("decoder_type", "standard"),
            given.get("channel_mult_noise", 1),
            tuple(given.get("resample_filter", (1, 1))),
        )
        if key not in VARIANTS:
            raise UserError(f"the file holds a SongUNet variant {key} that is neither DDPM++ nor NCSN++")
        variant = VARIANTS[key]
    elif kind != "DhariwalUNet":
        raise UserError(f"the file holds a network of type {kind!r}; known: SongUNet, DhariwalUNet")
    if given.get("channel_mult_emb", 4) != 4:
        raise UserError("the file's network has an embedding that is not 4 times the channels; only 4 is known")
    side = int(given["img_resolution"])
    network = UNetConfig(
        architecture=variant,
        height=side,
        width=side,
        channels=int(given["img_channels"]),
        label_dim=int(given.get("label_dim", 0)),
        model_channels=int(given["model_channels"]),
        channel_mult=tuple(given["channel_mult"]),
        num_blocks=int(given["num_blocks"]),
        attn_resolutions=tuple(given["attn_resolutions"]),
        dropout=float(given.get("dropout", 0.1)),
        augment_dim=int(given.get("augment_dim", 0)),
    )
    # the release's σmax and training noise, whatever the image size: its networks were trained with them
    return EDMConfig(
        network=network,
        preconditioning=PRECONDITIONINGS[record.class_name],
        sigma_data=float(given.get("sigma_data", 0.5)),
    )
