"""Image sets in npz files: plain arrays only, nothing in a file is executed."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from ..errors import UserError
from .imageset import ImageSet
from .splits import Splits, complete_splits


def save_npz(images: ImageSet, path: str | Path) -> Path:
    """Write the set as arrays `images` (uint8, N × C × H × W), `labels` and `classes`, which `npz:PATH` reads back.

    The file appears whole or not at all.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")  # numpy adds the ending where it is missing
    try:
        np.savez_compressed(temporary, images=images.images, labels=images.labels, classes=np.array(images.classes))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def load_npz(path: Path, train_size: int | None, seed: int, limits: dict[str, int | None] | None = None) -> Splits:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a readable npz of plain arrays ({error}); write it with numpy.savez") from error
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
    labels = {s: _labels(path, raw) for s, (_, raw) in given.items()}
    count, total = 1 + max(int(v.max(initial=0)) for v in labels.values()), sum(map(len, labels.values()))
    if not 2 <= count <= total:
        raise UserError(f"{path}: labels run up to {count - 1} for {total} images; number two or more classes from 0")
    classes = tuple(str(c) for c in arrays.get("classes", range(count)))
    sets = {s: ImageSet(_images(path, raw), labels[s], classes, f"{path.stem}/{s}") for s, (raw, _) in given.items()}
    shapes = {s: v.shape for s, v in sets.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"{path}: the splits' images differ in shape, {shapes}; bring them to one")
    names = {s: list(range(len(v))) for s, v in sets.items()}
    return complete_splits(sets, names, train_size, seed, source=f"npz:{path}", notes=[], limits=limits)


def _images(path: Path, raw: np.ndarray) -> np.ndarray:
    if raw.dtype != np.uint8:
        raise UserError(f"{path}: images are {raw.dtype}; save them as uint8, 0–255")
    if raw.ndim == 3:
        return raw[:, None]
    if raw.ndim == 4 and raw.shape[1] in (1, 3) and raw.shape[-1] not in (1, 3):
        return raw
    if raw.ndim == 4 and raw.shape[-1] in (1, 3):
        return np.ascontiguousarray(raw.transpose(0, 3, 1, 2))
    raise UserError(f"{path}: images have shape {raw.shape}; expected N×H×W, N×H×W×C or N×C×H×W, C = 1 or 3")


def _labels(path: Path, raw: np.ndarray) -> np.ndarray:
    if raw.ndim == 2 and raw.shape[1] == 1:  # MedMNIST
        raw = raw[:, 0]
    if raw.ndim != 1 or not np.issubdtype(raw.dtype, np.integer):
        raise UserError(f"{path}: labels are {raw.dtype} of shape {raw.shape}; give one integer per image")
    return raw.astype(np.int64)
