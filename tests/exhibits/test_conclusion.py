"""The conclusion: the front page's five sentences, the scoreboard, and the paper's numbers recomputed."""

import math
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from reading import right, rows_of

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.design.values import BOOTSTRAP, MIX, REAL_ONLY, SECOND_BATCH, SYNTHETIC_ONLY
from synthgap.exhibits import conclusion
from synthgap.exhibits.causes import Loss
from synthgap.exhibits.claims import ClaimVerdict
from synthgap.paper.published import claims, inconsistencies
from synthgap.stats.crossed import crossed
from synthgap.stats.judge import INCONCLUSIVE, NOT_TESTED, REPRODUCED, REVERSED, VERDICTS, Effect
from synthgap.stats.verdict import decide

ROOT = book.find_root()
LEVELS = {(REAL_ONLY, 0): 0.8, (SYNTHETIC_ONLY, 1): 0.6, (SYNTHETIC_ONLY, 5): 0.8, (BOOTSTRAP, 1): 0.7}
LEVELS |= {(MIX, 5): 0.9, (SECOND_BATCH, 1): 0.8}


def design():
    arms = SimpleNamespace(name="a_b", data={"train": SimpleNamespace(count=1000)})
    return SimpleNamespace(arms=arms, columns=(arms,), preset=SimpleNamespace(name="made"))


def known(seeds=3, levels=LEVELS):
    return right(levels, range(seeds), images=1000)


def five(hits, groups=None, control="not run"):
    arms = (MIX, 5), (SECOND_BATCH, 1)
    (verdict,) = decide([crossed(hits[arms[0]].astype(float) - hits[arms[1]], groups)])
    asked = SimpleNamespace(measure="accuracy" if groups is None else "balanced accuracy", groups=groups)
    text = conclusion.five_sentences(design(), judged(), hits, asked, {"augment": (*arms, verdict)}, control)
    return text.split("\n")


def judged():
    """The paper's claims, in turn with every verdict."""
    effect = Effect(2.0, 1.0, 3.0)
    several = []
    for i, claim in enumerate(claims()):
        word = VERDICTS[i % len(VERDICTS)]
        tested = word != NOT_TESTED
        p = (0.04 if i < 15 else 0.5) if tested else math.nan
        several.append(ClaimVerdict(claim, word, effect if tested else None, p, p, "3 seeds", "a_b", "accuracy|x"))
    return several


# five sentences


def test_each_sentence_says_its_difference_and_on_which_side_it_lies():
    instead, more, beside, why, takeaway = five(known())
    assert "**As many synthetic images teach less than the real ones**: on a\\_b" in instead
    assert "1,000 of them has 20.0 points less accuracy (95% interval −22." in instead
    assert "**5 times as many synthetic images can't be said to teach less or more" in more
    assert "5,000 of them has 0.0 points more accuracy" in more
    assert "**Beside real images they help**: with images from reverse steps 50 to 100 ×5" in beside
    assert "10.0 points more accuracy" in beside
    assert "**More is lost than by copying the real images**" in why
    assert "lose 10.0 points" in why
    assert "synthetic ones 10.0 points" in why
    assert why.endswith("beyond these.")
    assert f"Of the paper's {len(claims())} claims" in takeaway


def test_one_seed_tells_nothing_and_no_copies_leave_the_question_out():
    lines = five(known(seeds=1))
    assert "can't be said to teach less or more" in lines[0]
    assert "it is open" in lines[2]
    assert "nan" not in "".join(lines)
    assert "Why is not asked" in five(known(levels={c: a for c, a in LEVELS.items() if c[0] != BOOTSTRAP}))[3]


def test_differences_are_in_the_answers_measure():
    groups = (np.arange(1000) >= 700).astype(int)  # 100 of 700 and 100 of 300 images are lost
    assert "23.8 points less balanced accuracy" in five(known(), groups)[0]


def test_the_trimming_control_is_told_in_points():
    lost = crossed(np.full((3, 1000), 0.05)).in_points
    assert (
        "real images cut to the spread of synthetic ones lose 5.0 points" in five(known(), control=Loss(lost, lost))[3]
    )


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
    assert all(f"{n} **{word}**" in text for word, n in counted.items() if word != NOT_TESTED)
    tested = len(several) - counted[NOT_TESTED]
    assert f"Of the paper's {len(several)} claims {tested} are tested" in text
    assert f"{counted[NOT_TESTED]} are {NOT_TESTED}" in text
    decided = counted[REPRODUCED] + counted[REVERSED]
    assert f"Of the {decided} reproduced or reversed ones Holm's correction for all {tested} tests leaves 6." in text


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
        return conclusion._effect(ClaimVerdict(by_id[name], INCONCLUSIVE, Effect(*effect)))

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
