"""The CSV files of a study: one a result, one long file of all numbers, and who is right on which image."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..base.files import replacing
from .base import Lab
from .raw import to_long
from .sections import results

LONG = "results.csv"
OF_SEEDS = {"seed", "generator"}  # columns of which a table with a row a seed has one


def tables(lab: Lab) -> dict[str, pd.DataFrame]:
    """File → its rows, of every result that has any; several results may share a file."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for result in results():
        if result.rows:
            parts.setdefault(result.file, []).append(lab.rows(result))
    return {file: pd.concat(several, ignore_index=True) for file, several in parts.items()}


def write_tables(lab: Lab, folder: Path) -> None:
    """Write them all; each file appears whole."""
    several = tables(lab)
    numbers = {Path(f).stem: rows for f, rows in several.items() if OF_SEEDS & set(rows) and "right" not in rows}
    for name, rows in {**several, LONG: to_long(numbers)}.items():
        with replacing(folder / name) as temporary:
            rows.to_csv(temporary, index=False)
