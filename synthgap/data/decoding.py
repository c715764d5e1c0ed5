"""Decoding an image file: any common format, size, mode and depth."""

from __future__ import annotations

import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps

from ..base.errors import UserError
from ..base.names import shown
from .depth import Span, scale_of

# what Pillow raises for damaged files; those after struct.error for damaged EXIF and tags, which it writes anew to turn
# an image
READING = (
    *(OSError, EOFError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError, struct.error),
    *(TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError),
)
LARGEST = 50_000_000  # pixels that are decoded at once
STRIP = 2**22  # pixels that are converted at once
ORIENTATION = 0x0112  # EXIF tag
BITS_PER_SAMPLE, LARGEST_SAMPLE, LARGEST_SAMPLE_SIGNED = 258, 281, 341  # TIFF tags
ONE_AT_A_TIME = threading.Lock()  # Python has one list of warnings for all threads
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


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; what goes wrong then and while it is decoded becomes a UserError naming it."""
    try:
        with _quietly(path) as file:
            yield file
    except READING as error:
        reason = shown(" ".join(str(error).split()))
        raise UserError(f"{shown(str(path))} can't be read as an image ({reason}); replace or remove it") from error


def _quietly(path: Path) -> Image.Image:
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # larger ones still are errors
        return Image.open(path)


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
        for length, kind in _chunks(file):
            if kind == b"sBIT":
                return max(file.read(min(length, 4)), default=0)
            if kind == b"IDAT":
                break
    return 0


def _chunks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Length and kind of each chunk of a PNG; the file then stands at the chunk's first byte."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        start = file.tell()
        yield length, kind
        file.seek(start + length + 4)


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


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image file, turned as its EXIF says; pixels are not decoded.

    Raises UserError naming a file that can't be opened.
    """
    with opened(path) as file:
        # PNG's own way decodes all pixels, since EXIF may come after them; it seldom does
        late = file.format == "PNG" and _tells_late(path)
        exif = file.getexif() if late else Image.Image.getexif(file)
        # EXIF orientations 5–8 swap the sides; for TIFF Pillow's `size` says so already
        turned = file.format != "TIFF" and exif.get(ORIENTATION) in (5, 6, 7, 8)
        return file.size[::-1] if turned else file.size


def _tells_late(path: Path) -> bool:
    """Do chunks that may hold EXIF follow the pixels of a PNG?"""
    with path.open("rb") as file:
        kinds = [kind for _, kind in _chunks(file)]
    behind = kinds[kinds.index(b"IDAT") :] if b"IDAT" in kinds else []
    return not {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}.isdisjoint(behind)
