"""Names of classes and of the folders that hold them: any name comes back from a folder as it was written."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ..base.errors import UserError
from ..base.files import replacing
from ..base.names import normal, shown

NAMES_FILE = "synthgap-classes.json"  # lies beside class folders whose names are not those of their classes
LARGEST_NAMES_FILE = 16 * 2**20  # bytes
LONGEST = 200  # bytes of a folder's name in UTF-8; file systems hold 255, some encrypted ones 143 characters
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
# what a system or another program leaves beside images, in lower case: thumbnails, bins, indexes
LITTER = {
    *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@__thumb", ".@__thumb", "@tmp"),
    *(".thumbnails", ".thumbs", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "zbthumbnail.info"),
    *("__macosx", ".ds_store", ".appledouble", ".apdisk", ".spotlight-v100", ".fseventsd", ".trashes", "icon\r"),
    *("$recycle.bin", "recycler", "system volume information", "lost+found", "found.000", ".trash"),
    *(".ipynb_checkpoints", "__pycache__", ".git", ".svn", ".dvc", ".picasa.ini", "picasa.ini", "_vti_cnf"),
}
LITTER_STARTS = ("._", ".trash-", ".fuse_hidden", ".nfs", "synofile_thumb", "synophoto_thumb", "~$")
# names that Windows keeps for devices, with any ending
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\ud800-\udfff]')


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is known to be left there by a system or another program."""
    lowered = name.lower()
    return lowered in LITTER or lowered.startswith(LITTER_STARTS)


def has_control(name: str) -> bool:
    """Whether the name has a control character, such as a line break, which no table or message can hold."""
    return any(unicodedata.category(c) == "Cc" for c in name)


def folder_names(classes: Iterable[str]) -> list[str]:
    """A folder's name for each class, its own where every usual file system can hold it, all of them different.

    Characters that some file system refuses become %XX, as does the first character of a hidden or reserved name
    and the last one of a name that ends in a space or full stop; a long name is cut and gets a part of its hash, and
    names that differ only in case (or in how accents are written) get numbers. `write_names` keeps what was changed.
    """
    taken: set[str] = set()
    out = []
    for name in classes:
        safe, number = _safe(name), 1
        unique = safe
        while normal(unique).casefold() in taken:
            number += 1
            unique = f"{safe}~{number}"
        taken.add(normal(unique).casefold())
        out.append(unique)
    return out


def _safe(name: str) -> str:
    safe = UNSAFE.sub(lambda found: _escaped(found[0]), name)
    if safe[-1:] in (" ", "."):
        safe = safe[:-1] + _escaped(safe[-1])
    reserved = DEVICES.fullmatch(safe) or is_litter(safe) or safe.lower() in (*SPLIT_NAMES, NAMES_FILE)
    if reserved or safe[:1] in (" ", "."):
        safe = _escaped(safe[0]) + safe[1:]
    if len(safe.encode()) > LONGEST:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        safe = f"{safe.encode()[: LONGEST - 20].decode(errors='ignore')}…{digest}"
    return safe or "%"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def write_names(folder: Path, folders: list[str], classes: Iterable[str]) -> None:
    """Write which class each folder holds, if a name would not come back by itself (see `read_names`)."""
    changed = {f: c for f, c in zip(folders, classes, strict=True) if normal(f) != c}
    if not changed:
        return
    with replacing(folder / NAMES_FILE) as temporary:
        temporary.write_text(json.dumps(changed, indent=1) + "\n", encoding="utf-8")


def read_names(folder: Path) -> dict[str, str]:
    """{folder's name: class name} of those that `write_names` wrote down; empty where there is no such file.

    Raises UserError for a file that is damaged, or far larger than any list of names.
    """
    path = folder / NAMES_FILE
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_NAMES_FILE + 1)
        if len(content) > LARGEST_NAMES_FILE:
            raise ValueError("it is too large for a list of names")
        names = json.loads(content)
        if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
            raise ValueError("it is no list of names")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{shown(str(path))} can't be read ({reason}); export the images again, or remove it to take the "
            "folders' names"
        ) from error
    return {normal(key): value for key, value in names.items()}
