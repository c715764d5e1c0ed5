"""Folders and arrays as people have them: rows of book/reliability.md."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from cases import Case, Value, array, encoded, folder, images, photos, picture, png, refusal, run_on, written
from PIL import Image
from scipy.ndimage import gaussian_filter

from synthgap.api.comparison import compare
from synthgap.data.imageset import ImageSet
from synthgap.data.layout import read_layout
from synthgap.data.pool import load_like, load_pool
from synthgap.data.sources import load_splits

ODD_NAMES = ("Corn_(maize)", "a/b", "..", "CON", "Cat", "cat", " space ", "dot.", "nul\0", "x" * 300, "%2F", "é")


def tiff16(high: int = 4011, seed: int = 0) -> bytes:
    """A small 16-bit grey TIFF whose largest value is `high`."""
    pixels = np.random.default_rng(seed).integers(0, high + 1, (8, 8)).astype(np.uint16)
    pixels[0, 0] = high
    return encoded(Image.fromarray(pixels), "TIFF")


def of_bytes(make: Callable[[int], bytes], ending: str, each: int = 6):
    """Two classes of `each` files, the k-th of all with the content `make(k)`."""
    return folder(files={f"{'ab'[k % 2]}/{k}.{ending}": make(k) for k in range(2 * each)})


def _linked(root: Path) -> None:
    photos(root)
    photos(root.parent / "elsewhere", ("c",))
    (root / "c").symlink_to(root.parent / "elsewhere" / "c")
    (root / "a" / "up").symlink_to(root)


def _emptied(root: Path) -> None:
    for file in (root / "c").iterdir():
        file.unlink()


def _flat_test(root: Path) -> None:
    photos(root / "train")
    photos(root / "test", (".",))


def smooth(seed: int) -> Image.Image:
    """A photograph's like: coloured clouds, 64 × 64."""
    noise = np.random.default_rng(seed).normal(0, 1, (64, 64, 3))
    clouds = gaussian_filter(noise, (3, 3, 0))
    return Image.fromarray(np.clip(128 + 45 * clouds / clouds.std(), 0, 255).astype(np.uint8))


def _encoded_anew(root: Path, second: str) -> None:
    """Twelve pictures in two classes; in the folder `second` three of class a again, smaller, as JPEGs."""
    for k in range(12):
        path = root / ("train" if "test" in second else "") / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        smooth(k).save(path)
    (root / second).mkdir(parents=True, exist_ok=True)
    for k in (0, 2, 4):
        smooth(k).resize((48, 48)).save(root / second / f"again {k}.jpg", quality=85)


def _pages() -> dict[str, bytes]:
    pages = [picture(k).convert("P") for k in range(3)]
    made = {"tif": "TIFF", "gif": "GIF", "png": "PNG", "webp": "WEBP"}
    return {
        f"a/pages.{ending}": encoded(
            pages[0].convert("RGB") if ending == "webp" else pages[0], kind, save_all=True, append_images=pages[1:]
        )
        for ending, kind in made.items()
    }


def _splits(place: Path) -> Path:
    """photos/ with train/ of 12 and test/ of 6 images a class."""
    for split, each in (("train", 12), ("test", 6)):
        photos(place / "photos" / split, each=each)
    for k in range(2 * 6):  # the test set's images are not those of train
        picture(5000 + k).save(place / "photos" / "test" / "ab"[k // 6] / f"{k % 6}.png")
    return place / "photos"


def metrics_of_split_folders(place: Path) -> str:
    root = _splits(place)
    photos(place / "drawn", each=12)
    result = compare(str(root), str(place / "drawn"), preset="smoke")
    assert result.real.classes == ("a", "b")
    assert len(result.real) == 36
    assert (len(load_pool(f"{root}:test")), len(load_pool(f"folder:{root}:train"))) == (12, 24)
    assert load_pool(f"{root}:test").fingerprint == load_pool(str(root / "test")).fingerprint
    return f"compares the classes a and b: “{next(n for n in result.notes if 'splits' in n)}”"


def run_on_one_split(place: Path) -> str:
    splits = load_splits(f"folder:{_splits(place)}:test")
    assert splits.record["sizes"] == {"train": 8, "validation": 2, "test": 2}
    return f"its 12 images are all there is: {', '.join(f'{n} {s}' for s, n in splits.record['sizes'].items())}"


def names_come_back(place: Path) -> str:
    count = len(ODD_NAMES)
    made = ImageSet(images(count)[:, None], np.arange(count), ODD_NAMES)
    back = load_like(str(made.export_folder(place / "out")), made)
    assert back.classes == made.classes
    assert [back.images[back.labels == i][0].tobytes() for i in range(count)] == [i.tobytes() for i in made.images]
    return f"all {count} names come back, Corn_(maize) as it is, the others by a list beside the folders"


def decomposed_names_match(place: Path) -> str:
    real = load_splits(f"folder:{photos(place / 'real', ('café', 'tea'), 12)}").train
    drawn = photos(place / "drawn", (unicodedata.normalize("NFD", "café"), "tea"), 12)
    assert load_like(str(drawn), real).classes == ("café", "tea")
    return "the names are taken as one: café, tea"


def twelve_bits(place: Path) -> str:
    ramp = np.linspace(0, 4011, 64).reshape(8, 8)
    for k in range(12):
        path = place / "deep" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(ramp * (k + 1) / 12).astype(np.uint16)).save(path)
    splits = load_splits(f"folder:{place / 'deep'}")
    brightest = max(splits[s].images.max() for s in ("train", "validation", "test"))
    assert brightest == round(4011 * 255 / 4095)
    assert len(np.unique(splits.train.images[-1])) >= 32
    return f"“{splits.record['found'][0]}”; the brightest pixel becomes {brightest}"


def labels_from_one(place: Path) -> str:
    np.savez(place / "set.npz", images=images(24), labels=np.arange(24) % 3 + 1)
    splits = load_splits(f"npz:{place / 'set.npz'}")
    assert splits.train.classes == ("1", "2", "3")
    assert np.bincount(splits.train.labels).min() > 0
    return f"3 classes, not 4: “{splits.record['found'][0]}”"


def thumbnails(place: Path) -> str:
    root = photos(place / "photos", each=12)
    for file in list(root.rglob("*.png")):
        thumb = file.parent / "@eaDir" / file.name / "SYNOPHOTO_THUMB_M.jpg"
        thumb.parent.mkdir(parents=True)
        Image.open(file).save(thumb)
    assert len(read_layout(root).listings["all"].files) == 24
    return "24 photographs stay 24; 2 folders of thumbnails are passed over, and said"


def one_reading(place: Path) -> str:
    """run and metrics say the same of one folder."""
    root = place / "photos"
    _flat_test(root)
    known = {len(load_pool(str(root))), sum(load_splits(f"folder:{root}").record["sizes"].values())}
    assert known == {8}
    return "both leave the 4 images without class folders out: 8 images"


def circles(place: Path) -> str:
    _linked(place / "photos")
    layout = read_layout(place / "photos")
    assert np.bincount(layout.listings["all"].labels).tolist() == [4, 4, 4]
    return "each folder is read once: 4 images a class, one circle passed over"


def closed_folder(place: Path) -> str:
    """Tests may run as root, whom no right stops: the scan itself refuses."""
    root, scan = photos(place / "photos"), os.scandir

    def closed(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with mock.patch.object(os, "scandir", closed):
        return refusal(read_layout, root)


def _mask(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 2, (8, 8)).astype(np.uint8))


def _floats(white: float, seed: int) -> Image.Image:
    return Image.fromarray((np.random.default_rng(seed).random((8, 8)) * white).astype(np.float32))


HALVES = np.arange(12) % 2
NFD = unicodedata.normalize("NFD", "café")
FOLDERS: list[Case | Value] = [
    Value("metrics: a folder with train/ and test/", metrics_of_split_folders),
    Value("one split of a folder as the data set, folder:photos:test", run_on_one_split),
    Case("a split that a folder lacks, folder:photos:val", folder("a", "b", split=":val"), "has no folder of the"),
    Value("run and metrics on train/ with classes and test/ with loose images", one_reading),
    Case("test/ with loose images, as competitions have it", folder(change=_flat_test), "without labels"),
    Case(
        "test/ with one of two classes",
        folder("train/a", "train/b", files={"test/a/0.png": png(999)}),
        "test: 1 image: a 1, b 0",
    ),
    Case("train/ with one class", folder("train/a"), "holds one class, 'a'"),
    Case(
        "classes Cat in train/ and cat in test/",
        folder("train/Cat", "train/dog", files={"test/cat/0.png": png(999)}),
        "did you mean 'Cat'?",
    ),
    Case("a folder one level too high", lambda p: f"folder:{photos(p / 'x').parent}", "did you mean"),
    Case(
        "a file in the place of a folder", lambda p: f"folder:{written(p, {'photos': b''})}/photos", "is a file and no"
    ),
    Value("12-bit values in 16-bit PNGs", twelve_bits),
    Case("12-bit values in 16-bit TIFFs", of_bytes(lambda k: tiff16(seed=k), "tif"), "read as 12-bit"),
    Case("masks: 8-bit images of 0 and 1", of_bytes(lambda k: encoded(_mask(k)), "png"), "read as 1-bit"),
    Case(
        "one 16-bit image far brighter than 21 others",
        of_bytes(lambda k: tiff16(60_000 if k == 0 else 4000, seed=k), "tif", each=11),
        "only 1 of 22",
    ),
    Case("float TIFFs from 0 to 1", of_bytes(lambda k: encoded(_floats(1, k), "TIFF"), "tif"), "1 white"),
    Case("float TIFFs from 0 to 255", of_bytes(lambda k: encoded(_floats(255, k), "TIFF"), "tif"), "outside 0–1"),
    Case(
        "32-bit TIFFs up to 10⁶",
        of_bytes(lambda k: encoded(Image.fromarray(np.full((8, 8), 10**6 + k, np.int32)), "TIFF"), "tif"),
        "outside 0–65535",
    ),
    Value("npz: labels from 1", labels_from_one),
    Case("npz: labels with gaps", array(labels=HALVES * 7), "called by their numbers"),
    Case("npz: labels that are texts", array(labels=np.array(["ape", "wolf"])[HALVES]), "texts"),
    Case(
        "npz: labels from 1, and names",
        array(labels=HALVES + 1, classes=np.array(["ape", "wolf"])),
        "in their order",
    ),
    Case("npz: fewer names than labels", array(classes=np.array(["a"])), "1 classes"),
    Case("npz: a name without images", array(classes=np.array(["a", "b", "c"])), "left out: c"),
    Case("npz: 12-bit values as uint16", array(images=images().astype(np.uint16) * 15), "read as 12-bit"),
    Case("npz: masks of 0 and 1", array(images=images() // 128), "read as 1-bit"),
    Case("npz: floats from −1 to 1", array(images=images() / 127.5 - 1), "outside 0–1"),
    Case("an empty class folder", folder("a", "b", "c", change=_emptied), "c (empty)"),
    Case(
        "a class folder of HEIC photographs",
        folder("a", "b", files={f"c/{k}.heic": b"x" for k in range(3)}),
        "c (only .heic files",
    ),
    Case(
        "photographs that can't be read here",
        folder("a", "b", files={f"a/{k}.heic": b"x" for k in range(3)}),
        "(.heic 3); convert",
    ),
    Value("a class behind a link, and links in a circle", circles),
    Case(
        "a link to a photograph of the same class",
        folder("a", "b", change=lambda r: (r / "a" / "x.png").symlink_to(r / "a" / "0.png")),
        "1 file repeats another one",
    ),
    Case(
        "a link to nothing",
        folder("a", "b", change=lambda r: (r / "a" / "x.png").symlink_to(r / "gone")),
        "1 link",
    ),
    Value("a folder that can't be opened", closed_folder),
    Value("thumbnails of a NAS (@eaDir) beside each photograph", thumbnails),
    Case(
        "a folder of thumbnails beside the classes", folder("a", "b", files={".thumbnails/0.png": b"x"}), "1 leftover"
    ),
    Case("a folder __MACOSX beside the classes", folder("a", "b", files={"__MACOSX/a/._0.png": b"x"}), "__MACOSX"),
    Case("hidden files", folder("a", "b", files={f"a/.{k}.png": b"x" for k in range(2)}), "2 hidden files"),
    Case(
        "a photograph again in test/, smaller, as JPEG",
        folder(change=lambda r: _encoded_anew(r, "test/a")),
        "scaled or encoded anew",
    ),
    Case(
        "a photograph again in another class, smaller, as JPEG",
        folder(change=lambda r: _encoded_anew(r, "b")),
        "another of another class",
    ),
    Case("TIFF, GIF, PNG and WebP of three pages", folder("a", "b", files=_pages()), "4 files hold several pages"),
    Case("a class folder whose name is not UTF-8", folder("a", "b", os.fsdecode(b"caf\xe9")), "that is not UTF-8"),
    Case("a class folder with a line break in its name", folder("a\nb", "c"), "has a control character", run_on),
    Case("a file with a line break in its name", folder("a", "b", files={"a/x\ny.png": b""}), r"x\ny.png can't be"),
    Value("class names of all kinds, exported and read again", names_come_back),
    Case("é composed in one folder's name, decomposed in another's", folder("café", NFD, "tea"), "lies in 2"),
    Value("synthetic class folders with decomposed letters", decomposed_names_match),
    Case("classes Cat and cat", folder("Cat", "cat", "dog"), "differ only in case"),
    Case(
        "a class of twelve copies of one image",
        folder("b", each=6, files={f"a/{k}.png": png(7) for k in range(12)}),
        "copies of one image",
    ),
    Case(
        "endings .jfif and .jpe",
        folder("a", "b", files={f"a/1.{e}": encoded(picture(i), "JPEG") for i, e in enumerate(("jfif", "jpe"))}),
        "format: PNG 8, JPEG 2",
    ),
    Case(
        "a PNG of 10,000×6,000 pixels",
        folder("a", "b", files={"a/x.png": encoded(Image.new("L", (10_000, 6_000)))}),
        "50 million are read at most: scale it",
    ),
    Case("an image of one pixel", folder("a", "b", files={"a/x.png": encoded(picture(1, 1))}), "1 image with"),
    Case(
        "an image of 5,000×1 pixels",
        folder("a", "b", files={"a/x.png": encoded(Image.new("RGB", (5000, 1)))}),
        "far longer",
    ),
]
