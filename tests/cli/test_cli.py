"""The command line: what it says of wrong input, and that images it writes can be read back."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from fabricated import as_official, fabricate_cub
from PIL import Image

from synthgap.cli.commands import _agreed
from synthgap.cli.options import run_name
from synthgap.data.pool import load_pool
from synthgap.data.sources import load_splits
from synthgap.exhibits.study import Study


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--preset", "huge"], "unknown preset 'huge'"),
        (["run", "--seeds", "many"], "--seeds is 'many'"),
        (["reconstruct", "--split", "all", "--out", "x"], "split is 'all'"),
        (["generate", "--model", "no.safetensors", "--out", "x"], "no.safetensors"),
        (["export", "--t-re", "101", "--out", "x"], "t_re is 101"),
        (["export", "--t-re", "0", "--multiple", "3", "--out", "x"], "real images are there once, not ×3"),
        (["export", "--split", "test", "--out", "x"], "--split test is for real images"),
        (["run", "--dataset", "digits", "--synthetic", "folder:no/such"], "no/such"),
        (["run", "--preset", "no.yaml"], "unknown preset 'no.yaml'"),
        (["run", "--max-images", "some"], "--max-images is 'some'"),
        (["datasets", "cifar"], "unknown public data set 'cifar'; known: cifar10"),
        (["datasets", "cub", "--download"], "torchvision doesn't download CUB-200-2011"),
        (["datasets", "cars", "--root", "nowhere"], "no data folder nowhere"),
        (["datasets", "--download"], "which data set?"),
        (["datasets", "cub", "--check"], "--check looks at all sets"),
        (["datasets", "cub", "--unpack", "--root", "nowhere"], "CUB_200_2011.tgz is not in nowhere"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(synthgap, tmp_path, monkeypatch, words, says):
    """More of it is in tests/stress."""
    monkeypatch.chdir(tmp_path)
    if words[0] == "run":
        words = [*words, "--no-book"]
    code, _, err = synthgap(*words)
    assert code == 2
    assert err.startswith("synthgap: error: ")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_that_holds_something_is_refused_before_anything_is_trained(synthgap, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    code, _, err = synthgap("generate", "--out", tmp_path, "--results", tmp_path / "r")
    assert code == 2
    assert "not an empty folder" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("answered", ["n\n", ""])
def test_a_long_run_says_what_it_found_and_asks_first(synthgap, results, monkeypatch, answered):
    class Terminal(io.StringIO):
        isatty = lambda self: True  # noqa: E731

    monkeypatch.setattr(sys, "stdin", Terminal(answered))
    code, out, _ = synthgap("run", "--dataset", "digits", "--results", results, "--answer-only", "--device", "cpu")
    assert code in (0, 1)  # no; or no answer at all
    assert "found in digits:" in out
    assert re.search(r"always guessing the largest class is right on 1\d% of the test images", out)
    assert "500 train, 200 validation, 1,097 test" in out
    assert "minutes here" in out
    assert [p.name for p in (results / "store").iterdir() if not p.name.startswith(".")] == ["data"]  # nothing computed


def test_a_no_through_a_pipe_stops_before_anything_is_computed(synthgap, results, monkeypatch):
    read, write = os.pipe()
    os.write(write, b"n\n")
    with os.fdopen(read, encoding="utf-8") as piped, os.fdopen(write, "wb"):
        monkeypatch.setattr(sys, "stdin", piped)
        code, out, _ = synthgap("run", "--dataset", "digits", "--results", results, "--answer-only", "--device", "cpu")
    assert code == 0
    assert out.startswith("reading digits\n")
    assert out.endswith("stopped; nothing was computed\n")
    assert [p.name for p in (results / "store").iterdir() if not p.name.startswith(".")] == ["data"]


def test_an_open_pipe_that_says_nothing_is_no_objection(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as piped, os.fdopen(write, "wb"):
        monkeypatch.setattr(sys, "stdin", piped)
        assert _agreed()


def test_an_export_with_a_runs_options_has_its_images(synthgap, tmp_path):
    """The options about images reach it: the same training images, grey, as many as the run may use."""
    noise = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(12):
            pixels = noise.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{i}.png")
    about, common = {"max_images": 10, "grey": True}, ["--preset", "smoke", "--results", tmp_path / "r"]
    study = Study(f"folder:{tmp_path / 'own'}", "smoke", tmp_path / "r", device="cpu", workers=1, **about)
    words = ["--dataset", f"folder:{tmp_path / 'own'}", "--max-images", 10, "--grey", "--t-re", "0"]
    assert synthgap("export", *common, *words, "--out", tmp_path / "set.npz")[0] == 0
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        assert np.array_equal(file["images"], study.store.get(study.main.data["train"]).images)
        assert len(file["images"]) == 10


USUAL = dict.fromkeys(("dataset", "seeds", "image_size", "max_images", "flip", "features"), "auto")
USUAL |= {"preset": "quick", "synthetic": "none", "grey": False, "class_weights": "none", "judge": "auto"}
USUAL |= {"minutes": "none", "measure": "auto", "positive": "none", "groups": "none", "generator": "none"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "quick"),
        ({"dataset": "digits", "image_size": 32, "max_images": 9}, "quick-digits-image_size_32-max_images_9"),
        (
            {"dataset": "digits", "flip": True, "grey": True, "class_weights": "balanced"},
            "quick-digits-flip_True-grey_True-class_weights_balanced",
        ),
        ({"seeds": [0, 2], "flip": False}, "quick-seeds_0_2-flip_False"),
        ({"judge": "resnet18"}, "quick-judge_resnet18"),
        ({"features": "inception"}, "quick-features_inception"),
        ({"groups": "subfolders"}, "quick-groups_subfolders"),
        ({"minutes": 60}, "quick-minutes"),
        ({"minutes": 90, "seeds": 12}, "quick-seeds_12-minutes"),
    ],
)
def test_an_answer_about_other_images_or_options_gets_a_folder_of_its_own(given, name):
    assert run_name(USUAL | given) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"dataset": "folder:some/my photos"}, "quick-my_photos-#"),
        ({"dataset": "folder:photos/", "preset": "mine.yaml", "synthetic": "folder:drawn"}, "mine-#-photos-#-drawn-#"),
        ({"dataset": "digits", "synthetic": "npz:a/fakes.npz"}, "quick-digits-fakes.npz-#"),
        ({"dataset": "folder:100% {x} 'q'"}, "quick-100___x___q_-#"),
        ({"dataset": "folder:/"}, "quick--#"),
        ({"dataset": "folder:photos", "groups": "a/who is it.csv"}, "quick-photos-#-groups_who_is_it-#"),
        ({"features": "timm:vit_tiny=a/vit.safetensors"}, "quick-features_timm_vit_tiny-#"),
    ],
)
def test_what_lies_at_a_path_is_named_with_digits_of_the_path(given, name):
    assert re.fullmatch(name.replace("#", "[0-9a-f]{6}"), run_name(USUAL | given))


def test_a_short_run_doesnt_ask(synthgap, smoke, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    words = ("--preset", "smoke", "--results", smoke.results, "--no-book", "--device", "cpu")
    code, out, _ = synthgap("run", *words)
    assert code == 0
    assert "artifacts: " in out


def test_generate_and_reconstruct_write_what_the_python_api_computes(synthgap, smoke, tmp_path):
    from synthgap import generate, reconstruct

    common = ["--preset", "smoke", "--results", smoke.results, "--device", "cpu"]
    edm = smoke.store.get(smoke.main.generator(0))
    train = smoke.store.get(smoke.main.data["train"])

    code, out, _ = synthgap("generate", "--per-class", 3, "--out", tmp_path / "new", *common)
    assert code == 0
    assert "30 images of 10 classes" in out
    wanted = generate(edm, np.repeat(np.arange(10), 3), 0, solver=smoke.preset.generator.solver)
    assert written(tmp_path / "new") == {image.tobytes() for image in wanted.images}

    code, _, _ = synthgap("reconstruct", "--t-re", "20-80", "--out", tmp_path / "half", *common)
    assert code == 0
    wanted = reconstruct(edm, train, (20, 80), 0, solver=smoke.preset.generator.solver)
    assert written(tmp_path / "half") == {image.tobytes() for image in wanted.images}


def test_generate_takes_a_saved_model(synthgap, smoke, tmp_path):
    smoke.store.get(smoke.main.generator(0)).save(tmp_path / "edm.safetensors")
    code, _, _ = synthgap(
        "generate", "--model", tmp_path / "edm.safetensors", "--per-class", 1, "--steps", 2, "--out", tmp_path / "new"
    )
    assert code == 0
    assert len(written(tmp_path / "new")) == 10


def test_datasets_names_every_source(synthgap):
    code, out, _ = synthgap("datasets")
    assert code == 0
    for name in ("digits", "mnist5k", "digit-pairs", "folder:PATH", "npz:PATH"):
        assert name in out


def test_a_place_that_can_not_be_written_is_one_line(synthgap, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "there")

    monkeypatch.setattr("synthgap.released.edm.from_released", refuse)
    code, _, err = synthgap("convert", "a.pkl", "b.safetensors")
    assert code == 2
    assert err == "synthgap: error: there can't be written (Permission denied); choose another\n"


def test_a_card_whose_memory_is_full_is_one_line(synthgap, monkeypatch):
    def too_large(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of …")

    monkeypatch.setattr("synthgap.released.edm.from_released", too_large)
    code, _, err = synthgap("convert", "a.pkl", "b.safetensors")
    assert code == 2
    assert err.startswith(
        "synthgap: error: the GPU's memory is full (CUDA out of memory. Tried to allocate 2.00 GiB); "
    )
    assert err.endswith(
        "free it of other programs, or take a smaller batch in the preset's file, and the same command goes on\n"
    )


def test_help_does_not_import_torch():
    program = "import sys; from synthgap.cli import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def written(folder):
    """The distinct images of an exported folder, as bytes."""
    sets = load_splits(f"folder:{folder}", longest_side=8) if per_class(folder) >= 3 else None
    if sets is None:
        return {np.asarray(Image.open(p))[None].tobytes() for p in folder.rglob("*.png")}
    return {image.tobytes() for split in ("train", "validation", "test") for image in sets[split].images}


def per_class(folder):
    return min(len(list(c.iterdir())) for c in folder.iterdir())


@pytest.mark.parametrize(("step", "multiple"), [("50-100", 3), ("100", 1), ("0", 1)])
def test_export_writes_the_images_that_an_arm_was_trained_on(synthgap, smoke, tmp_path, step, multiple):
    common = ["--preset", "smoke", "--results", smoke.results, "--device", "cpu", "--seed", 1]
    options = [*common, "--t-re", step, "--multiple", multiple]
    code, out, _ = synthgap("export", *options, "--out", tmp_path / "set.npz")
    assert code == 0
    assert f"{40 * multiple} images of 10 classes" in out
    assert synthgap("export", *options, "--out", tmp_path / "set")[0] == 0
    classifier = smoke.main.classifier(1, 0) if step == "0" else smoke.main.arm(step, multiple, 1)
    specs = classifier.own.synthetic or (classifier.own.real,)
    wanted = np.concatenate([smoke.store.get(s).images for s in specs])
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        assert np.array_equal(file["images"], wanted)
        assert file["classes"].tolist() == list("0123456789")
    back = load_pool(f"npz:{tmp_path / 'set.npz'}")
    pngs = load_pool(str(tmp_path / "set"))
    for images in (back, pngs):
        mine = {(i.tobytes(), int(y)) for i, y in zip(images.images, images.labels, strict=True)}
        labels = np.concatenate([smoke.store.get(s).labels for s in specs])
        assert mine == {(i.tobytes(), int(y)) for i, y in zip(wanted, labels, strict=True)}
    code, _, err = synthgap("export", *options, "--out", tmp_path / "set.npz")
    assert code == 2
    assert "exists; name a new file" in err


def test_exported_images_are_an_arm_when_given_back(synthgap, smoke, tmp_path):
    common = ["--preset", "smoke", "--results", smoke.results, "--device", "cpu"]
    synthgap("export", *common, "--multiple", 3, "--out", tmp_path / "set.npz")
    study = Study(
        preset="smoke", results=smoke.results, device="cpu", workers=1, synthetic=f"npz:{tmp_path / 'set.npz'}"
    )
    rows = study.table3()
    assert set(rows[rows.arm == "given"].multiple) == {1, 3}


def test_datasets_says_of_each_of_the_papers_sets_what_is_there(synthgap, tmp_path):
    fabricate_cub(tmp_path)
    code, out, _ = synthgap("datasets", "--check", "--root", tmp_path)
    lines = out.strip().split("\n")
    assert (code, len(lines)) == (0, 6)
    assert sum("not there. Download" in line for line in lines) == 4
    assert "faulty" in next(line for line in lines if line.startswith("cub "))  # too few images


def test_datasets_verifies_a_local_copy(synthgap, tmp_path, monkeypatch):
    fabricate_cub(tmp_path)
    code, _, err = synthgap("datasets", "cub", "--root", tmp_path)
    assert code == 2
    assert "train images, not the 5,994 published" in err
    as_official(monkeypatch, "cub", tmp_path)
    code, out, _ = synthgap("datasets", "cub", "--root", tmp_path)
    assert code == 0
    assert "classes: 3 found, 3 expected" in out
