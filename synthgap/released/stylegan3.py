"""From a released StyleGAN3 pickle to a generator of ours, configured by the constructor's arguments in the file."""

from __future__ import annotations

from ..base.errors import UserError
from ..base.weights import filled
from ..gan.stylegan3 import Generator, GeneratorConfig
from .networks import check_agrees, check_choice, check_known
from .nvidia import Persistent, module_in, plain, state_dict

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
MAPPING_ONLY = {"lr_multiplier": (0.01, "only 0.01 is implemented")}
APART = ("img_resolution", "mapping_kwargs")
NO_PART = ("num_fp16_res",)  # half precision is of the release's runs on a GPU


def generator_of(record: Persistent) -> Generator:
    """The generator that the record of a released StyleGAN3-T's averaged network describes, with its weights.

    Raises UserError for a network that is not implemented here: configuration R, or StyleGAN2.
    """
    if record.class_name != "Generator":
        raise UserError(f"the file holds a {record.class_name!r}; known: Generator")
    tensors = state_dict(record)
    if any(name.startswith("synthesis.b4.") for name in tensors):
        raise UserError("the file holds a generator of StyleGAN2; only StyleGAN3-T is implemented")
    config = _configuration(record)
    return filled(lambda: Generator(config), tensors)


def _configuration(record: Persistent) -> GeneratorConfig:
    # what the object computes with are its attributes, whatever its constructor was given
    own = {name: plain(record.state[name], name) for name in (*NAMES, "img_resolution") if name in record.state}
    arguments = record.arguments | own
    mapping = arguments.get("mapping_kwargs") or {}
    if not isinstance(mapping, dict):
        raise UserError("the file's Generator has mapping_kwargs that are no dictionary")
    for given, only in ((arguments, ONLY), (mapping, MAPPING_ONLY)):
        for name, (value, reason) in only.items():
            check_choice("Generator", name, given.get(name, value), (value,), reason)
    check_known(record, dict.fromkeys((*NAMES, *ONLY, *APART, *NO_PART)), arguments)
    check_known(record, MAPPING_NAMES | MAPPING_ONLY, mapping)
    for module in ("mapping", "synthesis"):
        check_agrees(module_in(record, module), arguments | (mapping if module == "mapping" else {}))
    if "img_resolution" not in arguments:
        raise UserError("the file's Generator lacks the argument 'img_resolution'")
    given = {ours: arguments[name] for name, ours in NAMES.items() if name in arguments}
    given |= {ours: mapping[name] for name, ours in MAPPING_NAMES.items() if name in mapping}
    side = arguments["img_resolution"]
    config = GeneratorConfig.model_validate({"height": side, "width": side, **given}, strict=True)
    if config.side != side:
        raise UserError(f"the file's generator makes images of side {side}, which is no power of two")
    return config
