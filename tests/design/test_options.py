"""Options about a reader's data: what is refused, and what they change in a preset."""

import re
from importlib.resources import files

import pytest
import yaml

from synthgap.base.errors import UserError
from synthgap.design.options import Options
from synthgap.design.preset import load_preset

OWN = "folder:/my/images"


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        *(
            ("max_images", value, 'give a number of training images from 2, or "auto"')
            for value in (1, 0, -5, True, 50.0, "many", "100", None)
        ),
        *(("flip", value, 'give True, False or "auto"') for value in (1, 0, "yes", "true", None)),
        *(("grey", value, "give True or False") for value in (1, 0, "auto", "yes", None)),
        *(
            ("class_weights", value, "known: none, balanced")
            for value in ("even", "auto", "", None, True, ["balanced"])
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_wanted(option, value, wanted):
    with pytest.raises(UserError, match=f"^{re.escape(f'{option} is {value!r}; {wanted}')}$"):
        Options(**{option: value})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_images": 2},
        {"flip": True},
        {"flip": False},
        {"grey": True},
        {"class_weights": "balanced"},
        {"image_size": 12, "max_images": 10**6, "flip": "auto", "grey": False, "class_weights": "none"},
    ],
)
def test_every_good_value_is_kept(options):
    made = Options(**options)
    assert {name: getattr(made, name) for name in options} == options


@pytest.mark.parametrize(("flip", "loaded"), [("auto", None), (True, True), (False, False)])
def test_flip_is_left_to_the_data_set_unless_it_is_said(flip, loaded):
    assert Options(flip=flip).mirrored is loaded


# What they change in a preset


@pytest.fixture
def quick():
    return load_preset("quick")


@pytest.mark.parametrize("dataset", ["auto", "digits"])
def test_a_listed_data_set_leaves_the_preset_as_it_is(quick, dataset):
    assert Options().applied(quick, dataset) == quick
    assert quick.epoch_matched == (5,)
    assert quick.crossed == 3


@pytest.mark.parametrize("dataset", [OWN, "npz:/my.npz", "mnist5k"])
def test_an_unlisted_data_set_gets_what_the_preset_has_for_a_readers_own(quick, dataset):
    mine = Options().applied(quick, dataset)
    assert mine.epoch_matched == ()
    assert mine.crossed == 0
    assert mine.sensitivity.variants == ()
    assert set(mine.augmentation) < set(quick.augmentation)


def test_single_fields_inside_of_a_model_are_changed_and_the_others_kept(quick):
    mine = Options().applied(quick, OWN)
    assert (quick.generator.solver.steps, mine.generator.solver.steps) == (13, 10)
    assert quick.generator.solver.method == mine.generator.solver.method == "multistep"
    assert (quick.generator.training.images, mine.generator.training.images) == (40_000, 30_000)
    assert mine.generator.model_channels == quick.generator.model_channels
    assert mine.generator.training.batch == quick.generator.training.batch
    assert (mine.classifier, mine.limits, mine.seeds, mine.name) == (
        quick.classifier,
        quick.limits,
        quick.seeds,
        "quick",
    )


def test_a_preset_without_fields_for_a_readers_own_is_left_as_it_is():
    smoke = load_preset("smoke")
    assert Options().applied(smoke, OWN) == smoke


@pytest.mark.parametrize("dataset", ["auto", "digits", OWN])
def test_max_images_is_the_limit_of_the_training_images_alone(quick, dataset):
    limited = Options(max_images=77).applied(quick, dataset)
    assert limited.limits == {"train": 77, "validation": 200, "test": 2000}
    assert limited.head.limits == {"train": 77, "validation": 2000, "test": 8000}
    assert quick.limits["train"] == 500
    assert limited.model_copy(update={"limits": quick.limits, "head": quick.head}) == Options().applied(quick, dataset)


@pytest.mark.parametrize("dataset", ["auto", "digits", OWN])
def test_class_weights_reach_the_classifiers_training_and_change_nothing_else(quick, dataset):
    plain, weighted = (Options(class_weights=w).applied(quick, dataset) for w in ("none", "balanced"))
    assert weighted.classifier.training.class_weights == "balanced"
    assert plain.classifier.training.class_weights == "none"
    assert weighted.model_copy(update={"classifier": plain.classifier}) == plain
    changed = plain.classifier.training.model_copy(update={"class_weights": "balanced"})
    assert weighted.classifier == plain.classifier.model_copy(update={"training": changed})


@pytest.mark.parametrize("name", ["smoke", "quick", "full", "paper"])
def test_class_weights_hold_for_data_sets_with_a_classifier_of_their_own(name):
    preset = Options(class_weights="balanced").applied(load_preset(name), "auto")
    assert {preset.of(choice).classifier.training.class_weights for choice in preset.data} == {"balanced"}


def test_options_add_up(quick):
    mine = Options(max_images=60, class_weights="balanced").applied(quick, OWN)
    assert (mine.limits["train"], mine.classifier.training.class_weights, mine.crossed) == (60, "balanced", 0)


# What a preset may have for a reader's own data


@pytest.fixture
def with_own(tmp_path):
    """with_own(fields) loads the quick preset with these under `own`."""

    def load(own):
        text = (files("synthgap") / "presets" / "quick.yaml").read_text(encoding="utf-8")
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(text) | {"own": own}), encoding="utf-8")
        return load_preset(str(path))

    return load


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({"epochs": 3}, "epochs"),
        ({"generator": {"width": 3}}, "width"),
        ({"classifier": {"training": {"epoch": 3}}}, "epoch"),
        ({"seeds": 0}, "seeds"),
        ({"subsets": [1.5]}, "subsets"),
        ({"combined": {"25": [5]}}, "combined"),
        ({"augmentation": {"100": [1]}}, "combined"),  # the preset's own is not among these arms
    ],
)
def test_wrong_fields_for_a_readers_own_data_are_refused_when_the_file_is_read(with_own, own, reason):
    with pytest.raises(UserError, match=rf"(?s)preset mine is not valid: .*\b{reason}\b"):
        with_own(own)


def test_good_fields_for_a_readers_own_data_are_taken(with_own):
    preset = with_own({"seeds": 7, "classifier": {"training": {"epochs": 9}}})
    mine = Options().applied(preset, OWN)
    assert (mine.seeds, mine.classifier.training.epochs) == (7, 9)
    assert (preset.seeds, preset.classifier.training.epochs) == (3, 26)
