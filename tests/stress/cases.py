"""What a row of book/reliability.md is made from, and the odd and damaged files that rows share."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from synthgap.data.shardwriter import write_shards

RUN = ("run", "--preset", "smoke", "--device", "cpu", "--no-book", "--yes")


@dataclass(frozen=True)
class Case:
    """A command: `make` writes into a folder and returns its words; `says` is in what is told.

    Not `taken`: it ends with one line and exit code 2, and nothing is written. `taken`: the words name a data set
    (`--dataset`), and `says` is in a line that `run` prints of it before it starts.
    """

    what: str
    make: Callable[[Path], list]
    says: str
    taken: bool = False


@dataclass(frozen=True)
class Value:
    """A right value: `tells` writes into a folder, asserts what must hold, and returns the outcome in words."""

    what: str
    tells: Callable[[Path], str]


def picture(seed: int = 0, side: int = 8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def photos(folder: Path, names=("a", "b"), each: int = 4) -> Path:
    """A folder of PNGs, `each` in every class."""
    for i, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k in range(each):
            picture(100 * i + k).save(folder / name / f"{k}.png")
    return folder


def folder_with(name: str, content: bytes | None = None, copies: int = 1):
    """Good photographs, and files of `content` (default: half a PNG)."""

    def make(place: Path) -> list:
        root = photos(place / "photos")
        data = (root / "a" / "0.png").read_bytes()
        for k in range(copies):
            path = root / "a" / name.format(k)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[: len(data) // 2 - k] if content is None else content)
        return [*RUN, "--dataset", f"folder:{root}"]

    return make


def folder(*classes: str, each: int = 4, path: str = "photos", change=lambda root: None):
    def make(place: Path) -> list:
        root = photos(place / path, classes, each)
        change(root)
        return [*RUN, "--dataset", f"folder:{root}"]

    return make


def modes(root: Path) -> None:
    for k, mode in enumerate(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")):
        size = 5 + 3 * k
        picture(k, size).convert(mode).save(root / "a" / f"mode {k}.{'tif' if mode == 'CMYK' else 'png'}")
    Image.fromarray(np.full((9, 30), 40_000, dtype=np.uint16)).save(root / "b" / "deep.png")


def given_splits(root: Path) -> None:
    for split in ("train", "test"):
        photos(root / split)


def array(**arrays):
    def make(place: Path) -> list:
        np.savez(place / "set.npz", **arrays)
        return [*RUN, "--dataset", f"npz:{place / 'set.npz'}"]

    return make


def file(kind: str, content: bytes):
    def make(place: Path) -> list:
        (place / "set").write_bytes(content)
        return [*RUN, "--dataset", f"{kind}:{place / 'set'}"]

    return make


def images(count: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def npz_bytes(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def huge_header() -> bytes:
    """An npz whose array claims a shape of 10¹⁵ bytes and holds none of them."""
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (117 - len(header)) + b"\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    return buffer.getvalue()


def edm(entries: dict[str, bytes] | None = None, **listed):
    """A zip in the format of the EDM release: twelve PNGs, labels 0, 1, 0, 1, …, with what is given instead."""
    if entries is None:
        entries = {f"{i}.png": png(i) for i in range(12)}
    listed = {"labels": [[name, i % 2] for i, name in enumerate(entries)]} | listed
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.writestr("dataset.json", json.dumps(listed))
    return file("edm-zip", buffer.getvalue())


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, format="PNG")
    return buffer.getvalue()


def giant_png() -> bytes:
    """A PNG that claims 60,000 × 60,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def shards(damage: Callable[[Path], object]):
    """Twelve images in shards of six, with what `damage` does to the folder."""

    def make(place: Path) -> list:
        root = place / "set.shards"
        pixels = images()[:, None]
        write_shards(root, np.arange(12) % 2, ("a", "b"), (1, 8, 8), lambda a, b: pixels[a:b], shard_images=6)
        damage(root)
        return [*RUN, "--dataset", f"shards:{root}"]

    return make


def index(old: str, new: str):
    def change(root: Path) -> None:
        text = (root / "index.json").read_text()
        assert old in text
        (root / "index.json").write_text(text.replace(old, new, 1))

    return change


def flipped(root: Path) -> None:
    data = bytearray((root / "data-00001.safetensors").read_bytes())
    data[-1] ^= 1
    (root / "data-00001.safetensors").write_bytes(data)


def words(*given):
    return lambda place: [*RUN, *given] if str(given[0]).startswith("-") else list(given)


def preset(content: bytes):
    def make(place: Path) -> list:
        (place / "own.yaml").write_bytes(content)
        return ["run", "--no-book", "--preset", place / "own.yaml"]

    return make


def smoke_preset(**changes):
    content = yaml.safe_load((files("synthgap") / "presets" / "smoke.yaml").read_text(encoding="utf-8"))
    changes = {k: content[k] | v if isinstance(v, dict) else v for k, v in changes.items()}
    return preset(yaml.safe_dump(content | changes).encode())


class Call:
    """Pickled, it asks for a call of os.system."""

    def __reduce__(self):
        import os

        return os.system, ("touch ran",)


def checkpoint(content: bytes):
    def make(place: Path) -> list:
        (place / "edm.pkl").write_bytes(content)
        return ["convert", place / "edm.pkl", place / "out" / "edm.safetensors"]

    return make
