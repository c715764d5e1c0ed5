"""What the tests of faults and of wrong input share: a plan to compute, processes to disturb, the page's record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import reliability

from synthgap.design.arms import PAPER
from synthgap.graph.specification import in_order
from synthgap.graph.store import DATA, SPEC


@pytest.fixture
def record_outcome(request):
    """(table, what, outcome): must be what the page says, or with --write-reliability becomes what it says."""

    def record(table: str, what: str, outcome: str) -> None:
        if request.config.getoption("--write-reliability"):
            request.config.stash.setdefault(FOUND, {}).setdefault(table, {})[what] = outcome
        else:
            told = reliability.tables()[table].get(what)
            assert told is not None, f"book/reliability.md has no row {what!r}; run make stress"
            assert reliability.comparable(told) == reliability.comparable(outcome)

    return record


@pytest.fixture
def survived(record_outcome, request):
    """Records what happened under the fault that the test is marked with."""
    what = request.node.get_closest_marker("fault").args[0]
    return lambda outcome: record_outcome("faults", what, outcome)


FOUND = pytest.StashKey[dict]()


def pytest_sessionfinish(session, exitstatus):
    found = session.config.stash.get(FOUND, {})
    if found and exitstatus == 0:  # a table is written whole, of tests that passed
        reliability.write(found)


@pytest.fixture
def cells(smoke):
    """A small plan: generators, trained with checkpoints, a reverse step and a range, classifiers, a measure."""
    arms = smoke.main
    classifiers = [arms.classifier(0, 0), arms.classifier(0, 50), arms.arm("50-100", 1, 0)]
    return [arms.test(c) for c in classifiers] + [arms.fidelity(PAPER, 0, 50)]


@pytest.fixture
def plan(cells, tmp_path) -> Path:
    """A file with `cells`, for processes that compute them."""
    path = tmp_path / "plan.json"
    path.write_text(json.dumps([spec.model_dump_json() for spec in cells]), encoding="utf-8")
    return path


@pytest.fixture
def start(plan):
    """(root, **options) → a process, the head of a group, that computes `cells` in the store at `root`."""
    started = []

    def begin(root: Path, *words, workers=1, before=(), **options) -> subprocess.Popen:
        command = [*before, sys.executable, str(reliability.FOLDER / "child.py"), str(root), str(plan)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": reliability.ENVIRONMENT}
        started.append(
            subprocess.Popen([*command, str(workers), *map(str, words)], start_new_session=True, **pipes, **options)
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def same_as_smoke(smoke):
    """(store) → how many artifacts it shows; AssertionError unless each is, byte for byte, the smoke study's."""

    def check(store) -> int:
        folders = [p.parent for p in store.root.glob("[!.]*/*/provenance.json")]
        for folder in folders:
            other = smoke.store.root / folder.relative_to(store.root)
            for name in (DATA, SPEC):
                assert (folder / name).read_bytes() == (other / name).read_bytes(), folder
        return len(folders)

    return check


@pytest.fixture
def whole(cells, same_as_smoke):
    """(store) → AssertionError unless it shows all of `cells`, each as the smoke study's, and nothing half-written."""

    def check(store) -> None:
        assert store.missing(cells) == []
        assert same_as_smoke(store) >= len(in_order(cells))
        assert not list(store.root.glob(".work/*.new"))

    return check
