"""One unit of work: what each kind of specification computes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..base.errors import UserError
from ..base.threads import one_thread
from ..classifier.evaluate import Prediction, evaluate
from ..classifier.head import Features, Judged, Lesson, joined, judge
from ..classifier.train import Classifier, Member, train_block
from ..data.imageset import ImageSet
from ..data.splits import bootstrap, halves, spread, stratified_lowest, stratified_take
from ..data.transform import viewed
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import generate, reconstruct
from ..diffusion.train import train_edm
from ..gan.collapse import Collapse, collapse_of
from ..gan.sample import generate_gan
from ..gan.stylegan3 import Generator
from ..gan.train import train_gan
from ..metrics.detection import Detection, fake_detection
from ..metrics.extractors import extractor
from ..metrics.features import features
from ..metrics.fidelity import MEASURES, Fidelity, fidelity_of_features
from ..metrics.gradcam import gradcam
from ..metrics.likelihood import Likelihood, image_log_likelihood
from ..metrics.memorization import Memorization, memorization
from ..metrics.projection import centralities
from .encoding import (
    Arrays,
    Meta,
    decode_array,
    decode_block,
    decode_edm,
    decode_gan,
    encode_array,
    encode_block,
    encode_edm,
    encode_gan,
    record,
)
from .job import Job, judge_of
from .job import counter as _counter
from .reading import load_data, load_generator
from .remedies import draw_guided, select
from .specs import (
    Attend,
    Bootstrap,
    Data,
    Extract,
    FitHead,
    Guided,
    LoadDiffusion,
    MeasureCollapse,
    MeasureDetection,
    MeasureFidelity,
    MeasureFrozen,
    MeasureLikelihood,
    MeasureMemorization,
    Predict,
    Reconstruct,
    SampleGan,
    Selected,
    Snapshot,
    Spec,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
    Trim,
)


def train_diffusion(spec: TrainDiffusion, job: Job) -> EDM:
    """Trained from snapshot to snapshot: each stage goes on where the last one ended, as if nothing had happened."""
    real, kept = job.get(spec.data), {n: job.work / f"after-{n}.safetensors" for n in sorted(spec.snapshots)}
    for images in (*kept, spec.training.images):
        if images in kept and kept[images].exists():
            continue
        edm = train_edm(
            real,
            spec.network,
            spec.training.model_copy(update={"images": images}),
            spec.seed,
            device=spec.device,
            checkpoint=job.work / "checkpoint.safetensors",
            progress=lambda seen, total, loss: job.report(seen / spec.training.images),
        ).cpu()
        if images in kept:
            edm.save(kept[images])
    edm.snapshots = {n: EDM.load(path) for n, path in kept.items()}
    return edm


def snapshot(spec: Snapshot, job: Job) -> EDM:
    return job.get(spec.run).snapshots[spec.images]


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


def train_rival(spec: TrainGan, job: Job) -> Generator:
    return train_gan(
        job.get(spec.data),
        spec.generator,
        spec.discriminator,
        spec.training,
        spec.seed,
        device=spec.device,
        checkpoint=job.work / "checkpoint.safetensors",
        progress=lambda seen, total, step: job.report(seen / total),
    ).cpu()


def sample_rival(spec: SampleGan, job: Job) -> ImageSet:
    real = job.get(spec.data)
    return generate_gan(
        job.get(spec.model).to(spec.device),
        real.labels,
        spec.seed,
        classes=real.classes,
        first_index=spec.copy_index * len(real),
        progress=_counter(job, len(real)),
    )


def measure_collapse(spec: MeasureCollapse, job: Job) -> Collapse:
    return collapse_of(job.get(spec.fake), job.get(spec.fake.data))


def resample(spec: Bootstrap, job: Job) -> ImageSet:
    images = job.get(spec.images)
    return images.subset(bootstrap(images.labels, spec.seed, spec.copy_index))


def subset(spec: Subset, job: Job) -> ImageSet:
    images = job.get(spec.images)
    if spec.half is not None:
        images = images.subset(halves(images.labels)["ab".index(spec.half)])
    if spec.count is None:
        return images
    if spec.seed is None:
        return images.subset(spread(images.labels, spec.count))
    return images.subset(stratified_take(images.labels, spec.count, spec.seed))


def trim(spec: Trim, job: Job) -> ImageSet:
    images = job.get(spec.images)
    values = centralities(images.labels, [job.get(seen).features for seen in spec.seen])
    return images.subset(stratified_lowest(images.labels, spec.count, values))


def classify(spec: TrainClassifier, job: Job) -> list[Classifier]:
    return train_block(
        [
            Member(
                real=job.get(one.real) if one.real else None,
                synthetic=ImageSet.concat([job.get(s) for s in one.synthetic]) if one.synthetic else None,
                seed=one.seed,
            )
            for one in spec.members
        ],
        spec.network,
        spec.training,
        epoch_images=spec.epoch_images,
        device=spec.device,
        progress=lambda step, steps: job.report(step / steps),
    )


def predict(spec: Predict, job: Job) -> Prediction:
    return evaluate(judge_of(job.get, spec.classifier), job.get(spec.images))


def measure_fidelity(spec: MeasureFidelity | MeasureFrozen, job: Job) -> Fidelity:
    """NaN where there are too few images, or too many that are alike: the study goes on without the number."""
    real, fake = job.get(spec.real).features, job.get(spec.fake).features
    name = spec.real.network.extractor if isinstance(spec, MeasureFrozen) else "classifier"
    try:
        return fidelity_of_features(real, fake, name, intervals=False, floor=False)  # seeds give the intervals
    except UserError:
        return Fidelity(*[math.nan] * len(MEASURES), n=(len(real), len(fake)), extractor=name)


def measure_detection(spec: MeasureDetection, job: Job) -> Detection:
    """NaN where there are too few pairs, or too many that are alike."""
    real, fake = job.get(spec.real), job.get(spec.fake)
    try:
        return fake_detection(
            real,
            fake,
            spec.domain,
            spec.detector,
            spec.seed,
            device=spec.device,
            progress=lambda done, total: job.report(done / total),
        )
    except UserError:
        count = len(real)
        return Detection(*[math.nan] * 3, count, spec.domain, spec.detector, np.full(count, math.nan))


def measure_likelihood(spec: MeasureLikelihood, job: Job) -> Likelihood:
    images = job.get(spec.images)
    return image_log_likelihood(
        job.get(spec.model).to(spec.device),
        images,
        seed=spec.seed,
        sigma=spec.sigma,
        progress=lambda done, total: job.report(done / total),
        **spec.settings.model_dump(),
    )


def extract(spec: Extract, job: Job) -> Features:
    images = job.get(spec.images)
    network = extractor(spec.network.extractor, weights=spec.weights, device=spec.device)
    if network.fingerprint != spec.network.fingerprint:
        raise UserError(f"the weights of {network.name} have changed since this study began; start it again")
    seen = replace(images, images=viewed(images.images, spec.view))
    found = features(seen, network, progress=lambda done, total: job.report(done / total))
    return Features(found, images.labels)


def fit_heads(spec: FitHead, job: Job) -> Judged:
    lesson = Lesson(
        [job.get(view) for view in spec.real],
        joined([job.get(several) for several in spec.synthetic]),
        spec.beside,
        spec.count,
        spec.drawn,
        spec.balanced,
    )
    asked = job.get(spec.validation), job.get(spec.test) if spec.test else None
    return judge(
        lesson,
        *asked,
        spec.classes,
        spec.draws,
        groups=spec.groups,
        shown=job.get(spec.shown) if spec.shown else None,
        progress=lambda done, total: job.report(done / total),
    )


def measure_memorization(spec: MeasureMemorization, job: Job) -> Memorization:
    several = (job.get(s) for s in (spec.train, spec.test, spec.fake))
    return memorization(*(v.features if isinstance(v, Features) else v.images for v in several))


def attend(spec: Attend, job: Job) -> np.ndarray:
    return gradcam(judge_of(job.get, spec.classifier), job.get(spec.images))


@dataclass(frozen=True)
class Kind:
    """compute: (spec, job) → value; encode and decode: value ↔ (arrays, text metadata)."""

    compute: Callable[[Any, Job], Any]
    encode: Callable[[Any], tuple[Arrays, Meta]]
    decode: Callable[[Arrays, Meta], Any]


_images = (ImageSet.to_arrays, ImageSet.from_arrays)
KINDS: dict[type[Spec], Kind] = {
    Data: Kind(lambda spec, _: load_data(spec), *_images),
    TrainDiffusion: Kind(train_diffusion, encode_edm, decode_edm),
    Snapshot: Kind(snapshot, encode_edm, decode_edm),
    LoadDiffusion: Kind(lambda spec, _: load_generator(spec), encode_edm, decode_edm),
    Synthesize: Kind(synthesize, *_images),
    Reconstruct: Kind(rebuild, *_images),
    TrainGan: Kind(train_rival, encode_gan, decode_gan),
    SampleGan: Kind(sample_rival, *_images),
    Bootstrap: Kind(resample, *_images),
    Subset: Kind(subset, *_images),
    Guided: Kind(draw_guided, *_images),
    Selected: Kind(select, *_images),
    Trim: Kind(trim, *_images),
    TrainClassifier: Kind(classify, encode_block, decode_block),
    Predict: Kind(predict, *record(Prediction)),
    Attend: Kind(attend, encode_array, decode_array),
    Extract: Kind(extract, *record(Features)),
    FitHead: Kind(fit_heads, *record(Judged)),
    MeasureFidelity: Kind(measure_fidelity, *record(Fidelity)),
    MeasureFrozen: Kind(measure_fidelity, *record(Fidelity)),
    MeasureDetection: Kind(measure_detection, *record(Detection)),
    MeasureLikelihood: Kind(measure_likelihood, *record(Likelihood)),
    MeasureMemorization: Kind(measure_memorization, *record(Memorization)),
    MeasureCollapse: Kind(measure_collapse, *record(Collapse)),
}


def compute(spec: Spec, job: Job) -> Any:
    """The value of `spec`, on one CPU thread, so that the same bytes come out of every kind of run."""
    if getattr(spec, "device", "cpu") == "cuda" and not torch.cuda.is_available():
        raise UserError("device is cuda but this machine offers none; run with device cpu or auto")
    with one_thread(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True):
        return KINDS[type(spec)].compute(spec, job)
