"""A place of a page that a program fills: what stands between `<!-- name: begin -->` and `<!-- name: end -->`."""

from __future__ import annotations

from pathlib import Path

from .disk import write_text
from .errors import UserError


def between(page: str, name: str) -> str:
    """What stands between the marks of `name`. Raises UserError where the page has not both of them."""
    return _parts(page, name)[1].strip()


def filled(page: str, name: str, text: str) -> str:
    """The page with `text` there. Raises UserError as `between`."""
    before, _, after = _parts(page, name)
    return f"{before}\n\n{text}\n\n{after}"


def fill(page: Path, name: str, text: str) -> None:
    """The same for a file, which is written whole or not at all."""
    write_text(page, filled(page.read_text(encoding="utf-8"), name, text))


def _parts(page: str, name: str) -> tuple[str, str, str]:
    """What ends with the first mark, what is between, what begins with the second."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, first, rest = page.partition(begin)
    inner, second, after = rest.partition(end)
    if not (first and second):
        raise UserError(f"the page of the table “{name}” lacks {begin} or {end}; put both where it goes")
    return before + first, inner, second + after
