"""What papermill may have put into a chapter, and what is said where it is wrong."""

import math

import pytest

from synthgap.base.errors import UserError
from synthgap.cli.options import STUDY
from synthgap.design.parameters import PARAMETERS
from synthgap.exhibits import chapters
from synthgap.exhibits.chapters import open_study

GOOD = {
    "dataset": "auto",
    "preset": "smoke",
    "results": "results",
    "seeds": "auto",
    "image_size": "auto",
    "device": "cpu",
    "workers": 1,
    "synthetic": "none",
    "max_images": "auto",
    "flip": "auto",
    "grey": False,
    "class_weights": "none",
    "judge": "auto",
    "features": "auto",
    "measure": "auto",
    "positive": "none",
    "groups": "none",
    "generator": "none",
    "minutes": "none",
}


@pytest.fixture
def opened(monkeypatch):
    """The arguments that reached Study, which is not built."""
    given = []

    class Opened:
        def __init__(self, **options):
            given.append(options)

        def decide(self):
            return ""

    monkeypatch.setattr(chapters, "Study", Opened)
    return given


def test_parameters_are_the_studys_arguments():
    from inspect import signature

    from synthgap.exhibits.study import Study

    assert [*PARAMETERS, "scheduler"] == list(signature(Study).parameters)  # a chapter has no scheduler of its own
    assert list(STUDY) == list(PARAMETERS)  # and the command line offers them all


def test_good_parameters_open_a_study(results):
    study = open_study({**GOOD, "results": str(results), "seeds": [4], "dataset": "digits"})
    assert study.seeds == (4,)
    assert study.main.name == "digits"


def test_what_a_notebook_holds_besides_its_parameters_is_passed_over(opened):
    beside = {"_": 1, "__name__": "__main__", "_i1": "x", "In": [""], "Out": {}, "exit": object(), "math": math}
    beside["open_study"] = open_study
    assert isinstance(open_study({**GOOD, **beside}), chapters.Study)
    assert opened == [GOOD]


@pytest.mark.parametrize(
    ("wrong", "right"), [("datset", "dataset"), ("seed", "seeds"), ("presets", "preset"), ("imagesize", "image_size")]
)
def test_an_unknown_name_near_a_known_one_gets_a_hint(opened, wrong, right):
    with pytest.raises(UserError, match=f"unknown parameter {wrong} = 3; did you mean {right}?"):
        open_study({**GOOD, wrong: 3})
    assert not opened


def test_an_unknown_name_like_no_other_gets_the_list(opened):
    with pytest.raises(UserError, match="unknown parameter zzz = 'x'; known: dataset, preset, results, seeds"):
        open_study({**GOOD, "zzz": "x"})


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("dataset", 3, "int"),
        ("preset", None, "NoneType"),
        ("results", ["a"], "list"),
        ("seeds", 1.5, "float"),
        ("seeds", True, "bool"),
        ("seeds", (0, 1), "tuple"),
        ("image_size", 8.0, "float"),
        ("device", 0, "int"),
        ("workers", False, "bool"),
        ("max_images", True, "bool"),
        ("max_images", 100.0, "float"),
        ("flip", 1, "int"),
        ("flip", None, "NoneType"),
        ("grey", "auto", "str"),
        ("grey", 1, "int"),
        ("class_weights", True, "bool"),
        ("judge", None, "NoneType"),
        ("minutes", True, "bool"),
        ("minutes", None, "NoneType"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_is_wanted(opened, name, value, kind):
    with pytest.raises(UserError, match=rf"parameter {name} = .* is a {kind}; give (str|int|bool)"):
        open_study({**GOOD, name: value})
    assert not opened


def test_what_is_wanted_lists_every_type_that_is_taken(opened):
    for name, value, kinds in (
        ("flip", 1, "str or bool"),
        ("grey", "maybe", "bool"),
        ("max_images", True, "str or int"),
    ):
        with pytest.raises(UserError, match=f"; give {kinds}$"):
            open_study({**GOOD, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", True),
        ("flip", False),
        ("flip", "auto"),
        ("grey", True),
        ("max_images", 100),
        ("class_weights", "balanced"),
    ],
)
def test_options_about_images_reach_the_study_as_they_are(opened, name, value):
    open_study({**GOOD, name: value})
    assert opened == [{**GOOD, name: value}]
    assert type(opened[0][name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seeds", "[0, 1]", [0, 1]),
        ("seeds", "[4]", [4]),
        ("seeds", "0,1,2", [0, 1, 2]),
        ("seeds", "3", 3),
        ("image_size", "16", 16),
        ("max_images", " 100 ", 100),
        ("workers", "2", 2),
        ("workers", "auto", "auto"),
        ("flip", "true", True),
        ("flip", "False", False),
        ("flip", "auto", "auto"),
        ("grey", "yes", True),
        ("grey", "no", False),
        ("dataset", "16", "16"),
        ("class_weights", "none", "none"),
        ("minutes", "60", 60),
        ("minutes", "0.5", 0.5),
        ("minutes", "none", "none"),
    ],
)
def test_a_text_that_papermill_passed_is_what_it_plainly_stands_for(opened, name, text, value):
    open_study({**GOOD, name: text})
    assert opened == [{**GOOD, name: value}]
    assert type(opened[0][name]) is type(value)


@pytest.mark.parametrize("text", ["[0; 1]", "0,,1", "[]", "-1,0", "1.5"])
def test_a_text_that_is_no_list_of_seeds_is_refused_with_an_example(results, text):
    with pytest.raises(UserError, match=r"give a number of seeds from 1, a list such as \[0, 1, 2\]"):
        open_study({**GOOD, "results": str(results), "seeds": text})
    assert not results.exists()


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_missing_parameter_is_named(opened, name):
    with pytest.raises(UserError, match=f"parameter {name} is not set"):
        open_study({k: v for k, v in GOOD.items() if k != name})
    assert not opened


def test_values_are_checked_by_the_study_too(results):
    with pytest.raises(UserError, match="seeds is 'three'"):
        open_study({**GOOD, "results": str(results), "seeds": "three"})
