"""Sharded image sets: what is written is read back, a kill or damage costs one shard, wrong folders take one line."""

import json

import numpy as np
import pytest
from filelock import FileLock
from safetensors.numpy import load_file, save_file

from synthgap.base.errors import UserError
from synthgap.base.files import file_sha256 as sha256
from synthgap.data import pool
from synthgap.data.imageset import ImageSet
from synthgap.data.pool import load_pool, open_pool, same_channels
from synthgap.data.shards import Shards, blocks_of
from synthgap.data.shardwriter import write_shards
from synthgap.data.sources import load_dataset

CLASSES = ("a", "b", "c")


def picture(i, shape):
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def write(folder, count=50, shape=(1, 8, 6), size=16, made=None, **options):
    """Images that are functions of their positions; `made` collects what was asked for."""

    def make(start, stop):
        if made is not None:
            made.append((start, stop))
        return np.stack([picture(i, shape) for i in range(start, stop)])

    return write_shards(folder, np.arange(count) % 3, CLASSES, shape, make, shard_images=size, **options)


def whole(count=50, shape=(1, 8, 6)):
    return ImageSet(np.stack([picture(i, shape) for i in range(count)]), np.arange(count) % 3, CLASSES, "set")


def content(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".")}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "set.shards", provenance={"seed": 0})
    return tmp_path / "set.shards"


def test_what_is_written_is_read_back_shard_by_shard(folder):
    shards = Shards.open(folder)
    assert (len(shards), shards.shape, shards.classes, shards.name) == (50, (1, 8, 6), CLASSES, "set")
    assert [s.images for s in shards.index.shards] == [16, 16, 16, 2]
    assert [s.sha256 for s in shards.index.shards] == [sha256(folder / s.file) for s in shards.index.shards]
    assert shards.index.counts == (17, 17, 16)
    assert np.array_equal(shards.labels, whole().labels)
    parts = ImageSet.concat(list(blocks_of(shards, np.arange(50), 7)))
    assert np.array_equal(parts.images, whole().images)
    assert shards.fingerprint == whole().fingerprint
    stored = load_file(folder / "data-00001.safetensors")
    assert np.array_equal(stored["images"], whole().images[16:32])
    assert np.array_equal(stored["labels"], whole().labels[16:32])


def test_any_positions_come_in_the_order_asked_for(folder):
    shards = Shards.open(folder)
    for wanted in ([49, 0, 17, 17], slice(10, 40), np.arange(50) % 4 == 0, slice(0, 0)):
        assert shards.subset(wanted).fingerprint == whole().subset(wanted).fingerprint


def test_a_mapped_shard_is_a_view_of_the_file(folder):
    images = Shards.open(folder).mapped(0).images
    base = images
    while not isinstance(base, np.memmap):
        base = base.base
    assert base.filename == folder / "data-00000.safetensors"
    assert not images.flags.writeable


def test_equal_calls_write_equal_bytes_and_the_second_makes_nothing(folder, tmp_path):
    write(tmp_path / "again.shards", provenance={"seed": 0})
    assert content(folder) == content(tmp_path / "again.shards")
    made, kept = [], []
    write(folder, provenance={"seed": 0}, made=made, progress=kept.append)
    assert made == []
    assert kept == [16, 16, 16, 2]


def test_a_writer_that_stops_goes_on_after_its_last_finished_shard(folder, tmp_path):
    half, made = tmp_path / "half.shards", []

    def stopping(start, stop):
        if start == 32:  # what is finished lies on the disk already, should the process be killed now
            with pytest.raises(UserError, match=r"2 of 4 shards are missing, data-00002.safetensors first"):
                Shards.open(half)
            raise KeyboardInterrupt
        made.append(start)
        return whole().images[start:stop]

    with pytest.raises(KeyboardInterrupt):
        write_shards(half, np.arange(50) % 3, CLASSES, (1, 8, 6), stopping, shard_images=16, provenance={"seed": 0})
    assert made == [0, 16]
    (half / ".data-00002.safetensors.1.tmp").write_bytes(b"left by a kill")
    made = []
    write(half, provenance={"seed": 0}, made=made)
    assert made == [(32, 48), (48, 50)]
    assert content(half) == content(folder)
    assert not [*half.glob("*.tmp"), *half.glob(".*.tmp")]


@pytest.mark.parametrize("damage", ["a byte", "cut short", "removed"])
def test_a_damaged_shard_is_named_and_made_again(folder, damage, capsys):
    before = content(folder)
    path = folder / "data-00001.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    if damage != "removed":
        path.write_bytes(data if damage == "a byte" else data[:100])
    shards = Shards.open(folder)
    assert len(shards.subset(slice(0, 16))) == 16  # the others can be read
    with pytest.raises(UserError, match=r"data-00001.safetensors is damaged .*; the same synthgap generate makes it"):
        shards.subset(slice(15, 17))
    made = []
    write(folder, provenance={"seed": 0}, made=made)
    assert made == [(16, 32)]
    assert content(folder) == before
    told = capsys.readouterr().err
    assert told.startswith(f"synthgap: {path} is {'missing' if damage == 'removed' else 'damaged'}; making it again")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"provenance": {"seed": 1}}, r"was begun with seed 0, not 1; name a new folder"),
        ({"provenance": {}}, r"was begun with seed 0, not null"),
        ({"count": 51}, "was begun with other counts"),
        ({"shape": (3, 8, 6)}, "was begun with other shape"),
        ({"size": 32}, "was begun with shards of 16 images, not 32"),
        ({"size": 0}, "shard_images is 0"),
    ],
)
def test_a_folder_of_other_images_is_not_gone_on_with(folder, options, says):
    before = content(folder)
    with pytest.raises(UserError, match=says):
        write(folder, **({"provenance": {"seed": 0}} | options))
    assert content(folder) == before


def test_two_writers_do_not_meet_and_a_folder_with_something_else_is_left_alone(folder, tmp_path):
    with FileLock(folder / ".lock"), pytest.raises(UserError, match="another process is writing"):
        write(folder, provenance={"seed": 0})
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match=r"holds something, but no index\.json"):
        write(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        write(tmp_path / "mine.txt")


def changed(folder, **changes):
    """Put an index with other fields, or fields of its first shard."""
    index = json.loads((folder / "index.json").read_text())
    for name, value in changes.items():
        (index["shards"][0] if name in index["shards"][0] else index)[name] = value
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: changed(f, file="/etc/data-00000.safetensors"), "no index of shards"),
        (lambda f: changed(f, file="data-00000.safetensors\n"), "no index of shards"),
        (lambda f: changed(f, file="data-00001.safetensors"), "a shard is listed twice"),
        (lambda f: changed(f, counts=[17, 17]), "for 3 classes"),
        (lambda f: changed(f, counts=[17, 17, 17]), "counts sum to 51, the shards' images to 50"),
        (lambda f: changed(f, images=-16), "shards.0.images: Input should be greater"),
        (lambda f: changed(f, sha256="zz"), "shards.0.sha256"),
        (lambda f: changed(f, shape=[2, 8, 6]), "shape.0: Input should be 1 or 3"),
        (lambda f: changed(f, shape=[1, 0, 6]), "sides are 1 to 4,096"),
        (lambda f: changed(f, shape=[1, 8, 10**12]), "sides are 1 to 4,096"),
        (lambda f: changed(f, format="synthgap shards 9"), "format: "),
        (lambda f: changed(f, more=1), "more: Extra inputs"),
        (lambda f: (f / "index.json").write_text("{"), "no index of shards"),
        (lambda f: (f / "index.json").write_bytes(b"\xff\xfe"), "no index of shards"),
        (lambda f: f.rename(f.with_name("moved")), "there is no folder"),
    ],
)
def test_what_is_no_sharded_set_is_refused_in_one_line(folder, change, says):
    change(folder)
    with pytest.raises(UserError, match=says) as error:
        Shards.open(folder).subset(slice(0, 1))
    assert "\n" not in str(error.value)


def replaced(content=None, **arrays):
    """Another first shard, with its checksum in the index: these bytes, or other arrays."""

    def change(folder):
        path = folder / "data-00000.safetensors"
        if content is None:
            save_file(load_file(path) | arrays, path)
        else:
            path.write_bytes(content)
        changed(folder, sha256=sha256(path))

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replaced(images=np.zeros((16, 3, 8, 6), np.uint8)), r"images are U8 of \[16, 3, 8, 6\], not"),
        (replaced(images=np.zeros((16, 1, 8, 6), np.float32)), "images are F32"),
        (replaced(labels=np.full(16, 3)), "labels run from 3 to 3 but there are 3 classes"),
        (replaced(labels=np.full(16, -1)), "labels run from -1"),
        (replaced(b"\xff" * 99), "a header of"),
        (replaced(b"\x02\0\0\0\0\0\0\0{}"), "is damaged"),
        (replaced(b"\0\0\x08\0\0\0\0\0" + b"[" * 2**19), "is damaged"),
    ],
)
def test_a_shard_of_other_content_is_refused_in_one_line(folder, change, says):
    change(folder)
    with pytest.raises(UserError, match=says) as error:
        Shards.open(folder).subset(slice(0, 1))
    assert "data-00000.safetensors is damaged" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sharded_set_is_a_source_of_data_sets_and_pools(folder):
    for source in (str(folder), f"shards:{folder}"):
        assert load_pool(source).fingerprint == whole().fingerprint
    parts = [load_dataset(f"shards:{folder}", split=s) for s in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 50
    assert all(set(p.labels) == {0, 1, 2} for p in parts)
    with pytest.raises(UserError, match="which keep their size; leave the image size out"):
        load_pool(str(folder), 16)


def test_a_set_of_one_class_is_no_data_set(tmp_path):
    write_shards(
        tmp_path / "x.shards", np.zeros(4), ("image",), (1, 2, 2), lambda a, b: np.zeros((4, 1, 2, 2), np.uint8)
    )
    assert len(load_pool(str(tmp_path / "x.shards"))) == 4
    with pytest.raises(UserError, match=r"all labels are \[0\]; give images of two or more classes"):
        load_dataset(f"shards:{tmp_path / 'x.shards'}")


def test_a_large_set_stays_on_the_disk_and_is_fitted_block_by_block(folder, monkeypatch, make_images):
    monkeypatch.setattr(pool, "IN_MEMORY", 49)
    like = make_images(3, (3, 12, 12))
    large = open_pool(str(folder), like=like)
    assert isinstance(large, Shards)
    coloured, _ = same_channels(large, like)
    assert coloured.shape == (3, 12, 12)
    loaded, _ = same_channels(load_pool(str(folder), like=like), like)
    assert coloured.fingerprint == loaded.fingerprint
    monkeypatch.setattr(pool, "IN_MEMORY", 50)
    assert isinstance(open_pool(str(folder)), ImageSet)
