"""Presets: named sizes of the study, read from the YAML files in `synthgap/presets/` or from one's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from ..base.errors import UserError
from ..classifier.head import FOLDS
from ..classifier.train import ClassifierTraining
from ..diffusion.schedule import check_t_re
from ..diffusion.solver import Solver
from ..diffusion.train import DiffusionTraining
from ..gan.train import GanTraining
from ..graph.settings import LikelihoodSettings
from .remedies import REMEDIES
from .values import Arm, parse_t_re
from .variants import VARIANTS

Multiple = Annotated[int, Field(ge=1, le=1000)]  # of the real images


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataChoice(_Model):
    """One data set of the study; None means the data set's own.

    generator, classifier, gan : what differs from the preset's own for this data set, as in the YAML files.
    tables : of the paper's Tables 2, 3 and 4 those that the data set is part of. Table 3, and with it everything about
        arms, is of the first data set that lists it.
    """

    dataset: str
    image_size: int | None = None
    train_size: int | None = None
    generator: dict[str, Any] = {}
    classifier: dict[str, Any] = {}
    gan: dict[str, Any] = {}
    tables: tuple[Literal[2, 3, 4], ...] = (2, 3, 4)


class GeneratorChoice(_Model):
    """The diffusion model. Levels count from 0 at full resolution; blocks at `attention_levels` attend.

    pretrained : a model's file, which is taken in the place of one that is trained (see `design.generators`); of the
    other fields only the solver counts then.
    """

    model_channels: int = Field(gt=0)
    channel_mult: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(min_length=1, max_length=8)
    num_blocks: int = Field(gt=0)
    attention_levels: tuple[Annotated[int, Field(ge=0)], ...]
    dropout: float = Field(0.0, ge=0, lt=1)
    solver: Solver
    training: DiffusionTraining
    pretrained: str | None = None

    @property
    def divisor(self) -> int:
        return 2 ** (len(self.channel_mult) - 1)


class GanChoice(_Model):
    """The rival, a StyleGAN3, and the discriminator that it is trained against: sizes as of their configurations.

    replication : multiples of the GAN's images that a classifier is trained on, alone.
    """

    z_dim: int
    w_dim: int
    mapping_layers: int
    channel_base: int
    channel_max: int
    layers: int
    critical_layers: int
    margin: int
    discriminator_base: int
    discriminator_max: int
    discriminator_mapping: int
    discriminator_group: int
    training: GanTraining
    replication: tuple[int, ...]


class ClassifierChoice(_Model):
    """The classifier. block : so many seeds are trained as one network (seeds 0 to block − 1, the next ones, …)."""

    width: int = Field(gt=0)
    block: int = Field(1, ge=1, le=1000)
    stem: Literal["cifar", "imagenet"] = "cifar"
    training: ClassifierTraining


class HeadChoice(_Model):
    """The second judge: a linear head on the features of a frozen network, for images that were given.

    draws : how often the images are redrawn, for intervals. longest_side : of images from folders, in pixels. limits :
    most images per split, as of the preset (inferred: 2.7 GB in colour). policies : without a generator.
    """

    extractor: Literal["efficientnet-lite0", "inception", "pixels"] = "efficientnet-lite0"
    draws: int = Field(40, ge=2, le=1000)  # inferred: a standard deviation is then known to a ninth
    longest_side: int = Field(224, ge=4, le=1024)  # what EfficientNet-Lite0 sees
    limits: dict[str, int | None] = {"train": 8000, "validation": 2000, "test": 8000}
    policies: tuple[Literal["flip", "turns"], ...] = ("flip", "turns")

    @property
    def most_pooled(self) -> int | None:
        """Most images of train and test together, where they are one set: a head is fitted to all parts but one."""
        most = self.limits.get("train")
        return None if most is None else round(most * FOLDS / (FOLDS - 1))


class LikelihoodChoice(_Model):
    """The likelihood curve: so many images a cell, at each noise level of `sigmas`."""

    images: int = Field(gt=0)
    sigmas: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
    settings: LikelihoodSettings


class Sensitivity(_Model):
    """Table 2's cells at `steps` again, under each of `variants` (see `design.variants`)."""

    steps: tuple[int, ...]
    variants: tuple[str, ...]

    @field_validator("variants")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in VARIANTS:
                raise ValueError(f"unknown variant {name!r}; known: {', '.join(VARIANTS)}")
        return names


class Budget(_Model):
    """What the preset may take: `core_seconds` is the cost model's sum, `minutes` the limit on `cores`."""

    core_seconds: float = Field(gt=0)
    minutes: float = Field(gt=0)
    cores: int = Field(gt=0)


class Preset(_Model):
    """All sizes of a study. See the comments in the YAML files."""

    name: str
    summary: str
    data: tuple[DataChoice, ...] = Field(min_length=1)  # the first is the main one
    limits: dict[str, int | None]
    longest_side: int = Field(ge=4, le=1024)
    seeds: int = Field(ge=1, le=1000)
    generator: GeneratorChoice
    gan: GanChoice | None = None
    classifier: ClassifierChoice
    head: HeadChoice = HeadChoice()
    table2: tuple[int, ...]
    curves: tuple[int, ...]
    probe: int = Field(gt=0)  # test images that are reconstructed for Figure 8
    grid: tuple[int, ...]
    grid_images: int = Field(gt=0)
    frozen: Literal["auto", "none", "inception", "pixels"] = "auto"  # of FID; auto: Inception, if there
    detectors: tuple[Literal["logistic", "cnn", "resnet18"], ...]  # of Table 1, in both domains
    attention_images: int = Field(gt=0)  # test images that GradCAM maps are compared on
    likelihood: LikelihoodChoice
    replication: tuple[Multiple, ...]  # multiples of "synthetic only", all at the real set's optimiser steps
    epoch_matched: tuple[Multiple, ...]  # the same with ×k of the optimiser steps
    bootstrap: tuple[Multiple, ...]  # multiples of real images drawn with replacement, in place of synthetic ones
    augmentation: dict[str, tuple[Multiple, ...]]  # reverse step or "low-high" → multiples; "0": a second real batch
    policies: tuple[Literal["RandAugment", "TrivialAugment"], ...]  # each on the real images alone, and
    combined: dict[str, tuple[Multiple, ...]]  # with these arms of `augmentation`
    subsets: tuple[float, ...]  # shares of the real images that are trained on alone
    trimmed: tuple[float, ...] = ()  # shares of the real images, the nearest to their class means, trained on alone
    checkpoints: tuple[float, ...] = ()  # shares of the generator's training after which it is judged, too
    remedies: dict[str, tuple[float, ...]] = {}  # of `design.remedies`, each with the strengths that are tried
    remedy_draws: int = Field(4, ge=2)  # plain draws that some of them choose among
    crossed: int = Field(ge=0)  # seeds whose generators and classifiers are crossed, to divide the variance
    sensitivity: Sensitivity
    own: dict[str, Any] = {}  # what differs for a reader's own data, whose images are larger
    larger: dict[int, dict[str, Any]] = {}  # longer side of images, pixels → what differs from there on, as in `data`
    budget: Budget

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for choice in self.data:
            for side in (0, *self.larger):
                self.of(self.sized(choice, side))
        if self.own:
            self.for_own_data()
        if not any(3 in choice.tables for choice in self.data):
            raise ValueError("data: no data set is part of Table 3")
        for name, strengths in self.remedies.items():
            if name not in REMEDIES:
                raise ValueError(f"remedies: {name!r} is none; known: {', '.join(REMEDIES)}")
            if bool(REMEDIES[name].strength) != bool(strengths):
                raise ValueError(f"remedies: {name} {'needs' if REMEDIES[name].strength else 'has no'} strengths")
        for arm, multiples in self.combined.items():
            if not set(multiples) <= set(self.augmentation.get(arm, ())):
                raise ValueError(f"combined: {arm} {multiples} is not among the arms of augmentation")
        return self

    def of(self, choice: DataChoice) -> Preset:
        """The preset as it is for one of its data sets."""
        own = {name: getattr(choice, name) for name in ("generator", "classifier", "gan")}
        if own["gan"] and self.gan is None:
            raise ValueError(f"data: {choice.dataset} changes a gan that the preset has not")
        mine = {name: changed(getattr(self, name), change) for name, change in own.items() if change}
        return self.model_copy(update=mine)

    def sized(self, choice: DataChoice, side: int) -> DataChoice:
        """A data set with the networks for its images, whose longer side has so many pixels; what it changes itself
        stands."""
        least = max((n for n in self.larger if n <= side), default=None)
        if least is None:
            return choice
        own = {name: getattr(choice, name) for name in ("generator", "classifier", "gan")}
        return DataChoice(**choice.model_dump() | _over(self.larger[least], own))

    def for_images(self, shape: tuple[int, int, int]) -> Preset:
        """The preset with the networks for images of a shape (C, H, W), whatever data set they are of."""
        return self.of(self.sized(DataChoice(dataset=""), max(shape[1:])))

    def for_own_data(self) -> Preset:
        """The preset for a data set that it does not list."""
        return changed(self, {**self.own, "own": {}})

    @field_validator("subsets", "trimmed", "checkpoints")
    @classmethod
    def _shares(cls, values: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if not all(0 < v < 1 for v in values):
            raise ValueError(f"{info.field_name} are {values}; give shares between 0 and 1")
        return values

    @field_validator("table2", "curves", "grid")
    @classmethod
    def _steps(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        for value in values:
            check_t_re(value)
        return values

    @field_validator("augmentation", "combined")
    @classmethod
    def _arms(cls, arms: dict[str, tuple[int, ...]]) -> dict[Arm, tuple[int, ...]]:
        for arm in arms:
            parse_t_re(arm)
        return {Arm(arm): multiples for arm, multiples in arms.items()}

    def choose(self, dataset: str = "auto", image_size: int | str = "auto") -> DataChoice:
        """The data set that a run is about: "auto" is the preset's main one; a named one keeps the preset's size.

        Raises UserError when an argument has the wrong type.
        """
        if not isinstance(dataset, str):
            raise UserError(f"dataset is {dataset!r}; give its name or folder:PATH as text")
        if image_size != "auto" and type(image_size) is not int:
            raise UserError(f'image_size is {image_size!r}; give a number of pixels, or "auto"')
        listed = {choice.dataset: choice for choice in reversed(self.data)} | {"auto": self.data[0]}
        choice = listed.get(dataset, DataChoice(dataset=dataset))
        if dataset != "auto":  # alone it is part of everything
            choice = choice.model_copy(update={"tables": (2, 3, 4)})
        return choice if image_size == "auto" else choice.model_copy(update={"image_size": image_size})


def _over(changes: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Changes of a model's fields, with others in front of them, also inside."""
    inner = {n: _over(changes[n], v) for n, v in others.items() if isinstance(v, dict) and n in changes}
    return changes | others | inner


def changed(model: BaseModel, change: dict[str, Any]) -> Any:
    """A validated copy of `model` with the fields that `change` names, also inside its own models."""
    values = {name: getattr(model, name) for name in type(model).model_fields}
    for name, value in change.items():
        inner = values.get(name)
        values[name] = changed(inner, value) if isinstance(inner, BaseModel) and isinstance(value, dict) else value
    return type(model)(**values)


def preset_names() -> list[str]:
    """Names of the presets that ship with the package, smallest first."""
    found = [f.name.removesuffix(".yaml") for f in files("synthgap").joinpath("presets").iterdir()]
    order = ["smoke", "quick", "full", "paper", "paper-cifar10"]
    return sorted(found, key=lambda n: (order.index(n) if n in order else len(order), n))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"preset {path} is not valid: it can't be read as text ({error})") from error


def load_preset(name: str) -> Preset:
    """The preset called `name`, or the one in the YAML file at that path.

    Raises UserError when there is none or its file is wrong.
    """
    own = Path(name) if isinstance(name, str) and name.endswith((".yaml", ".yml")) else None
    if own is not None and own.is_file():
        text, name = _text(own), own.stem
    elif name in preset_names():
        text = files("synthgap").joinpath("presets", f"{name}.yaml").read_text(encoding="utf-8")
    else:
        raise UserError(f"unknown preset {name!r}; known: {', '.join(preset_names())}, or the path of a YAML file")
    try:
        content = yaml.safe_load(text)
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            raise UserError(f"preset {name} is not valid: its file holds no fields; copy one of synthgap/presets")
        return Preset(**({"name": name} | content))
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"preset {name} is not valid YAML ({' '.join(str(error).split())}); mend the file") from error
    except ValidationError as error:
        raise UserError(f"preset {name} is not valid: {error.errors()[0]['loc']} {error.errors()[0]['msg']}") from error
