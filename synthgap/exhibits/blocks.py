"""Blocks: what results said of seeds that another run computed, as rows, in the place of its artifacts.

Every run leaves one beside its chapters, about half a megabyte a seed. A folder of blocks in the results folder makes a
study of more seeds out of the present ones and theirs: only the present ones are computed, pictures are of these.

A block is three files: `block.json` says what was compared and by which code, `numbers.csv` holds a line a number
(`raw.to_long`), `hits.csv` who is right on which test image. A block may lack a result, or who is right on another data
set: what rests on that is then of the seeds that have it. Of a cell `hits.csv` may hold the share of images that are
classified correctly, and no more (`hits.SHARE`): it counts for means, and for what seeds do to them. What several seeds
make together (classifiers and generators that are crossed, maps that are compared) is made of seeds of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.errors import UserError
from ..base.files import file_sha256
from ..design.loading import Design
from ..design.record import Record, difference
from ..design.values import Arm
from ..graph.codehash import definitions_hash
from .raw import NAMES, from_long

BLOCK, NUMBERS, HITS = "block.json", "numbers.csv", "hits.csv"
BLOCKS = "blocks"  # folder in the results folder, a block in each of its own
FOLLOWED = tuple(f"synthgap.{part}." for part in ("exhibits", "design", "metrics", "paper", "stats"))
TEXTS = dict.fromkeys((*NAMES[: NAMES.index("arm") + 1], "cell", "right"), str) | {"strength": float}


Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class Elsewhere(BaseModel):
    """How a block came about. days : first and last day of its artifacts. seconds : of one core, for all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: tuple[int, ...]
    device: str
    days: tuple[Day, Day]
    seconds: float
    commit: Commit | None = None
    dirty: bool | None = None


class About(BaseModel):
    """What `block.json` holds. results : name → hash of the code that made its rows. files : name → SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: Record
    made: Elsewhere
    results: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Block:
    """A block that was read. rows : result → its rows."""

    folder: Path
    made: Elsewhere
    rows: dict[str, pd.DataFrame]


def code_of(makers: Iterable[Callable[..., Any] | None]) -> str:
    """SHA-256 of the code that makes results: of these functions and of all that they name."""
    roots = {f"{f.__module__}:{f.__qualname__.split('.')[0]}" for f in makers if f is not None}
    return definitions_hash((root for root in roots if "<" not in root), FOLLOWED)


def read_blocks(results: Path, d: Design, code: Callable[[], dict[str, str]]) -> tuple[tuple[Block, ...], list[str]]:
    """The blocks that give a study some of its seeds, and a line for each that could and doesn't: which, and why.

    code : gives the hash of the present code of each result that a block holds. A block is left out whose run differs
    in more than its seeds, whose rows other code made, or that holds the first seed: pictures are of that one.
    """
    found: list[Block] = []
    untold = []
    for path in sorted((results / BLOCKS).glob(f"*/{BLOCK}")):
        about = _read_about(path)
        taken = {seed for block in found for seed in block.made.seeds}
        if not set(about.made.seeds) <= set(d.seeds):
            continue
        if told := _unfit(about, d, code, taken):
            untold.append(f"{path.parent} is not used: {told}")
        else:
            found.append(Block(path.parent, about.made, _read_rows(path.parent, about.files)))
    return tuple(found), untold


def _unfit(about: About, d: Design, code: Callable[[], dict[str, str]], taken: set[int]) -> str:
    """Why a block can't be part of a study; "" where it can."""
    seeds = set(about.made.seeds)
    if d.heads:
        return "the judge features has other seeds; choose judge resnet18"
    if both := seeds & {*taken, d.seeds[0]}:
        return f"seed {min(both)} is another block's, or the first one, whose pictures are shown"
    if told := difference(Record.of(d), about.record):
        return told
    if others := [name for name, version in code().items() if about.results.get(name) != version]:
        return f"other code made {', '.join(others[:3])}; run its seeds again"
    return ""


def _read_about(path: Path) -> About:
    try:
        return About.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        told = " ".join(str(error).split())[:200]
        raise UserError(f"{path} can't be read ({told}); copy its folder again, or remove it") from error


def _read_rows(folder: Path, files: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Result → rows; those of hits under the names of their results."""
    try:
        if changed := [name for name, digest in files.items() if file_sha256(folder / name) != digest]:
            raise ValueError(f"{changed[0]} is not as it was written")
        numbers, hits = (pd.read_csv(folder / name, dtype=TEXTS) for name in (NUMBERS, HITS))
        several = from_long(numbers)
        for rows in several.values():
            if "arm" in rows:
                rows["arm"] = rows.arm.map(Arm)
        return several | {f"{name}_hits": mine for name, mine in hits.groupby("result", sort=False)}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{folder} can't be read ({error}); copy its folder again, or remove it") from error
