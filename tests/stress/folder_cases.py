"""Folders and arrays as people have them: rows of book/reliability.md."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cases import RUN, Case, Value, array, folder, folder_with, images, photos, picture
from PIL import Image
from scipy.ndimage import gaussian_filter

from synthgap.api.comparison import compare
from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.data.layout import read_layout
from synthgap.data.pool import load_like, load_pool
from synthgap.data.sources import load_splits

ODD_NAMES = ("Corn_(maize)", "a/b", "..", "CON", "Cat", "cat", " space ", "dot.", "nul\0", "x" * 300, "%2F", "é")


def tiff16(high: int = 4011, side: int = 8, seed: int = 0) -> bytes:
    """A small 16-bit grey TIFF whose largest value is `high`."""
    pixels = np.random.default_rng(seed).integers(0, high + 1, (side, side)).astype(np.uint16)
    pixels[0, 0] = high
    return _saved(Image.fromarray(pixels), "TIFF")


def _saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def writing(files: dict[str, bytes], base: Callable[[Path], object] = photos, at: str = "photos", cut: str = ""):
    """The words of a run on a folder of good photographs (`base`) with `files` in it; `cut` follows its path."""

    def make(place: Path) -> list:
        root = place / at
        base(root)
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return [*RUN, "--dataset", f"folder:{root}{cut}"]

    return make


def of_bytes(make: Callable[[int], bytes], ending: str, each: int = 6):
    """Two classes of `each` files, the k-th of all with the content `make(k)`."""
    files = {f"{'ab'[k % 2]}/{k}.{ending}": make(k) for k in range(2 * each)}
    return writing(files, base=lambda root: None)


def _linked(root: Path) -> None:
    photos(root)
    photos(root.parent / "elsewhere", ("c",))
    (root / "c").symlink_to(root.parent / "elsewhere" / "c")
    (root / "a" / "up").symlink_to(root)


def _not_utf8(root: Path) -> None:
    photos(root)
    photos(root, (os.fsdecode(b"caf\xe9"),))


def _flat_test(root: Path) -> None:
    photos(root / "train")
    photos(root / "test", (".",))


def _copies(root: Path) -> None:
    photos(root, ("b",), 6)
    (root / "a").mkdir()
    for k in range(12):
        picture(7).save(root / "a" / f"{k}.png")


def _two_accents(root: Path) -> None:
    photos(root, ("café", unicodedata.normalize("NFD", "café"), "tea"))


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
        f"a/pages.{ending}": _saved(
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

    try:
        os.scandir = closed
        read_layout(root)
    except UserError as error:
        return str(error)
    finally:
        os.scandir = scan
    raise AssertionError("a closed folder was read")


def _file_for_folder(place: Path) -> list:
    (place / "photos").write_bytes(b"")
    return [*RUN, "--dataset", f"folder:{place / 'photos'}"]


def _mask(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 2, (8, 8)).astype(np.uint8))


def _floats(white: float, seed: int) -> Image.Image:
    return Image.fromarray((np.random.default_rng(seed).random((8, 8)) * white).astype(np.float32))


HALVES = np.arange(12) % 2
FOLDERS: list[Case | Value] = [
    Value("metrics: a folder with train/ and test/", metrics_of_split_folders),
    Value("one split of a folder as the data set, folder:photos:test", run_on_one_split),
    Case("a split that a folder lacks, folder:photos:val", writing({}, cut=":val"), "has no folder of the split"),
    Value("run and metrics on train/ with classes and test/ with loose images", one_reading),
    Case("test/ with loose images, as competitions have it", writing({}, base=_flat_test), "without labels", True),
    Case(
        "test/ with one of two classes",
        writing({"test/a/0.png": _saved(picture(99), "PNG")}, base=lambda r: photos(r / "train")),
        "test: 1 image: a 1, b 0",
        True,
    ),
    Case("train/ with one class", writing({}, base=lambda r: photos(r / "train", ("a",))), "holds one class, 'a'"),
    Case(
        "classes Cat in train/ and cat in test/",
        writing({"test/cat/0.png": _saved(picture(99), "PNG")}, base=lambda r: photos(r / "train", ("Cat", "dog"))),
        "did you mean 'Cat'?",
    ),
    Case(
        "a folder one level too high", lambda p: [*RUN, "--dataset", f"folder:{photos(p / 'x').parent}"], "did you mean"
    ),
    Case("a file in the place of a folder", _file_for_folder, "is a file and no folder"),
    Value("12-bit values in 16-bit PNGs", twelve_bits),
    Case("12-bit values in 16-bit TIFFs", of_bytes(lambda k: tiff16(seed=k), "tif"), "read as 12-bit", True),
    Case("masks: 8-bit images of 0 and 1", of_bytes(lambda k: _saved(_mask(k), "PNG"), "png"), "read as 1-bit", True),
    Case(
        "one 16-bit image far brighter than 21 others",
        of_bytes(lambda k: tiff16(60_000 if k == 0 else 4000, seed=k), "tif", each=11),
        "only 1 of 22",
        True,
    ),
    Case("float TIFFs from 0 to 1", of_bytes(lambda k: _saved(_floats(1, k), "TIFF"), "tif"), "1 white", True),
    Case("float TIFFs from 0 to 255", of_bytes(lambda k: _saved(_floats(255, k), "TIFF"), "tif"), "outside 0–1"),
    Case(
        "32-bit TIFFs up to 10⁶",
        of_bytes(lambda k: _saved(Image.fromarray(np.full((8, 8), 10**6 + k, np.int32)), "TIFF"), "tif"),
        "outside 0–65535",
    ),
    Value("npz: labels from 1", labels_from_one),
    Case("npz: labels with gaps", array(images=images(), labels=HALVES * 7), "called by their numbers", True),
    Case("npz: labels that are texts", array(images=images(), labels=np.array(["ape", "wolf"])[HALVES]), "texts", True),
    Case(
        "npz: labels from 1, and names",
        array(images=images(), labels=HALVES + 1, classes=np.array(["ape", "wolf"])),
        "in their order",
        True,
    ),
    Case("npz: fewer names than labels", array(images=images(), labels=HALVES, classes=np.array(["a"])), "1 classes"),
    Case(
        "npz: a name without images",
        array(images=images(), labels=HALVES, classes=np.array(["a", "b", "c"])),
        "left out: c",
        True,
    ),
    Case(
        "npz: 12-bit values as uint16",
        array(images=images().astype(np.uint16) * 15, labels=HALVES),
        "read as 12-bit",
        True,
    ),
    Case("npz: masks of 0 and 1", array(images=images() // 128, labels=HALVES), "read as 1-bit", True),
    Case("npz: floats from −1 to 1", array(images=images() / 127.5 - 1, labels=HALVES), "outside 0–1"),
    Case("an empty class folder", folder("a", "b", change=lambda r: (r / "c").mkdir()), "c (empty)", True),
    Case(
        "a class folder of HEIC photographs", folder_with("../c/{}.heic", b"x", copies=3), "c (only .heic files", True
    ),
    Case("photographs that can't be read here", folder_with("{}.heic", b"x", copies=3), "(.heic 3); convert", True),
    Value("a class behind a link, and links in a circle", circles),
    Case(
        "a link to a photograph of the same class",
        folder("a", "b", change=lambda r: (r / "a" / "x.png").symlink_to(r / "a" / "0.png")),
        "1 file repeats another one",
        True,
    ),
    Case(
        "a link to nothing",
        folder("a", "b", change=lambda r: (r / "a" / "x.png").symlink_to(r / "gone")),
        "1 link",
        True,
    ),
    Value("a folder that can't be opened", closed_folder),
    Value("thumbnails of a NAS (@eaDir) beside each photograph", thumbnails),
    Case("a folder of thumbnails beside the classes", folder_with("../.thumbnails/{}.png", b"x"), "1 leftover", True),
    Case("a folder __MACOSX beside the classes", folder_with("../__MACOSX/a/._{}.png", b"x"), "__MACOSX", True),
    Case("hidden files", folder_with(".{}.png", b"x", copies=2), "2 hidden files", True),
    Case(
        "a photograph again in test/, smaller, as JPEG",
        writing({}, base=lambda r: _encoded_anew(r, "test/a")),
        "scaled or encoded anew",
        True,
    ),
    Case(
        "a photograph again in another class, smaller, as JPEG",
        writing({}, base=lambda r: _encoded_anew(r, "b")),
        "another of another class",
        True,
    ),
    Case("TIFF, GIF, PNG and WebP of three pages", writing(_pages()), "4 files hold several pages", True),
    Case("a class folder whose name is not UTF-8", writing({}, base=_not_utf8), "a name that is not UTF-8"),
    Case("a class folder with a line break in its name", folder("a\nb", "c"), "has a control character"),
    Case("a file with a line break in its name", folder_with("x\ny.png"), r"x\ny.png can't be read as an image"),
    Value("class names of all kinds, exported and read again", names_come_back),
    Case("é composed in one folder's name, decomposed in another's", writing({}, base=_two_accents), "lies in 2", True),
    Value("synthetic class folders with decomposed letters", decomposed_names_match),
    Case("classes Cat and cat", folder("Cat", "cat", "dog"), "differ only in case", True),
    Case("a class of twelve copies of one image", writing({}, base=_copies), "copies of one image"),
    Case(
        "endings .jfif and .jpe",
        writing({f"a/{e}.{e}": _saved(picture(9), "JPEG", quality=q) for e, q in (("jfif", 80), ("jpe", 90))}),
        "format: PNG 8, JPEG 2",
        True,
    ),
    Case(
        "a PNG of 10,000×6,000 pixels",
        writing({"a/x.png": _saved(Image.new("L", (10_000, 6_000)), "PNG")}),
        "50 million are read at most: scale it",
    ),
    Case(
        "an image of one pixel",
        folder("a", "b", change=lambda r: picture(1, 1).save(r / "a" / "x.png")),
        "1 image with",
        True,
    ),
    Case(
        "an image of 5,000×1 pixels",
        folder("a", "b", change=lambda r: Image.new("RGB", (5000, 1)).save(r / "a" / "x.png")),
        "far longer",
        True,
    ),
]
