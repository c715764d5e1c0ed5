"""Guides: what steers a reverse process at each step (`sampler.Guide`), image by image or a batch together.

A term w·∇Φ added to the score ∇ log p(x; σ) moves the clean estimate D by σ²·w·∇_x Φ. Where Φ is a function of D
itself, ∇_x Φ is J·∇_D Φ, J being how D follows x. In place of going back through the network we take J of Gaussian data
of standard deviation σ_data, σ_data² / (σ² + σ_data²). With σ² that is the variance of a clean pixel given a noisy one
(`doubt`): a guide acts where much is open, and fades out towards the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .edm import EDM
from .sampler import Denoiser, Guide

Logits = Callable[[Tensor], Tensor]  # images B × C × H × W in [−1, 1] → B × classes


def away_from(weaker: Denoiser, weight: float) -> Guide:
    """Take the estimate further from that of a weaker denoiser: D + (weight − 1)(D − D_weaker).

    With an early snapshot of the same generator it is autoguidance (Karras et al. 2024), with one that is not told the
    class classifier-free guidance (Ho and Salimans 2022, their w being weight − 1). A weight of 1 changes nothing. It
    costs one evaluation of the weaker network each.
    """

    def guide(estimate: Tensor, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        return estimate + (weight - 1) * (estimate - weaker(x, sigma, labels))

    return guide


def untold(edm: EDM) -> Denoiser:
    """The same network, which is not told the class: of use where classes were withheld in its training."""

    def denoise(x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        del labels
        return edm(x, sigma, torch.zeros(len(x), edm.config.network.label_dim, device=x.device))

    return denoise


def doubt(sigma: Tensor, sigma_data: float) -> Tensor:
    """Variance of a clean pixel given one with noise of level σ, for Gaussian data: B → B × 1 × 1 × 1."""
    variance = sigma**2 * sigma_data**2 / (sigma**2 + sigma_data**2)
    return variance[:, None, None, None]


def towards_doubt(logits: Logits, weight: float, sigma_data: float) -> Guide:
    """Towards images of whose class a classifier is unsure: Φ is the entropy (nats) of what it says of the estimate.

    The entropy guidance of Askari-Hemmat et al. 2025; ours differs in J (see above). It costs a forward and a backward
    pass of the classifier each.
    """

    def guide(estimate: Tensor, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        del x, labels
        with torch.enable_grad():
            clean = estimate.detach().requires_grad_()
            told = torch.log_softmax(logits(clean), dim=1)
            (slope,) = torch.autograd.grad(-(told.exp() * told).sum(), clean)
        return estimate + weight * doubt(sigma, sigma_data) * slope

    return guide


def apart(weight: float, sigma_data: float) -> Guide:
    """Away from the other images of the same class in the batch (particle guidance, Corso et al. 2024).

    Φ = −½ Σ_ij k(D_i, D_j), k = exp(−‖D_i − D_j‖² / h²), h² the median squared distance over ln n, as theirs. It costs
    no network evaluation. The images of a batch depend on one another: on which images are drawn together.
    """

    def guide(estimate: Tensor, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        del x
        groups = torch.zeros(len(estimate), dtype=torch.int64) if labels is None else labels
        moved = estimate.clone()
        for one in groups.unique():
            mine = (groups == one).nonzero()[:, 0]
            if len(mine) > 1:
                moved[mine] += weight * doubt(sigma[mine], sigma_data) * repulsion(estimate[mine])
        return moved

    return guide


def repulsion(images: Tensor) -> Tensor:
    """∇ of −½ Σ_ij k(i, j) for each of n ≥ 2 images, of their shape; 0 where all are equal."""
    flat = images.flatten(1)
    squared = torch.cdist(flat, flat) ** 2
    others = squared[~torch.eye(len(flat), dtype=torch.bool, device=flat.device)]
    width = others.median() / math.log(len(flat))
    if width == 0:
        return torch.zeros_like(images)
    kernel = torch.exp(-squared / width)
    pushed = 2 / width * (kernel.sum(dim=1, keepdim=True) * flat - kernel @ flat)
    return pushed.view_as(images)
