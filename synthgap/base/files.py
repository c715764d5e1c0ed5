"""Files that appear whole. Images and weights need this, so no message may stand here: it would be in their keys."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when the block has ended well, and goes away if not.

    Its name has the same ending. The folder of `path` is made; the file gets the rights that new files have there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        usual_rights(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def usual_rights(path: Path) -> None:
    """Give a new file the rights that every new file has there: safetensors writes for the owner alone."""
    probe = path.with_name(f".{path.name}.{os.getpid()}.rights")
    try:
        probe.touch()
        shutil.copymode(probe, path)
    finally:
        probe.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
