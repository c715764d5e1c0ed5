"""Collapse: real images, their copies and noisy ones are no collapse; one image a class, blanks and NaN are."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.data.sources import load_splits
from synthgap.diffusion.pixels import to_model
from synthgap.gan.collapse import collapse_of


@pytest.fixture(scope="module")
def digits():
    return load_splits("digits")


@pytest.fixture(scope="module")
def real(digits):
    return digits["train"]


def with_images(real, images):
    return ImageSet(images, real.labels, real.classes)


def one_each(real, classes):
    """The first image of each of `classes` in place of all images of it."""
    images = real.images.copy()
    for c in classes:
        images[real.labels == c] = real.images[real.labels == c][0]
    return with_images(real, images)


def test_real_images_against_themselves_have_all_their_diversity(real):
    collapse = collapse_of(real, real)
    assert not collapse.collapsed
    assert collapse.reason == ""
    assert collapse.finite
    assert collapse.diversity == pytest.approx(1)
    assert collapse.collapsed_classes == collapse.constant_pixels == 0
    assert collapse.distinct == collapse.images == len(real)


def test_other_real_images_are_no_collapse(digits, real):
    collapse = collapse_of(digits["validation"], real)
    assert not collapse.collapsed
    assert collapse.diversity == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("count", [50, 500, 5000])
def test_a_memoriser_is_no_collapse(real, count):
    positions = np.random.default_rng(0).integers(len(real), size=count)
    assert not collapse_of(real.subset(positions), real).collapsed


def test_a_memoriser_of_few_images_is_no_collapse_however_many_samples_it_draws(real):
    few = real.subset(slice(0, 60))
    positions = np.random.default_rng(0).integers(60, size=3000)
    collapse = collapse_of(few.subset(positions), few)
    assert not collapse.collapsed
    assert collapse.distinct == 60


def test_half_of_the_diversity_is_a_poor_generator_and_no_collapse(real):
    mean = np.stack([real.images[real.labels == c].mean(axis=0) for c in range(10)])[real.labels]
    shrunk = with_images(real, np.rint((real.images + mean) / 2).astype(np.uint8))
    collapse = collapse_of(shrunk, real)
    assert collapse.diversity == pytest.approx(0.5, abs=0.02)  # distances are halved
    assert not collapse.collapsed


def test_one_image_a_class_is_a_collapse(real):
    collapse = collapse_of(one_each(real, range(10)), real)
    assert collapse.collapsed
    assert collapse.diversity == 0
    assert collapse.collapsed_classes == 1
    assert collapse.distinct == 10
    assert "diversity within classes is 0%" in collapse.reason


def test_one_class_of_ten_that_shows_one_image_is_a_collapse(real):
    collapse = collapse_of(one_each(real, [3]), real)
    assert collapse.collapsed_classes == pytest.approx(0.1)
    assert collapse.diversity == pytest.approx(0.9)
    assert collapse.reason == "10% of the classes show hardly more than one image"


def test_faint_noise_does_not_hide_a_collapse(real):
    images = one_each(real, range(10)).images.astype(int) + np.random.default_rng(0).integers(0, 3, real.images.shape)
    collapse = collapse_of(with_images(real, images.clip(0, 255).astype(np.uint8)), real)
    assert collapse.collapsed
    assert collapse.distinct > 400


@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_images_are_a_collapse(real, value):
    collapse = collapse_of(with_images(real, np.full_like(real.images, value)), real)
    assert collapse.collapsed
    assert collapse.distinct == 1
    assert collapse.constant_pixels == 1


def test_images_that_vary_in_a_few_pixels_only_are_a_collapse(real):
    images = np.zeros_like(real.images)
    images[:, :, 2:4] = real.images[:, :, 2:4]
    collapse = collapse_of(with_images(real, images), real)
    assert collapse.constant_pixels > 0.5
    assert "the same in all images" in collapse.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_a_collapse(real, value):
    images = to_model(real.images)
    images[:5, 0, 3, 3] = value
    collapse = collapse_of(images, real, real.labels)
    assert collapse.collapsed
    assert not collapse.finite
    assert collapse.reason == "1% of the images hold NaN or infinity"


def test_arrays_of_floats_are_measured_as_their_images(real):
    assert collapse_of(to_model(real.images), real, real.labels) == collapse_of(real, real)
    assert collapse_of(real.images, real, real.labels) == collapse_of(real, real)


def test_without_labels_all_images_are_one_class(real):
    assert collapse_of(real.images, real).diversity == pytest.approx(1)
    assert collapse_of(np.zeros_like(real.images), real).collapsed
    assert not collapse_of(one_each(real, range(10)).images, real).reason.startswith("diversity")


def test_real_images_that_are_all_alike_can_t_be_collapsed_from():
    grey = ImageSet(np.full((6, 1, 4, 4), 90, np.uint8), np.arange(6) % 2, ("a", "b"))
    assert not collapse_of(grey, grey).collapsed


def test_it_does_not_depend_on_the_order_of_the_images_nor_on_colour(real):
    order = np.random.default_rng(1).permutation(len(real))
    assert asdict(collapse_of(real.subset(order), real)) == pytest.approx(asdict(collapse_of(real, real)))
    colour = ImageSet(np.repeat(real.images, 3, axis=1), real.labels, real.classes)
    assert not collapse_of(colour, colour).collapsed


def test_it_can_be_written_as_json(real):
    assert json.loads(json.dumps(asdict(collapse_of(real, real))))["collapsed"] is False


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (np.zeros((5, 1, 4, 4), np.uint8), None, r"samples have shape \(5, 1, 4, 4\)"),
        (np.zeros((5, 8, 8), np.uint8), None, "compare images of one size"),
        (np.zeros((5, 1, 8, 8), np.uint8), np.zeros(4, int), "labels have shape"),
        (np.zeros((1, 1, 8, 8), np.uint8), None, "samples: 1 image; collapse shows in two or more"),
        (ImageSet(np.zeros((5, 1, 8, 8), np.uint8), np.zeros(5, int), ("a",)), None, "other classes"),
    ],
)
def test_samples_that_can_t_be_compared_are_refused_in_one_line(real, images, labels, reason):
    with pytest.raises(UserError, match=reason) as caught:
        collapse_of(images, real, labels)
    assert "\n" not in str(caught.value)
