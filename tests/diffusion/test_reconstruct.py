"""Generation and real sample reconstruction, with denoisers whose answers are known exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from synthgap.base.errors import UserError
from synthgap.base.labels import model_labels
from synthgap.base.modes import sampling_mode
from synthgap.data.imageset import ImageSet
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.noise import CHURN, image_rng, initial_noise, reverse_steps
from synthgap.diffusion.pixels import to_model, to_uint8
from synthgap.diffusion.reconstruct import generate, noisy_start, reconstruct
from synthgap.diffusion.schedule import sigma_grid, sigma_of
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig


class Known(nn.Module):
    """A denoiser given as a function (x, σ, labels), in place of a trained EDM."""

    def __init__(self, denoise, shape, classes, sigma_max=80.0):
        super().__init__()
        c, h, w = shape
        network = UNetConfig(channels=c, height=h, width=w, label_dim=classes, channel_mult=(1,))
        self.config = EDMConfig(network=network, sigma_max=sigma_max)
        self.image_shape, self.device, self.denoise = shape, torch.device("cpu"), denoise

    def forward(self, x, sigma, labels=None):
        return self.denoise(x.double(), sigma.double()[:, None, None, None], labels)


def oracle(real):
    """Knows image i as class i: returns x₀ whatever it sees."""
    clean = torch.from_numpy(to_model(real.images))
    return Known(lambda x, sigma, labels: clean[labels], real.shape, len(real))


def gaussian(shape=(1, 2, 2), std=0.12, classes=2):
    """The exact denoiser of pixels ~ N(0, std²)."""
    return Known(lambda x, sigma, labels: std**2 / (std**2 + sigma**2) * x, shape, classes)


def pictures(count=6, shape=(1, 2, 2), classes=2, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return ImageSet(images, np.arange(count) % classes, tuple("abcdefgh")[:classes], "real", ("flip",))


def network(seed=0, **changes):
    """A small convolutional EDM with random weights of ordinary size."""
    size = {"height": 4, "width": 6, "channels": 1, "label_dim": 2, "model_channels": 8, "num_blocks": 1}
    edm = EDM(EDMConfig(network=UNetConfig(**(size | {"channel_mult": (1,)} | changes))))
    torch.manual_seed(seed)
    for p in edm.parameters():
        nn.init.normal_(p, 0, 0.2)
    return edm.eval()


def one_level(a, b):
    """Equal but for one grey level: batches of another size round convolutions differently."""
    return np.abs(a.images.astype(int) - b.images.astype(int)).max() <= 1


@pytest.mark.parametrize("steps", [1, 2, 7, 18, 100])
def test_an_oracle_denoiser_returns_the_image_for_every_reverse_step(steps):
    real = pictures(3, (3, 2, 3), 3)
    edm = oracle(real)
    every = range(0, 101) if steps != 100 else (0, 1, 2, 50, 99, 100)
    for t_re in every:
        assert np.array_equal(reconstruct(edm, real, t_re, 0, steps=steps).images, real.images), t_re


@pytest.mark.parametrize("steps", [1, 2, 7, 13, 250])
def test_so_it_does_in_a_multistep_process(steps):
    real, solver = pictures(3, (3, 2, 3), 3), Solver(steps=steps, method="multistep")
    for t_re in range(0, 101) if steps != 250 else (0, 1, 2, 50, 99, 100):  # at 1 all of 250's levels are σmin
        assert np.array_equal(reconstruct(oracle(real), real, t_re, 0, solver=solver).images, real.images), t_re


def test_a_multistep_process_has_levels_that_are_all_the_same_at_reverse_step_1_and_many_steps():
    real = pictures()
    assert one_level(reconstruct(oracle_like(real), real, 1, 0, solver=Solver(steps=500, method="multistep")), real)


def test_reverse_step_0_is_the_image_bit_for_bit_and_costs_nothing():
    def never(x, sigma, labels):
        raise AssertionError("evaluated")

    real = pictures()
    back = reconstruct(Known(never, real.shape, 2), real, 0, 0)
    assert np.array_equal(back.images, real.images)
    assert back.fingerprint == real.fingerprint
    assert back.images is not real.images


def test_reverse_step_100_equals_generation_on_the_same_labels_and_forgets_the_image():
    edm, real, other = network(), pictures(9, (1, 4, 6)), pictures(9, (1, 4, 6), seed=1)
    generated = generate(edm, real.labels, 5, classes=real.classes)
    for images in (real, other):
        back = reconstruct(edm, images, 100, 5)
        assert np.array_equal(back.images, generated.images)
        assert np.array_equal(back.labels, generated.labels)
    assert generated.classes == real.classes


def test_labels_classes_and_augmentations_stay_and_the_image_in_place():
    real = pictures(8)
    back = reconstruct(gaussian(), real, 30, 0)
    assert np.array_equal(back.labels, real.labels)
    assert (back.classes, back.augment, back.shape) == (real.classes, real.augment, real.shape)
    # at a level far below the pixels' differences an image stays nearer to its own original
    distance = np.abs(
        reconstruct(oracle_like(real), real, 10, 0).images[:, None].astype(int) - real.images[None].astype(int)
    ).sum((2, 3, 4))
    assert np.array_equal(distance.argmin(1), np.arange(8))


def oracle_like(real):
    """A denoiser that believes what it sees: pixels with a very wide prior."""
    return gaussian(real.shape, std=100.0, classes=len(real.classes))


def test_generated_sets_name_their_classes_by_number_unless_told():
    out = generate(gaussian(classes=3), np.array([2, 0]), 0, steps=2)
    assert out.classes == ("0", "1", "2")
    assert out.labels.tolist() == [2, 0]
    assert out.images.dtype == np.uint8
    assert len(generate(gaussian(), np.zeros(0, dtype=np.int64), 0)) == 0


MULTISTEP = Solver(steps=12, method="multistep")
CHURNED = Solver(steps=12, churn=3, churn_min=0.01, churn_max=50, churn_noise=1.003)


@pytest.mark.parametrize(
    "solver", [Solver(), Solver(method="euler"), MULTISTEP, CHURNED], ids=["heun", "euler", "multistep", "churn"]
)
@pytest.mark.parametrize("t_re", [60, 100, (0, 100)])
def test_an_image_does_not_depend_on_lanes_batch_or_neighbours(t_re, solver):
    real, edm = pictures(7), gaussian()
    wanted = reconstruct(edm, real, t_re, 1, solver=solver).images
    for lanes in (1, 2, 5):
        assert np.array_equal(reconstruct(edm, real, t_re, 1, solver=solver, lanes=lanes).images, wanted)
    part = reconstruct(edm, real.subset(slice(3, 6)), t_re, 1, solver=solver, first_index=3)
    assert np.array_equal(part.images, wanted[3:6])


def test_churn_noise_is_a_function_of_the_seed_and_the_images_index():
    edm, labels = gaussian(), np.zeros(5, dtype=np.int64)

    def draw(seed=0, first_index=0, solver=CHURNED):
        return generate(edm, labels, seed, first_index=first_index, solver=solver).images

    assert np.array_equal(draw(), draw())
    assert np.array_equal(draw()[2:], draw(first_index=2)[:3])
    assert not np.array_equal(draw(), draw(seed=1))
    assert not np.array_equal(draw(), draw(solver=Solver(steps=12)))
    assert np.array_equal(draw(solver=Solver(steps=12, churn=3, churn_min=1e6)), draw(solver=Solver(steps=12)))


def test_the_noise_of_churn_is_not_the_noise_of_the_start():
    """Otherwise the two would add up in step, and not as variances."""
    start = initial_noise(0, 3, (1, 20, 20))
    churn = image_rng(0, CHURN, 3).standard_normal((1, 20, 20))
    assert abs(np.corrcoef(start.ravel(), churn.ravel())[0, 1]) < 5 / 20


def test_steps_are_short_for_a_solver_with_so_many():
    edm, real = gaussian(), pictures()
    for t_re in (40, 100):
        by_steps = reconstruct(edm, real, t_re, 0, steps=7).images
        assert np.array_equal(by_steps, reconstruct(edm, real, t_re, 0, solver=Solver(steps=7)).images)
        default = reconstruct(edm, real, t_re, 0).images
        assert np.array_equal(default, reconstruct(edm, real, t_re, 0, solver=Solver(steps=18)).images)
    with pytest.raises(UserError, match="not both"):
        reconstruct(edm, real, 50, 0, steps=7, solver=Solver(steps=7))


@pytest.mark.parametrize("solver", [Solver(steps=9), MULTISTEP], ids=["heun", "multistep"])
@pytest.mark.parametrize("t_re", [30, (0, 100)])
def test_a_convolutional_network_gives_the_same_images_in_any_number_of_lanes(t_re, solver):
    real, edm = pictures(7, (1, 4, 6)), network()
    wanted = reconstruct(edm, real, t_re, 1, solver=solver)
    assert len(np.unique(wanted.images)) > 20
    for lanes in (1, 3):
        assert one_level(reconstruct(edm, real, t_re, 1, solver=solver, lanes=lanes), wanted)


@pytest.mark.parametrize("edm_shape", [(gaussian(), (1, 2, 2)), (network(), (1, 4, 6))])
def test_a_range_gives_each_image_the_reconstruction_of_its_own_reverse_step(edm_shape):
    edm, shape = edm_shape
    real = pictures(10, shape)
    mixed = reconstruct(edm, real, (20, 90), 2, steps=10)
    each = reverse_steps((20, 90), 2, np.arange(10))
    assert len(set(each)) > 5
    for i, t_re in enumerate(each):
        fixed = reconstruct(edm, real, int(t_re), 2, steps=10)
        assert one_level(mixed.subset([i]), fixed.subset([i]))


def test_another_first_index_or_seed_is_another_draw():
    edm, labels = gaussian(), np.zeros(5, dtype=np.int64)
    draws = [generate(edm, labels, s, first_index=f).images for s, f in ((0, 0), (0, 5), (1, 0))]
    assert not any(np.array_equal(draws[i], draws[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    real = pictures(5)
    assert not np.array_equal(reconstruct(edm, real, 60, 0).images, reconstruct(edm, real, 60, 0, first_index=5).images)


def test_the_second_half_of_2n_images_is_the_n_that_start_at_index_n():
    for edm, exact in ((gaussian(), True), (network(), False)):
        labels = np.arange(8) % 2
        whole = generate(edm, np.tile(labels, 2), 3, steps=8).subset(slice(8, 16))
        second = generate(edm, labels, 3, steps=8, first_index=8)
        assert np.array_equal(whole.images, second.images) if exact else one_level(whole, second)


def test_the_network_is_evaluated_once_for_every_nfe_of_every_image():
    real, done = pictures(9), []
    reconstruct(gaussian(), real, (0, 100), 4, steps=11, progress=done.append)
    each = reverse_steps((0, 100), 4, np.arange(9))
    assert sum(done) == sum(Solver(steps=11).evaluations(int(t)) for t in each)
    done.clear()
    generate(gaussian(), real.labels, 0, progress=done.append)
    assert sum(done) == 9 * 35  # EDM's 18 steps
    done.clear()
    generate(gaussian(), real.labels, 0, solver=Solver(method="euler"), progress=done.append)
    assert sum(done) == 9 * 18


# A mixture whose moments are known: class 0 is a correlated Gaussian, class 1 two Gaussians.
FACTOR = np.array([[0.12, 0, 0, 0], [0.06, 0.1, 0, 0], [0, -0.05, 0.09, 0], [0.03, 0, 0.05, 0.1]])
PARTS = [
    [(1.0, np.array([0.3, -0.2, 0.0, 0.1]), FACTOR @ FACTOR.T)],
    [
        (0.5, np.array([0.4, 0.4, -0.4, 0.2]), 0.1**2 * np.eye(4)),
        (0.5, np.array([-0.3, 0.1, -0.3, 0.2]), FACTOR @ FACTOR.T),
    ],
]


def of_class(parts, points, variance):
    """E[y | x] of a mixture of (weight, mean, covariance): posterior weights times the linear estimate of each."""
    logs, means = [], []
    for weight, mu, cov in parts:
        values, axes = np.linalg.eigh(cov)
        along, seen = (points - mu) @ axes, values + variance  # coordinates on the axes, their variances
        logs.append(math.log(weight) - 0.5 * (along**2 / seen + np.log(seen)).sum(1))
        means.append(mu + (values / seen * along) @ axes.T)
    posterior = np.exp(logs - np.max(logs, axis=0))
    return np.einsum("pn,pnd->nd", posterior / posterior.sum(0), means)


def mixture(classes=PARTS):
    """The exact denoiser of classes that are mixtures."""

    def denoise(x, sigma, labels):
        points, variance = x.flatten(1).numpy(), sigma.flatten(1).numpy() ** 2
        each = np.stack([of_class(parts, points, variance) for parts in classes])
        return torch.from_numpy(each[labels.numpy(), np.arange(len(x))]).reshape(x.shape)

    return Known(denoise, (1, 2, 2), len(classes))


def moments(label):
    mean = sum(w * mu for w, mu, _ in PARTS[label])
    return mean, sum(w * (cov + np.outer(mu - mean, mu - mean)) for w, mu, cov in PARTS[label])


def heun_map(cov, sigmas):
    """The matrix that `sigmas` steps of Heun's method apply to x − μ when x is Gaussian (it is linear)."""
    whole = np.eye(4)
    for here, there in pairwise(sigmas):
        slope = here * np.linalg.inv(cov + here**2 * np.eye(4))
        euler = np.eye(4) + (there - here) * slope
        if there > 0:
            after = there * np.linalg.inv(cov + there**2 * np.eye(4)) @ euler
            euler = np.eye(4) + (there - here) * (slope + after) / 2
        whole = euler @ whole
    return whole


def test_on_a_gaussian_each_image_is_heuns_linear_map_of_its_own_noise():
    _, mu, cov = PARTS[0][0]
    images = to_model(generate(mixture(), np.zeros(20, dtype=np.int64), 0).images).reshape(20, 4)
    noise = np.stack([initial_noise(0, i, (4,)) for i in range(20)])
    wanted = mu + (80 * noise - mu) @ heun_map(cov, sigma_grid(80.0, 18, 0.002)).T
    assert np.abs(images - wanted).max() <= 0.51 / 127.5  # half a grey level


def excess_variance(variance, steps):
    """Share by which Heun's method overstates the variance of a Gaussian direction."""
    return heun_map(variance * np.eye(4), sigma_grid(80.0, steps, 0.002))[0, 0] ** 2 * 80**2 / variance - 1


def test_the_variance_of_a_gaussian_is_overstated_by_less_than_a_quarter_at_18_steps_and_vanishes():
    excess = [excess_variance(0.1**2, steps) for steps in (18, 36, 72, 144)]
    assert excess[0] < 0.25
    assert all(0 < later < 0.3 * earlier for earlier, later in pairwise(excess))


@pytest.mark.parametrize("steps", [18, 40])
def test_generation_recovers_class_means_and_covariances(steps):
    count = 1500
    fake = generate(mixture(), np.repeat([0, 1], count), 1, steps=steps)
    for label in (0, 1):
        mean, cov = moments(label)
        points = to_model(fake.images[fake.labels == label]).reshape(count, 4)
        scale = np.sqrt(np.diag(cov))
        assert (np.abs(points.mean(0) - mean) < 4 * scale / np.sqrt(count)).all()
        narrowest = min(np.linalg.eigvalsh(part).min() for _, _, part in PARTS[label])
        allowed = excess_variance(narrowest, steps) + 4 * np.sqrt(2 / count)
        assert (np.abs(np.cov(points.T) - cov) < allowed * np.outer(scale, scale)).all()


def test_the_distance_from_the_original_is_that_of_the_exact_process_and_grows_with_t_re():
    # y ~ N(0, s²): the flow maps y + σn to k·(y + σn), k = s/√(s² + σ²), so E(x − y)² = 2s²(1 − k)
    std, count = 0.12, 1000
    pixels = np.random.default_rng(0).normal(0, std, (count, 1, 2, 2))
    real = ImageSet(to_uint8(pixels), np.zeros(count, dtype=np.int64), ("a", "b"))
    original, squares = to_model(real.images), []
    for t_re in (10, 20, 30, 40, 60, 100):
        back = to_model(reconstruct(gaussian(std=std), real, t_re, 0, steps=40).images)
        squares.append(float(((back - original) ** 2).mean()))
        k = std / math.sqrt(std**2 + float(sigma_of(t_re, 0.002, 80.0)) ** 2)
        rounding = 1 / 127.5**2 / 12
        assert squares[-1] == pytest.approx(2 * std**2 * (1 - k) + rounding, rel=0.12)
    assert (np.diff(squares[:5]) > 0).all()


def churned_variance(variance, solver, sigma_max=80.0, sigma_min=0.002):
    """The variance that a churned solver gives a Gaussian direction: it maps x linearly and adds noise.

    Moments alone, no image is drawn. y ~ N(0, v): E[y | x] = v/(v + σ²)·x, dx/dσ = σ/(v + σ²)·x.
    """
    moment = sigma_max**2
    for here, there in pairwise(sigma_grid(sigma_max, solver.steps, sigma_min)):
        raised = here * (1 + solver.gamma(here))
        moment += (raised**2 - here**2) * solver.churn_noise**2
        slope = raised / (variance + raised**2)
        factor = euler = 1 + (there - raised) * slope
        if there > 0 and solver.method == "heun":
            factor = 1 + (there - raised) / 2 * (slope + there / (variance + there**2) * euler)
        moment *= factor**2
    return moment


def test_a_solver_without_churn_gives_the_variance_of_its_linear_map():
    for steps in (18, 40):
        assert churned_variance(0.01, Solver(steps=steps)) / 0.01 - 1 == pytest.approx(excess_variance(0.01, steps))


WELL_APART = [(0.3, np.array([0.45, 0.45, -0.4, 0.2])), (0.7, np.array([-0.3, 0.1, -0.3, -0.4]))]
CHURN_SOLVERS = {
    "heun": Solver(steps=32, churn=8),
    "strong": Solver(steps=32, churn=1000),  # γ at its limit
    "window": Solver(steps=32, churn=8, churn_min=0.05, churn_max=50, churn_noise=1.003),
    "euler": Solver(steps=96, churn=8, method="euler"),
}


@pytest.mark.parametrize("solver", CHURN_SOLVERS.values(), ids=CHURN_SOLVERS)
def test_churned_generation_recovers_the_weights_means_and_covariances_of_a_mixture(solver):
    count = 1500
    mix = mixture([[(w, mu, FACTOR @ FACTOR.T) for w, mu in WELL_APART]])
    points = to_model(generate(mix, np.zeros(count, dtype=np.int64), 2, solver=solver).images).reshape(count, 4)
    whitened = [np.linalg.solve(FACTOR, (points - mu).T) for _, mu in WELL_APART]
    part = np.argmin([(w**2).sum(0) for w in whitened], axis=0)
    values, axes = np.linalg.eigh(FACTOR @ FACTOR.T)
    rounding = 1 / 127.5**2 / 12
    for k, (weight, mu) in enumerate(WELL_APART):
        mine = (points[part == k] - mu) @ axes  # along the axes, on which nothing correlates
        n = len(mine)
        assert n / count == pytest.approx(weight, abs=4 * math.sqrt(weight * (1 - weight) / count))
        wanted = np.array([churned_variance(v, solver) + rounding for v in values])
        assert (np.abs(mine.mean(0)) < 4 * np.sqrt(wanted / n)).all()
        assert np.allclose(mine.var(0) / wanted, 1, atol=4 * math.sqrt(2 / n))
        assert (np.abs(np.corrcoef(mine.T) - np.eye(4)) < 4 / math.sqrt(n)).all()
        assert np.allclose(wanted / values, 1, atol=0.25)  # and the solver itself is not far off


def starts(edm, real, t_re):
    return np.stack([noisy_start(edm.config, image, t_re, 0, i)[0] for i, image in enumerate(real.images)])


def test_corruption_adds_noise_of_the_stated_level_and_is_where_reconstruction_starts():
    real, seen = pictures(400, (1, 4, 6)), []

    def watching(x, sigma, labels):
        seen.append(x)
        return torch.zeros_like(x)

    edm = Known(watching, real.shape, 2)
    noisy = starts(edm, real, 50)
    added = noisy - to_model(real.images)
    assert added.std() == pytest.approx(2.40, rel=5 / math.sqrt(2 * added.size) + 0.002)
    assert np.array_equal(starts(edm, real, 0), to_model(real.images))
    few = real.subset(slice(0, 5))
    reconstruct(edm, few, 50, 0, steps=3)
    assert np.allclose(seen[0].numpy(), noisy[:5], atol=1e-5)
    pure = starts(edm, real, 100)
    assert pure.std() == pytest.approx(80, rel=5 / math.sqrt(2 * pure.size))
    assert np.array_equal(pure, starts(edm, pictures(400, (1, 4, 6), seed=1), 100))


def test_all_256_grey_levels_survive_the_way_to_the_model_and_back():
    grey = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert to_model(grey).min() == -1
    assert to_model(grey).max() == 1
    assert np.array_equal(to_uint8(to_model(grey)), grey)
    assert np.array_equal(to_uint8(to_model(grey).astype(np.float32)), grey)
    assert to_uint8(np.array([-3.0, -1.001, 1.001, 7.0])).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_pixels_that_are_no_numbers_are_an_error_and_never_an_image(bad):
    with pytest.raises(FloatingPointError, match="did not train"):
        to_uint8(np.array([0.0, bad]))
    edm = Known(lambda x, sigma, labels: torch.full_like(x, bad), (1, 2, 2), 2)
    for t_re in (1, 50, 100):
        with pytest.raises(FloatingPointError):
            reconstruct(edm, pictures(), t_re, 0)


@pytest.mark.parametrize("training", [True, False])
def test_sampling_runs_in_eval_mode_and_restores_the_mode_also_after_a_failure(training):
    edm = gaussian()
    modes, exact = [], edm.denoise

    def watching(x, sigma, labels):
        modes.append(edm.training)
        if len(modes) > 3:
            raise RuntimeError("out of memory")
        return exact(x, sigma, labels)

    edm.denoise = watching
    edm.train(training)
    reconstruct(edm, pictures(), 10, 0, steps=10)
    assert edm.training is training
    with pytest.raises(RuntimeError, match="out of memory"):
        reconstruct(edm, pictures(), 100, 0)
    assert edm.training is training
    assert not any(modes)


def test_sampling_mode_is_left_on_the_way_out():
    model = nn.Sequential(nn.Dropout())
    with sampling_mode(model.train()):
        assert not model[0].training
    assert model.training
    assert model[0].training
    model[0].eval()
    with sampling_mode(model):
        assert not model.training
    assert model.training
    assert not model[0].training


def test_sampling_leaves_the_global_random_state():
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    generate(network(dropout=0.5), np.array([0, 1]), 0, steps=3)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": -3}, "steps is -3"),
        ({"lanes": 0}, "lanes is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"first_index": -1}, "first_index is -1"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, reason):
    settings = {"seed": 0} | change
    with pytest.raises(UserError, match=reason):
        reconstruct(gaussian(), pictures(), 50, **settings)
    with pytest.raises(UserError, match=reason):
        generate(gaussian(), np.array([0, 1]), **settings)


@pytest.mark.parametrize("t_re", [-1, 101, 50.5, True, (80, 20), "50"])
def test_impossible_reverse_steps_are_refused(t_re):
    with pytest.raises(UserError, match="t_re"):
        reconstruct(gaussian(), pictures(), t_re, 0)


@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 2, 3), (1, 3, 2)])
def test_images_of_another_shape_than_the_models_are_refused_with_both(shape):
    with pytest.raises(UserError, match=r"\(1, 2, 2\)") as caught:
        reconstruct(gaussian(), pictures(2, shape), 50, 0)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0], [0.5, 1.0], [[0, 1]]])
def test_classes_that_the_model_does_not_have_are_refused(labels):
    with pytest.raises(UserError, match="labels"):
        generate(gaussian(), np.array(labels), 0)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_an_unconditional_model_reconstructs_without_labels_and_keeps_them(classes):
    edm = network(label_dim=0)
    real = pictures(4, (1, 4, 6), classes)
    back = reconstruct(edm, real, (20, 100), 0, steps=4)
    assert np.array_equal(back.labels, real.labels)
    assert back.classes == real.classes
    other = reconstruct(edm, pictures(4, (1, 4, 6), 1), (20, 100), 0, steps=4)
    assert np.array_equal(back.images, other.images)  # whatever their labels are


def test_an_unconditional_model_generates_a_count_of_images_of_one_class():
    edm = network(label_dim=0)
    fake = generate(edm, seed=3, count=5, steps=3)
    assert (len(fake), fake.classes, fake.labels.tolist()) == (5, ("image",), [0] * 5)
    assert np.array_equal(generate(edm, seed=3, count=3, first_index=2, steps=3).images, fake.images[2:])
    assert len(generate(edm, count=0)) == 0
    assert generate(edm, count=1, classes=("digit",), steps=1).classes == ("digit",)


def test_labels_go_to_a_conditional_model_and_a_count_to_an_unconditional_one():
    conditional, unconditional = network(), network(label_dim=0)
    with pytest.raises(UserError, match="class-conditional; give labels of its 2 classes"):
        generate(conditional)
    with pytest.raises(UserError, match="class-conditional; give labels of its 2 classes"):
        generate(conditional, count=3)
    with pytest.raises(UserError, match="give no count"):
        generate(conditional, np.array([0, 1]), count=3)
    for wrong in ({}, {"labels": np.array([0, 0])}, {"labels": np.array([0, 0]), "count": 2}):
        with pytest.raises(UserError, match="unconditional; give count"):
            generate(unconditional, **wrong)
    with pytest.raises(UserError, match="count is -1"):
        generate(unconditional, count=-1)


def test_a_trained_models_class_names_are_those_of_what_it_generates():
    edm = network()
    named = EDM(edm.config.model_copy(update={"classes": ("cat", "dog")})).eval()
    assert generate(named, np.array([1]), steps=1).classes == ("cat", "dog")
    with pytest.raises(UserError, match="classes that the model does not know"):
        generate(named, np.array([1]), steps=1, classes=("a", "b"))


@pytest.mark.parametrize(
    ("classes", "known", "wanted"),
    [
        (("a", "b", "c"), ("a", "b", "c"), [0, 1, 2]),
        (("c", "a", "b"), ("a", "b", "c"), [2, 0, 1]),
        (("1", "0", "2"), ("0", "1", "2"), [1, 0, 2]),
        (("0", "1", "2"), ("1", "0", "2"), [1, 0, 2]),
        (("0", "1", "2"), ("a", "b", "c"), [0, 1, 2]),
        (("a", "b", "c"), ("0", "1", "2"), [0, 1, 2]),
        (("c", "a", "b"), (), [0, 1, 2]),
        (("2", "0", "1"), (), [2, 0, 1]),
        (("1", "10", "2"), (), [0, 2, 1]),
        (("cafe\u0301", "b", "a"), ("a", "b", "caf\u00e9"), [2, 1, 0]),
        (("a", "b", "d"), ("a", "b", "c"), None),
        (("A", "b", "c"), ("a", "b", "c"), None),
        (("1", "2", "3"), ("a", "b", "c"), None),
        (("a", "b"), ("a", "b", "c"), None),
        (("a", "b"), (), None),
    ],
)
def test_labels_go_to_the_model_by_the_names_of_their_classes_where_both_sides_have_names(classes, known, wanted):
    if wanted is None:
        with pytest.raises(UserError, match="set has"):
            model_labels(np.zeros(0, int), classes, known, 3, "set")
    else:
        assert model_labels(np.array([0, 1, 2]), classes, known, 3, "set").tolist() == wanted


@pytest.mark.parametrize("classes", [1, 3])
def test_images_of_another_number_of_classes_than_the_models_are_refused(classes):
    with pytest.raises(UserError, match=f"{classes} classes, the model 2"):
        reconstruct(gaussian(), pictures(6, classes=classes), 50, 0)


def test_a_guide_acts_on_every_image_that_is_moved():
    real = pictures()
    grey = reconstruct(gaussian(), real, 40, 0, guide=lambda estimate, *_: torch.full_like(estimate, 0.2))
    assert (grey.images == to_uint8(np.array(0.2))).all()
    still = reconstruct(gaussian(), real, 0, 0, guide=lambda estimate, *_: torch.full_like(estimate, 0.2))
    assert np.array_equal(still.images, real.images)


def test_a_guide_sees_the_labels_and_none_on_an_unconditional_model():
    seen = []

    def watching(estimate, x, sigma, labels):
        seen.append(labels)
        return estimate

    generate(gaussian(), np.array([1, 0, 1]), 0, steps=1, guide=watching)
    assert [labels.tolist() for labels in seen] == [[1, 0, 1]]
    seen.clear()
    generate(network(label_dim=0), count=2, steps=1, guide=watching)
    assert seen == [None]


@pytest.mark.parametrize("solver", [Solver(steps=10), MULTISTEP, CHURNED], ids=["heun", "multistep", "churn"])
def test_a_callback_follows_each_image_from_its_level_to_the_result(solver):
    real, seen = pictures(8), {}
    edm = gaussian()
    back = reconstruct(
        edm,
        real,
        (0, 100),
        4,
        solver=solver,
        lanes=3,
        first_index=20,
        callback=lambda i, done, sigma, x: seen.setdefault(i, []).append((done, sigma, x)),
    )
    each = reverse_steps((0, 100), 4, 20 + np.arange(8))
    assert seen.keys() == set(np.flatnonzero(each))  # places in the set, whatever first_index is
    for i, steps in seen.items():
        assert [done for done, _, _ in steps] == list(range(1, solver.steps_from(int(each[i])) + 1))
        levels = [float(sigma_of(int(each[i]), 0.002, 80.0)), *(sigma for _, sigma, _ in steps)]
        assert (np.diff(levels) < 0).all()
        assert levels[-1] == 0
        assert np.array_equal(to_uint8(steps[-1][2]), back.images[i])


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 3, 8), (3, 6, 4)])
def test_images_need_not_be_square_nor_coloured(channels, height, width):
    edm = network(channels=channels, height=height, width=width)
    real = pictures(3, (channels, height, width))
    assert reconstruct(edm, real, (0, 100), 0, steps=3).shape == real.shape
