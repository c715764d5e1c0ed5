"""Disks that are full, can't be written, or lose what was written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reliability import ENVIRONMENT, FOLDER, one_line

from synthgap.base import disk
from synthgap.base.errors import UserError
from synthgap.diffusion.train import train_edm
from synthgap.graph import store as store_module
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Data
from synthgap.graph.store import DATA, SPEC, Store


@pytest.fixture(scope="session")
def own_mounts() -> list[str]:
    """The words before a command that may then mount disks which nobody else sees."""
    for words in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if shutil.which("unshare"):
            tried = subprocess.run([*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
            if tried.returncode == 0:
                return words
    pytest.skip("this system lets no test mount a disk of its own; failing writes are tested without one below")


def on_own_disk(own_mounts, *words) -> list[str]:
    command = [*own_mounts, sys.executable, str(FOLDER / "disk.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # a slow machine is told how long it took, before


@pytest.mark.fault("a full disk (four times, each time with more room)")
def test_a_full_disk_is_one_line_and_the_work_goes_on_when_there_is_room(
    own_mounts, only_data, cells, plan, tmp_path, whole, survived
):
    (tmp_path / "disk").mkdir()
    *told, last = on_own_disk(own_mounts, "full", tmp_path / "disk", only_data.root, plan)
    place = tmp_path / "disk" / "store"
    line = f"{place} can't be written (No space left on device); make room there, and the same command goes on"
    assert told == [line] * 4
    made = [spec for spec in in_order(cells) if not isinstance(spec, Data)]
    assert 0 < int(last.split()[1]) < len(made)  # some was done each time
    whole(only_data)
    survived(f"“{one_line(line, place)}”; nothing half-written stays, and with room the run ends with the same bytes")


@pytest.mark.fault("a results folder on a disk that can't be written")
def test_a_complete_store_can_be_read_from_a_disk_that_cannot_be_written(own_mounts, smoke, tmp_path, survived):
    view = tmp_path / "view"
    view.mkdir()
    computed, rows, line = on_own_disk(own_mounts, "read-only", view, smoke.results)
    assert computed == "computed 0"
    assert rows == f"{len(smoke.table2())} rows"
    assert line.startswith(f"{view / 'store'} can't be written (Read-only file system); choose another")
    assert smoke.store.missing(smoke.plan()) == []
    survived(f"what is computed is shown; for anything else “{one_line(line, view / 'store')}”")


class Failing:
    """Makes the n-th write fail as on a full disk; a data file is cut in half then."""

    def __init__(self, monkeypatch, number):
        self.number, self.count = number, 0
        for owner, name in ((Path, "mkdir"), (Path, "write_text"), (os, "replace"), (store_module, "save_file")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name), name))

    def counted(self, function, name):
        def call(*words, **options):
            self.count += 1
            if self.count == self.number:
                if name == "save_file":
                    function(*words, **options)
                    words[1].write_bytes(words[1].read_bytes()[:100])
                raise OSError(28, "No space left on device")
            return function(*words, **options)

        return call


def refusal(store, spec) -> str:
    """What computing `spec` is refused with; nothing where it is not."""
    try:
        store.compute(spec)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.fault("a full disk at each single write of an artifact in turn")
def test_whichever_write_fails_the_artifact_is_whole_or_absent(damageable, smoke, survived):
    spec = smoke.main.test(smoke.main.classifier(0, 0))
    wanted = [(smoke.store.folder(spec) / name).read_bytes() for name in (DATA, SPEC)]
    number, failed = 1, 0
    while True:
        shutil.rmtree(damageable.folder(spec), ignore_errors=True)
        with pytest.MonkeyPatch.context() as monkeypatch:
            failing = Failing(monkeypatch, number)
            told = refusal(damageable, spec)
        if told:
            failed += 1
            assert "make room there" in told
            assert not damageable.has(spec)
            assert not list(damageable.root.glob(".work/*.new"))
        if failing.count < number:
            break
        damageable.compute(spec)
        assert [(damageable.folder(spec) / name).read_bytes() for name in (DATA, SPEC)] == wanted
        number += 1
    assert failed >= 6
    survived("the artifact is there whole or not at all, and is computed when there is room")


@pytest.mark.fault("an artifact on disk with one bit flipped, or cut short")
def test_a_damaged_artifact_is_named_and_computed_again(damageable, smoke, capsys, survived):
    """Every way to damage each of its files: tests/graph/test_store.py."""
    spec = smoke.main.test(smoke.main.classifier(0, 0))
    path = damageable.folder(spec) / DATA
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for damaged in (flipped, whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert np.array_equal(Store(damageable.root).get(spec).logits, smoke.store.get(spec).logits)
        assert path.read_bytes() == whole
        told = one_line(capsys.readouterr().err, damageable.folder(spec))
        assert told == "synthgap: … is damaged (data.safetensors); computing it again"
    survived(f"its checksum betrays it: “{told}”; the bytes are the same again")


@pytest.mark.fault("a checkpoint of an unfinished training cut short")
def test_a_checkpoint_that_is_cut_short_is_told_of_and_not_used(only_data, smoke, capsys, same_as_smoke, survived):
    generator = smoke.main.generator(0)
    work = only_data.work(generator)
    work.mkdir(parents=True)
    whole = smoke.store.folder(generator) / DATA
    (work / "checkpoint.safetensors").write_bytes(whole.read_bytes()[:-7])
    only_data.compute(generator)
    same_as_smoke(only_data)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "checkpoint.safetensors is damaged" in told
    survived(f"“{one_line(told, work)}”; the bytes are those of an undisturbed run")


@pytest.mark.fault("a checkpoint of an unfinished training with one bit flipped")
def test_a_checkpoint_with_a_flipped_bit_is_told_of_and_not_used(only_data, smoke, capsys, same_as_smoke, survived):
    generator = smoke.main.generator(0)
    checkpoint = only_data.work(generator) / "checkpoint.safetensors"

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_edm(
            only_data.get(generator.data),
            generator.network,
            generator.training,
            generator.seed,
            checkpoint=checkpoint,
            on_checkpoint=interrupt,
        )
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 4
    checkpoint.write_bytes(content)
    only_data.compute(generator)
    same_as_smoke(only_data)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "checkpoint.safetensors is damaged (its contents have changed" in told
    survived(f"“{one_line(told, checkpoint.parent)}”; the bytes are those of an undisturbed run")


def test_damage_that_comes_back_is_told_of_and_not_tried_for_ever(damageable, smoke, monkeypatch):
    spec = smoke.main.test(smoke.main.classifier(0, 0))
    monkeypatch.setattr(Store, "_read", lambda self, spec: None)
    with pytest.raises(UserError, match="damaged as soon as it is written; check the disk"):
        damageable.get(spec)


def test_an_artifact_that_another_process_has_mended_is_left_alone(damageable, smoke, monkeypatch, capsys):
    spec = smoke.main.test(smoke.main.classifier(0, 0))
    path, digest = damageable.folder(spec) / DATA, store_module.file_sha256
    good = path.read_bytes()
    path.write_bytes(good[:-1])

    def mended_meanwhile(file):
        found = digest(file)
        if file == path:
            shutil.copytree(damageable.folder(spec), path.parent.with_name("new"))
            shutil.rmtree(path.parent)
            path.parent.with_name("new").rename(path.parent)
            path.write_bytes(good)
            os.utime(path.with_name(store_module.PROVENANCE), ns=(1, 1))
            monkeypatch.setattr(store_module, "file_sha256", digest)
        return found

    monkeypatch.setattr(store_module, "file_sha256", mended_meanwhile)
    monkeypatch.setattr(store_module, "compute", lambda *_: pytest.fail("computed again"))
    assert damageable.get(spec).n == 40
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("number", disk.REMEDIES)
def test_every_fault_of_a_disk_has_a_remedy_whoever_raised_it(number):
    from safetensors import SafetensorError

    told = f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})"
    assert disk.disk_fault(OSError(number, "x")) == disk.disk_fault(SafetensorError(told))
    assert disk.disk_fault(OSError(number, "x"))[0] == os.strerror(number)


@pytest.mark.parametrize("error", [OSError("text"), FileNotFoundError(2, "x"), ValueError("os error 28"), OSError()])
def test_other_errors_are_no_faults_of_a_disk(error):
    assert disk.disk_fault(error) is None
    with pytest.raises(type(error)), disk.writing(Path("there")):
        raise error


def test_the_plan_of_these_tests_is_what_they_say(cells, only_data):
    assert len(only_data.missing(cells)) == 15
