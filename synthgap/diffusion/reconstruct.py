"""generate and reconstruct: synthetic image sets from a trained denoiser.

Real sample reconstruction is Section 3.2 and Algorithm 1 of the paper in EDM's σ-space: add noise of level σ(t_re)
to a real image, then solve the reverse process from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..base.errors import UserError
from ..base.labels import default_names, model_labels
from ..base.modes import sampling_mode
from ..data.imageset import ImageSet
from .edm import EDM, EDMConfig
from .noise import CHURN, image_rng, initial_noise, reverse_steps
from .pixels import to_model, to_uint8
from .sampler import Callback, Guide, Trajectory, solve
from .schedule import REVERSE_STEPS, Levels, ReverseStep, check_t_re, level_of
from .solver import Solver

LANES = 256  # fixed, so that the same images come out of every run on one machine


def generate(
    edm: EDM,
    labels: np.ndarray | None = None,
    seed: int = 0,
    *,
    count: int | None = None,
    classes: tuple[str, ...] | None = None,
    **options,
) -> ImageSet:
    """Fully synthetic images (t_re = 100).

    Parameters
    ----------
    edm : a trained denoiser (see `EDM`).
    labels : int array, N, the classes to draw; of a class-conditional model only.
    seed : image i is a function of (edm, labels[i], seed, first_index + i).
    count : N, for an unconditional model. Its images carry the label 0 of one class, "image".
    classes : names of the labels, in their order; default the training set's, or "0", "1", … where the model does not
        know them. A model that knows names is told of each label by its name.
    options : solver, steps, lanes, first_index, guide, callback, progress, as for `reconstruct`.

    Returns
    -------
    ImageSet of N images, in the order of `labels`.

    Raises
    ------
    UserError : labels for an unconditional model, none or a count for a conditional one, labels out of range, names
        that the model does not know.
    """
    known = edm.config.network.label_dim
    if known and labels is None:
        raise UserError(f"this model is class-conditional; give labels of its {known} classes")
    if known and count is not None:
        raise UserError("this model is class-conditional; its labels say how many images, give no count")
    if not known and (labels is not None or count is None):
        raise UserError("this model is unconditional; give count, the number of images, and no labels")
    if count is not None and count < 0:
        raise UserError(f"count is {count}; give 0 or more")
    labels = np.zeros(count, dtype=np.int64) if labels is None else np.asarray(labels)
    classes = classes or edm.config.classes or default_names(known) or ("image",)
    blank = np.zeros((len(labels), *edm.image_shape), dtype=np.uint8)  # never read: t_re = 100 is pure noise
    full = reconstruct(edm, ImageSet(blank, labels, classes, "generated"), REVERSE_STEPS, seed, **options)
    return replace(full, name="generated")


def reconstruct(
    edm: EDM,
    real: ImageSet,
    t_re: ReverseStep,
    seed: int = 0,
    *,
    solver: Solver | None = None,
    steps: int | None = None,
    lanes: int = LANES,
    first_index: int = 0,
    guide: Guide | None = None,
    callback: Callback | None = None,
    progress: Callable[[int], None] | None = None,
) -> ImageSet:
    """Noise each image up to reverse step `t_re` and denoise it back, under its own label (Algorithm 1).

    Parameters
    ----------
    real
        the images to start from. An unconditional model is not told their labels. Another one is told of them by
        the names of their classes, in whatever order these are, where the model knows names.
    t_re
        whole number 0…100, or a range (low, high) from which each image draws its own, both ends included.
        0 returns the image bit for bit; 100 starts from pure noise and equals `generate` on the same labels.
    seed
        image i is a function of (edm, real image i, its label, t_re, seed, first_index + i).
    solver, steps
        how the reverse process is solved; `steps` = n is short for `Solver(steps=n)`. Default 18 steps
        of Heun's method, EDM's for CIFAR-10.
    lanes
        batch size of the network.
    first_index
        another one is another draw.
    guide, callback
        see `sampler.solve`.
    progress
        called with the number of images evaluated, after each network evaluation.

    Returns
    -------
    ImageSet
        the labels of `real`, and image i made from image i.

    Raises
    ------
    UserError
        t_re out of range, steps below 1 or beside a solver, a negative seed or first_index, images of
        another shape than the model's, another number of classes, or classes that it does not know.
    """
    low, high = check_t_re(t_re)
    if steps is not None and solver is not None:
        raise UserError("give solver or steps, not both; steps = n is short for Solver(steps=n)")
    if steps is not None and steps < 1:
        raise UserError(f"steps is {steps}; a reverse process needs at least 1 solver step")
    if solver is None:
        solver = Solver() if steps is None else Solver(steps=steps)
    _check(edm, real, seed, lanes, first_index)
    network = edm.config.network
    told = None
    if network.label_dim:
        told = model_labels(real.labels, real.classes, edm.config.classes, network.label_dim, real.name)
    indices = first_index + np.arange(len(real))
    each = reverse_steps((low, high), seed, indices)
    out = real.images.copy()
    moved = np.flatnonzero(each > 0)
    config = edm.config

    def trajectories() -> Iterator[Trajectory]:
        for i in moved[np.argsort(-each[moved], kind="stable")]:  # long ones first: the tail stays full
            index = int(indices[i])
            t = int(each[i])
            start, _ = noisy_start(config, real.images[i], t, seed, index, solver.levels)
            grid = solver.grid(t, config.sigma_min, config.sigma_max, config.rho, config.vp)
            label = None if told is None else int(told[i])
            yield Trajectory(int(i), start, grid, label, image_rng(seed, CHURN, index))

    with sampling_mode(edm):
        finished = solve(
            edm,
            trajectories(),
            lanes,
            solver=solver,
            device=edm.device,
            guide=guide,
            callback=callback,
            on_evaluation=progress,
        )
        for i, image in finished:
            out[i] = to_uint8(image)
    span = str(low) if low == high else f"rand({low},{high})"
    return replace(real, images=out, name=f"{real.name} at t_re = {span}")


def noisy_start(
    config: EDMConfig, image: np.ndarray, t_re: int, seed: int, index: int, levels: Levels = "edm"
) -> tuple[np.ndarray, float]:
    """(the noisy image that `reconstruct` starts from: float64 C × H × W in units of images in [−1, 1], its σ).

    At t_re = 100 nothing of the image may remain: the start is σ·n, not x + σ·n.
    """
    sigma = level_of(t_re, levels, config.sigma_min, config.sigma_max, config.rho, config.vp)
    noise = sigma * initial_noise(seed, index, image.shape)
    return (noise if t_re == REVERSE_STEPS else to_model(image) + noise), sigma


def _check(edm: EDM, real: ImageSet, seed: int, lanes: int, first_index: int) -> None:
    for name, value, least in (("lanes", lanes, 1), ("seed", seed, 0), ("first_index", first_index, 0)):
        if value < least:
            raise UserError(f"{name} is {value}; give {least} or more")
    if real.shape != tuple(edm.image_shape):
        raise UserError(
            f"{real.name} holds images of {real.shape} (C, H, W), the model was trained on "
            f"{tuple(edm.image_shape)}; load the data at that size"
        )
