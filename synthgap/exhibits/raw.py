"""Raw results as one long table: a line a number, from which the tables regenerate.

Intervals over seeds *and* test images need more than a number a seed: who was right on which image. `pack` makes one
word of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

NAMES = (  # columns that say which cell a number is of; every other column is a number
    "dataset",
    "variant",
    "domain",
    "detector",
    "protocol",
    "split",
    "setting",
    "remedy",
    "strength",
    "arm",
    "multiple",
    "real_images",
    "generator_images",
    "t_re",
    "generator",
    "classifier",
    "seed",
)


def to_long(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All tables (result → one row a seed) as one: columns result, row, the names of cells, measure, value, whole.

    row : of the number in its own table. whole : the measure is a count. Empty tables leave no line.
    """
    parts = []
    for result, table in tables.items():
        if table.empty:
            continue
        numbers = [c for c in table.columns if c not in NAMES]
        names = [c for c in table.columns if c in NAMES]
        long = table.reset_index(names="row").melt(["row", *names], numbers, "measure", "number")
        long = long.rename(columns={"number": "value"})  # not at once: a table may have a column called value
        whole = {c: pd.api.types.is_integer_dtype(table[c]) for c in numbers}
        parts.append(long.assign(result=result, value=long.value.astype(float), whole=long.measure.map(whole)))
    rows = pd.concat(parts, ignore_index=True)
    return rows[["result", "row", *(n for n in NAMES if n in rows), "measure", "value", "whole"]]


def from_long(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The inverse of `to_long`, also of what was written to CSV and read back."""
    out = {}
    for result, mine in rows.groupby("result", sort=False):
        names = [n for n in NAMES if n in mine and mine[n].notna().any()]
        measures = list(dict.fromkeys(mine.measure))
        table = mine.pivot(index="row", columns="measure", values="value")[measures]
        cells = mine.drop_duplicates("row").set_index("row")[names]
        whole = dict(zip(mine.measure, mine.whole, strict=True))
        table = table.astype({m: int for m in measures if whole[m]})
        joined = cells.join(table).sort_index().reset_index(drop=True)
        counts = [n for n in names if pd.api.types.is_float_dtype(joined[n]) and (joined[n] % 1 == 0).all()]
        out[str(result)] = joined.astype(dict.fromkeys(counts, int)).rename_axis(columns=None)
    return out


def pack(right: np.ndarray) -> str:
    """bool N as hexadecimal digits, eight images a pair, the first image the highest bit."""
    return np.packbits(right).tobytes().hex()


def unpack(text: str, n: int) -> np.ndarray:
    """The inverse of `pack`, of N images."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=n).astype(bool)
