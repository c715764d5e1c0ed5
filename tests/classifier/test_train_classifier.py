"""Training: how many steps, on which images, with which randomness and learning rate."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthgap.base.errors import UserError
from synthgap.classifier.evaluate import evaluate
from synthgap.classifier.resnet import ResNetConfig
from synthgap.classifier.train import Classifier, ClassifierTraining, train_classifier
from synthgap.data.imageset import ImageSet

NETWORK = ResNetConfig(channels=1, classes=3, width=2)
SHORT = ClassifierTraining(epochs=2, batch=16)
BATCH = 16


@pytest.fixture
def watched(monkeypatch):
    """What training does from here on: the images of each step, and the learning rate of each optimiser step."""
    seen = {"images": [], "rates": []}
    standardise, step = Classifier.standardise, torch.optim.SGD.step

    def watching(self, images):
        seen["images"].append(images.clone())
        return standardise(self, images)

    def counting(self, *args, **options):
        seen["rates"].append(self.param_groups[0]["lr"])
        return step(self, *args, **options)

    monkeypatch.setattr(Classifier, "standardise", watching)
    monkeypatch.setattr(torch.optim.SGD, "step", counting)
    return seen


def marked(images: ImageSet, mark: int) -> ImageSet:
    """The set with its first pixel saying where it belongs."""
    pixels = images.images.copy()
    pixels[:, 0, 0, 0] = mark
    return ImageSet(pixels, images.labels, images.classes, images.name, images.augment)


def weights(classifier: Classifier) -> list[torch.Tensor]:
    return list(classifier.network.state_dict().values())


def same(a: Classifier, b: Classifier) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize(
    ("with_real", "synthetic"),
    [(True, None), (True, 8), (True, 40), (True, 200), (False, 8), (False, 40), (False, 200)],
)
def test_every_arm_takes_epochs_times_ceil_n_real_over_batch_steps(make_images, watched, with_real, synthetic):
    real = marked(make_images(40), 1) if with_real else None
    fake = marked(make_images(synthetic, seed=1), 2) if synthetic else None
    reports = []
    train_classifier(real, fake, NETWORK, SHORT, 0, epoch_images=40, progress=lambda *done: reports.append(done))
    steps = 2 * 3  # 2 epochs of ceil(40 / 16)
    assert reports == [(i, steps) for i in range(1, steps + 1)]
    assert len(watched["rates"]) == len(watched["images"]) == steps
    for images in watched["images"]:
        assert int((images[:, 0, 0, 0] == 1).sum()) == (BATCH if with_real else 0)
        assert int((images[:, 0, 0, 0] == 2).sum()) == (BATCH if synthetic else 0)
        assert len(images) == BATCH * (with_real + (synthetic is not None))


def test_an_epoch_is_the_real_set_where_nothing_is_said(make_images, watched):
    train_classifier(make_images(40), make_images(200), NETWORK, SHORT, 0)
    assert len(watched["rates"]) == 6


def test_an_epoch_sees_every_real_image_once(make_images, watched):
    real = make_images(48)
    train_classifier(real, make_images(9, seed=1), NETWORK, SHORT, 0)
    for epoch in (watched["images"][:3], watched["images"][3:]):
        seen = torch.cat([images[:BATCH] for images in epoch]).numpy().reshape(48, -1)
        assert sorted(map(bytes, seen)) == sorted(map(bytes, real.images.reshape(48, -1)))


@pytest.mark.parametrize("augment", [(), ("crop", "flip")])
def test_arms_with_one_seed_see_the_same_real_batches(make_images, watched, augment):
    real = make_images(40, augment=augment)
    for fake in (None, make_images(8, seed=1, augment=augment), make_images(200, seed=2)):
        train_classifier(real, fake, NETWORK, SHORT, 7)
    alone, few, many = (watched["images"][i : i + 6] for i in (0, 6, 12))
    for a, b, c in zip(alone, few, many, strict=True):
        assert torch.equal(a, b[:BATCH])
        assert torch.equal(a, c[:BATCH])


def test_synthetic_batches_do_not_follow_the_real_ones(make_images, watched):
    images = make_images(40)
    train_classifier(images, images, NETWORK, SHORT, 0)
    assert not any(torch.equal(x[:BATCH], x[BATCH:]) for x in watched["images"])


def test_labels_stay_with_their_images(make_images, monkeypatch):
    real, fake, inputs = make_images(40), make_images(24, seed=1), []
    known = {bytes(i): int(y) for s in (real, fake) for i, y in zip(s.images, s.labels, strict=True)}
    loss = torch.nn.functional.cross_entropy

    def checking(logits, labels, **options):
        inputs[-1][1].extend(labels.tolist())
        return loss(logits, labels, **options)

    standardise = Classifier.standardise

    def watching(self, images):
        inputs.append(([known[bytes(i)] for i in images.numpy()], []))
        return standardise(self, images)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", checking)
    monkeypatch.setattr(Classifier, "standardise", watching)
    train_classifier(real, fake, NETWORK, SHORT, 0)
    assert len(inputs) == 6
    assert all(wanted == given for wanted, given in inputs)


def test_one_seed_gives_one_set_of_weights_whatever_ran_before(make_images):
    real, fake = make_images(40, augment=("crop", "flip")), make_images(60, seed=1)
    first = train_classifier(real, fake, NETWORK, SHORT, 3)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 (the global state is the point)
    torch.rand(7)
    before = torch.random.get_rng_state()
    second = train_classifier(real, fake, NETWORK, SHORT, 3)
    assert same(first, second)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not same(first, train_classifier(real, fake, NETWORK, SHORT, 4))


def test_initial_weights_of_a_seed_are_the_same_in_every_arm(make_images):
    still = ClassifierTraining(epochs=1, batch=64, learning_rate=1e-30, weight_decay=0)
    real, fake = make_images(40), make_images(60, seed=1)
    arms = [train_classifier(*sets, NETWORK, still, 5) for sets in ((real, None), (None, fake), (real, fake))]
    for other in arms[1:]:
        for a, b in zip(arms[0].network.parameters(), other.network.parameters(), strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-20)


@pytest.mark.parametrize("policy", ["RandAugment", "TrivialAugment"])
def test_a_policy_changes_real_and_synthetic_images_alike_in_every_arm(make_images, watched, policy):
    real, fake = make_images(40), make_images(60, seed=1)
    train_classifier(real, fake, NETWORK, SHORT, 7)
    augmented = SHORT.model_copy(update={"policy": policy})
    for other in (fake, None, make_images(8, seed=2)):
        train_classifier(real, other, NETWORK, augmented, 7)
    plain, both, alone, few = (watched["images"][i : i + 6] for i in (0, 6, 12, 18))
    for without, a, b, c in zip(plain, both, alone, few, strict=True):
        assert len(without) == len(a) == len(c) == 2 * len(b) == 2 * BATCH
        for half in (slice(None, BATCH), slice(BATCH, None)):
            changed = (without[half] != a[half]).flatten(1).any(1)
            assert changed.any()
        assert torch.equal(a[:BATCH], b)  # the real batches of a seed are the same, augmented too
        assert torch.equal(a[:BATCH], c[:BATCH])


def test_a_policy_gives_the_same_weights_twice(make_images):
    augmented = SHORT.model_copy(update={"policy": "TrivialAugment"})
    images = make_images(40, augment=("crop",))
    first = train_classifier(images, None, NETWORK, augmented, 3)
    torch.rand(7)
    assert same(first, train_classifier(images, None, NETWORK, augmented, 3))
    assert not same(first, train_classifier(images, None, NETWORK, SHORT, 3))


def test_learning_rate_falls_tenfold_at_30_60_and_90_of_100_epochs(make_images, watched):
    train_classifier(make_images(16), None, NETWORK, ClassifierTraining(batch=16), 0)
    wanted = [0.01] * 30 + [0.001] * 30 + [0.0001] * 30 + [0.00001] * 10
    assert watched["rates"] == pytest.approx(wanted)


@pytest.mark.parametrize("real_images", [50, 500, 2000, 50_000])
def test_learning_rate_falls_at_whole_epochs_for_every_set_size(real_images):
    training = ClassifierTraining()
    steps = training.steps(real_images)
    per_epoch = steps // 100
    for drops, epoch in enumerate((30, 60, 90), start=1):
        assert training.rate_at(epoch * per_epoch, steps) == pytest.approx(0.01 * 0.1**drops)
        assert training.rate_at(epoch * per_epoch - 1, steps) == pytest.approx(0.01 * 0.1 ** (drops - 1))


def test_pixels_are_standardised_by_the_real_set_or_by_the_synthetic_one_alone(make_images):
    real, fake = make_images(40), make_images(40, seed=1)
    for classifier, images in (
        (train_classifier(real, fake, NETWORK, SHORT, 0), real),
        (train_classifier(None, fake, NETWORK, SHORT, 0), fake),
    ):
        out = classifier.standardise(torch.from_numpy(images.images)).double()
        assert float(out.mean()) == pytest.approx(0, abs=1e-5)
        assert float(out.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_blank_images_do_not_divide_by_zero(make_images):
    blank = ImageSet(np.full((20, 1, 8, 8), 9, np.uint8), np.arange(20) % 3, ("a", "b", "c"))
    classifier = train_classifier(blank, None, NETWORK, SHORT, 0)
    assert classifier.standardise(torch.from_numpy(blank.images)).abs().max() < 1e-4


def test_classes_that_differ_in_brightness_are_learnt(make_images):
    noise = make_images(60, seed=4)
    brightness = 90 * noise.labels[:, None, None, None].astype(np.uint8)
    images = ImageSet(noise.images // 8 + brightness, noise.labels, noise.classes)
    training = ClassifierTraining(epochs=10, batch=16, learning_rate=0.05)
    classifier = train_classifier(images, None, NETWORK.model_copy(update={"width": 4}), training, 0)
    assert not classifier.network.training
    assert evaluate(classifier, images).accuracy == 1.0


def test_what_cannot_be_trained_on_is_refused(make_images):
    real = make_images(40)
    other_names = ImageSet(real.images, real.labels, ("x", "y", "z"))
    for sets, reason in (
        ((None, None), "neither real nor synthetic"),
        ((make_images(0), None), "is empty"),
        ((real, make_images(0, name="fakes")), "fakes is empty"),
        ((make_images(9, shape=(3, 8, 8)), None), "3 channels"),
        ((make_images(9, classes=4), None), "4 classes"),
        ((real, make_images(9, shape=(1, 8, 9))), "differ in shape or classes"),
        ((real, other_names), "differ in shape or classes"),
    ):
        with pytest.raises(UserError, match=reason):
            train_classifier(*sets, NETWORK, SHORT, 0)


def uneven(make_images) -> ImageSet:
    """30 images of class 0, 6 of class 1, none of class 2."""
    return replace(make_images(36), labels=np.repeat([0, 1], [30, 6]))


def test_balanced_class_weights_make_every_class_count_the_same(make_images, monkeypatch):
    seen, loss = [], torch.nn.functional.cross_entropy

    def watching(logits, labels, weight=None):
        seen.append(weight)
        return loss(logits, labels, weight=weight)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", watching)
    images = uneven(make_images)
    train_classifier(images, None, NETWORK, SHORT.model_copy(update={"class_weights": "balanced"}), 0)
    given = seen[0]
    assert given.tolist() == pytest.approx([36 / (2 * 30), 36 / (2 * 6), 0])
    assert (given[:2] * torch.tensor([30, 6])).tolist() == pytest.approx([18, 18])
    train_classifier(images, None, NETWORK, SHORT, 0)
    assert seen[-1] is None


def test_balanced_weights_of_even_classes_change_nothing(make_images):
    images = make_images(36)
    balanced = SHORT.model_copy(update={"class_weights": "balanced"})
    even = replace(images, labels=np.arange(36) % 3)
    plain, weighted = (train_classifier(even, None, NETWORK, recipe, 0) for recipe in (SHORT, balanced))
    for a, b in zip(weights(plain), weights(weighted), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5)


def test_weights_that_run_away_are_an_error(make_images):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train_classifier(make_images(40), None, NETWORK, SHORT.model_copy(update={"learning_rate": 1e30}), 0)
