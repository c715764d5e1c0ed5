"""The registry of tables and figures: nothing of the paper and nothing of the book is missing from it."""

import re

import nbformat
import pytest

from synthgap.book import execute as book
from synthgap.book import exhibit_text, trace
from synthgap.book.provenance import Images, Made, Provenance, read, write
from synthgap.book.stale import STATISTICS
from synthgap.exhibits.base import Lab
from synthgap.exhibits.sections import TITLES, counterparts, exhibits, results
from synthgap.paper.published import read_paper

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


# the declarations


def test_every_table_and_figure_of_the_paper_has_its_counterpart_or_a_reason():
    paper = read_paper("exhibits.yaml")
    assert list(paper) == [f"Figure {n}" for n in range(1, 7)] + ["Table 1", "Table 2"] + [
        f"Figure {n}" for n in range(7, 10)
    ] + ["Table 3", "Table 4"]
    assert all(counterparts(place) or published.get("why") for place, published in paper.items())
    assert {place for one in exhibits().values() for place in one.paper} <= set(paper)


@pytest.mark.parametrize("name", exhibits())
def test_an_exhibit_says_what_it_rests_on_and_what_of_the_paper_it_stands_for(name):
    one = exhibits()[name]
    on_artifacts = any(result.cells for result in one.results())
    assert on_artifacts + bool(one.rests_on) + bool(one.copy_of) == 1
    if one.copy_of:
        assert one.copy_of in exhibits()
    else:
        assert bool(one.paper) != bool(one.apart)


def test_every_section_has_a_title():
    sections = {one.section for one in (*results(), *exhibits().values())}
    assert sections - {""} <= set(TITLES)


def test_every_exhibit_of_the_chapters_is_declared_and_every_declared_one_is_shown():
    shown = set()
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            shown |= set(re.findall(r'show\("((?:fig|tab)-[a-z0-9-]+)"', cell.source))
    assert shown == {name for name, one in exhibits().items() if one.view}


def test_a_figures_cell_shows_what_it_is_named_after():
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                assert f'show("{name}")' in cell.source, path.name


def test_every_table_and_figure_of_the_published_chapters_is_declared():
    for chapter, names in trace.chapters_in(ROOT / book.EXECUTED).items():
        assert set(names) <= set(exhibits()), chapter


def test_every_figure_and_table_of_the_other_pages_is_declared():
    for page in (ROOT / "book").glob("*.md"):
        named = re.findall(r"^:name: ((?:fig|tab)-\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= set(exhibits()), page.name


class OnlyThese:
    """A store that refuses what was not declared."""

    def __init__(self, store, specs):
        self.store, self.keys = store, {spec.key for spec in specs}

    def missing(self, specs):
        return self.store.missing(specs)

    def get(self, spec):
        assert spec.stored.key in self.keys, f"{spec.kind} was read and not declared"
        return self.store.get(spec)


@pytest.mark.parametrize("name", [name for name, one in exhibits().items() if one.view])
def test_a_view_shows_its_exhibit_under_its_name_from_its_declared_cells_alone(smoke, name):
    declared = [spec for r in exhibits()[name].reads for spec in r.specs(smoke.design)]
    first = Lab(smoke.design, OnlyThese(smoke.store, declared)).show(name)[0]
    if name.startswith("tab-"):
        assert f"\n:name: {name}\n" in first or name not in first  # or a sentence says why there is no table
    else:
        assert not isinstance(first, str) or "reverse-step" in first


def test_the_source_behind_an_exhibit_is_that_of_its_view_and_of_what_makes_its_results():
    written = "\n".join(exhibit_text.code_behind("fig-6"))
    for line in ("def fidelity_curves(", "def fidelity(", "def fidelity_cells("):
        assert line in written
    assert exhibit_text.code_behind("fig-graph") == []


def test_the_call_for_an_exhibit_names_the_preset_of_the_run_and_the_exhibit():
    assert exhibit_text.call_of(record(), "fig-6") == 'synthgap.Study(preset="quick").show("fig-6")'
    assert exhibit_text.call_of(record(), "fig-headline") == 'synthgap.Study(preset="quick").show("fig-answer")'
    assert exhibit_text.call_of(record(preset="mine"), "fig-6") == 'synthgap.Study(…).show("fig-6")'
    assert exhibit_text.call_of(record(), "fig-graph") == ""


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
    assert exhibit_text.counterpart("fig-1") == "In the paper: Figure 1 and Figure 3."
    assert exhibit_text.counterpart("fig-headline") == exhibit_text.counterpart("fig-answer")
    none = exhibit_text.counterpart("tab-nulls")
    assert none == "No counterpart in the paper: the paper has no null model."


def test_how_an_exhibit_was_made_is_told_in_full():
    told = dict(exhibit_text.how_made(record(), "fig-1"))
    assert told["Run"] == "preset quick; seeds 0, 1"
    assert told["Data"] == f"digits (images, SHA-256): 1,234 train {SHA[:12]}"
    assert told["Artifacts"] == "12; 10 core-minutes in all"
    assert told["Computed"] == "2026-02-01 to 2026-02-02"
    assert told["Device of the run"] == "A processor"
    assert told["Chapter executed"] == "2026-02-03"
    assert told["Code"] == "synthgap 0.1.0; commit cccccccccccc"
    assert told["Code of the artifacts (SHA-256)"] == f"predict {SHA[:12]}, {STATISTICS} {SHA[:12]}"
    shown = record()
    again = record(exhibits={"fig-answer": shown.exhibits["fig-1"]}, chapters={"07_conclusion": ("fig-answer",)})
    assert dict(exhibit_text.how_made(again, "fig-headline")) == dict(exhibit_text.how_made(again, "fig-answer"))


def test_changes_that_were_not_committed_and_a_gpu_are_told():
    told = dict(exhibit_text.how_made(record(dirty=True, gpu=True), "fig-1"))
    assert told["Code"].endswith("with changes that were not committed")
    assert "GPU-minutes" in told["Artifacts"]


def test_the_foot_of_a_page_says_which_numbers_these_are():
    told = "synthgap 0.1.0. Numbers: preset quick, chapters executed 2026-02-03, commit cccccccccccc"
    assert exhibit_text.foot(record()) == f"{told}."
    assert exhibit_text.foot(record(dirty=True)) == f"{told}, with changes that were not committed."


def test_what_was_not_recorded_is_said_to_be_so_and_not_made_up():
    before = {"fig-1": Made(kinds=("predict",), data={"digits": ("train",)}, seeds=(0,))}
    told = dict(exhibit_text.how_made(record(device=None, commit=None, exhibits=before), "fig-1"))
    unknown = [term for term, text in told.items() if exhibit_text.NOT_RECORDED in text]
    assert unknown == ["Artifacts", "Computed", "Device of the run", "Code"]


def test_an_exhibit_without_artifacts_says_what_it_rests_on():
    told = exhibit_text.how_made(record(), "tab-toy")
    assert told[0] == ("Rests on", "a simulation that the chapter runs itself")


@pytest.mark.parametrize(
    ("chapter", "number"), [("01_introduction", "1"), ("04_1_synthetic_samples", "4.1"), ("a2_your_data", "A2")]
)
def test_chapters_are_called_by_their_numbers(chapter, number):
    assert exhibit_text.number_of(chapter) == number


def test_the_page_lists_the_papers_tables_and_figures_with_links_to_what_the_run_has():
    lines = exhibit_text.of_the_paper(record()).splitlines()
    assert len(lines) == 2 + 13
    rows = {line.split(" | ")[0].strip("| ").replace("\u00a0", " "): line for line in lines[2:]}
    assert "{numref}`fig-6` ({doc}`chapter\u00a04.1 <executed/04_1_synthetic_samples>`)" in rows["Figure 6"]
    assert "not in this run" in rows["Figure 7"]
    ours = exhibit_text.of_ours(record())
    assert "{numref}`tab-data`" in ours
    assert "{numref}`tab-nulls`" not in ours
