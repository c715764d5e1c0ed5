"""The release's zips: what is in them is read pixel for pixel, and a bad archive is refused in one line."""

import contextlib
import struct
import zipfile
import zlib

import numpy as np
import pytest
from cases import edm_bytes, encoded, refusal
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data.sources import load_splits
from synthgap.data.splits import SPLITS

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


def png(pixels=GREY, kind="PNG"):
    return encoded(pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels), kind)


def ten(fifth=None):
    """{name: PNG} of ten grey pictures; `fifth` are other bytes in the fifth's place."""
    entries = {f"{i}.png": png(GREY + i) for i in range(10)}
    return entries if fifth is None else entries | {"4.png": fifth}


def archive(path, *given, **listed):
    path.write_bytes(edm_bytes(*given, **listed))
    return path


def refused(path):
    message = refusal(read, path)
    assert message.startswith(str(path))
    return message


def read(path, **options):
    return load_splits(f"edm-zip:{path}", **options)


def test_splits_share_no_image_leave_none_out_and_are_called_after_the_file(tmp_path):
    splits = read(archive(tmp_path / "set.zip", ten()), seed=3)
    assert sorted(name for split in SPLITS for name in splits.record["members"][split]) == sorted(ten())
    assert splits.record["sizes"] == {"train": 6, "validation": 2, "test": 2}
    assert splits.record["source"] == f"edm-zip:{tmp_path / 'set.zip'}"
    assert [splits[split].name for split in SPLITS] == ["set/train", "set/validation", "set/test"]
    for split in SPLITS:
        numbers = [int(name[0]) for name in splits.record["members"][split]]
        assert [number % 2 for number in numbers] == splits[split].labels.tolist()
    assert len(read(tmp_path / "set.zip", train_size=4, seed=3).train) == 4


def test_a_zip_of_the_release_is_read_without_class_names_and_when_deflated(tmp_path):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        splits = read(archive(tmp_path / "a.zip", ten(), compression))
        assert splits.train.classes == ("0", "1")
        assert sum(len(splits[s]) for s in SPLITS) == 10
    for names, known in ((["cat", "dog"], ("cat", "dog")), ("cat", ("0", "1"))):
        assert read(archive(tmp_path / "a.zip", ten(), classes=names)).train.classes == known


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pngs_of_8_bits_are_read_as_grey_or_colour(tmp_path, mode):
    colours = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    pictures = [Image.fromarray(c).convert(mode) for c in colours]
    path = archive(tmp_path / "a.zip", {f"{i}.png": png(p) for i, p in enumerate(pictures)})
    splits = read(path)
    for split in SPLITS:
        for name, image in zip(splits.record["members"][split], splits[split].images, strict=True):
            wanted = pictures[int(name[0])].convert("L" if mode in "1L" else "RGB")
            assert np.array_equal(image.transpose(1, 2, 0).squeeze(), np.asarray(wanted))


def test_the_source_takes_sizes_and_limits(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    path = archive(tmp_path / "a.zip", {f"{i}.png": png(c) for i, c in enumerate(colours)})
    assert read(path).train.shape == (3, 12, 12)
    splits = read(path, image_size=6, limits={"train": 9, "test": 6}, divisor=4)
    assert splits.train.shape == (3, 8, 8)
    assert splits.record["sizes"] == {"train": 9, "validation": 12, "test": 6}
    assert any("resized from 12×12 to 6×6" in note for note in splits.record["notes"])
    members = [name for split in SPLITS for name in splits.record["members"][split]]
    assert len(set(members)) == 27


@pytest.mark.parametrize("labels", [(1, 2), (0, 7), (5, 10**9)])
def test_classes_are_those_that_occur_and_keep_their_numbers_as_names(tmp_path, labels):
    listed = [[name, labels[i % 2]] for i, name in enumerate(ten())]
    splits = read(archive(tmp_path / "a.zip", ten(), labels=listed))
    assert splits.train.classes == tuple(map(str, labels))
    note = f"labels {labels[0]}, {labels[1]}: 2 classes, called by their numbers, and no others"
    assert splits.record["found"] == [note]


# archives that are refused


def labelled(label):
    """Labels of the ten pictures, with `label` for the fourth."""
    return [[name, label if i == 3 else i % 2] for i, name in enumerate(ten())]


def giant_png():
    """A whole PNG that claims 100,000 × 100,000 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"0")), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


PAIRS = (5, "text", {"a": 1}, [["a.png"]], [["a.png", 0, 1]], ["a0"], [[0, 0]], [[None, 1]], [[["a"], 1]])
NO_JSON = ("", "{", "[1]", "null", '"labels"', "[" * 100_000, '{"labels": ' + "9" * 10_000 + "}", b"\xff\xfe{", b"\x80")
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n"  # Pillow would call a program for it
REFUSED = [
    *(({"entries": ten(), "labels": labelled(v)}, "labels") for v in (True, 1.0, 10**4000, "1", None, [1], np.nan)),
    *(({"entries": ten(), "labels": pairs}, "not pairs") for pairs in PAIRS),
    *(({"entries": ten(), "labels": [[n, 0], [n + "x", 1]]}, "holds no") for n in ("none.png", "", "\n", "\ud800")),
    *(({"entries": {}, "text": text}, "") for text in NO_JSON),
    ({"entries": ten(), "labels": []}, "has no labels"),
    ({"entries": ten(), "labels": [[name, 0] for name in ten()]}, "all labels are [0]; give images of two or more"),
    ({"entries": ten(), "classes": ["cat"]}, "labels run from 0 to 1 but there are 1 classes"),
    ({"entries": ten() | {"a/../../out.png": png()}}, "outside the archive"),
    *(({"entries": ten(png(np.zeros(s, np.uint8)))}, "of 2 shapes") for s in ((8, 9), (8, 8, 3))),
    *(({"entries": ten(png(Image.new(mode, (8, 8))))}, f"is of mode {mode}") for mode in ("RGBA", "LA", "I;16")),
    *(
        ({"entries": ten(data)}, "'4.png' can't be read as a PNG")
        for data in (b"", b"text", png()[:-30], png(kind="GIF"), png(kind="BMP"), POSTSCRIPT, giant_png())
    ),
]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("given", "says"), REFUSED)
def test_an_archive_of_other_content_is_refused(given, says, tmp_path):
    assert says in refused(archive(tmp_path / "a.zip", **given))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_without_dataset_json_a_missing_one_and_a_folder_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.png", png())
    assert "holds no 'dataset.json'" in refused(tmp_path / "a.zip")
    assert "No such file" in refused(tmp_path / "none.zip")
    (tmp_path / "folder.zip").mkdir()
    refused(tmp_path / "folder.zip")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    bomb = archive(tmp_path / "a.zip", ten(bytes(65 * 2**20)))
    assert bomb.stat().st_size < 200_000
    unpacked, read = [], zipfile.ZipFile.read

    def recording(self, entry):
        unpacked.append(entry.file_size)
        return read(self, entry)

    monkeypatch.setattr(zipfile.ZipFile, "read", recording)
    assert "unpacks to 68,157,440 bytes" in refused(bomb)
    assert max(unpacked) < 1000


def test_an_entry_that_is_larger_than_it_declares_or_has_another_checksum_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", ten(png() + bytes(2**20)))
    data = path.read_bytes()
    real, small = struct.pack("<I", len(png()) + 2**20), struct.pack("<I", len(png()))
    assert data.count(real) == 2  # in the local header and in the directory
    path.write_bytes(data.replace(real, small))
    assert "CRC" in refused(path)
    data = archive(path, ten(), zipfile.ZIP_STORED).read_bytes()
    place = data.index(png(GREY + 4)) + 60
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    assert "CRC" in refused(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_anywhere_is_refused_or_makes_no_difference(tmp_path, compression):
    path = archive(tmp_path / "a.zip", ten(), compression)
    data, wanted = path.read_bytes(), read(path)
    rng = np.random.default_rng(compression)
    for length in np.linspace(0, len(data) - 1, 20).astype(int):
        path.write_bytes(data[:length])
        refused(path)
    for _ in range(100):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(UserError):
            splits = read(path)
            assert all(np.array_equal(splits[s].images, wanted[s].images) for s in SPLITS)
