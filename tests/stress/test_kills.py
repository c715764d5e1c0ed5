"""Killed at any moment, alone or two at once: a run that is started again ends with the bytes of one undisturbed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import child
import numpy as np
import psutil
import pytest
from reliability import ENVIRONMENT

from synthgap.graph.run import run
from synthgap.graph.specification import in_order
from synthgap.graph.store import Store

KILLS = 20
SMOKE = """
import sys
from synthgap.exhibits.study import Study
study = Study(preset="smoke", results=sys.argv[1], device="cpu", workers=int(sys.argv[2]))
print("ready", flush=True)
print(study.compute())
"""


@pytest.mark.fault("SIGKILL at 3 random file operations of a small plan, then the same again")
def test_a_plan_killed_at_random_file_operations_ends_as_one_that_was_not(
    only_data, cells, plan, same_as_smoke, whole, survived
):
    seen = [same_as_smoke(only_data)]
    for number in np.random.default_rng(0).integers(10, 60, 3):
        words = str(only_data.root), str(plan), "1", str(number)
        process = multiprocessing.get_context("fork").Process(target=child.main, args=words)  # imports nothing anew
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        seen.append(same_as_smoke(only_data))  # whatever shows is whole
    assert run(cells, only_data, workers=1) >= 1
    whole(only_data)
    assert seen == sorted(seen)
    survived(f"all {len(in_order(cells))} artifacts are there, equal byte for byte to those of an undisturbed run")


@pytest.mark.stress
@pytest.mark.fault("two runs at once on one store")
def test_two_runs_share_one_store(only_data, start, whole, survived):
    both = [start(only_data.root) for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    whole(only_data)
    survived("both finish, no artifact is computed twice at once, all are equal to those of a single run")


def smoke_run(results, workers):
    return subprocess.Popen(
        [sys.executable, "-c", SMOKE, str(results), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )


@pytest.mark.stress
@pytest.mark.fault(f"SIGKILL of all processes at {KILLS} random moments of a smoke run, then the same again")
def test_a_smoke_run_killed_at_random_moments_ends_as_one_that_was_not(smoke, results, same_as_smoke, survived):
    rng, store, killed, shown = np.random.default_rng(1), None, 0, 0
    work = sum(smoke.store.provenance(spec)["seconds"] for spec in in_order(smoke.plan()))  # of this machine
    for kill in range(KILLS):
        process = smoke_run(results, workers=2 if kill % 4 == 3 else 1)
        assert process.stdout.readline() == "ready\n"
        moment = rng.uniform(0.0, 0.8 * work / KILLS)  # all together end before the work does
        wait_until_worked(process, moment, results / "store" / ".work")
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        store = store or Store(results / "store")
        before, shown = shown, same_as_smoke(store)
        missing = len(store.missing(smoke.plan()))
        told = f"{shown} artifacts are whole (+{shown - before}), {missing} missing"
        print(f"kill {kill + 1}: after {moment:.1f} core-seconds of work {told}", flush=True)
        assert missing
    process = smoke_run(results, workers=2)
    out = process.communicate(timeout=600)[0]
    assert process.returncode == 0
    print(f"then an undisturbed run computed the {out.split()[-1]} that were missing")
    assert store.missing(smoke.plan()) == []
    count = same_as_smoke(store)
    assert killed == KILLS
    assert count == same_as_smoke(smoke.store)
    survived(f"killed {killed} times, it ends with {count} artifacts, all equal byte for byte to an undisturbed run's")


@pytest.mark.stress
@pytest.mark.fault("two whole smoke runs at once on one store, one of them on two processes")
def test_two_whole_runs_share_one_store(smoke, results, same_as_smoke, survived):
    both = [smoke_run(results, workers) for workers in (1, 2)]
    for process in both:
        process.communicate(timeout=600)
    assert [process.returncode for process in both] == [0, 0]
    count = same_as_smoke(Store(results / "store"))
    assert count == same_as_smoke(smoke.store)
    survived(f"both finish; {count} artifacts, all equal byte for byte to a single run's")


@pytest.mark.stress  # tests/graph/test_scheduler.py kills a worker, too
@pytest.mark.fault("a Dask worker killed in the middle of its work")
def test_the_work_of_a_killed_worker_is_done_again(only_data, cells, start, whole, survived):
    process = start(only_data.root, workers=2)
    victim = wait_for(lambda: busy_worker(process.pid, only_data))
    victim.kill()
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 0, err
    whole(only_data)
    survived("its work is given to another one; nothing is lost and no byte differs")


@pytest.mark.stress
@pytest.mark.fault("a worker killed again and again, as for want of memory")
def test_workers_that_keep_dying_are_told_of_in_one_line(only_data, cells, monkeypatch, survived):
    import dask

    from synthgap.base.errors import UserError
    from synthgap.graph import cluster

    monkeypatch.setattr(cluster, "_compute", killed_at_work)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), pytest.raises(UserError) as caught:
        run(cells, only_data, workers=2)
    line = str(caught.value)
    assert "died one after the other" in line
    survived(line.replace(line.split("worked on ")[1].split(" died")[0], "…"))


def killed_at_work(spec, root, inputs, passport):
    os.kill(os.getpid(), signal.SIGKILL)


def busy_worker(parent, store):
    """A worker process of `parent`, as soon as the training of the generator has begun."""
    if list(store.root.glob(".work/*/progress")):
        family = psutil.Process(parent).children(recursive=True)
        workers = [p for p in family if "spawn_main" in " ".join(p.cmdline())]
        return max(workers, key=lambda p: sum(p.cpu_times()[:2]), default=None)
    return None


def last_change(folder):
    times = [0.0]
    for path in (folder, *folder.glob("*"), *folder.glob("*/*")):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def seconds_of_work(process):
    """Core-seconds that a process and its children have used, the same on a busy machine and an idle one."""
    used = 0.0
    with suppress(psutil.NoSuchProcess):
        head = psutil.Process(process.pid)
        for one in (head, *head.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                used += sum(one.cpu_times()[:2])
    return used


def wait_until_worked(process, seconds, scratch):
    """Returns when the process has spent so many core-seconds since it first changed `scratch`, or has ended."""
    ready = time.time()
    wait_for(lambda: last_change(scratch) > ready or process.poll() is not None, seconds=300)
    begun = seconds_of_work(process)
    wait_for(lambda: seconds_of_work(process) - begun > seconds or process.poll() is not None, seconds=300)


def wait_for(condition, seconds=60):
    """The first true value of `condition`, asked twenty times a second."""
    for _ in range(20 * seconds):
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited for {condition}")
