"""Reading many image files to one 8-bit array: one canvas, and one scale of brightness for those stored alike."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..base.errors import UserError
from ..base.machine import cores
from ..base.names import shown, some
from .decoding import Picture, decode, upright_size
from .depth import scale_of
from .shelf import Readout, Shelf

SHOWN = 5  # files that an error names


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


def fit(image: Image.Image | tuple[Image.Image, ...], height: int, width: int) -> np.ndarray:
    """Scale to fit inside height × width with the aspect kept, then pad with the border's own pixels.

    Returns H × W (grey) or H × W × 3; uint8, or float32 for mode "F", one image or one a channel. Images smaller than
    the canvas are enlarged.
    """
    if isinstance(image, tuple):
        return np.dstack([fit(band, height, width) for band in image])
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    extra_h, extra_w = height - pixels.shape[0], width - pixels.shape[1]
    pad = [(extra_h // 2, extra_h - extra_h // 2), (extra_w // 2, extra_w - extra_w // 2)]
    return np.pad(pixels, pad + [(0, 0)] * (pixels.ndim - 2), mode="edge")


def read_images(
    paths: list[Path], longest_side: int, image_size: int | None = None, shelf: Shelf | None = None
) -> Readout:
    """Read all files into one uint8 array N × C × H × W; the notes begin with what was done to all of them.

    H and W are those of `canvas_size`. C is 1 only if every image is grey. Two passes over the files, the first over
    their headers, so that memory holds small images only. shelf : where they are taken from if it has them.
    Raises UserError that names what can't be read, all files at once, and as `scale_of` does.
    """
    if shelf is not None:
        how = f"{longest_side}, {image_size}"
        return shelf.reading(paths, how, lambda: read_images(paths, longest_side, image_size))
    try:
        sizes = list(map(upright_size, paths))
    except UserError:
        _decoded(paths, lambda picture: None)  # names this file, and those whose pixels are damaged, too
        raise
    height, width = canvas_size(sizes, longest_side, image_size)
    read = fit_all(paths, height, width)
    largest, smallest = (pick(sizes, key=lambda size: (size[0] * size[1], size)) for pick in (max, min))
    span = f"{smallest[0]}×{smallest[1]}" + ("" if largest == smallest else f" to {largest[0]}×{largest[1]}")
    kind = " and ".join(f"{n} {k}" for k, n in sorted(read.colours.items()))
    note = f"{len(paths)} images ({kind}, {span} pixels) brought to {width}×{height}, aspect kept"
    return replace(read, notes=(note, *read.notes))


def fit_all(paths: list[Path], height: int, width: int, shelf: Shelf | None = None) -> Readout:
    """Read all files onto one canvas, those that are stored alike on one scale of brightness.

    C is 1 only if every image is grey. shelf : as for `read_images`. Raises UserError as that does.
    """
    if shelf is not None:
        return shelf.reading(paths, f"{height}×{width}", lambda: fit_all(paths, height, width))
    read = _decoded(paths, lambda picture: (fit(picture.image, height, width), picture.span, picture.pages))
    pixels, spans, pages = (list(column) for column in zip(*read, strict=True))
    common = Path(os.path.commonpath([path.parent for path in paths]))
    names = [shown(path.relative_to(common).as_posix()) for path in paths]
    notes = []
    for kind in dict.fromkeys(span.kind for span in spans):
        these = [i for i, span in enumerate(spans) if span.kind == kind]
        scale = scale_of([spans[i] for i in these], [f"{common}/{names[i]}" for i in these], shown(str(common)))
        notes += scale.notes
        for i in these:
            pixels[i] = scale.applied(pixels[i])
    if several := [f"{names[i]} {n}" for i, n in enumerate(pages) if n > 1]:
        have = "file holds" if len(several) == 1 else "files hold"
        notes.append(f"{len(several):,} {have} several pages or frames ({some(several)}); the first of each is used")
    colours = Counter("grey" if p.ndim == 2 else "colour" for p in pixels)
    if not colours["colour"]:
        return Readout(np.stack(pixels)[:, None], colours, tuple(notes))
    pixels = [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in pixels]
    return Readout(np.ascontiguousarray(np.stack(pixels).transpose(0, 3, 1, 2)), colours, tuple(notes))


def _decoded(paths: list[Path], use: Callable[[Picture], Any]) -> list:
    """What `use` makes of every image. The UserError about those that can't be read names up to five and the count."""

    def made(path: Path) -> Any:
        try:
            return use(decode(path))
        except UserError as error:
            return error

    with ThreadPoolExecutor(cores()) as threads:  # Pillow decodes and scales outside of Python's lock
        several = tqdm(
            threads.map(made, paths),
            desc="reading images",
            total=len(paths),
            disable=not sys.stderr.isatty(),
            delay=2,
            leave=False,
        )
        read = list(several)
    faults = {path: one for path, one in zip(paths, read, strict=True) if isinstance(one, UserError)}
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        common = Path(os.path.commonpath([path.parent for path in faults]))
        names = [shown(path.relative_to(common).as_posix()) for path in faults]
        raise UserError(
            f"{shown(str(common))}: {len(faults)} files can't be read as images ({some(names, SHOWN)}); replace or "
            "remove them"
        )
    return read
