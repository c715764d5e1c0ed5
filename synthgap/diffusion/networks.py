"""The network that a configuration names."""

from __future__ import annotations

from torch import nn

from .adm import ADMUNet
from .unet import SongUNet, UNetConfig


def build_network(config: UNetConfig) -> nn.Module:
    """DDPM++, NCSN++ or ADM, with fresh weights."""
    return (ADMUNet if config.architecture == "adm" else SongUNet)(config)
