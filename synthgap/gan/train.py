"""Training a StyleGAN3: logistic loss, lazy R1, adaptive augmentation, averaged weights, resumable bit for bit.

All randomness of a step is a function of (seed, step), as in `diffusion.train`: a run that continues from a
checkpoint is the run that was never interrupted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..base.checkpoint import (
    load_checkpoint,
    module_tensors,
    optimizer_tensors,
    restore_module,
    restore_optimizer,
    run_identity,
    save_checkpoint,
)
from ..base.errors import UserError
from ..base.seeding import batch_positions, step_generator, torch_seed
from ..data.imageset import ImageSet
from ..diffusion.pixels import to_model
from .augment import augment
from .discriminator import Discriminator, DiscriminatorConfig
from .losses import discriminator_loss, generator_loss, lazy_adam, next_strength, r1_penalty
from .stylegan3 import Generator, GeneratorConfig

ORDER, DRAW, INIT = 40, 41, 42  # purposes of random numbers, see seeding.py


Beta = Annotated[float, Field(ge=0, lt=1)]


class GanTraining(BaseModel):
    """The training recipe. Work is counted in real images seen by the discriminator. Defaults: StyleGAN3's (Karras et
    al. 2021, Appendix G) with the augmentation of Karras et al. 2020; its R1 weight and length depend on the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(25_000_000, gt=0)
    batch: int = Field(32, gt=0)
    generator_rate: float = Field(2.5e-3, gt=0)
    discriminator_rate: float = Field(2e-3, gt=0)
    betas: tuple[Beta, Beta] = (0.0, 0.99)  # Adam's, of both networks
    r1_gamma: float = Field(1.0, ge=0)  # weight of the R1 penalty; 0 for none
    r1_every: int = Field(16, gt=0)  # steps from one R1 step to the next
    ema_half_life: int = Field(10_000, gt=0)  # in images
    ema_ramp: float = Field(0.05, gt=0)  # half-life is at most this share of the images seen
    ada_start: float = Field(0.0, ge=0, le=1)  # strength p of the augmentation at the start, see augment.py
    ada_target: float | None = Field(0.6, ge=-1, le=1)  # of E[sign D(real)]; None: p stays as it starts
    ada_images: int = Field(500_000, gt=0)  # images in which p can go from 0 to 1
    ada_every: int = Field(4, gt=0)  # steps from one adjustment of p to the next
    checkpoint_images: int = Field(100_000, gt=0)

    @property
    def steps(self) -> int:
        """Steps of each network: the last one may pass `images` by a part of a batch."""
        return -(-self.images // self.batch)


@dataclass(frozen=True)
class GanStep:
    """What a step reports.

    Attributes
    ----------
    generator
        its loss; ln 2 at a draw.
    discriminator
        its loss; 2·ln 2 at a draw.
    r1
        the penalty when it was last measured, γ included; NaN before.
    sign
        mean of sign(D(real)), in [−1, 1]; 1 is a discriminator that knows every training image.
    p
        strength of the augmentation during the step.
    """

    generator: float
    discriminator: float
    r1: float
    sign: float
    p: float


Progress = Callable[[int, int, GanStep], None]  # (images seen, images in all, what the step reports)


def train_gan(
    real: ImageSet,
    network: GeneratorConfig,
    discriminator: DiscriminatorConfig,
    training: GanTraining,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Generator:
    """Train a generator against a discriminator on `real`, class-conditional where the networks are.

    Parameters
    ----------
    real : training images; their shape and classes must fit both networks. They are mirrored only where
        `real.augment` has "flip".
    network, discriminator, training : sizes and recipe.
    seed : initial weights, image order, latents and augmentation.
    checkpoint : file to save to every `checkpoint_images` and to continue from where it exists.
    progress : called after every step.

    Returns
    -------
    Generator with the averaged (EMA) weights, in eval mode, on `device`. Whether it has collapsed is for
    `collapse.collapse_of` to say of its samples.

    Raises
    ------
    UserError : shape or class mismatch, or a checkpoint of another or a longer run.
    FloatingPointError : a loss is not finite; the last checkpoint is kept.
    """
    _check(real, network, discriminator, seed)
    network = network.model_copy(update={"classes": real.classes if network.label_dim else ()})
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(seed, INIT, 0))
        players = Generator(network).to(device), Discriminator(discriminator).to(device)
    recipe = training.model_dump(exclude={"images", "checkpoint_images"})  # a finished run may be made longer
    identity = run_identity(network.model_dump(), discriminator.model_dump(), recipe, seed, real.fingerprint)
    state = _State(*players, training, identity)
    if checkpoint and checkpoint.exists():
        state.load(checkpoint)
    data = _Data(real, training.batch, network.z_dim, bool(network.label_dim), seed, device)
    every = max(1, training.checkpoint_images // training.batch)
    for step in range(state.step, training.steps):
        report = state.play(data, step)
        if progress:
            progress(min((step + 1) * training.batch, training.images), training.images, report)
        if checkpoint and state.step % every == 0 and state.step < training.steps:
            state.save(checkpoint)
    return state.ema


class _Data:
    """Real images and latents of each step: functions of (seed, step)."""

    def __init__(
        self, real: ImageSet, batch: int, z_dim: int, conditional: bool, seed: int, device: torch.device | str
    ):
        self.images = torch.from_numpy(to_model(real.images)).float().to(device)
        self.labels = torch.from_numpy(real.labels).to(device) if conditional else None
        self.flip = "flip" in real.augment
        self.batch, self.z_dim, self.seed = batch, z_dim, seed

    def real(self, step: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """(images B × C × H × W in [−1, 1], labels B or None); a fair coin mirrors each where that is allowed."""
        positions = torch.from_numpy(batch_positions(len(self.images), self.batch, self.seed, ORDER, step))
        images = self.images[positions]
        if self.flip:
            mirrored = (torch.rand(self.batch, generator=rng) < 0.5).to(images.device)
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        return images, None if self.labels is None else self.labels[positions]

    def latents(self, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """(z, B × z_dim standard normal; labels with the frequencies of the real ones, or None)."""
        z = torch.randn(self.batch, self.z_dim, generator=rng).to(self.images.device)
        chosen = torch.randint(len(self.images), (self.batch,), generator=rng)
        return z, None if self.labels is None else self.labels[chosen]


class _State:
    """Both networks, the average, the optimisers and the augmentation's strength of a run, with their file."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, training: GanTraining, identity: str):
        self.generator, self.discriminator = generator.train(), discriminator.train()
        self.training, self.identity, self.step = training, identity, 0
        self.ema = copy.deepcopy(generator).eval().requires_grad_(False)
        self.p, self.signs, self.r1 = training.ada_start, 0.0, math.nan
        rates = {"lr": training.generator_rate, "betas": training.betas}
        self.generator_adam = torch.optim.Adam(generator.parameters(), **rates, eps=1e-8)
        rates = {"lr": training.discriminator_rate, "betas": training.betas}
        if training.r1_gamma > 0:
            rates = lazy_adam(training.discriminator_rate, training.betas, training.r1_every)
        self.discriminator_adam = torch.optim.Adam(discriminator.parameters(), **rates, eps=1e-8)

    def play(self, data: _Data, step: int) -> GanStep:
        """One step of each network, the average's, and where they are due those of R1 and of p."""
        rng, p = step_generator(data.seed, DRAW, step), self.p

        z, labels = data.latents(rng)
        self.discriminator.requires_grad_(False)
        images = augment(self.generator(z, labels), p, data.flip, rng)
        ours = generator_loss(self.discriminator(images, labels))
        self.discriminator.requires_grad_(True)
        self._descend(self.generator_adam, ours, "generator")

        real, real_labels = data.real(step, rng)
        real = augment(real, p, data.flip, rng)
        z, labels = data.latents(rng)
        with torch.no_grad():
            images = augment(self.generator(z, labels), p, data.flip, rng)
        logits = self.discriminator(real, real_labels)
        theirs = discriminator_loss(logits, self.discriminator(images, labels))
        self._descend(self.discriminator_adam, theirs, "discriminator")

        if self.training.r1_gamma > 0 and step % self.training.r1_every == 0:
            penalty = r1_penalty(self.discriminator, real, real_labels, self.training.r1_gamma)
            self._descend(self.discriminator_adam, penalty * self.training.r1_every, "R1")
            self.r1 = float(penalty.detach())
        self.step = step + 1
        self._average()
        sign = float(logits.detach().sign().mean())
        self._adapt(sign)
        return GanStep(float(ours.detach()), float(theirs.detach()), self.r1, sign, p)

    def _descend(self, adam: torch.optim.Adam, loss: Tensor, name: str) -> None:
        if not math.isfinite(float(loss.detach())):
            raise FloatingPointError(
                f"the {name} loss is {float(loss.detach())} at {self.step * self.training.batch:,} images; lower the "
                "learning rates or raise r1_gamma (last checkpoint kept)"
            )
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged weights towards the generator's, as in `diffusion.train`; buffers are copied."""
        training = self.training
        half_life = min(training.ema_half_life, training.ema_ramp * self.step * training.batch)
        keep = 0.5 ** (training.batch / half_life)
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - keep)
        for average, now in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
            average.copy_(now)

    def _adapt(self, sign: float) -> None:
        """Take note of a step's signs; every `ada_every` steps adjust p by them."""
        training = self.training
        self.signs += sign
        if self.step % training.ada_every == 0:
            if training.ada_target is not None:
                seen = training.ada_every * training.batch
                mean = self.signs / training.ada_every
                self.p = next_strength(self.p, mean, training.ada_target, seen, training.ada_images)
            self.signs = 0.0

    def save(self, path: Path) -> None:
        """Write everything to one safetensors file, whole or not at all."""
        tensors: dict[str, Tensor] = {}
        for name, module in self._modules().items():
            tensors |= module_tensors(name, module)
        for name, adam in self._adams().items():
            tensors |= optimizer_tensors(name, adam)
        meta = {"step": self.step, "run": self.identity, "p": self.p, "signs": self.signs, "r1": self.r1}
        save_checkpoint(path, tensors, meta)

    def load(self, path: Path) -> None:
        """Continue from what `save` wrote; UserError when it is damaged, of another run or past the run's end."""
        tensors, meta = load_checkpoint(path, self.identity, self.training.images, self.training.batch)
        for name, module in self._modules().items():
            restore_module(module, name, tensors)
        for name, adam in self._adams().items():
            restore_optimizer(adam, name, tensors)
        self.step, self.p, self.signs, self.r1 = (meta[name] for name in ("step", "p", "signs", "r1"))

    def _modules(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "ema": self.ema}

    def _adams(self) -> dict[str, torch.optim.Adam]:
        return {"generator_adam": self.generator_adam, "discriminator_adam": self.discriminator_adam}


def _check(real: ImageSet, network: GeneratorConfig, discriminator: DiscriminatorConfig, seed: int) -> None:
    if not len(real):
        raise UserError(f"{real.name} is empty; a generator needs training images")
    for name, config in (("generator", network), ("discriminator", discriminator)):
        wanted = (config.channels, config.height, config.width)
        if real.shape != wanted or config.label_dim not in (0, len(real.classes)):
            raise UserError(
                f"{real.name} has images of {real.shape} in {len(real.classes)} classes, the {name} is for "
                f"{wanted} in {config.label_dim}; build the network for the data"
            )
    if network.label_dim != discriminator.label_dim:
        raise UserError(
            f"the generator is for {network.label_dim} classes, the discriminator for {discriminator.label_dim}; "
            "build both with the same label_dim"
        )
    if seed < 0:
        raise UserError(f"seed is {seed}; give 0 or more")
