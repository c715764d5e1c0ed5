"""Which artifacts an exhibit is made from: its study methods are called again, and what they read is noted."""

from __future__ import annotations

import copy
import functools
import importlib
import re
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from ..base.machine import device_name
from ..base.threads import one_thread
from ..exhibits.registry import Registry, registry
from ..graph.specs import Data, Spec, in_order
from .provenance import Images, Made, Provenance
from .stale import STATISTICS, code_versions, preset_hash

if TYPE_CHECKING:
    from ..exhibits.old_base import StudyBase
    from ..exhibits.study import Study
    from ..graph.store import Store

SOURCES = ("synthgap", "chapters", "pyproject.toml", "requirements.lock")  # what a run's numbers depend on


class _Noting:
    """In the place of a store: hands everything to it, and keeps what was asked for."""

    def __init__(self, store: Store):
        self.store = store
        self.read: dict[str, Spec] = {}

    def get(self, spec: Spec) -> Any:
        self.read[spec.key] = spec
        return self.store.get(spec)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def read_by(study: Study, maker: str) -> list[Spec]:
    """What a method of the study, or "module:function" of it, reads from the store."""
    watched = copy.copy(study)
    for cls in type(study).__mro__:  # what the study remembers would not be read again
        for name, value in vars(cls).items():
            if isinstance(value, functools.cached_property):
                watched.__dict__.pop(name, None)
    noting = _Noting(study.store)
    watched.store = noting  # type: ignore[assignment]
    module, _, function = maker.rpartition(":")
    if module:
        getattr(importlib.import_module(module), function)(watched)
    else:
        getattr(watched, maker)()
    return list(noting.read.values())


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


def provenance(study: Study, executed: Path, known: Registry | None = None) -> Provenance:
    """How the exhibits of the notebooks in `executed`, made by `study`, came about."""
    listed = (known or registry()).ours
    chapters = chapters_in(executed)
    names = [name for several in chapters.values() for name in several if name in listed]
    parts = parts_of(study)
    with one_thread():
        traced = {maker: read_by(study, maker) for maker in dict.fromkeys(m for n in names for m in listed[n].reads)}
    needed = {n: in_order([spec for maker in listed[n].reads for spec in traced[maker]]) for n in names}
    every = in_order([spec for specs in needed.values() for spec in specs])
    first = study.store.provenance(study.main.data["train"])
    code = code_versions()
    return Provenance(
        preset=study.preset.name,
        preset_sha256=preset_hash(study.preset.name),
        seeds=study.seeds,
        device="workers of a Dask scheduler" if study.scheduler else device_name(study.device),
        gpu=study.device == "cuda",
        executed=datetime.now(UTC).strftime("%Y-%m-%d"),
        versions={**first["packages"], "Python": first["python"]},
        **commit(),
        code={kind: code[kind] for kind in sorted({spec.kind for spec in every} | {STATISTICS})},
        data=_data(every, parts),
        chapters=chapters,
        exhibits={name: made(specs, study.store, parts) for name, specs in needed.items() if specs},
    )


def parts_of(study: StudyBase) -> dict[str, tuple[str, str]]:
    """Key of each set of real images → its data set and part; of equal sets the first part's."""
    pairs = [(data.key, (arms.name, part)) for arms in study.columns for part, data in arms.data.items()]
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
