"""Pieces of the plain answer's sentences: what a verdict, a crossing or a difference says in words."""

from __future__ import annotations

import math

from ..base.words import ends, interval, more_or_less
from ..design.loading import Design
from ..graph.specs import LoadDiffusion
from ..stats.crossed import Crossed, Crossing
from ..stats.verdict import DECIDED, OF_INTEREST, UNKNOWN, Verdict
from .text import NOT_IDENTIFIABLE, falls_words, least, most, multiple_span, rate_span

MOST_IMAGES = 1000  # times as many; more is no advice


def model_behind(d: Design) -> LoadDiffusion | None:
    """The generator of the answer's images, where it was trained elsewhere; None where it is a study's own, or where
    images were given."""
    return None if d.given else d.arms.model


def given_that(d: Design) -> str:
    """What all intervals of the answer rest on beyond seeds and images; "" where nothing."""
    return ", given this generator" if model_behind(d) else ""


def generator_words(d: Design) -> str:
    """What intervals hold for where all seeds draw from one generator."""
    if model_behind(d) is None:
        return ""
    return (
        "All seeds draw from one generator, which was trained elsewhere: the intervals are for other draws, other "
        "classifiers and other test images, given this generator. Another one, or another training of it, may do "
        "better or worse. This run can't know whether it was trained on test images."
    )


def against_words(difference: Crossed, measure: str, plain: Crossed | None) -> str:
    """ "1.2 points less accuracy (95% interval …)"; where classes are uneven, the plain accuracy stands beside."""
    d = difference.in_points
    text = f"{more_or_less(d)} {measure} ({interval(d)}"
    if plain is not None:
        p = plain.in_points
        text += f"; {more_or_less(p)} plain accuracy"
        text += "" if math.isnan(p.low) else f", {ends(p)}"
    return text + ")"


def standing_words(verdict: Verdict, words: dict[str, str]) -> str:
    """The first words of an answer: what is decided, what it leans to (with the word of `words` for it), or neither."""
    if verdict.word == UNKNOWN:
        return "**Can't tell**"
    word = words[verdict.word]
    return f"**{word}**" if verdict.standing == DECIDED else f"**Not decided; it leans to “{word.lower()}”**"


def needed_words(verdict: Verdict) -> str:
    """What would decide a question that is open; nothing for one that is decided."""
    if verdict.needed is None:
        return ""
    if verdict.difference.redrawn:
        return redrawn_words(verdict)
    if verdict.images_forbid:
        return "No number of seeds would decide this: **more test images are needed**."
    need, effect = verdict.needed, max(abs(verdict.difference.mean), OF_INTEREST)
    ways = []
    if need.seeds is not None:
        ways.append(f"{need.seeds:,} seeds on these test images")
    if need.images is not None:
        ways.append(f"{need.images:,} test images with these seeds")
    if not ways:
        ways.append(f"{need.both[0]:,} seeds and {need.both[1]:,} test images")
    return f"To find a difference of {100 * effect:.1f} points, about {' or '.join(ways)} would be needed."


def redrawn_words(verdict: Verdict) -> str:
    """The same where images are redrawn in the place of seeds."""
    effect = 100 * max(abs(verdict.difference.mean), OF_INTEREST)
    if verdict.needed.factor > MOST_IMAGES:
        return f"More than {MOST_IMAGES:,} times as many images would be needed to find {effect:.1f} points."
    return f"To find a difference of {effect:.1f} points takes about {verdict.needed.factor:.1f} times as many images."


def match_words(match: Crossing | None, multiples: tuple[float, ...]) -> str:
    """The multiple at which synthetic images equal the real ones."""
    if match is None:
        return ""
    if match.falls:
        falls = falls_words(match.falls, "×{:g}")
        return f"The multiple that matches your real images is **{NOT_IDENTIFIABLE}**: {falls}."
    first, last = f"×{multiples[0]:g}", f"×{multiples[-1]:g}"
    place = f"is ×{match.value:.1f}"
    if match.value == math.inf:
        place = f"is not reached by {last}"
    elif match.value == 0:
        place = f"is {first} or less"
    if match.high == multiples[0]:
        return f"At {first} synthetic images match your real ones already (by the 95% interval)."
    if match.low == math.inf:
        return f"At {last} synthetic images don't match your real ones yet (by the 95% interval)."
    span = multiple_span(match.low, match.high, multiples)
    return f"The multiple that matches your real images {place} (95% interval {span})."


def worth_words(worth: Crossing | None, count: int, train: int) -> str:
    """How many real images a synthetic set is worth, and the exchange rate."""
    if worth is None:
        return ""
    images = f"{count:,} synthetic images (×{round(count / train, 2):g})"
    if worth.falls:
        falls = falls_words(worth.falls, "{:,.0f} real images")
        return f"What {images} are worth is **{NOT_IDENTIFIABLE}**: {falls}."
    if worth.value in (0, math.inf):
        edge = f"more than your {train:,} real ones" if worth.value else "fewer real ones than were tried"
        return f"{images} are worth {edge}: the exchange rate is **{NOT_IDENTIFIABLE}**."
    span = rate_span(count / worth.high, count / worth.low if worth.low else math.inf)
    rate = "any rate is possible" if span == "any" else span
    return (
        f"{images} are worth about {worth.value:,.0f} real ones (95% interval {least(worth.low)} to "
        f"{most(worth.high, train)}), an exchange rate of {count / worth.value:.1f} synthetic images for a real one "
        f"({rate})."
    )
