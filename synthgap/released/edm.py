"""From a released EDM pickle to a model of ours: its configuration is read off the constructor's arguments.

Every argument is taken over, has no part in what is computed here, or is refused by name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from ..base.errors import UserError
from ..base.weights import filled
from ..diffusion.edm import EDM, EDMConfig
from ..diffusion.schedule import EDM_SIGMA_MAX, SIGMA_MIN, VPProcess, vp_sigma
from ..diffusion.unet import UNetConfig
from .networks import check_agrees, check_choice, check_known, network_in
from .nvidia import Persistent, module_in, plain, state_dict

# the arguments of the release's constructors, and what they assume where a checkpoint doesn't say
IMAGES = {"img_resolution": None, "img_channels": None, "label_dim": 0}
PRECONDITIONINGS = {
    "EDMPrecond": {"sigma_min": 0.0, "sigma_max": math.inf, "sigma_data": 0.5, "model_type": "DhariwalUNet"},
    "VPPrecond": {"beta_d": 19.9, "beta_min": 0.1, "M": 1000, "epsilon_t": 1e-5, "model_type": "SongUNet"},
}
SHARED = {"augment_dim": 0, "channel_mult_emb": 4, "dropout": 0.1}
NETWORKS = {
    "SongUNet": SHARED
    | {"model_channels": 128, "channel_mult": [1, 2, 2, 2], "num_blocks": 4, "attn_resolutions": [16]}
    | {"embedding_type": "positional", "encoder_type": "standard", "decoder_type": "standard"}
    | {"channel_mult_noise": 1, "resample_filter": [1, 1]},
    "DhariwalUNet": SHARED
    | {"model_channels": 192, "channel_mult": [1, 2, 3, 4], "num_blocks": 3, "attn_resolutions": [32, 16, 8]},
}
# half precision is of the release's runs on a GPU, dropped labels of its training: no part in what is computed here
NO_PART = {"use_fp16": False, "label_dropout": 0}
VARIANTS = {  # what sets SongUNets apart → our name
    "ddpm++": ("positional", "standard", "standard", 1, [1, 1]),
    "ncsn++": ("fourier", "residual", "standard", 2, [1, 3, 3, 1]),
}


def load_edm(path: str | Path) -> EDM:
    """Read what `EDM.save` wrote, or a released EDM pickle (`.pkl`), in eval mode on the CPU.

    Nothing in the file is executed: see `synthgap.released.nvidia` for pickles.
    Raises UserError when the file is missing, damaged, not an EDM, or asks for code that is not allowed.
    """
    return from_released(path) if Path(path).suffix == ".pkl" else EDM.load(path)


def from_released(path: str | Path) -> EDM:
    """The averaged network of a released pickle, weights bit for bit, in eval mode.

    Raises UserError when the file is not such a pickle, or holds a network that is not implemented here.
    """
    return network_in(path, {"ema": edm_of})


def edm_of(record: Persistent) -> EDM:
    """The denoiser that a preconditioned network's record describes, with its weights."""
    config = _configuration(record)
    return filled(lambda: EDM(config), state_dict(record))


def _configuration(record: Persistent) -> EDMConfig:
    """Ours, from the arguments of the preconditioning and, where it records its own, of the network inside."""
    if record.class_name not in PRECONDITIONINGS:
        raise UserError(f"the file holds a {record.class_name!r}; known: {', '.join(PRECONDITIONINGS)}")
    own = IMAGES | PRECONDITIONINGS[record.class_name]
    # what the object computes with are its attributes, whatever its constructor was given
    told = record.arguments | {name: plain(record.state[name], name) for name in own if name in record.state}
    kind = told.get("model_type", own["model_type"])
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise UserError(f"the file holds a network of type {kind!r}; known: {', '.join(NETWORKS)}")
    known = own | NO_PART | NETWORKS[kind]
    check_known(record, known)
    given = known | told
    for name in ("img_resolution", "img_channels"):
        if given[name] is None:
            raise UserError(f"the file's {record.class_name} lacks the argument {name!r}")
    _check_inner(record, kind, given)
    check_choice(kind, "channel_mult_emb", given["channel_mult_emb"], (4,))
    check_choice(record.class_name, "use_fp16", given["use_fp16"], (False, True))
    if not isinstance(given["label_dropout"], (int, float)) or not 0 <= given["label_dropout"] < 1:
        raise UserError(f"the file's {kind} has label_dropout = {given['label_dropout']!r}, which is no probability")
    network = UNetConfig.model_validate(
        {
            "architecture": _variant(kind, given),
            "height": given["img_resolution"],
            "width": given["img_resolution"],
            "channels": given["img_channels"],
            "channel_mult": tuple(given["channel_mult"]),
            "attn_resolutions": tuple(given["attn_resolutions"]),
            **{name: given[name] for name in ("label_dim", "model_channels", "num_blocks", "dropout", "augment_dim")},
        },
        strict=True,
    )
    noise = _vp(given) if record.class_name == "VPPrecond" else _edm(given)
    return EDMConfig.model_validate({"network": network, **noise}, strict=True)


def _check_inner(record: Persistent, kind: str, given: dict[str, Any]) -> None:
    """UserError where the network's own record contradicts that of the preconditioning, or knows more."""
    inner = module_in(record, "model")
    if inner is None:
        return  # its tensors will be missing
    check_choice(record.class_name, "model", inner.class_name, (kind,), f"but its model_type is {kind!r}")
    channels = {"in_channels": given["img_channels"], "out_channels": given["img_channels"]}
    check_known(inner, NETWORKS[kind] | IMAGES | NO_PART | channels)
    check_agrees(inner, given | channels)


def _variant(kind: str, given: dict[str, Any]) -> str:
    if kind == "DhariwalUNet":
        return "adm"
    names = ("embedding_type", "encoder_type", "decoder_type", "channel_mult_noise", "resample_filter")
    key = tuple(given[name] for name in names)
    for variant, wanted in VARIANTS.items():
        if key == wanted:
            return variant
    raise UserError(f"the file holds a SongUNet variant {key} that is neither DDPM++ nor NCSN++")


# σ is that of the release's sampler, 0.002 to 80 at every image size, where the network was trained for it


def _edm(given: dict[str, Any]) -> dict[str, Any]:
    lowest, highest = given["sigma_min"], given["sigma_max"]
    if not all(isinstance(s, (int, float)) for s in (lowest, highest)) or not 0 <= lowest < highest:
        raise UserError(f"the file's EDMPrecond has sigma_min = {lowest!r} and sigma_max = {highest!r}")
    levels = {"sigma_min": max(SIGMA_MIN, lowest), "sigma_max": min(EDM_SIGMA_MAX, highest)}
    return {"sigma_data": given["sigma_data"], **levels}


def _vp(given: dict[str, Any]) -> dict[str, Any]:
    options = {"beta_d": given["beta_d"], "beta_min": given["beta_min"], "steps": given["M"]}
    process = VPProcess.model_validate({**options, "epsilon_t": given["epsilon_t"]}, strict=True)
    lowest, highest = vp_sigma(torch.tensor([process.epsilon_t, 1.0], dtype=torch.float64), process).tolist()
    levels = {"sigma_min": max(SIGMA_MIN, lowest), "sigma_max": min(EDM_SIGMA_MAX, highest)}
    return {"preconditioning": "vp", "vp": process, **levels}
