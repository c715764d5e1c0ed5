"""Running a plan: here or on Dask workers, with the same bytes and the same errors."""

import os

import pytest

from synthgap.base.errors import UserError
from synthgap.design.arms import PAPER
from synthgap.graph import run as run_module
from synthgap.graph.estimate import cost
from synthgap.graph.run import run
from synthgap.graph.specification import in_order
from synthgap.graph.store import DATA, SPEC


@pytest.fixture
def cells(smoke):
    """A small plan: two seeds' generators, a reverse step and a range of each, three blocks of classifiers."""
    arms = smoke.main
    classifiers = [arms.classifier(0, 0), arms.classifier(0, 50), arms.arm("50-100", 1, 0)]
    return [arms.test(c) for c in classifiers] + [arms.fidelity(PAPER, 0, 50)]


def artifacts(store) -> dict[str, bytes]:
    paths = [p for name in (DATA, SPEC) for p in store.root.glob(f"*/*/{name}")]
    return {p.relative_to(store.root).as_posix(): p.read_bytes() for p in paths}


def test_two_dask_workers_give_the_bytes_that_one_process_gives(only_data, smoke, cells):
    count = len(only_data.missing(cells))
    assert run(cells, only_data, workers=2) == count
    mine, theirs = artifacts(only_data), artifacts(smoke.store)  # the smoke study ran in one process
    made = [s for s in in_order(cells) if s.kind != "data"]
    assert len(made) == count == 15
    for spec in made:
        for name in (DATA, SPEC):
            path = f"{spec.kind}/{spec.key}/{name}"
            assert mine[path] == theirs[path]
    assert run(cells, only_data, workers=2) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_user_error_in_the_work_comes_out_as_it_was_raised(only_data, smoke, threads_for_workers, workers):
    stranger = smoke.main.data["train"].model_copy(update={"fingerprint": "0" * 64})
    classifier = smoke.main.on_real(0, lambda _: stranger)
    with pytest.raises(UserError, match="digits has changed since this study began; start again"):
        run([smoke.main.test(classifier)], only_data, workers=workers)
    assert not only_data.has(stranger)
    assert not only_data.has(classifier)


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, None, "two", "2", [2]])
def test_workers_that_are_no_number_are_refused_even_where_nothing_is_missing(smoke, workers):
    for specs in (smoke.plan(), []):
        with pytest.raises(UserError, match='give a number of processes from 1, or "auto"'):
            run(specs, smoke.store, workers=workers)


def test_nothing_missing_is_nothing_to_do(smoke):
    for workers in (1, 2, "auto"):
        assert run(smoke.plan(), smoke.store, workers=workers) == 0


def test_auto_is_one_process_for_little_work_and_one_a_core_for_much(smoke, monkeypatch):
    plan = in_order([smoke.main.test(smoke.main.classifier(s, t)) for s in smoke.seeds for t in smoke.preset.table2])
    assert run_module.workers_for("auto", plan) == 1
    monkeypatch.setattr(run_module, "WORTH_A_CLUSTER", 0.0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert run_module.workers_for("auto", plan) == cores
    assert run_module.workers_for("auto", plan[:1]) == 1
    assert run_module.workers_for(5, plan[:2]) == 2


def test_work_starts_where_the_longest_chain_begins(smoke):
    plan = [s for s in in_order(smoke.plan()) if s.kind != "data"]
    chain = run_module.longest_chain(plan)
    for spec in plan:
        assert chain[spec.key] >= cost(spec)
        for item in spec.inputs:
            if item.key in chain:
                assert chain[item.key] >= cost(item) + chain[spec.key] - 1e-9
    generator = smoke.main.generator(0)
    on_generator_0 = [s for s in plan if generator in s.inputs]
    assert chain[generator.key] == pytest.approx(cost(generator) + max(chain[s.key] for s in on_generator_0))


def test_without_a_terminal_progress_is_plain_lines(only_data, cells, capsys, monkeypatch):
    monkeypatch.setattr("synthgap.base.progress.PLAIN_LINE_EVERY", -1.0)
    run(cells[:1], only_data, workers=1, label="table 2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("table 2: 100%, 2/2 artifacts")
    assert all("\r" not in line and "\x1b" not in line for line in lines)
