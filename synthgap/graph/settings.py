"""What specifications hold beside other specifications and the settings of what they train: plain values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Device = Literal["cpu", "cuda"]


class Loading(BaseModel):
    """How to load a split again where the store lacks it: the arguments of `load_splits`, and the split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    split: Literal["train", "validation", "test"]
    image_size: int | None = None
    train_size: int | None = None
    limits: tuple[tuple[str, int | None], ...] = ()
    longest_side: int = 32
    divisor: int = 1
    take: int | None = None  # only so many images of the split, spread evenly over the classes
    flip: bool | None = None  # mirrored in training; None: as the data set says
    grey: bool = False
    groups: str | None = None  # images that belong together: a CSV file, or "subfolders"
    pooled: bool = False  # train and test are one set, for cross-fitting; `take` is of it
    synthetic: str | None = None  # not the split, but these images from elsewhere, brought to its shape and classes


class LikelihoodSettings(BaseModel):
    """How `MeasureLikelihood` integrates; see `synthgap.metrics.likelihood`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(gt=0)
    method: Literal["exact", "hutchinson"]
    probes: int = Field(1, gt=0)


class Frozen(BaseModel):
    """A network whose features are judged by: an extractor by its name, and the SHA-256 of its weights and recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extractor: str
    fingerprint: str
    dimensions: int = Field(gt=0)
