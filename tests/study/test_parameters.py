"""What papermill may have put into a chapter, and what is said where it is wrong."""

import math

import pytest

from synthgap.errors import UserError
from synthgap.study import parameters
from synthgap.study.parameters import PARAMETERS, open_study

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
}


@pytest.fixture
def opened(monkeypatch):
    """The arguments that reached Study, which is not built."""
    given = []
    monkeypatch.setattr(parameters, "Study", lambda **options: given.append(options) or "a study")
    return given


def test_parameters_are_the_studys_arguments():
    from inspect import signature

    from synthgap.study.study import Study

    assert list(PARAMETERS) == list(signature(Study).parameters)


def test_good_parameters_open_a_study(results):
    study = open_study({**GOOD, "results": str(results), "seeds": [4], "dataset": "digits"})
    assert study.seeds == (4,)
    assert study.main.name == "digits"


def test_what_a_notebook_holds_besides_its_parameters_is_passed_over(opened):
    beside = {"_": 1, "__name__": "__main__", "_i1": "x", "In": [""], "Out": {}, "exit": object(), "math": math}
    beside["open_study"] = open_study
    assert open_study({**GOOD, **beside}) == "a study"
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
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_is_wanted(opened, name, value, kind):
    with pytest.raises(UserError, match=rf"parameter {name} = .* is a {kind}; give (str|int)"):
        open_study({**GOOD, name: value})
    assert not opened


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_missing_parameter_is_named(opened, name):
    with pytest.raises(UserError, match=f"parameter {name} is not set"):
        open_study({k: v for k, v in GOOD.items() if k != name})
    assert not opened


def test_values_are_checked_by_the_study_too(results):
    with pytest.raises(UserError, match="seeds is 'three'"):
        open_study({**GOOD, "results": str(results), "seeds": "three"})
