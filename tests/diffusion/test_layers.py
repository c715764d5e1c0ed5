"""Layers of the networks: each against a second, explicit implementation or a property that defines it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from synthgap.diffusion.layers import Conv2d, Fourier, GroupNorm, Linear, Positional, attend, swap_halves

SMOOTH = (1, 3, 3, 1)


def ramp(channels=2, height=4, width=6):
    return torch.arange(channels * height * width).double().reshape(1, channels, height, width)


def noise(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# resampling, written as sums over pixels


def zero_outside(x, row, column):
    inside = 0 <= row < x.shape[0] and 0 <= column < x.shape[1]
    return x[row, column] if inside else 0.0


def lowered(x, taps):
    """Half the size: the filter at every second pixel, centred between a pixel and its successor."""
    w, reach = np.array(taps) / np.sum(taps), (len(taps) - 1) // 2
    out = np.zeros((x.shape[0] // 2, x.shape[1] // 2))
    for i, j in np.ndindex(*out.shape):
        for a, b in np.ndindex(len(taps), len(taps)):
            out[i, j] += w[a] * w[b] * zero_outside(x, 2 * i - reach + a, 2 * j - reach + b)
    return out


def raised(x, taps):
    """Twice the size: every pixel is spread over the filter's reach, with weights that sum to four."""
    w, reach = 2 * np.array(taps) / np.sum(taps), (len(taps) - 1) // 2
    out = np.zeros((x.shape[0] * 2, x.shape[1] * 2))
    for i, j in np.ndindex(*x.shape):
        for a, b in np.ndindex(len(taps), len(taps)):
            row, column = 2 * i - reach + a, 2 * j - reach + b
            if 0 <= row < out.shape[0] and 0 <= column < out.shape[1]:
                out[row, column] += w[a] * w[b] * x[i, j]
    return out


def each_channel(function, x, taps):
    return torch.from_numpy(np.array([[function(plane, taps) for plane in image] for image in x.detach().numpy()]))


@pytest.mark.parametrize("taps", [(1, 1), SMOOTH])
@pytest.mark.parametrize(("way", "wanted"), [("down", lowered), ("up", raised)])
def test_resampling_is_the_sum_over_the_filters_taps(way, wanted, taps):
    layer = Conv2d(3, 3, 0, **{way: True}, taps=taps).double()
    x = noise(2, 3, 4, 6)
    assert torch.allclose(layer(x), each_channel(wanted, x, taps), atol=1e-12)


@pytest.mark.parametrize("taps", [(1, 1), SMOOTH])
@pytest.mark.parametrize("way", ["up", "down"])
def test_resampling_keeps_a_constant_away_from_the_border(way, taps):
    layer = Conv2d(1, 1, 0, **{way: True}, taps=taps).double()
    out = layer(torch.full((1, 1, 8, 12), 0.7, dtype=torch.float64))
    assert torch.allclose(out[..., 1:-1, 1:-1], torch.tensor(0.7, dtype=torch.float64), atol=1e-12)
    assert layer.resample_filter.sum() == 1


def test_the_smooth_filter_raises_by_bilinear_interpolation():
    x = noise(1, 2, 5, 4)
    got = Conv2d(2, 2, 0, up=True, taps=SMOOTH).double()(x)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(got[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1], atol=1e-12)


def test_the_plain_filter_repeats_pixels_up_and_averages_them_down():
    identity = {"weight": torch.eye(2)[:, :, None, None], "bias": torch.zeros(2)}
    up, down = Conv2d(2, 2, 1, up=True), Conv2d(2, 2, 1, down=True)
    for layer in (up, down):
        layer.load_state_dict(identity, strict=False)
        assert layer.resample_filter.sum() == 1
    x = ramp().float()
    assert torch.equal(up(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(down(x), x.reshape(1, 2, 2, 2, 3, 2).mean((3, 5)))
    assert torch.allclose(down(up(x)), x)


@pytest.mark.parametrize("taps", [(1, 1), SMOOTH])
@pytest.mark.parametrize(("way", "resample"), [("down", lowered), ("up", raised)])
def test_the_filter_comes_before_the_convolution(way, resample, taps):
    layer = randomised(Conv2d(2, 5, 3, **{way: True}, taps=taps))
    x = noise(2, 2, 4, 6)
    wanted = F.conv2d(each_channel(resample, x, taps), layer.weight, layer.bias, padding=1)
    assert torch.allclose(layer(x), wanted, atol=1e-12)


def test_filter_last_convolves_the_image_on_an_empty_ground_and_lowers_after():
    layer = randomised(Conv2d(2, 5, 3, down=True, taps=SMOOTH, filter_last=True))
    x = noise(2, 2, 4, 6)
    ground = F.conv2d(F.pad(x, (2, 2, 2, 2)), layer.weight, padding=1)  # what the filter reaches beyond the image
    wide = each_channel(lowered, ground, SMOOTH)[..., 1:-1, 1:-1]
    assert torch.allclose(layer(x), wide + layer.bias[:, None, None], atol=1e-12)


def test_filter_last_and_filter_first_agree_where_the_kernel_is_one_pixel():
    first = randomised(Conv2d(2, 3, 1, down=True, taps=SMOOTH))
    last = Conv2d(2, 3, 1, down=True, taps=SMOOTH, filter_last=True).double()
    last.load_state_dict(first.state_dict())
    x = noise(1, 2, 8, 8)
    assert torch.allclose(first(x), last(x), atol=1e-12)


def test_a_kernel_of_0_has_no_weights_and_without_resampling_does_nothing():
    assert not list(Conv2d(3, 3, 0, down=True).parameters())
    assert set(Conv2d(3, 3, 0, down=True).state_dict()) == {"resample_filter"}
    assert not Conv2d(3, 3, 0).state_dict()
    x = ramp(3)
    assert torch.equal(Conv2d(3, 3, 0)(x), x)


def test_a_plain_convolution_is_torchs_and_holds_no_filter():
    layer = randomised(Conv2d(2, 5, 3))
    x = noise(2, 2, 4, 6)
    assert torch.equal(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1))
    assert set(layer.state_dict()) == {"weight", "bias"}


def randomised(layer):
    layer = layer.double()
    for i, p in enumerate(layer.parameters()):
        p.data = noise(*p.shape, seed=10 + i)
    return layer


# attention


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_attention_is_torchs_with_interleaved_queries_keys_and_values(heads):
    batch, size, height, width = 2, 4, 3, 5
    qkv = noise(batch, 3 * heads * size, height, width).float()
    split = qkv.reshape(batch, heads, size, 3, height * width)  # q, k and v of a channel lie side by side
    q, k, v = (split[..., i, :].transpose(2, 3) for i in range(3))
    wanted = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(batch, heads * size, height, width)
    assert torch.allclose(attend(qkv, heads), wanted, atol=1e-5)


def test_attention_of_bfloat16_stays_near_that_of_float32():
    qkv = noise(2, 24, 3, 3).float()
    rough = attend(qkv.bfloat16(), 2)
    assert rough.dtype == torch.bfloat16
    assert torch.allclose(rough.float(), attend(qkv, 2), atol=0.05)


def test_attention_moves_with_the_pixels():
    qkv = noise(1, 12, 2, 4).float()
    assert torch.allclose(attend(qkv.flip(3), 2), attend(qkv, 2).flip(3), atol=1e-6)


# embeddings


@pytest.mark.parametrize("endpoint", [False, True])
def test_the_positional_embedding_holds_cosines_then_sines_from_frequency_1_to_1_over_10000(endpoint):
    values = torch.tensor([0.0, 0.7, -1.5, 900.0])
    lowest = 1 / 10000 if endpoint else 10000 ** (-3 / 4)
    frequencies = np.geomspace(1, lowest, 4)
    angles = values.double().numpy()[:, None] * frequencies
    wanted = np.concatenate([np.cos(angles), np.sin(angles)], 1)
    assert np.allclose(Positional(8, endpoint)(values).numpy(), wanted, atol=1e-4)


def test_fourier_features_are_of_the_stored_frequencies_in_turns():
    layer = Fourier(6)
    assert set(layer.state_dict()) == {"freqs"}
    assert not list(layer.parameters())  # drawn once and never trained
    layer.freqs.copy_(torch.tensor([1.0, 0.5, -2.0]))
    root = math.sqrt(0.5)  # a quarter of a turn, an eighth, half a turn back
    wanted = [[1, 1, 1, 0, 0, 0], [0, root, -1, 1, root, 0]]
    assert np.allclose(layer(torch.tensor([0.0, 0.25])).numpy(), wanted, atol=1e-6)


def test_fourier_frequencies_are_normal_of_standard_deviation_16():
    torch.manual_seed(0)
    freqs = Fourier(20000).freqs
    assert freqs.std().item() == pytest.approx(16, rel=4 / math.sqrt(2 * 10000))
    assert abs(freqs.mean().item()) < 4 * 16 / math.sqrt(10000)


def test_halves_are_swapped():
    assert swap_halves(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])).tolist() == [[3, 4, 1, 2], [7, 8, 5, 6]]


# norms and initial weights


@pytest.mark.parametrize(
    ("channels", "groups"), [(2, 1), (4, 1), (8, 2), (10, 2), (96, 24), (128, 32), (132, 22), (512, 32)]
)
def test_a_group_has_at_least_four_channels_and_there_are_at_most_32(channels, groups):
    assert GroupNorm(channels).num_groups == groups


def test_weights_start_xavier_uniform_and_biases_at_zero():
    torch.manual_seed(0)
    for layer, fans in ((Linear(300, 100), 400), (Conv2d(20, 30, 3), 450)):
        bound = math.sqrt(6 / fans)
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
        assert not layer.bias.any()


def test_a_gain_scales_the_initial_weights():
    def weights(gain):
        torch.manual_seed(0)
        return [Linear(3, 4, gain=gain).weight, Conv2d(3, 4, 3, gain=gain).weight]

    for scaled, plain in zip(weights(0.25), weights(1.0), strict=True):
        assert torch.equal(scaled, plain / 4)
    assert not any(w.any() for w in weights(0.0))
