"""Appendix A3: remedies against plain sampling, alone and beside the real images, at the same optimiser steps."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import difference, plural
from ..design.loading import Design
from ..design.remedies import NONE, REMEDIES
from ..design.values import BOOTSTRAP, NAIVE, REAL_ONLY, SYNTHETIC_ONLY, Arm
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.estimate import work_of
from ..graph.specification import in_order
from ..graph.specs import Images, OneClassifier, Predict, Selected
from ..metrics.selection import log_probabilities, looked_at
from ..stats.crossed import Crossed
from ..stats.pooling import contrast
from ..stats.verdict import DECIDED, OF_INTEREST, REMEDY, read
from .base import ACCURACY, WHOLE, Cells, Values, exhibit, measured, result, sentences
from .drawing import CROSSED_INTERVAL, NARROW, SMALL, new_figure, nothing, saying, style
from .drawing import titled as titled_panel
from .hits import Hits, hits
from .text import difference_sentence, in_percent, listed, myst_table

ALONE, BESIDE = "alone", "beside the real images"
SETTINGS = (ALONE, BESIDE)
# what remedies stand beside
PLAIN, MORE, POLICY, BARE = "plain", "plain, more draws", "RandAugment", "real images alone"
RESAMPLED, RESAMPLED_MORE = "resampled", "resampled, more draws"  # the real images, drawn with replacement
NO_REMEDIES = "This preset tries no remedies."
Cell = tuple[str, float]  # a remedy and its strength


def tried(d: Design) -> list[Cell]:
    """Every remedy of the preset with each of its strengths, as far as the generator allows."""
    listed = d.arms.preset.remedies.items()
    possible = [(name, several) for name, several in listed if not (d.arms.model and REMEDIES[name].trains)]
    return [(name, strength) for name, several in possible for strength in several or (NONE,)]


def images_of(d: Design, cell: Cell, seed: int) -> tuple[Images, ...]:
    """The synthetic images of a remedy, or of what it stands beside."""
    name, strength = cell
    if name in REMEDIES:
        return REMEDIES[name].make(d.arms, seed, strength)
    return d.arms.copies(seed, REVERSE_STEPS, d.arms.preset.remedy_draws if name == MORE else 1)


def classifier_of(d: Design, setting: str, cell: Cell, seed: int) -> OneClassifier:
    """The classifier of one seed in one setting."""
    arms, name = d.arms, cell[0]
    if name in (BARE, POLICY):
        return arms.arm(Arm(POLICY) if name == POLICY else REAL_ONLY, 0, seed)
    if name in (RESAMPLED, RESAMPLED_MORE):
        return arms.arm(BOOTSTRAP, 1 if name == RESAMPLED else arms.preset.remedy_draws, seed)
    if name == PLAIN:
        return arms.arm(SYNTHETIC_ONLY if setting == ALONE else NAIVE, 1, seed)
    real = None if setting == ALONE else arms.data["train"]
    return arms.trained(seed, lambda s: (real, images_of(d, cell, s)))


def listed_cells(d: Design) -> list[tuple[str, Cell]]:
    """(setting, remedy with strength) of all that is compared; nothing where the preset tries no remedies."""
    several = tried(d)
    if not several:
        return []
    common = [(BARE, NONE), (PLAIN, NONE), (MORE, NONE)]
    alone = [(RESAMPLED, NONE), (RESAMPLED_MORE, NONE)]
    beside = [(POLICY, NONE)] if POLICY in d.arms.preset.policies else []
    own = {ALONE: [*common, *alone, *several], BESIDE: [*common, *beside, *several]}
    return [(setting, cell) for setting, cells in own.items() for cell in cells]


def cells_on(part: str, d: Design) -> Cells:
    """(setting, remedy, strength, seed) → predictions of the test or the validation images."""
    return {
        (setting, *cell, s): Predict(classifier=classifier_of(d, setting, cell, s), images=d.arms.data[part])
        for setting, cell in listed_cells(d)
        for s in d.seeds
    }


def test_cells(d: Design) -> Cells:
    """See `cells_on`."""
    return cells_on("test", d)


def validation_cells(d: Design) -> Cells:
    """See `cells_on`."""
    return cells_on("validation", d)


NAMES = ("setting", "remedy", "strength", "seed")
# columns setting, remedy, strength (0: it has none), seed, accuracy, n
remedies = result("remedies", test_cells)(measured(NAMES, ACCURACY))
remedy_hits = hits("remedies", test_cells)
remedy_validation = result("remedies_validation", validation_cells)(measured(NAMES, ACCURACY))


@result("remedies_chosen", reads=[remedy_validation], no_rows=WHOLE)
def chosen(d: Design, rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """(setting, remedy) → the strength with the best mean accuracy over seeds on validation images."""
    if rows.empty:
        return {}
    means = rows.groupby(["setting", "remedy", "strength"], sort=False).accuracy.mean()
    return {place: float(mine.droplevel([0, 1]).idxmax()) for place, mine in means.groupby(level=[0, 1], sort=False)}


@dataclass(frozen=True)
class Gain:
    """What a remedy gains over plain sampling in one setting, in points. word : the verdict, "" where there is none."""

    setting: str
    remedy: str
    strength: float
    gain: Crossed
    word: str


@result("remedies_gains", reads=[chosen, remedy_hits], no_rows=WHOLE)
def gains(d: Design, strengths: dict[tuple[str, str], float], right: Hits) -> list[Gain]:
    """Each remedy, at the strength chosen on validation images, against plain sampling; one family of comparisons."""
    several = [
        (setting, name, s, contrast(right.__getitem__, (setting, name, s), (setting, PLAIN, NONE)))
        for (setting, name), s in strengths.items()
        if name != PLAIN
    ]
    compared = sum(name in REMEDIES for _, name, _, _ in several)
    out = []
    for setting, name, strength, e in several:
        found = read(1 if e.mean > 0 else -1, e.p, e.p_within(OF_INTEREST), max(compared, 1), REMEDY.alpha)
        decided = found.standing == DECIDED and name in REMEDIES
        word = {1: "better", -1: "worse", 0: "no gain of interest"}[found.side] if decided else ""
        out.append(Gain(setting, name, strength, e.in_points, word))
    return out


def judging_cells(d: Design) -> Cells:
    """(remedy, number, seed) → what each judge says of each draw that the remedy chooses among, draw by draw."""
    cells: Cells = {}
    for cell in tried(d):
        for s in d.seeds:
            for made in images_of(d, cell, s):
                if isinstance(made, Selected):
                    for number, (draw, judge) in enumerate((a, b) for a in made.draws for b in made.judges):
                        cells[cell[0], number, s] = Predict(classifier=judge, images=draw)
    return cells


@result("remedies_looked_at", judging_cells, no_rows=WHOLE)
def images_looked_at(d: Design, values: Values) -> dict[tuple[str, int], int]:
    """(remedy, seed) → images that had to be drawn, where drawing goes on until an image is taken."""
    out = {}
    for cell in tried(d):
        for s in d.seeds:
            for made in images_of(d, cell, s):
                if isinstance(made, Selected) and made.rule == "redrawn":
                    judges = len(made.judges)
                    seen = [values[cell[0], n, s] for n in range(judges * len(made.draws))]
                    logits = np.array([[one.logits for one in seen[j::judges]] for j in range(judges)])
                    out[cell[0], s] = looked_at(seen[0].labels, log_probabilities(logits))
    return out


def flop_of(d: Design, cell: Cell, seed: int, drawn: int | None = None) -> float:
    """Floating-point operations that a set takes: generator, helpers, samples and what looks at them.

    drawn : images that had to be drawn, of a set that is redrawn until it is taken; None: all draws.
    """
    made = images_of(d, cell, seed)
    total = sum(work_of(spec).flop for spec in in_order(list(made)))
    if drawn is None:
        return total
    draws = [spec for one in made if isinstance(one, Selected) for spec in one.draws]
    looks = sum(work_of(one).flop for one in made)
    sampled = sum(work_of(spec).flop for spec in draws) + looks
    return total - sampled * (1 - drawn / (len(draws) * d.arms.data["train"].count))


@result("remedies_cost", reads=[images_looked_at])
def cost(d: Design, drawn: dict[tuple[str, int], int]) -> pd.DataFrame:
    """Columns remedy, strength, seed, flop, drawn (images for each one kept; NaN where their number is fixed)."""
    count, rows = d.arms.data["train"].count, []
    for cell in [(PLAIN, NONE), (MORE, NONE), *tried(d)] if tried(d) else []:
        for s in d.seeds:
            taken = drawn.get((cell[0], s))
            line = dict(zip(NAMES[1:], (*cell, s), strict=True)) | {"flop": flop_of(d, cell, s, taken)}
            rows.append(line | {"drawn": float("nan") if taken is None else taken / count})
    return pd.DataFrame(rows)


def titled(name: str, strength: float) -> str:
    """A remedy with its strength, where it has one."""
    return f"{name}, {REMEDIES[name].strength} {strength:g}" if name in REMEDIES and strength else name


# what the book shows


@exhibit("tab-remedies", [gains, remedies, cost], apart="the paper names two of them as future work")
def gains_table(d: Design, several: list[Gain], rows: pd.DataFrame, costs: pd.DataFrame) -> str:
    """Every remedy against plain sampling, in both settings, with what its images cost."""
    if not several:
        return NO_REMEDIES
    plain = costs[costs.remedy == PLAIN].flop.mean()
    found, out = {(one.remedy, one.setting): one for one in several}, []
    for name in ordered(several):
        line: dict[str, object] = {"images": titles(d)[name]}
        for setting in SETTINGS:
            one = found.get((name, setting))
            shown = "" if one is None else difference(one.gain, 1) + (f" **{one.word}**" if one.word else "")
            at = f" (weight {one.strength:g})" if one is not None and one.strength else ""
            line[f"{setting} (points)"] = shown + at
        spent = costs[costs.remedy == name].flop.mean() / plain
        out.append(line | {"FLOP, plain = 1": "" if np.isnan(spent) else f"{spent:.2f}"})
    accuracies = "; ".join(
        f"{setting} {in_percent(rows[(rows.setting == setting) & (rows.remedy == PLAIN)].accuracy).mean:.1f}%"
        for setting in SETTINGS
    )
    caption = (
        f"Remedies against plain samples ×1, {d.arms.name}: difference in test accuracy with 95% intervals over "
        f"{plural(len(d.seeds), 'seed')} and test images, each by itself. Plain: {accuracies}. Strengths are chosen on "
        f"validation images. A verdict in bold is corrected for all {sum(g.remedy in REMEDIES for g in several)} "
        "comparisons of remedies. FLOP: to make the images, the generator's training and all helpers included"
    )
    return myst_table(out, caption, "tab-remedies")


def ordered(several: list[Gain]) -> list[str]:
    """What is compared with plain samples: what remedies stand beside, then these."""
    there = {one.remedy for one in several}
    return [name for name in (BARE, POLICY, RESAMPLED, RESAMPLED_MORE, MORE, *REMEDIES) if name in there]


def titles(d: Design) -> dict[str, str]:
    """How rows are called."""
    draws, copies = d.arms.preset.remedy_draws, "real images drawn with replacement"
    several = {BARE: BARE, POLICY: f"real images, {POLICY}", RESAMPLED: copies, RESAMPLED_MORE: f"{copies} ×{draws}"}
    return several | {PLAIN: PLAIN, MORE: f"plain ×{draws}"} | {name: name for name in REMEDIES}


@exhibit("fig-remedies", [gains], apart="the paper names two of them as future work")
def forest(d: Design, several: list[Gain]) -> Figure:
    """Gains with their intervals, a panel a setting."""
    if not several:
        return nothing(NO_REMEDIES)
    names = ordered(several)
    figure, axes = new_figure(NARROW + 0.6, 0.36 * len(names) + 1.2, 1, len(SETTINGS), sharey=True)
    for ax, setting in zip(axes[0], SETTINGS, strict=True):
        mine = [one for one in several if one.setting == setting]
        for number, of_kind in enumerate((False, True)):
            shown = [one for one in mine if (one.remedy in REMEDIES) == of_kind]
            places = [names.index(one.remedy) for one in shown]
            bars = np.nan_to_num(np.transpose([one.gain.reach for one in shown]))
            how = style(number) | {"linestyle": "none", "markersize": 5}
            ax.errorbar([one.gain.mean for one in shown], places, xerr=bars, capsize=3, **how)
        ax.axvline(0, color="black", linewidth=1)
        titled_panel(ax, setting)
        ax.set_xlabel("points gained over plain ×1")
    axes[0, 0].set_yticks(range(len(names)), [fill(titles(d)[name], 18) for name in names])
    axes[0, 0].invert_yaxis()
    figure.suptitle(f"{d.arms.name}: {plural(len(d.seeds), 'seed')}; {CROSSED_INTERVAL}", fontsize=SMALL)
    told = []
    for setting in SETTINGS:
        best = max(
            (one for one in several if one.setting == setting and one.remedy in REMEDIES), key=lambda one: one.gain.mean
        )
        told.append(f"{setting} “{best.remedy}” ({difference(best.gain, 1)} points)")
    return saying(figure, f"The largest gain over plain samples: {', '.join(told)}.")


@sentences("remedies-said", [gains, chosen, remedy_hits])
def what_to_do(d: Design, several: list[Gain], strengths: dict[tuple[str, str], float], right: Hits) -> str:
    """Which remedies are decided, whether any closes the gap, and what a reader should do."""
    if not several:
        return NO_REMEDIES
    lines = []
    for setting in SETTINGS:
        mine = [one for one in several if one.setting == setting and one.remedy in REMEDIES]
        better = [one.remedy for one in mine if one.word == "better"]
        worse = [one.remedy for one in mine if one.word == "worse"]
        found = f"better than plain samples: {', '.join(better) or 'none'}. Worse: {', '.join(worse) or 'none'}"
        lines.append(f"**{setting[0].upper()}{setting[1:]}**, decided after correction for all comparisons: {found}.")
        best = max(mine, key=lambda one: one.gain.mean)
        name, cell = titled(best.remedy, best.strength), (setting, best.remedy, best.strength)
        lines.append(
            f"The remedy with the largest gain on these test images is “{name}”. Compared with images without it:"
        )
        for other in (BARE, MORE) if setting == BESIDE else (BARE, RESAMPLED, MORE):
            gap = contrast(right.__getitem__, cell, (setting, other, NONE)).in_points
            lines.append(difference_sentence(f"“{name}”", titles(d)[other], gap))
    lines.append(
        "Use a remedy if it is decided to be better than plain samples and gains more than as many draws without it. "
        "Otherwise plain samples will do. The best of several on the same test images is partly best by luck."
    )
    return listed(lines)
