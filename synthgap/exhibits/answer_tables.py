"""Tables of the plain answer, as MyST Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ..stats.verdict import ALPHA, OPEN, Verdict
from .controls import Cell
from .plain import QUESTIONS, arm_words, escaped, interval, points, share, signed
from .tables import myst_table, p_value, percent, plus_minus

MOST_CLASSES = 20  # that the table by class lists


def settings(rows: list[tuple[str, str]]) -> str:
    """What the answer is about and how it was made; rows: (what, value)."""
    out = pd.DataFrame({"": [escaped(a) for a, _ in rows], "this run": [escaped(b) for _, b in rows]})
    return myst_table(out, "What was found and what was done with it", "tab-settings")


def by_class(rows: pd.DataFrame) -> str:
    """Shares told rightly, class by class (see `Answers.by_class`)."""
    out = [
        {
            "class": escaped(row.name),
            "training images": f"{row.train:,}",
            "test images": f"{row.n:,}",
            "real (%)": share(row.real),
            "synthetic alone (%)": share(row.alone),
            "both (%)": share(row.beside),
            "synthetic − real (points)": f"{signed(row.change.mean)} ({interval(row.change)})",
        }
        for row in rows.rename(columns={"class": "name"}).head(MOST_CLASSES).itertuples(index=False)
    ]
    listed = "" if len(rows) <= MOST_CLASSES else f", the first {MOST_CLASSES} of {len(rows)}"
    caption = (
        f"Test images told rightly, class by class{listed}, largest drop first; in brackets 95% intervals (seeds × "
        "test images)"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-by-class")


def verdicts(several: Mapping[str, tuple[Cell, Cell, Verdict]]) -> str:
    """The decided questions: differences, corrected p-values, and what the open ones need."""
    out = []
    for question, (first, second, verdict) in several.items():
        need = verdict.needed
        out.append(
            {
                "question": QUESTIONS[question],
                "compared": f"{cell_words(first)} − {cell_words(second)}",
                "difference": points(verdict.difference),
                "p, Holm": p_value(verdict.p_holm),
                "answer": f"**{verdict.word}**" if verdict.word != OPEN else verdict.word,
                "seeds needed": "–" if need is None or need.seeds is None else f"≈ {need.seeds:,}",
                "or test images": "–" if need is None or need.images is None else f"≈ {need.images:,}",
                "or both": "–" if need is None else f"≈ {need.both[0]:,} and {need.both[1]:,}",
            }
        )
    caption = (
        f"What is decided: the answers are wrong in at most {ALPHA:.0%} of runs, both questions together. Needed: with "
        "power 80%, to tell the difference found (one point at least) from none"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-sure")


def arms(rows: pd.DataFrame) -> str:
    """Every arm with its accuracy and, where they differ, its balanced accuracy (see `Answers.answer_rows`)."""
    out = []
    for (arm, multiple), mine in rows.groupby(["arm", "multiple"], sort=False):
        line = {"trained on": cell_words((arm, multiple))}
        for column, title in (("accuracy", "accuracy (%)"), ("balanced", "balanced accuracy (%)")):
            line[title] = plus_minus(percent(mine[column]))
        out.append(line)
    caption = (
        f"Every classifier of this page: mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval over "
        f"seeds, on these {rows.n.iloc[0]:,} test images. Balanced: the mean of the classes' shares"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-arms")


def cell_words(cell: Cell) -> str:
    """An arm with its multiple."""
    arm, multiple = cell
    if arm in ("real only", "synthetic only", "given only"):
        base = {"real only": "real images", "synthetic only": "synthetic images"}.get(arm, arm_words(arm))
    else:
        base = f"real images + {arm_words(arm)}"
    return base if not multiple or math.isclose(multiple, 0) or arm == "0" else f"{base} ×{multiple:g}"
