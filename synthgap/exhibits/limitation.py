"""Section 6: choices that the paper does not state, each changed by itself."""

from __future__ import annotations

import pandas as pd

from ..design.arms import DEFAULT, Arms
from ..design.loading import Design
from ..design.variants import VARIANTS
from ..diffusion.schedule import REVERSE_STEPS
from .base import Cells, Values, known, measured, result
from .samples import FEW


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
sensitivity = result("sensitivity", sensitivity_cells)(measured(("variant", "t_re", "seed"), ("accuracy", "n")))


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
