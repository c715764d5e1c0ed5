"""A study that grows: when it is looked at, when it stops and why, and that what a look has decided stands."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reading import right
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.exhibits import answer as measured
from synthgap.exhibits import growing
from synthgap.exhibits.answer import Compared, answer_cells
from synthgap.exhibits.chapters import open_study
from synthgap.exhibits.growing import Growth, settled
from synthgap.exhibits.study import Study
from synthgap.stats.crossed import Crossed
from synthgap.stats.verdict import decide

OPEN = Crossed(0.02, 0.02**2, 1e-8, 0.0, 2, 100)
GIVEN_UP = Crossed(0.02, 1e-8, 0.02**2, 0.0, 2, 100)
CLEAR = Crossed(0.2, 1e-8, 1e-6, 0.0, 2, 100)


def answer_of(*differences):
    names = ("replace", "augment")
    return {n: (None, None, v) for n, v in zip(names, decide(list(differences), growing=True), strict=True)}


@pytest.fixture
def looked(smoke, monkeypatch):
    """The smoke study, which would be looked at with 2 and 4 seeds; what a look finds is set by calling it."""
    found = {}
    monkeypatch.setattr(growing, "looks", lambda block: (2, 4))
    study = Study(preset="smoke", results=smoke.results, device="cpu", workers=1, minutes=60)
    study.lab._known[measured.verdicts] = found

    def finds(*differences):
        found.clear()
        found.update(answer_of(*differences))
        return study

    return finds


@pytest.mark.parametrize(
    ("differences", "told"),
    [
        ((CLEAR, CLEAR), "everything is decided, with 6 seeds"),
        ((CLEAR, GIVEN_UP), "no number of seeds decides what is open: more test images are needed (there are 6 seeds)"),
        ((GIVEN_UP, OPEN), ""),
        ((CLEAR, OPEN), ""),
    ],
)
def test_more_seeds_are_added_while_they_may_decide_something(differences, told):
    assert settled(answer_of(*differences), 6) == told


def test_it_begins_with_the_first_look_and_goes_on_to_the_next(looked):
    study = looked(OPEN, CLEAR)
    assert (study.seeds, study.design.looks, {a.seeds for a in study.design.columns}) == ((0, 1), (2,), {(0, 1)})
    following = study.growth.following(study.lab, lambda d: 10.0)
    assert (following.design.seeds, following.design.looks) == ((0, 1, 2, 3), (2, 4))
    assert (
        following.design.arms.test(following.design.arms.classifier(0, 0)).key
        == study.arms.test(study.arms.classifier(0, 0)).key
    )  # what there is counts on
    study.lab = replace(following, _known={measured.verdicts: answer_of(OPEN, OPEN)})
    assert study.growth.following(study.lab) == "not everything is decided with 4 seeds, the most that are looked at"


def test_a_look_that_does_not_fit_is_not_begun(looked):
    study = looked(OPEN, OPEN)
    study.growth.begun -= 40 * 60
    told = study.growth.following(study.lab, lambda d: 50 * 60.0)
    assert told == "4 seeds would take about 50 minutes more, and 20 minutes of 60 are left; about 91 would do"
    assert study.growth.following(study.lab, lambda d: 5 * 60.0).design.looks == (2, 4)


def test_what_the_next_look_takes_is_told_by_what_the_seeds_before_took(looked):
    study = looked(OPEN, OPEN)
    grown = study.lab.grown((2, 4))
    seconds = growing.expected(study.lab, grown)
    spent = sum(
        study.store.provenance(spec)["seconds"]
        for spec in growing.in_order(growing.known.specs(study.design))
        if spec.kind != "data"
    )
    assert 0.5 * spent < seconds < 2 * spent  # twice the seeds
    assert growing.expected(study.lab, study.lab) == 0


UNASKED = {"features": "auto", "measure": "auto", "positive": "none", "groups": "none", "generator": "none"}


def test_a_chapter_adds_seeds_before_it_shows_anything(looked, smoke):
    given = {"dataset": "auto", "preset": "smoke", "results": str(smoke.results), "seeds": 2, "image_size": "auto"}
    given |= {"device": "cpu", "workers": 1, "synthetic": "none", "max_images": "auto", "flip": "auto", "grey": False}
    study = open_study({**given, "class_weights": "none", "judge": "auto", "minutes": 5, **UNASKED})
    assert (study.seeds, study.design.looks) == ((0, 1), (2,))  # 2 is the most
    assert "looked at its answer with 2 seeds" in study.answer()["sure"].markdown
    assert "looked at" not in smoke.answer()["sure"].markdown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"minutes": 0}, 'minutes is 0; give how many of them seeds may be added for, or "none"'),
        ({"minutes": -1.5}, "minutes is -1.5; "),
        ({"minutes": math.inf}, "minutes is inf; "),
        ({"minutes": "soon"}, "minutes is 'soon'; "),
        ({"minutes": 5, "seeds": 3}, "seeds are 0, 1, 2; with minutes a study is looked at with 4, 6, 12, 24 seeds"),
        ({"minutes": 5, "seeds": [1, 2, 3, 4]}, "from 0 on: give one of these numbers as the most"),
    ],
)
def test_what_can_not_be_done_is_one_line(results, arguments, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        Study(preset="smoke", results=results, device="cpu", **arguments)
    assert not results.exists()


def test_more_minutes_than_seeds_are_no_error():
    growth = Growth.of(10**6, tuple(range(6)), 3)
    assert growth.counts == (3, 6)


def test_what_a_look_has_decided_stands(smoke):
    """Synthetic images are far worse with the first 3 seeds and as good with the next 3; the mix changes, too."""
    d = smoke.design.grown((3, 6))
    count, cells = 400, answer_cells(d)
    first, second = cells["beside"][:2]
    shares = {cells["alone"][-1]: 0.5, first: 0.8, second: 0.8}
    arms = right(shares, d.seeds, count)
    for seed in (3, 4, 5):
        arms.by_cell[(*cells["alone"][-1], seed)] = np.arange(count) < 0.8 * count
    for seed in d.seeds:  # right on as many images as with real ones alone, but on others
        arms.by_cell[(*first, seed)] = arms.by_cell[(*second, seed)] = np.roll(np.arange(count) < 0.8 * count, 40)
    curve = right({(40,): 0.8}, d.seeds, count)
    values = {first: [0.5] * 3 + [0.1] * 3, second: [0.4] * 3 + [0.9] * 3}
    mixes = pd.DataFrame(
        [
            {"arm": arm, "multiple": k, "seed": s, "value": value, "n": 20}
            for (arm, k), several in values.items()
            for s, value in enumerate(several)
        ]
    )
    found = measured.verdicts.make(d, Compared(arms, curve, None, ()), mixes)
    _, _, alone = found["replace"]
    assert (alone.word, alone.difference.seeds, alone.difference.mean) == ("worse", 3, pytest.approx(-0.3))
    assert found["augment"][0] == second  # open after 3 seeds, so that it is chosen by all 6
    assert found["augment"][2].difference.seeds == 6
    level = alone.difference.level
    assert level == pytest.approx(1 - 0.05 / 4)
    assert stats.norm.ppf(0.5 + level / 2) > 2.49
