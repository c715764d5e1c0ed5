"""The steps of a run: artifacts, the answer's page, chapters, raw rows, provenance, costs, and the book."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..base.disk import write_text
from ..base.errors import UserError
from ..base.progress import Progress
from ..design.record import leave
from ..exhibits.answer_files import write_answer
from ..exhibits.base import IMAGES
from ..exhibits.files import ROWS, write_block, write_images, write_tables
from ..exhibits.sections import ANSWER, exhibits
from ..exhibits.study import OF_RUN, Study
from ..graph.kept import SMALL
from ..graph.specs import Spec
from ..planning import parts
from ..planning.calibrate import Ratios
from . import costs, execute, guards, provenance, trace

TIMES = "times.json"


class Stages:
    """`with stages("chapters"): …` adds to the seconds of that name."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def save(self, folder: Path) -> None:
        """Write `folder`/times.json: when the run started (UTC), and its seconds."""
        rounded = {name: round(seconds, 1) for name, seconds in self.seconds.items()}
        write_text(folder / TIMES, json.dumps({"started": self.started, "seconds": rounded}, indent=1))


PAGE, RAW, BOOK = "the answer's page", "raw rows", "the book"  # parts of a run, beside artifacts and chapters


@dataclass
class Making:
    """One run of the chapters in `root` for a study with these `parameters`; `name`: of its folder in the results.

    publish : the repository will show it, so that what it holds is checked for that. started : of time.monotonic.
    Raises UserError where `publish` forbids the parameters.
    """

    root: Path
    parameters: dict
    name: str
    progress: Progress
    publish: bool
    started: float
    stages: Stages = field(default_factory=Stages)
    computed: int = 0

    def __post_init__(self) -> None:
        if self.publish:
            guards.check_parameters(self.parameters)

    def expected(self, plan: list[Spec], ratios: Ratios, answer_only: bool) -> dict[str, float]:
        """Part of the run, but for its artifacts → seconds that it adds to the time by the clock."""
        several = execute.chapter_names(self.root)
        one, rate = parts.chapters(plan, several, 1, ratios)[execute.ANSWER], parts.page_rate(ratios)
        out = {execute.ANSWER: one, PAGE: parts.PAGE * rate}
        if not answer_only:
            out = parts.chapters(plan, several, execute.at_once(several), ratios) | out
            out |= {RAW: parts.ROWS * rate, BOOK: parts.BOOK * rate}
        return out

    def answer(self, study: Study) -> Path:
        """Compute what the answer needs, and make its page; returns where it lies.

        Chapters get the number of seeds that a growing study has now, as the most.
        """
        if study.growth:
            self.parameters["seeds"] = len(study.seeds)
        with self.stages("artifacts"):
            self.computed += study.compute(study.plan(*ANSWER))
        folder = study.results / self.name
        with self.stages("chapters"):
            execute.execute_chapters(
                self.root, folder / "chapters", self.parameters, only=(execute.ANSWER,), progress=self.progress
            )
            with self.progress.part(PAGE):
                write_answer(study.lab, folder)
                return execute.answer_page(folder, study.design.arms.name)

    def book(self, study: Study, plan: list[Spec]) -> Path:
        """Compute the rest of the plan, execute the other chapters, and build the book; returns its front page."""
        folder = study.results / self.name
        executed = folder / "chapters"
        with self.stages("artifacts"):
            self.computed += study.compute(plan)
        leave_run(study, plan, folder)
        with self.stages("chapters"):
            done = (execute.ANSWER,)
            execute.execute_chapters(self.root, executed, self.parameters, done=done, progress=self.progress)
            with self.progress.part(RAW):
                write_tables(study.lab, executed)
                if self.publish:
                    write_images(study.lab, executed)
                provenance.write(trace.provenance(study.lab, executed), executed)
        took = costs.measure(study.preset.name, plan, study.store, self.computed, time.monotonic() - self.started)
        kept = costs.save(took, folder / "costs.json")
        if self.publish:
            execute.place_executed(self.root, executed, self.root / execute.EXECUTED, published=True)
            costs.publish(kept, self.root)
        with self.stages("book"), self.progress.part(BOOK):
            staged = execute.stage(self.root, executed, folder / "book")
            index = execute.build(staged, say=self.progress.say, published=self.publish)
        self.stages.save(folder)
        return index


def leave_run(study: Study, plan: list[Spec], folder: Path) -> None:
    """Leave a finished run in its folder: what it compared, the small artifacts, and the block of its seeds."""
    leave(study.lab.here, plan, study.store, folder)
    write_block(study.lab, folder / ROWS, trace.elsewhere(study.lab))


def _remedy(block: int) -> str:
    """What to do where runs don't make up one run of all their seeds."""
    if block == 1:
        return "run the seeds anew where they were run without the whole book"
    return (
        f"classifiers are trained in blocks of {block} seeds (0 to {block - 1}, {block} to {2 * block - 1}, …), so run "
        "whole blocks, with the whole book"
    )


def merged(root: Path, folder: Path, progress: Progress) -> tuple[Study, list[str]]:
    """Make what a run makes of runs that were joined into `folder`: raw rows, the answer's page, and provenance.

    Returns the study, and the exhibits that it can't show. Raises UserError, and removes the folder, where the runs
    together lack what one run of all their seeds has.
    """
    study = Study(f"{OF_RUN}{folder}")
    needed = [spec for spec in study.plan() if isinstance(spec, SMALL)]
    if absent := [spec for spec in needed if not study.store.has(spec)]:
        shutil.rmtree(folder)
        raise UserError(
            f"the runs lack {len(absent)} of {len(needed)} artifacts of one run with all their seeds, {absent[0].kind} "
            f"{absent[0].key[:12]} for instance; {_remedy(study.design.preset.classifier.block)}"
        )
    executed = folder / "chapters"
    write_tables(study.lab, executed)
    parameters = {"dataset": f"{OF_RUN}{folder}"}
    execute.execute_chapters(root, executed, parameters, only=(execute.ANSWER,), progress=progress)
    write_answer(study.lab, folder)
    execute.answer_page(folder, study.design.arms.name)
    provenance.write(trace.provenance(study.lab, executed), executed)
    hidden = [name for name, one in exhibits().items() if any(r.no_rows == IMAGES for r in one.reads)]
    return study, hidden
