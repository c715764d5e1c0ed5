"""What a reader may change about their data without a preset of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from ..base.errors import UserError
from ..base.meant import meant
from ..base.names import shown, some
from ..classifier.train import ClassifierTraining
from ..data.groups import SUBFOLDERS
from ..data.sources import own_path
from ..metrics.scores import MEASURES
from .preset import Preset, changed

JUDGES = ("auto", "resnet18", "features", "both")
MOST_SEEDS = 1000
CLASS_WEIGHTS = get_args(ClassifierTraining.model_fields["class_weights"].annotation)


@dataclass(frozen=True)
class Options:
    """Options about images and classes; "auto" leaves them to the data set and the preset.

    image_size : longest side, pixels. max_images : most training images. flip : may classifiers see images mirrored
    left to right? grey : take colour away. class_weights : of the classifiers' loss, "none" or "balanced".
    judge : of the plain answer: "resnet18", trained from scratch (the default), "features", a linear head on those of a
    frozen network (the default for given images), or "both": features, and ResNets beside them. measure : of the
    verdicts, one of `scores.MEASURES`; "auto" is accuracy, balanced where classes are uneven. positive : name of the
    class that recall, precision, the area and the average precision are about; "none": all classes alike. features :
    the frozen network of the judge "features", which that asks for: a name that `metrics.extractors` knows, or
    NAME=FILE with the file of its weights ("torchvision:resnet50=resnet50.pth"); "auto" is the preset's. groups :
    images that belong together, which no split separates: a CSV file, "subfolders" of class folders, or "none" (see
    `data.groups`). generator : a model's file in the place of the generator that a study trains, see
    `design.generators`; "none" where the preset names none either.

    Raises UserError for a value of the wrong type or out of range (the size is checked where images are loaded).
    """

    image_size: int | str = "auto"
    max_images: int | str = "auto"
    flip: bool | str = "auto"
    grey: bool = False
    class_weights: str = "none"
    judge: str = "auto"
    features: str = "auto"
    measure: str = "auto"
    positive: str = "none"
    groups: str = "none"
    generator: str = "none"

    def __post_init__(self) -> None:
        if self.max_images != "auto" and not (type(self.max_images) is int and self.max_images >= 2):
            raise UserError(f'max_images is {self.max_images!r}; give a number of training images from 2, or "auto"')
        if self.flip != "auto" and type(self.flip) is not bool:
            raise UserError(f'flip is {self.flip!r}; give True, False or "auto"')
        if type(self.grey) is not bool:
            raise UserError(f"grey is {self.grey!r}; give True or False")
        if self.class_weights not in CLASS_WEIGHTS:
            raise UserError(f"class_weights is {self.class_weights!r}; known: {', '.join(CLASS_WEIGHTS)}")

        if self.judge not in JUDGES:
            raise UserError(f"judge is {self.judge!r}; known: {', '.join(JUDGES)}")
        if not isinstance(self.features, str):
            raise UserError(f'features is {self.features!r}; give the name of a network, NAME=FILE, or "auto"')
        if self.judge == "resnet18" and self.features != "auto":
            raise UserError(
                f"features is {self.features}, and judge is resnet18, which is trained from scratch; leave out one"
            )
        if self.measure not in ("auto", *MEASURES):
            raise UserError(f"measure is {self.measure!r}; known: auto, {', '.join(MEASURES)}")
        if self.measure in ("recall", "precision") and self.positive == "none":
            raise UserError(f"measure is {self.measure}, of which class? name it (positive, --positive)")
        if not isinstance(self.positive, str):
            raise UserError(f'positive is {self.positive!r}; give the name of a class, or "none"')
        if not isinstance(self.groups, str):
            raise UserError(f'groups is {self.groups!r}; give the path of a CSV file, "{SUBFOLDERS}" or "none"')
        if not isinstance(self.generator, str):
            raise UserError(f'generator is {self.generator!r}; give the path of a model\'s file, or "none"')

    def place(self, classes: tuple[str, ...]) -> int | None:
        """The positive class among those of the data set; None: all alike. UserError where it is none of them."""
        if self.positive == "none":
            return None
        if self.positive not in classes:
            known = f"{meant(self.positive, classes)}known: {some(map(shown, classes), 10)}"
            raise UserError(f"positive is {self.positive!r}, no class; {known}")
        return classes.index(self.positive)

    def by_features(self, synthetic: str) -> bool:
        """Is the plain answer given by frozen features?"""
        asked = synthetic != "none" or self.features != "auto"
        return self.judge in ("features", "both") or (self.judge == "auto" and asked)

    def network(self, usual: str) -> tuple[str, str | None]:
        """(name, file of the weights or None) of the frozen network. usual : the preset's."""
        name, _, file = (usual if self.features == "auto" else self.features).partition("=")
        return name, str(own_path(file).resolve()) if file else None

    @property
    def grouped(self) -> str | None:
        """`groups` as `load_splits` takes it."""
        return None if self.groups == "none" else self.groups

    @property
    def mirrored(self) -> bool | None:
        """`flip` as `load_splits` takes it."""
        return None if self.flip == "auto" else bool(self.flip)

    def applied(self, preset: Preset, dataset: str) -> Preset:
        """The preset as it is for this run: for a reader's own data, with their limits and weights."""
        listed = ("auto", *(choice.dataset for choice in preset.data))
        if dataset not in listed:
            preset = preset.for_own_data()
        if self.max_images != "auto":
            several = {"limits": preset.limits | {"train": self.max_images}}
            several |= {"head": changed(preset.head, {"limits": preset.head.limits | {"train": self.max_images}})}
            preset = preset.model_copy(update=several)
        if self.class_weights != "none":
            weights = {"training": {"class_weights": self.class_weights}}
            preset = preset.model_copy(update={"classifier": changed(preset.classifier, weights)})
        return preset


def seeds_of(seeds: int | Sequence[int] | str, preset: Preset) -> tuple[int, ...]:
    """The seeds that a user asks for, as `Study` takes them; UserError for anything else."""
    if seeds == "auto":
        return tuple(range(preset.seeds))
    if type(seeds) is int and seeds > MOST_SEEDS:
        raise UserError(f"seeds is {seeds}; give at most {MOST_SEEDS}, or a list of those wanted")
    several = range(seeds) if type(seeds) is int else seeds
    whole = isinstance(several, (list, tuple, range)) and all(type(s) is int and s >= 0 for s in several)
    if not whole or not several or len(set(several)) < len(several):
        raise UserError(f'seeds is {seeds!r}; give a number of seeds from 1, a list such as [0, 1, 2], or "auto"')
    return tuple(several)
