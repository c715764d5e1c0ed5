"""Section 6: what a changed choice does to the gap, and what a variant changes."""

import math

import numpy as np
import pandas as pd
import pytest
from reading import cell, design, parsed, right

from synthgap.design.arms import DEFAULT
from synthgap.design.variants import VARIANTS
from synthgap.exhibits import limitation
from synthgap.exhibits.classifiers import main_step_cells
from synthgap.exhibits.hits import Hits
from synthgap.exhibits.samples import fidelity_cells
from synthgap.stats.crossed import crossed

# accuracies of three seeds at t_re = 100 and, for all of them, 0.9 at t_re = 0
USUAL, WIDER, NARROWER, NEITHER = (0.80, 0.79, 0.81), (0.70, 0.69, 0.71), (0.85, 0.84, 0.86), (0.775, 0.886, 0.819)
NO_LEVELS = pd.DataFrame({"variant": [], "t_re": [], "sigma": [], "evaluations": []})


def known(variants: dict[str, tuple], images=1000) -> Hits:
    seeds = range(len(next(iter(variants.values()))))
    cells = {(name, 100): shares for name, shares in variants.items()} | {(name, 0): 0.9 for name in variants}
    return right(cells, seeds, images)


def shown(variants: dict[str, tuple]) -> list[str]:
    hits = known(variants)
    rows = pd.DataFrame(
        {"variant": name, "t_re": t, "seed": s, "accuracy": v.mean()} for (name, t, s), v in hits.by_cell.items()
    )
    return limitation.sensitivity_table(design(hits.seeds), rows.sample(frac=1, random_state=0), hits, NO_LEVELS)


def told(variants: dict[str, tuple]) -> str:
    return shown({DEFAULT: USUAL[: len(next(iter(variants.values()), USUAL))], **variants})[1]


def test_changes_of_the_gap_are_over_seeds_and_test_images():
    hits = known({DEFAULT: USUAL, "no-momentum": NARROWER, "half-steps": NEITHER})
    changes = limitation.gap_changes(hits)
    assert set(changes) == {("no-momentum", 100), ("half-steps", 100)}
    for name, accuracy in (("no-momentum", NARROWER), ("half-steps", NEITHER)):
        by_hand = hits.minus((name, 0), (name, 100)) - hits.minus((DEFAULT, 0), (DEFAULT, 100))
        assert changes[name, 100].mean == pytest.approx(100 * np.mean(np.subtract(USUAL, accuracy)))
        assert changes[name, 100].half_width() == pytest.approx(100 * crossed(by_hand).half_width())
    table = parsed(shown({DEFAULT: USUAL, "no-momentum": NARROWER})[0])
    assert cell(table, "nothing", "change") == "–"
    assert cell(table, limitation.variant_title(design(), "no-momentum"), "change").startswith("-5.0 (")


def test_a_change_whose_direction_is_known_is_listed_with_it():
    first, *lines = told({"churn": WIDER, "no-momentum": NARROWER, "half-steps": NEITHER}).split("\n")
    assert "Of 3 changes" in first
    assert "2 have an interval that excludes 0; for the others the direction is open" in first
    assert len(lines) == 2
    assert "churn" in lines[0]
    assert "**wider**: +10.0" in lines[0]
    assert "SGD" in lines[1]
    assert "**narrower**: −5.0" in lines[1]


def test_an_interval_around_0_or_one_seed_leaves_the_direction_open():
    assert "none has an interval that excludes 0: their directions are open" in told({"half-steps": NEITHER})
    assert "none has" in told({"churn": (0.5,)})
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


def test_churn_is_heuns_and_what_a_choice_stands_in_for_is_the_presets_solver(smoke):
    assert smoke.main.preset.generator.solver.method == "multistep"
    churned = smoke.main.varied("churn").preset.generator.solver
    assert (churned.method, churned.steps) == ("heun", smoke.main.preset.generator.solver.steps)
    assert churned.gamma(0.1) == pytest.approx(math.sqrt(2) - 1)
    assert "in place of the multistep solver without churn" in limitation.variant_title(smoke.design, "churn")
    assert "in place of Heun without churn" in limitation.variant_title(design(), "churn")  # its preset has Heun
    assert "in place of Heun, EDM's levels" in limitation.variant_title(design(), "vp-ancestral")


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


def test_the_figure_has_a_line_a_choice_and_a_mark_a_reverse_step(smoke):
    figure = smoke.show("fig-sensitivity")
    (axes,) = figure.axes
    choice = smoke.main.preset.sensitivity
    assert len(axes.get_yticklabels()) == len(choice.variants)
    assert len(axes.containers) == len(choice.variants) * len(choice.steps)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"t_re = {t}" for t in choice.steps]
