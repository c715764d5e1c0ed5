"""The graph on Dask: on processes of this machine, or on a scheduler whose workers were started elsewhere.

Workers elsewhere share the results folder, which carries everything: Dask sees specifications, no images.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker

from ..base.errors import UserError
from .specs import Spec
from .store import Store
from .workers import SAME, examine, issued

# Dask's own setting hands every freed block back to the system: page faults then take half of the time of small
# networks (forward evaluations 740/s with it, 1,730/s with the C library's defaults, 2,100/s with these).
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "MALLOC_TRIM_THRESHOLD_": 2**30,
    "MALLOC_MMAP_THRESHOLD_": 2**25,
}
CONNECT = 10.0  # seconds to reach a scheduler
LOOK_EVERY = 0.5  # seconds between two looks at what is done
FIRST_WORKER = 60.0  # seconds until one has a worker
CORE, CARD = "core", "card"  # what a process has for itself, and a piece of work asks for


@contextmanager
def local(count: int, cards: int = 0) -> Iterator[Client]:
    """`count` processes of this machine, one thread each, for as long as the block.

    cards : GPUs; each has one more process, to which it is the only one, and which does nothing else.
    """
    dask.config.set({f"distributed.nanny.pre-spawn-environ.{k}": v for k, v in WORKER_ENVIRONMENT.items()})
    options = {"threads_per_worker": 1, "processes": True, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
    options |= {"resources": {CORE: 1}, "silence_logs": 50}
    with LocalCluster(n_workers=count, **options) as cluster, Client(cluster) as client:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(cards)))
        for card in visible.split(",")[:cards]:
            own = {"resources": {CARD: 1}, "env": {"CUDA_VISIBLE_DEVICES": card}}
            cluster.worker_spec[f"{CARD} {card}"] = cluster.new_spec | {"options": cluster.new_spec["options"] | own}
        if cards:
            cluster.scale(len(cluster.worker_spec))
            client.wait_for_workers(count + cards, timeout=FIRST_WORKER)
        yield client


@contextmanager
def remote(address: str, specs: list[Spec], root: Path) -> Iterator[tuple[Client, str]]:
    """(client of the scheduler at `address`, the file that its workers are examined by, see `passport`).

    UserError for a scheduler that can't be reached, that has no workers, or one of whose workers is refused.
    """
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # a lost connection is told in one line below
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address} within {CONNECT:.0f} s; start one with: dask scheduler, and give "
            "the address that it prints, for instance tcp://10.0.0.1:8786"
        ) from error
    with client, issued(specs, root) as passport:
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER)
        except TimeoutError as error:
            raise UserError(
                f"the scheduler at {address} got no worker within {FIRST_WORKER:.0f} s; start some with: "
                f"dask worker {address} --nthreads 1"
            ) from error
        for worker, answer in client.run(examine, passport, on_error="return").items():
            if isinstance(answer, Exception):
                raise UserError(f"the worker {worker} can't run this version of synthgap ({answer!r}); {SAME}")
            if answer:
                raise UserError(f"the worker {worker} {answer}")
        count, link = len(client.nthreads()), client.dashboard_link
        print(f"synthgap: {count} worker{'s' * (count != 1)} of {address}; dashboard: {link}", flush=True)
        yield client, passport


def submit_all(
    client: Client,
    specs: list[Spec],
    root: Path,
    priority: dict[str, float],
    passport: str = "",
    cards: int = 0,
) -> dict[Future, Spec]:
    """{future: specification}: a future each, which waits for those of its inputs.

    cards : as of `local`; work on a GPU then goes to the processes that have one, all other work to the others.
    """
    futures: dict[str, Future] = {}
    for spec in specs:
        inputs = [futures[i.key] for i in spec.inputs if i.key in futures]
        name = f"{spec.kind}-{spec.key}-{Path(passport).stem}"  # others may compute the same for another folder
        how: dict = {"key": name, "priority": priority[spec.key]}
        if cards:
            how["resources"] = {CARD if getattr(spec, "device", "cpu") == "cuda" else CORE: 1}
        futures[spec.key] = client.submit(_compute, spec, str(root.resolve()), inputs, passport, **how)
    return {futures[spec.key]: spec for spec in specs}


def _compute(spec: Spec, root: str, inputs: list, passport: str) -> None:
    del inputs  # in the store by now; here only to order the work
    fault = examine(passport) if passport else ""  # for workers that came after the others were examined
    if fault:
        raise UserError(f"the worker {get_worker().address} {fault}")
    Store(root).compute(spec)


def gather(left: dict[Future, Spec], finished: Callable[[Spec], None], show: Callable[[], None]) -> None:
    """Wait for all futures; raises here what was raised there, and UserError for what was lost for good."""
    completed = as_completed(list(left))  # not `wait`: one that times out keeps what it waited for, megabytes a call
    while left:
        for future in completed.next_batch(block=False) if completed.has_ready() else ():
            spec = left.pop(future)
            try:
                future.result()
            except CancelledError as error:
                raise UserError(
                    "the Dask scheduler is gone, or somebody cancelled the work; start it again, and the same command "
                    "goes on"
                ) from error
            except KilledWorker as error:  # a lost worker's work is tried again three times
                raise UserError(
                    f"the processes that worked on {spec.kind} {spec.key[:12]} died one after the other, for want "
                    "of memory perhaps; take fewer workers or smaller images, and the same command goes on"
                ) from error
            finished(spec)
        show()
        if left:
            time.sleep(LOOK_EVERY)
