"""`synthgap metrics REAL FAKE`: two sets in, a table or JSON out, one line for what is wrong."""

import json

import numpy as np
import pytest
from PIL import Image

from synthgap.api.comparison import as_json, as_text, compare
from synthgap.base.errors import UserError
from synthgap.data.pool import load_pool
from synthgap.metrics.memorization import reading


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Class folders of real, fake and held-out images, a flat folder, and one of three images."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for name, count, shift in (("real", 20, 0), ("fake", 20, 60), ("other", 15, 0), ("few", 1, 0)):
        for c in range(2):
            (root / name / "ab"[c]).mkdir(parents=True)
            for i in range(count):
                board = np.indices((12, 10)).sum(axis=0) % 2 * shift
                pixels = np.clip(rng.normal(60 + 100 * c, 25, (12, 10)) + board, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / name / "ab"[c] / f"{i}.png")
    (root / "flat").mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(root / "flat" / f"{i}.jpg")
    return root


@pytest.fixture(scope="module")
def compared(folders):
    real, fake, other = (str(folders / n) for n in ("real", "fake", "other"))
    return compare(real, fake, other, preset="smoke")


def test_every_measure_is_there_with_its_n(compared):
    assert compared.score == "FD-classifier"
    assert compared.fidelity.n == (20, 20)  # half of the real images trained the classifier
    assert compared.fidelity.floor.n == (10, 10)
    assert [d.domain for d in compared.detection] == ["pixel", "dct"]
    assert {d.n for d in compared.detection} == {40}
    assert compared.detection[0].accuracy > 0.7  # the fakes are checkered
    assert 0 <= compared.copying.authentic <= 1


def test_the_table_names_measures_intervals_and_the_floor(compared):
    text = as_text(compared)
    for part in (
        "FD-classifier",
        "95% interval",
        "fake, n = 10",
        "real, n = 10",
        "precision",
        "detected as fake, dct",
        "copying:",
    ):
        assert part in text
    assert "real: real, 40 images, brought to 10×12 grey, 2 classes" in text
    assert "nan" not in text


def test_the_json_holds_the_same_numbers(compared):
    out = json.loads(as_json(compared))
    assert out["fidelity"]["frechet"] == compared.fidelity.frechet
    assert out["fidelity"]["n_real"] == 20
    low, high = out["fidelity"]["intervals_95"]["recall"]
    assert low <= out["fidelity"]["recall"] <= high
    assert out["real_against_real_of_half"]["frechet"] == compared.fidelity.floor.frechet
    assert out["detection"][1]["accuracy"] == compared.detection[1].accuracy
    assert out["real"]["sha256"] == compared.real.fingerprint
    assert out["copying"]["c_t"] == compared.copying.copying
    assert out["copying"]["reading"] == reading(compared.copying)


def test_a_set_against_itself_is_perfect_and_undetectable(folders):
    value = compare(str(folders / "real"), str(folders / "real"), preset="smoke")
    # the fake set's classes are spread over its whole length, so its subset is not the half that is compared
    assert all(d.accuracy == 0.5 for d in value.detection)
    assert value.copying is None
    assert "copying" not in json.loads(as_json(value))


def test_images_of_another_size_and_colour_are_brought_to_the_real_ones(folders):
    pytest.importorskip("efficientnet_lite_pytorch")
    value = compare(str(folders / "flat"), str(folders / "real"), extractor_name="efficientnet-lite0")
    assert value.score == "FD-EffLite0"
    assert value.fake.shape == value.real.shape == (3, 20, 20)
    assert value.fidelity.n == (12, 12)
    assert "20×20 colour" in as_text(value)


def test_features_are_cached_by_content(folders, tmp_path):
    real, fake = str(folders / "real"), str(folders / "fake")
    first = compare(real, fake, preset="smoke", cache=tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    again = compare(real, fake, preset="smoke", cache=tmp_path)
    assert again.fidelity == first.fidelity


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("real", "nothing"), "is no folder, file or known data set"),
        (("flat", "fake"), "has no classes to train a classifier on"),
        (("real", "few"), "40 real and 2 fake images are too few; give at least 10 real ones, since half"),
        (("few", "fake"), "2 real and 40 fake images are too few"),
    ],
)
def test_what_cannot_be_compared_is_refused(folders, arguments, says):
    with pytest.raises(UserError, match=says):
        compare(*(str(folders / a) for a in arguments), preset="smoke")


def test_held_out_images_that_are_not_held_out_are_refused(folders):
    real, fake = str(folders / "real"), str(folders / "fake")
    with pytest.raises(UserError, match="40 of the 40 held-out images are among the real ones"):
        compare(real, fake, real, preset="smoke")


def test_the_command_prints_a_table_json_or_one_line(synthgap, folders, monkeypatch):
    monkeypatch.chdir(folders)
    words = ("metrics", "real", "fake", "--preset", "smoke")
    code, out, err = synthgap(*words)
    assert (code, err) == (0, "")
    assert "FD-classifier" in out
    assert json.loads(synthgap(*words, "--json")[1])["extractor"] == "classifier"
    code, out, err = synthgap(*words, "--extractor", "incption")
    assert (code, out) == (2, "")
    assert err.startswith("synthgap: error: unknown extractor 'incption'; did you mean inception?")
    assert err.count("\n") == 1


def test_folders_of_splits_are_no_classes_and_what_was_read_is_noted(folders, tmp_path):
    for split, source in (("train", "real"), ("test", "other")):
        for name in "ab":
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for file in (folders / source / name).iterdir():
                (tmp_path / "photos" / split / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "photos" / "train" / "a" / "Thumbs.db").write_bytes(b"")
    photos, fake = tmp_path / "photos", str(folders / "fake")
    value = compare(str(photos), fake, preset="smoke")
    assert (value.real.classes, len(value.real)) == (("a", "b"), 70)
    assert value.notes[2:4] == (
        "real: photos holds splits: train/ 40, test/ 30 images, all taken together (photos:train is one of them)",
        "real: 1 leftover of the system or another program is passed over: train/a/Thumbs.db",
    )
    assert "all taken together" in as_text(value)
    one = compare(f"folder:{photos}:train", fake, str(photos / "test"), preset="smoke")
    assert (len(one.real), one.real.fingerprint) == (40, load_pool(str(folders / "real")).fingerprint)
    with pytest.raises(UserError, match="30 of the 30 held-out images are among the real ones"):
        compare(str(photos), fake, f"{photos}:test", preset="smoke")


def test_named_sets_can_be_compared():
    assert len(load_pool("digits:validation")) == 200
