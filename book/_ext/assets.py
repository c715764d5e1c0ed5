"""Files of our own that pages load: style sheets and scripts beside this module."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx


def add_files(app: Sphinx, *names: str) -> None:
    """Let every page load these `.css` and `.js` files, and put them where pages look for them."""
    for name in names:
        (app.add_css_file if name.endswith(".css") else app.add_js_file)(name)
    copy_files(app, *names)


def copy_files(app: Sphinx, *names: str) -> None:
    """Put files where pages look for them, for those that ask by themselves."""

    def copy(app: Sphinx, error: Exception | None) -> None:
        if error is None and app.builder.format == "html":
            for name in names:
                shutil.copyfile(Path(__file__).with_name(name), Path(app.outdir) / "_static" / name)

    app.connect("build-finished", copy)
