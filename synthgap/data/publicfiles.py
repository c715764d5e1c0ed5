"""A local copy of one of the paper's data sets: its files read, checked against what is published, downloaded."""

from __future__ import annotations

import hashlib
import re
import struct
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from .publicsets import CIFAR, DOWNLOADABLE, PUBLIC, fault, known, root_or_default


def verify(name: str, root: Path | None = None) -> list[str]:
    """Check a local copy against what is published of the set, and say in lines what was found.

    Compared are the numbers of images and classes; CIFAR's files with torchvision's MD5s; a downloaded archive that
    still lies in the data folder or the set's own with its published MD5. Of the unpacked images of the other sets
    no hash is published; the one reported is that of the text which `sha256sum` prints for the listed images,
    sorted, from within the set's folder, for comparison between copies. Images are not decoded.

    Raises
    ------
    UserError : any mismatch, missing or damaged file, with the remedy.
    """
    public, root = known(name), root_or_default(root)
    official = read_official(name, root)
    folder = root / public.folder
    lines = [f"{public.title} in {folder}"]
    counts = [(f"{s} images", len(official.labels[s]), expected) for s, expected in public.counts.items()]
    for what, found, expected in [*counts, ("classes", len(official.classes), public.classes)]:
        if found != expected:
            raise fault(name, root, f"{folder} has {found:,} {what}, not the {expected:,} published")
        lines.append(f"{what}: {found:,} found, {expected:,} expected")
    if name in CIFAR:
        lines += [f"{file}: MD5 {md5} as torchvision lists it" for file, md5 in cifar_md5s(name).items()]
    else:
        paths = sorted(path for split in official.members.values() for path in split)
        text = "".join(f"{_digest(folder / path, 'sha256')}  {path}\n" for path in paths)
        digest = hashlib.sha256(text.encode()).hexdigest()
        lines.append(f"{len(paths):,} images: SHA-256 {digest} (recorded, no published hash of the unpacked files)")
    return lines + _archive_lines(name, root)


def download(name: str, root: Path | None = None) -> Path:
    """Let torchvision download and unpack a set that is not there yet; returns its folder.

    Raises
    ------
    UserError : a set that torchvision has no address for any more, a failed download, a damaged archive.
    """
    public, root = known(name), root_or_default(root)
    if name not in DOWNLOADABLE:
        what = f"torchvision doesn't download {public.title} any more; {root} has to hold {public.layout}"
        raise fault(name, root, what)
    try:
        _torchvision(name)(root, download=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, tarfile.TarError, zlib.error) as error:
        what = f"{public.title} could not be downloaded ({error}); remove what is left of it in {root}"
        raise fault(name, root, what) from error
    _archive_lines(name, root)  # torchvision itself does not check the aircraft's
    return root / public.folder


@dataclass(frozen=True)
class Official:
    """The official "train" and "test" sets before any image file is decoded.

    labels : int64 arrays N per set; members : names or positions for the record; images : uint8 N × 3 × 32 × 32
    per set (CIFAR); files : image files per set (the others).
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    members: dict[str, list]
    images: dict[str, np.ndarray] | None = None
    files: dict[str, list[Path]] | None = None


def read_official(name: str, root: Path) -> Official:
    """Read the lists and labels of a local copy, and of CIFAR the images; UserError for a faulty copy."""
    public = PUBLIC[name]
    expected = f"{public.title} is expected in the data folder as {public.layout}"
    if not root.is_dir():
        raise fault(name, root, f"there is no data folder {root} (SYNTHGAP_DATA names another one); {expected}")
    for file in public.files:
        path = root / public.folder / file
        if not (path.is_dir() if file.endswith("/") else path.is_file()):
            raise fault(name, root, f"{path} is missing; {expected}")
    return _cifar(name, root) if name in CIFAR else _listed(name, root)


def _torchvision(name: str) -> type:
    from torchvision import datasets  # slow to import

    return {
        "cifar10": datasets.CIFAR10,
        "cifar100": datasets.CIFAR100,
        "aircraft": datasets.FGVCAircraft,
        "cars": datasets.StanfordCars,
    }[name]


# CIFAR: pickles, which run what they hold when they are read, so none is opened before its MD5 was checked


def cifar_md5s(name: str) -> dict[str, str]:
    """{file: MD5} of the loose files of CIFAR-10 or CIFAR-100, as torchvision lists them."""
    kind = _torchvision(name)
    return dict(kind.train_list + kind.test_list) | {kind.meta["filename"]: kind.meta["md5"]}


def _cifar(name: str, root: Path) -> Official:
    for file, md5 in cifar_md5s(name).items():
        _check_md5(name, root, root / PUBLIC[name].folder / file, md5)
    kind = _torchvision(name)
    try:  # torchvision checks the same MD5s again before it unpickles
        sets = {split: kind(root, train=split == "train") for split in ("train", "test")}
    except (RuntimeError, OSError) as error:
        raise fault(name, root, f"{root / PUBLIC[name].folder} can't be read ({error})") from error
    images, labels = {}, {}
    for split, data in sets.items():
        images[split] = np.empty((len(data), 3, 32, 32), np.uint8)
        labels[split] = np.empty(len(data), np.int64)
        for i in range(len(data)):
            image, labels[split][i] = data[i]
            images[split][i] = np.asarray(image).transpose(2, 0, 1)
    members = {split: list(range(len(data))) for split, data in sets.items()}
    return Official(tuple(sets["train"].classes), labels, members, images=images)


# The others: image files that annotation files list


def _listed(name: str, root: Path) -> Official:
    classes, lists = {"aircraft": _aircraft, "cub": _cub, "cars": _cars}[name](root)
    folder = root / PUBLIC[name].folder
    labels, members, files, seen = {}, {}, {}, set()
    for split, (annotation, samples) in lists.items():
        for path, label in samples:
            if not path.is_relative_to(folder) or ".." in path.parts[len(folder.parts) :]:
                raise fault(name, root, f"{folder / annotation} names {path}, an image outside {folder}")
            if not path.is_file():
                raise fault(name, root, f"{folder / annotation} names {path}, which is missing")
            if path in seen:
                raise fault(name, root, f"{folder / annotation} names {path}, which is listed twice")
            if not 0 <= label < len(classes):
                raise fault(name, root, f"{folder / annotation} gives {path} a class outside the {len(classes)} named")
            seen.add(path)
        if not samples:
            raise fault(name, root, f"{folder / annotation} lists no {split} image")
        files[split] = [path for path, _ in samples]
        labels[split] = np.array([label for _, label in samples], dtype=np.int64)
        members[split] = [path.relative_to(folder).as_posix() for path in files[split]]
    return Official(classes, labels, members, files=files)


_Lists = dict[str, tuple[str, list[tuple[Path, int]]]]  # per set: annotation file, (image file, label) pairs


def _pairs(data: Sequence) -> list[tuple[Path, int]]:
    return [(path, int(label)) for path, label in (data[i] for i in range(len(data)))]


def _aircraft(root: Path) -> tuple[tuple[str, ...], _Lists]:
    folder, lists = root / PUBLIC["aircraft"].folder, {}
    for split, part in (("train", "trainval"), ("test", "test")):
        annotation = f"images_variant_{part}.txt"
        try:  # with Path as loader the data set gives paths, so that nothing is decoded yet
            data = _torchvision("aircraft")(root, split=part, loader=Path)
        except KeyError as error:
            what = f"{folder / annotation} names the variant {error}, which variants.txt lacks"
            raise fault("aircraft", root, what) from error
        except (RuntimeError, OSError, ValueError) as error:
            what = f'{folder / annotation} is not a list of "<image> <variant>" lines ({error})'
            raise fault("aircraft", root, what) from error
        lists[split] = annotation, _pairs(data)
    return tuple(data.classes), lists


def _cars(root: Path) -> tuple[tuple[str, ...], _Lists]:
    folder, lists = root / PUBLIC["cars"].folder, {}
    for split, annotation in (
        ("train", "devkit/cars_train_annos.mat"),
        ("test", "cars_test_annos_withlabels.mat"),
    ):
        for file in ("devkit/cars_meta.mat", annotation):
            _check_mat(root, folder / file)
        try:
            data = _torchvision("cars")(root, split=split, loader=Path)
            lists[split] = annotation, _pairs(data)
        except Exception as error:  # SciPy's parser raises whatever an unexpected content makes its code meet
            what = f"{folder / annotation} and devkit/cars_meta.mat don't hold what they should ({error!r})"
            raise fault("cars", root, what) from error
    return tuple(data.classes), lists


def _check_mat(root: Path, path: Path) -> None:
    """Refuse a MATLAB file whose compressed elements fail their checksums.

    SciPy's parser does not look at these first, and damaged contents can end the whole process (seen with SciPy
    1.17). Expected is a little-endian MATLAB 5 file of compressed elements: 128 bytes of header, then (15, size),
    data, …. That the published files are compressed is inferred from their size, 188 kB for 8,144 annotations.
    """
    try:
        data, at = path.read_bytes(), 128
        if data[124:128] != b"\x00\x01IM":
            raise ValueError("no MATLAB 5 header")
        while at < len(data):
            kind, size = struct.unpack_from("<II", data, at)
            if kind != 15:
                raise ValueError(f"an element of kind {kind}, not compressed")
            zlib.decompress(data[at + 8 : at + 8 + size])
            at += 8 + size
        if at != len(data):
            raise ValueError("cut off")
    except (OSError, ValueError, struct.error, zlib.error) as error:
        raise fault("cars", root, f"{path} is not the published MATLAB file, or damaged ({error})") from error


def _cub(root: Path) -> tuple[tuple[str, ...], _Lists]:
    folder = root / PUBLIC["cub"].folder
    named, images, labels, parts = (
        _numbered(root, folder / file)
        for file in ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    for file, table in (("image_class_labels.txt", labels), ("train_test_split.txt", parts)):
        if table.keys() != images.keys():
            what = f"{folder / file} has {len(table):,} lines for the {len(images):,} images of images.txt"
            raise fault("cub", root, what if len(table) != len(images) else f"{folder / file} numbers other images")
    unknown = set(parts.values()) - {"0", "1"}
    if unknown:
        what = f"{folder / 'train_test_split.txt'} holds {min(unknown)!r}, not 1 (train) or 0 (test)"
        raise fault("cub", root, what)
    place = {number: i for i, number in enumerate(named)}
    lists = {}
    for split, part in (("train", "1"), ("test", "0")):
        chosen = [number for number in images if parts[number] == part]
        pairs = [(folder / "images" / images[n], place.get(labels[n], -1)) for n in chosen]
        lists[split] = "image_class_labels.txt and images.txt", pairs
    return tuple(re.sub(r"^\d+\.", "", name) for name in named.values()), lists


def _numbered(root: Path, path: Path) -> dict[str, str]:
    """The lines "<number> <text>" of one of CUB's text files."""
    table: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise fault("cub", root, f"{path} can't be read ({error})") from error
    for i, line in enumerate(lines, start=1):
        number, _, text = line.strip().partition(" ")
        if not number.isdigit() or not text or number in table:
            raise fault("cub", root, f'{path}, line {i}: {line!r} is not "<number> <text>" with a new number')
        table[number] = text
    return table


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise UserError(f"{path} can't be read ({error}); make it readable or get it again") from error


def _check_md5(name: str, root: Path, path: Path, expected: str) -> None:
    found = _digest(path, "md5")
    if found != expected:
        what = (
            f"{path} is not the published file ({path.stat().st_size:,} bytes, MD5 {found}, published {expected}) and "
            "was not opened; remove it"
        )
        raise fault(name, root, what)


def checked_archives(name: str, root: Path) -> dict[str, Path]:
    """Downloaded archive → where it lies, of those that are still in the data folder or the set's own; UserError for
    one whose MD5 is not the published one."""
    public, there = PUBLIC[name], {}
    for archive, md5 in public.archives.items():
        places = dict.fromkeys(root / folder / archive for folder in ("", public.unpack_in, public.folder))
        found = [path for path in places if path.is_file()]
        for path in found:
            _check_md5(name, root, path, md5)
        if found:
            there[archive] = found[0]
    return there


def _archive_lines(name: str, root: Path) -> list[str]:
    there = checked_archives(name, root)
    return [
        f"{archive}: " + (f"MD5 {md5} as published" if archive in there else "not there, so its MD5 was not checked")
        for archive, md5 in PUBLIC[name].archives.items()
    ]
