"""What a full, read-only or failing disk is called in one line."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .files import replacing

REMEDIES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EFBIG: "choose another",
    errno.EROFS: "choose another",
    errno.EACCES: "choose another",
    errno.EPERM: "choose another",
    errno.EIO: "check the disk",
}


def disk_fault(error: BaseException) -> tuple[str, str] | None:
    """("No space left on device", remedy) where `error` comes from a disk that can't be written, else None.

    safetensors raises an exception of its own, which holds the system's number in its text alone.
    """
    number = error.errno if isinstance(error, OSError) else None
    if type(error).__name__ == "SafetensorError":
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found[1]) if found else None
    return (os.strerror(number), REMEDIES[number]) if number in REMEDIES else None


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole, or stays as it was."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")  # names of files need not be text


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What goes wrong with the disk inside becomes a UserError that names `place`, and that work goes on later."""
    try:
        yield
    except Exception as error:
        fault = disk_fault(error)
        if fault is None:
            raise
        reason, remedy = fault
        raise UserError(f"{place} can't be written ({reason}); {remedy}, and the same command goes on") from error
