"""The data set format of the EDM release: a zip of PNGs and a `dataset.json` with their labels."""

from __future__ import annotations

import io
import json
import lzma
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ..base.errors import UserError
from ..base.files import replacing
from .depth import array_scale
from .imageset import ImageSet
from .numbering import numbered
from .splits import Splits, complete_splits

LARGEST_IMAGE = 64 * 2**20  # bytes of one unpacked file; more is no training image
# what a damaged or hostile archive, its JSON or its PNGs make their readers raise
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)


def save_edm_zip(images: ImageSet, path: str | Path) -> Path:
    """Write `images` as the release's tools do: stored PNGs `00000/img00000000.png`, …, and `dataset.json`.

    Class names are kept under the key "classes", which the release ignores. The file appears whole or not at all.
    """
    path, labels = Path(path), []
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
        for i, (image, label) in enumerate(zip(images.images, images.labels, strict=True)):
            name = f"{i // 1000:05d}/img{i:08d}.png"
            pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG", compress_level=0)
            _add(file, name, buffer.getvalue())
            labels.append([name, int(label)])
        _add(file, "dataset.json", json.dumps({"labels": labels, "classes": list(images.classes)}).encode())
    return path


def load_edm_zip(path: Path, train_size: int | None, seed: int, limits: dict[str, int | None] | None = None) -> Splits:
    """Read such a zip; validation and test are cut from it, class by class.

    Labels and depths are understood as in npz files.

    Raises UserError when the file is missing or damaged, holds no labels, an image twice, a path that leaves the
    archive, a file of more than 64 MiB, or images of several sizes. Nothing is unpacked to disk.
    """
    try:
        with zipfile.ZipFile(path) as file:
            listed = json.loads(_read(file, "dataset.json", path))
            entries, names = _labels(listed, path)
            images = _stack([_image(_read(file, name, path), name, path) for name, _ in entries], path)
    except UserError:
        raise
    except DAMAGE as error:
        raise UserError(f"{path} is not a readable EDM data set ({error}); write it again") from error
    raw = np.array([label for _, label in entries], dtype=np.int64)
    labels, classes, found = numbered({"train": raw}, names, str(path))
    scale = array_scale([images], str(path))
    everything = ImageSet(scale.applied(images), labels["train"], classes, f"{path.stem}/train")
    members = {"train": [name for name, _ in entries]}
    splits = complete_splits({"train": everything}, members, train_size, seed, f"edm-zip:{path}", [], limits)
    return replace(splits, record=splits.record | {"found": [*found, *scale.notes]})


def _add(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # equal images give equal files
    file.writestr(entry, data)


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
        isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) and _is_label(p[1]) for p in pairs
    )
    if not valid:
        raise UserError(f'{path}: labels in dataset.json are not pairs ["path", whole number]')
    if len({name for name, _ in pairs}) < len(pairs):
        raise UserError(f"{path}: dataset.json lists an image twice; it would come to lie in two splits")
    names = listed.get("classes")
    return [(name, label) for name, label in pairs], [str(n) for n in names] if isinstance(names, list) else None


def _is_label(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


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


def _stack(images: list[np.ndarray], path: Path) -> np.ndarray:
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise UserError(f"{path} holds images of {len(shapes)} shapes, {sorted(shapes)[:2]}, …; bring them to one")
    return np.stack(images)
