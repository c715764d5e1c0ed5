"""Images that are steered while they are drawn, or chosen among many afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..data.imageset import ImageSet
from ..diffusion.edm import EDM
from ..diffusion.guidance import apart, away_from, towards_doubt, untold
from ..diffusion.reconstruct import generate
from ..diffusion.sampler import Guide
from ..metrics import selection
from .images import Guided, Selected
from .job import Job, counter, judge_of
from .specification import Spec


def draw_guided(spec: Guided, job: Job) -> ImageSet:
    real, edm = job.get(spec.data), job.get(spec.model).to(spec.device)
    return generate(
        edm,
        real.labels,
        spec.seed,
        classes=real.classes,
        solver=spec.solver,
        guide=guide_of(spec, edm, job.get),
        first_index=spec.copy_index * len(real),
        progress=counter(job, len(real) * spec.solver.evaluations(100)),
    )


def guide_of(spec: Guided, edm: EDM, get: Callable[[Spec], Any]) -> Guide:
    """What steers the samples of `edm`; `get` gives the values of the inputs."""
    if spec.method == "weaker":
        return away_from(get(spec.weaker).to(spec.device).eval(), spec.weight)
    if spec.method == "untold":
        return away_from(untold(edm), spec.weight)
    if spec.method == "apart":
        return apart(spec.weight, edm.config.sigma_data)
    judge = judge_of(get, spec.classifier)
    network = judge.network.eval()
    return towards_doubt(
        lambda images: network(judge.standardise((images + 1) * 127.5)), spec.weight, edm.config.sigma_data
    )


def select(spec: Selected, job: Job) -> ImageSet:
    judges = [judge_of(job.get, one) for one in spec.judges]
    return selection.select([job.get(draw) for draw in spec.draws], judges, spec.rule)
