"""Reading a user's folder: how each format is decoded, what size the images are brought to."""

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data import decoding
from synthgap.data.decoding import read_image, upright_size
from synthgap.data.folder import canvas_size, fit, read_images

rng = np.random.default_rng(0)
GREY = rng.integers(0, 256, (6, 9), dtype=np.uint8)
RGB = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
SMOOTH = np.add.outer(10 * np.arange(8), 10 * np.arange(12)).astype(np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def decoded(path):
    return np.asarray(read_image(path))


# How a file is decoded


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        *((GREY, suffix) for suffix in ("png", "bmp", "gif", "pgm", "tif", "tiff")),
        *((RGB, suffix) for suffix in ("png", "bmp", "ppm", "tif", "webp")),
    ],
)
def test_lossless_formats_keep_every_value_whatever_the_files_ending(pixels, suffix, tmp_path):
    path = save(tmp_path / f"x.{suffix}", pixels, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(decoded(path), pixels)
    assert np.array_equal(decoded(path.rename(tmp_path / "x.jpg")), pixels)


def palette(*indices):
    image = Image.fromarray(np.array([indices], np.uint8)).convert("P")
    image.putpalette([200, 0, 0, 0, 100, 0, 0, 0, 50])
    return image


@pytest.mark.parametrize(
    ("name", "stored", "options", "shown"),
    [
        *(
            (f"x.{s}", palette(0, 1, 2), {"transparency": 1}, [[200, 0, 0], [255] * 3, [0, 0, 50]])
            for s in ("png", "gif")
        ),
        ("x.png", palette(0, 2), {}, [[200, 0, 0], [0, 0, 50]]),
        ("x.png", np.array([[7, 9, 7]], np.uint8), {"transparency": 7}, [255, 9, 255]),
        ("x.png", np.array([[True, False]]), {}, [255, 0]),
        *((f"x.{s}", np.array([[0, 257, 32896, 65535]], np.uint16), {}, [0, 1, 128, 255]) for s in ("png", "tif")),
        ("x.tif", np.array([[0, 0.2, 1]], np.float32), {}, [0, 51, 255]),
    ],
)
def test_palettes_transparency_and_depths_come_to_8_bits(name, stored, options, shown, tmp_path):
    assert decoded(save(tmp_path / name, stored, **options)).tolist() == [shown]


def test_an_image_with_equal_channels_is_grey_and_with_one_other_pixel_colour(tmp_path):
    pixels = np.stack([GREY] * 3, axis=2)
    image = read_image(save(tmp_path / "x.png", pixels))
    assert image.mode == "L"
    assert np.array_equal(image, GREY)
    assert read_image(save(tmp_path / "x.jpg", np.stack([SMOOTH] * 3, axis=2))).mode == "L"
    pixels[0, 0, 2] ^= 1
    assert read_image(save(tmp_path / "x.png", pixels)).mode == "RGB"


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_lossy_formats_are_near_the_original(suffix, tmp_path):
    pixels = np.dstack([SMOOTH, SMOOTH[::-1], SMOOTH[:, ::-1]])
    got = decoded(save(tmp_path / f"x.{suffix}", pixels, quality=95))
    assert got.shape == pixels.shape
    assert np.abs(got - pixels.astype(int)).mean() < 8


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    pixels[:3, :, 3] = 0
    pixels[3, :, 3] = 128
    got = decoded(save(tmp_path / "x.png", pixels)).astype(int)
    assert (got[:3] == 255).all()
    assert np.abs(got[3] - (RGB[3].astype(int) + 255) / 2).max() <= 1
    assert np.array_equal(got[4:], RGB[4:])


def test_grey_with_transparency_stays_grey_on_white(tmp_path):
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[0] = 0
    path = tmp_path / "x.png"
    save(path, Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]))
    assert read_image(path).mode == "L"
    assert np.array_equal(decoded(path), np.where(alpha == 0, 255, GREY))


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 200)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert (decoded(tmp_path / "x.gif") == 10).all()


def test_cmyk_jpeg_is_read_as_rgb(tmp_path):
    path = save(tmp_path / "x.jpg", Image.new("RGB", (16, 16), (220, 30, 30)).convert("CMYK"), quality=95)
    with Image.open(path) as stored:
        assert stored.mode == "CMYK"
    assert read_image(path).mode == "RGB"
    assert np.abs(decoded(path).astype(int) - (220, 30, 30)).max() < 12


@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 255])  # the last three mean nothing
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_rotation_is_applied_and_its_size_is_the_canvas(suffix, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"x.{suffix}", RGB, exif=exif, **options)
    stored_as = {  # what a viewer shows, by the EXIF standard
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RGB),
    }
    assert np.array_equal(decoded(path), stored_as.get(orientation, RGB))
    images = read_images([path], 32).images
    assert np.array_equal(images[0].transpose(1, 2, 0), stored_as.get(orientation, RGB))


RESOLUTION = bytes.fromhex("011a 0005")  # the tag XResolution and its type, a fraction


@pytest.mark.parametrize(
    "entry",
    ["0142 0005", "011a 0002", "011a 0007", "010f 0005"],
    ids=["fraction as tile width", "text as resolution", "bytes as resolution", "fraction as maker"],
)
def test_jpeg_with_damaged_exif_is_a_user_error_that_names_the_file(entry, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0
    path = save(tmp_path / "x.jpg", RGB, exif=exif)
    whole = path.read_bytes()
    assert decoded(path).shape == (9, 6, 3)
    assert whole.count(RESOLUTION) == 1
    path.write_bytes(whole.replace(RESOLUTION, bytes.fromhex(entry)))
    with pytest.raises(UserError, match=r"x\.jpg can't be read as an image"):
        read_image(path)


def test_very_large_images_are_read_smaller_or_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "LARGEST", 20_000)
    wide = np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None], 200, axis=0)
    jpeg, png = save(tmp_path / "x.jpg", wide, quality=95), save(tmp_path / "x.png", wide)
    assert read_image(jpeg).size == (200, 100)
    small = read_images([jpeg], 20).images[0, 0].astype(int)
    assert np.abs(small - fit(Image.fromarray(wide), 10, 20)).max() < 8
    with pytest.raises(UserError, match=r"x\.png can't be read as an image \(it has 400×200 pixels, .*: scale it\)"):
        read_image(png)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK"])
def test_large_images_are_converted_in_strips_to_the_same_pixels(mode, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 4), dtype=np.uint8)
    image = Image.fromarray(pixels).convert("RGB" if mode in "PCMYK" else "RGBA").convert(mode)
    path = save(tmp_path / "x.tif", image)
    whole = decoded(path)
    monkeypatch.setattr(decoding, "STRIP", 40)
    assert np.array_equal(decoded(path), whole)


# What size the images are brought to


@pytest.mark.parametrize(
    ("sizes", "options", "height_width"),
    [
        ([(28, 28)], {}, (28, 28)),
        ([(640, 480)], {}, (24, 32)),
        ([(480, 640)], {}, (32, 24)),
        ([(20, 10), (20, 10), (10, 20)], {}, (10, 20)),
        ([(8, 8), (16, 16)], {}, (16, 16)),
        ([(1000, 3)], {}, (1, 32)),
        ([(9, 7)], {}, (7, 9)),
        ([(28, 28)], {"image_size": 14}, (14, 14)),
        ([(20, 10)], {"image_size": 40}, (20, 40)),
    ],
)
def test_canvas_has_the_median_aspect_and_at_most_the_longest_side(sizes, options, height_width):
    assert canvas_size(sizes, 32, **options) == height_width


def test_images_keep_their_pixels_where_they_fit_and_their_border_is_repeated():
    for pixels in (GREY, RGB):
        assert np.array_equal(fit(Image.fromarray(pixels), *pixels.shape[:2]), pixels)
    assert fit(Image.fromarray(np.array([[1, 2]], np.uint8)), 3, 2).tolist() == [[1, 2]] * 3
    for size in ((100, 3), (3, 100), (1, 1), (50, 50)):
        assert fit(Image.new("RGB", size, "red"), 12, 20).shape == (12, 20, 3)


def test_aspect_is_kept_when_images_are_scaled(tmp_path):
    wide = np.full((20, 40), 200, np.uint8)
    wide[:, :20] = 0  # the left half is black
    tall = np.full((40, 20), 200, np.uint8)
    tall[:20] = 0  # the upper half is black
    paths = [save(tmp_path / "wide.png", wide), save(tmp_path / "tall.png", tall)]
    images = read_images(paths, 16).images
    assert images.shape == (2, 1, 13, 16)  # median of 2:1 and 1:2 is 1.25
    assert np.abs(images[0, 0, 6].astype(int) - ([0] * 8 + [200] * 8)).max() < 30
    assert np.abs(images[1, 0, :, 8].astype(int) - ([0] * 6 + [100] + [200] * 6)).max() < 30


def test_one_colour_image_makes_the_set_colour(tmp_path):
    paths = [save(tmp_path / "a.png", GREY), save(tmp_path / "b.png", RGB)]
    read = read_images(paths, 32)
    images, notes = read.images, read.notes
    assert images.shape == (2, 3, 6, 9)
    assert (images[0] == GREY).all()
    assert np.array_equal(images[1].transpose(1, 2, 0), RGB)
    assert "2 images (1 colour and 1 grey, 9×6 pixels) brought to 9×6" in notes[0]


def test_exif_behind_the_pixels_of_a_png_turns_the_size_too(tmp_path):
    """As of a PNG by exiftool, which writes EXIF behind the pixels."""
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = 6
    plain, early = save(tmp_path / "plain.png", RGB), save(tmp_path / "early.png", RGB, exif=exif)
    data, turned = plain.read_bytes(), early.read_bytes()
    at = turned.index(b"eXIf") - 4
    chunk = turned[at : at + 12 + int.from_bytes(turned[at : at + 4])]
    end = data.index(b"IEND") - 4
    late = tmp_path / "late.png"
    late.write_bytes(data[:end] + chunk + data[end:])
    assert upright_size(plain) == RGB.shape[1::-1]
    assert upright_size(early) == upright_size(late) == RGB.shape[:2]
    assert np.array_equal(decoded(late), decoded(early))


def test_all_unreadable_files_are_named_in_order_whatever_thread_meets_them_first(tmp_path):
    paths = [save(tmp_path / f"{i:02}.png", GREY) for i in range(40)]
    for i in (3, 17, 31):
        paths[i].write_bytes(paths[i].read_bytes()[:60])
    with pytest.raises(UserError, match=r"3 files can't be read as images \(03.png, 17.png, 31.png\)"):
        read_images(paths, 8)
