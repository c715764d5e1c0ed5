"""Study: one data set at one preset; asks the store for results and returns tables and figures."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from ..data.duplicates import duplicate_lines
from ..data.inspect import inspect_folder
from ..data.report import report_lines
from ..data.splits import SPLITS, Splits
from ..graph.estimate import BUSY, cost
from ..graph.run import workers_for
from ..graph.specs import Spec
from .causes import Causes
from .figures import FIGURE4_STEPS, FIGURE9_STEPS
from .raw import pack, to_long
from .results import ALGORITHM_STEPS


class Study(Causes):
    """The paper's experiments on one data set.

    Parameters
    ----------
    dataset : "auto" (the preset's own), or any source that `load_splits` knows.
    preset : "smoke", "quick", "full" or "paper".
    results : folder of the artifact store and of what is rendered from it.
    seeds : number of seeds, or a list of them; "auto" is the preset's number.
    image_size : longest side in pixels, or "auto".
    device : "cpu", "cuda", or "auto" (cuda where there is one).
    workers : processes on this machine, or "auto".
    synthetic : images of a generator of your own, judged as an arm of Table 3 beside the diffusion model's: a folder
        with the same class folders, or any source that `load_pool` knows; "none" is none.
    max_images, flip, grey, class_weights : see `design.options.Options`.
    scheduler : address of a Dask scheduler; its workers compute instead. They share `results`, under the same path.

    Every result method computes what the store lacks and no more. Tables have one row a seed.
    Raises UserError for anything wrong in the arguments or the data.
    """

    def plan(self) -> list[Spec]:
        """Every specification that the chapters read."""
        groups = [arms.table2() for arms in self.columns_of(2)]
        for arms in self.columns_of(4):
            groups += [arms.table4(), arms.table4_fidelity()]
        groups += [*self.main.results(), self.main.features((*FIGURE9_STEPS, *self.main.rivals))]
        groups += [*self.arms.augmentation(), self.arms.crossed()]
        groups.append(self.main.grid((*FIGURE4_STEPS, *ALGORITHM_STEPS, *self.preset.grid, *self.main.rivals)))
        return [*self.answer_plan(), *(spec for group in groups for spec in group.values())]

    def data_summary(self) -> pd.DataFrame:
        """One row a data set: images a split, shape, classes, how it was split, the hash of its members."""
        rows = []
        for arms, record in zip(self.columns, self.records, strict=True):
            train = arms.data["train"]
            channels, height, width = train.shape
            rows.append(
                {
                    "data set": arms.name,
                    **record["sizes"],
                    "pixels": f"{width}×{height}" + (" grey" if channels == 1 else " colour"),
                    "classes": train.classes,
                    "split": "; ".join([record["policy"], *record["notes"]]),
                    "members (SHA-256)": record["members_sha256"][:12],
                }
            )
        return pd.DataFrame(rows)

    def found(self) -> list[str]:
        """What the data sets hold, in plain text, warnings included."""
        lines = []
        for arms, record in zip(self.columns, self.records, strict=True):
            kind, _, path = record["source"].partition(":")
            lines.append(f"found in {record['source']}:")
            channels, height, width = arms.data["train"].shape
            classes = arms.data["train"].classes
            kinds = f"{classes} classes, {width}×{height} pixels, {'grey' if channels == 1 else 'colour'}"
            told = report_lines(inspect_folder(Path(path))) if kind == "folder" else [kinds]
            told += record.get("found", [])
            told += duplicate_lines(Splits(**{s: self.store.get(arms.data[s]) for s in SPLITS}, record=record))
            lines += [f"  {line}" for line in told]
        if self.told_of_given:
            lines.append(f"found in {self.arms.data['given'].loading.synthetic}:")
            lines += [f"  {line}" for line in self.told_of_given]
        return lines

    def intended(self) -> list[str]:
        """What will be done with the data: sizes, splits, options, preset."""
        lines = ["what will be done:"]
        for arms, record in zip(self.columns, self.records, strict=True):
            sizes = ", ".join(f"{n:,} {split}" for split, n in record["sizes"].items())
            lines.append(f"  {arms.name}: {sizes} ({'; '.join([record['policy'], *record['notes']])})")
        seeds = len(self.seeds)
        weights = "" if self.options.class_weights == "none" else "; classes weighted alike in training"
        mirrored = "mirrored at random" if "flip" in self._train.augment else "not mirrored (--flip mirrors them)"
        lines.append(f"  images {mirrored} in training{weights}")
        lines.append(f"  preset {self.preset.name}, {seeds} seed{'s' * (seeds > 1)}: {self.preset.summary}")
        if self.given:
            given = self.arms.data["given"]
            lines.append(f"  {given.count:,} synthetic images of {given.loading.synthetic} are judged")
        return lines

    def minutes(self, plan: list[Spec]) -> float:
        """About how long computing what the store lacks of `plan` takes with this study's workers, in minutes.

        The rates are of one machine (see `estimate`); yours may be twice as fast or slow. With a scheduler it is
        the work of one core.
        """
        missing = self.store.missing(plan)
        count = 1 if self.scheduler else workers_for(self.workers, missing)
        return BUSY * sum(map(cost, missing)) / max(count, 1) / 60

    def raw(self) -> dict[str, pd.DataFrame]:
        """The per-seed rows behind every table and curve."""
        makers = {
            "answer": self.answer_rows,
            "table1": self.table1,
            "table2": self.table2,
            "table3": self.table3,
            "figure6": self.fidelity_curve,
            "figure7": self.attention,
            "figure8": self.entropy_curve,
            "concentration": self.concentration,
            "likelihood": self.likelihood_curve,
            "memorization": self.memorization,
            "table4": self.table4,
            "table4_fidelity": self.table4_fidelity,
            "validation": self.validation,
            "learning_curve": self.learning_curve,
            "collapse": self.collapse,
            "trimming": self.trimming,
            "checkpoints": self.checkpoints,
            "crossed": self.crossed,
            "sensitivity": self.sensitivity,
            "sensitivity_fidelity": self.sensitivity_fidelity,
        }
        return {name: make() for name, make in makers.items()}

    def hits(self) -> pd.DataFrame:
        """Which test images each classifier is right on: columns result, cell, seed, n, right (see `raw.unpack`).

        result : the method whose cells they are, or "answer"; cell : its name without the seed, parts joined by "; ".
        """
        main, arms, answered = self.main, self.arms, self.answer_cells
        listed = dict.fromkeys(cell for part in ("alone", "beside", "without") for cell in answered[part])
        groups = {
            "answer": {(*cell, s): arms.test(arms.arm(*cell, s)) for cell in listed for s in self.seeds},
            **{name: getattr(arms, name)() for name in ("table3", "learning_curve")},
            **{name: getattr(main, name)() for name in ("table2", "trimming", "checkpoints")},
        }
        rows = []
        for result, cells in groups.items():
            self.compute(list(cells.values()))
            for (*cell, seed), spec in cells.items():
                right = self.store.get(spec).correct
                name = "; ".join(map(str, cell))
                rows.append({"result": result, "cell": name, "seed": seed, "n": len(right), "right": pack(right)})
        return pd.DataFrame(rows)

    def save_raw(self, folder: Path) -> None:
        """Write them as CSV files: one a table, results.csv, one long file of all, and hits.csv (see `exhibits.raw`).

        Beside them lie the points and cells of figures that no table holds.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tables = self.raw()
        beside = {"hits": self.hits(), "figure1": self.accuracies(), "projections": self.projections()}
        beside["noise_levels"] = self.noise_levels()
        for name, rows in {**tables, "results": to_long(tables), **beside}.items():
            temporary = folder / f".{name}.csv.{os.getpid()}.tmp"
            rows.to_csv(temporary, index=False)
            os.replace(temporary, folder / f"{name}.csv")

    def colophon(self) -> str:
        """How a chapter's numbers were made, as a Markdown list."""
        made = self.store.provenance(self.main.classifier(self.seeds[0], 0))
        versions = ", ".join(f"{name} {number}" for name, number in made["packages"].items())
        data = "; ".join(f"{arms.name} (train {arms.data['train'].fingerprint[:12]})" for arms in self.columns)
        return (
            f"- preset **{self.preset.name}**: {self.preset.summary}\n"
            f"- data sets and SHA-256 of their training images: {data}\n"
            f"- seeds {', '.join(map(str, self.seeds))}; device {self.device}; one CPU thread an artifact\n"
            f"- {versions}, Python {made['python']}\n"
        )
