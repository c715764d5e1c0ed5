"""The front page's five sentences: what a run says, in the order a reader asks. Chapter 7 shows them first.

Differences are in the plain answer's measure, over seeds and test images (see `stats.crossed`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..base.errors import UserError
from ..design.arms import BOOTSTRAP, REAL_ONLY, SYNTHETIC_ONLY
from ..stats.crossed import Crossed
from .claims import ClaimVerdict
from .claims_tables import takeaway
from .plain import arm_words, escaped, interval, more_or_less, number

if TYPE_CHECKING:
    from .old_study import Study


def five_sentences(study: Study, verdicts: Sequence[ClaimVerdict]) -> list[str]:
    """As Markdown. Raises nothing where a preset lacks cells: the sentence says so."""
    names = ", ".join(arms.name for arms in study.columns)
    return [
        _instead(study, 1),
        _instead(study, max(k for arm, k in study.arms.listed() if arm == SYNTHETIC_ONLY)),
        _beside(study),
        _why(study),
        takeaway(verdicts, study.preset.name, names),
    ]


def _instead(study: Study, multiple: float) -> str:
    """Synthetic images in the place of real ones."""
    train, name = study.arms.data["train"].count, escaped(study.arms.name)
    d = study.difference((SYNTHETIC_ONLY, multiple), (REAL_ONLY, 0))
    how_many = "As many" if multiple == 1 else f"{multiple:g} times as many"
    lead = _told(
        d,
        "teach more than the real ones",
        "teach less than the real ones",
        "can't be said to teach less or more than the real ones",
    )
    count = f"{round(multiple * train):,}"
    return (
        f"**{how_many} synthetic images {lead}**: on {name}, a classifier trained on {count} of them has "
        f"{_apart(d, study)} than one trained on {train:,} real images."
    )


def _beside(study: Study) -> str:
    """The mix that validation images choose, beside the real images."""
    cell, _, verdict = study.verdicts()["augment"]
    d = verdict.difference
    lead = _told(d, "Beside real images they help", "Beside real images they do harm", "Beside real images it is open")
    return (
        f"**{lead}**: with {arm_words(cell[0])} ×{cell[1]:g}, the mix chosen on validation images, a classifier has "
        f"{_apart(d, study)} than with as many real images a step."
    )


def _why(study: Study) -> str:
    """What copies of the real images lose, and what real images cut to the synthetic spread lose."""
    cells = ((BOOTSTRAP, 1), (SYNTHETIC_ONLY, 1))
    if not set(cells) <= set(study.arms.listed()):
        return "**Why is not asked at this preset**: it trains on no copies of the real images."
    copies = study.difference((REAL_ONLY, 0), cells[0])
    excess = study.difference(*cells)
    lead = _told(
        excess,
        "More is lost than by copying the real images",
        "Less is lost than by copying the real images",
        "What is lost at equal number is not told from what copying the real images loses",
    )
    text = (
        f"**{lead}**: as many of the real images, drawn with replacement, lose {_lost(copies.in_points)}, and "
        f"synthetic ones {_lost(excess.in_points)} beyond these"
    )
    try:
        loss = study.trimmed_loss().loss  # in points already
    except UserError:
        return text + "."
    return f"{text}; real images cut to the spread of synthetic ones lose {_lost(loss)}."


def _told(d: Crossed, more: str, less: str, neither: str) -> str:
    if math.isnan(d.half_width()) or d.low <= 0 <= d.high:
        return neither
    return more if d.mean > 0 else less


def _apart(d: Crossed, study: Study) -> str:
    return f"{more_or_less(d)} {study.measure} ({interval(d)})"


def _lost(d: Crossed) -> str:
    """A loss in points; a gain has a minus."""
    mean, low, high = (number(v).removeprefix("+") for v in (d.mean, d.low, d.high))
    return f"{mean} points" + ("" if math.isnan(d.low) else f" (95% interval {low} to {high})")
