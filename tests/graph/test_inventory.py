"""What lies in a store is told by what is there: other code, damage, unfinished work, and nothing in use is removed."""

import shutil

import pytest
from filelock import FileLock

from synthgap.graph.inventory import CURRENT, DAMAGED, LEFT, OTHER, UNFINISHED, inventory, remove, size_of
from synthgap.graph.specification import in_order
from synthgap.graph.store import DATA, LOCKS, PROVENANCE


@pytest.fixture
def littered(damageable, smoke):
    """The smoke study's store with one folder of each state added; state → folder."""
    store, finished = damageable, smoke.main.generator(0)
    predictions = [smoke.main.test(smoke.main.classifier(0, t)) for t in (0, 30, 50)]
    other = store.root / "predict" / ("0" * 64)
    shutil.copytree(store.folder(predictions[0]), other)  # as if the code had been another when the key was made
    (store.folder(predictions[1]) / PROVENANCE).unlink()
    left, temporary = store.work(finished), store.root / ".work" / f"{'1' * 64}.new"
    unfinished = store.root / ".work" / ("2" * 64)
    for folder in (left, temporary, unfinished):
        folder.mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_bytes(b"123")
    states = {OTHER: {other}, DAMAGED: {store.folder(predictions[1])}, LEFT: {left, temporary}}
    return store, states | {UNFINISHED: {unfinished}}, predictions[2]


def test_each_folder_has_the_state_that_it_was_brought_into(littered, smoke):
    store, states, _ = littered
    found = inventory(store.root)
    for state, folders in states.items():
        assert {one.folder for one in found if one.state == state} == folders, state
    current, (damaged,) = {one.key for one in found if one.state == CURRENT}, states[DAMAGED]
    assert {spec.key for spec in in_order(smoke.plan())} - current == {damaged.name}
    assert sum(one.size for one in found) == size_of(store.root) - size_of(store.root / LOCKS)


def test_changed_bytes_are_found_where_every_byte_is_read(littered):
    store, states, spec = littered
    file = store.folder(spec) / DATA
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert {one.folder for one in inventory(store.root) if one.state == DAMAGED} == states[DAMAGED]
    damaged = {one.folder for one in inventory(store.root, check=True) if one.state == DAMAGED}
    assert damaged == states[DAMAGED] | {store.folder(spec)}


def test_what_somebody_works_on_is_not_removed(littered):
    store, states, _ = littered
    found = next(one for one in inventory(store.root) if one.folder in states[LEFT])
    with FileLock(store.root / LOCKS / f"{found.key}.lock"):
        assert not remove(found, store.root)
        assert found.folder.is_dir()
    assert remove(found, store.root)
    assert not found.folder.exists()
