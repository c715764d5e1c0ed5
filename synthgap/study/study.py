"""Study: one data set at one preset; asks the store for results and returns tables and figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import plots
from ..data.sources import Splits
from ..device import resolve_device
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import noisy_start
from ..diffusion.schedule import SIGMA_MIN, sigma_max_for, sigma_of
from ..errors import UserError
from ..metrics.entropy import output_entropy
from ..metrics.projection import Projection
from .arms import REAL_ONLY, SYNTHETIC_ONLY, Arms
from .compute import load_all, load_split
from .preset import DataChoice, Preset, load_preset
from .run import check_workers, run
from .specs import Data, Loading, Spec
from .stats import Estimate, paired_difference
from .store import Store

FIGURE4_STEPS = (0, 25, 50, 75, 100)
FIGURE9_STEPS = (0, 50, 100)


class Study:
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

    Every result method computes what the store lacks and no more. Tables have one row a seed.
    Raises UserError for anything wrong in the arguments or the data.
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
    ):
        self.preset: Preset = load_preset(preset)
        self.seeds = _seeds(seeds, self.preset)
        self.device = resolve_device(device)
        check_workers(workers)
        self.workers = workers
        if not isinstance(dataset, str):
            raise UserError(f"dataset is {dataset!r}; give its name or folder:PATH as text")
        own = dataset == "auto"
        main = self.preset.data[0] if own else DataChoice(dataset=dataset)
        if image_size != "auto":
            if not isinstance(image_size, int) or isinstance(image_size, bool):
                raise UserError(f'image_size is {image_size!r}; give a number of pixels, or "auto"')
            main = main.model_copy(update={"image_size": image_size})
        beside = self.preset.data[1:] if own or main == self.preset.data[0] else ()
        loaded = [self._load(choice) for choice in (main, *beside)]  # before anything is written
        self.results = Path(results)
        self.store = Store(self.results / "store")
        self.records = [splits.record for splits, _ in loaded]
        self.columns = [self._arms(splits, loading) for splits, loading in loaded]
        self.main: Arms = self.columns[0]

    def _load(self, choice: DataChoice) -> tuple[Splits, Loading]:
        loading = Loading(
            source=choice.dataset,
            split="train",
            image_size=choice.image_size,
            train_size=choice.train_size,
            limits=tuple(self.preset.limits.items()),
            longest_side=self.preset.longest_side,
            divisor=self.preset.generator.divisor,
        )
        return load_all(loading), loading

    def _arms(self, splits: Splits, loading: Loading) -> Arms:
        """Put the images into the store and name them by content."""
        parts = {
            "train": ("train", None),
            "validation": ("validation", None),
            "test": ("test", None),
            "probe": ("test", self.preset.probe),
            "floor": ("test", len(splits.train)),
            "grid": ("train", self.preset.grid_images),
        }
        data = {}
        for part, (split, take) in parts.items():
            how = loading.model_copy(update={"split": split, "take": take})
            images = load_split(how, splits)
            spec = Data(
                fingerprint=images.fingerprint,
                name=images.name,
                count=len(images),
                shape=images.shape,
                classes=len(images.classes),
                loading=how,
            )
            self.store.put(spec, images)
            data[part] = spec
        return Arms(_title(loading.source), data, self.preset, self.seeds, self.device)

    # what was done to the data, what will be computed

    def plan(self) -> list[Spec]:
        """Every specification that the chapters read."""
        cells: list[Spec] = []
        for arms in self.columns:
            cells += arms.table2().values()
        arms = self.main
        for group in (arms.table3(), arms.figure6(), arms.figure8(), arms.features(FIGURE9_STEPS)):
            cells += group.values()
        cells += arms.grid((*FIGURE4_STEPS, *self.preset.grid)).values()
        return cells

    def compute(self, specs: list[Spec] | None = None) -> int:
        """Compute `specs` (default: the whole plan) where the store lacks them; returns how many that were."""
        return run(self.plan() if specs is None else specs, self.store, self.workers)

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

    def sigma(self, t_re: int, column: int = 0) -> float:
        """σ of a reverse step for one data set's image size."""
        _, height, width = self.columns[column].data["train"].shape
        return float(sigma_of(t_re, SIGMA_MIN, sigma_max_for(height, width)))

    # tables: one row a seed

    def table2(self) -> pd.DataFrame:
        """Accuracy against t_re: columns dataset, t_re, sigma, seed, accuracy (in [0, 1]), n (test images)."""
        cells = {(a.name, i, *cell): spec for i, a in enumerate(self.columns) for cell, spec in a.table2().items()}
        rows = self._accuracies(cells, ("dataset", "column", "t_re", "seed"))
        rows.insert(3, "sigma", [self.sigma(t, i) for t, i in zip(rows.t_re, rows.column, strict=True)])
        return rows.drop(columns="column")

    def table3(self) -> pd.DataFrame:
        """Replication and augmentation: columns arm, multiple, seed, accuracy (in [0, 1]), n (test images)."""
        return self._accuracies(self.main.table3(), ("arm", "multiple", "seed"))

    def fidelity_curve(self) -> pd.DataFrame:
        """Figure 6's numbers: t_re (−1: real against real), seed, frechet, precision, recall, n_real, n_fake."""
        cells = self.main.figure6()
        self.compute(list(cells.values()))
        rows = []
        for (t_re, seed), spec in cells.items():
            value = self.store.get(spec)
            numbers = {k: getattr(value, k) for k in ("frechet", "precision", "recall")}
            rows.append({"t_re": t_re, "seed": seed, **numbers, "n_real": value.n[0], "n_fake": value.n[1]})
        return pd.DataFrame(rows)

    def entropy_curve(self) -> pd.DataFrame:
        """Figure 8's numbers: split, t_re, seed, entropy (nats), n."""
        cells = self.main.figure8()
        self.compute(list(cells.values()))
        rows = []
        for (split, t_re, seed), spec in cells.items():
            value = self.store.get(spec)
            entropy = output_entropy(value.logits)
            rows.append({"split": split, "t_re": t_re, "seed": seed, "entropy": entropy, "n": value.n})
        return pd.DataFrame(rows)

    def gap(self, multiple: int = 1) -> Estimate:
        """Accuracy of real only minus synthetic only ×multiple, paired by seed, in percentage points."""
        return self.arm_difference((REAL_ONLY, 0), (SYNTHETIC_ONLY, multiple))

    def arm_difference(self, first: tuple[str, int], second: tuple[str, int]) -> Estimate:
        """Accuracy of one (arm, multiple) of Table 3 minus another's, paired by seed, in percentage points."""
        table = self.table3().set_index(["arm", "multiple", "seed"]).accuracy.sort_index()
        for arm, multiple in (first, second):
            if (arm, multiple) not in table.index:
                raise UserError(f"{arm} ×{multiple} is not part of the preset {self.preset.name}; see table3()")
        return paired_difference(100 * table.loc[first].to_numpy(), 100 * table.loc[second].to_numpy())

    def save_raw(self, folder: Path) -> None:
        """Write the per-seed rows behind every table and curve as CSV files, from which they regenerate."""
        folder.mkdir(parents=True, exist_ok=True)
        tables = {
            "table2.csv": self.table2,
            "table3.csv": self.table3,
            "figure6.csv": self.fidelity_curve,
            "figure8.csv": self.entropy_curve,
        }
        for name, make in tables.items():
            temporary = folder / f".{name}.{os.getpid()}.tmp"
            make().to_csv(temporary, index=False)
            os.replace(temporary, folder / name)

    def noise_levels(self) -> pd.DataFrame:
        """σ and network evaluations of reverse steps: columns t_re, sigma, paper_scale (σ at 32 × 32), evaluations."""
        steps = (0, 1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100)
        rows = {
            "t_re": steps,
            "sigma": [self.sigma(t) for t in steps],
            "paper_scale": [float(sigma_of(t, SIGMA_MIN, sigma_max_for(32, 32))) for t in steps],
            "evaluations": [self.preset.generator.solver.evaluations(t) for t in steps],
        }
        return pd.DataFrame(rows)

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

    # figures

    def figure1(self) -> Figure:
        """Test accuracy of real against synthetic training sets."""
        rows = self._accuracies(self.main.figure1(), ("arm", "multiple", "seed"))
        return plots.real_against_synthetic(rows, self.main.name)

    def figure2(self) -> Figure:
        """PCA of features, all classes: real against fully synthetic."""
        cells = self.main.features((0, 100))
        return self._projection(cells, None)

    def figure4(self) -> Figure:
        """What is noised away and what is put back: noisy starts above, reconstructions below."""
        cells = self.main.grid(FIGURE4_STEPS)
        self.compute(list(cells.values()))
        seed = self.seeds[0]
        edm: EDM = self.store.get(self.main.generator(seed))
        image = self.store.get(cells[0]).images[0]
        noisy = {t: noisy_start(edm.config, image, t, seed, 0)[0] for t in FIGURE4_STEPS}
        restored = {t: self.store.get(cells[t]).images[0] for t in FIGURE4_STEPS}
        return plots.reconstruction_strip(noisy, restored, {t: self.sigma(t) for t in FIGURE4_STEPS})

    def figure5(self) -> Figure:
        """Reconstructed samples: a row for each reverse step."""
        cells = self.main.grid((0, *self.preset.grid))
        self.compute(list(cells.values()))
        images = {t: self.store.get(spec).images for t, spec in cells.items()}
        return plots.sample_grid(images, {t: self.sigma(t) for t in images})

    def figure6(self) -> Figure:
        """Fréchet distance and precision/recall against t_re."""
        return plots.fidelity_curves(self.fidelity_curve(), self.main.name)

    def figure8(self) -> Figure:
        """Output entropy of the real classifier against t_re, for train and test images."""
        classes = self.main.data["train"].classes
        return plots.entropy_curves(self.entropy_curve(), self.main.name, float(np.log(classes)))

    def figure9(self, label: int | None = None) -> Figure:
        """PCA of features of one class at t_re = 0, 50 and 100; default the last class (the paper: truck)."""
        cells = self.main.features(FIGURE9_STEPS)
        count = self.main.data["train"].classes
        if label is not None and not 0 <= label < count:
            raise UserError(f"label is {label}; this data set has classes 0 to {count - 1}")
        return self._projection(cells, count - 1 if label is None else label)

    def class_names(self) -> tuple[str, ...]:
        return self.store.get(self.main.data["train"]).classes

    def _projection(self, cells: dict[int, Spec], label: int | None) -> Figure:
        self.compute(list(cells.values()))
        values = {t: self.store.get(spec) for t, spec in cells.items()}
        plane = Projection.fit(values[0].features)
        chosen = {t: slice(None) if label is None else v.labels == label for t, v in values.items()}
        points = {t: plane.project(v.features[chosen[t]]) for t, v in values.items()}
        what = "all classes" if label is None else f"class {self.class_names()[label]}"
        return plots.feature_planes(points, plane.explained, f"{self.main.name}, {what}")

    def _accuracies(self, cells: dict[tuple, Spec], names: tuple[str, ...]) -> pd.DataFrame:
        self.compute(list(cells.values()))
        rows = []
        for cell, spec in cells.items():
            value = self.store.get(spec)
            rows.append({**dict(zip(names, cell, strict=True)), "accuracy": value.accuracy, "n": value.n})
        return pd.DataFrame(rows)


def _title(source: str) -> str:
    """How a data set is called in tables: its name, or the last part of its path."""
    kind, _, path = source.partition(":")
    return Path(path).name or kind if path else kind


def _seeds(seeds: int | Sequence[int] | str, preset: Preset) -> tuple[int, ...]:
    if seeds == "auto":
        return tuple(range(preset.seeds))
    several = range(seeds) if type(seeds) is int else seeds
    whole = isinstance(several, (list, tuple, range)) and all(type(s) is int and s >= 0 for s in several)
    if not whole or not several or len(set(several)) < len(several):
        raise UserError(f'seeds is {seeds!r}; give a number of seeds from 1, a list such as [0, 1, 2], or "auto"')
    return tuple(several)
