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
    mean_over,
    p_value,
    plain,
    plural,
    plus_minus,
    signed,
    times,
)
from ..design.arms import PAPER
from ..design.loading import Design
from ..design.values import GAN, GAN_ONLY, INSTEAD, MIX, NAIVE, REAL, SYNTHETIC_ONLY, Arm, ArmCell
from ..diffusion.schedule import REVERSE_STEPS
from ..paper.published import read_paper
from ..stats.intervals import PERCENT, Comparison, Estimate, compare, error_ratio, estimate_mean
from .augmentation import table3, table4
from .base import WHOLE, by_seed, exhibit, of_arm, on_steps, result, sentences
from .classifiers import entropy, table2
from .drawing import INTERVAL, label_steps, one_panel, reference, rival, series
from .introduction import ALONE, accuracies
from .text import arm_difference, arm_percent, listed, myst_table, paper_table

TRAIN, TEST = "GAN-train", "GAN-test"
STEPS = {0: REAL, REVERSE_STEPS: (SYNTHETIC_ONLY, 1), GAN: (GAN_ONLY, 1)}  # arms that are sets at a step
SYNTHETIC = {REVERSE_STEPS: "EDM", GAN: INSTEAD[GAN]}  # models whose images are fully synthetic
SOURCES = {REVERSE_STEPS: "fully synthetic images of the diffusion model", GAN: "the GAN's images"}
LOWER, HIGHER, OPEN = "lower", "higher", "not told apart"
NO_TABLE = "the paper has no table of its neighbours"


@dataclass(frozen=True)
class Side:
    """One direction at one reverse step: percent, one value a seed, and points from real-on-real, paired by seed.

    n : images that were classified.
    """

    values: np.ndarray
    against: Comparison
    n: int

    @property
    def word(self) -> str:
        """What the interval says of it against real-on-real."""
        return {1: HIGHER, -1: LOWER, 0: OPEN}[self.against.difference.side]


@dataclass(frozen=True)
class BothWays:
    """GAN-train and GAN-test of the main data set; p-values are corrected over all sides.

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


@result("both_ways", reads=[table2, accuracies, entropy], no_rows=WHOLE)
def both_ways(d: Design, table2: pd.DataFrame, accuracies: pd.DataFrame, entropy: pd.DataFrame) -> BothWays:
    """Every reverse step above 0 of Table 2, and the GAN's samples where the preset has a GAN.

    GAN-test at a reverse step is of reconstructed *test* images: the classifier of real images has learnt the training
    images by heart, and their near copies would flatter it. It is set against the same images as they are. The GAN's
    samples are made from no image and have the labels of the training set; they are set against all test images.
    """
    forth, back = _gan_train(d, table2, accuracies), _gan_test(d, entropy)
    real, n = forth[0]
    pairs: dict[tuple[int, str], tuple[np.ndarray, np.ndarray, int]] = {}
    for t in [*sorted(set(forth) - {0, GAN}), *(t for t in d.main.rivals if t in forth)]:
        pairs[t, TRAIN] = (forth[t][0], real, forth[t][1])
        if t in back:
            pairs[t, TEST] = (back[t][0], real if t == GAN else back[0][0], back[t][1])
    tested = compare([(str(t), way, a, b) for (t, way), (a, b, _) in pairs.items()], PERCENT)
    sides = {cell: Side(pairs[cell][0], against, pairs[cell][2]) for cell, against in zip(pairs, tested, strict=True)}
    return BothWays(real, n, sides)


def _gan_train(d: Design, table2: pd.DataFrame, accuracies: pd.DataFrame) -> dict[int, tuple[np.ndarray, int]]:
    """Reverse step (or GAN) → accuracy in percent, one value a seed, and the number of test images."""
    groups = {t: of_arm(accuracies, cell) for t, cell in STEPS.items()}
    groups |= dict(list(table2[table2.dataset == d.main.name].groupby("t_re")))
    return {int(t): _by_seed(d, rows, "accuracy") for t, rows in groups.items() if len(rows)}


def _gan_test(d: Design, entropy: pd.DataFrame) -> dict[int, tuple[np.ndarray, int]]:
    """Reverse step (or GAN) → agreement in percent, one value a seed, of the real classifier with the labels of images
    made from those that it has not seen, or of the GAN's; and the number of images."""
    rows = entropy[(entropy.protocol == PAPER) & ((entropy.split == "test") | (entropy.t_re == GAN))]
    return {int(t): _by_seed(d, mine, "agreement") for t, mine in rows.groupby("t_re")}


def _by_seed(d: Design, rows: pd.DataFrame, column: str) -> tuple[np.ndarray, int]:
    return 100 * by_seed(d, rows, column), int(rows.n.iloc[0])


@dataclass(frozen=True)
class Score:
    """The classification accuracy score of one set of synthetic images, in percent; against : minus real-on-real.

    real : real-on-real of the same data set.
    """

    dataset: str
    arm: Arm
    multiple: float
    real: Estimate
    accuracy: Estimate
    against: Comparison


def scores(d: Design, accuracies: pd.DataFrame, table2: pd.DataFrame, table4: pd.DataFrame) -> list[Score]:
    """CAS of every data set, model and multiple that the study has; p-values are corrected over all of them."""
    found = []
    for arms in d.columns:
        four = table4[(table4.dataset == arms.name) & table4.arm.isin(list(ALONE))]
        rows = accuracies if arms is d.main else four
        if rows.empty:  # Table 2 has both sets by their reverse steps
            mine = table2[(table2.dataset == arms.name) & table2.t_re.isin(list(STEPS))]
            cells = [STEPS[t] for t in mine.t_re]
            rows = mine.assign(arm=[arm for arm, _ in cells], multiple=[k for _, k in cells])
        cells = list(dict.fromkeys(zip(rows.arm, rows.multiple, strict=True)))
        values = {cell: arm_percent(d, rows, cell) for cell in cells}
        real = values.pop(REAL, None)
        if real is not None:
            found += [(arms.name, *cell, real, mine) for cell, mine in values.items()]
    tested = compare([(f"{name} {arm} ×{k:g}", name, mine, real) for name, arm, k, real, mine in found], PERCENT)
    return [
        Score(name, arm, k, estimate_mean(real, span=PERCENT), estimate_mean(mine, span=PERCENT), comparison)
        for (name, arm, k, real, mine), comparison in zip(found, tested, strict=True)
    ]


@dataclass(frozen=True)
class Published:
    """Real-on-real and CAS at about equal size, in percent, printed with so many `digits`; cite is a BibTeX key."""

    cite: str
    data: str
    network: str
    real: float
    synthetic: float
    digits: int = 1


def published_scores() -> list[Published]:
    """The paper's own (its Tables 2 and 4), then its neighbours' (`synthgap/paper/neighbours.yaml`)."""
    pairs = {data: (column[0][0], column[REVERSE_STEPS][0]) for data, column in paper_table("table2").items()}
    real, synthetic = (paper_table("table4")[row] for row in ("real only", "synthetic only ×1"))
    pairs |= {data: (real[data][0], synthetic[data][0]) for data in real}
    papers = [Published("yamaguchi2024analyzing", data, "ResNet-18", *pair, digits=2) for data, pair in pairs.items()]
    return papers + [Published(**row) for row in read_paper("neighbours.yaml")["scores"]]


# what the book shows


@exhibit("fig-both-ways", [both_ways], apart=NO_TABLE)
def both_ways_curves(d: Design, found: BothWays) -> Figure:
    """Both directions against the reverse step, real-on-real as a band; the GAN's samples to the right of step 100."""
    figure, ax = one_panel(6.4, 3.8)
    reference(ax, estimate_mean(found.real, span=PERCENT), "real-on-real")
    for number, way in enumerate((TRAIN, TEST)):
        sides = {t: found.sides[t, way] for t in found.steps if (t, way) in found.sides}
        rows = pd.DataFrame([{"t_re": t, "percent": v} for t, side in sides.items() for v in side.values])
        if len(rows) and len(on_steps(rows)):
            series(ax, on_steps(rows), "t_re", "percent", number, way)
        if len(rows):
            rival(ax, rows, "percent", number + 2, f"{way}, {INSTEAD[GAN]}")
    label_steps(ax)
    ax.set_ylabel("accuracy (%)")
    ax.legend(fontsize=7)
    figure.suptitle(f"{d.main.name}: {len(found.real)} seeds; {INTERVAL}; band: real-on-real", fontsize=8)
    return figure


@exhibit("tab-both-ways", [both_ways], apart=NO_TABLE)
def both_ways_table(d: Design, found: BothWays) -> list[str]:
    """GAN-train and GAN-test by reverse step, each against real-on-real; and what the two say together."""
    out: list[dict[str, object]] = [
        {"images": "real (real-on-real)", f"{TRAIN} (%)": plus_minus(estimate_mean(found.real, span=PERCENT))}
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
        f"on these ({tested}, or the GAN's samples). {capital(mean_over(len(found.real)))}; "
        "difference from real-on-real in points, paired by seed, with p of the paired t test after Holm's "
        "correction over the whole table"
    )
    told = [reading(found, t) for t in found.steps if t in SOURCES]
    return [myst_table(out, caption, "tab-both-ways"), listed(told)]


def _cells(way: str, side: Side | None) -> dict[str, object]:
    if side is None:
        return {f"{way} (%)": NOT_RUN, f"{way} − real-on-real": ""}
    against = f"{difference(side.against.difference, 2)}, p {p_value(side.against.p_holm)}"
    return {f"{way} (%)": plus_minus(estimate_mean(side.values, span=PERCENT)), f"{way} − real-on-real": against}


def reading(found: BothWays, t: int) -> str:
    """What the two directions say together of the images at t, by their 95% intervals, as Shmelkov et al. (2018) do."""
    name = SOURCES[t]
    if (t, TEST) not in found.sides:
        return f"This preset has no {TEST} of {name}."
    train, test = (found.sides[t, way].word for way in (TRAIN, TEST))
    than_train, than_test = ("from" if word == OPEN else "than" for word in (train, test))
    parts = {
        (LOWER, LOWER): "images that don't show what their label says would do both",
        (LOWER, HIGHER): "the images are easy and a classifier learns less from them: they lack diversity",
        (LOWER, OPEN): "the images show their labels as well as real ones do, so what a classifier misses in them is "
        "diversity",
        (HIGHER, HIGHER): "the images are both easy and instructive",
        (OPEN, LOWER): "some images don't show what their label says, without a loss that is told from none",
        (OPEN, HIGHER): "the images are easy, without a loss that is told from none",
        (OPEN, OPEN): "this run tells the images from real ones in neither direction",
    }
    return (
        f"For {name}, {TRAIN} is **{train}** {than_train} real-on-real and {TEST} **{test}** {than_test} it: "
        f"{parts.get((train, test), 'the two don’t point the same way')}."
    )


@exhibit("tab-both-ways-seeds", [both_ways], apart=NO_TABLE)
def seeds_table(d: Design, found: BothWays) -> str:
    """Both directions of fully synthetic images, a line a seed."""
    out = []
    for place, seed in enumerate(d.seeds):
        row: dict[str, object] = {"seed": seed, "real-on-real (%)": plain(found.real[place], 2)}
        for t in [t for t in found.steps if t in SYNTHETIC]:
            for way in (TRAIN, TEST):
                side = found.sides.get((t, way))
                row[f"{way}, {SYNTHETIC[t]} (%)"] = NOT_RUN if side is None else plain(side.values[place], 2)
        out.append(row)
    caption = f"Both ways of fully synthetic images ×1, seed by seed, {d.main.name}"
    return myst_table(out, caption, "tab-both-ways-seeds")


@exhibit("tab-cas", [accuracies, table2, table4], apart=NO_TABLE)
def scores_table(d: Design, accuracies: pd.DataFrame, table2: pd.DataFrame, table4: pd.DataFrame) -> str:
    """The classification accuracy score of every data set and multiple, and at equal size the published ones."""
    out: list[dict[str, object]] = [
        {
            "data": escaped(s.dataset),
            "trained on": f"{INSTEAD[GAN] if s.arm == GAN_ONLY else 'EDM'} ×{s.multiple:g}",
            "real-on-real (%)": plus_minus(s.real),
            "CAS (%)": plus_minus(s.accuracy),
            "difference (points)": difference(s.against.difference, 2),
            "p, Holm": p_value(s.against.p_holm),
            "errors, times": times(error_ratio(s.real.mean, s.accuracy.mean)),
        }
        for s in scores(d, accuracies, table2, table4)
    ]
    for p in published_scores():
        out.append(
            {
                "data": f"{p.data} ({{cite:t}}`{p.cite}`)",
                "trained on": f"diffusion ×1, {p.network}",
                "real-on-real (%)": plain(p.real, p.digits),
                "CAS (%)": plain(p.synthetic, p.digits),
                "difference (points)": signed(p.synthetic - p.real, p.digits),
                "p, Holm": "",
                "errors, times": times(error_ratio(p.real, p.synthetic)),
            }
        )
    caption = (
        f"Classification accuracy score, ours ({mean_over(len(d.seeds))}; "
        "differences paired by seed; p after Holm's correction over our lines) and published. Errors, times: those of "
        "the classifier trained on synthetic images over those of the one trained on real images"
    )
    return myst_table(out, caption, "tab-cas")


@sentences("beside", [table3])
def effects(d: Design, rows: pd.DataFrame) -> str:
    """Two effects that neighbours report: of more synthetic images, and of reconstructions in their place."""
    most = max(d.arms.preset.augmentation.get(NAIVE, (1,)))
    many, mix = f"real + naïve ×{most}", f"real + rand(50, 100) ×{most}"
    run = set(zip(rows.arm, rows.multiple, strict=True))

    def told(what: str, first: str, second: str, *pair: ArmCell) -> str:
        return effect(what, first, second, arm_difference(d, rows, *pair) if set(pair) <= run else None)

    more = (NAIVE, most), (NAIVE, 1)
    instead = (MIX, most), (NAIVE, most)
    return listed(
        [
            told("More synthetic images beside the real ones", many, "real + naïve ×1", *more),
            told("Reconstructions in their place", mix, many, *instead),
        ]
    )


def effect(what: str, first: str, second: str, e: Estimate | None) -> str:
    """One sentence on an effect that a neighbour reports; e: first − second, in points, None where it was not run."""
    if e is None:
        return f"{what}: {NOT_RUN} at this preset."
    told = f"{what}: {first} minus {second} is {signed(e.mean, 2)} points here"
    if math.isnan(e.half_width):
        return f"{told} ({interval(e)})."
    word = {1: "rises", -1: "falls", 0: "not told from unchanged"}[e.side]
    return f"{told} ({interval(e, 2)}, {plural(e.n, 'seed')}): **{word}**."
