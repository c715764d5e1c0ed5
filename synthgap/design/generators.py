"""A generator that was trained elsewhere, in the place of a study's own: read, and held against its data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..base.errors import UserError
from ..base.files import file_sha256
from ..base.labels import model_labels
from ..base.names import normal
from ..base.words import plural
from ..data.imageset import ImageSet
from ..data.sources import own_path
from ..diffusion.edm import EDM, EDMConfig
from ..diffusion.schedule import REVERSE_STEPS, level_of, vp_sigma
from ..graph.specs import LoadDiffusion
from ..released.edm import load_edm
from .preset import Preset
from .variants import VARIANTS

NONE = "none"
UNSEEN = (
    "what it was trained on is not known here: if validation or test images were among that, the numbers flatter it"
)


@dataclass(frozen=True)
class GivenGenerator:
    """A model's file, read. path : as the user gave it. fingerprint : SHA-256 (hex) of the file."""

    path: str
    edm: EDM
    fingerprint: str

    @property
    def config(self) -> EDMConfig:
        return self.edm.config

    @property
    def divisor(self) -> int:
        """What an image's sides are divisible by."""
        return 2 ** (len(self.config.network.channel_mult) - 1)

    @property
    def spec(self) -> LoadDiffusion:
        return LoadDiffusion(fingerprint=self.fingerprint, path=self.path, config=self.config)


def read_generator(path: str) -> GivenGenerator:
    """A released EDM pickle, its conversion, or what `EDM.save` wrote.

    Raises UserError where there is no such file, or where it holds something else.
    """
    place = own_path(path)
    if not place.is_file():
        what = "is a folder" if place.is_dir() else "is not there"
        raise UserError(
            f"generator is {path}, which {what}; name a model's file: a released EDM checkpoint (.pkl), or what "
            "synthgap train-diffusion or synthgap convert wrote"
        )
    return GivenGenerator(path, load_edm(place), file_sha256(place))


def fitted(given: GivenGenerator, train: ImageSet, preset: Preset) -> list[str]:
    """What is to be said of the generator of a study of `train`, at its working size, by `preset`; a line each.

    Labels are told to it one-hot, by the names of the classes where both sides have any, else in their order.

    Noise levels are the model's own: from its σmin to its σmax, with its ρ. Those of a released file are EDM's 0.002 to
    80, cut to what the network was trained for, as the release's sampler does. A reading of reverse steps that leaves
    what a VP network was trained for is refused; EDM's preconditioning is defined at every level.

    Raises UserError where the model can't be the study's: no classes, other ones, another number of them, images of
    another shape, levels that it has not.
    """
    network, config = given.config.network, given.config
    if not network.label_dim:
        raise UserError(
            f"{given.path} is an unconditional model: its images have no classes, so that no classifier can be trained "
            "on them; give a class-conditional one (synthgap generate --model draws from this one, and images that "
            "you then sort into class folders can be judged with --synthetic)"
        )
    if network.label_dim != len(train.classes):
        raise UserError(
            f"{given.path} knows {plural(network.label_dim, 'class', 'classes')}, {train.name} has "
            f"{len(train.classes)}; give a model of this data set, or (--dataset) the set that it was trained on"
        )
    _check_shape(given, train)
    _check_levels(given, preset)
    numbers = np.arange(len(train.classes))
    told = model_labels(numbers, train.classes, config.classes, network.label_dim, train.name)
    count = sum(value.numel() for value in given.edm.parameters())
    levels = f"σ from {config.sigma_min:g} to {config.sigma_max:g}"
    return [
        f"{Path(given.path).name}: {network.architecture}, {count:,} parameters, {levels}; nothing is trained for it, "
        "and all seeds draw from it",
        _order(train.classes, config.classes, told),
        UNSEEN,
    ]


def _order(mine: tuple[str, ...], theirs: tuple[str, ...], told: np.ndarray) -> str:
    """By what the data set's classes are the model's."""
    if sorted(map(normal, mine)) == sorted(map(normal, theirs)):
        return "classes are matched by name"
    which = f"{'the data set' if theirs else 'the file'} has no names of classes"
    first = ", ".join(f"{name} its class {place}" for name, place in list(zip(mine, told, strict=True))[:3])
    return f"{which}, and their order is assumed: {first}{', …' if len(mine) > 3 else ''}"


def _check_shape(given: GivenGenerator, train: ImageSet) -> None:
    """UserError with the option that makes the data set's images the model's."""
    network = given.config.network
    wanted, (channels, height, width) = (network.height, network.width), train.shape
    both = f"{given.path} makes images of {_extent(network.channels, *wanted)}, {train.name} has "
    both += f"{_extent(channels, height, width)} here; "
    if wanted != (height, width):
        longest = max(wanted)
        remedy = f"image_size {longest} (--image-size {longest}) brings them to that"
        if longest == max(height, width) or wanted[0] * width != wanted[1] * height:
            remedy = f"no option brings them to that: cut or pad the images to {wanted[1]}×{wanted[0]}"
        raise UserError(both + remedy)
    if network.channels != channels:
        raise UserError(both + ("grey (--grey) takes colour away" if channels == 3 else "give images in colour"))


def _extent(channels: int, height: int, width: int) -> str:
    return f"{width}×{height} pixels, {'grey' if channels == 1 else 'in colour'}"


def _check_levels(given: GivenGenerator, preset: Preset) -> None:
    """UserError where the preset asks for noise levels that the model has not."""
    config, solver = given.config, preset.generator.solver
    for sigma in preset.likelihood.sigmas:
        if not config.sigma_min <= sigma < config.sigma_max:
            raise UserError(
                f"{given.path} has noise levels from σ = {config.sigma_min:g} to {config.sigma_max:g}, and the preset "
                f"asks for a likelihood at {sigma:g}; change likelihood.sigmas in a preset of your own"
            )
    if config.preconditioning != "vp":
        return
    changes = [VARIANTS[name] for name in preset.sensitivity.variants]
    several = {change.change(solver).get("levels", solver.levels) for change in changes if change.concerns == "solver"}
    most = float(vp_sigma(torch.ones((), dtype=torch.float64), config.vp))
    for levels in sorted(several | {solver.levels}):
        top = level_of(REVERSE_STEPS, levels, config.sigma_min, config.sigma_max, config.rho, config.vp)
        if top > most * (1 + 1e-9):
            raise UserError(
                f"{given.path} was trained with noise up to σ = {most:.3g}, and the preset's levels {levels!r} begin "
                f"at {top:.3g}; leave them out in a preset of your own"
            )
