"""Train / validation / test splits: stratified, seeded, with every class in every split, and recorded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..base.errors import UserError
from .imageset import ImageSet

SPLITS = ("train", "validation", "test")
CUT = {"validation": 0.2, "test": 0.2}  # what is cut out of train where the user's data lack it
UNEVEN = 1.5  # largest class over smallest from which balanced accuracy is pointed to

Sizes = dict[str, int | float | None]


def stratified_split(
    labels: np.ndarray, sizes: dict[str, int | float | None], seed: int, classes: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Split positions 0…N−1 so that each split has the classes in the proportions of the whole.

    Parameters
    ----------
    labels : int array, N.
    sizes : wanted size per split: a count, a fraction of N (but at least one image a class), or None for what
        the others leave (at most one).
    seed : the split is a function of labels, sizes and seed alone.
    classes : names for error messages.

    Returns
    -------
    {split: sorted positions}. Splits don't overlap; each holds at least one image of every class.

    Raises
    ------
    UserError : a class with fewer images than splits, or more images wanted than there are.
    """
    total = len(labels)
    present, per_class = np.unique(labels, return_counts=True)
    named = {c: classes[c] if c < len(classes) else str(c) for c in present}
    for c, n in zip(present, per_class, strict=True):
        if n < len(sizes):
            raise UserError(
                f"class {named[c]!r} has {n} image{'' if n == 1 else 's'}, but each of the splits "
                f"{', '.join(sizes)} needs one; add images to the class or remove it"
            )
    wanted = {s: max(int(v * total), len(present)) if isinstance(v, float) else v for s, v in sizes.items()}
    fixed = sum(v for v in wanted.values() if v is not None)
    if fixed > total or (fixed == total and None in wanted.values()):
        raise UserError(f"the splits {wanted} need more than the {total} images there are; ask for fewer")
    wanted = {s: total - fixed if v is None else v for s, v in wanted.items()}
    for s, v in wanted.items():
        if v < len(present):
            raise UserError(f"the {s} split of {v} can't hold {len(present)} classes; make it larger")

    rng = np.random.default_rng([seed, total])
    left = {c: rng.permutation(np.flatnonzero(labels == c)) for c in present}
    out: dict[str, np.ndarray] = {}
    remaining = list(wanted)
    for s in wanted:
        remaining.remove(s)
        quota = _proportional(
            wanted[s],
            weights=per_class,
            most=np.array([len(left[c]) - len(remaining) for c in present]),
        )
        out[s] = np.sort(np.concatenate([left[c][:q] for c, q in zip(present, quota, strict=True)]))
        left = {c: left[c][q:] for c, q in zip(present, quota, strict=True)}
    return out


def _proportional(count: int, weights: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Whole numbers near count·weights/Σweights, each in [1, most], that sum to `count`."""
    share = count * weights / weights.sum()
    quota = np.clip(np.floor(share).astype(int), 1, most)
    while quota.sum() != count:
        step = 1 if quota.sum() < count else -1
        room = quota < most if step > 0 else quota > 1
        if not room.any():
            raise UserError(f"can't take {count} images with every class in every split; ask for fewer")
        debt = np.where(room, step * (share - quota), -np.inf)  # the class furthest from its share moves
        quota[int(debt.argmax())] += step
    return quota


def stratified_take(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Sorted positions of `count` images, classes in proportion and each kept at least once.

    All positions when `count` is N or more. Raises UserError when `count` is below the number of classes.
    """
    rng = np.random.default_rng([seed, len(labels), count])
    return _taken(labels, count, rng.permutation)


def stratified_lowest(labels: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
    """As `stratified_take`, as many a class, but of each class those with the lowest `values` (float, N)."""
    return _taken(labels, count, lambda members: members[np.argsort(values[members], kind="stable")])


def _taken(labels: np.ndarray, count: int, ordered: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sorted positions of `count` images, of each class the first as `ordered` puts its positions."""
    if count >= len(labels):
        return np.arange(len(labels))
    present, per_class = np.unique(labels, return_counts=True)
    if count < len(present):
        raise UserError(f"{count} images can't hold {len(present)} classes; raise the limit")
    quota = _proportional(count, weights=per_class, most=per_class)
    taken = [ordered(np.flatnonzero(labels == c))[:q] for c, q in zip(present, quota, strict=True)]
    return np.sort(np.concatenate(taken))


def spread(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of `count` images evenly spaced through the classes, ordered by class; all when N is smaller.

    Systematic sampling: class shares are kept to within one image, and more classes than images is no error.
    """
    order = np.argsort(labels, kind="stable")
    count = min(count, len(labels))
    return order[((np.arange(count) + 0.5) * len(labels) / max(count, 1)).astype(int)]


def bootstrap(labels: np.ndarray, seed: int, copy_index: int = 0) -> np.ndarray:
    """For each image the position of a random one of its class, drawn with replacement: int array, N.

    A large class keeps 1 − 1/e = 63% of its images in one draw. `copy_index` k is another draw of the same seed.
    """
    out = np.empty(len(labels), dtype=np.int64)
    rng = np.random.default_rng([seed, copy_index, len(labels)])
    for c in np.unique(labels):
        members = np.flatnonzero(labels == c)
        out[members] = rng.choice(members, size=len(members))
    return out


def halves(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted positions of two halves, each class divided to within one image (for cross-fitting)."""
    order = np.argsort(labels, kind="stable")
    return np.sort(order[0::2]), np.sort(order[1::2])


@dataclass(frozen=True)
class Splits:
    """One data set, split; `record` says how: source, policy, sizes, files or positions, their SHA-256."""

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    record: dict = field(default_factory=dict)

    def __getitem__(self, split: str) -> ImageSet:
        if split not in SPLITS:
            raise UserError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
        return getattr(self, split)


def split_pool(pool: ImageSet, sizes: Sizes, seed: int, source: str) -> Splits:
    """Split a pool of images without splits of its own."""
    positions = stratified_split(pool.labels, sizes, seed, pool.classes)
    sets = {s: replace(pool.subset(i), name=f"{pool.name}/{s}") for s, i in positions.items()}
    policy = f"stratified, seed {seed}"
    record = split_record(source, policy, sets, {s: i.tolist() for s, i in positions.items()}, [])
    return Splits(**sets, record=record)


def complete_splits(
    given: dict[str, ImageSet],
    names: dict[str, list],
    train_size: int | None,
    seed: int,
    source: str,
    notes: list[str],
    limits: dict[str, int | None] | None = None,
) -> Splits:
    """Keep the splits that the user's data bring, and cut the missing ones out of train.

    limits : most images that will be used of a split. Where all three splits are cut here, what train can't use goes
        to test: it narrows every interval.
    """
    train = given["train"]
    sizes: Sizes = {"train": None, **CUT}
    sizes = {s: v for s, v in sizes.items() if s == "train" or s not in given}
    if len(sizes) == len(SPLITS):
        most = _most_to_train_on(train, limits or {}) if train_size is None else train_size
        if most is not None:
            sizes["train"], sizes["test"] = most, None
    cut = stratified_split(train.labels, sizes, seed, train.classes)
    stem = train.name.rpartition("/")[0]
    sets = {s: replace(train.subset(i), name=f"{stem}/{s}") for s, i in cut.items()} | {
        s: v for s, v in given.items() if s != "train"
    }
    files = {s: [names["train"][i] for i in positions] for s, positions in cut.items()} | {
        s: v for s, v in names.items() if s != "train"
    }
    made = [s for s in SPLITS if s in cut and s != "train"]
    policy = f"{' and '.join(made)} cut from train, stratified, seed {seed}" if made else "as given"
    for s in SPLITS:
        absent = len(train.classes) - len(np.unique(sets[s].labels))
        if absent:
            notes.append(f"{absent} of {len(train.classes)} classes have no {s} image")
    return Splits(**sets, record=split_record(source, policy, sets, files, notes) | {"cut": made})


def _most_to_train_on(pool: ImageSet, limits: dict[str, int | None]) -> int | None:
    """The limit of train, where less than it would be left to train on; else None."""
    most = limits.get("train")
    left = len(pool) - sum(max(int(share * len(pool)), len(pool.classes)) for share in CUT.values())
    return None if most is None or most >= left else max(most, len(pool.classes))


def split_record(source: str, policy: str, sets: dict[str, ImageSet], members: dict, notes: list[str]) -> dict:
    """How a data set was split; `members` are file names or positions a split."""
    digest = hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
    sizes = {s: len(sets[s]) for s in SPLITS}
    return {
        "source": source,
        "policy": policy,
        "sizes": sizes,
        "members_sha256": digest,
        "members": members,
        "notes": notes,
    }
