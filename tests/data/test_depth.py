"""Which value is white: files and arrays of any depth keep their levels, on one scale a data set, and it is said."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from synthgap.base.errors import UserError
from synthgap.data.decoding import read_image
from synthgap.data.depth import Span, scale_of
from synthgap.data.folder import fit_all, read_images
from synthgap.data.sources import load_splits

RAMP = np.linspace(0, 1, 256).reshape(16, 16)


def deep(folder, maxima, suffix="png", dtype=np.uint16, **options):
    """16-bit files that run from 0 to each of `maxima`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, high in enumerate(maxima):
        paths.append(folder / f"{i}.{suffix}")
        Image.fromarray(np.rint(RAMP * high).astype(dtype)).save(paths[-1], **options)
    return paths


def png16(path, pixels, bits=None):
    """A 16-bit PNG, N × N grey, N × N × 3 or N × N × 4, with a chunk sBIT if `bits` are given."""
    kind = 0 if pixels.ndim == 2 else {3: 2, 4: 6}[pixels.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, kind, 0, 0, 0))]
    chunks += [(b"sBIT", bytes([bits] * (3 if kind else 1)))] if bits else []
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    ("maxima", "bits"), [((1000, 700), 10), ((4011, 900), 12), ((16_000, 15_000), 14), ((65_535, 20_000), 16)]
)
def test_images_that_use_part_of_16_bits_keep_256_levels_on_the_scale_of_the_largest(suffix, maxima, bits, tmp_path):
    paths = deep(tmp_path, maxima, suffix)
    read = fit_all(paths, 16, 16)
    wanted = [np.rint(np.rint(RAMP * high) * 255 / (2**bits - 1)) for high in maxima]
    assert np.array_equal(read.images[:, 0], wanted)
    assert len(np.unique(read.images[0])) > 200
    assert "WARNING" not in str(fit_all(deep(tmp_path / "b", [60_000] * 3 + 18 * [4000]), 16, 16).notes)
    assert read.notes == (
        f"2 16-bit images whose largest value is {maxima[0]:,}: read as {bits}-bit, {2**bits - 1:,} is white",
    )


def test_what_a_file_declares_is_a_least_depth(tmp_path):
    assert "read as 12-bit" in fit_all([png16(tmp_path / "a.png", np.full((4, 4), 900), bits=12)], 4, 4).notes[0]
    assert "read as 16-bit" in fit_all([png16(tmp_path / "b.png", np.full((4, 4), 60_000), bits=12)], 4, 4).notes[0]
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[281] = 4095
    path = tmp_path / "c.tif"
    Image.fromarray(np.full((4, 4), 900, np.uint16)).save(path, tiffinfo=info)
    assert fit_all([path], 4, 4).images[0, 0, 0, 0] == round(900 * 255 / 4095)


def test_a_pgm_says_which_value_is_white(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 1 4095\n" + struct.pack(">HH", 100, 2048))
    assert np.asarray(read_image(path)).tolist() == [[6, 128]]


def test_one_dark_image_among_others_stays_dark(tmp_path):
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(tmp_path / "dark.png")
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "light.png")
    read = fit_all([tmp_path / "dark.png", tmp_path / "light.png"], 8, 8)
    assert (read.images[0].max(), read.images[1].max(), read.notes) == (3, 200, ())
    assert np.asarray(read_image(tmp_path / "dark.png")).max() == 3


def tiff16(path, pixels, order):
    """An uncompressed TIFF of 16-bit colour, N × N × 3; `order` "<" or ">" of its bytes."""
    data = pixels.astype(f"{order}u2").tobytes()
    tags = [
        (256, pixels.shape[1]),
        (257, pixels.shape[0]),
        (258, 8 + len(data)),
        (259, 1),
        (262, 2),
        (273, 8),
        (277, 3),
    ]
    tags += [(278, pixels.shape[0]), (279, len(data))]
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags if tag != 258)
    bits = struct.pack(f"{order}HHII", 258, 3, 3, 8 + len(data))
    entries = entries[:24] + bits + entries[24:]
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 14 + len(data))
    path.write_bytes(
        header + data + struct.pack(f"{order}3H", 16, 16, 16) + struct.pack(f"{order}H", 9) + entries + bytes(4)
    )
    return path


WRITERS = {
    "PNG": lambda folder, pixels: png16(folder / "x.png", pixels),
    "TIFF, lower byte first": lambda folder, pixels: tiff16(folder / "x.tif", pixels, "<"),
    "TIFF, upper byte first": lambda folder, pixels: tiff16(folder / "x.tif", pixels, ">"),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(("high", "bits"), [(4011, 12), (65_535, 16)])
def test_16_bit_colour_keeps_256_levels_on_the_scale_of_its_values(kind, high, bits, tmp_path):
    pixels = np.random.default_rng(0).integers(0, high + 1, (8, 8, 3))
    pixels[0, 0, 0] = high
    path, wanted = WRITERS[kind](tmp_path, pixels), np.rint(pixels * 255 / (2**bits - 1))
    assert np.array_equal(read_image(path), wanted)
    read = fit_all([path], 8, 8)
    assert np.array_equal(read.images[0].transpose(1, 2, 0), wanted)
    note = f"1 16-bit colour image whose largest value is {high:,}: read as {bits}-bit, {2**bits - 1:,} is white"
    assert read.notes == (note,)


def test_16_bit_colour_of_equal_channels_is_grey_and_with_transparency_its_upper_bits_must_do(tmp_path):
    grey = np.random.default_rng(0).integers(0, 4096, (8, 8, 1)).repeat(3, axis=2)
    assert read_image(png16(tmp_path / "grey.png", grey)).mode == "L"
    clear = np.dstack([grey, np.full((8, 8), 65_535)])
    with pytest.raises(UserError, match="1 16-bit transparent image use 14 bits or fewer"):
        fit_all([png16(tmp_path / "a.png", clear)], 8, 8)
    read = fit_all([png16(tmp_path / "b.png", 15 * clear)], 8, 8)
    assert read.notes == ("1 16-bit transparent image: the upper 8 bits of each channel are used",)


def test_floats_that_are_whole_numbers_are_read_as_such_and_others_beyond_1_are_refused(tmp_path):
    levels = np.rint(255 * RAMP).astype(np.float32)
    Image.fromarray(levels).save(tmp_path / "x.tif")
    assert np.array_equal(fit_all([tmp_path / "x.tif"], 16, 16).images[0, 0], levels)
    Image.fromarray(levels + np.float32(0.5)).save(tmp_path / "y.tif")  # 255 may be white, or 256, or any number above
    with pytest.raises(UserError, match=r"\.tif has pixels outside 0–1"):
        fit_all([tmp_path / "x.tif", tmp_path / "y.tif"], 16, 16)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.full((4, 4), -5, np.int16), "has pixels outside 0–65535"),
        (np.full((4, 4), -1, np.int32), "has pixels outside 0–65535"),
        (np.full((4, 4), np.nan, np.float32), "has pixels that are no finite numbers"),
        (np.full((4, 4), 0.01, np.float32), "the largest value of 1 float image is 0.01, nearly black on 0–1"),
    ],
)
def test_numbers_of_unknown_scale_are_refused(pixels, says, tmp_path):
    if pixels.dtype == np.int16:
        (tmp_path / "x.tif").write_bytes(signed_tiff(pixels))
    else:
        Image.fromarray(pixels).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=says):
        read_images([tmp_path / "x.tif"], 8)


def signed_tiff(pixels):
    """An uncompressed little-endian TIFF of signed 16-bit numbers."""
    data = pixels.astype("<i2").tobytes()
    height, width = pixels.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 3, height), (279, 4, len(data)), (339, 3, 2)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_signed_numbers_above_0_are_read(tmp_path):
    (tmp_path / "x.tif").write_bytes(signed_tiff(np.full((4, 4), 3000, np.int16)))
    read = fit_all([tmp_path / "x.tif"], 4, 4)
    assert read.images.max() == round(3000 * 255 / 4095)
    assert "1 16-bit image whose largest value is 3,000: read as 12-bit" in read.notes[0]


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK", "HSV"])
def test_other_colours_of_tiffs_become_rgb_or_one_line(mode, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    try:
        if mode == "LAB":
            Image.frombytes("LAB", (8, 8), image.tobytes()).save(tmp_path / "x.tif")
        else:
            image.convert(mode).save(tmp_path / "x.tif")
    except OSError:
        pytest.skip("no such TIFF can be written")
    assert read_images([tmp_path / "x.tif"], 8).images.shape == (1, 3, 8, 8)


# Arrays


def arrays(path, images, labels=None, **more):
    labels = np.arange(len(images)) % 2 if labels is None else labels
    np.savez(path, images=images, labels=labels, **more)
    return f"npz:{path}"


RAMPS = np.stack([np.roll(RAMP, i, axis=0) for i in range(12)])


@pytest.mark.parametrize(
    ("images", "white", "note"),
    [
        (RAMPS.astype(np.float32), 1, "12 float images with values from 0 to 1: 0 is black and 1 white"),
        (np.rint(255 * RAMPS), 255, "12 whole-number images whose largest value is 255: read as 8-bit, 255 is white"),
        (np.rint(4000 * RAMPS).astype(np.uint16), 4095, "whose largest value is 4,000: read as 12-bit"),
        (np.rint(255 * RAMPS).astype(np.int64), 255, "12 64-bit images whose largest value is 255: read as 8-bit"),
        ((RAMPS > 0.5).astype(np.uint8), 1, "12 8-bit images whose largest value is 1: read as 1-bit"),
        (RAMPS > 0.5, 1, "12 images of true and false: true is white"),
        (np.rint(15 * RAMPS).astype(np.uint8), 15, "12 8-bit images whose largest value is 15: read as 4-bit"),
    ],
)
def test_arrays_of_any_depth_come_to_256_levels_and_it_is_said(images, white, note, tmp_path):
    splits = load_splits(arrays(tmp_path / "x.npz", images))
    wanted = np.rint(images.astype(float) * 255 / white)
    for split in ("train", "validation", "test"):
        assert np.array_equal(splits[split].images[:, 0], wanted[splits.record["members"][split]])
    assert any(note in line for line in splits.record["found"])


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (1.5 * RAMPS, "x.npz: image 0 has pixels outside 0–1"),
        (RAMPS / 100, "the largest value of 12 float images is 0.01, nearly black"),
        (np.where(RAMPS > 0.5, np.nan, 0), "has pixels that are no finite numbers"),
        (np.rint(1e6 * RAMPS).astype(np.int32), "has pixels outside 0–65535"),
        (RAMPS.astype(complex), "images are complex128; save them as uint8"),
    ],
)
def test_arrays_of_unknown_scale_are_refused(images, says, tmp_path):
    with pytest.raises(UserError, match=says):
        load_splits(arrays(tmp_path / "x.npz", images))


def test_scale_of_black_images_is_that_of_8_bits():
    assert scale_of([Span("16-bit", 0, 0)], ["x"], "x").white == 255


# Labels


EIGHT = np.rint(255 * RAMPS).astype(np.uint8)


NAMED = {"classes": np.array(["ape", "wolf"])}
THREE = {"classes": np.array(["ape", "cow", "wolf"])}
HALVES = np.arange(12) % 2


@pytest.mark.parametrize(
    ("labels", "named", "classes", "note"),
    [
        (HALVES + 1, {}, ("1", "2"), "labels 1, 2: 2 classes, called by their numbers"),
        (np.array([0, 5, 9])[np.arange(12) % 3], {}, ("0", "5", "9"), "labels 0, 5, 9: 3 classes"),
        (np.array(["ape", "wolf"])[HALVES], {}, ("ape", "wolf"), "labels are texts: 2 classes"),
        (np.array([b"ape", b"wolf"])[HALVES][:, None], {}, ("ape", "wolf"), "labels are texts: 2 classes"),
        ((HALVES + 7).astype(np.uint64), {}, ("7", "8"), "labels 7, 8: 2 classes"),
        (HALVES, NAMED, ("ape", "wolf"), ""),
        (HALVES + 1, NAMED, ("ape", "wolf"), "labels 1 to 2 are taken as the 2 classes in their order"),
        (HALVES * 2, THREE, ("ape", "wolf"), "1 class has no image and is left out: cow"),
    ],
)
def test_classes_are_the_labels_that_occur(labels, named, classes, note, tmp_path):
    splits = load_splits(arrays(tmp_path / "x.npz", EIGHT, labels, **named))
    assert splits.train.classes == classes
    place = {value: i for i, value in enumerate(np.unique(labels).tolist())}
    for split in ("train", "validation", "test"):
        members = splits.record["members"][split]
        assert splits[split].labels.tolist() == [place[value] for value in labels.ravel()[members].tolist()]
    assert [line.startswith(note) for line in splits.record["found"]] == [True] * bool(note)  # 8 bits need no word


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["ape", "ape"], "two classes have one name"),
        ([["a", "b"]], r"classes have shape \(1, 2\); give one name per class"),
    ],
)
def test_names_that_do_not_fit_the_labels_are_refused(classes, says, tmp_path):
    with pytest.raises(UserError, match=says):
        load_splits(arrays(tmp_path / "x.npz", EIGHT, classes=np.array(classes)))
