"""Log-likelihood by the probability-flow ODE against closed forms, and its trace against a dense Jacobian."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from synthgap.base.errors import UserError
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.pixels import to_model
from synthgap.diffusion.unet import UNetConfig
from synthgap.metrics.likelihood import _Trace, bits_per_dim, image_log_likelihood, log_likelihood

LEVELS = {"sigma": 0.01, "sigma_max": 400.0}


def gaussian_denoiser(mean, variances):
    """E[clean | x] of N(mean, diag(variances)), exact."""
    mean, variances = torch.from_numpy(mean), torch.from_numpy(variances)

    def denoise(x, sigma, labels):
        v = sigma.double()[:, None, None, None] ** 2
        return (variances * x.double() + v * mean) / (variances + v)

    return denoise


class Mixture:
    """Equal Gaussians N(centre, s² I) on images of C × H × W: points, exact denoiser, exact density."""

    def __init__(self, shape=(1, 3, 4), count=4, s=0.2, seed=0):
        self.shape, self.s = shape, s
        self.centres = np.random.default_rng(seed).uniform(-0.8, 0.8, (count, math.prod(shape)))

    def draw(self, n, sigma, seed=1):
        rng = np.random.default_rng(seed)
        points = self.centres[rng.integers(0, len(self.centres), n)]
        points = points + math.hypot(self.s, sigma) * rng.standard_normal(points.shape)
        return points.reshape(n, *self.shape)

    def log_density(self, x, sigma):
        flat, v = x.reshape(len(x), -1), self.s**2 + sigma**2
        distance = ((flat[:, None] - self.centres) ** 2).sum(axis=2)
        constant = math.log(len(self.centres)) + flat.shape[1] / 2 * math.log(2 * math.pi * v)
        return logsumexp(-distance / (2 * v), axis=1) - constant

    def denoise(self, x, sigma, labels):
        flat, v = x.double().flatten(1), (self.s**2 + sigma.double() ** 2)[:, None]
        centres = torch.from_numpy(self.centres)
        weights = torch.softmax(-((flat[:, None] - centres) ** 2).sum(2) / (2 * v), dim=1)
        clean = (self.s**2 * flat + sigma.double()[:, None] ** 2 * (weights @ centres)) / v
        return clean.reshape(x.shape)


@pytest.mark.parametrize("sigma", [0.002, 0.1, 1.0])
def test_a_gaussian_of_unequal_variances_has_its_closed_form(sigma):
    rng = np.random.default_rng(0)
    mean, variances = rng.uniform(-0.5, 0.5, (1, 2, 3)), rng.uniform(0.02, 0.4, (1, 2, 3))
    x = mean + np.sqrt(variances + sigma**2) * rng.standard_normal((20, 1, 2, 3))
    value, method = log_likelihood(gaussian_denoiser(mean, variances), x, sigma=sigma, sigma_max=1000.0, steps=80)
    truth = multivariate_normal(mean.ravel(), np.diag(variances.ravel() + sigma**2)).logpdf(x.reshape(20, -1))
    assert method == "exact"
    np.testing.assert_allclose(value, truth, atol=5e-3)  # the prior ignores the mean: about 0.5/1000 of a deviation


def test_a_mixtures_log_density_is_found_by_the_exact_trace():
    mixture = Mixture()
    x = mixture.draw(40, LEVELS["sigma"])
    value, _ = log_likelihood(mixture.denoise, x, steps=60, method="exact", **LEVELS)
    truth = mixture.log_density(x, LEVELS["sigma"])
    np.testing.assert_allclose(value, truth, atol=0.05)
    assert abs((value - truth).mean()) < 0.01
    assert truth.std() > 1  # so that agreement says something


def test_hutchinsons_trace_is_unbiased_and_within_its_error_bars():
    mixture = Mixture(shape=(1, 5, 5))
    x = mixture.draw(60, LEVELS["sigma"])
    exact, _ = log_likelihood(mixture.denoise, x, steps=20, method="exact", **LEVELS)
    differences = [
        log_likelihood(mixture.denoise, x, steps=20, method="hutchinson", seed=s, **LEVELS)[0] - exact for s in range(4)
    ]
    error = np.std(differences) / math.sqrt(np.size(differences))
    assert error > 0
    assert abs(np.mean(differences)) < 4 * error


def test_more_probes_shrink_hutchinsons_error():
    mixture = Mixture(shape=(1, 5, 5))
    x = mixture.draw(60, LEVELS["sigma"])
    exact, _ = log_likelihood(mixture.denoise, x, steps=8, method="exact", **LEVELS)
    errors = [
        np.std(log_likelihood(mixture.denoise, x, steps=8, method="hutchinson", probes=p, **LEVELS)[0] - exact)
        for p in (1, 16)
    ]
    assert errors[1] < 0.5 * errors[0]  # a quarter is expected


def test_one_sign_a_pixel_finds_the_trace_of_an_isotropic_gaussian_exactly():
    x = np.random.default_rng(0).standard_normal((5, 1, 3, 3))
    denoise = gaussian_denoiser(np.zeros((1, 3, 3)), np.full((1, 3, 3), 0.25))  # its Jacobian is a multiple of I
    exact, sampled = (log_likelihood(denoise, x, steps=10, method=m, **LEVELS)[0] for m in ("exact", "hutchinson"))
    np.testing.assert_allclose(sampled, exact, rtol=1e-5)


def test_signs_are_drawn_afresh_at_every_level():
    def rotate(x, sigma, labels):  # vᵀJv is 1 or -1 by the signs alone, whatever the point and the level
        return torch.stack([x[..., 1], torch.zeros_like(x[..., 0])], dim=-1)

    x = np.zeros((200, 1, 1, 2))
    change = [
        log_likelihood(rotate, x, sigma=0.1, sigma_max=0.1 * 2**7, steps=s, method="hutchinson")[0] for s in (1, 8)
    ]
    assert np.std(change[1]) < 0.6 * np.std(change[0])  # independent draws average out, a repeated one does not


def test_auto_takes_the_whole_trace_up_to_64_dimensions():
    for shape, wanted in (((1, 8, 8), "exact"), ((1, 5, 13), "hutchinson")):
        denoise = gaussian_denoiser(np.zeros(shape), np.ones(shape))
        assert log_likelihood(denoise, np.zeros((1, *shape)), steps=1, **LEVELS)[1] == wanted


def test_points_at_the_modes_are_likelier_than_points_beside_them():
    mixture = Mixture()
    modes = mixture.centres.reshape(-1, *mixture.shape)
    value, _ = log_likelihood(mixture.denoise, modes, steps=20, **LEVELS)
    beside, _ = log_likelihood(mixture.denoise, modes + 0.3, steps=20, **LEVELS)
    assert (value > beside).all()


def test_the_error_shrinks_with_the_steps():
    mixture = Mixture()
    x = mixture.draw(30, LEVELS["sigma"])
    truth = mixture.log_density(x, LEVELS["sigma"])
    errors = [np.abs(log_likelihood(mixture.denoise, x, steps=s, **LEVELS)[0] - truth).mean() for s in (6, 12, 40)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_uniform_8_bit_pixels_have_8_bits():
    nats = np.array([-12 * math.log(2.0) - 12 * math.log(256 / 255)])  # density of a cube of 256 levels
    assert bits_per_dim(nats, 12, quantised=True) == pytest.approx([8.0])
    assert bits_per_dim(nats, 12, quantised=False) == pytest.approx([math.log2(256 / 127.5)])


# a real network


def small_edm(label_dim=3, shape=(1, 4, 4), kind=EDM, **network_options):
    network = UNetConfig(
        height=shape[1],
        width=shape[2],
        channels=shape[0],
        label_dim=label_dim,
        model_channels=8,
        channel_mult=(1,),
        num_blocks=1,
        attn_resolutions=(),
        **network_options,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        edm = kind(EDMConfig.for_images(network, 0.5))
        for parameter in edm.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return edm.eval()


def test_the_exact_trace_is_that_of_the_dense_jacobian(make_images):
    edm, images = small_edm(), make_images(3, (1, 4, 4))
    x, labels = to_model(images.images), torch.from_numpy(images.labels)
    slope, divergence = _Trace(edm, labels, None, 1, "cpu")(x, math.log(0.5))
    for i in range(3):

        def denoise(point, label=labels[i : i + 1]):
            return edm(point, torch.tensor([0.5]), label).flatten()

        point = torch.from_numpy(x[i : i + 1]).float()
        jacobian = torch.autograd.functional.jacobian(denoise, point).reshape(16, 16).double()
        assert abs(16 - divergence[i]) > 0.1  # so that agreement says something
        assert divergence[i] == pytest.approx(16 - float(jacobian.trace()), abs=1e-5)
        np.testing.assert_allclose(slope[i].ravel(), x[i].ravel() - denoise(point).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("method", ["exact", "hutchinson"])
def test_batches_of_1_7_and_64_give_the_same(make_images, method):
    edm, images = small_edm(), make_images(9, (1, 4, 4))
    whole = image_log_likelihood(edm, images, steps=2, method=method, batch=64)
    for batch in (1, 7):
        part = image_log_likelihood(edm, images, steps=2, method=method, batch=batch)
        np.testing.assert_allclose(part.nats, whole.nats, rtol=1e-4)


class Recorder(EDM):
    """Keeps the points at which it is evaluated."""

    def forward(self, x, sigma, labels=None, augment=None):
        self.seen = [*getattr(self, "seen", []), x.detach().double().numpy()]
        return super().forward(x, sigma, labels, augment)


def added_noise(images, sigma):
    edm = small_edm(kind=Recorder)
    image_log_likelihood(edm, images, sigma=sigma, steps=1, method="hutchinson", batch=len(images))
    return edm.seen[0] - to_model(images.images)


def test_dequantisation_is_uniform_over_one_grey_level_around_the_value(make_images):
    noise = added_noise(make_images(200, (1, 4, 4)), 0.002) * 127.5
    assert stats.kstest(noise.ravel(), stats.uniform(-0.5, 1).cdf).pvalue > 1e-3
    assert np.abs(noise).max() <= 0.5 + 1e-4  # 1e-4: the network sees float32


def test_above_the_smallest_level_the_noise_is_normal_of_that_level(make_images):
    noise = added_noise(make_images(200, (1, 4, 4)), 0.3)
    assert stats.kstest(noise.ravel(), stats.norm(0, 0.3).cdf).pvalue > 1e-3


@pytest.mark.parametrize("sigma", [0.002, 0.3])
def test_images_have_noise_of_their_own_whatever_set_they_are_in(make_images, sigma):
    edm, images = small_edm(), make_images(5, (1, 4, 4))
    whole = image_log_likelihood(edm, images, sigma=sigma, steps=1, method="hutchinson").nats
    part = image_log_likelihood(edm, images.subset([0, 1, 2]), sigma=sigma, steps=1, method="hutchinson").nats
    np.testing.assert_allclose(part, whole[:3], rtol=1e-4)
    noise = added_noise(images, sigma)
    assert not np.isclose(noise[0], noise[1]).any()


def test_dropout_plays_no_part_in_a_model_that_is_in_train_mode(make_images):
    edm, images = small_edm(dropout=0.5), make_images(4, (1, 4, 4))
    wanted = image_log_likelihood(edm, images, steps=2).nats
    assert np.array_equal(image_log_likelihood(edm.train(), images, steps=2).nats, wanted)


def test_progress_counts_the_images_done(make_images):
    said = []
    image_log_likelihood(small_edm(), make_images(5, (1, 4, 4)), steps=1, batch=2, progress=lambda *n: said.append(n))
    assert said == [(2, 5), (4, 5), (5, 5)]


def test_seeds_draw_other_noise_and_repeat_their_own(make_images):
    edm, images = small_edm(), make_images(4, (1, 4, 4))
    first, again, other = (image_log_likelihood(edm, images, steps=2, seed=s).nats for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_matter_to_a_conditional_model_and_none_are_needed_by_another(make_images):
    edm, images = small_edm(), make_images(4, (1, 4, 4))
    other = type(images)(images.images, (images.labels + 1) % 3, images.classes)
    assert not np.allclose(
        image_log_likelihood(edm, images, steps=2).nats, image_log_likelihood(edm, other, steps=2).nats
    )
    assert image_log_likelihood(small_edm(label_dim=0), images, steps=2).n == 4


def test_the_model_is_left_as_it_was_found(make_images):
    edm, images = small_edm(), make_images(4, (1, 4, 4))
    edm.train()
    before = copy.deepcopy(edm.state_dict())
    with torch.no_grad():
        image_log_likelihood(edm, images, steps=1)
        assert not torch.is_grad_enabled()
    assert edm.training
    assert all(p.grad is None and p.requires_grad for p in edm.parameters())
    assert all(torch.equal(v, before[k]) for k, v in edm.state_dict().items())


def test_the_answer_says_how_it_was_found(make_images):
    edm, images = small_edm(), make_images(4, (1, 4, 4))
    value = image_log_likelihood(edm, images, steps=3, sigma=0.1)
    assert (value.n, value.sigma, value.method, value.evaluations) == (4, 0.1, "exact", 12)
    assert value.bits_per_dim == pytest.approx(-value.nats / (16 * math.log(2)))
    smallest = image_log_likelihood(edm, images, steps=3)
    assert smallest.bits_per_dim == pytest.approx(-smallest.nats / (16 * math.log(2)) + math.log2(127.5))


def test_what_has_no_likelihood_is_refused(make_images):
    edm, images = small_edm(), make_images(4, (1, 4, 4))
    for options, reason in (
        ({"sigma": 0.001}, "sigma is 0.001"),
        ({"sigma": 80.0}, "give a level from 0.002 to below"),
        ({"steps": 0}, "steps is 0"),
        ({"probes": 0}, "probes 0"),
        ({"method": "sampled"}, "unknown method 'sampled'"),
    ):
        with pytest.raises(UserError, match=reason):
            image_log_likelihood(edm, images, **options)
    for other, reason in (
        (images.subset([]), "is empty"),
        (make_images(3, (1, 4, 8)), "the model was trained on"),
        (make_images(4, (1, 4, 4), classes=2), "has 2 classes, the model 3"),
    ):
        with pytest.raises(UserError, match=reason):
            image_log_likelihood(edm, other)


def test_a_model_that_answers_nonsense_is_named():
    with pytest.raises(FloatingPointError, match="not finite"):
        log_likelihood(lambda x, s, y: x * float("nan"), np.zeros((2, 1, 2, 2)), steps=1, **LEVELS)
