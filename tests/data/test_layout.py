"""What a folder is taken for: classes, splits, loose images; what is passed over; how classes are named."""

import json
import os
import unicodedata

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.data import tree
from synthgap.data.classnames import NAMES_FILE, folder_names, read_names, shown
from synthgap.data.imageset import ImageSet
from synthgap.data.layout import read_layout
from synthgap.data.report import layout_lines


def touch(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def all_of(root):
    return read_layout(root).listings["all"]


# Classes


def test_classes_are_the_sorted_subfolders_and_labels_index_them(tmp_path):
    listing = all_of(touch(tmp_path, "b/1.png", "a/2.png", "a/1.png"))
    assert listing.classes == ("a", "b")
    assert listing.files == ("a/1.png", "a/2.png", "b/1.png")
    assert listing.labels.tolist() == [0, 0, 1]


def test_nested_folders_belong_to_the_class_above_them(tmp_path):
    listing = all_of(touch(tmp_path, "a/2019/may/1.png", "a/2.png", "b/x/1.png"))
    assert listing.classes == ("a", "b")
    assert listing.labels.tolist() == [0, 0, 1]


def test_files_are_sorted_folder_by_folder(tmp_path):
    names = ["a/b/1.png", "a/b c/1.png", "a/b.png", "b/1.png"]
    assert all_of(touch(tmp_path, *names)).files == ("a/b/1.png", "a/b c/1.png", "a/b.png", "b/1.png")


def test_names_may_be_unicode_with_spaces(tmp_path):
    listing = all_of(touch(tmp_path, "größe ü/ネコ 1.png", "猫/β.jpg"))
    assert set(listing.classes) == {"größe ü", "猫"}
    assert set(listing.files) == {"größe ü/ネコ 1.png", "猫/β.jpg"}


def test_extensions_count_in_any_case(tmp_path):
    assert len(all_of(touch(tmp_path, "a/1.PNG", "a/2.Jpg", "b/1.TIFF", "b/2.JFIF", "b/3.jpe")).files) == 5


def test_subfolder_without_images_is_no_class(tmp_path):
    assert read_layout(touch(tmp_path, "a/1.png", "b/1.png", "docs/read.txt")).classes == ("a", "b")


def test_missing_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*absent"):
        read_layout(tmp_path / "absent")


def test_a_file_is_no_folder(tmp_path):
    with pytest.raises(UserError, match=r"1\.png is a file and no folder; give the path"):
        read_layout(touch(tmp_path, "1.png") / "1.png")


def test_folder_without_class_folders_is_a_user_error_that_counts_what_lies_there(tmp_path):
    with pytest.raises(UserError, match=r"holds no images in class folders \(1 lie in it without one\)"):
        read_layout(touch(tmp_path, "1.png", "a/notes.txt"))
    with pytest.raises(UserError, match=r"\(but 2 \.heic, which can't be read here: convert them to PNG\)"):
        read_layout(touch(tmp_path, "b/1.heic", "a/1.HEIC"))


def test_one_class_is_a_user_error_that_names_it(tmp_path):
    with pytest.raises(UserError, match=r"one class, 'cats'; a classifier needs two or more$"):
        read_layout(touch(tmp_path, "cats/1.png", "cats/2.png", "cats/x/3.png"))


@pytest.mark.parametrize("inner", [("cat", "dog"), ("train/cat", "test/cat")])
def test_a_folder_one_level_too_high_names_the_one_that_is_meant(inner, tmp_path):
    touch(tmp_path, *(f"photos/{name}/1.png" for name in inner), "__MACOSX/photos/cat/._1.png")
    with pytest.raises(UserError, match=rf"did you mean folder:{tmp_path}/photos\?"):
        read_layout(tmp_path)
    told = layout_lines(read_layout(tmp_path, least_classes=1))
    assert any(f"did you mean folder:{tmp_path}/photos?" in line for line in told)


def test_composed_and_decomposed_letters_are_one_class(tmp_path):
    nfd = unicodedata.normalize("NFD", "café")
    layout = read_layout(touch(tmp_path, "café/1.png", f"{nfd}/2.png", "tea/1.png"))
    assert layout.classes == ("café", "tea")
    assert np.bincount(layout.listings["all"].labels).tolist() == [2, 1]
    assert "class 'café' lies in 2 folders whose names differ only in how letters are composed" in layout_lines(layout)
    assert read_layout(touch(tmp_path / "b", f"train/{nfd}/1.png", "train/x/1.png", "test/café/1.png")).classes == (
        "café",
        "x",
    )


def test_classes_that_differ_only_in_case_are_two_and_doubted(tmp_path):
    layout = read_layout(touch(tmp_path, "Cat/1.png", "cat/1.png", "dog/1.png"))
    assert layout.classes == ("Cat", "cat", "dog")
    assert "WARNING: classes 'Cat', 'cat' differ only in case or spaces; rename one if they are the same" in (
        layout_lines(layout)
    )


def test_a_name_that_is_not_utf8_is_refused_at_once_if_it_is_an_images(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("")
    assert len(all_of(tmp_path).files) == 2
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    (tmp_path / os.fsdecode(b"caf\xe9") / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a name that is not UTF-8, caf\\udce9/1\.png; rename it") as error:
        read_layout(tmp_path)
    assert str(error.value).isprintable()


def test_control_characters_are_refused_in_a_class_and_taken_in_a_file(tmp_path):
    assert all_of(touch(tmp_path, "a/1\n2.png", "b/1.png")).files == ("a/1\n2.png", "b/1.png")
    with pytest.raises(UserError, match=r"class folder 'c\\nd', whose name has a control character"):
        read_layout(touch(tmp_path, "c\nd/1.png"))


# Splits


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_split_folders_are_found_under_their_usual_names(name, tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", f"{name}/a/1.png", "test/a/1.png", "annotations/1.txt")
    layout = read_layout(tmp_path)
    assert layout.folders == {"train": "train", "validation": name, "test": "test"}
    assert list(layout.listings) == ["train", "validation", "test"]
    assert layout.listings["test"].files == ("test/a/1.png",)


def test_test_folder_without_train_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="test/ but no train/"):
        read_layout(touch(tmp_path, "test/a/1.png"))


def test_two_folders_for_one_split_are_a_user_error(tmp_path):
    with pytest.raises(UserError, match="two validation folders, val/ and valid/"):
        read_layout(touch(tmp_path, "train/a/1.png", "val/a/1.png", "valid/a/1.png"))


def test_train_and_test_may_be_the_names_of_classes(tmp_path):
    layout = read_layout(touch(tmp_path, "bus/1.png", "train/1.png", "test/1.png"))
    assert (layout.folders, layout.classes) == ({}, ("bus", "test", "train"))


def test_split_folders_without_classes_are_never_taken_for_classes(tmp_path):
    touch(tmp_path, "train/1.png", "test/1.png", "test/2.png", ".cache/1.png", "annotations/1.txt")
    with pytest.raises(UserError, match=r"train holds no images in class folders \(1 lie in it without one\)"):
        read_layout(tmp_path)
    layout = read_layout(tmp_path, least_classes=1)
    assert {s: v.files for s, v in layout.listings.items()} == {
        "train": ("train/1.png",),
        "test": ("test/1.png", "test/2.png"),
    }
    assert layout.classes == ("image",)


def test_class_that_train_lacks_is_a_user_error_that_names_it_and_the_likely_one(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/d/1.png")
    with pytest.raises(UserError, match=r"class 'd', which train lacks; rename or remove it$"):
        read_layout(tmp_path)
    (tmp_path / "test/d").rename(tmp_path / "test/B")
    with pytest.raises(UserError, match=r"class 'B', which train lacks; rename or remove it; did you mean 'b'\?"):
        read_layout(tmp_path)


def test_a_flat_test_folder_is_left_out_and_told_of(tmp_path):
    layout = read_layout(touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png"))
    assert (list(layout.listings), layout.unlabelled, layout.loose) == (["train"], {"test": 2}, ())
    assert any("test/ holds 2 images without class folders, as a competition's" in t for t in layout_lines(layout))


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


def test_a_split_that_is_not_there_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="has no folder of the split validation; leave :validation out"):
        read_layout(f"{touch(tmp_path, 'train/a/1.png')}:val")


# What is passed over


def reasons(root):
    return {reason: set(paths) for reason, paths in read_layout(root).passed.items()}


def test_what_is_passed_over_has_a_reason(tmp_path):
    touch(tmp_path, "a/1.png", "b/1.png", "a/notes.txt", "b/1.heic", "a/.x.png", ".c/1.png", "b/deep/Thumbs.db")
    assert reasons(tmp_path) == {
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
        "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
        "a/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        ".thumbnails/1.png",
        "__MACOSX/a/._1.png",
        "a/.ipynb_checkpoints/1-checkpoint.png",
        "$RECYCLE.BIN/1.png",
        "#recycle/1.png",
        "lost+found/1.png",
        "System Volume Information/1.png",
        "a/._1.png",
        "a/SYNOFILE_THUMB_M.png",
        ".Trash-1000/files/1.png",
    ],
)
def test_known_litter_is_no_image_and_no_class(litter, tmp_path):
    layout = read_layout(touch(tmp_path, "a/1.png", "b/1.png", litter))
    assert (layout.classes, layout.listings["all"].files, list(layout.passed)) == (
        ("a", "b"),
        ("a/1.png", "b/1.png"),
        [tree.LITTERED],
    )


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


def test_a_folder_that_cannot_be_opened_is_a_user_error(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "b/1.png")
    scan = os.scandir

    def closed(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"b can't be opened \(Permission denied\); give the right to read it"):
        read_layout(tmp_path)


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


def test_plain_names_need_no_list(tmp_path):
    images = ImageSet(np.zeros((2, 1, 8, 8), np.uint8), np.arange(2), ("Corn_(maize)", "b"))
    folder = images.export_folder(tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == ["Corn_(maize)", "b"]


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
