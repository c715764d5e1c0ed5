"""What is streamed equals what is held in memory, and memory does not grow with the number of images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from synthgap.api import comparison as metrics_cli
from synthgap.api.functions import generate
from synthgap.api.streaming import generate_shards
from synthgap.base.errors import UserError
from synthgap.cli import commands as cli
from synthgap.data import pool
from synthgap.data.imageset import ImageSet
from synthgap.data.pool import load_pool
from synthgap.data.shards import Shards
from synthgap.data.shardwriter import write_shards
from synthgap.design.preset import load_preset
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.reconstruct import LANES
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig
from synthgap.gan.schedule import GeneratorConfig
from synthgap.gan.stylegan3 import Generator
from synthgap.metrics import streaming
from synthgap.metrics.extractors import EXTRACTORS, Extractor
from synthgap.metrics.features import features
from synthgap.metrics.fidelity import fidelity_of_features, frechet_of_gaussians
from synthgap.metrics.streaming import StoredFeatures, drawn, fidelity_of_stored, store_features, stored_frechet

ROOT = Path(__file__).resolve().parents[2]
SOLVERS = [Solver(steps=2), Solver(steps=3, method="ancestral"), Solver(steps=2, method="euler", churn=1.0)]
SOLVERS.append(Solver(steps=4, method="multistep"))


def network(label_dim=3):
    """A small convolutional EDM with random weights of ordinary size."""
    size = {"height": 4, "width": 4, "channels": 1, "label_dim": label_dim, "model_channels": 8, "num_blocks": 1}
    edm = EDM(EDMConfig(network=UNetConfig(**size, channel_mult=(1,))))
    torch.manual_seed(0)
    for p in edm.parameters():
        torch.nn.init.normal_(p, 0, 0.2)
    return edm.eval()


def toy(calls=None, dimensions=6, pixels=48):
    matrix = torch.from_numpy(np.random.default_rng(3).standard_normal((pixels, dimensions), dtype=np.float32))

    def run(images):
        if calls is not None:
            calls.append(len(images))
        return (images.flatten(1).float() / 255) @ matrix

    return Extractor("toy", "FD-toy", dimensions, "f" * 64, run)


def stored(values, folder):
    """`values` as features on the disk: of images that hold their own number."""
    numbers = np.arange(len(values)).view(np.uint8).reshape(len(values), 1, 2, 4)
    images = ImageSet(numbers, np.zeros(len(values), dtype=np.int64), ("image",))

    def run(batch):
        return torch.from_numpy(values[batch.numpy().reshape(len(batch), 8).view(np.int64)[:, 0]])

    return store_features(images, Extractor("lookup", "FD", values.shape[1], str(values.sum()), run), folder)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """(real, fake) features of 2,500 and 3,000 images, correlated and far from 0; and the same on the disk."""
    monkeypatch.setattr(streaming, "BLOCK", 1024)
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((6, 6))
    real = (100 + rng.standard_normal((2500, 6)) @ mix).astype(np.float32)
    fake = (100.3 + 1.1 * rng.standard_normal((3000, 6)) @ mix).astype(np.float32)
    return (real, fake), [stored(v, tmp_path) for v in (real, fake)]


# Generation


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.method)
def test_shards_are_byte_for_byte_what_generate_gives_at_once(tmp_path, solver):
    edm, labels = network(), np.repeat([0, 1, 2], 450)
    shards = generate_shards(edm, tmp_path / "x.shards", labels, 7, solver=solver, shard_images=300)
    at_once = generate(edm, labels, 7, solver=solver)
    assert [s.images for s in shards.index.shards] == [512, 512, 326]  # 300 is rounded up to whole batches
    loaded = shards.subset(slice(None))
    assert np.array_equal(loaded.images, at_once.images)
    assert np.array_equal(loaded.labels, at_once.labels)
    assert loaded.classes == at_once.classes


class Entangled(torch.nn.Module):
    """A denoiser whose answer for an image depends on all images of its batch, and on the image's place there."""

    def __init__(self):
        super().__init__()
        self.config, self.image_shape, self.device = network().config, (1, 4, 4), torch.device("cpu")
        self.weight = torch.nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, x, sigma, labels=None):
        place = torch.linspace(-0.3, 0.3, len(x))[:, None, None, None]
        return 0.2 * torch.tanh(x / sigma[:, None, None, None]) + place + 0.1 * torch.tanh(x.mean())


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: s.method)
def test_shards_cut_no_batch_in_two(tmp_path, solver):
    """So the bytes stay the same even where a network's rounding depends on its batch."""
    model, labels = Entangled(), np.repeat([0, 1, 2], 500)
    at_once = generate(model, labels, 7, solver=solver).images
    shards = generate_shards(model, tmp_path / "x.shards", labels, 7, solver=solver, shard_images=300)
    assert np.array_equal(shards.subset(slice(None)).images, at_once)
    elsewhere = generate(model, labels[300:600], 7, first_index=300, solver=solver).images
    assert not np.array_equal(elsewhere, at_once[300:600])  # a cut that is no multiple of the batch would show


def test_turns_within_a_shard_change_no_byte(tmp_path, monkeypatch):
    edm, labels = Entangled(), np.zeros(1000, dtype=np.int64)
    generate_shards(edm, tmp_path / "a.shards", labels, solver=SOLVERS[0])
    monkeypatch.setattr("synthgap.api.streaming.TURN", LANES)
    told = []
    generate_shards(edm, tmp_path / "b.shards", labels, solver=SOLVERS[0], progress=told.append)
    assert told == [256, 256, 256, 232]
    a, b = (load_file(tmp_path / name / "data-00000.safetensors") for name in ("a.shards", "b.shards"))
    assert np.array_equal(a["images"], b["images"])


def test_an_unconditional_model_and_a_gan_fill_shards_too(tmp_path):
    edm = network(label_dim=0)
    shards = generate_shards(edm, tmp_path / "edm.shards", count=300, seed=1, solver=SOLVERS[0], shard_images=256)
    assert np.array_equal(shards.subset(slice(None)).images, generate(edm, seed=1, count=300, solver=SOLVERS[0]).images)
    assert shards.classes == ("image",)
    torch.manual_seed(0)
    small = {"height": 8, "width": 8, "channels": 1, "z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 8}
    gan = Generator(GeneratorConfig(**small, layers=3, margin=2, label_dim=2)).eval()
    labels = np.arange(300) % 2
    shards = generate_shards(gan, tmp_path / "gan.shards", labels, 1, shard_images=256)
    assert np.array_equal(shards.subset(slice(None)).images, generate(gan, labels, 1).images)
    with pytest.raises(UserError, match="a GAN has no reverse process"):
        generate_shards(gan, tmp_path / "no.shards", labels, 1, solver=SOLVERS[0])


def test_what_cannot_be_drawn_is_refused_before_a_folder_is_made(tmp_path):
    for options, says in (
        ({"labels": np.array([0, 3])}, "labels run from 0 to 3"),
        ({"labels": None}, "class-conditional"),
        ({"labels": np.array([0]), "shard_images": 0}, "shard_images is 0"),
        ({"labels": np.array([0]), "seed": -1}, "seed is -1"),
        ({"labels": np.array([0.5])}, "labels are float64"),
    ):
        with pytest.raises(UserError, match=says):
            generate_shards(network(), tmp_path / "x.shards", **options)
    assert not (tmp_path / "x.shards").exists()


def test_another_model_or_solver_does_not_go_on_with_a_folder(tmp_path):
    labels = np.zeros(4, dtype=np.int64)
    generate_shards(network(), tmp_path / "x.shards", labels, solver=SOLVERS[0])
    other = network()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(UserError, match='was begun with model "'):
        generate_shards(other, tmp_path / "x.shards", labels, solver=SOLVERS[0])
    with pytest.raises(UserError, match=r'was begun with solver \{"steps": 2'):
        generate_shards(network(), tmp_path / "x.shards", labels, solver=SOLVERS[1])


# Features and fidelity


def test_streamed_features_are_those_of_memory_and_an_interrupted_extraction_goes_on(
    tmp_path, monkeypatch, make_images
):
    monkeypatch.setattr(streaming, "BLOCK", 128)
    images = make_images(300, (1, 6, 8))
    calls, told = [], []
    kept = store_features(images, toy(calls), tmp_path, progress=lambda *p: told.append(p))
    assert np.array_equal(kept.at(np.arange(300)), features(images, toy()))
    assert kept.rows == (128, 128, 44)
    assert told[-1] == (300, 300)
    chosen = np.array([0, 127, 128, 299])
    assert np.array_equal(kept.at(chosen), features(images, toy())[chosen])
    kept.files[1].unlink()
    calls.clear()
    store_features(images, toy(calls), tmp_path)
    assert sum(calls) == 128


def test_features_lost_while_they_are_used_are_told_of(tmp_path, make_images, capsys):
    kept = store_features(make_images(300, (1, 6, 8)), toy(), tmp_path)
    kept.files[0].write_bytes(b"")
    with pytest.raises(UserError, match="were lost while they were used; run the command again"):
        kept.at(np.arange(3))


def test_a_set_below_the_limit_is_measured_as_in_memory_bit_for_bit(two):
    (real, fake), (real_kept, fake_kept) = two
    assert fidelity_of_stored(real_kept, fake_kept, "x", seed=2) == fidelity_of_features(real, fake, "x", seed=2)


def test_the_streamed_frechet_distance_and_its_interval_are_those_of_memory(two):
    (real, fake), kept = two
    value = fidelity_of_features(real, fake, "x", floor=False, seed=2)
    few = fidelity_of_stored(*kept, "x", pairwise=500, floor=False, seed=2)
    assert few.frechet == pytest.approx(value.frechet, rel=1e-9)
    assert few.intervals["frechet"] == pytest.approx(value.intervals["frechet"], rel=1e-7)
    exact = [(v.astype(np.float64).mean(axis=0), np.cov(v.astype(np.float64).T)) for v in (real, fake)]
    assert few.frechet == pytest.approx(frechet_of_gaussians(*exact[0], *exact[1]), rel=1e-9)
    assert stored_frechet(*kept) == pytest.approx([value.frechet], rel=1e-9)


def test_above_the_limit_pairs_are_of_a_seeded_draw(two):
    (real, fake), kept = two
    value = fidelity_of_stored(*kept, "x", pairwise=500, seed=2)
    part = fidelity_of_features(real[drawn(2500, 500, 2)], fake[drawn(3000, 500, 2)], "x", seed=2)
    for name in ("kid", "precision", "recall", "density", "coverage", "floor", "matched"):
        assert getattr(value, name) == getattr(part, name)
    assert value.n == (2500, 3000)
    assert value == fidelity_of_stored(*kept, "x", pairwise=500, seed=2)
    assert value.precision != fidelity_of_stored(*kept, "x", pairwise=500, seed=3).precision


def test_draws_are_ascending_without_repeats_and_equal_for_sets_of_a_size():
    chosen = drawn(1000, 100, 0)
    assert len(set(chosen)) == 100
    assert np.array_equal(chosen, np.sort(chosen))
    assert np.array_equal(chosen, drawn(1000, 100, 0))
    assert not np.array_equal(chosen, drawn(1000, 100, 1))
    assert np.array_equal(drawn(100, 100, 0), np.arange(100))


def test_features_of_two_networks_are_refused(two):
    _, (real, _) = two
    with pytest.raises(UserError, match="real features have 6 dimensions, fake ones 5"):
        fidelity_of_stored(real, StoredFeatures((), (), 5), "x")
    with pytest.raises(UserError, match="pairwise is 4"):
        fidelity_of_stored(real, real, "x", pairwise=4)


# The commands


@pytest.fixture
def large(tmp_path, monkeypatch, make_images):
    """(real file, sharded fakes, held-out file) of 600, 1,000 and 60 images, where 500 are too many for memory."""
    monkeypatch.setattr(pool, "IN_MEMORY", 500)
    fake = make_images(1000, (1, 6, 8), seed=1)
    write_shards(
        tmp_path / "fake.shards", fake.labels, fake.classes, fake.shape, lambda a, b: fake.images[a:b], shard_images=256
    )
    paths = [make_images(n, (1, 6, 8), seed=s).save(tmp_path / f"{s}.safetensors") for n, s in ((600, 2), (60, 3))]
    return str(paths[0]), str(tmp_path / "fake.shards"), str(paths[1])


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(EXTRACTORS, "toy", lambda **_: toy())


def test_a_large_sharded_set_is_measured_whole_and_what_is_not_is_said(large, registered, tmp_path):
    value = metrics_cli.compare(*large, "toy", pairwise=400, cache=tmp_path / "cache")
    assert value.fidelity.n == (600, 1000)
    assert value.pairwise == (400, 400)
    fake = Shards.open(large[1]).subset(slice(None))
    vectors = [features(images, toy()) for images in (ImageSet.load(large[0]), fake)]
    assert value.fidelity.frechet == pytest.approx(fidelity_of_features(*vectors, "toy").frechet, rel=1e-9)
    text = metrics_cli.as_text(value)
    assert "the Fréchet distance is of 600 real and 1,000 fake images; precision, recall, density" in text
    assert "coverage of 400 of each, the kernel distance of 400 and 400, drawn with seed 0" in text
    assert "copying: 600 of the real and 1,000 of the fake images were looked at" in text
    out = json.loads(metrics_cli.as_json(value))
    assert out["kernel_distance_of"] == [400, 400]
    assert out["precision_recall_density_coverage_of_each"] == 400
    assert out["fake"]["sha256"] == fake.fingerprint
    again = metrics_cli.compare(*large, "toy", pairwise=400, cache=tmp_path / "cache")
    assert again.fidelity == value.fidelity


def test_real_images_may_be_sharded_too_and_half_of_them_train_the_classifier(large, monkeypatch, tmp_path):
    monkeypatch.setattr(metrics_cli, "TRAINED", 90)
    value = metrics_cli.compare(large[1], large[0], preset="smoke", pairwise=200)
    assert value.fidelity.n == (500, 600)
    assert "a classifier was trained on 90 real images; the rest is compared" in value.notes
    one = Shards.open(large[1]).subset(slice(700, 701)).save(tmp_path / "one.safetensors")
    with pytest.raises(UserError, match="1 of the 1 held-out images are among the real ones"):
        metrics_cli.compare(large[1], large[0], str(one), preset="smoke")


def test_a_small_sharded_set_is_compared_as_its_images_are(large, registered, monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "IN_MEMORY", 1000)
    Shards.open(large[1]).subset(slice(None)).save(tmp_path / "same.safetensors")
    sources = large[1], str(tmp_path / "same.safetensors")
    sharded, plain = (metrics_cli.compare(large[0], fake, extractor_name="toy") for fake in sources)
    assert sharded.fidelity == plain.fidelity
    assert sharded.pairwise is None
    assert [d.accuracy for d in sharded.detection] == [d.accuracy for d in plain.detection]
    with pytest.raises(UserError, match="pairwise is for sharded sets"):
        metrics_cli.compare(large[0], large[1], extractor_name="toy", pairwise=100)


def test_the_command_writes_shards_goes_on_and_names_damage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network().save("edm.safetensors")

    def run(*words):
        command = ["synthgap", "generate", "--model", "edm.safetensors", "--device", "cpu", "--steps", "2", *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    words = ("--per-class", "200", "--shard-images", "256", "--out", "new.shards")
    assert run(*words) == (0, "600 images of 3 classes in 3 shards: new.shards\n", "")
    solver = load_preset("quick").generator.solver.model_copy(update={"steps": 2})
    wanted = generate(network(), np.repeat([0, 1, 2], 200), 0, solver=solver)
    assert load_pool("new.shards").fingerprint == wanted.fingerprint
    shard = Path("new.shards") / "data-00001.safetensors"
    before = shard.read_bytes()
    shard.write_bytes(before[:-1])
    code, _, err = run(*words)
    assert (code, err) == (0, "synthgap: new.shards/data-00001.safetensors is damaged; making it again\n")
    assert shard.read_bytes() == before
    for wrong, says in (
        ((*words, "--seed", "1"), "new.shards was begun with seed 0, not 1; name a new folder"),
        (("--out", "folder", "--shard-images", "256"), "--shard-images is for shards; name a folder that ends in"),
        (("--out", "edm.shards", "--shard-images", "0"), "Invalid value for '--shard-images'"),
    ):
        code, out, err = run(*wrong)
        assert (code, out) == (2, "")
        assert err.startswith("synthgap: error: ")
        assert says in err
        assert err.count("\n") == 1


# Memory


def test_40_000_images_in_colour_are_generated_stored_and_measured_in_little_memory():
    """Measured: about 110 MiB beyond the imports; 117 MiB of pixels alone would lie in memory otherwise, twice."""
    words = "40000", "--colour", "--shard-images", "2560", "--real", "2000", "--pairwise", "1000"
    command = [sys.executable, ROOT / "benchmarks" / "streaming.py", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    rows = json.loads(done.stdout.splitlines()[-1])
    assert rows["result"]["n"] == [2000, 40_000]
    assert rows["fidelity"]["beyond_imports_mib"] < 600
    assert rows["generated"]["beyond_imports_mib"] < 200  # of which a shard is 8 MiB
