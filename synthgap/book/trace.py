"""Which artifacts an exhibit is made from, and how they came about: all of it follows from its declaration."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from ..base.machine import device_name
from ..design.loading import Design
from ..exhibits.base import Lab
from ..exhibits.blocks import Elsewhere
from ..exhibits.files import joinable
from ..exhibits.sections import exhibits
from ..graph.specification import in_order
from ..graph.specs import Data, Spec
from ..graph.store import Store
from .provenance import Apart, Change, Images, Made, Provenance
from .stale import STATISTICS, code_versions, preset_hash

SOURCES = ("synthgap", "chapters", "pyproject.toml", "requirements.lock")  # what a run's numbers depend on


def exhibits_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Names of the figures and tables that an executed notebook shows, in their order."""
    names = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                names.append(name)
            shown = [output.get("data", {}).get("text/markdown", "") for output in cell.outputs]
            names += re.findall(r"^:name: (\S+)$", "\n".join(shown), re.MULTILINE)
    return names


def chapters_in(folder: Path) -> dict[str, tuple[str, ...]]:
    """Chapter → its exhibits, of all executed notebooks in a folder."""
    paths = sorted(path for path in folder.glob("[!.]*.ipynb") if not path.name.endswith(".failed.ipynb"))
    return {path.stem: tuple(exhibits_of(nbformat.read(path, as_version=4))) for path in paths}


def provenance(lab: Lab, executed: Path) -> Provenance:
    """How the exhibits of the notebooks in `executed`, made from the artifacts of `lab`, came about."""
    d, known = lab.here, exhibits()
    chapters = chapters_in(executed)
    names = [name for several in chapters.values() for name in several if name in known]
    parts = parts_of(d)
    needed = {n: in_order([spec for r in known[n].reads for spec in r.specs(d)]) for n in names}
    every = in_order([spec for specs in needed.values() for spec in specs])
    first = lab.store.provenance(d.main.data["train"])
    code = code_versions()
    return Provenance(
        preset=d.preset.name,
        preset_sha256=preset_hash(d.preset.name),
        seeds=lab.design.seeds,
        blocks=tuple(block.made for block in lab.blocks),
        device="workers of a Dask scheduler" if lab.scheduler else device_name(d.device),
        gpu=d.device == "cuda",
        executed=datetime.now(UTC).strftime("%Y-%m-%d"),
        versions={**first["packages"], "Python": first["python"]},
        **commit(),
        code={kind: code[kind] for kind in sorted({spec.kind for spec in every} | {STATISTICS})},
        data=_data(every, parts),
        generators={arms.name: arms.model.fingerprint for arms in d.columns if arms.model},
        chapters=chapters,
        exhibits={name: made(specs, lab.store, parts) for name, specs in needed.items() if specs},
    )


def elsewhere(lab: Lab) -> Elsewhere:
    """How the rows of a study's block came about; the store holds what they are made from."""
    specs = in_order([spec for one in joinable() for spec in one.specs(lab.here)])
    known = made(specs, lab.store, parts_of(lab.here))
    how = {"seeds": lab.here.seeds, "device": device_name(lab.design.device), **commit()}
    return Elsewhere(days=known.made, seconds=known.seconds, **how)


def with_chapter(record: Provenance, chapter: str, other: Provenance, own: Sequence[Change] = ()) -> Provenance:
    """The record of a published book with one more chapter, or another version of one, that another run made.

    own : what has changed between that run and the book's, where the book's is younger; `stale.account` adds the rest.
    """
    told = len(record.since.changes) if record.since else 0
    alone = other.model_copy(update={"chapters": {chapter: other.chapters[chapter]}})
    return record.model_copy(
        update={
            "chapters": record.chapters | alone.chapters,
            "apart": record.apart | {chapter: Apart(record=alone, told=told, own=tuple(own))},
        }
    )


def parts_of(d: Design) -> dict[str, tuple[str, str]]:
    """Key of each set of real images → its data set and part; of equal sets the first part's."""
    pairs = [(data.key, (arms.name, part)) for arms in d.columns for part, data in arms.data.items()]
    return dict(reversed(pairs))


def made(specs: list[Spec], store: Store, parts: Mapping[str, tuple[str, str]]) -> Made:
    """What the store knows of artifacts and of everything that they were made from; `specs` holds that, too."""
    notes = [store.provenance(spec) for spec in specs]
    days = sorted(note["made"][:10] for note in notes)
    return described(specs, parts).model_copy(
        update={
            "artifacts": len(specs),
            "seconds": round(sum(note["seconds"] for note in notes), 1),
            "made": (days[0], days[-1]),
        }
    )


def described(specs: Iterable[Spec], parts: Mapping[str, tuple[str, str]]) -> Made:
    """What specifications alone say of an exhibit."""
    data: dict[str, list[str]] = {}
    for spec in specs:
        if isinstance(spec, Data):
            name, part = parts[spec.key]
            data.setdefault(name, []).append(part)
    seeds = {spec.seed for spec in specs if getattr(spec, "seed", None) is not None}
    return Made(
        kinds=tuple(sorted({spec.kind for spec in specs})),
        data={name: tuple(several) for name, several in data.items()},
        seeds=tuple(sorted(seeds)),
    )


def _data(specs: Iterable[Spec], parts: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, Images]]:
    out: dict[str, dict[str, Images]] = {}
    for spec in specs:
        if isinstance(spec, Data):
            name, part = parts[spec.key]
            out.setdefault(name, {})[part] = Images(count=spec.count, sha256=spec.fingerprint)
    return out


def commit() -> dict[str, Any]:
    """Commit of the source tree of this package, and whether code or chapters differ from it; None outside of git."""
    root = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()

    try:
        if not git("ls-files", "synthgap/__init__.py"):  # an installed package inside somebody's repository
            return {"commit": None, "dirty": None}
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", *SOURCES))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
