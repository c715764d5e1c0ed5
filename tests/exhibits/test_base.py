"""Results and exhibits: what a view gets, what it rests on, and that each value is made once."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from synthgap.base.errors import UserError
from synthgap.exhibits import base
from synthgap.exhibits.base import (
    WHOLE,
    Html,
    Lab,
    Values,
    by_seed,
    class_by_class,
    exhibit,
    known,
    measured,
    on_steps,
    result,
)
from synthgap.exhibits.hits import hits
from synthgap.exhibits.raw import unpack


@dataclass(frozen=True)
class Cell:
    """Stands for a specification."""

    key: str

    @property
    def stored(self):
        return self


@dataclass
class Shelf:
    """Stands for a store: `run` puts what each cell's key stands for."""

    content: dict
    there: dict = field(default_factory=dict)

    def run(self, specs, store, workers, scheduler=None, progress=None):
        assert store is self
        new = {spec.key: self.content[spec.key] for spec in specs if spec.key not in self.there}
        self.there |= new
        return len(new)

    def get(self, spec):
        return self.there[spec.key]


@pytest.fixture
def lab(monkeypatch):
    """An empty book, and a Lab on a shelf of four artifacts."""
    monkeypatch.setattr(base, "RESULTS", {})
    monkeypatch.setattr(base, "EXHIBITS", {})
    shelf = Shelf(
        {key: SimpleNamespace(accuracy=value) for key, value in zip("abcd", (1.0, 2.0, 3.0, 4.0), strict=True)}
    )
    monkeypatch.setattr(base, "run", shelf.run)
    return Lab(SimpleNamespace(seeds=(0, 1), heads=None), shelf, 1)


def accuracies(name, keys):
    cells = {(seed,): Cell(key) for seed, key in enumerate(keys)}
    return result(name, lambda d: cells)(measured(("seed",), ("accuracy",)))


def test_a_view_gets_the_design_and_what_its_results_say_and_nothing_else(lab):
    first, second = accuracies("one", "ab"), accuracies("two", "c")
    got = []
    exhibit("fig-x", [second, first])(lambda *several: got.append(several) or "shown")
    assert lab.show("fig-x") == ["shown"]
    ((d, two, one),) = got
    assert d is lab.design
    assert (list(two.accuracy), list(one.accuracy)) == ([3.0], [1.0, 2.0])
    assert set(lab.store.there) == set("abc")  # and nothing else was computed


def test_options_are_the_views_own_and_several_things_may_be_shown(lab):
    exhibit("tab-x")(lambda d, label=1: [Html("<b>"), f"label {label}"])
    assert lab.show("tab-x", label=3) == ["<b>", "label 3"]
    assert isinstance(lab.show("tab-x")[0], Html)


def test_a_derived_result_rests_on_its_parents_cells_each_once(lab):
    first, second = accuracies("one", "ab"), accuracies("two", "bc")
    derived = result("sum", reads=[first, second], no_rows=WHOLE)(lambda d, one, two: one.accuracy.sum())
    own = result("more", lambda d: {("d",): Cell("d")}, reads=[derived])(lambda d, values, total: total)
    exhibit("tab-x", [derived, own])(lambda d, *_: "")
    assert {s.key for s in derived.specs(lab.design)} == set("abc")
    assert sorted(s.key for s in own.specs(lab.design)) == list("abcd")
    assert set(base.EXHIBITS["tab-x"].results()) == {first, second, derived, own}
    assert base.EXHIBITS["tab-x"].files() == ("one.csv", "two.csv", "more.csv")
    assert lab.store.there == {}  # asking computes nothing
    assert lab.value(derived) == 6.0 - 3.0


def test_each_value_is_made_once(lab):
    made = []
    first = result("one", lambda d: {("a",): Cell("a")})(lambda d, values: made.append("one") or len(values))
    second = result("two", reads=[first])(lambda d, one: made.append("two") or one)
    for name in ("fig-x", "fig-y"):
        exhibit(name, [first, second])(lambda d, *several: "")
        lab.show(name)
    lab.value(second)
    assert made == ["one", "two"]


def test_values_are_read_when_they_are_asked_for():
    asked = []
    values = Values({(0,): Cell("a"), (1,): Cell("b")}, SimpleNamespace(get=lambda spec: asked.append(spec.key)))
    assert list(values) == [(0,), (1,)]
    assert ((1,) in values, (2,) in values, len(values)) == (True, False, 2)
    assert asked == ["b"]


def test_rows_are_named_by_their_cells_and_made_of_what_is_asked_for(lab):
    rows = lab.rows(accuracies("one", "ab"))
    assert rows.to_dict("list") == {"seed": [0, 1], "accuracy": [1.0, 2.0]}


def test_a_result_without_rows_says_why(lab):
    several = result("images", no_rows="images")(lambda d: 1)
    with pytest.raises(UserError, match="the result images has no rows: images"):
        lab.rows(several)


def test_an_unknown_exhibit_is_one_clear_line(lab):
    exhibit("fig-x")(lambda d: "")
    exhibit("fig-drawn-elsewhere", rests_on="a drawing")(None)
    for name in ("fig-9", "fig-drawn-elsewhere"):
        with pytest.raises(UserError, match=f"no exhibit is called '{name}'; known: fig-x$"):
            lab.show(name)


def test_two_of_one_name_are_refused(lab):
    accuracies("one", "a")
    with pytest.raises(AssertionError, match="two results are called one"):
        accuracies("one", "a")
    exhibit("fig-x")(lambda d: "")
    with pytest.raises(AssertionError, match="two exhibits are called fig-x"):
        exhibit("fig-x")(lambda d: "")


def test_who_is_right_is_known_by_cell_in_the_order_of_the_seeds(lab):
    right = {"a": [1, 0, 1], "b": [0, 0, 1], "c": [1, 1, 1]}
    lab.store.content = {key: SimpleNamespace(correct=np.array(v, bool)) for key, v in right.items()}
    lab.design.seeds = (7, 3)
    cells = {("50", 1, 3): Cell("a"), ("50", 1, 7): Cell("b"), ("0", 2, 3): Cell("c"), ("0", 2, 7): Cell("c")}
    found = lab.value(hits("table3", lambda d: cells))
    assert found["50", 1].tolist() == [[False, False, True], [True, False, True]]
    assert found.names == [("50", 1), ("0", 2)]
    assert (("50", 1) in found, ("50", 3) in found, "50" in found) == (True, False, False)
    row = found.rows.iloc[0]
    assert (row.result, row.cell, row.seed, row.n) == ("table3", "50; 1", 3, 3)
    assert unpack(row.right, 3).tolist() == [True, False, True]
    assert base.RESULTS["table3_hits"].file == "hits.csv"


def test_classes_take_turns():
    assert list(class_by_class(np.array([1, 1, 0, 2, 1, 0]))) == [2, 0, 3, 5, 1, 4]


def test_a_column_is_put_in_the_order_of_the_seeds():
    rows = pd.DataFrame({"seed": [0, 1, 2], "accuracy": [0.1, 0.2, 0.3]})
    assert by_seed(SimpleNamespace(seeds=(2, 0)), rows, "accuracy").tolist() == [0.3, 0.1]


def test_what_stands_in_the_place_of_a_step_is_not_on_the_steps():
    assert on_steps(pd.DataFrame({"t_re": [-2, -1, 0, 100]})).t_re.tolist() == [0, 100]


def test_a_cell_that_one_seed_could_not_measure_is_left_out_whole():
    rows = pd.DataFrame(
        {"t_re": [0, 0, 50, 50], "seed": [0, 1, 0, 1], "recall": [1.0, 0.5, math.nan, 0.5], "n": [4, 4, 4, 4]}
    )
    assert known(rows).to_dict("list") == {"t_re": [0, 0], "seed": [0, 1], "recall": [1.0, 0.5], "n": [4, 4]}
    assert known(rows.iloc[:0]).empty
