"""Neighbours and balls among feature vectors: exact float64 distances, in tiles of bounded memory.

Distances by matrix product are fast and wrong for near copies. Here they only choose candidates, in float32 and with
a bound of their error: whatever is decided, a neighbour's distance or whether a point lies in a ball, is recomputed
from differences where the product's rounding could change it. So the answers are those of a brute force in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

ROWS, COLUMNS = 1024, 8192  # of a tile: 32 MiB in float32
SPARE = 9  # candidates beyond k, so that rounding and left-out groups rarely cost an exact row
NO_GROUP = -1
LARGE = 1e15  # features whose squares float32 holds with room to spare are below it
DOUBTFUL = 1 / 64  # share of a tile's pairs from which the whole tile in float64 is faster than they are alone


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
    a: np.ndarray,
    b: np.ndarray,
    squared: tuple[np.ndarray, np.ndarray],
    groups: tuple[np.ndarray, np.ndarray],
    leave_out: list[int],
) -> tuple[Hits, Hits]:
    """Count points of each set in the balls of the other: (a in balls around b, b in balls around a).

    squared : squared radii of the balls around a and around b, each len(leave_out) × balls.
    groups : of a and of b. Where a group is left out, its points and its balls are; what is counted for them means
        nothing.
    """
    sides = (
        _Side(a, b, squared[1], groups[0], groups[1], leave_out, rows_are_points=True),
        _Side(b, a, squared[0], groups[1], groups[0], leave_out, rows_are_points=False),
    )
    for tile in _tiles(a, b):
        for side in sides:
            found = side.look(tile)
            if found.doubtful.sum() > DOUBTFUL * tile.lower.size:
                found = side.look(_fine(a, b, tile))
            side.add(found)
    return sides[0].hits, sides[1].hits


@dataclass(frozen=True)
class _Found:
    """Pairs of a point and a ball that may hold it: positions, lower bounds, and where these don't decide."""

    point: np.ndarray
    ball: np.ndarray
    near: np.ndarray
    doubtful: np.ndarray


class _Side:
    """Hits of `points` in the balls around `centres`, summed over tiles."""

    def __init__(
        self,
        points: np.ndarray,
        centres: np.ndarray,
        squared: np.ndarray,
        point_groups: np.ndarray,
        centre_groups: np.ndarray,
        leave_out: list[int],
        *,
        rows_are_points: bool,
    ):
        self.points, self.centres, self.squared, self.rows_are_points = points, centres, squared, rows_are_points
        self.point_groups, self.centre_groups, self.leave_out = point_groups, centre_groups, leave_out
        self.largest = np.where(np.isfinite(squared), squared, 0).max(axis=0)
        closed, filled = (np.zeros((len(leave_out), len(x)), dtype=np.int64) for x in (points, centres))
        self.hits = Hits(closed, np.zeros_like(closed), filled)

    def look(self, tile: _Tile) -> _Found:
        balls = tile.columns if self.rows_are_points else tile.rows
        limits = np.nextafter(self.largest[balls].astype(tile.lower.dtype), np.inf)
        row, column = np.divmod(
            np.flatnonzero(tile.lower <= (limits if self.rows_are_points else limits[:, None])), tile.lower.shape[1]
        )
        near = tile.lower[row, column].astype(np.float64)
        width = tile.slack[0][row] + tile.slack[1][column]
        row, column = row + tile.rows.start, column + tile.columns.start
        point, ball = (row, column) if self.rows_are_points else (column, row)
        doubtful = ((near <= self.squared[:, ball]) & (self.squared[:, ball] <= near + width)).any(axis=0)
        return _Found(point, ball, near, doubtful)

    def add(self, found: _Found) -> None:
        i, j, near = found.point, found.ball, found.near
        near[found.doubtful] = _exact_pairs(self.points, self.centres, i[found.doubtful], j[found.doubtful])
        for variant, group in enumerate(self.leave_out):
            kept = (self.point_groups[i] != group) & (self.centre_groups[j] != group)
            inside, within = kept & (near < self.squared[variant, j]), kept & (near <= self.squared[variant, j])
            self.hits.closed[variant] += np.bincount(i[within], minlength=len(self.points))
            self.hits.open[variant] += np.bincount(i[inside], minlength=len(self.points))
            self.hits.filled[variant] += np.bincount(j[inside], minlength=len(self.centres))


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
    own = np.arange(len(queries)) if exclude_self else None
    squared, indices, sure = _listed(queries, references, own, keep)
    rows = np.flatnonzero(sure < k)
    if len(rows):
        mine = None if own is None else own[rows]
        squared[rows], indices[rows], sure[rows] = _listed(queries[rows], references, mine, keep, np.float64)
    for i in np.flatnonzero(sure < k):
        every = _exact_row(references, queries[i])
        if exclude_self:
            every[i] = np.inf
        indices[i] = np.argsort(every, kind="stable")[:keep]
        squared[i] = every[indices[i]]
        sure[i] = keep
    return squared, indices, sure


def _listed(
    queries: np.ndarray, references: np.ndarray, own: np.ndarray | None, keep: int, dtype: type = np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_neighbours`, by products of one precision: there may be fewer than k sure ones.

    own : the reference that each query is, and must not find.
    """
    lower, indices = _candidates(queries, references, own, keep, dtype)
    each = np.repeat(np.arange(len(queries)), keep)
    squared = _exact_pairs(queries, references, each, indices.ravel()).reshape(indices.shape)
    order = np.argsort(squared, axis=1, kind="stable")
    squared, indices = (np.take_along_axis(v, order, axis=1) for v in (squared, indices))
    if keep == len(references) - (own is not None):
        return squared, indices, np.full(len(queries), keep)
    # one that was no candidate may be nearer than the last ones
    return squared, indices, (squared <= lower.max(axis=1, keepdims=True)).sum(axis=1)


def _candidates(
    queries: np.ndarray, references: np.ndarray, own: np.ndarray | None, keep: int, dtype: type
) -> tuple[np.ndarray, np.ndarray]:
    """(lower bounds of squared distances, indices) of the `keep` references whose bounds are the least."""
    best = torch.full((len(queries), keep), torch.inf, dtype=torch.float64)
    where = torch.zeros(best.shape, dtype=torch.int64)
    for tile in _tiles(queries, references, dtype):
        rows, columns = tile.rows, tile.columns
        if own is not None:
            mine = own[rows]
            (here,) = np.nonzero((mine >= columns.start) & (mine < columns.stop))
            tile.lower[here, mine[here] - columns.start] = np.inf
        value, place = torch.from_numpy(tile.lower).topk(min(keep, tile.lower.shape[1]), largest=False)
        value, place = torch.cat([best[rows], value], dim=1), torch.cat([where[rows], place + columns.start], dim=1)
        best[rows], chosen = value.topk(keep, largest=False)
        where[rows] = place.gather(1, chosen)
    return best.numpy(), where.numpy()


@dataclass(frozen=True)
class _Tile:
    """Squared distances of some rows to some columns: each is ≥ `lower` and ≤ lower + slack[0][row] + slack[1][column].

    The slack grows with the norms of the two alone, so that a far outlier does not blur the others.
    """

    rows: slice
    columns: slice
    lower: np.ndarray
    slack: tuple[np.ndarray, np.ndarray]


def _tiles(a: np.ndarray, b: np.ndarray, dtype: type = np.float32) -> Iterator[_Tile]:
    """Every tile of the distances between a and b, by products in `dtype`; in float64 where float32 can't hold them."""
    centre = b.mean(axis=0, dtype=np.float64)  # distances don't change with it, rounding shrinks
    if not max(abs(float(end)) for x in (a, b) if x.size for end in (x.min(), x.max())) < LARGE:
        dtype = np.float64
    for left in range(0, len(b), COLUMNS):
        columns = slice(left, min(left + COLUMNS, len(b)))
        y, y_slack = _factor(b[columns], centre, dtype)
        for top in range(0, len(a), ROWS):
            rows = slice(top, min(top + ROWS, len(a)))
            x, x_slack = _factor(a[rows], centre, dtype)
            x = np.concatenate([-2 * x[:, :-2], x[:, :-3:-1]], axis=1)  # −2x, norm, 1
            yield _Tile(rows, columns, x @ y.T, (x_slack, y_slack))  # PyTorch's product may be set to fewer digits


def _fine(a: np.ndarray, b: np.ndarray, tile: _Tile) -> _Tile:
    """The same tile in float64."""
    (fine,) = _tiles(a[tile.rows], b[tile.columns], np.float64)
    return replace(fine, rows=tile.rows, columns=tile.columns)


def _factor(points: np.ndarray, centre: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """(centred points x, 1, a lower bound of their squared norms: N × (D + 2); the slack of distances from them).

    One product of (−2x, |x|², 1) and (y, 1, |y|²) is a squared distance. Rounding of the factors and of a sum of D + 2
    terms, whose sizes add up to 2(|x|² + |y|²) at most, changes it by less than (D + 4)·ε·(|x|² + |y|²), and more than
    that is taken off beforehand; `tiny` is what may be lost to underflow.
    """
    x = points - centre
    dimensions, kind = x.shape[1], np.finfo(dtype)
    share, tiny = 1.1 * (dimensions + 16) * float(kind.eps), 4 * (dimensions + 2) * float(kind.tiny)
    norm = (x * x).sum(axis=1)
    out = np.ones((len(x), dimensions + 2), dtype=dtype)
    out[:, :dimensions] = x
    out[:, -1] = (1 - share) * norm - tiny
    return out, 2 * (share * norm + tiny)


def _exact_pairs(a: np.ndarray, b: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (i, j), from differences in float64."""
    out = np.empty(len(i))
    step = max(1, 2**17 // a.shape[1])  # 1 MiB, which stays in the cache
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        difference = a[i[part]].astype(np.float64) - b[j[part]]
        out[part] = (difference * difference).sum(axis=1)
    return out


def _exact_row(a: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Squared distances of all of `a` to one point."""
    return _exact_pairs(a, point[None], np.arange(len(a)), np.zeros(len(a), dtype=np.int64))
