"""The exact denoiser of a finite set: what it says in closed form, and what the reverse process makes of it."""

import numpy as np
import pytest
import torch

from synthgap.data.imageset import ImageSet
from synthgap.diffusion.exact import ExactDenoiser
from synthgap.diffusion.pixels import to_model
from synthgap.diffusion.reconstruct import generate, reconstruct


def images(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 6), dtype=np.uint8)
    return ImageSet(pixels, np.zeros(count, dtype=np.int64), ("a",))


def test_between_two_images_it_is_a_hyperbolic_tangent():
    """E[y | x] of y = ±m is m·tanh(m·x/σ²)."""
    pair = np.stack([np.full((1, 2, 2), 255, np.uint8), np.zeros((1, 2, 2), np.uint8)])
    exact = ExactDenoiser(ImageSet(pair, np.zeros(2, dtype=np.int64), ("a",)))
    x = torch.linspace(-2, 2, 20, dtype=torch.float64).view(5, 1, 2, 2)
    for sigma in (0.5, 1.0, 4.0):
        expected = torch.tanh(x.sum(dim=(1, 2, 3)) / sigma**2)[:, None, None, None].expand_as(x)
        assert torch.allclose(exact(x, torch.full((5,), sigma)), expected)


def test_each_image_of_a_batch_has_its_own_level():
    some = images(7)
    exact, clean = ExactDenoiser(some), torch.from_numpy(to_model(some.images))
    answer = exact(clean[:2] + 0.01, torch.tensor([1e-3, 1e4]))
    assert torch.allclose(answer[0], clean[0])  # no noise: the nearest image
    assert torch.allclose(answer[1], clean.mean(dim=0), atol=1e-4)  # noise alone: the mean of all


def test_one_level_may_be_given_for_all_and_without_noise_there_is_nothing_to_guess():
    exact = ExactDenoiser(images(7))
    x = torch.randn(3, 3, 4, 6, dtype=torch.float64)
    assert torch.equal(exact(x, torch.tensor(0.7)), exact(x, torch.full((3,), 0.7)))
    assert torch.equal(exact(x, torch.tensor(0.0)), x)


def test_the_reverse_process_ends_at_images_of_the_set():
    some = images(20)
    exact = ExactDenoiser(some)
    for made in (reconstruct(exact, images(5, seed=1), t_re=60), generate(exact, count=5)):
        nearest = np.abs(made.images[:, None].astype(int) - some.images).max(axis=(2, 3, 4)).min(axis=1)
        assert nearest.max() <= 1


@pytest.mark.parametrize("t_re", [0, 20])
def test_a_little_noise_leads_back_to_the_same_image(t_re):
    some = images(20)
    assert (reconstruct(ExactDenoiser(some), some, t_re).images == some.images).all()
