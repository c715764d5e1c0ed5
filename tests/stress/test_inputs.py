"""Wrong and odd input, each case a row of book/reliability.md: one line and exit code 2, or taken and told of."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import (
    RUN,
    Call,
    Case,
    Value,
    array,
    checkpoint,
    edm,
    file,
    flipped,
    folder,
    folder_with,
    giant_png,
    given_splits,
    huge_header,
    images,
    index,
    modes,
    npz_bytes,
    photos,
    picture,
    png,
    preset,
    shards,
    smoke_preset,
    words,
)
from folder_cases import FOLDERS
from model_cases import MODELS
from page_cases import PAGES
from reliability import one_line

from synthgap.cli import commands as cli
from synthgap.exhibits.study import Study

OUT = ("--out", "out", "--preset", "smoke")
CASES = [
    Case("a JPEG or PNG that is cut short", folder_with("half.png"), "can't be read as an image"),
    Case("an image file of no bytes", folder_with("none.png", b""), "can't be read as an image"),
    Case("seven damaged images", folder_with("bad{}.png", copies=7), "7 files can't be read as images"),
    Case("a text named .png", folder_with("text.png", b"no image"), "can't be read as an image"),
    Case("an image that claims 60,000×60,000 pixels", folder_with("giant.png", giant_png()), "can't be read"),
    Case("other files among the images", folder_with("notes.txt", b"x"), "1 file without an image's ending", True),
    Case("any sizes; 1-bit, L, LA, P, RGB, RGBA, CMYK, 16-bit", folder("a", "b", change=modes), "pixels: ", True),
    Case("folders inside class folders", folder_with("in/side/0.png", png(999)), "9 images in 2 classes", True),
    Case("letters of any script, spaces and braces", folder("{x}", "é 猫", path="{own} ü"), "{x} 4, é 猫 4", True),
    Case("class names with signs of HTML and Markdown", folder("<b>&", "a|b*$"), "<b>& 4, a|b*$ 4", True),
    Case("one class", folder("a"), "holds one class, 'a'"),
    Case("a class of one image", folder("a", "b", change=lambda r: photos(r, "c", 1)), "class 'c' has 1 image"),
    Case("two images a class", folder("a", "b", each=2), "has 2 images"),
    Case("a folder without class folders", folder(".", each=3), "holds no images in class folders"),
    Case("an empty folder", lambda place: [*RUN, "--dataset", f"folder:{place}"], "holds no images in class folders"),
    Case("a folder that is not there", words("--dataset", "folder:absent"), "there is no folder absent"),
    Case("a home that is not there", words("--dataset", "folder:~nobody-here/a"), "is no path"),
    Case("a path with a NUL", words("--dataset", "npz:a\0b"), "is no path"),
    Case("one file in train and in test", folder(change=given_splits), "in different splits as identical", True),
    Case(
        "one file in two classes",
        folder("a", "b", change=lambda r: picture(0).save(r / "b" / "same.png")),
        "in different classes as identical",
        True,
    ),
    Case(
        "one file twice in a class",
        folder("a", "b", change=lambda r: picture(0).save(r / "a" / "again.png")),
        "1 file repeats another one",
        True,
    ),
    Case(
        "a class that only test has",
        folder(change=lambda r: (given_splits(r), photos(r / "test", "c"))),
        "holds class 'c', which train lacks",
    ),
    Case("test without train", folder(change=lambda r: photos(r / "test")), "but no train/"),
    Case("npz: cut short", file("npz", npz_bytes(images=images(), labels=np.arange(12) % 2)[:900]), "not a readable"),
    Case("npz: no bytes", file("npz", b""), "not a readable npz"),
    Case("npz: Python objects", array(images=np.array([{}] * 12), labels=np.arange(12)), "Object arrays cannot be"),
    Case("npz: a pickle", file("npz", pickle.dumps(Call())), "not a readable npz"),
    Case("npz: an array that claims 10¹⁵ bytes", file("npz", huge_header()), "is shorter than its shape"),
    Case("npz: label −1", array(images=images(), labels=np.arange(12) - 1), "labels run from -1"),
    Case("npz: label 10⁹", array(images=images(), labels=np.arange(12) + 10**9), "has 1 image"),
    Case("npz: labels that are not whole", array(images=images(), labels=np.linspace(0, 1, 12)), "labels are float64"),
    Case("npz: fewer labels than images", array(images=images(), labels=np.arange(9) % 2), "labels are"),
    Case("npz: floats from 0 to 1", array(images=images() / 255, labels=np.arange(12) % 2), "1 white", True),
    Case("npz: other names", array(x=images(), y=np.arange(12)), "expected images and labels"),
    Case("npz: two channels", array(images=images(24).reshape(12, 2, 8, 8), labels=np.arange(12) % 2), "have shape"),
    Case("edm-zip: a path out of the archive", edm({f"../{i}.png": png(i) for i in range(12)}), "outside the archive"),
    Case("edm-zip: an absolute path", edm({f"/{i}.png": png(i) for i in range(12)}), "outside the archive"),
    Case("edm-zip: twelve labels", edm(labels=[[f"{i}.png", 50 * i] for i in range(12)]), "has 1 image"),
    Case("edm-zip: label −1", edm(labels=[[f"{i}.png", -1] for i in range(12)]), "are not pairs"),
    Case("edm-zip: no labels", edm(labels=None), "has no labels"),
    Case("edm-zip: an image twice", edm(labels=[["0.png", 0], ["0.png", 1]]), "lists an image twice"),
    Case("edm-zip: damaged PNGs", edm({f"{i}.png": png(i)[:60] for i in range(12)}), "can't be read as a PNG"),
    Case("edm-zip: a file that unpacks to 65 MiB", edm({"0.png": bytes(65 * 2**20), "1.png": b""}), "unpacks to"),
    Case("edm-zip: a text", file("edm-zip", b"no zip"), "not a readable EDM data set"),
    Case("shards: a changed byte", shards(flipped), "data-00001.safetensors is damaged"),
    Case("shards: a file outside the folder", shards(index("data-00000", "../data-00000")), "is no index of shards"),
    Case("shards: a count below 0", shards(index("6", "-6")), "is no index of shards"),
    Case("shards: no index", shards(lambda root: (root / "index.json").unlink()), "holds no index.json"),
    Case("an unknown data set", words("--dataset", "imagenet"), "unknown data set 'imagenet'"),
    Case("--image-size 0", words("--image-size", "0"), "image_size is 0"),
    Case("--image-size 1000000000", words("--image-size", "1000000000"), "image_size is 1000000000"),
    Case("--image-size nan", words("--image-size", "nan"), "--image-size is 'nan'"),
    Case("--seeds 0", words("--seeds", "0"), "seeds is 0"),
    Case("--seeds -1", words("--seeds", "-1"), "seeds is -1"),
    Case("--seeds 1000000000", words("--seeds", "1000000000"), "seeds is 1000000000"),
    Case("--seeds 0,0", words("--seeds", "0,0"), "seeds is [0, 0]"),
    Case("--max-images 0", words("--max-images", "0"), "max_images is 0"),
    Case("--workers 0", words("--workers", "0"), "workers is 0"),
    Case("--device tpu", words("--device", "tpu"), "device is 'tpu'"),
    Case("--class-weights heavy", words("--class-weights", "heavy"), "class_weights is 'heavy'"),
    Case("an unknown option", words("--sedes", "3"), "No such option: --sedes"),
    Case("an unknown command", words("rnu"), "No such command 'rnu'"),
    Case("an unknown preset", words("run", "--preset", "huge"), "unknown preset 'huge'"),
    Case("a preset file that is no YAML", preset(b"a: [1"), "is not valid YAML"),
    Case("a preset file of other bytes", preset(b"\xff\xfe\x00"), "is not valid"),
    Case("a preset file with unknown fields", preset(b"sizes: 3"), "is not valid"),
    Case("a preset of multiples 0", smoke_preset(replication=[0]), "('replication', 0)"),
    Case("a preset of noise level NaN", smoke_preset(likelihood={"sigmas": [float("nan")]}), "('likelihood', 'sigmas'"),
    Case("a preset without levels", smoke_preset(generator={"channel_mult": []}), "('generator', 'channel_mult')"),
    Case("a preset of 0 solver steps", smoke_preset(generator={"solver": {"steps": 0}}), "'solver', 'steps')"),
    Case("results where a file is", lambda place: _results_at_file(place), "choose another results folder"),
    Case("generate --steps 0", words("generate", *OUT, "--steps", "0"), "Invalid value for '--steps'"),
    Case("generate --seed -1", words("generate", *OUT, "--seed", "-1"), "Invalid value for '--seed'"),
    Case("generate --per-class 0", words("generate", *OUT, "--per-class", "0"), "Invalid value for '--per-class'"),
    Case("export --multiple 0", words("export", *OUT, "--multiple", "0"), "Invalid value for '--multiple'"),
    Case("reconstruct --t-re -1", words("reconstruct", *OUT, "--t-re", "-1"), "reverse step '-1'"),
    Case("reconstruct --t-re 101", words("reconstruct", *OUT, "--t-re", "101"), "t_re is 101"),
    Case("reconstruct --t-re nan", words("reconstruct", *OUT, "--t-re", "nan"), "reverse step 'nan'"),
    Case("reconstruct --t-re 80-20", words("reconstruct", *OUT, "--t-re", "80-20"), "t_re is (80, 20)"),
    Case("convert: a pickle that calls a program", checkpoint(pickle.dumps(Call())), "it was refused and nothing ran"),
    Case(
        "convert: a pickle cut short",
        checkpoint(pickle.dumps({"ema": [1] * 9})[:-4]),
        "can't be read as a released pickle",
    ),
    Case("convert: a text", checkpoint(b"no pickle"), "can't be read as a released pickle"),
    *FOLDERS,
    *MODELS,
    *PAGES,
]


def _results_at_file(place: Path) -> list:
    (place / "taken").write_text("")
    return [*RUN, "--dataset", "digits", "--results", place / "taken"]


def test_every_case_is_one_row():
    assert len({case.what for case in CASES}) == len(CASES)


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_input_is_taken_and_told_of_or_refused_in_one_line(case, tmp_path, monkeypatch, capsys, record_outcome):
    (tmp_path / "given").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if isinstance(case, Value):
        shown = one_line(case.tells(tmp_path / "given"), tmp_path / "given", tmp_path / "here")
        record_outcome("inputs", case.what, shown)
        return
    command = [str(word) for word in case.make(tmp_path / "given")]
    before = tree(tmp_path)
    if case.taken:
        told = taken(command[command.index("--dataset") + 1], case.says)
    else:
        told = refused(command, monkeypatch, capsys)
        assert tree(tmp_path) == before  # nothing is written
    assert case.says in told
    shown = one_line(told, tmp_path / "given", tmp_path / "here")
    assert "/" + tmp_path.name not in shown
    record_outcome("inputs", case.what, f"takes it: {shown}" if case.taken else shown)


def taken(source: str, says: str) -> str:
    study = Study(dataset=source, preset="smoke", results="results", device="cpu")
    return next((line for line in study.found() if says in line), "not told")


def refused(command: list[str], monkeypatch, capsys) -> str:
    monkeypatch.setattr(sys, "argv", ["synthgap", *command])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert out == ""
    assert err.startswith("synthgap: error: ")
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()
    return err.removeprefix("synthgap: error: ")
