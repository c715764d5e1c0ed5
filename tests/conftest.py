"""Fixtures for all tests. The smoke study is computed once, for all workers; a test that damages a store copies it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

LONGEST = (  # files that begin first, so that no worker waits for one at the end
    "test_chapters.py",
    "test_pages.py",
    "test_paper_preset.py",
    "test_shapes.py",
    "test_your_data.py",
    "test_scheduler.py",
    "test_scale_cli.py",
    "test_record.py",
    "test_gradients.py",
    "test_disks.py",
)


def pytest_addoption(parser):
    parser.addoption("--stress", action="store_true", help="the long tests of faults, too (minutes)")
    parser.addoption("--write-reliability", action="store_true", help="write what is found into book/reliability.md")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
    if not config.getoption("--stress"):
        long = [item for item in items if item.get_closest_marker("stress")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def results(tmp_path) -> Path:
    """An absent results folder."""
    return tmp_path / "results"


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder for all workers of this session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if WORKER else base


@pytest.fixture(scope="session")
def smoke(shared):
    """The smoke study with its whole plan computed, in one folder for all workers. Read only."""
    from synthgap.exhibits.study import Study

    study = Study(preset="smoke", results=shared / "smoke" / "results", device="cpu", workers=1)
    odd = WORKER and int(WORKER.removeprefix("gw")) % 2
    study.compute(study.plan()[:: -1 if odd else 1])  # from both ends: the store's locks keep two from one artifact
    return study


@pytest.fixture(scope="session")
def apart(shared) -> Callable:
    """(*seeds) → the study of these with few cells, of whose seeds 0 and 1 each is trained by itself. Read only."""
    from presets import few_preset, shipped

    from synthgap.exhibits.study import Study

    preset = few_preset(shared / "apart" / "apart.yaml", classifier=shipped("smoke")["classifier"] | {"block": 1})

    def study(*seeds):
        return Study(preset=str(preset), results=preset.parent / "results", device="cpu", seeds=list(seeds), workers=1)

    both = study(0, 1)
    both.compute(both.plan())
    return study


@pytest.fixture(scope="session")
def left() -> Callable:
    """(study, folder) → the folder, with what a run leaves there of so much of the study as its store holds."""
    from synthgap.design.record import leave

    def leaving(study, folder):
        leave(study.design, [spec for spec in study.plan() if study.store.has(spec)], study.store, folder)
        return folder

    return leaving


@pytest.fixture(scope="session")
def published(shared) -> Path:
    """Folder of the published book's sources, built once, for all workers, with the guards of a published book."""
    from filelock import FileLock

    from synthgap.book import execute as book

    root, source = book.find_root(), shared / "published" / "book"
    with FileLock(shared / "published.lock"):
        if not (source.parent / "built").exists():
            shutil.rmtree(source.parent, ignore_errors=True)
            book.build(book.stage(root, root / book.EXECUTED, source), published=True)
            (source.parent / "built").touch()
    return source


@pytest.fixture
def synthgap(monkeypatch, capsys) -> Callable:
    """(*words) → what `synthgap` with these words does in this process: exit code, standard output, standard error."""
    from synthgap.cli import commands

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["synthgap", *map(str, words)])
        code, _ = 0, capsys.readouterr()  # what was written before is not the command's
        try:
            commands.main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def damageable(smoke, results):
    """A store of one's own that holds what the smoke study's holds."""
    from synthgap.graph.store import Store

    unfinished = shutil.ignore_patterns(".work", ".locks")  # of other workers' tests, which go on meanwhile
    shutil.copytree(smoke.store.root, results / "store", ignore=unfinished)
    return Store(results / "store")


@pytest.fixture
def only_data(smoke, results):
    """A store of one's own that holds the smoke study's images and nothing made from them."""
    from synthgap.graph.store import Store

    shutil.copytree(smoke.store.root / "data", results / "store" / "data")
    return Store(results / "store")


@pytest.fixture(scope="session")
def make_images() -> Callable:
    """count, **options → an ImageSet of random pixels; labels run 0, 1, …, 0, 1, …."""
    from synthgap.data.imageset import ImageSet

    def make(count, shape=(1, 8, 8), classes=3, seed=0, name="made", augment=()):
        pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
        names = tuple("abcdefghij"[:classes])
        return ImageSet(pixels, np.arange(count) % classes, names, name, augment)

    return make


@pytest.fixture
def threads_for_workers(monkeypatch):
    """Dask's workers are threads of this process: processes take seconds to start."""
    from distributed import Client, LocalCluster

    from synthgap.graph import cluster

    @contextmanager
    def local(count, cards=0):
        assert cards == 0
        options = {"processes": False, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
        with LocalCluster(n_workers=count, silence_logs=50, **options) as made, Client(made) as client:
            yield client

    monkeypatch.setattr(cluster, "local", local)
