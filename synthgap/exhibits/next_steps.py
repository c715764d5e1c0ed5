"""The top of the plain answer: what was found in three lines, and what to do next, which follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from scipy import stats

from ..base.words import capital, escaped, percent, points
from ..design.loading import Design
from ..design.values import REAL, SYNTHETIC_ONLY, ArmCell, arm_words, mix_words
from ..metrics.memorization import COPYING_BELOW
from ..stats.crossed import Crossed
from ..stats.intervals import SHARE
from ..stats.verdict import BETTER, DECIDED, LEANING, OF_INTEREST, SAME, UNKNOWN, WORSE, Verdict
from .answer import Compared, Decided, chosen, compared, mix_means, mixes, verdicts
from .answer_images import Copying, copying
from .answer_remedy import Offer, advice, offer
from .answer_words import model_behind
from .base import WHOLE, Cells, Values, result, sentences
from .task import Task, task

TOLERATED, LIMIT = 0.1, 0.01  # share of labels beyond a judge's own mistakes, and the error of the test; inferred
AUGMENT = "Augment first"
SHORT = {WORSE: "no", SAME: "no difference that matters", BETTER: "yes", UNKNOWN: "can't tell"}


@dataclass(frozen=True)
class Findings:
    """What the top of the page is made from.

    doubling : real images before and after the learning curve's last doubling (or the nearest step to it), and what it
        gave; None without a curve. policy : what helped most without a generator, by validation images, and its change;
        None where nothing was tried. recalls : class → share of its test images that a classifier of
        real images alone classifies correctly.
    """

    decided: Decided
    doubling: tuple[int, int, Crossed] | None
    policy: tuple[ArmCell, Crossed] | None
    recalls: dict[str, Crossed]
    measure: str
    copies: bool
    labels: Labels | None = None
    offer: Offer | None = None


@dataclass(frozen=True)
class Labels:
    """Of given images, how many labels a classifier contradicts that was trained on the real ones.

    contradicted : of `images`; wrong : share of the real test images that it misreads, in [0, 1].
    """

    contradicted: int
    images: int
    wrong: float

    @property
    def doubtful(self) -> bool:
        """Are more of them contradicted than its own mistakes explain? By one sided binomial test."""
        return stats.binom.sf(self.contradicted - 1, self.images, min(1.0, self.wrong + TOLERATED)) < LIMIT


def judge_cells(d: Design) -> Cells:
    """("real",) → heads on the real images alone; none where networks are the judge."""
    return {("real",): d.head(REAL)} if d.heads else {}


@result("labels", judge_cells, no_rows=WHOLE)
def labels(d: Design, values: Values) -> Labels | None:
    """Whether labels of the given images are to be checked; None where networks are the judge."""
    if not values:
        return None
    judged = values["real",]
    return Labels(int(judged.contradicted.sum()), len(judged.contradicted), 1 - judged.itself.accuracy)


@result("findings", reads=[task, compared, mixes, verdicts, copying, labels, offer], no_rows=WHOLE)
def findings(
    d: Design,
    task: Task,
    compared: Compared,
    mixes: pd.DataFrame,
    decided: Decided,
    copying: Copying,
    labels: Labels | None,
    offer: Offer | None,
) -> Findings:
    """Verdicts, and what stands beside them."""
    policy = None
    if len(mix_means(mixes, generated=False)):
        best = chosen(mixes, generated=False)
        policy = best, compared.difference(best, REAL)
    classes = {name: task.test == label for label, name in enumerate(task.classes)}
    right = compared.right(REAL).astype(float)
    there = {name: mine for name, mine in classes.items() if mine.any()}
    recalls = {name: compared.cross(right[:, mine], span=SHARE, of=mine) for name, mine in there.items()}
    copies = copying.score is not None and copying.score.mean < COPYING_BELOW
    return Findings(decided, _doubling(compared), policy, recalls, task.measure, copies, labels, offer)


def _doubling(compared: Compared) -> tuple[int, int, Crossed] | None:
    counts = sorted(n for (n,) in compared.curve.names)
    if len(counts) < 2:
        return None
    last = counts[-1]
    before = min(counts[:-1], key=lambda n: abs(n - last / 2))
    return before, last, compared.step(before, last)


@sentences("answer-summary", [findings])
def summary(d: Design, found: Findings) -> str:
    """Three lines: in their place, beside them, and what else there is."""
    alone, _, in_place = found.decided["replace"]
    mix, _, beside = found.decided["augment"]
    lines = [
        f"**In the place of your {d.fitted_to:,} images: {_short(in_place)}.** {_change(in_place, found)} with "
        f"{_many(d, alone)}.",
        f"**Beside your images: {_short(beside)}.** {_change(beside, found)} with {_many(d, mix)}.",
    ]
    others = []
    if found.doubling:
        before, last, change = found.doubling
        others.append(f"{last:,} real images in place of {before:,} changed it by {points(change.in_points)}")
    if found.policy:
        (arm, _), change = found.policy
        others.append(f"{arm_words(arm)}, which needs no generator, by {points(change.in_points)}")
    if others:
        lines.append(f"**Without synthetic images:** {'; '.join(others)}.")
    if model_behind(d):
        lines.append("**All intervals:** given this generator, which was trained elsewhere and which all seeds share.")
    return "\n".join(f"> - {line}" for line in lines)


@sentences("answer-next", [findings])
def next_steps(d: Design, found: Findings) -> str:
    """What to do next, one line a step, the most useful first."""
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps_of(d, found), start=1))


def steps_of(d: Design, found: Findings) -> list[str]:
    """The steps: first what must be looked at, then what costs nothing, then the synthetic images."""
    return [
        *_to_check(found),
        *_about_policy(found),
        *_about_mix(d, found),
        *advice(d, found.offer),
        *_about_real(found),
    ]


def _many(d: Design, cell: ArmCell) -> str:
    count = f"{round(cell[1] * d.fitted_to):,} synthetic images"
    return count if d.given or cell[0] == SYNTHETIC_ONLY else f"{count} ({mix_words(cell)})"


def _short(verdict: Verdict) -> str:
    word = SHORT[verdict.word]
    return f"not decided, it leans to “{word}”" if verdict.standing == LEANING else word


def _change(verdict: Verdict, found: Findings) -> str:
    return f"{capital(found.measure)} changes by {points(verdict.difference.in_points)}"


def _to_check(found: Findings) -> list[str]:
    """Labels and copies."""
    steps = []
    if found.labels and found.labels.doubtful:
        several, count, mine = found.labels.contradicted, found.labels.images, found.labels.wrong
        steps.append(
            "Check the labels of the synthetic images first: a classifier trained on your images contradicts "
            f"{several:,} of {count:,} ({several / count:.0%}). Of your own test images it misreads {mine:.0%}."
        )
    if found.copies:
        steps.append(
            "Look at the nearest pairs below before anything else: the synthetic images look like copies of your own. "
            "Copies teach nothing new, and whoever gets them sees your images."
        )
    return steps


def _about_mix(d: Design, found: Findings) -> list[str]:
    """Train on the synthetic images or not."""
    mix, _, verdict = found.decided["augment"]
    if verdict.word == BETTER and verdict.standing == DECIDED:
        return [f"Train on your images and {mix_words(mix)} together. {_where(d, mix)}"]
    if verdict.word == WORSE and verdict.standing == DECIDED:
        return ["Don't train on these synthetic images beside your own: they do harm."]
    if verdict.word == SAME and verdict.standing == DECIDED:
        limit = f"{100 * OF_INTEREST:g} point"
        return [f"Leave these synthetic images out: beside your own they change less than {limit}."]
    return [f"Don't rely on these synthetic images yet: {_to_decide(d, verdict)}"]


def _where(d: Design, mix: ArmCell) -> str:
    """Where the images are that helped."""
    if d.given:
        given = d.judged["given"]
        return f"They are in {escaped(given.loading.synthetic)} ({given.count:,} images)."
    arms, size = d.arms, d.options.image_size
    extent = "" if size == "auto" else f" --image-size {size}"
    source = escaped(arms.data["train"].loading.source)
    extent += f" --generator {escaped(arms.model.path)}" if arms.model else ""
    return (
        f"`synthgap export --dataset {source} --preset {d.preset.name}{extent} --t-re {mix[0]} --multiple {mix[1]:g} "
        "--out synthetic` writes them as PNGs, a folder a class."
    )


def _to_decide(d: Design, verdict: Verdict) -> str:
    need = verdict.needed
    if need is None:
        return "one run with one seed decides nothing; run two seeds or more."
    if verdict.difference.redrawn:
        return f"about {need.factor:.0f} times as many images, real and synthetic, would decide."
    if verdict.images_forbid:
        return "no number of seeds would decide; more test images would."
    if need.seeds is not None:
        return (
            f"about {need.seeds} seeds would probably decide: `synthgap run` with `--seeds {need.seeds}`, or with "
            "`--minutes 60`, which adds seeds until the answer is decided or the time is spent."
        )
    return f"it would take about {need.both[0]:,} seeds and {need.both[1]:,} test images to decide."


def _about_policy(found: Findings) -> list[str]:
    """Augment first, where that helps."""
    if found.policy is None or found.policy[1].side <= 0:
        return []
    (arm, _), change = found.policy
    return [f"{AUGMENT}: {arm_words(arm)} gives {points(change.in_points)} without any generator."]


def _about_real(found: Findings) -> list[str]:
    """Collect more, and of what."""
    steps = []
    if found.doubling:
        before, last, change = found.doubling
        gave = f"going from {before:,} to {last:,} gave {points(change.in_points)}"
        if change.side > 0:
            steps.append(f"More images of your own help: {gave}.")
        elif change.high < OF_INTEREST:
            steps.append(f"More images of your own would help little: {gave}.")
        else:
            steps.append(f"It is open whether more images of your own would help: {gave}.")
    ordered = sorted(found.recalls.items(), key=lambda one: one[1].mean)
    if len(ordered) > 1 and ordered[0][1].high < ordered[1][1].low:
        (name, level), (_, other) = ordered[:2]
        steps.append(
            f"Collect images of class {escaped(name)} first: a classifier trained on your images recognises "
            f"{percent(level.in_points)} of them, and of the next class {percent(other.in_points)}."
        )
    return steps
