"""What the registry says that an exhibit rests on, against what the chapters read and what the raw files hold."""

import io
import re

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from IPython import display
from synthgap.exhibits.registry import registry

from synthgap.book import execute as book
from synthgap.book import trace
from synthgap.exhibits import parameters
from synthgap.exhibits.study import Study

ROOT = book.find_root()
NOT_ROWS = {"rivals", "by_class"}  # means and intervals of several files' rows


@pytest.fixture(scope="module")
def written(smoke, tmp_path_factory):
    """The folder with the smoke study's raw files."""
    folder = tmp_path_factory.mktemp("written")
    smoke.save_raw(folder)
    return folder


def holds(path, rows):
    """Has the file these rows, in this order, to the last digit?"""
    file, mine = pd.read_csv(path), pd.read_csv(io.StringIO(rows.to_csv(index=False)))
    return set(mine.columns) <= set(file.columns) and file[list(mine.columns)].equals(mine)


def test_the_rows_of_an_exhibit_are_those_of_a_raw_file_that_it_offers(smoke, written):
    checked = set()
    for name, exhibit in registry().ours.items():
        for maker in exhibit.reads if exhibit.raw else ():
            rows = getattr(smoke, maker)() if ":" not in maker and maker not in NOT_ROWS else None
            if isinstance(rows, pd.DataFrame):
                assert any(holds(written / file, rows) for file in exhibit.raw), f"{name}: {maker}"
                checked.add(maker)
    assert {"mixes", "accuracies", "table1", "table2", "table3", "table4", "answer_rows"} <= checked


def test_every_raw_file_that_an_exhibit_offers_is_written(written):
    offered = {file for exhibit in registry().ours.values() for file in exhibit.raw}
    assert offered <= {path.name for path in written.iterdir()}


def test_the_mixes_are_those_that_the_answer_chooses_among_in_its_measure(smoke, written):
    rows = pd.read_csv(written / "mixes.csv", dtype={"arm": str})
    assert set(zip(rows.arm, rows.multiple, strict=True)) == set(smoke.answer_cells["beside"])
    for row in rows.itertuples():
        prediction = smoke.store.get(smoke._validation((row.arm, row.multiple), row.seed))
        assert (
            row.value
            == {"accuracy": prediction.accuracy, "balanced accuracy": prediction.balanced_accuracy}[smoke.measure]
        )


@pytest.fixture(scope="module")
def listed(smoke):
    """Exhibit → keys of the artifacts that the registry says it reads."""
    several = registry().ours
    makers = {maker for exhibit in several.values() for maker in exhibit.reads}
    read = {maker: {spec.key for spec in trace.read_by(smoke, maker)} for maker in sorted(makers)}
    return {n: set().union(*(read[m] for m in e.reads)) for n, e in several.items() if e.reads}


@pytest.mark.parametrize("chapter", [name for name in book.chapter_names(ROOT) if name != "a1_null_models"])
def test_an_exhibit_lists_what_its_chapter_reads_for_it(chapter, smoke, listed, monkeypatch):
    """A cell reads nothing that its exhibits don't list, and they list nothing that the chapter hasn't read by then."""
    study = Study(preset="smoke", results=smoke.results, device="cpu", workers=1)
    study.store = noting = trace._Noting(study.store)
    shown: list[str] = []
    monkeypatch.setattr(parameters, "open_study", lambda given: study)
    monkeypatch.setattr(display, "display", lambda thing: shown.append(getattr(thing, "data", "")))
    names, before = {}, set()
    for cell in nbformat.read(ROOT / "chapters" / f"{chapter}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        shown.clear()
        noting.read.clear()
        exec(cell.source, names)
        plt.close("all")
        mine, before = set(noting.read), before | set(noting.read)
        figure = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        exhibits = [*([figure] if figure else []), *re.findall(r"^:name: (\S+)$", "\n".join(shown), re.MULTILINE)]
        exhibits = [name for name in exhibits if name in listed]
        if exhibits:
            assert mine <= set().union(*(listed[name] for name in exhibits)), exhibits
        for name in exhibits:
            assert listed[name] <= before, name
