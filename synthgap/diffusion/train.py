"""Training a denoiser: Adam, learning-rate ramp, exponential moving average, resumable bit for bit.

All randomness of a step is a function of (seed, step), so a run that continues from a checkpoint is the run that
was never interrupted, and no random state has to be saved.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..data.imageset import ImageSet
from ..errors import UserError
from ..seeding import batch_positions, step_generator, torch_seed
from .edm import EDM, EDMConfig
from .pixels import to_model
from .unet import UNetConfig

ORDER, DRAW, INIT, DROPOUT = 10, 11, 12, 13  # purposes of random numbers, see seeding.py


class DiffusionTraining(BaseModel):
    """The training recipe. Work is counted in images seen. Defaults: EDM's CIFAR-10 run (Karras et al. 2022)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(200_000_000, gt=0)
    batch: int = Field(512, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    ramp_images: int = Field(10_000_000, ge=0)  # linear learning-rate ramp from 0
    ema_half_life: int = Field(500_000, gt=0)  # in images
    ema_ramp: float = Field(0.05, gt=0)  # half-life is at most this share of the images seen
    checkpoint_images: int = Field(100_000, gt=0)

    @property
    def steps(self) -> int:
        """Optimiser steps: the last one may pass `images` by a part of a batch."""
        return -(-self.images // self.batch)


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
) -> EDM:
    """Train a class-conditional EDM on `real`.

    Parameters
    ----------
    real : training images; their shape and classes must fit `network`.
    network, training : sizes and recipe.
    seed : initial weights, image order, noise and dropout.
    checkpoint : file to save to every `checkpoint_images` and to continue from where it exists.
    progress : called after every step.

    Returns
    -------
    EDM with the averaged (EMA) weights, in eval mode, on `device`. sigma_data is measured on `real`.

    Raises
    ------
    UserError : shape or class mismatch.
    FloatingPointError : the loss is not finite; the last checkpoint is kept.
    """
    _check(real, network)
    images = torch.from_numpy(to_model(real.images)).float().to(device)
    labels = torch.from_numpy(real.labels).to(device)
    deviation = max(float(images.double().std()), 1e-3)
    config = EDMConfig.for_images(network, deviation, real.classes if network.label_dim else ())
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(seed, INIT, 0))
        net = EDM(config).to(device).train()
    ema = copy.deepcopy(net).eval().requires_grad_(False)
    adam = torch.optim.Adam(net.parameters(), lr=training.learning_rate, betas=(0.9, 0.999), eps=1e-8)
    first = _resume(checkpoint, net, ema, adam) if checkpoint and checkpoint.exists() else 0

    every = max(1, training.checkpoint_images // training.batch)
    for step in range(first, training.steps):
        seen = step * training.batch
        for group in adam.param_groups:
            group["lr"] = training.learning_rate * min(1.0, (seen + training.batch) / max(training.ramp_images, 1))
        loss = _step(net, adam, images, labels, "flip" in real.augment, seed, step, training.batch)
        _average(ema, net, training, seen + training.batch)
        if progress:
            progress(min(seen + training.batch, training.images), training.images, loss)
        if checkpoint and (step + 1) % every == 0 and step + 1 < training.steps:
            _save(checkpoint, step + 1, net, ema, adam)
    return ema


def _step(
    net: EDM,
    adam: torch.optim.Adam,
    images: Tensor,
    labels: Tensor,
    flip: bool,
    seed: int,
    step: int,
    batch: int,
) -> float:
    """One optimiser step on one batch; returns the mean loss."""
    positions = torch.from_numpy(batch_positions(len(images), batch, seed, ORDER, step)).to(images.device)
    rng = step_generator(seed, DRAW, step)
    config = net.config
    sigma = (torch.randn(batch, generator=rng) * config.p_std + config.p_mean).exp().to(images.device)
    noise = torch.randn((batch, *images.shape[1:]), generator=rng).to(images.device)
    clean = images[positions]
    if flip:
        mirrored = (torch.rand(batch, generator=rng) < 0.5).to(images.device)
        clean = torch.where(mirrored[:, None, None, None], clean.flip(3), clean)
    with torch.random.fork_rng(enabled=config.network.dropout > 0):
        if config.network.dropout > 0:
            torch.manual_seed(torch_seed(seed, DROPOUT, step))  # not DRAW: masks must not repeat σ's bits
        loss = net.loss(clean, labels[positions], sigma, noise).mean()
    adam.zero_grad(set_to_none=True)
    loss.backward()
    value = float(loss.detach())
    if not np.isfinite(value):
        raise FloatingPointError(
            f"the diffusion loss is {value} at {step * batch:,} images; lower the learning rate (last checkpoint kept)"
        )
    adam.step()
    return value


@torch.no_grad()
def _average(ema: nn.Module, net: nn.Module, training: DiffusionTraining, seen: int) -> None:
    """Move the average towards the network; the half-life grows with the images seen, up to its final value."""
    half_life = min(training.ema_half_life, training.ema_ramp * seen)
    keep = 0.5 ** (training.batch / half_life)
    torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1 - keep)


def _save(path: Path, step: int, net: EDM, ema: EDM, adam: torch.optim.Adam) -> None:
    """Write step, network, average and optimiser state to `path`, whole or not at all."""
    tensors = {f"net.{k}": v for k, v in net.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.state_dict().items()}
    for i, state in adam.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary, {"step": str(step)})
    os.replace(temporary, path)


def _resume(path: Path, net: EDM, ema: EDM, adam: torch.optim.Adam) -> int:
    """Load what `_save` wrote; returns the number of steps done."""
    with safe_open(str(path), framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        step = int(file.metadata()["step"])
    part = {p: {k.removeprefix(p): v for k, v in tensors.items() if k.startswith(p)} for p in ("net.", "ema.")}
    net.load_state_dict(part["net."])
    ema.load_state_dict(part["ema."])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, name = key.split(".")
            state.setdefault(int(i), {})[name] = value
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    return step


def _check(real: ImageSet, network: UNetConfig) -> None:
    wanted = (network.channels, network.height, network.width)
    if real.shape != wanted or len(real.classes) != network.label_dim:
        raise UserError(
            f"{real.name} has images of {real.shape} in {len(real.classes)} classes, the network is for "
            f"{wanted} in {network.label_dim}; build the network for the data"
        )
    if not len(real):
        raise UserError(f"{real.name} is empty; a generator needs training images")
