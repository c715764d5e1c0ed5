"""Any images as one set: folders with or without classes, files, named sets, brought to another set's size."""

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data.pool import load_like, load_pool, same_channels
from synthgap.data.sources import load_splits


def write(folder, count, size=(8, 8), colour=False, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        pixels = rng.integers(0, 256, (*size, 3) if colour else size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")


def test_class_folders_become_labels_with_or_without_a_prefix(tmp_path):
    for name, count in (("b", 3), ("a", 2)):
        write(tmp_path / "set" / name, count)
    images = load_pool(f"folder:{tmp_path / 'set'}")
    assert images.classes == ("a", "b")
    assert images.labels.tolist() == [0, 0, 1, 1, 1]
    assert load_pool(str(tmp_path / "set")).fingerprint == images.fingerprint
    images = load_pool(str(tmp_path / "set" / "b"))  # images alone are one class
    assert (len(images), images.shape, images.classes) == (3, (1, 8, 8), ("image",))
    assert np.array_equal(images.images[0, 0], np.asarray(Image.open(tmp_path / "set" / "b" / "00.png")))


def test_a_named_set_is_all_of_it_or_one_split():
    splits = load_splits("digits")
    assert load_pool("digits:test").fingerprint == splits.test.fingerprint
    assert len(load_pool("digits")) == 1797


def test_saved_sets_and_arrays_are_read(tmp_path, make_images):
    images = make_images(12, classes=3)
    images.save(tmp_path / "set.safetensors")
    assert load_pool(str(tmp_path / "set.safetensors")).fingerprint == images.fingerprint
    np.savez(tmp_path / "set.npz", images=images.images, labels=images.labels)
    again = load_pool(f"npz:{tmp_path / 'set.npz'}")
    assert sorted(i.tobytes() for i in again.images) == sorted(i.tobytes() for i in images.images)


def test_like_brings_images_to_another_sets_size(tmp_path, make_images):
    real = make_images(4, shape=(1, 8, 12))
    write(tmp_path / "large", 3, size=(16, 24))
    assert load_pool(str(tmp_path / "large"), like=real).shape == (1, 8, 12)
    make_images(4, shape=(3, 20, 20)).save(tmp_path / "colour.safetensors")
    assert load_pool(str(tmp_path / "colour.safetensors"), like=real).shape == (3, 8, 12)
    real.save(tmp_path / "same.safetensors")
    assert np.array_equal(load_pool(str(tmp_path / "same.safetensors"), like=real).images, real.images)


def test_grey_images_are_repeated_where_the_other_set_has_colour(make_images):
    grey, colour = make_images(3), make_images(3, shape=(3, 8, 8))
    for a, b in (same_channels(grey, colour), same_channels(colour, grey)[::-1]):
        assert a.shape == b.shape == (3, 8, 8)
        assert (a.images == grey.images).all()
        assert b.images is colour.images
    assert same_channels(grey, grey)[0].shape == (1, 8, 8)


def classed(folder, count=6, **options):
    for seed, name in enumerate("ab"):
        write(folder / name, count, seed=seed, **options)
    return folder


def test_a_cover_beside_class_folders_is_passed_over_and_noted(tmp_path):
    write(classed(tmp_path / "set"), 1)
    notes = []
    assert len(load_pool(str(tmp_path / "set"), notes=notes)) == 12
    assert notes == ["1 image lies outside of class folders and is passed over: 00.png"]


def as_grey(folder, name):
    """Pillow's grey images of a class folder, N × H × W."""
    return np.stack([Image.open(p).convert("L") for p in sorted((folder / name).iterdir())]).astype(int)


def test_colour_images_may_stand_beside_grey_ones_when_colour_is_taken_away(tmp_path):
    real = load_splits(f"folder:{classed(tmp_path / 'real')}").train
    made = classed(tmp_path / "made", colour=True)
    assert real.shape == (1, 8, 8)
    with pytest.raises(UserError, match=r"holds colour images and .* grey ones; make them grey \(the option grey\)"):
        load_like(str(made), real)
    images = load_like(str(made), real, grey=True)
    assert images.shape == (1, 8, 8)
    for label, name in enumerate("ab"):
        mine = images.images[images.labels == label, 0]
        assert np.abs(mine - as_grey(made, name)).max() <= 1
    greys = str(tmp_path / "real")  # where all is grey, the option changes nothing
    assert load_like(greys, real, grey=True).fingerprint == load_like(greys, real).fingerprint


def test_colour_images_stand_beside_colour_ones_whose_colour_was_taken_away(tmp_path):
    folder = classed(tmp_path / "real", colour=True)
    real = load_splits(f"folder:{folder}", grey=True, flip=True)
    same = load_like(str(folder), real.train, grey=True)
    assert (same.shape, same.classes, same.augment) == ((1, 8, 8), ("a", "b"), ("flip",))
    known = {i.tobytes() for i in same.images}
    assert all(i.tobytes() in known for split in (real.train, real.validation, real.test) for i in split.images)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p.mkdir(), "holds no images"),
        (lambda p: (write(p, 1), write(p / "a", 1)), "holds images and folders, such as 00.png"),
        (lambda p: (p / "a").mkdir(parents=True), "holds no images in class folders"),
        (lambda p: None, "is no folder, file or known data set"),
    ],
)
def test_folders_that_cannot_be_one_set_are_refused(tmp_path, make, says):
    make(tmp_path / "x")
    with pytest.raises(UserError, match=says):
        load_pool(str(tmp_path / "x"))


def test_what_was_passed_over_and_assumed_is_noted(tmp_path):
    classed(tmp_path / "deep")
    for k, path in enumerate(sorted((tmp_path / "deep").rglob("*.png"))):
        Image.fromarray(np.full((8, 8), 300 * k, np.uint16)).save(path)
    (tmp_path / "deep" / "a" / "notes.txt").write_text("x")
    (tmp_path / "deep" / "c").mkdir()
    notes = []
    images = load_pool(str(tmp_path / "deep"), notes=notes)
    assert images.images.max() == round(3300 * 255 / 4095)
    assert notes == [
        "1 file without an image's ending is passed over: a/notes.txt",
        "WARNING: 1 folder yields no image and is no class: c (empty)",
        "12 16-bit images whose largest value is 3,300: read as 12-bit, 4,095 is white",
    ]


def test_a_class_that_differs_only_in_case_is_named(tmp_path):
    real = load_splits(f"folder:{classed(tmp_path / 'real')}").train
    made = classed(tmp_path / "made")
    (made / "b").rename(made / "B")
    with pytest.raises(UserError, match=r"has a class 'B', which .* lacks; .*; did you mean 'b'\?"):
        load_like(str(made), real)


@pytest.mark.parametrize("source", ["digit", "digits:valid", "digits:", "npz:", "folder:"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(UserError, match=f"{source} is no folder, file or known data set"):
        load_pool(source)
