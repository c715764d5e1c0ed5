"""The search shows excerpts without a server, too.

Sphinx reads every page that it has found to quote it, which a browser forbids for pages that were opened as files. The
texts are therefore written beside the search page, as a script that it loads and that answers in the pages' place.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from assets import copy_files
from bs4 import BeautifulSoup, Comment, Tag
from sphinx.application import Sphinx

TEXTS, ANSWERS = "search_texts.js", "search_answers.js"
SKIPPED = ("script", "style", "svg", "button", "template")


def slim(page: str) -> str:
    """The article of a page as HTML with nothing but its text and the places that links lead to."""
    soup = BeautifulSoup(page, "html.parser")
    article = soup.select_one('[role="main"] article') or soup.find(attrs={"role": "main"})
    return f'<div role="main">{" ".join(_slim(article).split())}</div>' if isinstance(article, Tag) else ""


def _slim(tag: Tag) -> str:
    parts = []
    for child in tag.children:
        if isinstance(child, Tag):
            if child.name not in SKIPPED and "headerlink" not in child.get("class", []):
                inner = _slim(child)
                parts.append(f'<div id="{escape(str(child["id"]))}">{inner}</div>' if child.get("id") else inner)
        elif not isinstance(child, Comment):
            parts.append(escape(child))
    return "".join(parts)


def load(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Only the search page loads them."""
    if pagename == "search":
        app.add_js_file(TEXTS)
        app.add_js_file(ANSWERS)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the texts of all pages as one script."""
    if error is not None or app.builder.format != "html":
        return
    pages = {name: Path(app.outdir) / f"{name}.html" for name in sorted(app.env.found_docs)}
    texts = {name: slim(path.read_text(encoding="utf-8")) for name, path in pages.items()}
    script = f"var searchTexts = {json.dumps(texts, ensure_ascii=False)};\n"
    (Path(app.outdir) / "_static" / TEXTS).write_text(script, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    copy_files(app, ANSWERS)
    app.connect("html-page-context", load)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
