"""Copy MathJax into the built book, so that no page asks the network for it."""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

from sphinx.application import Sphinx


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put the one file that pages load at `_static/mathjax/`, where `mathjax_path` points."""
    if error is not None or app.builder.format != "html":
        return
    source = next(f for f in files("sphinx-mathjax-offline") or [] if f.name == "tex-svg.js")
    target = Path(app.outdir) / "_static" / "mathjax" / "tex-svg.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.locate(), target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
