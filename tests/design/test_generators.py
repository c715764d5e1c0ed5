"""A generator that was trained elsewhere: what a study makes of its file, what it leaves out, and what is refused."""

import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from cells import executed, impossible, quickened
from presets import FEW, small_preset
from released_pickle import network, random_edm, written

from synthgap import generate, reconstruct
from synthgap.base.errors import UserError
from synthgap.base.files import file_sha256
from synthgap.book import exhibit_text, trace
from synthgap.book.provenance import Made
from synthgap.cli.notice import intended
from synthgap.design.preset import load_preset
from synthgap.design.record import Record, join
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.reconstruct import noisy_start
from synthgap.diffusion.schedule import VPProcess
from synthgap.diffusion.unet import UNetConfig
from synthgap.exhibits.study import Study
from synthgap.graph.inventory import size_of
from synthgap.graph.specification import in_order
from synthgap.graph.specs import LoadDiffusion, TrainDiffusion, parse_spec
from synthgap.graph.store import Store
from synthgap.planning.calibrate import Ratios
from synthgap.planning.footprint import disk
from synthgap.planning.outlook import Outlook
from synthgap.planning.outlook_text import summary
from synthgap.released.edm import load_edm

CHAPTERS = ("03_preliminary", "04_3_discussion", "05_data_augmentation", "a2_your_data")

ASSUMED = "and their order is assumed"


def tiny(**network_sizes) -> EDM:
    """A denoiser with random weights for digits' images, or other ones."""
    sizes = {"height": 8, "width": 8, "channels": 1, "label_dim": 10, "model_channels": 8, "channel_mult": (1, 1)}
    return model(**(sizes | network_sizes))


def model(config: dict | None = None, **sizes) -> EDM:
    shape = UNetConfig(**({"num_blocks": 1, "attn_resolutions": ()} | sizes))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return EDM(EDMConfig(network=shape, **(config or {}))).eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("given")


@pytest.fixture(scope="module")
def preset(place):
    return str(small_preset(place / "small.yaml", **FEW))


@pytest.fixture(scope="module")
def file(place, preset):
    """What a study's own training leaves, saved."""
    study = Study("digits", preset, place / "own", seeds=1, device="cpu", workers=1)
    generator = study.main.generator(0)
    study.compute([generator])
    return study.store.get(generator).save(place / "digits.safetensors")


@pytest.fixture(scope="module")
def study(place, preset, file):
    return Study("digits", preset, place / "results", seeds=2, device="cpu", workers=1, generator=str(file))


@pytest.fixture(scope="module")
def pickle(place):
    """A file of the released structure, for images and classes of digits' shape."""
    return written(place / "released.pkl", network(random_edm(label_dim=10)))


def opened(path, results, dataset="digits", preset="smoke", **options):
    return Study(dataset, preset, results, seeds=2, device="cpu", workers=1, generator=str(path), **options)


def test_the_arms_images_are_bit_for_bit_those_that_the_file_gives_outside_of_the_study(study, file):
    edm, real = load_edm(file), study.store.get(study.main.data["train"])
    solver = study.preset.generator.solver
    for seed in study.seeds:
        full, half = study.main.samples(seed, 100, 1), study.main.samples(seed, (50, 100))
        study.compute([full, half])
        drawn = generate(edm, real.labels, seed, solver=solver, first_index=len(real))
        assert np.array_equal(study.store.get(full).images, drawn.images)
        rebuilt = reconstruct(edm, real, (50, 100), seed, solver=solver)
        assert np.array_equal(study.store.get(half).images, rebuilt.images)


def test_a_released_files_images_are_those_of_the_network_that_it_holds(pickle, preset, place):
    """At full size: `tests/chapters/test_paper_scale.py`."""
    study = opened(pickle, place / "results", preset=preset)
    edm, real, solver = (
        random_edm(label_dim=10),
        study.store.get(study.main.data["train"]),
        study.preset.generator.solver,
    )
    for step in (50, (0, 50), 100):
        arm = study.main.samples(1, step)
        study.compute([arm])
        assert np.array_equal(study.store.get(arm).images, reconstruct(edm, real, step, 1, solver=solver).images)


def test_the_weights_in_the_store_are_laid_out_as_training_leaves_them(place, study, file):
    folder = study.store.folder(study.main.model)
    (trained,) = (place / "own" / "store" / "train-diffusion").iterdir()
    ours, theirs = (parse_spec((f / "spec.json").read_text(encoding="utf-8")) for f in (folder, trained))
    a, b = Store(study.store.root).get(ours), Store(place / "own" / "store").get(theirs)
    assert a.config == b.config
    assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    assert disk(ours) == pytest.approx(size_of(folder), rel=0.1)


def test_seeds_share_one_generator_and_differ_in_what_they_draw(study):
    arms = study.main
    assert arms.generator(0) == arms.generator(1) == arms.model
    first, second = arms.samples(0, 100), arms.samples(1, 100)
    assert first.model == second.model
    study.compute([first, second])
    assert not np.array_equal(study.store.get(first).images, study.store.get(second).images)
    kinds = Counter(spec.kind for spec in in_order(study.plan()))
    assert kinds["load-diffusion"] == 1
    assert not {"train-diffusion", "snapshot"} & set(kinds)


def test_a_file_is_known_by_its_content_wherever_it_lies(study, file, tmp_path, preset):
    moved = shutil.copy(file, tmp_path / "other name.safetensors")
    there = opened(moved, tmp_path / "r", preset=preset)
    assert [spec.key for spec in there.plan()] == [spec.key for spec in study.plan()]
    edm = load_edm(file)
    again = edm.save(tmp_path / "again.safetensors", {"note": "equal weights in another file"})
    with torch.no_grad():
        next(edm.parameters()).view(-1)[0] += 1e-3
    changed = edm.save(tmp_path / "changed.safetensors")
    keys = {opened(path, tmp_path / "r", preset=preset).main.samples(0, 50).key for path in (moved, again, changed)}
    assert len(keys) == 3
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(data)
    with pytest.raises(UserError, match=r"damaged\.safetensors is damaged"):
        opened(tmp_path / "damaged.safetensors", tmp_path / "r", preset=preset)


def test_a_lost_artifact_is_read_again_from_the_file_that_has_to_be_the_same(study, file, tmp_path, preset):
    path = shutil.copy(file, tmp_path / "g.safetensors")
    mine = opened(path, tmp_path / "r", preset=preset)
    spec = mine.main.model
    shutil.rmtree(mine.store.folder(spec))
    assert Store(mine.store.root).get(spec).config == spec.config
    shutil.rmtree(mine.store.folder(spec))
    load_edm(file).save(path, {"note": "another file"})
    with pytest.raises(UserError, match=r"g\.safetensors has changed since this study began"):
        Store(mine.store.root).get(spec)
    path.unlink()
    with pytest.raises(UserError, match=r"g\.safetensors is not there, and the store has not its weights; put"):
        Store(mine.store.root).get(spec)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"label_dim": 0}, r"is an unconditional model: .* --model draws from this one.* judged with --synthetic"),
        ({"label_dim": 7}, r"knows 7 classes, digits/train has 10; give a model of this data set, or \(--dataset\)"),
        ({"height": 16, "width": 16}, r"makes images of 16×16 pixels, grey, digits/train has 8×8 .*--image-size 16\)"),
        ({"height": 8, "width": 16}, "no option brings them to that: cut or pad the images to 16×8"),
        ({"channels": 3}, r"8×8 pixels, in colour, digits/train has 8×8 pixels, grey here; give images in colour"),
        (
            {"config": {"classes": tuple("abcdefghij")}},
            None,  # names of one side only: the set's are numbers
        ),
        (
            {"config": {"sigma_min": 0.01}},
            "noise levels from σ = 0.01 to 80, and the preset asks for a likelihood at 0.002; change likelihood.sigmas",
        ),
        (
            {"config": {"preconditioning": "vp", "vp": VPProcess(beta_d=2.0), "sigma_max": 1.0}},
            "was trained with noise up to σ = 1.42, and the preset's levels 'edm-80' begin at 80",
        ),
    ],
)
def test_what_can_not_be_a_studys_generator_is_refused_before_anything_is_computed(made, says, tmp_path):
    path = tiny(**made).save(tmp_path / "g.safetensors")
    if says is None:
        (_, order, _) = opened(path, tmp_path / "r").design.records[0]["generator"]
        assert (
            order == f"the data set has no names of classes, {ASSUMED}: 0 its class 0, 1 its class 1, 2 its class 2, …"
        )
        return
    with pytest.raises(UserError, match=says) as error:
        opened(path, tmp_path / "r")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "r").exists()


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "text.pkl").write_text("no pickle")
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name, says in (
        ("gone.pkl", "which is not there; name a model's file"),
        (".", "which is a folder; name a model's file"),
        ("text.pkl", "text.pkl"),
        ("text.safetensors", "text.safetensors is not a diffusion model saved by synthgap"),
    ):
        with pytest.raises(UserError, match=says):
            opened(tmp_path / name, tmp_path / "r")
    with pytest.raises(UserError, match='generator is 3; give the path of a model\'s file, or "none"'):
        Study("digits", "smoke", tmp_path / "r", generator=3)
    assert not (tmp_path / "r").exists()


def test_a_model_is_of_one_data_set(file, tmp_path):
    with pytest.raises(
        UserError, match=r"a model of one data set, and the preset smoke has 2 \(digits, mnist5k\); name"
    ):
        opened(file, tmp_path / "r", dataset="auto")


def test_a_preset_names_a_model_for_each_of_its_data_sets(file, tmp_path):
    mine = small_preset(
        tmp_path / "mine.yaml",
        data=[{"dataset": "mnist5k", "image_size": 8}, {"dataset": "digits", "generator": {"pretrained": str(file)}}],
        **FEW,
    )
    kinds = [type(arms.generator(0)) for arms in Outlook(preset=str(mine), device="cpu").design.columns]
    assert kinds == [TrainDiffusion, LoadDiffusion]


def test_classes_are_matched_by_name_whatever_their_order(tmp_path):
    labels = np.arange(60) % 3
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels, classes=np.array(["ant", "bee", "cat"]))
    dataset = f"npz:{tmp_path / 'set.npz'}"
    turned = tiny(label_dim=3, config={"classes": ("cat", "bee", "ant")}).save(tmp_path / "turned.safetensors")
    study = opened(turned, tmp_path / "r", dataset)
    assert study.design.records[0]["generator"][1] == "classes are matched by name"
    full = study.main.samples(0, 100)
    study.compute([full])
    drawn = study.store.get(full)
    straight = generate(load_edm(turned), 2 - drawn.labels, 0, solver=study.preset.generator.solver)
    assert np.array_equal(drawn.images, straight.images)
    foreign = tiny(label_dim=3, config={"classes": ("cat", "bee", "dog")}).save(tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match=r"classes that the model does not know \(ant; the model's are dog\)"):
        opened(foreign, tmp_path / "r", dataset)
    nameless = tiny(label_dim=3).save(tmp_path / "nameless.safetensors")
    (_, order, _) = opened(nameless, tmp_path / "r", dataset).design.records[0]["generator"]
    assert order == f"the file has no names of classes, {ASSUMED}: ant its class 0, bee its class 1, cat its class 2"


def test_a_reverse_step_is_a_level_between_the_models_own_ends(pickle, tmp_path):
    """Those of a released file are EDM's at every size, where a model trained at 8×8 ends at 20."""
    arms = opened(pickle, tmp_path / "r").main
    config, image = arms.model.config, np.zeros((1, 8, 8), np.uint8)
    assert (config.sigma_min, config.sigma_max) == (0.002, 80)
    assert [arms.sigma(t) for t in (0, 1, 100)] == pytest.approx([0, 0.002, 80])
    for t in (1, 50, 99):
        assert arms.sigma(t) == pytest.approx(noisy_start(config, image, t, 0, 0)[1])


def test_an_options_folder_carries_the_pixels_that_the_models_levels_need(file, tmp_path):
    """Images are padded to what the model's levels divide by, not the preset's."""
    one = tiny(channel_mult=(1,), height=7, width=7, label_dim=2).save(tmp_path / "one.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 7, 7), dtype=np.uint8)
    np.savez(tmp_path / "odd.npz", images=pixels, labels=np.arange(30) % 2)
    assert opened(one, tmp_path / "r", f"npz:{tmp_path / 'odd.npz'}").main.data["train"].shape == (1, 7, 7)


def test_a_released_file_drives_chapters_that_say_what_is_left_out(pickle, preset, place, monkeypatch):
    given = {"dataset": "digits", "preset": preset, "results": str(place / "results"), "device": "cpu", "workers": 1}
    given |= {"seeds": 2, "generator": str(pickle)}
    quickened(monkeypatch)
    texts = {name: executed(name, given, monkeypatch) for name in CHAPTERS}
    for name, text in texts.items():
        assert impossible(text) == [], name
        assert f"generators, trained elsewhere, and SHA-256 of their files: digits ({file_sha256(pickle)[:12]})" in text
    elsewhere = "the generator was trained elsewhere, and its file holds the end of its training alone"
    assert f"It is not known whether more training would still help: {elsewhere}." in texts["04_3_discussion"]
    assert (
        f"| too little training | the second half of its training still helps | {elsewhere} |  | not tested |"
        in (texts["04_3_discussion"])
    )
    assert "one generator, which was trained elsewhere: its share of the variance" in texts["05_data_augmentation"]
    answer = texts["a2_your_data"]
    assert "**All intervals:** given this generator, which was trained elsewhere" in answer
    assert "All seeds draw from one generator, which was trained elsewhere: the intervals are for other draws" in answer
    assert " points, given this generator." in answer
    assert "released.pkl: ddpm\\+\\+" in answer


def test_what_is_said_before_a_run_and_recorded_after_it(study, file, tmp_path, left):
    lines = "\n".join(intended(study))
    assert "its generator: digits.safetensors: ddpm++, " in lines
    assert "its generator: classes are matched by name" in lines
    record = trace.provenance(study.lab, tmp_path)
    assert record.generators == {"digits": file_sha256(file)}
    made = Made(kinds=("load-diffusion", "synthesize"), data={"digits": ("train",)}, seeds=(0,))
    (told,) = exhibit_text._generators(record, made)
    assert told[1] == f"of digits {file_sha256(file)[:12]}"
    assert str(tmp_path.parent) not in record.model_dump_json()
    again = Study(f"run:{left(study, tmp_path / 'run')}")
    assert again.main.model == study.main.model


def test_runs_with_equal_files_in_other_places_are_joined(file, tmp_path, preset, left):
    folders = []
    for seed in (0, 1):
        path = shutil.copy(file, tmp_path / f"{seed}.safetensors")
        one = Study("digits", preset, tmp_path / "r", seeds=[seed], device="cpu", workers=1, generator=str(path))
        folders.append(left(one, tmp_path / f"run{seed}"))
    join(folders, tmp_path / "both")
    both = Record.model_validate_json((tmp_path / "both" / "run.json").read_text(encoding="utf-8"))
    assert both.seeds == (0, 1)
    other = tiny().save(tmp_path / "other.safetensors")
    one = Study("digits", preset, tmp_path / "r", seeds=[1], device="cpu", workers=1, generator=str(other))
    with pytest.raises(UserError, match="the generator of digits is another file's in the one than in the other"):
        join([folders[0], left(one, tmp_path / "run2")], tmp_path / "no")


def test_exported_images_are_those_of_the_arm(synthgap, study, file, preset, tmp_path):
    words = ("--dataset", "digits", "--preset", preset, "--results", study.results, "--device", "cpu")
    code, _, err = synthgap("export", *words, "--generator", file, "--out", tmp_path / "mix.npz")
    assert code == 0, err
    full = study.main.samples(0, 100)
    assert np.array_equal(np.load(tmp_path / "mix.npz")["images"], study.store.get(full).images)


def test_an_estimate_counts_no_training_of_a_diffusion_model(synthgap, file, preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--dataset", "digits", "--preset", preset, "--device", "cpu", "--generator", file)
    code, out, err = synthgap("estimate", *words)
    assert code == 0, err
    kinds = {line.split()[0] for line in out.splitlines()}
    assert "load-diffusion" in kinds
    assert not {"train-diffusion", "snapshot"} & kinds
    assert "measured a moment ago, the denoiser's sampling takes" in out
    assert list(tmp_path.iterdir()) == []


def test_the_papers_part_on_cifar_10_is_planned_for_a_file_of_its_shape(tmp_path):
    path = tiny(height=32, width=32, channels=3).save(tmp_path / "cifar.safetensors")
    outlook = Outlook(preset="paper-cifar10", device="cpu", generator=str(path))
    assert outlook.design.main.model.network.height == 32
    found = summary(outlook, 1, Ratios("cpu"))
    assert "train-diffusion" not in found["kinds"]
    assert found["kinds"]["load-diffusion"]["artifacts"] == 1
    assert set(found["h100"]["hours"]) == {"1", "8"}
    assert found["h100"]["hours"]["1"] > 0
    with pytest.raises(UserError, match=r"the preset paper has 5 .*--dataset cifar10"):
        Outlook(preset="paper", device="cpu", generator=str(path))
    assert Outlook("cifar10", "paper", device="cpu", generator=str(path)).design.main.model is not None


def test_the_preset_of_cifar_10_is_the_papers(tmp_path):
    whole, part = load_preset("paper"), load_preset("paper-cifar10")
    assert [choice.dataset for choice in part.data] == ["cifar10"]
    same = ("limits", "generator", "classifier", "table2", "curves", "probe", "grid", "detectors", "attention_images")
    for name in (*same, "likelihood", "trimmed", "checkpoints", "sensitivity", "seeds"):
        assert getattr(part, name) == getattr(whole, name), name
    assert part.gan.model_copy(update={"replication": ()}) == whole.gan.model_copy(update={"replication": ()})
