"""Small archives of made-up images in exactly the layout of the five public data sets, for tests."""

import hashlib
import io
import pickle
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100

from synthgap.data.publicfiles import read_official
from synthgap.data.publicsets import PUBLIC

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (220, 220, 30)


def as_official(monkeypatch, name, root):
    """Take the copy of set `name` in `root` for the published one: its counts, classes and loose files' MD5s."""
    official = read_official(name, root)
    known = PUBLIC[name]
    archives = dict(known.archives)
    for archive in archives:
        path = root / known.folder / archive
        if path.is_file():
            archives[archive] = md5(path)
    counts = {split: len(labels) for split, labels in official.labels.items()}
    changed = replace(known, counts=counts, classes=len(official.classes), archives=archives)
    monkeypatch.setitem(PUBLIC, name, changed)


def fabricate_cifar10(root, monkeypatch, train=4, test=2):
    """CIFAR-10's pickles with `train` and `test` images a class, and torchvision's MD5 lists set to them.

    Returns {"train": (uint8 N × 3 × 32 × 32, labels), "test": …} as stored.
    """
    data = {"train": _noise(10, train, seed=1), "test": _noise(10, test, seed=2)}
    images, labels = data["train"]
    folder = root / "cifar-10-batches-py"
    parts = zip(np.array_split(images, 5), np.array_split(labels, 5), strict=True)
    for i, (some, theirs) in enumerate(parts, start=1):
        _pickled(folder / f"data_batch_{i}", _batch(some, theirs, "labels"))
    _pickled(folder / "test_batch", _batch(*data["test"], "labels"))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    _pickled(folder / "batches.meta", {"label_names": names, "num_cases_per_batch": 10_000, "num_vis": 3072})
    trust(monkeypatch, CIFAR10, folder)
    return data


def fabricate_cifar100(root, monkeypatch, train=2, test=1):
    """CIFAR-100's pickles, like `fabricate_cifar10`; fine class 37 is named "fine 37"."""
    data = {"train": _noise(100, train, seed=3), "test": _noise(100, test, seed=4)}
    folder = root / "cifar-100-python"
    for split, (images, labels) in data.items():
        coarse = {"coarse_labels": [int(label) // 5 for label in labels]}
        _pickled(folder / split, _batch(images, labels, "fine_labels") | coarse)
    names = {"fine_label_names": [f"fine {i:02d}" for i in range(100)]}
    _pickled(folder / "meta", names | {"coarse_label_names": [f"coarse {i:02d}" for i in range(20)]})
    trust(monkeypatch, CIFAR100, folder)
    return data


def trust(monkeypatch, kind, folder):
    """Set torchvision's MD5 lists of one CIFAR class to those of the files in `folder`."""
    for attribute in ("train_list", "test_list"):
        files = [name for name, _ in getattr(kind, attribute)]
        monkeypatch.setattr(kind, attribute, [[name, md5(folder / name)] for name in files])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(folder / kind.meta["filename"])})


def fabricate_aircraft(root, classes=3, train=4, test=2):
    """FGVC-Aircraft: 60 × 40 pictures above a white banner of 20 pixels; the last variant is "F/A-18 model"."""
    folder = root / "fgvc-aircraft-2013b" / "data"
    names = [*(f"Variant {i}-{i}00" for i in range(classes - 1)), "F/A-18 model"]
    _text(folder / "variants.txt", names)
    number = 34_309
    for part, count in (("trainval", train), ("test", test)):
        lines = []
        for label in range(classes * count):
            pixels = picture(60, 40, number)
            banner = np.full((20, 60, 3), 255, np.uint8)
            _jpeg(folder / "images" / f"{number:07d}.jpg", np.concatenate([pixels, banner]))
            lines.append(f"{number:07d} {names[label % classes]}")
            number += 7
        _text(folder / f"images_variant_{part}.txt", lines)


def fabricate_cub(root, classes=3, train=4, test=2):
    """CUB-200-2011: pictures of 50 × 40 and 40 × 50; the first of each class is grey."""
    folder = root / "CUB_200_2011"
    names = [f"{i:03d}.Made_up_Bird_{i}" for i in range(1, classes + 1)]
    images, labels, parts = [], [], []
    for label, name in enumerate(names, start=1):
        for i in range(train + test):
            number = len(images) + 1
            pixels = picture(*((50, 40) if i % 2 else (40, 50)), number)
            file = f"{name}/Made_up_Bird_{number:04d}_{number}.jpg"
            _jpeg(folder / "images" / file, pixels[..., 1] if i == 0 else pixels)
            images.append(f"{number} {file}")
            labels.append(f"{number} {label}")
            parts.append(f"{number} {int(i < train)}")
    _text(folder / "images.txt", images)
    _text(folder / "image_class_labels.txt", labels)
    _text(folder / "train_test_split.txt", parts)
    _text(folder / "classes.txt", [f"{i} {name}" for i, name in enumerate(names, start=1)])


def fabricate_cars(root, classes=3, train=4, test=2):
    """Stanford Cars: pictures of 60 × 40, MATLAB structs as in the devkit."""
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True, exist_ok=True)
    names = [f"Maker Model {i} Sedan 20{i:02d}" for i in range(classes)]
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array([names], dtype=object)}, do_compression=True)
    for split, count in (("train", train), ("test", test)):
        listed = []
        for i in range(classes * count):
            _jpeg(folder / f"cars_{split}" / f"{i + 1:05d}.jpg", picture(60, 40, i))
            listed.append((i % classes + 1, f"{i + 1:05d}.jpg"))
        cars_annotations(folder, split, listed)


def cars_annotations(folder, split, listed):
    """Write the annotations of one split; `listed` are pairs (class from 1, file name)."""
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    rows = [(*(np.array([[v]], np.uint16) for v in (1, 2, 50, 30)), np.array([[c]], np.uint8), f) for c, f in listed]
    file = "devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat"
    savemat(folder / file, {"annotations": np.array([rows], dtype=fields)}, do_compression=True)


def picture(width, height, seed):
    """uint8 height × width × 3: red and green above blue and yellow, with a little noise."""
    pixels = np.empty((height, width, 3))
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, YELLOW
    noise = np.random.default_rng(seed).integers(-8, 9, (height, width, 1))
    return (pixels + noise).astype(np.uint8)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def _noise(classes, each, seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(classes * each) % classes)
    return rng.integers(0, 256, (len(labels), 3, 32, 32), dtype=np.uint8), labels


def _batch(images, labels, key):
    names = [f"made_up_{i}.png" for i in range(len(images))]
    return {"data": images.reshape(len(images), -1), key: [int(v) for v in labels], "filenames": names}


def _pickled(path, entry):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(entry, protocol=2))


def _text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def _jpeg(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=95, subsampling=0)
    path.write_bytes(buffer.getvalue())


def messy_photographs(root, count, few=5):
    """Two uneven classes as people have them: any format and mode, turned, nested, odd names, a text, one twice."""
    rng = np.random.default_rng(0)
    for name, images, level in (("Ünïcode 猫", count, 90), ("a*b_|c| <x>", few, 160)):
        for i in range(images):
            folder = root / name / ("deep/er" if i % 7 == 3 else "")
            folder.mkdir(parents=True, exist_ok=True)
            size = (int(rng.integers(40, 60)), 50, 3)
            _save_as(i % 8, np.clip(rng.normal(level, 40, size), 0, 255).astype(np.uint8), folder, f"é {i}")
    first = root / "Ünïcode 猫"
    (first / "notes.txt").write_text("not an image")
    (first / "copy.png").write_bytes((first / "é 0.png").read_bytes())
    return root


def _save_as(kind, pixels, folder, name):
    image, turned = Image.fromarray(pixels), Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    stored, ending = (
        (image, "png"),
        (image.convert("RGBA"), "png"),
        (image.convert("P"), "png"),
        (deep, "png"),
        (image, "jpg"),
        (image, "webp"),
        (image, "tiff"),
        (image.convert("L"), "bmp"),
    )[kind]
    stored.save(folder / f"{name}.{ending}", **({"exif": turned} if ending == "jpg" else {}))
