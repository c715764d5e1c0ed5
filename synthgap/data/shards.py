"""Image sets too large for memory: a folder of shards, written one by one and read a part at a time.

`NAME.shards/` holds `data-00000.safetensors`, … (`images` uint8 N × C × H × W, `labels` int64 N) and `index.json`:
shape, classes, images of each class, the number of images and the SHA-256 of every shard, and what made them. The
index names every shard from the start; one that is not written yet has no SHA-256 there. Shards and index appear
whole or not at all, so that a writer that was killed goes on with the first shard that is missing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..base.errors import UserError
from ..base.files import file_sha256
from .imageset import ImageSet
from .numbering import Given, numbered

INDEX = "index.json"
ENDING = ".shards"
BLOCK = 4_096  # images in memory at once where a set is passed over; a multiple of the batches of networks
LARGEST_SIDE = 4_096  # pixels; more is a damaged index
LARGEST_HEADER = 2**20  # bytes; a shard's is about 150
AGAIN = "the same synthgap generate makes it again"


class Shard(BaseModel):
    """One file of the folder; its SHA-256 is None until it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^data-[0-9]{5,9}\.safetensors$")  # no path: nothing outside the folder is read
    images: int = Field(ge=1)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class Index(BaseModel):
    """What `index.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["synthgap shards 1"] = "synthgap shards 1"
    shape: tuple[Literal[1, 3], int, int]  # C, H, W
    classes: tuple[str, ...] = Field(min_length=1)
    counts: tuple[int, ...]  # images of each class
    shards: tuple[Shard, ...]
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _agrees(self) -> Index:
        if not 1 <= min(self.shape[1:]) <= max(self.shape[1:]) <= LARGEST_SIDE:
            raise ValueError(f"shape is {self.shape}; sides are 1 to {LARGEST_SIDE:,}")
        if min(self.counts, default=0) < 0 or len(self.counts) != len(self.classes):
            raise ValueError(f"counts are {self.counts[:10]} for {len(self.classes)} classes; one of each, 0 or more")
        if sum(self.counts) != (total := sum(s.images for s in self.shards)):
            raise ValueError(f"counts sum to {sum(self.counts)}, the shards' images to {total}")
        if len({s.file for s in self.shards}) < len(self.shards):
            raise ValueError("a shard is listed twice")
        return self


@dataclass(frozen=True, eq=False)
class Shards:
    """A sharded set, of which only what is asked for comes into memory; `Shards.open` reads its index.

    It offers what an `ImageSet` does but `images`: `len`, `name`, `shape`, `classes`, `labels`, `augment`,
    `fingerprint` and `subset`. `fits` are changes (ImageSet → ImageSet) made to what is read, see `changed`.
    """

    folder: Path
    index: Index
    shape: tuple[int, int, int]
    fits: tuple[Callable[[ImageSet], ImageSet], ...] = ()
    augment: tuple[str, ...] = ()
    _whole: set[int] = field(default_factory=set, repr=False)  # shards whose checksum was right

    @classmethod
    def open(cls, folder: str | Path) -> Shards:
        """Raises UserError where there is no such folder, its index is damaged, or shards are still to be made."""
        folder = Path(folder)
        index = read_index(folder)
        absent = [s.file for s in index.shards if s.sha256 is None]
        if absent:
            raise UserError(
                f"{folder} is not finished: {len(absent)} of {len(index.shards)} shards are missing, {absent[0]} "
                "first; the same synthgap generate goes on"
            )
        return cls(folder, index, index.shape)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def name(self) -> str:
        return self.folder.stem

    @property
    def classes(self) -> tuple[str, ...]:
        return self.index.classes

    @cached_property
    def starts(self) -> np.ndarray:
        """Position of each shard's first image, and the number of images: int64, shards + 1."""
        return np.concatenate([[0], np.cumsum([s.images for s in self.index.shards], dtype=np.int64)]).astype(np.int64)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64, N."""
        parts = [np.array(self.mapped(k).labels) for k in range(len(self.index.shards))]
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content, equal to that of the same images in an `ImageSet`. Reads everything."""
        digest = hashlib.sha256()
        header = {"shape": (len(self), *self.shape), "classes": self.classes, "augment": self.augment}
        digest.update(json.dumps(header, sort_keys=True).encode())
        for block in blocks_of(self, np.arange(len(self))):
            digest.update(block.images.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def mapped(self, number: int) -> ImageSet:
        """Shard `number` as it is stored, memory-mapped: pixels are read where they are looked at.

        Raises UserError where the file is missing or its bytes are not those of the index (looked at once).
        """
        shard = self.index.shards[number]
        path = self.folder / shard.file
        try:
            if number not in self._whole and file_sha256(path) != shard.sha256:
                raise ValueError("its SHA-256 is not that of the index")
            images, labels = _mapped(path, (shard.images, *self.index.shape))
            loaded = ImageSet(images, labels, self.classes, f"{self.name}/{shard.file}")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{path} is damaged ({error}); {AGAIN}") from error
        self._whole.add(number)
        return loaded

    def subset(self, indices: np.ndarray | list[int] | slice) -> ImageSet:
        """The images at `indices` (positions, a boolean mask or a slice), in that order, in memory."""
        positions = np.arange(len(self))[indices]
        images = np.empty((len(positions), *self.index.shape), dtype=np.uint8)
        labels = np.empty(len(positions), dtype=np.int64)
        owner = np.searchsorted(self.starts, positions, side="right") - 1
        for number in np.unique(owner):
            here = np.flatnonzero(owner == number)
            part = self.mapped(int(number))
            inside = positions[here] - self.starts[number]
            images[here], labels[here] = part.images[inside], part.labels[inside]
        out = ImageSet(images, labels, self.classes, self.name)
        for fit in self.fits:
            out = fit(out)
        return out

    def changed(self, fit: Callable[[ImageSet], ImageSet]) -> Shards:
        """This set with `fit` applied to what is read: to the pixels of each image alone, whatever is beside it."""
        blank = ImageSet(np.zeros((1, *self.shape), dtype=np.uint8), np.zeros(1, dtype=np.int64), self.classes)
        return replace(self, fits=(*self.fits, fit), shape=fit(blank).shape)


def blocks_of(images: ImageSet | Shards, positions: np.ndarray, size: int = BLOCK) -> Iterator[ImageSet]:
    """The images at `positions`, `size` at a time, in memory."""
    for start in range(0, len(positions), size):
        yield images.subset(positions[start : start + size])


def is_shards(path: Path) -> bool:
    """Whether a path is to be read as a sharded set: by its ending."""
    return path.suffix == ENDING


def read_shards(path: Path) -> Given:
    """All images of a sharded set in memory, as "train"; those of its classes that have images."""
    images = Shards.open(path).subset(slice(None))
    labels, classes, notes = numbered({"train": images.labels}, images.classes, str(path))
    whole = replace(images, labels=labels["train"], classes=classes, name=f"{path.stem}/train")
    return {"train": whole}, {"train": list(range(len(whole)))}, {"found": notes}


def read_index(folder: Path) -> Index:
    """The index of a sharded set. UserError, in one line, where there is none or it can't be one."""
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give one that synthgap generate --out NAME{ENDING} wrote")
    path = folder / INDEX
    try:
        return Index.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(
            f"{folder} holds no {INDEX}; give a folder that synthgap generate --out NAME{ENDING} wrote"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = " ".join(f"{place}: {first['msg']}".split()).removeprefix(": ").replace("Value error, ", "")
        raise UserError(
            f"{path} is no index of shards ({reason}); remove the folder and generate the images again"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error}); remove the folder and generate the images again") from error


def _mapped(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(images, labels) of a shard, memory-mapped. ValueError, KeyError or TypeError where it is not one."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= LARGEST_HEADER:
            raise ValueError(f"a header of {size} bytes")
        header = json.loads(file.read(size))
    out = []
    for name, kind, dtype, wanted in (("images", "U8", np.uint8, shape), ("labels", "I64", np.int64, shape[:1])):
        entry = header[name]
        begin, end = entry["data_offsets"]
        length = math.prod(wanted) * np.dtype(dtype).itemsize
        if entry["dtype"] != kind or tuple(entry["shape"]) != wanted or begin < 0 or end - begin != length:
            raise ValueError(f"{name} are {entry['dtype']} of {entry['shape']}, not {kind} of {list(wanted)}")
        out.append(np.memmap(path, dtype, "r", 8 + size + begin, wanted))
    return out[0], out[1]
