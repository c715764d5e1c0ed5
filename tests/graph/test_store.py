"""The store: whole artifacts or none, damage that is named and mended, equal bytes however often they are made."""

import json
import multiprocessing
import shutil
from importlib.metadata import version

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.graph import store as store_module
from synthgap.graph.run import run
from synthgap.graph.specification import in_order
from synthgap.graph.specs import parse_spec
from synthgap.graph.store import DATA, PROVENANCE, SPEC, Store


def content(store: Store, spec) -> tuple[bytes, bytes]:
    """The bytes of an artifact that must be the same in every run."""
    return tuple((store.folder(spec) / name).read_bytes() for name in (DATA, SPEC))


@pytest.fixture
def prediction(smoke):
    """A specification that is quick to compute."""
    return smoke.main.test(smoke.main.classifier(0, 0))


def test_a_stored_value_is_the_computed_one(smoke, prediction):
    value = Store(smoke.store.root).get(prediction)
    again = store_module.KINDS[type(prediction)].compute(prediction, store_module.Job(smoke.store.get, None, print))
    assert np.array_equal(value.logits, again.logits)
    assert np.array_equal(value.features, again.features)
    assert np.array_equal(value.labels, smoke.store.get(smoke.main.data["test"]).labels)


def test_a_classifier_is_read_from_its_block_and_stored_there_alone(smoke):
    first, second = (smoke.main.classifier(seed, 50) for seed in (0, 1))
    assert first.stored == second.stored
    assert smoke.store.folder(first) == smoke.store.folder(first.block)
    assert smoke.store.provenance(first) == smoke.store.provenance(first.block)
    members = Store(smoke.store.root).get(first.block)
    for spec, member in zip((first, second), members, strict=True):
        mine = Store(smoke.store.root).get(spec).network.state_dict()
        assert all(np.array_equal(v, member.network.state_dict()[k]) for k, v in mine.items())
    assert not np.array_equal(*(member.network.conv1.weight.detach() for member in members))
    assert not (smoke.store.root / first.kind).exists()


def test_a_classifier_that_is_missing_has_its_block_trained(only_data, smoke):
    second = smoke.main.classifier(1, 0)
    assert only_data.missing([second]) == [second.block]
    only_data.compute(second)
    assert only_data.has(second)
    assert only_data.has(smoke.main.classifier(0, 0))
    assert content(only_data, second) == content(smoke.store, second)


def test_a_kind_is_read_back_as_it_was_encoded(smoke):
    for spec in in_order(smoke.plan())[:40]:
        kind = store_module.KINDS[type(spec)]
        arrays, meta = kind.encode(smoke.store.get(spec))
        again, meta_again = kind.encode(kind.decode(arrays, meta))
        assert meta == meta_again
        assert {k: (v.dtype, v.tobytes()) for k, v in arrays.items()} == {
            k: (v.dtype, v.tobytes()) for k, v in again.items()
        }


def test_an_artifact_holds_three_files_and_the_digests_of_two(smoke, prediction):
    folder = smoke.store.folder(prediction)
    assert {p.name for p in folder.iterdir()} == {DATA, SPEC, PROVENANCE}
    provenance = smoke.store.provenance(prediction)
    assert provenance["files"] == {name: store_module.file_sha256(folder / name) for name in (DATA, SPEC)}
    assert provenance["packages"]["torch"] == version("torch")


def test_whoever_may_read_one_file_of_an_artifact_may_read_all(smoke, prediction):
    files = list(smoke.store.folder(prediction).iterdir())
    assert len({file.stat().st_mode for file in files}) == 1


def test_a_finished_study_leaves_no_scratch(smoke):
    work = smoke.store.root / ".work"
    assert not work.exists() or not list(work.iterdir())


def test_a_half_written_artifact_is_not_seen_and_is_replaced(damageable, prediction):
    wanted = content(damageable, prediction)
    folder = damageable.folder(prediction)
    (folder / PROVENANCE).unlink()
    (folder / DATA).write_bytes(wanted[0][:100])
    left = damageable.root / ".work" / f"{prediction.key}.new"
    left.mkdir(parents=True)
    (left / DATA).write_bytes(b"half")
    assert not damageable.has(prediction)
    assert damageable.missing([prediction]) == [prediction]
    damageable.get(prediction)
    assert content(damageable, prediction) == wanted
    assert not left.exists()


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in (DATA, SPEC) for damage in ("flipped", "cut", "gone")] + [(PROVENANCE, "cut")],
)
def test_a_damaged_artifact_is_named_and_computed_again_with_equal_bytes(damageable, prediction, capsys, name, damage):
    wanted, path = content(damageable, prediction), damageable.folder(prediction) / name
    intact = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        flipped = bytearray(intact)
        flipped[-1] ^= 1
        path.write_bytes(flipped if damage == "flipped" else intact[: len(intact) // 2])
    value = damageable.get(prediction)
    told = capsys.readouterr().err
    assert str(damageable.folder(prediction)) in told
    assert "is damaged" in told
    assert name == PROVENANCE or name in told
    assert len(told.splitlines()) == 1
    assert content(damageable, prediction) == wanted
    assert value.n == 40


def test_a_damaged_input_is_mended_on_the_way(damageable, prediction, capsys):
    shutil.rmtree(damageable.folder(prediction))
    path = damageable.folder(prediction.classifier) / DATA
    wanted = path.read_bytes()
    path.write_bytes(wanted[:-1])
    damageable.get(prediction)
    assert path.read_bytes() == wanted
    assert prediction.classifier.stored.key in capsys.readouterr().err


def test_damaged_images_are_loaded_again(damageable, smoke, capsys):
    data = smoke.main.data["train"]
    path = damageable.folder(data) / DATA
    wanted = path.read_bytes()
    path.write_bytes(b"nonsense")
    assert damageable.get(data).fingerprint == data.fingerprint
    assert path.read_bytes() == wanted
    assert "is damaged" in capsys.readouterr().err


def test_images_that_changed_at_their_source_are_refused(only_data, smoke):
    stranger = smoke.main.data["train"].model_copy(update={"fingerprint": "0" * 64})
    with pytest.raises(UserError, match="has changed since this study began"):
        only_data.get(stranger)
    assert not only_data.has(stranger)


def test_put_does_not_overwrite(damageable, smoke, make_images):
    data = smoke.main.data["train"]
    wanted = content(damageable, data)
    damageable.put(data, make_images(40, classes=10))
    assert content(damageable, data) == wanted


def test_put_stores_what_is_absent(results, smoke):
    store, data = Store(results), smoke.main.data["train"]
    store.put(data, smoke.store.get(data))
    assert content(store, data) == content(smoke.store, data)


def test_missing_asks_for_inputs_of_what_is_absent_only(damageable, smoke, prediction):
    assert damageable.missing(smoke.plan()) == []
    generator = smoke.main.generator(0)
    shutil.rmtree(damageable.folder(generator))
    assert damageable.missing([prediction]) == []  # all that used the generator is there
    samples = smoke.main.samples(0, 100)
    shutil.rmtree(damageable.folder(samples))
    assert damageable.missing([prediction, samples]) == [generator, samples]


def test_computing_again_gives_equal_bytes(only_data, smoke):
    specs = [smoke.main.test(smoke.main.arm("50-100", 1, 0))]
    assert run(specs, only_data, workers=1) == 6  # two generators, their samples, a block, predictions
    for spec in in_order(specs):
        assert content(only_data, spec) == content(smoke.store, spec)


def test_a_training_killed_in_its_work_folder_resumes_to_the_same_bytes(only_data, smoke, monkeypatch):
    generator, shares = smoke.main.generator(1), []

    def kill_at_step_10(report, share):
        shares.append(share)
        if len(shares) == 10:
            raise KeyboardInterrupt

    monkeypatch.setattr(store_module._Report, "__call__", kill_at_step_10)
    with pytest.raises(KeyboardInterrupt):
        only_data.compute(generator)
    assert not only_data.has(generator)
    assert (only_data.work(generator) / "checkpoint.safetensors").is_file()

    Store(only_data.root).compute(generator)
    resumed = shares[10:]
    assert resumed == pytest.approx([step / 20 for step in range(9, 21)])  # the checkpoint is of step 8
    assert content(only_data, generator) == content(smoke.store, generator)
    assert not only_data.work(generator).exists()


def test_progress_is_the_share_done_of_an_unfinished_artifact(only_data, smoke, monkeypatch):
    generator, seen = smoke.main.generator(0), []
    assert only_data.progress(generator) == 0
    report = store_module._Report.__call__

    def watching(self, share):
        self.last = -1.0  # write every time
        report(self, share)
        seen.append((share, only_data.progress(generator)))

    monkeypatch.setattr(store_module._Report, "__call__", watching)
    only_data.compute(generator)
    assert len(seen) == 20
    assert all(told == pytest.approx(share, abs=1e-4) for share, told in seen)
    assert only_data.progress(generator) == 0


def one_of_two(root, spec_json, both_ready, answers):
    """A process that wants an artifact at the same time as another one; how many it computed itself."""
    compute, computed = store_module.compute, []

    def counting(spec, job):
        computed.append(spec)
        return compute(spec, job)

    store_module.compute = counting
    spec = parse_spec(spec_json.read_text(encoding="utf-8"))
    both_ready.wait(60)
    answers.put((Store(root).get(spec).fingerprint, len(computed)))


def test_two_processes_that_want_the_same_artifact_compute_it_once(only_data, smoke):
    wanted = smoke.main.samples(0, 50)
    processes = multiprocessing.get_context("fork")  # imports nothing anew
    both_ready, answers = processes.Barrier(2), processes.Queue()
    words = only_data.root, smoke.store.folder(wanted) / SPEC, both_ready, answers
    both = [processes.Process(target=one_of_two, args=words) for _ in range(2)]
    for process in both:
        process.start()
    found = [answers.get(timeout=100) for _ in both]
    for process in both:
        process.join()
    assert {fingerprint for fingerprint, _ in found} == {smoke.store.get(wanted).fingerprint}
    assert sum(count for _, count in found) == 2  # the generator and the samples, once
    assert [p.name for p in (only_data.root / "reconstruct").iterdir()] == [wanted.key]
    assert content(only_data, wanted) == content(smoke.store, wanted)


def test_memory_keeps_the_last_values_and_no_more(smoke, monkeypatch):
    monkeypatch.setattr(store_module, "KEPT_IN_MEMORY", 2)
    store = Store(smoke.store.root)
    parts = [smoke.main.data[part] for part in ("train", "validation", "test")]
    first, second, third = (store.get(p) for p in parts)
    assert store.get(parts[2]) is third
    assert store.get(parts[1]) is second
    assert store.get(parts[0]) is not first


def test_a_results_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another results folder"):
        Store(tmp_path / "file" / "store")


def test_spec_json_can_be_read_by_people(smoke, prediction):
    spec = json.loads((smoke.store.folder(prediction) / SPEC).read_text(encoding="utf-8"))
    assert spec["classifier"]["block"]["training"]["epochs"] == 4
    assert spec["images"]["loading"] == smoke.main.data["test"].loading.model_dump(mode="json")
