"""The alias-free generator, configuration T: translation-equivariant, in plain PyTorch (Karras et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..base.errors import UserError
from ..base.labels import one_hot
from ..base.weights import SavedModule
from .layers import Mapping
from .schedule import GeneratorConfig
from .synthesis import Synthesis

__all__ = ["Generator", "GeneratorConfig"]


class Generator(SavedModule):
    """Makes images from noise: `generator(z, labels)`.

    Images of any size: where height × width is no square of a power of two, the network paints the smallest such
    canvas that holds the image, and the centre is cut out.

    The averages (`w_avg`, `magnitude_ema`) follow every call in training mode, also without gradients, and stay
    in eval mode.
    """

    Config = GeneratorConfig
    called = "a StyleGAN3 generator"

    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.mapping = Mapping(config.z_dim, config.label_dim, config.w_dim, config.mapping_layers, track=True)
        self.synthesis = Synthesis(config)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.config.channels, self.config.height, self.config.width

    @property
    def device(self) -> torch.device:
        return self.mapping.w_avg.device

    def forward(self, z: Tensor, labels: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """Generate.

        Parameters
        ----------
        z
            float32 B × z_dim, standard normal; its length does not matter.
        labels
            int64 B, or one-hot float B × label_dim; None on an unconditional generator only.
        truncation
            ψ in [0, 1]; styles are drawn towards the average style, less variety for fewer faults.

        Returns
        -------
        Tensor
            float32 B × C × H × W in about [−1, 1], not clipped.

        Raises
        ------
        UserError
            z of another shape; labels missing, unwanted, out of range or of another form.
        """
        return self.paint(self.styles(z, labels, truncation=truncation))

    def styles(self, z: Tensor, labels: Tensor | None = None, *, truncation: float = 1.0) -> Tensor:
        """w, float32 B × w_dim, for `paint`. Parameters and errors as in `forward`."""
        config = self.config
        if z.ndim != 2 or z.shape[1] != config.z_dim:
            raise UserError(f"z has shape {tuple(z.shape)}; this generator takes B × {config.z_dim}")
        w = self.mapping(z.float(), one_hot(labels, len(z), config.label_dim))
        if self.training:
            with torch.no_grad():
                self.mapping.w_avg.lerp_(w.mean(dim=0), 1 - config.w_decay)
        return w if truncation == 1 else self.mapping.w_avg.lerp(w, truncation)

    def paint(self, w: Tensor) -> Tensor:
        """Images B × C × H × W of the styles B × w_dim."""
        canvas = self.synthesis(w)
        top, left = (self.config.side - self.config.height) // 2, (self.config.side - self.config.width) // 2
        return canvas[:, :, top : top + self.config.height, left : left + self.config.width]
