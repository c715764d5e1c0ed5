"""The commands about runs that are there: join several, and what their store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..base.errors import UserError


def merge(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of finished runs, results/quick-seeds_0_1_2 for instance.")
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the joined run.")],
) -> None:
    """Join finished runs that differ in their seeds alone: narrower intervals from runs on several machines.

    Each run leaves what this needs in its folder (run.json and kept/: predictions, scores and measures), so that its
    store may be gone, or on another machine. Code, preset, options, device and images must be the same, and the
    seeds 0, 1, … without a gap. The new folder gets the answer's page, all raw rows and their provenance; it may be
    joined again. Pictures are not among what runs leave: the exhibits that show some are named.

    Example: synthgap merge results/quick-seeds_0_1_2 other/quick-seeds_3_4_5 --out results/six
    """
    from ..base.progress import Progress
    from ..book.execute import find_root
    from ..book.making import merged
    from ..data.imageset import check_new_folder
    from ..design.record import join

    if len(runs) < 2:
        raise UserError(f"{runs[0]} is one run; name two or more")
    check_new_folder(out)
    root = find_root()
    join(runs, out)
    with Progress() as progress:
        study, hidden = merged(root, out, progress)
    seeds = ", ".join(map(str, study.seeds))
    typer.echo(f"{len(runs)} runs joined, seeds {seeds}; raw rows and provenance: {out / 'chapters'}")
    typer.echo(f"not shown, since they are pictures: {', '.join(hidden)}")
    typer.echo(f"the answer: {out / 'answer.html'}")


COMMANDS = (merge,)
