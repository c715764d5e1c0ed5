"""Networks of a preset's size for images of a given shape."""

from __future__ import annotations

from ..classifier.resnet import ResNetConfig
from ..diffusion.augment import LABELS
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import DiscriminatorConfig
from ..gan.stylegan3 import GeneratorConfig
from .preset import ClassifierChoice, GanChoice, GeneratorChoice


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


def gan_networks(
    choice: GanChoice, shape: tuple[int, int, int], classes: int
) -> tuple[GeneratorConfig, DiscriminatorConfig]:
    """The GAN's two networks for images of `shape` (C, H, W)."""
    images = dict(zip(("channels", "height", "width"), shape, strict=True)) | {"label_dim": classes}
    generator = GeneratorConfig(
        **images,
        z_dim=choice.z_dim,
        w_dim=choice.w_dim,
        mapping_layers=choice.mapping_layers,
        channel_base=choice.channel_base,
        channel_max=choice.channel_max,
        layers=choice.layers,
        critical_layers=choice.critical_layers,
        margin=choice.margin,
    )
    discriminator = DiscriminatorConfig(
        **images,
        channel_base=choice.discriminator_base,
        channel_max=choice.discriminator_max,
        mapping_layers=choice.discriminator_mapping,
        std_group=choice.discriminator_group,
    )
    return generator, discriminator


def classifier_network(choice: ClassifierChoice, shape: tuple[int, int, int], classes: int) -> ResNetConfig:
    """The ResNet-18 for images of `shape` (C, H, W)."""
    return ResNetConfig(channels=shape[0], classes=classes, width=choice.width, stem=choice.stem)
