"""The registry of tables and figures: nothing of the paper and nothing of the book is missing from it."""

import importlib
import re

import nbformat
import pytest
from pydantic import ValidationError

from synthgap.book import execute as book
from synthgap.book import exhibit_text, trace
from synthgap.book.provenance import Images, Made, Provenance, read, write
from synthgap.book.stale import STATISTICS
from synthgap.exhibits.registry import FIGURES, TABLES, Exhibit, Published, Registry, registry
from synthgap.exhibits.study import Study

ROOT = book.find_root()
SHA = "ab" * 32


def record(**options):
    fields = {
        "preset": "quick",
        "seeds": (0, 1),
        "device": "A processor",
        "executed": "2026-02-03",
        "versions": {"synthgap": "0.1.0"},
        "commit": "c" * 40,
        "dirty": False,
        "code": {"predict": SHA, STATISTICS: SHA},
        "data": {"digits": {"train": Images(count=1234, sha256=SHA)}},
        "chapters": {"01_introduction": ("fig-1", "tab-data"), "04_1_synthetic_samples": ("fig-6", "tab-fidelity")},
        "exhibits": {
            "fig-1": Made(
                kinds=("predict",),
                data={"digits": ("train",)},
                seeds=(0, 1),
                artifacts=12,
                seconds=600.0,
                made=("2026-02-01", "2026-02-02"),
            )
        },
    }
    return Provenance(**(fields | options))


# the registry


def test_every_table_and_figure_of_the_paper_has_its_counterpart_or_a_reason():
    paper = registry().paper
    assert set(paper) == {f"Table {n}" for n in TABLES} | {f"Figure {n}" for n in FIGURES}
    assert all(published.here or published.why for published in paper.values())


def test_every_figure_of_the_source_chapters_is_listed():
    for path in (ROOT / "chapters").glob("*.ipynb"):
        assert set(trace.exhibits_of(nbformat.read(path, as_version=4))) <= set(registry().ours), path.name


def test_every_table_and_figure_of_the_published_chapters_is_listed():
    for chapter, names in trace.chapters_in(ROOT / book.EXECUTED).items():
        assert set(names) <= set(registry().ours), chapter


def test_every_figure_and_table_of_the_other_pages_is_listed():
    for page in (ROOT / "book").glob("*.md"):
        named = re.findall(r"^:name: ((?:fig|tab)-\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= set(registry().ours), page.name


def test_what_an_exhibit_reads_is_a_method_of_the_study_or_a_function_of_it():
    for maker in {maker for exhibit in registry().ours.values() for maker in exhibit.reads}:
        module, _, function = maker.rpartition(":")
        assert callable(getattr(importlib.import_module(module) if module else Study, function)), maker


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "one of reads, rests_on and copy_of"),
        ({"reads": ["table1"], "rests_on": "nothing", "raw": ["table1.csv"]}, "one of reads"),
        ({"reads": ["table1"]}, "raw files, or a reason"),
        ({"reads": ["table1"], "raw": ["table1.txt"]}, "pattern"),
        ({"reads": ["table1"], "raw": ["table1.csv"], "from": "x"}, "Extra inputs"),
    ],
)
def test_an_entry_that_says_too_little_or_too_much_is_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        Exhibit(**fields)


def test_a_registry_that_contradicts_itself_is_refused():
    one = {"reads": ["table1"], "raw": ["table1.csv"]}
    paper = {"Table 1": {"shows": "detection", "here": ["tab-1"]}}
    with pytest.raises(ValidationError, match="tab-1 is named and not listed"):
        Registry(paper=paper, ours={})
    with pytest.raises(ValidationError, match="tab-1 needs a counterpart in the paper, or a reason"):
        Registry(paper=paper, ours={"tab-1": {**one, "apart": "ours"}})
    with pytest.raises(ValidationError, match="tab-2 needs a counterpart"):
        Registry(paper=paper, ours={"tab-1": one, "tab-2": one})
    with pytest.raises(ValidationError, match="neither a counterpart here nor a reason"):
        Published(shows="detection")


# the file


def test_the_record_is_read_back_as_it_was_written(tmp_path):
    path = write(record(), tmp_path)
    assert read(tmp_path) == record()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert len(path.read_text().splitlines()) < 50  # a line an entry: a change shows what it changes


def test_a_missing_or_damaged_record_is_an_error_with_its_path(tmp_path):
    with pytest.raises(book.UserError, match=r"provenance\.json can't be read .*; run synthgap run"):
        read(tmp_path)
    (tmp_path / "provenance.json").write_text('{"preset": 1}')
    with pytest.raises(book.UserError, match=r"provenance\.json is not valid \(preset: "):
        read(tmp_path)


# what the reader is told


def test_an_exhibit_names_its_counterpart_in_the_paper_or_why_there_is_none():
    assert exhibit_text.counterpart(registry(), "fig-1") == "In the paper: Figure 1 and Figure 3."
    assert exhibit_text.counterpart(registry(), "fig-headline") == exhibit_text.counterpart(registry(), "fig-1")
    none = exhibit_text.counterpart(registry(), "tab-nulls")
    assert none == "No counterpart in the paper: the paper has no null model."


def test_how_an_exhibit_was_made_is_told_in_full():
    told = dict(exhibit_text.how_made(registry(), record(), "fig-1"))
    assert told["Run"] == "preset quick; seeds 0, 1"
    assert told["Data"] == f"digits (images, SHA-256): 1,234 train {SHA[:12]}"
    assert told["Artifacts"] == "12; 10.0 core-minutes in all"
    assert told["Computed"] == "2026-02-01 to 2026-02-02"
    assert told["Device of the run"] == "A processor"
    assert told["Chapter executed"] == "2026-02-03"
    assert told["Code"] == "synthgap 0.1.0; commit cccccccccccc"
    assert told["Code of the artifacts (SHA-256)"] == f"predict {SHA[:12]}, {STATISTICS} {SHA[:12]}"
    assert dict(exhibit_text.how_made(registry(), record(), "fig-headline")) == told


def test_changes_that_were_not_committed_and_a_gpu_are_told():
    told = dict(exhibit_text.how_made(registry(), record(dirty=True, gpu=True), "fig-1"))
    assert told["Code"].endswith("with changes that were not committed")
    assert "GPU-minutes" in told["Artifacts"]


def test_the_foot_of_a_page_says_which_numbers_these_are():
    told = "synthgap 0.1.0. Numbers: preset quick, chapters executed 2026-02-03, commit cccccccccccc"
    assert exhibit_text.foot(record()) == f"{told}."
    assert exhibit_text.foot(record(dirty=True)) == f"{told}, with changes that were not committed."


def test_what_was_not_recorded_is_said_to_be_so_and_not_made_up():
    before = {"fig-1": Made(kinds=("predict",), data={"digits": ("train",)}, seeds=(0,))}
    told = dict(exhibit_text.how_made(registry(), record(device=None, commit=None, exhibits=before), "fig-1"))
    unknown = [term for term, text in told.items() if exhibit_text.NOT_RECORDED in text]
    assert unknown == ["Artifacts", "Computed", "Device of the run", "Code"]


def test_an_exhibit_without_artifacts_says_what_it_rests_on():
    told = exhibit_text.how_made(registry(), record(), "tab-toy")
    assert told[0] == ("Rests on", "a simulation that the chapter runs itself")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 core-seconds"), (89, "89 core-seconds"), (90, "1.5 core-minutes"), (9000, "2.5 core-hours")],
)
def test_durations_have_units_of_a_core(seconds, told):
    assert exhibit_text.duration(seconds, "core") == told


@pytest.mark.parametrize(
    ("chapter", "number"), [("01_introduction", "1"), ("04_1_synthetic_samples", "4.1"), ("a2_your_data", "A2")]
)
def test_chapters_are_called_by_their_numbers(chapter, number):
    assert exhibit_text.number_of(chapter) == number


def test_the_page_lists_the_papers_tables_and_figures_with_links_to_what_the_run_has():
    lines = exhibit_text.of_the_paper(registry(), record()).splitlines()
    assert len(lines) == 2 + len(TABLES) + len(FIGURES)
    rows = {line.split(" | ")[0].strip("| ").replace("\u00a0", " "): line for line in lines[2:]}
    assert "{numref}`fig-6` ({doc}`chapter\u00a04.1 <executed/04_1_synthetic_samples>`)" in rows["Figure 6"]
    assert "not in this run" in rows["Figure 7"]
    ours = exhibit_text.of_ours(registry(), record())
    assert "{numref}`tab-data`" in ours
    assert "{numref}`tab-nulls`" not in ours
