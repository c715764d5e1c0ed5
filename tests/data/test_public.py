"""The paper's data sets from local copies: official splits, exact pixels, refused damage, verification."""

import hashlib
import os
import pickle
import re
import tarfile
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import refusal
from fabricated import (
    BLUE,
    GREEN,
    RED,
    YELLOW,
    as_official,
    cars_annotations,
    fabricate_aircraft,
    fabricate_cars,
    fabricate_cifar10,
    fabricate_cifar100,
    fabricate_cub,
    md5,
)
from scipy.io import savemat
from torchvision.datasets import CIFAR10

from synthgap.data import public, publicfiles
from synthgap.data.public import load_public
from synthgap.data.publicfiles import cifar_md5s, download, verify
from synthgap.data.publicsets import PUBLIC, data_root
from synthgap.data.splits import SPLITS
from synthgap.data.transform import limited

FILES = {"aircraft": fabricate_aircraft, "cub": fabricate_cub, "cars": fabricate_cars}
PICKLES = {"cifar10": fabricate_cifar10, "cifar100": fabricate_cifar100}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*args, **options):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def all_five(tmp_path, monkeypatch):
    for fabricate in PICKLES.values():
        fabricate(tmp_path, monkeypatch)
    for fabricate in FILES.values():
        fabricate(tmp_path)
    return tmp_path


def load(name, root, image_size=None, train_size=None, seed=0, limits=None):
    return load_public(name, image_size, train_size, seed, root, limits)


def refused(match, act, *args, **options):
    """The message of the UserError that `act` raises: one line with a remedy."""
    text = refusal(act, *args, **options)
    assert re.search(match, text), text
    assert "; " in text
    return text


def same(one, other):
    """Whether two Splits hold the same images, labels, classes and members."""
    equal = all(one[s].fingerprint == other[s].fingerprint for s in SPLITS)
    return equal and one.record["members"] == other.record["members"]


# What is known of the sets


def test_counts_are_those_of_the_publications():
    assert {name: tuple(p.counts.values()) for name, p in PUBLIC.items()} == {
        "cifar10": (50_000, 10_000),
        "cifar100": (50_000, 10_000),
        "aircraft": (6_667, 3_333),
        "cub": (5_994, 5_794),
        "cars": (8_144, 8_041),
    }
    assert [p.classes for p in PUBLIC.values()] == [10, 100, 100, 200, 196]


def test_cifar_archives_are_torchvisions():
    assert PUBLIC["cifar10"].archives == {CIFAR10.filename: CIFAR10.tgz_md5}
    assert set(PUBLIC["cifar10"].files) == set(cifar_md5s("cifar10"))
    assert set(PUBLIC["cifar100"].files) == set(cifar_md5s("cifar100"))


def test_what_the_paper_does_not_state_is_said_to_be_inferred(all_five):
    for name in FILES:
        notes = " ".join(load(name, all_five).record["notes"])
        assert "64 pixels as default size; the paper does not state them" in notes
    for name in PUBLIC:
        assert "inferred: the paper mentions none" in load(name, all_five).record["notes"][0]


def test_data_root_is_the_environments_or_data_here(monkeypatch, all_five):
    monkeypatch.delenv("SYNTHGAP_DATA", raising=False)
    assert data_root() == Path("data")
    monkeypatch.setenv("SYNTHGAP_DATA", str(all_five))
    assert data_root() == all_five
    assert same(load_public("cub", 8, None, 0), load("cub", all_five, 8))


# CIFAR


@pytest.mark.parametrize("name", PICKLES)
def test_cifar_pixels_and_labels_come_back_exactly(name, tmp_path, monkeypatch):
    stored = PICKLES[name](tmp_path, monkeypatch)
    splits = load(name, tmp_path)
    for split in SPLITS:
        images, labels = stored["test" if split == "test" else "train"]
        positions = splits.record["members"][split]
        assert np.array_equal(splits[split].images, images[positions])
        assert np.array_equal(splits[split].labels, labels[positions])
        assert splits[split].augment == ("crop", "flip")


def test_cifar_validation_is_a_tenth_of_train_by_the_seed_and_test_is_official(tmp_path, monkeypatch):
    fabricate_cifar10(tmp_path, monkeypatch, train=20, test=3)
    first, again, other = (load("cifar10", tmp_path, seed=s) for s in (5, 5, 6))
    members = first.record["members"]
    assert len(members["validation"]) == 20
    assert sorted(members["train"] + members["validation"]) == list(range(200))
    assert members["test"] == other.record["members"]["test"] == list(range(30))
    assert same(first, again)
    assert members["validation"] != other.record["members"]["validation"]


def test_cifar_at_half_size_is_the_mean_of_four_pixels(tmp_path, monkeypatch):
    fabricate_cifar10(tmp_path, monkeypatch)
    full, half = load("cifar10", tmp_path), load("cifar10", tmp_path, image_size=16)
    means = full.test.images.reshape(-1, 3, 16, 2, 16, 2).mean(axis=(3, 5))
    assert np.abs(half.test.images - means).max() <= 0.5
    assert "resized from 32×32 to 16×16" in half.record["notes"][-1]


@pytest.mark.parametrize("file", ["data_batch_1", "data_batch_4", "test_batch", "batches.meta"])
def test_cifar_file_with_one_byte_changed_is_never_unpickled(file, tmp_path, monkeypatch):
    fabricate_cifar10(tmp_path, monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr(pickle, "load", lambda *args, **options: pytest.fail("a pickle was opened"))
    for act in (load, verify):
        text = refused(rf"{file} is not the published file", act, "cifar10", tmp_path)
        assert md5(path) in text
        assert "synthgap datasets cifar10 --download" in text


class _Payload:
    """Unpickling this creates a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("first_check", [True, False], ids=["ours", "torchvision's"])
@pytest.mark.parametrize("file", ["data_batch_2", "test_batch", "batches.meta"])
def test_code_in_a_cifar_pickle_is_not_run(file, first_check, tmp_path, monkeypatch):
    fabricate_cifar10(tmp_path, monkeypatch)
    trap, path = tmp_path / "trap", tmp_path / "cifar-10-batches-py" / file
    path.write_bytes(pickle.dumps(_Payload(trap), protocol=2))
    if not first_check:
        monkeypatch.setattr(publicfiles, "_check_md5", lambda *args: None)
    refused("cifar-10-batches-py.*unpack in", load, "cifar10", tmp_path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists()  # the payload does work where it is let


# Image files


@pytest.mark.parametrize("name", FILES)
def test_splits_are_official_disjoint_and_whole(name, all_five):
    splits = load(name, all_five, 8)
    members = splits.record["members"]
    assert [len(members[s]) for s in SPLITS] == [9, 3, 6]
    assert len(set().union(*members.values())) == 18
    official = {
        "aircraft": lambda file: int(Path(file).stem) >= 34_309 + 12 * 7,
        "cub": lambda file: (int(file.split("_")[-1][:-4]) - 1) % 6 >= 4,
        "cars": lambda file: file.startswith("cars_test/"),
    }[name]
    for split in SPLITS:
        assert all(official(file) == (split == "test") for file in members[split])
        assert set(splits[split].labels) == {0, 1, 2}
        assert splits[split].augment == ("flip",)


def test_labels_are_those_of_the_annotations(all_five):
    splits = load("aircraft", all_five, 8)
    listed = (all_five / PUBLIC["aircraft"].folder / "images_variant_trainval.txt").read_text().splitlines()
    variant = dict(line.split(" ", 1) for line in listed)
    names = [variant[Path(file).stem] for file in splits.record["members"]["train"]]
    assert [splits.train.classes[label] for label in splits.train.labels] == names
    splits = load("cub", all_five, 8)
    folders = [Path(file).parent.name for file in splits.record["members"]["test"]]
    assert [f"{i + 1:03d}.{splits.test.classes[i]}" for i in splits.test.labels] == folders
    splits = load("cars", all_five, 8)
    numbers = [int(Path(file).stem) - 1 for file in splits.record["members"]["test"]]
    assert splits.test.labels.tolist() == [n % 3 for n in numbers]


NAMES = {
    "cifar10": ("airplane", "automobile", "bird"),
    "cifar100": ("fine 00", "fine 01", "fine 02"),
    "aircraft": ("Variant 0-000", "Variant 1-100", "F/A-18 model"),
    "cub": ("Made_up_Bird_1", "Made_up_Bird_2", "Made_up_Bird_3"),
    "cars": tuple(f"Maker Model {i} Sedan 20{i:02d}" for i in range(3)),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_class_names_are_the_archives_and_the_size_the_sets(name, all_five):
    splits = load(name, all_five)
    assert splits.train.classes[:3] == NAMES[name]
    assert splits.test.shape == ((3, 32, 32) if name in PICKLES else (3, 64, 64))


@pytest.mark.parametrize("name", FILES)
def test_colours_and_orientation_are_right_and_the_edges_are_repeated(name, all_five):
    splits = load(name, all_five, 24)
    for split in SPLITS:
        assert splits[split].shape == (3, 24, 24)
        for image in splits[split].images:
            if (image == image[0]).all():
                continue  # the grey birds
            for (y, x), colour in {(0, 0): RED, (0, 23): GREEN, (23, 0): BLUE, (23, 23): YELLOW}.items():
                assert np.abs(image[:, y, x].astype(int) - colour).max() < 25


def test_grey_images_fill_all_three_channels(all_five):
    splits = load("cub", all_five, 16)
    grey = [(image == image[0]).all() for s in SPLITS for image in splits[s].images]
    assert sum(grey) == 3
    assert "18 images (3 grey; 40–50 pixels wide, 40–50 high) brought to 16×16" in splits.record["notes"][-1]


def test_banner_is_cut_off_the_aircraft(all_five):
    splits = load("aircraft", all_five, 60)  # the width of the pictures: nothing is scaled
    for image in splits.test.images:
        assert not (image.min(axis=0) > 100).any()  # no white pixel
        upper, lower = np.abs(np.diff(image[:, [0, 9, 50, 59]].astype(int), axis=1)).max(axis=(0, 2))[[0, 2]]
        assert (upper, lower) == (0, 0)  # 60 × 40 on 60 × 60: 10 repeated rows above and below
    assert "the 20 pixels at the bottom" in " ".join(splits.record["notes"])
    assert "copyright banner" not in " ".join(load("cars", all_five, 8).record["notes"])


# What is left out


@pytest.fixture
def decoded(monkeypatch):
    """The image files decoded, in order."""
    paths = []
    read = public.read_image
    monkeypatch.setattr(public, "read_image", lambda path: paths.append(path) or read(path))
    return paths


@pytest.mark.parametrize("name", FILES)
def test_only_what_limits_keep_is_decoded(name, all_five, decoded):
    splits = load(name, all_five, 8, limits={"train": 5, "validation": None, "test": 3})
    assert [len(splits[s]) for s in SPLITS] == [5, 3, 3]
    folder = all_five / PUBLIC[name].folder
    assert decoded == [folder / file for s in SPLITS for file in splits.record["members"][s]]


@pytest.mark.parametrize("name", PUBLIC)
def test_limits_keep_what_they_keep_of_the_whole_set_and_a_second_time_nothing_changes(name, all_five):
    limits = {"train": 100 if name == "cifar100" else 12, "test": 4}
    few = load(name, all_five, 8, seed=3, limits=limits)
    assert same(few, limited(load(name, all_five, 8, seed=3), limits, 3))
    assert same(few, limited(few, limits, 3))


@pytest.mark.parametrize("name", FILES)
def test_limits_leave_an_image_of_every_class(name, all_five):
    few = load(name, all_five, 8, limits=dict.fromkeys(SPLITS, 1))
    assert all(few[s].labels.tolist().count(c) == 1 for s in SPLITS for c in range(3))


def test_train_size_limits_train_after_the_cut(all_five, decoded):
    whole, few = load("cars", all_five, 8), load("cars", all_five, 8, train_size=4)
    assert len(few.train) == 4
    assert set(few.train.labels) == {0, 1, 2}
    assert set(few.record["members"]["train"]) < set(whole.record["members"]["train"])
    assert few.record["members"]["validation"] == whole.record["members"]["validation"]
    assert "4 of 9 train images used (train_size)" in few.record["notes"]
    assert len(decoded) == 18 + 13


def test_senseless_sizes_limits_and_names_are_refused(all_five):
    for size in (2, 10):
        match = f"train_size is {size}, but cars has 9 training images.*give 3 to 9"
        refused(match, load, "cars", all_five, 8, size)
    refused("unknown split 'dev'", load, "cars", all_five, 8, limits={"dev": 3})
    for act in (load, verify, download):
        refused("unknown public data set 'mnist'; known: cifar10, cifar100", act, "mnist", all_five)


# Missing and damaged files


@pytest.mark.parametrize("name", PUBLIC)
def test_absent_data_folder_is_refused_with_origin_and_layout(name, tmp_path):
    for act in (load, verify):
        text = refused("there is no data folder .*absent.*SYNTHGAP_DATA", act, name, tmp_path / "absent")
        assert PUBLIC[name].origin in text
        assert PUBLIC[name].layout in text


@pytest.mark.parametrize(("name", "file"), [(name, file) for name in PUBLIC for file in PUBLIC[name].files])
def test_each_missing_file_is_named_with_origin_and_layout(name, file, tmp_path, monkeypatch):
    if name in PICKLES:
        PICKLES[name](tmp_path, monkeypatch)
    else:
        FILES[name](tmp_path)
    path = tmp_path / PUBLIC[name].folder / file
    path.rename(tmp_path / "elsewhere")
    for act in (load, verify):
        text = refused(f"{path} is missing", act, name, tmp_path)
        assert PUBLIC[name].origin in text
        assert PUBLIC[name].layout in text


IMAGES = {
    "aircraft": "images/0034309.jpg",
    "cub": "images/001.Made_up_Bird_1/Made_up_Bird_0001_1.jpg",
    "cars": "cars_train/00001.jpg",
}


@pytest.mark.parametrize("name", FILES)
def test_missing_and_damaged_images_are_refused_by_name(name, all_five):
    path = all_five / PUBLIC[name].folder / IMAGES[name]
    path.write_bytes(path.read_bytes()[:400])
    refused(f"{path} can't be read as an image.*; replace or remove it", load, name, all_five, 8)
    path.unlink()
    for act in (load, verify):
        refused(rf"(\.txt|\.mat) names {path}, which is missing; get .* and unpack in", act, name, all_five)


def test_aircraft_that_is_all_banner_is_refused(all_five, monkeypatch):
    monkeypatch.setattr(public, "BANNER", 60)
    refused(r"\.jpg is 60 pixels high, all of it banner; replace", load, "aircraft", all_five, 8)


def rewrite(path, change):
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


AIRCRAFT = [
    ("images_variant_test.txt", lambda t: [*t[:-1], t[-1][:7] + " Zeppelin"], "names the variant 'Zeppelin'"),
    ("images_variant_trainval.txt", lambda t: [*t, "0099999"], 'is not a list of "<image> <variant>" lines'),
    ("images_variant_trainval.txt", lambda t: [*t, t[0]], r"0034309\.jpg, which is listed twice"),
    ("images_variant_test.txt", lambda t: [*t, "0034309 Variant 0-000"], r"0034309\.jpg, which is listed twice"),
    ("images_variant_test.txt", lambda t: ["../../x Variant 0-000"], r"\.\./x\.jpg, an image outside"),
    ("images_variant_test.txt", lambda t: ["/etc/x Variant 0-000"], "/etc/x.jpg, an image outside"),
    ("variants.txt", lambda t: t[:-1], "which variants.txt lacks"),
]
CUB = [
    ("images.txt", lambda t: t[:-1], "image_class_labels.txt has 18 lines for the 17 images of images.txt"),
    ("image_class_labels.txt", lambda t: t[:-1], "image_class_labels.txt has 17 lines for the 18 images"),
    ("train_test_split.txt", lambda t: [*t, "19 1"], "train_test_split.txt has 19 lines for the 18 images"),
    ("train_test_split.txt", lambda t: [*t[:-1], "99 1"], "train_test_split.txt numbers other images"),
    ("train_test_split.txt", lambda t: ["1 2", *t[1:]], r"train_test_split.txt holds '2', not 1 \(train\) or 0"),
    ("train_test_split.txt", lambda t: [line[:-1] + "1" for line in t], "lists no test image"),
    ("image_class_labels.txt", lambda t: ["1 4", *t[1:]], "0001_1.jpg a class outside the 3 named"),
    ("image_class_labels.txt", lambda t: ["1 0", *t[1:]], "0001_1.jpg a class outside the 3 named"),
    ("classes.txt", lambda t: t[:-1], "a class outside the 2 named"),
    ("classes.txt", lambda t: ["001.Bird", *t[1:]], r"classes.txt, line 1: '001.Bird' is not"),
    ("images.txt", lambda t: [t[0], *t], "images.txt, line 2: .* with a new number"),
    ("images.txt", lambda t: ["1 ../classes.jpg", *t[1:]], "an image outside"),
]


@pytest.mark.parametrize(
    ("name", "file", "change", "match"),
    [("aircraft", *row) for row in AIRCRAFT] + [("cub", *row) for row in CUB],
)
def test_contradictions_in_annotations_are_refused(name, file, change, match, tmp_path):
    FILES[name](tmp_path)
    rewrite(tmp_path / PUBLIC[name].folder / file, change)
    for act in (load, verify):
        refused(rf"{match}.*get .*{PUBLIC[name].origin}", act, name, tmp_path)


@pytest.mark.parametrize(("name", "file"), [("aircraft", "variants.txt"), ("cub", "images.txt")])
def test_annotations_that_are_no_text_are_refused(name, file, tmp_path):
    FILES[name](tmp_path)
    (tmp_path / PUBLIC[name].folder / file).write_bytes(b"\xff\xfe\x00\x81")
    refused(r"\.txt (can't be read|is not a list)", load, name, tmp_path)


@pytest.mark.filterwarnings("ignore")  # 0 − 1 in 8 bits, inside torchvision
@pytest.mark.parametrize("number", [0, 4, 200])
@pytest.mark.parametrize(("split", "file"), [("train", "cars_train_annos"), ("test", "cars_test_annos_withlabels")])
def test_car_of_a_class_that_there_is_not_is_refused(split, file, number, tmp_path):
    fabricate_cars(tmp_path)
    cars_annotations(tmp_path / "stanford_cars", split, [(number, "00001.jpg"), (1, "00002.jpg")])
    refused(rf"{file}\.mat gives .*00001\.jpg a class outside the 3 named; get", load, "cars", tmp_path)


def test_unlabelled_test_annotations_of_the_devkit_are_refused(tmp_path):
    fabricate_cars(tmp_path)
    rows = np.array([[("00001.jpg",), ("00002.jpg",)]], dtype=[("fname", object)])
    path = tmp_path / "stanford_cars" / "cars_test_annos_withlabels.mat"
    savemat(path, {"annotations": rows}, do_compression=True)
    refused(r"withlabels\.mat and .* don't hold what they should \(.*class.*\); get", load, "cars", tmp_path)


@pytest.mark.parametrize("file", ["devkit/cars_meta.mat", "devkit/cars_train_annos.mat"])
def test_damaged_matlab_file_is_refused_before_it_is_parsed(file, tmp_path, monkeypatch):
    fabricate_cars(tmp_path)
    path = tmp_path / "stanford_cars" / file
    whole = path.read_bytes()
    monkeypatch.setattr("scipy.io.loadmat", lambda *args, **options: pytest.fail("damage was parsed"))
    for cut in (0, 10, 130, 200, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(f"{path} is not the published MATLAB file.*; get", load, "cars", tmp_path)
    for position in [*range(124, 140), *np.random.default_rng(1).integers(140, len(whole), 40)]:
        data = bytearray(whole)
        data[position] ^= 1 << int(position) % 8
        path.write_bytes(data)
        refused(f"{path} is not the published MATLAB file.*; get", load, "cars", tmp_path)


# Verification


@pytest.mark.parametrize("name", PUBLIC)
def test_report_says_what_was_found_and_expected(name, all_five, monkeypatch):
    match = rf"{PUBLIC[name].folder} has \d+ train images, not the \d+,\d+ published; get "
    refused(match, verify, name, all_five)  # the copy is made up
    as_official(monkeypatch, name, all_five)
    lines, known = verify(name, all_five), PUBLIC[name]
    assert lines[0] == f"{known.title} in {all_five / known.folder}"
    for what, count in (*((f"{s} images", n) for s, n in known.counts.items()), ("classes", known.classes)):
        assert f"{what}: {count} found, {count} expected" in lines


def test_each_count_is_compared(all_five, monkeypatch):
    as_official(monkeypatch, "cub", all_five)
    known = PUBLIC["cub"]
    for what in ("train", "test", "classes"):
        changed = {"classes": 7} if what == "classes" else {"counts": known.counts | {what: 7}}
        monkeypatch.setitem(PUBLIC, "cub", replace(PUBLIC["cub"], **changed))
        refused(f"CUB_200_2011 has .* {what}( images)?, not the 7 published; get", verify, "cub", all_five)
        as_official(monkeypatch, "cub", all_five)


def test_report_lists_the_md5_of_each_cifar_file(all_five, monkeypatch):
    as_official(monkeypatch, "cifar10", all_five)
    lines = verify("cifar10", all_five)
    for file in PUBLIC["cifar10"].files:
        found = md5(all_five / "cifar-10-batches-py" / file)
        assert f"{file}: MD5 {found} as torchvision lists it" in lines


@pytest.mark.parametrize("name", FILES)
def test_hash_is_that_of_sha256sums_lines_and_changes_with_any_image(name, all_five, monkeypatch):
    as_official(monkeypatch, name, all_five)
    folder = all_five / PUBLIC[name].folder
    (folder / "unlisted.jpg").write_bytes(b"not part of the set")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg") if p.name != "unlisted.jpg")
    text = "".join(f"{hashlib.sha256((folder / file).read_bytes()).hexdigest()}  {file}\n" for file in files)
    digest = hashlib.sha256(text.encode()).hexdigest()
    line = f"18 images: SHA-256 {digest} (recorded, no published hash of the unpacked files)"
    assert line in verify(name, all_five)
    with (folder / IMAGES[name]).open("ab") as file:
        file.write(b"\0")
    assert line not in verify(name, all_five)


@pytest.mark.parametrize("name", FILES)
def test_archive_left_beside_the_folder_is_checked(name, all_five, monkeypatch):
    as_official(monkeypatch, name, all_five)
    archive = next(iter(PUBLIC[name].archives))
    assert f"{archive}: not there, so its MD5 was not checked" in verify(name, all_five)
    for folder in (all_five, all_five / PUBLIC[name].folder):
        path = folder / archive
        path.write_bytes(b"cut off")
        refused(f"{path} is not the published file .*; remove it; get", verify, name, all_five)
        path.unlink()
    path.write_bytes(b"whole")
    archives = PUBLIC[name].archives | {archive: md5(path)}
    monkeypatch.setitem(PUBLIC, name, replace(PUBLIC[name], archives=archives))
    assert f"{archive}: MD5 {md5(path)} as published" in verify(name, all_five)


def test_labels_of_the_test_cars_are_checked_by_md5(all_five, monkeypatch):
    as_official(monkeypatch, "cars", all_five)
    listed = [(1 + (i + 1) % 3, f"{i + 1:05d}.jpg") for i in range(6)]  # every label another one
    cars_annotations(all_five / "stanford_cars", "test", listed)
    refused(r"cars_test_annos_withlabels\.mat is not the published file", verify, "cars", all_five)


# Downloads (torchvision unpacks an archive that lies there already)


def pack(root, folder, archive):
    """Move `root/folder` into the archive `root/archive`."""
    with tarfile.open(root / archive, "w:gz") as file:
        file.add(root / folder, folder)
    (root / folder).rename(root / "original")
    return md5(root / archive)


def test_cifar_is_unpacked_by_torchvision_and_checked(tmp_path, monkeypatch):
    fabricate_cifar10(tmp_path, monkeypatch)
    before = load("cifar10", tmp_path)
    found = pack(tmp_path, "cifar-10-batches-py", CIFAR10.filename)
    monkeypatch.setattr(CIFAR10, "tgz_md5", found)
    monkeypatch.setitem(PUBLIC, "cifar10", replace(PUBLIC["cifar10"], archives={CIFAR10.filename: found}))
    assert download("cifar10", tmp_path) == tmp_path / "cifar-10-batches-py"
    assert same(load("cifar10", tmp_path), before)


def test_downloaded_aircraft_archive_that_is_not_the_published_one_is_refused(tmp_path, monkeypatch):
    fabricate_aircraft(tmp_path)
    archive = "fgvc-aircraft-2013b.tar.gz"
    found = pack(tmp_path, "fgvc-aircraft-2013b", archive)
    refused(f"{archive} is not the published file .*remove it", download, "aircraft", tmp_path)
    monkeypatch.setitem(PUBLIC, "aircraft", replace(PUBLIC["aircraft"], archives={archive: found}))
    assert len(load("aircraft", download("aircraft", tmp_path).parents[1], 8).train) == 9


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "aircraft"])
def test_download_without_network_is_refused_with_origin(name, tmp_path):
    text = refused("could not be downloaded .*no network in tests.*remove", download, name, tmp_path)
    assert PUBLIC[name].origin in text


@pytest.mark.parametrize("name", ["cub", "cars"])
def test_sets_without_an_address_say_where_to_get_and_unpack_them(name, tmp_path):
    text = refused("torchvision doesn't download", download, name, tmp_path)
    assert all(archive in text for archive in PUBLIC[name].archives)
    assert PUBLIC[name].origin in text
    assert PUBLIC[name].layout in text
    assert f"unpack in {tmp_path / PUBLIC[name].unpack_in}" in text
