"""The adversarial game's losses and the strength of the augmentation that keeps it balanced."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating logistic loss −ln sigmoid(D(fake)), the mean over B logits (Goodfellow et al. 2014)."""
    return F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """−ln sigmoid(D(real)) − ln(1 − sigmoid(D(fake))), each the mean over B logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def r1_penalty(discriminator: nn.Module, images: Tensor, labels: Tensor | None, gamma: float) -> Tensor:
    """γ/2 · E‖∇ₓ D(x)‖², R1: the squared gradient at the real images the discriminator sees (Mescheder et al. 2018).

    images : B × C × H × W, augmented already; the gradient is with respect to them. Differentiable in the weights.
    """
    images = images.detach().requires_grad_(True)
    logits = discriminator(images, labels)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gamma / 2 * slope.square().sum(dim=(1, 2, 3)).mean()


def lazy_adam(rate: float, betas: tuple[float, float], every: int) -> dict[str, float | tuple[float, float]]:
    """Adam's rate and betas for a network that takes one more step, of its regulariser, after each `every` steps.

    Karras et al. 2020 (StyleGAN2), Appendix B: with c = k / (k + 1), rate · c, β₁ᶜ and β₂ᶜ, so that the pace per image
    and the memory of the moments are those of k steps.
    """
    share = every / (every + 1)
    return {"lr": rate * share, "betas": (betas[0] ** share, betas[1] ** share)}


def next_strength(p: float, sign: float, target: float, seen: int, speed: int) -> float:
    """ADA's p after `seen` more images, clamped to [0, 1] (Karras et al. 2020, "limited data", Section 3).

    sign : r_t, the mean of sign(D(real)) over them, in [−1, 1]; above `target` the discriminator overfits and p rises.
    speed : images in which p can go from 0 to 1.
    """
    direction = (sign > target) - (sign < target)
    return min(1.0, max(0.0, p + direction * seen / speed))
