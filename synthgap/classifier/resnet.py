"""ResNet-18 (He et al. 2016) of torchvision's blocks, with a width and a stem for small images."""

from __future__ import annotations

import copy
from collections.abc import Sequence

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
        return F.conv2d(x[:, :, :: self.step, :: self.step], self.weight, groups=self.groups)


class Heads(nn.Module):
    """K linear layers side by side: B × K·D features, member by member → K × B × classes."""

    def __init__(self, members: int, layer: nn.Linear):
        super().__init__()
        self.members, self.weight, self.bias = members, layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (p.unflatten(0, (self.members, -1)) for p in (self.weight, self.bias))
        return torch.baddbmm(bias[:, None], x.unflatten(1, (self.members, -1)).transpose(0, 1), weight.transpose(1, 2))


def joined(networks: Sequence[ResNet18]) -> nn.Module:
    """K networks of one size as one: B × K·C × H × W, each member's images after those before → K × B × classes.

    Convolutions go group by group, and every channel is normalised by itself, so that no member sees another. Each
    tensor of its state is the members' one after another. One network is its own block, and gives B × classes.
    """
    count = len(networks)
    if count == 1:
        return networks[0]
    block = copy.deepcopy(networks[0])
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            module.groups = count
            module.in_channels, module.out_channels = count * module.in_channels, count * module.out_channels
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features *= count
    block.fc = Heads(count, block.fc)
    states = [network.state_dict() for network in networks]
    for name, own in block.state_dict(keep_vars=True).items():
        if own.ndim:  # batch normalisation counts its steps by a number, equal in all members
            own.data = torch.cat([state[name] for state in states])
    return block


def part(block: nn.Module, networks: Sequence[ResNet18]) -> None:
    """The inverse of `joined`: the networks get the weights and statistics that their block has by now."""
    states = [network.state_dict() for network in networks]
    for name, value in block.state_dict().items():
        shares = value.chunk(len(states)) if value.ndim else [value] * len(states)
        for state, share in zip(states, shares, strict=True):
            state[name].copy_(share)


def _layer(fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or fan_in != fan_out:
        shortcut = nn.Sequential(Shortcut(fan_in, fan_out, stride), nn.BatchNorm2d(fan_out))
    return nn.Sequential(BasicBlock(fan_in, fan_out, stride, shortcut), BasicBlock(fan_out, fan_out))
