"""What the book must not show. Each guard raises a UserError that names the culprit; `book` calls them as it builds.

Every book, a user's own, too: unexecuted cells, error outputs, images without alternative text, dead links, requests
to the network. The published one, besides: paths of the machine that made it, files too large for a repository.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup

from ..base.errors import UserError

LARGEST = 2_000_000  # bytes of a file
MATHJAX = "tex-svg.js"  # 2.1 MB, and needed whole
PICTURE = re.compile(r"\.(png|svg|jpe?g|gif|webp)$", re.IGNORECASE)
# where machines keep what is somebody's own; not in the middle of an address or of a longer path
PRIVATE = re.compile(
    r"""(?<![\w.…/~-])(?:/(?:home|Users|root|tmp|private|var/folders)/|[A-Za-z]:\\Users\\)[^\s"'<>]*|file:///[^\s"'<>]*"""
)
FETCHED = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest", "preconnect", "dns-prefetch"}
FETCHED_BY_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^\s"')]+)""")


def check_executed(notebook: nbformat.NotebookNode, name: str) -> None:
    """Refuse a notebook with unexecuted cells, error outputs or images without alternative text."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        if cell.execution_count is None and cell.source.strip():
            raise UserError(f"{name}, cell {number} was not executed; run the chapter again")
        for output in cell.outputs:
            if output.output_type == "error":
                raise UserError(f"{name}, cell {number} ended in {output.ename}: {output.evalue}")
            if "image/png" in output.get("data", {}) and not _alt_text(cell):
                raise UserError(f"{name}, cell {number} shows an image without alternative text; add mystnb.image.alt")


def check_parameters(parameters: dict) -> None:
    """Refuse to publish a run whose parameters, which readers see, hold a path of this machine."""
    for name, value in parameters.items():
        found = private_path(str(value))
        if found:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"--publish shows {option} to readers, and it is {found}; give a relative path")


def check_files(folder: Path, but: tuple[str, ...] = ()) -> None:
    """`check_file` for all in `folder`; in the top-level folders named in `but` their size alone counts."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder)
        check_file(path, str(name), size_only=name.parts[0] in but)


def check_file(path: Path, name: str, size_only: bool = False) -> None:
    """Refuse a file that is too large, or whose text shows a path of this machine."""
    size = path.stat().st_size
    if size > LARGEST and path.name != MATHJAX:
        raise UserError(f"{name} has {size:,} bytes, more than {LARGEST:,}; make its figures or tables smaller")
    found = None if size_only else next(filter(None, map(private_path, _texts(path))), None)
    if found:
        raise UserError(f"{name} shows {found}, a path of this machine; print no path, and run the chapter again")


def check_pages(html: Path) -> None:
    """Refuse a built book with images without alternative text, requests to the network, or links to nothing."""
    html = html.resolve()
    own = [path for path in sorted(html.rglob("*.html")) if path.relative_to(html).parts[0] != "_static"]
    pages = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in own}
    ids = {path: _ids(page) for path, page in pages.items()}
    complaints = [c for path, page in pages.items() for c in _complaints(html, path, page, ids)]
    for path in sorted(html.rglob("*.css")):
        for address in FETCHED_BY_STYLE.findall(path.read_text(encoding="utf-8")):
            complaints.append(f"{path.relative_to(html)} asks the network for {address}; keep a copy in the book")
    if complaints:
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        raise UserError(complaints[0] + more)


def private_path(text: str) -> str | None:
    """The first path in `text` that tells of a machine: in a home or temporary folder, or in this process's own."""
    own = [str(p) for p in (Path.cwd(), Path.home(), Path(sys.prefix)) if len(p.parts) > 2]
    found = PRIVATE.search(text) or re.search("|".join(map(re.escape, own)) or "(?!)", text)
    return found[0] if found else None


def _ids(page: BeautifulSoup) -> set[str]:
    """The places on a page that a link can name."""
    return {element[key] for element in page.find_all(True) for key in ("id", "name") if key in element.attrs}


def _fetched(page: BeautifulSoup) -> Iterator[str]:
    """Addresses of what a browser fetches to show a page."""
    for element in page.find_all(True):
        if element.name == "link" and FETCHED & set(element.get("rel", [])):
            yield element.get("href", "")
        elif element.name != "a" and (source := element.get("src") or element.get("data")):
            yield source
        yield from (part.split()[0] for part in element.get("srcset", "").split(",") if part.strip())
        yield from FETCHED_BY_STYLE.findall(element.get("style", ""))


def _complaints(html: Path, path: Path, page: BeautifulSoup, ids: dict[Path, set[str]]) -> Iterator[str]:
    name = path.relative_to(html)
    for picture in page.find_all("img"):
        source, alt = picture.get("src", ""), picture.get("alt", "")
        if len(alt.split()) < 2 or PICTURE.search(alt):
            yield f"{name} shows {Path(source).name} without alternative text (it is {alt!r}); say what it shows"
    for address in _fetched(page):
        if urlsplit(address).scheme in {"data", "blob"}:
            continue
        if _elsewhere(address):
            yield f"{name} asks the network for {address}; keep a copy in the book"
        elif not _target(path, address).exists():
            yield f"{name} wants {address}, which is not there; mend the reference"
    for address in (link["href"] for link in page.find_all("a", href=True)):
        if _elsewhere(address):
            continue
        target, anchor = _target(path, address), unquote(urlsplit(address).fragment)
        if not target.is_file():
            yield f"{name} links to {address}, which is not there; mend the link"
        elif anchor and anchor not in ids.get(target, {anchor}):
            yield f"{name} links to {address}, and there is no such place on that page; mend the link"


def _elsewhere(address: str) -> bool:
    """Does it name a scheme or a host, and so nothing in the book?"""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc)


def _target(page: Path, address: str) -> Path:
    """The file that `address` on `page` means; the page itself for a bare anchor."""
    path = unquote(urlsplit(address).path)
    return (page.parent / path).resolve() if path else page


def _texts(path: Path) -> Iterable[str]:
    """The text of a file that readers may open; of a notebook every string but the pictures."""
    if path.suffix == ".ipynb":
        return _strings(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix in {".html", ".md", ".txt", ".csv", ".js", ".json", ".svg", ".bib"}:
        return [path.read_text(encoding="utf-8")]
    return []


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.startswith("image/"):
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _alt_text(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
