"""Under every named figure and table: its counterpart in the paper, its raw rows, and how it was made.

What is said comes from the declarations in `synthgap/exhibits` and from `provenance.json` beside the executed chapters.
A book whose numbers other code has computed (`synthgap.book.stale`) is not built.
"""

from __future__ import annotations

import functools
from html import escape
from pathlib import Path

from assets import add_files
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from synthgap.base.errors import UserError
from synthgap.book import exhibit_text
from synthgap.book.provenance import Provenance
from synthgap.book.stale import check
from synthgap.exhibits.sections import exhibits
from synthgap.exhibits.slider import sets

EXECUTED = "book/executed"
logger = logging.getLogger(__name__)


@functools.cache
def record_of(source: str) -> Provenance:
    """How the chapters of the book in `source` were made; the build ends where they are stale."""
    try:
        return check(Path(source) / EXECUTED)
    except UserError as error:
        raise ExtensionError(str(error)) from error


class AddProvenance(SphinxTransform):
    """Puts the lines under figures and tables while a page is read, so that their downloads are copied."""

    default_priority = 870  # Sphinx looks for downloads at 880

    def apply(self, **options: object) -> None:
        del options
        for node in list(self.document.findall(lambda n: isinstance(n, (nodes.figure, nodes.table)))):
            for name in node["ids"]:
                if name.startswith(("fig-", "tab-")):
                    self._add(node, name)
                    break

    def _add(self, node: nodes.Element, name: str) -> None:
        if name not in exhibits():
            logger.warning("%s is not declared in synthgap/exhibits", name, location=node)
            return
        record = record_of(str(self.app.srcdir)).behind(name)
        line = nodes.paragraph("", "", nodes.Text(exhibit_text.counterpart(name)))
        files = exhibit_text.original(name).files()
        executed = Path(self.app.srcdir) / EXECUTED
        self._offer(line, " Raw rows: ", [f for f in files if (executed / f).is_file()])
        if sets in exhibit_text.original(name).results():
            by_step = sorted(executed.glob("*.npz"), key=lambda path: int(path.stem.rpartition("-")[2]))
            self._offer(line, " The images, for npz:FILE: ", [path.name for path in by_step])
        if older := exhibit_text.older(record, name):
            line += nodes.Text(f" {older}")
        rows = "".join(
            f"<dt>{escape(term)}</dt><dd>{escape(told)}</dd>" for term, told in exhibit_text.how_made(record, name)
        )
        details = f"<details><summary>How it was made</summary><dl>{rows}</dl></details>"
        box = nodes.container("", line, nodes.raw("", details, format="html"), classes=["provenance"])
        box += self._code(record, name)
        node.parent.insert(node.parent.index(node) + 1, box)

    def _offer(self, line: nodes.paragraph, words: str, files: list[str]) -> None:
        """Add links to files that lie beside the chapters, where there are any."""
        for number, file in enumerate(files):
            line += nodes.Text(words if number == 0 else ", ")
            line += addnodes.download_reference(
                "", "", nodes.Text(file), reftarget=f"/{EXECUTED}/{file}", refdoc=self.env.docname
            )
        if files:
            line += nodes.Text(".")

    @staticmethod
    def _code(record: Provenance, name: str) -> list[nodes.Node]:
        """How the exhibit is called for, and the source of what shows it, folded away."""
        written = exhibit_text.code_behind(name)
        if not written:
            return []
        called = exhibit_text.call_of(record, name)
        code = "\n\n".join([*([f"# {called} gives it"] if called else []), *written])
        opened = nodes.raw("", '<details class="code"><summary>Code that shows it</summary>', format="html")
        closed = nodes.raw("", "</details>", format="html")
        return [opened, nodes.literal_block(code, code, language="python"), closed]


class Exhibits(SphinxDirective):
    """`{exhibits} paper` or `{exhibits} ours`: the paper's tables and figures, or those it has not, as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        tables = {"paper": exhibit_text.of_the_paper, "ours": exhibit_text.of_ours}
        text = tables[self.arguments[0]](record_of(str(self.env.srcdir)))
        parent = nodes.container()
        source, line = self.get_source_info()
        self.state.nested_parse(StringList(text.splitlines(), source), line, parent)
        return parent.children


def begin(app: Sphinx, config: Config) -> None:
    """Every page's foot says which numbers these are; other themes than the book's have no place for it."""
    told = escape(exhibit_text.foot(record_of(str(app.srcdir))))
    if config.html_theme == "sphinx_book_theme":
        config.html_theme_options = {**config.html_theme_options, "extra_footer": f"<p>{told}</p>"}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(AddProvenance)
    app.add_directive("exhibits", Exhibits)
    add_files(app, "provenance.css")
    app.connect("config-inited", begin)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
