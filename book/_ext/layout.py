"""How pages look on phones, in the dark and on paper; whose headings a table's are; and no scripts of Thebe.

Thebe would run cells in the page, by a program from the network. This book has no such button; jupyter-book adds the
scripts all the same, twice, which the browser's console calls an error.
"""

from __future__ import annotations

import re

from assets import add_files
from docutils import nodes
from sphinx.application import Sphinx

# the theme's script calls it an error, in the console, that nobody has chosen light or dark yet
MODE = 'document.documentElement.dataset.mode ||= "auto";'


def leave_thebe_out(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Take the scripts out of what this page loads."""
    context["script_files"] = [
        file
        for file in context["script_files"]
        if "thebe" not in str(getattr(file, "filename", file)).lower()
        and "THEBE" not in str(getattr(file, "attributes", {}).get("body", ""))
    ]


def name_rows(app: Sphinx, doctree: nodes.document) -> None:
    """The first column of a numbered table names its rows, and so its cells are headings of rows."""
    for table in doctree.findall(nodes.table):
        first = next(table.findall(nodes.colspec), None)
        if first is not None and any(isinstance(child, nodes.title) for child in table.children):
            first["stub"] = 1


def scope_headings(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Headings of tables say whether they are a column's or a row's."""
    if "body" in context:
        body = re.sub(r'<th class="([^"]*\bhead\b)', r'<th scope="col" class="\1', context["body"])
        context["body"] = re.sub(r'<th class="([^"]*\bstub\b)', r'<th scope="row" class="\1', body)


def setup(app: Sphinx) -> dict[str, bool]:
    add_files(app, "layout.css", "folded.js")
    app.connect("doctree-read", name_rows)
    app.connect("html-page-context", scope_headings)
    app.add_js_file(None, body=MODE)
    app.connect("html-page-context", leave_thebe_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
