"""What a run took, measured: written by every run, and shown by the book for the runs that it has seen.

`costs.json` lies beside a run's chapters. `--publish` copies it to book/costs/ and fills the table in
book/reproduce.md; for a run that is not published: python -m synthgap.book.costs results/quick/costs.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..base.disk import write_text
from ..base.errors import UserError
from ..base.machine import cores, device_name
from ..base.marks import fill
from ..design.preset import load_preset, preset_names
from ..graph.specification import in_order
from ..graph.specs import Data, Spec
from ..graph.store import Store

FOLDER = Path("book") / "costs"
PAGE = Path("book") / "reproduce.md"
UNLIMITED = 1e9  # core-seconds
NOT_YET = "not measured yet"


@dataclass(frozen=True)
class Costs:
    """One run of a preset.

    minutes : from the start of the command that finished it until only the book was left to build.
    computed : artifacts that this command made of the `artifacts` of its plan, images of data sets not counted; fewer
        where it went on from an interrupted one.
    core_minutes : of all artifacts, whichever command made them.
    largest_mb : peak memory of the largest process. disk_mb : of the artifacts.
    """

    preset: str
    minutes: float
    core_minutes: float
    artifacts: int
    computed: int
    cores: int
    largest_mb: float
    disk_mb: float
    machine: str
    made: str

    @property
    def whole(self) -> bool:
        """Did one command make every artifact?"""
        return self.computed >= self.artifacts


def measure(preset: str, plan: Iterable[Spec], store: Store, computed: int, seconds: float) -> Costs:
    """Costs of a plan whose artifacts the store holds; `seconds`: since the command started."""
    specs = [spec for spec in in_order(plan) if store.has(spec)]  # an input may have been removed since
    made = [store.provenance(spec) for spec in specs]
    size = sum(file.stat().st_size for spec in specs for file in store.folder(spec).iterdir())
    return Costs(
        preset=preset,
        minutes=round(seconds / 60, 1),
        core_minutes=round(sum(p["seconds"] for p in made) / 60, 1),
        artifacts=sum(not isinstance(spec, Data) for spec in specs),
        computed=computed,
        cores=cores(),
        largest_mb=round(_peak_mb()),
        disk_mb=round(size / 1e6, 1),
        machine=device_name("cpu"),
        made=max(p["made"] for p in made)[:10],
    )


def save(costs: Costs, path: Path) -> Path:
    """Write them as JSON; the file appears whole."""
    write_text(path, json.dumps(asdict(costs), indent=1) + "\n")
    return path


def load(path: Path) -> Costs:
    """The inverse of `save`. Raises UserError for a file that is missing or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Costs(**{field.name: content[field.name] for field in fields(Costs)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} holds no costs of a run ({error}); give a costs.json that synthgap run wrote"
        ) from error


def publish(path: Path, root: Path) -> None:
    """Keep a run's costs in the repository at `root`, and fill the page's table anew.

    Those of a run that found some artifacts done don't replace those of a whole run of as many.
    """
    costs = load(path)
    before = kept(root).get(costs.preset)
    if before is None or costs.whole or not before.whole or costs.artifacts != before.artifacts:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        save(costs, root / FOLDER / f"{costs.preset}.json")
    fill(root / PAGE, "costs", table(kept(root)))


def kept(root: Path) -> dict[str, Costs]:
    """Preset → costs, of the runs that the repository has kept."""
    return {costs.preset: costs for costs in map(load, sorted((root / FOLDER).glob("*.json")))}


def table(known: dict[str, Costs]) -> str:
    """A line a preset: the cost model's core-minutes, and what was measured."""
    lines = [
        "| preset | planned, core-minutes | measured, core-minutes | time | largest process | on disk | where |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in (*preset_names(), *(n for n in known if n not in preset_names())):
        planned = _planned(name)
        if name not in known:
            lines.append(f"| `{name}` | {planned} | {NOT_YET} | | | | |")
            continue
        c = known[name]
        cores = f"{c.cores} core{'s' * (c.cores > 1)}"
        time = f"{c.minutes:.0f} minutes on {cores}" if c.whole else f"in parts, on {cores}"
        lines.append(
            f"| `{name}` | {planned} | {c.core_minutes:.0f} | {time} | {c.largest_mb:,.0f} MB | {c.disk_mb:,.0f} MB in "
            f"{c.artifacts:,} | {c.machine}, {c.made} |"
        )
    return "\n".join(lines)


def _planned(name: str) -> str:
    """Core-minutes of the preset's budget; a preset for GPUs sets itself no limit."""
    seconds = load_preset(name).budget.core_seconds if name in preset_names() else UNLIMITED
    return "–" if seconds >= UNLIMITED else f"{seconds / 60:.0f}"


def _peak_mb() -> float:
    """Peak resident memory of this process or the largest of those it has waited for; 0 where it can't be told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    several = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(several) / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        publish(Path(name), Path(__file__).resolve().parents[2])
