"""Groups of images: never on two sides, as near to the wanted sizes as they allow, and wrong ones told in a line."""

import csv

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from synthgap.base.errors import UserError
from synthgap.data.dealing import grouped_parts, grouped_split
from synthgap.data.edmzip import read_edm_zip
from synthgap.data.sources import load_splits
from synthgap.data.splits import CUT, SPLITS, stratified_split

SIZES = {"train": None, **CUT}
few = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def grouped(draw):
    """(labels, groups) of 40 to 400 images, in groups of one class or of several."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    count, classes = draw(st.integers(40, 400)), draw(st.integers(2, 5))
    labels = rng.integers(0, classes, count)
    groups = rng.integers(0, draw(st.integers(8, 200)), count)
    return labels, groups * classes + labels if draw(st.booleans()) else groups


def sides(groups, parts):
    """The sets of groups on each side."""
    return [set(np.asarray(groups)[p].tolist()) for p in parts]


def disjoint(several):
    return len(set().union(*several)) == sum(map(len, several))


@few
@given(grouped(), st.integers(0, 9))
def test_no_group_lies_in_two_splits_and_every_image_in_one(case, seed):
    labels, groups = case
    per_class = [len(set(groups[labels == c])) for c in np.unique(labels)]
    assume(min(per_class) >= 6)  # fewer may be refused
    parts = grouped_split(labels, SIZES, seed, groups=groups)
    assert list(parts) == list(SPLITS)
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(labels)))
    assert disjoint(sides(groups, parts.values()))
    assert all(set(labels[p]) == set(labels) for p in parts.values())
    again = grouped_split(labels, SIZES, seed, groups=groups)
    assert all(np.array_equal(again[s], parts[s]) for s in SPLITS)


@few
@given(grouped(), st.integers(2, 7))
def test_no_group_lies_in_two_parts(case, count):
    labels, groups = case
    assume(min(len(set(groups[labels == c])) for c in np.unique(labels)) > 1)
    parts = grouped_parts(labels, groups, count)
    assert len(parts) <= count
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    assert disjoint(sides(groups, parts))


@pytest.mark.parametrize("seed", range(10))
def test_with_small_groups_sizes_and_class_shares_are_those_of_a_split_without(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 150, 900)
    labels = (rng.random(900) < 0.25).astype(int)
    parts = grouped_split(labels, SIZES, seed, groups=groups)
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert len(parts[split]) / 900 == pytest.approx(share, abs=0.01)
        for c in (0, 1):
            assert (labels[parts[split]] == c).sum() / (labels == c).sum() == pytest.approx(share, abs=0.02)
    sizes = [len(part) for part in grouped_parts(labels, groups, 5)]
    assert sizes == pytest.approx([180] * 5, abs=5)


def test_groups_of_one_image_are_as_none_and_another_seed_gives_another_split():
    labels = np.arange(100) % 2
    several = [grouped_split(labels, SIZES, seed, groups=np.arange(100)) for seed in (0, 1)]
    assert [len(several[0][s]) for s in SPLITS] == [60, 20, 20]
    assert not np.array_equal(several[0]["train"], several[1]["train"])


def test_a_wanted_number_of_training_images_is_met_as_near_as_groups_allow():
    groups = np.repeat(np.arange(50), 8)
    parts = grouped_split(np.arange(400) % 2, {"train": 100, "validation": 0.2, "test": None}, 0, groups=groups)
    assert [len(parts[s]) for s in SPLITS] == pytest.approx([100, 80, 220], abs=8)


def test_a_class_in_fewer_groups_than_splits_is_named():
    labels = np.repeat([0, 1], 30)
    groups = np.concatenate([np.arange(30), np.repeat([100, 101], 15)])
    with pytest.raises(UserError, match="class 'rare' has its images in 2 groups, but each of the splits train, "):
        grouped_split(labels, SIZES, 0, ("common", "rare"), groups=groups)
    with pytest.raises(UserError, match="all images of a class lie in one group"):
        grouped_parts(labels, np.where(labels == 1, 99, groups), 5)


def test_classes_that_share_too_few_groups_can_not_be_split():
    groups = np.array([0, 1, 2, 0, 1, 3, 0, 2, 3, 1, 2, 3])  # four classes, each in three of four groups
    with pytest.raises(UserError, match=r"no way was found to give the .* split a group with images of class"):
        grouped_split(np.repeat(np.arange(4), 3), SIZES, 0, groups=groups)


# folders


def folder(root, files):
    """A folder of 6×6 images, each of the one colour that `files` says."""
    for name, value in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(value)
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).save(root / name)
    return root


def table(path, rows, header=("file", "group"), **form):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **form).writerows([header, *rows])
    return path


@pytest.fixture
def cells(tmp_path):
    """(folder, {file: module}): 60 images of two classes from 12 modules."""
    groups = {f"{'ab'[k % 2]}/cell{k:03d}.png": f"module {k // 5}" for k in range(60)}
    return folder(tmp_path / "cells", {file: k for k, file in enumerate(groups)}), groups


def groups_in(splits, groups):
    return [{groups[file] for file in splits.record["members"][s]} for s in SPLITS]


@pytest.mark.parametrize("named", ["paths", "names", "semicolons", "dots and backslashes", "more columns"])
def test_a_table_keeps_groups_on_one_side_and_the_record_says_so(named, cells, tmp_path):
    root, groups = cells
    rows, header, form = list(groups.items()), ("file", "group"), {}
    if named == "names":
        rows = [(file.split("/")[1], group) for file, group in rows]
    elif named == "semicolons":
        form = {"delimiter": ";"}
    elif named == "dots and backslashes":
        rows = [(".\\" + file.replace("/", "\\"), group) for file, group in rows]
    elif named == "more columns":
        header, rows = ("n", " Group", "FILE"), [(1, group, file) for file, group in rows]
    splits = load_splits(f"folder:{root}", groups=str(table(tmp_path / "g.csv", rows, header, **form)))
    assert disjoint(groups_in(splits, groups))
    assert sum(splits.record["sizes"].values()) == 60
    assert splits.record["groups"] == {s: [groups[f] for f in splits.record["members"][s]] for s in SPLITS}
    assert splits.record["policy"] == "validation and test cut from train, stratified, seed 0, groups kept whole"
    train, validation, test = map(len, groups_in(splits, groups))
    note = f"12 groups of images ({train} train, {validation} validation, {test} test), none of them on two sides"
    assert splits.record["notes"][-1] == note
    assert not disjoint(groups_in(load_splits(f"folder:{root}"), groups))


def test_limits_leave_the_groups_of_what_is_left(cells, tmp_path):
    root, groups = cells
    how = str(table(tmp_path / "g.csv", groups.items()))
    splits = load_splits(f"folder:{root}", groups=how, limits={"train": 10, "validation": 5, "test": 8})
    assert splits.record["sizes"] == {"train": 10, "validation": 5, "test": 8}
    assert disjoint(groups_in(splits, groups))
    assert splits.record["groups"] == {s: [groups[f] for f in splits.record["members"][s]] for s in SPLITS}


def test_sub_folders_are_groups_also_where_two_classes_have_one_of_the_same_name(tmp_path):
    files = {
        f"{c}/patient{p}/more/{k}.png": 100 * p + 10 * k + ord(c) for c in "ab" for p in range(8) for k in range(4)
    }
    root = folder(tmp_path / "scans", files)
    splits = load_splits(f"folder:{root}", groups="subfolders")
    assert disjoint(groups_in(splits, {file: file.split("/")[1] for file in files}))
    assert set().union(*splits.record["groups"].values()) == {f"patient{p}" for p in range(8)}
    folder(root, {"a/loose.png": 1})
    with pytest.raises(UserError, match=r"groups is subfolders, but 1 image lies in a class folder itself \(a/loose"):
        load_splits(f"folder:{root}", groups="subfolders")


def test_given_splits_that_share_a_group_are_refused_by_name(tmp_path):
    files = [
        f"{s}/{c}/p{p}/{k}.png"
        for n, s in enumerate(("train", "val", "test"))
        for c in "ab"
        for p in (n, 5 + n)
        for k in (0, 1)
    ]
    root = folder(tmp_path / "parted", {file: k for k, file in enumerate(files)})
    splits = load_splits(f"folder:{root}", groups="subfolders")
    assert splits.record["policy"] == "as given"
    assert splits.record["groups"]["train"] == ["p0", "p0", "p5", "p5"] * 2
    folder(root, {"test/a/p0/9.png": 99})
    with pytest.raises(UserError, match=r"1 group in more than one of the given splits \(p0: train and test\)"):
        load_splits(f"folder:{root}", groups="subfolders")
    alone = {file: file.split("/")[2] + file for file in files if file.startswith("val/")}
    how = str(table(tmp_path / "g.csv", [(f, alone.get(f, f)) for f in [*files, "test/a/p0/9.png"]]))
    assert load_splits(f"folder:{root}:val", groups=how).record["cut"] == ["validation", "test"]


def test_a_file_that_repeats_another_may_be_in_the_table_and_letters_may_be_composed_in_either_way(tmp_path):
    files = {f"{c}/e\u0301{k}.png": k + 10 * ord(c) for c in "ab" for k in range(6)}
    root = folder(tmp_path / "photos", files | {"a/again.png": 970})
    rows = [(f.replace("e\u0301", "\u00e9").split("/")[1] if f.startswith("c") else f, f) for f in files]
    rows = [(f.replace("e\u0301", "\u00e9"), f) for f in files] + [("again.png", "x")]
    splits = load_splits(f"folder:{root}", groups=str(table(tmp_path / "g.csv", rows)))
    assert sum(splits.record["sizes"].values()) == 12


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", r"groups is .*absent.csv, which can't be read \(No such file"),
        ("folder", r"which can't be read \(Is a directory\)"),
        ("header", "begins with image, patient; its first line must name the columns file and group"),
        ("empty", "begins with nothing; its first line must name the columns file and group"),
        ("latin", r"is no text in UTF-8 \(byte \d+\); save it as CSV in UTF-8"),
        ("quoted", "line 3 has 1 of 2 columns; give a file and its group"),
        ("endless", r"line 2: field larger than field limit \(\d+\); save it as CSV anew"),
        ("some", r"2 of 60 images have no group \(a/cell000.png, b/cell001.png\); add a row for each"),
        ("blank", r"1 of 60 images has no group \(a/cell000.png\)"),
        ("stranger", r"line 62: there is no image 'a/cell099.png' in .*cells; give paths relative to it"),
        ("twice", r"line 62: a/cell000.png is in group 'other', and before in 'module 0'; leave one of them"),
        ("one", "class 'a' has its images in 1 group, but each of the splits train, validation, test needs a group"),
    ],
)
def test_a_wrong_table_is_one_line_that_says_what_is_wrong(change, says, cells, tmp_path):
    root, groups = cells
    rows, path = list(groups.items()), tmp_path / "g.csv"
    if change == "missing":
        path = tmp_path / "absent.csv"
    elif change == "folder":
        path.mkdir()
    elif change == "latin":
        path.write_bytes("file,group\na/cell000.png,M\u00fcller\n".encode("latin-1"))
    elif change == "header":
        table(path, rows, ("image", "patient"))
    elif change == "empty":
        path.write_text("\n")
    elif change == "quoted":
        path.write_text('file,group\n"a/cell000.png,module 0\nb/cell001.png,module 0\n')
    elif change == "endless":
        path.write_text('file,group\n"' + "x" * 200_000)
    else:
        rows = {
            "some": rows[2:],
            "blank": [(rows[0][0], " "), *rows[1:]],
            "stranger": [*rows, ("a/cell099.png", "x")],
            "twice": [*rows, ("a/cell000.png", "other")],
            "one": [(file, "the same" if file.startswith("a") else file) for file, _ in rows],
        }[change]
        table(path, rows)
    with pytest.raises(UserError, match=says) as caught:
        load_splits(f"folder:{root}", groups=str(path))
    assert "\n" not in str(caught.value)


def test_a_name_that_several_images_have_is_asked_for_with_its_path(tmp_path):
    root = folder(tmp_path / "photos", {f"{c}/{k}.png": k + 10 * ord(c) for c in "ab" for k in range(5)})
    how = str(table(tmp_path / "g.csv", [("3.png", "x")]))
    with pytest.raises(UserError, match=r"line 2: 3.png is the name of 2 images \(a/3.png, b/3.png\); give the path"):
        load_splits(f"folder:{root}", groups=how)


def test_a_table_still_fits_when_the_files_are_sorted_into_splits(tmp_path):
    """Class and name of each image, as they lay in the folder before."""
    groups = {f"{c}/{k}.png": f"module {k}" for c in "ab" for k in range(9)}
    part = {k: ("train", "val", "test")[k % 3] for k in range(9)}
    files = {f"{part[k]}/{c}/{k}.png": k + 10 * ord(c) for c in "ab" for k in range(9)}
    how = str(table(tmp_path / "g.csv", groups.items()))
    splits = load_splits(f"folder:{folder(tmp_path / 'sorted', files)}", groups=how)
    told = {
        file.partition("/")[2]: group
        for s in SPLITS
        for file, group in zip(splits.record["members"][s], splits.record["groups"][s], strict=True)
    }
    assert told == groups


@pytest.mark.parametrize("source", ["digits", "npz:x.npz", "cifar10", "shards:x"])
def test_data_without_files_have_no_groups(source):
    with pytest.raises(UserError, match=f"groups are of files, in folder:PATH or edm-zip:PATH; {source} has none"):
        load_splits(source, groups="g.csv")


def test_images_in_an_archive_are_named_as_in_it(tmp_path):
    import io
    import json
    import zipfile

    names = [f"{k:05d}.png" for k in range(40)]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for k, name in enumerate(names):
            Image.fromarray(np.full((4, 4), k, np.uint8)).save(into := io.BytesIO(), "png")
            file.writestr(name, into.getvalue())
        file.writestr("dataset.json", json.dumps({"labels": [[name, k % 2] for k, name in enumerate(names)]}))
    assert read_edm_zip(tmp_path / "set.zip")[1]["train"] == names
    groups = {name: str(k // 4) for k, name in enumerate(names)}
    how = str(table(tmp_path / "g.csv", groups.items()))
    assert disjoint(groups_in(load_splits(f"edm-zip:{tmp_path / 'set.zip'}", groups=how), groups))
    with pytest.raises(UserError, match=r"groups is subfolders, and .*set.zip is an archive; give a CSV file"):
        load_splits(f"edm-zip:{tmp_path / 'set.zip'}", groups="subfolders")


# a leak


@pytest.mark.parametrize("seed", range(3))
def test_what_a_group_shares_is_learnt_without_groups_and_not_with_them(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(120), 8)
    labels = rng.permutation(np.arange(120) % 2)[groups]  # of a group, at random
    images = rng.normal(size=(120, 16))[groups] + 0.3 * rng.normal(size=(960, 16))  # its own signature, and noise

    def accuracy(parts):
        fitted = KNeighborsClassifier(1).fit(images[parts["train"]], labels[parts["train"]])
        return fitted.score(images[parts["test"]], labels[parts["test"]])

    assert accuracy(stratified_split(labels, SIZES, seed)) > 0.9
    assert accuracy(grouped_split(labels, SIZES, seed, groups=groups)) == pytest.approx(
        0.5, abs=0.27
    )  # 24 groups: 2.6 σ
