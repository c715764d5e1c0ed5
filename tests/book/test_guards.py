"""Each guard of the book names its culprit; what is in order passes."""

import base64
import json
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.book import guards

ROOT = book.find_root()
PNG = base64.b64encode(b"\x89PNG fake").decode()


def executed_cell(alt="what it shows", **data):
    output = new_output("display_data", data=data or {"text/plain": "1"})
    cell = new_code_cell("1", execution_count=1, outputs=[output])
    cell.metadata["mystnb"] = {"figure": {"name": "fig-1"}, "image": {"alt": alt}}
    return cell


def test_an_executed_notebook_with_alternative_texts_passes():
    guards.check_executed(new_notebook(cells=[executed_cell(**{"image/png": PNG})]), "fine")


def test_an_unexecuted_cell_is_refused():
    with pytest.raises(UserError, match=r"ch\.ipynb, cell 1 was not executed"):
        guards.check_executed(new_notebook(cells=[new_code_cell("1 + 1")]), "ch.ipynb")


def test_an_error_output_is_refused():
    output = new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=[])
    cell = new_code_cell("1 / 0", execution_count=1, outputs=[output])
    with pytest.raises(UserError, match="ZeroDivisionError"):
        guards.check_executed(new_notebook(cells=[cell]), "ch.ipynb")


def test_an_image_without_alternative_text_is_refused():
    with pytest.raises(UserError, match="alternative text"):
        guards.check_executed(new_notebook(cells=[executed_cell(alt="", **{"image/png": PNG})]), "ch.ipynb")


@pytest.mark.parametrize(
    "text",
    [
        "saved to /home/me/photos/a.png",
        'dataset = "folder:/Users/me/photos"',
        "/tmp/tmpab12/model.pt: 1",
        "see file:///data/me/index.html",
        r"C:\Users\me\photos",
        f"{ROOT}/book",
        "first line\n/root/x.py:3: UserWarning",
    ],
)
def test_a_path_of_a_machine_is_found(text, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert guards.private_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/home/me",
        "results/store/data/key",
        "…/photos/a.png",
        "~/data",
        "and/or/home/",
        "/usr/bin/env",
    ],
)
def test_an_address_or_a_relative_path_is_none(text):
    assert guards.private_path(text) is None


def test_a_notebook_with_a_path_in_an_output_is_refused(tmp_path):
    cell = new_code_cell("1", outputs=[new_output("stream", text="/home/me/x.py:3: a warning\n")])
    (tmp_path / "ch.ipynb").write_text(json.dumps(new_notebook(cells=[cell])))
    with pytest.raises(UserError, match=r"^ch\.ipynb shows /home/me/x\.py:3:"):
        guards.check_files(tmp_path)


def test_pixels_of_a_notebook_are_no_path(tmp_path):
    cell = executed_cell(**{"image/png": " /home/me/"})
    (tmp_path / "ch.ipynb").write_text(json.dumps(new_notebook(cells=[cell])))
    guards.check_files(tmp_path)


def test_a_large_file_is_refused_but_mathjax(tmp_path):
    (tmp_path / "tex-svg.js").write_bytes(bytes(2_100_000))
    (tmp_path / "small.bin").write_bytes(bytes(2_000_000))
    guards.check_files(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "large.bin").write_bytes(bytes(2_000_001))
    with pytest.raises(UserError, match=r"sub/large\.bin has 2,000,001 bytes"):
        guards.check_files(tmp_path)
    with pytest.raises(UserError, match=r"sub/large\.bin"):
        guards.check_files(tmp_path, but=("sub",))


def test_publishing_refuses_a_path_among_the_parameters():
    guards.check_parameters({"dataset": "folder:photos", "results": "results", "seeds": [0, 1]})
    with pytest.raises(UserError, match=r"--max-images .* /home/me"):
        guards.check_parameters({"max_images": "/home/me"})


GOOD = """<html><head><link rel="stylesheet" href="_static/a.css?v=1"><link rel="next" href="https://example.org/">
<script src="_static/a.js"></script></head><body id="top"><h1 id="title">A page</h1><a href="#title">up</a>
<a href="sub/b.html#there%20it%20is">b</a><a href="_downloads/x.csv">raw</a><a href="https://example.org/x">away</a>
<a href="mailto:a@example.org">mail</a><img src="data:image/png;base64,AAAA" alt="two words"></body></html>"""


@pytest.fixture
def html(tmp_path) -> Path:
    """A built book of two pages in which nothing is amiss."""
    for name, text in {
        "a.html": GOOD,
        "sub/b.html": '<p id="there it is">b</p><a href="../a.html#title">a</a><img src="../p.png" alt="a red square">',
        "p.png": "pixels",
        "_static/a.css": "body { background: url(data:image/png;base64,AAAA) }",
        "_static/a.js": "1",
        "_downloads/x.csv": "a,b",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_book_in_order_passes(html):
    guards.check_pages(html)
    guards.check_files(html)


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        ('<img src="p.png">', "a.html shows p.png without alternative text"),
        ('<img src="p.png" alt="_images/p q.png">', "a.html shows p.png without alternative text"),
        ('<img src="p.png" alt="plot">', "a.html shows p.png without alternative text"),
        ('<img src="q.png" alt="a red square">', "a.html wants q.png, which is not there"),
        ('<a href="c.html">c</a>', "a.html links to c.html, which is not there"),
        ('<a href="sub/b.html#nowhere">b</a>', "a.html links to sub/b.html#nowhere, and there is no such place"),
        ('<a href="#nowhere">a</a>', "a.html links to #nowhere, and there is no such place"),
        ('<a class="download" href="_downloads/y.csv">raw</a>', "a.html links to _downloads/y.csv"),
        ('<script src="https://cdn.example.org/x.js"></script>', "a.html asks the network for https://cdn"),
        ('<link rel="stylesheet" href="//cdn.example.org/x.css">', "a.html asks the network for //cdn"),
        ('<link rel="preconnect" href="https://cdn.example.org">', "a.html asks the network for https://cdn"),
        ('<img src="http://example.org/p.png" alt="a red square">', "a.html asks the network for http://example"),
        ('<img src="p.png" srcset="http://example.org/p.png 2x" alt="a red square">', "asks the network for http://e"),
        ('<iframe src="https://example.org/"></iframe>', "a.html asks the network for https://example.org/"),
        ('<p style="background: url(https://example.org/p.png)"></p>', "asks the network for https://example.org/p"),
    ],
)
def test_the_culprit_on_a_page_is_named(html, added, complaint):
    page = html / "a.html"
    page.write_text(page.read_text().replace("</body>", added + "</body>"))
    with pytest.raises(UserError) as error:
        guards.check_pages(html)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_style_sheet_that_wants_the_network_is_named(html):
    (html / "_static" / "a.css").write_text("@import url('https://fonts.example.org/x.css');")
    with pytest.raises(UserError, match=r"_static/a\.css asks the network for https://fonts"):
        guards.check_pages(html)


def test_the_number_of_further_culprits_is_told(html):
    (html / "sub" / "b.html").unlink()
    (html / "_downloads" / "x.csv").unlink()
    with pytest.raises(UserError, match=r"sub/b\.html.* \(and 1 more\)"):
        guards.check_pages(html)


def test_the_published_notebooks_and_tables_pass():
    guards.check_files(ROOT / book.EXECUTED)


def test_publishing_refuses_what_shows_a_path(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "chapter_names", lambda root: [])
    (tmp_path / "executed").mkdir()
    (tmp_path / "executed" / "table1.csv").write_text("path\n/home/me/x\n")
    with pytest.raises(UserError, match=r"table1\.csv shows /home/me/x"):
        book.place_executed(ROOT, tmp_path / "executed", tmp_path / "published", published=True)
    assert not (tmp_path / "published").exists()
