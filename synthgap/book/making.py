"""The steps of a run: artifacts, the answer's page, chapters, raw rows, provenance, costs, and the book."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..exhibits.files import write_tables
from ..exhibits.study import Study
from ..graph.specs import Spec
from . import costs, execute, guards, provenance, trace
from .stages import Stages


@dataclass
class Making:
    """One run of the chapters in `root` for a study with these `parameters`; `name`: of its folder in the results.

    publish : the repository will show it, so that what it holds is checked for that. started : of time.monotonic.
    Raises UserError where `publish` forbids the parameters.
    """

    root: Path
    parameters: dict
    name: str
    say: Callable[[str], None]
    publish: bool
    started: float
    stages: Stages = field(default_factory=Stages)
    computed: int = 0

    def __post_init__(self) -> None:
        if self.publish:
            guards.check_parameters(self.parameters)

    def answer(self, study: Study) -> Path:
        """Compute what the answer needs, and make its page; returns where it lies."""
        with self.stages("artifacts"):
            self.computed += study.compute(study.plan("your_data"))
        with self.stages("chapters"):
            return execute.answer_page(self.root, study.results / self.name, self.parameters, study.design.arms.name)

    def book(self, study: Study, plan: list[Spec]) -> Path:
        """Compute the rest of the plan, execute the other chapters, and build the book; returns its front page."""
        folder = study.results / self.name
        executed = folder / "chapters"
        with self.stages("artifacts"):
            self.computed += study.compute(plan)
        with self.stages("chapters"):
            done = (execute.ANSWER,)
            execute.execute_chapters(self.root, executed, self.parameters, say=self.say, done=done)
            write_tables(study.lab, executed)
            provenance.write(trace.provenance(study.lab, executed), executed)
        took = costs.measure(study.preset.name, plan, study.store, self.computed, time.monotonic() - self.started)
        kept = costs.save(took, folder / "costs.json")
        if self.publish:
            execute.place_executed(self.root, executed, self.root / execute.EXECUTED, published=True)
            costs.publish(kept, self.root)
        with self.stages("book"):
            staged = execute.stage(self.root, executed, folder / "book")
            index = execute.build(staged, say=self.say, published=self.publish)
        self.stages.save(folder)
        return index
