"""Section 6: choices that the paper does not state, each changed by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..base.words import NOT_RUN, capital, change, mean_over, plural, plus_minus, points
from ..design.arms import DEFAULT, Arms
from ..design.loading import Design
from ..design.variants import VARIANTS
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.intervals import PERCENT, Estimate, estimate_mean, paired_difference, range_of_difference
from .base import ACCURACY, Cells, Values, by_seed, exhibit, known, measured, result, sentences
from .samples import FEW, FIDELITY
from .text import left_out, listed, mean_of, myst_table

NOT_VARIED = "the paper does not vary these choices"


def sensitivity_cells(d: Design) -> Cells:
    """(variant, t_re, seed) → test predictions of Table 2's cells with one choice changed; t_re = 0 included."""
    choice = d.main.preset.sensitivity
    return {
        (name, t, s): arms.test(arms.classifier(s, t))
        for name, arms in _variants(d, choice.variants)
        for t in dict.fromkeys((0, *choice.steps))
        for s in d.seeds
    }


def _variants(d: Design, names: tuple[str, ...]) -> list[tuple[str, Arms]]:
    return [(name, d.main.varied(name)) for name in (DEFAULT, *names)]


# columns variant, t_re, seed, accuracy, n
sensitivity = result("sensitivity", sensitivity_cells)(measured(("variant", "t_re", "seed"), ACCURACY))


def of_samples(d: Design) -> tuple[str, ...]:
    """The preset's variants that change the samples."""
    return tuple(n for n in d.main.preset.sensitivity.variants if VARIANTS[n].concerns == "solver")


def sensitivity_fidelity_cells(d: Design) -> Cells:
    """(variant, protocol, t_re, seed) → Figure 6's cells under the variants that change the samples."""
    return {
        (name, protocol, t, s): arms.fidelity(protocol, s, t)
        for name, arms in _variants(d, of_samples(d))
        for protocol in d.main.protocols()
        for t in d.main.preset.sensitivity.steps
        for s in d.seeds
    }


@result("sensitivity_fidelity", sensitivity_fidelity_cells)
def sensitivity_fidelity(d: Design, values: Values) -> pd.DataFrame:
    """Columns variant, protocol, t_re, seed, three measures."""
    return known(measured(("variant", "protocol", "t_re", "seed"), FEW)(d, values))


@result("variant_levels", no_rows="formulas of the solver")
def variant_levels(d: Design) -> pd.DataFrame:
    """What sampling costs under each variant that changes it: columns variant, t_re, sigma, evaluations."""
    rows = []
    for name, arms in _variants(d, of_samples(d)):
        solver = arms.preset.generator.solver
        for t in (*d.main.preset.sensitivity.steps, REVERSE_STEPS):
            rows.append({"variant": name, "t_re": t, "sigma": arms.sigma(t), "evaluations": solver.evaluations(t)})
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)


# what the book shows


@exhibit("tab-sensitivity", [sensitivity, variant_levels], apart=NOT_VARIED)
def sensitivity_table(d: Design, rows: pd.DataFrame, levels: pd.DataFrame) -> list[str]:
    """Test accuracy with one choice changed, and how the gap to real images moves; which of them are told from none."""
    cells, changes = _by_variant(d, rows), gap_changes(d, rows)
    steps = sorted(set(rows.t_re) - {0})
    out = []
    for variant in dict.fromkeys(rows.variant):
        line: dict[str, object] = {"changed": variant_title(variant)}
        for t in (0, *steps):
            line[f"t_re = {t} (%)"] = plus_minus(estimate_mean(cells[variant, t], span=PERCENT))
        for t in steps:
            line[f"gap at {t}: change"] = "–" if variant == DEFAULT else change(changes[variant, t])
        sampled = levels[(levels.variant == variant) & (levels.t_re == steps[-1])]
        line["evaluations"] = f"{sampled.evaluations.iloc[0]}" if len(sampled) else "as usual"
        out.append(line)
    caption = (
        f"The paper's Table 2 with one choice changed, {d.main.name}: {mean_over(rows.seed.nunique())}. "
        "Gap: accuracy of real images minus that at the reverse step, under the same "
        f"choice; its change is paired by seed. Evaluations: of the network for one image at t_re = {steps[-1]}"
    )
    return [myst_table(out, caption, "tab-sensitivity"), _told(changes)]


def _by_variant(d: Design, rows: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """(variant, t_re) → accuracies in percent, in the order of the seeds."""
    return {cell: 100 * by_seed(d, mine, "accuracy") for cell, mine in rows.groupby(["variant", "t_re"])}


def gap_changes(d: Design, rows: pd.DataFrame) -> dict[tuple[str, int], Estimate]:
    """(variant, t_re) → change of the gap to real images by the variant, paired by seed, in points."""
    cells = _by_variant(d, rows)
    gap = {(name, t): cells[name, 0] - cells[name, t] for name, t in cells}
    names = [name for name in dict.fromkeys(rows.variant) if name != DEFAULT]
    steps = sorted(set(rows.t_re) - {0})
    gaps = range_of_difference(PERCENT)
    return {(name, t): paired_difference(gap[name, t], gap[DEFAULT, t], span=gaps) for name in names for t in steps}


def _told(changes: dict[tuple[str, int], Estimate]) -> str:
    """How many changes of the gap are told from none, and those."""
    if not changes:
        return "This preset changes none of the choices."
    told = []
    for (name, t), e in changes.items():
        if e.side:
            moved = "wider" if e.side > 0 else "narrower"
            told.append(f"{capital(variant_title(name))}: the gap at t_re = {t} is **{moved}**: {points(e, 2)}.")
    count = f"{len(told)} are" if len(told) > 1 else "1 is" if told else "none is"
    first = f"Of {plural(len(changes), 'change')} of the gap {count} told from no change"
    return f"{first}:\n{listed(told)}" if told else f"{first}."


@exhibit("tab-sensitivity-fidelity", [sensitivity_fidelity, variant_levels], apart=NOT_VARIED)
def fidelity_by_variant(d: Design, rows: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Figure 6's measures with one choice about sampling changed."""
    caption = "The measures of Figure 6 with one choice about sampling changed"
    if rows.empty:
        return left_out(caption, "tab-sensitivity-fidelity")
    sigmas = levels.set_index(["variant", "t_re"]).sigma
    out = []
    for (variant, t, protocol), mine in rows.groupby(["variant", "t_re", "protocol"], sort=False):
        line = {"changed": variant_title(variant), "t_re": t, "σ": f"{sigmas[variant, t]:.3g}", "protocol": protocol}
        out.append(line | {title: mean_of(mine, column) for column, title in FIDELITY.items()})
    seeds = mean_over(rows.seed.nunique())
    return myst_table(out, f"{caption}, {d.main.name}: {seeds}", "tab-sensitivity-fidelity")


@sentences("variants-left-out")
def variants_left_out(d: Design) -> str:
    """The choices that the preset does not change, as a list."""
    left = [name for name in VARIANTS if name not in d.main.preset.sensitivity.variants]
    if not left:
        return f"The preset {d.preset.name} runs every variant."
    return listed([f"{variant_title(name)}: {NOT_RUN} at {d.preset.name}" for name in left])


def variant_title(name: str) -> str:
    """A variant as a reader sees it: what it does, in place of what."""
    if name == DEFAULT:
        return "nothing"
    return f"{VARIANTS[name].what} (in place of {VARIANTS[name].default})"
