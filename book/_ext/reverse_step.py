"""The list of reverse steps that `exhibits.slider` writes becomes a slider; without scripts it stays a list."""

from __future__ import annotations

from assets import add_files
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    add_files(app, "reverse_step.js", "reverse_step.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
