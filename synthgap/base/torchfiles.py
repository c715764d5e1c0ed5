"""Tensors out of files that torch wrote, read as inert values (see `inert`): torch itself opens none of them.

torch.save has two formats, and a pickle of a tensor holds a file of one of them in its bytes. The older one is a row of
five pickles, then the numbers of every storage; the newer one a zip without compression.
"""

from __future__ import annotations

import functools
import io
import math
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .inert import Made, Name, Outside, Rules, Source, excerpt, read_inert

_KINDS = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}
STORAGES = {f"torch.{kind}Storage": dtype for kind, dtype in _KINDS.items()}
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
LOAD, ENCODE = "torch.storage._load_from_bytes", "_codecs.encode"
MAPPINGS = frozenset({"collections.OrderedDict"})

Blob = Callable[[str], bytes | bytearray]

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # the first two pickles of the older format
STORAGE_OPERATIONS = 200  # of a pickle in the bytes of one storage; torch writes 60
MOST_LISTED = 16 * 2**20  # bytes of a zip's list of files; it takes ten times as much memory
MOST_DIMENSIONS = 16
SLACK = 2**20  # bytes


@dataclass(frozen=True, eq=False)
class Storage:
    """Numbers of type `dtype` in a row."""

    dtype: torch.dtype
    data: bytes | bytearray


class Tensors:
    """Tensors from inert values, each in memory of its own.

    room : bytes that all of them may have together; a few bytes of a pickle can ask for any number of copies.
    blob : the bytes of a storage that lies outside the pickle, by its key.
    """

    def __init__(self, room: int, blob: Blob | None = None):
        self._room, self._blob = room, blob
        self._inside: dict[int, tuple[bytes, Storage]] = {}  # by the identity of the bytes, which are kept alive

    def of(self, value: Any) -> Tensor | None:
        """The tensor that an inert value stands for; None where it stands for something else.

        Raises ValueError when it reaches beyond its storage, or when all together are larger than `room`.
        """
        if isinstance(value, Made) and value.path == PARAMETER:
            value = value.arguments[0]
        if not isinstance(value, Made) or value.path != TENSOR:
            return None
        storage, offset, size, stride, _, _, *metadata = value.arguments
        if any(metadata):  # of a conjugated or negated view
            raise ValueError("a tensor with properties that are not read")
        return self._tensor(self._storage(storage), offset, size, stride)

    def _tensor(self, storage: Storage, offset: Any, size: Any, stride: Any) -> Tensor:
        if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) > MOST_DIMENSIONS:
            raise ValueError("a tensor whose size is no short list of numbers")
        geometry = [offset, *size, *stride]
        if len(size) != len(stride) or not all(type(n) is int and 0 <= n < 2**40 for n in geometry):
            raise ValueError("a tensor whose size, stride or offset is impossible")
        count = math.prod(size)
        if not count:
            return torch.empty(0, dtype=storage.dtype).as_strided(size, stride)
        reach = 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        width = storage.dtype.itemsize
        if max(count, reach + offset) * width > len(storage.data):
            raise ValueError(f"a tensor of size {size} in a storage of {len(storage.data) // width} numbers")
        self._room -= max(count, reach) * width
        if self._room < 0:
            raise ValueError("the tensors are larger than the file they come from")
        own = bytearray(memoryview(storage.data)[offset * width : (offset + reach) * width])
        return torch.frombuffer(own, dtype=storage.dtype).as_strided(size, stride)

    def _storage(self, value: Any) -> Storage:
        if isinstance(value, Outside) and self._blob is not None:
            return _referred(value, self._blob)
        if not isinstance(value, Made) or value.path != LOAD:
            raise ValueError("a tensor without a storage")
        (data,) = value.arguments
        data = as_bytes(data)
        if id(data) not in self._inside:
            self._inside[id(data)] = data, _storage_in(data)
        return self._inside[id(data)][1]


def as_bytes(value: Any) -> bytes | bytearray:
    """Bytes of an inert value; pickles before protocol 3 write them as text. ValueError for anything else."""
    if isinstance(value, Made) and value.path == ENCODE and value.arguments[1:] == ("latin1",):
        value.state = value.state or value.arguments[0].encode("latin1")  # once, whoever refers to it
        value = value.state
    if not isinstance(value, (bytes, bytearray)):
        raise ValueError("something else where bytes should be")
    return value


def read_state(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file that torch.save made of a state dict, by name; None where it holds something else.

    Raises OSError, UserError, ValueError or another exception for a file that is missing, damaged or asks for more
    than tensors. Nothing in it is executed; its tensors take no more memory than twice the file's size.
    """
    size = path.stat().st_size
    names = frozenset({TENSOR, PARAMETER, *STORAGES})
    with path.open("rb") as file:
        content, blob = _read(file, size, Rules(names, MAPPINGS, [], reader="weights file"))
        tensors = Tensors(2 * size + SLACK, blob)
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            return None
        state = {name: tensors.of(value) for name, value in content.items()}
    return None if any(value is None for value in state.values()) else state


def _storage_in(data: bytes | bytearray) -> Storage:
    """The one storage that torch.save wrote into `data`."""
    rules = Rules(frozenset(STORAGES), (), [], STORAGE_OPERATIONS, "tensor's storage")
    content, blob = _read(io.BytesIO(data), len(data), rules)
    if not isinstance(content, Outside):
        raise ValueError("the bytes of a storage hold something else")
    return _referred(content, blob)


def _read(file: BinaryIO, size: int, rules: Rules) -> tuple[Any, Blob]:
    """(what torch.save was given, as an inert value, the bytes of its storages)."""
    zipped = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    return (_read_zip if zipped else _read_row)(file, size, rules)


def _read_row(file: BinaryIO, size: int, rules: Rules) -> tuple[Any, Blob]:
    source = Source(file, size)
    plain = Rules(operations=STORAGE_OPERATIONS, reader=rules.reader)
    if read_inert(source, plain) != MAGIC or read_inert(source, plain) != VERSION:
        raise ValueError("this is no file that torch wrote")
    read_inert(source, plain)  # the sizes of C's types where it was written
    content = read_inert(source, rules)
    types = {key: dtype for dtype, key, _ in map(_described, rules.outside)}
    blobs = {}
    for key in read_inert(source, Rules(operations=rules.operations, reader=rules.reader)):
        (count,) = struct.unpack("<q", source.read(8))
        blobs[key] = source.read(count * types[key].itemsize)
    return content, blobs.__getitem__


def _read_zip(file: BinaryIO, size: int, rules: Rules) -> tuple[Any, Blob]:
    bounded = _Bounded(file)
    archive = zipfile.ZipFile(bounded)
    bounded.most = size
    entries = {entry.filename: entry for entry in archive.infolist()}
    root = next(name for name in entries if name.endswith("/data.pkl")).removesuffix("data.pkl")

    @functools.cache
    def read(name: str) -> bytes:
        entry = entries[root + name]
        if entry.compress_type != zipfile.ZIP_STORED or not entry.file_size == entry.compress_size <= size:
            raise ValueError(f"{excerpt(name)} in the zip is compressed or of an impossible size")
        return archive.read(entry)

    if f"{root}byteorder" in entries and read("byteorder") != b"little":
        raise ValueError("numbers with their highest byte first are not read")
    pickled = read("data.pkl")
    content = read_inert(Source(io.BytesIO(pickled), len(pickled)), rules)
    return content, lambda key: read(f"data/{key}")


class _Bounded:
    """A file that returns at most `most` bytes at once: zipfile reads a zip's whole list of files in one go."""

    def __init__(self, file: BinaryIO):
        self._file, self.most = file, MOST_LISTED
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self.most + 1 if count < 0 else min(count, self.most + 1))
        if len(data) > self.most:
            raise ValueError("a zip of too many files")
        return data


def _referred(outside: Outside, blob: Blob) -> Storage:
    dtype, key, count = _described(outside)
    data = blob(key)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"a storage of {len(data)} bytes where {count} numbers should be")
    return Storage(dtype, data)


def _described(outside: Outside) -> tuple[torch.dtype, str, int]:
    """(type, key, how many numbers) of a storage that a pickle refers to."""
    what, kind, key, _, count, *view = outside.identity
    if what != "storage" or not isinstance(kind, Name) or not isinstance(key, str) or any(v is not None for v in view):
        raise ValueError("a reference to something else than a storage")
    if type(count) is not int or count < 0:
        raise ValueError("a storage of an impossible size")
    return STORAGES[kind.path], key, count
