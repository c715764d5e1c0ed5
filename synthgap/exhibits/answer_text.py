"""The plain answer in sentences: each has a number and its interval, or says that the run leaves it open."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pandas as pd

from ..base.words import capital, escaped, percent, plural, points, signed
from ..design.loading import Design
from ..design.values import REAL, ArmCell, arm_words, mix_words
from ..metrics.memorization import COPYING_BELOW
from ..stats.verdict import ANSWER, BETTER, DECIDED, LEANING, LOOKS, OF_INTEREST, SAME, WORSE, Verdict
from .answer import (
    AS_MANY_REAL,
    REDUCED_REAL,
    Compared,
    Decided,
    Task,
    against_rival,
    answer_cells,
    best_mix,
    by_class,
    chosen,
    gains,
    how_many,
    mix_means,
    replacement,
)
from .answer_images import Copying, Coverage
from .answer_words import (
    against_words,
    generator_words,
    given_that,
    match_words,
    needed_words,
    standing_words,
    worth_words,
)

QUESTIONS = {
    "replace": "Would synthetic images replace mine?",
    "augment": "Would they help beside mine?",
    "how_many": "How many?",
    "which_step": "Which mix?",
    "copying": "Are they copies of my images?",
    "failing": "Where do they fail?",
    "sure": "How sure is this?",
}
STEPS = (
    "A reverse step says how far a real image is noised before it is denoised: step 0 gives the image itself, step 100 "
    "starts from pure noise and gives a fully synthetic image."
)
Z_SPREAD = 2  # half of a z value's 95% interval, about


@dataclass(frozen=True)
class Said:
    """What is said to one question: a sentence with a number and its interval, and sentences that go further."""

    sentence: str
    more: tuple[str, ...] = ()

    @property
    def markdown(self) -> str:
        """The sentence as a block quote (the book shows it as the answer), the others as a paragraph below."""
        return f"> {self.sentence}\n\n{' '.join(self.more)}".rstrip()


@dataclass(frozen=True)
class Answer:
    """What is said, by question, in the order of `QUESTIONS`; `print(answer)` shows it as plain text."""

    said: dict[str, Said]

    def __getitem__(self, question: str) -> Said:
        return self.said[question]

    def __str__(self) -> str:
        lines = []
        for question, said in self.said.items():
            text = " ".join([said.sentence, *said.more]).replace("**", "")
            lines.append(f"{QUESTIONS[question]}\n" + re.sub(r"\\([^\w\s]|_)", r"\1", text))
        return "\n\n".join(lines)


@dataclass(frozen=True)
class Known:
    """What the sentences are made from; see `exhibits.answer` and `exhibits.answer_images`."""

    design: Design
    task: Task
    compared: Compared
    mixes: pd.DataFrame
    decided: Decided
    copying: Copying
    coverage: Coverage | None


def answer(known: Known) -> Answer:
    """The answer to every question."""
    makers = (replace, augment, how_many_images, which_step, copying, failing, sure)
    return Answer({question: make(known) for question, make in zip(QUESTIONS, makers, strict=True)})


def replace(known: Known) -> Said:
    cell, other, verdict = known.decided["replace"]
    found = replacement(known.design, known.compared)
    word = standing_words(verdict, {WORSE: "No", SAME: "Yes, as far as this run can see", BETTER: "Yes"})
    images = f"{round(cell[1] * found.train):,} synthetic images alone (×{cell[1]:g})"
    text = (
        f"{word}: a classifier trained on {images} has {_against(cell, other, verdict, known)} than one trained on "
        f"your {found.train:,} real images."
    )
    worth = worth_words(found.worth, found.count, found.train)
    match = match_words(found.match, found.multiples)
    return _said(text, needed_words(verdict), match, worth, size_words(known))


def size_words(known: Known) -> str:
    """What images lose by the size that the generator draws, where real ones are judged at another; else nothing."""
    d = known.design
    if REDUCED_REAL not in known.compared.arms:
        return ""
    (_, height, width), (_, high, wide) = d.judged["train"].shape, d.arms.data["train"].shape
    if (height, width) == (high, wide):
        return ""
    change = known.compared.difference(REDUCED_REAL, REAL)
    return (
        f"Real images are judged at {width}×{height} pixels. The generator draws {wide}×{high}, which are enlarged. "
        f"Your own images, reduced to that size and enlarged again, change the {known.task.measure} by "
        f"{points(change.in_points)}: this much is due to the size alone."
    )


def augment(known: Known) -> Said:
    cell, other, verdict = known.decided["augment"]
    word = standing_words(verdict, {WORSE: "No, they do harm", SAME: "No difference that matters", BETTER: "Yes"})
    text = (
        f"{word}: a classifier trained on your images and {mix_words(cell)} has "
        f"{_against(cell, other, verdict, known)} than one trained on your images alone. The mix was chosen on "
        "validation images."
    )
    changes, measure = gains(known.design, known.compared), known.task.measure
    control = ""
    if AS_MANY_REAL in changes:
        itself = known.compared.difference(cell, AS_MANY_REAL)
        control = (
            "With such a mix a classifier sees twice as many images in each step. With your own images in the place of "
            f"the synthetic ones the {measure} changes by {points(changes[AS_MANY_REAL].in_points)}. The synthetic "
            f"images themselves add the other {points(itself.in_points)}."
        )
    others, without = len(mix_means(known.mixes, generated=False)), ""
    if others:
        best = chosen(known.mixes, generated=False)
        change, picked = points(changes[best].in_points), "the best" if others > 2 else "the better"
        which = f", {picked} of {others} on validation images" if others > 1 else ""
        without = f"Without a generator, {arm_words(best[0])} changes the {measure} by {change}{which}."
    return _said(text, needed_words(verdict), control, without)


def how_many_images(known: Known) -> Said:
    found, measure = how_many(known.design, known.compared), known.task.measure
    if found is None:
        cell = answer_cells(known.design)["alone"][0]
        level = percent(known.compared.level(cell).in_points)
        return Said(f"**Can't tell**: there are images for ×{cell[1]:g} only; the {measure} there is {level}.")
    before, last = found.between
    word = f"**Can't tell whether it is flat at ×{last:g}**"
    if found.multiple is not None:
        word = f"**Flat from ×{found.multiple:g} on**, within {100 * OF_INTEREST:g} point"
    elif found.rising:
        word = f"**It still rises at ×{last:g}**, the most that was tried"
    step = f"from ×{before:g} to ×{last:g} the {measure} with synthetic images alone changes by"
    return Said(f"{word}: {step} {points(found.last.in_points)}.")


def which_step(known: Known) -> Said:
    cell, _, verdict = known.decided["augment"]
    seen = known.mixes  # when it was chosen
    if not known.design.heads:
        seen = seen[seen.seed.isin(known.design.seeds[: verdict.difference.seeds])]
    means, n = mix_means(seen), f"{seen.n.iloc[0]:,} validation images"
    best, worst = 100 * means.max(), 100 * means.min()
    if known.design.given:
        if len(means) == 1:
            return Said(f"**×{cell[1]:g}**, the only one there are images for: {best:.1f}% on {n}.")
        return Said(f"**×{cell[1]:g}**: the best on {n} ({best:.1f}%; the worst of {len(means)} {worst:.1f}%).")
    text = (
        f"**{capital(arm_words(cell[0]))}, ×{cell[1]:g}**: the best on {n} ({best:.1f}%; the worst of {len(means)} "
        f"mixes {worst:.1f}%)"
    )
    rival = against_rival(known.design, known.compared, cell)
    if rival is None:
        return Said(f"{text}; no other mix was run at ×{cell[1]:g} to compare it with.", (STEPS,))
    (other, _), difference = rival
    text += f". On test images it differs from {arm_words(other)} by {points(difference.in_points)}."
    return Said(text, (STEPS,))


def copying(known: Known) -> Said:
    found, given = known.copying, known.design.given
    whose = "images of your generator" if given else "fully synthetic images (t_re = 100)"
    authentic = (
        f"{percent(found.authentic, 0)} of them are no nearer to a training image than that one is to the next "
        "training image."
    )
    if not given:
        authentic += " Images from smaller reverse steps are made from your images and resemble them by design."
    if found.score is None:
        return Said(f"**Can't tell**: {found.images:,} images are too few for the test.", (authentic,))
    e = found.score
    # one value alone: the score is a z value, which for fresh images has a standard deviation of about 1
    low, high = (e.mean - Z_SPREAD, e.mean + Z_SPREAD) if math.isnan(e.half_width) else (e.low, e.high)
    words = "**No sign of copying**" if high > 0 else "**Nearer to your images than fresh ones are, but no copies**"
    if e.mean < COPYING_BELOW:
        words = "**It looks like copying**"
    elif e.mean > -COPYING_BELOW:
        words = "**No copying, but they are not like real images either**"
    score = f"C_T = {signed(e.mean)} (95% interval {signed(low)} to {signed(high)})"
    return Said(
        f"{words}: in a test for copies {found.images:,} {whose} score {score}. Fresh real images score about 0; "
        f"a score below {signed(COPYING_BELOW, 0)} is read as copying.",
        (authentic,),
    )


def failing(known: Known) -> Said:
    rows = by_class(known.design, known.task, known.compared, best_mix(known.decided))
    worst = rows.iloc[0]
    change, name = worst.change, escaped(worst["name"])
    drop = "the largest drop" if change.mean < 0 else "the smallest gain"
    where = f"**In class {name}**" if change.side < 0 else f"**Can't tell**; look at class {name} first"
    text = (
        f"{where}: of its {worst.n:,} test images a classifier trained on synthetic images alone classifies "
        f"{percent(worst.alone.in_points)} correctly, one trained on real images {percent(worst.real.in_points)}. This "
        f"is {drop} of {len(rows)} classes: {points(change.in_points)}."
    )
    reach = known.coverage
    if reach is None:
        return Said(text)
    more = (
        f"In the outermost tenth of your test images {percent(reach.synthetic, 0)} have no synthetic image near them. "
        f"With as many real images in place of the synthetic ones it is {percent(reach.real, 0)}."
    )
    return Said(text, (more,))


def sure(known: Known) -> Said:
    several = [verdict for _, _, verdict in known.decided.values()]
    heads, images = known.design.heads, known.design.judged["test"].count
    redraws = heads is not None and known.design.given
    seeds = heads.draws if redraws else len(known.design.seeds)
    basis = f"{plural(seeds, 'redraw' if redraws else 'seed')} and {images:,} test images"
    if seeds < 2:
        return Said(f"**Not at all**: {basis}, and one seed has no interval. Run two seeds or more.")
    counts = {standing: sum(v.standing == standing for v in several) for standing in (DECIDED, LEANING)}
    widest = min(1.0, max(v.difference.half_width() for v in several))
    leaning = f", {counts[LEANING]} more {'lean' if counts[LEANING] > 1 else 'leans'} to one side"
    return _said(
        f"**{counts[DECIDED]} of {len(several)} questions are decided**{leaning if counts[LEANING] else ''}. A "
        f"question counts as decided only where the chance of an error is at most {ANSWER.alpha:.0%}, for both "
        f"together. With {basis} the 95% intervals reach up to ±{100 * widest:.1f} points{given_that(known.design)}.",
        generator_words(known.design),
        looks_words(known),
        heads_words(known.design),
        groups_words(known.design),
    )


def heads_words(d: Design) -> str:
    """What a second judge's intervals hold for; nothing where ResNets are the judge."""
    if not d.heads:
        return ""
    train = d.judged["train"].count
    folds = (
        f" Your {train:,} images are divided into {d.heads.parts} parts. Each part is tested with a classifier that "
        "was trained on the other parts, and on no synthetic image that is a near copy of a tested one."
    )
    judge = "The judge is a linear classifier on features of a network that was trained on other images"
    if not d.given:
        return (
            f"{judge}. The intervals are for other generators ({d.heads.generators} were trained), for other training "
            f"images (drawn anew, with repetition, {d.heads.draws} times for each generator) and for other test images."
        )
    return (
        f"{judge}. Nothing in its training is random. So the intervals are for other images: for each redraw yours and "
        f"the synthetic ones were drawn anew, with repetition.{folds if d.heads.crossed else ''}"
    )


def groups_words(d: Design) -> str:
    """What groups of images mean for intervals; nothing where there are none."""
    if "groups" not in d.record:
        return ""
    redraws = " Redraws of training images are still over single images." if d.heads else ""
    return (
        "No classifier was trained on images of a group that it was tested on. The intervals are for other groups of "
        f"test images, not for other images of these groups.{redraws}"
    )


def looks_words(known: Known) -> str:
    """How a study grew, and what that does to its verdicts; nothing where its number of seeds was fixed."""
    if not known.design.looks:
        return ""
    *before, last = map(str, known.design.looks)
    counts = f"{', '.join(before)} and {last}" if before else last
    early = {
        QUESTIONS[name]: verdict.difference.seeds
        for name, (_, _, verdict) in known.decided.items()
        if verdict.standing == DECIDED and verdict.difference.seeds < known.design.looks[-1]
    }
    stands = "".join(f" “{name}” was decided with {seeds} seeds, and that stands." for name, seeds in early.items())
    return (
        f"Seeds were added while a question was open. The run looked at its answer with {counts} seeds. Each of "
        f"{len(LOOKS)} looks may use {1 / len(LOOKS):.0%} of the allowed error, and the intervals of these two "
        f"differences hold at all looks together.{stands}"
    )


# pieces of sentences


def _said(sentence: str, *more: str) -> Said:
    return Said(sentence, tuple(m for m in more if m))


def _against(first: ArmCell, second: ArmCell, verdict: Verdict, known: Known) -> str:
    plain = None
    if known.task.name != "accuracy":
        plain = known.compared.difference(first, second, plain=True)
    return against_words(verdict.difference, known.task.measure, plain)
