"""RandAugment, TrivialAugment: torchvision's operations, drawn for each image, at the image's own scale; mirroring."""

import numpy as np
import pytest
import torch
from torchvision.transforms import RandAugment, TrivialAugmentWide
from torchvision.transforms.autoaugment import InterpolationMode, _apply_op

from synthgap.classifier.policies import BINS, OPERATIONS, SIGNED, apply_policy, magnitude
from synthgap.data.sources import load_dataset
from synthgap.data.transform import viewed, views

BOTH = ("RandAugment", "TrivialAugment")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(channels: int, side: int = 16, count: int = 1) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return torch.from_numpy(values)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return torch.from_numpy(load_dataset("digits", split="test").images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_operations_are_torchvisions(name, channels):
    images = picture(channels, count=3)
    for policy in BOTH:
        for place in (0, 9, 15, 30):
            for sign in (1, -1):
                value = magnitude(policy, name, place, sign, (16, 16))
                ours = OPERATIONS[name](images, value)
                theirs = torch.stack([_apply_op(i, name, value, InterpolationMode.NEAREST, None) for i in images])
                furthest = int((ours.int() - theirs.int()).abs().max())
                assert furthest <= 1, (policy, place, sign)  # its two generations of operations round differently


@pytest.mark.parametrize("side", [8, 32, 224, 400])
def test_magnitudes_are_torchvisions_but_for_large_shifts_of_small_images(side):
    spaces = {
        "RandAugment": RandAugment()._augmentation_space(BINS, (side, side)),
        "TrivialAugment": TrivialAugmentWide()._augmentation_space(BINS),
    }
    for policy, space in spaces.items():
        assert set(space) == set(OPERATIONS)
        for name, (values, signed) in space.items():
            assert signed == (name in SIGNED)
            for place in range(BINS):
                ours = magnitude(policy, name, place, 1, (side, side))
                theirs = float(values[9 if policy == "RandAugment" else place]) if values.ndim else 0.0
                if name.startswith("Translate"):
                    theirs = int(theirs if policy == "RandAugment" or side >= 71 else place / 30 * 150 / 331 * side)
                rounding = 1 if name.startswith("Translate") else 1e-4  # a float32 grid just below a whole pixel
                assert ours == pytest.approx(theirs, abs=rounding), (policy, name, place)


def test_a_shift_is_never_more_than_half_of_the_side():
    for side in (4, 8, 14, 32, 64):
        for policy in BOTH:
            for name in ("TranslateX", "TranslateY"):
                assert abs(magnitude(policy, name, 30, -1, (side, side))) < side / 2


@pytest.mark.parametrize("policy", BOTH)
def test_fewer_than_one_digit_in_a_hundred_is_blank(digits, policy):
    blank = 0
    for seed in range(10):
        out = apply_policy(digits, policy, rng(seed)).flatten(1)
        blank += int((out.amax(1) == out.amin(1)).sum())
    assert blank < 0.01 * 10 * len(digits)


def test_the_published_shift_would_blank_one_digit_in_ten(digits):
    torch.manual_seed(0)
    out = torch.stack([TrivialAugmentWide()(i) for i in digits]).flatten(1)
    assert 0.07 < float((out.amax(1) == out.amin(1)).float().mean()) < 0.14


@pytest.mark.parametrize("policy", BOTH)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_a_batch_get_different_operations(policy, channels):
    copies = picture(channels).expand(64, -1, -1, -1)
    out = apply_policy(copies, policy, rng())
    assert len({i.numpy().tobytes() for i in out}) > 15
    assert out.shape == copies.shape
    assert out.dtype == torch.uint8


def test_every_operation_is_drawn_equally_often(monkeypatch):
    drawn = dict.fromkeys(OPERATIONS, 0)

    def counting(name):
        def operation(images, value):
            drawn[name] += len(images)
            return images

        return operation

    monkeypatch.setattr("synthgap.classifier.policies.OPERATIONS", {n: counting(n) for n in OPERATIONS})
    apply_policy(picture(1, 8, 7000), "TrivialAugment", rng())
    assert sum(drawn.values()) == 7000
    assert all(400 < n < 600 for n in drawn.values())
    apply_policy(picture(1, 8, 7000), "RandAugment", rng())
    assert sum(drawn.values()) == 3 * 7000  # two operations an image


@pytest.mark.parametrize("policy", BOTH)
def test_an_image_is_changed_alike_alone_and_in_a_group(policy):
    """Images that drew the same operation are changed together; the others don't matter to them."""
    images = picture(3, count=64)
    out = apply_policy(images, policy, rng(5))
    other = images.clone()
    other[1:] = 255 - other[1:]
    assert torch.equal(apply_policy(other, policy, rng(5))[0], out[0])


@pytest.mark.parametrize("policy", BOTH)
def test_the_generator_decides_alone(policy):
    images = picture(1, count=16)
    torch.manual_seed(1)
    first = apply_policy(images, policy, rng(3))
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, apply_policy(images, policy, rng(3)))
    assert not torch.equal(first, apply_policy(images, policy, rng(4)))
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())  # the global one is left alone


@pytest.mark.parametrize("policy", BOTH)
def test_floats_are_changed_as_their_8_bit_images(policy):
    images = picture(1, count=16)
    out = apply_policy(images.float() / 255, policy, rng())
    assert out.dtype == torch.float32
    assert torch.equal((out * 255).round().to(torch.uint8), apply_policy(images, policy, rng()))


@pytest.mark.parametrize("channels", [1, 3])
def test_flip_mirrors_about_half_of_the_images_left_to_right_and_changes_nothing_else(channels):
    images = picture(channels, 8, 1000)
    out = apply_policy(images, "flip", rng())
    kept, mirrored = ((out == other).flatten(1).all(1) for other in (images, images.flip(3)))
    assert bool((kept ^ mirrored).all())
    assert 0.45 < float(mirrored.float().mean()) < 0.55
    assert (out.shape, out.dtype) == (images.shape, torch.uint8)


def test_flip_keeps_floats_exactly():
    images = picture(1, 8, 64).float() / 255 + 1e-4
    out = apply_policy(images, "flip", rng())
    same, mirrored = ((out == other).flatten(1).all(1) for other in (images, images.flip(3)))
    assert bool((same ^ mirrored).all())


def test_flip_is_decided_by_the_generator_alone():
    images = picture(1, 8, 64)
    torch.manual_seed(1)
    first = apply_policy(images, "flip", rng(3))
    torch.manual_seed(2)
    assert torch.equal(first, apply_policy(images, "flip", rng(3)))
    assert not torch.equal(first, apply_policy(images, "flip", rng(4)))


def test_no_policy_changes_nothing():
    images = picture(1, count=4)
    assert apply_policy(images, "none", rng()) is images


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="unknown policy 'AutoAugment'"):
        apply_policy(picture(1), "AutoAugment", rng())


@pytest.mark.parametrize(("height", "width", "several"), [(6, 6, 8), (6, 4, 4)])
def test_turns_are_all_views_that_fit_the_frame(height, width, several):
    image = np.arange(height * width, dtype=np.uint8).reshape(1, 1, height, width)
    wanted = {viewed(image, view).tobytes() for view in views((1, height, width))}
    assert len(wanted) == several
    assert (viewed(image, 0) == image).all()
    seen = apply_policy(torch.from_numpy(np.repeat(image, 300, axis=0)), "turns", rng()).numpy()
    assert {one[None].tobytes() for one in seen} == wanted
