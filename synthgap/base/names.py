"""Names as they are compared, and as messages show them. Images and weights need this: a change changes their keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def normal(name: str) -> str:
    """The name with its letters composed (NFC): one name, however a system writes "é"."""
    return unicodedata.normalize("NFC", name)


def shown(name: str) -> str:
    """The name on one line: what can't be printed (control characters, bytes that are no UTF-8) as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def some(names: Iterable[str], most: int = 3, between: str = ", ") -> str:
    """At most so many names, and "…" for the others."""
    names = list(names)
    return between.join([*names[:most], "…"] if len(names) > most else names)
