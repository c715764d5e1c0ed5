"""Tables on the gap's causes, as MyST Markdown: the controls, and all candidates weighed."""

from __future__ import annotations

import math

import pandas as pd

from ..stats.crossed import Crossed
from ..stats.intervals import PERCENT, POSITIVE, Estimate, estimate_mean, paired_difference
from .causes import AGAINST, ENOUGH, NOT_RUN, PART, PREDICTED, Cause, Loss, Symptom
from .plain import escaped, number
from .tables import myst_table, percent, plus_minus

DECIDED = (AGAINST, ENOUGH, PART, PREDICTED)


def trimming(rows: pd.DataFrame, synthetic: pd.DataFrame, name: str) -> str:
    """The trimming control: spread and accuracy of the central images beside those of as many random ones.

    rows : of `Study.trimming`; synthetic : cross-fitted rows of `Study.concentration` at t_re = 100.
    """
    if rows.empty:
        return "The trimming control is not run at this preset."
    out = []
    for count, mine in rows.groupby("real_images", sort=True):
        mine = mine.sort_values("seed")
        whole = count == rows.real_images.max()
        loss = paired_difference(100 * mine.random, 100 * mine.central, span=PERCENT)
        out.append(
            {
                "training images": f"{count:,}" + (" (all)" if whole else " most central"),
                "variance within a class, real = 1": _spread(mine.trace_ratio),
                "distance to the class mean, real = 1": _spread(mine.distance_ratio),
                "accuracy (%)": plus_minus(percent(mine.central)),
                "as many random (%)": plus_minus(percent(mine.random)),
                "lost (points)": "–" if whole else plus_minus(loss),
            }
        )
    line = {
        "training images": "synthetic, t_re = 100",
        "variance within a class, real = 1": _spread(synthetic.trace_ratio),
        "distance to the class mean, real = 1": _spread(synthetic.distance_ratio),
    }
    caption = (
        f"Real images without their outskirts, {name}: what is kept lies nearest to the means of its classes, by "
        "features of a classifier that has not seen it. Spread: cross-fitted, against other real images. Mean over "
        f"{rows.seed.nunique()} seeds ± half-width of the 95% interval over seeds, {rows.n.iloc[0]:,} test images"
    )
    return myst_table(pd.DataFrame([*out, line]).fillna(""), caption, "tab-trimming")


def causes(several: list[Cause], gap: Crossed, name: str) -> str:
    """Every candidate, what it predicts, what came out and what that says."""
    out = [
        {
            "candidate": cause.name,
            "it predicts": cause.predicts,
            "measured": escaped(cause.why) if cause.found is None else _measured(cause.found),
            "left of the gap (points)": _interval(cause.found.left) if isinstance(cause.found, Loss) else "",
            "that speaks": f"**{cause.says}**" if cause.says in DECIDED else cause.says,
        }
        for cause in several
    ]
    caption = (
        f"Candidates for the gap of {_interval(gap)} points between real and synthetic images ×1, {name}. 95% "
        "intervals: of what real images lose over seeds and test images, of symptoms over seeds; not corrected for "
        "their number. Symptoms set reverse step 100 against 0, or against real images"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-causes")


def verdict(several: list[Cause], gap: Crossed) -> str:
    """The weighing in a few sentences."""
    if not gap.low > 0:
        return f"The gap itself ({_interval(gap)} points) is not told from 0 here: there is nothing to explain yet."
    by_word: dict[str, list[str]] = {}
    for cause in several:
        by_word.setdefault(cause.says, []).append(cause.name + _of_the_gap(cause))
    words = {
        ENOUGH: "Could be all of it",
        PART: "There, but not enough by itself",
        PREDICTED: "Its symptom is there",
        AGAINST: "Measured, and against it",
        NOT_RUN: "Not run",
    }
    lines = [f"- {title}: {'; '.join(by_word[word])}." for word, title in words.items() if word in by_word]
    rest = [name for word, names in by_word.items() if word not in words for name in names]
    if rest:
        lines.append(f"- Undecided with so few seeds and images: {'; '.join(rest)}.")
    return "\n".join(lines)


def _of_the_gap(cause: Cause) -> str:
    """What a control that does lose something leaves; a mere interval around 0 is no finding."""
    if not isinstance(cause.found, Loss) or cause.says not in (ENOUGH, PART):
        return ""
    return f" (loses {_interval(cause.found.loss)} points and leaves {_interval(cause.found.left)})"


def _spread(values: pd.Series) -> str:
    if values.empty or values.isna().any():
        return "too few images a class"
    return plus_minus(estimate_mean(values, span=POSITIVE))


def _measured(found: Loss | Symptom) -> str:
    if isinstance(found, Loss):
        return f"real images lose {_interval(found.loss)} points"
    e = found.effect
    ends = sorted((found.sign * e.low, found.sign * e.high))
    return f"{found.what}: {_written(found.sign * e.mean, *ends)} {found.unit}".rstrip()


def _interval(e: Crossed | Estimate) -> str:
    return _written(e.mean, e.low, e.high)


def _written(mean: float, low: float, high: float) -> str:
    digits = 2 if abs(mean) >= 1 else 3
    if math.isnan(low):
        return f"{number(mean, digits)} (one seed: no interval)"
    return f"{number(mean, digits)} ({number(low, digits)} to {number(high, digits)})"
