"""The functions that `import synthgap` offers: those of the core, with a preset for their sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..base.weights import load_saved
from ..classifier.train import Classifier
from ..classifier.train import train_classifier as _train_classifier
from ..data.imageset import ImageSet
from ..design.preset import load_preset
from ..design.sizes import classifier_network, gan_networks, generator_network
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import generate as _generate
from ..diffusion.train import train_edm as _train_edm
from ..gan.sample import generate_gan
from ..gan.stylegan3 import Generator
from ..gan.train import GanStep
from ..gan.train import train_gan as _train_gan
from ..metrics.extractors import extractor as build_extractor
from ..metrics.features import features
from ..metrics.fidelity import Fidelity, fidelity_of_features
from ..released.edm import edm_of
from ..released.networks import network_in
from ..released.stylegan3 import generator_of

SOLVER_OPTIONS = {"solver", "steps", "guide", "callback"}


def train_edm(
    real: ImageSet,
    preset: str = "quick",
    seed: int = 0,
    *,
    device: str = "cpu",
    progress: Callable[[int, int, float], None] | None = None,
) -> EDM:
    """Train a class-conditional diffusion model on `real`, with a preset's recipe and network for such images.

    `progress` gets (images seen, images in all, loss). Returns an EDM in eval mode.
    Raises UserError when the image sides don't fit the preset's network.
    """
    choice = load_preset(preset).for_images(real.shape).generator
    network = generator_network(choice, real.shape, len(real.classes))
    return _train_edm(real, network, choice.training, seed, device=device, progress=progress)


def train_gan(
    real: ImageSet,
    preset: str = "full",
    seed: int = 0,
    *,
    device: str = "cpu",
    progress: Callable[[int, int, GanStep], None] | None = None,
) -> Generator:
    """Train a class-conditional StyleGAN3 on `real`, with a preset's recipe and networks for such images.

    `progress` gets (images seen, images in all, what the step reports). Returns a generator in eval mode; whether it
    has collapsed is for `gan.collapse.collapse_of` to say of its samples.
    Raises UserError where the preset has no GAN.
    """
    choice = load_preset(preset).for_images(real.shape).gan
    if choice is None:
        raise UserError(f"the preset {preset} has no GAN; name another, or a YAML file with a field gan")
    networks = gan_networks(choice, real.shape, len(real.classes))
    return _train_gan(real, *networks, choice.training, seed, device=device, progress=progress)


def generate(model: EDM | Generator, labels: np.ndarray | None = None, seed: int = 0, **options) -> ImageSet:
    """Synthetic images of either kind of model: of a diffusion model fully synthetic ones, t_re = 100.

    Parameters
    ----------
    options
        those of `diffusion.reconstruct.generate` or of `gan.sample.generate_gan`; count, classes, lanes,
        first_index and progress are common to both.

    Returns
    -------
    ImageSet
        N images in the order of `labels` (int array, N; None for an unconditional model, with count).

    Raises
    ------
    UserError
        as they do, and for an option that the model has no use for.
    """
    draw = generate_gan if isinstance(model, Generator) else _generate
    if isinstance(model, Generator) and (foreign := sorted(set(options) & SOLVER_OPTIONS)):
        raise UserError(f"{foreign[0]} is an option of diffusion models; a GAN has no reverse process")
    return draw(model, labels, seed, **options)


def load_model(path: str | Path) -> EDM | Generator:
    """A diffusion model or a GAN, whichever the file holds: of ours (`.safetensors`) or a released pickle (`.pkl`).

    Nothing in the file is executed. Raises UserError when it is neither, with the reason of the reader that the file
    is for.
    """
    if Path(path).suffix == ".pkl":
        return network_in(path, {"ema": edm_of, "G_ema": generator_of})
    return load_saved(path, EDM, Generator)


def train_classifier(
    real: ImageSet | None = None,
    synthetic: ImageSet | None = None,
    preset: str = "quick",
    seed: int = 0,
    *,
    epoch_images: int | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Classifier:
    """Train a ResNet-18 on real images, synthetic images, or one batch of each per step (Section 5).

    `epoch_images` is the size of an epoch, by which the preset counts optimiser steps; default the real set's size,
    or the synthetic set's where it is alone (give the real set's to compare the two at equal steps).
    `progress` gets (steps done, steps in all). Raises UserError when both sets are None or don't match.
    """
    images = real if real is not None else synthetic
    if images is None:
        raise UserError("neither real nor synthetic images given; a classifier needs one of them")
    if seed < 0:
        raise UserError(f"seed is {seed}; give 0 or more")
    choice = load_preset(preset).for_images(images.shape).classifier
    network = classifier_network(choice, images.shape, len(images.classes))
    return _train_classifier(
        real,
        synthetic,
        network,
        choice.training,
        seed,
        epoch_images=epoch_images,
        device=device,
        progress=progress,
    )


def fidelity(
    real: ImageSet,
    fake: ImageSet,
    extractor: str = "classifier",
    *,
    classifier: Classifier | None = None,
    weights: Path | None = None,
    device: str = "cpu",
    intervals: bool = True,
    floor: bool = True,
    seed: int = 0,
) -> Fidelity:
    """Fréchet and kernel distance, precision/recall and density/coverage of `fake` against `real`.

    Parameters
    ----------
    extractor
        "classifier", the pooled block4 features of `classifier`, which was trained on other real images (on
        its own training images it is biased); "inception", the published FID's; "efficientnet-lite0".
    weights
        file of the extractor's weights, where it is not to look for them itself.
    intervals, floor, seed
        see `metrics.fidelity.fidelity_of_features`.

    Raises
    ------
    UserError
        an unknown extractor, a missing classifier or weights, or sets too small.
    """
    chosen = build_extractor(extractor, weights=weights, classifier=classifier, device=device)
    vectors = [features(images, chosen) for images in (real, fake)]
    return fidelity_of_features(*vectors, chosen.name, intervals=intervals, floor=floor, seed=seed)
