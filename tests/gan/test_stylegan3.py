"""The alias-free generator: its schedule, its parts, and what it promises."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from synthgap.base.errors import UserError
from synthgap.base.weights import write_weights
from synthgap.gan import synthesis
from synthgap.gan.layers import Linear, leaky, unit_rms
from synthgap.gan.schedule import Level
from synthgap.gan.stylegan3 import Generator, GeneratorConfig
from synthgap.gan.synthesis import FourierInput, modulated_conv

SMALL = {"channels": 1, "z_dim": 16, "w_dim": 16, "channel_max": 8, "layers": 4, "margin": 3, "conv_clamp": None}


def small(seed=0, **changes):
    sizes = {"height": 8, "width": 8} | SMALL | changes
    sizes.setdefault("channel_base", 8 * max(sizes["height"], sizes["width"]))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Generator(GeneratorConfig(**sizes)).eval()


def noise(count, dim=16, seed=0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


# the schedule


def released(side, base):
    with torch.device("meta"):
        return Generator(GeneratorConfig(height=side, width=side, channel_base=base))


NAMES = {  # as the public checkpoints' layers are called
    (1024, 32768): "36_512 36_512 52_512 52_512 84_512 148_512 148_512 276_323 276_203 532_128 1044_81 1044_51 1044_32 "
    "1024_32 1024_3",
    (256, 16384): "36_512 36_512 36_512 52_512 52_512 84_512 84_512 148_362 148_256 148_181 276_128 276_91 276_64 "
    "256_64 256_3",
    (256, 32768): "36_512 36_512 36_512 52_512 52_512 84_512 84_512 148_512 148_512 148_362 276_256 276_181 276_128 "
    "256_128 256_3",
}


@pytest.mark.parametrize("kind", NAMES)
def test_layers_are_named_as_in_the_public_checkpoints(kind):
    generator = released(*kind)
    assert generator.synthesis.names == [f"L{i}_{rest}" for i, rest in enumerate(NAMES[kind].split())]


def test_tensors_are_named_and_shaped_as_in_the_public_checkpoints():
    shapes = {k: tuple(v.shape) for k, v in released(1024, 32768).state_dict().items()}
    affine = {"affine.weight": (512, 512), "affine.bias": (512,)}
    mapping = {f"fc{i}.{k}": s for i in (0, 1) for k, s in (("weight", (512, 512)), ("bias", (512,)))}
    first = {"weight": (512, 512), "freqs": (512, 2), "phases": (512,), "transform": (3, 3)}
    first |= {"affine.weight": (4, 512), "affine.bias": (4,)}
    rises = {"weight": (512, 512, 3, 3), "bias": (512,), "magnitude_ema": (), "up_filter": (24,), "down_filter": (12,)}
    last = {
        "weight": (3, 32, 1, 1),
        "bias": (3,),
        "magnitude_ema": (),
        "affine.weight": (32, 512),
        "affine.bias": (32,),
    }
    for prefix, wanted in (
        ("mapping", mapping | {"w_avg": (512,)}),
        ("synthesis.input", first),
        ("synthesis.L5_148_512", rises | affine),
        ("synthesis.L14_1024_3", last),
    ):
        assert {k.removeprefix(f"{prefix}."): s for k, s in shapes.items() if k.startswith(f"{prefix}.")} == wanted
    assert len(shapes) == 5 + 6 + 14 * 7 + 5


def test_classes_are_embedded_beside_z():
    state = small(label_dim=3).state_dict()
    assert state["mapping.embed.weight"].shape == (16, 3)
    assert state["mapping.fc0.weight"].shape == (16, 32)


def test_cutoffs_rise_geometrically_to_the_images_nyquist_frequency():
    config = GeneratorConfig(height=1024, width=1024)
    levels = config.schedule()
    cutoffs = np.array([level.cutoff for level in levels])
    assert len(levels) == 15
    assert np.allclose(cutoffs[1:13] / cutoffs[:12], 256 ** (1 / 12))
    assert list(cutoffs[12:]) == [512, 512, 512]
    assert cutoffs[0] == 2
    # the published network's numbers (cutoffs 12.6992 and 322.54, half-widths 19.3008, 10.9603 and 118.346)
    assert [round(levels[i].cutoff, 4) for i in (4, 2)] == [12.6992, 5.0397]
    assert [round(levels[i].half_width, 4) for i in (4, 2)] == [19.3008, 10.9603]
    assert levels[14].half_width == pytest.approx(118.346, abs=1e-3)
    for level in levels:
        assert level.rate & (level.rate - 1) == 0
        assert 2 * level.cutoff <= level.rate <= 1024
    assert [level.size for level in levels[-2:]] == [1024, 1024]
    assert all(level.size == level.rate + 20 for level in levels[:-2])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"layers": 2}, "critical layers"),
        ({"height": 8, "width": 8, "first_cutoff": 4.0}, "first_cutoff"),
        ({"first_stopband": 1.0}, "first_stopband"),
        ({"filter_size": 5}, "multiple of 2"),
        ({"widht": 8}, "widht"),
    ],
)
def test_an_impossible_configuration_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        GeneratorConfig(**changes)


# its parts


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolution_equals_a_loop_over_images(demodulate):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(3, 4, 6, 6, generator=rng)
    weight, style = torch.randn(5, 4, 3, 3, generator=rng), torch.randn(3, 4, generator=rng)
    found = modulated_conv(x, weight, style, demodulate=demodulate, gain=0.5, padding=2)
    for b in range(3):
        own = weight * style[b][None, :, None, None]
        if demodulate:
            own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        assert torch.allclose(found[b], F.conv2d(0.5 * x[b : b + 1], own, padding=2)[0], atol=1e-5)


def test_demodulation_gives_unit_variance_whatever_style_and_weight():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, 100, 100, generator=rng)
    weight = 30 * torch.randn(4, 16, 3, 3, generator=rng)
    style = torch.rand(2, 16, generator=rng) * 1e-2
    out = modulated_conv(x, weight, style, demodulate=True)
    assert torch.allclose(out.var(dim=(2, 3)), torch.ones(2, 4), atol=0.1)


def test_the_learning_rate_multiplier_leaves_the_initial_map_and_scales_its_gradient():
    torch.manual_seed(0)
    x = torch.randn(2000, 64)
    fast, slow = Linear(64, 32), Linear(64, 32, bias=0.5, rate=0.01)
    assert fast(x).std().item() == pytest.approx(1, abs=0.1)
    assert slow(x).std().item() == pytest.approx(1, abs=0.1)
    assert torch.allclose(slow.bias * slow.rate, torch.full((32,), 0.5))
    slow(x).sum().backward()
    fast(x).sum().backward()
    assert torch.allclose(slow.weight.grad, fast.weight.grad * 0.01, rtol=1e-3)


def test_leaky_relu_and_normalisation_keep_the_mean_square():
    x = torch.randn(4, 100_000, generator=torch.Generator().manual_seed(0))
    assert leaky(x).square().mean().item() == pytest.approx(1.04, abs=0.01)
    assert torch.allclose(unit_rms(7 * x).square().mean(dim=1), torch.ones(4))


def test_the_input_is_band_limited_of_unit_amplitude_and_covers_the_disc_evenly():
    torch.manual_seed(0)
    first = FourierInput(8, Level(cutoff=2.0, half_width=6.0, rate=16, size=36, channels=4000))
    radius = first.freqs.norm(dim=1)
    assert radius.max() <= 2
    assert radius.square().mean().item() == pytest.approx(2, rel=0.05)  # ∫r²·2r/R⁴ dr·R² = R²/2
    assert first.freqs.mean(dim=0).abs().max() < 0.1
    assert first.phases.abs().max() <= 0.5
    small = FourierInput(8, Level(cutoff=2.0, half_width=6.0, rate=16, size=36, channels=8))
    with torch.no_grad():
        small.weight.copy_(torch.eye(8) * math.sqrt(8))
        wave = small(torch.randn(1, 8))[0, 3]
    place = (torch.arange(36) - 17.5) / 16
    (across, down), phase = small.freqs[3], small.phases[3]
    wanted = (2 * math.pi * (down * place[:, None] + across * place[None] + phase)).sin()
    assert torch.allclose(wave, wanted, atol=1e-5)


def test_the_style_turns_and_moves_the_input():
    torch.manual_seed(0)
    first = FourierInput(4, Level(cutoff=2.0, half_width=6.0, rate=16, size=17, channels=6))
    w = torch.zeros(1, 4)
    with torch.no_grad():
        still = first(w)
        first.affine.bias.copy_(torch.tensor([0.0, 3.0, 0.0, 0.0]))  # only the direction counts: a quarter turn
        turned = first(w)
        first.affine.bias.copy_(torch.tensor([2.0, 0.0, 2 * 3 / 16, 0.0]))  # three samples
        moved = first(w)
    assert torch.allclose(turned, still.rot90(1, dims=(2, 3)), atol=1e-5)
    assert torch.allclose(moved[..., 3:], still[..., :-3], atol=1e-5)


def test_frequencies_that_the_grid_can_not_hold_are_silent():
    torch.manual_seed(0)
    first = FourierInput(4, Level(cutoff=2.0, half_width=6.0, rate=16, size=16, channels=6))
    with torch.no_grad():
        first.transform.copy_(torch.diag(torch.tensor([1e3, 1e3, 1.0])))
        assert first(torch.zeros(1, 4)).abs().max() == 0


# the whole


@pytest.mark.parametrize(("height", "width"), [(4, 4), (2, 4), (1, 1), (6, 3)])
def test_the_smallest_images_are_cut_from_a_canvas_that_holds_the_first_cutoff(height, width):
    generator = small(height=height, width=width)
    assert generator.config.side == 8
    assert generator(noise(2)).shape[2:] == (height, width)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (14, 14), (12, 16), (9, 31), (64, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_are_the_centre_of_the_canvas(height, width, channels):
    generator = small(height=height, width=width, channels=channels)
    z = noise(2)
    images = generator(z)
    assert images.shape == (2, channels, height, width)
    assert images.dtype == torch.float32
    side = generator.config.side
    assert side in (8, 16, 32, 64)
    assert side / 2 < max(height, width) <= side
    canvas = generator.synthesis(generator.mapping(z, None))
    top, left = (side - height) // 2, (side - width) // 2
    assert torch.equal(images, canvas[..., top : top + height, left : left + width])


def equivariance(generator, count=16, down=-1, right=1):
    """EQ-T in dB (Karras et al. 2021, Eq. 10): how like the moved image is to the image of the moved input."""
    z, labels = noise(count), torch.arange(count) % (generator.config.label_dim or 1)
    labels = labels if generator.config.label_dim else None
    transform = generator.synthesis.input.transform
    with torch.no_grad():
        still = generator(z, labels)
        transform[:2, 2] = -torch.tensor([right, down]) / generator.config.side  # the content of p was there before
        moved = generator(z, labels)
        transform.copy_(torch.eye(3))
        assert torch.equal(generator(z, labels), still)
    difference = moved[..., :down, right:] - still[..., -down:, :-right]
    return 10 * math.log10(2**2 / float(difference.square().mean()))


def test_moving_the_input_moves_the_image():
    assert equivariance(small(margin=10)) > 60
    assert equivariance(small(height=32, width=32, margin=10, label_dim=3), down=-3, right=4) > 60
    assert equivariance(small(margin=6)) > equivariance(small(margin=0)) + 15


def nearest(x, taps_up, taps_down, *, up, down, size, clamp):
    """What `filtered_leaky` would be in an ordinary generator: repeated pixels and a bare leaky ReLU."""
    x = leaky(F.interpolate(x, scale_factor=up // down, mode="nearest"))
    cut = (x.shape[-1] - size) // 2
    return x[..., cut : cut + size, cut : cut + size]


def test_moving_the_input_does_not_move_the_image_of_a_network_that_repeats_pixels(monkeypatch):
    generator = small(height=64, width=64, margin=10, layers=6)
    assert [level.rate for level in generator.config.schedule()] == [16, 16, 32, 64, 64, 64, 64]
    ours = equivariance(generator, 8, -3, 5)
    monkeypatch.setattr(synthesis, "filtered_leaky", nearest)
    assert equivariance(generator, 8, -3, 5) < ours - 20


def test_gradients_reach_the_noise_and_every_parameter():
    generator, z = small(label_dim=3, height=16, width=16).train(), noise(4).requires_grad_()
    (generator(z, torch.tensor([0, 1, 2, 1])) * torch.randn(4, 1, 16, 16)).sum().backward()
    assert z.grad.abs().min(dim=1).values.max() > 0
    for name, value in generator.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        assert value.grad.abs().max() > 0, name


def test_an_image_depends_on_its_own_noise_and_class_alone():
    generator = small(label_dim=3)
    z, labels = noise(6), torch.tensor([0, 1, 2, 0, 1, 2])
    images = generator(z, labels)
    assert torch.allclose(generator(z, F.one_hot(labels, 3).float()), images)
    assert torch.allclose(generator(z[2:4], labels[2:4]), images[2:4], atol=1e-6)
    others = generator(z, labels.roll(1))
    assert (others - images).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    assert torch.allclose(generator(5 * z, labels), images, atol=1e-5)  # the length of z does not matter


def test_full_truncation_gives_the_average_image_and_none_changes_nothing():
    generator, z = small(), noise(3)
    with torch.no_grad():
        generator.mapping.w_avg.copy_(noise(1, seed=1)[0])
        average = generator.paint(generator.mapping.w_avg[None])
        assert torch.allclose(generator(z, truncation=0.0), average.expand(3, -1, -1, -1), atol=1e-6)
        assert torch.equal(generator(z, truncation=1.0), generator(z))


def test_averages_follow_in_training_and_stay_in_evaluation():
    generator, z = small(), noise(64)
    before = {k: v.clone() for k, v in generator.named_buffers()}
    generator(z)
    assert all(torch.equal(v, before[k]) for k, v in generator.named_buffers())
    generator.train()
    with torch.no_grad():
        generator(z)
        assert torch.allclose(generator.mapping.w_avg, 0.002 * generator.mapping(z, None).mean(dim=0), atol=1e-6)
    changed = {k for k, v in generator.named_buffers() if not torch.equal(v, before[k])}
    assert changed == {"mapping.w_avg"} | {k for k in before if k.endswith("magnitude_ema")}
    first = generator.synthesis.get_submodule(generator.synthesis.names[0])
    size = generator.synthesis.input(generator.mapping(z, None)).square().mean()
    assert first.magnitude_ema.item() == pytest.approx((0.999 + 0.001 * size).item(), rel=1e-5)


def test_the_average_magnitude_undoes_the_scale_of_a_layers_input():
    generator, w = small(), noise(2)
    layer = generator.synthesis.get_submodule(generator.synthesis.names[1])
    x = torch.randn(2, 8, 14, 14)
    wanted = layer(x, w)
    layer.magnitude_ema.fill_(9.0)
    assert torch.allclose(layer(3 * x, w), wanted, atol=1e-5)


def test_every_layer_may_have_its_own_style():
    generator, w = small(), noise(2)
    apart = w[:, None].repeat(1, generator.config.layers + 2, 1)
    assert torch.equal(generator.synthesis(apart), generator.synthesis(w))
    apart[:, -1] = noise(2, seed=1)
    assert not torch.allclose(generator.synthesis(apart), generator.synthesis(w))


# errors


def test_wrong_noise_and_labels_are_refused():
    conditional, z = small(label_dim=3), noise(2)
    for call, says in (
        (lambda: conditional(z), "class-conditional; give labels of 3"),
        (lambda: conditional(z, torch.tensor([0, 3])), "labels run from 0 to 3"),
        (lambda: conditional(z, torch.tensor([0, -1])), "labels run from -1 to 0"),
        (lambda: conditional(z, torch.tensor([0, 1, 2])), r"of shape \(3,\) for 2 images"),
        (lambda: conditional(z, torch.eye(3)[:2].long()), "one-hot rows of 3"),
        (lambda: conditional(noise(2, 5), torch.tensor([0, 1])), r"\(2, 5\); this generator takes B × 16"),
        (lambda: small()(z, torch.tensor([0, 1])), "unconditional"),
    ):
        with pytest.raises(UserError, match=says):
            call()


# files


def test_a_saved_generator_is_the_same_generator(tmp_path):
    generator = small(label_dim=2, classes=("a", "b"), height=12, width=16)
    with torch.no_grad():
        generator.mapping.w_avg.normal_()
    loaded = Generator.load(generator.save(tmp_path / "new" / "g.safetensors", {"seed": 1}))
    assert loaded.config == generator.config
    assert not loaded.training
    wanted = generator.state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in loaded.state_dict().items())
    assert torch.equal(loaded(noise(2), torch.tensor([0, 1])), generator(noise(2), torch.tensor([0, 1])))
    tensors, meta = generator.to_arrays()
    assert Generator.from_arrays(tensors, meta).config == generator.config
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["g.safetensors"]


def test_another_file_is_refused_in_one_line(tmp_path):
    generator = small()
    tensors, _ = generator.to_arrays()
    (tmp_path / "text").write_text("text")
    save_file(tensors, tmp_path / "bare")
    write_weights(tmp_path / "wrong", tensors, {"config": '{"layers": 1}'})
    write_weights(tmp_path / "other", tensors, {"config": small(layers=5).config.model_dump_json()})
    for name in ("text", "bare", "wrong", "other"):
        with pytest.raises(UserError) as caught:
            Generator.load(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name} is not a StyleGAN3 generator saved by synthgap (")
        assert str(caught.value).isprintable()
