"""What is left of a run when its store is gone: the small artifacts that results read, and notes on how all were made.

Small are predictions, features, scores, measures and maps. Of real images the labels and class names are kept; of other
images and of weights nothing is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ..base.disk import writing
from ..base.errors import UserError
from ..base.files import file_sha256, usual_rights
from ..data.imageset import ImageSet
from .encoding import Arrays, Meta
from .specification import in_order
from .specs import (
    Attend,
    Data,
    Extract,
    FitHead,
    MeasureCollapse,
    MeasureDetection,
    MeasureFidelity,
    MeasureFrozen,
    MeasureLikelihood,
    MeasureMemorization,
    Predict,
    Spec,
)
from .store import DATA, PROVENANCE, SPEC, Damaged, Store

SMALL = (
    Predict,
    Attend,
    Extract,
    FitHead,
    MeasureFidelity,
    MeasureFrozen,
    MeasureDetection,
    MeasureLikelihood,
    MeasureMemorization,
    MeasureCollapse,
)
NOTES = "notes.json"
NOTED = ("made", "seconds", "packages", "python")  # of an artifact's provenance; the last two once for all


class NotKept(UserError):
    """Something was asked for that is gone with the store: images or weights."""


@dataclass(frozen=True)
class Labels:
    """What is kept of real images; see `ImageSet` for the fields. Asking for `images` raises NotKept."""

    labels: np.ndarray
    classes: tuple[str, ...]
    name: str
    augment: tuple[str, ...]
    shape: tuple[int, int, int]

    @property
    def images(self) -> np.ndarray:
        raise NotKept(f"the images of {self.name} went with the store")

    def __len__(self) -> int:
        return len(self.labels)


def keep(plan: list[Spec], store: Store, folder: Path) -> None:
    """Put what is small of `plan`, whose artifacts the store holds, into `folder`, which appears whole.

    Files are those of the store under a second name where the disk allows it, else copies.
    """
    every = in_order(plan)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        with writing(folder.parent):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            for spec in {spec.key: spec for spec in plan if isinstance(spec, SMALL)}.values():
                link(store.folder(spec), temporary / spec.kind / spec.key)
            for spec in every:
                if isinstance(spec, Data):
                    _keep_labels(spec, store.get(spec), temporary / spec.kind / spec.key)
            write_notes(temporary, _notes(every, store))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def link(source: Path, target: Path) -> None:
    """Give the files of an artifact a second place; copies where the disk has no second names for files."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copy2(file, target / file.name)


def _keep_labels(spec: Data, images: ImageSet | Labels, target: Path) -> None:
    target.mkdir(parents=True)
    meta = {"classes": images.classes, "name": images.name, "augment": images.augment, "shape": images.shape}
    save_file({"labels": images.labels}, target / DATA, metadata={"meta": json.dumps(meta, sort_keys=True)})
    (target / SPEC).write_text(spec.model_dump_json(indent=1), encoding="utf-8")
    usual_rights(target / DATA)
    files = {name: file_sha256(target / name) for name in (DATA, SPEC)}
    (target / PROVENANCE).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")


def _notes(specs: Iterable[Spec], store: Store) -> dict[str, Any]:
    several = {spec.key: store.provenance(spec) for spec in specs if store.has(spec) or isinstance(store, Kept)}
    first = next(iter(several.values()), {})
    each = {key: {name: note[name] for name in NOTED[:2]} for key, note in several.items()}
    return {name: first.get(name) for name in NOTED[2:]} | {"artifacts": each}


def write_notes(folder: Path, notes: dict[str, Any]) -> None:
    """Write them as JSON."""
    (folder / NOTES).write_text(json.dumps(notes), encoding="utf-8")


def read_notes(folder: Path) -> dict[str, Any]:
    """The inverse. Raises UserError where they are missing or something else."""
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        if not isinstance(notes["artifacts"], dict):
            raise TypeError("artifacts")
        return notes
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / NOTES} can't be read ({error}); copy the run's folder again") from error


class Kept(Store):
    """The folder that `keep` has filled, as a store that computes nothing: what it lacks raises NotKept."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.notes = read_notes(root)

    def missing(self, specs: list[Spec]) -> list[Spec]:
        """None; NotKept where anything is."""
        for spec in specs:
            if not self.has(spec):
                self.compute(spec)
        return []

    def compute(self, spec: Spec) -> None:
        raise NotKept(f"{spec.kind} {spec.key[:12]} went with the store")

    def provenance(self, spec: Spec) -> dict:
        """When and with which versions the artifact was made; of those that are not kept, too."""
        note = self.notes["artifacts"].get(spec.stored.key)
        if note is None:
            self.compute(spec)
        return {name: self.notes[name] for name in NOTED[2:]} | note

    def files(self, spec: Spec) -> dict[str, str]:
        """File → SHA-256, as written when it was made."""
        return super().provenance(spec)["files"]

    def _read(self, spec: Spec) -> Any:
        try:
            return self._checked(spec)
        except Damaged as error:
            raise UserError(f"{self.folder(spec)} is damaged ({error}); copy the run's folder again") from error

    def _decoded(self, spec: Spec, arrays: Arrays, meta: Meta) -> Any:
        if not isinstance(spec, Data):
            return super()._decoded(spec, arrays, meta)
        named = {name: tuple(v) if isinstance(v, list) else v for name, v in meta.items()}
        return Labels(arrays["labels"], **named)
