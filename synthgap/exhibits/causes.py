"""Section 4.3, its weighing: which explanation of the gap does a run support?

A cause is tested in one of two ways. Where it can be brought about in *real* images alone, the loss that it makes there
is set against the gap (a control). Otherwise it predicts something that is measured (a symptom), which may be there
without causing anything. What real images lose is seeds × test images (see `crossed`); symptoms are over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..base.words import difference, escaped, plural
from ..design.loading import Design
from ..design.values import BOOTSTRAP
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.crossed import Crossed, at_spread, crossed
from ..stats.intervals import PERCENT, SHARE, Estimate, agree, paired_difference
from ..stats.verdict import OF_INTEREST
from .augmentation import table3_hits
from .base import WHOLE, by_steps, exhibit, result
from .classifiers import concentration, entropy
from .discussion import (
    TOO_FEW_LEFT,
    checkpoint_hits,
    gap_hits,
    late_gain,
    likelihood,
    no_checkpoints,
    trimmed_hits,
    trimming,
)
from .hits import Hits
from .samples import fidelity
from .text import myst_table

POINT = 100 * OF_INTEREST  # a smaller loss counts as none, as in the answer
AGAINST, UNDECIDED, PREDICTED, UNTESTED = "against it", "undecided", "as it predicts", "not tested"
PART, ENOUGH = "not enough by itself", "could be all of it"
IN_WORDS = {  # of the verdict; what else a candidate may say is undecided
    ENOUGH: "Could be all of it",
    PART: "There, but not enough by itself",
    PREDICTED: "Its symptom is there",
    AGAINST: "Measured, and evidence against it",
    UNTESTED: "Not tested here",
}


@dataclass(frozen=True)
class Loss:
    """What real images lose under a control, and what of the gap that leaves, in points."""

    loss: Crossed | Estimate
    left: Crossed | Estimate

    @property
    def says(self) -> str:
        """AGAINST: the loss is below a point; PART: it leaves a gap; ENOUGH: there is a loss, and it may be all."""
        if math.isnan(self.loss.low):
            return UNDECIDED
        if self.loss.high < POINT:
            return AGAINST
        if self.left.side == 1:
            return PART
        return ENOUGH if self.loss.side == 1 else UNDECIDED


@dataclass(frozen=True)
class Symptom:
    """A change of a quantity, in `unit`, counted as positive in the direction that the cause predicts.

    sign : −1 where that is a fall of the quantity. A change below `interest` is evidence against the cause. Seeds that
    all agree decide nothing: a quantity that moves in coarse steps does so by chance.
    """

    effect: Crossed | Estimate
    what: str
    unit: str
    sign: int = 1
    interest: float = 0.0

    @property
    def says(self) -> str:
        if math.isnan(self.effect.low) or agree(self.effect.low, self.effect.high):
            return UNDECIDED
        if self.effect.high < self.interest:
            return AGAINST
        return PREDICTED if self.effect.side == 1 else UNDECIDED

    @property
    def change(self) -> Crossed | Estimate:
        """The quantity's own change, negative where it falls."""
        if self.sign == 1:
            return self.effect
        low, high = self.effect.span
        return replace(self.effect, mean=-self.effect.mean, span=(-high, -low))


@dataclass(frozen=True)
class Cause:
    """A candidate, what it predicts, and what came out; `found` is None where `why` says what is missing."""

    name: str
    predicts: str
    found: Loss | Symptom | None
    why: str = ""

    @property
    def says(self) -> str:
        return UNTESTED if self.found is None else self.found.says


def gap_of(right: Hits) -> np.ndarray:
    """Right on real images minus right on synthetic ones ×1, seeds × test images."""
    return right.minus((0,), (REVERSE_STEPS,))


def loss_of(lost: np.ndarray, right: Hits) -> Loss:
    """lost : by each seed on each test image, as `gap_of` has them."""
    return Loss(crossed(lost).in_points, crossed(gap_of(right) - lost).in_points)


@result("trimmed_loss", reads=[trimming, concentration, trimmed_hits, gap_hits], no_rows=WHOLE)
def trimmed_loss(d: Design, rows: pd.DataFrame, spread: pd.DataFrame, trimmed: Hits, right: Hits) -> Loss | str:
    """The loss at the synthetic set's spread, interpolated seed by seed between the shares that were kept.

    A text says why it could not be measured: the preset has no such cells, too few images are left to measure their
    spread, or in some seed the synthetic images spread as widely as the real ones: then nothing is cut, and a loss of 0
    would say nothing of concentration.
    """
    if rows.empty:
        return f"the preset {d.preset.name} has no trimmed cells"
    if rows.trace_ratio.isna().any():
        return f"{TOO_FEW_LEFT} are left to measure their spread"
    try:
        tight = both_ends(spread, "trace_ratio")
    except UserError as error:
        return str(error)
    whole = rows[rows.real_images == rows.real_images.max()].set_index("seed").trace_ratio
    as_wide = [seed for seed in d.seeds if tight[REVERSE_STEPS][seed] >= whole[seed]]
    if as_wide:
        return (
            f"in {len(as_wide)} of {plural(len(d.seeds), 'seed')} synthetic images spread as widely as real ones "
            f"within their classes ({tight[REVERSE_STEPS].mean():.2f} against {whole.mean():.2f}, means over seeds), "
            "so that there is nothing to cut"
        )
    several = []
    for n in sorted(rows.real_images.unique()):
        cut = ("central", n) in trimmed  # or else it is the whole set
        several.append(trimmed.minus(("random", n), ("central", n)) if cut else np.zeros(right[0,].shape))
    losses, at_synthetic = np.array(several), []
    for number, seed in enumerate(d.seeds):
        spreads = rows[rows.seed == seed].sort_values("real_images").trace_ratio.to_numpy()
        at_synthetic.append(at_spread(tight[REVERSE_STEPS][seed], spreads, losses[:, number]))
    return loss_of(np.array(at_synthetic), right)


@result(
    "causes",
    reads=[trimmed_loss, gap_hits, table3_hits, checkpoint_hits, concentration, likelihood, entropy, fidelity],
    no_rows=WHOLE,
)
def causes(
    d: Design,
    trimmed: Loss | str,
    right: Hits,
    arms: Hits,
    checkpoints: Hits,
    spread: pd.DataFrame,
    nats: pd.DataFrame,
    labels: pd.DataFrame,
    shape: pd.DataFrame,
) -> list[Cause]:
    """Every candidate, controls first."""
    memory = "copies of the real images, drawn with replacement, lose as much"
    cut = "real images cut to the spread of the synthetic ones lose as much"
    return [
        cause(
            "a finite sample alone: a generator knows no more than its training images",
            memory,
            partial(copied, d, right, arms),
        ),
        cause("concentration near the modes: the control", cut, lambda: trimmed),
        cause("concentration: its premise", "synthetic images spread less within a class", partial(tighter, spread)),
        cause("a pull towards high likelihood", "ln p rises with the reverse step", partial(likelier, nats)),
        cause("wrong labels", "fewer images are given their label by another classifier", partial(mislabelled, labels)),
        cause("lost diversity", "recall falls with the reverse step", partial(narrower, shape)),
        cause(
            "too little training", "the second half of its training still helps", partial(unfinished, d, checkpoints)
        ),
    ]


def cause(name: str, predicts: str, find: Callable[[], Loss | Symptom | str]) -> Cause:
    """A candidate; a text, or a UserError, says why nothing could be measured."""
    try:
        found = find()
    except UserError as error:
        found = str(error)
    return Cause(name, predicts, None, found) if isinstance(found, str) else Cause(name, predicts, found)


# each candidate; they raise UserError where it could not be measured


def copied(d: Design, right: Hits, arms: Hits) -> Loss:
    """What real images lose where a set as large is drawn from them with replacement."""
    if d.main is not d.arms or (BOOTSTRAP, 1) not in arms:
        raise UserError(f"the preset {d.preset.name} has no bootstrap ×1 of this data set")
    return loss_of(right[0,].astype(np.float64) - arms[BOOTSTRAP, 1], right)


def tighter(rows: pd.DataFrame) -> Symptom:
    """Variance within a class, which synthetic images have less of if they lie near the modes."""
    ratio = both_ends(rows, "trace_ratio")
    return Symptom(paired_difference(ratio[0], ratio[REVERSE_STEPS]), "variance within a class", "of the real one", -1)


def likelier(rows: pd.DataFrame) -> Symptom:
    """ln p of images made from test images, at the larger noise level."""
    largest = rows.sigma.max()
    nats = both_ends(rows[(rows.split == "test") & (rows.sigma == largest)], "nats")
    return Symptom(paired_difference(nats[REVERSE_STEPS], nats[0]), f"ln p of test images at σ = {largest:g}", "nats")


def mislabelled(rows: pd.DataFrame) -> Symptom:
    """Share of images that a classifier gives their label."""
    own = both_ends(rows[rows.split == "train"], "agreement")
    change = paired_difference(100 * own[0], 100 * own[REVERSE_STEPS], span=PERCENT)
    return Symptom(change, "label agreement", "points", -1, POINT)


def narrower(rows: pd.DataFrame) -> Symptom:
    """Recall, the share of real images that synthetic ones come near."""
    recall = both_ends(rows, "recall")
    return Symptom(paired_difference(recall[0], recall[REVERSE_STEPS], span=SHARE), "recall", "", -1)


def unfinished(d: Design, right: Hits) -> Symptom:
    """The last checkpoint before the end against the end: what the rest of the training still gave."""
    found = late_gain(right)
    if found is None:
        raise UserError(no_checkpoints(d))
    before, end, gain = found
    return Symptom(gain, f"accuracy from {before:,} to {end:,} images", "points", 1, POINT)


def both_ends(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One column as seeds × reverse steps, of which the first and the last are there; else UserError."""
    table = by_steps(rows, column)
    missing = [str(t) for t in (0, REVERSE_STEPS) if t not in table]
    if missing:
        raise UserError(f"nothing is measured at reverse step {' and '.join(missing)}")
    return table


# what the book shows


@exhibit("tab-causes", [causes, gap_hits], apart="the paper weighs one explanation")
def causes_table(d: Design, several: list[Cause], right: Hits) -> list[str]:
    """Every candidate, what it predicts, what came out and what that says; and the weighing in a few sentences."""
    gap = crossed(gap_of(right)).in_points
    out = [
        {
            "candidate": one.name,
            "it predicts": one.predicts,
            "measured": escaped(one.why) if one.found is None else _measured(one.found),
            "left of the gap (points)": _interval(one.found.left) if isinstance(one.found, Loss) else "",
            "what it says": f"**{one.says}**" if one.says in (AGAINST, ENOUGH, PART, PREDICTED) else one.says,
        }
        for one in several
    ]
    caption = (
        f"Candidates for the gap of {_interval(gap)} points between real and synthetic images ×1, {d.main.name}. 95% "
        "intervals: of what real images lose over seeds and test images, of symptoms over seeds; not corrected for "
        "their number. Symptoms set reverse step 100 against 0, or against real images"
    )
    return [myst_table(out, caption, "tab-causes"), verdict(several, gap)]


def verdict(several: list[Cause], gap: Crossed | Estimate) -> str:
    """The weighing in a few sentences, as a Markdown list."""
    if gap.side != 1:
        return (
            f"The interval of the gap itself ({_interval(gap)} points) includes 0, which leaves open whether there is "
            "one: there is nothing to explain yet."
        )
    by_word: dict[str, list[str]] = {}
    for one in several:
        by_word.setdefault(one.says, []).append(one.name + _aside(one))
    lines = [f"- {title}: {'; '.join(by_word[word])}." for word, title in IN_WORDS.items() if word in by_word]
    rest = [name for word, names in by_word.items() if word not in IN_WORDS for name in names]
    if rest:
        lines.append(f"- Undecided with so few seeds and images: {'; '.join(rest)}.")
    return "\n".join(lines)


def _aside(one: Cause) -> str:
    """What a control that does lose something leaves, or why there is none; a mere interval around 0 is no finding."""
    if one.found is None:
        return f" ({escaped(one.why)})"
    if not isinstance(one.found, Loss) or one.says not in (ENOUGH, PART):
        return ""
    return f" (loses {_interval(one.found.loss)} points and leaves {_interval(one.found.left)})"


def _measured(found: Loss | Symptom) -> str:
    if isinstance(found, Loss):
        return f"real images lose {_interval(found.loss)} points"
    digits = 1 if found.unit == "points" else None
    return f"{found.what}: {_interval(found.change, digits)} {found.unit}".rstrip()


def _interval(e: Crossed | Estimate, digits: int | None = 1) -> str:
    """With one decimal, as points are written; digits: None for as many as the size needs."""
    return difference(e, digits) + (" (one seed: no interval)" if math.isnan(e.low) else "")
