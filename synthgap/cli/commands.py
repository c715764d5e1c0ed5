"""The command line: `synthgap --help`."""

from __future__ import annotations

import select
import signal
import sys
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..base.disk import disk_fault
from ..base.errors import UserError
from ..base.words import duration, plural
from . import images, models, runs, scale
from .notice import found, intended, parted
from .options import of_study, run_name

if TYPE_CHECKING:
    from ..base.progress import Progress
    from ..book.making import Making
    from ..design.loading import Design
    from ..exhibits.study import Study

WORTH_ASKING = 60.0  # seconds of computing before which a run asks
INTERRUPTED = 130  # exit code after Ctrl-C; typer turns the exception into it

app = typer.Typer(
    name="synthgap",
    help="Would synthetic images of a diffusion model replace your real ones, or help them?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
@of_study()
def run(
    parameters: dict,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler whose workers compute instead, and share the results folder."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before a long run.")] = False,
    answer_only: Annotated[
        bool, typer.Option("--answer-only", help="Stop at the page with the answer: no other chapter, no book.")
    ] = False,
    book: Annotated[bool, typer.Option(help="Execute the chapters and build the book, too.")] = True,
    publish: Annotated[bool, typer.Option(help="Replace the notebooks in book/executed/ by this run's.")] = False,
) -> None:
    """Say what synthetic images would do for a data set: one page with the answer, then the whole book for it.

    Before it starts, it says what it found in a folder, what the generator's size leaves of its images, what it will do
    with it, and how long that takes. The page (answer.html) is there as soon as what it needs is computed. Interrupted,
    the same command goes on where it stopped.

    Example: synthgap run --dataset folder:photos
    """
    started = time.monotonic()
    if answer_only and publish:
        raise UserError("--publish wants the whole book; leave out --answer-only")
    named = [source for source in (parameters["dataset"], parameters["synthetic"]) if source not in ("auto", "none")]
    typer.echo(f"reading {' and '.join(named) or 'the data sets of the preset ' + parameters['preset']}")
    from ..base.progress import Progress
    from ..book.execute import find_root
    from ..book.making import Making
    from ..exhibits.sections import ANSWER
    from ..exhibits.study import Study
    from ..planning.look import first_look

    root, progress, name = find_root() if book or publish or answer_only else None, Progress(), run_name(parameters)
    making = None if root is None else Making(root, parameters, name, progress, publish, started)
    study = Study(**parameters, scheduler=scheduler)
    several = found(study), intended(study), parted(study, study.results / name)
    for line in chain(*several, first_look(study.design, study.store, study.results / name)):
        typer.echo(line)
    sections = ANSWER if answer_only else ()
    expected, work = _expected(study, study.lab.here, making, sections)
    _ask(sum(expected.values()), work, scheduler, yes)
    with progress:
        progress.expect(expected)
        study.lab.progress = progress
        _decide(study, making, progress, sections)
        if making is None:
            _compute(study, progress, name)
        elif not answer_only:
            index = making.book(study, study.plan())
            progress.say(f"done in {duration(progress.elapsed)}; open the book:")
            progress.say(str(index))


def _expected(
    study: Study, d: Design, making: Making | None, sections: tuple[str, ...]
) -> tuple[dict[str, float], float]:
    """Part → seconds of all that a run with this design still takes, and the seconds of computing among them."""
    from ..exhibits.study import plan
    from ..planning import parts
    from ..planning.calibrate import rates

    specs = plan(d, *sections)
    missing = study.store.missing(specs)
    ratios = rates(d.main, specs, study.store)
    artifacts = parts.artifacts(missing, study.lab.processes(missing), ratios)
    beyond = making.expected(specs, ratios, bool(sections)) if making else {}
    return artifacts | beyond, sum(artifacts.values())


def _ask(seconds: float, work: float, scheduler: str | None, yes: bool) -> None:
    """Say how long the run takes, and ask before a long one. work : seconds of computing artifacts."""
    where = "of one core's work, which the scheduler's workers share" if scheduler else "here"
    typer.echo(f"this takes about {duration(seconds)} {where}")
    if work > WORTH_ASKING and not yes and not _agreed():
        typer.echo("stopped; nothing was computed")
        raise typer.Exit()


def _agreed() -> bool:
    """What a user types, or what comes through a pipe; where nothing comes, nobody objects."""
    if sys.stdin.isatty():
        return typer.confirm("Go on?", default=True)
    try:
        waiting = bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # no stream of the system's, or a closed one
        return True
    return not (waiting and sys.stdin.readline().strip().lower() in ("n", "no"))


def _decide(study: Study, making: Making | None, progress: Progress, sections: tuple[str, ...]) -> None:
    """Compute the answer and make its page; of a study that grows, again and again until it is decided."""

    def forecast(d: Design) -> float:
        expected, _ = _expected(study, d, making, sections)
        progress.expect(expected)
        return sum(expected.values())

    def answer() -> None:
        page = making.answer(study)
        seeds = "" if study.design.heads else f" with {plural(len(study.seeds), 'seed')}"
        work = duration(_work(study), "core-")
        progress.say(f"the answer{seeds}, after {duration(progress.elapsed)} ({work} of computing in all): {page}")

    if study.growth:
        progress.say(f"no more seeds: {study.decide(forecast, answer if making else None)}")
    elif making:
        answer()


def _work(study: Study) -> float:
    """Core-seconds that the answer's artifacts took, in this run and in those before it."""
    from ..exhibits.sections import ANSWER
    from ..graph.specification import in_order

    store = study.store
    return sum(store.provenance(spec)["seconds"] for spec in in_order(study.plan(*ANSWER)) if store.has(spec))


def _compute(study: Study, progress: Progress, name: str) -> None:
    """Compute all of a study's artifacts, without the book."""
    from ..book.making import leave_run

    plan = study.plan()
    study.compute(plan)
    leave_run(study, plan, study.results / name)
    progress.say(f"artifacts: {study.store.root}")


@app.command()
def pdf(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("_build/synthgap.pdf"),
    executed: Annotated[
        Path | None, typer.Option(help="Folder of executed chapters; default the published ones, book/executed.")
    ] = None,
) -> None:
    """Print the whole book into one PDF. It takes a Chromium (or Chrome), and no LaTeX.

    Example: synthgap pdf --executed results/quick/chapters --out mine.pdf
    """
    from ..book.execute import EXECUTED, find_root
    from ..book.pdf import make_pdf

    root = find_root()
    typer.echo(str(make_pdf(root, executed or root / EXECUTED, out)))


for several in (images, scale, models, runs):
    for command in several.COMMANDS:
        app.command()(command)


def main() -> None:
    """Entry point: a user's error is one line and exit code 2; an interruption says how to go on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is stopped, too
    try:
        sys.exit(_called())
    except typer.Abort:  # a question that got no answer
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("synthgap: interrupted; the same command continues from here", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        line = _one_line(error)
        if line is None:
            raise
        typer.echo(f"synthgap: error: {line}", err=True)
        sys.exit(2)
    finally:
        signal.signal(signal.SIGTERM, before)


def _called() -> int:
    """Run the command that `sys.argv` names; returns its exit code."""
    code = app(prog_name="synthgap", standalone_mode=False)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _one_line(error: Exception) -> str | None:
    """What to tell of an error that a user can mend; None of one that they can't."""
    if isinstance(error, (UserError, FloatingPointError)):  # the latter: a training that diverged
        return str(error)
    if type(error).__name__ == "OutOfMemoryError":  # PyTorch's, which is slow to import
        return (
            f"the GPU's memory is full ({'. '.join(str(error).split('. ')[:2])}); free it of other programs, or take a "
            "smaller batch in the preset's file, and the same command goes on"
        )
    if hasattr(error, "format_message"):  # words on the command line that typer refuses
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(error.exit_code)
        path = getattr(getattr(error, "ctx", None), "command_path", "synthgap")
        return f"{' '.join(error.format_message().split()).rstrip('.')}; see {path} --help"
    fault = disk_fault(error)
    if fault is None:
        return None
    reason, remedy = fault
    return f"{getattr(error, 'filename', None) or 'the output'} can't be written ({reason}); {remedy}"
