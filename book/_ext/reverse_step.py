"""The list of reverse steps that `synthgap.slider` writes becomes a slider; without scripts it stays a list."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx

FILES = ("reverse_step.js", "reverse_step.css")


def copy_files(app: Sphinx, error: Exception | None) -> None:
    """Put both files where pages look for them."""
    if error is None and app.builder.format == "html":
        for name in FILES:
            shutil.copyfile(Path(__file__).with_name(name), Path(app.outdir) / "_static" / name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("reverse_step.js")
    app.add_css_file("reverse_step.css")
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
