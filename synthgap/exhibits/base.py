"""A result is what artifacts say, an exhibit what the book shows of it. Each is declared once, in its section's module.

    @result("figure6", fidelity_cells)
    def fidelity(d, values): ...            # → rows; they become figure6.csv

    @exhibit("fig-6", reads=[fidelity], paper=["Figure 6"])
    def fidelity_figure(d, rows): ...       # → what chapters show by show("fig-6")

A view gets the design and what its results say, nothing else: so its results' cells are all that the exhibit rests on.
The plan of a study, its CSV files and the provenance of its exhibits are derived from these declarations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.errors import UserError
from ..base.progress import Progress
from ..design.arms import CROSSFIT
from ..design.loading import Design
from ..design.values import ArmCell
from ..graph.run import run, workers_for
from ..graph.specs import Spec
from ..graph.store import Store
from .blocks import Block
from .raw import NAMES

Cells = dict[tuple, Spec]  # by name: (protocol, t_re, seed), for instance
IMAGES, WHOLE = "images", "the table is all there is"  # reasons for having no CSV file
ACCURACY = ("accuracy", "n")  # of a prediction: share of its n images that are classified correctly


class Html(str):
    """HTML that a chapter shows as it is."""

    __slots__ = ()


Shown = Figure | Html | str  # a string is MyST Markdown
View = Callable[..., Shown | Sequence[Shown]]


def _itself(value: Any) -> Any:
    return value


def _as_it_is(d: Design, rows: pd.DataFrame) -> pd.DataFrame:
    del d
    return rows


@dataclass(frozen=True, eq=False)
class Result:
    """What the artifacts of some cells say.

    cells : from a design to the cells, without computing anything; None: it is made from other results alone.
    make : its arguments are the design, the cells' `Values` (where there are cells) and the values of `reads`.
    rows : from what `make` returns to the rows of `file`. no_rows : why there is no file; else "".
    again : from the design and the rows of all its seeds back to what `make` returns; None where rows are too little.
    """

    name: str
    make: Callable[..., Any]
    cells: Callable[[Design], Cells] | None = None
    reads: tuple[Result, ...] = ()
    rows: Callable[[Any], pd.DataFrame] = _itself
    file: str = ""
    no_rows: str = ""
    section: str = ""
    again: Callable[[Design, pd.DataFrame], Any] | None = None

    def __repr__(self) -> str:
        return f"<result {self.name}>"

    def all(self) -> Iterator[Result]:
        """The result and those that it is made from."""
        yield self
        for other in self.reads:
            yield from other.all()

    def specs(self, d: Design) -> list[Spec]:
        """All that it rests on, but for what those artifacts were made from."""
        several = (r.cells(d).values() for r in self.all() if r.cells)
        return list({spec.stored.key: spec.stored for specs in several for spec in specs}.values())


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the book, or (`plain`) sentences that go without a number.

    paper : places of the paper that it stands for; apart : why there is none. rests_on : on what, where that is no
    artifact. copy_of : the exhibit that it shows again. view : None where it is drawn elsewhere.
    """

    name: str
    reads: tuple[Result, ...] = ()
    view: View | None = None
    paper: tuple[str, ...] = ()
    apart: str = ""
    rests_on: str = ""
    copy_of: str = ""
    plain: bool = False
    section: str = ""

    def results(self) -> list[Result]:
        """Every result that it rests on."""
        return list(dict.fromkeys(r for several in self.reads for r in several.all()))

    def files(self) -> tuple[str, ...]:
        """CSV files with its rows."""
        return tuple(dict.fromkeys(r.file for r in self.results() if not r.no_rows))


RESULTS: dict[str, Result] = {}
EXHIBITS: dict[str, Exhibit] = {}


def result(
    name: str,
    cells: Callable[[Design], Cells] | None = None,
    *,
    reads: Sequence[Result] = (),
    rows: Callable[[Any], pd.DataFrame] | None = None,
    file: str = "",
    no_rows: str = "",
    again: Callable[[Design, pd.DataFrame], Any] | None = None,
) -> Callable[[Callable[..., Any]], Result]:
    """Declare a result; see `Result`. Its file is `<name>.csv`; with a reason in `no_rows` there is none.

    Without `rows`, what `make` returns is the table itself.
    """
    if rows is None and cells is not None and not no_rows:
        again = again or _as_it_is

    def declare(make: Callable[..., Any]) -> Result:
        section = (cells or make).__module__.rpartition(".")[2]
        made = Result(name, make, cells, tuple(reads), rows or _itself, file or f"{name}.csv", no_rows, section, again)
        assert RESULTS.setdefault(name, made) is made, f"two results are called {name}"
        return made

    return declare


def exhibit(
    name: str,
    reads: Sequence[Result] = (),
    *,
    paper: Sequence[str] = (),
    apart: str = "",
    rests_on: str = "",
    copy_of: str = "",
    plain: bool = False,
) -> Callable[[View | None], View | None]:
    """Declare an exhibit; see `Exhibit`. As a decorator of its view, whose arguments are the design and `reads`."""

    def declare(view: View | None) -> View | None:
        section = view.__module__.rpartition(".")[2] if view else ""
        made = Exhibit(name, tuple(reads), view, tuple(paper), apart, rests_on, copy_of, plain, section)
        assert EXHIBITS.setdefault(name, made) is made, f"two exhibits are called {name}"
        return view

    return declare


def sentences(name: str, reads: Sequence[Result] = ()) -> Callable[[View], View]:
    """Declare sentences that a chapter shows without a number."""
    return exhibit(name, reads, plain=True)


class Values(Mapping):
    """What the artifacts of some cells hold, by cell; read from the store one by one, when they are asked for."""

    def __init__(self, cells: Cells, store: Store):
        self.cells, self.store = cells, store

    def __getitem__(self, cell: tuple) -> Any:
        return self.store.get(self.cells[cell])

    def __iter__(self) -> Iterator[tuple]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)


@dataclass
class Lab:
    """A design with a store: computes what results need, and remembers what they say.

    progress : of the command that this is part of. blocks : what results say of those seeds that another run computed.
    """

    design: Design
    store: Store
    workers: int | str = "auto"
    scheduler: str | None = None
    progress: Progress | None = None
    blocks: tuple[Block, ...] = ()
    _known: dict[Result, Any] = field(default_factory=dict)

    def grown(self, looks: tuple[int, ...]) -> Lab:
        """The same for the design with more seeds; see `Design.grown`."""
        return replace(self, design=self.design.grown(looks), _known={})

    @functools.cached_property
    def here(self) -> Design:
        """The design of the seeds that no block has: what is computed here, and shown in pictures."""
        others = {seed for block in self.blocks for seed in block.made.seeds}
        return self.design.of(tuple(s for s in self.design.seeds if s not in others)) if others else self.design

    def compute(self, specs: list[Spec]) -> int:
        """Compute what of `specs` the store lacks; returns how many artifacts that were."""
        return run(specs, self.store, self.workers, scheduler=self.scheduler, progress=self.progress)

    def processes(self, missing: list[Spec]) -> int:
        """How many of this machine's would work on `missing`; 1 with a scheduler, whose workers are not known yet."""
        return 1 if self.scheduler else workers_for(self.workers, missing)

    def value(self, wanted: Result) -> Any:
        """What a result says; computed once."""
        if wanted not in self._known:
            inputs, d = [self.value(other) for other in wanted.reads], self.design
            if wanted.cells is not None:
                d = self.here
                cells = wanted.cells(d)
                self.compute(list(cells.values()))
                inputs.insert(0, Values(cells, self.store))
            value = wanted.make(d, *inputs)
            if wanted.again and (others := [b.rows[wanted.name] for b in self.blocks if wanted.name in b.rows]):
                mine = wanted.rows(value)
                several = [rows for rows in (mine, *others) if len(rows)] or [mine]  # empty rows have no types
                value = wanted.again(self.design, pd.concat(several, ignore_index=True))
            self._known[wanted] = value
        return self._known[wanted]

    def rows(self, wanted: Result) -> pd.DataFrame:
        """The rows of a result's CSV file."""
        if wanted.no_rows:
            raise UserError(f"the result {wanted.name} has no rows: {wanted.no_rows}")
        return wanted.rows(self.value(wanted))

    def show(self, name: str, **options: Any) -> list[Shown]:
        """What the exhibit called `name` shows; options are its view's own.

        Raises UserError for a name that no exhibit has.
        """
        made = EXHIBITS.get(name)
        if made is None or made.view is None:
            raise UserError(
                f"no exhibit is called {name!r}; known: {', '.join(n for n, e in EXHIBITS.items() if e.view)}"
            )
        shown = made.view(self.design, *(self.value(r) for r in made.reads), **options)
        return list(shown) if isinstance(shown, (list, tuple)) else [shown]


# what many results are made by


def measured(names: Sequence[str], values: Sequence[str]) -> Callable[[Design, Values], pd.DataFrame]:
    """Rows of a result: the parts of a cell's name under `names`, and these attributes of its artifact."""
    return read(names, lambda artifact: {v: getattr(artifact, v) for v in values})


def read(names: Sequence[str], reader: Callable[[Any], dict]) -> Callable[[Design, Values], pd.DataFrame]:
    """Rows of a result: the parts of a cell's name under `names`, and what `reader` finds in its artifact."""

    def make(d: Design, values: Values) -> pd.DataFrame:
        return pd.DataFrame(
            [{**dict(zip(names, cell, strict=True)), **reader(artifact)} for cell, artifact in values.items()]
        )

    return make


def by_seed(d: Design, rows: pd.DataFrame, column: str) -> Any:
    """A column's values in the order of the design's seeds; of those that have one (a block may lack some)."""
    values = rows.set_index("seed")[column]
    return values.loc[[seed for seed in d.seeds if seed in values.index]].to_numpy()


def class_by_class(labels: np.ndarray) -> np.ndarray:
    """Positions: the first image of each class, then the second of each, …; classes in the order of their numbers."""
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return np.lexsort((labels, place))


def on_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows at reverse steps, without those of what stands in the place of one."""
    return rows[rows.t_re >= 0]


def of_arm(rows: pd.DataFrame, cell: ArmCell) -> pd.DataFrame:
    """The rows of an arm at its multiple."""
    return rows[(rows.arm == cell[0]) & (rows.multiple == cell[1])]


def crossfitted(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the cross-fitted protocol, in which no classifier judges what it was trained on; all rows where
    there is one protocol only. Raises UserError where there are none."""
    if "protocol" not in rows:
        return rows
    rows = rows[rows.protocol == CROSSFIT]
    if rows.empty:
        raise UserError("there are too few held-out images for the cross-fitted protocol")
    return rows


def by_steps(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One column as seeds × reverse steps; rows and errors as of `crossfitted`."""
    return on_steps(crossfitted(rows)).pivot(index="seed", columns="t_re", values=column)


def known(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of cells that could be measured with every seed; the numbers of others are NaN."""
    if rows.empty:
        return rows
    cells = [rows[name] for name in rows if name in NAMES and name != "seed"]
    numbers = [name for name in rows if pd.api.types.is_float_dtype(rows[name])]
    missing = rows[numbers].isna().any(axis=1).groupby(cells).transform("any")
    return rows[~missing].reset_index(drop=True)
