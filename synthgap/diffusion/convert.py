"""From a released EDM pickle to a model of ours: its configuration is read off the constructor's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UserError
from .edm import EDM, EDMConfig
from .nvidia import Persistent, state_dict
from .released import network_in, with_weights
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
    return network_in(path, "ema", _network)


def _network(record: Persistent) -> EDM:
    config = _configuration(record)
    tensors = state_dict(record)
    if config.network.num_blocks * len(config.network.channel_mult) > len(tensors):
        raise UserError(f"a network of {config.network.num_blocks} blocks a level, but {len(tensors)} tensors")
    return with_weights(lambda: EDM(config), tensors)


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
