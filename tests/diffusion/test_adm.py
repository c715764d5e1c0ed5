"""The ADM network: the interchange format of EDM's ImageNet-64 model, and a second forward pass written by key."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from synthgap.diffusion.adm import ADMBlock, ADMUNet
from synthgap.diffusion.unet import UNetConfig

IMAGENET = UNetConfig(
    architecture="adm",
    height=64,
    width=64,
    label_dim=1000,
    model_channels=192,
    channel_mult=(1, 2, 3, 4),
    num_blocks=3,
    attn_resolutions=(32, 16, 8),
    dropout=0.1,
)


@pytest.fixture(scope="module")
def imagenet():
    with torch.device("meta"):  # names and shapes only
        return ADMUNet(IMAGENET)


def imagenet_keys():
    """Every name of the ImageNet-64 network, from the published description of its blocks."""
    keys = {"map_label.weight"}

    def weights(*names):
        keys.update(f"{n}.{p}" for n in names for p in ("weight", "bias"))

    def block(name, skip=False, resample=False, attention=False):
        weights(*(f"{name}.{part}" for part in ("norm0", "conv0", "affine", "norm1", "conv1")))
        if skip:
            weights(f"{name}.skip")
        if resample:  # of as many channels: its shortcut is resampled and not convolved
            keys.update({f"{name}.conv0.resample_filter", f"{name}.skip.resample_filter"})
        if attention:
            weights(*(f"{name}.{part}" for part in ("norm2", "qkv", "proj")))

    weights("map_layer0", "map_layer1", "enc.64x64_conv", "out_norm", "out_conv")
    for size in (64, 32, 16, 8):
        if size < 64:
            block(f"enc.{size}x{size}_down", resample=True)
        for i in range(3):
            block(f"enc.{size}x{size}_block{i}", skip=i == 0 and size < 64, attention=size < 64)
    block("dec.8x8_in0", attention=True)
    block("dec.8x8_in1")
    for size in (8, 16, 32, 64):
        if size > 8:
            block(f"dec.{size}x{size}_up", resample=True)
        for i in range(4):
            block(f"dec.{size}x{size}_block{i}", skip=True, attention=size < 64)
    return keys


def test_the_imagenet_network_has_the_published_size(imagenet):
    assert sum(p.numel() for p in imagenet.parameters()) == 295_899_267
    assert len(imagenet.state_dict()) == 553


def test_names_are_those_of_the_released_checkpoint(imagenet):
    assert set(imagenet.state_dict()) == imagenet_keys()


def test_the_label_map_has_no_bias_and_enters_after_the_second_layer(imagenet):
    assert imagenet.state_dict()["map_label.weight"].shape == (4 * 192, 1000)
    assert imagenet.map_label.bias is None


def test_a_head_has_64_channels(imagenet):
    heads = {n: (m.heads, m.conv1.weight.shape[0]) for n, m in imagenet.named_modules() if isinstance(m, ADMBlock)}
    assert {(h, c) for h, c in heads.values() if h} == {(6, 384), (9, 576), (12, 768)}
    assert not any(h for name, (h, _) in heads.items() if "64x64" in name or "_up" in name or "_down" in name)


@pytest.mark.parametrize("channels", [8, 64, 100, 130, 134, 192, 200])
def test_a_block_of_any_width_attends(channels):
    block = ADMBlock(channels, channels, 4, attention=True)
    assert block(torch.randn(1, channels, 2, 3), torch.randn(1, 4)).shape == (1, channels, 2, 3)


def test_a_new_block_is_its_skip_path():
    torch.manual_seed(0)
    block = ADMBlock(8, 8, 16, attention=True)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x, torch.randn(2, 16)), x)


def reference_forward(state, config, x, noise, labels, augment):
    """The forward pass once more, in float64, from the published description and the names of the weights."""

    def linear(name, v):
        return v @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)

    def norm(name, v):
        return F.group_norm(v, min(32, v.shape[1] // 4), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    def conv(name, v):
        weight = state[f"{name}.weight"]
        return F.conv2d(v, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def resampled(name, v):
        if name.endswith("_up"):
            return v.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return F.avg_pool2d(v, 2) if name.endswith("_down") else v

    def block(name, v, emb):
        scale, shift = linear(f"{name}.affine", emb)[:, :, None, None].chunk(2, 1)
        h = conv(f"{name}.conv0", resampled(name, F.silu(norm(f"{name}.norm0", v))))
        h = F.silu(norm(f"{name}.norm1", h) * (1 + scale) + shift)
        v = resampled(name, v)
        v = conv(f"{name}.conv1", h) + (conv(f"{name}.skip", v) if f"{name}.skip.weight" in state else v)
        if f"{name}.qkv.weight" in state:
            heads, size = max(1, v.shape[1] // 64), min(64, v.shape[1])
            qkv = conv(f"{name}.qkv", norm(f"{name}.norm2", v)).reshape(len(v), heads, size, 3, -1).transpose(2, 4)
            a = F.scaled_dot_product_attention(*qkv.unbind(3)).transpose(2, 3)
            v = v + conv(f"{name}.proj", a.reshape(v.shape))
        return v

    half = config.model_channels // 2
    angles = noise[:, None] * 10000.0 ** (-torch.arange(half).double() / half)
    emb = torch.cat([angles.cos(), angles.sin()], 1) + linear("map_augment", augment)
    emb = linear("map_layer1", F.silu(linear("map_layer0", emb)))
    emb = F.silu(emb + linear("map_label", labels))
    levels = [f"{config.height >> i}x{config.width >> i}" for i in range(len(config.channel_mult))]
    x = conv(f"enc.{levels[0]}_conv", x)
    skips = [x]
    for i, level in enumerate(levels):
        for name in ([f"{level}_down"] if i else []) + [f"{level}_block{j}" for j in range(config.num_blocks)]:
            x = block(f"enc.{name}", x, emb)
            skips.append(x)
    for level in reversed(levels):
        for name in [f"{level}_in0", f"{level}_in1"] if level == levels[-1] else [f"{level}_up"]:
            x = block(f"dec.{name}", x, emb)
        for j in range(config.num_blocks + 1):
            x = block(f"dec.{level}_block{j}", torch.cat([x, skips.pop()], 1), emb)
    assert not skips
    return conv("out_conv", F.silu(norm("out_norm", x)))


@pytest.mark.parametrize(("width", "mult"), [(8, (1, 2)), (64, (1, 3)), (8, (2, 1, 4))])
def test_the_forward_pass_equals_the_published_description(width, mult):
    config = UNetConfig(
        architecture="adm",
        height=8,
        width=12,
        channels=1,
        label_dim=5,
        model_channels=width,
        channel_mult=mult,
        num_blocks=1,
        attn_resolutions=(4,),
        dropout=0.0,
        augment_dim=4,
    )
    rng = torch.Generator().manual_seed(2)
    net = ADMUNet(config).eval()
    for name, p in net.named_parameters():  # of one order of size, so that no branch is hidden by an initial zero
        spread = 1 / math.sqrt(p[0].numel()) if p.ndim > 1 else 0.3
        nn.init.normal_(p, 1.0 if "norm" in name and name.endswith("weight") else 0.0, spread, generator=rng)
    x, noise, augment = (
        torch.randn(3, 1, 8, 12, generator=rng),
        torch.randn(3, generator=rng),
        torch.randn(3, 4, generator=rng),
    )
    labels = F.one_hot(torch.arange(3), 5).float()
    state = {k: v.double() for k, v in net.state_dict().items()}
    wanted = reference_forward(state, config, x.double(), noise.double(), labels.double(), augment.double())
    with torch.no_grad():
        assert torch.allclose(net(x, noise, labels, augment).double(), wanted, atol=1e-4)
        net, inside = net.double(), (v.double() for v in (x, noise, labels, augment))
        assert torch.allclose(net(*inside), wanted, atol=5e-6)  # embedding and softmax stay in float32
    assert wanted.std() > 0.1
