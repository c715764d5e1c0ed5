"""Names that tell of groups are told of where the images say so, too, and nowhere else."""

import re

import numpy as np
import pytest
from PIL import Image

from synthgap.data.sources import load_splits
from synthgap.data.splits import SPLITS, split_pool
from synthgap.data.stems import _alike, name_lines

TOLD = "WARNING: file names look as if several images share a patient, part or place (e.g. "


def folder(root, names, shared, share=0.5, classes="ab", size=(10, 12), seed=0):
    """Images of noise, of which `share` of the variance is that of `shared(k)`; names[k] in class k % 2."""
    rng = np.random.default_rng(seed)
    for k, name in enumerate(names):
        own = rng.normal(size=size)
        of_group = np.random.default_rng(1000 + shared(k)).normal(size=size)
        pixels = 128 + 40 * (np.sqrt(share) * of_group + np.sqrt(1 - share) * own)
        path = root / classes[k % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return f"folder:{root}"


def told(source, **options):
    """The warnings about names, each without its beginning and its end."""
    lines = [line for line in load_splits(source, **options).record["found"] if "file names look as if" in line]
    return [
        re.fullmatch(re.escape(TOLD) + r"(.*) files\), and .* give (--groups.*), or test.*", x).groups() for x in lines
    ]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        (lambda p, k: f"patient{p}_{k:02d}.png", "patient9_"),
        (lambda p, k: f"module{p}-cell{k:02d}.png", "module9-cell"),
        (lambda p, k: f"{p}_{'left' if k % 4 < 2 else 'right'}{k // 4}.png", "9_right"),
        (lambda p, k: f"scan {p} ({k}).png", "scan 9 ("),
        (lambda p, k: f"p{p}_{k}_grey.png", "p9_"),
        (lambda p, k: f"{p}{'abcdefghijkl'[k]}.png", "9"),
    ],
)
def test_alike_images_of_one_stem_are_told_of_with_the_stem_of_most_files(name, first, tmp_path):
    names = [name(k // 12, k % 12) for k in range(120)]
    source = folder(tmp_path / "set", names, lambda k: k // 12)
    ((said, option),) = told(source)
    assert re.fullmatch(re.escape(first) + r"…: \d+", said)
    assert option == "--groups"


def test_sub_folders_are_told_of_with_their_own_option_and_groups_that_are_given_are_not(tmp_path):
    source = folder(tmp_path / "set", [f"p{k // 12}/{k:03d}.png" for k in range(120)], lambda k: k // 12)
    assert told(source) == [("p9/…: 12", "--groups subfolders")]
    assert told(source, groups="subfolders") == []


@pytest.mark.parametrize(
    "name",
    ["cell{:04d}.png", "IMG_{:04d}.png", "{:03d}.png", "{}.png", "DSC{:05d}.png", "a-{}.png", "photo ({}).png"],
)
def test_plain_numbers_are_no_groups_however_alike_images_are(name, tmp_path):
    source = folder(tmp_path / "set", [name.format(k) for k in range(120)], lambda k: k // 12)
    assert told(source) == []


@pytest.mark.parametrize("seed", range(5))
def test_names_without_likeness_are_not_told_of(seed, tmp_path):
    names = [f"patient{k // 6}_{k:02d}.png" for k in range(120)]
    assert told(folder(tmp_path / "set", names, lambda k: k, seed=seed)) == []
    assert told(folder(tmp_path / "few", names[:30], lambda k: k, seed=seed)) == []


def test_likeness_of_a_class_is_none_of_a_stem(tmp_path):
    names = [f"{'ab'[k % 2]}{k // 12}_{k:03d}.png" for k in range(120)]
    assert told(folder(tmp_path / "set", names, lambda k: k % 2)) == []


def test_two_cameras_can_not_be_parted_and_are_not_told_of(tmp_path):
    names = [f"{'DSC' if k < 60 else 'IMG'}_{k:04d}.png" for k in range(120)]
    assert told(folder(tmp_path / "set", names, lambda k: k // 60)) == []


def test_given_splits_are_told_of_only_where_they_share_a_stem(tmp_path):
    root = tmp_path / "set"
    for n, split in enumerate(("train", "val", "test")):
        names = [f"p{n}{k // 12}_{k:02d}.png" for k in range(48)]
        folder(root / split, names, lambda k, n=n: 10 * n + k // 12, seed=n)
    assert told(f"folder:{root}") == []
    (root / "test" / "a" / "p00_99.png").write_bytes((root / "train" / "a" / "p00_00.png").read_bytes())
    assert told(f"folder:{root}") == [("p00_…: 13", "--groups")]


@pytest.mark.parametrize("stems", [5, 40])
def test_images_that_are_a_little_alike_are_not_told_of(stems):
    rng = np.random.default_rng(0)
    of = np.arange(400) % stems
    noise, shared = rng.normal(size=(400, 64)), rng.normal(size=(stems, 64))[of]
    alike = {share: _alike([np.sqrt(share) * shared + np.sqrt(1 - share) * noise], [of]) for share in (0.05, 0.2)}
    assert alike == {0.05: False, 0.2: True}


def test_permuted_names_are_told_of_in_less_than_one_of_twenty_sets_of_few_images():
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found.append(_alike([rng.normal(size=(12, 4))], [np.arange(12) // 3]))
    assert sum(found) <= 2  # 0.5 expected


def test_images_of_one_grey_are_not_told_of(make_images):
    splits = split_pool(make_images(30), {"train": None, "validation": 6, "test": 6}, 0, "made")
    for s in SPLITS:
        splits.record["members"][s] = [f"a/p{k % 3}_{k}.png" for k in range(len(splits[s]))]
        splits[s].images[:] = 7
    assert name_lines(splits, below=1) == []
