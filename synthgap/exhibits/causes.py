"""Which explanation of the gap does a run speak for?

A cause is tested in one of two ways. Where it can be brought about in *real* images alone, the loss that it makes there
is set against the gap (a control). Otherwise it predicts something that is measured (a symptom), which may be there
without causing anything. What real images lose is seeds × test images (see `crossed`); symptoms are over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.errors import UserError
from ..data.splits import halves, stratified_lowest
from ..design.arms import BOOTSTRAP, CROSSFIT, FLOOR
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.compute import centralities
from ..graph.specs import Predict
from ..metrics.projection import concentration
from ..stats.crossed import Crossed, crossed
from ..stats.intervals import PERCENT, SHARE, Estimate, paired_difference
from ..stats.verdict import OF_INTEREST
from . import causes_plots
from .answer import Answers
from .results import CONCENTRATION

POINT = 100 * OF_INTEREST  # a smaller loss counts as none, as in the answer
AGAINST, UNDECIDED, PREDICTED = "against it", "undecided", "as it predicts"
PART, ENOUGH, NOT_RUN = "not enough by itself", "could be all of it", "not run"


@dataclass(frozen=True)
class Loss:
    """What real images lose under a control, and what of the gap that leaves, in points."""

    loss: Crossed
    left: Crossed

    @property
    def says(self) -> str:
        """AGAINST: the loss is below a point; PART: it leaves a gap; ENOUGH: there is a loss, and it may be all."""
        if math.isnan(self.loss.low):
            return UNDECIDED
        if self.loss.high < POINT:
            return AGAINST
        if self.left.low > 0:
            return PART
        return ENOUGH if self.loss.low > 0 else UNDECIDED


@dataclass(frozen=True)
class Symptom:
    """A change of a quantity, in `unit`, counted as positive in the direction that the cause predicts.

    sign : −1 where that is a fall of the quantity. A change below `interest` speaks against the cause.
    """

    effect: Crossed | Estimate
    what: str
    unit: str
    sign: int = 1
    interest: float = 0.0

    @property
    def says(self) -> str:
        if math.isnan(self.effect.low):
            return UNDECIDED
        if self.effect.high < self.interest:
            return AGAINST
        return PREDICTED if self.effect.low > 0 else UNDECIDED


@dataclass(frozen=True)
class Cause:
    """A candidate, what it predicts, and what came out; `found` is None where `why` says what is missing."""

    name: str
    predicts: str
    found: Loss | Symptom | None
    why: str = ""

    @property
    def says(self) -> str:
        return NOT_RUN if self.found is None else self.found.says


class Causes(Answers):
    """Controls of the main data set, and the candidates weighed. Tables have one row a seed."""

    def trimming(self) -> pd.DataFrame:
        """Real images without their outskirts: columns real_images, seed, central, random, n, and of concentration.

        central, random : test accuracy of classifiers trained on the `real_images` nearest to their class means, and
            on as many random ones; where that is the whole set, of the real classifier.
        trace_ratio, distance_ratio, outer_coverage : of the central ones, cross-fitted (see `metrics.projection`); NaN
            where too few images a class are left.

        Empty where the preset has no such cells.
        """
        cells = self.main.trimming()
        if not cells:
            return pd.DataFrame()
        rows = self._accuracies(cells, ("which", "real_images", "seed"))
        wide = rows.pivot(index=["real_images", "seed"], columns="which", values="accuracy").reset_index()
        whole = self._real()
        whole = whole.assign(real_images=self.main.data["train"].count, central=whole.accuracy, random=whole.accuracy)
        table = pd.concat([wide, whole[wide.columns]], ignore_index=True).assign(n=int(rows.n.iloc[0]))
        spreads = [self._spread(seed, count) for count, seed in zip(table.real_images, table.seed, strict=True)]
        return table.assign(**pd.DataFrame(spreads))

    def checkpoints(self) -> pd.DataFrame:
        """Synthetic only ×1 by the generator's training: columns generator_images, seed, accuracy, n."""
        return self._accuracies(self.main.checkpoints(), ("generator_images", "seed"))

    def causes(self) -> list[Cause]:
        """Every candidate, controls first."""
        memory = "copies of the real images, drawn with replacement, lose as much"
        spread = "real images cut to the spread of the synthetic ones lose as much"
        return [
            self._cause(
                "a finite sample alone: a generator knows no more than its training images", memory, self._copied
            ),
            self._cause("concentration near the modes: the control", spread, self.trimmed_loss),
            self._cause("concentration: its premise", "synthetic images spread less within a class", self._tighter),
            self._cause("a pull towards high likelihood", "ln p rises with the reverse step", self._likelier),
            self._cause("wrong labels", "fewer images are given their label by another classifier", self._mislabelled),
            self._cause("lost diversity", "recall falls with the reverse step", self._narrower),
            self._cause("too little training", "the second half of its training still helps", self._unfinished),
        ]

    def gap_crossed(self) -> Crossed:
        """Accuracy of real minus synthetic only ×1 on the main data set, in points."""
        return crossed(self._gap()).in_points

    def figure_controls(self) -> Figure:
        """Accuracy without the outskirts and with as many random images; accuracy by the generator's training."""
        return causes_plots.controls(self.trimming(), self.checkpoints(), self._real(), self.main.name)

    # one method a cause

    def _cause(self, name: str, predicts: str, measure: Callable[[], Loss | Symptom]) -> Cause:
        try:
            return Cause(name, predicts, measure())
        except UserError as error:  # cells that the preset lacks, or too few images for the measure
            return Cause(name, predicts, None, str(error))

    def _copied(self) -> Loss:
        if (BOOTSTRAP, 1) not in self.main.listed() or self.main is not self.arms:
            raise UserError(f"the preset {self.preset.name} has no bootstrap ×1 of this data set")
        copies = self._hits([self.main.test(self.main.arm(BOOTSTRAP, 1, s)) for s in self.seeds])
        return self._loss(self._steps_hits(0) - copies)

    def trimmed_loss(self) -> Loss:
        """The loss at the synthetic set's spread, interpolated seed by seed between the shares that were kept.

        Raises UserError where the preset has no such cells, or too few images are left to measure their spread.
        """
        table = self.trimming()
        if table.empty:
            raise UserError(f"the preset {self.preset.name} has no trimmed cells")
        if table.trace_ratio.isna().any():
            raise UserError("too few images a class are left to measure their spread")
        tight = _by_step(self.concentration(), "trace_ratio")[REVERSE_STEPS]
        cells, counts = self.main.trimming(), sorted(table.real_images.unique())
        several = []
        for seed in self.seeds:
            spreads = table[table.seed == seed].sort_values("real_images").trace_ratio.to_numpy()
            losses = np.array([self._trim_loss(cells, count, seed) for count in counts])
            several.append(at_spread(tight[seed], spreads, losses))
        return self._loss(np.array(several))

    def _tighter(self) -> Symptom:
        ratio = _by_step(self.concentration(), "trace_ratio")
        return Symptom(
            paired_difference(ratio[0], ratio[REVERSE_STEPS]), "variance within a class", "of the real one", -1
        )

    def _likelier(self) -> Symptom:
        largest = max(self.preset.likelihood.sigmas)
        rows = self.likelihood_curve()
        nats = _by_step(rows[(rows.split == "test") & (rows.sigma == largest)], "nats")
        return Symptom(
            paired_difference(nats[REVERSE_STEPS], nats[0]), f"ln p of test images at σ = {largest:g}", "nats"
        )

    def _mislabelled(self) -> Symptom:
        rows = self.entropy_curve()
        own = _by_step(rows[rows.split == "train"], "agreement")
        return Symptom(
            paired_difference(100 * own[0], 100 * own[REVERSE_STEPS], span=PERCENT),
            "label agreement",
            "points",
            -1,
            POINT,
        )

    def _narrower(self) -> Symptom:
        recall = _by_step(self.fidelity_curve(), "recall")
        return Symptom(paired_difference(recall[0], recall[REVERSE_STEPS], span=SHARE), "recall", "", -1)

    def _unfinished(self) -> Symptom:
        """The last checkpoint before the end against the end: what the rest of the training still gave."""
        cells = self.main.checkpoints()
        counts = sorted({count for count, _ in cells})
        if len(counts) < 2:
            raise UserError(f"the preset {self.preset.name} has no checkpoints")
        before, end = (self._hits([cells[count, s] for s in self.seeds]) for count in counts[-2:])
        return Symptom(
            crossed(end - before).in_points,
            f"accuracy from {counts[-2]:,} to {counts[-1]:,} images",
            "points",
            1,
            POINT,
        )

    # pieces

    def _of_step(self, t_re: int, seed: int) -> Predict:
        return self.main.test(self.main.classifier(seed, t_re))

    def _steps_hits(self, t_re: int) -> np.ndarray:
        return self._hits([self._of_step(t_re, s) for s in self.seeds])

    def _hits(self, specs: list[Predict]) -> np.ndarray:
        return self._right_of(specs).astype(np.float64)

    def _real(self) -> pd.DataFrame:
        """Accuracy of all real images: columns seed, accuracy, n."""
        return self._accuracies({(s,): self._of_step(0, s) for s in self.seeds}, ("seed",))

    def _gap(self) -> np.ndarray:
        """Right on real images minus right on synthetic ones ×1, seeds × test images."""
        return self._steps_hits(0) - self._steps_hits(REVERSE_STEPS)

    def _loss(self, values: np.ndarray) -> Loss:
        """values: what was lost, seeds × test images."""
        return Loss(crossed(values).in_points, crossed(self._gap() - values).in_points)

    def _trim_loss(self, cells: dict, count: int, seed: int) -> np.ndarray:
        if ("central", count, seed) not in cells:  # the whole set: nothing is cut
            return np.zeros(self.main.data["test"].count)
        random, central = self._hits([cells[which, count, seed] for which in ("random", "central")])
        return random - central

    def _spread(self, seed: int, count: int) -> dict[str, float]:
        """Concentration of the `count` central images of half b, as `concentration` measures the synthetic ones."""
        arms = self.main
        seen = arms.halves_seen(seed)
        other = arms.judged(CROSSFIT, seed, FLOOR)
        self.compute([*seen, other])
        labels = self.store.get(arms.data["train"]).labels
        features = [self.store.get(spec).features for spec in seen]
        kept = np.zeros(len(labels), dtype=bool)
        kept[stratified_lowest(labels, count, centralities(labels, features))] = True
        _, half = halves(labels)
        real = self.store.get(other)
        try:
            value = concentration(real.features, real.labels, features[1][kept[half]], labels[half][kept[half]])
        except UserError:  # too few images a class are left
            return dict.fromkeys(CONCENTRATION, math.nan)
        return {name: getattr(value, name) for name in CONCENTRATION}


def _by_step(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One column as seeds × reverse steps, cross-fitted where there are two protocols; UserError where that lacks."""
    if "protocol" in rows:
        rows = rows[rows.protocol == CROSSFIT]
        if rows.empty:
            raise UserError("there are too few held-out images for the cross-fitted protocol")
    return rows[rows.t_re >= 0].pivot(index="seed", columns="t_re", values=column)


def at_spread(spread: float, spreads: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The loss at one spread, between sets of known spread and loss; outside of them that of the nearest set.

    spreads : sets. losses : sets × images. Returns one value an image, linear in the losses, so that it can be crossed.
    """
    order = np.argsort(spreads, kind="stable")
    place = np.interp(spread, spreads[order], np.arange(len(order)))
    low = int(np.floor(place))
    high = min(low + 1, len(order) - 1)
    return losses[order[low]] + (place - low) * (losses[order[high]] - losses[order[low]])
