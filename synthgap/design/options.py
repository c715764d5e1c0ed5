"""What a reader may change about their data without a preset of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ..base.errors import UserError
from ..classifier.train import ClassifierTraining
from .preset import Preset, changed

CLASS_WEIGHTS = get_args(ClassifierTraining.model_fields["class_weights"].annotation)


@dataclass(frozen=True)
class Options:
    """Options about images and classes; "auto" leaves them to the data set and the preset.

    image_size : longest side, pixels. max_images : most training images. flip : may classifiers see images mirrored
    left to right? grey : take colour away. class_weights : of the classifiers' loss, "none" or "balanced".

    Raises UserError for a value of the wrong type or out of range (the size is checked where images are loaded).
    """

    image_size: int | str = "auto"
    max_images: int | str = "auto"
    flip: bool | str = "auto"
    grey: bool = False
    class_weights: str = "none"

    def __post_init__(self) -> None:
        if self.max_images != "auto" and not (type(self.max_images) is int and self.max_images >= 2):
            raise UserError(f'max_images is {self.max_images!r}; give a number of training images from 2, or "auto"')
        if self.flip != "auto" and type(self.flip) is not bool:
            raise UserError(f'flip is {self.flip!r}; give True, False or "auto"')
        if type(self.grey) is not bool:
            raise UserError(f"grey is {self.grey!r}; give True or False")
        if self.class_weights not in CLASS_WEIGHTS:
            raise UserError(f"class_weights is {self.class_weights!r}; known: {', '.join(CLASS_WEIGHTS)}")

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
            preset = preset.model_copy(update={"limits": preset.limits | {"train": self.max_images}})
        if self.class_weights != "none":
            weights = {"training": {"class_weights": self.class_weights}}
            preset = preset.model_copy(update={"classifier": changed(preset.classifier, weights)})
        return preset
