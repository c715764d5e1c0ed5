"""Fake detection: chance where there is nothing to find, certainty where there is, and no pair seen before its test."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.metrics import detection, detectors
from synthgap.metrics.detection import DOMAINS, fake_detection, real_floor, to_domain
from synthgap.metrics.detectors import DETECTORS


def noise(count, seed, shape=(1, 8, 8), low=60, high=200):
    pixels = np.random.default_rng(seed).integers(low, high, (count, *shape), dtype=np.uint8)
    return ImageSet(pixels, np.zeros(count, dtype=np.int64), ("a",), "noise")


@pytest.fixture
def short(monkeypatch):
    """Networks train for two epochs only."""
    monkeypatch.setattr(detectors, "EPOCHS", 2)
    monkeypatch.setattr(detectors, "LEAST_STEPS", 0)


def checkered(images, strength=40):
    _, height, width = images.shape
    board = (np.indices((height, width)).sum(axis=0) % 2 * strength).astype(np.uint8)
    return replace(images, images=images.images + board)


def cosine_matrix(n):
    """The orthonormal type-II transform, from its definition."""
    rows, columns = np.mgrid[:n, :n]
    matrix = np.sqrt(2 / n) * np.cos(np.pi * (2 * columns + 1) * rows / (2 * n))
    matrix[0] /= np.sqrt(2)
    return matrix


def test_coefficients_are_those_of_the_transforms_definition():
    images = noise(3, 0, (3, 8, 12)).images
    left, right = cosine_matrix(8), cosine_matrix(12)
    wanted = left @ images.astype(float) @ right.T
    np.testing.assert_allclose(np.exp(to_domain(images, "dct")), np.abs(wanted) + 1e-12, rtol=1e-9)
    assert np.sum(wanted**2) == pytest.approx(np.sum(images.astype(float) ** 2))


def test_pixels_are_scaled_to_one_around_0():
    images = np.array([0, 255], dtype=np.uint8).reshape(1, 1, 1, 2)
    assert to_domain(images, "pixel").ravel().tolist() == [-1, 1]


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_reverse_step_0_is_exactly_chance(domain, detector, short):
    real = noise(20, 0)
    value = fake_detection(real, real, domain, detector, folds=2)
    assert value.accuracy == 0.5
    assert (value.scores == 0.5).all()


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_checkerboard_is_found(domain, detector):
    fake = checkered(noise(100, 1, low=100, high=110), 60)
    value = fake_detection(noise(100, 0, low=100, high=110), fake, domain, detector, folds=2)
    assert value.accuracy >= 0.9
    assert value.low > 0.8


def test_images_of_one_distribution_are_at_chance():
    values = [fake_detection(noise(60, 2 * s), noise(60, 2 * s + 1), "pixel") for s in range(20)]
    assert abs(np.mean([v.accuracy for v in values]) - 0.5) < 0.03
    assert np.mean([v.low <= 0.5 <= v.high for v in values]) >= 0.75


def test_the_halves_of_a_set_are_alike_and_its_ends_are_not_where_it_was_collected_by_others():
    """scikit-learn's digits are listed writer by writer."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    floor = real_floor(ImageSet(images, digits.target, tuple("0123456789"), "digits"), "pixel")
    assert floor.alternating.low < 0.5 < floor.alternating.high
    assert floor.ends.low > 0.55


def test_the_floor_compares_as_many_images_of_each_class_and_uses_none_twice(monkeypatch):
    labels = np.array([0, 1, 1, 0, 1, 0, 2, 1, 0] * 4)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(4, axis=3)
    seen = []
    monkeypatch.setattr(detection, "fake_detection", lambda a, b, *words, **options: seen.append((a, b)))
    real_floor(ImageSet(images, labels, tuple("abc"), "set"), "pixel")
    alternating, ends = seen
    for one, other in seen:
        assert np.bincount(one.labels).tolist() == np.bincount(other.labels).tolist() == [8, 8, 2]
        assert not set(one.images[:, 0, 0, 0]) & set(other.images[:, 0, 0, 0])
    for c in range(3):
        first, last = (s.images[s.labels == c, 0, 0, 0] for s in ends)
        assert first.max() < last.min()
        one, other = (s.images[s.labels == c, 0, 0, 0] for s in alternating)
        assert (one < other).all()
        assert (other[:-1] < one[1:]).all()


def test_too_few_real_images_have_no_floor():
    assert real_floor(noise(9, 0), "pixel", folds=5) is None


def test_repeated_images_do_not_leak_from_training_to_test():
    rng = np.random.default_rng(0)
    base_real, base_fake = noise(30, 0), noise(30, 1)
    copies = np.concatenate([rng.permutation(30) for _ in range(4)])  # image i of both sets four times
    value = fake_detection(base_real.subset(copies), base_fake.subset(copies), "pixel")
    assert value.accuracy < 0.65  # a detector that had seen the copies would know them all


def test_no_image_of_a_tested_pair_was_trained_on(monkeypatch):
    real, fake = noise(40, 0), noise(40, 1)
    real = real.subset(np.r_[:35, 0, 1, 2, 3, 4])  # five images occur twice
    seen = []

    def spy(known_real, known_fake, groups, seed, device):
        known = {x.tobytes() for x in (*known_real, *known_fake)}

        def judge(images):
            seen.append(any(x.tobytes() in known for x in images))
            return np.zeros(len(images))

        return judge

    monkeypatch.setitem(detectors.FIT, "logistic", spy)
    fake_detection(real, fake, "pixel", folds=5)
    assert seen == [False] * 10


def test_pairs_that_share_a_real_a_fake_or_each_others_image_stay_in_one_fold():
    real, fake = noise(12, 0).images.copy(), noise(12, 1).images.copy()
    real[1] = real[0]
    fake[3] = fake[2]
    real[5] = fake[4]
    real[7], fake[8] = real[6], fake[7]  # 6 – 7 – 8, though 6 and 8 have nothing in common
    sets = [ImageSet(images, np.zeros(12, dtype=np.int64), ("a",)) for images in (real, fake)]
    for seed in range(10):
        fold = detection._folds(detection._joined(*sets), 4, seed)
        assert fold[0] == fold[1]
        assert fold[2] == fold[3]
        assert fold[4] == fold[5]
        assert fold[6] == fold[7] == fold[8]


def test_each_pair_is_judged_once_and_training_is_balanced(monkeypatch):
    judged = []

    def spy(known_real, known_fake, groups, seed, device):
        assert len(known_real) == len(known_fake) == len(groups)
        return lambda images: judged.extend(x.tobytes() for x in images) or np.zeros(len(images))

    monkeypatch.setitem(detectors.FIT, "logistic", spy)
    real, fake = noise(23, 0), noise(23, 1)
    value = fake_detection(real, fake, "pixel")
    assert value.n == len(value.scores) == 23
    wanted = [to_domain(s.images, "pixel")[i].tobytes() for s in (real, fake) for i in range(23)]
    assert sorted(judged) == sorted(wanted)


def test_the_logistic_detector_is_the_minimum_of_its_penalised_loss():
    real, fake = to_domain(noise(40, 0).images, "pixel"), to_domain(checkered(noise(40, 1), 10).images, "pixel")
    x, y = np.concatenate([real, fake]).reshape(80, -1), np.repeat([-1, 1], 40)

    def loss(weights):
        return np.logaddexp(0, -y * (x @ weights[1:] + weights[0])).mean() + 0.01 * (weights[1:] ** 2).sum()

    best = minimize(loss, np.zeros(65), method="BFGS", options={"gtol": 1e-7}).x
    judge = detectors._logistic(real, fake, np.zeros(40), 0)
    np.testing.assert_allclose(judge(real), real.reshape(40, -1) @ best[1:] + best[0], atol=2e-3)


def test_the_test_part_is_standardised_by_the_training_part():
    rng = np.random.default_rng(0)
    real, fake, new = (rng.normal(5, 3, (n, 1, 2, 2)) for n in (50, 50, 7))
    real[..., 0, 0], fake[..., 0, 0], new[..., 0, 0] = 4.0, 4.0, [[1]] * 7
    out = detection._standardised(real, fake, new)
    both = np.concatenate(out[:2])
    assert np.allclose(both.mean(axis=0), 0)
    assert np.allclose(both[..., 1, :].std(axis=0), 1)
    mean, deviation = (getattr(np.concatenate([real, fake]), f)(axis=0)[..., 1, :] for f in ("mean", "std"))
    np.testing.assert_allclose(out[2][..., 1, :], (new[..., 1, :] - mean) / deviation)
    assert (out[2][..., 0, 0] == 0).all()  # constant in training: no division, no information


def test_flat_images_are_no_trouble():
    flat = ImageSet(np.full((20, 1, 8, 8), 100, np.uint8), np.zeros(20, np.int64), ("a",))
    flat = replace(flat, images=flat.images + np.arange(20, dtype=np.uint8)[:, None, None, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = fake_detection(flat, checkered(flat), "dct")
    assert value.accuracy > 0.9


@pytest.mark.parametrize("detector", DETECTORS)
def test_one_seed_gives_one_answer_and_colour_works(detector, short):
    real, fake = noise(20, 0, (3, 8, 8)), noise(20, 1, (3, 8, 8))
    first, again = (fake_detection(real, fake, "dct", detector, seed=4, folds=2) for _ in range(2))
    assert np.array_equal(first.scores, again.scores)
    assert (first.domain, first.detector) == ("dct", detector)


@pytest.mark.parametrize("detector", ["cnn", "resnet18"])
def test_a_network_depends_on_its_seed_and_neither_reads_nor_moves_the_global_generator(detector, short):
    real, fake = (to_domain(noise(20, s).images, "pixel") for s in (0, 1))

    def logits(seed, around):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(around)
            before = torch.get_rng_state()
            judge = detectors.FIT[detector](real, fake, np.arange(20) % 4, seed)
            assert torch.equal(torch.get_rng_state(), before)
        return judge(real)

    first = logits(1, 10)
    assert np.array_equal(first, logits(1, 11))
    assert not np.array_equal(first, logits(2, 10))


def test_the_order_of_training_depends_on_the_seed():
    def weights(seed):
        x, y = torch.linspace(-1, 1, 80)[:, None], torch.arange(80) % 2
        net = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.zeros_(net.bias)
        detectors._train(net, x, y.float(), x[:8], y[:8].float(), seed)
        return net.weight.item()

    assert weights(1) == weights(1) != weights(2)


def test_the_weights_of_the_lowest_held_back_loss_are_kept(monkeypatch):
    """Held-back labels are the opposite of the trained ones: every step makes it worse, the first epoch is best."""

    def trained(epochs):
        monkeypatch.setattr(detectors, "EPOCHS", epochs)
        monkeypatch.setattr(detectors, "LEAST_STEPS", 0)
        x, y = torch.linspace(-1, 1, 64)[:, None], (torch.linspace(-1, 1, 64) > 0).float()
        net = torch.nn.Linear(1, 1)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.zeros_(net.bias)
        detectors._train(net, x, y, x, 1 - y, 0)
        return net.weight.item()

    assert trained(1) == trained(5)


def test_a_network_learns_in_train_mode_and_is_held_back_and_left_in_eval_mode(short):
    class Spy(torch.nn.Linear):
        modes: set[tuple[bool, bool]] = set()  # noqa: RUF012 (one network)

        def forward(self, x):
            self.modes.add((torch.is_grad_enabled(), self.training))
            return super().forward(x)

    net, x, y = Spy(1, 1), torch.linspace(-1, 1, 64)[:, None], torch.arange(64) % 2
    detectors._train(net, x, y.float(), x[:8], y[:8].float(), 0)
    assert net.modes == {(True, True), (False, False)}
    assert not net.training


def test_an_image_is_judged_alike_alone_and_among_others(short):
    real, fake = (to_domain(noise(20, s).images, "pixel") for s in (0, 1))
    judge = detectors.FIT["resnet18"](real[:4], fake[:4], np.arange(4), 0)
    np.testing.assert_allclose(np.concatenate([judge(real[i : i + 1]) for i in range(5)]), judge(real)[:5], atol=1e-4)


def test_the_interval_is_wilsons():
    low, high = detection._wilson(0.9, 50)
    assert (low, high) == pytest.approx((0.7864, 0.9565), abs=1e-4)  # Newcombe's worked value for 45 of 50
    assert detection._wilson(1.0, 10)[0] < 0.8
    assert detection._wilson(1.0, 10)[1] == pytest.approx(1)


def test_progress_counts_folds():
    calls = []
    fake_detection(noise(20, 0), noise(20, 1), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 5) for i in range(1, 6)]


def test_what_cannot_be_judged_is_refused():
    real, fake = noise(20, 0), noise(20, 1)
    for call, reason in (
        (lambda: fake_detection(real, noise(19, 1)), "20 real and 19 fake images"),
        (lambda: fake_detection(real, noise(20, 1, (3, 8, 8))), "bring both to one size"),
        (lambda: fake_detection(real, fake, "fourier"), "unknown domain 'fourier'; known: pixel, dct"),
        (lambda: fake_detection(real, fake, "dct", "svm"), "unknown detector 'svm'"),
        (lambda: fake_detection(real, fake, folds=1), "folds is 1"),
        (lambda: fake_detection(noise(9, 0), noise(9, 1)), "9 pairs are too few for 5 folds"),
        (lambda: fake_detection(real.subset([0] * 20), fake), "remove duplicates"),
    ):
        with pytest.raises(UserError, match=reason):
            call()


def test_repeated_pairs_narrow_no_interval_and_wrong_options_are_refused():
    real, fake = noise(30, 0), noise(30, 1)
    once = fake_detection(real, fake, "pixel")
    often = fake_detection(real.subset(np.tile(np.arange(30), 4)), fake.subset(np.tile(np.arange(30), 4)), "pixel")
    assert often.n == 120
    assert often.high - often.low > 0.9 * (once.high - once.low)
    with pytest.raises(UserError, match="seed is -1"):
        fake_detection(real, fake, seed=-1)
    with pytest.raises(UserError, match="unknown domain 'wave'"):
        to_domain(real.images, "wave")
