"""Non-leaking augmentation: what is done to an image is what its nine labels say."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from synthgap.diffusion.augment import LABELS, augment

X_FLIP, Y_FLIP, SCALE, COS, SIN, STRETCH_X, STRETCH_Y, SHIFT_X, SHIFT_Y = range(LABELS)
RARE = 1e-12  # a probability above 0 at which only the x-flip, a fair coin, ever happens


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=4, shape=(3, 8, 12), seed=5):
    return torch.rand(count, *shape, generator=seeded(seed)) * 2 - 1


def copies(count, shape=(3, 8, 12)):
    return pictures(1, shape).expand(count, -1, -1, -1)


def alone(labels, *kept):
    """Which images had nothing done to them but what `kept` says."""
    others = [i for i in range(LABELS) if i not in kept]
    return (labels[:, others] == 0).all(1)


def flipped(image, label):
    image = image.flip(2) if label[X_FLIP] else image
    return image.flip(1) if label[Y_FLIP] else image


class NoNumbers:
    """Stands for a generator from which nothing may be drawn."""


def test_at_probability_0_images_stay_and_labels_are_zero_and_nothing_is_drawn():
    images = pictures()
    out, labels = augment(images, 0, NoNumbers())
    assert torch.equal(out, images)
    assert torch.equal(labels, torch.zeros(4, 9))
    with pytest.raises(TypeError):
        augment(images, RARE, NoNumbers())


@pytest.mark.parametrize("probability", [0, 0.12, 1])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 12), (1, 14, 6)])
def test_shapes_stay_and_every_image_has_nine_labels(shape, probability):
    images = pictures(5, shape)
    before = images.clone()
    out, labels = augment(images, probability, seeded())
    assert out.shape == images.shape
    assert out.dtype == images.dtype
    assert labels.shape == (5, 9)
    assert torch.equal(images, before)


def test_one_seed_is_one_result_and_another_another():
    (first, told), (again, _), (other, _) = (augment(pictures(), 0.5, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(told, augment(pictures(), 0.5, seeded(0))[1])


def test_every_image_of_a_batch_is_changed_in_its_own_way():
    out, labels = augment(copies(8), 1, seeded())
    assert len(torch.unique(labels, dim=0)) == 8
    assert len(torch.unique(out, dim=0)) == 8


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 8, 12), (1, 1, 9)])
def test_at_probability_1_all_is_done_and_every_pixel_is_a_number_near_the_range(shape):
    out, labels = augment(pictures(200, shape), 1, seeded())
    assert torch.isfinite(out).all()
    assert torch.isfinite(labels).all()
    assert (labels[:, Y_FLIP:] != 0).all()
    assert out.abs().max() < 2  # the bicubic kernel overshoots a little


def test_a_constant_image_stays_constant():
    out, _ = augment(torch.full((50, 1, 8, 12), 0.3), 1, seeded())
    assert torch.allclose(out, torch.tensor(0.3), atol=1e-4)


# what the labels mean


def test_flips_are_exact_and_what_the_labels_say():
    images = pictures(400)
    out, labels = augment(images, 0.4, seeded())
    only = alone(labels, X_FLIP, Y_FLIP)
    assert {tuple(row) for row in labels[only][:, :2].tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for image, result, label in zip(images[only], out[only], labels[only], strict=True):
        assert torch.equal(result, flipped(image, label))


def test_the_x_flip_alone_is_left_where_all_else_is_rare():
    images = pictures(300)
    out, labels = augment(images, RARE, seeded())
    assert alone(labels, X_FLIP).all()
    assert labels[:, X_FLIP].mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(300))
    assert all(torch.equal(o, flipped(i, label)) for i, o, label in zip(images, out, labels, strict=True))


def test_a_translation_moves_the_image_by_its_label_in_sides(monkeypatch):
    height, width = 8, 16
    image = pictures(1, (3, height, width))[0]
    monkeypatch.setattr(  # whole pixels: the deviation of a shift is 1 pixel along y and 2 along x
        torch, "randn", lambda count, generator: torch.randint(-3, 4, (count,), generator=generator).float()
    )
    out, labels = augment(image.expand(1500, -1, -1, -1), 0.5, seeded())
    only = alone(labels, SHIFT_X, SHIFT_Y) & ~alone(labels)
    seen = set()
    for result, label in zip(out[only], labels[only], strict=True):
        dx, dy = round(label[SHIFT_X].item() * width), round(label[SHIFT_Y].item() * height)
        assert (dx / width, dy / height) == (label[SHIFT_X], label[SHIFT_Y])
        here = result[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        there = image[:, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        assert torch.allclose(here, there, atol=1e-4)
        seen.add((np.sign(dx), np.sign(dy)))
    assert len(seen) >= 4  # several directions


def test_a_quarter_turn_leads_from_the_x_axis_to_the_y_axis(monkeypatch):
    image = pictures(1, (3, 7, 7))[0]
    draws = torch.tensor([0.25, 0.75])  # an angle is then a quarter turn either way, and p = ½ stays a fair coin
    monkeypatch.setattr(torch, "rand", lambda count, generator: draws[torch.randint(2, (count,), generator=generator)])
    out, labels = augment(image.expand(300, -1, -1, -1), 0.5, seeded())
    only = alone(labels, X_FLIP, Y_FLIP, COS, SIN)
    kinds = set()
    for result, label in zip(out[only], labels[only], strict=True):
        turns = round(label[SIN].item())
        assert label[COS].item() == pytest.approx(-abs(turns), abs=1e-6)
        wanted = torch.rot90(flipped(image, label), turns, (2, 1))  # the flip comes first
        assert torch.allclose(result, wanted, atol=1e-4)
        kinds.add((turns, *label[:2].tolist()))
    assert len(kinds) == 12  # no turn or one either way, with each of the four flips


def scene(x, y):
    """A smooth picture without symmetry; x to the right, y down, in pixels from the centre."""
    return np.exp(-((x - 4) ** 2 + (y + 3) ** 2) / 80) + 0.4 * np.sin(0.2 * x + 0.1 * y) - 0.3 * np.cos(0.15 * y)


def turn(angle):
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def transforms(label, height, width):
    """(matrix, shift) in pixels from the centre, of flip, scale, rotation, stretch and shift in turn.

    Two of them: (stretch, axis) and (−stretch, axis + π) have the same labels.
    """
    flip = np.diag(1 - 2 * label[[X_FLIP, Y_FLIP]])
    base = turn(math.atan2(label[SIN], label[COS] + 1)) @ (2 ** label[SCALE] * flip)
    axis, stretch = math.atan2(label[STRETCH_Y], label[STRETCH_X]), np.hypot(label[STRETCH_X], label[STRETCH_Y])
    for s in (stretch, -stretch):
        along = turn(axis) @ np.diag([2**s, 2**-s]) @ turn(-axis)
        yield along @ base, label[[SHIFT_X, SHIFT_Y]] * (width, height)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 48), (40, 24)])
def test_the_labels_tell_all_that_was_done_to_an_image(height, width):
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    image = torch.from_numpy(scene(x, y)).float()
    out, labels = augment(image.expand(60, 1, -1, -1), 0.6, seeded())
    compared = 0
    for result, label in zip(out[:, 0].numpy(), labels.double().numpy(), strict=True):
        errors = []
        for matrix, shift in transforms(label, height, width):
            origin = np.linalg.inv(matrix) @ (np.stack([x.ravel(), y.ravel()]) - shift[:, None])
            inside = (np.abs(origin[0]) < width / 2 - 3) & (np.abs(origin[1]) < height / 2 - 3)
            errors.append(np.abs(result.ravel() - scene(*origin))[inside].max(initial=0))
            compared += inside.sum()
        assert min(errors) < 0.03  # of the bicubic kernel; the picture spans about 1.5
    assert compared > 60 * height * width / 2


# how often, and how much


def test_everything_happens_with_the_given_probability_and_independently():
    count, probability = 4000, 0.12
    _, labels = augment(torch.zeros(count, 1, 2, 2), probability, seeded())
    happened = labels[:, [X_FLIP, Y_FLIP, SCALE, SIN, STRETCH_X, SHIFT_X]] != 0
    for share, wanted in zip(happened.double().mean(0).tolist(), [0.5] + [probability] * 5, strict=True):
        assert share == pytest.approx(wanted, abs=4 * math.sqrt(wanted * (1 - wanted) / count))
    assert np.abs(np.corrcoef(happened.numpy().T.astype(float)) - np.eye(6)).max() < 5 / math.sqrt(count)
    assert torch.equal(labels[:, SHIFT_X] != 0, labels[:, SHIFT_Y] != 0)  # a shift is one event along both axes


def test_amounts_have_the_stated_distributions():
    _, labels = augment(torch.zeros(3000, 1, 2, 2), 1, seeded())
    labels = labels.double().numpy()
    angle = np.arctan2(labels[:, SIN], labels[:, COS] + 1)
    axis = np.arctan2(labels[:, STRETCH_Y], labels[:, STRETCH_X])
    stretch = np.hypot(labels[:, STRETCH_X], labels[:, STRETCH_Y])
    for values, law in (
        (labels[:, SCALE], stats.norm(0, 0.2)),
        (labels[:, SHIFT_X], stats.norm(0, 0.125)),
        (labels[:, SHIFT_Y], stats.norm(0, 0.125)),
        (angle, stats.uniform(-math.pi, 2 * math.pi)),
        (axis, stats.uniform(-math.pi, 2 * math.pi)),
        (stretch, stats.halfnorm(0, 0.2)),
    ):
        assert stats.kstest(values, law.cdf).pvalue > 0.001
    assert np.allclose((labels[:, COS] + 1) ** 2 + labels[:, SIN] ** 2, 1, atol=1e-6)
