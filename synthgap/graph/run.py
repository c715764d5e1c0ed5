"""Computing what is missing: in this process, or on Dask workers with one thread each."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime

from ..base.errors import UserError
from ..base.machine import cores
from ..base.progress import Progress
from ..base.words import clock
from .estimate import BUSY, cost
from .specs import Data, Spec
from .store import Store

WORTH_A_CLUSTER = 30.0  # core-seconds; starting workers takes about five
WORTH_TELLING = 5.0  # seconds after which it is said how long the work took


def run(
    specs: list[Spec],
    store: Store,
    workers: int | str = "auto",
    label: str = "synthgap",
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> int:
    """Compute every missing artifact of `specs`; returns how many there were.

    workers : processes; "auto" is one a core, or none where the work is too small to pay for starting them. Each GPU
        has one more, which alone works on it.
    scheduler : address of a Dask scheduler; its workers, which share the store's folder, are used instead.
    progress : of a larger work that this is part of; artifacts are its parts, by their keys.
    The bytes of an artifact depend on none of these.
    """
    check_workers(workers)
    missing = store.missing(specs)
    if not missing:
        return 0
    count = 0 if scheduler else workers_for(workers, missing)
    with _telling(label, len(missing)) if progress is None else nullcontext(progress) as told:
        told.expect({spec.key: BUSY * cost(spec) / max(count, 1) for spec in missing})
        for spec in missing:
            told.begin(spec.key, spec.kind, functools.partial(store.progress, spec))
        if count == 1:
            with told.watching():
                for spec in missing:
                    store.compute(spec)
                    told.finish(spec.key)
        else:
            _on_dask(missing, store, count, scheduler, told)
    return len(missing)


@contextmanager
def _telling(label: str, count: int) -> Iterator[Progress]:
    """Progress of this work alone; how long it took is said at its end."""
    with Progress(label, "artifacts") as progress:
        yield progress
    if progress.elapsed > WORTH_TELLING:
        print(f"{label}: {count} artifacts in {clock(progress.elapsed)}", flush=True)


def taken(specs: list[Spec], store: Store, within: float = math.inf) -> dict[str, tuple[float, float]]:
    """Kind → seconds that those of `specs` took that the store holds, and seconds by the cost model; data sets aside.

    within : only those that were made in the last so many seconds.
    """
    sums: dict[str, tuple[float, float]] = {}
    now = datetime.now(UTC)
    for spec in specs:
        if not isinstance(spec, Data) and store.has(spec):
            note = store.provenance(spec)
            if (now - datetime.fromisoformat(note["made"])).total_seconds() < within:
                real, modelled = sums.get(spec.kind, (0.0, 0.0))
                sums[spec.kind] = real + note["seconds"], modelled + cost(spec)
    return sums


def check_workers(workers: int | str) -> None:
    """UserError unless `workers` is "auto" or a number from 1."""
    if workers != "auto" and not (isinstance(workers, int) and not isinstance(workers, bool) and workers >= 1):
        raise UserError(f'workers is {workers!r}; give a number of processes from 1, or "auto"')


def workers_for(workers: int | str, missing: list[Spec]) -> int:
    """Processes that work on `missing`: the number asked for, or one a core where the work pays for starting them."""
    if workers != "auto":
        return min(workers, len(missing))
    if sum(map(cost, missing)) < WORTH_A_CLUSTER:
        return 1
    return min(cores(), len(missing))


def cards_for(missing: list[Spec]) -> int:
    """GPUs of this machine that some of `missing` is for."""
    import torch

    asked = any(getattr(spec, "device", "cpu") == "cuda" for spec in missing)
    return torch.cuda.device_count() if asked else 0


def _on_dask(missing: list[Spec], store: Store, count: int, scheduler: str | None, progress: Progress) -> None:
    """Map the graph onto Dask: a future per specification, longest remaining chain first."""
    from . import cluster  # slow to import

    chain, cards = longest_chain(missing), 0
    with ExitStack() as stack:
        if scheduler is None:
            cards = cards_for(missing)
            client, passport = stack.enter_context(cluster.local(count, cards)), ""
        else:
            client, passport = stack.enter_context(cluster.remote(scheduler, missing, store.root))
        futures = cluster.submit_all(client, missing, store.root, chain, passport, cards)
        cluster.gather(futures, lambda spec: progress.finish(spec.key), progress.show)


def longest_chain(missing: list[Spec], cost: Callable[[Spec], float] = cost) -> dict[str, float]:
    """Core-seconds from the start of a specification to the end of what needs it most."""
    chain = {s.key: cost(s) for s in missing}
    for spec in reversed(missing):
        for item in spec.inputs:
            if item.key in chain:
                chain[item.key] = max(chain[item.key], cost(item) + chain[spec.key])
    return chain
