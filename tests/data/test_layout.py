"""What a folder is taken for: classes, splits, loose images; what is passed over; how classes are named."""

import json
import os
import unicodedata

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.base.names import shown
from synthgap.data import tree
from synthgap.data.classnames import NAMES_FILE, folder_names, read_names
from synthgap.data.imageset import ImageSet
from synthgap.data.layout import layout_lines, read_layout


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def all_of(root):
    return read_layout(root).listings["all"]


# Classes


@pytest.mark.parametrize(
    ("files", "listed", "labels"),
    [
        ("b/1.png a/2.png a/1.png", "a/1.png a/2.png b/1.png", [0, 0, 1]),
        ("a/2019/may/1.png a/2.png b/x/1.png", "a/2.png a/2019/may/1.png b/x/1.png", [0, 0, 1]),  # nested
        ("a/b/1.png a/b+c/1.png a/b.png b/1.png", "a/b/1.png a/b+c/1.png a/b.png b/1.png", [0, 0, 0, 1]),
        ("größe/ネコ.png 猫/β.jpg", "größe/ネコ.png 猫/β.jpg", [0, 1]),
        ("a/1.PNG a/2.Jpg b/1.TIFF b/2.JFIF b/3.jpe", "a/1.PNG a/2.Jpg b/1.TIFF b/2.JFIF b/3.jpe", [0, 0, 1, 1, 1]),
        ("a/1.png b/1.png docs/read.txt", "a/1.png b/1.png", [0, 1]),
    ],
)
def test_classes_are_the_sorted_subfolders_with_images_at_any_depth(files, listed, labels, tmp_path):
    listing = all_of(touch(tmp_path, *files.split()))
    assert listing.files == tuple(listed.split())
    assert [listing.classes[i] for i in listing.labels] == [file.split("/")[0] for file in listing.files]
    assert listing.labels.tolist() == labels
    assert listing.classes == tuple(sorted(listing.classes))


def test_folder_without_class_folders_is_a_user_error_that_counts_what_lies_there(tmp_path):
    with pytest.raises(UserError, match=r"holds no images in class folders \(1 lie in it without one\)"):
        read_layout(touch(tmp_path, "1.png", "a/notes.txt"))
    with pytest.raises(UserError, match=r"\(but 2 \.heic, which can't be read here: convert them to PNG\)"):
        read_layout(touch(tmp_path, "b/1.heic", "a/1.HEIC"))


@pytest.mark.parametrize("inner", [("cat", "dog"), ("train/cat", "test/cat")])
def test_a_folder_one_level_too_high_names_the_one_that_is_meant(inner, tmp_path):
    touch(tmp_path, *(f"photos/{name}/1.png" for name in inner), "__MACOSX/photos/cat/._1.png")
    with pytest.raises(UserError, match=rf"did you mean folder:{tmp_path}/photos\?"):
        read_layout(tmp_path)
    told = layout_lines(read_layout(tmp_path, least_classes=1))
    assert any(f"did you mean folder:{tmp_path}/photos?" in line for line in told)


def test_a_file_may_have_any_name(tmp_path):
    touch(tmp_path, "a/1\n2.png", "b/1.png", os.fsdecode(b"caf\xe9.txt"))
    assert all_of(tmp_path).files == ("a/1\n2.png", "b/1.png")


# Splits


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_split_folders_are_found_under_their_usual_names(name, tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", f"{name}/a/1.png", "test/a/1.png", "annotations/1.txt")
    layout = read_layout(tmp_path)
    assert layout.folders == {"train": "train", "validation": name, "test": "test"}
    assert list(layout.listings) == ["train", "validation", "test"]
    assert layout.listings["test"].files == ("test/a/1.png",)
    with pytest.raises(UserError, match="two validation folders"):
        read_layout(touch(tmp_path, "VALIDATION/a/1.png"))


def test_train_and_test_may_be_the_names_of_classes(tmp_path):
    layout = read_layout(touch(tmp_path, "bus/1.png", "train/1.png", "test/1.png"))
    assert (layout.folders, layout.classes) == ({}, ("bus", "test", "train"))


def test_split_folders_without_classes_are_never_taken_for_classes(tmp_path):
    touch(tmp_path, "train/1.png", "test/1.png", "test/2.png", ".cache/1.png", "annotations/1.txt")
    with pytest.raises(UserError, match=r"train holds no images in class folders \(1 lie in it without one\)"):
        read_layout(tmp_path)
    layout = read_layout(tmp_path, least_classes=1)
    files = [listing.files for listing in layout.listings.values()]
    assert files == [("train/1.png",), ("test/1.png", "test/2.png")]
    assert layout.classes == ("image",)


def test_an_empty_split_folder_is_told_of(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png")
    (tmp_path / "val").mkdir()
    layout = read_layout(tmp_path)
    assert list(layout.listings) == ["train"]
    assert "WARNING: 1 folder yields no image and is no class: val (empty)" in layout_lines(layout)


@pytest.mark.parametrize("name", ["photos:test", "photos/test", "photos:TEST"])
def test_one_split_may_be_named(name, tmp_path):
    touch(tmp_path / "photos", "train/a/1.png", "train/b/1.png", "test/a/2.png", "test/b/2.png")
    listing = next(iter(read_layout(f"{tmp_path}/{name}").listings.values()))
    assert [f.rpartition("test/")[2] for f in listing.files] == ["a/2.png", "b/2.png"]


# What is passed over


def test_what_is_passed_over_has_a_reason(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png", "a/notes.txt", "b/1.heic", "a/.x.png", ".c/1.png", "b/deep/Thumbs.db")
    assert {reason: set(paths) for reason, paths in read_layout(tmp_path).passed.items()} == {
        tree.OTHER: {"a/notes.txt"},
        tree.UNREAD: {"b/1.heic"},
        tree.HIDDEN: {"a/.x.png", ".c"},
        tree.LITTERED: {"b/deep/Thumbs.db"},
    }
    assert layout_lines(read_layout(tmp_path)) == [
        "1 file without an image's ending is passed over: a/notes.txt",
        "1 leftover of the system or another program is passed over: b/deep/Thumbs.db",
        "2 hidden files or folders are passed over: .c, a/.x.png",
        "WARNING: 1 image of formats that can't be read here (.heic 1); convert them to PNG or JPEG first "
        "(ImageMagick: magick mogrify -format png FILES)",
    ]


@pytest.mark.parametrize(
    "litter",
    [
        *("@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg", "a/SYNOFILE_THUMB_M.png"),
        *(".thumbnails/1.png", "__MACOSX/a/._1.png", "a/._1.png", "a/.ipynb_checkpoints/1-checkpoint.png"),
        *("$RECYCLE.BIN/1.png", "#recycle/1.png", "lost+found/1.png", ".Trash-1000/files/1.png"),
        "System Volume Information/1.png",
    ],
)
def test_known_litter_is_no_image_and_no_class(litter, tmp_path):
    layout = read_layout(touch(tmp_path, "a/1.png", "b/1.png", litter))
    assert (layout.classes, all_of(tmp_path).files) == (("a", "b"), ("a/1.png", "b/1.png"))
    assert list(layout.passed) == [tree.LITTERED]


def test_class_folders_without_images_are_told_of_with_the_reason(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png", "c/1.heic", "c/2.HEIC", "d/1.txt")
    (tmp_path / "e/f").mkdir(parents=True)
    layout = read_layout(tmp_path)
    assert layout.empty == {
        "c": "only .heic files, which can't be read here",
        "d": "no images, 1 other file",
        "e": "empty",
    }
    told = layout_lines(layout)
    assert "1 folder without images: d (no images, 1 other file)" in told
    assert any(line.startswith("WARNING: 2 folders yield no image and are no class: c (only .heic") for line in told)


def test_images_behind_links_are_found_once_and_circles_end(tmp_path):
    photos, elsewhere = touch(tmp_path / "photos", "a/1.png"), touch(tmp_path / "elsewhere", "x/1.png", "x/2.png")
    (photos / "b").mkdir()
    (photos / "b" / "more").symlink_to(elsewhere / "x")
    (photos / "c").symlink_to(elsewhere / "x")  # the same folder again
    (photos / "a" / "up").symlink_to(photos)
    (photos / "a" / "all").symlink_to("/")
    (photos / "a" / "me").symlink_to(photos / "a" / "me")
    (photos / "a" / "gone.png").symlink_to(photos / "nothing.png")
    (elsewhere / "x" / "back").symlink_to(elsewhere / "x")
    layout = read_layout(photos)
    found = {file.split("/")[0] for file in layout.listings["all"].files}
    assert (len(layout.listings["all"].files), found) in ((3, {"a", "b"}), (3, {"a", "c"}))
    assert {"a/up", "a/all"} < set(layout.passed[tree.LINKED])
    assert len(layout.passed[tree.LINKED]) == 4
    assert layout.passed[tree.BROKEN] == ("a/gone.png", "a/me")


# Names of classes


NAMES = (
    *("Corn_(maize)", "a/b", "a\\b", "nul\0l", ".", "..", " lead", "trail ", "dot.", ".hidden", "Cat", "cat", "CAT"),
    *("CON", "aux.txt", "LPT1", "x" * 300, "猫" * 100, "café", unicodedata.normalize("NFD", "café2"), "a:b", "a*?"),
    *("line\nbreak", "%2F", "train", "Test", "lost+found", "Thumbs.db", NAMES_FILE, "", "\ud800", "a~2", "A", "a"),
)


def test_folder_names_hold_on_every_file_system():
    folders = folder_names(NAMES)
    assert len({unicodedata.normalize("NFC", f).casefold() for f in folders}) == len(NAMES)
    assert all(0 < len(f.encode()) <= 255 and f.isprintable() for f in folders)
    assert not any(set('<>:"/\\|?*') & set(f) or f.startswith((".", " ")) or f.endswith((".", " ")) for f in folders)
    assert folders[0] == "Corn_(maize)"
    assert [folder_names([c])[0] for c in ("ok", "größe ü", "a-b_c 1", "a#b$")] == ["ok", "größe ü", "a-b_c 1", "a#b$"]


def test_every_class_name_comes_back_from_an_exported_folder(tmp_path):
    images = ImageSet(np.arange(len(NAMES) * 64, dtype=np.uint8).reshape(-1, 1, 8, 8), np.arange(len(NAMES)), NAMES)
    folder = images.export_folder(tmp_path / "out")
    layout = read_layout(folder)
    listing = layout.listings["all"]
    assert set(layout.classes) == set(NAMES)
    assert {layout.classes[label]: int(f[-10:-4]) for f, label in zip(listing.files, listing.labels, strict=True)} == {
        name: i for i, name in enumerate(NAMES)
    }
    assert layout.passed == {}
    images = ImageSet(np.zeros((2, 1, 8, 8), np.uint8), np.arange(2), ("Corn_(maize)", "b"))
    plain = images.export_folder(tmp_path / "plain")
    assert sorted(p.name for p in plain.iterdir()) == ["Corn_(maize)", "b"]  # they need no list


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}', "[" * 100_000, '{"a": "b"}' + " " * 2**24])
def test_a_damaged_list_of_names_is_a_user_error(content, tmp_path):
    (tmp_path / NAMES_FILE).write_text(content)
    with pytest.raises(UserError, match=rf"{NAMES_FILE} can't be read .*; export the images again, or remove it"):
        read_names(tmp_path)


def test_a_list_of_names_names_only_folders_that_are_there(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / NAMES_FILE).write_text(json.dumps({"a": "α/1", "gone": "x"}))
    assert read_layout(tmp_path).classes == ("b", "α/1")


def test_what_cannot_be_printed_is_shown_as_escapes():
    assert shown("a\nb\udce9\0é") == "a\\nb\\udce9\\x00é"
