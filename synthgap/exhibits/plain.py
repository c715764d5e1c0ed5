"""The plain answer in sentences: each has a number and its interval, and says so where nothing can be told."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..metrics.memorization import COPYING_BELOW
from ..stats.crossed import Crossed, Crossing
from ..stats.intervals import Estimate
from ..stats.verdict import ALPHA, BETTER, OF_INTEREST, OPEN, SAME, WORSE, Verdict

if TYPE_CHECKING:
    from .answer import Answers
    from .controls import Cell

QUESTIONS = {
    "replace": "Would synthetic images replace mine?",
    "augment": "Would they help beside mine?",
    "how_many": "How many?",
    "which_step": "Which reverse step?",
    "copying": "Are they copies of my images?",
    "failing": "Where do they fail?",
    "sure": "How sure is this?",
}
ONE_SEED = "one seed: nothing can be told from chance"


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


def answer(study: Answers) -> Answer:
    """The answer to every question, for a study (see `exhibits.answer`)."""
    makers = (replace, augment, how_many, which_step, copying, failing, sure)
    return Answer({question: make(study) for question, make in zip(QUESTIONS, makers, strict=True)})


def replace(study: Answers) -> Said:
    cell, other, verdict = study.verdicts()["replace"]
    found = study.replacement()
    word = {
        WORSE: "**No**",
        SAME: "**Yes, as far as this can be seen**",
        BETTER: "**Yes**",
        OPEN: open_words(verdict),
    }[verdict.word]
    images = f"{round(cell[1] * found.train):,} synthetic images alone (×{cell[1]:g})"
    text = (
        f"{word}: a classifier trained on {images} has {against(cell, other, verdict, study)} than one trained on your "
        f"{found.train:,} real images."
    )
    worth = worth_words(found.worth, found.count, found.train)
    more = (needed_words(verdict), match_words(found.match, list(found.differences)), worth)
    return Said(text, tuple(m for m in more if m))


def augment(study: Answers) -> Said:
    cell, other, verdict = study.verdicts()["augment"]
    word = {
        WORSE: "**No, they do harm**",
        SAME: "**No difference that matters**",
        BETTER: "**Yes**",
        OPEN: open_words(verdict),
    }[verdict.word]
    text = (
        f"{word}: with {arm_words(cell[0])} ×{cell[1]:g} beside your images, the mix chosen on validation images, a "
        f"classifier has {against(cell, other, verdict, study)} than with as many real images a step."
    )
    gains = study.gains()
    others = [c for c in study.answer_cells["without"] if c != other]
    best = max(others, key=lambda c: gains[c].mean)
    beside = (
        f"Against your images alone the mix changes it by {points(gains[cell])}; without a generator "
        f"{arm_words(best[0])} changes it by {points(gains[best])}, the best of {len(others)}."
    )
    return Said(text, tuple(m for m in (needed_words(verdict), beside) if m))


def how_many(study: Answers) -> Said:
    found = study.how_many()
    if found is None:
        cell = study.answer_cells["alone"][0]
        return Said(
            f"**Can't tell**: there are images for ×{cell[1]:g} only, with a {study.measure} of "
            f"{share(study.level(cell))}."
        )
    before, last = found.between
    word = f"**Can't tell whether it is flat at ×{last:g}**"
    if found.multiple is not None:
        word = f"**Flat from ×{found.multiple:g} on**, to {100 * OF_INTEREST:g} point"
    elif found.rising:
        word = f"**It still rises at ×{last:g}**, the most that was tried"
    step = f"from ×{before:g} to ×{last:g} the {study.measure} with synthetic images alone changes by"
    return Said(f"{word}: {step} {points(found.last)}.")


def which_step(study: Answers) -> Said:
    cell, rival = study.chosen(), study.against_rival()
    rows = study.mixes()
    means = rows.groupby(["arm", "multiple"], sort=False).value.mean()
    best, worst, n = 100 * means.max(), 100 * means.min(), f"{rows.n.iloc[0]:,} validation images"
    if study.given:
        what = f"there is no reverse step to choose for images of your own generator; ×{cell[1]:g} is best"
        return Said(f"**None**: {what} on {n} ({best:.1f}%; the worst of {len(means)} {worst:.1f}%).")
    text = (
        f"**{arm_words(cell[0]).capitalize()}, ×{cell[1]:g}**: the best on {n} ({best:.1f}%; the worst of {len(means)} "
        f"mixes {worst:.1f}%)"
    )
    if rival is None:
        return Said(f"{text}; nothing to compare it with was run at ×{cell[1]:g}.")
    (other, _), difference = rival
    return Said(f"{text}, and on test images {told_apart(difference)} {arm_words(other)}, {points(difference)}.")


def copying(study: Answers) -> Said:
    found = study.copying()
    whose = "images of your generator" if study.given else "fully synthetic images (t_re = 100)"
    authentic = (
        f"{percent(found.authentic)} of them are no nearer to a training image than that one is to the next training "
        "image."
    )
    if not study.given:
        authentic += " Images from smaller reverse steps are made from your images and resemble them by design."
    if found.score is None:
        return Said(f"**Can't tell**: {found.images:,} images are too few for the test.", (authentic,))
    e = found.score
    words = "**No sign of copying**"
    if e.mean < COPYING_BELOW:
        words = "**It looks like copying**"
    elif e.mean > -COPYING_BELOW:
        words = "**No copying, but they are not like real images either**"
    # one value alone: the score is a z value, which for fresh images has a standard deviation of about 1
    low, high = (e.mean - 2, e.mean + 2) if math.isnan(e.half_width) else (e.low, e.high)
    score = f"C_T = {number(e.mean)} (95% interval {number(low)} to {number(high)})"
    return Said(
        f"{words}: {found.images:,} {whose} score {score}, where fresh real images score about 0 and copies far "
        f"below {number(COPYING_BELOW, 0)}.",
        (authentic,),
    )


def failing(study: Answers) -> Said:
    rows = study.by_class()
    worst = rows.iloc[0]
    name, drop = escaped(worst["class"]), "the largest drop" if worst.change.mean < 0 else "the smallest gain"
    where = f"**In class {name}**"
    if not worst.change.high < 0:
        where = f"**Can't tell**, in class {name} if anywhere"
    text = (
        f"{where}: a classifier trained on synthetic images alone tells {share(worst.alone)} of its {worst.n:,} test "
        f"images rightly, one trained on real images {share(worst.real)}, {drop} of {len(rows)} classes: "
        f"{points(worst.change)}."
    )
    found = study.coverage()
    if found is None:
        return Said(text)
    reach = (
        f"Of the outermost tenth of your test images {percent(found.synthetic)} have no synthetic image near; as many "
        f"real ones leave {percent(found.real)} out."
    )
    return Said(text, (reach,))


def sure(study: Answers) -> Said:
    several = [verdict for _, _, verdict in study.verdicts().values()]
    seeds, images = len(study.seeds), study.arms.data["test"].count
    basis = f"{seeds} seed{'s' * (seeds > 1)} and {images:,} test images"
    if seeds < 2:
        return Said(f"**Not at all**: {basis}; {ONE_SEED}, run two seeds or more.")
    decided = sum(v.word != OPEN for v in several)
    widest = min(1.0, max(v.difference.half_width() for v in several))
    text = (
        f"**{decided} of {len(several)} questions are decided**, at an error of {ALPHA:.0%} for both together, with "
        f"{basis}, whose 95% intervals are up to ±{100 * widest:.1f} points wide."
    )
    return Said(text)


# pieces of sentences


def against(first: Cell, second: Cell, verdict: Verdict, study: Answers) -> str:
    """ "1.2 points less accuracy (95% interval …)"; where classes are uneven with the plain accuracy beside."""
    d = verdict.difference
    text = f"{more_or_less(d)} {study.measure} ({interval(d)}"
    if study.measure != "accuracy":
        plain = study.difference(first, second, "accuracy")
        text += f"; {more_or_less(plain)} plain accuracy"
        text += "" if math.isnan(plain.low) else f", {signed(plain.low)} to {signed(plain.high)}"
    return text + ")"


def more_or_less(d: Crossed) -> str:
    """ "1.2 points less", of a difference of shares."""
    return f"{abs(100 * d.mean):.1f} points {'more' if d.mean >= 0 else 'less'}"


def open_words(verdict: Verdict) -> str:
    """An open question, and the side that its 95% interval lies on, if it lies on one."""
    d = verdict.difference
    if math.isnan(d.half_width()) or d.low <= 0 <= d.high:
        return "**Can't tell**"
    return f"**Can't tell for sure, it leans to {'yes' if d.mean > 0 else 'no'}**"


def points(d: Crossed) -> str:
    return f"{signed(d.mean)} points ({interval(d)})"


def interval(d: Crossed) -> str:
    """Of a difference, in points."""
    if math.isnan(d.half_width()):
        return ONE_SEED
    return f"95% interval {signed(d.low)} to {signed(d.high)}"


def signed(difference: float) -> str:
    """A difference of shares in points, with its sign: "+1.2"."""
    return number(100 * difference)


def number(value: float, digits: int = 1) -> str:
    """A number with its sign: "+1.2", with a real minus."""
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def share(level: Crossed) -> str:
    """A level in [0, 1] in percent."""
    if math.isnan(level.half_width()):
        return f"{100 * level.mean:.1f}%"
    return f"{100 * level.mean:.1f}% ({100 * level.low:.1f} to {100 * level.high:.1f})"


def percent(e: Estimate) -> str:
    """A share over seeds in percent."""
    if math.isnan(e.half_width):
        return f"{100 * e.mean:.0f}%"
    return f"{100 * e.mean:.0f}% ({100 * e.low:.0f} to {100 * e.high:.0f})"


def told_apart(d: Crossed) -> str:
    if math.isnan(d.half_width()) or d.low <= 0 <= d.high:
        return "not told from"
    return "better than" if d.mean > 0 else "worse than"


def needed_words(verdict: Verdict) -> str:
    """What would decide a question that is open; nothing for one that is decided."""
    if verdict.needed is None:
        return ""
    need, effect = verdict.needed, max(abs(verdict.difference.mean), OF_INTEREST)
    ways = []
    if need.seeds is not None:
        ways.append(f"{need.seeds:,} seeds on these test images")
    if need.images is not None:
        ways.append(f"{need.images:,} test images with these seeds")
    if not ways:
        ways.append(f"{need.both[0]:,} seeds and {need.both[1]:,} test images")
    return f"To tell a difference of {100 * effect:.1f} points from none, n needed ≈ {' or '.join(ways)}."


def match_words(match: Crossing | None, multiples: list[float]) -> str:
    """The multiple at which synthetic images equal the real ones."""
    if match is None:
        return ""
    first, last = f"×{multiples[0]:g}", f"×{multiples[-1]:g}"
    place = f"is ×{match.value:.1f}"
    if match.value == math.inf:
        place = f"is not reached by {last}"
    elif match.value == 0:
        place = f"is {first} or less"
    if match.high == multiples[0]:
        return f"At {first} they match your real images already (told at 95%)."
    if match.low == math.inf:
        return f"At {last} they don't match your real images yet (told at 95%)."
    low = f"{first} or less" if match.low == 0 else f"×{match.low:.1f}"
    high = f"beyond {last}" if match.high == math.inf else f"×{match.high:.1f}"
    return f"The multiple that matches your real images {place} (95% interval {low} to {high})."


def worth_words(worth: Crossing | None, count: int, train: int) -> str:
    """How many real images a synthetic set is worth, and the exchange rate."""
    if worth is None:
        return ""
    images = f"{count:,} synthetic images (×{round(count / train, 2):g})"
    if worth.value in (0, math.inf):
        edge = f"more than your {train:,} real ones" if worth.value else "fewer real ones than the curve begins with"
        return f"{images} are worth {edge}: the exchange rate is **not identifiable**."
    low = "fewer than tried" if worth.low == 0 else f"{worth.low:,.0f}"
    high = f"more than {train:,}" if worth.high == math.inf else f"{worth.high:,.0f}"
    rates = [count / place for place in (worth.high, worth.low) if 0 < place < math.inf]
    if not rates:
        between = "any rate is possible"
    elif len(rates) == 2:
        between = f"{rates[0]:.1f} to {rates[1]:.1f}"
    else:
        between = f"{'at most' if worth.high == math.inf else 'at least'} {rates[0]:.1f}"
    return (
        f"{images} are worth about {worth.value:,.0f} real ones (95% interval {low} to {high}), an exchange rate of "
        f"{count / worth.value:.1f} synthetic images for a real one ({between})."
    )


def escaped(text: str) -> str:
    """A name of the user's, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$&-])", r"\\\1", text.strip())


def arm_words(arm: str) -> str:
    """An arm inside a sentence."""
    words = {"0": "a second real batch", "100": "fully synthetic images (t_re = 100)", "flip": "mirroring (flips)"}
    if arm.startswith("given"):
        return "your generator's images"
    low, dash, high = arm.partition("-")
    if dash and low.isdigit():
        return f"images from reverse steps {low} to {high}"
    return words.get(arm) or (f"images from reverse step {arm}" if arm.isdigit() else arm)
