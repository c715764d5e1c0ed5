"""synthgap merge and store: two runs become one with a page; what takes room is told, and removed when asked; wrong
input is one line."""

import shutil

import pandas as pd
import pytest

from synthgap.book import provenance
from synthgap.design.record import leave
from synthgap.exhibits.study import Study
from synthgap.graph.specification import in_order


@pytest.fixture
def runs(smoke, left, tmp_path):
    """Two runs, of seed 0 and of seed 1, of a preset that trains the two together."""
    several = [Study(preset="smoke", results=smoke.results, device="cpu", seeds=[seed]) for seed in (0, 1)]
    return [left(study, tmp_path / f"smoke-seeds_{seed}") for seed, study in enumerate(several)]


def test_merged_runs_have_a_page_raw_rows_and_provenance(synthgap, apart, left, tmp_path):
    runs = [left(apart(seed), tmp_path / f"apart-seeds_{seed}") for seed in (0, 1)]
    out = tmp_path / "both"
    code, told, error = synthgap("merge", *runs, "--out", out)
    assert code == 0, error
    assert "2 runs joined, seeds 0, 1" in told
    pictures = next(line for line in told.splitlines() if line.startswith("not shown, since they are pictures: "))
    assert {"fig-5", "fig-misread", "fig-uncovered"} <= set(pictures.split(": ")[1].split(", "))
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "chapters" / "table3.csv"), apart(0, 1).rows("table3"), check_dtype=False
    )
    page = (out / "answer.html").read_text(encoding="utf-8")
    assert "Not shown here" in page
    assert "Would synthetic images replace mine?" in page
    record = provenance.read(out / "chapters")
    assert record.seeds == (0, 1)
    assert record.exhibits["fig-gains"].artifacts > 10
    assert not (out / "store").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["0"], "is the only one named; name two runs or more"),
        (["0", "none"], "none is no finished run"),
        (["1"] * 2, "no run has the seed 0 (there are 1)"),
        (["0", "1"], "classifiers are trained in blocks of 2 seeds (0 to 1, 2 to 3, …), so run whole blocks"),
    ],
)
def test_what_can_not_be_merged_is_one_line(synthgap, runs, tmp_path, words, says):
    code, _, err = synthgap("merge", *(tmp_path / f"smoke-seeds_{word}" for word in words), "--out", tmp_path / "out")
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_merged_into(synthgap, runs, tmp_path):
    code, _, err = synthgap("merge", *runs, "--out", runs[0])
    assert code == 2
    assert "is not an empty folder" in err


@pytest.fixture
def littered(damageable, smoke, results):
    """A results folder with a finished run, an artifact of other code and the checkpoint of a finished training."""
    leave(smoke.design, smoke.plan(), damageable, results / "smoke")
    other = damageable.root / "predict" / ("0" * 64)
    shutil.copytree(damageable.folder(smoke.main.test(smoke.main.classifier(0, 0))), other)
    left = damageable.work(smoke.main.generator(0))
    left.mkdir(parents=True)
    (left / "checkpoint.safetensors").write_bytes(b"0" * 12_000_000)
    return results, (other, left)


def test_what_can_be_removed_is_said_and_removed_only_when_that_is_asked_for(synthgap, littered, smoke):
    results, litter = littered
    code, told, _ = synthgap("store", "--results", results, "--prune")
    assert code == 0
    count = len(list((results / "store").glob("[!.]*/*")))
    assert told.splitlines()[0].startswith(f"artifacts: {count:,}, ")
    assert "of other code: 1, " in told
    assert "left over: 1, 12 MB" in told
    assert "would be removed: 2, 12 MB" in told
    assert "add --yes to remove them" in told
    assert all(folder.is_dir() for folder in litter)
    code, told, _ = synthgap("store", "--results", results, "--prune", "--yes")
    assert code == 0
    assert "removed: 2, 12 MB" in told
    assert not any(folder.exists() for folder in litter)
    study = Study(preset="smoke", results=results, device="cpu")
    assert study.store.missing(study.plan()) == []


def test_what_no_finished_run_names_is_removed_on_request(synthgap, littered, smoke):
    results, _ = littered
    shutil.rmtree(results / "smoke")
    code, told, _ = synthgap("store", "--results", results, "--prune", "--unnamed", "--yes")
    assert code == 0
    assert list((results / "store").glob("[!.]*/*")) == []
    assert "in no finished run: " in told


def test_a_finished_run_is_told_with_what_it_needs(synthgap, littered, smoke):
    results, _ = littered
    _, told, _ = synthgap("store", "--results", results)
    needed = in_order(smoke.plan())
    size = sum(f.stat().st_size for spec in needed for f in smoke.store.folder(spec).iterdir())
    assert f"run smoke: {len(needed)}, {size / 1e6:.3g} MB; its alone {len(needed)}, {size / 1e6:.3g} MB" in told
    assert "removed" not in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--results", "nowhere"], "there is no nowhere/store"),
        (["--yes"], "--yes is for --prune"),
        (["--unnamed"], "--unnamed is for --prune"),
    ],
)
def test_a_store_that_is_not_there_is_one_line(synthgap, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "store").mkdir(parents=True)
    code, _, err = synthgap("store", *words)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
