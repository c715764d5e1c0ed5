"""Computing what is missing: in this process, or on Dask workers with one thread each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from tqdm import tqdm

from ..base.errors import UserError
from ..base.words import clock
from .estimate import cost
from .specs import Spec
from .store import Store

WORTH_A_CLUSTER = 30.0  # core-seconds; starting workers takes about five
PLAIN_LINE_EVERY = 15.0  # seconds, where there is no terminal


def run(
    specs: list[Spec],
    store: Store,
    workers: int | str = "auto",
    label: str = "synthgap",
    scheduler: str | None = None,
) -> int:
    """Compute every missing artifact of `specs`; returns how many there were.

    workers : processes; "auto" is one a core, or none where the work is too small to pay for starting them.
    scheduler : address of a Dask scheduler; its workers, which share the store's folder, are used instead.
    The bytes of an artifact depend on neither.
    """
    check_workers(workers)
    missing = store.missing(specs)
    if not missing:
        return 0
    count = 0 if scheduler else workers_for(workers, missing)
    with _Progress(missing, store, label) as progress:
        if count == 1:
            for spec in missing:
                with progress.watching():
                    store.compute(spec)
                progress.finished(spec)
        else:
            _on_dask(missing, store, count, scheduler, progress)
    return len(missing)


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
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(), len(missing))


def _on_dask(missing: list[Spec], store: Store, count: int, scheduler: str | None, progress: _Progress) -> None:
    """Map the graph onto Dask: a future per specification, longest remaining chain first."""
    from . import cluster  # slow to import

    chain = longest_chain(missing)
    with ExitStack() as stack:
        if scheduler is None:
            client, passport = stack.enter_context(cluster.local(count)), ""
        else:
            client, passport = stack.enter_context(cluster.remote(scheduler, missing, store.root))
        futures = cluster.submit_all(client, missing, store.root, chain, passport)
        cluster.gather(futures, progress.finished, progress.show)


def longest_chain(missing: list[Spec], cost: Callable[[Spec], float] = cost) -> dict[str, float]:
    """Core-seconds from the start of a specification to the end of what needs it most."""
    chain = {s.key: cost(s) for s in missing}
    for spec in reversed(missing):
        for item in spec.inputs:
            if item.key in chain:
                chain[item.key] = max(chain[item.key], cost(item) + chain[spec.key])
    return chain


class _Progress:
    """Share of the estimated work that is done and the time left: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, missing: list[Spec], store: Store, label: str):
        self.store, self.label = store, label
        self.left = {s.key: s for s in missing}
        self.costs = {s.key: cost(s) for s in missing}
        self.total, self.count = sum(self.costs.values()), len(missing)
        self.started = time.monotonic()
        self.last_line = self.started
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(total=100, desc=label, bar_format="{desc} {percentage:3.0f}%|{bar}|{postfix}")

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.close()
        elif time.monotonic() - self.started > 5 and not any(error):
            print(
                f"{self.label}: {self.count} artifacts in {clock(time.monotonic() - self.started)}",
                flush=True,
            )

    def finished(self, spec: Spec) -> None:
        self.left.pop(spec.key, None)
        self.show()

    def watching(self) -> _Watch:
        """While the work runs in this very process, a thread looks at its progress."""
        return _Watch(self.show)

    def show(self) -> None:
        running = {k: self.store.progress(s) for k, s in self.left.items()}
        share = 1 - sum(self.costs[k] * (1 - running[k]) for k in self.left) / max(self.total, 1e-9)
        elapsed = time.monotonic() - self.started
        remaining = clock(elapsed * (1 - share) / share) if share > 0.01 else "?"
        text = f" {self.count - len(self.left)}/{self.count} artifacts, {remaining} left"
        active = sorted({self.left[k].kind for k, v in running.items() if v > 0})
        if active:
            text += f" ({', '.join(active)})"
        if self.bar:
            self.bar.n = round(100 * share, 1)
            self.bar.set_postfix_str(text, refresh=True)
        elif time.monotonic() - self.last_line > PLAIN_LINE_EVERY:
            self.last_line = time.monotonic()
            print(f"{self.label}: {share:.0%},{text}", flush=True)


class _Watch:
    def __init__(self, show: Callable[[], None]):
        from threading import Event, Thread

        self.stop = Event()
        self.thread = Thread(target=self._loop, args=(show,), daemon=True)

    def _loop(self, show: Callable[[], None]) -> None:
        while not self.stop.wait(1.0):
            show()

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *error: object) -> None:
        self.stop.set()
        self.thread.join()
