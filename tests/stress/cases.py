"""What a row of book/reliability.md is made from, and the odd and damaged files that rows and other tests share."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.cli import commands as cli
from synthgap.data.duplicates import duplicate_lines
from synthgap.data.inspect import inspect_folder, report_lines
from synthgap.data.shardwriter import write_shards
from synthgap.data.sources import load_splits

RUN = ("run", "--preset", "smoke", "--device", "cpu", "--no-book", "--yes")
OUT = ("--out", "out", "--preset", "smoke")


def found(source: str) -> list[str]:
    """The lines that a study of the preset smoke tells of a data set before it starts."""
    splits = load_splits(source, longest_side=8)
    kind, _, path = source.partition(":")
    told = report_lines(inspect_folder(path)) if kind == "folder" else []
    return [*told, *splits.record["found"], *duplicate_lines(splits)]


def command(words: tuple) -> None:
    """Run `synthgap` with these words in this process; what it refuses is a UserError with its one line."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["synthgap", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        cli.main()
    assert stop.value.code == 2
    assert out.getvalue().count("\n") <= out.getvalue().startswith("reading ")  # what a run says before it looks
    told = err.getvalue().removesuffix("\n")
    assert told.startswith("synthgap: error: ")
    raise UserError(told.removeprefix("synthgap: error: "))


def run_on(source: str) -> None:
    """The study of a data set from the command line, which refuses it."""
    command((*RUN, "--dataset", source))


@dataclass(frozen=True)
class Case:
    """Wrong or odd input: `make` writes it into a folder and returns what `read` gets, or words of the command line.

    `says` is in the one line of the UserError with which it is refused, or in one of the lines that `read` returns.
    """

    what: str
    make: Callable[[Path], object]
    says: str
    read: Callable[..., list[str] | object] = found

    def told(self, place: Path) -> str:
        """What is said of it. Nothing is written beside it."""
        made, before = self.make(place), set(place.parent.rglob("*"))
        read = command if isinstance(made, tuple) else self.read
        try:
            told = next((line for line in read(made) or () if self.says in line), "nothing")
            told = f"takes it: {told}"
        except UserError as error:
            told = str(error)
        assert set(place.parent.rglob("*")) == before
        assert told.isprintable()
        assert self.says in told
        return told


@dataclass(frozen=True)
class Value:
    """A right value: `tells` writes into a folder, asserts what must hold, and returns the outcome in words."""

    what: str
    tells: Callable[[Path], str]

    def told(self, place: Path) -> str:
        return self.tells(place)


def refusal(read: Callable, *given, **options) -> str:
    """The message, one printable line, with which `read` refuses what it is given."""
    with pytest.raises(UserError) as caught:
        read(*given, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


# words on the command line


def words(*given) -> Callable[[Path], tuple]:
    return lambda place: given


def typed(what: str, says: str) -> Case:
    """A row of words on the command line: `what` itself, of `run` or of the command that it begins with."""
    first, *rest = shlex.split(what)
    return Case(what, words(*((*RUN, first, *rest) if first[0] == "-" else (first, *OUT, *rest))), says)


def convert(content: bytes) -> Callable[[Path], tuple]:
    """The words that convert a pickle of this content."""
    return lambda place: ("convert", saved(content, "edm.pkl")(place), place / "out" / "edm.safetensors")


# folders


def picture(seed: int = 0, side: int = 8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png(seed: int) -> bytes:
    return encoded(picture(seed))


def photos(folder: Path, names=("a", "b"), each: int = 4) -> Path:
    """A folder of PNGs, `each` in every class, no two alike."""
    for i, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k in range(each):
            (folder / name / f"{k}.png").write_bytes(png(100 * i + k))
    return folder


def written(root: Path, files: dict[str, bytes]) -> Path:
    """`root` with these files in it."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def folder(
    *classes: str,
    each: int = 4,
    files: dict[str, bytes] | None = None,
    change: Callable[[Path], object] = lambda root: None,
    name: str = "photos",
    split: str = "",
) -> Callable[[Path], str]:
    """Photographs in `classes` and `files` beside them, after `change`; `split` follows the path."""

    def make(place: Path) -> str:
        root = written(photos(place / name, classes, each), files or {})
        change(root)
        return f"folder:{root}{split}"

    return make


def giant_png() -> bytes:
    """A PNG that claims 60,000 × 60,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


# single files


def saved(content: bytes, name: str, kind: str | None = None) -> Callable[[Path], object]:
    """The path of a file of this content; with a `kind`, the name of a data set."""

    def make(place: Path) -> object:
        (place / name).write_bytes(content)
        return f"{kind}:{place / name}" if kind else place / name

    return make


def images(count: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def npz_bytes(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def array(**changes) -> Callable[[Path], object]:
    """An npz of twelve images in two classes, with other arrays in their place; None leaves one out."""
    arrays = {"images": images(), "labels": np.arange(12) % 2} | changes
    return saved(npz_bytes(**{k: v for k, v in arrays.items() if v is not None}), "set.npz", "npz")


def huge_header() -> bytes:
    """An npz whose array claims a shape of 10¹⁵ bytes and holds none of them."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (117 - len(header)) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    return buffer.getvalue()


def edm_bytes(
    entries: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_DEFLATED, text=None, **listed
) -> bytes:
    """A zip in the format of the EDM release: twelve PNGs, labels 0, 1, 0, 1, …, with what is given instead.

    text : all of dataset.json.
    """
    if entries is None:
        entries = {f"{i}.png": png(i) for i in range(12)}
    listed = {"labels": [[name, i % 2] for i, name in enumerate(entries)]} | listed
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.writestr("dataset.json", json.dumps(listed) if text is None else text)
    return buffer.getvalue()


def edm(*given, **listed) -> Callable[[Path], object]:
    return saved(edm_bytes(*given, **listed), "set", "edm-zip")


# shards


def shards(damage: Callable[[Path], object]) -> Callable[[Path], str]:
    """Twelve images in shards of six, with what `damage` does to the folder."""

    def make(place: Path) -> str:
        root, pixels = place / "set.shards", images()[:, None]
        write_shards(root, np.arange(12) % 2, ("a", "b"), (1, 8, 8), lambda a, b: pixels[a:b], shard_images=6)
        damage(root)
        return f"shards:{root}"

    return make


class Call:
    """Pickled, it asks for a call of os.system."""

    def __reduce__(self):
        import os

        return os.system, ("touch ran",)
