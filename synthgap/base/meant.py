"""Which of the known names somebody meant. Apart from other words, since extractors of features need it for theirs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(given: str, known: Iterable[str], shown: str = "{}") -> str:
    """ "did you mean cat? " with the known name that is most like the given one; "" where none is like it.

    shown : how the name is written, "{}" in its place.
    """
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"did you mean {shown.replace('{}', near[0])}? " if near else ""
