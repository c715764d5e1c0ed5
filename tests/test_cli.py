"""The command line: what it says of wrong input, and that images it writes can be read back."""

import subprocess
import sys

import numpy as np
import pytest

from synthgap import cli
from synthgap.data.sources import load_splits


@pytest.fixture
def synthgap(monkeypatch, capsys):
    """Run a command in this process; returns (exit code, standard output, standard error)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["synthgap", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--preset", "huge"], "unknown preset 'huge'"),
        (["run", "--dataset", "folder:no/such"], "no folder no/such"),
        (["run", "--dataset", "cifar99"], "unknown data set 'cifar99'"),
        (["run", "--seeds", "many"], "--seeds is 'many'"),
        (["run", "--seeds", "0"], "seeds is 0"),
        (["run", "--image-size", "2"], "image_size is 2"),
        (["run", "--workers", "0", "--preset", "smoke"], "workers is 0"),
        (["run", "--device", "tpu"], "device is 'tpu'"),
        (["reconstruct", "--t-re", "101", "--out", "x"], "t_re is 101"),
        (["reconstruct", "--t-re", "-1", "--out", "x"], "reverse step '-1'"),
        (["reconstruct", "--split", "all", "--out", "x"], "split is 'all'"),
        (["generate", "--model", "no.safetensors", "--out", "x"], "no.safetensors"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(synthgap, tmp_path, monkeypatch, words, says):
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


def test_generate_and_reconstruct_write_what_the_python_api_computes(synthgap, smoke, tmp_path):
    from synthgap import generate, reconstruct

    common = ["--preset", "smoke", "--results", smoke.results, "--device", "cpu"]
    edm = smoke.store.get(smoke.main.generator(0))
    train = smoke.store.get(smoke.main.data["train"])

    code, out, _ = synthgap("generate", "--per-class", 3, "--out", tmp_path / "new", *common)
    assert code == 0
    assert "30 images of 10 classes" in out
    wanted = generate(edm, np.repeat(np.arange(10), 3), 0, steps=4)
    assert written(tmp_path / "new") == {image.tobytes() for image in wanted.images}

    code, _, _ = synthgap("reconstruct", "--t-re", "20-80", "--out", tmp_path / "half", *common)
    assert code == 0
    wanted = reconstruct(edm, train, (20, 80), 0, steps=4)
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

    monkeypatch.setattr("synthgap.diffusion.convert.from_released", refuse)
    code, _, err = synthgap("convert", "a.pkl", "b.safetensors")
    assert code == 2
    assert err == "synthgap: error: there can't be written (Permission denied); choose another\n"


def test_help_does_not_import_torch():
    program = "import sys; from synthgap.cli import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def written(folder):
    """The distinct images of an exported folder, as bytes."""
    sets = load_splits(f"folder:{folder}", longest_side=8) if per_class(folder) >= 3 else None
    if sets is None:
        from PIL import Image

        return {np.asarray(Image.open(p))[None].tobytes() for p in folder.rglob("*.png")}
    return {image.tobytes() for split in ("train", "validation", "test") for image in sets[split].images}


def per_class(folder):
    return min(len(list(c.iterdir())) for c in folder.iterdir())
