"""Was a published book computed by the code that is here? Names the chapters of which that isn't so.

Compared are the hashes that artifacts go by (`graph.codehash`: comments, docstrings and the wording of errors don't
count), that of the statistics and of what makes results, and the preset. What only shows results (figures, tables,
sentences) is not.

A stale book is not built. Where a change comes between two runs of the book, its author says what it was and what it
does to the numbers (`account`); the book then shows that under each exhibit whose code has changed:
python -m synthgap.book.stale CHANGES.yaml, a list of {what, effect, kinds}.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
import sys
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import ValidationError

from .. import stats
from ..base.errors import UserError
from ..design.record import code_of_kinds
from ..exhibits.blocks import code_of
from ..exhibits.sections import results
from ..graph.codehash import code_hash
from ..paper.published import claims, read_paper
from .provenance import Change, Made, Provenance, Since, read, write

STATISTICS = "statistics"  # in the place of a kind: what turns artifacts into numbers and intervals
CLAIM_WORDS = ("places", "statement", "measure", "figure")  # of a claim; they decide no verdict
PUBLISHED = ("tables.yaml", "neighbours.yaml")  # numbers that are set beside ours
PRESET = "preset"  # likewise, what the preset says
WORDS = ("summary", "budget")  # of a preset; they change no number


def code_versions() -> dict[str, str]:
    """Kind of artifact, or STATISTICS → SHA-256 of the present code."""
    return {**code_of_kinds(), STATISTICS: statistics_hash()}


def statistics_hash() -> str:
    """SHA-256 of what turns artifacts into numbers and intervals: the statistics, and all that makes results.

    What makes a result is followed from its declaration through everything that it names (`definitions_hash`).
    """
    modules = [f"synthgap.stats.{m.name}" for m in pkgutil.iter_modules(stats.__path__)]
    names = code_of(f for r in results() for f in (r.make, r.cells))
    numbers = json.dumps([_rules(), *(read_paper(name) for name in PUBLISHED)], sort_keys=True)
    return hashlib.sha256(f"{code_hash(tuple(modules))} {names} {numbers}".encode()).hexdigest()


def _rules() -> list[dict]:
    """What decides the claims' verdicts, from `paper/claims.yaml`."""
    return [
        {"value": claim.interest.value, "unit": claim.interest.unit}
        | claim.model_dump(mode="json", exclude={*CLAIM_WORDS, "interest"})
        for claim in claims()
    ]


def preset_hash(name: str) -> str | None:
    """SHA-256 of what a preset of the package says; None of another one."""
    path = files("synthgap").joinpath("presets", f"{name}.yaml")
    if not path.is_file():
        return None
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = json.dumps({k: v for k, v in content.items() if k not in WORDS}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stale(record: Provenance) -> list[str]:
    """What of a published book other code has computed, a line each with the chapters that show it.

    Code that the book accounts for (`account`) is not listed.
    """
    now = _present(record)
    told = record.since.code if record.since else {}
    others = [line for one in record.apart.values() for line in stale(one.record)]
    return others + [
        f"{_named(kind, record)} (shown by {', '.join(_showing(kind, record)) or 'no chapter'})"
        for kind in _changed(record, now)
        if kind not in told or told[kind] != now.get(kind)
    ]


def _present(record: Provenance) -> dict[str, str]:
    """Kind of artifact, STATISTICS or PRESET → SHA-256 of what is here now."""
    preset = preset_hash(record.preset)
    return code_versions() | ({PRESET: preset} if preset else {})


def _changed(record: Provenance, now: dict[str, str]) -> list[str]:
    """What differs from `now` in the published book."""
    published = record.code | ({PRESET: record.preset_sha256} if record.preset_sha256 else {})
    return [kind for kind, version in published.items() if now.get(kind) != version]


def _named(kind: str, record: Provenance) -> str:
    return f"{kind} {record.preset}" if kind == PRESET else kind


def _showing(kind: str, record: Provenance) -> list[str]:
    """Chapters with numbers that depend on it."""
    return list(record.chapters) if kind in (STATISTICS, PRESET) else record.chapters_of([kind])


def check(folder: Path) -> Provenance:
    """The provenance of the executed chapters in `folder`; UserError where they are stale, or nothing says how old."""
    record = read(folder)
    if lines := stale(record):
        raise UserError(
            f"the numbers in {folder} were made by another version of: {'; '.join(lines)}; run make publish, or "
            "synthgap run, or say what has changed (python -m synthgap.book.stale CHANGES.yaml)"
        )
    return record


def changes_for(record: Provenance, made: Made) -> list[Change]:
    """The changes since publication that touch an exhibit."""
    if record.since is None:
        return []
    kinds = {*made.kinds, STATISTICS}
    return [c for c in record.since.changes if not c.kinds or kinds & set(c.kinds)]


def account(folder: Path, changes: list[Change]) -> Provenance:
    """Write into the record in `folder` what has changed since, for the code that is here now.

    Raises UserError for a change without a kind that the book has, and where nothing has changed.
    """
    record = read(folder)
    others = {}
    for chapter, one in record.apart.items():
        later = [*one.own, *changes[one.told :]]
        several = _accounted(one.record, later) if _changed(one.record, _present(one.record)) else one.record
        others[chapter] = one.model_copy(update={"record": several})
    if not _changed(record, _present(record)):
        raise UserError(f"the numbers in {folder} were made by the present code; there is nothing to account for")
    record = _accounted(record, changes).model_copy(update={"apart": others})
    write(record, folder)
    return record


def _accounted(record: Provenance, changes: list[Change]) -> Provenance:
    now = _present(record)
    changed = _changed(record, now)
    known = {*record.code, PRESET}
    for change in changes:
        if unknown := sorted(set(change.kinds) - known - set(code_versions())):
            raise UserError(f"{change.what!r} names {unknown[0]!r}; known kinds: {', '.join(sorted(known))}")
    if untold := [kind for kind in changed if not any(not c.kinds or kind in c.kinds for c in changes)]:
        raise UserError(f"the code of {', '.join(untold)} has changed, too, and no change names it")
    since = Since(code={kind: now[kind] for kind in changed if kind in now}, changes=tuple(changes))
    return record.model_copy(update={"since": since})


def main(path: str) -> None:
    from .execute import EXECUTED, find_root

    try:
        changes = [Change(**entry) for entry in yaml.safe_load(Path(path).read_text(encoding="utf-8"))]
    except (OSError, TypeError, ValidationError, yaml.YAMLError) as error:
        raise UserError(f"{path} is no list of changes ({error}); give entries of what, effect and kinds") from error
    account(find_root() / EXECUTED, changes)


if __name__ == "__main__":
    main(sys.argv[1])
