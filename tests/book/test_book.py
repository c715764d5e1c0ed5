"""From executed notebooks to a book: what is refused, what is cleaned, what is staged."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from test_guards import PNG, executed_cell

from synthgap.base.errors import UserError
from synthgap.book import execute as book

ROOT = book.find_root()


def test_cleaning_drops_times_and_paths_and_nothing_else():
    cell = executed_cell()
    cell.metadata.update(papermill={"start_time": "now"}, execution={"iopub.status.busy": "now"}, tags=["kept"])
    notebook = new_notebook(cells=[cell], metadata={"papermill": {"input_path": "/home/me/x.ipynb"}})
    text = nbformat.writes(book.clean(notebook))
    assert "/home/me" not in text
    assert "now" not in text
    assert notebook.cells[0].metadata.tags == ["kept"]
    assert notebook.cells[0].outputs == cell.outputs


def test_pages_leave_out_what_opens_a_chapter_and_what_only_calls_for_an_exhibit():
    given = new_code_cell("preset = 'full'", metadata={"tags": ["injected-parameters"]})
    own = new_code_cell('print(show("fig-1"))', outputs=executed_cell().outputs)
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for cell in code:
            if "parameters" not in cell.metadata.get("tags", []) and "open_book" not in cell.source:
                cell.outputs = executed_cell().outputs
        code += [given, own]
        book.clean(new_notebook(cells=code))
        tags = {cell.source: cell.metadata.get("tags", []) for cell in code}
        assert [t for t in tags.values() if "parameters" in t] == [["parameters", "remove-cell"]]
        assert tags[given.source] == ["injected-parameters", "remove-cell"]
        assert tags[own.source] == []
        for source, several in tags.items():
            assert "hide-input" not in several
            if source.startswith("show") and source.count("(") == 1:
                assert several == ["remove-input"], source
            if "open_book" in source:
                assert several == ["remove-cell"]
            if "def " in source:
                assert several == [], "code that is there to be read"


def test_the_figure_of_the_front_page_is_found_by_its_name(tmp_path):
    path = tmp_path / "a.ipynb"
    nbformat.write(new_notebook(cells=[executed_cell(**{"image/png": PNG})]), path)
    assert book.figure_png(path, "fig-1") == b"\x89PNG fake"
    with pytest.raises(UserError, match="holds no figure fig-2"):
        book.figure_png(path, "fig-2")


def test_every_chapter_of_the_contents_has_a_source_and_the_reverse():
    sources = {p.stem for p in (ROOT / "chapters").glob("*.ipynb")}
    assert set(book.chapter_names(ROOT)) == sources


def test_a_chapter_that_was_not_executed_is_named(tmp_path):
    with pytest.raises(UserError, match="01_introduction has not been executed"):
        book.place_executed(ROOT, tmp_path / "none", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_the_published_notebooks_are_complete_and_pass_the_checks(tmp_path):
    book.place_executed(ROOT, ROOT / book.EXECUTED, tmp_path / "copy")
    for name in ("headline.png", "headline.md"):
        assert (tmp_path / "copy" / name).read_bytes() == (ROOT / book.EXECUTED / name).read_bytes()


def test_a_folder_without_chapters_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"no chapters/ and _toc\.yml"):
        book.find_root(tmp_path)
