"""Neighbours and balls among feature vectors: exact float64 distances, in tiles of bounded memory.

Distances by matrix product are fast and wrong for near copies. Here they only choose candidates: whatever is decided,
a neighbour's distance or whether a point lies in a ball, is recomputed from differences where the product's rounding
could change it. So the answers are those of a brute force in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

ROWS, COLUMNS = 1024, 8192  # of a tile: 64 MiB in float64
SPARE = 9  # candidates beyond k, so that rounding and left-out groups rarely cost an exact row
NO_GROUP = -1


def nearest_distances(
    queries: np.ndarray, references: np.ndarray, k: int = 1, *, exclude_self: bool = False
) -> np.ndarray:
    """Euclidean distances to the k nearest references, exact in float64.

    Parameters
    ----------
    queries, references : N × D and M × D, any real type.
    exclude_self : leave reference i out for query i; the two are then the same set.

    Returns
    -------
    float64 N × k, ascending.

    Raises
    ------
    ValueError : fewer than k references to choose from, or other dimensions.
    """
    return nearest(queries, references, k, exclude_self=exclude_self)[0]


def nearest(
    queries: np.ndarray, references: np.ndarray, k: int = 1, *, exclude_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(distances as of `nearest_distances`, positions of those references: int64 N × k)."""
    squared, indices, _ = _neighbours(queries, references, k, exclude_self)
    return np.sqrt(squared[:, :k]), indices[:, :k]


def squared_radii(points: np.ndarray, k: int, groups: np.ndarray, leave_out: list[int]) -> np.ndarray:
    """Squared distance of each point to its k-th neighbour, itself excluded, with one group at a time left out.

    groups : int, N. leave_out : group numbers, of which NO_GROUP leaves nothing out.
    Returns float64 len(leave_out) × N; for a point of the group that is left out the value means nothing.
    """
    squared, indices, sure = _neighbours(points, points, k, exclude_self=True)
    certain = np.arange(indices.shape[1]) < sure[:, None]
    out = np.empty((len(leave_out), len(points)))
    for row, group in enumerate(leave_out):
        kept = certain & (groups[indices] != group)
        place = (np.cumsum(kept, axis=1) == k).argmax(axis=1)  # of the k-th neighbour that is kept
        out[row] = np.take_along_axis(squared, place[:, None], axis=1)[:, 0]
        for i in np.flatnonzero(kept.sum(axis=1) < k):  # the list was too short for this one
            every = _exact_row(points, points[i])
            every[(groups == group) | (np.arange(len(points)) == i)] = np.inf
            out[row, i] = np.partition(every, k - 1)[k - 1]
    return out


@dataclass(frozen=True)
class Hits:
    """Which points lie in which balls. Arrays are len(leave_out) × number of points or balls.

    closed : balls whose surface or inside holds the point (Kynkäänniemi et al. 2019 count with ≤).
    open : balls whose inside holds it (Naeem et al. 2020 count with <).
    filled : points inside the ball (<).
    """

    closed: np.ndarray
    open: np.ndarray
    filled: np.ndarray


def count_hits(
    points: np.ndarray,
    centres: np.ndarray,
    squared: np.ndarray,
    point_groups: np.ndarray,
    centre_groups: np.ndarray,
    leave_out: list[int],
) -> Hits:
    """Count points in balls around `centres` with squared radii `squared` (len(leave_out) × balls).

    Where a group is left out, its points and its balls are; what is counted for them means nothing.
    """
    variants = len(leave_out)
    closed = np.zeros((variants, len(points)), dtype=np.int64)
    opened, filled = np.zeros_like(closed), np.zeros((variants, len(centres)), dtype=np.int64)
    largest = np.where(np.isfinite(squared), squared, 0).max(axis=0)
    for rows, columns, approximate, bound in _tiles(points, centres):
        i, j = np.nonzero(approximate <= largest[columns] + bound)
        near = approximate[i, j]
        i, j = i + rows.start, j + columns.start
        doubtful = (np.abs(near - squared[:, j]) <= bound).any(axis=0)
        near[doubtful] = _exact_pairs(points, centres, i[doubtful], j[doubtful])
        for variant, group in enumerate(leave_out):
            kept = (point_groups[i] != group) & (centre_groups[j] != group)
            inside, within = kept & (near < squared[variant, j]), kept & (near <= squared[variant, j])
            closed[variant] += np.bincount(i[within], minlength=len(points))
            opened[variant] += np.bincount(i[inside], minlength=len(points))
            filled[variant] += np.bincount(j[inside], minlength=len(centres))
    return Hits(closed, opened, filled)


def _neighbours(
    queries: np.ndarray, references: np.ndarray, k: int, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(squared distances, indices, how many of a row are sure: k or more) of the nearest references, ascending.

    A row has SPARE more than k where there are. Beyond the sure ones, a nearer reference may be missing.
    """
    if queries.ndim != 2 or references.ndim != 2 or queries.shape[1] != references.shape[1]:
        raise ValueError(f"queries of {queries.shape} and references of {references.shape} share no dimension")
    if exclude_self and len(queries) != len(references):
        raise ValueError("a set compared with itself needs as many queries as references")
    available = len(references) - exclude_self
    if not 1 <= k <= available:
        raise ValueError(f"k is {k}; there are {available} neighbours")
    keep = min(k + SPARE, available)
    squared, indices = np.empty((len(queries), keep)), np.empty((len(queries), keep), dtype=np.int64)
    sure = np.full(len(queries), keep)
    for start in range(0, len(queries), ROWS):
        rows = slice(start, min(start + ROWS, len(queries)))
        best, where, bound = _candidates(queries, references, rows, keep, exclude_self)
        own = np.repeat(np.arange(rows.start, rows.stop), keep)
        exact = _exact_pairs(queries, references, own, where.ravel()).reshape(where.shape)
        order = np.argsort(exact, axis=1, kind="stable")
        squared[rows], indices[rows] = (np.take_along_axis(v, order, axis=1) for v in (exact, where))
        if keep < available:  # one that was not a candidate may be nearer than the last ones
            sure[rows] = (squared[rows] + 2 * bound <= best.max(axis=1, keepdims=True)).sum(axis=1)
            for i in np.flatnonzero(sure[rows] < k) + rows.start:
                every = _exact_row(references, queries[i])
                if exclude_self:
                    every[i] = np.inf
                indices[i] = np.argsort(every, kind="stable")[:keep]
                squared[i] = every[indices[i]]
                sure[i] = keep
    return squared, indices, sure


def _candidates(
    queries: np.ndarray, references: np.ndarray, rows: slice, keep: int, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """(approximate squared distances, indices, error bound) of the `keep` nearest references of some queries."""
    best = torch.full((rows.stop - rows.start, 0), torch.inf, dtype=torch.float64)
    where = torch.zeros(best.shape, dtype=torch.int64)
    largest_bound = 0.0
    for _, columns, approximate, bound in _tiles(queries[rows], references):
        if exclude_self:
            own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            approximate[own - rows.start, own - columns.start] = np.inf
        tile = torch.from_numpy(approximate)
        value, place = tile.topk(min(keep, tile.shape[1]), largest=False)
        best, where = torch.cat([best, value], dim=1), torch.cat([where, place + columns.start], dim=1)
        if best.shape[1] > keep:
            best, place = best.topk(keep, largest=False)
            where = where.gather(1, place)
        largest_bound = max(largest_bound, bound)
    return best.numpy(), where.numpy(), largest_bound


def _tiles(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray, float]]:
    """(rows, columns, squared distances by matrix product, bound of their error) of every tile."""
    centre = b.mean(axis=0, dtype=np.float64)  # distances don't change with it, rounding shrinks
    for top in range(0, len(a), ROWS):
        rows = slice(top, min(top + ROWS, len(a)))
        x = a[rows] - centre
        x_norm = (x * x).sum(axis=1)
        for left in range(0, len(b), COLUMNS):
            columns = slice(left, min(left + COLUMNS, len(b)))
            y = b[columns] - centre
            y_norm = (y * y).sum(axis=1)
            product = (torch.from_numpy(x) @ torch.from_numpy(y).T).numpy()
            squared = x_norm[:, None] + y_norm - 2 * product
            # each of the three sums of D products errs by at most (D + 2)·ε/2 of the norms, centring by ε more
            bound = 4 * (a.shape[1] + 8) * np.finfo(np.float64).eps * float(x_norm.max() + y_norm.max())
            yield rows, columns, squared, bound


def _exact_pairs(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (i, j), from differences in float64."""
    out = np.empty(len(i))
    step = max(1, 2**23 // a.shape[1])  # 64 MiB
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        difference = a[i[part]].astype(np.float64) - b[j[part]]
        out[part] = (difference * difference).sum(axis=1)
    return out


def _exact_row(a: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Squared distances of all of `a` to one point."""
    return _exact_pairs(a, point[None], np.arange(len(a)), np.zeros(len(a), dtype=np.int64))
