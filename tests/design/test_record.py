"""What a run leaves: its results without its store; runs of other seeds joined say what one run of all would say."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthgap.base.errors import UserError
from synthgap.design.record import KEPT, RECORD, Record, join, leave, read_record, reopened
from synthgap.exhibits.chapters import Show
from synthgap.exhibits.sections import results
from synthgap.exhibits.study import Study
from synthgap.graph.kept import NotKept
from synthgap.graph.specs import Predict
from synthgap.graph.store import DATA, PROVENANCE


@pytest.fixture(scope="module")
def whole(smoke, left, tmp_path_factory):
    """The smoke study, from what it left alone."""
    return Study(f"run:{left(smoke, tmp_path_factory.mktemp('left') / 'run')}")


@pytest.fixture
def runs(apart, left, tmp_path):
    """Two runs, of seed 0 and of seed 1."""
    return [left(apart(seed), tmp_path / str(seed)) for seed in (0, 1)]


def rows_of(study):
    return {r.name: study.lab.rows(r) for r in results() if not r.no_rows}


def test_a_run_without_its_store_says_the_same(smoke, whole):
    assert not (whole.results / "store").exists()
    ours, theirs = rows_of(whole), rows_of(smoke)
    for name, rows in theirs.items():
        pd.testing.assert_frame_equal(ours[name], rows)
    assert str(whole.answer()) == str(smoke.answer())
    for name in ("tab-1", "tab-3", "tab-judged", "tab-sure"):
        assert whole.show(name) == smoke.show(name)


def test_a_run_that_grew_reads_its_looks_again_and_is_not_joined(smoke, runs, left, tmp_path):
    grown = replace(smoke.design, looks=(1, 2))
    leave(grown, [], smoke.store, tmp_path / "grown")
    assert read_record(tmp_path / "grown").design().looks == (1, 2)
    with pytest.raises(UserError, match=r"grown was run with --minutes: .* or give this one more minutes"):
        join([runs[0], tmp_path / "grown"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_it_leaves_holds_no_image_and_no_weight(smoke, whole):
    kinds = {path.name for path in (whole.results / KEPT).iterdir() if path.is_dir()}
    measures = {"fidelity", "frozen-fidelity", "detection", "likelihood", "memorization", "collapse"}
    assert kinds == {"data", "predict", "attend"} | measures
    labels = whole.store.get(whole.main.data["test"])
    real = smoke.store.get(smoke.main.data["test"])
    np.testing.assert_array_equal(labels.labels, real.labels)
    assert (len(labels), labels.shape, labels.classes) == (len(real), real.shape, real.classes)
    with pytest.raises(NotKept, match="the images of digits/test went with the store"):
        labels.images  # noqa: B018
    with pytest.raises(NotKept, match=r"train-diffusion [0-9a-f]{12} went with the store"):
        whole.compute([whole.main.generator(0)])
    note = whole.store.provenance(whole.main.generator(0))  # how it was made is known all the same
    assert note["seconds"] == smoke.store.provenance(smoke.main.generator(0))["seconds"]


def test_files_of_one_disk_are_there_once(smoke, whole):
    spec = next(spec for spec in smoke.plan() if isinstance(spec, Predict))
    assert (whole.store.folder(spec) / DATA).samefile(smoke.store.folder(spec) / DATA)


def test_an_exhibit_of_images_says_why_it_is_not_shown(whole, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what: shown.append(what.data))
    Show(whole)("fig-nearest")
    assert shown[0].startswith("*Not shown here: ")
    assert shown[0].endswith("went with the store.*")


def test_other_options_of_a_run_that_is_finished_are_refused(whole):
    with pytest.raises(UserError, match="is a finished run, with its own seeds and options"):
        Study(f"run:{whole.results}", seeds=3)


def test_a_record_comes_back_as_the_design(smoke):
    again = Record.model_validate_json(Record.of(smoke.design).model_dump_json()).design()
    assert again.preset == smoke.preset
    assert [(a.name, a.data, a.mirrored, a.preset) for a in again.columns] == [
        (a.name, a.data, a.mirrored, a.preset) for a in smoke.design.columns
    ]
    assert again.main.arm("100", 1, 1).key == smoke.main.arm("100", 1, 1).key


def test_joined_runs_say_what_one_run_of_all_seeds_says(apart, runs, tmp_path):
    both = apart(0, 1)
    join(list(reversed(runs)), tmp_path / "joined")
    joined = Study(f"run:{tmp_path / 'joined'}")
    assert joined.seeds == (0, 1)
    ours, theirs = rows_of(joined), rows_of(both)
    assert len(ours.pop("crossed")) == 1  # no run crossed generators with classifiers of another seed
    for name, rows in ours.items():
        pd.testing.assert_frame_equal(rows, theirs[name])
    assert str(joined.answer()) == str(both.answer())
    assert joined.show("tab-judged") == both.show("tab-judged")
    join([tmp_path / "joined", runs[1]], tmp_path / "again")  # the same values twice are no harm
    assert read_record(tmp_path / "again") == read_record(tmp_path / "joined")


def edited(folder, change):
    """The run in `folder` with `change` made to what it says of itself."""
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r["code"].update(predict="0" * 64), "other code made predict; run one of them again"),
        (lambda r: r.update(device="cuda"), "device cpu and cuda"),
        (lambda r: r["options"].update(grey=True), "grey is False in the one, True in the other"),
        (
            lambda r: r["preset"]["classifier"]["training"].update(epochs=9),
            "classifier.training.epochs of the preset is 4 in the one, 9 in the other",
        ),
        (
            lambda r: r["columns"][0]["data"]["train"].update(fingerprint="0" * 64),
            r"their images differ \(digits train\)",
        ),
        (lambda r: r.update(seeds=[3]), r"no run has the seeds 1, 2 \(there are 0, 3\)"),
        (lambda r: r.pop("seeds"), "run.json can't be read"),
    ],
)
def test_runs_that_differ_in_more_than_their_seeds_are_refused_by_name(runs, tmp_path, change, says):
    edited(runs[1], change)
    with pytest.raises(UserError, match=says) as error:
        join(runs, tmp_path / "joined")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "joined").exists()


def test_two_values_of_one_artifact_are_refused(runs, tmp_path):
    shutil.copytree(runs[0], tmp_path / "twin")
    folder = next((tmp_path / "twin" / KEPT / "predict").iterdir())
    note = json.loads((folder / PROVENANCE).read_text())
    note["files"][DATA] = "0" * 64
    (folder / PROVENANCE).unlink()  # the store's own file has this name, too
    (folder / PROVENANCE).write_text(json.dumps(note))
    with pytest.raises(UserError, match=f"0 and .*twin hold different values of predict {folder.name[:12]}"):
        join([*runs, tmp_path / "twin"], tmp_path / "joined")


def test_a_run_by_other_code_than_ours_is_not_opened(runs):
    edited(runs[0], lambda record: record["code"].update(fidelity="0" * 64))
    with pytest.raises(UserError, match="was made by other code of fidelity than this"):
        reopened(runs[0])


def test_a_damaged_file_is_named_and_kept(runs, apart):
    design, kept = reopened(runs[0])
    spec = design.main.test(design.main.classifier(0, 0))
    file = kept.folder(spec) / DATA
    content = bytearray(file.read_bytes())
    file.unlink()
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"predict/.* is damaged \(data.safetensors\); copy the run's folder again"):
        kept.get(spec)
    assert file.exists()
    assert apart(0).store.get(spec).correct.shape == (40,)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"is no finished run \(it holds no run.json\)"):
        join([tmp_path, tmp_path], tmp_path / "joined")
