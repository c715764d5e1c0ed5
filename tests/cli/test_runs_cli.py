"""synthgap merge: two runs become one with a page; what can't be joined is one line."""

import sys

import pandas as pd
import pytest

from synthgap.book import provenance
from synthgap.cli import commands as cli
from synthgap.design.record import leave
from synthgap.exhibits.study import Study


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command in this process; returns (exit code, standard output, standard error)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["synthgap", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return stop.value.code or 0, out.out, out.err

    return run


@pytest.fixture
def runs(smoke, tmp_path):
    """Two runs, of seed 0 and of seed 1."""
    folders = []
    for seed in (0, 1):
        study = Study(preset="smoke", results=smoke.results, device="cpu", seeds=[seed])
        folders.append(tmp_path / f"smoke-seeds_{seed}")
        leave(study.design, [s for s in study.plan() if smoke.store.has(s)], smoke.store, folders[-1])
    return folders


def test_merged_runs_have_a_page_raw_rows_and_provenance(call, runs, smoke, tmp_path):
    out = tmp_path / "both"
    code, told, _ = call("merge", *runs, "--out", out)
    assert code == 0
    assert "2 runs joined, seeds 0, 1" in told
    pictures = next(line for line in told.splitlines() if line.startswith("not shown, since they are pictures: "))
    assert {"fig-5", "fig-misread", "fig-uncovered"} <= set(pictures.split(": ")[1].split(", "))
    pd.testing.assert_frame_equal(pd.read_csv(out / "chapters" / "table3.csv"), smoke.rows("table3"), check_dtype=False)
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
        (["0"], "is one run; name two or more"),
        (["0", "none"], "none is no finished run"),
        (["1"] * 2, "no run has the seed 0 (there are 1)"),
    ],
)
def test_what_can_not_be_merged_is_one_line(call, runs, tmp_path, words, says):
    code, _, err = call("merge", *(tmp_path / f"smoke-seeds_{word}" for word in words), "--out", tmp_path / "out")
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_merged_into(call, runs, tmp_path):
    code, _, err = call("merge", *runs, "--out", runs[0])
    assert code == 2
    assert "is not an empty folder" in err
