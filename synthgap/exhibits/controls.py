"""The numbers of Section 5 and its controls: arms against one another, what validation chooses, where variance lies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..design.arms import BOOTSTRAP, DEFAULT, GIVEN, GIVEN_ONLY, MIX, NAIVE, REAL_ONLY, SYNTHETIC_ONLY, Arms
from ..design.variants import VARIANTS
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.intervals import PERCENT, Comparison, Estimate, VarianceParts, compare, paired_difference, variance_parts
from .results import SAMPLES, Results, known

Cell = tuple[str, float]  # (arm, multiple)


class Controls(Results):
    """Arms compared, chosen and taken apart. Tables have one row a seed; accuracies are in [0, 1]."""

    def table3(self) -> pd.DataFrame:
        """Replication, augmentation and controls: columns arm, multiple (0: real images alone), seed, accuracy, n."""
        return self._accuracies(self.arms.table3(), ("arm", "multiple", "seed"))

    def table4(self) -> pd.DataFrame:
        """Table 4's arms on every data set: columns dataset, arm, multiple, seed, accuracy, n."""
        cells = {(a.name, *cell): spec for a in self.columns_of(4) for cell, spec in a.table4().items()}
        return self._accuracies(cells, ("dataset", "arm", "multiple", "seed"))

    def table4_fidelity(self) -> pd.DataFrame:
        """Generators of Table 4: columns dataset, protocol, t_re (0: other real images), seed, three measures."""
        cells = {
            (arms.name, *cell): spec for arms in self.columns_of(4) for cell, spec in arms.table4_fidelity().items()
        }
        return known(self._measured(cells, ("dataset", "protocol", "t_re", "seed"), SAMPLES))

    def validation(self) -> pd.DataFrame:
        """Accuracy on the validation split of the arms with synthetic images: columns as of `table3`."""
        return self._accuracies(self.arms.validated(), ("arm", "multiple", "seed"))

    def chosen_arm(self, multiple: int) -> str:
        """The arm with synthetic images × `multiple` that is best on validation images (mean over seeds).

        Raises UserError where the preset has no such arm.
        """
        rows = self.validation()
        mine = rows[rows.multiple == multiple]
        if mine.empty:
            raise UserError(f"no arm of the preset {self.preset.name} has synthetic images ×{multiple}; see table3()")
        return str(mine.groupby("arm", sort=False).accuracy.mean().idxmax())

    def learning_curve(self) -> pd.DataFrame:
        """Accuracy against the number of real images: columns real_images, seed, accuracy, n."""
        return self._accuracies(self.arms.learning_curve(), ("real_images", "seed"))

    def crossed(self) -> pd.DataFrame:
        """Accuracies of "synthetic only" ×1 from crossed seeds: columns generator, classifier, accuracy, n."""
        return self._accuracies(self.arms.crossed(), ("generator", "classifier"))

    def variance(self) -> VarianceParts | None:
        """Where the variance of "synthetic only" ×1 lies, in percentage points; None with fewer than two seeds."""
        cells = self.arms.crossed()
        self.compute(list(cells.values()))
        seeds = sorted({g for g, _ in cells})
        if len(seeds) < 2:
            return None
        correct = np.array([[self.store.get(cells[g, s]).correct for s in seeds] for g in seeds])
        parts = variance_parts(correct)
        sizes = (100 * v for v in (parts.generator, parts.classifier, parts.both, parts.images))
        return VarianceParts(*sizes, parts.shape)

    def gap(self, multiple: int = 1) -> Estimate:
        """Accuracy of real only minus synthetic only ×multiple on the main data set, paired by seed, in points."""
        both = (self._percent(cell, self.main) for cell in ((REAL_ONLY, 0), (SYNTHETIC_ONLY, multiple)))
        return paired_difference(*both, span=PERCENT)

    def arm_difference(self, first: Cell, second: Cell) -> Estimate:
        """Accuracy of one (arm, multiple) of Table 3 minus another's, paired by seed, in percentage points."""
        return paired_difference(self._percent(first), self._percent(second), span=PERCENT)

    def against_real(self) -> list[Comparison]:
        """Every arm of Table 3 against real images alone, corrected as one family."""
        return self._compare([(cell, (REAL_ONLY, 0)) for cell in self.arms.listed() if cell[0] != REAL_ONLY])

    def against_controls(self) -> list[Comparison]:
        """Arms against what isolates their synthetic images, corrected as one family.

        Augmentation against a second real batch; synthetic only against a bootstrap of the real images; the mix
        50–100 against naïve; naïve against traditional augmentation at the same images a step, and combined with it.
        """
        listed = self.arms.listed()
        largest = max(self.preset.augmentation.get(NAIVE, (0,)))
        pairs: list[tuple[Cell, Cell]] = []
        for arm, k in listed:
            if arm in (*self.preset.augmentation, GIVEN) and arm != "0":
                pairs.append(((arm, k), ("0", 1)))
            if arm in (SYNTHETIC_ONLY, GIVEN_ONLY):
                pairs.append(((arm, k), (BOOTSTRAP, k)))
            if arm == MIX:
                pairs.append(((arm, k), (NAIVE, k)))
        for policy in self.preset.policies:
            pairs.append(((NAIVE, largest), (f"0 + {policy}", 1)))
            pairs.append(((f"{NAIVE} + {policy}", largest), (f"0 + {policy}", 1)))
        return self._compare([(a, b) for a, b in pairs if a in listed and b in listed])

    def sensitivity(self) -> pd.DataFrame:
        """Table 2's cells with one choice changed: columns variant, t_re, seed, accuracy, n."""
        return self._accuracies(self.main.sensitivity(), ("variant", "t_re", "seed"))

    def sensitivity_fidelity(self) -> pd.DataFrame:
        """Figure 6's cells with one choice about sampling changed: columns variant, protocol, t_re, seed, measures."""
        cells = self.main.sensitivity_fidelity()
        return known(self._measured(cells, ("variant", "protocol", "t_re", "seed"), SAMPLES))

    def variant_levels(self) -> pd.DataFrame:
        """What sampling costs under each variant that changes it: columns variant, t_re, sigma, evaluations."""
        rows = []
        for name in (DEFAULT, *self.preset.sensitivity.variants):
            if name != DEFAULT and VARIANTS[name].concerns != "solver":
                continue
            arms = self.main.varied(name)
            for t in (*self.preset.sensitivity.steps, REVERSE_STEPS):
                evaluations = arms.preset.generator.solver.evaluations(t)
                rows.append({"variant": name, "t_re": t, "sigma": arms.sigma(t), "evaluations": evaluations})
        return pd.DataFrame(rows).drop_duplicates(ignore_index=True)

    def _percent(self, cell: Cell, arms: Arms | None = None) -> np.ndarray:
        """Test accuracies of one cell of Table 3 in percent, in the order of the seeds."""
        arms = arms or self.arms
        if cell not in arms.listed():
            raise UserError(f"{cell_name(cell)} is not part of the preset {self.preset.name}; see table3()")
        specs = [arms.test(arms.arm(*cell, seed)) for seed in self.seeds]
        self.compute(specs)
        return np.array([100 * self.store.get(spec).accuracy for spec in specs])

    def _compare(self, pairs: list[tuple[Cell, Cell]]) -> list[Comparison]:
        values = {cell: self._percent(cell) for pair in pairs for cell in pair}
        return compare([(cell_name(a), cell_name(b), values[a], values[b]) for a, b in pairs], PERCENT)


def cell_name(cell: Cell) -> str:
    """An arm and its multiple as one text: "50-100 ×5", "real only"."""
    arm, multiple = cell
    return f"{arm} ×{multiple:g}" if multiple else arm
