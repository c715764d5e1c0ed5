"""Workers that were started elsewhere: the same bytes, also when one dies, and one line for each that can't be used."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from distributed import Client, wait

import synthgap
from synthgap.base.errors import UserError
from synthgap.exhibits.study import Study
from synthgap.graph import cluster
from synthgap.graph import workers as passport
from synthgap.graph.run import cards_for, run
from synthgap.graph.store import DATA, SPEC, Store

PACKAGE = Path(synthgap.__file__).parent
START = 60.0  # seconds that a process may take on a busy machine


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The smoke study of one seed with nothing computed, its images apart."""
    return Study(preset="smoke", results=tmp_path_factory.mktemp("tiny"), seeds=1, device="cpu", workers=1)


@pytest.fixture(scope="module")
def plan(study):
    """A generator, two reverse steps and a range, three classifiers."""
    arms = study.main
    return [arms.test(c) for c in (arms.classifier(0, 0), arms.classifier(0, 50), arms.arm("50-100", 1, 0))]


@pytest.fixture
def elsewhere(study, tmp_path):
    """A store that holds the study's images and nothing made from them."""
    shutil.copytree(study.store.root / "data", tmp_path / "store" / "data")
    return Store(tmp_path / "store")


def start(*words, package=PACKAGE.parent):
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", *map(str, words)], env=environment, cwd=package, **quiet)


def start_scheduler(folder):
    """(process, file that names its address once it is there)."""
    file = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    return start("distributed.cli.dask_scheduler", *options), file


def stop(process):
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Address of a scheduler without workers."""
    process, file = start_scheduler(tmp_path_factory.mktemp("scheduler"))
    with Client(scheduler_file=str(file), timeout=START, set_as_default=False) as client:
        yield client.scheduler.address
    stop(process)


@pytest.fixture
def workers(scheduler):
    """workers(count, …): {address: process} of started ones, which are ended with the test."""
    started = []
    with Client(scheduler, set_as_default=False) as client:

        def begin(count, threads=1, package=PACKAGE.parent):
            options = ("--nthreads", threads, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
            mine = [start("distributed.cli.dask_worker", scheduler, *options, package=package) for _ in range(count)]
            started.extend(mine)
            client.wait_for_workers(count, timeout=START)
            by_pid = {process.pid: process for process in mine}
            return {address: by_pid[pid] for address, pid in client.run(os.getpid).items()}

        yield begin
        for process in started:
            stop(process)
        while client.nthreads():
            time.sleep(0.02)


def written(store):
    return {p.relative_to(store.root): p.read_bytes() for n in (DATA, SPEC) for p in store.root.glob(f"*/*/{n}")}


def test_a_worker_is_killed_half_way_and_the_bytes_are_those_of_one_process(study, plan, elsewhere, scheduler, workers):
    processes = workers(2)
    errors, counts = [], []

    def work():
        try:
            counts.append(run(plan, elsewhere, scheduler=scheduler))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    victim = None
    with Client(scheduler, set_as_default=False) as client:
        while victim is None and thread.is_alive():
            busy = client.processing().items()
            victim = next((a for a, keys in busy if any("train-diffusion" in str(k) for k in keys)), None)
            time.sleep(0.01)
        assert victim is not None
        assert not elsewhere.has(study.main.generator(0))
        processes[victim].send_signal(signal.SIGKILL)
        thread.join()
        assert victim not in client.nthreads()
    assert not errors
    assert counts == [run(plan, study.store, workers=1)]
    assert written(elsewhere) == written(study.store)
    assert not list(elsewhere.root.glob(".workers-*"))


def test_a_worker_with_another_version_of_the_code_is_refused(plan, elsewhere, scheduler, workers, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "other" / "synthgap", ignore=shutil.ignore_patterns("__pycache__"))
    changed = tmp_path / "other" / "synthgap" / "classifier" / "train.py"
    changed.write_text(changed.read_text() + "\n\ndef unknown_here():\n    return 1\n")
    workers(1, package=tmp_path / "other")
    with pytest.raises(UserError, match=r"the worker tcp://.* has another version of synthgap \(.* other code\)"):
        run(plan, elsewhere, scheduler=scheduler)
    assert not elsewhere.has(plan[0])


def test_a_scheduler_without_workers_is_told_within_a_time(plan, elsewhere, scheduler, monkeypatch):
    monkeypatch.setattr(cluster, "FIRST_WORKER", 0.2)
    with pytest.raises(UserError, match=rf"got no worker within 0 s; start some with: dask worker {scheduler}"):
        run(plan, elsewhere, scheduler=scheduler)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "ftp://here:1"])
def test_a_scheduler_that_does_not_answer_is_one_line(plan, elsewhere, monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    with pytest.raises(UserError, match=f"no Dask scheduler answers at {address}") as caught:
        run(plan, elsewhere, scheduler=address)
    assert "\n" not in str(caught.value)


def test_a_scheduler_that_is_gone_is_one_line(plan, tmp_path):
    process, file = start_scheduler(tmp_path)
    with Client(scheduler_file=str(file), timeout=START) as client:
        futures = [client.submit(abs, i, pure=False) for i in range(3)]  # nobody works on them
        with pytest.raises(UserError, match="the Dask scheduler is gone"):
            cluster.gather(dict.fromkeys(futures, plan[0]), print, lambda: stop(process))


class Worker:
    """What `examine` looks at of one."""

    def __init__(self, nthreads=1):
        self.state = self
        self.nthreads = nthreads


@pytest.fixture
def issued(plan, tmp_path, monkeypatch):
    passport._examined.cache_clear()
    monkeypatch.setattr(passport, "CLOCKS", 1e9)  # this process may be older than the files
    with passport.issued(plan, tmp_path) as path:
        yield Path(path)


def test_a_worker_that_sees_the_folder_and_gives_the_same_keys_is_fit(issued):
    assert passport.examine(str(issued), Worker()) == ""


def test_a_worker_that_does_not_see_the_folder_is_refused(issued):
    issued.rename(issued.with_suffix(".gone"))
    assert "doesn't see the results in" in passport.examine(str(issued), Worker())
    assert str(issued.parent) in passport.examine(str(issued), Worker())


def test_a_worker_that_lacks_a_field_of_a_specification_is_refused(issued):
    issued.write_text(issued.read_text().replace("epoch_images", "epoch_pictures"))
    assert passport.examine(str(issued), Worker()).startswith("has another version of synthgap; install the same")


def test_a_worker_that_was_started_before_its_code_was_changed_is_refused(issued, monkeypatch):
    monkeypatch.setattr(passport, "CLOCKS", -1e9)
    assert passport.examine(str(issued), Worker()) == "was started before its code was changed; start it again"


def test_a_worker_with_several_threads_is_refused(issued):
    assert passport.examine(str(issued), Worker(nthreads=2)).startswith("has 2 threads; start it with --nthreads 1")


def test_each_card_has_a_process_that_alone_works_on_it(study, elsewhere, monkeypatch):
    """On a machine without one the work on a card is an error, and the scheduler knows where it was raised."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    on_core = [study.main.generator(0)]
    on_card = [study.main.generator(seed).model_copy(update={"device": "cuda"}) for seed in (0, 1)]
    priority = dict.fromkeys((spec.key for spec in (*on_core, *on_card)), 1.0)
    with cluster.local(1, cards=2) as client:
        has = {w["name"]: w["resources"] for w in client.scheduler_info()["workers"].values()}
        names = ["card 3", "card 5"]
        assert has == {0: {"core": 1}} | {name: {"card": 1} for name in names}
        address = {w["name"]: a for a, w in client.scheduler_info()["workers"].items()}
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        assert [seen[address[name]] for name in (0, *names)] == ["3,5", "3", "5"]
        futures = cluster.submit_all(client, on_core + on_card, elsewhere.root, priority, cards=2)
        wait(list(futures))
        for future, spec in futures.items():
            if spec in on_core:
                assert set(client.who_has(future)[future.key]) == {address[0]}
            else:
                with pytest.raises(UserError, match="device is cuda but this machine offers none"):
                    future.result()
        failed = client.run_on_scheduler(
            lambda dask_scheduler: {key: set(state.erred_on or ()) for key, state in dask_scheduler.tasks.items()}
        )
        where = [failed[future.key] for future, spec in futures.items() if spec in on_card]
        assert set().union(*where) <= {address[name] for name in names}
        assert all(where)


def test_cards_are_counted_where_work_is_for_them(study, plan, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    training = study.main.generator(0)
    assert cards_for(plan) == cards_for([training]) == 0
    assert cards_for([*plan, training.model_copy(update={"device": "cuda"})]) == 3
