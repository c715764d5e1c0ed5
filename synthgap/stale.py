"""Was a published book computed by the code that is here? Names the chapters of which that isn't so.

Compared are the hashes that artifacts go by (`study.codehash`: comments, docstrings and the wording of errors don't
count), that of the statistics, and the preset. Code that only arranges numbers (tables, plots, sentences) is not.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

import yaml

from .errors import UserError
from .provenance import Provenance, read
from .study.codehash import code_hash
from .study.specs import KINDS

STATISTICS = "statistics"  # in the place of a kind: what turns artifacts into numbers and intervals
MODULES = (
    "synthgap.metrics.entropy",
    "synthgap.metrics.projection",
    "synthgap.study.crossed",
    "synthgap.study.stats",
    "synthgap.study.toy",
    "synthgap.study.trends",
    "synthgap.study.verdict",
)
WORDS = ("summary", "budget")  # of a preset; they change no number


def code_versions() -> dict[str, str]:
    """Kind of artifact, or STATISTICS → SHA-256 of the present code."""
    kinds = {kind.model_fields["kind"].default: code_hash(kind.code) for kind in KINDS}
    return {**kinds, STATISTICS: code_hash(MODULES)}


def preset_hash(name: str) -> str | None:
    """SHA-256 of what a preset of the package says; None of another one."""
    path = files("synthgap").joinpath("presets", f"{name}.yaml")
    if not path.is_file():
        return None
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = json.dumps({k: v for k, v in content.items() if k not in WORDS}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stale(record: Provenance) -> list[str]:
    """What of a published book other code has computed, a line each with the chapters that show it."""
    now, lines = code_versions(), []
    for kind, published in record.code.items():
        if now.get(kind) != published:
            shown = list(record.chapters) if kind == STATISTICS else record.chapters_of([kind])
            lines.append(f"{kind} (shown by {', '.join(shown) or 'no chapter'})")
    if record.preset_sha256 and preset_hash(record.preset) != record.preset_sha256:
        lines.append(f"preset {record.preset} (shown by {', '.join(record.chapters)})")
    return lines


def check(folder: Path) -> Provenance:
    """The provenance of the executed chapters in `folder`; UserError where they are stale, or nothing says how old."""
    record = read(folder)
    if lines := stale(record):
        raise UserError(
            f"the numbers in {folder} were made by another version of: {'; '.join(lines)}; run make publish, or "
            "synthgap run"
        )
    return record
