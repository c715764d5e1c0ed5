"""ImageSet: validation, fingerprint, subset and concat, storage as safetensors and as a folder of PNGs."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

from synthgap.base.errors import UserError
from synthgap.data import ImageSet, load_splits
from synthgap.data import imageset as module


def make(n=6, channels=1, height=5, width=7, classes=("a", "b"), **kwargs) -> ImageSet:
    images = np.random.default_rng(0).integers(0, 256, (n, channels, height, width), dtype=np.uint8)
    return ImageSet(images, np.arange(n) % len(classes), classes, **kwargs)


def same(one: ImageSet, other: ImageSet) -> bool:
    return one.fingerprint == other.fingerprint and one.name == other.name


FOUR = np.zeros((2, 1, 4, 4), np.uint8)
SHAPES = [
    FOUR.astype(np.float32),
    FOUR.astype(np.int64),
    FOUR[:, 0],
    FOUR.repeat(2, 1),
    np.zeros((2, 4, 4, 3), np.uint8),
]
LABELS = [np.zeros(3, int), np.zeros((2, 1), int), np.zeros(2), np.array(["a", "b"]), np.zeros(2, bool)]


@pytest.mark.parametrize(
    ("images", "labels", "options", "says"),
    [
        *((images, np.zeros(2, int), {}, f"{images.dtype} of shape .*give uint8") for images in SHAPES),
        *((FOUR, labels, {}, "give one integer per image") for labels in LABELS),
        (FOUR, [0, 2], {}, "0 to 2 but there are 2 classes"),
        (FOUR, [-1, 0], {}, "-1 to 0 but there are 2 classes"),
        (FOUR, [0, 1], {"augment": ("rotate",), "name": "my set"}, "^my set: .*rotate.*crop.*flip"),
    ],
)
def test_images_labels_and_augmentations_of_another_kind_are_refused(images, labels, options, says):
    with pytest.raises(UserError, match=says):
        ImageSet(images, labels, ("a", "b"), **options)


def test_labels_of_any_integer_type_become_int64_and_the_shape_is_that_of_the_images():
    made = ImageSet(FOUR, np.array([0, 1], np.uint8), ["a", "b"])
    assert made.labels.dtype == np.int64
    assert made.classes == ("a", "b")
    assert (len(made), made.shape) == (2, (1, 4, 4))


def test_fingerprint_ignores_name_memory_layout_and_order_of_augmentations():
    made = make(augment=("crop", "flip"))
    fortran = ImageSet(np.asfortranarray(made.images), list(made.labels), made.classes, augment=("flip", "crop"))
    assert fortran.fingerprint == made.fingerprint
    assert make(name="one").fingerprint == make(name="other").fingerprint


def test_fingerprint_sees_every_part_of_the_content():
    made = make()
    pixels = made.images.copy()
    pixels[0, 0, 0, 0] ^= 1
    changed = [
        ImageSet(pixels, made.labels, made.classes),
        ImageSet(made.images, made.labels[::-1], made.classes),
        ImageSet(made.images, made.labels, ("a", "c")),
        ImageSet(made.images, made.labels, ("a", "b", "c")),
        ImageSet(made.images, made.labels, made.classes, augment=("flip",)),
        ImageSet(made.images.transpose(0, 1, 3, 2).reshape(6, 1, 7, 5), made.labels, made.classes),
        ImageSet(made.images.reshape(6, 1, 7, 5), made.labels, made.classes),
        made.subset([1, 0, 2, 3, 4, 5]),
    ]
    assert len({s.fingerprint for s in [made, *changed]}) == 1 + len(changed)


@pytest.mark.parametrize("indices", [[4, 1], np.array([False, True, False, False, True, False]), slice(1, 3)])
def test_subset_takes_positions_masks_and_slices(indices):
    made = make(augment=("flip",), name="x")
    part = made.subset(indices)
    assert np.array_equal(part.images, made.images[indices])
    assert np.array_equal(part.labels, made.labels[indices])
    assert (part.classes, part.augment, part.name) == (made.classes, made.augment, made.name)


def test_concat_undoes_subset_and_refuses_other_sets():
    made = make()
    assert same(ImageSet.concat([made.subset(slice(0, 2)), made.subset(slice(2, None))]), made)
    assert ImageSet.concat([made, made], name="both").name == "both"
    for other in (make(channels=3), make(width=8), make(classes=("a", "c"))):
        with pytest.raises(UserError, match="differ"):
            ImageSet.concat([made, other])
    with pytest.raises(UserError, match="at least one"):
        ImageSet.concat([])


@pytest.mark.parametrize("made", [make(channels=3, augment=("flip",), name="ü", classes=("ß", "ネコ")), make(n=0)])
def test_load_gives_back_what_save_wrote(made, tmp_path):
    path = made.save(tmp_path / "new folder" / "set.safetensors")
    assert same(ImageSet.load(path), made)
    assert [p.name for p in path.parent.iterdir()] == ["set.safetensors"]


def test_a_file_of_something_else_cut_short_or_missing_is_a_user_error_that_names_it(tmp_path):
    arrays = {"images": np.zeros((1, 1, 2, 2), np.uint8), "labels": np.zeros(1, np.int64)}
    save_torch_file({"weights": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "model.safetensors")
    save_file(arrays, tmp_path / "bare.safetensors")
    save_file(arrays, tmp_path / "bad.safetensors", metadata={"classes": "[", "name": "x", "augment": "[]"})
    save_file(arrays, tmp_path / "empty.safetensors", metadata={"classes": "[]", "name": "x", "augment": "[]"})
    (tmp_path / "text.safetensors").write_text("hello")
    whole = make().save(tmp_path / "whole.safetensors").read_bytes()
    for keep in (0, 5, 60, -1):
        (tmp_path / f"cut {keep}.safetensors").write_bytes(whole[:keep])
    (tmp_path / "whole.safetensors").unlink()
    for path in (*tmp_path.iterdir(), tmp_path / "whole.safetensors"):
        with pytest.raises(UserError, match=path.name):
            ImageSet.load(path)


def test_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    old = make(name="old")
    path = old.save(tmp_path / "set.safetensors")

    def fail(arrays, temporary, metadata):
        temporary.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(module, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        make(name="new").save(path)
    assert same(ImageSet.load(path), old)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("channels", [1, 3])
def test_exported_folder_is_read_back_pixel_for_pixel(channels, tmp_path):
    made = make(n=12, channels=channels, classes=("a", "b"))
    splits = load_splits(f"folder:{made.export_folder(tmp_path / 'out')}")
    seen = 0
    for split in ("train", "validation", "test"):
        for image, label, file in zip(
            splits[split].images, splits[split].labels, splits.record["members"][split], strict=True
        ):
            position = int(file.rpartition("/")[2].removesuffix(".png"))
            assert np.array_equal(image, made.images[position])
            assert splits[split].classes[label] == made.classes[made.labels[position]]
            seen += 1
    assert seen == len(made)


def test_export_writes_one_folder_a_class_and_nothing_beside_it(tmp_path):
    (tmp_path / "new").mkdir()
    make(n=4).export_folder(tmp_path / "new" / "out")
    files = {p.relative_to(tmp_path / "new").as_posix() for p in tmp_path.rglob("*.png")}
    assert files == {"out/a/000000.png", "out/b/000001.png", "out/a/000002.png", "out/b/000003.png"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["out"]
    (tmp_path / "empty").mkdir()
    assert len(list(make().export_folder(tmp_path / "empty").rglob("*.png"))) == 6  # an empty folder is taken


@pytest.mark.parametrize("kind", ["folder with a file", "file"])
def test_export_overwrites_nothing(kind, tmp_path):
    target = tmp_path / "out"
    kept = target / "mine.txt" if kind == "folder with a file" else target
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(UserError, match="out exists"):
        make().export_folder(target)
    assert kept.read_text() == "mine"


def test_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(self, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        make().export_folder(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
