"""ImageSet: labelled 8-bit images, the only form in which images travel between modules."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..base.errors import UserError
from ..base.files import replacing
from .classnames import folder_names, write_names

AUGMENTATIONS = ("crop", "flip")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with class labels.

    Attributes
    ----------
    images
        uint8 array, N × C × H × W, values 0–255, C is 1 (grey) or 3 (RGB).
    labels
        int64 array, N, each in [0, len(classes)).
    classes
        class names; a label is an index into them.
    name
        for people; not part of the fingerprint.
    augment
        label-preserving augmentations the data allow in classifier training, of "crop" and "flip".

    Raises
    ------
    UserError
        wrong dtype or shape, a label out of range, an unknown augmentation.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str = "images"
    augment: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", np.ascontiguousarray(self.images))
        object.__setattr__(self, "classes", tuple(str(c) for c in self.classes))
        object.__setattr__(self, "augment", tuple(sorted(self.augment)))
        images, labels = self.images, np.asarray(self.labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise UserError(
                f"{self.name}: images are {images.dtype} of shape {images.shape}; "
                "give uint8, N × C × H × W, with C = 1 or 3"
            )
        if labels.ndim != 1 or len(labels) != len(images) or not np.issubdtype(labels.dtype, np.integer):
            raise UserError(
                f"{self.name}: labels are {labels.dtype} of shape {labels.shape} for {len(images)} images; "
                "give one integer per image"
            )
        object.__setattr__(self, "labels", np.ascontiguousarray(labels, dtype=np.int64))
        if len(labels) and (labels.min() < 0 or labels.max() >= len(self.classes)):
            raise UserError(
                f"{self.name}: labels run from {labels.min()} to {labels.max()} "
                f"but there are {len(self.classes)} classes; number them from 0"
            )
        unknown = set(self.augment) - set(AUGMENTATIONS)
        if unknown:
            raise UserError(f"{self.name}: unknown augmentation {sorted(unknown)}; known: {AUGMENTATIONS}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.images.shape[1:])

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content (shape, pixels, labels, class names and allowed augmentations)."""
        digest = hashlib.sha256()
        header = {"shape": self.images.shape, "classes": self.classes, "augment": self.augment}
        digest.update(json.dumps(header, sort_keys=True).encode())
        digest.update(self.images.tobytes())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def subset(self, indices: np.ndarray | list[int] | slice) -> ImageSet:
        """The images at `indices` (positions, a boolean mask or a slice), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    @staticmethod
    def concat(sets: list[ImageSet], name: str | None = None) -> ImageSet:
        """All images of `sets`, one after the other; shapes and classes must agree."""
        if not sets:
            raise UserError("nothing to concatenate: give at least one ImageSet")
        first = sets[0]
        for other in sets[1:]:
            if other.shape != first.shape or other.classes != first.classes:
                raise UserError(
                    f"{first.name} ({first.shape}, {len(first.classes)} classes) and {other.name} "
                    f"({other.shape}, {len(other.classes)} classes) differ; resize or relabel one of them"
                )
        images = np.concatenate([s.images for s in sets])
        labels = np.concatenate([s.labels for s in sets])
        return replace(first, images=images, labels=labels, name=name or first.name)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """(tensors, text metadata), the form in which the set is stored as safetensors."""
        meta = {"classes": json.dumps(self.classes), "name": self.name, "augment": json.dumps(self.augment)}
        return {"images": self.images, "labels": self.labels}, meta

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], meta: dict[str, str]) -> ImageSet:
        """The inverse of `to_arrays`."""
        return cls(
            arrays["images"],
            arrays["labels"],
            tuple(json.loads(meta["classes"])),
            meta["name"],
            tuple(json.loads(meta["augment"])),
        )

    def save(self, path: str | Path) -> Path:
        """Write the set to one safetensors file; the file appears whole or not at all."""
        path = Path(path)
        arrays, meta = self.to_arrays()
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata=meta)
        return path

    @classmethod
    def load(cls, path: str | Path) -> ImageSet:
        """Read what `save` wrote. Raises UserError when the file is missing, damaged or something else."""
        try:
            with safe_open(str(path), framework="numpy") as file:
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
                return cls.from_arrays(arrays, file.metadata() or {})
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is not a readable image set ({error}); save it again") from error

    def export_folder(self, folder: str | Path) -> Path:
        """Write the set as PNGs in an ImageFolder: `folder/<class>/<position>.png`.

        A class whose name no folder can have everywhere gets one near it, and `synthgap-classes.json` keeps its name,
        so that it comes back where the folder is read (see `classnames`).

        Raises UserError when `folder` already holds something. The folder appears whole or not at all.
        """
        folder = check_new_folder(folder)
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        names = folder_names(self.classes)
        try:
            for name in names:
                (temporary / name).mkdir(parents=True, exist_ok=True)
            for i, (image, label) in enumerate(zip(self.images, self.labels, strict=True)):
                pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
                Image.fromarray(pixels).save(temporary / names[label] / f"{i:06d}.png")
            write_names(temporary, names, self.classes)
            if folder.exists():
                folder.rmdir()
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder


def check_new_folder(folder: str | Path) -> Path:
    """The path, if it is free or an empty folder; UserError otherwise. Cheap: call it before long work."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder; name a new one")
    return folder
