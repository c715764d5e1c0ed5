"""Training a denoiser: Adam, learning-rate ramp, exponential moving average, resumable bit for bit.

All randomness of a step is a function of (seed, step), so a run that continues from a checkpoint is the run that
was never interrupted, and no random state has to be saved. Under `torchrun` every process draws the numbers of the
whole batch and works on its slice, so the batch is the same whatever the number of processes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.distributed as dist
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

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
from ..base.portions import Portions
from ..base.seeding import batch_positions, step_generator, torch_seed
from ..data.imageset import ImageSet
from .augment import LABELS, augment
from .edm import EDM, EDMConfig
from .pixels import to_model
from .unet import UNetConfig

ORDER, DRAW, INIT, DROPOUT = 10, 11, 12, 13  # purposes of random numbers, see seeding.py


class DiffusionTraining(BaseModel):
    """The training recipe. Work is counted in images seen. Defaults: EDM's CIFAR-10 run (Karras et al. 2022), but
    without its augmentation (0.12 there)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(200_000_000, gt=0)
    batch: int = Field(512, gt=0)  # of all processes together
    learning_rate: float = Field(1e-3, gt=0)
    ramp_images: int = Field(10_000_000, ge=0)  # linear learning-rate ramp from 0
    ema_half_life: int = Field(500_000, gt=0)  # in images
    ema_ramp: float = Field(0.05, gt=0)  # half-life is at most this share of the images seen
    augment: float = Field(0.0, ge=0, le=1)  # probability of each non-leaking augmentation, see augment.py
    label_dropout: float = Field(0.0, ge=0, le=1)  # share of images whose class is withheld
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # of the network; weights and state are float32
    checkpoint_images: int = Field(100_000, gt=0)

    @property
    def steps(self) -> int:
        """Optimiser steps: the last one may pass `images` by a part of a batch."""
        return -(-self.images // self.batch)

    def rate_at(self, seen: int) -> float:
        """Learning rate of the step that brings the images seen to `seen`."""
        return self.learning_rate * min(1.0, seen / max(self.ramp_images, 1))


Progress = Callable[[int, int, float], None]  # (images seen, images in all, mean loss of the step)


def train_edm(
    real: ImageSet,
    network: UNetConfig,
    training: DiffusionTraining,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    on_checkpoint: Callable[[EDM, int], None] | None = None,
) -> EDM:
    """Train an EDM on `real`, class-conditional where the network is.

    Parameters
    ----------
    real : training images; their shape and classes must fit `network`.
    network, training : sizes and recipe.
    seed : initial weights, image order, noise, augmentation and dropout.
    checkpoint : file to save to every `checkpoint_images` and at the end, and to continue from where it exists.
    progress : called after every step.
    on_checkpoint : called with (averaged model, images seen) every `checkpoint_images`.

    Under `torch.distributed` (torchrun) the batch is shared out; only the first process writes and reports.

    Returns
    -------
    EDM with the averaged (EMA) weights, in eval mode, on `device`. sigma_data is measured on `real`.

    Raises
    ------
    UserError : shape, class, augmentation or batch mismatch, or a checkpoint of another or a longer run.
    FloatingPointError : the loss is not finite; the last checkpoint is kept.
    """
    _check(real, network, training, seed, device)
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if training.batch % world:
        raise UserError(f"a batch of {training.batch} can't be shared by {world} processes; change either")
    images = torch.from_numpy(to_model(real.images)).float().to(device)
    labels = torch.from_numpy(real.labels).to(device)
    deviation = max(float(images.double().std()), 1e-3)
    config = EDMConfig.for_images(network, deviation, real.classes if network.label_dim else ())
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(seed, INIT, 0))
        net = EDM(config).to(device).train()
    state = _State(net, training, _identity(config, training, seed, real))
    if world > 1:
        dist.barrier()  # the first process may still be writing the checkpoint of a shorter run
    if checkpoint and checkpoint.exists():
        state.load(checkpoint)
    loss_of: nn.Module = _Loss(net)
    if world > 1:
        idle = network.augment_dim > 0 and training.augment == 0  # the layer for it gets no gradient
        loss_of = DistributedDataParallel(loss_of, find_unused_parameters=idle)

    every = max(1, training.checkpoint_images // training.batch)
    flip = "flip" in real.augment and training.augment == 0  # the augmentation flips by itself
    for step in range(state.step, training.steps):
        seen = (step + 1) * training.batch
        batch = _Batch.draw(config, training, images, labels, flip, seed, step).part(rank, world)
        loss = _optimise(state, loss_of, batch, seed, step, rank, world)
        state.average(seen)
        state.step = step + 1
        if rank == 0 and progress:
            progress(min(seen, training.images), training.images, loss)
        due, over = state.step % every == 0, state.step == training.steps
        if rank == 0 and checkpoint and (due or over):  # the last one lets a finished run be made longer
            state.save(checkpoint)
        if rank == 0 and on_checkpoint and due and not over:
            on_checkpoint(state.ema, seen)
    return state.ema


class _Loss(nn.Module):
    """The mean loss as a module's forward, the form that DistributedDataParallel wraps."""

    def __init__(self, net: EDM):
        super().__init__()
        self.net = net

    def forward(self, batch: _Batch) -> Tensor:
        return self.net.loss(batch.images, batch.labels, batch.sigma, batch.noise, batch.augment).mean()


class _Batch:
    """Clean images, labels (one-hot or None), σ, noise and augmentation labels (or None) of one step."""

    def __init__(self, images: Tensor, labels: Tensor | None, sigma: Tensor, noise: Tensor, augment: Tensor | None):
        self.images, self.labels, self.sigma, self.noise, self.augment = images, labels, sigma, noise, augment

    @classmethod
    def draw(
        cls,
        config: EDMConfig,
        training: DiffusionTraining,
        images: Tensor,
        labels: Tensor,
        flip: bool,
        seed: int,
        step: int,
    ) -> _Batch:
        """The whole batch of one step, a function of (seed, step)."""
        count, device = training.batch, images.device
        positions = torch.from_numpy(batch_positions(len(images), count, seed, ORDER, step)).to(device)
        rng = step_generator(seed, DRAW, step)
        sigma = config.training_sigma(rng, count).to(device)
        noise = torch.randn((count, *images.shape[1:]), generator=rng).to(device)
        clean, done = images[positions], None
        if flip:
            mirrored = (torch.rand(count, generator=rng) < 0.5).to(device)
            clean = torch.where(mirrored[:, None, None, None], clean.flip(3), clean)
        if training.augment > 0:
            clean, done = augment(clean, training.augment, rng)
        onehot = None
        if config.network.label_dim:
            onehot = nn.functional.one_hot(labels[positions], config.network.label_dim).float()
            if training.label_dropout > 0:
                kept = torch.rand(count, generator=rng) >= training.label_dropout
                onehot = onehot * kept[:, None].to(device)
        return cls(clean, onehot, sigma, noise, done)

    def part(self, rank: int, world: int) -> _Batch:
        """The slice of one process."""
        size = len(self.images) // world
        return self.between(rank * size, (rank + 1) * size)

    def between(self, start: int, end: int) -> _Batch:
        """Its images from `start` to before `end`."""
        return _Batch(*(None if v is None else v[start:end] for v in vars(self).values()))


def _gradients(state: _State, loss_of: nn.Module, batch: _Batch, mask_seed: int, world: int) -> Tensor | None:
    """Leave the gradients of the batch's mean loss in the network; returns the loss, None where memory did not suffice.

    The batch goes through in the state's portions: all at once, or where a card's memory is too small for that, in
    parts whose gradients are added up; dropout's masks are then others. Where several processes share the training,
    too little memory stays an error: the others would wait for this one. mask_seed : of dropout.
    """
    device, whole = batch.images.device, len(batch.images)
    half = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[state.training.precision]
    dropout = state.net.config.network.dropout > 0
    size, mean = state.portions.size, torch.zeros((), device=device)
    state.adam.zero_grad(set_to_none=True)
    with torch.random.fork_rng(enabled=dropout):
        if dropout:  # a purpose of its own: masks must not repeat the bits of σ
            torch.manual_seed(mask_seed)
        try:
            for start in range(0, whole, size):
                part = batch.between(start, start + size)
                with torch.autocast(device.type, dtype=half, enabled=half is not None):
                    loss = loss_of(part) * (len(part.images) / whole)
                state.scaler.scale(loss).backward()
                mean += loss.detach()
        except torch.OutOfMemoryError:
            if world > 1 or min(size, whole) == 1:
                raise
            return None
    return mean


def _optimise(state: _State, loss_of: nn.Module, batch: _Batch, seed: int, step: int, rank: int, world: int) -> float:
    """One optimiser step; returns the mean loss over all processes."""
    training = state.training
    while (mean := _gradients(state, loss_of, batch, torch_seed(seed, DROPOUT, step * world + rank), world)) is None:
        state.portions.halve(min(state.portions.size, len(batch.images)))
    if world > 1:
        dist.all_reduce(mean)
        mean /= world
    value = float(mean)
    if not np.isfinite(value):
        raise FloatingPointError(
            f"the diffusion loss is {value} at {step * training.batch:,} images; lower the learning rate "
            "(last checkpoint kept)"
        )
    for group in state.adam.param_groups:
        group["lr"] = training.rate_at((step + 1) * training.batch)
    state.scaler.step(state.adam)
    state.scaler.update()
    return value


class _State:
    """Network, average, optimiser and loss scale of a run, with their file."""

    def __init__(self, net: EDM, training: DiffusionTraining, identity: str):
        self.net, self.training, self.identity, self.step = net, training, identity, 0
        self.portions = Portions(training.batch)
        self.ema = copy.deepcopy(net).eval().requires_grad_(False)
        self.adam = torch.optim.Adam(  # fused: 1.5 instead of 5.2 ms a step of a network of 0.75 M parameters
            net.parameters(), lr=training.learning_rate, betas=(0.9, 0.999), eps=1e-8, fused=True
        )
        self.scaler = torch.amp.GradScaler(net.device.type, enabled=training.precision == "fp16")

    @torch.no_grad()
    def average(self, seen: int) -> None:
        """Move the average towards the network; its half-life grows with the images seen, to its final value."""
        half_life = min(self.training.ema_half_life, self.training.ema_ramp * seen)
        keep = 0.5 ** (self.training.batch / half_life)
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.net.parameters()), 1 - keep)

    def save(self, path: Path) -> None:
        """Write everything to one safetensors file, whole or not at all."""
        tensors = module_tensors("net", self.net) | module_tensors("ema", self.ema)
        tensors |= optimizer_tensors("adam", self.adam)
        meta = {"step": self.step, "run": self.identity, "scaler": self.scaler.state_dict()}
        save_checkpoint(path, tensors, meta)

    def load(self, path: Path) -> None:
        """Continue from what `save` wrote; UserError when it is damaged, of another run or past the run's end."""
        tensors, meta = load_checkpoint(path, self.identity, self.training.images, self.training.batch)
        restore_module(self.net, "net", tensors)
        restore_module(self.ema, "ema", tensors)
        restore_optimizer(self.adam, "adam", tensors)
        self.scaler.load_state_dict(meta["scaler"])
        self.step = meta["step"]


def _identity(config: EDMConfig, training: DiffusionTraining, seed: int, real: ImageSet) -> str:
    """What a checkpoint belongs to. The length of a run isn't part of it: a finished run may be made longer."""
    recipe = training.model_dump(exclude={"images", "checkpoint_images"})
    return run_identity(config.model_dump(), recipe, seed, real.fingerprint)


def _check(
    real: ImageSet, network: UNetConfig, training: DiffusionTraining, seed: int, device: torch.device | str
) -> None:
    if not len(real):
        raise UserError(f"{real.name} is empty; a generator needs training images")
    wanted = (network.channels, network.height, network.width)
    if real.shape != wanted or network.label_dim not in (0, len(real.classes)):
        raise UserError(
            f"{real.name} has images of {real.shape} in {len(real.classes)} classes, the network is for "
            f"{wanted} in {network.label_dim}; build the network for the data"
        )
    if training.augment > 0 and network.augment_dim != LABELS:
        raise UserError(
            f"augmentation tells the network {LABELS} numbers but it takes {network.augment_dim}; "
            f"set augment_dim = {LABELS}"
        )
    if training.precision == "fp16" and torch.device(device).type == "cpu":
        raise UserError("fp16 training needs a GPU; use bf16 or fp32 on a CPU")
    if seed < 0:
        raise UserError(f"seed is {seed}; give 0 or more")
