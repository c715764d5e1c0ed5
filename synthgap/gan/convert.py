"""From a released StyleGAN3 pickle to a generator of ours, configured by the constructor's arguments in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..diffusion.nvidia import Persistent, state_dict
from ..diffusion.released import network_in, with_weights
from ..errors import UserError
from .stylegan3 import Generator, GeneratorConfig

NAMES = {  # of the constructor's arguments → ours
    "z_dim": "z_dim",
    "c_dim": "label_dim",
    "w_dim": "w_dim",
    "img_channels": "channels",
    "channel_base": "channel_base",
    "channel_max": "channel_max",
    "num_layers": "layers",
    "num_critical": "critical_layers",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband_rel",
    "margin_size": "margin",
    "output_scale": "output_scale",
    "filter_size": "filter_size",
    "conv_clamp": "conv_clamp",
    "magnitude_ema_beta": "magnitude_decay",
}
MAPPING_NAMES = {"num_layers": "mapping_layers", "w_avg_beta": "w_decay"}
ONLY = {  # what our generator has no choice of
    "conv_kernel": (3, "it is configuration R (1 × 1 convolutions); only T is implemented"),
    "use_radial_filters": (False, "it is configuration R (radial filters); only T is implemented"),
    "lrelu_upsampling": (2, "only 2 is implemented"),
}
IGNORED = ("img_resolution", "mapping_kwargs", "num_fp16_res")  # the first two are read apart


def from_released(path: str | Path) -> Generator:
    """The averaged generator of a released StyleGAN3-T pickle, weights bit for bit, in eval mode.

    Raises UserError when the file is not such a pickle, or holds a network that is not implemented here:
    configuration R, or StyleGAN2.
    """
    return network_in(path, "G_ema", _network)


def _network(record: Persistent) -> Generator:
    if record.class_name != "Generator":
        raise UserError(f"the file holds a {record.class_name!r}; known: Generator")
    tensors = state_dict(record)
    if any(name.startswith("synthesis.b4.") for name in tensors):
        raise UserError("the file holds a generator of StyleGAN2; only StyleGAN3-T is implemented")
    config = _configuration(record.arguments)
    return with_weights(lambda: Generator(config), tensors)


def _configuration(arguments: dict[str, Any]) -> GeneratorConfig:
    mapping = dict(arguments.get("mapping_kwargs") or {})
    for name, (value, reason) in ONLY.items():
        if arguments.get(name, value) != value:
            raise UserError(f"the file's generator has {name} = {arguments[name]!r}: {reason}")
    known = {*NAMES, *ONLY, *IGNORED}
    unknown = sorted(map(str, arguments.keys() - known)) + sorted(map(str, mapping.keys() - MAPPING_NAMES.keys()))
    if unknown:
        raise UserError(f"the file's generator has an argument {unknown[0]!r} that StyleGAN3-T does not know")
    given = {ours: _plain(arguments[name]) for name, ours in NAMES.items() if name in arguments}
    given |= {ours: _plain(mapping[name]) for name, ours in MAPPING_NAMES.items() if name in mapping}
    side = int(arguments["img_resolution"])
    config = GeneratorConfig(height=side, width=side, **given)
    if config.side != side:
        raise UserError(f"the file's generator makes images of side {side}, which is no power of two")
    return config


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's number."""
    return value.item() if hasattr(value, "item") else value
