"""The figures of a study, numbered as in the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.errors import UserError
from ..data.splits import spread
from ..design.arms import (
    BOOTSTRAP,
    CROSSFIT,
    EPOCH_MATCHED,
    GAN_ONLY,
    GIVEN,
    GIVEN_ONLY,
    INSTEAD,
    PAPER,
    SYNTHETIC_ONLY,
)
from ..diffusion.edm import EDM
from ..diffusion.reconstruct import noisy_start
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Spec
from ..metrics.gradcam import cam_layer
from ..metrics.projection import Projection
from ..stats.intervals import Estimate, estimate_mean, range_of
from . import plots
from .controls import Controls

FIGURE4_STEPS = (0, 25, 50, 75, 100)
FIGURE9_STEPS = (0, 50, 100)
PANELS = {  # of figure_multiples: title → {arm: label}
    "in the place of real images": {
        SYNTHETIC_ONLY: "synthetic",
        GAN_ONLY: "StyleGAN3",
        EPOCH_MATCHED: "synthetic, ×k steps",
        BOOTSTRAP: "real, drawn with replacement",
        GIVEN_ONLY: "given",
    },
    "beside real images, fixed t_re": {
        "100": "t_re = 100 (naïve)",
        "75": "t_re = 75",
        "50": "t_re = 50",
        "25": "t_re = 25",
        "0": "0 (a second real batch)",
    },
    "beside real images, t_re drawn": {
        "75-100": "rand(75, 100)",
        "50-100": "rand(50, 100)",
        "0-100": "rand(0, 100)",
        "0-50": "rand(0, 50)",
        GIVEN: "given",
    },
}


@dataclass(frozen=True)
class ReverseWalk:
    """A few training images at growing reverse steps, and what is measured of the data set there.

    Attributes
    ----------
    images
        reverse step → uint8 N × C × H × W of the first seed, 0 being the images themselves.
    sigmas
        reverse step → its σ.
    entropy
        reverse step → output entropy over seeds, in nats, of test images, where it was measured.
    protocol
        which classifier looks (see `Arms`).
    nats
        reverse step → ln p over seeds of test images at `noise_level`, where it was measured.
    """

    name: str
    images: dict[int, np.ndarray]
    sigmas: dict[int, float]
    entropy: dict[int, Estimate]
    nats: dict[int, Estimate]
    protocol: str
    noise_level: float


class Figures(Controls):
    """Figures of a study, from the same artifacts as its tables."""

    def figure1(self) -> Figure:
        """Test accuracy of real against synthetic training sets."""
        return plots.real_against_synthetic(self.accuracies(), self.main.name)

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
        levels = self.main.preset.generator.solver.levels
        noisy = {t: noisy_start(edm.config, image, t, seed, 0, levels)[0] for t in FIGURE4_STEPS}
        restored = {t: self.store.get(cells[t]).images[0] for t in FIGURE4_STEPS}
        return plots.reconstruction_strip(noisy, restored, {t: self.sigma(t) for t in FIGURE4_STEPS})

    def figure_algorithms(self) -> Figure:
        """The images of `algorithms`, a row for each."""
        images = self.algorithms()
        names = {"real": "real", "EDM": "EDM", "corrected": "Algorithm 1, corrected", "printed": "Algorithm 1, printed"}
        return plots.image_rows({names[n] + (f", t_re = {t}" if t else ""): v for (n, t), v in images.items()})

    def figure5(self) -> Figure:
        """Reconstructed samples: a row for each reverse step."""
        cells = self.main.grid((0, *self.preset.grid))
        self.compute(list(cells.values()))
        label = {t: f"t_re = {t}, σ = {self.sigma(t):.2g}" if t else "real" for t in cells}
        return plots.image_rows({label[t]: self.store.get(spec).images for t, spec in cells.items()})

    def figure_rivals(self) -> Figure:
        """A few real images, and images of their classes by the diffusion model and, where there is one, by the GAN."""
        cells = self.main.grid((0, REVERSE_STEPS, *self.main.rivals))
        self.compute(list(cells.values()))
        names = {0: "real", REVERSE_STEPS: "EDM", **{t: INSTEAD[t] for t in self.main.rivals}}
        return plots.image_rows({names[t]: self.store.get(spec).images for t, spec in cells.items()})

    def figure6(self) -> Figure:
        """Fréchet distance and precision/recall against t_re, in both protocols."""
        return plots.fidelity_curves(self.fidelity_curve(), self.main.name)

    def figure7(self, count: int = 8) -> Figure:
        """GradCAM maps of `count` test images under classifiers trained at each t_re, first seed."""
        cells = {t: spec for (t, seed), spec in self.main.figure7().items() if seed == self.seeds[0]}
        self.compute(list(cells.values()))
        images = self.store.get(cells[0].images)
        shown = spread(images.labels, count)
        names = {t: "real (t_re = 0)" if t == 0 else INSTEAD.get(t, f"t_re = {t}") for t in cells}
        return plots.attention_rows(
            images.images[shown], {names[t]: self.store.get(s)[shown] for t, s in cells.items()}
        )

    def attention_layer(self) -> str:
        """The layer whose GradCAM maps figure7 shows."""
        return cam_layer(self.store.get(self.main.classifier(self.seeds[0], 0)), self.main.data["train"].shape)

    def figure_multiples(self) -> Figure:
        """Accuracy against the multiple, for every arm of Table 3."""
        rows = self.table3()
        panels = {title: {a: t for a, t in arms.items() if (rows.arm == a).any()} for title, arms in PANELS.items()}
        return plots.accuracy_by_multiple(rows, {t: arms for t, arms in panels.items() if arms}, self.arms.name)

    def figure_learning_curve(self) -> Figure:
        """Accuracy against the number of real images, and where synthetic sets of each multiple stand on that scale."""
        table = self.table3()
        synthetic = table[table.arm == SYNTHETIC_ONLY].groupby("multiple").accuracy.mean()
        lines = {f"synthetic ×{k:g}": float(v) for k, v in synthetic.items()}
        return plots.learning_curve(self.learning_curve(), lines, self.arms.name)

    def figure_agreement(self) -> Figure:
        """Label agreement against t_re."""
        return plots.agreement_curves(self.entropy_curve(), self.main.name)

    def figure_likelihood(self) -> Figure:
        """Log-likelihood against t_re, at each of the preset's noise levels."""
        return plots.likelihood_curves(self.likelihood_curve(), self.main.name)

    def figure_memorization(self) -> Figure:
        """Signs of copying against t_re."""
        return plots.memorization_curves(self.memorization(), self.main.name)

    def figure8(self) -> Figure:
        """Output entropy against t_re, for train and test images, in both protocols."""
        classes = self.main.data["train"].classes
        return plots.entropy_curves(self.entropy_curve(), self.main.name, float(np.log(classes)))

    def figure9(self, label: int | None = None) -> Figure:
        """PCA of features of one class at t_re = 0, 50 and 100; default the last class (the paper: truck)."""
        cells = self.main.features((*FIGURE9_STEPS, *self.main.rivals))
        count = self.main.data["train"].classes
        if label is not None and not 0 <= label < count:
            raise UserError(f"label is {label}; this data set has classes 0 to {count - 1}")
        return self._projection(cells, count - 1 if label is None else label)

    def projections(self) -> pd.DataFrame:
        """The points of Figures 2 and 9, all classes: columns t_re, label, x, y (first and second component)."""
        points, labels, _ = self._projected(self.main.features((*FIGURE9_STEPS, *self.main.rivals)))
        rows = [
            {"t_re": t, "label": int(label), "x": float(x), "y": float(y)}
            for t, several in points.items()
            for label, (x, y) in zip(labels[t], several, strict=True)
        ]
        return pd.DataFrame(rows)

    def reverse_walk(self) -> ReverseWalk:
        """The images of Figure 5 and of the steps between, with what is measured of the whole set at each step."""
        cells = self.main.grid(tuple(sorted({*FIGURE4_STEPS, *self.preset.grid})))
        self.compute(list(cells.values()))
        images = {t: self.store.get(spec).images for t, spec in cells.items()}
        entropy, nats = self.entropy_curve(), self.likelihood_curve()
        protocol = CROSSFIT if (entropy.protocol == CROSSFIT).any() else PAPER
        sigma = max(self.preset.likelihood.sigmas)
        entropy = entropy[(entropy.protocol == protocol) & (entropy.split == "test")]
        nats = nats[(nats.sigma == sigma) & (nats.split == "test")]
        return ReverseWalk(
            name=self.main.name,
            images=images,
            sigmas={t: self.sigma(t) for t in images},
            entropy=_by_step(entropy, "entropy"),
            nats=_by_step(nats, "nats"),
            protocol=protocol,
            noise_level=sigma,
        )

    def _projected(self, cells: dict[int, Spec]) -> tuple[dict, dict, tuple[float, float]]:
        """Points and labels by reverse step, and the shares of variance that both components explain."""
        self.compute(list(cells.values()))
        values = {t: self.store.get(spec) for t, spec in cells.items()}
        plane = Projection.fit(values[0].features)
        points = {t: plane.project(v.features) for t, v in values.items()}
        return points, {t: v.labels for t, v in values.items()}, plane.explained

    def _projection(self, cells: dict[int, Spec], label: int | None) -> Figure:
        points, labels, explained = self._projected(cells)
        if label is not None:
            points = {t: several[labels[t] == label] for t, several in points.items()}
        what = "all classes" if label is None else f"class {self.class_names()[label]}"
        return plots.feature_planes(points, explained, f"{self.main.name}, {what}")


def _by_step(rows: pd.DataFrame, column: str) -> dict[int, Estimate]:
    """Reverse step → mean over seeds with its interval."""
    steps = rows[rows.t_re >= 0].groupby("t_re")[column]
    return {int(t): estimate_mean(part.to_numpy(), span=range_of(column)) for t, part in steps}
