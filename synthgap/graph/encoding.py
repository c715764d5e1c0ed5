"""How the value of each kind is laid out: arrays, and a text for whatever else it holds, and back again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from ..classifier.resnet import ResNet18, ResNetConfig
from ..classifier.train import Classifier
from ..diffusion.edm import EDM
from ..gan.stylegan3 import Generator

Arrays = dict[str, np.ndarray]
Meta = dict[str, str]


def encode_edm(edm: EDM) -> tuple[Arrays, Meta]:
    _, meta = edm.to_arrays()
    several = {"": edm} | {f"{n}:": kept for n, kept in edm.snapshots.items()}
    return {f"{at}{k}": v.numpy() for at, one in several.items() for k, v in one.to_arrays()[0].items()}, meta


def decode_edm(arrays: Arrays, meta: Meta) -> EDM:
    several: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in arrays.items():
        at, _, key = name.rpartition(":")
        several.setdefault(at, {})[key] = torch.from_numpy(value)
    edm = EDM.from_arrays(several.pop(""), meta)
    edm.snapshots = {int(at): EDM.from_arrays(tensors, meta) for at, tensors in several.items()}
    return edm


def encode_gan(generator: Generator) -> tuple[Arrays, Meta]:
    tensors, meta = generator.to_arrays()
    return {k: v.numpy() for k, v in tensors.items()}, meta


def decode_gan(arrays: Arrays, meta: Meta) -> Generator:
    return Generator.from_arrays({k: torch.from_numpy(v) for k, v in arrays.items()}, meta)


def encode_classifier(classifier: Classifier) -> tuple[Arrays, Meta]:
    arrays = {k: v.detach().cpu().contiguous().numpy() for k, v in classifier.network.state_dict().items()}
    meta = {"network": classifier.network.config.model_dump_json(), "classes": json.dumps(classifier.classes)}
    return arrays, meta | {"mean": repr(classifier.mean), "std": repr(classifier.std)}


def decode_classifier(arrays: Arrays, meta: Meta) -> Classifier:
    network = ResNet18(ResNetConfig.model_validate_json(meta["network"]))
    network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
    return Classifier(network.eval(), float(meta["mean"]), float(meta["std"]), tuple(json.loads(meta["classes"])))


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
