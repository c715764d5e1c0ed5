"""Damaged files by the thousand: valid ones with random mutations, each read in a forked process within bounds.

A case is a function of (kind, number) alone. Reading it must end within `SECONDS`, with at most `MEMORY` bytes more
than at its start, in a value or in a `UserError` of one line. Anything else is a fault, and its description names the
case.
"""

from __future__ import annotations

import faulthandler
import io
import os
import random
import resource
import select
import signal
import struct
import sys
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import edm_bytes, encoded, npz_bytes, picture, png
from PIL import Image
from released_pickle import small_edm, small_stylegan3

from synthgap.api.functions import load_model
from synthgap.base.errors import UserError
from synthgap.data.edmzip import read_edm_zip
from synthgap.data.folder import read_images
from synthgap.data.npz import read_npz

SECONDS, MEMORY = 10, 2**30
PICTURES = ("JPEG", "GIF", "TIFF", "WEBP", "BMP")  # as PNGs, but with no checksums to mend
LENGTHS = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


@dataclass(frozen=True)
class Kind:
    """Files of one format: `valid` examples, the name they get, how they are read, and how a damaged one is repaired.

    `repaired` mends checksums and tables of contents, so that what lies behind them is reached, too.
    """

    valid: Callable[[], list[bytes]]
    name: str
    read: Callable[[Path], object]
    repaired: Callable[[bytes], bytes]


def _pngs() -> list[bytes]:
    deep = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 64)
    return [png(0), encoded(deep), encoded(picture(0).convert("P"))]


def _pictures() -> list[bytes]:
    return [encoded(image, kind) for kind in PICTURES for image in (picture(0), picture(1).convert("L"))]


def _arrays() -> list[bytes]:
    pixels, labels = np.arange(12 * 64, dtype=np.uint8).reshape(12, 8, 8), np.arange(12) % 2
    named = {"train_images": pixels, "train_labels": labels[:, None], "test_images": pixels, "test_labels": labels}
    return [
        npz_bytes(images=pixels, labels=labels),
        npz_bytes(images=pixels.astype(np.uint16) * 16, labels=labels + 1, classes=np.array(["a", "b"])),
        npz_bytes(**named),
    ]


def _zips() -> list[bytes]:
    return [edm_bytes(compression=compression) for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]


def _with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold now."""
    out, place = data[:8], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + min(length, len(data))]
        out += data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return out + data[place:]


def _zipped_again(data: bytes) -> bytes:
    """A zip whose members were mutated where they lie: read past their checksums and packed again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            start = entry.header_offset + 30 + len(entry.filename.encode()) + 20  # numpy writes 20 bytes of extra field
            new.writestr(entry.filename, data[start : start + entry.compress_size])
    return buffer.getvalue()


KINDS = {
    "pickle": Kind(lambda: [small_edm(), small_stylegan3()], "model.pkl", load_model, lambda data: data),
    "PNG": Kind(_pngs, "picture.png", lambda path: read_images([path], 16), _with_checksums),
    "npz": Kind(_arrays, "arrays.npz", lambda path: read_npz(path), _zipped_again),
    "edm-zip": Kind(_zips, "set.zip", lambda path: read_edm_zip(path), lambda data: data),
    "picture": Kind(_pictures, "picture", lambda path: read_images([path], 16), lambda data: data),
}


def mutated(kind: str, number: int, valid: list[bytes]) -> bytes:
    """Case `number`: one of `valid` with one to eight mutations."""
    rng = random.Random(f"{kind} {number}")
    data = bytearray(rng.choice(valid))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 40, 400))
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at : at + size] = rng.randbytes(size)
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[max(0, at - size) : at] * rng.choice((1, 2, 50))
            case 4:
                width = rng.choice((1, 2, 4, 8))
                value = rng.choice(LENGTHS) % 256**width
                data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
            case 5:
                other = rng.choice(valid)
                start = rng.randrange(len(other))
                data[at : at + size] = other[start : start + size]
            case _ if rng.random() < 0.2:
                del data[at:]
    if rng.random() < 0.5:
        try:
            return KINDS[kind].repaired(bytes(data))
        except Exception:  # too damaged to be mended: as it is
            pass
    return bytes(data)


def faults(kind: str, numbers: range, folder: Path) -> Iterator[str]:
    """What is wrong with the cases `numbers`, a description each. A process that dies or hangs is replaced."""
    waiting = list(numbers)
    while waiting:
        done, fault = _in_child(kind, waiting, folder)
        if fault is not None:
            yield f"{kind} {waiting[done]}: {fault}"
            done += 1
        waiting = waiting[done:]


def _in_child(kind: str, numbers: list[int], folder: Path) -> tuple[int, str | None]:
    """(cases that went well, what went wrong with the next one) in a process that is forked for them."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(kind, numbers, folder, writer)
    os.close(writer)
    done, rest = 0, b""
    try:
        while True:
            ready, _, _ = select.select([reader], [], [], SECONDS)
            told = os.read(reader, 2**16) if ready else b""
            if not told:
                break
            rest += told
            *lines, rest = rest.split(b"\n")
            for line in lines:
                if line != b"ok":
                    return done, line.decode()
                done += 1
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if done == len(numbers):
        return done, None
    ended = f"the process ended with signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "the process ended"
    return done, ended if ready else f"no end after {SECONDS} seconds"


def _work(kind: str, numbers: list[int], folder: Path, writer: int) -> None:
    """Read the cases one by one, and write a line for each: "ok", or what was wrong. Doesn't return."""
    try:
        faulthandler.disable()  # a case may end the process, which is then told in one line
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        valid, path = KINDS[kind].valid(), folder / f"{os.getpid()}-{KINDS[kind].name}"
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))
        for number in numbers:
            path.write_bytes(mutated(kind, number, valid))
            told = _told(KINDS[kind].read, path)
            os.write(writer, told.encode() + b"\n")
            if told != "ok":
                break  # another process goes on: this one might read the next case before it is ended
        path.unlink()
    finally:
        os._exit(0)


def _told(read: Callable[[Path], object], path: Path) -> str:
    """ "ok" for a value or a `UserError` of one line, else what came out."""
    try:
        read(path)
    except UserError as error:
        text = str(error)
        return "ok" if text and text.isprintable() else f"a message of several lines: {text!r}"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {str(error)!r}"
    return "ok"


if __name__ == "__main__":
    import tempfile

    kind, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as place:
        for fault in faults(kind, range(first, last), Path(place)):
            print(fault, flush=True)
