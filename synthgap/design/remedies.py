"""Remedies: ways to draw, or to choose, better synthetic images than plain samples; each from its publication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Guided, Images, OneClassifier, Selected, Snapshot, Synthesize, TrainDiffusion
from ..metrics.selection import Rule

if TYPE_CHECKING:
    from .arms import Arms

WITHHELD = 0.1  # share of the images whose class the generator is not told, of classifier-free guidance (Ho, Salimans)
WEAKER_STEPS = (100, 75, 50, 25)  # reverse steps that an image may be made from, the furthest from its original first
WEAKER = 0.25  # share of the training after which autoguidance takes its weaker generator (inferred)
NONE = 0.0  # the strength of a remedy that has none

Make = Callable[["Arms", int, float], tuple[Images, ...]]


@dataclass(frozen=True)
class Remedy:
    """One way to make the synthetic images of an arm.

    does : what it does, for a table. source : where it is from. make : from arms, a seed and a strength to the images.
    strength : what its number is; "": it has none. asks : what it needs beside the generator. trains : does it need a
    generator whose training is the study's own?
    """

    does: str
    source: str
    make: Make
    strength: str = ""
    asks: str = ""
    trains: bool = False


def chosen(rule: Rule, crossfitted: bool = False) -> Make:
    """A set chosen among the preset's number of plain draws, by what classifiers of the real images say.

    crossfitted : by one classifier of each half of them, in place of that of the seed's real images.
    """

    def make(arms: Arms, seed: int, strength: float) -> tuple[Images, ...]:
        del strength
        judges = tuple(arms.crossfit(seed, half) for half in "ab") if crossfitted else (arms.classifier(seed, 0),)
        draws = arms.copies(seed, REVERSE_STEPS, arms.preset.remedy_draws)
        return (Selected(draws=draws, judges=judges, rule=rule),)

    return make


def weakened(arms: Arms, seed: int, strength: float) -> tuple[Images, ...]:
    """Each image from the furthest reverse step that leaves it its label, by the classifier of the real images."""
    del strength
    draws = tuple(arms.samples(seed, t) for t in WEAKER_STEPS)
    return (Selected(draws=draws, judges=(arms.classifier(seed, 0),), rule="redrawn"),)


def guided(arms: Arms, seed: int, model: TrainDiffusion, **how: object) -> tuple[Images, ...]:
    """A set as large as the real one, drawn with guidance."""
    common = {"data": arms.data["train"], "solver": arms.preset.generator.solver, "seed": seed, "device": arms.device}
    return (Guided(model=model, **common, **how),)


def autoguided(arms: Arms, seed: int, weight: float) -> tuple[Images, ...]:
    """Guided by the generator as it was early in its training."""
    model = arms.generator(seed)
    weaker = Snapshot(run=model, images=round(WEAKER * model.training.images))
    return guided(arms, seed, model, method="weaker", weight=weight, weaker=weaker)


def classifier_free(arms: Arms, seed: int, weight: float) -> tuple[Images, ...]:
    """Guided by itself without the class, of a generator that was trained for it."""
    return guided(arms, seed, retrained(arms, seed, label_dropout=WITHHELD), method="untold", weight=weight)


def unsure_of(arms: Arms, seed: int, weight: float) -> tuple[Images, ...]:
    """Guided towards what the classifier of the real images is unsure of."""
    judge: OneClassifier = arms.classifier(seed, 0)
    return guided(arms, seed, arms.generator(seed), method="doubt", weight=weight, classifier=judge)


def spread_apart(arms: Arms, seed: int, weight: float) -> tuple[Images, ...]:
    """Guided away from one another."""
    return guided(arms, seed, arms.generator(seed), method="apart", weight=weight)


def longer(arms: Arms, seed: int, strength: float) -> tuple[Images, ...]:
    """A plain set of a generator that was trained on for as much as the other draws of `plain ×k` would cost.

    A training image costs three evaluations of the network, one forward and two back.
    """
    del strength
    preset, count = arms.preset, arms.data["train"].count
    saved = (preset.remedy_draws - 1) * count * preset.generator.solver.evaluations(REVERSE_STEPS)
    model = retrained(arms, seed, images=preset.generator.training.images + round(saved / 3))
    common = {"data": arms.data["train"], "solver": preset.generator.solver, "seed": seed, "device": arms.device}
    return (Synthesize(model=model, **common),)


def retrained(arms: Arms, seed: int, **changes: object) -> TrainDiffusion:
    """The seed's generator with other training."""
    model = arms.generator(seed)
    return model.model_copy(update={"training": model.training.model_copy(update=changes), "snapshots": ()})


REAL = "a classifier of the real images"
REMEDIES: dict[str, Remedy] = {
    "filtered": Remedy(
        "each image is drawn again until a classifier of the real images gives it its label",
        "rejection by a classifier, as of He et al. 2023",
        chosen("redrawn"),
        asks=REAL,
    ),
    "filtered, cross-fitted": Remedy(
        "the same by two classifiers together, each of one half of the real images",
        "the same; two halves are ours",
        chosen("redrawn", crossfitted=True),
        asks="two classifiers of half of the real images",
    ),
    "all that agree": Remedy(
        "of several draws all images that the classifier gives their label, however many",
        "the same",
        chosen("agreeing"),
        asks=REAL,
    ),
    "the least sure": Remedy(
        "of several draws the images that the classifier gives their label, but is least sure of",
        "selection by uncertainty, as of Askari-Hemmat et al. 2025",
        chosen("unsure"),
        asks=REAL,
    ),
    "the surest": Remedy(
        "the same, those that it is surest of",
        "the usual filter by confidence",
        chosen("sure"),
        asks=REAL,
    ),
    "the outskirts": Remedy(
        "of several draws images far from one another in the classifier's features, class by class",
        "farthest-first traversal (Gonzalez 1985), as core sets of Sener and Savarese 2018",
        chosen("outskirts"),
        asks=REAL,
    ),
    "strength by image": Remedy(
        f"each image from the furthest reverse step of {', '.join(map(str, WEAKER_STEPS))} that leaves it its label",
        "ours; strengths drawn at random are of DA-Fusion (Trabucco et al. 2024)",
        weakened,
        asks=REAL,
    ),
    "autoguidance": Remedy(
        "away from what an early snapshot of the generator draws",
        "Karras et al. 2024",
        autoguided,
        "weight",
        "a snapshot of the training",
        trains=True,
    ),
    "classifier-free guidance": Remedy(
        "away from what the generator draws without a class",
        "Ho and Salimans 2022",
        classifier_free,
        "weight",
        "a training with classes withheld",
        trains=True,
    ),
    "entropy guidance": Remedy(
        "towards what the classifier is unsure of",
        "Askari-Hemmat et al. 2025",
        unsure_of,
        "weight",
        REAL,
    ),
    "particle guidance": Remedy(
        "away from the other images of the class",
        "Corso et al. 2024",
        spread_apart,
        "weight",
    ),
    "longer training": Remedy(
        "a generator trained for longer, by what the further plain draws would cost",
        "ours",
        longer,
        asks="more training",
        trains=True,
    ),
}
