"""Section 4.1: what reconstructed images look like, how far they are from real ones, and whether they are copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..base.words import NOT_RUN, between, capital, signed
from ..design.arms import CROSSFIT, PAPER
from ..design.loading import Design
from ..design.values import FLOOR, GAN, INSTEAD
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import MeasureCollapse, MeasureDetection, MeasureMemorization
from ..metrics.detection import DOMAINS
from ..metrics.fidelity import MEASURES
from ..metrics.memorization import COPYING_BELOW
from ..stats.trends import FALLS, RISES
from .base import ACCURACY, IMAGES, Cells, Result, Values, exhibit, known, measured, result
from .preliminary import grid_cells
from .text import (
    TOO_FEW,
    UNMEASURED,
    by_step,
    folded,
    in_percent,
    left_out,
    mean_told,
    myst_table,
    paper_table,
    percent_told,
    trend_table,
    trends_by_protocol,
)

NO_COPIES = "the paper does not look for copies"
FEW = ("frechet", "precision", "recall")  # of the measures of fidelity, what the paper reports
TITLES = {"pixel": "pixel (%)", "dct": "DCT (%)"}
FIDELITY = {"frechet": "FD-classifier", "precision": "precision", "recall": "recall"}  # their titles in tables


def pictures(name: str, steps: Callable[[Design], tuple[int, ...]]) -> Result:
    """A result: a few training images at some reverse steps, reverse step → uint8 N × C × H × W."""

    def cells(d: Design) -> Cells:
        return grid_cells(d, steps(d))

    cells.__module__ = steps.__module__  # of the section that shows them

    @result(name, cells, no_rows=IMAGES)
    def images(d: Design, values: Values) -> dict[int, np.ndarray]:
        return {t: several.images for (t,), several in values.items()}

    return images


reconstructed = pictures("reconstructed", lambda d: (0, *d.preset.grid))
beside_rivals = pictures("beside_rivals", lambda d: (0, REVERSE_STEPS, *d.main.rivals))


def fidelity_cells(d: Design) -> Cells:
    """(protocol, t_re, seed) → fidelity of the set at t_re.

    PAPER compares with the training set itself; at FLOOR other real images take the place of the fake ones.
    CROSSFIT compares with other real images, so that at t_re = 0 it is its own floor. At GAN stand a GAN's samples.
    """
    curves = d.main.preset.curves
    return {
        (protocol, t, s): d.main.fidelity(protocol, s, t)
        for s in d.seeds
        for protocol, steps in ((PAPER, (*curves, FLOOR)), (CROSSFIT, curves))
        for t in (*steps, *d.main.rivals)
    }


@result("figure6", fidelity_cells)
def fidelity(d: Design, values: Values) -> pd.DataFrame:
    """Columns protocol, t_re (or FLOOR, GAN), seed, the six measures, n_real, n_fake."""
    rows = known(measured(("protocol", "t_re", "seed"), (*MEASURES, "n"))(d, values))
    sizes = rows.pop("n")
    return rows.assign(n_real=[n[0] for n in sizes], n_fake=[n[1] for n in sizes])


def detection_cells(d: Design) -> Cells:
    """(domain, detector, t_re, seed) → detection of the training set at t_re against the training set.

    The preset's first detector judges every step, the others the fully synthetic set only, as the paper does.
    """
    arms, preset = d.main, d.main.preset
    return {
        (domain, detector, t, s): MeasureDetection(
            real=arms.data["train"],
            fake=arms.samples(s, t),
            domain=domain,
            detector=detector,
            seed=s,
            device="cpu" if detector == "logistic" else arms.device,
        )
        for number, detector in enumerate(preset.detectors)
        for domain in DOMAINS
        for t in (*(preset.table2 if number == 0 else (REVERSE_STEPS,)), *arms.rivals)
        for s in d.seeds
    }


@result("table1", detection_cells)
def detection(d: Design, values: Values) -> pd.DataFrame:
    """Columns domain, detector, t_re (GAN: its samples), seed, accuracy (in [0, 1]), n (pairs)."""
    return known(measured(("domain", "detector", "t_re", "seed"), ACCURACY)(d, values))


def memorization_cells(d: Design) -> Cells:
    """(t_re, seed) → copying of the training images by the set at t_re."""
    arms = d.main
    return {
        (t, s): MeasureMemorization(train=arms.data["train"], test=arms.data["test"], fake=arms.samples(s, t))
        for t in (*arms.preset.table2, *arms.rivals)
        for s in d.seeds
    }


# in pixels: columns t_re, seed, authentic, ratio, copying, closest, n_fake (see `metrics.memorization.Memorization`)
memorization = result("memorization", memorization_cells)(
    measured(("t_re", "seed"), ("authentic", "ratio", "copying", "closest", "n_fake"))
)


@dataclass(frozen=True)
class Collapses:
    """Signs of collapse of the GANs, a row a seed, and why those that have collapsed are said to have: by seed."""

    rows: pd.DataFrame
    reasons: dict[int, str]


def collapse_cells(d: Design) -> Cells:
    """(seed,) → signs of collapse of the GAN; none where the preset has none."""
    return {(s,): MeasureCollapse(fake=d.main.samples(s, t)) for t in d.main.rivals for s in d.seeds}


def _collapsed_again(d: Design, rows: pd.DataFrame) -> Collapses:
    del d
    told = "beyond the thresholds of gan/collapse.py, see collapse.csv"
    return Collapses(rows, {seed: told for seed in rows.seed[rows.collapsed == 1]})


@result("collapse", collapse_cells, rows=lambda value: value.rows, again=_collapsed_again)
def collapse(d: Design, values: Values) -> Collapses:
    """Columns seed, collapsed (0 or 1), and numbers as in `gan.collapse.Collapse`; empty without a GAN."""
    names = ("collapsed", "diversity", "collapsed_classes", "distinct", "images", "constant_pixels")
    rows = measured(("seed",), names)(d, values)
    reasons = {seed: value.reason for (seed,), value in values.items() if value.collapsed}
    return Collapses(rows.astype({"collapsed": int}) if len(rows) else rows, reasons)


# what the book shows


@exhibit("tab-fidelity-trends", [fidelity], apart="the paper tests no trend")
def fidelity_trends(d: Design, rows: pd.DataFrame) -> str:
    """How the measures of Figure 6 move with the reverse step, beside what the paper reports."""
    columns = {
        "frechet": ("Fréchet distance", RISES),
        "precision": ("precision", FALLS),
        "recall": ("recall", FALLS),
    }
    return trend_table(trends_by_protocol(rows, columns), "tab-fidelity-trends")


@exhibit("tab-fidelity", [fidelity], apart="the paper prints no numbers for its Figure 6")
def fidelity_table(d: Design, rows: pd.DataFrame) -> str:
    """Figure 6's numbers with their intervals."""
    titles = {"frechet": FIDELITY["frechet"], "kid": "KD-classifier", **FIDELITY}
    titles |= {name: name for name in ("density", "coverage")}
    if rows.empty:
        return left_out("Fidelity by reverse step", "tab-fidelity")
    sizes = "; ".join(f"{p} {g.n_fake.iloc[0]:,}" for p, g in rows.groupby("protocol", sort=False))
    caption = f"Fidelity by reverse step: {mean_told(rows.seed.nunique())}. Images of each set: {sizes}"
    return folded(myst_table(by_step(rows, titles), caption, "tab-fidelity"), "Fidelity by reverse step: the numbers")


@exhibit("tab-1", [detection], paper=["Table 1"])
def detection_table(d: Design, rows: pd.DataFrame) -> list[str]:
    """Fake detection in both domains, ours by detector and reverse step, the paper's two generators below; and, as a
    sentence, how well the fully synthetic set is distinguished from the real one."""
    if rows.empty:
        return [left_out("Fake detection accuracy (the paper's Table 1)", "tab-1"), _told_apart(rows)]
    name, out = d.main.name, []
    for (detector, t), group in rows.groupby(["detector", "t_re"], sort=False):
        model, step = (INSTEAD[GAN], "–") if t == GAN else ("EDM", t)
        line: dict[str, object] = {"generator": f"{model}, {name}", "t_re": step, "detector": detector}
        for domain, title in TITLES.items():
            mine = group[group.domain == domain]
            line[title] = percent_told(mine.accuracy) if len(mine) else TOO_FEW
        out.append(line)
    if not (rows.t_re == GAN).any():
        line = {"generator": f"{INSTEAD[GAN]}, {name}", "t_re": "–", "detector": NOT_RUN}
        out.append(line | dict.fromkeys(TITLES.values(), NOT_RUN))
    for generator, theirs in paper_table("table1").items():
        line = {"generator": f"{generator}, CIFAR-10 (paper)", "t_re": REVERSE_STEPS, "detector": "not stated"}
        out.append(line | {title: f"{theirs[domain]:.2f}" for domain, title in TITLES.items()})
    caption = (
        f"Fake detection accuracy (the paper's Table 1; 50% is chance). Ours: five-fold cross-validation over "
        f"{rows.n.iloc[0]:,} pairs, {mean_told(rows.seed.nunique())}"
    )
    return [myst_table(out, caption, "tab-1"), _told_apart(rows)]


def _told_apart(rows: pd.DataFrame) -> str:
    """How well the fully synthetic set is distinguished from the real one, by the first detector."""
    if rows.empty:
        return f"No detector is asked: there are {UNMEASURED}."
    detector, parts = rows.detector.iloc[0], []
    for domain, title in (("pixel", "on pixels"), ("dct", "on DCT coefficients")):
        chosen = rows[(rows.detector == detector) & (rows.domain == domain) & (rows.t_re == REVERSE_STEPS)]
        if chosen.empty:
            parts.append(f"{title} nothing is measured ({UNMEASURED})")
            continue
        e = in_percent(chosen.accuracy)
        share = f"{title} {e.mean:.1f}% of images are classified correctly"
        if np.isnan(e.half_width):
            parts.append(f"{share} (one seed: no interval)")
            continue
        parts.append(f"{share} ({between(e)})")
    return f"At reverse step 100, {' and '.join(parts)}; 50% is chance ({detector} detector, 95% intervals over seeds)."


@exhibit("tab-memorization", [memorization], apart=NO_COPIES)
def memorization_table(d: Design, rows: pd.DataFrame) -> list[str]:
    """Signs of copying, and what C_T says of the smallest reverse step above 0 and of the fully synthetic set."""
    titles = {
        "authentic": "authentic (share)",
        "ratio": "distance to train / to other real",
        "copying": "C_T",
        "closest": "smallest distance to train (grey levels)",
    }
    caption = (
        f"Signs of copying in pixels, {rows.n_fake.iloc[0]:,} images: {mean_told(rows.seed.nunique())}. "
        "C_T: z score, far below 0 means copying. Distances are Euclidean"
    )
    parts = [_copied(t, rows[rows.t_re == t].copying) for t in (int(rows.t_re[rows.t_re > 0].min()), REVERSE_STEPS)]
    told = f"{capital('; '.join(parts))}. Copies score far below 0, fresh real images about 0."
    return [myst_table(by_step(rows, titles), caption, "tab-memorization"), told]


def _copied(t_re: int, score: pd.Series) -> str:
    if score.isna().any():
        return f"at reverse step {t_re} there are too few images for this test"
    mean = score.mean()
    words = "no sign of copying"
    if mean < COPYING_BELOW:
        words = "reads as copying"
    elif mean > -COPYING_BELOW:
        words = "further from the training images than other real images are: no copying"
    return f"at reverse step {t_re} C_T is {signed(mean)} (**{words}**)"
