"""Section 7: which of the paper's claims hold here, and where the paper does not agree with itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..base.words import digits_for, escaped, p_value, plain, plural, signed
from ..design.loading import Design
from ..design.values import cell_title
from ..paper.published import Inconsistency, PublishedClaim, mix_against_naive, significance
from ..paper.published import inconsistencies as published_inconsistencies
from ..stats.judge import (
    BY_CONSTRUCTION,
    EQUAL,
    INCONCLUSIVE,
    NOT_TESTED,
    UNTESTED,
    VERDICTS,
)
from ..stats.verdict import CLAIMS, DECIDED, LEANING, OPEN
from .base import exhibit, sentences
from .claims import ClaimVerdict, claims
from .drawing import COLOURS, NARROW, SMALL, one_panel, saying
from .text import folded, myst_table

PUBLISHED_NUMBERS = "the paper's published numbers alone"
READINGS = [(n, spread) for spread in ("sd", "se") for n in (3, 5)]  # of the paper's ±
BELOW = 0.05  # p-values of the paper's own numbers that are shown in bold
SPREADS = {"sd": "SD", "se": "SE"}
OTHERS = (  # comparisons of the running text, or against it: table, row, row, column
    *(("table3", "25", "real only", k) for k in (1, 3, 5)),
    *(("table3", "75-100", "100", k) for k in (1, 3, 5)),
    ("table4", "100 ×5", "RandAugment", "Bird"),
    ("table4", "100 ×5", "TrivialAugment", "Bird"),
)
STANDINGS = {DECIDED: "decided", LEANING: "leaning", OPEN: "open", "": "no test"}  # of a verdict → in the figure
STANDING_COLOURS = (COLOURS[0], COLOURS[9], "white", "0.85")
HATCHES = ("", "//", "..", "")
KINDS = ("Abstract", "Section", "Figure", "Table")  # of places in the paper, in their order


# verdicts


def _data_sets(d: Design) -> str:
    return ", ".join(arms.name for arms in d.columns)


@sentences("takeaway", [claims])
def takeaway(d: Design, several: list[ClaimVerdict]) -> str:
    """How many claims came out how."""
    counts = Counter(v.verdict for v in several)
    tested = sum(v.verdict not in UNTESTED for v in several)
    words = ", ".join(f"{counts[word]} **{word}**" for word in VERDICTS if word not in UNTESTED)
    decided = plural(sum(v.standing == DECIDED for v in several), "of these verdicts is", "of these verdicts are")
    leaning = plural(sum(v.standing == LEANING for v in several), "**leans**", "**lean**")
    return (
        f"Of the paper's {len(several)} claims {tested} are tested at the preset {escaped(d.preset.name)} on "
        f"{escaped(_data_sets(d))}: {words}. {decided} **decided**, at an error of {CLAIMS.alpha:.0%} for all {tested} "
        f"together; {leaning} that way by 95% intervals. {plural(counts[BY_CONSTRUCTION], 'holds', 'hold')} "
        f"{BY_CONSTRUCTION}, of any generator, {plural(counts[NOT_TESTED], 'is', 'are')} {NOT_TESTED}."
    )


@exhibit("tab-scoreboard", [claims], apart="it judges the paper's claims")
def scoreboard(d: Design, several: list[ClaimVerdict]) -> str:
    """Every claim with what was found, by verdict and then by place in the paper."""
    numbered = sorted(enumerate(several, start=1), key=lambda pair: (_rank(pair[1]), pair[0]))
    out = [
        {
            "verdict": _word(v),
            "no.": i,
            "claim": f"{v.claim.statement} ({{numref}}`{v.claim.figure}`)",
            "the paper says": _says(v.claim),
            "here": _effect(v),
            "p, corrected": p_value(v.p),
            "in the paper": ", ".join(v.claim.places),
        }
        for i, v in numbered
    ]
    caption = (
        f"The paper's claims and what this run says of them, {_data_sets(d)}, by verdict and place. Here: the measure "
        "(see the table in the paper's order) with its 95% interval; of a multiple 0 stands for “from the smallest on” "
        "and ∞ for “nowhere”. p: of what the verdict says, times the number of tested claims. A verdict is decided "
        f"where that is below {CLAIMS.alpha:g}, and leans where only the interval says it. A claim that is a question "
        "of the plain answer has its p and its standing from there"
    )
    return myst_table(out, caption, "tab-scoreboard", sortable=True)


@exhibit("fig-verdicts", [claims], apart="it judges the paper's claims")
def verdicts_figure(d: Design, several: list[ClaimVerdict]) -> Figure:
    """How many claims came out how: a bar a verdict, parted by how it stands."""
    figure, ax = one_panel(NARROW, 2.9)
    for place, word in enumerate(VERDICTS):
        mine, start = [v for v in several if v.verdict == word], 0
        for number, standing in enumerate(STANDINGS):
            count = sum(v.standing == standing for v in mine)
            ax.barh(place, count, left=start, color=STANDING_COLOURS[number], edgecolor="black", hatch=HATCHES[number])
            if count:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                ax.text(start + count / 2, place, str(count), ha="center", va="center", fontsize=SMALL, bbox=box)
            start += count
    marks = [Patch(facecolor=c, edgecolor="black", hatch=h) for c, h in zip(STANDING_COLOURS, HATCHES, strict=True)]
    figure.legend(marks, STANDINGS.values(), fontsize=SMALL - 1, loc="outside lower center", ncols=4)
    ax.set_yticks(range(len(VERDICTS)), VERDICTS)
    ax.invert_yaxis()
    ax.set_xlabel("claims of the paper")
    counts = {word: sum(v.verdict == word for v in several) for word in VERDICTS if word not in UNTESTED}
    decided = plural(sum(v.standing == DECIDED for v in several), "of these verdicts is", "of these verdicts are")
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    return saying(figure, f"Of {len(several)} claims: {told}; {decided} decided.")


@exhibit("tab-judged", [claims], apart="it judges the paper's claims")
def judged(d: Design, several: list[ClaimVerdict]) -> str:
    """Every claim in the order of the paper: what was compared, the smallest effect of interest, and n."""
    out = [
        {
            "no.": i,
            "claim": v.claim.id,
            "verdict": _word(v),
            "measure, or why it is not tested": escaped(v.why),
            "smallest effect of interest": _interest(v.claim),
            "data": ": ".join(escaped(part) for part in (v.dataset, v.n) if part) or "–",
        }
        for i, v in enumerate(several, start=1)
    ]
    caption = "What judged each claim, in the order of the paper's arguments (numbers as in the scoreboard)"
    return folded(myst_table(out, caption, "tab-judged", sortable=True), "What judged each claim")


def _rank(v: ClaimVerdict) -> tuple[int, int, str]:
    """The order of the scoreboard: by verdict, then the Abstract, sections, figures and tables."""
    first = v.claim.places[0]
    return VERDICTS.index(v.verdict), KINDS.index(first.split()[0]), first


def _word(v: ClaimVerdict) -> str:
    if v.verdict in (*UNTESTED, INCONCLUSIVE):
        return f"{v.verdict}: it turns" if v.turns else v.verdict
    return f"**{v.verdict}**" if v.standing == DECIDED else f"leaning: {v.verdict}"


def _says(claim: PublishedClaim) -> str:
    if claim.direction in ("rises", "falls"):
        return f"{claim.direction} with t_re"
    word = "equal to" if claim.direction == EQUAL else f"{claim.direction} than"
    return f"{word} {_with_unit(plain(claim.level, 0 if claim.level.is_integer() else 2), claim)}"


def _with_unit(number: str, claim: PublishedClaim) -> str:
    """A claim's number as its measure is written: "×0.6", "50%", "+210.0 %" (a change of a measure against itself); a
    ratio and a share have no unit."""
    unit = claim.interest.unit
    if unit == "multiples":
        return f"×{number}"
    if unit == "points" and claim.level > 0:  # a level, not a difference
        first, space, rest = number.partition(" ")
        return f"{first}%{space}{rest}"
    return number if unit in ("ratio", "share") else f"{number} {unit}"


def _interest(claim: PublishedClaim) -> str:
    return f"{claim.interest.value:g} {claim.interest.unit} ({escaped(claim.interest.why)})"


def _effect(v: ClaimVerdict) -> str:
    """ "+1.20 (+0.31 to +2.09) points"; a dash where nothing was measured. Levels have no sign, differences have."""
    if v.effect is None:
        return "–"
    e, unit, write = v.effect, v.claim.interest.unit, signed if v.claim.level <= 0 else plain

    def show(value: float) -> str:
        if unit == "multiples" and value == 0:
            return "0"
        return write(value, 1 if unit in ("points", "%") else digits_for(value))

    if math.isnan(e.low):
        return f"{_with_unit(show(e.mean), v.claim)} (one seed: no interval)"
    return _with_unit(f"{show(e.mean)} ({show(e.low)} to {show(e.high)})", v.claim)


# the paper's own numbers


def _inconsistencies(several: Sequence[Inconsistency], kind: str, caption: str) -> str:
    out = []
    for one in several:
        if one.kind == kind:
            line = {"no.": one.number, "place": one.place, "what does not agree": escaped(one.what)}
            if one.recomputed:
                numbers = {escaped(what): plain(x, digits_for(x)) for what, x in one.recomputed.items()}
                line["recomputed"] = "; ".join(f"{what}: {number}" for what, number in numbers.items())
            out.append(line)
    return myst_table(out, caption, f"tab-inconsistencies-{kind}")


@exhibit("tab-inconsistencies-numeric", rests_on=PUBLISHED_NUMBERS, apart="it is about the paper")
def numeric_inconsistencies(d: Design) -> str:
    """What does not agree, with what was recomputed."""
    caption = "Numbers of the paper that do not agree with one another or with its text, recomputed"
    return _inconsistencies(published_inconsistencies(), "numeric", caption)


@exhibit("tab-inconsistencies-textual", rests_on="the paper's text alone", apart="it is about the paper")
def textual_inconsistencies(d: Design) -> str:
    """What does not agree in words."""
    caption = "Formulas, words and experiments that do not agree with one another or with their sources"
    return _inconsistencies(published_inconsistencies(), "textual", caption)


@exhibit("tab-significance-mix", rests_on=PUBLISHED_NUMBERS, apart="the paper reports no test")
def significance_of_mix(d: Design) -> str:
    """rand(50, 100) against naïve wherever the paper has both, for each reading of its ±, raw and after Holm."""
    readings = {reading: mix_against_naive(*reading) for reading in READINGS}
    out = []
    for place, first in enumerate(readings[READINGS[0]]):
        line = {"compared": _compared(first.table, first.row_a, first.row_b, first.column)}
        line["difference (points)"] = signed(first.difference, 2)
        for reading, several in readings.items():
            test = several[place]
            line[f"p (Holm), {_reading(*reading)}"] = f"{p_value(test.p)} ({_bold_below(test.p_holm)})"
        out.append(line)
    caption = (
        "“With statistical significance”: the paper's late mix against naïve, recomputed from its means and ± by "
        "Welch's test, two-sided. It states neither the number of runs n nor whether ± is a standard deviation (SD) "
        "or a standard error (SE). In brackets after Holm's correction over the five, bold below .05"
    )
    return myst_table(out, caption, "tab-significance-mix")


@exhibit("tab-significance-others", rests_on=PUBLISHED_NUMBERS, apart="the paper reports no test")
def significance_of_others(d: Design) -> str:
    """Other comparisons that the text makes or leaves out, each for itself."""
    out = []
    for cell in OTHERS:
        tests = {reading: significance(*cell, *reading) for reading in READINGS}
        line = {"compared": _compared(*cell), "difference (points)": signed(tests[READINGS[0]].difference, 2)}
        out.append(line | {f"p, {_reading(*reading)}": _bold_below(test.p) for reading, test in tests.items()})
    caption = "More of Tables 3 and 4 recomputed in the same way, not corrected for their number; bold below .05"
    return myst_table(out, caption, "tab-significance-others")


def _bold_below(p: float) -> str:
    return f"**{p_value(p)}**" if p < BELOW else p_value(p)


def _reading(n: int, spread: str) -> str:
    return f"n = {n}, ± is {SPREADS[spread]}"


def _compared(table: str, row_a: str, row_b: str, column: str | int) -> str:
    where = f"Aircraft ×{column}" if isinstance(column, int) else column
    return f"Table {table[-1]}, {where}: {cell_title(row_a)} − {cell_title(row_b)}"
