"""split.csv says of each file what the study does with that very image, and is there before anything is computed."""

import csv

import numpy as np
import pytest
from PIL import Image

from synthgap.cli import commands
from synthgap.data.splits import SPLITS
from synthgap.design.record import Record
from synthgap.design.split_file import IN_TURN, SPLIT
from synthgap.design.values import REAL
from synthgap.exhibits.study import Study
from synthgap.planning.outlook import Outlook


def drawn(root, files):
    """8×8 noise, no two alike; returns {file: pixels}."""
    out = {}
    for k, file in enumerate(files):
        out[file] = np.random.default_rng(k).integers(0, 256, (8, 8), dtype=np.uint8)
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(out[file]).save(root / file)
    return out


@pytest.fixture
def scans(tmp_path):
    """(folder, {file: pixels}): two classes of 80 images, of 20 patients."""
    files = [f"{c}/p{k % 20:02d}, left/{k:02d}.png" for c in ("sick", "well") for k in range(80)]
    return tmp_path / "scans", drawn(tmp_path / "scans", files)


@pytest.fixture
def synthetic(tmp_path):
    return drawn(tmp_path / "made", [f"{c}/{k}.png" for c in ("sick", "well") for k in range(5)]) and tmp_path / "made"


def written(study, synthgap_run, monkeypatch, root, results, *words):
    """The rows that a run leaves which ends before anything is computed."""

    class Ended(Exception):
        pass

    def end(*_):
        raise Ended

    monkeypatch.setattr(commands, "_ask", end)
    command = ("run", "--dataset", f"folder:{root}", "--preset", "smoke", "--device", "cpu", "--results", results)
    with pytest.raises(Ended):
        synthgap_run(*command, "--answer-only", *words)
    assert [p.name for p in (results / "store").iterdir() if not p.name.startswith(".")] == ["data"]
    (path,) = results.glob(f"smoke-scans-*/{SPLIT}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row.values()) for row in rows] == study.files
    return rows


@pytest.mark.parametrize("groups", ["none", "subfolders"])
def test_each_file_is_where_the_file_says(groups, scans, results, synthgap, monkeypatch):
    root, pixels = scans
    study = Study(f"folder:{root}", "smoke", results, device="cpu", workers=1, groups=groups)
    rows = written(study, synthgap, monkeypatch, root, results, "--groups", groups)
    assert list(rows[0]) == ["file", "class", "split", "group"][: 3 if groups == "none" else 4]
    for split in SPLITS:
        images, mine = study.store.get(study.arms.data[split]), [row for row in rows if row["split"] == split]
        assert len(mine) == len(images)
        for row, image, label in zip(mine, images.images, images.labels, strict=True):
            assert np.array_equal(pixels[row["file"]], image[0])
            assert row["class"] == images.classes[label] == row["file"].split("/")[0]
    sides = [{row["file"].split("/")[1] for row in rows if row["split"] == split} for split in SPLITS]
    apart = len(set().union(*sides)) == sum(map(len, sides))
    assert apart == (groups == "subfolders")
    if apart:
        assert all(row["group"] == row["file"].split("/")[1] for row in rows)


def test_where_all_images_are_tested_in_turn_the_file_says_so_and_parts_keep_groups_whole(
    scans, synthetic, results, synthgap, monkeypatch
):
    root, pixels = scans
    options = {"synthetic": f"folder:{synthetic}", "groups": "subfolders"}
    study = Study(f"folder:{root}", "smoke", results, device="cpu", workers=1, **options)
    words = ("--synthetic", f"folder:{synthetic}", "--groups", "subfolders")
    rows = written(study, synthgap, monkeypatch, root, results, *words)
    heads = study.design.heads
    for called, part in ((IN_TURN, "train"), (IN_TURN, "test"), ("validation", "validation")):
        images, mine = study.store.get(heads.data[part]), [row for row in rows if row["split"] == called]
        assert all(
            np.array_equal(pixels[row["file"]], image[0]) for row, image in zip(mine, images.images, strict=True)
        )
    pool = [row["group"] for row in rows if row["split"] == IN_TURN]
    assert len(heads.groups) == len(pool)
    assert len(set(zip(heads.groups, pool, strict=True))) == len(set(pool)) == max(heads.groups) + 1
    assert not set(pool) & {row["group"] for row in rows if row["split"] == "validation"}
    assert study.design.head(REAL).groups == heads.groups
    assert Outlook(f"folder:{root}", "smoke", device="cpu", **options).design.heads.groups == heads.groups
    again = Record.model_validate_json(Record.of(study.design).model_dump_json()).design()
    assert again.heads.groups == heads.groups


def test_a_study_of_a_set_without_files_has_none(results):
    assert Study("digits", "smoke", results, device="cpu", workers=1).files == []
