"""Sampling a GAN: an image is a function of the generator, its label, the seed and its index."""

import numpy as np
import pytest
import torch
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.gan.sample import generate_gan, latents
from synthgap.gan.stylegan3 import Generator, GeneratorConfig

SHAPE = {"height": 8, "width": 8, "channels": 1, "channel_max": 8, "mapping_layers": 1}
SHAPE |= {"z_dim": 8, "w_dim": 8, "layers": 3, "critical_layers": 1, "margin": 1}
LABELS = np.array([0, 1, 2, 1, 0, 2, 2])


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(**SHAPE, label_dim=3, classes=("a", "b", "c"))).eval()


@pytest.fixture(scope="module")
def free():
    torch.manual_seed(0)
    return Generator(GeneratorConfig(**SHAPE)).eval()


def test_images_come_in_the_order_of_their_labels_with_the_names_of_the_training_set(generator):
    drawn = generate_gan(generator, LABELS, seed=1)
    assert drawn.shape == (1, 8, 8)
    assert np.array_equal(drawn.labels, LABELS)
    assert drawn.classes == ("a", "b", "c")
    assert len({image.tobytes() for image in drawn.images}) == len(LABELS)
    with pytest.raises(UserError, match="classes that the model does not know"):
        generate_gan(generator, LABELS, classes=("x", "y", "z"))


@pytest.mark.parametrize("lanes", [3, 7, 256])
def test_the_same_call_gives_the_same_bytes_and_the_size_of_a_batch_next_to_nothing(generator, lanes):
    first, again = (generate_gan(generator, LABELS, seed=1, lanes=lanes) for _ in range(2))
    assert np.array_equal(first.images, again.images)
    other = generate_gan(generator, LABELS, seed=1)
    assert np.abs(first.images.astype(int) - other.images).max() <= 1  # rounding at the other batch shape


def test_an_image_does_not_depend_on_the_ones_beside_it(generator):
    whole = generate_gan(generator, LABELS, seed=1)
    part = generate_gan(generator, LABELS[4:], seed=1, first_index=4)
    assert np.array_equal(whole.images[4:], part.images)


def test_another_seed_index_or_label_is_another_image(generator):
    def one(label=0, **options):
        return generate_gan(generator, np.array([label]), **options).images.tobytes()

    images = [one(), one(1), one(seed=1), one(first_index=1)]
    assert len(set(images)) == 4


def test_latents_are_standard_normal_and_each_indexs_own():
    z = latents(0, np.arange(500), 20)
    assert z.dtype == np.float32
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.001
    assert np.array_equal(latents(0, np.array([7, 3]), 20), z[[7, 3]])
    assert latents(0, np.arange(0), 20).shape == (0, 20)


def test_an_unconditional_generator_takes_a_count(free):
    drawn = generate_gan(free, count=5, seed=0)
    assert len(drawn) == 5
    assert drawn.classes == ("image",)


def test_no_images_are_no_images(generator):
    assert len(generate_gan(generator, np.zeros(0, dtype=np.int64))) == 0


def test_progress_counts_images_and_the_mode_and_global_state_are_left(generator):
    torch.manual_seed(3)
    before, done = torch.get_rng_state(), []
    generator.train()
    generate_gan(generator, LABELS, lanes=3, progress=done.append)
    assert generator.training
    generator.eval()
    assert done == [3, 3, 1]
    assert torch.equal(before, torch.get_rng_state())


def test_a_full_truncation_draws_one_image_a_class(generator):
    drawn = generate_gan(generator, LABELS, truncation=0.0)
    assert len({image.tobytes() for image in drawn.images}) <= 3


def test_a_generator_without_numbers_is_an_error():
    broken = Generator(GeneratorConfig(**SHAPE)).eval()
    for p in broken.parameters():
        torch.nn.init.constant_(p, torch.nan)
    with pytest.raises(FloatingPointError):
        generate_gan(broken, count=2)


@pytest.mark.parametrize(
    ("conditional", "options", "reason"),
    [
        (True, {}, "give labels of its 3 classes"),
        (True, {"labels": LABELS, "count": 3}, "and no count"),
        (True, {"labels": LABELS + 1}, "labels run from 1 to 3; the generator has 3 classes"),
        (True, {"labels": LABELS / 2}, "give one integer per image"),
        (True, {"labels": LABELS, "lanes": 0}, "lanes is 0"),
        (True, {"labels": LABELS, "seed": -1}, "seed is -1"),
        (True, {"labels": LABELS, "first_index": -1}, "first_index is -1"),
        (False, {"labels": LABELS}, "unconditional"),
        (False, {}, "give count"),
        (False, {"count": -1}, "count is -1"),
    ],
)
def test_what_can_t_be_drawn_is_refused_in_one_line(generator, free, conditional, options, reason):
    with pytest.raises(UserError, match=reason) as caught:
        generate_gan(generator if conditional else free, **options)
    assert "\n" not in str(caught.value)
