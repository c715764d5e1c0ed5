"""The two tables of book/reliability.md: read, compared with what the tests find, and written anew by `make stress`."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

from synthgap.base.marks import between, filled

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PAGE = ROOT / "book" / "reliability.md"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}  # of processes that tests start
HEADS = {"faults": ("what was done", "what happened"), "inputs": ("input", "what synthgap does")}


def declared() -> dict[str, list[str]]:
    """{table: what its rows are about}: the marks of the tests of faults, and the list of inputs."""
    faults = []
    for path in sorted(FOLDER.glob("test_*.py")):
        for value in vars(importlib.import_module(path.stem)).values():
            faults += [m.args[0] for m in getattr(value, "pytestmark", []) if m.name == "fault"]
    return {"faults": faults, "inputs": [case.what for case in importlib.import_module("test_inputs").CASES]}


def tables(text: str | None = None) -> dict[str, dict[str, str]]:
    """{table: {what: outcome}} as the page has them."""
    text = PAGE.read_text(encoding="utf-8") if text is None else text
    found = {}
    for name in HEADS:
        rows = between(text, name).splitlines()[2:]
        cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows]
        found[name] = {_shown(what): _shown(outcome) for what, outcome in cells}
    return found


def write(new: dict[str, dict[str, str]]) -> None:
    """Put what was found into the page; rows that no test is about any more are dropped."""
    text, wanted, old = PAGE.read_text(encoding="utf-8"), declared(), tables()
    for name, head in HEADS.items():
        known = old[name] | new.get(name, {})
        rows = [(what, known[what]) for what in wanted[name] if what in known]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---", "---"), *(map(_escaped, row) for row in rows))]
        text = filled(text, name, "\n".join(lines))
    PAGE.write_text(text, encoding="utf-8")


def one_line(text: str, *folders: Path) -> str:
    """`text` without the paths of this run."""
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = text.replace(folder, "…")
    return " ".join(text.split())


def comparable(outcome: str) -> str:
    """What must not differ: all but the words of libraries and systems, which errors quote in parentheses."""
    while outcome != (outcome := re.sub(r"\([^()]*\)", "", outcome)):
        pass
    return outcome


_SPECIAL = r"([\\|<>*_`$\[\]{}~])"


def _escaped(cell: str) -> str:
    return re.sub(_SPECIAL, r"\\\1", cell)


def _shown(cell: str) -> str:
    return re.sub(r"\\" + _SPECIAL, r"\1", cell)
