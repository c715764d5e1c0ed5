"""Adaptive discriminator augmentation: nothing at p = 0, what is allowed and as often as asked above it."""

import math

import numpy as np
import pytest
import torch

from synthgap.gan.augment import BRIGHTNESS_STD, TURN, augment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=4, shape=(3, 8, 12), seed=5):
    return torch.rand(count, *shape, generator=seeded(seed)) * 2 - 1


class NoNumbers:
    """Stands for a generator from which nothing may be drawn."""


def only(monkeypatch, *names):
    """Switch off all operations but those whose sizes are named; shifts by whole pixels are SHIFT's, too."""
    for name in {"SHIFT", "SCALE_STD", "TURN", "BRIGHTNESS_STD", "CONTRAST_STD", "SATURATION_STD"} - set(names):
        monkeypatch.setattr(f"synthgap.gan.augment.{name}", 0.0)


def test_at_p_0_the_images_come_back_bit_for_bit_and_nothing_is_drawn():
    images = pictures()
    assert torch.equal(augment(images, 0, True, NoNumbers()), images)
    with pytest.raises(TypeError):
        augment(images, 0.01, True, NoNumbers())


@pytest.mark.parametrize("p", [0.1, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 12), (1, 14, 6), (3, 4, 4)])
def test_shapes_stay_the_input_stays_and_every_pixel_is_a_number(shape, p):
    images = pictures(50, shape)
    before = images.clone()
    out = augment(images, p, True, seeded())
    assert out.shape == images.shape
    assert out.dtype == images.dtype
    assert torch.isfinite(out).all()
    assert torch.equal(images, before)


def test_one_seed_is_one_result_and_another_another():
    first, again, other = (augment(pictures(), 0.5, True, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_image_of_a_batch_is_changed_in_its_own_way():
    out = augment(pictures(1).expand(20, -1, -1, -1), 1, False, seeded())
    assert len(torch.unique(out, dim=0)) == 20


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_at_a_rare_p_nearly_all_images_are_untouched(shape):
    images = pictures(1000, shape)
    out = augment(images, 0.01, False, seeded())
    same = torch.isclose(out, images, atol=1e-5).flatten(1).all(1).double().mean()
    operations = 7 + 3 * (shape[0] == 3)
    assert same == pytest.approx(0.99**operations, abs=4 * math.sqrt(operations * 0.01 / 1000))


@pytest.mark.parametrize(("flip", "share"), [(True, 0.3), (False, 0.0)])
def test_images_are_mirrored_where_that_is_allowed_and_never_where_not(monkeypatch, flip, share):
    only(monkeypatch)
    images = pictures(2000, (1, 8, 8))
    out = augment(images, 0.6, flip, seeded())
    mirrored = torch.isclose(out, images.flip(3), atol=1e-5).flatten(1).all(1)
    kept = (out == images).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert mirrored.double().mean() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2000))


def test_without_leave_no_map_mirrors(monkeypatch):
    """Three spots above, right of and below the centre stay in clockwise order, whatever is done to them."""
    monkeypatch.setattr("synthgap.gan.augment.SHIFT", 0.03)  # none leaves the image, where borders do reflect
    size = 33
    y, x = np.meshgrid(np.arange(size) - size // 2, np.arange(size) - size // 2, indexing="ij")
    spots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / 8) for a, b in ((0, -5), (5, 0), (0, 5))]
    images = torch.from_numpy(np.stack(spots)).float()[:, None]
    for seed in range(200):
        moved = torch.cat([augment(image[None], 1, False, seeded(seed)) for image in images])[:, 0].double()
        weight = (moved - moved.flatten(1).median(1).values[:, None, None]).numpy() ** 2
        total = weight.sum((1, 2))
        px, py = (weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total
        assert (px[1] - px[0]) * (py[2] - py[1]) > (py[1] - py[0]) * (px[2] - px[1])


def test_whole_pixel_shifts_move_pixels_exactly(monkeypatch):
    only(monkeypatch, "SHIFT")
    monkeypatch.setattr(torch, "randn", lambda count, generator: torch.zeros(count))  # no fractional shift
    image = pictures(1, (1, 8, 16))
    out = augment(image.expand(300, -1, -1, -1), 0.8, False, seeded())[:, 0]
    seen = set()
    for result in out:
        for dx in range(-2, 3):
            for dy in range(-1, 2):
                here = result[max(dy, 0) : 8 + min(dy, 0), max(dx, 0) : 16 + min(dx, 0)]
                there = image[0, 0, max(-dy, 0) : 8 + min(-dy, 0), max(-dx, 0) : 16 + min(-dx, 0)]
                if torch.allclose(here, there, atol=1e-5):
                    seen.add((dx, dy))
                    break
    assert seen == {(dx, dy) for dx in range(-2, 3) for dy in range(-1, 2)}  # an eighth of a side either way


def test_rotations_are_small(monkeypatch):
    only(monkeypatch, "TURN")
    size = 33
    y, x = np.meshgrid(np.arange(size) - size // 2, np.arange(size) - size // 2, indexing="ij")
    spot = torch.from_numpy(np.exp(-((x - 10) ** 2 + y**2) / 8)).float()[None, None]
    out = augment(spot.expand(500, -1, -1, -1), 1, False, seeded())[:, 0].numpy()
    angle = np.arctan2((out * y).sum((1, 2)), (out * x).sum((1, 2)))
    assert np.abs(angle).max() <= TURN * 1.02
    assert angle.min() < -0.9 * TURN
    assert angle.max() > 0.9 * TURN


def test_brightness_and_contrast_are_one_affine_map_of_the_values(monkeypatch):
    only(monkeypatch, "BRIGHTNESS_STD", "CONTRAST_STD")
    images = pictures(1, (1, 6, 6)).expand(400, -1, -1, -1)
    out = augment(images, 1, False, seeded()).double().numpy().reshape(400, -1)
    values = images[0].double().numpy().ravel()
    slopes, offsets = np.polyfit(values, out.T, 1)
    assert np.allclose(out, slopes[:, None] * values + offsets[:, None], atol=1e-5)
    assert np.log2(slopes).std() == pytest.approx(0.5, rel=0.15)
    assert offsets.std() == pytest.approx(BRIGHTNESS_STD, rel=0.15)


def test_grey_values_have_no_hue_and_colours_keep_their_distance_from_grey_up_to_saturation(monkeypatch):
    only(monkeypatch)
    grey = torch.full((100, 3, 4, 4), 0.4)
    luma = augment(grey, 1, False, seeded())
    assert torch.allclose(luma.abs(), torch.tensor(0.4), atol=1e-6)  # at most the luma flip
    assert {round(float(v), 3) for v in luma[:, 0, 0, 0]} == {0.4, -0.4}
    colours = pictures(100, (3, 4, 4))
    out = augment(colours, 1, False, seeded())

    def colourfulness(images):
        return (images - images.mean(1, keepdim=True)).norm(dim=1)

    assert torch.allclose(colourfulness(out), colourfulness(colours), atol=1e-5)
    assert not torch.allclose(out.mean(1), colours.mean(1), atol=1e-2)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_gradients_reach_the_images_and_are_those_of_finite_differences(shape):
    images = pictures(3, shape).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: augment(x, 0.7, True, seeded()), images, atol=1e-4)
    out = augment(images, 0.7, True, seeded())
    (slope,) = torch.autograd.grad(out.square().sum(), images)
    assert (slope.flatten(1) != 0).any(1).all()


def test_a_blank_image_stays_blank_under_geometry(monkeypatch):
    only(monkeypatch, "SHIFT", "SCALE_STD", "TURN")
    out = augment(torch.full((50, 1, 8, 8), 0.3), 1, True, seeded())
    assert torch.allclose(out, torch.tensor(0.3), atol=1e-5)
