"""The study in the terms of its neighbours, as MyST Markdown; what is shown is that of `exhibits.neighbours`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from ..design.arms import GAN, GAN_ONLY, INSTEAD
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.intervals import PERCENT, Estimate, estimate_mean
from .neighbours import TEST, TRAIN, BothWays, Line, Published, Score, Side, error_ratio
from .plain import escaped
from .tables import NOT_RUN, myst_table, p_value, plus_minus

SOURCES = {REVERSE_STEPS: "fully synthetic images of the diffusion model", GAN: "the GAN's images"}
LOWER, HIGHER, OPEN = "lower", "higher", "not told apart"


def both_ways(found: BothWays) -> str:
    """GAN-train and GAN-test by reverse step, each against real-on-real."""
    out: list[dict[str, object]] = [
        {"images": "real (real-on-real)", f"{TRAIN} (%)": plus_minus(estimate_mean(found.real, span=PERCENT))}
    ]
    for line in found.lines:
        row: dict[str, object] = {"images": _source(line.t_re)}
        for way, side in ((TRAIN, line.train), (TEST, line.test)):
            row |= _side(way, side)
        out.append(row)
    sizes = sorted({line.test.n for line in found.lines if line.test and line.t_re != GAN})
    tested = f"{', '.join(f'{n:,}' for n in sizes)} reconstructed test images" if sizes else NOT_RUN
    caption = (
        f"Both ways, {found.name}: {TRAIN} (the classification accuracy score) is the accuracy of a classifier trained "
        f"on these images on {found.n:,} real test images; {TEST} that of a classifier trained on real images on these "
        f"({tested}, or the GAN's samples). Mean over {len(found.real)} seeds ± half-width of the 95% interval; "
        "difference from real-on-real in points, paired by seed, with p of the paired t test after Holm's "
        "correction over the whole table"
    )
    return myst_table(pd.DataFrame(out).fillna(""), caption, "tab-both-ways")


def seeds(found: BothWays) -> str:
    """The same of fully synthetic images, a line a seed."""
    out = []
    for place, real in enumerate(found.real):
        row: dict[str, object] = {"seed": "", "real-on-real (%)": f"{real:.2f}"}
        for line in found.lines:
            if line.t_re in (REVERSE_STEPS, GAN):
                mine = line.seeds.iloc[place]
                row["seed"] = f"{mine.seed:.0f}"
                name = INSTEAD.get(line.t_re, "EDM")
                for way, value in ((TRAIN, mine.train), (TEST, mine.test)):
                    row[f"{way}, {name} (%)"] = NOT_RUN if math.isnan(value) else f"{value:.2f}"
        out.append(row)
    caption = f"Both ways of fully synthetic images ×1, seed by seed, {found.name}"
    return myst_table(pd.DataFrame(out), caption, "tab-both-ways-seeds")


def reading(line: Line, name: str) -> str:
    """What the two directions say together, by their 95% intervals, in the terms of Shmelkov et al. (2018)."""
    if line.test is None:
        return f"Of {name} there is no {TEST} at this preset."
    train, test = _word(line.train), _word(line.test)
    told = f"For {name}, {TRAIN} is **{train}** {_than(train)} real-on-real and {TEST} **{test}** {_than(test)} it"
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
    return f"{told}: {parts.get((train, test), 'the two don’t point the same way')}."


def scores(several: Sequence[Score], published: Sequence[Published]) -> str:
    """The classification accuracy score of every data set and multiple, and at equal size the published ones."""
    out: list[dict[str, object]] = [
        {
            "data": escaped(s.dataset),
            "trained on": f"{'StyleGAN3' if s.arm == GAN_ONLY else 'EDM'} ×{s.multiple:g}",
            "real-on-real (%)": plus_minus(s.real),
            "CAS (%)": plus_minus(s.accuracy),
            "difference (points)": _points(s.against.difference),
            "p, Holm": p_value(s.against.p_holm),
            "errors, times": _times(error_ratio(s.real.mean, s.accuracy.mean)),
        }
        for s in several
    ]
    for p in published:
        out.append(
            {
                "data": f"{p.data} ({{cite:t}}`{p.cite}`)",
                "trained on": f"diffusion ×1, {p.network}",
                "real-on-real (%)": f"{p.real:.{p.digits}f}",
                "CAS (%)": f"{p.synthetic:.{p.digits}f}",
                "difference (points)": f"{p.synthetic - p.real:+.{p.digits}f}",
                "p, Holm": "",
                "errors, times": _times(error_ratio(p.real, p.synthetic)),
            }
        )
    n = several[0].real.n if several else 0
    caption = (
        f"Classification accuracy score, ours (mean over {n} seeds ± half-width of the 95% interval; differences "
        "paired by seed; p after Holm's correction over our lines) and published. Errors, times: those of the "
        "classifier trained on synthetic images over those of the one trained on real images"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-cas")


def change_sentence(what: str, first: str, second: str, e: Estimate | None) -> str:
    """One sentence on an effect that a neighbour reports; e: first − second, in points, None where it was not run."""
    if e is None:
        return f"{what}: {NOT_RUN} at this preset."
    if math.isnan(e.half_width):
        return f"{what}: {first} minus {second} is {e.mean:+.2f} points here (one seed: nothing can be told)."
    word = "rises" if e.low > 0 else "falls" if e.high < 0 else "not told from unchanged"
    return (
        f"{what}: {first} minus {second} is {e.mean:+.2f} points here (95% interval {e.low:+.2f} to {e.high:+.2f}, "
        f"{e.n} seeds): **{word}**."
    )


# pieces


def _source(t_re: int) -> str:
    if t_re == GAN:
        return f"{INSTEAD[GAN]}, fully synthetic"
    return f"t_re = {t_re}" + (" (fully synthetic)" if t_re == REVERSE_STEPS else "")


def _side(way: str, side: Side | None) -> dict[str, object]:
    if side is None:
        return {f"{way} (%)": NOT_RUN, f"{way} − real-on-real": ""}
    against = f"{_points(side.against.difference)}, p {p_value(side.against.p_holm)}"
    return {f"{way} (%)": plus_minus(side.accuracy), f"{way} − real-on-real": against}


def _points(e: Estimate) -> str:
    """ "-1.20 (-2.31 to -0.09)"; one seed has no interval."""
    if math.isnan(e.half_width):
        return f"{e.mean:+.2f}"
    return f"{e.mean:+.2f} ({e.low:+.2f} to {e.high:+.2f})"


def _word(side: Side) -> str:
    e = side.against.difference
    if math.isnan(e.half_width):
        return OPEN
    return HIGHER if e.low > 0 else LOWER if e.high < 0 else OPEN


def _than(word: str) -> str:
    return "from" if word == OPEN else "than"


def _times(ratio: float) -> str:
    return "–" if math.isnan(ratio) else f"{ratio:.1f}"
