"""ResNet-18 (He et al. 2016) of torchvision's blocks, with a width and a stem for small images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class ResNetConfig(BaseModel):
    """Size of a ResNet-18. `width` = 64 is the paper's; `stem` "cifar" is 3×3, stride 1, no pooling (inferred)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int = Field(3, gt=0)
    classes: int = Field(10, gt=1)
    width: int = Field(64, gt=0)
    stem: str = Field("cifar", pattern="^(cifar|imagenet)$")


class ResNet18(nn.Module):
    """Module names are torchvision's, so `layer4` is the paper's `block4`.

    forward: float B × C × H × W, standardised images → logits B × classes.
    features: the same input → B × 8·width, the pooled output of layer4.
    """

    def __init__(self, config: ResNetConfig):
        super().__init__()
        self.config = config
        width = config.width
        if config.stem == "cifar":
            self.conv1 = nn.Conv2d(config.channels, width, 3, stride=1, padding=1, bias=False)
            self.maxpool = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(config.channels, width, 7, stride=2, padding=3, bias=False)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _layer(width, width, stride=1)
        self.layer2 = _layer(width, width * 2, stride=2)
        self.layer3 = _layer(width * 2, width * 4, stride=2)
        self.layer4 = _layer(width * 4, width * 8, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width * 8, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return torch.flatten(self.avgpool(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x))


class Shortcut(nn.Conv2d):
    """1 × 1 convolution of every `step`-th pixel: B × fan_in × H × W → B × fan_out × ⌈H/step⌉ × ⌈W/step⌉.

    The pixels are taken before the convolution, which then has stride 1. With AVX2 instructions, oneDNN's strided
    1 × 1 convolution of images in channels-last order writes beyond its memory in the backward pass, where it has fewer
    than 8 input channels (oneDNN issue 6035): the process dies, or its gradients are wrong.
    """

    def __init__(self, fan_in: int, fan_out: int, step: int):
        super().__init__(fan_in, fan_out, kernel_size=1, bias=False)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x[:, :, :: self.step, :: self.step], self.weight)


def _layer(fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or fan_in != fan_out:
        shortcut = nn.Sequential(Shortcut(fan_in, fan_out, stride), nn.BatchNorm2d(fan_out))
    return nn.Sequential(BasicBlock(fan_in, fan_out, stride, shortcut), BasicBlock(fan_out, fan_out))
