"""Classifiers of torchvision and timm whose weights file a user gives, without their last layer: they make features.

A network is called "torchvision:resnet50" or "timm:vit_small_patch16_224", by the name that its library has for it.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..base.errors import UserError
from ..base.meant import meant

CLASSES = 1000  # of ImageNet, which a torchvision network is built for; those of the weights may be others
COUNTER = ".num_batches_tracked"  # no weight: files of older versions lack it
NAMED = 3  # names of tensors that an error lists


MOST_REASON = 150  # letters of another library's message that an error quotes


def one_line(error: Exception) -> str:
    """The first line of another library's message, or the error's name; cut to what a message of ours can quote."""
    return (str(error).splitlines() or [type(error).__name__])[0][:MOST_REASON]


@dataclass
class Backbone:
    """A classifier without its last layer: `backbone(images)` takes float N × 3 × H × W in 0 … 255, any H and W.

    name : as the user calls it. size : (height, width) that the network sees. mean, std : of its normalisation, of
    values in 0 … 1. mode : of the interpolation to that size. last : names before which a dot stands in the names of
    tensors that go with what was left out.
    """

    name: str
    network: nn.Module
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mode: str
    last: tuple[str, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Features, N × dimensions. The whole image is scaled, nothing is cut off: an edge may hold what matters."""
        sized = F.interpolate(images, self.size, mode=self.mode, antialias=True, align_corners=False).clamp(0, 255)
        mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (self.mean, self.std))
        return self.network((sized / 255 - mean) / std)

    @property
    def recipe(self) -> str:
        """How images reach the network, and which one that is."""
        height, width = self.size
        return f"{self.name} without its last layer, {self.mode} {height}x{width} antialias, {self.mean}, {self.std}"

    def load(self, state: Mapping[str, Tensor], file: Path) -> None:
        """Give the network its weights. Raises UserError, which names tensors, where they are another network's."""
        mine = {k: v for k, v in state.items() if not any(k.startswith(f"{last}.") for last in self.last)}
        own = self.network.state_dict()
        shaped = sorted(k for k, v in mine.items() if k in own and own[k].shape != v.shape)
        kept = OrderedDict((k, v) for k, v in mine.items() if k not in shaped)
        kept._metadata = own._metadata  # of the file only tensors were read
        found = self.network.load_state_dict(kept, strict=False)
        absent = sorted(k for k in found.missing_keys if k not in shaped and not k.endswith(COUNTER))
        wrong = {"missing": absent, "of another shape": shaped, "unknown": sorted(found.unexpected_keys)}
        if told := [f"{len(names):,} {what} ({_some(names)})" for what, names in wrong.items() if names]:
            raise UserError(
                f"{file} doesn't fit {self.name}; of its tensors are {', '.join(told)}; name the network that the "
                "file was saved from"
            )


def _some(names: list[str]) -> str:
    return ", ".join([name[:80] for name in names[:NAMED]] + ["…"] * (len(names) > NAMED))


def known(name: str) -> bool:
    """Is it called like a network of one of these libraries?"""
    return name.partition(":")[0] in LIBRARIES and ":" in name


def backbone(name: str, file: str = "") -> Backbone:
    """A network as its library builds it, with random weights, in eval mode.

    file : the name of the weights file that it will get; torchvision publishes several for a network, with
    preprocessing of their own. Raises UserError for an unknown name, or a library that is not installed.
    """
    library, _, own = name.partition(":")
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and then replaced
        made = LIBRARIES[library](own, file)
    made.network.eval().requires_grad_(False)
    return made


@functools.cache
def flop(name: str) -> float:
    """Floating-point operations of one image's features, counted with random weights."""
    made = backbone(name)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        made(torch.zeros(1, 3, *made.size))
    return float(counter.get_total_flops())


def _torchvision(name: str, file: str) -> Backbone:
    from torchvision import models

    several = models.list_models(module=models)
    if name not in several and name in models.list_models():
        raise UserError(f"torchvision:{name} is no classifier of single images; name one that is, torchvision:resnet50")
    _check(name, several, "torchvision")
    weights = models.get_model_weights(name)
    given = next((w for w in weights if file and w.url.endswith(f"/{file}")), weights.DEFAULT)
    seen = given.transforms()
    (side,) = seen.crop_size
    options = {"image_size": side} if name.startswith("vit_") else {}
    if name in ("inception_v3", "googlenet"):  # as torchvision builds them where it has weights, but for second heads
        options = {"transform_input": True, "aux_logits": False, "init_weights": False}
    network = models.get_model(name, weights=None, num_classes=CLASSES, **options)
    last = _without_last(network)
    beside = ("AuxLogits", "aux1", "aux2") if options.get("transform_input") else ()
    mode = seen.interpolation.value
    return Backbone(
        f"torchvision:{name}", network, (side, side), tuple(seen.mean), tuple(seen.std), mode, (last, *beside)
    )


def _without_last(network: nn.Module) -> str:
    """Replace the layer that says the classes by one that does nothing; returns the layer's name."""
    outputs = {
        path: getattr(layer, "out_features", getattr(layer, "out_channels", None))
        for path, layer in network.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d))
    }
    last = list(outputs)[-1]
    if outputs[last] != CLASSES:
        raise ValueError(f"the last layer, {last}, has {outputs[last]} outputs")
    parent, _, child = last.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return last


def _timm(name: str, file: str) -> Backbone:
    del file
    try:
        import timm
    except ImportError as error:
        raise UserError(f"timm:{name} needs the package timm, which is not installed; pip install timm") from error
    _check(name.partition(".")[0], timm.list_models(), "timm")
    try:
        network = timm.create_model(name, pretrained=False, num_classes=0)
    except Exception as error:  # an unknown tag, or a network that has no features without its last layer
        raise UserError(f"timm:{name} can't be built ({one_line(error)}); name another network of timm's") from error
    config = network.pretrained_cfg
    last = config.get("classifier") or ()
    channels, *size = config["input_size"]
    if channels != 3:
        raise UserError(f"timm:{name} sees {channels} channels, not colours; name a network that sees 3")
    mode = config["interpolation"] if config["interpolation"] == "bilinear" else "bicubic"
    lasts = (last,) if isinstance(last, str) else tuple(last)
    return Backbone(f"timm:{name}", network, tuple(size), tuple(config["mean"]), tuple(config["std"]), mode, lasts)


def _check(name: str, several: list[str], library: str) -> None:
    if name not in several:
        hint = meant(name, several, f"{library}:{{}}").strip() or f"known are such as {library}:resnet50"
        raise UserError(f"{library} has no classifier called {name!r}; {hint}")


Build = Callable[[str, str], Backbone]
LIBRARIES: Mapping[str, Build] = MappingProxyType({"torchvision": _torchvision, "timm": _timm})


def renamed(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their present names: torchvision's oldest files of DenseNets say "norm.1" where it is "norm1"."""
    if not name.startswith("torchvision:densenet"):
        return dict(state)
    return {re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", k): v for k, v in state.items()}
