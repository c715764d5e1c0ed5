"""EDM: a denoiser D(x; σ) around the raw network, its loss, and its file format (Karras et al. 2022, Table 1)."""

from __future__ import annotations

import copy
from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from ..base.labels import check_names, one_hot
from ..base.weights import SavedModule
from .networks import build_network
from .schedule import MOST_SIGMA, RHO, SIGMA_MIN, VPProcess, p_mean_for, sigma_max_for, vp_sigma, vp_time
from .unet import UNetConfig


class EDMConfig(BaseModel):
    """Everything that defines a denoiser but its weights. σ in units of images scaled to [−1, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: UNetConfig
    preconditioning: Literal["edm", "vp"] = "edm"
    vp: VPProcess = VPProcess()  # what "vp" was trained with, and what the levels "vp" mean
    sigma_data: float = Field(0.5, gt=0, le=1e3)  # standard deviation of the training pixels
    sigma_min: float = Field(SIGMA_MIN, gt=0)
    sigma_max: float = Field(80.0, gt=0, le=MOST_SIGMA)
    rho: float = Field(RHO, gt=0, le=100)
    p_mean: float = -1.2  # mean and standard deviation of ln σ in training
    p_std: float = Field(1.2, gt=0)
    classes: tuple[str, ...] = ()  # names of the labels, where they are known

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min} is not below sigma_max {self.sigma_max}")
        check_names(self.classes, self.network.label_dim)
        return self

    @classmethod
    def for_images(cls, network: UNetConfig, sigma_data: float, classes: tuple[str, ...] = ()) -> EDMConfig:
        """The configuration for training on images of the network's size: σmax and P_mean follow the size."""
        size = network.height, network.width
        noise = {"sigma_max": sigma_max_for(*size), "p_mean": p_mean_for(*size)}
        return cls(network=network, sigma_data=sigma_data, classes=classes, **noise)

    def training_sigma(self, rng: torch.Generator, count: int) -> Tensor:
        """Noise levels to train on: ln σ ~ N(P_mean, P_std²) (edm), t(σ) ~ U(ε_t, 1) (vp) (Table 1)."""
        if self.preconditioning == "vp":
            first = self.vp.epsilon_t
            time = first + (1 - first) * torch.rand(count, generator=rng, dtype=torch.float64)
            return vp_sigma(time, self.vp).float()
        return (torch.randn(count, generator=rng) * self.p_std + self.p_mean).exp()


class EDM(SavedModule):
    """A preconditioned denoiser: `edm(x, sigma, labels)` estimates the clean images behind `x`.

    D(x; σ) = c_skip·x + c_out·F(c_in·x; c_noise, labels), with (Table 1)

    - edm: c_skip = σd²/(σ²+σd²), c_out = σ·σd/√(σ²+σd²), c_in = 1/√(σ²+σd²), c_noise = ln(σ)/4;
    - vp: c_skip = 1, c_out = −σ, c_in = 1/√(σ²+1), c_noise = (M − 1)·t(σ): F is DDPM's ε_θ.
    """

    Config = EDMConfig
    called = "a diffusion model"

    config: EDMConfig

    def __init__(self, config: EDMConfig):
        super().__init__()
        self.config = config
        self.model = build_network(config.network)
        self.snapshots: dict[int, EDM] = {}  # by images seen: what a study keeps of a training besides its end
        self.dtype = torch.float32  # that the network computes in

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
        x
            B × C × H × W, images in [−1, 1] plus noise of standard deviation σ.
        sigma
            B (or one value for all), ≥ 0. At σ = 0 the answer is the limit, x itself.
        labels
            int64 B, or one-hot float B × label_dim; None on an unconditional model only.

        Returns
        -------
        Tensor
            float32 B × C × H × W, the estimate of E[clean | x].

        Raises
        ------
        UserError
            labels missing, unwanted, out of range or of another form.
        """
        x = x.float()
        sigma = torch.as_tensor(sigma, dtype=torch.float32, device=x.device).expand(len(x))
        onehot = self.one_hot(labels, len(x))
        clean = sigma == 0
        level = torch.where(clean, torch.ones_like(sigma), sigma)  # ln 0 must not reach the network
        level = torch.where(level < 0, torch.nan, level)  # a negative σ must show, as NaN does
        c_skip, c_out, c_in, c_noise = self.coefficients(level)
        raw = self.model((_each(c_in) * x).to(self.dtype), c_noise, onehot, augment)
        return torch.where(_each(clean), x, _each(c_skip) * x + _each(c_out) * raw.float())

    def in_bfloat16(self) -> EDM:
        """A copy in eval mode whose network holds weights and activations in bfloat16, to sample from faster.

        On a CPU with bfloat16 instructions it pays for networks of CIFAR-10's size. Input and output stay float32;
        the answer differs by about 1% at most.
        """
        fast = copy.deepcopy(self).eval()
        fast.dtype = torch.bfloat16
        for weight in fast.model.parameters():  # buffers hold frequencies, which must not be rounded
            order = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
            weight.data = weight.data.to(torch.bfloat16, memory_format=order)
        return fast

    def coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(c_skip, c_out, c_in, c_noise) for σ > 0, each of σ's shape and type."""
        if self.config.preconditioning == "vp":
            told = (self.config.vp.steps - 1) * vp_time(sigma, self.config.vp)
            return torch.ones_like(sigma), -sigma, 1 / (sigma**2 + 1).sqrt(), told
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


def _each(values: Tensor) -> Tensor:
    """B values, to multiply B images."""
    return values[:, None, None, None]
