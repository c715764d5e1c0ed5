"""The networks: EDM's interchange format, and a second forward pass of DDPM++ and NCSN++ written by key."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from synthgap.base.errors import UserError
from synthgap.diffusion.adm import ADMUNet
from synthgap.diffusion.networks import build_network
from synthgap.diffusion.unet import Block, SongUNet, UNetConfig

SMALL = UNetConfig(
    height=8,
    width=12,
    channels=3,
    label_dim=5,
    model_channels=8,
    channel_mult=(1, 2),
    num_blocks=2,
    attn_resolutions=(4,),
    dropout=0.0,
    augment_dim=4,
)
ARCHITECTURES = ("ddpm++", "ncsn++", "adm")
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def build(**changes):
    torch.manual_seed(0)
    return build_network(SMALL.model_copy(update=changes)).eval()


def randomised(net):
    """Weights of one order of size everywhere, so that no branch is hidden by a small initial gain."""
    torch.manual_seed(1)
    for name, p in net.named_parameters():
        spread = 1 / math.sqrt(p[0].numel()) if p.ndim > 1 else 0.3
        nn.init.normal_(p, 1.0 if "norm" in name and name.endswith("weight") else 0.0, spread)
    return net


def inputs(net, batch=3):
    c = net.config
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(batch, c.channels, c.height, c.width, generator=rng)
    noise = torch.randn(batch, generator=rng)
    labels = F.one_hot(torch.arange(batch) % c.label_dim, c.label_dim).float() if c.label_dim else None
    return x, noise, labels


def cifar10(**changes):
    with torch.device("meta"):  # names and shapes only
        return SongUNet(UNetConfig(**({"label_dim": 10, "augment_dim": 9} | changes)))


def count(net):
    return sum(p.numel() for p in net.parameters()), len(net.state_dict())


def cifar10_keys(residual=False):
    """Every name of a class-conditional CIFAR-10 network, from the published description of its blocks."""
    keys = {"map_augment.weight"}

    def weights(*names):
        keys.update(f"{n}.{p}" for n in names for p in ("weight", "bias"))

    def block(name, skip=False, resample=False, attention=False):
        weights(*(f"{name}.{part}" for part in ("norm0", "conv0", "affine", "norm1", "conv1")))
        if skip or resample:
            weights(f"{name}.skip")
        if resample:
            keys.update({f"{name}.conv0.resample_filter", f"{name}.skip.resample_filter"})
        if attention:
            weights(*(f"{name}.{part}" for part in ("norm2", "qkv", "proj")))

    weights("map_label", "map_layer0", "map_layer1", "enc.32x32_conv")
    block("enc.32x32_block0", skip=True)  # 128 → 256 channels
    for i in (1, 2, 3):
        block(f"enc.32x32_block{i}")
    for size in (16, 8):
        block(f"enc.{size}x{size}_down", resample=True)
        for i in range(4):
            block(f"enc.{size}x{size}_block{i}", attention=size == 16)
    block("dec.8x8_in0", attention=True)
    block("dec.8x8_in1")
    for size in (8, 16, 32):
        if size > 8:
            block(f"dec.{size}x{size}_up", resample=True)
        for i in range(5):
            block(f"dec.{size}x{size}_block{i}", skip=True, attention=(size, i) == (16, 4))
    weights("dec.32x32_aux_norm", "dec.32x32_aux_conv")
    if residual:
        keys.add("map_noise.freqs")
        for size in (16, 8):
            weights(f"enc.{size}x{size}_aux_residual")
            keys.add(f"enc.{size}x{size}_aux_residual.resample_filter")
    return keys


@pytest.mark.parametrize(
    ("changes", "parameters", "tensors"),
    [
        ({}, 55_735_299, 427),
        ({"label_dim": 0}, 55_733_891, 425),
        ({"architecture": "ncsn++"}, 56_400_643, 434),
    ],
    ids=["ddpm++", "ddpm++ unconditional", "ncsn++"],
)
def test_the_cifar10_networks_have_the_published_sizes(changes, parameters, tensors):
    assert count(cifar10(**changes)) == (parameters, tensors)


@pytest.mark.parametrize("architecture", ["ddpm++", "ncsn++"])
def test_names_are_those_of_the_released_checkpoints(architecture):
    assert set(cifar10(architecture=architecture).state_dict()) == cifar10_keys(architecture == "ncsn++")


def test_the_unconditional_network_lacks_the_label_map_alone():
    missing = {"map_label.weight", "map_label.bias"}
    assert set(cifar10(label_dim=0).state_dict()) == cifar10_keys() - missing


def test_ncsnpp_has_features_of_twice_the_width_and_filters_of_four_taps():
    state = cifar10(architecture="ncsn++").state_dict()
    assert state["map_noise.freqs"].shape == (128,)  # each a cosine and a sine
    assert state["map_label.weight"].shape == (256, 10)
    assert state["map_augment.weight"].shape == (256, 9)
    assert state["map_layer0.weight"].shape == (512, 256)
    assert state["enc.16x16_aux_residual.weight"].shape == (256, 3, 3, 3)  # from the image itself
    assert state["enc.8x8_aux_residual.weight"].shape == (256, 256, 3, 3)  # from the level above
    filters = {k: v.shape for k, v in state.items() if k.endswith("resample_filter")}
    assert len(filters) == 2 * 4 + 2
    assert set(filters.values()) == {(1, 1, 4, 4)}


def test_label_and_augmentation_maps_have_the_released_shapes():
    state = cifar10().state_dict()
    assert state["map_label.weight"].shape == (128, 10)
    assert state["map_augment.weight"].shape == (128, 9)
    assert "map_augment.bias" not in state
    assert state["enc.16x16_down.conv0.resample_filter"].shape == (1, 1, 2, 2)


def test_attention_sits_in_the_encoder_at_16_the_middle_and_the_last_decoder_block_at_16():
    attending = {n for n, m in cifar10().named_modules() if isinstance(m, Block) and m.attention}
    assert attending == {f"enc.16x16_block{i}" for i in range(4)} | {"dec.8x8_in0", "dec.16x16_block4"}


def resampled(v, kernel, up=False, pad=None):
    pad = (len(kernel[0, 0]) - 1) // 2 if pad is None else pad
    each = kernel.repeat(v.shape[1], 1, 1, 1)
    if up:
        return F.conv_transpose2d(v, each * 4, stride=2, padding=pad, groups=v.shape[1])
    return F.conv2d(v, each, stride=2, padding=pad, groups=v.shape[1])


def reference_forward(state, config, x, noise, labels, augment):
    """The forward pass once more, in float64, from the published description and the names of the weights."""

    def linear(name, v):
        return v @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0)

    def norm(name, v):
        groups = min(32, v.shape[1] // 4)
        parts = v.reshape(len(v), groups, -1)
        parts = (parts - parts.mean(2, keepdim=True)) / torch.sqrt(parts.var(2, unbiased=False, keepdim=True) + 1e-6)
        shape = (1, -1, 1, 1)
        return parts.reshape(v.shape) * state[f"{name}.weight"].reshape(shape) + state[f"{name}.bias"].reshape(shape)

    def conv(name, v, up=False, down=False):
        if up or down:
            v = resampled(v, state[f"{name}.resample_filter"], up)
        weight = state[f"{name}.weight"]
        return F.conv2d(v, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def shortcut(name, v):
        """The residual encoder's: 3 × 3 at full size on a wider ground, then the filter, then the bias."""
        wide = F.conv2d(v, state[f"{name}.weight"], padding=2)
        return resampled(wide, state[f"{name}.resample_filter"], pad=0) + state[f"{name}.bias"][:, None, None]

    def block(name, v, emb):
        how = {"up": name.endswith("_up"), "down": name.endswith("_down")}
        h = conv(f"{name}.conv0", F.silu(norm(f"{name}.norm0", v)), **how)
        h = h + linear(f"{name}.affine", emb)[:, :, None, None]
        h = conv(f"{name}.conv1", F.silu(norm(f"{name}.norm1", h)))
        v = (h + (conv(f"{name}.skip", v, **how) if f"{name}.skip.weight" in state else v)) * 0.5**0.5
        if f"{name}.qkv.weight" in state:
            qkv = conv(f"{name}.qkv", norm(f"{name}.norm2", v)).flatten(2).transpose(1, 2)
            a = F.scaled_dot_product_attention(qkv[..., 0::3], qkv[..., 1::3], qkv[..., 2::3])
            v = (conv(f"{name}.proj", a.transpose(1, 2).reshape(v.shape)) + v) * 0.5**0.5
        return v

    residual = config.architecture == "ncsn++"
    half = config.model_channels // 2
    angles = noise[:, None] * 10000.0 ** (-torch.arange(half).double() / (half - 1))
    if residual:
        angles = noise[:, None] * 2 * math.pi * state["map_noise.freqs"]
    emb = torch.cat([angles.sin(), angles.cos()], 1)
    emb = emb + linear("map_label", labels * math.sqrt(config.label_dim)) + linear("map_augment", augment)
    emb = F.silu(linear("map_layer1", F.silu(linear("map_layer0", emb))))
    levels = [f"{config.height >> i}x{config.width >> i}" for i in range(len(config.channel_mult))]
    image, x = x, conv(f"enc.{levels[0]}_conv", x)
    skips = [x]
    for i, level in enumerate(levels):
        for name in ([f"{level}_down"] if i else []) + [f"{level}_block{j}" for j in range(config.num_blocks)]:
            x = block(f"enc.{name}", x, emb)
            if residual and name.endswith("_down"):
                x = image = (x + shortcut(f"enc.{level}_aux_residual", image)) * 0.5**0.5
            skips.append(x)
    for level in reversed(levels):
        for name in [f"{level}_in0", f"{level}_in1"] if level == levels[-1] else [f"{level}_up"]:
            x = block(f"dec.{name}", x, emb)
        for j in range(config.num_blocks + 1):
            x = block(f"dec.{level}_block{j}", torch.cat([x, skips.pop()], 1), emb)
    assert not skips
    return conv(f"dec.{levels[0]}_aux_conv", F.silu(norm(f"dec.{levels[0]}_aux_norm", x)))


@pytest.mark.parametrize("architecture", ["ddpm++", "ncsn++"])
@pytest.mark.parametrize("mult", [(1, 2), (2, 1, 3)])
def test_the_forward_pass_equals_the_published_description(mult, architecture):
    net = randomised(build(channel_mult=mult, architecture=architecture))
    x, noise, labels = inputs(net)
    augment = torch.randn(3, 4, generator=torch.Generator().manual_seed(3))
    state = {k: v.double() for k, v in net.state_dict().items()}
    wanted = reference_forward(state, net.config, x.double(), noise.double(), labels.double(), augment.double())
    with torch.no_grad():
        assert torch.allclose(net(x, noise, labels, augment).double(), wanted, atol=2e-5)
        net, inside = net.double(), (v.double() for v in (x, noise, labels, augment))
        assert torch.allclose(net(*inside), wanted, atol=2e-6)  # embedding and softmax stay in float32
    assert wanted.std() > 0.1


@every_architecture
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (4, 12), (14, 6)])
def test_images_need_not_be_square_nor_coloured(channels, height, width, architecture):
    net = build(channels=channels, height=height, width=width, architecture=architecture)
    x, noise, labels = inputs(net)
    assert net(x, noise, labels).shape == x.shape


@every_architecture
@pytest.mark.parametrize("label_dim", [0, 5])
def test_labels_may_be_left_out_of_a_network_that_has_none(architecture, label_dim):
    net = randomised(build(label_dim=label_dim, architecture=architecture))
    x, noise, labels = inputs(net)
    with torch.no_grad():
        assert torch.isfinite(net(x, noise, labels)).all()
    assert any("map_label" in name for name in net.state_dict()) == (label_dim > 0)


@pytest.mark.parametrize(
    ("architecture", "kind"), [("ddpm++", SongUNet), ("ncsn++", SongUNet), ("adm", ADMUNet)], ids=ARCHITECTURES
)
def test_a_configuration_names_its_network(architecture, kind):
    assert type(build(architecture=architecture)) is kind


@every_architecture
@pytest.mark.parametrize(("height", "width"), [(32, 30), (30, 32), (14, 14), (1, 4)])
def test_sides_that_the_levels_cannot_halve_are_refused_by_name(height, width, architecture):
    with pytest.raises(UserError, match=rf"divisible by 4, not {height}×{width}"):
        build_network(UNetConfig(height=height, width=width, model_channels=8, architecture=architecture))


@every_architecture
def test_augmentation_of_none_is_no_augmentation(architecture):
    net = randomised(build(architecture=architecture))
    x, noise, labels = inputs(net)
    with torch.no_grad():
        assert torch.equal(net(x, noise, labels), net(x, noise, labels, torch.zeros(3, 4)))
        assert not torch.allclose(net(x, noise, labels), net(x, noise, labels, torch.ones(3, 4)))


@every_architecture
def test_noise_level_and_class_change_the_output(architecture):
    net = randomised(build(architecture=architecture))
    x, noise, labels = inputs(net)
    with torch.no_grad():
        out = net(x, noise, labels)
        assert not torch.allclose(out, net(x, noise + 1, labels), atol=1e-3)
        assert not torch.allclose(out, net(x, noise, labels.roll(1, 0)), atol=1e-3)


@every_architecture
def test_images_of_a_batch_do_not_mix(architecture):
    net = randomised(build(architecture=architecture))
    x, noise, labels = inputs(net)
    with torch.no_grad():
        together = net(x, noise, labels)
        for i in range(3):
            alone = net(x[i : i + 1], noise[i : i + 1], labels[i : i + 1])
            assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


@every_architecture
def test_a_new_network_answers_nearly_zero(architecture):
    net = build(architecture=architecture)
    with torch.no_grad():
        assert net(*inputs(net)).abs().max() < 1e-3


def test_a_new_block_is_its_skip_path():
    torch.manual_seed(0)
    block = Block(8, 8, 16, attention=True)
    x = torch.randn(2, 8, 4, 4)
    # two halvings of variance, one for the residual and one for the attention, each by √½
    assert torch.allclose(block(x, torch.randn(2, 16)), x / 2, atol=1e-3)


@every_architecture
def test_dropout_acts_in_training_only(architecture):
    net = randomised(build(dropout=0.5, architecture=architecture))
    args = inputs(net)
    with torch.no_grad():
        assert torch.equal(net(*args), net(*args))
        net.train()
        assert not torch.equal(net(*args), net(*args))


def test_residual_output_and_attention_weights_start_scaled_down():
    def gain(layer):
        outputs, inputs, height, width = layer.weight.shape
        xavier = math.sqrt(2 / ((inputs + outputs) * height * width))  # standard deviation
        return layer.weight.std().item() / xavier

    net = build(model_channels=32)
    attending = net.dec["4x6_in0"]
    assert gain(attending.conv0) == pytest.approx(1, rel=0.05)
    assert gain(attending.qkv) == pytest.approx(math.sqrt(0.2), rel=0.05)
    for layer in (attending.conv1, attending.proj, net.dec["8x12_aux_conv"]):
        assert gain(layer) == pytest.approx(1e-5, rel=0.05)


@every_architecture
def test_every_parameter_gets_a_gradient(architecture):
    net = randomised(build(architecture=architecture))
    x, noise, labels = inputs(net)
    net(x, noise, labels, torch.ones(3, 4)).square().sum().backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="architecture"):
        UNetConfig(architecture="resnet")


@pytest.mark.parametrize("field", ["height", "width", "channels", "model_channels", "num_blocks"])
def test_sizes_of_zero_are_refused(field):
    with pytest.raises(ValueError, match=field):
        UNetConfig(**{field: 0})
