"""The plain answer for other programs: answer.json (what was asked, found and advised), answer.csv (every level)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ..base.disk import write_text
from ..stats.crossed import Crossed
from ..stats.verdict import Verdict
from .answer import scored, tested, verdicts
from .answer_text import QUESTIONS
from .base import Lab
from .next_steps import findings, next_steps, summary
from .task import task
from .your_data import measured_by, settings

JSON, CSV = "answer.json", "answer.csv"


def write_answer(lab: Lab, folder: Path) -> None:
    """Write both files into `folder`. Differences are in points, levels in percent; an end of an interval that is not
    known, with one seed, is null, or empty."""
    d, asked, found = lab.design, lab.value(task), lab.value(findings)
    told = {
        "data set": d.arms.name,
        "measure": asked.measure,
        "settings": settings(d, asked),
        "questions": {QUESTIONS[name]: _verdict(*one) for name, one in lab.value(verdicts).items()},
        "summary": [line.removeprefix("> - ").replace("**", "") for line in summary(d, found).splitlines()],
        "what to do next": [line.partition(" ")[2] for line in next_steps(d, found).splitlines()],
    }
    write_text(folder / JSON, json.dumps(told, indent=1, ensure_ascii=False))
    write_text(folder / CSV, _levels(lab).to_csv(index=False))


def _verdict(first: tuple, second: tuple, verdict: Verdict) -> dict[str, Any]:
    cells = {name: {"arm": str(arm), "multiple": float(k)} for name, (arm, k) in (("first", first), ("second", second))}
    compared = cells | {"difference": _known(verdict.difference.in_points)}
    return compared | {"answer": verdict.word, "standing": verdict.standing, "p, corrected": _number(verdict.p)}


def _levels(lab: Lab) -> pd.DataFrame:
    """Columns arm, multiple (0: real images alone), measure, value, low, high, test_images."""
    several, names = lab.value(scored), measured_by(lab.value(task))
    arms = dict.fromkeys(lab.value(tested)[["arm", "multiple"]].itertuples(index=False, name=None))
    rows = []
    for arm, multiple in arms:
        for name in names:
            level = several.level(name, (arm, multiple))
            rows.append({"arm": arm, "multiple": multiple, "measure": name, **_known(level.in_points)})
    return pd.DataFrame(rows).assign(test_images=len(several.labels))


def _known(one: Crossed) -> dict[str, float | None]:
    return {"value": round(one.mean, 3), "low": _number(one.low), "high": _number(one.high)}


def _number(value: float) -> float | None:
    return None if value != value else round(value, 6)
