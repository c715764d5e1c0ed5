"""Files that appear whole. Images and weights need this, so no message may stand here: it would be in their keys."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when the block has ended well, and goes away if not.

    Its name has the same ending. The folder of `path` is made; the file gets the rights that new files have there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{_writer()}.tmp{path.suffix}")
    try:
        yield temporary
        usual_rights(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _writer() -> str:
    """A name that no other writer has at the same time, be it a process or a thread of this one."""
    return f"{os.getpid()}-{threading.get_ident()}"


def usual_rights(path: Path) -> None:
    """Give a new file the rights that every new file has there: safetensors writes for the owner alone."""
    probe = path.with_name(f".{path.name}.{_writer()}.rights")
    try:
        probe.touch()
        shutil.copymode(probe, path)
    finally:
        probe.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
