"""Low-pass filters and the leaky ReLU between them: what signal processing says about them."""

import math

import numpy as np
import pytest
import torch

from synthgap.gan import filters
from synthgap.gan.filters import by_convolutions, by_matrices, filtered_leaky, first_sample, lowpass


def response(taps, frequencies, rate):
    """|H(f)| of a filter."""
    at = np.arange(len(taps))
    return np.abs(np.exp(-2j * np.pi * np.outer(frequencies, at) / rate) @ taps.double().numpy())


@pytest.mark.parametrize(
    ("taps", "cutoff", "half_width", "rate"),
    [(12, 2, 6, 32), (12, 4, 4, 32), (24, 5.04, 10.96, 64), (40, 4, 1, 32), (12, 4, 0.92, 16)],
)
def test_a_low_pass_filter_passes_constants_is_symmetric_and_stops_what_is_above_its_band(
    taps, cutoff, half_width, rate
):
    weights = lowpass(taps, cutoff, half_width, rate)
    assert weights.dtype == torch.float32
    assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.allclose(weights, weights.flip(0), atol=1e-7)
    # Kaiser's formula: the attenuation that so many taps buy over a transition band of that width
    decibels = 2.285 * (taps - 1) * math.pi * 2 * half_width / (rate / 2) + 7.95
    stopped = response(weights, np.linspace(cutoff + half_width, rate / 2, 200), rate)
    assert -20 * np.log10(stopped.max()) > decibels - 5
    if half_width <= cutoff:  # else the band reaches beyond frequency 0
        assert response(weights, [cutoff], rate)[0] == pytest.approx(0.5, abs=0.04)


def reference(x, taps_up, taps_down, up, down, size, clamp):
    """Zeros between the samples, two convolutions, and the samples whose centre is the input's: one channel."""

    def along(signal, taps):
        return np.apply_along_axis(np.convolve, 0, np.apply_along_axis(np.convolve, 1, signal, taps), taps)

    fine = np.zeros([(n - 1) * up + 1 for n in x.shape])
    fine[::up, ::up] = x
    fine = along(np.pad(fine, 60), taps_up * up)
    fine = np.clip(np.where(fine > 0, fine, 0.2 * fine) * np.sqrt(2), -clamp, clamp)
    fine = along(fine, taps_down)
    middle = (len(fine) - 1) / 2  # symmetric padding and filters keep the centre
    first = middle - (size - 1) * down / 2
    assert first == int(first)
    places = int(first) + down * np.arange(size)
    return fine[np.ix_(places, places)]


@pytest.mark.parametrize(
    ("sides", "size", "up", "down"), [(10, 8, 2, 2), (10, 20, 4, 2), (7, 7, 2, 2), (30, 8, 2, 2), (6, 36, 8, 2)]
)
def test_filtered_leaky_relu_equals_zero_insertion_and_convolution(sides, size, up, down):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, sides, sides))
    taps_up = lowpass(6 * up, 2, 3, 32)
    taps_down = lowpass(6 * down, 4, 4, 32)
    found = filtered_leaky(
        torch.tensor(x), taps_up.double(), taps_down.double(), up=up, down=down, size=size, clamp=1.5
    )
    for image, wanted in zip(found.flatten(0, 1), x.reshape(-1, sides, sides), strict=True):
        wanted = reference(wanted, taps_up.double().numpy(), taps_down.double().numpy(), up, down, size, 1.5)
        assert np.allclose(image, wanted, atol=1e-12)


@pytest.mark.parametrize(("sides", "size", "up"), [(10, 8, 2), (10, 20, 4), (40, 8, 2), (5, 40, 2)])
def test_the_two_ways_to_filter_agree_also_in_their_gradients(sides, size, up):
    taps_up, taps_down = lowpass(6 * up, 2, 3, 32).double(), lowpass(12, 4, 4, 32).double()
    x = torch.randn(2, 3, sides, sides, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for way in (by_matrices, by_convolutions):
        leaf = x.clone().requires_grad_()
        out = way(leaf, taps_up, taps_down, up=up, down=2, size=size, bound=0.5)
        (out * weight).sum().backward()
        results.append((out.detach(), leaf.grad))
    assert torch.allclose(results[0][0], results[1][0], atol=1e-12)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-12)


def test_large_maps_take_the_way_that_is_faster_for_them(monkeypatch):
    def fail(*_, **__):
        raise AssertionError

    taps = lowpass(12, 2, 6, 32)
    monkeypatch.setattr(filters, "by_convolutions", fail)
    assert filtered_leaky(torch.zeros(1, 1, 12, 12), taps, taps, up=2, down=2, size=10).shape == (1, 1, 10, 10)
    with pytest.raises(AssertionError):
        filtered_leaky(torch.zeros(1, 1, 100, 100), taps, taps, up=2, down=2, size=98)


def test_a_positive_constant_passes_with_its_value_times_the_gain():
    taps = lowpass(12, 2, 6, 32)
    out = filtered_leaky(torch.full((1, 1, 40, 40), 3.0), taps, taps, up=2, down=2, size=10)
    assert torch.allclose(out, torch.full_like(out, 3 * math.sqrt(2)), rtol=2e-3)


def test_grids_that_share_no_centre_are_refused():
    assert first_sample(10, 8, 2, 2, 12, 12) == 2
    with pytest.raises(ValueError, match="can't be centred"):
        first_sample(10, 9, 1, 2, 6, 12)
