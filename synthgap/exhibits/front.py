"""The front page: what a run says in five sentences and in one figure, and what a reader should do.

Chapter 7 shows all three, and the front page shows them again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from ..base.words import capital, escaped, interval, more_or_less, plural, points, signed
from ..design.loading import Design
from ..design.values import BOOTSTRAP, NAIVE, REAL, SYNTHETIC_ONLY, Arm, ArmCell, arm_words, mix_words
from ..stats.crossed import Crossed
from ..stats.judge import NO_EFFECT, REPRODUCED, REVERSED, Effect
from ..stats.verdict import BETTER, DECIDED, LEANING, SAME, WORSE, Verdict
from .answer import CONTROLS, Compared, Decided, alone, answer_cells, best_mix, compared, verdicts
from .augmentation import all_arm_hits, table3_hits
from .base import exhibit, sentences
from .causes import Loss, trimmed_loss
from .claims import ClaimVerdict, claims
from .conclusion import takeaway
from .discussion import at_plateau, checkpoint_hits, late_gain
from .drawing import NARROW, across, basis, one_panel
from .hits import Hits, arm_difference
from .next_steps import AUGMENT, Findings, findings, steps_of
from .task import Task, chapters_task, task
from .your_data import told_by_seeds

GAP = "gap-at-equal-size"  # the claim about as many synthetic images in the place of real ones
CROWDING = "concentration-is-the-cause"
SHOWS = {"digits": "handwritten digits", "mnist5k": "handwritten digits", "digit-pairs": "pairs of handwritten digits"}
GROUPS = {  # of the figure: what is done with the real images → the number of its colour and marker
    "synthetic images in the place of the real ones": 1,
    "synthetic images beside the real ones": 2,
    "real images alone, without a generator": 0,
}


@sentences(
    "five-sentences",
    [claims, table3_hits, task, chapters_task, verdicts, trimmed_loss, checkpoint_hits, all_arm_hits],
)
def five_sentences(
    d: Design,
    several: list[ClaimVerdict],
    known: Hits,
    asked: Task,
    ours: Task,
    decided: Decided,
    control: Loss | str,
    trained: Hits,
    every: Hits,
) -> str:
    """What a run says, in the order a reader asks, as a numbered list.

    Each sentence stands as its comparison does where it has its verdict: the first as its claim, the second and third
    as the plain answer. The fourth has none. The first interval is of accuracy, as claims are, those of the answer are
    of its measure. Where a preset lacks cells the sentence says so.
    """
    by_id = {v.claim.id: v for v in several}
    cell, _, most = decided["replace"]
    lines = [
        _as_many(d, by_id[GAP], known),
        f"{_instead(d, cell, most, asked)}{_elsewhere(d, every, cell)}",
        _beside(d, known, decided["augment"], asked),
        f"{_why(d, known, ours, control, by_id[CROWDING])}{_trained(trained)}",
        f"{takeaway(d, several)}{_scope(d)}",
    ]
    return "\n".join(f"1. {sentence}" for sentence in lines)


@exhibit("fig-answer", [compared, verdicts, task], apart="the paper shows levels of accuracy, in its Figure 1")
def answer_figure(d: Design, compared: Compared, decided: Decided, task: Task) -> Figure:
    """What each way to train changes against the real images alone: a line each, with its interval and its seeds."""
    titles = _ways(d, best_mix(decided))
    changes = {cell: compared.difference(cell, REAL) for several in titles.values() for cell in several}
    figure, ax = one_panel(NARROW, 1.5 + 0.3 * (len(changes) + 1.2 * len(titles)))
    beside_axis = {"transform": ax.get_yaxis_transform(), "va": "center"}
    place, ticks = 0.0, []
    for (group, several), number in zip(titles.items(), GROUPS.values(), strict=True):
        ax.text(0, place, group, fontsize=9, style="italic", backgroundcolor="white", **beside_axis)
        for cell, title in several.items():
            place += 1
            e = changes[cell].in_points
            across(ax, place, e, _by_seed(compared, cell) if told_by_seeds(task, compared) else (), number, None)
            ax.text(1.01, place, signed(e.mean), fontsize=10, **beside_axis)
            ticks.append((place, title))
        place += 1.2
    ax.axvline(0, color="black", linewidth=1)
    level = f"real images alone: {100 * compared.level(REAL).mean:.1f}%"
    ax.annotate(level, (0, 1), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
    ax.set_yticks(*zip(*ticks, strict=True), fontsize=10)
    ax.set_ylim(place - 0.6, -0.6)
    ax.set_xlabel(f"change of {task.measure} against the {d.fitted_to:,}\nreal images alone (points)", fontsize=9)
    what = f", {SHOWS[d.arms.name]}" if d.arms.name in SHOWS else ""
    figure.suptitle(f"{d.arms.name}{what}\n{basis(changes)}; bars: 95% intervals", fontsize=9)
    return figure


def _ways(d: Design, mix: ArmCell) -> dict[str, dict[ArmCell, str]]:
    """Group of the figure → arm → its line's title."""
    cells = answer_cells(d)
    instead = {cell: f"{round(cell[1] * d.fitted_to):,} (×{cell[1]:g})" for cell in alone(d)}
    beside = {mix: f"{round(mix[1] * d.fitted_to):,} (×{mix[1]:g}), chosen"}
    without = {cell: arm_words(cell[0]) for cell in cells["without"] if cell not in CONTROLS}
    return {name: group for name, group in zip(GROUPS, (instead, beside, without), strict=True) if group}


def _by_seed(compared: Compared, cell: ArmCell) -> np.ndarray:
    """Each seed's change in points."""
    return 100 * (compared.right(cell).astype(float) - compared.right(REAL)).mean(axis=1)


@sentences("what-to-do", [findings, checkpoint_hits, all_arm_hits])
def what_to_do(d: Design, found: Findings, trained: Hits, every: Hits) -> str:
    """What a reader should do with images like these, a line a step; it follows from the verdicts."""
    steps = [*steps_of(d, found), *_train_longer(trained)]
    if found.policy:
        others = _elsewhere(d, every, found.policy[0])
        steps = [f"{step}{others}" if step.startswith(AUGMENT) else step for step in steps]
    return "\n".join(f"1. {step}" for step in steps)


def _train_longer(trained: Hits) -> Iterator[str]:
    """Where the generator was still learning."""
    late = late_gain(trained)
    if late is None:
        return
    before, end, gain = late
    gave = f"the training from {before:,} to {end:,} images seen changed what they teach by {points(gain)}"
    reached = at_plateau(gain)
    if reached is None:
        yield f"It is open whether a longer training of the generator helps: {gave}. Try it before you give up."
    elif not reached:
        yield f"Train the generator longer before you give synthetic images up: {gave}."


# the five sentences


def _lead(standing: str, yes: str, probably: str, openly: str) -> str:
    """The words for a verdict that is decided, for one that leans, and for an open one."""
    return {DECIDED: yes, LEANING: probably}.get(standing, openly)


def _as_many(d: Design, gap: ClaimVerdict, known: Hits) -> str:
    """As many synthetic images in the place of the real ones: the claim's verdict and interval."""
    train, e = d.arms.data["train"].count, gap.effect
    if e is None:
        return f"**As many synthetic images are not set against the real ones here**: {escaped(gap.why)}."
    word = {REPRODUCED: "less than", REVERSED: "more than", NO_EFFECT: "as much, to a point, as"}.get(gap.verdict, "")
    lead = _lead(
        gap.standing,
        f"One for one, synthetic images teach {word} real ones",
        f"One for one, synthetic images probably teach {word} real ones",
        "Whether synthetic images teach less than real ones, one for one, is open",
    )
    difference = Effect(-e.mean, -e.high, -e.low)  # the claim is about real minus synthetic
    synthetic, real = (f"{100 * known[cell].mean():.1f}%" for cell in ((SYNTHETIC_ONLY, 1), REAL))
    return (
        f"**{lead}**: on {_data(d)}, a classifier trained on {train:,} of them classifies {synthetic} of the test "
        f"images correctly, one trained on {train:,} real images {real}; that is {more_or_less(difference)} accuracy "
        f"({interval(difference)}). These are means over {plural(len(known.seeds), 'seed')}, on "
        f"{known[REAL].shape[1]:,} test images."
    )


def _data(d: Design) -> str:
    """The main data set in words."""
    _, height, width = d.arms.data["train"].shape
    what = f"{SHOWS[d.arms.name]}, " if d.arms.name in SHOWS else ""
    return f"{escaped(d.arms.name)} ({what}{width}×{height} pixels)"


def _instead(d: Design, cell: ArmCell, verdict: Verdict, asked: Task) -> str:
    """The most synthetic images in the place of real ones: the plain answer's verdict."""
    train, difference = d.fitted_to, verdict.difference.in_points
    word = {BETTER: "more than", WORSE: "less than", SAME: "as much, to a point, as"}.get(verdict.word, "")
    many = f"{cell[1]:g} times as many synthetic images"
    lead = _lead(
        verdict.standing,
        f"{capital(many)} teach {word} the real ones",
        f"{capital(many)} probably teach {word} the real ones",
        f"Whether {many} teach less or more than the real ones is open",
    )
    return (
        f"**{lead}**: a classifier trained on {round(cell[1] * train):,} of them has {_apart(difference, asked)} than "
        f"one trained on the {train:,} real images."
    )


def _elsewhere(d: Design, every: Hits, cell: ArmCell) -> str:
    """What the same arm changes on the other data sets of the run; "" where it runs on none."""
    names = [arms.name for arms in d.columns if arms.name != d.arms.name and (arms.name, *cell) in every]
    several = [f"{points(arm_difference(d, every, cell, REAL, name))} on {escaped(name)}" for name in names]
    return f" On the other data sets of this run the change is {' and '.join(several)}." if several else ""


def _beside(d: Design, known: Hits, augment: tuple[ArmCell, ArmCell, Verdict], asked: Task) -> str:
    """The mix that validation images choose, beside the real images: the plain answer's verdict; and what an
    augmentation policy gives without a generator."""
    mix, _, verdict = augment
    word = {BETTER: "help", WORSE: "do harm", SAME: "make no difference of a point"}.get(verdict.word, "")
    lead = _lead(
        verdict.standing,
        f"Beside real images they {word}",
        f"Beside real images they probably {word}",
        "Whether they help beside real images is open, for the mix that does best on validation images",
    )
    text = (
        f"**{lead}**: with {mix_words(mix)}, the mix that validation images choose, a classifier has "
        f"{_apart(verdict.difference.in_points, asked)} than with the real images alone."
    )
    policies = [Arm(name) for name in d.arms.preset.policies if (Arm(name), 0) in known]
    if d.heads or not policies:  # what is known of them is another judge's
        return text
    first = policies[0]
    gain = arm_difference(d, known, (first, 0), REAL, groups=asked.groups)
    text += f" {first}, which needs no generator, changes it by {points(gain)}"
    combined = [cell for cell in known.names if cell[0] == NAIVE.under(first)]
    if combined:
        added = arm_difference(d, known, combined[-1], (first, 0), groups=asked.groups)
        text += f", and synthetic images ×{combined[-1][1]:g} on top of that by {points(added)}"
    return f"{text}."


def _why(d: Design, known: Hits, asked: Task, control: Loss | str, crowding: ClaimVerdict) -> str:
    """What copies of the real images lose, and what real images cut to the synthetic spread lose."""
    copies, synthetic = (BOOTSTRAP, 1), (SYNTHETIC_ONLY, 1)
    if copies not in known or synthetic not in known:
        return "**Why is not asked at this preset**: it trains on no copies of the real images."
    pairs = (copies, REAL), (synthetic, copies)
    copied, beyond = (arm_difference(d, known, *pair, groups=asked.groups) for pair in pairs)
    text = (
        f"**What images that add nothing lose sets the scale**: as many images drawn with replacement from the real "
        f"ones change the accuracy by {points(copied)}; synthetic ones in their place change it by a further "
        f"{points(beyond)}"
    )
    if isinstance(control, str):
        return f"{text}. Whether crowding near the modes costs as much is not tested here: {escaped(control)}."
    cause = {
        REPRODUCED: "crowding near the modes {}costs accuracy",
        REVERSED: "crowding near the modes {}costs no accuracy",
        NO_EFFECT: "crowding near the modes {}costs less than a point",
    }.get(crowding.verdict, "what crowding near the modes costs is open")
    stands = cause.format(_lead(crowding.standing, "", "probably ", ""))
    loss = control.loss
    gain = Effect(-loss.mean, -loss.high, -loss.low)
    return f"{text}. Real images cut to the spread of synthetic ones change it by {points(gain)}: {stands}."


def _trained(trained: Hits) -> str:
    """Whether the generator had learnt all that it can; nothing where that is not known."""
    late = late_gain(trained)
    if late is None:
        return ""
    before, end, gain = late
    lead = {
        True: "The generator was trained to its end",
        False: "The generator was not trained to its end",
        None: "It is open whether the generator was trained to its end",
    }[at_plateau(gain)]
    return f" {lead}: from {before:,} to {end:,} images seen, what its images teach changes by {points(gain)}."


def _scope(d: Design) -> str:
    """What no run on such data can say."""
    if not all(arms.name in SHOWS for arms in d.columns):
        return ""
    return " All data sets of this run are small grey images of handwritten digits; photographs were not tested."


def _apart(difference: Crossed, asked: Task) -> str:
    return f"{more_or_less(difference)} {asked.measure} ({interval(difference)})"
