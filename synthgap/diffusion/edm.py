"""EDM: a denoiser D(x; σ) around the raw network, its loss, and its file format (Karras et al. 2022, Table 1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from ..errors import UserError
from ..labels import one_hot
from ..weights import read_weights, write_weights
from .networks import build_network
from .schedule import RHO, SIGMA_MIN, p_mean_for, sigma_max_for, vp_sigma, vp_time
from .unet import UNetConfig


class EDMConfig(BaseModel):
    """Everything that defines a denoiser but its weights. σ in units of images scaled to [−1, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: UNetConfig
    preconditioning: Literal["edm", "vp"] = "edm"
    sigma_data: float = Field(0.5, gt=0)  # standard deviation of the training pixels
    sigma_min: float = Field(SIGMA_MIN, gt=0)
    sigma_max: float = Field(80.0, gt=0)
    rho: float = Field(RHO, gt=0)
    p_mean: float = -1.2  # mean and standard deviation of ln σ in training
    p_std: float = Field(1.2, gt=0)
    classes: tuple[str, ...] = ()  # names of the labels, where they are known

    @classmethod
    def for_images(cls, network: UNetConfig, sigma_data: float, classes: tuple[str, ...] = ()) -> EDMConfig:
        """The configuration for training on images of the network's size: σmax and P_mean follow the size."""
        size = network.height, network.width
        noise = {"sigma_max": sigma_max_for(*size), "p_mean": p_mean_for(*size)}
        return cls(network=network, sigma_data=sigma_data, classes=classes, **noise)

    def training_sigma(self, rng: torch.Generator, count: int) -> Tensor:
        """Noise levels to train on: ln σ ~ N(P_mean, P_std²) (edm), t(σ) ~ U(1e-5, 1) (vp) (Table 1)."""
        if self.preconditioning == "vp":
            return vp_sigma(1e-5 + (1 - 1e-5) * torch.rand(count, generator=rng, dtype=torch.float64)).float()
        return (torch.randn(count, generator=rng) * self.p_std + self.p_mean).exp()


class EDM(nn.Module):
    """A preconditioned denoiser: `edm(x, sigma, labels)` estimates the clean images behind `x`.

    D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise, labels), with (Table 1)

    edm: c_skip = σd²/(σ²+σd²), c_out = σ·σd/√(σ²+σd²), c_in = 1/√(σ²+σd²), c_noise = ln(σ)/4;
    vp:  c_skip = 1, c_out = −σ, c_in = 1/√(σ²+1), c_noise = 999·t(σ): F is DDPM's ε_θ.
    """

    def __init__(self, config: EDMConfig):
        super().__init__()
        self.config = config
        self.model = build_network(config.network)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        net = self.config.network
        return net.channels, net.height, net.width

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor | None = None, augment: Tensor | None = None) -> Tensor:
        """Denoise.

        Parameters
        ----------
        x : B × C × H × W, images in [−1, 1] plus noise of standard deviation σ.
        sigma : B (or one value for all), ≥ 0. At σ = 0 the answer is the limit, x itself.
        labels : int64 B, or one-hot float B × label_dim; None on an unconditional model only.

        Returns
        -------
        float32 B × C × H × W, the estimate of E[clean | x].

        Raises
        ------
        UserError : labels missing, unwanted, out of range or of another form.
        """
        x = x.float()
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(len(x))
        onehot = self.one_hot(labels, len(x))
        clean = sigma == 0
        level = torch.where(clean, torch.ones_like(sigma), sigma)  # ln 0 must not reach the network
        level = torch.where(level < 0, torch.nan, level)  # a negative σ must show, as NaN does
        c_skip, c_out, c_in, c_noise = self.coefficients(level)
        raw = self.model(_each(c_in) * x, c_noise, onehot, augment)
        return torch.where(_each(clean), x, _each(c_skip) * x + _each(c_out) * raw.float())

    def coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(c_skip, c_out, c_in, c_noise) for σ > 0, each of σ's shape and type."""
        if self.config.preconditioning == "vp":
            return torch.ones_like(sigma), -sigma, 1 / (sigma**2 + 1).sqrt(), 999 * vp_time(sigma)
        sd = self.config.sigma_data
        total = sigma**2 + sd**2
        return sd**2 / total, sigma * sd / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4

    def loss_weight(self, sigma: Tensor) -> Tensor:
        """λ(σ): (σ²+σd²)/(σ·σd)² (edm), 1/σ² (vp) (Table 1)."""
        if self.config.preconditioning == "vp":
            return 1 / sigma**2
        return (sigma**2 + self.config.sigma_data**2) / (sigma * self.config.sigma_data) ** 2

    def one_hot(self, labels: Tensor | None, batch: int) -> Tensor | None:
        """Labels as float B × label_dim; integer and one-hot labels are told apart by dtype and rank."""
        return one_hot(labels, batch, self.config.network.label_dim)

    def loss(
        self, images: Tensor, labels: Tensor | None, sigma: Tensor, noise: Tensor, augment: Tensor | None = None
    ) -> Tensor:
        """Weighted denoising error, one value an image (Karras et al. 2022, Eq. 2 with λ(σ) of Table 1).

        images: B × C × H × W in [−1, 1]; sigma: B; noise: standard normal, as images. Mean over pixels.
        """
        error = self(images + _each(sigma) * noise, sigma, labels, augment) - images
        return (_each(self.loss_weight(sigma)) * error**2).mean(dim=(1, 2, 3))

    def save(self, path: str | Path, provenance: dict | None = None) -> Path:
        """Write weights, configuration and training provenance to one safetensors file (whole or not at all)."""
        tensors, meta = self.to_arrays()
        return write_weights(path, tensors, meta | {"provenance": json.dumps(provenance or {}, sort_keys=True)})

    def to_arrays(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """(contiguous CPU tensors by name, {"config": JSON})."""
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}
        return tensors, {"config": self.config.model_dump_json()}

    @classmethod
    def from_arrays(cls, tensors: dict[str, Tensor], meta: dict[str, str]) -> EDM:
        """The inverse of `to_arrays`, in eval mode."""
        edm = cls(EDMConfig.model_validate_json(meta["config"]))
        edm.load_state_dict(tensors)
        return edm.eval()


def _each(values: Tensor) -> Tensor:
    """B values, to multiply B images."""
    return values[:, None, None, None]


def load_edm(path: str | Path) -> EDM:
    """Read what `EDM.save` wrote, or a released EDM pickle (`.pkl`), in eval mode on the CPU.

    Nothing in the file is executed: see `synthgap.diffusion.nvidia` for pickles.
    Raises UserError when the file is missing, damaged, not an EDM, or asks for code that is not allowed.
    """
    if Path(path).suffix == ".pkl":
        from .convert import from_released

        return from_released(path)
    try:
        return EDM.from_arrays(*read_weights(path))
    except (OSError, SafetensorError, KeyError, ValidationError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not an EDM saved by synthgap ({reason}); train or save it again") from error
