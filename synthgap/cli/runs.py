"""The commands about runs that are there: join several, and what their store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..base.errors import UserError
from .options import Results

if TYPE_CHECKING:
    from ..graph.inventory import Found


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
        raise UserError(f"{runs[0]} is the only one named; name two runs or more")
    check_new_folder(out)
    root = find_root()
    join(runs, out)
    with Progress() as progress:
        study, hidden = merged(root, out, progress)
    seeds = ", ".join(map(str, study.seeds))
    typer.echo(f"{len(runs)} runs joined, seeds {seeds}; raw rows and provenance: {out / 'chapters'}")
    typer.echo(f"not shown, since they are pictures: {', '.join(hidden)}")
    typer.echo(f"the answer: {out / 'answer.html'}")


def store(
    results: Results = "results",
    check: Annotated[bool, typer.Option("--check", help="Read every byte, to find damaged artifacts.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Say what can be removed; with --yes remove it.")] = False,
    unnamed: Annotated[
        bool, typer.Option("--unnamed", help="Prune what no finished run names, too; not while another run goes on.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove.")] = False,
) -> None:
    """Say what takes room in the results folder: by kind, by run, and what is damaged, unfinished or left over.

    --prune names what nothing needs any more: artifacts of other code than the present, checkpoints of finished
    trainings, temporary folders, damaged artifacts. It removes nothing without --yes, and never what a process works
    on. What finished runs show stays readable: they keep the small files that their results read.

    Example: synthgap store --prune
    """
    from ..graph.inventory import CURRENT, UNFINISHED, inventory, remove

    root = Path(results) / "store"
    if not root.is_dir():
        raise UserError(f"there is no {root}; name the folder that runs were told by --results")
    if (yes or unnamed) and not prune:
        raise UserError(f"--{'yes' if yes else 'unnamed'} is for --prune; add that, or leave it out")
    found = inventory(root, check)
    named = _named(Path(results))
    for line in _told(found, named):
        typer.echo(line)
    if not prune:
        return
    needed = set().union(*named.values())
    kept = (CURRENT, UNFINISHED)
    gone = [one for one in found if one.state not in kept or (unnamed and one.key not in needed)]
    busy = [one for one in gone if yes and not remove(one, root)]
    typer.echo(f"{'removed' if yes else 'would be removed'}: {_sum([one for one in gone if one not in busy])}")
    if busy:
        typer.echo(f"somebody works on {len(busy)} of them now: these stay")
    if gone and not yes:
        typer.echo("add --yes to remove them")


def _named(results: Path) -> dict[str, set[str]]:
    """Finished run → keys of the artifacts that it is made from; runs of other code name none."""
    from ..design.record import RECORD, read_record
    from ..exhibits.study import plan
    from ..graph.specification import in_order

    folders = [path.parent for path in sorted(results.glob(f"*/{RECORD}"))]
    return {folder.name: {spec.key for spec in in_order(plan(read_record(folder).design()))} for folder in folders}


def _told(found: list[Found], named: dict[str, set[str]]) -> list[str]:
    """By kind, by run, and by state."""
    from ..graph.inventory import CURRENT

    artifacts = [one for one in found if one.kind]
    lines = [f"artifacts: {_sum(artifacts)}"]
    kinds = {kind: [one for one in artifacts if one.kind == kind] for kind in {one.kind for one in artifacts}}
    several = sorted(kinds.items(), key=lambda item: -sum(one.size for one in item[1]))
    lines += [f"  {kind:<17}{_sum(mine)}" for kind, mine in several]
    for run, keys in named.items():
        others = set().union(*(theirs for other, theirs in named.items() if other != run))
        mine = [one for one in artifacts if one.key in keys]
        lines.append(f"run {run}: {_sum(mine)}; its alone {_sum([one for one in mine if one.key not in others])}")
    every = set().union(*named.values())
    loose = [one for one in artifacts if one.state == CURRENT and one.key not in every]
    lines.append(f"in no finished run: {_sum(loose)}")
    states = dict.fromkeys(one.state for one in found if one.state != CURRENT)
    return lines + [f"{state}: {_sum([one for one in found if one.state == state])}" for state in states]


def _sum(several: list[Found]) -> str:
    from ..planning.outlook_text import size

    return f"{len(several):,}, {size(sum(one.size for one in several))}"


COMMANDS = (merge, store)
