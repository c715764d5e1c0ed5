"""Tables of the class `sortable` can be ordered by any of their columns; without scripts they stay as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx

FILES = ("sortable.js", "sortable.css")


def copy_files(app: Sphinx, error: Exception | None) -> None:
    """Put both files where pages look for them."""
    if error is None and app.builder.format == "html":
        for name in FILES:
            shutil.copyfile(Path(__file__).with_name(name), Path(app.outdir) / "_static" / name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("sortable.js")
    app.add_css_file("sortable.css")
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
