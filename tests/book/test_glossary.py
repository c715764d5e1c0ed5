"""The glossary: what chapters and pages link to is explained there, once."""

import re

import nbformat
import pytest

from synthgap.book.execute import ANSWER, find_root

ROOT = find_root()
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
PAGES = [*sorted((ROOT / "chapters").glob("*.ipynb")), *sorted((ROOT / "book").glob("*.md"))]


def terms():
    """Every term of the glossary: the lines at the margin of its definition lists."""
    lists = re.findall(r"```\{glossary\}\n(.*?)```", GLOSSARY, flags=re.DOTALL)
    return [line for text in lists for line in text.splitlines() if line and not line.startswith(" ")]


def linked(path):
    """The terms that a page's text links to, in the order of the text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return [re.sub(r".*<(.*)>", r"\1", name) for name in re.findall(r"\{term\}`([^`]+)`", text)]


def test_a_term_is_explained_once_whatever_its_capitals():
    names = [term.lower() for term in terms()]
    assert len(names) > 50
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_term_that_a_page_links_to_is_in_the_glossary(path):
    assert {name.lower() for name in linked(path)} <= {term.lower() for term in terms()}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_chapter_links_to_a_term_once_where_it_first_appears(path):
    if path.suffix == ".ipynb":
        assert len(set(linked(path))) == len(linked(path))


def test_the_page_that_stands_alone_links_to_no_other():
    assert not linked(ROOT / "chapters" / f"{ANSWER}.ipynb")
