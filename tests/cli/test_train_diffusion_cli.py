"""`synthgap train-diffusion`: what it leaves behind, that it goes on where it stopped, and what it says of errors."""

import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
import torch
import yaml
from cases import edm_bytes, encoded
from PIL import Image
from reliability import ENVIRONMENT

from synthgap.api import training as train_cli
from synthgap.base.errors import UserError
from synthgap.base.weights import read_weights
from synthgap.exhibits.study import Study
from synthgap.released.edm import load_edm

COMMON = ("--preset", "smoke", "--device", "cpu")
SHORT = (*COMMON, "--images", "256")  # 8 steps, a checkpoint at 128


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of one uninterrupted short run, `edm.safetensors` and its samples."""
    folder = tmp_path_factory.mktemp("whole")
    train_cli.train(folder / "edm.safetensors", "auto", "smoke", "auto", "cpu", 0, 256, None, True)
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def weights(path):
    return load_edm(path).state_dict()


def same(path, other):
    state, wanted = weights(path), weights(other)
    return state.keys() == wanted.keys() and all(torch.equal(v, wanted[k]) for k, v in state.items())


def interrupted_after(monkeypatch, steps):
    """From here on Ctrl-C comes after that many steps."""
    done = []

    class Bar(train_cli.tqdm):
        def update(self, n=1):
            done.append(n)
            if len(done) == steps:
                raise KeyboardInterrupt
            return super().update(n)

    monkeypatch.setattr(train_cli, "tqdm", Bar)
    return done


def test_a_run_leaves_a_model_its_provenance_and_grids_of_samples(whole):
    assert names(whole) == ["edm-000000128.png", "edm-000000256.png", "edm.safetensors"]
    edm = load_edm(whole / "edm.safetensors")
    assert edm.image_shape == (1, 8, 8)
    assert edm.config.network.label_dim == 10
    assert edm.config.classes == tuple("0123456789")
    for name in names(whole)[:2]:
        with Image.open(whole / name) as sheet:
            assert sheet.mode == "L"
            assert sheet.size == (10 * 32, 8 * 32)  # ten classes side by side, eight of each, 8 pixels shown as 32
    provenance = read_weights(whole / "edm.safetensors")[1]["provenance"]
    assert {k: provenance[k] for k in ("data", "preset", "seed")} == {
        "data": "digits/train",
        "preset": "smoke",
        "seed": 0,
    }
    assert provenance["training"]["images"] == 256
    assert provenance["training"]["batch"] == 32
    assert len(provenance["fingerprint"]) == 64
    assert provenance["seconds"] > 0


def test_the_same_command_gives_the_same_weights_and_another_seed_others(synthgap, whole, tmp_path):
    code, out, _ = synthgap("train-diffusion", "--out", "new/edm.safetensors", *SHORT)
    assert code == 0
    assert out == "new/edm.safetensors\n"
    assert same(tmp_path / "new" / "edm.safetensors", whole / "edm.safetensors")
    for name in names(whole)[:2]:
        assert (tmp_path / "new" / name).read_bytes() == (whole / name).read_bytes()
    synthgap("train-diffusion", "--out", "other.safetensors", "--no-samples", "--seed", 1, *SHORT)
    assert not same(tmp_path / "other.safetensors", whole / "edm.safetensors")


def test_an_interrupted_run_goes_on_where_it_stopped_and_ends_as_if_it_had_not(synthgap, whole, tmp_path, monkeypatch):
    command = ("train-diffusion", "--out", "edm.safetensors", *SHORT)
    with monkeypatch.context() as patch:
        interrupted_after(patch, 6)
        code, out, err = synthgap(*command)
    assert code == 130
    assert out == ""
    assert err.endswith("synthgap: interrupted; the same command continues from here\n")
    assert names(tmp_path) == ["edm-000000128.png", "edm.checkpoint.safetensors"]

    steps = interrupted_after(monkeypatch, 0)  # counts, and never stops
    assert synthgap(*command)[0] == 0
    assert len(steps) == 4  # of 8: the checkpoint was at the fourth
    assert names(tmp_path) == names(whole)
    assert same(tmp_path / "edm.safetensors", whole / "edm.safetensors")


def test_a_checkpoint_of_another_run_is_refused_and_kept(synthgap, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupted_after(patch, 5)
        synthgap("train-diffusion", "--out", "edm.safetensors", *SHORT)
    checkpoint = tmp_path / "edm.checkpoint.safetensors"
    before = checkpoint.read_bytes()
    code, _, err = synthgap("train-diffusion", "--out", "edm.safetensors", "--seed", 1, *SHORT)
    assert code == 2
    assert "belongs to a run with other data" in err
    assert err.count("\n") == 1
    assert checkpoint.read_bytes() == before
    assert not (tmp_path / "edm.safetensors").exists()


def test_two_processes_train_what_one_does(whole, tmp_path):
    out = tmp_path / "edm.safetensors"
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "synthgap.cli"]
    done = subprocess.run(
        [sys.executable, *words, "train-diffusion", "--out", str(out), "--no-samples", *SHORT],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["edm.safetensors"]
    state, wanted = weights(out), weights(whole / "edm.safetensors")
    assert state.keys() == wanted.keys()
    assert max(float((state[k] - wanted[k]).abs().max()) for k in wanted) < 1e-5


def test_a_data_set_of_the_preset_gets_its_own_network_and_is_padded_for_it(tmp_path):
    content = yaml.safe_load((files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8"))
    own = {"channel_mult": [1, 1, 2], "attention_levels": []}  # 3 levels, where the preset has 2
    content["data"] = [content["data"][0], {"dataset": "digit-pairs", "train_size": 100, "generator": own}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(content))
    words = ("digit-pairs", str(tmp_path / "own.yaml"), 12, "cpu", 0, 32, None, False)
    train_cli.train(tmp_path / "edm.safetensors", *words)
    edm = load_edm(tmp_path / "edm.safetensors")
    assert edm.config.network.channel_mult == (1, 1, 2)
    assert edm.image_shape == (1, 8, 12)  # of 6 × 12: sides are multiples of 4


def test_a_colour_set_in_the_release_s_format_and_bf16(synthgap, tmp_path):
    entries = {f"{i}.png": encoded(Image.new("RGB", (5, 6), (4 * i, 0, 0)), "PNG") for i in range(60)}
    labels = [[name, i % 3] for i, name in enumerate(entries)]
    (tmp_path / "set.zip").write_bytes(edm_bytes(entries, labels=labels, classes=["a", "b", "c"]))
    words = ["--dataset", "edm-zip:set.zip", "--images", 64, "--precision", "bf16"]
    code, _, err = synthgap("train-diffusion", "--out", "edm.safetensors", *COMMON, *words)
    assert code == 0, err
    edm = load_edm("edm.safetensors")
    assert edm.image_shape == (3, 6, 6)  # padded to an even side
    assert edm.config.classes == ("a", "b", "c")
    assert all(v.dtype == torch.float32 for v in edm.state_dict().values())
    with Image.open("edm-000000064.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.size == (3 * 30, 8 * 30)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "edm.pt"], "--out is edm.pt; name a file that ends in .safetensors"),
        (["--dataset", "cifar99"], "unknown data set 'cifar99'"),
        (["--dataset", "edm-zip:none.zip"], "none.zip"),
        (["--image-size", "big"], "--image-size is 'big'"),
        (["--precision", "fp16"], "fp16 training needs a GPU"),
        (["--precision", "bad"], "precision: Input should be 'fp32', 'bf16' or 'fp16'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2_and_writes_nothing(synthgap, tmp_path, words, says):
    code, out, err = synthgap("train-diffusion", "--out", "edm.safetensors", *COMMON, *words)
    assert code == 2
    assert out == ""
    assert err.startswith("synthgap: error: ")
    assert err.count("\n") == 1
    assert says in err
    assert names(tmp_path) == []


@pytest.mark.parametrize("words", [["--seed", -1], ["--images", 0], []])
def test_numbers_out_of_range_and_a_missing_file_name_are_usage_errors(synthgap, tmp_path, words):
    code, _, err = synthgap("train-diffusion", *(["--out", "edm.safetensors", *words] if words else []))
    assert code == 2
    assert err.startswith("synthgap: error: ")
    assert err.endswith("; see synthgap train-diffusion --help\n")
    assert err.count("\n") == 1
    assert names(tmp_path) == []


def test_it_trains_on_the_split_of_a_run_with_the_same_options(synthgap, tmp_path, monkeypatch):
    """With groups, grey, and no more images than a run may have."""
    noise, rows = np.random.default_rng(0), ["file,group"]
    for name in ("cats", "dogs"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(20):
            pixels = noise.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{i}.png")
            rows.append(f"{name}/{i}.png,{i // 2}")
    (tmp_path / "g.csv").write_text("\n".join(rows))
    seen = []

    def watched(real, *rest, **options):
        seen.append(real)
        raise UserError("enough is known")

    monkeypatch.setattr(train_cli, "train_edm", watched)
    source, about = f"folder:{tmp_path / 'own'}", {"groups": str(tmp_path / "g.csv"), "grey": True, "max_images": 12}
    words = ["--dataset", source, "--preset", "smoke", "--groups", about["groups"], "--grey", "--max-images", 12]
    assert synthgap("train-diffusion", *words, "--out", tmp_path / "edm.safetensors")[0] == 2
    study = Study(source, "smoke", tmp_path / "r", device="cpu", workers=1, **about)
    assert seen[0].fingerprint == study.store.get(study.main.data["train"]).fingerprint
