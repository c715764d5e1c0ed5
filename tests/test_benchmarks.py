"""The benchmarks run and tell the truth; how fast anything is, they say and no test does."""

import json
import math

import book_profile
import denoiser
import measure
import numpy as np
import performance
import plateau
import precision_recall
import pytest
import reconstruction
import run
import scaling
import sweep
from measure import Row

from synthgap import Study
from synthgap.base.errors import UserError
from synthgap.base.marks import between
from synthgap.book.making import TIMES, Stages

ROWS = [
    Row("one", 300.0, "images/s", 100.0, 3.0, least=2.0, ceiling="50% of it"),
    Row("two", 1.25, "s", 1.0, 1.25, most=1.1),
    Row("three", 0.5, "%"),
]


def check(rows, names):
    """Rows are named, their numbers finite, and a target goes with a ratio."""
    assert len(rows) == names
    assert len({row.benchmark for row in rows}) == names
    for row in rows:
        numbers = [row.ours, *(v for v in (row.baseline, row.ratio) if v is not None)]
        assert all(math.isfinite(v) and v >= 0 for v in numbers)
        assert (row.reached is None) == (row.least is None and row.most is None)
        assert len(measure.cells(row)) == len(measure.HEAD)
        assert "|" not in "".join(measure.cells(row))


def test_a_target_is_reached_from_its_bound_on():
    bound = {"benchmark": "x", "ours": 1.0, "unit": "s"}
    assert Row(**bound, ratio=2.0, least=2.0).reached
    assert not Row(**bound, ratio=1.99, least=2.0).reached
    assert Row(**bound, ratio=1.1, most=1.1).reached
    assert not Row(**bound, ratio=1.11, most=1.1).reached
    assert Row(**bound, ratio=5.0).reached is None


def test_the_summary_names_what_is_reached_and_what_is_missed_in_one_line():
    assert performance.summary(ROWS) == "1 of 2 targets reached: one 3.00. Missed: two (1.25, target ≤ 1.1)"
    assert performance.summary(ROWS[:1]) == "1 of 1 targets reached: one 3.00"
    assert performance.summary(ROWS[2:]) == "0 of 0 targets reached"


def test_the_table_has_a_line_a_row_and_says_when_the_machine_was_busy():
    text = performance.told(ROWS, "a machine", 0.1)
    assert "| one | 300 | 100 | 3.00 | ≥ 2, reached | 50% of it | images/s |" in text.splitlines()
    assert "| two | 1.25 | 1 | 1.25 | ≤ 1.1, missed |  | s |" in text.splitlines()
    assert "| three | 50.00 |  |  |  |  | % |" in text.splitlines()
    assert text.endswith("Measured on a machine.")
    assert "provisional" in performance.told(ROWS, "a machine", 1.5)


def test_the_page_of_the_book_has_a_place_for_each_table():
    text = performance.PAGE.read_text(encoding="utf-8")
    for name in ("measured on cpu", "measured on cuda", "profile"):
        assert between(text, name)


def test_the_machine_is_described_without_its_names():
    text = performance.machine()
    assert "PyTorch" in text
    assert " cores" in text
    assert "/" not in text.replace(" / ", "")
    assert "\n" not in text


def test_rows_survive_their_file(tmp_path):
    measure.write_rows(tmp_path / "rows.json", ROWS)
    assert measure.read_rows(tmp_path / "rows.json") == ROWS


def test_all_benchmarks_make_one_table_whose_last_line_sums_up(monkeypatch, capsys, tmp_path):
    calls, page = [], tmp_path / "page.md"
    page.write_text("<!-- measured on cpu: begin -->\n<!-- measured on cpu: end -->\n")
    monkeypatch.setattr(run, "run", lambda *words: calls.append(words) or ROWS[:1])
    monkeypatch.setattr(run, "PAGE", page)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    run.main(["--only", "scaling", "denoiser", "--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert calls == [("scaling", True, "cpu"), ("denoiser", True, "cpu")]
    assert sum(line.startswith("one ") for line in lines) == 2
    assert lines[-1].endswith("minutes; 2 of 2 targets reached: one 3.00; one 3.00")
    run.main(["--write"])
    assert [call[0] for call in calls[2:]] == list(run.BENCHMARKS)
    assert page.read_text().count("| one | 300 |") == len(run.BENCHMARKS)
    for words in (["--write", "--quick"], ["--write", "--only", "scaling"], ["--only", "nothing"]):
        with pytest.raises(SystemExit):
            run.main(words)


def test_the_program_of_each_benchmark_exists():
    for benchmark in run.BENCHMARKS.values():
        assert (run.FOLDER / benchmark.program).is_file()


@pytest.mark.parametrize("backward", [False, True])
def test_the_denoiser_answers_as_the_plain_one(backward):
    found = denoiser.compare("digits", backward, rounds=1)
    check([found.row()], 1)
    assert found.error < 1e-5


def test_reconstruction_is_compared_with_its_evaluations():
    check(reconstruction.measure(reconstruction.Size(images=20, evaluations=1, rounds=1)), 1)


def test_the_sweep_and_the_plain_loop_train_as_much(threads_for_workers, monkeypatch, results):
    monkeypatch.setattr(sweep, "STEPS", 2)
    monkeypatch.setattr(sweep, "cores", lambda: 1)  # two threads on a busy machine take minutes
    size = sweep.Size(seeds=2, rounds=1, alone=1, preset="smoke", workers=1)
    monkeypatch.setattr(sweep, "EPOCHS", 1)
    check(sweep.measure(size), 6)
    study = Study("digits", "smoke", results)
    real, spec = study.store.get(study.arms.data["train"]), study.arms.arm("0", 1, 0)
    _, seen, _ = sweep.plain_training(real, real, spec)
    recipe = spec.block.training
    assert seen == 2 * recipe.epochs * len(real)
    assert sweep.trained_images(spec) == 2 * recipe.epochs * math.ceil(len(real) / recipe.batch) * recipe.batch


def test_pictures_are_standardised_as_the_study_does(make_images):
    images = make_images(6, shape=(3, 8, 8), augment=("crop", "flip"))
    picture, label = sweep.Pictures(images, 0.4, 0.3, train=False)[2]
    np.testing.assert_allclose(picture.numpy(), (images.images[2] / 255 - 0.4) / 0.3, rtol=1e-5, atol=1e-6)
    assert label == images.labels[2]
    assert sweep.Pictures(images, 0.4, 0.3, train=True)[2][0].shape == (3, 8, 8)


@pytest.mark.parametrize("images", [60, 700])
def test_precision_and_recall_are_torch_fidelitys(images):
    real, fake = precision_recall.draw(precision_recall.Size(images, 96, 1))
    mine, other = precision_recall.ours(real, fake), precision_recall.theirs(real, fake)
    assert np.array_equal(np.round(np.multiply(mine, images)), np.round(np.multiply(other, images)))
    assert 0 < mine[0] < 1


def test_precision_and_recall_are_measured_in_processes_of_their_own(monkeypatch):
    size, values = precision_recall.Size(images=200, features=32, rounds=1), ("precision", "recall")
    here, there = precision_recall.alone("ours", size), precision_recall.in_a_process("ours", size)
    assert [here[name] for name in values] == [there[name] for name in values]
    monkeypatch.setattr(precision_recall, "in_a_process", precision_recall.alone)
    check(precision_recall.measure(size), 2)


def test_a_difference_of_values_is_no_comparison(monkeypatch):
    values = {"ours": 0.5, "baseline": 0.6}
    record = lambda side, size: {"seconds": 1.0, "mib": 1, "precision": values[side], "recall": 0.5}  # noqa: E731
    monkeypatch.setattr(precision_recall, "in_a_process", record)
    with pytest.raises(RuntimeError, match="they should be equal"):
        precision_recall.measure(precision_recall.Size(images=10, features=4, rounds=1))


def test_scaling_is_of_workers_images_and_reverse_steps(threads_for_workers):
    size = scaling.Size(2, 1, images=(4, 8), steps=(50, 100), solver_steps=2, repeats=1, preset="smoke")
    check(scaling.measure(size), 3)


def test_the_line_is_the_least_squares_one():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert scaling.fit(x, 3 * x - 1) == pytest.approx((0, 1, 3), abs=1e-12)
    off, explained, slope = scaling.fit(x, 3 * x + np.array([0.1, -0.1, -0.1, 0.1]))
    assert (off, slope) == pytest.approx((0.1 / 12, 3))
    assert explained == pytest.approx(1 - 0.04 / (45 + 0.04))


@pytest.fixture
def ended(results):
    """A results folder of a run that took 100 s of artifacts, and an artifact from an earlier one."""
    made = {"train-edm": [("a", 30.0, "2030-01-01T00:00:05+00:00"), ("b", 10.0, "2029-01-01T00:00:00+00:00")]}
    made |= {"predict": [("c", 10.0, "2030-01-01T00:00:09+00:00")], "data": [("d", 0.0, "2030-01-01T00:00:09+00:00")]}
    for kind, several in made.items():
        for key, seconds, when in several:
            folder = results / "store" / kind / key
            folder.mkdir(parents=True)
            (folder / "provenance.json").write_text(json.dumps({"seconds": seconds, "made": when}))
    (results / "quick").mkdir()
    times = {"started": "2030-01-01T00:00:00+00:00", "seconds": {"artifacts": 60.0, "chapters": 30.0, "book": 30.0}}
    (results / "quick" / TIMES).write_text(json.dumps(times))
    return results


def test_the_profile_counts_what_the_run_itself_computed(ended):
    lines = book_profile.tables(ended).splitlines()
    assert "| `train-edm` | 1 | 30.0 | 75.0% |" in lines
    assert "| `predict` | 1 | 10.0 | 25.0% |" in lines
    assert "| **all** | 2 | 40.0 | |" in lines
    assert "| building the book | 0.50 | 25.0% |" in lines
    assert "| **all** | 2.00 | |" in lines
    assert not any("`data`" in line for line in lines)


def test_a_folder_without_a_finished_run_is_refused(results):
    results.mkdir()
    for run_name in (None, "quick"):
        with pytest.raises(UserError, match="let synthgap run finish there first"):
            book_profile.tables(results, run_name)


def test_stages_add_up_and_are_kept_whole(tmp_path):
    stages = Stages()
    for name in ("chapters", "book", "chapters"):
        with stages(name):
            pass
    stages.save(tmp_path)
    record = json.loads((tmp_path / TIMES).read_text())
    assert record["started"].endswith("+00:00")
    assert list(record["seconds"]) == ["chapters", "book"]
    assert [p.name for p in tmp_path.iterdir()] == [TIMES]


def test_the_plateau_is_measured_once_a_seed_and_told_of_all(tmp_path, monkeypatch, capsys):
    words = ["plateau.py", "--preset", "smoke", "--seeds", "0", "1", "--out", str(tmp_path / "seen.jsonl")]
    monkeypatch.setattr("sys.argv", words)
    plateau.main()
    told = capsys.readouterr().out.splitlines()
    half, end = (json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()[:2])
    assert (half["seed"], 2 * half["seen"]) == (0, end["seen"])
    assert np.shape(end["right"]) == (plateau.CLASSIFIERS, 20)  # the smoke preset's validation images
    monkeypatch.setattr(plateau, "looks", None)  # nothing is trained again
    plateau.main()
    assert capsys.readouterr().out.splitlines() == told[-1:]
    assert told[-1].endswith("2 seeds × 20 validation images)")
