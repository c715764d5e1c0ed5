"""Tables of the class `sortable` can be ordered by any of their columns; without scripts they stay as they are."""

from __future__ import annotations

from assets import add_files
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    add_files(app, "sortable.js", "sortable.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
