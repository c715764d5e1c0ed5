"""The data set format of the EDM release: a zip of PNGs and a `dataset.json` with their labels."""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ..base.errors import UserError
from .numbering import Given, sets_of

LARGEST_IMAGE = 64 * 2**20  # bytes of one unpacked file; more is no training image
# what a damaged or hostile archive, its JSON or its PNGs make their readers raise
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)


def read_edm_zip(path: Path) -> Given:
    """Read such a zip; all of it is "train". Labels and depths are understood as in npz files.

    Raises UserError when the file is missing or damaged, holds no labels, an image twice, a path that leaves the
    archive, a file of more than 64 MiB, or images of several sizes. Nothing is unpacked to disk.
    """
    try:
        with zipfile.ZipFile(path) as file:
            listed = json.loads(_read(file, "dataset.json", path))
            entries, names = _labels(listed, path)
            images = [_image(_read(file, name, path), name, path) for name, _ in entries]
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(f"{path} is not a readable EDM data set ({error}); write it again") from error
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise UserError(f"{path} holds images of {len(shapes)} shapes, {sorted(shapes)[:2]}, …; bring them to one")
    labels = np.array([label for _, label in entries], dtype=np.int64)
    sets, told = sets_of({"train": (np.stack(images), labels)}, names, path)
    return sets, {"train": [name for name, _ in entries]}, told


def _read(file: zipfile.ZipFile, name: str, path: Path) -> bytes:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise UserError(f"{path} names {name!r}, a path outside the archive; the file was refused")
    try:
        entry = file.getinfo(name)
    except KeyError:
        raise UserError(
            f"{path} holds no {name!r}; expected PNGs and a dataset.json, as the EDM release writes"
        ) from None
    if entry.file_size > LARGEST_IMAGE:
        raise UserError(f"{path}: {name!r} unpacks to {entry.file_size:,} bytes; no training image is that large")
    return file.read(entry)


def _labels(listed: object, path: Path) -> tuple[list[tuple[str, int]], list[str] | None]:
    pairs = listed.get("labels") if isinstance(listed, dict) else None
    if not pairs:
        raise UserError(f"{path} has no labels in dataset.json; a classifier needs them (unconditional set?)")
    valid = isinstance(pairs, list) and all(
        isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) and type(p[1]) is int for p in pairs
    )
    if not valid or not all(0 <= label < 2**63 for _, label in pairs):
        raise UserError(f'{path}: labels in dataset.json are not pairs ["path", whole number]')
    if len({name for name, _ in pairs}) < len(pairs):
        raise UserError(f"{path}: dataset.json lists an image twice; it would come to lie in two splits")
    names = listed.get("classes")
    return [(name, label) for name, label in pairs], [str(n) for n in names] if isinstance(names, list) else None


def _image(data: bytes, name: str, path: Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            deep = ";16" in str([tile[3] for tile in image.tile])
            if deep or image.mode not in ("1", "L", "P", "RGB"):
                depth = ", 16 bits" if deep else ""
                raise UserError(f"{path}: {name!r} is of mode {image.mode}{depth}; make it 8-bit grey or RGB")
            pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except UserError:
        raise
    except (*DAMAGE, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: {name!r} can't be read as a PNG ({error})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
