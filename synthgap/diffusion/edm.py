"""EDM: a denoiser D(x; σ) around the raw network, its loss, and its file format (Karras et al. 2022, Table 1)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import UserError
from .schedule import RHO, SIGMA_MIN, p_mean_for, sigma_max_for
from .unet import DDPMpp, UNetConfig


class EDMConfig(BaseModel):
    """Everything that defines a denoiser but its weights. σ in units of images scaled to [−1, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: UNetConfig
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


class EDM(nn.Module):
    """A preconditioned denoiser: `edm(x, sigma, labels)` estimates the clean images behind `x`.

    D(x; σ) = c_skip·x + c_out·F(c_in·x; ln(σ)/4, labels) with c_skip = σd²/(σ²+σd²), c_out = σ·σd/√(σ²+σd²),
    c_in = 1/√(σ²+σd²) (Table 1, EDM column).
    """

    def __init__(self, config: EDMConfig):
        super().__init__()
        self.config = config
        self.model = DDPMpp(config.network)

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
        clean = sigma == 0  # not "≤": a negative or NaN σ must show as NaN
        level = torch.where(clean, torch.ones_like(sigma), sigma)  # ln 0 must not reach the network
        s, sd = level[:, None, None, None], self.config.sigma_data
        c_skip = sd**2 / (s**2 + sd**2)
        c_out = s * sd / (s**2 + sd**2).sqrt()
        c_in = 1 / (s**2 + sd**2).sqrt()
        raw = self.model(c_in * x, level.log() / 4, onehot, augment)
        return torch.where(clean[:, None, None, None], x, c_skip * x + c_out * raw.float())

    def one_hot(self, labels: Tensor | None, batch: int) -> Tensor | None:
        """Labels as float B × label_dim; integer and one-hot labels are told apart by dtype and rank."""
        classes = self.config.network.label_dim
        if classes == 0:
            if labels is not None:
                raise UserError("this model is unconditional; call it without labels")
            return None
        if labels is None:
            raise UserError(f"this model is class-conditional; give labels of {classes} classes")
        if labels.is_floating_point() and labels.shape == (batch, classes):
            return labels
        if labels.dtype != torch.int64 or labels.shape != (batch,):
            raise UserError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)} for {batch} images; "
                f"give {batch} int64 numbers, or float one-hot rows of {classes}"
            )
        if batch and not (labels.min() >= 0 and labels.max() < classes):
            raise UserError(f"labels run from {labels.min()} to {labels.max()}; the model has {classes} classes")
        return nn.functional.one_hot(labels, classes).float()

    def loss(self, images: Tensor, labels: Tensor | None, sigma: Tensor, noise: Tensor) -> Tensor:
        """Weighted denoising error, one value an image (Karras et al. 2022, Eq. 2 with λ(σ) of Table 1).

        images: B × C × H × W in [−1, 1]; sigma: B; noise: standard normal, as images. Mean over pixels.
        """
        s, sd = sigma[:, None, None, None], self.config.sigma_data
        weight = (s**2 + sd**2) / (s * sd) ** 2
        error = self(images + s * noise, sigma, labels) - images
        return (weight * error**2).mean(dim=(1, 2, 3))

    def save(self, path: str | Path, provenance: dict | None = None) -> Path:
        """Write weights, configuration and training provenance to one safetensors file (whole or not at all)."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors, meta = self.to_arrays()
        meta["provenance"] = json.dumps(provenance or {}, sort_keys=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        save_file(tensors, temporary, metadata=meta)
        os.replace(temporary, path)
        return path

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


def load_edm(path: str | Path) -> EDM:
    """Read what `EDM.save` wrote (safetensors: nothing in the file is executed), in eval mode on the CPU.

    Raises UserError when the file is missing, damaged or not an EDM.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            return EDM.from_arrays(tensors, file.metadata() or {})
    except (OSError, SafetensorError, KeyError, ValidationError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not an EDM saved by synthgap ({reason}); train or save it again") from error
