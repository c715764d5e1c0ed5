"""Tables of the conclusion, as MyST Markdown: the scoreboard, what judged it, and the paper's numbers recomputed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from ..paper.published import Inconsistency, PublishedClaim, mix_against_naive, significance
from .claims import ALPHA, NOT_TESTED, REPRODUCED, REVERSED, VERDICTS, ClaimVerdict
from .plain import escaped, number
from .tables import arm_title, myst_table, p_value

READINGS = [(n, spread) for spread in ("sd", "se") for n in (3, 5)]  # of the paper's ±
SPREADS = {"sd": "SD", "se": "SE"}
OTHERS = (  # comparisons of the running text, or against it: table, row, row, column
    *(("table3", "25", "real only", k) for k in (1, 3, 5)),
    *(("table3", "75-100", "100", k) for k in (1, 3, 5)),
    ("table4", "100 ×5", "RandAugment", "Bird"),
    ("table4", "100 ×5", "TrivialAugment", "Bird"),
)


def takeaway(several: Sequence[ClaimVerdict], preset: str, name: str) -> str:
    """How many claims came out how; `name`: of the data sets."""
    counts = Counter(v.verdict for v in several)
    tested = len(several) - counts[NOT_TESTED]
    words = ", ".join(f"{counts[word]} **{word}**" for word in VERDICTS if word != NOT_TESTED)
    decided = [v for v in several if v.verdict in (REPRODUCED, REVERSED)]
    survive = sum(v.p_holm < ALPHA for v in decided)
    return (
        f"Of the paper's {len(several)} claims {tested} are tested at the preset {escaped(preset)} on {escaped(name)}: "
        f"{words}. {counts[NOT_TESTED]} are {NOT_TESTED}. Of the {len(decided)} reproduced or reversed ones Holm's "
        f"correction for all {tested} tests leaves {survive}."
    )


def scoreboard(several: Sequence[ClaimVerdict], name: str) -> str:
    """Every claim with what was found, by verdict and then by place in the paper (see `exhibits.claims`)."""
    numbered = sorted(enumerate(several, start=1), key=lambda pair: (_rank(pair[1]), _place_key(pair[1]), pair[0]))
    out = [
        {
            "no.": i,
            "claim": f"{v.claim.statement} ({{numref}}`{v.claim.figure}`)",
            "in the paper": ", ".join(v.claim.places),
            "the paper says": _says(v.claim),
            "here": _effect(v),
            "p, Holm": p_value(v.p_holm),
            "verdict": f"**{v.verdict}**" if v.verdict != NOT_TESTED else v.verdict,
        }
        for i, v in numbered
    ]
    caption = (
        f"The paper's claims and what this run says of them, {name}, by verdict and place. Here: the measure (see the "
        "table in the paper's order) with its 95% interval, by which the verdict goes; of a multiple 0 stands for "
        "“from the smallest on” and ∞ for “nowhere”. p: corrected for all tested claims"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-scoreboard", sortable=True)


def judged(several: Sequence[ClaimVerdict]) -> str:
    """The same claims in the order of the paper: what was compared, the smallest effect of interest, and n."""
    out = [
        {
            "no.": i,
            "claim": v.claim.id,
            "verdict": f"**{v.verdict}**" if v.verdict != NOT_TESTED else v.verdict,
            "measure, or why it is not tested": escaped(v.why),
            "smallest effect of interest": _interest(v.claim),
            "data": ": ".join(escaped(part) for part in (v.dataset, v.n) if part) or "–",
        }
        for i, v in enumerate(several, start=1)
    ]
    caption = "What judged each claim, in the order of the paper's arguments (numbers as in the scoreboard)"
    return myst_table(pd.DataFrame(out), caption, "tab-judged", sortable=True)


def inconsistencies(several: Sequence[Inconsistency], kind: str) -> str:
    """Those of one kind, "numeric" (with what was recomputed) or "textual"."""
    out = []
    for i in several:
        if i.kind == kind:
            line = {"no.": i.number, "place": i.place, "what does not agree": escaped(i.what)}
            if kind == "numeric":
                line["recomputed"] = "; ".join(f"{escaped(k)}: {_short(x)}" for k, x in i.recomputed.items())
            out.append(line)
    captions = {
        "numeric": "Numbers of the paper that do not agree with one another or with its text, recomputed",
        "textual": "Formulas, words and experiments that do not agree with one another or with their sources",
    }
    return myst_table(pd.DataFrame(out), captions[kind], f"tab-inconsistencies-{kind}")


def significance_of_mix() -> str:
    """rand(50, 100) against naïve wherever the paper has both, for each reading of its ±, raw and after Holm."""
    readings = {reading: mix_against_naive(*reading) for reading in READINGS}
    out = []
    for place in range(len(readings[READINGS[0]])):
        first = readings[READINGS[0]][place]
        line = {"compared": _compared(first.table, first.row_a, first.row_b, first.column)}
        line["difference (points)"] = number(first.difference, 2)
        for reading, several in readings.items():
            p, corrected = p_value(several[place].p), several[place].p_holm
            told = f"**{p_value(corrected)}**" if corrected < ALPHA else p_value(corrected)
            line[f"p (Holm), {_reading(*reading)}"] = f"{p} ({told})"
        out.append(line)
    caption = (
        "“With statistical significance”: the paper's late mix against naïve, recomputed from its means and ± by "
        "Welch's test, two-sided. It states neither the number of runs n nor whether ± is a standard deviation (SD) "
        "or a standard error (SE). In brackets after Holm's correction over the five, bold below .05"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-significance-mix")


def significance_of_others() -> str:
    """Other comparisons that the text makes or leaves out, each for itself."""
    out = []
    for cell in OTHERS:
        tests = {reading: significance(*cell, *reading) for reading in READINGS}
        line = {"compared": _compared(*cell), "difference (points)": number(tests[READINGS[0]].difference, 2)}
        for reading, test in tests.items():
            line[f"p, {_reading(*reading)}"] = f"**{p_value(test.p)}**" if test.p < ALPHA else p_value(test.p)
        out.append(line)
    caption = "More of Tables 3 and 4 recomputed in the same way, not corrected for their number; bold below .05"
    return myst_table(pd.DataFrame(out), caption, "tab-significance-others")


# pieces


def _reading(n: int, spread: str) -> str:
    return f"n = {n}, ± is {SPREADS[spread]}"


def _compared(table: str, row_a: str, row_b: str, column: str | int) -> str:
    where = f"Aircraft ×{column}" if isinstance(column, int) else column
    names = [" ×".join([arm_title(arm), *times]) for arm, *times in (row.split(" ×") for row in (row_a, row_b))]
    return f"Table {table[-1]}, {where}: {names[0]} − {names[1]}"


def _rank(v: ClaimVerdict) -> int:
    return VERDICTS.index(v.verdict)


def _place_key(v: ClaimVerdict) -> tuple[int, str]:
    """The Abstract, then sections, then figures and tables."""
    kind = v.claim.places[0].split()[0]
    return ("Abstract", "Section", "Figure", "Table").index(kind), v.claim.places[0]


def _says(claim: PublishedClaim) -> str:
    if claim.direction in ("rises", "falls"):
        return f"{claim.direction} with t_re"
    level = f"{claim.level:g}".replace("-", "\N{MINUS SIGN}")
    word = "equal to" if claim.direction == "equal" else f"{claim.direction} than"
    return f"{word} {level} {claim.interest.unit}"


def _interest(claim: PublishedClaim) -> str:
    return f"{claim.interest.value:g} {claim.interest.unit} ({escaped(claim.interest.why)})"


def _effect(v: ClaimVerdict) -> str:
    """ "+1.20 (+0.31 to +2.09) points"; a dash where nothing was measured. Levels have no sign, differences have."""
    if v.effect is None:
        return "–"
    e, signed = v.effect, v.claim.level <= 0

    def show(value: float) -> str:
        if v.unit == "multiples" and value == 0:
            return "0"
        return _digits(value, 2, signed) if v.unit in ("points", "%") else _short(value, signed)

    if math.isnan(e.low):
        return f"{show(e.mean)} {v.unit} (one seed: no interval)"
    return f"{show(e.mean)} ({show(e.low)} to {show(e.high)}) {v.unit}"


def _short(value: float, signed: bool = False) -> str:
    """A number with the digits that its size calls for, a real minus, and ∞."""
    return _digits(value, 2 if abs(value) >= 1 else 3, signed)


def _digits(value: float, digits: int, signed: bool) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "\N{MINUS SIGN}∞"
    text = number(value, digits)
    return text if signed else text.removeprefix("+")
