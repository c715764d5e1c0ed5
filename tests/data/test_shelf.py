"""Decoded images are kept by what the files hold, and never shown for others."""

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data.folder import fit_all, read_images
from synthgap.data.shelf import MOST, Shelf
from synthgap.data.sources import load_splits

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 12, 9), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "photos").mkdir()
    several = [tmp_path / "photos" / f"{i}.png" for i in range(len(PIXELS))]
    for path, pixels in zip(several, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    return several


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "results" / "readings", "this code")


def kept(shelf):
    return sorted(shelf.folder.glob("*.safetensors"))


def same(a, b):
    return np.array_equal(a.images, b.images) and a.colours == b.colours and a.notes == b.notes


@pytest.fixture
def undecodable(monkeypatch):
    def refuse(path):
        raise AssertionError(f"{path} was decoded")

    return lambda: monkeypatch.setattr("synthgap.data.folder.decode", refuse)


READ = {
    "own": lambda paths, *shelf: read_images(paths, 6, None, *shelf),
    "canvas": lambda *a: fit_all(a[0], 6, 6, *a[1:]),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_second_reading_decodes_nothing_and_says_the_same(paths, shelf, read, undecodable):
    plain, first = read(paths), read(paths, shelf)
    undecodable()
    second = read(paths, shelf)
    assert same(plain, first)
    assert same(first, second)
    assert second.images.dtype == np.uint8


def test_a_changed_pixel_another_size_and_other_code_are_read_anew(paths, shelf):
    read_images(paths, 6, None, shelf)
    assert read_images(paths, 12, None, shelf).images.shape == (5, 1, 12, 9)
    Image.fromarray(255 - PIXELS[2]).save(paths[2])
    assert same(read_images(paths, 6, None, shelf), read_images(paths, 6))
    read_images(paths, 6, None, Shelf(shelf.folder, "other code"))
    assert len(kept(shelf)) == 4


def test_a_moved_file_is_no_other_image_and_a_touched_one_the_same(paths, shelf, undecodable):
    before = read_images(paths, 6, None, shelf)
    paths[0].touch()
    assert same(read_images(paths, 6, None, shelf), before)
    swapped = read_images([paths[1], paths[0], *paths[2:]], 6, None, shelf)
    assert np.array_equal(swapped.images[:2], before.images[1::-1])
    undecodable()
    assert same(read_images(paths, 6, None, shelf), before)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"{}" * 99])
def test_a_damaged_reading_is_made_anew(paths, shelf, damage):
    whole = read_images(paths, 6, None, shelf)
    (place,) = kept(shelf)
    place.write_bytes(damage(place.read_bytes()))
    assert same(read_images(paths, 6, None, shelf), whole)
    assert same(read_images(paths, 6, None, shelf), whole)


def test_the_oldest_readings_make_room(paths, shelf):
    for side in range(4, 4 + MOST + 3):
        read_images(paths, side, None, shelf)
    assert len(kept(shelf)) == MOST


def test_images_are_read_where_nothing_can_be_kept(paths, tmp_path):
    (tmp_path / "results").write_text("a file, where a folder is wanted")
    assert same(read_images(paths, 6, None, Shelf(tmp_path / "results" / "readings", "")), read_images(paths, 6))


def test_a_file_that_is_gone_is_named(paths, shelf):
    paths[3].unlink()
    with pytest.raises(UserError, match=r"3\.png can't be read"):
        read_images(paths, 6, None, shelf)


def test_splits_of_a_folder_are_the_same_from_the_shelf(tmp_path, shelf):
    for name, shade in (("dark", 40), ("light", 200)):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng(shade + i).integers(-30, 30, (8, 8))
            Image.fromarray((shade + noise).astype(np.uint8)).save(tmp_path / "own" / name / f"{i}.png")
    plain, first, second = (load_splits(f"folder:{tmp_path / 'own'}", shelf=s) for s in (None, shelf, shelf))
    assert plain.record == first.record == second.record
    for split in ("train", "validation", "test"):
        assert plain[split].fingerprint == first[split].fingerprint == second[split].fingerprint
