"""Who is right on which test image, and how two arms compare: one comparison, one interval, wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..base.words import plural
from ..classifier.head import Judged
from ..design.loading import Design
from ..design.values import GIVEN, GIVEN_ONLY, REAL_ONLY, SECOND_BATCH, ArmCell, cell_name
from ..stats.clusters import widened
from ..stats.crossed import Crossed, crossed
from ..stats.pooling import contrast
from .base import Cells, Result, Values, result
from .raw import pack, unpack
from .task import numbered

SHARE = "share "  # begins what a block says of a cell of which it knows no more than the share that is right
ALIKE = (REAL_ONLY, SECOND_BATCH, GIVEN_ONLY, GIVEN)  # arms whose seeds differ in the classifier's training alone


@dataclass(frozen=True)
class Hits:
    """Who is right on which test image.

    result : whose cells they are. by_cell : the cell's name, its last part the seed or the redraw → bool, test images.
    shares : of cells of which a block knows no more → the share of test images that are classified correctly.
    """

    result: str
    by_cell: dict[tuple, np.ndarray]
    seeds: tuple[int, ...]
    shares: dict[tuple, float] = field(default_factory=dict)

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, tuple) and (*cell, self.seeds[0]) in self.by_cell

    def __getitem__(self, cell: tuple) -> np.ndarray:
        """bool, seeds × test images; `cell` is its name without the seed. Blocks may lack some of its seeds."""
        if cell not in self:
            raise KeyError(cell)
        return np.array([self.by_cell[*cell, s] for s in self.seeds if (*cell, s) in self.by_cell])

    def first(self, count: int) -> Hits:
        """The same of so many seeds, the first ones."""
        return replace(self, seeds=self.seeds[:count])

    def minus(self, first: tuple, second: tuple) -> np.ndarray:
        """float, seeds × test images: 1 where only the first cell is right, −1 where only the second, else 0."""
        return self[first].astype(np.float64) - self[second]

    def level(self, cell: tuple) -> np.ndarray:
        """float, a share a seed of which no more is known."""
        return np.array([self.shares[*cell, s] for s in self.seeds if (*cell, s) in self.shares])

    def others(self, first: tuple, second: tuple) -> np.ndarray:
        """First minus second share, of the seeds of which no more is known than these (see `crossed`)."""
        return self.level(first) - self.level(second)

    def change(self, first: tuple, second: tuple) -> Crossed:
        """First minus second cell, in points."""
        return crossed(self.minus(first, second), others=self.others(first, second)).in_points

    def by_seed(self, first: tuple, second: tuple) -> np.ndarray:
        """float, a difference in points a seed."""
        return 100 * np.concatenate([self.minus(first, second).mean(axis=1), self.others(first, second)])

    def fewer(self, cells: Mapping[str, tuple]) -> str:
        """Title → cell: says of which titles fewer seeds, or fewer seeds' images, are known; "" where of none."""
        short, whole = [], len(self.seeds)
        for title, cell in ((title, cell) for title, cell in cells.items() if cell in self):
            images, every = len(self[cell]), len(self[cell]) + len(self.level(cell))
            if every < whole:
                short.append(f"{title}: {plural(every, 'seed')}")
            elif images < whole:
                short.append(f"{title}: what test images do is told by {plural(images, 'seed')}")
        return f" ({'; '.join(short)})" if short else ""

    @property
    def names(self) -> list[tuple]:
        """Names of the cells without the seed, in their order."""
        return list(dict.fromkeys(cell[:-1] for cell in self.by_cell))

    @property
    def rows(self) -> pd.DataFrame:
        """Columns result, cell (its name, parts joined by "; "), seed, n, right (see `raw.unpack`)."""
        return pd.DataFrame(
            {"result": self.result, "cell": _text(cell), "seed": s, "n": len(v), "right": pack(v)}
            for (*cell, s), v in self.by_cell.items()
        )


def _text(cell: Iterable) -> str:
    """A cell's name as one text."""
    return "; ".join(map(str, cell))


def hits(name: str, cells: Callable[[Design], Cells], no_rows: str = "", heads: bool = False) -> Result:
    """Declare a result: who is right, by predictions whose cells' names end with the seed; rows go into hits.csv.

    heads : where the design has a second judge, the cells are its heads; 0 is then the head itself, 1, 2, … those that
        were fitted to redrawn images, and so on for the heads of the next generator.
    """

    def again(d: Design, rows: pd.DataFrame) -> Hits:
        names = {(_text(cell[:-1]), cell[-1]): cell for cell in cells(d)}
        by_cell, shares = {}, {}
        for cell, seed, right, n in zip(rows.cell.fillna(""), rows.seed, rows.right, rows.n, strict=True):
            if right.startswith(SHARE):
                shares[names[cell, seed]] = float(right.removeprefix(SHARE))
            else:
                by_cell[names[cell, seed]] = unpack(right, n)
        return Hits(name, by_cell, d.seeds, shares)

    @result(f"{name}_hits", cells, rows=lambda value: value.rows, file="hits.csv", no_rows=no_rows, again=again)
    def right(d: Design, values: Values) -> Hits:
        by_cell: dict[tuple, np.ndarray] = {}
        for cell, told in values.items():
            rows = [(cell[-1], told.correct)]
            if isinstance(told, Judged):
                first = d.judging.index(cell[-1]) * len(told.correct)
                rows = list(enumerate(told.correct, start=first))
            by_cell |= {(*cell[:-1], number): row for number, row in rows}
        by_heads = heads and d.heads
        return Hits(name, by_cell, tuple(range(by_heads.generators * (1 + by_heads.draws))) if by_heads else d.seeds)

    return right


def arm_difference(
    d: Design,
    known: Hits,
    first: ArmCell,
    second: ArmCell,
    dataset: str = "",
    groups: np.ndarray | None = None,
) -> Crossed:
    """First minus second arm, in points: the one interval of the two wherever they are compared.

    known : hits of Table 3, or of Table 4 with the name of its `dataset`. groups : as of `crossed`. Raises UserError
    for a cell that the preset does not run.
    """
    where = (dataset,) if dataset else ()
    for cell in (first, second):
        if (*where, *cell) not in known:
            raise UserError(f"the preset {d.preset.name} does not run {cell_name(cell)}")
    cells = [name[len(where) :] for name in known.names if name[: len(where)] == where]

    def others(a: ArmCell, b: ArmCell) -> np.ndarray:
        return known.others((*where, *a), (*where, *b))

    found = contrast(lambda cell: known[*where, *cell], first, second, alike(cells, first, second), groups, others)
    place = next((i for i, arms in enumerate(d.columns) if arms.name == dataset), d.columns.index(d.arms))
    change = known.minus((*where, *first), (*where, *second))
    return widened(found, change, groups, numbered(d.records[place])).in_points


def alike(cells: Iterable[ArmCell], *asked: ArmCell) -> list[ArmCell]:
    """Of a study's cells and those that are asked about the ones whose seeds differ in a classifier's training alone.

    Arms with images of the study's generators share these, and drawn subsets vary by themselves. Other images under a
    policy count only where they are asked about: the plain answer does not run them, and shall say what tables say.
    """
    several = [cell for cell in cells if cell[0] in ALIKE or cell[0].base == REAL_ONLY]
    return [cell for cell in dict.fromkeys([*several, *asked]) if cell[0].base in ALIKE]
