"""What lies in a store: artifacts of the present code and of other code, damaged ones, unfinished work, left-overs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from ..base.disk import writing
from ..base.files import file_sha256
from .specs import parse_spec
from .store import DATA, LOCKS, PROVENANCE, SPEC, WORK

CURRENT, OTHER, DAMAGED, UNFINISHED, LEFT = (
    "of the present code",
    "of other code",
    "damaged",
    "unfinished",
    "left over",
)


@dataclass(frozen=True)
class Found:
    """One folder of a store. kind : of the artifact; "" of what is not one. state : CURRENT, OTHER, DAMAGED,
    UNFINISHED (checkpoints of what is being computed, or was interrupted) or LEFT (of what is finished, or temporary).
    size : bytes."""

    folder: Path
    kind: str
    key: str
    size: int
    state: str


def inventory(root: Path, check: bool = False) -> list[Found]:
    """Everything in the store at `root`. check : read every byte to find damaged artifacts; else those that lack files
    are found."""
    artifacts = [
        Found(folder, folder.parent.name, folder.name, size_of(folder), _state(folder, check))
        for folder in _folders(root, "[!.]*/*")
    ]
    done = {one.key for one in artifacts if one.state != DAMAGED}
    for folder in _folders(root, f"{WORK}/*"):
        key, _, temporary = folder.name.partition(".")
        state = LEFT if temporary or key in done else UNFINISHED
        artifacts.append(Found(folder, "", key, size_of(folder), state))
    return artifacts


def _folders(root: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(root.glob(pattern)) if path.is_dir())


def size_of(folder: Path) -> int:
    """Bytes of its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _state(folder: Path, check: bool) -> str:
    try:
        files = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["files"]
        if not all((folder / name).is_file() for name in (DATA, SPEC)):
            return DAMAGED
        if check and any(file_sha256(folder / name) != digest for name, digest in files.items()):
            return DAMAGED
        text = (folder / SPEC).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError):
        return DAMAGED
    try:
        return CURRENT if parse_spec(text).key == folder.name else OTHER
    except ValidationError:  # a kind or a field that the present code has not
        return OTHER


def remove(found: Found, root: Path) -> bool:
    """Remove it from the store at `root`, unless a process works on it now; was it removed?

    Raises UserError when the disk can't be written.
    """
    lock = FileLock(root / LOCKS / f"{found.key}.lock")
    try:
        with writing(root):
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            with lock.acquire(timeout=0):
                shutil.rmtree(found.folder)
    except Timeout:
        return False
    return True
