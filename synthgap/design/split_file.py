"""split.csv: which file of a user's data set is in which split, for whoever draws images elsewhere."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..base.disk import write_text
from ..data.sources import NAMING
from ..data.splits import SPLITS, Splits
from ..graph.reading import pooled
from .heads import Heads

SPLIT = "split.csv"
IN_TURN = "train and test"  # where all images are trained on, and all tested, in turn

Row = tuple[str, ...]  # file, class, split, and the group where there are groups


def split_rows(splits: Splits, heads: Heads | None) -> list[Row]:
    """A row for each image that is used, in the order of the splits and of their images; [] of data without files.

    heads : the second judge, where it judges these splits: it may train on all images and test them in turn.
    """
    record, rows = splits.record, []
    if record["source"].partition(":")[0] not in NAMING:
        return rows
    crossed = heads is not None and heads.crossed
    for split in SPLITS:
        groups = record.get("groups", {}).get(split)
        called = IN_TURN if crossed and split != "validation" else split
        for n, (file, label) in enumerate(zip(record["members"][split], splits[split].labels, strict=True)):
            rows.append((file, splits[split].classes[label], called, *((groups[n],) if groups else ())))
    if not crossed:
        return rows
    pool = [row for row in rows if row[2] == IN_TURN]
    return [row for row in rows if row[2] != IN_TURN] + [pool[i] for i in pooled(heads.data["train"].loading, splits)]


def write_split(rows: list[Row], folder: Path) -> Path:
    """Write the rows into `folder`/split.csv, below a header; the file appears whole or not at all."""
    text = io.StringIO()
    header = ("file", "class", "split", "group")[: len(rows[0])]
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_text(folder / SPLIT, text.getvalue())
    return folder / SPLIT
