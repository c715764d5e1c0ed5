"""A small line at the top of each chapter: its source notebook, and where to run it without installing anything.

The address of the repository stands in one place, `launch_repository` in _config.yml; while it is empty the line names
the notebook alone. Links only: a page asks nobody for anything until a reader follows one.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

EXECUTED = "book/executed/"
GITHUB = re.compile(r"https://github\.com/(?P<name>[\w.-]+/[\w.-]+?)(\.git)?/?")


def line(page: str, repository: str, branch: str) -> str:
    """HTML for a page's top; empty for pages that are no chapters."""
    if not page.startswith(EXECUTED):
        return ""
    path = f"chapters/{PurePosixPath(page).name}.ipynb"
    text = f"Source: <code>{escape(path)}</code>"
    if repository:
        match = GITHUB.fullmatch(repository)
        if match is None:
            raise ExtensionError(
                f"launch_repository is {repository}; give https://github.com/OWNER/NAME, or leave it empty"
            )
        name, where = match["name"], quote(branch)
        links = {
            path: f"https://github.com/{name}/blob/{where}/{path}",
            "Binder": f"https://mybinder.org/v2/gh/{name}/{where}?labpath={quote(path, safe='')}",
            "Colab": f"https://colab.research.google.com/github/{name}/blob/{where}/{path}",
        }
        source, binder, colab = (f'<a href="{escape(url)}">{escape(title)}</a>' for title, url in links.items())
        install = f"<code>%pip install git+https://github.com/{escape(name)}</code>"
        text = f"Source: {source} · run it on {binder} or {colab} (there {install} first)"
    return f'<p class="launch"><small>{text}</small></p>'


def add_line(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the line below the page's title."""
    del template, doctree
    text = line(page, app.config.launch_repository, app.config.launch_branch)
    if text and "body" in context:
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{text}", 1)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("launch_repository", "", "html", str)
    app.add_config_value("launch_branch", "main", "html", str)
    app.connect("html-page-context", add_line)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
