"""Section 6: choices that the paper does not state, each changed by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import NOT_RUN, capital, difference, plural, points
from ..design.arms import DEFAULT, Arms
from ..design.loading import Design
from ..design.variants import VARIANTS
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.crossed import DIFFERENCE, Crossed, crossed
from ..stats.intervals import range_of_difference
from .base import ACCURACY, Cells, Values, exhibit, known, measured, result, sentences
from .drawing import SMALL, across, forest_rows, nothing, saying, seeds_and_bars
from .hits import Hits, hits
from .samples import FEW, FIDELITY
from .text import folded, left_out, listed, mean_of, mean_told, myst_table, percent_told

NOT_VARIED = "the paper does not vary these choices"
GAPS = range_of_difference(DIFFERENCE)  # of changes of a gap, in shares


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
sensitivity_hits = hits("sensitivity", sensitivity_cells)


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


@exhibit("tab-sensitivity", [sensitivity, sensitivity_hits, variant_levels], apart=NOT_VARIED)
def sensitivity_table(d: Design, rows: pd.DataFrame, right: Hits, levels: pd.DataFrame) -> list[str]:
    """Test accuracy with one choice changed, and how the gap to real images moves; for which of them that is known."""
    changes = gap_changes(right)
    steps = sorted(set(rows.t_re) - {0})
    out = []
    for variant, mine in rows.groupby("variant", sort=False):
        line: dict[str, object] = {"changed": variant_title(d, variant)}
        for t in (0, *steps):
            line[f"t_re = {t} (%)"] = percent_told(mine[mine.t_re == t].accuracy)
        for t in steps:
            line[f"gap at {t}: change"] = "–" if variant == DEFAULT else difference(changes[variant, t], 1)
        sampled = levels[(levels.variant == variant) & (levels.t_re == steps[-1])]
        line["evaluations"] = f"{sampled.evaluations.iloc[0]}" if len(sampled) else "as usual"
        out.append(line)
    caption = (
        f"The paper's Table 2 with one choice changed, {d.main.name}: {mean_told(rows.seed.nunique())}. "
        "Gap: accuracy of real images minus that at the reverse step, under the same choice; its change with a 95% "
        f"interval over seeds and test images. Evaluations: of the network for one image at t_re = {steps[-1]}"
    )
    return [myst_table(out, caption, "tab-sensitivity"), _told(d, changes)]


def gap_changes(right: Hits) -> dict[tuple[str, int], Crossed]:
    """(variant, t_re) → change of the gap to real images by the variant, in points."""

    def gap(name: str, t: int) -> np.ndarray:
        return right.minus((name, 0), (name, t))

    pairs = [(name, t) for name, t in right.names if t and name != DEFAULT]
    return {(name, t): crossed(gap(name, t) - gap(DEFAULT, t), span=GAPS).in_points for name, t in pairs}


def _told(d: Design, changes: dict[tuple[str, int], Crossed]) -> str:
    """For how many changes of the gap the direction is known, and those."""
    if not changes:
        return "This preset changes none of the choices."
    told = []
    for (name, t), e in changes.items():
        if e.side:
            moved = "wider" if e.side > 0 else "narrower"
            told.append(f"{capital(variant_title(d, name))}: the gap at t_re = {t} is **{moved}**: {points(e)}.")
    count = f"{len(told)} have" if len(told) > 1 else "1 has" if told else "none has"
    first = f"Of {plural(len(changes), 'change')} of the gap {count} an interval that excludes 0"
    rest = "; for the others the direction is open" if told else ": their directions are open"
    rest = "" if len(told) == len(changes) else rest
    return f"{first}{rest}:\n{listed(told)}" if told else f"{first}{rest}."


@exhibit("fig-sensitivity", [sensitivity_hits], apart=NOT_VARIED)
def sensitivity_forest(d: Design, right: Hits) -> Figure:
    """How each changed choice moves the gap to real images, a line a choice and reverse step."""
    changes = gap_changes(right)
    if not changes:
        return nothing("this preset changes none of the choices")
    names, steps = (list(dict.fromkeys(several)) for several in zip(*changes, strict=True))
    figure, ax = forest_rows([variant_title(d, name) for name in names], 0.4)
    for number, t in enumerate(steps):
        for place, name in enumerate(names):
            gaps = right.minus((name, 0), (name, t)) - right.minus((DEFAULT, 0), (DEFAULT, t))
            at = place + 0.4 * (number - (len(steps) - 1) / 2) / max(len(steps) - 1, 1)
            label = None if place else f"t_re = {t}"
            across(ax, at, changes[name, t], 100 * gaps.mean(axis=1), number, label)
    figure.legend(fontsize=SMALL, loc="outside lower center", ncols=len(steps))
    ax.axvline(0, color="black", linewidth=1)
    ax.set_xlabel("change of the gap (points; right: wider)")
    figure.suptitle(f"{d.main.name}: {seeds_and_bars(len(d.seeds))},\nover test images too", fontsize=SMALL)
    moved = sum(e.side != 0 for e in changes.values())
    return saying(
        figure, f"Of {plural(len(changes), 'change')} of the gap {moved} have a 95% interval that excludes 0."
    )


@exhibit("tab-sensitivity-fidelity", [sensitivity_fidelity, variant_levels], apart=NOT_VARIED)
def fidelity_by_variant(d: Design, rows: pd.DataFrame, levels: pd.DataFrame) -> str:
    """Figure 6's measures with one choice about sampling changed."""
    caption = "The measures of Figure 6 with one choice about sampling changed"
    if rows.empty:
        return left_out(caption, "tab-sensitivity-fidelity")
    sigmas = levels.set_index(["variant", "t_re"]).sigma
    out = []
    for (variant, t, protocol), mine in rows.groupby(["variant", "t_re", "protocol"], sort=False):
        line = {"changed": variant_title(d, variant), "t_re": t, "σ": f"{sigmas[variant, t]:.3g}", "protocol": protocol}
        out.append(line | {title: mean_of(mine, column) for column, title in FIDELITY.items()})
    seeds = mean_told(rows.seed.nunique())
    return folded(myst_table(out, f"{caption}, {d.main.name}: {seeds}", "tab-sensitivity-fidelity"), caption)


@sentences("variants-left-out")
def variants_left_out(d: Design) -> str:
    """The choices that the preset does not change, as a list."""
    left = [name for name in VARIANTS if name not in d.main.preset.sensitivity.variants]
    if not left:
        return f"The preset {d.preset.name} runs every variant."
    return listed([f"{variant_title(d, name)}: {NOT_RUN} at {d.preset.name}" for name in left])


def variant_title(d: Design, name: str) -> str:
    """A variant as a reader sees it: what it does, in place of what."""
    return "nothing" if name == DEFAULT else VARIANTS[name].title(d.main.preset.generator.solver)
