"""The conclusion: the front page's five sentences, the scoreboard, and the paper's numbers recomputed."""

import math
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from reading import parsed, right, rows_of

from synthgap.base.errors import UserError
from synthgap.base.words import ends, p_value, signed
from synthgap.book import execute as book
from synthgap.design.values import BOOTSTRAP, MIX, REAL, SYNTHETIC_ONLY, cell_name, cell_title
from synthgap.exhibits import conclusion
from synthgap.exhibits.answer import verdicts
from synthgap.exhibits.causes import Loss
from synthgap.exhibits.claims import ClaimVerdict
from synthgap.exhibits.claims import claims as claims_of
from synthgap.paper.published import claims, inconsistencies
from synthgap.stats.crossed import crossed
from synthgap.stats.judge import (
    BY_CONSTRUCTION,
    INCONCLUSIVE,
    NO_EFFECT,
    NOT_TESTED,
    REPRODUCED,
    REVERSED,
    UNTESTED,
    VERDICTS,
    Effect,
)
from synthgap.stats.verdict import DECIDED, LEANING, OPEN, decide

ROOT = book.find_root()
LEVELS = {REAL: 0.8, (SYNTHETIC_ONLY, 1): 0.6, (SYNTHETIC_ONLY, 5): 0.8, (BOOTSTRAP, 1): 0.7}
LEVELS |= {(MIX, 5): 0.9}


def design():
    arms = SimpleNamespace(name="a_b", data={"train": SimpleNamespace(count=1000)})
    return SimpleNamespace(arms=arms, columns=(arms,), preset=SimpleNamespace(name="made"), fitted_to=1000)


def known(seeds=3, levels=LEVELS):
    return right(levels, range(seeds), images=1000)


def five(hits, groups=None, control="not run", claim=None):
    """The sentences on these hits; claim : id → what the first and the fourth are told, beside what `judged` says."""
    pairs = {"replace": ((SYNTHETIC_ONLY, 5), REAL), "augment": ((MIX, 5), REAL)}
    differences = decide([crossed(hits[a].astype(float) - hits[b], groups) for a, b in pairs.values()])
    decided = {name: (*pair, verdict) for (name, pair), verdict in zip(pairs.items(), differences, strict=True)}
    asked = SimpleNamespace(measure="accuracy" if groups is None else "balanced accuracy", groups=groups)
    several = [replace(v, **(claim or {}).get(v.claim.id, {})) for v in judged()]
    return conclusion.five_sentences(design(), several, hits, asked, asked, decided, control).split("\n")


def gap(verdict, standing, *effect):
    """What the claim about as many synthetic images says: real minus synthetic."""
    return {"gap-at-equal-size": {"verdict": verdict, "standing": standing, "effect": Effect(*effect)}}


def judged():
    """The paper's claims, in turn with every verdict; of those that are not open every other one is decided."""
    effect = Effect(2.0, 1.0, 3.0)
    several = []
    for i, claim in enumerate(claims()):
        word = VERDICTS[i % len(VERDICTS)]
        tested = word not in UNTESTED
        standing = OPEN if word == INCONCLUSIVE else (DECIDED, LEANING)[i % 2] if tested else ""
        p = {DECIDED: 0.04, LEANING: 0.2, OPEN: 0.5}.get(standing, math.nan)
        rest = "3 seeds", "a_b", "accuracy|x"
        several.append(ClaimVerdict(claim, word, standing, effect if tested else None, p, *rest))
    return several


# five sentences


def test_each_sentence_says_its_difference_and_stands_as_its_verdict():
    instead, more, beside, why, takeaway = five(known(), claim=gap(REPRODUCED, DECIDED, 20.0, 17.5, 22.5))
    assert "**As many synthetic images teach less than the real ones**: on a\\_b" in instead
    assert "1,000 of them has 20.0 points less accuracy (95% interval −22.5 to −17.5)" in instead
    assert "**5 times as many synthetic images teach as much, to a point, as the real ones" in more
    assert "5,000 of them has 0.0 points more accuracy" in more
    assert "**Beside real images they help**: with images from reverse steps 50 to 100 ×5" in beside
    assert "10.0 points more accuracy" in beside
    assert "lose 10.0 points" in why
    assert "synthetic ones 10.0 points" in why
    assert "not tested here: not run" in why
    assert f"Of the paper's {len(claims())} claims" in takeaway


@pytest.mark.parametrize(
    ("verdict", "standing", "words"),
    [
        (REPRODUCED, DECIDED, "As many synthetic images teach less than"),
        (REPRODUCED, LEANING, "As many synthetic images probably teach less than"),
        (REVERSED, LEANING, "probably teach more than"),
        (NO_EFFECT, DECIDED, "teach as much, to a point, as"),
        (INCONCLUSIVE, OPEN, "is open"),
    ],
)
def test_the_first_sentence_stands_as_its_claim(verdict, standing, words):
    lead = five(known(), claim=gap(verdict, standing, 1.0, -0.5, 2.5))[0].split("**")[1]
    assert words in lead
    assert ("probably" in lead) == (standing == LEANING)


@pytest.mark.parametrize(
    ("shares", "standing"),
    [((0.9, 0.9, 0.9), DECIDED), ((0.83, 0.84, 0.85), LEANING), ((0.7, 0.9, 0.88), OPEN)],
)
def test_the_second_and_third_stand_as_the_plain_answer(shares, standing):
    """One arm against a level of .8 in both: beside real images, and in their place."""
    levels = LEVELS | {(MIX, 5): shares, (SYNTHETIC_ONLY, 5): shares}
    found = decide([crossed(known(levels=levels).minus((MIX, 5), REAL))] * 2)[0]
    assert found.standing == standing
    _, more, beside, *_ = five(known(levels=levels))
    for lead in (more.split("**")[1], beside.split("**")[1]):
        assert ("probably" in lead, "open" in lead) == (standing == LEANING, standing == OPEN)


def test_one_seed_leaves_everything_open_and_no_copies_leave_the_question_out():
    nan = math.nan
    lines = five(known(seeds=1), claim=gap(INCONCLUSIVE, OPEN, 20.0, nan, nan))
    assert all("open" in line.split("**")[1] for line in lines[:3])
    assert "nan" not in "".join(lines)
    assert "Why is not asked" in five(known(levels={c: a for c, a in LEVELS.items() if c[0] != BOOTSTRAP}))[3]


def test_differences_are_in_the_answers_measure():
    groups = (np.arange(1000) >= 700).astype(int)  # 100 of 700 and 100 of 300 images are gained
    assert "16.7 points more balanced accuracy" in five(known(), groups)[2]


@pytest.mark.parametrize(
    ("verdict", "standing", "words"),
    [
        (REPRODUCED, DECIDED, ": crowding near the modes costs accuracy."),
        (NO_EFFECT, LEANING, ": crowding near the modes probably costs less than a point."),
        (INCONCLUSIVE, OPEN, "is open."),
    ],
)
def test_the_trimming_control_is_told_in_points_and_stands_as_its_claim(verdict, standing, words):
    lost = crossed(np.full((3, 1000), 0.05)).in_points
    claim = {"concentration-is-the-cause": {"verdict": verdict, "standing": standing}}
    why = five(known(), control=Loss(lost, lost), claim=claim)[3]
    assert "Real images cut to the spread of synthetic ones lose 5.0 points" in why
    assert why.endswith(words)


def test_the_sentences_of_a_run_are_five_each_with_a_number(smoke):
    (text,) = smoke.lab.show("five-sentences")
    several = text.split("\n")
    assert len(several) == 5
    assert "nan" not in text.lower()
    means = smoke.rows("table3").groupby(["arm", "multiple"]).accuracy.mean()
    gap = 100 * (means["synthetic only", 1] - means["real only", 0])
    assert f"{abs(gap):.1f} points {'more' if gap >= 0 else 'less'} accuracy" in several[0]
    assert f"{max(smoke.preset.replication)} times as many" in several[1]
    assert all(sentence.count("**") >= 2 for sentence in several)


def between(text, start="", end=")"):
    """What stands in brackets after "95% interval ", in a text."""
    return text.split(f"{start}95% interval ")[1].split(end)[0]


def test_one_comparison_has_one_interval_and_one_standing_wherever_it_is_shown(smoke):
    """The answer's two questions, and ×1 in the place of real images: answer, sentences, scoreboard and tables."""
    (text,) = smoke.lab.show("five-sentences")
    as_many, instead, beside, *_ = text.split("\n")
    real = parsed(smoke.lab.show("tab-against-real")[0])["difference (points)"]
    controls = parsed(smoke.lab.show("tab-against-controls")[0]).reset_index()
    scores = {row["no."]: row for row in rows_of(smoke.lab.show("tab-scoreboard")[0])}
    sure = rows_of(smoke.lab.show("tab-sure")[0])
    decided = smoke.lab.value(verdicts)
    open_ones = {OPEN: "open", LEANING: "probably", DECIDED: ""}

    for row, sentence, (question, (first, second, verdict)) in zip(
        sure, (instead, beside), decided.items(), strict=True
    ):
        e = verdict.difference.in_points
        assert (
            between(sentence)
            == between(smoke.lab.show(f"answer-{question}")[0])
            == row["difference (points)"].split("(")[1].rstrip(")")
            == ends(e)
        )
        assert row["standing"] == verdict.standing
        assert row["p, corrected"] == p_value(verdict.p)
        assert open_ones[verdict.standing] in sentence.split("**")[1]
        title = cell_title(cell_name(first))
        if second == REAL:
            shown = real[title]
        else:
            mine = controls[(controls.arm == title) & (controls.against == cell_title(cell_name(second)))]
            (shown,) = mine["difference (points)"]
        assert shown == f"{e.mean:+.2f} ({ends(e, 2)})".replace("−", "-")

    by_id = {v.claim.id: (i, v) for i, v in enumerate(smoke.lab.value(claims_of), start=1)}
    number, found = by_id["gap-at-equal-size"]
    assert between(as_many) == ends(replace(found.effect, low=-found.effect.high, high=-found.effect.low))
    assert open_ones[found.standing] in as_many.split("**")[1]
    assert scores[str(number)]["here"] == f"{signed(found.effect.mean, 2)} ({ends(found.effect, 2)}) points"
    assert scores[str(number)]["p, corrected"] == p_value(found.p)
    mirrored = f"{-found.effect.mean:+.2f} ({-found.effect.high:+.2f} to {-found.effect.low:+.2f})"
    assert real["synthetic only ×1"] == mirrored
    steps = parsed(smoke.lab.show("tab-2")[0])
    assert steps.loc["100 (synthetic)", "digits: change"] == mirrored
    cas = parsed(smoke.lab.show("tab-cas")[0]).reset_index()
    assert cas[(cas.data == "digits") & (cas["trained on"] == "EDM ×1")]["difference (points)"].tolist() == [mirrored]


def test_the_sentences_of_the_executed_chapter_are_what_the_front_page_includes(tmp_path):
    output = new_output("display_data", data={"text/markdown": "1. first\n1. second", "text/plain": "x"})
    cell = new_code_cell("show()", id="five-sentences", execution_count=1, outputs=[output])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    assert book.cell_markdown(tmp_path / "a.ipynb", "five-sentences") == "1. first\n1. second"
    with pytest.raises(UserError, match=r"a\.ipynb holds no cell other"):
        book.cell_markdown(tmp_path / "a.ipynb", "other")
    chapter, cell_id, name = book.SENTENCES
    source = nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", as_version=4)
    assert [c.source for c in source.cells if c.id == cell_id] == ['show("five-sentences")']
    assert f"{{include}} executed/{name}" in (ROOT / "book" / "intro.md").read_text(encoding="utf-8")


# verdicts


def test_the_takeaway_counts_every_claim_once():
    several = judged()
    text = conclusion.takeaway(design(), several)
    counted = {word: sum(v.verdict == word for v in several) for word in VERDICTS}
    assert all((f"{n} **{word}**" in text) == (word not in UNTESTED) for word, n in counted.items())
    tested = sum(n for word, n in counted.items() if word not in UNTESTED)
    assert f"Of the paper's {len(several)} claims {tested} are tested" in text
    assert f"{counted[NOT_TESTED]} are {NOT_TESTED}" in text
    assert f"{counted[BY_CONSTRUCTION]} hold by construction" in text
    for standing, words in ((DECIDED, "of these verdicts are **decided**"), (LEANING, "**lean**")):
        assert f"{sum(v.standing == standing for v in several)} {words}" in text


def test_a_verdict_is_bold_where_it_is_decided_and_says_where_it_leans_turns_or_holds_by_construction():
    claim = claims()[0]
    shown = {
        "**reproduced**": ClaimVerdict(claim, REPRODUCED, DECIDED),
        "leaning: reversed": ClaimVerdict(claim, REVERSED, LEANING),
        "inconclusive": ClaimVerdict(claim, INCONCLUSIVE, OPEN),
        "inconclusive: it turns": ClaimVerdict(claim, INCONCLUSIVE, OPEN, turns=True),
        "by construction": ClaimVerdict(claim, BY_CONSTRUCTION),
    }
    table = rows_of(conclusion.judged(design(), list(shown.values())))
    assert [row["verdict"] for row in table] == list(shown)


def test_the_scoreboard_lists_every_claim_by_verdict_and_then_by_place():
    several = judged()
    table = conclusion.scoreboard(design(), several)
    rows = rows_of(table)
    assert len(rows) == len(several)
    assert all(f"{{numref}}`{v.claim.figure}`" in table for v in several)
    shown = [several[int(row["no."]) - 1] for row in rows]
    ranks = [VERDICTS.index(v.verdict) for v in shown]
    assert ranks == sorted(ranks)
    kinds = [v.claim.places[0].split()[0] for v in shown if v.verdict == INCONCLUSIVE]
    assert kinds == sorted(kinds, key=("Abstract", "Section", "Figure", "Table").index)


def test_claims_in_the_papers_order_are_numbered_with_what_was_compared():
    rows = rows_of(conclusion.judged(design(), judged()))
    assert [int(row["no."]) for row in rows] == list(range(1, len(claims()) + 1))
    assert "a\\_b: 3 seeds" in rows[0]["data"]


def test_effects_are_written_in_the_unit_and_with_the_signs_of_their_claim():
    by_id = {c.id: c for c in claims()}

    def here(name, *effect):
        return conclusion._effect(ClaimVerdict(by_id[name], INCONCLUSIVE, OPEN, Effect(*effect)))

    assert here("gap-at-equal-size", 1.234, -0.5, math.pi) == "+1.23 (−0.50 to +3.14) points"
    assert here("gap-at-equal-size", 1, math.nan, math.nan) == "+1.00 points (one seed: no interval)"
    assert here("recall-falls", -0.1234, -0.2, -0.1) == "−0.123 (−0.200 to −0.100) share"
    assert here("match-above-three", math.inf, 0.0, math.inf) == "∞ (0 to ∞) multiples"
    assert here("nearly-undetectable", 58.9, 55, 60.04) == "58.90 (55.00 to 60.04) points"
    verdict = ClaimVerdict(by_id["looks-real"], NOT_TESTED)
    assert conclusion._effect(verdict) == "–"
    wanted = {"match-above-three": "larger than 3 multiples", "mix-at-least-competitive": "larger than −1 points"}
    wanted |= {"nearly-undetectable": "equal to 50 points", "recall-falls": "falls with t_re"}
    assert {name: conclusion._says(by_id[name]) for name in wanted} == wanted
    between = by_id["match-above-three"].model_copy(update={"level": 2.5})
    assert conclusion._says(between) == "larger than 2.50 multiples"


# the paper's own numbers


def test_inconsistencies_are_listed_by_kind_and_numbers_recomputed():
    numeric = conclusion.numeric_inconsistencies(design())
    textual = conclusion.textual_inconsistencies(design())
    assert len(rows_of(numeric)) + len(rows_of(textual)) == len(inconsistencies())
    assert "−0.030" in numeric
    assert "∞" in numeric


def test_significance_is_shown_for_both_readings_of_the_papers_spread():
    rows = rows_of(conclusion.significance_of_mix(design()))
    assert len(rows) == 5
    numbers = [list(row.values())[2:] for row in rows]
    assert numbers[0][:3] == ["0.050 (0.199)", "0.007 (**0.028**)", "0.182 (0.729)"]
    assert [("**" in several[0]) for several in numbers] == [False] * 4 + [True]  # n = 3, SD: Car alone
    assert len(rows_of(conclusion.significance_of_others(design()))) == 8
