"""A finished run as files beside its chapters, so that its results can be read when its data and its store are gone.

`run.json` says what was compared, `kept/` holds the small artifacts that results read (`graph.kept`). Runs with other
seeds, and everything else equal, are joined from these two alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ..base.disk import write_text
from ..base.errors import UserError
from ..graph.codehash import code_hash
from ..graph.kept import Kept, keep, link, read_notes, write_notes
from ..graph.settings import Frozen
from ..graph.specs import KINDS, Data, LoadDiffusion, Spec
from ..graph.store import DATA, PROVENANCE, Store
from .arms import Arms
from .heads import Heads
from .loading import Design
from .options import Options
from .preset import DataChoice, Preset

RECORD, KEPT = "run.json", "kept"
PLACES = ("generator", "features")  # options that say where a file lies; what it holds is compared
WORDS = ("name", "summary", "budget", "seeds", "crossed")  # of a preset; runs that differ in them can be joined


class Column(BaseModel):
    """Arms of one data set: its name, its parts, whether classifiers may see images mirrored, and a given model."""

    name: str
    data: dict[str, Data]
    mirrored: bool
    model: LoadDiffusion | None = None


class Judge(BaseModel):
    """Heads on frozen features; see `Heads` for the fields."""

    data: dict[str, Data]
    record: dict[str, Any]
    network: Frozen
    mirrored: bool
    groups: tuple[int, ...] = ()
    generators: int = 1


class Record(BaseModel):
    """What a run compared; see `Design` for the fields. code : kind of artifact → hash of the code that makes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: dict[str, Any]
    preset: Preset
    seeds: tuple[int, ...]
    device: str
    choices: tuple[DataChoice, ...]
    columns: tuple[Column, ...]
    records: tuple[dict[str, Any], ...]
    found_in_given: tuple[str, ...]
    code: dict[str, str]
    looks: tuple[int, ...] = ()
    heads: Judge | None = None

    @classmethod
    def of(cls, d: Design) -> Self:
        """The record of a design, made by the present code."""
        columns = tuple(
            Column(name=arms.name, data=arms.data, mirrored=arms.mirrored, model=arms.model) for arms in d.columns
        )
        plain = {name: getattr(d, name) for name in ("preset", "seeds", "device", "choices", "found_in_given", "looks")}
        heads = Judge(**{name: getattr(d.heads, name) for name in Judge.model_fields}) if d.heads else None
        made = {"records": d.records, "code": code_of_kinds(), "heads": heads}
        return cls(options=asdict(d.options), columns=columns, **made, **plain)

    def design(self) -> Design:
        """The inverse."""
        d = Design(
            Options(**self.options),
            self.preset,
            self.seeds,
            self.device,
            self.choices,
            (),
            self.records,
            self.found_in_given,
            self.looks,
        )
        columns = [
            Arms(c.name, c.data, self.preset.of(choice), self.seeds, self.device, c.mirrored, c.model)
            for c, choice in zip(self.columns, self.choices, strict=True)
        ]
        d = replace(d, columns=tuple(columns))
        if self.heads is None:
            return d
        own = {name: getattr(self.heads, name) for name in Judge.model_fields}
        return replace(d, heads=Heads(preset=d.arms.preset, device=self.device, **own))


def code_of_kinds() -> dict[str, str]:
    """Kind of artifact → hash of the present code that makes it."""
    return {kind.model_fields["kind"].default: code_hash(kind.code) for kind in KINDS}


def leave(d: Design, plan: list[Spec], store: Store, folder: Path) -> None:
    """Write a finished run, whose plan the store holds, into its folder."""
    keep(plan, store, folder / KEPT)
    write_text(folder / RECORD, Record.of(d).model_dump_json(indent=1))


def read_record(folder: Path) -> Record:
    """What `leave` has written; UserError where there is none, or something else."""
    path = folder / RECORD
    if not path.is_file():
        raise UserError(
            f"{folder} is no finished run (it holds no {RECORD}); name the folder of one, results/quick for instance, "
            "and let synthgap run finish there"
        )
    try:
        return Record.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        told = " ".join(str(error).split())[:200]
        raise UserError(f"{path} can't be read ({told}); copy the run's folder again, or run it again") from error


def reopened(folder: Path) -> tuple[Design, Kept]:
    """A finished run without its store.

    Raises UserError for a folder that is none, and for a run by other code than the present one.
    """
    record = read_record(folder)
    if changed := _unlike(record.code, code_of_kinds()):
        raise UserError(
            f"{folder} was made by other code of {', '.join(changed)} than this; take the version that made it"
        )
    return record.design(), Kept(folder / KEPT)


def join(folders: list[Path], out: Path) -> None:
    """Join finished runs that differ in their seeds alone: `out` becomes one with the seeds of all.

    Raises UserError, before anything is written, where the seeds are not 0, 1, … together, where anything else differs,
    and where two runs hold another value of the same artifact.
    """
    runs = [(folder, read_record(folder)) for folder in folders]
    if grown := [folder for folder, one in runs if one.looks]:
        raise UserError(
            f"{grown[0]} was run with --minutes: its seeds were added by what it found; join runs whose number of "
            "seeds was fixed, or give this one more minutes"
        )
    first, record = runs[0]
    for folder, other in runs[1:]:
        if told := difference(record, other):
            raise UserError(f"{first} and {folder} can't be joined: {told}")
    seeds = sorted({seed for _, one in runs for seed in one.seeds})
    if absent := sorted(set(range(seeds[-1] + 1)) - set(seeds)):
        raise UserError(
            f"no run has the seed{'s' * (len(absent) > 1)} {', '.join(map(str, absent))} (there are "
            f"{', '.join(map(str, seeds))}); joined seeds are 0, 1, … without a gap"
        )
    several = _artifacts(folders)
    leading = max(_leading(one.seeds) for _, one in runs)
    preset = record.preset.model_copy(update={"seeds": len(seeds), "crossed": min(record.preset.crossed, leading)})
    for place, source in several.items():
        link(source, out / KEPT / place)
    notes = [read_notes(folder / KEPT) for folder in folders]
    together = {key: note for one in reversed(notes) for key, note in one["artifacts"].items()}
    write_notes(out / KEPT, notes[0] | {"artifacts": together})
    joined = record.model_copy(update={"seeds": tuple(seeds), "preset": preset})
    write_text(out / RECORD, joined.model_dump_json(indent=1))


def _leading(seeds: tuple[int, ...]) -> int:
    """How many of 0, 1, 2, … one run has: only there are generators and classifiers of several seeds crossed."""
    return next(n for n in range(len(seeds) + 1) if n not in seeds)


def _artifacts(folders: list[Path]) -> dict[Path, Path]:
    """Place of each kept artifact → one folder that holds it; UserError where two hold different values."""
    found: dict[Path, Path] = {}
    for folder in folders:
        root = folder / KEPT
        for path in sorted(root.glob(f"[!.]*/*/{PROVENANCE}")):
            place = path.parent.relative_to(root)
            before = found.setdefault(place, path.parent)
            if before != path.parent and _sums(before) != _sums(path.parent):
                kind, key = place.parts
                raise UserError(
                    f"{before.parents[2]} and {folder} hold different values of {kind} {key[:12]}, which both "
                    "computed; leave one of them out"
                )
    return found


def _sums(folder: Path) -> str:
    """SHA-256 of an artifact's data."""
    return json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["files"][DATA]


def difference(one: Record, other: Record) -> str:
    """What of two runs differs, beside their seeds; "" where nothing does."""
    if changed := _unlike(one.code, other.code):
        return f"other code made {', '.join(changed)}; run one of them again with the version of the other"
    if one.device != other.device:
        return f"device {one.device} and {other.device}; their numbers differ in the last digits"
    several = [{k: v for k, v in run.options.items() if k not in PLACES} for run in (one, other)]
    if changed := _unlike(*several):
        name = changed[0]
        return f"{name} is {one.options[name]!r} in the one, {other.options[name]!r} in the other"
    exclude: dict[str, Any] = dict.fromkeys(WORDS, True) | {"generator": {"pretrained"}}
    presets = [run.preset.model_dump(mode="json", exclude=exclude) for run in (one, other)]
    if changed := _unlike(*map(_flat, presets)):
        name = changed[0]
        several = [_flat(preset).get(name) for preset in presets]
        return f"{name} of the preset is {several[0]!r} in the one, {several[1]!r} in the other"
    if changed := _unlike(_images(one), _images(other)):
        return f"their images differ ({changed[0]})"
    if changed := _unlike(_models(one), _models(other)):
        return f"the generator of {changed[0]} is another file's in the one than in the other"
    if (one.heads and one.heads.network) != (other.heads and other.heads.network):
        return "the networks whose features judge are others, or have other weights"
    return ""


def _images(run: Record) -> dict[str, str]:
    return {f"{column.name} {part}": data.key for column in run.columns for part, data in column.data.items()}


def _models(run: Record) -> dict[str, str]:
    return {column.name: column.model.key for column in run.columns if column.model}


def _unlike(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names under which two dictionaries differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _flat(nested: dict[str, Any], before: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}."""
    out: dict[str, Any] = {}
    for name, value in nested.items():
        out |= _flat(value, f"{before}{name}.") if isinstance(value, dict) and value else {f"{before}{name}": value}
    return out
