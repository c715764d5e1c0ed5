"""Section 6: what a changed choice does to the gap, and what a variant changes."""

import numpy as np
import pandas as pd
import pytest
from reading import cell, design, parsed

from synthgap.design.arms import DEFAULT
from synthgap.design.variants import VARIANTS
from synthgap.exhibits import limitation
from synthgap.exhibits.classifiers import main_step_cells
from synthgap.exhibits.samples import fidelity_cells

USUAL, WIDER, NARROWER, NEITHER = (2.0, 2.1, 1.9), (3.0, 3.1, 2.9), (1.0, 1.1, 0.9), (2.5, 1.4, 2.1)
NO_LEVELS = pd.DataFrame({"variant": [], "t_re": [], "sigma": [], "evaluations": []})


def gap_rows(gaps: dict[str, tuple]) -> pd.DataFrame:
    """variant → gap of each seed at t_re = 100, in points; real images score 90%."""
    rows = []
    for variant, values in gaps.items():
        for seed, gap in enumerate(values):
            rows.append({"variant": variant, "t_re": 0, "seed": seed, "accuracy": 0.9})
            rows.append({"variant": variant, "t_re": 100, "seed": seed, "accuracy": 0.9 - gap / 100})
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def told(gaps: dict[str, tuple]) -> str:
    rows = gap_rows({DEFAULT: USUAL[: len(next(iter(gaps.values()), USUAL))], **gaps})
    return limitation.sensitivity_table(design(tuple(sorted(set(rows.seed)))), rows, NO_LEVELS)[1]


def test_changes_of_the_gap_are_paired_by_seed():
    rows = gap_rows({DEFAULT: USUAL, "no-momentum": NARROWER, "half-steps": NEITHER})
    changes = limitation.gap_changes(design(), rows)
    for name, gaps in (("no-momentum", NARROWER), ("half-steps", NEITHER)):
        assert changes[name, 100].mean == pytest.approx(np.mean(np.subtract(gaps, USUAL)))
        assert changes[name, 100].sd == pytest.approx(np.std(np.subtract(gaps, USUAL), ddof=1))
    table = parsed(limitation.sensitivity_table(design(), rows, NO_LEVELS)[0])
    assert cell(table, "nothing", "change") == "–"
    assert cell(table, limitation.variant_title("no-momentum"), "change").startswith("-1.00 ± ")


def test_what_is_told_from_no_change_is_listed_with_its_direction():
    first, *lines = told({"churn": WIDER, "no-momentum": NARROWER, "half-steps": NEITHER}).split("\n")
    assert "Of 3 changes" in first
    assert "2 are" in first
    assert len(lines) == 2
    assert "churn" in lines[0]
    assert "**wider**: +1.00" in lines[0]
    assert "SGD" in lines[1]
    assert "**narrower**: −1.00" in lines[1]


def test_an_interval_around_0_or_one_seed_tells_nothing():
    assert "none is told" in told({"half-steps": NEITHER})
    assert "none is told" in told({"churn": (9.0,)})
    assert "none of the choices" in told({})


def test_a_table_that_nothing_was_measured_for_says_why_under_its_own_label():
    text = limitation.fidelity_by_variant(design(), pd.DataFrame(), pd.DataFrame())
    assert ":name: tab-sensitivity-fidelity\n" in text
    assert "left out" in text


def test_a_variant_changes_what_it_says_and_nothing_else(smoke):
    usual = smoke.main
    for name in smoke.preset.sensitivity.variants:
        other = usual.varied(name)
        assert other.generator(0) == usual.generator(0)
        sampling = VARIANTS[name].concerns == "solver"
        assert (other.samples(0, 50) != usual.samples(0, 50)) == sampling
        assert (other.classifier(0, 0) != usual.classifier(0, 0)) != sampling
        assert other.data == usual.data


def test_the_smoke_preset_runs_every_variant(smoke):
    rows, fidelity = smoke.rows("sensitivity"), smoke.rows("sensitivity_fidelity")
    assert set(rows.variant) == {DEFAULT, *VARIANTS}
    assert set(rows.t_re) == {0, 50, 100}
    assert set(fidelity.variant) == {DEFAULT, *(n for n, v in VARIANTS.items() if v.concerns == "solver")}
    table, _ = smoke.show("tab-sensitivity")
    assert len(parsed(table)) == 1 + len(VARIANTS)
    assert len(parsed(smoke.show("tab-sensitivity-fidelity"))) == 7 * 2 * 2
    assert "every variant" in smoke.show("variants-left-out")


def test_what_a_preset_leaves_out_is_listed(smoke):
    few = smoke.preset.sensitivity.model_copy(update={"variants": ("churn",)})
    d = design()
    d.main.preset = smoke.preset.model_copy(update={"sensitivity": few})
    lines = limitation.variants_left_out(d).split("\n")
    assert len(lines) == len(VARIANTS) - 1
    assert not any("churn" in line for line in lines)


def test_the_default_of_the_sensitivity_study_is_table_2_and_figure_6(smoke):
    table2, figure6 = main_step_cells(smoke.design), fidelity_cells(smoke.design)
    for (name, *rest), spec in limitation.sensitivity_cells(smoke.design).items():
        assert name != DEFAULT or spec == table2[tuple(rest)]
    for (name, *rest), spec in limitation.sensitivity_fidelity_cells(smoke.design).items():
        assert name != DEFAULT or spec == figure6[tuple(rest)]


def test_levels_are_those_that_the_variants_samplers_run_at(smoke):
    rows = smoke.lab.value(limitation.variant_levels).set_index(["variant", "t_re"])
    for (name, t), row in rows.iterrows():
        arms = smoke.main.varied(name)
        assert row.sigma == arms.sigma(t)
        assert row.evaluations == arms.preset.generator.solver.evaluations(t)
    assert rows.sigma["sigma-80", 100] == pytest.approx(80)
    assert rows.evaluations["half-steps", 100] < rows.evaluations[DEFAULT, 100]
