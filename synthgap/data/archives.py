"""The paper's data sets as they were downloaded: which lie in the data folder, whole or in part, and unpacking them."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from ..base.disk import writing
from ..base.errors import UserError
from .publicfiles import checked_archives, verify
from .publicsets import PUBLIC, PublicSet, fault, known, root_or_default


def survey(root: Path | None = None) -> list[str]:
    """What lies in the data folder of each of the five sets, and what to do next, a line or two a set.

    Nothing is written. A set that is unpacked is checked as by `verify`; of one that is not its archives are.
    """
    root = root_or_default(root)
    lines = [f"the data folder is {root}" + ("" if root.is_dir() else ", which does not exist yet")]
    for name, public in PUBLIC.items():
        lines.append(f"{name} ({public.title}): {_state(name, public, root)}")
    return lines


def _state(name: str, public: PublicSet, root: Path) -> str:
    if (root / public.folder).is_dir():
        try:
            verify(name, root)
        except UserError as error:
            return f"faulty. {error}"
        return "ready, and as published"
    try:
        found = checked_archives(name, root)
    except UserError as error:
        return f"faulty. {error}"
    absent = [archive for archive in public.archives if archive not in found]
    if not absent:
        return f"downloaded. Unpack it: synthgap datasets {name} --unpack"
    return f"not there. Download {', '.join(absent)} from {public.origin} into {root}"


def unpack(name: str, root: Path | None = None) -> Path:
    """Unpack the downloaded archives of one set; returns its folder.

    Each archive is compared with its published MD5 first. The files appear in their place all at once.

    Raises
    ------
    UserError : an archive that is missing, partial or another file; a folder of the set that is there already; an
        archive that holds a path outside its own folder.
    """
    public, root = known(name), root_or_default(root)
    top = root / Path(public.folder).parts[0]
    if top.exists() and public.unpack_in == "":
        raise UserError(f"{top} is there already; check it (synthgap datasets {name}), or remove it first")
    found = checked_archives(name, root)
    if absent := [archive for archive in public.archives if archive not in found]:
        raise fault(name, root, f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not in {root}")
    with writing(root):
        temporary = Path(tempfile.mkdtemp(dir=root, prefix=f".{name}."))
    try:
        with writing(root):
            for archive, path in found.items():
                _extract(archive, path, temporary)
            _place(temporary, root / public.unpack_in)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return root / public.folder


def _extract(archive: str, path: Path, target: Path) -> None:
    if not tarfile.is_tarfile(path):
        shutil.copy2(path, target / archive)
        return
    try:
        with tarfile.open(path) as tar:
            tar.extractall(target, filter="data")  # refuses links and paths that lead out of `target`
    except tarfile.TarError as error:
        raise UserError(f"{path} can't be unpacked ({error}); get it again") from error


def _place(source: Path, target: Path) -> None:
    """Move what lies in `source` into `target`, where nothing of these names may be."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        place = target / path.name
        if place.is_file() and path.is_file():
            continue  # an archive that is no archive lay there already
        if place.exists():
            raise UserError(f"{place} is there already; remove it, then unpack again")
        os.replace(path, place)
