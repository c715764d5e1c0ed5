"""Log-likelihood of images under a denoiser, by its probability-flow ODE (Song et al. 2021, Section 4.3).

The ODE dx/dσ = (x − D(x; σ))/σ (Karras et al. 2022, Eq. 1) carries an image at noise level σ₀ up to σmax, where the
density is known: the sampler starts from N(0, σmax² I). On the way the log-density changes by the divergence:

    ln p_σ₀(x_σ₀) = ln N(x_σmax; 0, σmax² I) + ∫ (d − tr ∂D/∂x)/σ dσ      from σ₀ to σmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..base.errors import UserError
from ..base.labels import model_labels
from ..base.modes import sampling_mode
from ..base.portions import Portions
from ..data.imageset import ImageSet
from ..diffusion.edm import EDM
from ..diffusion.noise import image_rng
from ..diffusion.pixels import to_model
from ..diffusion.schedule import RHO

Denoiser = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Method = Literal["auto", "exact", "hutchinson"]

DEQUANTISE, PROBE = 30, 31  # purposes of random numbers, see diffusion/noise.py
MOST_EXACT = 64  # dimensions up to which "auto" takes the whole trace
EVALUATIONS = 4  # of the denoiser and its trace in a Runge–Kutta step
STEPS = 24  # the error at the smallest noise level is about .002 bits a dimension; at 12 steps .02, at 6 .14
LEVELS_PER_UNIT = 127.5  # grey levels in a unit of pixels scaled to [−1, 1]


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of each image.

    nats : ln p, float64 N, the density being one of pixels scaled to [−1, 1] at noise level `sigma`.
    bits_per_dim : −log₂ p a pixel and channel, float64 N. At the smallest noise level it is of 8-bit grey levels, as
        published numbers are; at a larger one of the density in [−1, 1], and may be negative.
    evaluations : of the denoiser and its trace, an image.
    """

    nats: np.ndarray
    bits_per_dim: np.ndarray
    sigma: float
    method: str
    evaluations: int

    @property
    def n(self) -> int:
        return len(self.nats)


def image_log_likelihood(
    edm: EDM,
    images: ImageSet,
    *,
    seed: int = 0,
    sigma: float | None = None,
    steps: int = STEPS,
    method: Method = "auto",
    probes: int = 1,
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Likelihood:
    """Log-likelihood of `images`, each under its own label, by the density that `edm` itself defines.

    Parameters
    ----------
    sigma : noise level at which the density is taken, in [edm's σmin, σmax); default σmin. At σmin the 8-bit values are
        dequantised: uniform noise of one grey level is added. Above it normal noise of that level is added instead:
        images with few grey levels lie on a grid, and at σmin much of their likelihood is about the grid.
    seed : of that noise and of the probes; functions of (seed, image index).
    steps, method, probes, batch : see `log_likelihood`.

    Raises
    ------
    UserError : no images, images of another shape or of other classes than the model's, σ out of range.
    """
    config = edm.config
    if not len(images):
        raise UserError(f"{images.name} is empty; there is nothing to score")
    if images.shape != tuple(edm.image_shape):
        raise UserError(f"{images.name} holds images of {images.shape}, the model was trained on {edm.image_shape}")
    labels = None
    if known := config.network.label_dim:
        told = model_labels(images.labels, images.classes, config.classes, known, images.name)
        labels = torch.from_numpy(told).to(edm.device)
    sigma = config.sigma_min if sigma is None else sigma
    if not config.sigma_min <= sigma < config.sigma_max:
        raise UserError(f"sigma is {sigma}; give a level from {config.sigma_min} to below {config.sigma_max}")
    smallest = sigma == config.sigma_min
    rngs = [image_rng(seed, DEQUANTISE, i) for i in range(len(images))]
    if smallest:
        raised = images.images + np.stack([r.random(images.shape) for r in rngs]) - 0.5
        start = raised / LEVELS_PER_UNIT - 1
    else:
        start = to_model(images.images) + sigma * np.stack([r.standard_normal(images.shape) for r in rngs])
    with sampling_mode(edm):
        nats, kind = log_likelihood(
            edm,
            start,
            labels,
            sigma=sigma,
            sigma_max=config.sigma_max,
            steps=steps,
            method=method,
            probes=probes,
            seed=seed,
            batch=batch,
            device=edm.device,
            progress=progress,
        )
    bits = bits_per_dim(nats, start[0].size, quantised=smallest)
    return Likelihood(nats, bits, float(sigma), kind, EVALUATIONS * steps)


def bits_per_dim(nats: np.ndarray, dimensions: int, *, quantised: bool) -> np.ndarray:
    """−log₂ p a dimension. `quantised`: of the probability of an 8-bit value, not of the density in [−1, 1].

    A grey level is 1/127.5 wide there, so the probability of a value is about p/127.5 a dimension: uniform pixels
    have 8 bits.
    """
    bits = -np.asarray(nats) / (dimensions * math.log(2))
    return bits + math.log2(LEVELS_PER_UNIT) if quantised else bits


def log_likelihood(
    denoiser: Denoiser,
    x: np.ndarray,
    labels: Tensor | None = None,
    *,
    sigma: float,
    sigma_max: float,
    steps: int = STEPS,
    method: Method = "auto",
    probes: int = 1,
    seed: int = 0,
    batch: int = 64,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, str]:
    """ln p_σ of points `x`, whose noise level is σ, under a denoiser: (float64 N, the method used).

    Parameters
    ----------
    denoiser : (x float32 B × C × H × W, σ float32 B, labels) → clean estimate, differentiable in x; each image's
        estimate depends on that image alone.
    x : float N × C × H × W.
    steps : of the classical Runge–Kutta method over ln σ, levels spaced as the sampler's (ρ = 7).
    method : of the trace: "exact", all C·H·W directions; "hutchinson", unbiased from `probes` random signs, drawn
        afresh at every level; "auto", exact up to 64 dimensions.
    seed : probes are functions of (seed, image index, evaluation), so that the batch size changes nothing.
    progress : called with (images done, images in all).

    Raises
    ------
    UserError : steps or probes below 1, an unknown method, σ not in (0, σmax).
    FloatingPointError : a log-likelihood is not finite.
    """
    if not 0 < sigma < sigma_max:
        raise UserError(f"sigma is {sigma}; give a level above 0 and below {sigma_max}")
    if steps < 1 or probes < 1 or batch < 1:
        raise UserError(f"steps is {steps}, probes {probes}, batch {batch}; each must be 1 or more")
    if method not in ("auto", "exact", "hutchinson"):
        raise UserError(f"unknown method {method!r}; known: auto, exact, hutchinson")
    if method == "auto":
        method = "exact" if x[0].size <= MOST_EXACT else "hutchinson"
    levels = _levels(sigma, sigma_max, steps)
    out = np.empty(len(x))

    def scored(part: slice) -> np.ndarray:
        signs = None
        if method == "hutchinson":
            signs = [image_rng(seed, PROBE, i) for i in range(part.start, part.stop)]
        trace = _Trace(denoiser, None if labels is None else labels[part], signs, probes, device)
        return _integrate(trace, np.asarray(x[part], dtype=np.float64), levels)

    for part, nats in Portions(batch).map(len(x), scored):
        out[part] = nats
        if progress:
            progress(part.stop, len(x))
    if not np.isfinite(out).all():
        raise FloatingPointError("a log-likelihood is not finite; the model did not train, or take more steps")
    return out, method


def _levels(sigma: float, sigma_max: float, steps: int) -> np.ndarray:
    share = np.arange(steps + 1) / steps
    low, high = sigma ** (1 / RHO), sigma_max ** (1 / RHO)
    return (low + share * (high - low)) ** RHO


def _integrate(field: _Trace, x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """ln p of each row of x at levels[0]: Runge–Kutta of x and of the log-density together, over ln σ."""
    change = np.zeros(len(x))
    for low, high in zip(np.log(levels[:-1]), np.log(levels[1:]), strict=True):
        step, middle = high - low, (low + high) / 2
        a, p = field(x, low)
        b, q = field(x + step / 2 * a, middle)
        c, r = field(x + step / 2 * b, middle)
        d, s = field(x + step * c, high)
        x = x + step / 6 * (a + 2 * b + 2 * c + d)
        change += step / 6 * (p + 2 * q + 2 * r + s)
    dimensions, top = x[0].size, levels[-1]
    prior = -(x.reshape(len(x), -1) ** 2).sum(axis=1) / (2 * top**2) - dimensions / 2 * math.log(2 * math.pi * top**2)
    return prior + change


class _Trace:
    """The slope dx/d ln σ = x − D and its divergence d − tr ∂D/∂x, at points that share a level."""

    def __init__(
        self,
        denoiser: Denoiser,
        labels: Tensor | None,
        signs: list[np.random.Generator] | None,
        probes: int,
        device: torch.device | str,
    ):
        self.denoiser, self.labels, self.signs, self.probes, self.device = denoiser, labels, signs, probes, device

    def __call__(self, x: np.ndarray, log_sigma: float) -> tuple[np.ndarray, np.ndarray]:
        with torch.enable_grad():
            point = torch.from_numpy(x).to(self.device, torch.float32).requires_grad_()
            sigma = torch.full((len(x),), math.exp(log_sigma), dtype=torch.float32, device=self.device)
            clean = self.denoiser(point, sigma, self.labels)
            trace = np.zeros(len(x))
            directions = list(self._directions(x))
            for number, (direction, weight) in enumerate(directions, start=1):
                (row,) = torch.autograd.grad(clean, point, direction, retain_graph=number < len(directions))
                trace += weight * (row * direction).flatten(1).sum(dim=1).double().cpu().numpy()
        return x - clean.detach().double().cpu().numpy(), x[0].size - trace

    def _directions(self, x: np.ndarray):
        """(direction for each image, weight of its vᵀ(∂D/∂x)v in the trace)."""
        if self.signs is None:
            for place in range(x[0].size):
                unit = torch.zeros(x[0].size, device=self.device)
                unit[place] = 1
                yield unit.reshape(1, *x.shape[1:]).expand(x.shape), 1.0
            return
        for _ in range(self.probes):
            drawn = np.stack([r.integers(0, 2, x.shape[1:]) for r in self.signs]) * 2.0 - 1
            yield torch.from_numpy(drawn).to(self.device, torch.float32), 1 / self.probes
