"""Tables and sentences about the gap's nulls, as MyST Markdown; reports are those of `stats.nulls`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from ..stats.crossed import Crossed
from ..stats.nulls import Coverage, NullReport, Place
from ..stats.toy import Expected
from .plain import ONE_SEED, interval, number, points, signed
from .tables import NOT_RUN, myst_table

NOT_IDENTIFIABLE = "not identifiable"
GAPS = {  # field of `Gaps`: title
    "raw": "raw gap: real − synthetic",
    "bootstrap": "first null: real − drawn with replacement",
    "subset": "second null: real − N·m/(N + m) real",
    "excess": "excess gap: drawn with replacement − synthetic",
}


def gaps(report: NullReport, label: str) -> str:
    """The gaps of every multiple beside both nulls, in points."""
    out = []
    for g in report.gaps.values():
        line = {"synthetic images": _images(g.multiple, g.drawn)}
        out.append(line | {title: _difference(getattr(g, field)) for field, title in GAPS.items()})
    caption = (
        f"Gaps of synthetic images alone, and two nulls, {report.name}: {report.measure} in points, in brackets "
        f"95% intervals ({_basis(report)}). N = {report.train:,} real images, m synthetic ones, all with the optimiser "
        f"steps of the real set. “{NOT_RUN}”: the preset has no such cell, or no real subset as small"
    )
    return myst_table(pd.DataFrame(out), caption, label)


def exchange(report: NullReport, label: str) -> str:
    """What the synthetic images of every multiple are worth in real ones."""
    out = []
    for g in report.gaps.values():
        line = {"synthetic images": _images(g.multiple, g.drawn)}
        if g.worth is None:
            several = dict.fromkeys(("worth, real images", "exchange rate", "95%", "95%, resampled"), NOT_RUN)
            out.append(line | several | {"rate by power law": NOT_RUN})
            continue
        w = g.worth
        line["worth, real images"] = _place(w.place, report.train)
        line["exchange rate"] = NOT_IDENTIFIABLE if w.rate is None else f"{w.rate:.1f}"
        line["95%"] = ONE_SEED if w.resampled is None else span(*w.tested)
        line["95%, resampled"] = "–" if w.resampled is None else span(*w.resampled)
        line["rate by power law"] = NOT_IDENTIFIABLE if w.power_law_rate is None else f"{w.power_law_rate:.1f}"
        out.append(line)
    caption = (
        f"Exchange rate, synthetic images for a real one, {report.name}, read off the learning curve of "
        f"{len(report.curve)} sizes, {min(report.curve):,} to {report.train:,} real images. 95%: inverted tests along "
        f"the curve, seeds × test images; resampled: percentiles of a bootstrap of seeds and images; power law: "
        "c − a·n^(−b) in the place of interpolation, which takes five sizes"
    )
    return myst_table(pd.DataFrame(out), caption, label)


def agreement(report: NullReport, closed: Mapping[float, Expected], label: str) -> str:
    """The toy's measured gaps and rates beside the closed form, a line each."""
    out = []
    for k, quantity, value, between, truth, inside in _compared(report, closed):
        line = {"synthetic samples": f"×{k:g}", "quantity": quantity, "measured": value, "95% interval": between}
        out.append(line | {"closed form": truth, "inside": "yes" if inside else "**no**"})
    caption = (
        f"The toy against its closed form: gaps in points, n_eff in real samples, rate in synthetic samples for a real "
        f"one; {_basis(report)}"
    )
    return myst_table(pd.DataFrame(out), caption, label)


def agreement_sentence(report: NullReport, closed: Mapping[float, Expected]) -> str:
    """How many of the intervals hold the closed form."""
    inside = [line[-1] for line in _compared(report, closed)]
    return f"**{sum(inside)} of {len(inside)}** 95% intervals hold the closed form's value."


def _compared(report: NullReport, closed: Mapping[float, Expected]) -> list[tuple[float, str, str, str, str, bool]]:
    """(multiple, quantity, measured, interval, closed form, is it inside?)."""
    out = []
    for k, g in report.gaps.items():
        truth = closed[k]
        for field, title in GAPS.items():
            value, true = getattr(g, field), getattr(truth, field)
            if value is not None:
                middle, low, high, known = (number(100 * v, 2) for v in (value.mean, value.low, value.high, true))
                out.append((k, title, middle, f"{low} to {high}", known, value.low <= true <= value.high))
        if g.worth is not None:
            w, found = g.worth, g.worth.place.tested
            n = f"{found.value:,.0f}" if w.place.identifiable else NOT_IDENTIFIABLE
            between = f"{_least(found.low)} to {_most(found.high, report.train)}"
            out.append((k, "n_eff", n, between, f"{truth.worth:,.0f}", found.low <= truth.worth <= found.high))
            rate = NOT_IDENTIFIABLE if w.rate is None else f"{w.rate:.1f}"
            low, high = w.tested
            out.append((k, "exchange rate", rate, span(low, high), f"{truth.rate:.1f}", low <= truth.rate <= high))
    return out


def coverage(several: Mapping[float, Coverage], label: str) -> str:
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
    return myst_table(pd.DataFrame(out), caption, label)


def sentences(report: NullReport) -> list[str]:
    """One sentence a multiple: the raw gap, the nulls', and whether the images are better or worse than copies."""
    out = []
    for k, g in report.gaps.items():
        text = f"×{k:g}: the raw gap is {points(g.raw)}"
        if g.bootstrap is None or g.excess is None:
            out.append(f"{text}; the memoriser was {NOT_RUN} at this multiple.")
            continue
        text += f", a memoriser's {signed(g.bootstrap.mean)} ({interval(g.bootstrap)})"
        if g.subset is not None:
            text += f", that of {g.size:,.0f} real images {signed(g.subset.mean)} ({interval(g.subset)})"
        out.append(f"{text}. The synthetic images are {_against_copies(g.excess)}: excess gap {points(g.excess)}.")
    return out


def match_sentence(report: NullReport) -> str:
    """The smallest multiple whose synthetic images equal all real ones."""
    several = list(report.gaps)
    if report.match is None:
        return f"The match multiple is **{NOT_IDENTIFIABLE}**: there is one multiple, ×{several[0]:g}."
    found, first, last = report.match.tested, f"×{several[0]:g}", f"×{several[-1]:g}"
    value = f"is ×{found.value:.1f}"
    if not report.match.identifiable:
        value = f"is {first} or less" if found.value == 0 else f"is **not reached** by {last}"
    if report.match.resampled is None:
        return f"The match multiple {value} ({ONE_SEED})."

    def between(low: float, high: float) -> str:
        start = f"{first} or less" if low == 0 else f"beyond {last}" if low == math.inf else f"×{low:.1f}"
        end = f"beyond {last}" if high == math.inf else f"{first} or less" if high == 0 else f"×{high:.1f}"
        return start if start == end else f"{start} to {end}"

    tested, resampled = between(found.low, found.high), between(*report.match.resampled)
    return f"The match multiple {value} (95% interval {tested}; resampled {resampled})."


def span(low: float, high: float) -> str:
    """An interval of a rate; 0 and inf are no ends."""
    if low == 0 and high == math.inf:
        return "any"
    if low == 0:
        return f"at most {high:.1f}"
    return f"at least {low:.1f}" if high == math.inf else f"{low:.1f} to {high:.1f}"


def _place(place: Place, train: int) -> str:
    found = place.tested
    value = f"{found.value:,.0f}"
    if not place.identifiable:
        value = "fewer than tried" if found.value == 0 else f"more than {train:,}"
    if place.resampled is None:
        return value
    return f"{value} ({_least(found.low)} to {_most(found.high, train)})"


def _least(low: float) -> str:
    return "fewer than tried" if low == 0 else f"{low:,.0f}"


def _most(high: float, train: int) -> str:
    return f"more than {train:,}" if high == math.inf else f"{high:,.0f}"


def _against_copies(excess: Crossed) -> str:
    if math.isnan(excess.half_width()) or excess.low <= 0 <= excess.high:
        return "**not told from copies**"
    return "**worse than copies**" if excess.mean > 0 else "**better than copies**"


def _difference(d: Crossed | None) -> str:
    if d is None:
        return NOT_RUN
    if math.isnan(d.half_width()):
        return signed(d.mean)
    return f"{signed(d.mean)} ({signed(d.low)} to {signed(d.high)})"


def _images(multiple: float, drawn: int) -> str:
    return f"×{multiple:g} ({drawn:,})"


def _basis(report: NullReport) -> str:
    one = next(iter(report.curve.values()))
    return f"{one.seeds} seed{'s' * (one.seeds > 1)} × {one.images:,} test images"
