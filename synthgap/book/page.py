"""One executed chapter as one HTML page that stands alone: no scripts, no other files, pictures within.

Sphinx renders the notebook as it renders the book, without a theme; Beautiful Soup makes one file of the result.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from ..base.disk import write_text
from ..base.errors import UserError
from .guards import check_executed

ELSEWHERE = "another chapter of the book"
SHOWN = ("text/markdown", "image/png", "text/plain")
CONF = {
    "extensions": ["myst_nb", __name__],
    "root_doc": "page",
    "myst_enable_extensions": ["amsmath", "colon_fence", "deflist", "dollarmath"],
    "myst_disable_syntax": ["html_block", "html_inline"],  # names that users gave get in here
    "nb_execution_mode": "off",
    "nb_remove_code_source": True,
    "nb_output_stderr": "remove",
    "nb_render_markdown_format": "myst",
    "numfig": True,
    "numfig_format": {"figure": "Figure %s"},
    "html_math_renderer": "mathml",
    "html_permalinks": False,
    "html_scaled_image_link": False,
    "smartquotes": False,
}
NOT_GIVEN = {"", "–", "not run", "too few images"}  # what `tables` writes where there is no number
INTERVAL = re.compile(r"\([^()]*\d[^()]*\)")  # kept on one line
NUMBER = re.compile(r"[<>]? ?[-+−]?[\d.][\d.,]*( ?± ?\d[\d.,]*)?( ?%)?( ?\(.*\))?")


def write_page(notebook: Path, target: Path, title: str, beside: Sequence[nbformat.NotebookNode] = ()) -> Path:
    """Render an executed notebook into `target`, which appears whole or stays as it was.

    The page shows text and outputs in their order, without the code. `title` is what a browser's tab shows. Cells of
    `beside` come before the second section.
    Raises UserError when the notebook is missing, broken or not executed to its end, or when Sphinx fails.
    """
    if not notebook.is_file():
        raise UserError(f"there is no executed chapter {notebook}; run the chapter first")
    try:
        cells = nbformat.read(notebook, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        raise UserError(f"{notebook} is not a notebook; run the chapter again") from error
    check_executed(cells, notebook.name)
    begun = [n for n, cell in enumerate(cells.cells) if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    place = begun[1] if len(begun) > 1 else len(cells.cells)
    cells.cells[place:place] = beside
    with tempfile.TemporaryDirectory() as folder:
        body = _body(_built(cells, notebook.name, Path(folder)))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, _PAGE.format(title=escape(title), style=_STYLE, body=body))
    return target


def _built(notebook: nbformat.NotebookNode, name: str, folder: Path) -> Path:
    """Let Sphinx write the page's body and contents, HTML within JSON, and beside it a folder of pictures."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output):
        output.data = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
    nbformat.write(notebook, folder / "page.ipynb")
    conf = "\n".join(f"{key} = {value!r}" for key, value in CONF.items())
    (folder / "conf.py").write_text(conf, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "sphinx", "-q", "-b", "json", str(folder), str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise UserError(f"{name} did not become a page (Sphinx said: {said}); run the chapter again")
    return folder / "out" / "page.fjson"


def setup(app: Sphinx) -> None:
    """Sphinx calls this, for this module is among its extensions."""
    closed = {"raw_enabled": False, "file_insertion_enabled": False}  # no directive brings in HTML or a file
    app.connect("builder-inited", lambda app: app.env.settings.update(closed))
    app.connect("missing-reference", _elsewhere)
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))


def _elsewhere(app: Sphinx, env: object, reference: nodes.Element, shown: nodes.Element) -> nodes.Element:
    return shown if reference.get("refexplicit") else nodes.inline("", ELSEWHERE)


def _formula(writer: HTML5Translator, formula: nodes.math | nodes.math_block) -> None:
    """Write MathML, which needs no script; a formula that docutils can't translate stays TeX."""
    try:
        writer.body.append(tex2mathml(formula.astext(), isinstance(formula, nodes.math_block)))
    except Exception:  # releases of docutils differ in what they raise
        writer.body.append(f"<code>{escape(formula.astext())}</code>")
    raise nodes.SkipNode


def _body(built: Path) -> str:
    page = json.loads(built.read_text(encoding="utf-8"))
    body = BeautifulSoup(page["body"], "html.parser")
    contents = BeautifulSoup(page["toc"], "html.parser").select_one("ul ul")
    if body.h1 and contents:
        body.h1.insert_after(contents)
        contents.wrap(body.new_tag("nav", attrs={"aria-label": "Contents"}))
    for picture in body.find_all("img"):
        file = built.parent / "_images" / Path(picture["src"]).name
        if file.is_file():
            picture["src"] = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
        else:
            picture.replace_with(picture.get("alt", ""))
    for link in body.find_all("a", href=True):
        _keep_inside(link, body)
    for table in body.find_all("table"):
        _arrange(table, body)
    return str(body)


def _keep_inside(link: Tag, body: BeautifulSoup) -> None:
    """Leave links to the web and to places on the page; make others text."""
    address = link["href"]
    if address.startswith(("https://", "http://")):
        link["href"], link["rel"] = unescape(address), "noreferrer"  # MyST escapes addresses, and docutils once more
    elif not (address.startswith("#") and body.find(id=address[1:])):
        if link.get_text().strip() in ("", address[1:]):
            link.string = ELSEWHERE
        link.unwrap()


def _arrange(table: Tag, body: BeautifulSoup) -> None:
    """Let a table scroll, by the keyboard too, and put columns to the right where half or more are numbers."""
    number = table.select_one(".caption-number")
    name = number.get_text().strip() if number else "Table"
    table.wrap(body.new_tag("div", attrs={"class": "wide", "role": "region", "tabindex": "0", "aria-label": name}))
    for head, *cells in zip(*(row.find_all(["th", "td"]) for row in table.find_all("tr")), strict=False):
        head["scope"] = "col"
        texts = (cell.get_text().strip().replace("\u00a0", " ") for cell in cells)
        numbers = [NUMBER.fullmatch(text) is not None for text in texts if text not in NOT_GIVEN]
        for text in [text for cell in cells for text in cell.find_all(string=True)]:
            text.replace_with(INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text))
        for cell in (head, *cells) if 2 * sum(numbers) >= len(numbers) else ():
            cell["class"] = "number"


_STYLE = """
:root { color-scheme: light dark; --line: #8885; --shade: #8881; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 46rem; overflow-wrap: break-word;
  font: 1.0625rem/1.6 system-ui, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2.25rem 0 .75rem; break-after: avoid; }
h2 { font-size: 1.4rem; padding-top: .75rem; border-top: 1px solid var(--line); }
nav, pre, blockquote { padding: .75rem 1rem; background: var(--shade); }
pre { white-space: pre-wrap; }
nav ul { margin: 0; padding: 0; list-style: none; }
blockquote { margin: 1.25rem 0; border-left: .375rem solid #b4540a; font-size: 1.25rem; line-height: 1.45; }
blockquote p, td p, th p, li p { margin: 0; }
figure, .wide { margin: 1.75rem 0; overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff; color: #000; }
figcaption, caption, table { font-size: .925rem; line-height: 1.4; text-align: left; }
caption { padding-bottom: .5rem; position: sticky; left: 0; max-width: min(46rem, 100vw - 2rem); }
.caption-number { font-weight: bold; }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .375rem .625rem; vertical-align: top; border-bottom: 1px solid var(--line); }
td:first-child:not(.number) { min-width: 9rem; }
.number { text-align: right; }
@media print {
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  figure, .wide, tr, blockquote { break-inside: avoid; overflow: visible; }
  figure img { max-height: 20cm; width: auto; }
  table { font-size: .75rem; }
}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head><body><main>
{body}</main></body></html>
"""
