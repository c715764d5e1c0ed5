"""Presets: they load, are strict, and stay within what they promise."""

import numpy as np
import pytest
import yaml
from PIL import Image
from presets import shipped

from synthgap.base.errors import UserError
from synthgap.design import preset as preset_module
from synthgap.design.preset import load_preset, parse_t_re, preset_names
from synthgap.design.record import Record
from synthgap.diffusion.solver import Solver
from synthgap.exhibits.study import Study
from synthgap.exhibits.text import paper_table
from synthgap.graph.estimate import cost
from synthgap.graph.specification import in_order

RENDERING_MINUTES = 2
NAMES = ("smoke", "quick", "full", "paper", "paper-cifar10")


@pytest.fixture(scope="module")
def core_seconds(tmp_path_factory):
    """preset → the cost model's sum over everything the preset computes, each artifact once."""
    sums = {}

    def of(name):
        if name not in sums:
            study = Study(preset=name, results=tmp_path_factory.mktemp(name), device="cpu", workers=1)
            sums[name] = sum(map(cost, in_order(study.plan())))
        return sums[name]

    return of


def test_the_presets_are_these_smallest_first():
    assert tuple(preset_names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_loads_and_says_what_it_is_for(name):
    preset = load_preset(name)
    assert preset.name == name
    assert len(preset.summary) > 10


@pytest.mark.parametrize("name", ["smoke", "quick", "full"])
def test_core_seconds_are_the_cost_models_sum(name, core_seconds):
    assert core_seconds(name) == pytest.approx(load_preset(name).budget.core_seconds, rel=0.15)


@pytest.mark.parametrize("name", ["smoke", "quick", "full"])
def test_the_work_and_the_rendering_fit_the_minutes(name, core_seconds):
    budget = load_preset(name).budget
    assert core_seconds(name) / budget.cores / 60 + RENDERING_MINUTES <= budget.minutes


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_runs_every_row_of_table_2_and_every_arm_of_table_3(name):
    preset = load_preset(name)
    assert preset.table2 == tuple(paper_table("table2")["CIFAR-10"])
    rows = set(paper_table("table3")) - {"real only", "synthetic only"}
    assert set(preset.augmentation) == rows | {"0"}  # and its control
    assert all(1 in multiples for multiples in (preset.replication, *preset.augmentation.values()))


@pytest.mark.parametrize("name", ["full", "paper"])
def test_the_larger_presets_run_table_3_in_full(name):
    preset = load_preset(name)
    arms = {arm: multiples for arm, multiples in preset.augmentation.items() if arm != "0"}
    assert {preset.replication, *arms.values()} == {(1, 3, 5)}
    assert preset.bootstrap == (1, 3, 5)
    assert preset.policies == ("RandAugment", "TrivialAugment")
    assert len(preset.subsets) >= 5


def test_the_paper_preset_has_the_papers_recipe():
    preset = load_preset("paper")
    training = preset.classifier.training
    assert (training.epochs, training.batch, training.learning_rate) == (100, 64, 0.01)
    assert (preset.classifier.width, preset.generator.solver) == (64, Solver(method="heun", steps=100))
    assert preset.table2 == (0, 30, 50, 70, 100)


@pytest.mark.parametrize("name", ["tiny", "", "Quick", "quick.yaml", 3, None, ["smoke"]])
def test_an_unknown_preset_is_refused_with_the_known_ones(name):
    with pytest.raises(UserError, match=r"unknown preset .*; known: smoke, quick, full, paper"):
        load_preset(name)


@pytest.fixture
def altered(tmp_path, monkeypatch):
    """altered(change) loads the smoke preset after `change` has been applied to its YAML."""

    def load(change):
        text = (preset_module.files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        change(content)
        (tmp_path / "presets").mkdir(exist_ok=True)
        (tmp_path / "presets" / "smoke.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setattr(preset_module, "files", lambda package: tmp_path)
        return load_preset("smoke")

    return load


def test_an_altered_preset_is_what_its_file_says(altered):
    assert altered(lambda p: p.update(seeds=7)).seeds == 7


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda p: p.update(seed=3), "seed"),
        (lambda p: p["generator"].update(width=3), "width"),
        (lambda p: p["classifier"]["training"].update(epoch=3), "epoch"),
        (lambda p: p["classifier"].update(block=0), "block"),
        (lambda p: p["classifier"].update(block=1.5), "block"),
        (lambda p: p["data"][0].update(size=3), "size"),
        (lambda p: p.pop("budget"), "budget"),
        (lambda p: p.update(seeds=0), "seeds"),
        (lambda p: p.update(data=[]), "data"),
        (lambda p: p.update(table2=[0, 101]), "table2"),
        (lambda p: p.update(subsets=[0.5, 1.0]), "subsets"),
        (lambda p: p.update(policies=["AutoAugment"]), "policies"),
        (lambda p: p["sensitivity"].update(variants=["magic"]), "variants"),
        (lambda p: p["data"][0].update(tables=[5]), "tables"),
        (lambda p: p.update(augmentation={"50-": [1]}), "augmentation"),
        (lambda p: p.update(augmentation={"80-20": [1]}), "augmentation"),
    ],
)
def test_a_wrong_field_is_named(altered, change, place):
    with pytest.raises(UserError, match=f"preset smoke is not valid: .*'{place}'"):
        altered(change)


LARGER = {
    20: {"generator": {"channel_mult": [1, 2, 3], "training": {"images": 128}}},
    40: {"classifier": {"stem": "imagenet"}},
}


@pytest.mark.parametrize(
    ("side", "mult", "stem"),
    [(19, (1, 1), "cifar"), (20, (1, 2, 3), "cifar"), (39, (1, 2, 3), "cifar"), (40, (1, 1), "imagenet")],
)
def test_larger_images_have_the_networks_of_the_last_size_that_they_reach(altered, side, mult, stem):
    preset = altered(lambda p: p.update(larger=LARGER))
    mine = preset.of(preset.sized(preset.data[0], side))
    assert (mine.generator.channel_mult, mine.classifier.stem) == (mult, stem)


def test_what_a_data_set_changes_itself_stands_before_what_its_size_changes(altered):
    def change(p):
        p.update(larger=LARGER)
        p["data"][0].update(generator={"channel_mult": [1], "training": {"batch": 8}, "attention_levels": []})

    preset = altered(change)
    generator = preset.of(preset.sized(preset.data[0], 30)).generator
    assert (generator.channel_mult, generator.training.batch, generator.training.images) == ((1,), 8, 128)


@pytest.mark.parametrize(
    ("longest", "shape", "mult"), [(18, (1, 12, 18), (1, 1)), (22, (1, 16, 24), (1, 2, 3)), (40, (1, 28, 40), (1, 1))]
)
def test_a_folders_networks_are_of_its_images_size_and_sides_are_multiples_of_what_they_need(
    tmp_path, longest, shape, mult
):
    content = shipped("smoke") | {"larger": LARGER}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(30):
            pixels = np.full((40, 60), 3 * i + (name == "b"), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    preset, folder = str(tmp_path / "own.yaml"), f"folder:{tmp_path / 'photos'}"
    study = Study(folder, preset, tmp_path / "results", image_size=longest, device="cpu", workers=1)
    arms = study.main
    assert (arms.data["train"].shape, arms.preset.generator.channel_mult) == (shape, mult)
    training = next(spec for spec in study.plan() if spec.kind == "train-diffusion")
    assert training.network.channel_mult == mult
    assert Record.of(study.design).design().main == arms  # read again, it is the same study


def test_quick_takes_deeper_networks_for_larger_images_whose_coarsest_level_stays_small():
    preset = load_preset("quick")
    for side in (16, 32, 64, 128):
        mine = preset.of(preset.sized(preset.data[0], side))
        assert side // mine.generator.divisor == 8
        assert mine.generator.attention_levels == (len(mine.generator.channel_mult) - 1,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.update(combined={"100": [5]}), "100 .5,. is not among the arms"),
        (lambda p: [c.update(tables=[2]) for c in p["data"]], "no data set is part of Table 3"),
        (lambda p: p["data"][1].update(generator={"width": 3}), "width"),
        (lambda p: p.update(larger={32: {"generator": {"width": 3}}}), "width"),
        (lambda p: p.update(larger={32: {"seeds": 3}}), "seeds"),
        (lambda p: p.update(larger={"32 pixels": {}}), "larger"),
        (lambda p: p["data"][1].update(classifier={"training": {"epoch": 3}}), "epoch"),
    ],
)
def test_fields_that_contradict_one_another_are_refused(altered, change, reason):
    with pytest.raises(UserError, match=f"preset smoke is not valid: .*{reason}"):
        altered(change)


def test_a_data_set_may_differ_from_the_preset_in_single_fields():
    preset = load_preset("paper")
    cifar, aircraft = (preset.of(next(c for c in preset.data if c.dataset == n)) for n in ("cifar10", "aircraft"))
    assert cifar == preset
    assert aircraft.generator.channel_mult == (1, 2, 2, 2)
    assert aircraft.generator.training.augment == 0.15
    assert aircraft.generator.model_channels == cifar.generator.model_channels == 128
    assert aircraft.generator.training.ramp_images == cifar.generator.training.ramp_images
    assert aircraft.classifier == cifar.classifier


def test_the_paper_preset_puts_its_data_sets_where_the_paper_has_them():
    stands = {c.dataset: c.tables for c in load_preset("paper").data}
    assert stands == {"cifar10": (2,), "cifar100": (2,), "aircraft": (3, 4), "cub": (4,), "cars": (4,)}


def test_a_preset_of_ones_own_is_read_from_its_file(tmp_path):
    text = (preset_module.files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("seeds: 2", "seeds: 4"), encoding="utf-8")
    preset = load_preset(str(path))
    assert (preset.name, preset.seeds) == ("mine", 4)
    assert preset.generator == load_preset("smoke").generator
    path.write_text("a: [1", encoding="utf-8")
    with pytest.raises(UserError, match="preset mine is not valid YAML"):
        load_preset(str(path))
    path.write_text("- 1", encoding="utf-8")
    with pytest.raises(UserError, match="holds no fields"):
        load_preset(str(path))
    with pytest.raises(UserError, match=r"unknown preset .*gone\.yaml"):
        load_preset(str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize(
    ("text", "value"), [("50", 50), ("0", 0), ("100", 100), ("50-100", (50, 100)), ("0-50", (0, 50)), (25, 25)]
)
def test_reverse_steps_are_read_from_text(text, value):
    assert parse_t_re(text) == value


@pytest.mark.parametrize("text", ["", "fifty", "-5", "101", "50-", "-50", "80-20", "0-101", "1.5", "10-20-30"])
def test_what_is_no_reverse_step_is_refused(text):
    with pytest.raises(UserError):
        parse_t_re(text)


def test_the_rehearsal_has_every_cell_of_full(tmp_path):
    from rehearsal import rehearsal

    path = tmp_path / "rehearsal.yaml"
    path.write_text(yaml.safe_dump(rehearsal()), encoding="utf-8")
    tiny, full = load_preset(str(path)), load_preset("full")
    cells = ("limits", "table2", "curves", "grid", "detectors", "replication", "epoch_matched", "bootstrap")
    cells += ("augmentation", "policies", "combined", "subsets", "trimmed", "checkpoints", "crossed", "sensitivity")
    assert {name: getattr(tiny, name) for name in cells} == {name: getattr(full, name) for name in cells}
    assert [c.dataset for c in tiny.data] == [c.dataset for c in full.data]
    assert tiny.gan.replication == full.gan.replication
    assert tiny.generator.training.images < full.generator.training.images / 10
