"""Write a sharded image set (see `shards`) one shard at a time, and go on where an earlier call was stopped."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors.numpy import save_file

from ..base.disk import writing
from ..base.errors import UserError
from ..base.files import file_sha256, replacing
from .shards import INDEX, Index, Shard, Shards, read_index

LOCK = ".lock"
SHARD_IMAGES = 10_240  # 31 MB of CIFAR-10's size; a kill costs the work of one shard at most


def write_shards(
    folder: str | Path,
    labels: np.ndarray,
    classes: tuple[str, ...],
    shape: tuple[int, int, int],
    make: Callable[[int, int], np.ndarray],
    *,
    shard_images: int = SHARD_IMAGES,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Shards:
    """Write a set shard by shard; finished shards of an earlier call that was stopped are kept.

    Parameters
    ----------
    folder : absent, empty, or begun by a call with the same arguments.
    labels : int array, N, each in [0, len(classes)).
    make : (first position, position after the last) → uint8 images of that shard, N × C × H × W; a function of the
        positions alone, so that what is made again has the same bytes.
    shard_images : images of a shard; the last one may have fewer.
    provenance : what made the images, as JSON holds it. A folder begun under another one is refused.
    progress : called with the number of images of each shard that was there already. `make` reports on its own.

    Raises
    ------
    UserError : the folder holds something else or other images, another process writes it, the disk can't be
        written. A shard whose bytes are not those of the index is named on stderr, and made again.
    """
    folder = Path(folder)
    check_shards_folder(folder)
    labels = np.asarray(labels, dtype=np.int64)
    wanted = _plan(labels, classes, shape, shard_images, provenance or {})
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=0):
                _write(folder, wanted, labels, make, progress)
        except Timeout as error:
            raise UserError(f"another process is writing {folder}; wait for it, or name another folder") from error
    return Shards.open(folder)


def check_shards_folder(folder: Path) -> None:
    """UserError unless a set can be begun or continued there. Cheap: call it before long work."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is no folder; name a new one for the shards")
    if folder.is_dir() and not (folder / INDEX).is_file() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise UserError(f"{folder} holds something, but no {INDEX} of shards; name a new folder for them")


def _plan(labels: np.ndarray, classes: tuple[str, ...], shape: tuple, shard_images: int, provenance: dict) -> Index:
    if shard_images < 1:
        raise UserError(f"shard_images is {shard_images}; give 1 or more")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise UserError(f"labels run from {labels.min()} to {labels.max()} but there are {len(classes)} classes")
    sizes = [min(shard_images, len(labels) - start) for start in range(0, len(labels), shard_images)]
    shards = [Shard(file=f"data-{k:05d}.safetensors", images=size) for k, size in enumerate(sizes)]
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    told = json.loads(json.dumps(provenance | {"labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest()}))
    return Index(shape=shape, classes=classes, counts=counts, shards=shards, provenance=told)


def _write(
    folder: Path,
    index: Index,
    labels: np.ndarray,
    make: Callable[[int, int], np.ndarray],
    progress: Callable[[int], None] | None,
) -> None:
    for left in folder.glob(".*.tmp"):  # of a writer that was killed: the lock says that none is at work
        left.unlink(missing_ok=True)
    if (folder / INDEX).is_file():
        begun = read_index(folder)
        _check_same(folder, begun, index)
        index = begun
    else:
        _write_index(folder, index)
    start = 0
    for number, shard in enumerate(index.shards):
        stop = start + shard.images
        if _kept(folder / shard.file, shard):
            if progress:
                progress(shard.images)
        else:
            images = make(start, stop)
            if images.dtype != np.uint8 or images.shape != (shard.images, *index.shape):
                raise ValueError(f"{shard.file} is to hold {shard.images} of {index.shape}, not {images.shape}")
            digest = _write_shard(folder, shard.file, images, labels[start:stop])
            if shard.sha256 not in (None, digest):
                print(f"synthgap: {folder / shard.file} has other bytes now: another machine made it", file=sys.stderr)
            written = shard.model_copy(update={"sha256": digest})
            index = index.model_copy(update={"shards": (*index.shards[:number], written, *index.shards[number + 1 :])})
            _write_index(folder, index)
        start = stop


def _kept(path: Path, shard: Shard) -> bool:
    """Whether a shard is there, whole. One that was, and is not, is named on stderr."""
    if shard.sha256 is None:
        return False
    if path.is_file() and file_sha256(path) == shard.sha256:
        return True
    what = "is damaged" if path.exists() else "is missing"
    print(f"synthgap: {path} {what}; making it again", file=sys.stderr)
    return False


def _check_same(folder: Path, begun: Index, wanted: Index) -> None:
    """UserError where a folder was begun for other images than are wanted now."""
    for name in ("shape", "classes", "counts"):
        if getattr(begun, name) != getattr(wanted, name):
            raise UserError(f"{folder} was begun with other {name}; name a new folder, or give the same options")
    for name in sorted({*begun.provenance, *wanted.provenance}):
        there, now = (i.provenance.get(name) for i in (begun, wanted))
        if there != now:
            raise UserError(
                f"{folder} was begun with {name} {_brief(there)}, not {_brief(now)}; name a new folder, or give the "
                "same options"
            )
    sizes = [[(s.file, s.images) for s in i.shards] for i in (begun, wanted)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"{folder} was begun with shards of {begun.shards[0].images:,} images, not {wanted.shards[0].images:,}; "
            "name a new folder, or give the same number"
        )


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _write_shard(folder: Path, file: str, images: np.ndarray, labels: np.ndarray) -> str:
    """Write one shard, whole or not at all; returns its SHA-256."""
    # no metadata: the format keeps it in no fixed order, and equal images must give equal bytes
    with replacing(folder / file) as temporary:
        save_file({"images": np.ascontiguousarray(images), "labels": np.ascontiguousarray(labels)}, temporary)
        return file_sha256(temporary)


def _write_index(folder: Path, index: Index) -> None:
    with replacing(folder / INDEX) as temporary:
        temporary.write_text(index.model_dump_json(indent=1) + "\n", encoding="utf-8")
