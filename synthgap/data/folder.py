"""Reading a user's ImageFolder: any common format, size and mode, to one 8-bit array."""

from __future__ import annotations

import math
import os
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ..errors import UserError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
# what Pillow raises for damaged files; the last three for damaged EXIF, which it writes anew to turn an image
READING = (
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    struct.error,
    TypeError,
    AttributeError,
)
SHOWN = 5  # files that an error names
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass(frozen=True)
class Listing:
    """The files of one ImageFolder: paths relative to it, labels, class names, how many were passed over."""

    root: Path
    files: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    ignored: int


def find_split_folders(root: Path) -> dict[str, Path]:
    """{split: folder} for the subfolders named train/, val/, test/ (and their usual spellings).

    Folders of these names without subfolders are classes where other folders of images lie beside them.
    Raises UserError when there is a test/ or val/ folder and no train/, or two folders for one split.
    """
    folders = _visible_folders(root)
    named = [p for p in folders if p.name.lower() in SPLIT_NAMES]
    if not any(_visible_folders(p) for p in named) and any(_files(p)[0] for p in folders if p not in named):
        return {}
    found: dict[str, Path] = {}
    for child in named:
        split = SPLIT_NAMES[child.name.lower()]
        if split in found:
            raise UserError(f"{root} holds two {split} folders, {found[split].name}/ and {child.name}/; keep one")
        found[split] = child
    if found and "train" not in found:
        raise UserError(f"{root} has {', '.join(p.name + '/' for p in found.values())} but no train/; add it")
    return found


def list_folder(root: Path, classes: tuple[str, ...] | None = None, least_classes: int = 2) -> Listing:
    """List `root/<class>/**/<image>`; a class is a direct subfolder that holds images at any depth.

    Files without an image extension are passed over and counted; hidden files and folders don't count. With
    `classes` given (a test folder beside its train folder) class names are looked up there, and an unknown
    one raises UserError.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; give the path of an ImageFolder (one subfolder a class)")
    by_class: dict[str, list[str]] = {}
    ignored = 0
    for child in _visible_folders(root):
        images, others = _files(child)
        ignored += len(others)
        if images:
            by_class[child.name] = [p.relative_to(root).as_posix() for p in images]
    if not by_class:
        raise UserError(f"{root} holds no images in class folders; expected {root.name}/<class>/<image>.png")
    if classes is None:
        classes = tuple(by_class)
        if len(classes) < least_classes:
            raise UserError(f"{root} holds one class, {classes[0]!r}; a classifier needs two or more")
    unknown = sorted(set(by_class) - set(classes))
    if unknown:
        raise UserError(f"{root} holds class {unknown[0]!r}, which train lacks; rename or remove it")
    files = [f for name in by_class for f in by_class[name]]
    labels = [classes.index(name) for name in by_class for _ in by_class[name]]
    return Listing(root, tuple(files), np.array(labels, dtype=np.int64), classes, ignored)


def _visible_folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """(images, other files) at any depth, sorted; hidden files and what lies in hidden folders left out."""
    images, others = [], []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            (images if path.suffix.lower() in EXTENSIONS else others).append(path)
    return images, others


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong then and while it is decoded becomes a UserError naming it."""
    try:
        with Image.open(path) as file:
            yield file
    except READING as error:
        raise UserError(f"{path} can't be read as an image ({error}); replace or remove it") from error


def read_image(path: Path) -> Image.Image:
    """Decode one file to an upright 8-bit "L" or "RGB" image.

    EXIF rotation is applied, 16-bit values are scaled to 8, transparency is laid on white, palettes are
    resolved. Raises UserError naming the file when it can't be decoded, or its integers go beyond 16 bits or
    its floats beyond 0–1, so that nobody knows which value is white.
    """
    with _opened(path) as file:
        image = ImageOps.exif_transpose(file)
        image.load()
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        white = 1 if image.mode == "F" else 65535
        if not (values.min() >= 0 and values.max() <= white):  # also where they are NaN
            raise UserError(f"{path} has pixels outside 0–{white}; save it with 8 or 16 bits a channel")
        return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    image = image.convert("RGB")
    red, green, blue = (np.asarray(band) for band in image.split())
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return image.convert("L") if grey else image


def canvas_size(sizes: list[tuple[int, int]], longest_side: int, image_size: int | None = None) -> tuple[int, int]:
    """(height, width) that all images are brought to, from their (width, height).

    The median aspect ratio is kept; the longest side is `image_size`, or without it `longest_side` (the
    largest image's, where that is smaller).
    """
    aspect = float(np.median([w / h for w, h in sizes]))
    longest = image_size or min(longest_side, max(max(s) for s in sizes))
    width = longest if aspect >= 1 else longest * aspect
    height = longest if aspect <= 1 else longest / aspect
    return math.ceil(round(height, 6)), math.ceil(round(width, 6))


def fit(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Scale to fit inside height × width with the aspect kept, then pad with the border's own pixels.

    Returns uint8 H × W (grey) or H × W × 3. Images smaller than the canvas are enlarged to it.
    """
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    extra_h, extra_w = height - pixels.shape[0], width - pixels.shape[1]
    pad = [(extra_h // 2, extra_h - extra_h // 2), (extra_w // 2, extra_w - extra_w // 2)]
    return np.pad(pixels, pad + [(0, 0)] * (pixels.ndim - 2), mode="edge")


def read_images(paths: list[Path], longest_side: int, image_size: int | None = None) -> tuple[np.ndarray, list[str]]:
    """Read all files into one uint8 array N × C × H × W and say what was done to them.

    H and W are those of `canvas_size`. C is 1 only if every image is grey. Two passes over the files, so
    that memory holds small images only. Raises UserError that names what can't be read, all files at once.
    """
    sizes = []
    for path in paths:
        try:
            sizes.append(_upright_size(path))
        except UserError:
            _decoded(paths, lambda image: None)  # names this file, and those whose pixels are damaged, too
            raise
    height, width = canvas_size(sizes, longest_side, image_size)
    images, colours = fit_all(paths, height, width)
    largest, smallest = max(sizes), min(sizes)
    span = f"{smallest[0]}×{smallest[1]}" + ("" if largest == smallest else f" to {largest[0]}×{largest[1]}")
    kind = " and ".join(f"{n} {k}" for k, n in sorted(colours.items()))
    note = f"{len(paths)} images ({kind}, {span} pixels) brought to {width}×{height}, aspect kept"
    return images, [note]


def fit_all(paths: list[Path], height: int, width: int) -> tuple[np.ndarray, Counter]:
    """Read all files onto one canvas: (uint8 N × C × height × width, how many are "grey" and "colour").

    C is 1 only if every image is grey. Raises UserError as `read_images` does.
    """
    fitted = _decoded(paths, lambda image: fit(image, height, width))
    colours = Counter("grey" if p.ndim == 2 else "colour" for p in fitted)
    if not colours["colour"]:
        return np.stack(fitted)[:, None], colours
    fitted = [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in fitted]
    return np.ascontiguousarray(np.stack(fitted).transpose(0, 3, 1, 2)), colours


def _upright_size(path: Path) -> tuple[int, int]:
    with _opened(path) as file:
        # EXIF orientations 5–8 swap the sides; for TIFF Pillow's `size` says so already
        turned = file.format != "TIFF" and file.getexif().get(0x0112) in (5, 6, 7, 8)
        return file.size[::-1] if turned else file.size


def _decoded(paths: list[Path], use: Callable[[Image.Image], Any]) -> list:
    """What `use` makes of every image. The UserError about those that can't be read names up to five and the count."""
    made, faults = [], {}
    for path in tqdm(paths, desc="reading images", disable=not sys.stderr.isatty(), delay=2, leave=False):
        try:
            made.append(use(read_image(path)))
        except UserError as error:
            faults[path] = error
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        common = Path(os.path.commonpath([path.parent for path in faults]))
        names = [path.relative_to(common).as_posix() for path in faults]
        listed = ", ".join([*names[:SHOWN], "…"] if len(names) > SHOWN else names)
        raise UserError(f"{common}: {len(faults)} files can't be read as images ({listed}); replace or remove them")
    return made
