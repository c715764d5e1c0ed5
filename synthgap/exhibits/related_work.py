"""Section 2: the study in the terms of its neighbours, trained on one kind of images, tested on the other.

GAN-train (Shmelkov et al. 2018) is the accuracy on real images of a classifier trained on synthetic ones; Ravuri and
Vinyals (2019) call it the classification accuracy score, CAS. GAN-test is the reverse: a classifier trained on real
images, tested on synthetic ones. Both are set against real-on-real, of the same seed's classifier of real images.
Nothing is computed for them: the first are cells of Tables 2 to 4, the second of Figure 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import (
    NOT_RUN,
    capital,
    difference,
    escaped,
    interval,
    plain,
    plural,
    signed,
    times,
)
from ..design.arms import PAPER
from ..design.loading import Design
from ..design.values import GAN, GAN_ONLY, INSTEAD, MIX, NAIVE, REAL, SYNTHETIC_ONLY, Arm, ArmCell
from ..diffusion.schedule import REVERSE_STEPS
from ..paper.published import published_scores
from ..stats.crossed import Crossed, crossed
from ..stats.intervals import PERCENT, SHARE, Estimate, error_ratio, estimate_mean
from ..stats.judge import apart
from ..stats.verdict import OF_INTEREST
from .augmentation import all_arm_hits, table3_hits
from .base import WHOLE, Cells, exhibit, on_steps, result, sentences
from .classifiers import all_step_hits, entropy_cells, table2_hits
from .drawing import SMALL, label_steps, reference, rival, saying, seeds_and_bars, series, step_panels
from .hits import Hits, arm_difference, hits
from .introduction import ALONE, alone_hits
from .text import listed, mean_told, myst_table, seeds_told

TRAIN, TEST = "GAN-train", "GAN-test"
STEPS = {0: REAL, REVERSE_STEPS: (SYNTHETIC_ONLY, 1), GAN: (GAN_ONLY, 1)}  # arms that are sets at a step
SYNTHETIC = {REVERSE_STEPS: "EDM", GAN: INSTEAD[GAN]}  # models whose images are fully synthetic
SOURCES = {REVERSE_STEPS: "fully synthetic images of the diffusion model", GAN: "the GAN's images"}
LOWER, HIGHER, SAME, OPEN = "lower", "higher", "the same to a point", "open"
POINT = 100 * OF_INTEREST  # a smaller difference counts as none, as in the answer
NO_TABLE = "the paper has no table of its neighbours"


@dataclass(frozen=True)
class Side:
    """One direction at one reverse step.

    values : percent, one value a seed. against : points from real-on-real. n : images that were classified.
    """

    values: np.ndarray
    against: Crossed
    n: int

    @property
    def word(self) -> str:
        """What the interval says of it against real-on-real; SAME where it lies within a point of 0, OPEN: around 0."""
        if self.against.low > -POINT and self.against.high < POINT:
            return SAME
        return {1: HIGHER, -1: LOWER, 0: OPEN}[self.against.side]


@dataclass(frozen=True)
class BothWays:
    """GAN-train and GAN-test of the main data set.

    real : accuracy of real-on-real in percent, on all test images, one value a seed. n : test images.
    sides : (reverse step or GAN, TRAIN or TEST) → what was measured, TEST where there are such reconstructions of
        test images.
    """

    real: np.ndarray
    n: int
    sides: dict[tuple[int, str], Side]

    @property
    def steps(self) -> list[int]:
        """Reverse steps in ascending order, then GAN, where there is one."""
        return list(dict.fromkeys(t for t, _ in self.sides))


def label_cells(d: Design) -> Cells:
    """(t_re or GAN, seed) → how the classifier of all real images labels test images from there, or the GAN's images.

    They are cells of Figure 8, in the paper's protocol.
    """
    return {
        (t, s): spec
        for (protocol, split, t, s), spec in entropy_cells(d).items()
        if protocol == PAPER and (split == "test" or t == GAN)
    }


label_hits = hits("figure8", label_cells)


@result("both_ways", reads=[table2_hits, alone_hits, label_hits], no_rows=WHOLE)
def both_ways(d: Design, steps: Hits, arms: Hits, labels: Hits) -> BothWays:
    """Every reverse step above 0 of Table 2, and the GAN's samples where the preset has a GAN.

    GAN-test at a reverse step is of reconstructed *test* images: the classifier of real images has learnt the training
    images by heart, and their near copies would flatter it. It is set against the same images as they are. The GAN's
    samples are made from no image and have the labels of the training set; they are set against all test images, from
    which they are drawn apart.
    """
    train = {t: (steps[t,], crossed(steps.minus((t,), (0,)))) for (t,) in steps.names if t > 0}
    test = {t: (labels[t,], crossed(labels.minus((t,), (0,)))) for (t,) in labels.names if t > 0}
    real = arms[REAL]
    if GAN in d.main.rivals and STEPS[GAN] in arms:
        train[GAN] = arms[STEPS[GAN]], crossed(arms.minus(STEPS[GAN], REAL))
        levels = (crossed(right.astype(np.float64), span=SHARE) for right in (labels[GAN,], real))
        test[GAN] = labels[GAN,], apart(*levels)
    sides = {}
    for t in [*sorted(set(train) - {GAN}), *(t for t in d.main.rivals if t in train)]:
        for way, known in ((TRAIN, train), (TEST, test)):
            if t in known:
                right, against = known[t]
                sides[t, way] = Side(100 * right.mean(axis=1), against.in_points, right.shape[1])
    return BothWays(100 * real.mean(axis=1), real.shape[1], sides)


@dataclass(frozen=True)
class Score:
    """The classification accuracy score of one set of synthetic images, in percent; against : minus real-on-real.

    real : real-on-real of the same data set. by_seed : of both, real-on-real first.
    """

    dataset: str
    arm: Arm
    multiple: float
    real: Estimate
    accuracy: Estimate
    against: Crossed
    by_seed: tuple[np.ndarray, np.ndarray]


def scores(d: Design, alone: Hits, steps: Hits, four: Hits) -> list[Score]:
    """CAS of every data set, model and multiple that the study has.

    alone : of the main data set's arms. steps, four : of Tables 2 and 4, on all their data sets.
    """
    found = []
    for arms in d.columns:
        in_four = [cell[1:] for cell in four.names if cell[0] == arms.name and cell[1] in ALONE]
        if arms is d.main or in_four:
            known, where = (alone, ()) if arms is d.main else (four, (arms.name,))
            cells = {cell: (*where, *cell) for cell in (alone.names if arms is d.main else in_four)}
        else:  # Table 2 has both sets by their reverse steps
            known, cells = steps, {cell: (arms.name, t) for t, cell in STEPS.items() if (arms.name, t) in steps}
        real = cells.pop(REAL, None)
        for cell, name in cells.items() if real else ():
            by_seed = tuple(100 * np.concatenate([known[n].mean(axis=1), known.level(n)]) for n in (real, name))
            levels = (estimate_mean(values, span=PERCENT) for values in by_seed)
            found.append(Score(arms.name, *cell, *levels, known.change(name, real), by_seed))
    return found


# what the book shows


@exhibit("fig-both-ways", [both_ways], apart=NO_TABLE)
def both_ways_curves(d: Design, found: BothWays) -> Figure:
    """Both directions against the reverse step, real-on-real as a band; the GAN's samples in a panel of their own."""
    figure, ((ax, beside),) = step_panels(1, GAN in found.steps, 3.4)
    real = estimate_mean(found.real, span=PERCENT)
    reference(ax, real, "real-on-real")
    values = {
        way: [(t, v) for (t, w), side in found.sides.items() if w == way for v in side.values] for way in (TRAIN, TEST)
    }
    rows = {way: pd.DataFrame(several, columns=["t_re", "percent"]) for way, several in values.items()}
    for number, (way, mine) in enumerate(rows.items()):
        if len(on_steps(mine)):
            series(ax, on_steps(mine), "t_re", "percent", number, way)
    label_steps(ax)
    ax.set_ylim(top=min(100, ax.get_ylim()[1]))
    ax.set_ylabel("accuracy (%)")
    ax.legend(fontsize=SMALL)
    of_gan = [rows[way][rows[way].t_re == GAN].percent.to_numpy() for way in (TRAIN, TEST)]
    rival(beside, ax, pd.DataFrame(dict(zip((TRAIN, TEST), of_gan, strict=True))).assign(t_re=GAN), {TRAIN: 0, TEST: 1})
    figure.suptitle(f"{d.main.name}: {seeds_and_bars(len(found.real))}; band: real-on-real", fontsize=SMALL)
    means = {way: mine[mine.t_re == REVERSE_STEPS].percent.mean() for way, mine in rows.items()}
    told = [f"{mean:.1f}% with {way}" for way, mean in means.items() if not math.isnan(mean)]
    return saying(figure, f"Fully synthetic images reach {' and '.join(told)}, real images {real.mean:.1f}%.")


@exhibit("tab-both-ways", [both_ways], apart=NO_TABLE)
def both_ways_table(d: Design, found: BothWays) -> list[str]:
    """GAN-train and GAN-test by reverse step, each against real-on-real; and what the two say together."""
    out: list[dict[str, object]] = [
        {"images": "real (real-on-real)", f"{TRAIN} (%)": seeds_told(found.real, span=PERCENT)}
    ]
    for t in found.steps:
        step = f"t_re = {t}" + (" (fully synthetic)" if t == REVERSE_STEPS else "")
        row: dict[str, object] = {"images": f"{INSTEAD[GAN]}, fully synthetic" if t == GAN else step}
        for way in (TRAIN, TEST):
            row |= _cells(way, found.sides.get((t, way)))
        out.append(row)
    sizes = sorted({side.n for (t, way), side in found.sides.items() if way == TEST and t != GAN})
    tested = f"{', '.join(f'{n:,}' for n in sizes)} reconstructed test images" if sizes else NOT_RUN
    caption = (
        f"Both ways, {d.main.name}: {TRAIN} (the classification accuracy score) is the accuracy of a classifier "
        f"trained on these images on {found.n:,} real test images; {TEST} that of a classifier trained on real images "
        f"on these ({tested}, or the GAN's samples). {capital(mean_told(len(found.real)))}; "
        "difference from real-on-real in points, with its 95% interval over seeds and images"
    )
    told = [reading(found, t) for t in found.steps if t in SOURCES]
    return [myst_table(out, caption, "tab-both-ways"), listed(told)]


def _cells(way: str, side: Side | None) -> dict[str, object]:
    if side is None:
        return {f"{way} (%)": NOT_RUN, f"{way} − real-on-real": ""}
    level = seeds_told(side.values, span=PERCENT)
    return {f"{way} (%)": level, f"{way} − real-on-real": difference(side.against, 1)}


def reading(found: BothWays, t: int) -> str:
    """What the two directions say together of the images at t, by their 95% intervals, as Shmelkov et al. (2018) do."""
    name = SOURCES[t]
    if (t, TEST) not in found.sides:
        return f"This preset has no {TEST} of {name}."
    train, test = (found.sides[t, way].word for way in (TRAIN, TEST))
    parts = {
        (LOWER, LOWER): "images that don't show what their label says would do both",
        (LOWER, HIGHER): "the images are easy and a classifier learns less from them: they lack diversity",
        (
            LOWER,
            SAME,
        ): "the images show their labels as well as real ones do, to a point, so what a classifier misses in "
        "them is diversity",
        (
            LOWER,
            OPEN,
        ): "a classifier learns less from the images; it is open whether their labels or their diversity are at fault",
        (HIGHER, HIGHER): "the images are both easy and instructive",
        (SAME, SAME): "in both directions the images do as real ones do, to a point",
        (SAME, LOWER): "some images don't show what their label says, which costs less than a point",
        (SAME, HIGHER): "the images are easy, which costs less than a point",
        (HIGHER, LOWER): "the two point in different directions",
    }
    together = parts.get((train, test), "the two together leave open what the images lack")
    if train == test == OPEN:
        together = "in neither direction can this run distinguish the images from real ones"
    return f"For {name}, {TRAIN} is {_against(train)} and {TEST} is {_against(test)}: {together}."


def _against(word: str) -> str:
    """How a direction stands against real-on-real."""
    if word == OPEN:
        return "**open** (its interval includes 0)"
    return f"**{word}** {'as' if word == SAME else 'than'} real-on-real"


@exhibit("tab-both-ways-seeds", [both_ways], apart=NO_TABLE)
def seeds_table(d: Design, found: BothWays) -> str:
    """Both directions of fully synthetic images, a line a seed."""
    out = []
    for place, seed in enumerate(d.seeds):
        row: dict[str, object] = {"seed": seed, "real-on-real (%)": plain(found.real[place])}
        for t in [t for t in found.steps if t in SYNTHETIC]:
            for way in (TRAIN, TEST):
                side = found.sides.get((t, way))
                row[f"{way}, {SYNTHETIC[t]} (%)"] = NOT_RUN if side is None else plain(side.values[place])
        out.append(row)
    caption = f"Both ways of fully synthetic images ×1, seed by seed, {d.main.name}"
    return myst_table(out, caption, "tab-both-ways-seeds")


@exhibit("tab-cas", [alone_hits, all_step_hits, all_arm_hits], apart=NO_TABLE)
def scores_table(d: Design, alone: Hits, steps: Hits, four: Hits) -> str:
    """The classification accuracy score of every data set and multiple, and at equal size the published ones."""
    out: list[dict[str, object]] = [
        {
            "data": escaped(s.dataset),
            "trained on": f"{INSTEAD[GAN] if s.arm == GAN_ONLY else 'EDM'} ×{s.multiple:g}",
            "real-on-real (%)": seeds_told(s.by_seed[0], span=PERCENT),
            "CAS (%)": seeds_told(s.by_seed[1], span=PERCENT),
            "difference (points)": difference(s.against, 1),
            "errors, times": times(error_ratio(s.real.mean, s.accuracy.mean)),
        }
        for s in scores(d, alone, steps, four)
    ]
    for p in published_scores():
        out.append(
            {
                "data": f"{p.data} ({{cite:t}}`{p.cite}`)",
                "trained on": f"diffusion ×1, {p.network}",
                "real-on-real (%)": plain(p.real, p.digits),
                "CAS (%)": plain(p.synthetic, p.digits),
                "difference (points)": signed(p.synthetic - p.real, p.digits),
                "errors, times": times(error_ratio(p.real, p.synthetic)),
            }
        )
    others = {arms.name: (arms.name, *REAL) for arms in d.columns}
    fewer = four.fewer(others) or steps.fewer({name: (name, 0) for name in others})
    caption = (
        f"Classification accuracy score, ours ({mean_told(len(d.seeds))}; differences with 95% intervals over seeds "
        f"and test images{fewer}) and published. Errors, times: those of the classifier trained on synthetic images "
        "over those of the one trained on real images"
    )
    return myst_table(out, caption, "tab-cas")


@sentences("beside", [table3_hits])
def effects(d: Design, known: Hits) -> str:
    """Two effects that neighbours report: of more synthetic images, and of reconstructions in their place."""
    most = max(d.arms.preset.augmentation.get(NAIVE, (1,)))
    many, mix = f"real + naïve ×{most}", f"real + rand(50, 100) ×{most}"

    def told(what: str, first: str, second: str, *pair: ArmCell) -> str:
        there = all(cell in known for cell in pair)
        return effect(what, first, second, arm_difference(d, known, *pair) if there else None)

    more = (NAIVE, most), (NAIVE, 1)
    instead = (MIX, most), (NAIVE, most)
    return listed(
        [
            told("More synthetic images beside the real ones", many, "real + naïve ×1", *more),
            told("Reconstructions in their place", mix, many, *instead),
        ]
    )


def effect(what: str, first: str, second: str, e: Crossed | None) -> str:
    """One sentence on an effect that a neighbour reports; e: first − second, in points, None where it was not run."""
    if e is None:
        return f"{what}: {NOT_RUN} at this preset."
    told = f"{what}: {first} minus {second} is {signed(e.mean)} points here"
    if math.isnan(e.low):
        return f"{told} ({interval(e)})."
    word = {1: "it rises", -1: "it falls", 0: "the direction is open"}[e.side]
    return f"{told} ({interval(e)}, {plural(e.seeds, 'seed')}): **{word}**."
