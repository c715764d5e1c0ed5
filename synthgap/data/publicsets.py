"""The paper's five data sets: what is published of them, and where they lie below the data folder (`data_root`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import UserError

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


_CIFAR = {
    "origin": "https://www.cs.toronto.edu/~kriz/cifar.html",
    "counts": {"train": 50_000, "test": 10_000},
    "augment": ("crop", "flip"),
    "image_size": 32,
}
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
        folder="cifar-10-batches-py",
        files=(*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
        classes=10,
        archives={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
        **_CIFAR,
    ),
    "cifar100": PublicSet(
        title="CIFAR-100",
        folder="cifar-100-python",
        files=("train", "test", "meta"),
        classes=100,
        archives={"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"},
        **_CIFAR,
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


def root_or_default(root: Path | None) -> Path:
    """`root`, or `data_root()` where it is None."""
    return data_root() if root is None else Path(root).expanduser()


def known(name: str) -> PublicSet:
    """The set of this name; UserError for a name that PUBLIC lacks."""
    if name not in PUBLIC:
        raise UserError(f"unknown public data set {name!r}; known: {', '.join(PUBLIC)}")
    return PUBLIC[name]


def fault(name: str, root: Path, what: str) -> UserError:
    """The error for a faulty copy of a set in the data folder `root`: what is wrong, and how to get a good copy."""
    public = PUBLIC[name]
    remedy = f"get {', '.join(public.archives)} from {public.origin} and unpack in {root / public.unpack_in}"
    if name in DOWNLOADABLE:
        top = root / Path(public.folder).parts[0]  # torchvision downloads nothing while it exists
        remedy += f", or remove {top} and run synthgap datasets {name} --download"
    return UserError(f"{what}; {remedy}")
