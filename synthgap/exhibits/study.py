"""Study: one data set at one preset; asks the store for results and returns tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..base.errors import UserError
from ..design.arms import Arms
from ..design.loading import Design, load
from ..design.options import Options
from ..design.preset import Preset
from ..design.record import reopened
from ..design.split_file import split_rows
from ..graph.run import check_workers
from ..graph.specs import Spec
from ..graph.store import Store
from .answer_text import Answer, answer
from .base import EXHIBITS, Lab, Shown
from .blocks import read_blocks
from .files import code_of_rows
from .growing import NONE, Growth
from .sections import results as all_results
from .your_data import known

OF_RUN = "run:"


class Study:
    """The paper's experiments on one data set.

    `rows`, `show` and `answer` compute what the store lacks and no more.

    Parameters
    ----------
    dataset
        "auto" (the preset's own), any source that `load_splits` knows, or "run:FOLDER": a finished run, also without
        its store (`synthgap merge`), of which everything else is as it was.
    preset
        "smoke", "quick", "full", "paper" or "paper-cifar10".
    results
        folder of the artifact store and of what is rendered from it. Blocks in its folder `blocks` stand for seeds that
        another run computed (`exhibits.blocks`).
    seeds
        number of seeds, or a list of them; "auto" is the preset's number.
    image_size
        longest side in pixels, or "auto".
    device
        "cpu", "cuda", or "auto" (cuda where there is one).
    workers
        processes on this machine, or "auto": one a core. Each GPU has one more, which alone works on it.
    synthetic
        images of a generator of your own, judged as an arm of Table 3 beside the diffusion model's: a folder
        with the same class folders, or any source that `load_pool` knows; "none" is none.
    max_images, flip, grey, class_weights, judge, features, measure, positive, groups, generator
        see `design.options.Options`.
    minutes
        "none", or how many of them `decide` may add seeds for until the plain answer is decided. The study then begins
        with the seeds of the first look, and `seeds` is the most that it may have.
    scheduler
        address of a Dask scheduler; its workers compute instead. They share `results`, under the same path.

    Raises
    ------
    UserError
        anything wrong in the arguments or the data.
    """

    def __init__(
        self,
        dataset: str = "auto",
        preset: str = "quick",
        results: str | Path = "results",
        seeds: int | Sequence[int] | str = "auto",
        image_size: int | str = "auto",
        device: str = "auto",
        workers: int | str = "auto",
        synthetic: str = "none",
        max_images: int | str = "auto",
        flip: bool | str = "auto",
        grey: bool = False,
        class_weights: str = "none",
        judge: str = "auto",
        features: str = "auto",
        measure: str = "auto",
        positive: str = "none",
        groups: str = "none",
        generator: str = "none",
        minutes: float | str = "none",
        scheduler: str | None = None,
    ):
        check_workers(workers)
        self._plans: dict[tuple[str, ...], tuple[Design, list[Spec]]] = {}
        options = Options(
            image_size, max_images, flip, grey, class_weights, judge, features, measure, positive, groups, generator
        )
        if isinstance(dataset, str) and dataset.startswith(OF_RUN):
            if (seeds, synthetic, options, minutes) != ("auto", "none", Options(), "none"):
                raise UserError(f"{dataset} is a finished run, with its own seeds and options; leave out all others")
            self.results = Path(dataset.removeprefix(OF_RUN))
            self.lab = Lab(*reopened(self.results), workers)
            self.growth, self.files, self.blocks_left_out = None, [], []
            return
        loaded = load(dataset, preset, results, seeds, device, synthetic, options)  # before anything is written
        if loaded.sharp is not None and minutes != NONE:
            raise UserError(
                "minutes adds seeds, and the judge features has none; leave minutes out, or choose judge resnet18"
            )
        most = None if seeds == "auto" else loaded.empty.seeds
        self.growth = Growth.of(minutes, most, loaded.empty.preset.classifier.block)
        self.results = Path(results)
        store = Store(self.results / "store")
        d = loaded.design(store.put)
        blocks, self.blocks_left_out = ((), []) if self.growth else read_blocks(self.results, d, code_of_rows)
        lab = Lab(d, store, workers, scheduler, blocks=blocks)
        self.lab = self.growth.first(lab) if self.growth else lab
        self.files = split_rows(loaded.judged, self.design.heads)  # of a user's own: which is in which split

    @property
    def design(self) -> Design:
        """The data sets, arms and seeds that are compared."""
        return self.lab.design

    @property
    def store(self) -> Store:
        """Where artifacts are kept."""
        return self.lab.store

    @property
    def preset(self) -> Preset:
        """The preset, with this study's options applied."""
        return self.design.preset

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return self.design.seeds

    @property
    def main(self) -> Arms:
        """The data set that the book is about."""
        return self.design.main

    @property
    def arms(self) -> Arms:
        """The data set of Table 3, and of everything else about arms."""
        return self.design.arms

    def plan(self, *sections: str) -> list[Spec]:
        """Every specification that the book reads, or that some of its sections' modules read ("your_data"); without
        those of seeds that blocks have."""
        known = self._plans.get(sections)
        if known is None or known[0] is not self.lab.here:  # seeds have been added
            known = self._plans[sections] = self.lab.here, plan(self.lab.here, *sections)
        return list(known[1])

    def compute(self, specs: list[Spec] | None = None) -> int:
        """Compute `specs` (default: the whole plan) where the store lacks them; returns how many that were."""
        return self.lab.compute(self.plan() if specs is None else specs)

    def rows(self, name: str) -> pd.DataFrame:
        """The rows of a result, as in its CSV file: "table3", "figure6"; one row a seed.

        Raises UserError for a name that no result with rows has.
        """
        known = {r.name: r for r in all_results() if not r.no_rows}
        if name not in known:
            raise UserError(f"no result is called {name!r}; known: {', '.join(known)}")
        return self.lab.rows(known[name])

    def show(self, name: str, **options: Any) -> Shown | list[Shown]:
        """What an exhibit of the book shows, "fig-6" or "tab-1": a Figure, Markdown, or several; see `Lab.show`."""
        shown = self.lab.show(name, **options)
        return shown[0] if len(shown) == 1 else shown

    def answer(self) -> Answer:
        """The plain answer, a sentence or more a question; printing it shows them all. Seeds are added before."""
        self.decide()
        self.compute(known.specs(self.lab.here))
        return answer(self.lab.value(known))

    def decide(
        self, forecast: Callable[[Design], float] | None = None, compute: Callable[[], object] | None = None
    ) -> str:
        """Where the study has minutes: add seeds until the plain answer is decided or they are spent.

        forecast : seconds that a design still takes. compute : what is done before each look, in the place of computing
        the answer's artifacts. Returns why it stopped, "" where the number of seeds is fixed.
        """
        if self.growth is None:
            return ""
        while True:
            if compute is None:
                self.compute(known.specs(self.lab.here))
            else:
                compute()
            following = self.growth.following(self.lab, forecast)
            if isinstance(following, str):
                return following
            self.lab = following

    def table1(self) -> pd.DataFrame:
        """Fake detection: columns domain, detector, t_re, seed, accuracy (in [0, 1]), n (pairs)."""
        return self.rows("table1")

    def table2(self) -> pd.DataFrame:
        """Accuracy against t_re: columns dataset, t_re, sigma, seed, accuracy (in [0, 1]), n (test images)."""
        return self.rows("table2")

    def table3(self) -> pd.DataFrame:
        """Replication and augmentation: columns arm, multiple (0: real images alone), seed, accuracy, n."""
        return self.rows("table3")

    def table4(self) -> pd.DataFrame:
        """Table 4's arms on every data set: columns dataset, arm, multiple, seed, accuracy, n."""
        return self.rows("table4")


def plan(d: Design, *sections: str) -> list[Spec]:
    """What the results of a design rest on, or what the exhibits of some sections' modules do; each once."""
    wanted = all_results()
    if sections:
        wanted = [r for e in EXHIBITS.values() if e.section in sections for r in e.reads]
    return list({spec.key: spec for r in wanted for spec in r.specs(d)}.values())
