"""Whatever the data, the parameters or the bytes of a file: the promises hold, and only UserError comes out."""

import contextlib
import copy
import json
import math
import unicodedata
from importlib.resources import files

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.data.edmzip import read_edm_zip
from synthgap.data.imageset import ImageSet
from synthgap.data.npz import read_npz, save_npz
from synthgap.data.sources import load_splits
from synthgap.data.splits import SPLITS, complete_splits
from synthgap.design.parameters import PARAMETERS, checked
from synthgap.design.preset import load_preset
from synthgap.exhibits.study import Study
from synthgap.released.nvidia import read_pickle

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(few, max_examples=60)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/."), min_size=1, max_size=8)


@st.composite
def image_sets(draw, least=1):
    """Random pixels of a random shape; each class has `least` images or more."""
    counts = draw(st.lists(st.integers(least, 9), min_size=2, max_size=4))
    shape = (draw(st.sampled_from([1, 3])), draw(st.integers(4, 9)), draw(st.integers(4, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    names = draw(st.lists(NAMES, min_size=len(counts), max_size=len(counts), unique=True))
    pixels = rng.integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    return ImageSet(pixels, labels, tuple(names), "made", tuple(draw(st.sets(st.sampled_from(["crop", "flip"])))))


def check_split(splits, total, labels):
    """Disjoint, whole, every class in every split and in proportion."""
    members = [m for s in SPLITS for m in splits.record["members"][s]]
    assert len(members) == len({str(m) for m in members}) == total
    shares = np.bincount(labels) / len(labels)
    for split in SPLITS:
        counts = np.bincount(splits[split].labels, minlength=len(shares))
        assert counts.min() >= 1
        ideal = shares * counts.sum()
        if ideal.min() >= 1 and split != "train":
            assert np.abs(counts - ideal).max() < len(shares)


@few
@given(images=image_sets(least=3), seed=st.integers(0, 2**40))
def test_splits_are_disjoint_whole_stratified_and_a_function_of_the_seed(images, seed):
    names = {"train": list(range(len(images)))}
    first, again = (complete_splits({"train": images}, names, None, seed, "made", []) for _ in range(2))
    check_split(first, len(images), images.labels)
    for split in SPLITS:
        assert first[split].fingerprint == again[split].fingerprint
        rows = first.record["members"][split]
        assert np.array_equal(first[split].images, images.images[rows])
        assert np.array_equal(first[split].labels, images.labels[rows])


@settings(few, max_examples=12)
@given(data=st.data(), counts=st.lists(st.integers(3, 6), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_splits_of_a_folder_hold_every_file_once(tmp_path_factory, data, counts, seed):
    root = tmp_path_factory.mktemp("photos")
    names = data.draw(
        st.lists(
            NAMES,
            min_size=len(counts),
            max_size=len(counts),
            unique_by=lambda n: unicodedata.normalize("NFC", n).strip().casefold(),
        )
    )
    rng = np.random.default_rng(seed)
    for name, count in zip(names, counts, strict=True):
        (root / f"c{name}").mkdir()
        for k in range(count):
            pixels = rng.integers(0, 256, (*rng.integers(4, 12, 2), 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"c{name}" / f"{k}.png")
    first, again = (load_splits(f"folder:{root}", seed=seed, longest_side=8) for _ in range(2))
    check_split(first, sum(counts), np.repeat(np.arange(len(counts)), counts))
    assert first.record == again.record
    assert all(first[s].fingerprint == again[s].fingerprint for s in SPLITS)


@few
@given(images=image_sets(least=3))
def test_image_sets_come_back_as_they_were_saved(images, tmp_path):
    again = ImageSet.load(images.save(tmp_path / "a.safetensors"))
    assert again.fingerprint == images.fingerprint
    assert again.name == images.name
    sets, _, _ = read_npz(save_npz(images, tmp_path / "a.npz"))
    assert np.array_equal(sets["train"].images, images.images)
    assert sets["train"].classes == images.classes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
ODD = (0, 1, -1, 2**31, 2**63, 10**30, math.nan, math.inf, True, False, {}, [0], [0, 1], [-1], [0, 0], [[]], [2**70])
WORDS = "auto none cpu cuda smoke x.yaml .yaml balanced digits digits:test folder: folder:. npz:. edm-zip:. folder:~"
NEAR = st.sampled_from([*ODD, *WORDS.split(), "", " ", "\0", "\ud800", "a" * 300, "npz:~nobody-here"])


@many
@given(name=st.sampled_from(sorted(PARAMETERS)), value=JSON | NEAR)
def test_any_json_value_of_any_parameter_gives_a_study_or_a_user_error(tmp_path, monkeypatch, name, value):
    monkeypatch.chdir(tmp_path)  # "folder:." is empty, or holds results of ours
    good = {"dataset": "digits", "preset": "smoke", "results": "r", "seeds": 1, "image_size": "auto"}
    good |= {"device": "cpu", "workers": 1, "synthetic": "none", "max_images": "auto", "flip": "auto"}
    good |= {"grey": False, "class_weights": "none", "judge": "auto", "features": "auto", "minutes": "none"}
    good |= {"measure": "auto", "positive": "none", "groups": "none", "generator": "none"}
    if name == "results" and isinstance(value, str):
        value = value.replace("/", "")  # to stay in this folder
    with contextlib.suppress(UserError):  # a chapter does so, too; where there are minutes, it would spend them
        assert Study(**checked(good | {name: value})).plan()


@many
@given(
    content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON.map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_as_a_preset_are_a_user_error(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError):
        load_preset(str(path))


PRESET = yaml.safe_load((files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8"))


@many
@given(place=st.lists(st.integers(0, 99), min_size=1, max_size=4), value=JSON | NEAR)
def test_a_preset_with_any_value_anywhere_is_read_or_a_user_error(tmp_path, place, value):
    part = content = copy.deepcopy(PRESET)
    for step in place:
        keys = list(part) if isinstance(part, dict) else range(len(part))
        key = keys[step % len(keys)] if keys else None
        if key is None or not isinstance(part[key], (dict, list)):
            break
        part, inner = part[key], part
    else:
        part = inner
    if key is not None:
        part[key] = value
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with contextlib.suppress(UserError):
        load_preset(str(path))


# files of anything (`fuzz` damages valid ones)


READERS = {
    "npz": read_npz,
    "edm-zip": read_edm_zip,
    "pickle": read_pickle,
}


@pytest.mark.parametrize("name", READERS)
@many
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_user_error(name, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError):
        READERS[name](path)
