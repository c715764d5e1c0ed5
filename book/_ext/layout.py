"""How pages look on phones, in the dark and on paper; and no scripts of Thebe.

Thebe would run cells in the page, by a program from the network. This book has no such button; jupyter-book adds the
scripts all the same, twice, which the browser's console calls an error.
"""

from __future__ import annotations

from assets import add_files
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


def setup(app: Sphinx) -> dict[str, bool]:
    add_files(app, "layout.css")
    app.add_js_file(None, body=MODE)
    app.connect("html-page-context", leave_thebe_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
