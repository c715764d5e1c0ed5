"""How the value of each kind is laid out: arrays, and a text for whatever else it holds, and back again."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import nn

from ..base.weights import SavedModule, filled
from ..classifier.resnet import ResNet18, ResNetConfig
from ..classifier.train import Classifier
from ..diffusion.edm import EDM
from ..gan.stylegan3 import Generator

Network = TypeVar("Network", bound=nn.Module)
Saved = TypeVar("Saved", bound=SavedModule)
Arrays = dict[str, np.ndarray]
Meta = dict[str, str]


@functools.lru_cache(16)
def _built(kind: type[Network], config: type[BaseModel], text: str) -> Network:
    with torch.device("meta"):
        return kind(config.model_validate_json(text))


def _empty(kind: type[Network], config: type[BaseModel], text: str) -> Network:
    """A network without weights, of a configuration in JSON. Building one takes longer than copying it does."""
    return copy.deepcopy(_built(kind, config, text))


def _filled(kind: type[Saved], meta: Meta, tensors: dict[str, torch.Tensor]) -> Saved:
    """`SavedModule.from_arrays`, quicker from the second network of a configuration on."""
    return filled(lambda: _empty(kind, kind.Config, meta["config"]), tensors)


def encode_edm(edm: EDM) -> tuple[Arrays, Meta]:
    _, meta = edm.to_arrays()
    several = {"": edm} | {f"{n}:": kept for n, kept in edm.snapshots.items()}
    return {f"{at}{k}": v.numpy() for at, one in several.items() for k, v in one.to_arrays()[0].items()}, meta


def decode_edm(arrays: Arrays, meta: Meta) -> EDM:
    several: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in arrays.items():
        at, _, key = name.rpartition(":")
        several.setdefault(at, {})[key] = torch.from_numpy(value)
    edm = _filled(EDM, meta, several.pop(""))
    edm.snapshots = {int(at): _filled(EDM, meta, tensors) for at, tensors in several.items()}
    return edm


def encode_gan(generator: Generator) -> tuple[Arrays, Meta]:
    tensors, meta = generator.to_arrays()
    return {k: v.numpy() for k, v in tensors.items()}, meta


def decode_gan(arrays: Arrays, meta: Meta) -> Generator:
    return _filled(Generator, meta, {k: torch.from_numpy(v) for k, v in arrays.items()})


def encode_block(block: list[Classifier]) -> tuple[Arrays, Meta]:
    """Tensors are named by their classifier's place in the block and their own name."""
    states = {f"{place}.": classifier.network.state_dict() for place, classifier in enumerate(block)}
    arrays = {at + k: v.detach().cpu().contiguous().numpy() for at, state in states.items() for k, v in state.items()}
    meta = {"network": block[0].network.config.model_dump_json(), "classes": json.dumps(block[0].classes)}
    return arrays, meta | {"pixels": json.dumps([(classifier.mean, classifier.std) for classifier in block])}


def decode_block(arrays: Arrays, meta: Meta) -> list[Classifier]:
    classes = tuple(json.loads(meta["classes"]))
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in arrays.items():
        place, _, key = name.partition(".")
        states.setdefault(int(place), {})[key] = torch.from_numpy(value)
    block = []
    for place, (mean, std) in enumerate(json.loads(meta["pixels"])):
        network = _empty(ResNet18, ResNetConfig, meta["network"])
        network.load_state_dict(states[place], assign=True)
        block.append(Classifier(network.eval(), mean, std, classes))
    return block


def record(cls: type) -> tuple[Callable, Callable]:
    """(encode, decode) of a flat dataclass: arrays as arrays, everything else as JSON."""

    def encode(value: Any) -> tuple[Arrays, Meta]:
        every = {f.name: getattr(value, f.name) for f in fields(cls)}
        arrays = {k: v for k, v in every.items() if isinstance(v, np.ndarray)}
        return arrays, {k: json.dumps(v) for k, v in every.items() if k not in arrays}

    def decode(arrays: Arrays, meta: Meta) -> Any:
        plain = {k: json.loads(v) for k, v in meta.items()}
        return cls(**arrays, **{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()})

    return encode, decode


def encode_array(value: np.ndarray) -> tuple[Arrays, Meta]:
    return {"value": value}, {}


def decode_array(arrays: Arrays, meta: Meta) -> np.ndarray:
    del meta
    return arrays["value"]
