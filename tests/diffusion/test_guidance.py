"""Guides, against closed forms of Gaussian data and against automatic differentiation."""

import numpy as np
import pytest
import torch

from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.guidance import apart, away_from, doubt, repulsion, towards_doubt, untold
from synthgap.diffusion.sampler import Trajectory, solve
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig

STD = 0.5
SHAPE = (1, 2, 3)


def gaussian(mean, std=STD):
    """The exact denoiser of pixels that are independent, normal of this mean and standard deviation."""

    def denoise(x, sigma, labels):
        del labels
        noise = sigma[:, None, None, None] ** 2
        return (std**2 * x + noise * mean) / (std**2 + noise)

    return denoise


def starts(count, seed=0, label=None):
    rng, levels = np.random.default_rng(seed), np.append(np.geomspace(40, 0.002, 12), 0)
    for i in range(count):
        yield Trajectory(i, levels[0] * rng.standard_normal(SHAPE), levels, None if label is None else label(i))


def drawn(denoiser, count=6, guide=None, **options):
    found = dict(solve(denoiser, starts(count, **options), 64, solver=Solver(steps=12, method="heun"), guide=guide))
    return np.stack([found[i] for i in range(count)])


@pytest.mark.parametrize("weight", [1.0, 1.5, 3.0])
def test_guidance_by_a_worse_model_moves_the_mean_as_the_formula_says(weight):
    """Of two Gaussians of one variance the guided denoiser is that of a third, further away from the worse one."""
    good, worse = 0.3, 0.1
    guided = drawn(gaussian(good), guide=away_from(gaussian(worse), weight))
    assert np.allclose(guided, drawn(gaussian(good + (weight - 1) * (good - worse))), atol=1e-5)


def test_guidance_by_a_wider_model_narrows_what_is_drawn():
    """Autoguidance costs diversity: away from a model of twice the standard deviation the samples lie closer."""
    plain, guided = drawn(gaussian(0.0)), drawn(gaussian(0.0), guide=away_from(gaussian(0.0, 2 * STD), 2.0))
    assert np.abs(guided).mean() < 0.9 * np.abs(plain).mean()


def test_a_network_that_is_not_told_is_the_network_with_no_class():
    network = UNetConfig(channels=1, height=8, width=8, label_dim=3, model_channels=8, channel_mult=(1,), num_blocks=1)
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=network)).eval()
    for parameter in edm.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, sigma = torch.randn(4, 1, 8, 8), torch.full((4,), 0.7)
    none = untold(edm)(x, sigma, torch.tensor([0, 1, 2, 0]))
    assert torch.equal(none, edm(x, sigma, torch.zeros(4, 3)))
    assert not torch.allclose(none, edm(x, sigma, torch.tensor([0, 1, 2, 0])))


WEIGHTS = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def logits(images):
    return images.flatten(1).to(torch.float64) @ WEIGHTS


def entropy(images):
    told = torch.log_softmax(logits(images), dim=1)
    return -(told.exp() * told).sum(dim=1)


def test_entropy_guidance_is_the_gradient_of_the_entropy_at_what_the_exact_denoiser_says():
    """For Gaussian data the factor `doubt` is no approximation: σ² ∇_x H(D(x)), by differentiating all the way."""
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(5, *SHAPE, dtype=torch.float64, generator=rng).requires_grad_()
    sigma = torch.tensor([0.1, 0.3, 0.5, 2.0, 9.0], dtype=torch.float64)
    estimate = gaussian(0.2)(x, sigma, None)
    (slope,) = torch.autograd.grad(entropy(estimate).sum(), x)
    guided = towards_doubt(logits, 1.7, STD)(estimate.detach(), x, sigma, None)
    assert torch.allclose(guided - estimate, 1.7 * sigma[:, None, None, None] ** 2 * slope, atol=1e-12)


def test_entropy_guidance_draws_images_that_the_classifier_is_less_sure_of():
    def told(weight):
        images = drawn(gaussian(0.0), 40, towards_doubt(logits, weight, STD))
        return float(entropy(torch.from_numpy(images)).mean())

    assert told(-1.0) < told(0.0) < told(1.0)


def kernel_sum(images, width):
    flat = images.flatten(1)
    return torch.exp(-(torch.cdist(flat, flat) ** 2) / width).sum()


def width_of(images):
    squared = torch.cdist(images.flatten(1), images.flatten(1)) ** 2
    return float(squared[~torch.eye(len(images), dtype=bool)].median() / np.log(len(images)))


def test_the_push_is_the_gradient_of_the_kernel_sum():
    images = torch.randn(7, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    (slope,) = torch.autograd.grad(-kernel_sum(images, width_of(images.detach())) / 2, images)
    assert torch.allclose(repulsion(images.detach()), slope, atol=1e-10)


def test_particle_guidance_lowers_the_kernel_sum_of_what_is_drawn():
    plain, guided = (torch.from_numpy(drawn(gaussian(0.0), 12, guide)) for guide in (None, apart(2.0, STD)))
    assert kernel_sum(guided, width_of(plain)) < kernel_sum(plain, width_of(plain))


def test_particles_of_other_classes_and_a_particle_alone_are_left_where_they_are():
    x = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(4))
    sigma, labels = torch.full((5,), 0.8), torch.tensor([0, 0, 1, 1, 2])
    guide = apart(1.0, STD)
    moved = guide(x, x, sigma, labels) - x
    assert torch.equal(moved[4], torch.zeros(SHAPE))
    assert torch.allclose(moved[:2], guide(x[:2], x[:2], sigma[:2], labels[:2]) - x[:2], atol=1e-6)
    assert moved[:4].abs().max() > 0
    assert torch.equal(repulsion(torch.ones(3, *SHAPE)), torch.zeros(3, *SHAPE))


def test_a_guides_reach_is_the_noise_itself_where_little_is_open_and_the_datas_spread_where_all_is():
    near, far = doubt(torch.tensor([1e-3, 1e3]), STD)[:, 0, 0, 0].tolist()
    assert near == pytest.approx(1e-6, rel=1e-4)
    assert far == pytest.approx(STD**2, rel=1e-4)
