"""Every chapter on images of every shape, and on as few images as a run takes."""

import numpy as np
import pytest
from cells import ROOT, executed, folder_of, impossible, quickened
from presets import FEW, shipped, small_preset

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.design.preset import preset_names
from synthgap.exhibits.study import Study
from synthgap.planning.outlook import Outlook

SHAPES = [(4, 4), (6, 4), (8, 6), (5, 31), (31, 5), (7, 7), (9, 13), (24, 16)]


def arrays(path, width, height, channels):
    """30 random images of two classes, as npz: nothing is scaled."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, height, width, channels), dtype=np.uint8)
    np.savez(path, images=pixels, labels=np.arange(30) % 2)
    return f"npz:{path}"


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_every_preset_has_a_plan_for_images_of_any_shape(preset, size, tmp_path):
    source = arrays(tmp_path / "set.npz", *size, channels=3 if size[0] % 2 else 1)
    for image_size in ("auto", 4):
        assert Outlook(source, preset, seeds=1, device="cpu", image_size=image_size).plan()


def test_images_that_are_too_small_to_be_studied_are_refused_with_the_remedy(tmp_path):
    source = arrays(tmp_path / "set.npz", 3, 2, 1)
    one_level = shipped("smoke")["generator"] | {"channel_mult": [1], "attention_levels": []}  # nothing is padded
    preset = str(small_preset(tmp_path / "own.yaml", generator=one_level))
    with pytest.raises(UserError, match="has images of 3×2 pixels; image_size 4"):
        Study(source, preset, tmp_path / "results", device="cpu")
    assert not (tmp_path / "results").exists()
    assert Study(source, preset, tmp_path / "results", image_size=4, device="cpu").plan()


def chapters(folder, preset, monkeypatch, **options) -> str:
    """What all chapters show of a study of `folder`, computed first as a run does."""
    quickened(monkeypatch)
    place = folder.parent
    given = {"dataset": f"folder:{folder}", "preset": str(preset), "results": str(place / "results")}
    given |= {"device": "cpu", "workers": 1} | options
    Study(**given).compute()
    texts = []
    for name in book.chapter_names(ROOT):
        texts.append(executed(name, given, monkeypatch))
        assert impossible(texts[-1]) == [], name
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("size", "grey", "each"),
    [((24, 16), False, 14), ((5, 31), True, 3)],
    ids=["wide", "tall, odd and grey, three images a class"],
)
def test_every_chapter_executes_on_a_folder_of_any_shape(size, grey, each, tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "photos", *size, grey=grey, each=each)
    preset = small_preset(tmp_path / "small.yaml", seeds=1 if each > 3 else 2, crossed=0, **FEW)
    text = chapters(folder, preset, monkeypatch)
    assert ("too few images, or too many that are alike" in text) == (each == 3)  # a table says why it is empty


@pytest.mark.stress
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(("quick", size) for size in [(8, 6), (5, 31), (24, 16)]),
        *(("full", size) for size in [(7, 7), (31, 5), (9, 13)]),
    ],
    ids=str,
)
def test_every_chapter_executes_at_the_structure_of_larger_presets(name, size, tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "photos", *size, grey=size[0] % 2 == 1, each=16)
    preset = small_preset(tmp_path / "small.yaml", name, seeds=2)
    chapters(folder, preset, monkeypatch)
