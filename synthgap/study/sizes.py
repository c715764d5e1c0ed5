"""Networks of a preset's size for images of a given shape."""

from __future__ import annotations

from ..classifier.resnet import ResNetConfig
from ..diffusion.augment import LABELS
from ..diffusion.unet import UNetConfig
from .preset import ClassifierChoice, GeneratorChoice


def generator_network(choice: GeneratorChoice, shape: tuple[int, int, int], classes: int) -> UNetConfig:
    """The U-Net for images of `shape` (C, H, W)."""
    channels, height, width = shape
    return UNetConfig(
        height=height,
        width=width,
        channels=channels,
        label_dim=classes,
        model_channels=choice.model_channels,
        channel_mult=choice.channel_mult,
        num_blocks=choice.num_blocks,
        attn_resolutions=tuple(height >> level for level in choice.attention_levels),
        dropout=choice.dropout,
        augment_dim=LABELS if choice.training.augment > 0 else 0,
    )


def classifier_network(choice: ClassifierChoice, shape: tuple[int, int, int], classes: int) -> ResNetConfig:
    """The ResNet-18 for images of `shape` (C, H, W)."""
    return ResNetConfig(channels=shape[0], classes=classes, width=choice.width, stem=choice.stem)
