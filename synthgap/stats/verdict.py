"""From intervals to words: what a run decides, what it leaves open, and what it would take.

One rule for all comparisons that carry a verdict (`read`). Each of them is in one of two families, `ANSWER` and
`CLAIMS`, which are corrected apart. All other comparisons are shown with intervals, without verdicts of their own.

A study may grow until it is decided. It is looked at when it has `LOOKS` seeds, and each look may spend the same share
of the error, so that all looks together are wrong no more often than one (Bonferroni's correction; looks share seeds,
so that they are wrong a little less often).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .crossed import Crossed, Needed

BETTER, WORSE, SAME, UNKNOWN = "better", "worse", "about the same", "can't tell"
DECIDED, LEANING, OPEN = "decided", "leaning", "open"
LEANS = 0.05  # level of a reading that leans: that of the 95% intervals, not corrected
LOOKS = (3, 6, 12, 24)  # seeds; chosen by us, before any run
OF_INTEREST = 0.01  # accuracy: a smaller difference counts as none; one point, chosen by us, before any run


@dataclass(frozen=True)
class ErrorFamily:
    """Comparisons that are corrected together: the chance that any verdict on one of them is wrong is at most alpha."""

    name: str
    alpha: float


# chosen by us, before any run
ANSWER = ErrorFamily("questions of the plain answer", 0.01)
CLAIMS = ErrorFamily("claims of the paper that are tested", 0.05)
REMEDY = ErrorFamily("remedies against plain samples", 0.05)


@dataclass(frozen=True)
class Reading:
    """What one comparison says.

    Attributes
    ----------
    side
        1 above 0, −1 below; 0: within ± the interest, or (where it is `OPEN`) unknown.
    standing
        DECIDED where the corrected p is below the family's alpha; LEANING where the 95% interval says so, which is not
        corrected; else OPEN.
    p
        p-value of what is read, times the number of comparisons in the family and of looks, 1 at most; NaN with one
        seed.
    """

    side: int
    standing: str
    p: float


def read(side: int, p: float, p_within: float, count: int, alpha: float, share: float = 1.0) -> Reading:
    """The rule, for one of `count` comparisons of a family.

    side : of 0 that the difference lies on. p : against 0. p_within : against differences of the interest or more.
    share : of every error, that this look may spend.

    A difference within ± the interest counts as none, also where its interval excludes 0. The correction is
    Bonferroni's: Holm's would be wrong a little too often here, since a comparison has two ways to be decided.
    """
    if math.isnan(p):
        return Reading(0, OPEN, math.nan)
    times = count / share
    for standing, limit in ((DECIDED, alpha / times), (LEANING, share * LEANS)):
        if p_within < limit:
            return Reading(0, standing, min(1.0, times * p_within))
        if p < limit:
            return Reading(side, standing, min(1.0, times * p))
    return Reading(0, OPEN, min(1.0, times * min(p, p_within)))


@dataclass(frozen=True)
class Verdict:
    """One question of an answer read.

    Attributes
    ----------
    word
        BETTER, WORSE, SAME (a difference below OF_INTEREST); UNKNOWN where the standing is OPEN.
    standing, p
        as of `Reading`.
    needed
        what would tell a difference of `max(|mean|, OF_INTEREST)`; None where the question is decided, or with one
        seed.
    images_forbid
        it is not decided, and would not be with any number of seeds on these test images.
    """

    word: str
    standing: str
    p: float
    difference: Crossed
    needed: Needed | None
    images_forbid: bool = False

    @property
    def reading(self) -> Reading:
        """The same as `read` gave it."""
        return Reading({BETTER: 1, WORSE: -1}.get(self.word, 0), self.standing, self.p)


def looks(block: int) -> tuple[int, ...]:
    """`LOOKS` for classifiers whose seeds are trained in blocks: whole ones."""
    return tuple(-(-count // block) * block for count in LOOKS)


def spent(growing: bool) -> float:
    """The share of the error that one look may spend: all of it in a study whose number of seeds was fixed before."""
    return 1 / len(LOOKS) if growing else 1.0


def decide(differences: Sequence[Crossed], growing: bool = False) -> list[Verdict]:
    """Verdicts of one answer's questions, together wrong in at most one answer of a hundred.

    growing : this is one look of several (`spent`); the intervals of the verdicts' differences hold at all of them
        together, too.
    """
    share = spent(growing)
    return [_verdict(replace(d, level=1 - share * (1 - d.level)), len(differences), share) for d in differences]


def _verdict(d: Crossed, count: int, share: float) -> Verdict:
    found = read(1 if d.mean > 0 else -1, d.p, d.p_within(OF_INTEREST), count, ANSWER.alpha, share)
    word = UNKNOWN if found.standing == OPEN else {1: BETTER, -1: WORSE, 0: SAME}[found.side]
    if found.standing == DECIDED or d.seeds < 2:
        return Verdict(word, found.standing, found.p, d, None)
    level = 1 - share * ANSWER.alpha / count
    needed = d.needed(max(abs(d.mean), OF_INTEREST), level)
    return Verdict(word, found.standing, found.p, d, needed, _images_forbid(d, level))


def _images_forbid(d: Crossed, level: float) -> bool:
    """Would a difference stay open with any number of seeds?

    Its mean over all seeds lies somewhere in the interval by seeds alone. Wherever that is, the interval by images
    alone, of the `level` of a decision, reaches from there to 0 and to a difference of interest.
    """
    by_seeds, by_images = replace(d, image_part=0.0), replace(d, seed_part=0.0, noise_part=0.0)
    half, reach = by_seeds.half_width(), by_images.half_width(level)
    return abs(d.mean) + half < reach and OF_INTEREST - max(0.0, abs(d.mean) - half) < reach


@dataclass(frozen=True)
class Flattening:
    """Where a curve against the multiple flattens.

    Attributes
    ----------
    multiple
        the smallest than which the last one is better by less than OF_INTEREST (95% interval);
        None where not even the last but one is.
    rising
        whether the last step helps (95% interval).
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
