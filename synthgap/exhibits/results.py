"""The numbers of a study: one table a result, one row a seed."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..base.errors import UserError
from ..base.modes import sampling_mode
from ..base.threads import one_thread
from ..classifier.evaluate import Prediction
from ..design.arms import CROSSFIT, FLOOR, GAN, GAN_ONLY, GENERATOR, INSTEAD, PAPER, REAL_ONLY, SYNTHETIC_ONLY, TRAINED
from ..diffusion.ddpm import LinearSchedule, eps_from_denoiser, reconstruct_ddpm
from ..diffusion.edm import EDM
from ..diffusion.pixels import to_model, to_uint8
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Spec
from ..metrics.entropy import marginal_entropy, output_entropy
from ..metrics.fidelity import MEASURES
from ..metrics.gradcam import cross_similarity
from ..metrics.likelihood import Likelihood
from ..metrics.projection import concentration
from ..stats.trends import FALLS, RISES, Trend, trend
from .old_base import StudyBase
from .raw import NAMES

SAMPLES = ("frechet", "precision", "recall")  # what tells sets of samples apart
CONCENTRATION = ("trace_ratio", "distance_ratio", "outer_coverage")
MEASURE_NAMES = {
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "trace_ratio": "spread within a class (ratio of variances)",
    "distance_ratio": "distance to the class mean (ratio)",
    "outer_coverage": "coverage of the outermost tenth",
}
ALGORITHM_STEPS = (25, 50, 75, 100)  # reverse steps at which the forms of Algorithm 1 are compared


class Results(StudyBase):
    """Tables of a study. Each method computes what the store lacks and no more."""

    def noise_levels(self) -> pd.DataFrame:
        """σ and network evaluations of reverse steps.

        Columns t_re, sigma, paper_scale (σ at 32 × 32), vp (σ of DDPM's T = 1000 linear schedule at 10·t_re),
        evaluations.
        """
        vp, solver = LinearSchedule(1000).sigma, self.main.preset.generator.solver
        steps = (0, 1, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 100)
        rows = {
            "t_re": steps,
            "sigma": [self.sigma(t) for t in steps],
            "paper_scale": [solver.sigma(t, 32, 32) for t in steps],
            "vp": [float(vp[10 * t]) for t in steps],
            "evaluations": [solver.evaluations(t) for t in steps],
        }
        return pd.DataFrame(rows)

    def accuracies(self) -> pd.DataFrame:
        """Figure 1's numbers: columns arm, multiple (0: real images), seed, accuracy (in [0, 1]), n (test images)."""
        return self._accuracies(self.main.figure1(), ("arm", "multiple", "seed"))

    def table2(self) -> pd.DataFrame:
        """Accuracy against t_re: columns dataset, t_re, sigma, seed, accuracy (in [0, 1]), n (test images)."""
        listed = [(i, arms) for i, arms in enumerate(self.columns) if 2 in self.choices[i].tables]
        cells = {(arms.name, i, *cell): spec for i, arms in listed for cell, spec in arms.table2().items()}
        rows = self._accuracies(cells, ("dataset", "column", "t_re", "seed"))
        rows.insert(3, "sigma", [self.sigma(t, i) for t, i in zip(rows.t_re, rows.column, strict=True)])
        return rows.drop(columns="column")

    def table1(self) -> pd.DataFrame:
        """Fake detection: columns domain, detector, t_re (GAN: its samples), seed, accuracy (in [0, 1]), n (pairs)."""
        return known(self._measured(self.main.table1(), ("domain", "detector", "t_re", "seed"), ("accuracy", "n")))

    def fidelity_curve(self) -> pd.DataFrame:
        """Figure 6's numbers: protocol, t_re (or FLOOR, GAN), seed, the six measures, n_real, n_fake."""
        rows = known(self._measured(self.main.figure6(), ("protocol", "t_re", "seed"), (*MEASURES, "n")))
        sizes = rows.pop("n")
        return rows.assign(n_real=[n[0] for n in sizes], n_fake=[n[1] for n in sizes])

    def entropy_curve(self) -> pd.DataFrame:
        """Figure 8's numbers and the labels: columns protocol, split, t_re, seed, entropy, marginal, agreement, n.

        entropy and marginal in nats; agreement: share of images, in [0, 1], that the classifier gives their label.
        """

        def read(value: Prediction) -> dict:
            numbers = {"entropy": output_entropy(value.logits), "marginal": marginal_entropy(value.logits)}
            return numbers | {"agreement": value.accuracy, "n": value.n}

        return self._rows(self.main.figure8(), ("protocol", "split", "t_re", "seed"), read)

    def concentration(self) -> pd.DataFrame:
        """How tightly the sets lie around their classes: protocol, t_re (or FLOOR, GAN), seed, three numbers.

        trace_ratio, distance_ratio, outer_coverage as in `metrics.projection.Concentration`. PAPER compares with the
        training set, CROSSFIT with other real images.
        """
        cells = self.main.concentration()
        self.compute(list(cells.values()))
        rows = []
        for (protocol, t, seed), spec in cells.items():
            reference = 0 if protocol == PAPER else FLOOR
            if t == reference:
                continue
            real, fake = self.store.get(cells[protocol, reference, seed]), self.store.get(spec)
            try:
                value = concentration(real.features, real.labels, fake.features, fake.labels)
                numbers = {k: getattr(value, k) for k in CONCENTRATION}
            except UserError:  # too few images a class
                numbers = dict.fromkeys(CONCENTRATION, math.nan)
            rows.append({"protocol": protocol, "t_re": t, "seed": seed, **numbers})
        return known(pd.DataFrame(rows))

    def attention(self) -> pd.DataFrame:
        """Figure 7's number: columns t_re, seed, similarity.

        Mean correlation of a test image's GradCAM maps between the real classifier of `seed` and the classifiers of
        all other seeds trained at t_re; at t_re = 0 it is what another seed alone changes. Needs two seeds.
        """
        cells = self.main.figure7()
        self.compute(list(cells.values()))
        return cross_similarity({cell: self.store.get(spec) for cell, spec in cells.items()})

    def likelihood_curve(self) -> pd.DataFrame:
        """Log-likelihood: columns sigma, split, t_re, seed, nats (mean over images), bits_per_dim, n."""

        def read(value: Likelihood) -> dict:
            return {"nats": float(value.nats.mean()), "bits_per_dim": float(value.bits_per_dim.mean()), "n": value.n}

        return self._rows(self.main.likelihood(), ("sigma", "split", "t_re", "seed"), read)

    def memorization(self) -> pd.DataFrame:
        """Copying, in pixels: columns t_re, seed, authentic, ratio, copying, closest, n_fake (see `Memorization`)."""
        names = ("authentic", "ratio", "copying", "closest", "n_fake")
        return self._measured(self.main.memorization(), ("t_re", "seed"), names)

    def collapse(self) -> pd.DataFrame:
        """Signs of collapse of the GAN: columns seed, collapsed (0 or 1), and numbers as in `gan.collapse.Collapse`.

        Empty where the preset has no GAN.
        """
        names = ("collapsed", "diversity", "collapsed_classes", "distinct", "images", "constant_pixels")
        rows = self._measured(self.main.collapse(), ("seed",), names)
        return rows.astype({"collapsed": int}) if len(rows) else rows

    def collapsed(self) -> dict[int, str]:
        """Seeds whose GAN has collapsed → why, in one line."""
        cells = {seed: spec for (seed,), spec in self.main.collapse().items()}
        self.compute(list(cells.values()))
        found = {seed: self.store.get(spec) for seed, spec in cells.items()}
        return {seed: value.reason for seed, value in found.items() if value.collapsed}

    def rivals(self) -> pd.DataFrame:
        """Real images, the diffusion model's and the GAN's side by side: columns source, seed and what is known of it.

        Columns
        -------
        source
            "real", "EDM", "StyleGAN3" (where the preset has it).
        frechet, precision, recall
            cross-fitted, the first of half of the set against other real images.
        agreement
            share of the half that a classifier of the other half gives its label, in [0, 1].
        accuracy_k
            test accuracy of a classifier trained on ×k alone, in [0, 1].
        copying
            C_T, see `metrics.memorization`; NaN for real images themselves.
        """
        steps = {0: "real", REVERSE_STEPS: "EDM", **{t: INSTEAD[t] for t in self.main.rivals}}
        arms = {0: REAL_ONLY, REVERSE_STEPS: SYNTHETIC_ONLY, GAN: GAN_ONLY}
        fidelity, entropy, copying = self.fidelity_curve(), self.entropy_curve(), self.memorization()
        table = self.accuracies()
        entropy = entropy[entropy.split == "train"]
        rows = []
        for t, source in steps.items():
            for seed in self.seeds:
                line: dict[str, object] = {"source": source, "seed": seed}
                for rows_of, columns in ((fidelity, SAMPLES), (entropy, ("agreement",))):
                    mine = rows_of[(rows_of.protocol == CROSSFIT) & (rows_of.t_re == t) & (rows_of.seed == seed)]
                    line |= {c: float(mine[c].iloc[0]) if len(mine) else math.nan for c in columns}
                mine = table[(table.arm == arms[t]) & (table.seed == seed)]
                line |= {f"accuracy_{k or 1:g}": a for k, a in zip(mine.multiple, mine.accuracy, strict=True)}
                score = copying[(copying.t_re == t) & (copying.seed == seed)].copying
                line["copying"] = float(score.iloc[0]) if len(score) and t != 0 else math.nan
                rows.append(line)
        return pd.DataFrame(rows)

    def trends(self, result: str) -> list[Trend]:
        """How the measures of one result move with t_re, beside what the paper reports.

        Parameters
        ----------
        result
            "accuracy", "fidelity", "entropy", "concentration" or "likelihood" (of which the paper has no number:
            its explanation is that the likelihood rises).
        """
        if result == "accuracy":
            rows = self.table2()
            rows = rows.assign(percent=100 * rows.accuracy)
            return [
                trend(rows[rows.dataset == name], "percent", f"test accuracy (%), {name}", TRAINED, FALLS)
                for name in dict.fromkeys(rows.dataset)
            ]
        if result == "likelihood":
            rows = self.likelihood_curve()
            return [
                trend(part, "nats", f"ln p (nats), {split} images, σ = {sigma:g}", GENERATOR, RISES)
                for (sigma, split), part in rows.groupby(["sigma", "split"], sort=False)
            ]
        if result == "entropy":
            rows = self.entropy_curve()
            return [
                trend(part, "entropy", f"entropy (nats), {split} images", protocol, FALLS)
                for (protocol, split), part in rows.groupby(["protocol", "split"], sort=False)
            ]
        tables = {
            "fidelity": (self.fidelity_curve, {"frechet": RISES, "precision": FALLS, "recall": FALLS}),
            "concentration": (self.concentration, dict.fromkeys(CONCENTRATION, FALLS)),
        }
        if result not in tables:
            raise UserError(f"unknown result {result!r}; known: accuracy, entropy, likelihood, {', '.join(tables)}")
        make, directions = tables[result]
        rows = make()
        return [
            trend(part, column, MEASURE_NAMES[column], protocol, direction)
            for protocol, part in rows.groupby("protocol", sort=False)
            if part[part.t_re >= 0].t_re.nunique() > 1
            for column, direction in directions.items()
        ]

    def algorithms(self) -> dict[tuple[str, int], np.ndarray]:
        """A few training images reconstructed by EDM, by Algorithm 1 as corrected, and as printed.

        (name, t_re) → uint8 images; ("real", 0) are the images themselves. Algorithm 1 runs on DDPM's linear
        schedule of T = 100, driven by the same denoiser.
        """
        return self._algorithms

    @functools.cached_property
    def _algorithms(self) -> dict[tuple[str, int], np.ndarray]:
        cells = self.main.grid((0, *ALGORITHM_STEPS))
        self.compute(list(cells.values()))
        real = self.store.get(cells[0])
        edm: EDM = self.store.get(self.main.generator(self.seeds[0]))
        out = {("real", 0): real.images}
        schedule = LinearSchedule(REVERSE_STEPS)
        start, labels = torch.from_numpy(to_model(real.images)), torch.from_numpy(real.labels)
        with one_thread(), torch.no_grad(), sampling_mode(edm.cpu()):
            eps = eps_from_denoiser(edm, schedule)
            for t in ALGORITHM_STEPS:
                out["EDM", t] = self.store.get(cells[t]).images
                for name, printed in (("corrected", False), ("printed", True)):
                    rng = torch.Generator().manual_seed(self.seeds[0])
                    rebuilt = reconstruct_ddpm(eps, schedule, start, t, rng, labels, as_printed=printed)
                    out[name, t] = to_uint8(rebuilt.numpy())
        return out

    def algorithm_distances(self) -> pd.DataFrame:
        """How far `algorithms` move the images: columns algorithm, t_re, sigma, distance (mean grey levels, of 255)."""
        images = self.algorithms()
        real, vp = images["real", 0].astype(float), LinearSchedule(REVERSE_STEPS).sigma
        rows = []
        for (name, t), rebuilt in images.items():
            if name != "real":
                sigma = self.sigma(t) if name == "EDM" else float(vp[t])
                distance = float(np.abs(rebuilt - real).mean())
                rows.append({"algorithm": name, "t_re": t, "sigma": sigma, "distance": distance})
        return pd.DataFrame(rows)

    def _accuracies(self, cells: dict[tuple, Spec], names: tuple[str, ...]) -> pd.DataFrame:
        return self._measured(cells, names, ("accuracy", "n"))

    def _measured(self, cells: dict[tuple, Spec], names: tuple[str, ...], values: tuple[str, ...]) -> pd.DataFrame:
        """One row a cell: its name's parts under `names`, and these attributes of its artifact."""
        return self._rows(cells, names, lambda artifact: {v: getattr(artifact, v) for v in values})

    def _rows(self, cells: dict[tuple, Spec], names: tuple[str, ...], read: Callable[[Any], dict]) -> pd.DataFrame:
        """One row a cell: its name's parts under `names`, and what `read` finds in its artifact."""
        self.compute(list(cells.values()))
        return pd.DataFrame(
            [{**dict(zip(names, cell, strict=True)), **read(self.store.get(spec))} for cell, spec in cells.items()]
        )


def known(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the cells that could not be measured with every seed, whose numbers are NaN."""
    if rows.empty:
        return rows
    cells = [rows[name] for name in rows if name in NAMES and name != "seed"]
    numbers = [name for name in rows if pd.api.types.is_float_dtype(rows[name])]
    missing = rows[numbers].isna().any(axis=1).groupby(cells).transform("any")
    return rows[~missing].reset_index(drop=True)
