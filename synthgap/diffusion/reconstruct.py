"""generate and reconstruct: synthetic image sets from a trained denoiser.

Real sample reconstruction is Section 3.2 and Algorithm 1 of the paper in EDM's σ-space: add noise of level σ(t_re)
to a real image, then solve the reverse process from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from torch import nn

from ..data.imageset import ImageSet
from ..errors import UserError
from .edm import EDM, EDMConfig
from .noise import initial_noise, reverse_steps
from .pixels import to_model, to_uint8
from .sampler import Trajectory, heun
from .schedule import REVERSE_STEPS, ReverseStep, check_t_re, sigma_grid, sigma_of, solver_steps

LANES = 256  # fixed, so that the same images come out of every run on one machine


def generate(
    edm: EDM,
    labels: np.ndarray,
    seed: int,
    *,
    classes: tuple[str, ...] | None = None,
    steps: int = 18,
    lanes: int = LANES,
    first_index: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ImageSet:
    """Fully synthetic images (t_re = 100), one for each label.

    Parameters
    ----------
    edm : a trained class-conditional denoiser (see `EDM`).
    labels : int array, N, the classes to draw.
    seed : image i is a function of (edm, labels[i], seed, first_index + i).
    classes : names; default the training set's, or "0", "1", … where the model does not know them.
    steps : solver steps of a full reverse process (EDM's CIFAR-10 value is 18).
    lanes : batch size of the network.
    progress : called with the number of images evaluated, after each network evaluation.

    Returns
    -------
    ImageSet of N images, in the order of `labels`.
    """
    labels = np.asarray(labels)
    classes = classes or edm.config.classes or tuple(str(c) for c in range(edm.config.network.label_dim))
    blank = np.zeros((len(labels), *edm.image_shape), dtype=np.uint8)  # never read: t_re = 100 is pure noise
    start = ImageSet(blank, labels, classes, "generated")
    full = reconstruct(
        edm, start, REVERSE_STEPS, seed, steps=steps, lanes=lanes, first_index=first_index, progress=progress
    )
    return replace(full, name="generated")


def reconstruct(
    edm: EDM,
    real: ImageSet,
    t_re: ReverseStep,
    seed: int,
    *,
    steps: int = 18,
    lanes: int = LANES,
    first_index: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ImageSet:
    """Noise each image up to reverse step `t_re` and denoise it back, under its own label (Algorithm 1).

    Parameters
    ----------
    real : the images to start from.
    t_re : whole number 0…100, or a range (low, high) from which each image draws its own, both ends included.
        0 returns the image bit for bit; 100 starts from pure noise and equals `generate` on the same labels.
    seed, steps, lanes, first_index, progress : as for `generate`. Another `first_index` is another draw.

    Returns
    -------
    ImageSet with the labels of `real`, image i made from image i.

    Raises
    ------
    UserError : t_re out of range, steps below 1, a negative seed, images of another shape than the model's.
    """
    low, high = check_t_re(t_re)
    _check(edm, real, seed, steps, lanes)
    indices = first_index + np.arange(len(real))
    each = reverse_steps((low, high), seed, indices)
    out = real.images.copy()
    moved = np.flatnonzero(each > 0)
    config = edm.config

    def trajectories() -> Iterator[Trajectory]:
        for i in moved[np.argsort(-each[moved], kind="stable")]:  # long ones first: the tail stays full
            start, sigma = noisy_start(config, real.images[i], int(each[i]), seed, int(indices[i]))
            grid = sigma_grid(sigma, solver_steps(int(each[i]), steps), config.sigma_min, config.rho)
            yield Trajectory(int(i), start, grid, int(real.labels[i]) if config.network.label_dim else None)

    with sampling_mode(edm):
        for i, image in heun(edm, trajectories(), lanes, edm.device, progress):
            out[i] = to_uint8(image)
    span = str(low) if low == high else f"rand({low},{high})"
    return replace(real, images=out, name=f"{real.name} at t_re = {span}")


def noisy_start(config: EDMConfig, image: np.ndarray, t_re: int, seed: int, index: int) -> tuple[np.ndarray, float]:
    """(the noisy image that `reconstruct` starts from: float64 C × H × W in units of images in [−1, 1], its σ).

    At t_re = 100 nothing of the image may remain: the start is σ·n, not x + σ·n.
    """
    sigma = float(sigma_of(t_re, config.sigma_min, config.sigma_max, config.rho))
    noise = sigma * initial_noise(seed, index, image.shape)
    return (noise if t_re == REVERSE_STEPS else to_model(image) + noise), sigma


@contextmanager
def sampling_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode for the block; the mode the model was in is restored after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _check(edm: EDM, real: ImageSet, seed: int, steps: int, lanes: int) -> None:
    if steps < 1:
        raise UserError(f"steps is {steps}; a reverse process needs at least 1 solver step")
    if lanes < 1:
        raise UserError(f"lanes is {lanes}; give a batch size of at least 1")
    if seed < 0:
        raise UserError(f"seed is {seed}; give a number of 0 or more")
    if real.shape != tuple(edm.image_shape):
        raise UserError(
            f"{real.name} holds images of {real.shape} (C, H, W), the model was trained on "
            f"{tuple(edm.image_shape)}; load the data at that size"
        )
