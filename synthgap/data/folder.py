"""Decoding image files: any common format, size, mode and depth, to one 8-bit array."""

from __future__ import annotations

import math
import os
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ..base.errors import UserError
from ..base.names import shown, some
from .depth import Span, scale_of

# what Pillow raises for damaged files; those after struct.error for damaged EXIF and tags, which it writes anew to turn
# an image
READING = (
    *(OSError, EOFError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError, struct.error),
    *(TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError),
)
LARGEST = 50_000_000  # pixels that are decoded at once
STRIP = 2**22  # pixels that are converted at once
SHOWN = 5  # files that an error names
BITS_PER_SAMPLE, LARGEST_SAMPLE, LARGEST_SAMPLE_SIGNED = 258, 281, 341  # TIFF tags
DARK = 15  # a grey 8-bit image without brighter pixels may be a mask: its levels are kept while it is scaled


@dataclass(frozen=True)
class Picture:
    """One decoded image, upright: mode "L" or "RGB"; with the numbers of its file, which `span` is about, "F" or three.

    pages : pages or frames of the file, of which this is the first; 1 for a photograph of a phone (MPO), whose
        further frames are previews.
    """

    image: Image.Image | tuple[Image.Image, ...]
    span: Span
    pages: int = 1


@dataclass(frozen=True)
class Readout:
    """Images on one canvas: uint8 N × C × H × W, how many were "grey" and "colour", and what was assumed."""

    images: np.ndarray
    colours: Counter
    notes: tuple[str, ...]


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong then and while it is decoded becomes a UserError naming it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # larger ones still are errors
            with Image.open(path) as file:
                yield file
    except READING as error:
        reason = shown(" ".join(str(error).split()))
        raise UserError(f"{shown(str(path))} can't be read as an image ({reason}); replace or remove it") from error


def decode(path: Path) -> Picture:
    """Decode the first page of a file.

    EXIF rotation is applied, transparency is laid on white, palettes are resolved. Images of more than 8 bits a channel
    (and 8-bit ones with no value above 15) keep their numbers, for `scale_of` to say which is white; of transparent
    ones the upper 8 bits are read.
    Raises UserError naming the file when it can't be decoded.
    """
    with opened(path) as file:
        deep_colour = not file.mode.startswith("I") and ";16" in str([tile.args for tile in file.tile])
        declared = _declared_bits(file, path)
        _check_size(file)
        stated = file.format == "PPM" and file.mode == "I"
        ImageOps.exif_transpose(file, in_place=True)
        file.load()
        if file.mode.startswith("I") or file.mode == "F":
            picture = _deep(file, declared, stated)
        elif deep_colour and file.mode == "RGB" and "transparency" not in file.info:
            picture = _deep_colour(file, path)
        else:
            picture = _shallow(file, deep_colour)
        return replace(picture, pages=_pages(file))  # last: it looks at other pages, which may be damaged


def _check_size(file: Image.Image) -> None:
    """Have a JPEG of very many pixels decoded at a half, a quarter, …; ValueError for another such file."""
    width, height = file.size
    # TIFF tells of further pages by looking for them; animations are decoded with several copies of their canvas
    animated = file.format == "GIF" or (file.format in ("PNG", "WEBP") and file.is_animated)
    most = LARGEST // 8 if animated else LARGEST
    factor = 1
    while width * height > most * factor**2:
        factor *= 2
    if factor > 1:
        file.draft(None, (width // factor, height // factor))
    if file.width * file.height > most:
        raise ValueError(f"it has {width}×{height} pixels, and {most // 10**6} million are read at most: scale it")


def _shallow(image: Image.Image, deep_colour: bool) -> Picture:
    flat = _flat(image)
    if deep_colour:
        return Picture(flat, Span("16-bit transparent", 0, max(_highest(image))))
    span = Span("8-bit", 0, max(_highest(flat)))
    mask = flat.mode == image.mode == "L" and 0 < span.high <= DARK
    return Picture(flat.convert("F") if mask else flat, span)


def _deep(image: Image.Image, declared: int, stated: bool) -> Picture:
    values = np.asarray(image).astype(np.float32)
    kind = "float" if image.mode == "F" else "32-bit" if declared == 32 else "16-bit"
    low, high = float(values.min()), float(values.max())
    if stated:  # a PGM says which value is white, and Pillow has scaled it to 65,535
        high = max(high, 65535.0)
    span = Span(
        kind, low, high, declared if declared < 16 else 0, kind == "float" and np.array_equal(values, np.rint(values))
    )
    return Picture(Image.fromarray(values), span)


def _deep_colour(upper: Image.Image, path: Path) -> Picture:
    """Of 16-bit colour Pillow reads the upper byte of each channel; told another order of bytes it reads the lower."""
    with Image.open(path) as lower:
        lower.tile = [tile._replace(args=_other_order(tile.args)) for tile in lower.tile]
        ImageOps.exif_transpose(lower, in_place=True)
        values = np.asarray(upper).astype(np.float32) * 256 + np.asarray(lower)
    grey = (values == values[..., :1]).all()
    bands = tuple(Image.fromarray(values[..., i]) for i in range(1 if grey else 3))
    span = Span("16-bit" if grey else "16-bit colour", 0, float(values.max()))
    return Picture(bands[0] if grey else bands, span)


def _other_order(args: Any) -> Any:
    if isinstance(args, tuple):
        return tuple(_other_order(arg) for arg in args)
    native = "B" if sys.byteorder == "little" else "L"
    return {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGB;16N": f"RGB;16{native}"}.get(args, args)


def _flat(image: Image.Image) -> Image.Image:
    """ "L" or "RGB" of an 8-bit image: transparency on white, palettes and other colours resolved.

    In strips, so that a large image needs little memory beside itself.
    """
    rows = max(1, STRIP // image.width)
    if image.height <= rows:
        return _flat_part(image)
    starts = range(0, image.height, rows)
    parts = [_flat_part(image.crop((0, y, image.width, min(y + rows, image.height)))) for y in starts]
    whole = Image.new("RGB" if any(part.mode == "RGB" for part in parts) else "L", image.size)
    for y, part in zip(starts, parts, strict=True):
        whole.paste(part, (0, y))
    return whole


def _flat_part(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    image = image.convert("RGB")
    red, green, blue = (np.asarray(band) for band in image.split())
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return image.convert("L") if grey else image


def _highest(image: Image.Image) -> list[int]:
    """The highest value of each band but the one of transparency."""
    extrema = image.getextrema()
    bands = [extrema] if len(image.getbands()) == 1 else list(extrema)
    return [high for band, (_, high) in zip(image.getbands(), bands, strict=True) if band not in ("A", "a")]


def _pages(file: Image.Image) -> int:
    if file.format == "MPO":
        return 1
    with suppress(*READING):
        return int(getattr(file, "n_frames", 1))
    return 1


def _declared_bits(file: Image.Image, path: Path) -> int:
    """Bits of a grey image's numbers by its file's own word, 0 without one."""
    if not file.mode.startswith("I"):
        return 0
    if file.format == "PNG":
        return _significant_bits(path)
    if file.format != "TIFF":
        return 0
    stored = _whole(file.tag_v2.get(BITS_PER_SAMPLE), 16)
    largest = max(_whole(file.tag_v2.get(tag), 0) for tag in (LARGEST_SAMPLE, LARGEST_SAMPLE_SIGNED))
    return min(largest.bit_length() or stored, stored)


def _whole(value: object, otherwise: int) -> int:
    """The first number of a TIFF tag, if it is a number above 0."""
    with suppress(*READING):
        return max(int(value[0] if isinstance(value, tuple) else value), 0) or otherwise
    return otherwise


def _significant_bits(path: Path) -> int:
    """What a PNG's chunk sBIT says, 0 without one."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"sBIT":
                return max(file.read(min(length, 4)), default=0)
            if kind == b"IDAT":
                break
            file.seek(length + 4, os.SEEK_CUR)
    return 0


def read_image(path: Path) -> Image.Image:
    """Decode one file to an upright 8-bit "L" or "RGB" image, on the scale of its own numbers (see `scale_of`).

    Raises UserError naming the file when it can't be decoded, or nobody knows which of its values is white.
    """
    picture = decode(path)
    if picture.span.kind == "8-bit":  # one dark image alone is no mask
        return picture.image.convert("L") if picture.image.mode == "F" else picture.image
    scale = scale_of([picture.span], [shown(str(path))], shown(str(path)))
    return Image.fromarray(scale.applied(_pixels(picture.image)))


def _pixels(image: Image.Image | tuple[Image.Image, ...]) -> np.ndarray:
    return np.dstack(image) if isinstance(image, tuple) else np.asarray(image)


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


def read_images(paths: list[Path], longest_side: int, image_size: int | None = None) -> Readout:
    """Read all files into one uint8 array N × C × H × W; the notes begin with what was done to all of them.

    H and W are those of `canvas_size`. C is 1 only if every image is grey. Two passes over the files, the first over
    their headers, so that memory holds small images only. Raises UserError that names what can't be read, all files
    at once, and as `scale_of` does.
    """
    sizes = []
    for path in paths:
        try:
            sizes.append(_upright_size(path))
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


def fit_all(paths: list[Path], height: int, width: int) -> Readout:
    """Read all files onto one canvas, those that are stored alike on one scale of brightness.

    C is 1 only if every image is grey. Raises UserError as `read_images` does.
    """
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


def _upright_size(path: Path) -> tuple[int, int]:
    with opened(path) as file:
        # EXIF orientations 5–8 swap the sides; for TIFF Pillow's `size` says so already
        turned = file.format != "TIFF" and file.getexif().get(0x0112) in (5, 6, 7, 8)
        return file.size[::-1] if turned else file.size


def _decoded(paths: list[Path], use: Callable[[Picture], Any]) -> list:
    """What `use` makes of every image. The UserError about those that can't be read names up to five and the count."""
    made, faults = [], {}
    for path in tqdm(paths, desc="reading images", disable=not sys.stderr.isatty(), delay=2, leave=False):
        try:
            made.append(use(decode(path)))
        except UserError as error:
            faults[path] = error
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        common = Path(os.path.commonpath([path.parent for path in faults]))
        names = [shown(path.relative_to(common).as_posix()) for path in faults]
        raise UserError(
            f"{shown(str(common))}: {len(faults)} files can't be read as images ({some(names, SHOWN)}); replace or "
            "remove them"
        )
    return made
