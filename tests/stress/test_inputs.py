"""Wrong and odd input, each case a row of book/reliability.md: refused in one line, or taken and told of.

A row is read by the function that reads such input; rows of the command line, and one of each kind of data, run the
command (`cases.command`), which ends with that line and exit code 2.
"""

import pickle
from importlib.resources import files

import numpy as np
import pytest
import yaml
from cases import (
    RUN,
    Call,
    Case,
    array,
    convert,
    edm,
    folder,
    giant_png,
    huge_header,
    images,
    npz_bytes,
    photos,
    picture,
    png,
    run_on,
    saved,
    shards,
    typed,
    words,
)
from folder_cases import FOLDERS
from model_cases import MODELS
from page_cases import PAGES
from PIL import Image
from reliability import one_line

from synthgap.design.preset import load_preset
from synthgap.released.edm import from_released

HALF = png(0)[: len(png(0)) // 2]
HALVES = np.arange(12) % 2


def preset(content: bytes):
    return lambda place: str(saved(content, "own.yaml")(place))


def smoke_preset(**changes):
    content = yaml.safe_load((files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8"))
    changes = {k: content[k] | v if isinstance(v, dict) else v for k, v in changes.items()}
    return preset(yaml.safe_dump(content | changes).encode())


def modes(root):
    """Images of every mode and of several sizes."""
    for k, mode in enumerate(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")):
        picture(k, 5 + 3 * k).convert(mode).save(root / "a" / f"mode {k}.{'tif' if mode == 'CMYK' else 'png'}")
    Image.fromarray(np.full((9, 30), 40_000, dtype=np.uint16)).save(root / "b" / "deep.png")


def given_splits(root):
    for split in ("train", "test"):
        photos(root / split)


def index(old: str, new: str):
    def change(root):
        text = (root / "index.json").read_text()
        assert old in text
        (root / "index.json").write_text(text.replace(old, new, 1))

    return change


def flipped(root):
    data = bytearray((root / "data-00001.safetensors").read_bytes())
    data[-1] ^= 1
    (root / "data-00001.safetensors").write_bytes(data)


def results_at_file(place):
    (place / "taken").write_text("")
    return (*RUN, "--dataset", "digits", "--results", place / "taken")


CASES = [
    Case("a JPEG or PNG that is cut short", folder("a", "b", files={"a/half.png": HALF}), "can't be read as an image"),
    Case("an image file of no bytes", folder("a", "b", files={"a/none.png": b""}), "can't be read as an image"),
    Case(
        "seven damaged images",
        folder("a", "b", files={f"a/bad{k}.png": HALF[: len(HALF) - k] for k in range(7)}),
        "7 files can't be read as images",
    ),
    Case("a text named .png", folder("a", "b", files={"a/text.png": b"no image"}), "can't be read as an image"),
    Case(
        "an image that claims 60,000×60,000 pixels",
        folder("a", "b", files={"a/giant.png": giant_png()}),
        "can't be read",
    ),
    Case("other files among the images", folder("a", "b", files={"a/notes.txt": b"x"}), "1 file without an image's"),
    Case("any sizes; 1-bit, L, LA, P, RGB, RGBA, CMYK, 16-bit", folder("a", "b", change=modes), "pixels: "),
    Case("folders inside class folders", folder("a", "b", files={"a/in/side/0.png": png(999)}), "9 images in 2"),
    Case("letters of any script, spaces and braces", folder("{x}", "é 猫", name="{own} ü"), "{x} 4, é 猫 4"),
    Case("class names with signs of HTML and Markdown", folder("<b>&", "a|b*$"), "<b>& 4, a|b*$ 4"),
    Case("one class", folder("a"), "holds one class, 'a'", run_on),
    Case("a class of one image", folder("a", "b", files={"c/0.png": png(999)}), "class 'c' has 1 image"),
    Case("two images a class", folder("a", "b", each=2), "has 2 images"),
    Case("a folder without class folders", folder(".", each=3), "holds no images in class folders"),
    Case("an empty folder", lambda place: f"folder:{place}", "holds no images in class folders"),
    Case("a folder that is not there", lambda place: "folder:absent", "there is no folder absent"),
    Case("a home that is not there", lambda place: "folder:~nobody-here/a", "is no path"),
    Case("a path with a NUL", lambda place: "npz:a\0b", "is no path", run_on),
    Case("one file in train and in test", folder(change=given_splits), "in different splits as identical"),
    Case("one file in two classes", folder("a", "b", files={"b/same.png": png(0)}), "different classes as identical"),
    Case("one file twice in a class", folder("a", "b", files={"a/again.png": png(0)}), "1 file repeats another one"),
    Case(
        "a class that only test has",
        folder(change=lambda root: (given_splits(root), photos(root / "test", "c"))),
        "holds class 'c', which train lacks",
    ),
    Case("test without train", folder(change=lambda root: photos(root / "test")), "but no train/"),
    Case("npz: cut short", saved(npz_bytes(images=images(), labels=HALVES)[:900], "set", "npz"), "not a readable"),
    Case("npz: no bytes", saved(b"", "set", "npz"), "not a readable npz"),
    Case("npz: Python objects", array(images=np.array([{}] * 12)), "Object arrays cannot be", run_on),
    Case("npz: a pickle", saved(pickle.dumps(Call()), "set", "npz"), "not a readable npz"),
    Case("npz: an array that claims 10¹⁵ bytes", saved(huge_header(), "set", "npz"), "is shorter than its shape"),
    Case("npz: label −1", array(labels=np.arange(12) - 1), "labels run from -1"),
    Case("npz: label 10⁹", array(labels=np.arange(12) + 10**9), "has 1 image"),
    Case("npz: labels that are not whole", array(labels=np.linspace(0, 1, 12)), "labels are float64"),
    Case("npz: fewer labels than images", array(labels=np.arange(9) % 2), "labels are"),
    Case("npz: floats from 0 to 1", array(images=images() / 255), "1 white"),
    Case("npz: other names", array(images=None, labels=None, x=images(), y=HALVES), "expected images and labels"),
    Case("npz: two channels", array(images=images(24).reshape(12, 2, 8, 8)), "have shape"),
    Case("edm-zip: a path out of the archive", edm({f"../{i}.png": png(i) for i in range(12)}), "outside the archive"),
    Case("edm-zip: an absolute path", edm({f"/{i}.png": png(i) for i in range(12)}), "outside the archive"),
    Case("edm-zip: twelve labels", edm(labels=[[f"{i}.png", 50 * i] for i in range(12)]), "has 1 image"),
    Case("edm-zip: label −1", edm(labels=[[f"{i}.png", -1] for i in range(12)]), "are not pairs"),
    Case("edm-zip: no labels", edm(labels=None), "has no labels"),
    Case("edm-zip: an image twice", edm(labels=[["0.png", 0], ["0.png", 1]]), "lists an image twice"),
    Case("edm-zip: damaged PNGs", edm({f"{i}.png": png(i)[:60] for i in range(12)}), "can't be read as a PNG"),
    Case("edm-zip: a file that unpacks to 65 MiB", edm({"0.png": bytes(65 * 2**20), "1.png": b""}), "unpacks to"),
    Case("edm-zip: a text", saved(b"no zip", "set", "edm-zip"), "not a readable EDM data set", run_on),
    Case("shards: a changed byte", shards(flipped), "data-00001.safetensors is damaged", run_on),
    Case("shards: a file outside the folder", shards(index("data-00000", "../data-00000")), "is no index of shards"),
    Case("shards: a count below 0", shards(index("6", "-6")), "is no index of shards"),
    Case("shards: no index", shards(lambda root: (root / "index.json").unlink()), "holds no index.json"),
    Case("an unknown data set", lambda place: "imagenet", "unknown data set 'imagenet'"),
    typed("--image-size 0", "image_size is 0"),
    typed("--image-size 1000000000", "image_size is 1000000000"),
    typed("--image-size nan", "--image-size is 'nan'"),
    typed("--seeds 0", "seeds is 0"),
    typed("--seeds -1", "seeds is -1"),
    typed("--seeds 1000000000", "seeds is 1000000000"),
    typed("--seeds 0,0", "seeds is [0, 0]"),
    typed("--max-images 0", "max_images is 0"),
    typed("--workers 0", "workers is 0"),
    typed("--device tpu", "device is 'tpu'"),
    typed("--class-weights heavy", "class_weights is 'heavy'"),
    Case("an unknown option", words(*RUN, "--sedes", "3"), "No such option: --sedes"),
    Case("an unknown command", words("rnu"), "No such command 'rnu'"),
    Case("an unknown preset", words("run", "--preset", "huge"), "unknown preset 'huge'"),
    Case("a preset file that is no YAML", preset(b"a: [1"), "is not valid YAML", load_preset),
    Case("a preset file of other bytes", preset(b"\xff\xfe\x00"), "is not valid", load_preset),
    Case("a preset file with unknown fields", preset(b"sizes: 3"), "is not valid", load_preset),
    Case("a preset of multiples 0", smoke_preset(replication=[0]), "('replication', 0)", load_preset),
    Case("a preset of noise level NaN", smoke_preset(likelihood={"sigmas": [float("nan")]}), "'sigmas'", load_preset),
    Case("a preset without levels", smoke_preset(generator={"channel_mult": []}), "'channel_mult')", load_preset),
    Case("a preset of 0 solver steps", smoke_preset(generator={"solver": {"steps": 0}}), "'steps')", load_preset),
    Case("results where a file is", results_at_file, "choose another results folder"),
    typed("generate --steps 0", "Invalid value for '--steps'"),
    typed("generate --seed -1", "Invalid value for '--seed'"),
    typed("generate --per-class 0", "Invalid value for '--per-class'"),
    typed("export --multiple 0", "Invalid value for '--multiple'"),
    typed("reconstruct --t-re -1", "reverse step '-1'"),
    typed("reconstruct --t-re 101", "t_re is 101"),
    typed("reconstruct --t-re nan", "reverse step 'nan'"),
    typed("reconstruct --t-re 80-20", "t_re is (80, 20)"),
    Case("convert: a pickle that calls a program", convert(pickle.dumps(Call())), "it was refused"),
    Case(
        "convert: a pickle cut short",
        saved(pickle.dumps({"ema": [1] * 9})[:-4], "edm.pkl"),
        "can't be read as a released pickle",
        from_released,
    ),
    Case("convert: a text", saved(b"no pickle", "edm.pkl"), "can't be read as a released pickle", from_released),
    *FOLDERS,
    *MODELS,
    *PAGES,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_input_is_taken_and_told_of_or_refused_in_one_line(case, tmp_path, monkeypatch, record_outcome):
    (tmp_path / "given").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shown = one_line(case.told(tmp_path / "given"), tmp_path / "given", tmp_path / "here")
    assert "/" + tmp_path.name not in shown
    record_outcome("inputs", case.what, shown)
