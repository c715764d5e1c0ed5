"""Chapter A1: what would be lost without any fault of the generator; and the same where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ..base.words import NOT_RUN, ONE_SEED, difference, ends, plural, points, signed, with_interval
from ..design.loading import Design
from ..design.values import BOOTSTRAP, GIVEN_ONLY, SYNTHETIC_ONLY
from ..stats import nulls, toy
from ..stats.crossed import Crossed
from ..stats.nulls import Coverage, NullReport, Place
from ..stats.toy import Expected
from .augmentation import curve_hits, table3_hits
from .base import WHOLE, exhibit, result
from .drawing import CROSSED_INTERVAL, LINES, NARROW, SMALL, basis, doubling, levels, one_panel, saying
from .hits import Hits
from .task import Task, chapters_task
from .text import NOT_IDENTIFIABLE, falls_words, least, listed, most, multiple_span, myst_table, rate_span

TRAIN, DIMENSIONS, NORM, MULTIPLES = 200, 100, 1.0, (1, 3, 5)  # of the Gaussian toy
LARGEST = 1600  # samples of the toy that the closed form is drawn to
SIMULATED = "a simulation that the chapter runs itself"
NO_NULL = "the paper has no null model"
APART = 0.05  # in powers of two, so that what is trained on equally many images doesn't hide each other
GAPS = {  # field of `Gaps`: title
    "raw": "raw gap: real − synthetic",
    "bootstrap": "first null: real − drawn with replacement",
    "subset": "second null: real − N·m/(N + m) real",
    "excess": "excess gap: drawn with replacement − synthetic",
}


@result("nulls", reads=[table3_hits, curve_hits, chapters_task], no_rows=WHOLE)
def gaps(d: Design, right: Hits, curve: Hits, asked: Task) -> NullReport:
    """The report of a study's synthetic images, or of the given ones, in accuracy, balanced where classes are uneven.

    Of given images it is not known what their generator was trained on; the second null takes it to be the training
    set.
    """
    arm, several = (GIVEN_ONLY, d.arms.given_multiples()) if d.given else (SYNTHETIC_ONLY, d.arms.preset.replication)
    synthetic = {k: right[arm, k] for k in several}
    copies = {k: right[BOOTSTRAP, k] for k in synthetic if (BOOTSTRAP, k) in right}
    sizes = {n: curve[n,] for n in sorted(n for (n,) in curve.names)}
    return nulls.report(d.arms.name, sizes, synthetic, copies, asked.groups, asked.measure)


@dataclass(frozen=True)
class Toy:
    """What is measured of the Gaussian toy, and what its closed form says of each multiple."""

    report: NullReport
    closed: dict[float, Expected]


@result("toy", no_rows=SIMULATED)
def gaussian(d: Design) -> Toy:
    """The toy's fitted generator, through the code that measures the gaps of images."""
    run = toy.simulate(20, 2000, TRAIN, DIMENSIONS, NORM, MULTIPLES)
    closed = {k: toy.expected(TRAIN, k, DIMENSIONS, NORM) for k in MULTIPLES}
    return Toy(nulls.report("Gaussian toy", run.real, run.fitted, run.bootstrap), closed)


@result("toy_coverage", no_rows=SIMULATED)
def held(d: Design) -> dict[float, Coverage]:
    """Multiple → how often the toy's intervals hold the closed form, with few seeds."""
    return nulls.coverage(40, MULTIPLES, seeds=5, images=500, train=TRAIN, d=DIMENSIONS, norm=NORM)


# what the book shows


@exhibit("tab-nulls", [gaps], apart=NO_NULL)
def gaps_table(d: Design, report: NullReport) -> list[str]:
    """The gaps of every multiple beside both nulls, in points; and a sentence a multiple."""
    out = []
    for g in report.gaps.values():
        line = {"synthetic images": _images(g.multiple, g.drawn)}
        out.append(line | {title: _points(getattr(g, field)) for field, title in GAPS.items()})
    caption = (
        f"Gaps of synthetic images alone, and two nulls, {report.name}: {report.measure} in points, in brackets "
        f"95% intervals ({_seeds_and_images(report)}). N = {report.train:,} real images, m synthetic ones, all with "
        f"the optimiser steps of the real set. “{NOT_RUN}”: the preset has no such cell, or no real subset as small"
    )
    return [myst_table(out, caption, "tab-nulls"), listed(against_nulls(report))]


def against_nulls(report: NullReport) -> list[str]:
    """One sentence a multiple: the raw gap, the nulls', and what is lost beyond copies."""
    out = []
    for k, g in report.gaps.items():
        text = f"×{k:g}: the raw gap is {points(g.raw.in_points)}"
        if g.bootstrap is None or g.excess is None:
            out.append(f"{text}. The memoriser was {NOT_RUN} at this multiple.")
            continue
        text += f". A memoriser's is {with_interval(g.bootstrap.in_points)}"
        if g.subset is not None:
            text += f", that of {g.size:,.0f} real images is {with_interval(g.subset.in_points)}"
        out.append(f"{text}. Beyond copies the synthetic images lose {points(g.excess.in_points)}, the excess gap.")
    return out


@exhibit("fig-nulls", [gaps], apart=NO_NULL)
def gaps_figure(d: Design, report: NullReport) -> Figure:
    """Level against the number of training images: real ones, synthetic ones, and both nulls at the same number."""
    return against_images(report, {})


@exhibit("tab-exchange", [gaps], apart="the paper does not say what a synthetic image is worth")
def exchange_table(d: Design, report: NullReport) -> list[str]:
    """What the synthetic images of every multiple are worth in real ones; and how many would equal all real ones."""
    out = []
    for g in report.gaps.values():
        line = {"synthetic images": _images(g.multiple, g.drawn)}
        if g.worth is None:
            several = dict.fromkeys(("worth, real images", "exchange rate", "95%", "95%, resampled"), NOT_RUN)
            out.append(line | several | {"rate by power law": NOT_RUN})
            continue
        w = g.worth
        line["worth, real images"] = _place(w.place, report.train)
        line["exchange rate"] = _rate(w.rate)
        line["95%"] = ONE_SEED if w.resampled is None else rate_span(*w.tested)
        line["95%, resampled"] = "–" if w.resampled is None else rate_span(*w.resampled)
        line["rate by power law"] = _rate(w.power_law_rate)
        out.append(line)
    caption = (
        f"Exchange rate, synthetic images for a real one, {report.name}, read off the learning curve of "
        f"{len(report.curve)} sizes, {min(report.curve):,} to {report.train:,} real images. 95%: inverted tests along "
        f"the curve, seeds × test images; resampled: percentiles of a bootstrap of seeds and images; power law: "
        "c − a·n^(−b) in the place of interpolation, which takes five sizes"
    )
    return [myst_table(out, caption, "tab-exchange"), match(report)]


def match(report: NullReport) -> str:
    """The smallest multiple whose synthetic images equal all real ones."""
    several = list(report.gaps)
    if report.match is None:
        return f"The match multiple is **{NOT_IDENTIFIABLE}**: there is one multiple, ×{several[0]:g}."
    found, first, last = report.match.tested, f"×{several[0]:g}", f"×{several[-1]:g}"
    if found.falls:
        return f"The match multiple is **{NOT_IDENTIFIABLE}**: {falls_words(found.falls, '×{:g}')}."
    value = f"is ×{found.value:.1f}"
    if not report.match.identifiable:
        value = f"is {first} or less" if found.value == 0 else f"is **not reached** by {last}"
    if report.match.resampled is None:
        return f"The match multiple {value} ({ONE_SEED})."

    tested, resampled = (multiple_span(*ends, several) for ends in ((found.low, found.high), report.match.resampled))
    return f"The match multiple {value} (95% interval {tested}; resampled {resampled})."


@exhibit("tab-toy", [gaussian], apart=NO_NULL, rests_on=SIMULATED)
def toy_table(d: Design, measured: Toy) -> list[str]:
    """The toy's measured gaps and rates beside the closed form, a line each; and how many intervals hold it."""
    out = toy_rows(measured)
    caption = (
        f"The toy against its closed form: gaps in points, n_eff in real samples, rate in synthetic samples for a real "
        f"one; {_seeds_and_images(measured.report)}"
    )
    inside = sum(row["inside"] == "yes" for row in out)
    contain = f"**{inside} of {len(out)}** 95% intervals contain the value of the closed form."
    return [myst_table(out, caption, "tab-toy"), contain]


def toy_rows(measured: Toy) -> list[dict[str, str]]:
    """Every quantity that is measured, with its interval, beside the closed form."""
    out, train = [], measured.report.train

    def add(k: float, *cells: str, inside: bool) -> None:
        names = ("synthetic samples", "quantity", "measured", "95% interval", "closed form", "inside")
        out.append(dict(zip(names, (f"×{k:g}", *cells, "yes" if inside else "**no**"), strict=True)))

    for k, g in measured.report.gaps.items():
        truth = measured.closed[k]
        for field, title in GAPS.items():
            value, true = getattr(g, field), getattr(truth, field)
            if value is not None:
                e, inside = value.in_points, value.low <= true <= value.high
                add(k, title, signed(e.mean, 2), ends(e, 2), signed(100 * true, 2), inside=inside)
        if g.worth is not None:
            w, found = g.worth, g.worth.place.tested
            n = f"{found.value:,.0f}" if w.place.identifiable else NOT_IDENTIFIABLE
            between = f"{least(found.low)} to {most(found.high, train)}"
            add(k, "n_eff", n, between, f"{truth.worth:,.0f}", inside=found.low <= truth.worth <= found.high)
            low, high = w.tested
            rate = (_rate(w.rate), rate_span(low, high), f"{truth.rate:.1f}")
            add(k, "exchange rate", *rate, inside=low <= truth.rate <= high)
    return out


@exhibit("fig-toy", [gaussian], apart=NO_NULL, rests_on=SIMULATED)
def toy_figure(d: Design, measured: Toy) -> Figure:
    """The toy's levels against the number of training samples, with the closed form."""
    return against_images(measured.report, toy.lines(TRAIN, LARGEST, DIMENSIONS, NORM))


@exhibit("tab-coverage", [held], apart=NO_NULL, rests_on=SIMULATED)
def coverage_table(d: Design, several: dict[float, Coverage]) -> str:
    """How often the toy's intervals hold the closed form (see `nulls.coverage`)."""
    titles = {**GAPS, "rate": "exchange rate, inverted tests", "resampled": "exchange rate, resampled"}
    out = [
        {"interval of": title, **{f"×{k:g}": f"{c.shares[name]:.0%}" for k, c in several.items()}}
        for name, title in titles.items()
    ]
    of = next(iter(several.values())).studies
    error = math.sqrt(0.95 * 0.05 / of)
    caption = (
        f"Share of {of} simulated studies of the toy whose 95% interval holds the closed form's value; by chance the "
        f"shares vary by ±{200 * error:.0f} points (two standard errors)"
    )
    return myst_table(out, caption, "tab-coverage")


def against_images(report: NullReport, closed: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Level against the number of training images: real ones, synthetic ones, and both nulls at the same number.

    closed : label → (training images, level in [0, 1]) of what is known beforehand, drawn as thin black lines.
    """
    figure, ax = one_panel(NARROW, 4.4)
    for number, (label, (images, level)) in enumerate(closed.items()):
        style = LINES[number % len(LINES)]
        ax.plot(images, 100 * np.asarray(level), color="black", linewidth=0.8, linestyle=style, label=label)
    levels(ax, report.curve, 0, "real images")
    several = {
        "synthetic images, m": (report.synthetic, -APART),
        "real, m drawn with replacement": (report.bootstrap, APART),
        "real, N·m/(N + m) images, by the curve": (report.subset, 2 * APART),
    }
    for number, (label, (measured, beside)) in enumerate(several.items(), start=1):
        if measured:  # beside the real ones, which are at 0
            levels(ax, {k * report.train * 2**beside: level for k, level in measured.items()}, number, label)
    places = sorted({*report.curve, *(g.drawn for g in report.gaps.values())})
    doubling(ax, places, rotation=60, fontsize=SMALL)
    ax.set_xlabel("training images: n real, or m in the place of N real ones")
    ax.set_ylabel(f"{report.measure} (%)")
    figure.legend(fontsize=SMALL - 1, loc="outside lower center", ncols=1)
    figure.suptitle(f"{report.name}, N = {report.train:,}: {basis(report.curve)}; {CROSSED_INTERVAL}", fontsize=SMALL)
    first = min(report.gaps)
    told = [f"{report.train:,} real images reach {100 * report.curve[report.train].mean:.1f}%"]
    for several, what in ((report.bootstrap, "drawn from them with replacement"), (report.synthetic, "synthetic")):
        if first in several:
            told.append(f"as many {what} {100 * several[first].mean:.1f}%")
    return saying(figure, f"{', '.join(told)}." if first == 1 else "")


def _rate(rate: float | None) -> str:
    return NOT_IDENTIFIABLE if rate is None else f"{rate:.1f}"


def _place(place: Place, train: int) -> str:
    found = place.tested
    value = f"{found.value:,.0f}"
    if found.falls:
        return f"{NOT_IDENTIFIABLE}: {falls_words(found.falls, '{:,.0f} images')}"
    if not place.identifiable:
        value = "fewer than tried" if found.value == 0 else f"more than {train:,}"
    if place.resampled is None:
        return value
    return f"{value} ({least(found.low)} to {most(found.high, train)})"


def _points(gap: Crossed | None) -> str:
    return NOT_RUN if gap is None else difference(gap.in_points, 1)


def _images(multiple: float, drawn: int) -> str:
    return f"×{multiple:g} ({drawn:,})"


def _seeds_and_images(report: NullReport) -> str:
    one = next(iter(report.curve.values()))
    return f"{plural(one.seeds, 'seed')} × {one.images:,} test images"
