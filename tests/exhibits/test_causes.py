"""Candidates for the gap: what a result says of each, and what cannot be measured."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reading import about, design, right, rows_of

from synthgap.base.errors import UserError
from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.design.values import BOOTSTRAP, REAL_ONLY
from synthgap.exhibits import causes as c
from synthgap.exhibits.causes import AGAINST, ENOUGH, PART, PREDICTED, UNDECIDED, Cause, Loss, Symptom
from synthgap.exhibits.discussion import gap_hits
from synthgap.stats.crossed import crossed
from synthgap.stats.intervals import estimate_mean

SEEDS = (0, 1, 2)
DESIGN = design(SEEDS, preset="small")
GAP = right({(0,): 0.9, (100,): 0.8})


@pytest.mark.parametrize(
    ("loss", "left", "says"),
    [
        ((0.1, 0.5), (4, 1), AGAINST),  # less than a point is lost
        ((-3, 1), (8, 1), AGAINST),  # real images even gain
        ((3, 1), (2, 1), PART),
        ((4, 1), (0.2, 1), ENOUGH),
        ((1.5, 2), (1, 2), UNDECIDED),
        ((1.5, 2), (3, 2), PART),  # whatever it is, it leaves a gap
    ],
)
def test_what_a_control_says(loss, left, says):
    assert Loss(about(*loss), about(*left)).says == says


@pytest.mark.parametrize(
    ("effect", "interest", "says"),
    [((2, 1), 0, PREDICTED), ((-2, 1), 0, AGAINST), ((0, 1), 0, UNDECIDED), ((0.2, 0.5), 1, AGAINST)],
)
def test_what_a_symptom_says(effect, interest, says):
    assert Symptom(about(*effect), "recall", "points", 1, interest).says == says


def test_a_symptom_of_which_all_seeds_agree_says_nothing():
    for value in (5.0, 0.0, -5.0):
        assert Symptom(estimate_mean([value] * 3), "label agreement", "points", -1, 1.0).says == UNDECIDED


def test_one_seed_says_nothing():
    one = crossed(np.ones((1, 50))).in_points
    assert Loss(one, one).says == Symptom(one, "recall", "points").says == UNDECIDED
    assert "one seed" in c.verdict([], one)


def test_a_symptom_is_written_in_its_own_direction():
    fall = Symptom(about(7, 1), "label agreement", "points", -1)
    assert (fall.change.mean, fall.change.low, fall.change.high) == pytest.approx((-7, -8, -6))
    table, _ = c.causes_table(DESIGN, [Cause("labels", "p", fall)], GAP)
    assert "label agreement: −7.0 (−8.0 to −6.0) points" in table
    assert "**as it predicts**" in table


def trimming(ratios: dict[int, float]) -> pd.DataFrame:
    return pd.DataFrame([{"real_images": n, "seed": s, "trace_ratio": r} for n, r in ratios.items() for s in SEEDS])


def concentration(real: float, synthetic: float) -> pd.DataFrame:
    steps = {0: real, 100: synthetic}
    rows = [{"protocol": p, "t_re": t, "seed": s} for p in (PAPER, CROSSFIT) for t in steps for s in SEEDS]
    return pd.DataFrame([row | {"trace_ratio": steps[row["t_re"]] + 0.001 * row["seed"]} for row in rows])


def test_the_trimmed_loss_is_read_off_at_the_synthetic_spread():
    cut = right({("random", 20): 0.88, ("central", 20): 0.80})
    rows, spread = trimming({20: 0.5, 40: 1.0}), concentration(1.0, 0.75)
    found = c.trimmed_loss.make(DESIGN, rows, spread, cut, GAP)  # half of 8 points, at half of the spread
    assert found.loss.mean == pytest.approx(4, abs=0.1)
    assert found.loss.mean + found.left.mean == pytest.approx(10)


def test_where_a_seeds_synthetic_images_spread_as_widely_as_real_ones_nothing_is_cut_and_nothing_said():
    cut = right({("random", 20): 0.88, ("central", 20): 0.80})
    rows = trimming({20: 0.5, 40: 1.0})
    why = c.trimmed_loss.make(DESIGN, rows, concentration(1.0, 1.2), cut, GAP)
    assert "in 3 of 3 seeds" in why
    assert "(1.20 against 1.00" in why
    wide = concentration(1.0, 0.75)
    wide.loc[(wide.t_re == 100) & (wide.seed == 1), "trace_ratio"] = 1.0
    assert "in 1 of 3 seeds" in c.trimmed_loss.make(DESIGN, rows, wide, cut, GAP)
    several = [c.cause("concentration", "p", lambda: why)]
    assert several[0].says == c.UNTESTED
    table, _ = c.causes_table(DESIGN, several, GAP)
    (row,) = rows_of(table)
    assert (row["what it says"], row["left of the gap (points)"]) == ("not tested", "")
    assert f"{c.IN_WORDS[c.UNTESTED]}: concentration (in 3 of 3 seeds" in c.verdict(several, about(4, 1))


@pytest.mark.parametrize(
    ("rows", "spread", "why"),
    [
        (pd.DataFrame(), concentration(1, 1), "no trimmed cells"),
        (trimming({20: math.nan, 40: 1.0}), concentration(1, 1), "too few images a class"),
        (trimming({20: 0.5, 40: 1.0}), concentration(1, 1).query("protocol == @PAPER"), "too few held-out images"),
        (trimming({20: 0.5, 40: 1.0}), concentration(1, 1).query("t_re == 0"), "at reverse step 100"),
    ],
)
def test_a_trimmed_loss_that_cannot_be_measured_says_why(rows, spread, why):
    assert why in c.trimmed_loss.make(DESIGN, rows, spread, right({}), GAP)


def test_copies_are_compared_on_the_main_data_set_alone():
    arms = right({(REAL_ONLY, 0): 0.9, (BOOTSTRAP, 1): 0.85})
    assert c.copied(DESIGN, GAP, arms).loss.mean == pytest.approx(5)
    with pytest.raises(UserError, match="no bootstrap"):
        c.copied(DESIGN, GAP, right({(REAL_ONLY, 0): 0.9}))
    elsewhere = SimpleNamespace(**{**vars(DESIGN), "arms": SimpleNamespace(name="other")})
    with pytest.raises(UserError, match="no bootstrap"):
        c.copied(elsewhere, GAP, arms)


def test_the_training_is_judged_by_its_last_part():
    assert c.unfinished(DESIGN, right({(640,): 0.8, (160,): 0.5, (320,): 0.7})).effect.mean == pytest.approx(10)
    with pytest.raises(UserError, match="no checkpoints"):
        c.unfinished(DESIGN, right({(640,): 0.8}))


def test_symptoms_have_the_sign_that_the_candidate_predicts():
    rows = pd.DataFrame([{"t_re": t, "seed": s} for t in (0, 100) for s in SEEDS])
    fallen, risen = (10.0 * sign * (rows.t_re == 100) + 0.1 * rows.seed for sign in (-1, 1))
    nats = pd.concat([rows.assign(split="test", sigma=sigma, nats=risen * sigma) for sigma in (0.1, 0.5)])
    assert c.likelier(nats).effect.mean == pytest.approx(5)  # the larger noise level
    labels = rows.assign(protocol=CROSSFIT, split="train", agreement=0.9 + fallen / 100)
    assert c.mislabelled(labels).effect.mean == pytest.approx(10)
    assert c.narrower(rows.assign(protocol=CROSSFIT, recall=0.9 + fallen / 100)).effect.mean == pytest.approx(0.1)
    assert c.tighter(concentration(1.0, 0.7)).effect.mean == pytest.approx(0.3)


def test_every_candidate_is_weighed(smoke):
    several, gap = smoke.lab.value(c.causes), crossed(c.gap_of(smoke.lab.value(gap_hits))).in_points
    assert len(several) == 7
    assert all(one.found is not None or one.why for one in several)
    table, _ = smoke.lab.show("tab-causes")
    assert table.count("\n| ") == 8  # with the heading
    copies = several[0].found
    assert copies.loss.mean + copies.left.mean == pytest.approx(gap.mean)
    assert several[1].why == "too few images a class are left to measure their spread"
    assert smoke.lab.value(c.trimmed_loss) == several[1].why


def test_no_gap_needs_no_cause():
    gap = crossed(np.random.default_rng(0).normal(size=(3, 100))).in_points
    assert "nothing to explain" in c.verdict([], gap)


def test_the_sentences_sort_candidates_by_what_they_say():
    several = [
        Cause("copying", "p", Loss(about(4, 1), about(0, 1))),
        Cause("crowding", "p", Loss(about(0.1, 0.5), about(4, 1))),
        Cause("labels", "p", Symptom(about(0, 2), "agreement", "points", 1, 1.0)),
        Cause("length", "p", None, "not there"),
    ]
    enough, against, missing, rest = c.verdict(several, about(4, 1)).splitlines()
    assert c.IN_WORDS[ENOUGH] in enough
    assert "copying (loses +4.0 (+3.0 to +5.0) points" in enough
    assert c.IN_WORDS[AGAINST] in against
    assert "crowding." in against  # an interval around 0 is no finding
    assert "length (not there)" in missing
    assert "labels" in rest
