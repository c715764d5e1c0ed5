"""Waiting for what Dask computes: it keeps its memory for hours, and says what was lost."""

import asyncio

import pytest
from distributed import Client, Event, LocalCluster

from synthgap.base.errors import UserError
from synthgap.graph import cluster
from synthgap.graph.settings import Loading
from synthgap.graph.specs import Data

LOOKS, FUTURES = 12, 50
LOADING = Loading(source="digits", split="train")
SPEC = Data(fingerprint="0" * 64, name="some", count=1, shape=(1, 8, 8), classes=2, loading=LOADING)


@pytest.fixture
def client():
    """One worker, a thread of this process."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as here,
        Client(here) as client,
    ):
        yield client


def wait_for(name):
    Event(name).wait()


def follow(number, first):
    del first
    return number


def chain(client, name):
    """Futures that all wait for an event."""
    first = client.submit(wait_for, name, pure=False)
    return [first, *(client.submit(follow, i, first, pure=False) for i in range(FUTURES))]


def test_a_look_that_finds_nothing_done_leaves_nothing_behind(client, monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_EVERY", 0.02)
    tasks, finished = [], []

    def look():
        tasks.append(len(asyncio.all_tasks(client.loop.asyncio_loop)))
        if len(tasks) == LOOKS:
            Event("go on", client=client).set()

    cluster.gather(dict.fromkeys(chain(client, "go on"), SPEC), finished.append, look)
    assert len(finished) == 1 + FUTURES
    assert max(tasks[2:LOOKS]) - tasks[2] < FUTURES / 2  # a waiting call for each future and look would be hundreds


def test_work_that_was_cancelled_is_one_line(client):
    futures = chain(client, "never")
    with pytest.raises(UserError, match=r"somebody cancelled the work; start it again, and the same command goes on"):
        cluster.gather(dict.fromkeys(futures, SPEC), print, lambda: client.cancel(futures, force=True))
    Event("never", client=client).set()


def test_what_is_raised_there_is_raised_here(client):
    with pytest.raises(ZeroDivisionError):
        cluster.gather({client.submit(lambda: 1 / 0, pure=False): SPEC}, print, lambda: None)
