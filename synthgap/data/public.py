"""The paper's five data sets, read from a local folder, and the check that a local copy is the published one.

Layout below the data folder (`data_root`):

- cifar10: `cifar-10-batches-py/` with data_batch_1 … data_batch_5, test_batch, batches.meta
- cifar100: `cifar-100-python/` with train, test, meta
- aircraft: `fgvc-aircraft-2013b/data/` with images/, variants.txt, images_variant_trainval.txt, images_variant_test.txt
- cub: `CUB_200_2011/` with images/, images.txt, image_class_labels.txt, train_test_split.txt, classes.txt
- cars: `stanford_cars/` with cars_train/, cars_test/, devkit/cars_meta.mat, devkit/cars_train_annos.mat,
  cars_test_annos_withlabels.mat
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from .folder import fit, read_image
from .imageset import ImageSet
from .splits import SPLITS, Splits, split_record, stratified_split, stratified_take
from .transform import limited, resized

VALIDATION = 0.1  # share of the official training images; inferred: the paper mentions no validation split
BANNER = 20  # pixels at the bottom of every FGVC-Aircraft image that hold its copyright line
OFFICIAL = {"train": "train", "validation": "train", "test": "test"}  # the official set a split is taken from
CIFAR = ("cifar10", "cifar100")
DOWNLOADABLE = (*CIFAR, "aircraft")  # torchvision has an address for these


@dataclass(frozen=True)
class PublicSet:
    """What is known of a data set before it is read.

    Attributes
    ----------
    title : its name in words.
    origin : the page to get it from.
    folder : below the data folder.
    files : what must lie in `folder`; a name with a slash at its end is a folder.
    counts : official number of images, {"train": …, "test": …}.
    classes : number of classes.
    augment : augmentations for classifier training, as in ImageSet.
    image_size : side in pixels that images get by default.
    archives : {downloaded file: its published MD5}.
    unpack_in : the folder below the data folder where the archives are unpacked.
    inferred : which of the above the paper does not state; empty if it states all.
    """

    title: str
    origin: str
    folder: str
    files: tuple[str, ...]
    counts: dict[str, int]
    classes: int
    augment: tuple[str, ...]
    image_size: int
    archives: dict[str, str]
    unpack_in: str = ""
    inferred: str = ""

    @property
    def layout(self) -> str:
        """The files expected below the data folder, in one line."""
        return f"{self.folder}/ with {', '.join(self.files)}"


_FINE = {
    "augment": ("flip",),
    "image_size": 64,
    "inferred": "flips as augmentation and 64 pixels as default size; the paper does not state them",
}
# Sources of the archives' MD5s: CIFAR, torchvision 0.29; cars, torchvision's StanfordCars while it had an address;
# birds, Avalanche's CUB200; aircraft, torchvision for R (mlverse/torchvision, R/dataset-fgvc.R)
PUBLIC = {
    "cifar10": PublicSet(
        title="CIFAR-10",
        origin="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar-10-batches-py",
        files=(*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
        counts={"train": 50_000, "test": 10_000},
        classes=10,
        augment=("crop", "flip"),
        image_size=32,
        archives={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    ),
    "cifar100": PublicSet(
        title="CIFAR-100",
        origin="https://www.cs.toronto.edu/~kriz/cifar.html",
        folder="cifar-100-python",
        files=("train", "test", "meta"),
        counts={"train": 50_000, "test": 10_000},
        classes=100,
        augment=("crop", "flip"),
        image_size=32,
        archives={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
    ),
    "aircraft": PublicSet(
        title="FGVC-Aircraft",
        origin="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
        folder="fgvc-aircraft-2013b/data",
        files=("images/", "variants.txt", "images_variant_trainval.txt", "images_variant_test.txt"),
        counts={"train": 6_667, "test": 3_333},
        classes=100,
        archives={"fgvc-aircraft-2013b.tar.gz": "d4acdd33327262359767eeaa97a4f732"},
        **_FINE,
    ),
    "cub": PublicSet(
        title="CUB-200-2011",
        origin="https://data.caltech.edu/records/65de6-vp158",
        folder="CUB_200_2011",
        files=("images/", "images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"),
        counts={"train": 5_994, "test": 5_794},
        classes=200,
        archives={"CUB_200_2011.tgz": "97eceeb196236b17998738112f37df78"},
        **_FINE,
    ),
    "cars": PublicSet(
        title="Stanford Cars",
        # the authors' own page, ai.stanford.edu/~jkrause/cars/car_dataset.html, is gone
        origin="a mirror named in https://github.com/pytorch/vision/issues/7545",
        folder="stanford_cars",
        files=(
            "cars_train/",
            "cars_test/",
            "devkit/cars_meta.mat",
            "devkit/cars_train_annos.mat",
            "cars_test_annos_withlabels.mat",
        ),
        counts={"train": 8_144, "test": 8_041},
        classes=196,
        archives={
            "cars_train.tgz": "065e5b463ae28d29e77c1b4b166cfe61",
            "cars_test.tgz": "4ce7ebf6a94d07f1952d94dd34c4d501",
            "car_devkit.tgz": "c3b158d763b6e2245038c8ad08e45376",
            "cars_test_annos_withlabels.mat": "b0a2b23655a3edd16d84508592a98d10",
        },
        unpack_in="stanford_cars",
        **_FINE,
    ),
}


def data_root() -> Path:
    """The folder of downloaded data sets: the environment variable SYNTHGAP_DATA, or `data` in the working folder."""
    return Path(os.environ.get("SYNTHGAP_DATA") or "data").expanduser()


def load_public(
    name: str,
    image_size: int | None,
    train_size: int | None,
    seed: int,
    root: Path | None = None,
    limits: dict[str, int | None] | None = None,
) -> Splits:
    """Read one of the paper's data sets from a local copy.

    Parameters
    ----------
    name : a key of PUBLIC.
    image_size : side in pixels; None is the set's own. CIFAR is resized; images of the other sets are put on a
        square canvas, aspect kept, as RGB.
    train_size : training images to keep after validation was cut off; None is all.
    seed : of the validation split and of what `train_size` and `limits` leave out.
    root : the data folder; None is `data_root()`.
    limits : most images per split, as for `transform.limited`. Image files that it leaves out are not decoded.

    Returns
    -------
    Splits: test is the official test set, validation a stratified 10% of the official training set.

    Raises
    ------
    UserError : unknown name; missing, damaged or contradictory files; sizes that don't fit the set.
    """
    public = _known(name)
    if image_size is not None and image_size < 4:
        raise UserError(f"image_size is {image_size}; give 4 or more")
    official = _official(name, _folder(root))
    chosen = _chosen(name, official, train_size, seed, limits or {})
    kept = chosen.record["members"]
    size = image_size or public.image_size
    notes = [*chosen.record["notes"], *([f"inferred: {public.inferred}"] if public.inferred else [])]
    if name in CIFAR:
        images = {s: official.images[OFFICIAL[s]][kept[s]] for s in SPLITS}
    else:
        files = {s: [official.files[OFFICIAL[s]][i] for i in kept[s]] for s in SPLITS}
        images, read = _decoded(files, size, BANNER if name == "aircraft" else 0)
        notes += read
    sets = {s: replace(chosen[s], images=images[s], augment=public.augment) for s in SPLITS}
    members = {s: [official.members[OFFICIAL[s]][i] for i in kept[s]] for s in SPLITS}
    splits = Splits(**sets, record=split_record(name, chosen.record["policy"], sets, members, notes))
    return resized(splits, size) if name in CIFAR else splits


def stand_in(
    name: str, image_size: int | None, train_size: int | None, seed: int, limits: dict[str, int | None] | None = None
) -> Splits:
    """Blank images in the numbers, shape and classes that are published of a set: to plan with, not to learn from.

    Arguments and errors as of `load_public`; no copy is read.
    """
    public = _known(name)
    classes = tuple(str(c) for c in range(public.classes))
    labels = {split: np.arange(count) % public.classes for split, count in public.counts.items()}
    members = {split: list(range(count)) for split, count in public.counts.items()}
    chosen = _chosen(name, _Official(classes, labels, members), train_size, seed, limits or {})
    size = image_size or public.image_size
    blank = {s: np.zeros((len(chosen[s]), 3, size, size), np.uint8) for s in SPLITS}
    sets = {s: replace(chosen[s], images=blank[s], augment=public.augment) for s in SPLITS}
    return Splits(**sets, record=chosen.record)


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
    public, root = _known(name), _folder(root)
    official = _official(name, root)
    folder = root / public.folder
    lines = [f"{public.title} in {folder}"]
    counts = [(f"{s} images", len(official.labels[s]), expected) for s, expected in public.counts.items()]
    for what, found, expected in [*counts, ("classes", len(official.classes), public.classes)]:
        if found != expected:
            raise _fault(name, root, f"{folder} has {found:,} {what}, not the {expected:,} published")
        lines.append(f"{what}: {found:,} found, {expected:,} expected")
    if name in CIFAR:
        lines += [f"{file}: MD5 {md5} as torchvision lists it" for file, md5 in _cifar_md5s(name).items()]
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
    public, root = _known(name), _folder(root)
    if name not in DOWNLOADABLE:
        what = f"torchvision doesn't download {public.title} any more; {root} has to hold {public.layout}"
        raise _fault(name, root, what)
    try:
        _torchvision(name)(root, download=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, tarfile.TarError, zlib.error) as error:
        what = f"{public.title} could not be downloaded ({error}); remove what is left of it in {root}"
        raise _fault(name, root, what) from error
    _archive_lines(name, root)  # torchvision itself does not check the aircraft's
    return root / public.folder


@dataclass(frozen=True)
class _Official:
    """The official "train" and "test" sets before any image file is decoded.

    labels : int64 arrays N per set; members : names or positions for the record; images : uint8 N × 3 × 32 × 32
    per set (CIFAR); files : image files per set (the others).
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    members: dict[str, list]
    images: dict[str, np.ndarray] | None = None
    files: dict[str, list[Path]] | None = None


def _folder(root: Path | None) -> Path:
    return data_root() if root is None else Path(root).expanduser()


def _known(name: str) -> PublicSet:
    if name not in PUBLIC:
        raise UserError(f"unknown public data set {name!r}; known: {', '.join(PUBLIC)}")
    return PUBLIC[name]


def _torchvision(name: str) -> type:
    from torchvision import datasets  # slow to import

    return {
        "cifar10": datasets.CIFAR10,
        "cifar100": datasets.CIFAR100,
        "aircraft": datasets.FGVCAircraft,
        "cars": datasets.StanfordCars,
    }[name]


def _fault(name: str, root: Path, what: str) -> UserError:
    public = PUBLIC[name]
    remedy = f"get {', '.join(public.archives)} from {public.origin} and unpack in {root / public.unpack_in}"
    if name in DOWNLOADABLE:
        top = root / Path(public.folder).parts[0]  # torchvision downloads nothing while it exists
        remedy += f", or remove {top} and run synthgap datasets {name} --download"
    return UserError(f"{what}; {remedy}")


def _official(name: str, root: Path) -> _Official:
    public = PUBLIC[name]
    expected = f"{public.title} is expected in the data folder as {public.layout}"
    if not root.is_dir():
        raise _fault(name, root, f"there is no data folder {root} (SYNTHGAP_DATA names another one); {expected}")
    for file in public.files:
        path = root / public.folder / file
        if not (path.is_dir() if file.endswith("/") else path.is_file()):
            raise _fault(name, root, f"{path} is missing; {expected}")
    return _cifar(name, root) if name in CIFAR else _listed(name, root)


def _chosen(name: str, official: _Official, train_size: int | None, seed: int, limits: dict[str, int | None]) -> Splits:
    """Which positions of the official sets each split keeps (`record["members"]`), as splits without pixels."""
    labels, classes = official.labels, official.classes
    positions = stratified_split(labels["train"], {"train": None, "validation": VALIDATION}, seed, classes)
    positions["test"] = np.arange(len(labels["test"]))
    share = f"{VALIDATION:.0%} of the official training images, at least one a class"
    notes = [f"test is the official test set; validation is {share} (inferred: the paper mentions none)"]
    if train_size is not None:
        train = positions["train"]
        least = len(np.unique(labels["train"]))
        if not least <= train_size <= len(train):
            raise UserError(
                f"train_size is {train_size:,}, but {name} has {len(train):,} training images of {least} classes "
                f"beside the validation split; give {least} to {len(train):,}"
            )
        positions["train"] = train[stratified_take(labels["train"][train], train_size, seed)]
        notes.append(f"{train_size:,} of {len(train):,} train images used (train_size)")
    sets = {
        s: ImageSet(np.zeros((len(positions[s]), 1, 1, 1), np.uint8), labels[OFFICIAL[s]][positions[s]], classes)
        for s in SPLITS
    }
    sets = {s: replace(sets[s], name=f"{name}/{s}") for s in SPLITS}
    for s in SPLITS:
        absent = len(classes) - len(np.unique(sets[s].labels))
        if absent:
            notes.append(f"{absent} of {len(classes)} classes have no {s} image")
    policy = f"validation cut from train, stratified, seed {seed}"
    members = {s: positions[s].tolist() for s in SPLITS}
    return limited(Splits(**sets, record=split_record(name, policy, sets, members, notes)), limits, seed)


def _decoded(files: dict[str, list[Path]], size: int, banner: int) -> tuple[dict[str, np.ndarray], list[str]]:
    """Read image files onto square canvases: ({split: uint8 N × 3 × size × size}, what was done to them)."""
    out, sizes, grey = {}, [], 0
    for split, paths in files.items():
        out[split] = np.empty((len(paths), 3, size, size), np.uint8)
        for i, path in enumerate(paths):
            image = read_image(path)
            sizes.append(image.size)
            grey += image.mode == "L"
            if image.height <= banner:
                raise UserError(f"{path} is {image.height} pixels high, all of it banner; replace the image")
            pixels = fit(image.crop((0, 0, image.width, image.height - banner)), size, size)
            out[split][i] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # grey fills all channels
    (low_w, low_h), (high_w, high_h) = np.min(sizes, axis=0), np.max(sizes, axis=0)
    span = f"{low_w}–{high_w} pixels wide, {low_h}–{high_h} high"
    done = f"brought to {size}×{size} as RGB, aspect kept, edges repeated as padding"
    notes = [f"the {banner} pixels at the bottom of each image, its copyright banner, cut off"] if banner else []
    return out, [*notes, f"{len(sizes):,} images ({grey:,} grey; {span}) {done}"]


# CIFAR: pickles, which run what they hold when they are read, so none is opened before its MD5 was checked


def _cifar_md5s(name: str) -> dict[str, str]:
    kind = _torchvision(name)
    return dict(kind.train_list + kind.test_list) | {kind.meta["filename"]: kind.meta["md5"]}


def _cifar(name: str, root: Path) -> _Official:
    for file, md5 in _cifar_md5s(name).items():
        _check_md5(name, root, root / PUBLIC[name].folder / file, md5)
    kind = _torchvision(name)
    try:  # torchvision checks the same MD5s again before it unpickles
        sets = {split: kind(root, train=split == "train") for split in ("train", "test")}
    except (RuntimeError, OSError) as error:
        raise _fault(name, root, f"{root / PUBLIC[name].folder} can't be read ({error})") from error
    images, labels = {}, {}
    for split, data in sets.items():
        images[split] = np.empty((len(data), 3, 32, 32), np.uint8)
        labels[split] = np.empty(len(data), np.int64)
        for i in range(len(data)):
            image, labels[split][i] = data[i]
            images[split][i] = np.asarray(image).transpose(2, 0, 1)
    members = {split: list(range(len(data))) for split, data in sets.items()}
    return _Official(tuple(sets["train"].classes), labels, members, images=images)


# The others: image files that annotation files list


def _listed(name: str, root: Path) -> _Official:
    classes, lists = {"aircraft": _aircraft, "cub": _cub, "cars": _cars}[name](root)
    folder = root / PUBLIC[name].folder
    labels, members, files, seen = {}, {}, {}, set()
    for split, (annotation, samples) in lists.items():
        for path, label in samples:
            if not path.is_relative_to(folder) or ".." in path.parts[len(folder.parts) :]:
                raise _fault(name, root, f"{folder / annotation} names {path}, an image outside {folder}")
            if not path.is_file():
                raise _fault(name, root, f"{folder / annotation} names {path}, which is missing")
            if path in seen:
                raise _fault(name, root, f"{folder / annotation} names {path}, which is listed twice")
            if not 0 <= label < len(classes):
                raise _fault(name, root, f"{folder / annotation} gives {path} a class outside the {len(classes)} named")
            seen.add(path)
        if not samples:
            raise _fault(name, root, f"{folder / annotation} lists no {split} image")
        files[split] = [path for path, _ in samples]
        labels[split] = np.array([label for _, label in samples], dtype=np.int64)
        members[split] = [path.relative_to(folder).as_posix() for path in files[split]]
    return _Official(classes, labels, members, files=files)


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
            raise _fault("aircraft", root, what) from error
        except (RuntimeError, OSError, ValueError) as error:
            what = f'{folder / annotation} is not a list of "<image> <variant>" lines ({error})'
            raise _fault("aircraft", root, what) from error
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
            raise _fault("cars", root, what) from error
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
        raise _fault("cars", root, f"{path} is not the published MATLAB file, or damaged ({error})") from error


def _cub(root: Path) -> tuple[tuple[str, ...], _Lists]:
    folder = root / PUBLIC["cub"].folder
    named, images, labels, parts = (
        _numbered(root, folder / file)
        for file in ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    for file, table in (("image_class_labels.txt", labels), ("train_test_split.txt", parts)):
        if table.keys() != images.keys():
            what = f"{folder / file} has {len(table):,} lines for the {len(images):,} images of images.txt"
            raise _fault("cub", root, what if len(table) != len(images) else f"{folder / file} numbers other images")
    unknown = set(parts.values()) - {"0", "1"}
    if unknown:
        what = f"{folder / 'train_test_split.txt'} holds {min(unknown)!r}, not 1 (train) or 0 (test)"
        raise _fault("cub", root, what)
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
        raise _fault("cub", root, f"{path} can't be read ({error})") from error
    for i, line in enumerate(lines, start=1):
        number, _, text = line.strip().partition(" ")
        if not number.isdigit() or not text or number in table:
            raise _fault("cub", root, f'{path}, line {i}: {line!r} is not "<number> <text>" with a new number')
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
        what = f"{path} is not the published file (MD5 {found}, published {expected}) and was not opened; remove it"
        raise _fault(name, root, what)


def _archive_lines(name: str, root: Path) -> list[str]:
    """Check the MD5 of each downloaded archive that still lies in the data folder or the set's own."""
    public, lines = PUBLIC[name], []
    for archive, md5 in public.archives.items():
        found = [p for p in (root / archive, root / public.folder / archive) if p.is_file()]
        for path in found:
            _check_md5(name, root, path, md5)
        lines.append(f"{archive}: " + (f"MD5 {md5} as published" if found else "not there, so its MD5 was not checked"))
    return lines
