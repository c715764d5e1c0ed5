"""The commands for large runs: what a study will take, its graph, and one node of that."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

from ..base.errors import UserError
from ..base.processes import first, several
from .options import of_study

if TYPE_CHECKING:
    from ..exhibits.study import Study
    from ..graph.specs import Spec

SHOWN = 3  # missing inputs that an error names


@of_study(results="", minutes="none")
def estimate(
    parameters: dict,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Say what a study will take before it starts: artifacts, network evaluations, FLOP, disk, memory and hours.

    Nothing is written, and the paper's data sets need not be there. Hours come from the cost model, calibrated by a few
    seconds of the study's own networks on this device.

    Example: synthgap estimate --preset paper
    """
    from ..graph.run import workers_for
    from ..graph.specification import in_order
    from ..planning.calibrate import measure
    from ..planning.outlook import Outlook
    from ..planning.outlook_text import lines, summary

    del parameters["minutes"]  # the number of seeds is fixed here
    outlook = Outlook(**parameters)
    specs = in_order(outlook.plan())
    found = summary(outlook, workers_for(outlook.workers, specs), measure(outlook.design.main, specs))
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(lines(found)))


@of_study(workers="auto", minutes="none")
def plan(parameters: dict) -> None:
    """Print a study's graph as JSON lines, inputs first: key, kind, inputs, seconds, level, done.

    seconds: estimated, of one core; level: 0 without inputs, else one more than the highest of them; done: is it in the
    results folder? The images themselves are put there.

    Example: synthgap plan --preset quick > plan.jsonl
    """
    from ..graph.estimate import cost

    study, specs = _planned(parameters)
    levels: dict[str, int] = {}
    for spec in specs:
        levels[spec.key] = 1 + max((levels[item.key] for item in spec.inputs), default=-1)
        node = {
            "key": spec.key,
            "kind": spec.kind,
            "inputs": [item.key for item in spec.inputs],
            "seconds": round(cost(spec), 3),
            "level": levels[spec.key],
            "done": study.store.has(spec),
        }
        typer.echo(json.dumps(node))


@of_study(workers="1", minutes="none")
def compute(
    parameters: dict,
    key: Annotated[str, typer.Argument(help="Key in a line of synthgap plan; its first 8 digits or more will do.")],
    with_inputs: Annotated[
        bool, typer.Option("--with-inputs", help="Compute what it needs and is missing, too.")
    ] = False,
) -> None:
    """Compute one node of a study's graph, in this process, and print its folder; the options are those of the plan.

    A diffusion model's training may be shared by several processes, one a GPU:
    torchrun --nproc-per-node 8 -m synthgap.cli compute KEY …

    Example: synthgap compute 1f0c9a2e --preset quick
    """
    if not re.fullmatch("[0-9a-f]{8,64}", key):
        raise UserError(f"{key!r} is no key; give 8 to 64 hexadecimal digits of one, as synthgap plan prints them")
    study, specs = _planned(parameters)
    found = [spec for spec in specs if spec.key.startswith(key)]
    if len(found) != 1:
        what = f"{len(found)} nodes have keys that begin with" if found else "no node has the key"
        raise UserError(f"{what} {key}; give one that synthgap plan prints with the same options")
    spec = found[0]
    missing = [item for item in study.store.missing([spec]) if item != spec]
    if missing and not with_inputs:
        named = ", ".join(f"{item.kind} {item.key[:12]}" for item in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"{spec.kind} {spec.key[:12]} lacks its inputs {named}{more}; compute them first, or add --with-inputs"
        )
    if several():
        study.store.compute_together(spec)
    else:
        study.compute([spec])
    if first():
        typer.echo(str(study.store.folder(spec)))


def _planned(parameters: dict) -> tuple[Study, list[Spec]]:
    from ..exhibits.study import Study
    from ..graph.specification import in_order

    study = Study(**parameters)
    return study, in_order(study.plan())


COMMANDS = (estimate, plan, compute)
