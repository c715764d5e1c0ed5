"""Section 5: what Tables 3 and 4 say, which differences there are, what validation chooses, where the variance lies."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reading import behind, cell, design, legend, parsed, right

from synthgap.base.errors import UserError
from synthgap.base.words import difference
from synthgap.design.values import (
    BOOTSTRAP,
    EPOCH_MATCHED,
    GAN_ONLY,
    NAIVE,
    REAL,
    REAL_ONLY,
    SYNTHETIC_ONLY,
    Arm,
    cell_name,
)
from synthgap.exhibits import augmentation, comparisons, comparisons_drawn
from synthgap.exhibits.hits import arm_difference
from synthgap.stats.crossed import crossed
from synthgap.stats.intervals import variance_parts

# Table 3


@pytest.fixture
def rows3():
    """Table 3 of a preset that runs "100" at ×1 and ×5 and nothing else of augmentation."""
    cells = [("real only", 0), ("synthetic only", 1), ("100", 1), ("100", 5)]
    return pd.DataFrame(
        {"arm": arm, "multiple": k, "seed": seed, "accuracy": 0.5 + 0.1 * i + 0.01 * seed, "n": 1097}
        for i, (arm, k) in enumerate(cells)
        for seed in (0, 1)
    )


def test_table_3_has_every_row_of_the_paper_and_says_what_was_not_run(rows3):
    text = augmentation.arms_table(design((0, 1)), rows3)
    out = parsed(text)
    assert len(out) == 10
    naive = "real + naïve (t_re = 100)"
    assert cell(out, naive, "×1").startswith("70.5 (70.0, 71.0)")
    assert cell(out, naive, "×3") == "not run"
    assert cell(out, naive, "×5").startswith("80.5 (80.0, 81.0)")
    assert {cell(out, "real + t_re = 25", f"×{k}") for k in (1, 3, 5)} == {"not run"}
    assert cell(out, "real + t_re = rand(50, 100)", "×5", paper=True) == "75.52 ± 0.21"
    assert "not part of the preset quick" in text
    assert "digits" in text


@pytest.mark.parametrize(("arm", "title"), [("real only", "real only"), ("RandAugment", "RandAugment")])
def test_table_3_gives_an_arm_of_real_images_alone_once(rows3, arm, title):
    rows = rows3.assign(arm=rows3.arm.replace("real only", arm))
    out = parsed(augmentation.arms_table(design((0, 1)), rows))
    assert cell(out, title, "×1").startswith("50.5 (50.0, 51.0)")
    assert cell(out, title, "×1", paper=True) == {"real only": "64.71 ± 0.91"}.get(title, "–")
    assert {cell(out, title, f"×{k}", paper=whose) for whose in (True, False) for k in (3, 5)} == {""}


def test_table_3_has_one_row_a_seed_for_every_arm_and_multiple(smoke):
    rows = smoke.rows("table3")
    assert list(rows.columns) == ["arm", "multiple", "seed", "accuracy", "n"]
    assert (rows.groupby(["arm", "multiple", "seed"]).size() == 1).all()
    wanted = {(REAL_ONLY, 0), (SYNTHETIC_ONLY, 1), (SYNTHETIC_ONLY, 3)}
    wanted |= {(GAN_ONLY, 1), (GAN_ONLY, 3), (EPOCH_MATCHED, 3), (BOOTSTRAP, 1), (BOOTSTRAP, 3)}
    wanted |= {(arm, k) for arm, multiples in smoke.preset.augmentation.items() for k in multiples}
    for policy in ("RandAugment", "TrivialAugment"):
        wanted |= {(policy, 0), (f"0 + {policy}", 1), (f"100 + {policy}", 3)}
    assert set(zip(rows.arm, rows.multiple, strict=True)) == wanted
    assert len(rows) == 2 * len(wanted)
    assert len(parsed(smoke.show("tab-3"))) == len(set(rows.arm))


def test_every_arm_with_multiples_is_a_line_of_the_multiples_figure(smoke):
    ours, theirs = (smoke.show("fig-multiples").axes[n::2] for n in (0, 1))
    assert [len(axes.containers) for axes in ours] == [3, 5, 4]  # the GAN's would set the scale
    rows = smoke.rows("table3")
    means = 100 * rows.groupby(["arm", "multiple"]).accuracy.mean()
    line = next(c.lines[0] for c in ours[1].containers if c.get_label() == "t_re = 100 (naïve)")
    assert np.abs(line.get_xdata() - [1, 3]).max() < 0.2  # beside one another
    assert line.get_ydata() == pytest.approx([means["100", k] - means["real only", 0] for k in (1, 3)])
    assert theirs[1].lines[0].get_ydata() == pytest.approx([69.23 - 64.71, 72.99 - 64.71, 75.10 - 64.71])


def test_the_picture_of_table_4_has_ours_and_the_papers_three_sets(smoke):
    ours, theirs = smoke.show("fig-data-sets").axes
    rows = smoke.rows("table4")
    assert {c.get_label() for c in ours.containers if not c.get_label().startswith("_")} <= set(rows.dataset)
    (bird,) = (line for line in theirs.lines if line.get_label() == "the paper: Bird")
    assert bird.get_xdata()[0] == pytest.approx(43.10 - 61.73)
    assert bird.get_linestyle() == "None"
    assert len(ours.get_yticklabels()) == len(bird.get_xdata())


def test_the_learning_curve_has_a_point_a_subset_and_a_line_a_synthetic_set(smoke):
    (axes,) = smoke.show("fig-learning-curve").axes
    assert legend(axes) == ["synthetic ×1", "synthetic ×3", "real images alone"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["10", "20", "40"]


def test_who_is_right_is_what_accuracies_are_made_of(smoke):
    for hits, rows, names in (
        (augmentation.table3_hits, smoke.rows("table3"), ["arm", "multiple"]),
        (augmentation.curve_hits, smoke.rows("learning_curve"), ["real_images"]),
    ):
        value, accuracy = smoke.lab.value(hits), rows.set_index([*names, "seed"]).accuracy
        assert len(value.names) == len(rows) // len(smoke.seeds)
        for name in value.names:
            assert value[name].mean(axis=1).tolist() == [accuracy[(*name, s)] for s in smoke.seeds]


# Table 4


def test_table_4_sets_the_papers_fid_beside_the_generators_distance(smoke):
    table = parsed(smoke.show("tab-4"))
    row = table.loc["Fréchet distance of the samples, t_re = 100"]
    assert row["Aircraft, paper (%)"] == "4.1 (FID)"
    assert {"digits (%)", "mnist5k (%)"} <= set(table.columns)
    assert table.loc["TrivialAugment", "Bird, paper (%)"].startswith("65.42")
    assert table.loc["synthetic only ×5", "digits (%)"] == "not run"
    rows = smoke.rows("table4")
    mine = rows[(rows.dataset == "mnist5k") & (rows.arm == "synthetic only") & (rows.multiple == 1)]
    assert table.loc["synthetic only ×1", "mnist5k (%)"].startswith(f"{100 * mine.accuracy.mean():.1f}")


def test_table_4_says_where_no_generator_could_be_measured(rows3):
    table = parsed(augmentation.data_sets_table(design((0, 1)), rows3.assign(dataset="digits"), pd.DataFrame()))
    assert table.iloc[-4:]["digits (%)"].tolist() == ["too few images"] * 4
    assert table.loc["real + naïve (t_re = 100) ×5", "digits (%)"].startswith("80.5 (80.0, 81.0)")


# differences


def test_a_difference_is_that_of_the_hits_in_points_and_a_cell_that_is_not_run_is_named():
    known = right({(REAL_ONLY, 0): (0.5, 0.6), (SYNTHETIC_ONLY, 1): (0.4, 0.7)}, (0, 1))
    e = arm_difference(design((0, 1)), known, (REAL_ONLY, 0), (SYNTHETIC_ONLY, 1))
    assert e == crossed(known.minus((REAL_ONLY, 0), (SYNTHETIC_ONLY, 1))).in_points
    assert (e.mean, e.seeds, e.images) == (pytest.approx(0), 2, 200)
    with pytest.raises(UserError, match="the preset quick does not run 25 ×5"):
        arm_difference(design((0, 1)), known, (Arm("25"), 5), (REAL_ONLY, 0))


def test_classifiers_of_real_images_tell_their_variance_together_and_arms_of_a_generator_alone():
    rng = np.random.default_rng(0)
    arms = (("real only", 0), ("0", 1), ("100", 1), ("RandAugment", 0), ("TrivialAugment", 0))
    cells = {(Arm(arm), k): 0.8 + rng.normal(0, 0.02, 3) for arm, k in arms}
    known = right(cells, images=1000)
    second, naive = (Arm("0"), 1), (NAIVE, 1)
    assert arm_difference(design(), known, second, (REAL_ONLY, 0)).lent > 0
    assert arm_difference(design(), known, naive, (REAL_ONLY, 0)).lent == 0
    more = right(cells | {(Arm("0").under("RandAugment"), 1): (0.9, 0.5, 0.1)}, images=1000)  # not one of the answer's
    one, same = (arm_difference(design(), hits, second, (REAL_ONLY, 0)) for hits in (known, more))
    assert one == same


def test_every_arm_stands_against_real_images_with_its_interval_and_no_verdict(smoke):
    pairs = comparisons.against_real(smoke.design)
    assert {second for _, second in pairs} == {(REAL_ONLY, 0)}
    assert len(pairs) == len(smoke.main.listed()) - 1
    out = parsed(smoke.show("tab-against-real"))
    assert list(out.columns) == ["difference (points)"]
    e = arm_difference(smoke.design, smoke.lab.value(augmentation.table3_hits), (Arm("50-100"), 3), (REAL_ONLY, 0))
    assert out.loc["real + t_re = rand(50, 100) ×3", "difference (points)"] == difference(e, 1).replace("−", "-")
    assert len(out) == len(pairs)


def test_controls_isolate_the_synthetic_images(smoke):
    pairs = comparisons.against_controls(smoke.design)
    assert {
        ("50-100 ×1", "0 ×1"),
        ("synthetic only ×1", "real bootstrap ×1"),
        ("synthetic only ×3", "real bootstrap ×3"),
        ("50-100 ×3", "100 ×3"),
        ("100 ×3", "0 + RandAugment ×1"),
        ("100 + TrivialAugment ×3", "0 + TrivialAugment ×1"),
    } <= {(cell_name(first), cell_name(second)) for first, second in pairs}
    assert len(parsed(smoke.show("tab-against-controls"))) == len(pairs)
    assert "no two arms" in comparisons.comparison_table(smoke.design, right({}), [], "c", "tab-x")


# the choice on validation images


def test_a_choice_of_arm_reads_validation_images_and_no_test_image(smoke):
    arms = smoke.design.arms
    cells = augmentation.validation_cells(smoke.design)
    assert {arm for arm, *_ in cells} == set(smoke.preset.augmentation) - {"0"}
    for spec in cells.values():
        assert spec.images == arms.data["validation"]
        assert arms.data["test"].fingerprint not in behind(spec)


def test_the_chosen_arm_is_the_best_on_validation_whatever_test_says(rows3):
    rows = pd.DataFrame(
        {"arm": arm, "multiple": k, "seed": s, "accuracy": a + 0.01 * s, "n": 20}
        for (arm, k), a in {("100", 1): 0.5, ("50-100", 1): 0.6, ("100", 5): 0.7, ("50-100", 5): 0.4}.items()
        for s in (0, 1)
    )
    assert comparisons.chosen_arms(rows) == {1: "50-100", 5: NAIVE}
    tested = pd.concat([rows3, rows.assign(accuracy=1 - rows.accuracy)[rows.arm == "50-100"]])
    known = right({(Arm("50-100"), 1): 0.9, (NAIVE, 5): 0.8, (Arm("real only"), 0): 0.5}, (0, 1))
    table, told = comparisons.choice_table(design((0, 1)), rows, tested, known)
    assert parsed(table)["chosen"].tolist() == ["", "**yes**", "**yes**", ""]
    first, second = told.split("\n")
    assert "rand(50, 100) ×1" in first
    assert "real only: +30.0 points" in second  # 80 and 50


# variance


def test_crossed_cells_are_every_pair_and_their_diagonal_is_table_3(smoke):
    cells, table = augmentation.crossed_cells(smoke.design), augmentation.arm_cells(smoke.design)
    assert set(cells) == {(g, c) for g in (0, 1) for c in (0, 1)}
    for (g, c), predict in cells.items():
        assert predict.classifier.own.seed == c
        assert {s.seed for s in predict.classifier.own.synthetic} == {g}
        if g == c:
            assert predict == table["synthetic only", 1, g]


def test_variance_is_that_of_the_crossed_predictions_in_points():
    right = np.random.default_rng(0).random((3, 3, 50)) < 0.7
    values = {
        (g, s): SimpleNamespace(correct=right[g, s], accuracy=right[g, s].mean(), n=50)
        for g in range(3)
        for s in range(3)
    }
    several, parts = augmentation.crossed_seeds.make(design(), values), variance_parts(right)
    assert several.variance.generator == pytest.approx(100 * parts.generator)
    assert several.variance.images == pytest.approx(100 * parts.images)
    assert several.rows.accuracy.tolist() == [values[cell].accuracy for cell in values]
    out = parsed(comparisons.variance_table(design(), several))
    sizes = parts.generator, parts.classifier, parts.both, parts.images
    shown = [f"{100 * v:.2f}" if v else comparisons.TOO_SMALL for v in sizes]
    assert out["standard deviation (points)"].tolist() == shown
    negative = replace(several, variance=replace(parts, generator=0.0))  # of a negative estimate
    assert "0.00" not in comparisons.variance_table(design(), negative).split("classifier")[0]
    alone = augmentation.crossed_seeds.make(design((0,)), {(0, 0): values[0, 0]})
    assert "run two seeds or more" in comparisons.variance_table(design((0,)), alone)


def test_a_forest_has_a_line_a_comparison_and_a_gan_far_off_is_printed_at_its_edge(smoke):
    pairs = comparisons.against_real(smoke.design)
    figure = smoke.show("fig-against-real")
    (axes,) = figure.axes
    assert len(axes.get_yticklabels()) == len(pairs)
    assert len(axes.containers) + len([text for text in axes.texts if "◂" in text.get_text()]) == len(pairs)
    assert figure.get_label().startswith(f"Of {len(pairs)} differences")
    shares = {REAL: (0.9, 0.91), (Arm(SYNTHETIC_ONLY), 1): (0.86, 0.87), (Arm(GAN_ONLY), 1): (0.1, 0.11)}
    groups = {"": [(cell, REAL) for cell in list(shares)[1:]]}
    (axes,) = comparisons_drawn.forest(smoke.design, right(shares, (0, 1)), groups, "real images alone").axes
    assert axes.get_xlim()[0] > -30
    assert "−80.0" in axes.texts[0].get_text()


def test_comparisons_with_controls_stand_under_their_control(smoke):
    (axes,) = smoke.show("fig-against-controls").axes
    titles = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    controls = [title for title in titles if title.startswith("against ")]
    assert len(titles) - len(controls) == len(comparisons.against_controls(smoke.design))
    italic = [label for label in axes.get_yticklabels() if label.get_style() == "italic"]
    assert len(italic) == len(controls)
