"""Image sets in npz files: plain arrays only, nothing in a file is executed."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..base.files import replacing
from .imageset import ImageSet
from .numbering import Given, sets_of

LARGEST = 16 * 2**30  # bytes that a file may unpack to


def save_npz(images: ImageSet, path: str | Path) -> Path:
    """Write the set as arrays `images` (uint8, N × C × H × W), `labels` and `classes`, which `npz:PATH` reads back.

    The file appears whole or not at all.
    """
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, images=images.images, labels=images.labels, classes=np.array(images.classes))
    return path


def read_npz(path: Path) -> Given:
    """The splits of a file; UserError where it is damaged, or holds other arrays than images and labels."""
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):
                raise ValueError("it is no zip of arrays")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            _check_sizes(file)
            arrays = {k: file[k] for k in file.files}
        listed = arrays.get("classes")
        names = None if listed is None else [str(c) for c in listed.reshape(-1)]
    except Exception as error:  # numpy's reader raises almost anything for a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is not a readable npz of plain arrays ({reason}); write plain arrays with numpy.savez (texts as "
            "labels.astype(str))"
        ) from error
    spelled = {"train": "train", "validation": "val", "test": "test"}
    given = {}
    for split, prefix in spelled.items():
        if f"{prefix}_images" in arrays and f"{prefix}_labels" in arrays:
            given[split] = (arrays[f"{prefix}_images"], arrays[f"{prefix}_labels"])
    if not given and "images" in arrays and "labels" in arrays:
        given["train"] = (arrays["images"], arrays["labels"])
    if "train" not in given:
        raise UserError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; expected images and labels, "
            "or train_images, train_labels (and val_, test_)"
        )
    if listed is not None and listed.ndim != 1:
        raise UserError(f"{path}: classes have shape {listed.shape}; give one name per class")
    arrays = {split: (_channels_first(path, images), labels) for split, (images, labels) in given.items()}
    sets, told = sets_of(arrays, names, path)
    shapes = {s: v.shape for s, v in sets.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"{path}: the splits' images differ in shape, {shapes}; bring them to one")
    return sets, {s: list(range(len(v))) for s, v in sets.items()}, told


def _check_sizes(file: np.lib.npyio.NpzFile) -> None:
    """ValueError where a file unpacks to more than any data set here has, or an array's header asks for more."""
    entries = file.zip.infolist()
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST // 2**30} GiB")
    for entry in entries:
        with file.zip.open(entry) as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > entry.file_size:
            raise ValueError(f"{entry.filename} is shorter than its shape {shape}")


def _channels_first(path: Path, raw: np.ndarray) -> np.ndarray:
    if raw.ndim == 3:
        return raw[:, None]
    if raw.ndim == 4 and raw.shape[1] in (1, 3) and raw.shape[-1] not in (1, 3):
        return raw
    if raw.ndim == 4 and raw.shape[-1] in (1, 3):
        return np.ascontiguousarray(raw.transpose(0, 3, 1, 2))
    raise UserError(f"{path}: images have shape {raw.shape}; expected N×H×W, N×H×W×C or N×C×H×W, C = 1 or 3")
