"""Splits that keep groups whole: all images of one patient, module or site on one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.errors import UserError
from .imageset import ImageSet
from .splits import SPLITS, Sizes, Splits, split_record, stratified_split

TRIES = 10  # dealings of which the best is taken
MOST_DEALT = 20_000  # groups in all of these; there are fewer tries where groups are many
LACKING = 1e9  # what a side costs that lacks a class: more than any uneven size
LEAST_WANTED = 0.5  # images; what is wanted of a class of few images counts as so many where costs are divided by it


def grouped_split(
    labels: np.ndarray, sizes: Sizes, seed: int, classes: tuple[str, ...] = (), *, groups: np.ndarray
) -> dict[str, np.ndarray]:
    """As `stratified_split`, but no group lies in two splits: sizes and class shares are as near as groups allow.

    groups : int or text array, N: what each image belongs to; a group may hold images of several classes.

    All N images are used. Raises UserError as `stratified_split` does, where a class has images in fewer groups than
    there are splits, and where no dealing was found with every class in every split.
    """
    wanted = [len(positions) for positions in stratified_split(labels, sizes, seed, classes).values()]
    counts, present, number = _counted(labels, groups)
    named = [classes[c] if c < len(classes) else str(c) for c in present]
    for name, has in zip(named, (counts > 0).sum(axis=0), strict=True):
        if has < len(sizes):
            raise UserError(
                f"class {name!r} has its images in {has} group{'' if has == 1 else 's'}, but each of the splits "
                f"{', '.join(sizes)} needs a group of its own; add groups to the class or leave it out"
            )
    side = dealt(counts, np.outer(wanted, counts.sum(axis=0) / len(labels)), seed)
    have = _on_sides(counts, side, len(sizes))
    if (have == 0).any():
        at, of = np.argwhere(have == 0)[0]
        raise UserError(
            f"no way was found to give the {list(sizes)[at]} split a group with images of class {named[of]!r}; add "
            "groups, or leave the class out"
        )
    return {split: np.flatnonzero(side[number] == s) for s, split in enumerate(sizes)}


def regrouped(splits: Splits, pool: ImageSet, names: list[str], groups: dict[str, str], seed: int) -> Splits:
    """Splits as of `complete_splits`, those that it has cut from `pool` cut anew, so that none parts a group.

    names : of the pool's images, in their order; groups : name → group.
    """
    cut = [s for s in SPLITS if s == "train" or s in splits.record["cut"]]
    sizes: Sizes = {s: len(splits[s]) for s in cut}
    parts = grouped_split(pool.labels, sizes, seed, pool.classes, groups=np.array([groups[name] for name in names]))
    sets = {s: splits[s] for s in SPLITS} | {s: replace(pool.subset(parts[s]), name=splits[s].name) for s in cut}
    members = splits.record["members"] | {s: [names[i] for i in parts[s]] for s in cut}
    policy = splits.record["policy"] + (", groups kept whole" if len(cut) > 1 else "")
    record = split_record(splits.record["source"], policy, sets, members, splits.record["notes"])
    return Splits(**sets, record=splits.record | record)


def grouped_parts(labels: np.ndarray, groups: np.ndarray, count: int) -> list[np.ndarray]:
    """Positions of each of at most `count` parts, classes spread over them as evenly as whole groups allow.

    There are fewer parts where there are fewer groups. Raises UserError for a class all of whose images lie in one
    group: where that is tested, nothing could be trained on.
    """
    counts, _, number = _counted(labels, groups)
    if ((counts > 0).sum(axis=0) < 2).any():
        raise UserError("all images of a class lie in one group; add groups to it, or give a test split")
    side = dealt(counts, np.tile(counts.sum(axis=0) / count, (count, 1)), seed=0)[number]
    return [np.flatnonzero(side == part) for part in np.unique(side)]


def _counted(labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images of each group and class, G × C; the classes; number of each image's group, N)."""
    present, of = np.unique(labels, return_inverse=True)
    names, number = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), len(present)), dtype=np.int64)
    np.add.at(counts, (number, of), 1)
    return counts, present, number


def dealt(counts: np.ndarray, wanted: np.ndarray, seed: int) -> np.ndarray:
    """The side that each group is dealt to: int array, G. A function of its arguments alone.

    counts : images of each group and class, int, G × C. wanted : images of each class on each side, S × C, summing to
        those there are.

    Groups are dealt from the largest on, each to the side where it costs least: a cost is the χ² of the sides' sizes
    and classes against what is wanted, and more than that for each class that a side lacks. Then single groups are
    moved as long as that mends. Of several such dealings, in other orders, the one with the smallest cost is taken.

    (scikit-learn's StratifiedGroupKFold makes parts of one size only, and looks at classes, not at sizes.)
    """
    counts = np.column_stack([counts, counts.sum(axis=1)]).astype(np.float64)  # the last column stands for the size
    wanted = np.column_stack([wanted, wanted.sum(axis=1)])
    rng = np.random.default_rng([seed, *counts.shape])
    best, least = np.zeros(len(counts), dtype=np.int64), np.inf
    for number in range(max(1, min(TRIES, MOST_DEALT // len(counts)))):
        shuffled = rng.permutation(len(counts))
        heavy = counts[shuffled, -1] * (rng.uniform(0.5, 1, len(counts)) if number else 1)
        side, cost = _mended(counts, wanted, _one_by_one(counts, wanted, shuffled[np.argsort(-heavy, kind="stable")]))
        if cost < least:
            best, least = side, cost
    return best


def _one_by_one(counts: np.ndarray, wanted: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The side of each group, dealt in that order without looking back."""
    have, side, scale = np.zeros_like(wanted), np.empty(len(counts), dtype=np.int64), np.maximum(wanted, LEAST_WANTED)
    for g in order:
        added = ((have + counts[g] - wanted) ** 2 - (have - wanted) ** 2) / scale
        side[g] = added.sum(axis=1).argmin()
        have[side[g]] += counts[g]
    return side


def _mended(counts: np.ndarray, wanted: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, float]:
    """(the sides after the moves of single groups that mend most, the cost then)."""
    scale, everyone, present = np.maximum(wanted, LEAST_WANTED), np.arange(len(counts)), counts > 0
    square = counts**2 @ (1 / scale).T
    while True:
        have = _on_sides(counts, side, len(wanted))
        slope = 2 * counts @ ((have - wanted) / scale).T
        gained = present.astype(float) @ (have == 0).T
        lost = (present & (counts == have[side])).sum(axis=1)
        change = slope + square + (square - slope)[everyone, side][:, None] + LACKING * (lost[:, None] - gained)
        change[everyone, side] = 0
        g, s = np.unravel_index(change.argmin(), change.shape)
        if change[g, s] > -1e-6:
            return side, float(LACKING * (have == 0).sum() + ((have - wanted) ** 2 / scale).sum())
        side[g] = s


def _on_sides(counts: np.ndarray, side: np.ndarray, sides: int) -> np.ndarray:
    """What each side has together: S × C."""
    have = np.zeros((sides, counts.shape[1]), dtype=counts.dtype)
    np.add.at(have, side, counts)
    return have
