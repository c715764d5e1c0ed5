"""Is a Dask worker that someone else started fit to compute for this study?

A worker on another machine may lack the results folder, or have another version of the code, whose artifacts would go
under names that promise this one's. So the client leaves a file in the folder, and each worker reads it before it
computes anything, workers that come later, too.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from distributed import get_worker

from ..base.disk import writing
from .codehash import ROOT
from .specs import Spec, parse_spec

CLOCKS = 2.0  # seconds that the clocks of two machines may differ by
SAME = "install the same one there and start the worker again"


@contextmanager
def issued(specs: list[Spec], root: Path) -> Iterator[str]:
    """Path of a file in the folder `root`, for the block: a specification of each kind in `specs`, with its key."""
    one = {spec.kind: spec for spec in specs}.values()
    path = root.resolve() / f".workers-{uuid.uuid4().hex[:16]}.json"
    try:
        with writing(root):
            path.write_text(json.dumps({spec.key: spec.model_dump_json() for spec in one}), encoding="utf-8")
        yield str(path)
    finally:
        with suppress(OSError):
            path.unlink()


def examine(passport: str, dask_worker: object = None) -> str:
    """On a worker: why it can't be used, and the remedy; empty when it can."""
    threads = (dask_worker or get_worker()).state.nthreads
    if threads != 1:  # PyTorch's random state and number of threads belong to the whole process
        return f"has {threads} threads; start it with --nthreads 1, and more of them with --nworkers"
    return _examined(passport)


@functools.lru_cache(maxsize=1)
def _examined(passport: str) -> str:
    try:
        keys = json.loads(Path(passport).read_text(encoding="utf-8"))
    except OSError as error:
        place = Path(passport).parent
        return f"doesn't see the results in {place} ({error.strerror}); mount that folder there under the same path"
    changed = max(path.stat().st_mtime for path in ROOT.rglob("*.py"))
    if changed > psutil.Process().create_time() + CLOCKS:
        return "was started before its code was changed; start it again"
    for key, text in keys.items():
        try:
            spec = parse_spec(text)
        except ValueError:  # it doesn't know the kind, or a field of it
            return f"has another version of synthgap; {SAME}"
        if spec.key != key:
            return f"has another version of synthgap ({spec.kind} is computed by other code); {SAME}"
    return ""
