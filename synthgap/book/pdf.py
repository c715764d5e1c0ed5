"""The whole book as one PDF: its built pages in one HTML file, printed by Chromium; no LaTeX.

Sphinx's own builder of one page (singlehtml) gives the citations of different chapters the same anchors, and looks for
pictures in the wrong folder when the front page is not at the top. So the pages that readers know are joined instead.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Tag

from ..base.disk import writing
from ..base.errors import UserError
from ..base.files import replacing
from .execute import build, contents, stage

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# the pages are our own and every host is unresolvable, so that Chromium's sandbox, which containers lack, isn't missed
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
PUBLISHED = "book/executed"
FOR_MATHJAX = 10_000  # ms of the page's own clock, which stands still while scripts compute
PATIENCE = 300  # s, for all pages on a slow machine


def find_chromium() -> str:
    """Path of the browser: the one that SYNTHGAP_CHROMIUM names, or the first of the usual ones."""
    wanted = os.environ.get("SYNTHGAP_CHROMIUM")
    for name in [wanted] if wanted else NAMES:
        if path := shutil.which(name):
            return path
    where = f"at {wanted}, which SYNTHGAP_CHROMIUM names" if wanted else "on this machine"
    raise UserError(
        f"there is no Chromium {where}; install one (Debian: apt-get install chromium) or set that variable"
    )


def make_pdf(root: Path, executed: Path, target: Path) -> Path:
    """Build the book from the notebooks in `executed` and print it into `target`, which appears whole."""
    if target.is_dir() or target.suffix.lower() != ".pdf":
        raise UserError(f"--out is {target}; name a file that ends in .pdf")
    try:
        with writing(target.parent):  # before the minute that building takes
            target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"--out is {target}, and {error.filename} is no folder; choose another") from error
    chromium = find_chromium()
    with tempfile.TemporaryDirectory() as folder:
        source = stage(root, executed, Path(folder) / "book")
        build(source)
        return print_pdf(join_pages(source), target, chromium)


def join_pages(source: Path) -> Path:
    """Write all pages of the book that was built in `source` into one file beside them, after a title and contents.

    Ids begin with their page's name (`book/intro--how-to-read-it`), so that no two chapters share one.
    """
    html = source / "_build" / "html"
    articles, entries, head = [], [], {}
    for caption, names in contents(source):
        titles = []
        for name in names:
            page = BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
            head.update(dict.fromkeys(_head(page, name)))
            article = page.find("article")
            _point_inside(article, name)
            articles.append(f'<article class="bd-article" id="{name}">{article.decode_contents()}</article>')
            title = article.find("h1").get_text().removesuffix("#").strip()
            titles.append(f'<li><a href="#{name}">{escape(title)}</a></li>')
        entries.append(f"<li>{escape(caption)}<ul>{''.join(titles)}</ul></li>" if caption else "".join(titles))
    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    title, author, rights = (escape(str(config[key])) for key in ("title", "author", "copyright"))
    whole = html / "whole.html"
    whole.write_text(
        f'<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>'
        f'{"".join(head)}</head><body><main class="whole">'
        f'<header class="cover"><h1>{title}</h1><p>{author}</p><p>© {rights}</p><ul>{"".join(entries)}</ul></header>'
        f"{''.join(articles)}</main></body></html>",
        encoding="utf-8",
    )
    return whole


def _head(page: BeautifulSoup, name: str) -> list[str]:
    """A page's style sheets and MathJax, as elements for a page at the top of the book."""
    kept = []
    for element in page.head.find_all(["link", "script"]):
        key = "href" if element.name == "link" else "src"
        sheet = element.name == "link" and "stylesheet" in element.get("rel", [])
        if sheet or "mathjax" in (element.get("src") or element.get_text()).lower():
            if element.get(key):
                element[key] = _from_top(element[key], name)
            kept.append(str(element))
    return kept


def _point_inside(article: Tag, name: str) -> None:
    """Make ids unique, links to other pages links to places in the file, and sources those seen from the top."""
    for script in article.find_all("script"):
        script.decompose()
    for element in article.find_all(id=True):
        element["id"] = f"{name}--{element['id']}"
    for element in article.find_all(src=True):
        if not element["src"].startswith("data:"):
            element["src"] = _from_top(element["src"], name)
    for link in article.find_all("a", href=True):
        address, _, anchor = link["href"].partition("#")
        if "://" in address or address.startswith("mailto:"):
            continue
        page = _from_top(address, name).removesuffix(".html") if address else name
        if address and not address.endswith(".html"):
            del link["href"]  # a download, which the PDF can't hold: where the repository has it
            link.string = f"{PUBLISHED}/{posixpath.basename(address)}"
        else:
            link["href"] = f"#{page}--{anchor}" if anchor else f"#{page}"


def _from_top(address: str, name: str) -> str:
    """`address`, as seen from page `name`, seen from the top of the book."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def print_pdf(page: Path, target: Path, chromium: str) -> Path:
    """Print an HTML page into `target`, with an outline and page numbers; UserError when Chromium fails."""
    profiles = tempfile.TemporaryDirectory()
    with writing(target.parent), profiles as profile, replacing(target.resolve()) as temporary:
        command = [
            chromium,
            *FLAGS,
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
            f"--virtual-time-budget={FOR_MATHJAX}",
            f"--print-to-pdf={temporary}",
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
            if done.returncode or not temporary.is_file():
                said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                raise UserError(f"{chromium} did not print the book (it said: {said}); try another Chromium")
        except subprocess.TimeoutExpired:
            raise UserError(f"{chromium} printed for {PATIENCE} s without an end; try another Chromium") from None
    return target
