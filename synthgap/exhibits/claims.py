"""Section 7, its verdicts: every claim of the paper set against the study.

What decides a claim, and the smallest effect of interest, is data (`synthgap/paper/claims.yaml`); the number comes from
its measure (`measures`), and `stats.judge` has the rule. A claim about a comparison that is one of the plain answer's
questions has its verdict from there: it is decided once, at the answer's error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..base.errors import UserError
from ..base.words import plural
from ..design.loading import Design
from ..design.values import REAL, SYNTHETIC_ONLY, ArmCell
from ..paper.published import NEEDS, PublishedClaim
from ..paper.published import claims as published_claims
from ..stats.judge import BY_CONSTRUCTION, INCONCLUSIVE, NOT_TESTED, Effect, Measured, judge, word_for
from ..stats.verdict import Reading
from .answer import Decided, verdicts
from .base import WHOLE, Result, result
from .measures import MEASURES
from .task import Task, task

PAPERS_OWN = ("aircraft", "cub", "cars")  # data sets whose numbers the paper's multiples are
NUMBERS = ("match-above-three", "match-at-five-or-more", "match-at-three")  # claims about such a number
ASKED: dict[str, tuple[ArmCell, ArmCell]] = {  # claims about a comparison that may be a question of the plain answer
    "gap-at-equal-size": (REAL, (SYNTHETIC_ONLY, 1)),
    "size-closes-the-gap": ((SYNTHETIC_ONLY, 5), REAL),
}
HELD: dict[str, Callable[[Design], bool]] = {  # of `NEEDS`, what a study can hold, and whether it does
    "two-seeds": lambda d: len(d.seeds) >= 2,
    "several-data-sets": lambda d: len(d.columns_of(4)) >= 2,
    "gan": lambda d: bool(d.main.rivals),
    "trimmed": lambda d: bool(d.main.preset.trimmed),
    "three-data-sets": lambda d: len(d.columns_of(4)) >= 3,
    "100-classes": lambda d: {10, 100} <= {arms.data["train"].classes for arms in d.columns_of(2)},
}

READS = tuple(dict.fromkeys(read for measure in MEASURES.values() for read in measure.reads))


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim judged.

    standing : DECIDED, LEANING or OPEN (`stats.verdict`); "" where it is not tested.
    effect : None where nothing was measured; given for comparison where the claim holds by construction or is a number
        of another scale.
    p : of what the verdict says, corrected within its error family; NaN with one seed, without a test, or of a trend
        that turns.
    n, dataset : what the number rests on: "3 seeds, 1,097 test images", "digits"; empty where nothing was measured.
    why : what was compared, or why it was not. turns : the measure is a trend that turns (`stats.trends`).
    """

    claim: PublishedClaim
    verdict: str
    standing: str = ""
    effect: Effect | None = None
    p: float = math.nan
    n: str = ""
    dataset: str = ""
    why: str = ""
    turns: bool = False


@result("claims", reads=[*READS, task, verdicts], no_rows=WHOLE)
def claims(d: Design, *values: Any) -> list[ClaimVerdict]:
    """Every claim of the paper, in the order of `published.claims`, judged on what the study has."""
    *measured, asked, decided = values
    known = dict(zip(READS, measured, strict=True))
    looked = [_looked(claim, d, known) for claim in published_claims()]
    answers = [None if measured is None else _answer(v.claim, asked, decided) for v, measured in looked]
    count = sum(measured is not None and answer is None for (_, measured), answer in zip(looked, answers, strict=True))
    return [
        _answered(v, answer) if answer else _judged(v, measured, count, bool(d.looks))
        for (v, measured), answer in zip(looked, answers, strict=True)
    ]


def _answer(claim: PublishedClaim, asked: Task, decided: Decided) -> Reading | None:
    """What the plain answer says of the claim's comparison, where it is one of its questions."""
    pair = ASKED.get(claim.id)
    if asked.name != "accuracy":  # the answer is about another measure than accuracy
        return None
    for first, second, verdict in decided.values():
        if pair == (first, second):
            return verdict.reading
        if pair == (second, first):
            return replace(verdict.reading, side=-verdict.reading.side)
    return None


def _answered(verdict: ClaimVerdict, answer: Reading) -> ClaimVerdict:
    claim = verdict.claim
    word, found = word_for(claim.direction, answer, claim.kind == "possibility")
    why = f"{verdict.why}; the plain answer asks this, too, and the verdict is from there"
    return _stands(replace(verdict, why=why), word, found)


def _looked(claim: PublishedClaim, d: Design, known: dict[Result, Any]) -> tuple[ClaimVerdict, Measured | None]:
    """What was measured, and what is to be judged; None: the claim is not tested here, for the reason given."""
    try:
        _check(claim, d)
        measure = MEASURES[claim.id]
        found = measure.find(d, claim, *(known[read] for read in measure.reads))
    except UserError as error:
        return ClaimVerdict(claim, NOT_TESTED, why=str(error)), None
    measured = found.measured
    n = found.n or plural(measured.seeds, "seed") + (f", {measured.images:,} test images" if measured.images else "")
    why = f"{claim.measure}{found.detail}"
    verdict = ClaimVerdict(claim, NOT_TESTED, effect=measured.effect, n=n, dataset=found.dataset, why=why)
    if claim.kind == "construction":
        why = f"{claim.because}; here: {why}"
        return replace(verdict, verdict=BY_CONSTRUCTION, why=why), None
    if claim.id in NUMBERS and not _of_the_papers_scale(d, found.dataset):
        why = f"a number of the paper's data sets and sizes; here, for comparison: {why}"
        return replace(verdict, why=why), None
    return verdict, measured


def _judged(verdict: ClaimVerdict, measured: Measured | None, count: int, growing: bool) -> ClaimVerdict:
    if measured is None:
        return verdict
    claim = verdict.claim
    possibility = claim.kind == "possibility"
    word, found = judge(claim.direction, measured, count, possibility=possibility, growing=growing)
    return _stands(replace(verdict, turns=measured.turn is not None), word, found)


def _stands(verdict: ClaimVerdict, word: str, found: Reading) -> ClaimVerdict:
    why = verdict.why
    if verdict.claim.kind == "possibility" and word == INCONCLUSIVE:
        why += "; it says what can be so: a run may reproduce that or leave it open"
    return replace(verdict, verdict=word, standing=found.standing, p=found.p, why=why)


def _check(claim: PublishedClaim, d: Design) -> None:
    """UserError where the study can't decide the claim whatever its arms are."""
    lacking = [NEEDS[n] for n in claim.needs if n in NEEDS and not (n in HELD and HELD[n](d))]
    if lacking:
        raise UserError(f"this run lacks what it needs: {', '.join(lacking)}")
    if claim.test == "none":
        raise UserError("nothing that a run measures decides it")


def _of_the_papers_scale(d: Design, dataset: str) -> bool:
    """Is the run the paper's, with its preset, its data set, and nothing made smaller?"""
    whole = d.options.image_size == d.options.max_images == "auto"
    return whole and d.preset.name == "paper" and dataset in PAPERS_OWN
