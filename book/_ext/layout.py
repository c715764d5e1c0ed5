"""How pages look on phones, in the dark and on paper; and no scripts of Thebe.

Thebe would run cells in the page, by a program from the network. This book has no such button; jupyter-book adds the
scripts all the same, twice, which the browser's console calls an error.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx

FILE = "layout.css"
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


def copy_file(app: Sphinx, error: Exception | None) -> None:
    """Put the style sheet where pages look for it."""
    if error is None and app.builder.format == "html":
        shutil.copyfile(Path(__file__).with_name(FILE), Path(app.outdir) / "_static" / FILE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_css_file(FILE)
    app.add_js_file(None, body=MODE)
    app.connect("html-page-context", leave_thebe_out, priority=900)
    app.connect("build-finished", copy_file)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
