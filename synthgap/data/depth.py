"""Which value is white: numbers of any depth become 8-bit grey levels, all images of a data set on one scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import UserError
from ..base.words import plural

DEPTHS = (1, 2, 4, 8, 10, 12, 14, 16)  # bits that instruments and masks use
DEEPEST = 2 ** DEPTHS[-1] - 1
SMALL = 15  # largest value of 8-bit images from which on they are what they seem, if dark
DIMMEST = 1 / 16  # largest float below which 0–1 can't be the scale: less than 16 of 256 levels would remain
FEW = 0.1  # share of images beyond the next smaller depth, below which the larger one is doubted
REMEDY = "save them with 8 or 16 bits a channel"


@dataclass(frozen=True)
class Span:
    """The lowest and the highest number of one image, how it is stored, and the bits that its file says it uses.

    kind : "8-bit", "16-bit", "32-bit", "16-bit colour", "16-bit transparent" (of which 8 bits were read) or "float".
    whole : floats that are whole numbers.
    """

    kind: str
    low: float
    high: float
    declared: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Scale:
    """`white` becomes 255 and 0 stays 0; `notes` say what was assumed, if that is not plain."""

    white: float
    notes: tuple[str, ...] = ()

    def applied(self, values: np.ndarray) -> np.ndarray:
        """uint8, rounded to the nearest level; values outside 0–white, as a filter makes them, are cut off."""
        if self.white == 255 and values.dtype == np.uint8:
            return values
        return np.clip(np.rint(values * (255 / self.white)), 0, 255).astype(np.uint8)


def scale_of(spans: Sequence[Span], names: Sequence[str], where: str) -> Scale:
    """The one scale of images that are stored alike.

    Whole numbers, floats that are whole numbers above 1 among them, are taken to have the least depth of DEPTHS that
    holds the largest of them, and what files declare; other floats to run from 0 to 1. 8-bit images are taken as they
    are, unless none of their values is above 15.

    names : of the images, for messages. where : the data set.
    Raises UserError where numbers are negative, beyond 16 bits, no numbers, or floats beyond 1 or nearly all 0: nobody
    knows which value is white then.
    """
    kind = spans[0].kind
    low, high = min(s.low for s in spans), max(s.high for s in spans)
    if 1 < high <= DEEPEST and all(s.whole for s in spans):
        kind = "whole-number"
    top = 1 if kind == "float" else DEEPEST
    bad = [n for s, n in zip(spans, names, strict=True) if not 0 <= s.low <= s.high < math.inf]
    bad += [n for s, n in zip(spans, names, strict=True) if s.high > top]
    if bad:
        if not all(math.isfinite(s.low) and math.isfinite(s.high) for s in spans):
            raise UserError(f"{bad[0]} has pixels that are no finite numbers; mend them, or {REMEDY}")
        hint = ", for values from −1 to 1: ((x + 1) * 127.5).round() as uint8" if low >= -1 and high <= 1 else ""
        raise UserError(f"{bad[0]} has pixels outside 0–{top}; nobody knows which value is white: {REMEDY}{hint}")
    count = plural(len(spans), f"{kind} image")
    if kind == "float":
        if high < DIMMEST:
            raise UserError(f"{where}: the largest value of {count} is {high:.3g}, nearly black on 0–1; {REMEDY}")
        return Scale(1, (f"{count} with values from {low:.3g} to {high:.3g}: 0 is black and 1 white",))
    if kind == "16-bit transparent":
        if high <= 63:
            raise UserError(
                f"{where}: {count} use 14 bits or fewer, of which too few would remain; save them with 8 bits a channel"
            )
        return Scale(255, (f"{count}: the upper 8 bits of each channel are used",))
    if high == 0 or (kind == "8-bit" and high > SMALL):
        return Scale(255)
    declared = max((s.declared for s in spans if s.declared < DEPTHS[-1]), default=0)
    bits = next(d for d in DEPTHS if d >= max(int(high).bit_length(), declared))
    white = 2**bits - 1
    notes = [f"{count} whose largest value is {int(high):,}: read as {bits}-bit, {white:,} is white"]
    if doubt := _doubt(spans, names, bits):
        notes.append(doubt)
    return Scale(white, tuple(notes))


def _doubt(spans: Sequence[Span], names: Sequence[str], bits: int) -> str | None:
    """A warning where few images decide that all the others are dark."""
    if bits <= 8:
        return None
    lower = 2 ** DEPTHS[DEPTHS.index(bits) - 1] - 1
    beyond = [n for s, n in zip(spans, names, strict=True) if s.high > lower]
    most = sorted(s.high for s in spans)[math.ceil((1 - FEW) * len(spans)) - 1]
    if not 0 < len(beyond) <= FEW * len(spans) or most * 4 > 2**bits:
        return None
    return (
        f"WARNING: only {len(beyond):,} of {len(spans):,} images reach beyond {lower:,} (such as {beyond[0]}); if the "
        "others are of fewer bits they are read too dark: store all on one scale"
    )


def array_scale(arrays: Sequence[np.ndarray], where: str) -> Scale:
    """The one scale of arrays of images, each N × ….

    Raises UserError as `scale_of` does, and for arrays of other types or of different ones.
    """
    dtypes = {a.dtype for a in arrays}
    if len(dtypes) > 1:
        raise UserError(f"{where}: images are {' and '.join(sorted(map(str, dtypes)))}; save all as uint8, 0–255")
    dtype = dtypes.pop()
    filled = [a.reshape(len(a), -1) for a in arrays if a.size]
    if dtype.kind not in "buif":
        raise UserError(f"{where}: images are {dtype}; save them as uint8, 0–255")
    if not filled:
        return Scale(255)
    lows, highs = (np.concatenate([f(a, axis=1) for a in filled]).astype(float).tolist() for f in (np.min, np.max))
    if dtype.kind == "b":
        return Scale(1, (f"{len(highs):,} images of true and false: true is white",))
    kind = "8-bit" if dtype == np.uint8 else f"{8 * dtype.itemsize}-bit"
    whole = False
    if dtype.kind == "f":
        kind, whole = "float", all(np.array_equal(a, np.rint(a)) for a in filled)
    spans = [Span(kind, low, high, whole=whole) for low, high in zip(lows, highs, strict=True)]
    return scale_of(spans, [f"{where}: image {i}" for i in range(len(spans))], where)
