"""Where the time of a run goes: core-seconds by kind of artifact, and minutes of its stages by the clock.

    python benchmarks/book_profile.py results [--run quick] [--write]

Read from a results folder that `synthgap run` has filled: each artifact's `provenance.json` says how long it took on
its one core and when it was made, and `results/<run>/times.json` how long the run's stages took and when it began.
Artifacts that an earlier run had left are not counted. --write puts the tables into book/performance.md.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

from performance import PAGE, machine

from synthgap.base.errors import UserError
from synthgap.base.marks import fill
from synthgap.book.making import TIMES

STAGES = {
    "artifacts": "computing artifacts, on all cores",
    "chapters": "executing the chapters, two at a time, and writing their raw results",
    "book": "building the book",
}


def latest(results: Path, run: str | None) -> Path:
    """The folder of `run`, or of the run that ended last; UserError where there is none."""
    found = [results / run / TIMES] if run else sorted(results.glob(f"*/{TIMES}"), key=lambda p: p.stat().st_mtime)
    if not found or not found[-1].is_file():
        raise UserError(f"{results} holds no {run or '*'}/{TIMES}; let synthgap run finish there first")
    return found[-1].parent


def artifacts(results: Path, since: str) -> dict[str, list[float]]:
    """{kind: core-seconds of each artifact made at or after `since`, an ISO date in UTC}; images that were loaded cost
    nothing and are left out."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for path in (results / "store").glob("[!.]*/*/provenance.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        kind = path.parent.parent.name
        if record["made"] >= since and kind != "data":
            kinds[kind].append(record["seconds"])
    return dict(sorted(kinds.items(), key=lambda item: -sum(item[1])))


def tables(results: Path, run: str | None = None) -> str:
    """Markdown: the kinds of artifacts and the stages, each with its share."""
    folder = latest(results, run)
    record = json.loads((folder / TIMES).read_text(encoding="utf-8"))
    kinds, stages = artifacts(results, record["started"]), record["seconds"]
    every = [s for seconds in kinds.values() for s in seconds]
    total, clock = sum(every), sum(stages.values())
    lines = ["| kind of artifact | number | core-seconds | share |", "|---|---:|---:|---:|"]
    for kind, seconds in kinds.items():
        share = sum(seconds) / total if total else 0.0
        lines.append(f"| `{kind}` | {len(seconds):,} | {sum(seconds):,.1f} | {share:.1%} |")
    lines.append(f"| **all** | {len(every):,} | {total:,.1f} | |")
    lines += ["", "| stage | minutes by the clock | share |", "|---|---:|---:|"]
    for name, title in STAGES.items():
        seconds = stages.get(name, 0.0)
        lines.append(f"| {title} | {seconds / 60:.2f} | {seconds / clock if clock else 0.0:.1%} |")
    lines.append(f"| **all** | {clock / 60:.2f} | |")
    return "\n".join(lines) + f"\n\nRun `{folder.name}`, begun {record['started']}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--run", help="folder of the run inside results; default: the one that ended last")
    parser.add_argument("--write", action="store_true", help="put the tables into book/performance.md")
    options = parser.parse_args()
    try:
        text = tables(options.results, options.run)
    except UserError as error:
        parser.error(str(error))
    print(text)
    if options.write:
        fill(PAGE, "profile", f"{text} {machine()}.")


if __name__ == "__main__":
    main()
