"""The store: artifacts on disk, each under the key of its specification.

`<root>/<kind>/<key>/` holds `spec.json`, `data.safetensors` and `provenance.json` (with the SHA-256 of the others).
An artifact is written to a temporary folder and renamed, under a file lock, so that a half-written one can't be
seen; a damaged one is named and computed again.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch.distributed as dist
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..base.disk import writing
from ..base.errors import UserError
from ..base.files import file_sha256, usual_rights
from ..base.processes import joined
from ..base.weights import read_weights
from .compute import KINDS, Job, compute
from .encoding import Arrays, Meta
from .specification import in_order
from .specs import Data, LoadDiffusion, Spec, TrainDiffusion

KEPT_IN_MEMORY = 16
ATTEMPTS = 3  # to read an artifact: others may be mending it at the same time
WORK, LOCKS = ".work", ".locks"  # folders of what is unfinished, and of whoever works on what
DATA, SPEC, PROVENANCE = "data.safetensors", "spec.json", "provenance.json"


class Damaged(Exception):
    """An artifact's files are not those that were written; says which."""


class Store:
    """Artifacts below one folder. `get` computes what is absent; several processes may share the folder."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self._values: OrderedDict[str, Any] = OrderedDict()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:  # ValueError: a name that no file system holds
            raise UserError(f"can't create {self.root} ({error}); choose another results folder") from error

    def folder(self, spec: Spec) -> Path:
        """Where the artifact of `spec` lies."""
        return self.root / spec.stored.kind / spec.stored.key

    def work(self, spec: Spec) -> Path:
        """Scratch folder of an unfinished artifact: checkpoints survive a kill in it."""
        return self.root / WORK / spec.stored.key

    def has(self, spec: Spec) -> bool:
        return (self.folder(spec) / PROVENANCE).is_file()

    def missing(self, specs: list[Spec]) -> list[Spec]:
        """What must be computed for `specs`, inputs first; inputs of what is there are not asked for."""
        needed: dict[str, Spec] = {}

        def visit(spec: Spec) -> None:
            if spec.key not in needed and not self.has(spec):
                needed[spec.key] = spec
                for item in spec.inputs:
                    visit(item)

        for spec in specs:
            visit(spec.stored)
        return [s for s in in_order(list(needed.values())) if s.key in needed]

    def get(self, spec: Spec) -> Any:
        """The value of `spec`: from memory, from disk, or computed with all it needs."""
        return spec.taken_from(self._get(spec.stored))

    def _get(self, spec: Spec) -> Any:
        if spec.key in self._values:
            self._values.move_to_end(spec.key)
            return self._values[spec.key]
        for _ in range(ATTEMPTS):
            if not self.has(spec):
                self.compute(spec)
            value = self._read(spec)
            if value is not None:
                break
        else:
            raise UserError(f"{self.folder(spec)} is damaged as soon as it is written; check the disk")
        self._values[spec.key] = value
        while len(self._values) > KEPT_IN_MEMORY:
            self._values.popitem(last=False)
        return value

    def put(self, spec: Data | LoadDiffusion, value: Any) -> None:
        """Store a value made elsewhere (loaded images, a loaded model), unless it is there."""
        if self.has(spec):
            return  # a complete store may lie on a disk that can't be written
        with self._locked(spec):
            if not self.has(spec):
                self._write(spec, value, seconds=0.0)

    def compute(self, spec: Spec) -> None:
        """Compute and store one artifact; inputs that are absent are computed first.

        Raises UserError when the disk can't be written; checkpoints are kept, half-written files are not.
        """
        spec = spec.stored
        with self._locked(spec):
            if self.has(spec):
                return  # another process was faster
            work = self.work(spec)
            try:
                with writing(self.root):
                    work.mkdir(parents=True, exist_ok=True)
                    _drop_unreadable(work)
                    started = time.perf_counter()
                    value = compute(spec, Job(self.get, work, _Report(work / "progress")))
                self._write(spec, value, time.perf_counter() - started)
            except UserError:
                for left in work.glob("*.tmp"):
                    left.unlink(missing_ok=True)
                raise
            shutil.rmtree(work, ignore_errors=True)

    def compute_together(self, spec: Spec) -> None:
        """`compute` for a diffusion model's training, called by each of the processes that `torchrun` has started.

        They share the batches, and the first one writes. Raises UserError for another kind and where inputs are absent.
        """
        if not isinstance(spec, TrainDiffusion):
            raise UserError(f"{spec.kind} can't be shared by several processes; compute it without torchrun")
        if absent := [item for item in spec.inputs if not self.has(item)]:
            raise UserError(f"{absent[0].kind} {absent[0].key[:12]} is missing; compute it first, without torchrun")
        with joined(spec.device) as rank:
            if rank == 0:
                _drop_unreadable(self.work(spec))
            done = [self.has(spec)]
            dist.broadcast_object_list(done)  # the others see the folder as the first one left it
            if rank == 0 and not done[0]:
                self.compute(spec)
            elif not done[0]:
                compute(spec, Job(self.get, self.work(spec), lambda share: None))

    def progress(self, spec: Spec) -> float:
        """Share of an unfinished artifact that is done, in [0, 1]; 0 where nothing is known."""
        try:
            return float((self.work(spec) / "progress").read_text())
        except (OSError, ValueError):
            return 0.0

    def provenance(self, spec: Spec) -> dict:
        """When, where and with which versions the artifact was made."""
        return json.loads((self.folder(spec) / PROVENANCE).read_text())

    @contextmanager
    def _locked(self, spec: Spec) -> Iterator[None]:
        """Among all processes that share the folder, only this one works on `spec` inside."""
        lock = FileLock(self.root / LOCKS / f"{spec.key}.lock")
        with writing(self.root):
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _write(self, spec: Spec, value: Any, seconds: float) -> None:
        arrays, meta = KINDS[type(spec)].encode(value)
        target = self.folder(spec)
        temporary = self.root / WORK / f"{spec.key}.new"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            with writing(self.root):
                temporary.mkdir(parents=True)
                # one metadata entry: the format keeps several in no fixed order, and equal runs must give equal bytes
                save_file(arrays, temporary / DATA, metadata={"meta": json.dumps(meta, sort_keys=True)})
                (temporary / SPEC).write_text(spec.model_dump_json(indent=1), encoding="utf-8")
                usual_rights(temporary / DATA)
                files = {name: file_sha256(temporary / name) for name in (DATA, SPEC)}
                provenance = {"files": files, "seconds": round(seconds, 3), **_circumstances()}
                (temporary / PROVENANCE).write_text(json.dumps(provenance, indent=1), encoding="utf-8")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)  # what a kill left of an artifact that was being removed
                os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def files(self, spec: Spec) -> dict[str, str]:
        """File of the artifact → SHA-256, as written when it was made."""
        return self.provenance(spec)["files"]

    def _read(self, spec: Spec) -> Any:
        """The stored value, or None when the artifact was damaged and has been set aside."""
        version = self._version(spec)
        try:
            return self._checked(spec)
        except Damaged as error:
            folder = self.folder(spec)
            print(f"synthgap: {folder} is damaged ({error}); computing it again", file=sys.stderr)
        with self._locked(spec):
            if self._version(spec) == version:  # else another process has mended it meanwhile
                shutil.rmtree(folder, ignore_errors=True)
        return None

    def _checked(self, spec: Spec) -> Any:
        """The stored value; raises Damaged where the files are not those that were written."""
        folder = self.folder(spec)
        try:
            changed = [name for name, digest in self.files(spec).items() if file_sha256(folder / name) != digest]
            if not changed:
                with safe_open(folder / DATA, framework="numpy") as file:
                    arrays = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (not a dict)
                    return self._decoded(spec, arrays, json.loads(file.metadata()["meta"]))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise Damaged(str(error)) from error
        raise Damaged(", ".join(changed))

    def _decoded(self, spec: Spec, arrays: Arrays, meta: Meta) -> Any:
        return KINDS[type(spec)].decode(arrays, meta)

    def _version(self, spec: Spec) -> tuple[int, int] | None:
        """Tells one writing of an artifact from the next."""
        with suppress(OSError):
            status = (self.folder(spec) / PROVENANCE).stat()
            return status.st_ino, status.st_mtime_ns
        return None


class _Report:
    """Writes the share done to a file, at most twice a second: whoever started the run can read it."""

    def __init__(self, path: Path):
        self.path, self.last = path, 0.0

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self.last >= 0.5:
            self.last = now
            with suppress(OSError):  # a full disk is told by what must be written
                self.path.write_text(f"{share:.4f}")


def _drop_unreadable(work: Path) -> None:
    """Remove a checkpoint that is cut short or altered: its artifact is computed from the start, and that is said."""
    for path in work.glob("*.safetensors"):
        try:
            read_weights(path)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            print(f"synthgap: {path} is damaged ({error}); starting that training again", file=sys.stderr)
            path.unlink(missing_ok=True)


def _circumstances() -> dict:
    together = {"processes": dist.get_world_size()} if dist.is_initialized() else {}
    return together | {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()} {platform.system()}",
        "python": platform.python_version(),
        "packages": _versions(),
    }


@functools.cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("synthgap", "torch", "torchvision", "numpy", "torch-fidelity")}
