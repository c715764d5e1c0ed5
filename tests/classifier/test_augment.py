"""Crop and flip on batches of labelled positions, where every pixel says which image it came from."""

import pytest
import torch
import torch.nn.functional as F

from synthgap.classifier.augment import augment_batch


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(batch, channels, height, width):
    """Images without two equal pixels, and no zero (which is the padding)."""
    count = batch * channels * height * width
    return (1 + torch.arange(count)).reshape(batch, channels, height, width)


@pytest.mark.parametrize("shape", [(200, 1, 8, 8), (200, 3, 8, 16), (60, 3, 32, 32), (50, 1, 4, 4)])
def test_crop_is_a_shift_of_the_zero_padded_image_by_at_most_an_eighth(shape):
    images = numbered(*shape)
    height, width = shape[2:]
    pad_h, pad_w = max(1, height // 8), max(1, width // 8)
    padded = F.pad(images, (pad_w, pad_w, pad_h, pad_h))
    windows = {
        (top, left): padded[:, :, top : top + height, left : left + width]
        for top in range(2 * pad_h + 1)
        for left in range(2 * pad_w + 1)
    }
    out = augment_batch(images, ("crop",), rng())
    matches = [[place for place, w in windows.items() if torch.equal(w[i], out[i])] for i in range(shape[0])]
    assert all(len(found) == 1 for found in matches)
    tops, lefts = ({found[0][axis] for found in matches} for axis in (0, 1))
    assert (tops, lefts) == (set(range(2 * pad_h + 1)), set(range(2 * pad_w + 1)))


def test_flip_is_exact_and_about_half_the_images_are_flipped():
    images = numbered(400, 3, 5, 7)
    out = augment_batch(images, ("flip",), rng())
    kept = [torch.equal(o, i) for o, i in zip(out, images, strict=True)]
    mirrored = [torch.equal(o, i.flip(2)) for o, i in zip(out, images, strict=True)]
    assert all(a != b for a, b in zip(kept, mirrored, strict=True))
    assert 160 < sum(kept) < 240


@pytest.mark.parametrize(("allowed", "possible"), [(("crop",), 3 * 3), (("flip",), 2), (("crop", "flip"), 3 * 3 * 2)])
def test_equal_items_of_a_batch_get_different_draws(allowed, possible):
    out = augment_batch(numbered(1, 1, 8, 8).expand(256, 1, 8, 8), allowed, rng())
    assert len(torch.unique(out.reshape(256, -1), dim=0)) == possible


def test_nothing_allowed_leaves_the_images_as_they_are():
    images = numbered(6, 3, 8, 8)
    assert torch.equal(augment_batch(images, (), rng()), images)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shape_and_dtype_stay_and_equal_generators_give_equal_images(dtype):
    images = numbered(5, 1, 7, 9).to(dtype)
    first, second = (augment_batch(images, ("crop", "flip"), rng(3)) for _ in range(2))
    assert first.shape == images.shape
    assert first.dtype == dtype
    assert torch.equal(first, second)
