"""From a released StyleGAN3 pickle to a generator of ours, configured by the constructor's arguments in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from ..diffusion.nvidia import Persistent, read_pickle, state_dict
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
    record: Persistent = read_pickle(path, "G_ema")["G_ema"]
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


def _network(record: Persistent) -> Generator:
    if record.class_name != "Generator":
        raise UserError(f"the file holds a {record.class_name!r}; known: Generator")
    tensors = state_dict(record)
    if any(name.startswith("synthesis.b4.") for name in tensors):
        raise UserError("the file holds a generator of StyleGAN2; only StyleGAN3-T is implemented")
    config = _configuration(record.arguments)
    with torch.device("meta"):  # names and shapes alone: no memory is taken before they are known to fit
        generator = Generator(config)
    wanted = generator.state_dict()
    wrong = sorted(set(wanted) ^ set(tensors)) or sorted(
        k for k, v in tensors.items() if wanted[k].shape != v.shape or not v.is_floating_point()
    )
    if wrong:
        raise UserError(f"tensor {wrong[0]!r} ({len(wrong)} in all) does not fit the network that the file describes")
    generator.load_state_dict({k: v.detach().to(torch.float32, copy=True) for k, v in tensors.items()}, assign=True)
    return generator.eval().requires_grad_(False)


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
