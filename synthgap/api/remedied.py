"""Any number of images under a remedy, of a study's own generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..base.meant import meant
from ..data.imageset import ImageSet
from ..design.arms import Arms
from ..design.remedies import REMEDIES
from ..diffusion.reconstruct import generate
from ..diffusion.solver import Solver
from ..graph.job import judge_of
from ..graph.remedies import guide_of
from ..graph.specs import Guided, Images, Selected, Spec, Synthesize
from ..metrics.selection import select


def remedied(arms: Arms, seed: int, remedy: str, strength: float | None) -> Images:
    """The study's set under a remedy. strength : None is the first that the preset tries.

    Raises UserError for a name that no remedy has, for a strength that is missing, below 0, or where none belongs, and
    for a remedy that needs another training than a given generator's.
    """
    if remedy not in REMEDIES:
        known = ", ".join(f"“{name}”" for name in REMEDIES)
        raise UserError(f"remedy is {remedy!r}; {meant(remedy.lower(), REMEDIES, '“{}”')}known: {known}")
    if strength is not None and not (math.isfinite(strength) and strength >= 0):
        raise UserError(f"strength is {strength:g}; give a number from 0")
    one = REMEDIES[remedy]
    if one.trains and arms.model is not None:
        raise UserError(f"{remedy} needs a generator that the study trains; leave out the given one (--generator)")
    if strength is not None and not one.strength:
        raise UserError(f"{remedy} has no strength; leave it out")
    if one.strength and strength is None:
        strength = next(iter(arms.preset.remedies.get(remedy, ())), None)
        if strength is None:
            raise UserError(f"{remedy} needs its {one.strength}; give it (--strength)")
    (made,) = one.make(arms, seed, strength or 0.0)
    return made


def needed(made: Images) -> list[Spec]:
    """What must be computed before `draw`: the generator and what helps it, no images."""
    if isinstance(made, Selected):
        return [_plain(made).model, *(judge.stored for judge in made.judges)]
    return [spec for spec in made.inputs if spec.kind != "data"]


def draw(
    made: Images, get: Callable[[Spec], Any], labels: np.ndarray, classes: tuple[str, ...], seed: int, solver: Solver
) -> ImageSet:
    """Images of these labels as those of `made`, in any number.

    get : gives the values of `needed`. Raises UserError for images that are made from the real ones, one by one.
    """
    if isinstance(made, Selected):
        edm = get(_plain(made).model).to(made.draws[0].device)
        sets = [
            generate(edm, labels, seed, classes=classes, solver=solver, first_index=k * len(labels))
            for k in range(len(made.draws))
        ]
        return select(sets, [judge_of(get, judge) for judge in made.judges], made.rule)
    edm = get(made.model).to(made.device)
    guide = guide_of(made, edm, get) if isinstance(made, Guided) else None
    return generate(edm, labels, seed, classes=classes, solver=solver, guide=guide)


def _plain(made: Selected) -> Synthesize:
    first, *others = made.draws
    if any(not isinstance(one, Synthesize) or one.model != first.model for one in (first, *others)):
        raise UserError("these images are made from the real ones, one from each; synthgap export writes them")
    return first
