"""The plain answer for one data set: would synthetic images replace or help the real ones, and how sure is that?

Everything is read off the test images by seeds × images intervals (see `crossed`); the mix of synthetic images is
chosen on validation images. Two questions carry a verdict and are corrected together; the rest is description.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..data.splits import UNEVEN, halves, spread
from ..design.arms import GIVEN, GIVEN_ONLY, MIX, NAIVE, REAL_ONLY, SYNTHETIC_ONLY
from ..design.preset import parse_t_re
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import Attend, MeasureMemorization, Predict, Spec, Subset
from ..metrics.neighbours import nearest
from ..metrics.projection import covered_by, outermost
from ..stats.crossed import Crossed, Crossing, crossed, crossing
from ..stats.intervals import SHARE, Estimate, estimate_mean
from ..stats.verdict import Flattening, Verdict, decide, flattening
from . import answer_plots, plain, plots
from .controls import Cell
from .figures import Figures

NOTES = ("notes", "found", "passed")  # of a data set's record: what was done, assumed and left out
REAL: Cell = (REAL_ONLY, 0)
SECOND_BATCH: Cell = ("0", 1)  # the control of "beside": the same images a step, all of them real
FLIP = "flip"
SHOWN = 6  # images a row of the answer's pictures
MOST_CLASSES = 12  # that the table by class lists


@dataclass(frozen=True)
class Replacement:
    """Synthetic images alone: differences to real images by multiple, and what they are worth.

    Attributes
    ----------
    match
        multiple at which they equal the real set; None with one multiple.
    worth
        real images that the ×1 set (or the only one) is worth, of the `train` there are; None without a curve.
    """

    differences: dict[float, Crossed]
    match: Crossing | None
    worth: Crossing | None
    count: int  # synthetic images that `worth` is about
    train: int


@dataclass(frozen=True)
class Copying:
    """C_T (None: too few images) and the share of authentic images over seeds; see `Memorization`.

    Given images belong to no seed: there is one value then.
    """

    score: Estimate | None
    authentic: Estimate
    images: int


@dataclass(frozen=True)
class Coverage:
    """Share of the outermost tenth of test images that no synthetic image, or no other real one, comes near."""

    synthetic: Estimate
    real: Estimate
    images: int


class Answers(Figures):
    """The answer's numbers, sentences and figures. Differences are of accuracy in [0, 1], first minus second."""

    @property
    def answer_cells(self) -> dict[str, list[Cell]]:
        """Arms by their part in the answer ("alone" and "beside" the real images, "without" a generator)."""
        preset = self.preset
        policies = [*([] if FLIP in self._train.augment else [FLIP]), *preset.policies]
        without = [SECOND_BATCH, *((policy, 0) for policy in policies)]
        if self.given:
            several = self.arms.given_multiples()
            return {
                "alone": [(GIVEN_ONLY, k) for k in several],
                "beside": [(GIVEN, k) for k in several],
                "without": without,
            }
        beside = [(arm, k) for arm, several in preset.augmentation.items() for k in several if parse_t_re(arm) != 0]
        return {"alone": [(SYNTHETIC_ONLY, k) for k in preset.replication], "beside": beside, "without": without}

    def answer_plan(self) -> list[Spec]:
        """Every specification that the answer reads. With images of another generator no diffusion model is trained."""
        arms, cells = self.arms, self.answer_cells
        everything = [REAL, *cells["alone"], *cells["beside"], *cells["without"]]
        specs: list[Spec] = [arms.test(arms.arm(*cell, s)) for cell in everything for s in self.seeds]
        specs += [self._validation(cell, s) for cell in cells["beside"] for s in self.seeds]
        specs += [*arms.learning_curve().values(), *self._memorization(), *self._maps().values()]
        specs += [spec for s in self.seeds for spec in self._coverage_cells(s)]
        return specs + [arms.data[part] for part in ("train", "validation", "test")] + [self._synthetic_shown()]

    @functools.cached_property
    def _train(self):
        return self.store.get(self.arms.data["train"])

    @functools.cached_property
    def _test(self):
        return self.store.get(self.arms.data["test"])

    @property
    def imbalance(self) -> float:
        """Training images of the largest class over those of the smallest."""
        counts = np.bincount(self._train.labels, minlength=len(self._train.classes))
        return float(counts.max() / max(counts.min(), 1))

    @property
    def measure(self) -> str:
        """What the answer is about, "accuracy", or "balanced accuracy" where classes are uneven by half or more."""
        return "balanced accuracy" if self.imbalance >= UNEVEN else "accuracy"

    def _groups(self, measure: str) -> np.ndarray | None:
        return self._test.labels if measure == "balanced accuracy" else None

    def right(self, cell: Cell) -> np.ndarray:
        """bool, seeds × test images: is the image's class told rightly by the classifier of this arm?"""
        if cell not in self._known:
            self._known[cell] = self._right_of([self.arms.test(self.arms.arm(*cell, s)) for s in self.seeds])
        return self._known[cell]

    @functools.cached_property
    def _known(self) -> dict[Cell, np.ndarray]:
        return {}

    def _right_of(self, specs: list[Predict]) -> np.ndarray:
        self.compute(specs)
        return np.array([self.store.get(spec).correct for spec in specs])

    def difference(self, first: Cell, second: Cell, measure: str | None = None) -> Crossed:
        """First minus second arm, in the answer's measure or another."""
        values = self.right(first).astype(float) - self.right(second)
        return crossed(values, self._groups(measure or self.measure))

    def level(self, cell: Cell, measure: str | None = None) -> Crossed:
        """The arm's own accuracy."""
        return crossed(self.right(cell).astype(float), self._groups(measure or self.measure), SHARE)

    def verdicts(self) -> dict[str, tuple[Cell, Cell, Verdict]]:
        """The two decided questions: "replace" (the most synthetic images against the real ones), "augment" (the mix
        chosen on validation images against as many real images a step)."""
        pairs = {"replace": (self.answer_cells["alone"][-1], REAL), "augment": (self.chosen(), SECOND_BATCH)}
        decided = decide([self.difference(*pair) for pair in pairs.values()])
        return {name: (*pair, verdict) for (name, pair), verdict in zip(pairs.items(), decided, strict=True)}

    def replacement(self) -> Replacement:
        """What synthetic images are worth in the place of real ones."""
        alone, groups = self.answer_cells["alone"], self._groups(self.measure)
        arrays = {k: self.right((arm, k)).astype(float) for arm, k in alone}
        real = self.right(REAL).astype(float)
        match = crossing(list(arrays.items()), real, groups) if len(arrays) > 1 else None
        multiple = 1 if 1 in arrays else next(iter(arrays))
        curve = self._learning_arrays()
        worth = crossing(curve, arrays[multiple], groups) if len(curve) > 1 else None
        differences = {k: crossed(a - real, groups) for k, a in arrays.items()}
        train = self.arms.data["train"].count
        return Replacement(differences, match, worth, round(multiple * train), train)

    def _learning_arrays(self) -> list[tuple[int, np.ndarray]]:
        cells = self.arms.learning_curve()
        counts = sorted({count for count, _ in cells})
        return [(n, self._right_of([cells[n, s] for s in self.seeds]).astype(float)) for n in counts]

    def _validation(self, cell: Cell, seed: int) -> Predict:
        return Predict(classifier=self.arms.arm(*cell, seed), images=self.arms.data["validation"])

    def mixes(self) -> pd.DataFrame:
        """The mixes on validation images: columns arm, multiple, seed, value (the answer's measure, in [0, 1]), n."""
        cells = {(*cell, s): self._validation(cell, s) for cell in self.answer_cells["beside"] for s in self.seeds}
        name = "balanced_accuracy" if self.measure == "balanced accuracy" else "accuracy"
        rows = self._measured(cells, ("arm", "multiple", "seed"), (name, "n"))
        return rows.rename(columns={name: "value"})

    def chosen(self) -> Cell:
        """The mix with the best mean on validation images; the first of equals."""
        means = self.mixes().groupby(["arm", "multiple"], sort=False).value.mean()
        arm, multiple = means.idxmax()
        return str(arm), multiple

    def gains(self) -> dict[Cell, Crossed]:
        """Every arm with the real images against the real images alone, in the order of the figure."""
        cells = self.answer_cells
        return {cell: self.difference(cell, REAL) for cell in [*cells["without"], *cells["beside"]]}

    def how_many(self) -> Flattening | None:
        """Where accuracy with synthetic images alone flattens; None with one multiple."""
        alone = self.answer_cells["alone"]
        if len(alone) < 2:
            return None
        against = [self.difference(alone[-1], cell) for cell in alone[:-1]]
        return flattening([k for _, k in alone], against)

    def against_rival(self) -> tuple[Cell, Crossed] | None:
        """The chosen mix against naïve images at the same multiple, or naïve ones against the paper's mix.

        None where that was not run.
        """
        arm, multiple = self.chosen()
        rival = (MIX if arm == NAIVE else NAIVE, multiple)
        if rival not in self.answer_cells["beside"]:
            return None
        return rival, self.difference((arm, multiple), rival)

    def _synthetic_shown(self, seed: int | None = None) -> Spec:
        """The synthetic images that are looked at one by one: ×1 of a seed's generator, or all given ones."""
        if self.given:
            return self.arms.data["given"]
        return self.arms.samples(self.seeds[0] if seed is None else seed, REVERSE_STEPS)

    def _memorization(self) -> list[MeasureMemorization]:
        train, test = self.arms.data["train"], self.arms.data["test"]
        fakes = dict.fromkeys(self._synthetic_shown(s) for s in self.seeds)
        return [MeasureMemorization(train=train, test=test, fake=fake) for fake in fakes]

    def copying(self) -> Copying:
        """Whether the synthetic images lie nearer to the training images than other real images do."""
        specs = self._memorization()
        self.compute(specs)
        values = [self.store.get(spec) for spec in specs]
        scores = [v.copying for v in values]
        score = None if np.isnan(scores).any() else estimate_mean(scores)
        return Copying(score, estimate_mean([v.authentic for v in values], span=SHARE), values[0].n_fake)

    def nearest_pairs(self, count: int = SHOWN) -> dict[str, np.ndarray]:
        """The synthetic images nearest to a training image, beside it and the nearest test image: uint8 rows."""
        self.compute([self._synthetic_shown()])
        fake = self.store.get(self._synthetic_shown()).images
        flat = fake.reshape(len(fake), -1)
        distance, to_train = nearest(flat, self._train.images.reshape(len(self._train), -1))
        _, to_test = nearest(flat, self._test.images.reshape(len(self._test), -1))
        first = np.argsort(distance[:, 0], kind="stable")[:count]
        return {
            "synthetic": fake[first],
            "nearest training image": self._train.images[to_train[first, 0]],
            "nearest test image": self._test.images[to_test[first, 0]],
        }

    def by_class(self) -> pd.DataFrame:
        """Share of a class's test images that are told rightly: columns class, n, train, real, alone, beside, change.

        real, alone (the most synthetic images), beside (the chosen mix): Crossed; change: alone − real. Classes in the
        order of `change`, worst first.
        """
        alone, beside = (self.right(c).astype(float) for c in (self.answer_cells["alone"][-1], self.chosen()))
        real = self.right(REAL).astype(float)
        rows = []
        for label, name in enumerate(self._test.classes):
            mine = self._test.labels == label
            if mine.any():
                levels = {"real": real, "alone": alone, "beside": beside}
                row = {"class": name, "n": int(mine.sum()), "train": int((self._train.labels == label).sum())}
                row |= {key: crossed(value[:, mine], span=SHARE) for key, value in levels.items()}
                rows.append(row | {"change": crossed((alone - real)[:, mine])})
        order = sorted(range(len(rows)), key=lambda i: (rows[i]["change"].mean, rows[i]["alone"].mean))
        return pd.DataFrame([rows[i] for i in order])

    def _maps(self) -> dict[str, Attend]:
        test = self.arms.data["test"]
        images = Subset(images=test, count=min(self.preset.attention_images, test.count))
        alone = self.answer_cells["alone"][0]
        cells = {"trained on real": REAL, "trained on synthetic": alone}
        return {
            name: Attend(classifier=self.arms.arm(*cell, self.seeds[0]), images=images) for name, cell in cells.items()
        }

    def misread(self, count: int = SHOWN) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
        """Test images that real images teach and synthetic ones (the smallest set, first seed) don't.

        (images, GradCAM maps by classifier, captions); filled up with images that both tell rightly or wrongly.
        """
        specs = self._maps()
        self.compute(list(specs.values()))
        among = spread(self._test.labels, min(self.preset.attention_images, len(self._test)))
        alone = self.right(self.answer_cells["alone"][0])[0][among]
        real = self.right(REAL)[0][among]
        order = np.argsort(-(real & ~alone).astype(int), kind="stable")[:count]
        label = self._test.classes
        captions = [
            f"{label[self._test.labels[among[i]]]}\nreal: {_mark(real[i])}, synthetic: {_mark(alone[i])}" for i in order
        ]
        maps = {name: self.store.get(spec)[order] for name, spec in specs.items()}
        return self._test.images[among[order]], maps, captions

    def _coverage_cells(self, seed: int) -> tuple[Predict, Predict, Predict]:
        """Features of test images, of synthetic ones and of as many real ones, under the classifier of half A."""
        judge = self.arms.crossfit(seed)
        real = Subset(images=self.arms.data["train"], half="b")
        count = len(halves(self._train.labels)[1])
        if self.given:
            given = self.arms.data["given"]
            fake: Spec = given if given.count <= count else Subset(images=given, count=count, seed=seed)
        else:
            fake = Subset(images=self.arms.samples(seed, REVERSE_STEPS), half="b")
        return tuple(Predict(classifier=judge, images=images) for images in (self.arms.data["test"], fake, real))

    def coverage(self) -> Coverage | None:
        """How much of the real images' edge the synthetic ones reach; None where no class has images enough."""
        shares = []
        for seed in self.seeds:
            covered = self._covered(seed)
            if covered is None:
                return None
            shares.append([1 - covered[1].mean(), 1 - covered[2].mean()])
        synthetic, real = np.array(shares).T
        return Coverage(estimate_mean(synthetic, span=SHARE), estimate_mean(real, span=SHARE), len(covered[0]))

    def uncovered(self, count: int = SHOWN) -> np.ndarray:
        """Outermost test images that no synthetic image of the first seed comes near: uint8, at most `count`."""
        covered = self._covered(self.seeds[0])
        where = [] if covered is None else covered[0][~covered[1]][:count]
        return self._test.images[where]

    def _covered(self, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """(positions of the outermost test images, is each near a synthetic image?, near a real one?)."""
        specs = self._coverage_cells(seed)
        self.compute(list(specs))
        test, fake, real = (self.store.get(spec) for spec in specs)
        found = outermost(test.features, test.labels)
        if not len(found):
            return None
        return found, *(covered_by(test.features, test.labels, found, p.features, p.labels) for p in (fake, real))

    def settings(self) -> list[tuple[str, str]]:
        """What the answer is about, for a table: (what, value)."""
        arms, record, options = self.arms, self.records[self.columns.index(self.arms)], self.options
        channels, height, width = arms.data["train"].shape
        sizes = ", ".join(f"{n:,} {split}" for split, n in record["sizes"].items())
        sides = f"{width}×{height} pixels, {'grey' if channels == 1 else 'colour'}"
        counts = np.bincount(self._train.labels, minlength=len(self._train.classes))
        uneven = f", the largest {self.imbalance:.1f} times the smallest" if self.imbalance > 1.05 else ""
        rows = [
            ("data set", arms.name),
            ("images", f"{sizes}; {record['policy']}"),
            ("notes", "; ".join(line for part in NOTES for line in record.get(part, ())) or "none"),
            ("classes", f"{len(counts)}, {counts.min():,} to {counts.max():,} training images each{uneven}"),
            ("image_size", f"{options.image_size}: {sides}"),
            ("max_images", f"{options.max_images}: {arms.data['train'].count:,} training images"),
            ("flip", f"{options.flip}: {'' if 'flip' in self._train.augment else 'not '}mirrored in training"),
            ("grey", f"{options.grey}"),
            ("class_weights", self.preset.classifier.training.class_weights),
            ("preset, seeds", f"{self.preset.name}, {', '.join(map(str, self.seeds))}"),
        ]
        if self.given:
            given = arms.data["given"]
            rows.append(("synthetic", f"{given.loading.synthetic}: {given.count:,} images; no model was trained"))
        return rows

    def answer_rows(self) -> pd.DataFrame:
        """Every arm of the answer, seed by seed: columns arm, multiple, seed, accuracy, balanced, n (test images)."""
        cells = self.answer_cells
        several = dict.fromkeys([REAL, *cells["alone"], *cells["beside"], *cells["without"]])
        specs = {(*cell, s): self.arms.test(self.arms.arm(*cell, s)) for cell in several for s in self.seeds}
        rows = self._measured(specs, ("arm", "multiple", "seed"), ("accuracy", "balanced_accuracy", "n"))
        return rows.rename(columns={"balanced_accuracy": "balanced"})

    def answer(self) -> plain.Answer:
        """The sentences, one a question; printing it shows them all. Computes the whole answer's plan at once."""
        self.compute(self.answer_plan())
        return plain.answer(self)

    # figures

    def figure_learning_worth(self) -> Figure:
        """Accuracy against the number of real images, and where the synthetic sets stand on that scale."""
        groups = self._groups(self.measure)
        curve = {n: crossed(values, groups, SHARE) for n, values in self._learning_arrays()}
        alone = {f"synthetic ×{k:g}": self.level((arm, k)) for arm, k in self.answer_cells["alone"]}
        return answer_plots.worth(curve, alone, self.measure, self.arms.name)

    def figure_gains(self) -> Figure:
        """What each way of augmenting adds to the real images."""
        return answer_plots.gains(self.gains(), self.chosen(), self.measure, self.arms.name)

    def figure_how_many(self) -> Figure:
        """Accuracy against the multiple, alone and beside the real images."""
        cells, chosen = self.answer_cells, self.chosen()
        lines = {"in the place of real images": {k: self.level((arm, k)) for arm, k in cells["alone"]}}
        for arm in dict.fromkeys((chosen[0], NAIVE, GIVEN)):
            mine = {k: self.level((a, k)) for a, k in cells["beside"] if a == arm}
            lines |= {f"beside real images: {plain.arm_words(arm)}": mine} if mine else {}
        return answer_plots.by_multiple(lines, self.level(REAL), self.measure, self.arms.name)

    def figure_mixes(self) -> Figure:
        """The mixes on validation images."""
        return answer_plots.mixes(self.mixes(), self.chosen(), self.measure, self.arms.name)

    def figure_nearest(self) -> Figure:
        """The synthetic images that are nearest to a training image, with their neighbours."""
        return plots.image_rows(self.nearest_pairs())

    def figure_misread(self) -> Figure:
        """Test images that real images teach and synthetic ones don't, with GradCAM maps of both classifiers."""
        return answer_plots.attention(*self.misread())

    def figure_uncovered(self) -> Figure:
        """Outermost test images that no synthetic image comes near."""
        images = self.uncovered()
        return plots.image_rows({"not covered": images}) if len(images) else plots.nothing("none was found")

    def figure_by_class(self) -> Figure:
        """Shares told rightly, class by class, the worst ones first."""
        return answer_plots.by_class(self.by_class().head(MOST_CLASSES), self.arms.name)


def _mark(right: bool) -> str:
    return "right" if right else "wrong"
