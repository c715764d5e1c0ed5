"""A study's CSV files: one a result, one long file of all numbers, and who is right on which image; and its block."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from ..base.disk import write_text
from ..base.files import file_sha256, replacing
from ..data.npz import save_npz
from ..data.splits import spread
from ..design.record import Record
from .base import Lab, Result
from .blocks import BLOCK, HITS, NUMBERS, About, Elsewhere, code_of
from .raw import to_long
from .sections import results
from .slider import sets

LONG = "results.csv"
OF_SEEDS = {"seed", "generator"}  # columns of which a table with a row a seed has one
MOST_BYTES = 1_900_000  # of pixels; files of a published book are limited to 2 MB
ROWS = "rows"  # a run's block, beside its chapters


def tables(lab: Lab) -> dict[str, pd.DataFrame]:
    """File → its rows, of every result that has any; several results may share a file."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for result in results():
        if not result.no_rows:
            parts.setdefault(result.file, []).append(lab.rows(result))
    return {file: pd.concat(several, ignore_index=True) for file, several in parts.items()}


def write_tables(lab: Lab, folder: Path) -> None:
    """Write them all; each file appears whole."""
    several = tables(lab)
    numbers = {Path(f).stem: rows for f, rows in several.items() if OF_SEEDS & set(rows) and "right" not in rows}
    _write({**several, LONG: to_long(numbers)}, folder)


def _write(several: dict[str, pd.DataFrame], folder: Path) -> None:
    for name, rows in several.items():
        with replacing(folder / name) as temporary:
            rows.to_csv(temporary, index=False)


def write_images(lab: Lab, folder: Path) -> None:
    """Write the first seed's images at the steps of the curves, a file a step, which `npz:FILE` reads: of more than
    MOST_BYTES, an even choice through the classes."""
    for (t,), images in lab.value(sets).items():
        count = min(len(images), MOST_BYTES // math.prod(images.shape))
        if t and count:
            save_npz(
                images.subset(np.sort(spread(images.labels, count))), folder / f"{lab.design.main.name}-t_re-{t}.npz"
            )


def joinable() -> list[Result]:
    """The results that a block holds: those that can be had again from rows."""
    return [r for r in results() if r.again]


def code_of_rows() -> dict[str, str]:
    """Result that a block holds → SHA-256 of the present code that makes its rows."""
    return {r.name: code_of(f for one in r.all() for f in (one.make, one.cells)) for r in joinable()}


def write_block(lab: Lab, folder: Path, made: Elsewhere) -> None:
    """Write what a study's results say of its seeds; see `blocks`. Each file appears whole, block.json last."""
    several = {r.name: r.rows(lab.value(r)) for r in joinable()}
    hits = [rows for rows in several.values() if "right" in rows]
    numbers = to_long({name: rows for name, rows in several.items() if "right" not in rows})
    folder.mkdir(parents=True, exist_ok=True)
    _write({NUMBERS: numbers, HITS: pd.concat(hits, ignore_index=True)}, folder)
    sums = {name: file_sha256(folder / name) for name in (NUMBERS, HITS)}
    about = About(record=Record.of(lab.design), made=made, results=code_of_rows(), files=sums)
    write_text(folder / BLOCK, about.model_dump_json(indent=1))
