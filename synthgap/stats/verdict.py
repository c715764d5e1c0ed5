"""From intervals to words: what a run decides, what it leaves open, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass

from .crossed import Crossed, Needed
from .intervals import holm

BETTER, WORSE, SAME, OPEN = "better", "worse", "about the same", "can't tell"
ALPHA = 0.01  # chance that any of the verdicts of one answer is wrong; chosen by us, before any run
OF_INTEREST = 0.01  # accuracy: a smaller difference counts as none; one point, chosen by us, before any run


@dataclass(frozen=True)
class Verdict:
    """One question decided, or not.

    Attributes
    ----------
    word
        BETTER or WORSE where the difference is told from 0 (p_holm < ALPHA); SAME where its 99% interval lies
        within ± OF_INTEREST; else OPEN, and `needed` says what would tell a difference of `max(|mean|, OF_INTEREST)`.
    p_holm
        p-value corrected for the answer's other verdicts; NaN with one seed.
    """

    word: str
    difference: Crossed
    p_holm: float
    needed: Needed | None


def decide(differences: list[Crossed]) -> list[Verdict]:
    """Verdicts of one answer's questions, together wrong in at most one answer of a hundred."""
    return [_verdict(d, float(p)) for d, p in zip(differences, holm([d.p for d in differences]), strict=True)]


def _verdict(difference: Crossed, p: float) -> Verdict:
    low, high = difference.interval(1 - ALPHA)
    if low > -OF_INTEREST and high < OF_INTEREST:
        return Verdict(SAME, difference, p, None)
    if p < ALPHA:
        return Verdict(BETTER if difference.mean > 0 else WORSE, difference, p, None)
    needed = None
    if difference.seeds > 1:
        needed = difference.needed(max(abs(difference.mean), OF_INTEREST), 1 - ALPHA)
    return Verdict(OPEN, difference, p, needed)


@dataclass(frozen=True)
class Flattening:
    """Where a curve against the multiple flattens.

    Attributes
    ----------
    multiple
        the smallest from which the last one is told to be no better by more than OF_INTEREST (95% interval);
        None where not even the last but one is.
    rising
        whether the last step is told to help (95%).
    last
        the last step's difference.
    between
        its two multiples.
    """

    multiple: float | None
    rising: bool
    last: Crossed
    between: tuple[float, float]


def flattening(multiples: list[float], against_last: list[Crossed]) -> Flattening:
    """`against_last`: accuracy at the largest multiple minus that at each smaller one, in ascending order of them."""
    flat = None
    for k, difference in reversed(list(zip(multiples[:-1], against_last, strict=True))):
        if not difference.high < OF_INTEREST:
            break
        flat = k
    last = against_last[-1]
    return Flattening(flat, last.side > 0, last, (multiples[-2], multiples[-1]))
