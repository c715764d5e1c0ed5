"""A denoiser that needs no training: the best possible one for a finite set of images, to learn and to test with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data.imageset import ImageSet
from .edm import EDMConfig
from .pixels import to_model
from .unet import UNetConfig


class ExactDenoiser(nn.Module):
    """E[clean | noisy] where the clean image is one of a set, each as likely as the other; it knows no labels.

    The answer is the mean of the set's images, each weighted by exp(−‖noisy − image‖² / 2σ²). `reconstruct` and
    `generate` take it in the place of an `EDM`. It is a memoriser: the reverse process ends at images of the set.
    """

    def __init__(self, images: ImageSet):
        super().__init__()
        channels, height, width = images.shape
        network = UNetConfig(channels=channels, height=height, width=width)
        self.config = EDMConfig.for_images(network, sigma_data=0.5)
        self.image_shape = images.shape
        self.register_buffer("clean", torch.from_numpy(to_model(images.images)))

    @property
    def device(self) -> torch.device:
        return self.clean.device

    def forward(self, noisy: Tensor, sigma: Tensor, labels: None = None) -> Tensor:
        """float64 B × C × H × W. sigma : one for each of the batch, or one for all; at 0 `noisy` comes back."""
        del labels
        noisy, sigma = noisy.double(), sigma.double().expand(len(noisy))[:, None]
        level = torch.where(sigma == 0, 1.0, sigma)
        distance = torch.cdist(noisy.flatten(1), self.clean.flatten(1)) ** 2
        weight = torch.softmax(-distance / (2 * level**2), dim=1)
        guess = weight @ self.clean.flatten(1)
        return torch.where(sigma == 0, noisy.flatten(1), guess).view(noisy.shape)
