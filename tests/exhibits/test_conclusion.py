"""The conclusion: the scoreboard, and the paper's numbers recomputed."""

import math
from types import SimpleNamespace

from reading import judged, rows_of

from synthgap.exhibits import conclusion
from synthgap.exhibits.claims import ClaimVerdict
from synthgap.paper.published import claims, inconsistencies
from synthgap.stats.judge import (
    BY_CONSTRUCTION,
    INCONCLUSIVE,
    NOT_TESTED,
    REPRODUCED,
    REVERSED,
    UNTESTED,
    VERDICTS,
    Effect,
)
from synthgap.stats.verdict import DECIDED, LEANING, OPEN


def design():
    arms = SimpleNamespace(name="a_b")
    return SimpleNamespace(arms=arms, columns=(arms,), preset=SimpleNamespace(name="made"))


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
    for word in counted.keys() - set(UNTESTED):
        for standing, told in ((DECIDED, "decided"), (LEANING, "leaning")):
            mine = sum((v.verdict, v.standing) == (word, standing) for v in several)
            stands = text.split(f"**{word}**")[1].split("**")[0].split(")")[0]
            assert (f"{mine} {told}" in stands) == (mine > 0)


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


def test_the_scoreboard_begins_with_the_verdict():
    assert next(iter(rows_of(conclusion.scoreboard(design(), judged()))[0])) == "verdict"


def test_the_figure_of_verdicts_counts_every_claim_once_by_how_it_stands():
    several = judged()
    (axes,) = conclusion.verdicts_figure(design(), several).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(VERDICTS)
    assert sum(bar.get_width() for bar in axes.patches) == len(several)
    assert sum(int(text.get_text()) for text in axes.texts) == len(several)
    assert len({(bar.get_hatch(), bar.get_facecolor()) for bar in axes.patches}) == 4


def test_claims_in_the_papers_order_are_numbered_with_what_was_compared():
    rows = rows_of(conclusion.judged(design(), judged()))
    assert [int(row["no."]) for row in rows] == list(range(1, len(claims()) + 1))
    assert "a\\_b: 3 seeds" in rows[0]["data"]


def test_effects_are_written_in_the_unit_and_with_the_signs_of_their_claim():
    by_id = {c.id: c for c in claims()}

    def here(name, *effect):
        return conclusion._effect(ClaimVerdict(by_id[name], INCONCLUSIVE, OPEN, Effect(*effect)))

    assert here("gap-at-equal-size", 1.234, -0.5, math.pi) == "+1.2 (−0.5 to +3.1) points"
    assert here("gap-at-equal-size", 1, math.nan, math.nan) == "+1.0 points (one seed: no interval)"
    assert here("recall-falls", -0.1234, -0.2, -0.1) == "−0.123 (−0.200 to −0.100)"
    assert here("match-above-three", math.inf, 0.0, math.inf) == "×∞ (0 to ∞)"
    assert here("nearly-undetectable", 58.9, 55, 60.04) == "58.9% (55.0 to 60.0)"
    verdict = ClaimVerdict(by_id["looks-real"], NOT_TESTED)
    assert conclusion._effect(verdict) == "–"
    wanted = {"match-above-three": "larger than ×3", "mix-at-least-competitive": "larger than −1 points"}
    wanted |= {"nearly-undetectable": "equal to 50%", "recall-falls": "falls with t_re"}
    assert {name: conclusion._says(by_id[name]) for name in wanted} == wanted
    between = by_id["match-above-three"].model_copy(update={"level": 2.5})
    assert conclusion._says(between) == "larger than ×2.50"


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
