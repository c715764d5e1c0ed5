"""One unit of work: what each kind of specification computes, and how its result is laid out in arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..classifier.evaluate import Prediction, evaluate
from ..classifier.resnet import ResNet18, ResNetConfig
from ..classifier.train import Classifier, train_classifier
from ..data.imageset import ImageSet
from ..data.sources import Splits, load_splits
from ..data.splits import spread
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import generate, reconstruct
from ..diffusion.train import train_edm
from ..errors import UserError
from ..metrics.fidelity import Fidelity, fidelity_of_features
from .specs import (
    Data,
    Loading,
    MeasureFidelity,
    Predict,
    Reconstruct,
    Spec,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
)

Arrays = dict[str, np.ndarray]
Meta = dict[str, str]


@dataclass(frozen=True)
class Job:
    """What a computation gets: values of its inputs, a folder that survives a kill, a progress report in [0, 1]."""

    get: Callable[[Spec], Any]
    work: Path
    report: Callable[[float], None]


def load_data(spec: Data, job: Job) -> ImageSet:
    del job
    images = load_split(spec.loading)
    if images.fingerprint != spec.fingerprint:
        raise UserError(
            f"{spec.loading.source} has changed since this study began; start again in a new results folder"
        )
    return images


def load_all(loading: Loading) -> Splits:
    """All splits of the data set that `loading` names."""
    options = loading.model_dump(exclude={"source", "split", "limits", "take"})
    return load_splits(loading.source, limits=dict(loading.limits), **options)


def load_split(loading: Loading, splits: Splits | None = None) -> ImageSet:
    """The images that `loading` describes; `splits` where they are loaded already."""
    images = (splits or load_all(loading))[loading.split]
    return images if loading.take is None else images.subset(spread(images.labels, loading.take))


def train_diffusion(spec: TrainDiffusion, job: Job) -> EDM:
    return train_edm(
        job.get(spec.data),
        spec.network,
        spec.training,
        spec.seed,
        device=spec.device,
        checkpoint=job.work / "checkpoint.safetensors",
        progress=lambda seen, total, loss: job.report(seen / total),
    ).cpu()


def synthesize(spec: Synthesize, job: Job) -> ImageSet:
    real = job.get(spec.data)
    return generate(
        job.get(spec.model).to(spec.device),
        real.labels,
        spec.seed,
        classes=real.classes,
        solver=spec.solver,
        first_index=spec.copy_index * len(real),
        progress=_counter(job, len(real) * spec.solver.evaluations(100)),
    )


def rebuild(spec: Reconstruct, job: Job) -> ImageSet:
    real = job.get(spec.data)
    high = spec.t_re if isinstance(spec.t_re, int) else spec.t_re[1]
    return reconstruct(
        job.get(spec.model).to(spec.device),
        real,
        spec.t_re,
        spec.seed,
        solver=spec.solver,
        first_index=spec.copy_index * len(real),
        progress=_counter(job, len(real) * spec.solver.evaluations(high)),
    )


def classify(spec: TrainClassifier, job: Job) -> Classifier:
    synthetic = ImageSet.concat([job.get(s) for s in spec.synthetic]) if spec.synthetic else None
    return train_classifier(
        job.get(spec.real) if spec.real else None,
        synthetic,
        spec.network,
        spec.training,
        spec.seed,
        epoch_images=spec.epoch_images,
        device=spec.device,
        progress=lambda step, steps: job.report(step / steps),
    )


def predict(spec: Predict, job: Job) -> Prediction:
    return evaluate(job.get(spec.classifier), job.get(spec.images))


def measure_fidelity(spec: MeasureFidelity, job: Job) -> Fidelity:
    return fidelity_of_features(job.get(spec.real).features, job.get(spec.fake).features, "classifier")


def _counter(job: Job, total: int) -> Callable[[int], None]:
    done = 0

    def add(images: int) -> None:
        nonlocal done
        done += images
        job.report(min(done / max(total, 1), 1.0))

    return add


def encode_edm(edm: EDM) -> tuple[Arrays, Meta]:
    tensors, meta = edm.to_arrays()
    return {k: v.numpy() for k, v in tensors.items()}, meta


def decode_edm(arrays: Arrays, meta: Meta) -> EDM:
    return EDM.from_arrays({k: torch.from_numpy(v) for k, v in arrays.items()}, meta)


def encode_classifier(classifier: Classifier) -> tuple[Arrays, Meta]:
    arrays = {k: v.detach().cpu().contiguous().numpy() for k, v in classifier.network.state_dict().items()}
    meta = {"network": classifier.network.config.model_dump_json(), "classes": json.dumps(classifier.classes)}
    return arrays, meta | {"mean": repr(classifier.mean), "std": repr(classifier.std)}


def decode_classifier(arrays: Arrays, meta: Meta) -> Classifier:
    network = ResNet18(ResNetConfig.model_validate_json(meta["network"]))
    network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
    return Classifier(network.eval(), float(meta["mean"]), float(meta["std"]), tuple(json.loads(meta["classes"])))


def encode_prediction(prediction: Prediction) -> tuple[Arrays, Meta]:
    return asdict(prediction), {}


def decode_prediction(arrays: Arrays, meta: Meta) -> Prediction:
    return Prediction(**arrays)


def encode_fidelity(fidelity: Fidelity) -> tuple[Arrays, Meta]:
    numbers = {k: np.float64(getattr(fidelity, k)) for k in ("frechet", "precision", "recall")}
    return {k: np.asarray(v) for k, v in numbers.items()} | {"n": np.array(fidelity.n)}, {
        "extractor": fidelity.extractor
    }


def decode_fidelity(arrays: Arrays, meta: Meta) -> Fidelity:
    numbers = {k: float(arrays[k]) for k in ("frechet", "precision", "recall")}
    return Fidelity(**numbers, n=tuple(int(v) for v in arrays["n"]), extractor=meta["extractor"])


@dataclass(frozen=True)
class Kind:
    """compute: (spec, job) → value; encode and decode: value ↔ (arrays, text metadata)."""

    compute: Callable[[Any, Job], Any]
    encode: Callable[[Any], tuple[Arrays, Meta]]
    decode: Callable[[Arrays, Meta], Any]


_images = (ImageSet.to_arrays, ImageSet.from_arrays)
KINDS: dict[type[Spec], Kind] = {
    Data: Kind(load_data, *_images),
    TrainDiffusion: Kind(train_diffusion, encode_edm, decode_edm),
    Synthesize: Kind(synthesize, *_images),
    Reconstruct: Kind(rebuild, *_images),
    TrainClassifier: Kind(classify, encode_classifier, decode_classifier),
    Predict: Kind(predict, encode_prediction, decode_prediction),
    MeasureFidelity: Kind(measure_fidelity, encode_fidelity, decode_fidelity),
}


def compute(spec: Spec, job: Job) -> Any:
    """The value of `spec`, on one CPU thread, so that the same bytes come out of every kind of run."""
    if getattr(spec, "device", "cpu") == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda but this machine offers none; run with device cpu or auto")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return KINDS[type(spec)].compute(spec, job)
    finally:
        torch.set_num_threads(threads)
