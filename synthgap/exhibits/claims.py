"""Section 7, its verdicts: every claim of the paper set against the study.

What decides a claim, and the smallest effect of interest, is data (`synthgap/paper/claims.yaml`); the number comes from
its measure (`measures`), and `stats.judge` has the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..base.errors import UserError
from ..base.words import plural
from ..design.loading import Design
from ..paper.published import NEEDS, PublishedClaim
from ..paper.published import claims as published_claims
from ..stats.judge import NOT_TESTED, Effect, Measured, judge
from .base import WHOLE, Result, result
from .measures import MEASURES

PAPERS_OWN = ("aircraft", "cub", "cars")  # data sets whose numbers the paper's multiples are
NUMBERS = ("match-above-three", "match-at-five-or-more", "match-at-three")  # claims about such a number
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
    effect : None where nothing was measured; given for comparison where the claim is a number of another scale.
    p : of what the verdict says, corrected for all tested claims; NaN with one seed or without a test.
    n, dataset : what the number rests on: "3 seeds, 1,097 test images", "digits"; empty where nothing was measured.
    why : what was compared, or why it was not.
    """

    claim: PublishedClaim
    verdict: str
    standing: str = ""
    effect: Effect | None = None
    p: float = math.nan
    n: str = ""
    dataset: str = ""
    why: str = ""


@result("claims", reads=READS, no_rows=WHOLE)
def claims(d: Design, *values: Any) -> list[ClaimVerdict]:
    """Every claim of the paper, in the order of `published.claims`, judged on what the study has."""
    known = dict(zip(READS, values, strict=True))
    looked = [_looked(claim, d, known) for claim in published_claims()]
    count = sum(measured is not None for _, measured in looked)
    return [_judged(verdict, measured, count) for verdict, measured in looked]


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
    if claim.id in NUMBERS and not _of_the_papers_scale(d, found.dataset):
        why = f"a number of the paper's data sets and sizes; here, for comparison: {why}"
        return replace(verdict, why=why), None
    return verdict, measured


def _judged(verdict: ClaimVerdict, measured: Measured | None, count: int) -> ClaimVerdict:
    if measured is None:
        return verdict
    word, found = judge(verdict.claim.direction, measured, count)
    return replace(verdict, verdict=word, standing=found.standing, p=found.p)


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
