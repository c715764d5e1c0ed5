"""Section 4.2: accuracy by reverse step, attention, entropy, and where features lie."""

import math

import numpy as np
import pandas as pd
import pytest
from reading import behind, cell, design, legend, parsed, right

from synthgap.base.errors import UserError
from synthgap.base.words import difference
from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.design.values import FLOOR, GAN
from synthgap.exhibits import attention as looks
from synthgap.exhibits import classifiers
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Predict, TrainDiffusion
from synthgap.stats.crossed import crossed
from synthgap.stats.judge import slope

# Table 2


@pytest.fixture
def hits2():
    """Table 2 of two data sets, three seeds, 1,000 images: accuracy falls from row to row, of one seed a bit more."""
    falls = {0: (0, 0, 0), 30: (0.01, 0.01, 0.01), 100: (0.04, 0.041, 0.042)}
    levels = {
        (name, t): base - np.array(fall)
        for name, base in (("digits", 0.9), ("pairs", 0.6))
        for t, fall in falls.items()
    }
    return right(levels, images=1000)


def rows_of_hits(known):
    return pd.DataFrame(
        {"dataset": name, "t_re": t, "sigma": t / 5, "seed": seed, "accuracy": v.mean(), "n": len(v)}
        for (name, t, seed), v in known.by_cell.items()
    )


def test_table_2_puts_ours_beside_the_papers(hits2):
    text = classifiers.accuracy_table(design(), rows_of_hits(hits2), hits2)
    out = parsed(text)
    assert list(out.index) == ["0 (real)", "30", "100 (synthetic)"]
    assert cell(out, "0 (real)", "CIFAR-10", "%", paper=True) == "95.58 ± 0.16"
    assert cell(out, "100 (synthetic)", "CIFAR-100", "%", paper=True) == "77.68 ± 0.73"
    assert cell(out, "100 (synthetic)", "digits", "%") == "85.9 (85.8, 85.9, 86.0)"
    assert cell(out, "100 (synthetic)", "digits", "σ") == "20"
    assert "3 seeds" in text
    assert "digits 1,000, pairs 1,000" in text


def test_the_change_is_over_seeds_and_images_whatever_the_order_of_the_rows(hits2):
    out = parsed(classifiers.accuracy_table(design(), rows_of_hits(hits2).sample(frac=1, random_state=0), hits2))
    e = crossed(hits2.minus(("pairs", 100), ("pairs", 0))).in_points
    assert e.mean == pytest.approx(-4.1)
    assert cell(out, "100 (synthetic)", "pairs", "change") == f"{e.mean:+.1f} ({e.low:+.1f} to {e.high:+.1f})"
    assert cell(out, "0 (real)", "pairs", "change") == "–"


def test_one_seed_has_no_interval_and_a_step_that_the_paper_lacks_is_a_dash():
    known = right({("digits", 0): 0.9, ("digits", 40): 0.89}, (0,), 1000)
    out = parsed(classifiers.accuracy_table(design((0,)), rows_of_hits(known), known))
    assert cell(out, "40", "digits", "%") == "89.0"
    assert cell(out, "40", "digits", "change") == "-1.0"
    assert cell(out, "40", "CIFAR-10", paper=True) == cell(out, "40", "CIFAR-100", paper=True) == "–"


def test_disagreement_counts_the_images_that_one_classifier_alone_tells_rightly():
    """200 images, of which classifiers tell the first ones rightly: a larger share holds all of a smaller one."""
    shares = {(0,): 0.9, (50,): 0.8, (100,): 0.95}
    out = parsed(classifiers.disagreement(design(), right(shares)))
    columns = ["real alone (%)", "the other alone (%)", "neither (%)"]
    assert list(out.index) == ["real images, another seed", "t_re = 50", "t_re = 100"]
    found = out[columns].map(lambda text: float(text.split(" ")[0]))
    assert found.to_numpy().tolist() == [[0, 0, 10], [10, 0, 10], [0, 5, 5]]


def test_disagreement_takes_two_seeds():
    assert "two seeds" in classifiers.disagreement(design((0,)), right({(0,): 0.9}, seeds=(0,)))


def test_table_2_has_one_row_a_seed_for_every_data_set_and_reverse_step(smoke):
    rows = smoke.rows("table2")
    assert list(dict.fromkeys(rows.dataset)) == ["digits", "mnist5k"]
    assert len(rows) == 2 * 5 * 2
    assert (rows.groupby(["dataset", "t_re", "seed"]).size() == 1).all()
    assert set(rows.n) == {40}
    sigma = rows.set_index(["dataset", "t_re"]).sigma
    for name in ("digits", "mnist5k"):
        assert sigma[name, 0].to_list() == [0, 0]
        assert sigma[name, 100].to_list() == pytest.approx([80 * 8 / 32] * 2)
        assert sigma[name, 30].iloc[0] < sigma[name, 50].iloc[0] < sigma[name, 70].iloc[0]


def test_accuracies_are_those_of_the_stored_predictions_on_test_images(smoke):
    rows = smoke.rows("table2").set_index(["dataset", "t_re", "seed"]).accuracy
    for (name, t, seed), spec in classifiers.step_cells(smoke.design).items():
        arms = next(arms for arms in smoke.design.columns if arms.name == name)
        assert spec.images == arms.data["test"]
        logits, labels = smoke.store.get(spec).logits, smoke.store.get(spec.images).labels
        assert rows[name, t, seed] == np.mean(logits.argmax(axis=1) == labels)


@pytest.mark.parametrize(("t_re", "arm", "multiple"), [(0, "real only", 0), (100, "synthetic only", 1)])
def test_the_ends_of_table_2_are_cells_of_table_3(smoke, t_re, arm, multiple):
    two, three = smoke.rows("table2"), smoke.rows("table3")
    two = two[(two.dataset == "digits") & (two.t_re == t_re)].set_index("seed").accuracy
    three = three[(three.arm == arm) & (three.multiple == multiple)].set_index("seed").accuracy
    assert two.to_dict() == three.to_dict()


# trends


def test_a_trend_is_the_slope_of_its_table(hits2):
    rows2 = rows_of_hits(hits2)
    out = parsed(classifiers.accuracy_trends(design(), hits2))
    assert list(out["seen by"]) == ["classifier trained on them"] * 2
    slopes = [np.polyfit(g.t_re, 100 * g.accuracy, 1)[0] for _, g in rows2[rows2.dataset == "digits"].groupby("seed")]
    said = out.loc["test accuracy (%), digits", "change from t_re = 0 to 100"]
    assert float(said.split()[0]) == pytest.approx(100 * np.mean(slopes), abs=0.05)
    whole = slope(classifiers.steps_of(hits2, "digits"))  # what the claim is judged by
    assert said == difference(whole, 1).replace("−", "-")


@pytest.mark.parametrize(
    ("name", "count"), [("tab-accuracy-trends", 2), ("tab-entropy-trends", 4), ("tab-concentration-trends", 6)]
)
def test_trends_are_told_for_every_measure_and_protocol(smoke, name, count):
    out = parsed(smoke.show(name)).reset_index()
    assert len(out) == len(set(zip(out["measure"], out["seen by"], strict=True))) == count


# attention


def test_attention_compares_other_seeds(smoke):
    rows = smoke.rows("figure7")
    assert (rows.groupby(["t_re", "seed"]).size() == 1).all()
    assert rows.similarity.between(-1, 1).all()
    assert (rows[rows.t_re == 0].similarity < 1).all()


def some_maps(layer="layer2"):
    return looks.Maps(np.zeros((1, 1, 8, 8), np.uint8), np.zeros(1, int), {}, layer)


def test_the_gan_stands_below_the_reverse_steps_and_changes_are_paired():
    cells = [(t, s, 0.5 + 0.01 * s - 0.1 * (t == 30)) for t in (GAN, 0, 30, 100) for s in (1, 0)]
    rows = pd.DataFrame(cells, columns=["t_re", "seed", "similarity"])
    table, layer = looks.attention_table(design((0, 1), rivals=(GAN,)), rows, some_maps())
    out = parsed(table)
    assert out.index.tolist() == ["0", "30", "100", "StyleGAN3"]
    assert out["change from t_re = 0"].tolist() == ["–", "-0.100 (all seeds agree)", *2 * ["+0.000 (all seeds agree)"]]
    assert "layer2" in layer


def test_one_seeds_attention_is_said_in_words():
    rows = pd.DataFrame(columns=["t_re", "seed", "similarity"])
    assert "run two seeds or more" in looks.attention_table(design((0,)), rows, some_maps())[0]


def test_figure_7_has_a_row_for_each_classifier_and_a_column_for_each_image(smoke):
    figure = smoke.show("fig-7", count=4)
    assert len(figure.axes) == (1 + 6) * 4
    labels = [a.get_ylabel() for a in figure.axes if a.get_ylabel()]
    assert labels == ["image", "real (t_re = 0)", "t_re = 30", "t_re = 50", "t_re = 70", "t_re = 100", "StyleGAN3"]
    seen = smoke.lab.value(looks.attention_maps)
    assert seen.layer == "layer2"
    for (t, seed), spec in looks.attention_cells(smoke.design).items():
        assert seed != smoke.seeds[0] or np.array_equal(seen.maps[t], smoke.store.get(spec))


# entropy and labels


def test_entropies_lie_within_ln_c_for_both_splits(smoke):
    rows = smoke.rows("figure8")
    assert (rows.groupby(["protocol", "split", "t_re", "seed"]).size() == 1).all()
    assert rows.entropy.between(0, math.log(10)).all()
    assert (rows.entropy <= rows.marginal + 1e-12).all()
    assert rows.agreement.between(0, 1).all()
    assert rows[rows.protocol == PAPER].groupby("split").n.unique().map(list).to_dict() == {"test": [20], "train": [40]}
    assert set(rows[rows.protocol == CROSSFIT].n) == {20}


def test_figure_8_has_a_line_for_train_and_one_for_test(smoke):
    figure = smoke.show("fig-8")
    paper, beside, fitted, _ = figure.axes
    assert legend(paper) == ["Train Samples (n = 40)", "Test Samples (n = 20)"]
    assert legend(fitted) == ["Train Samples (n = 20)", "Test Samples (n = 20)"]
    assert beside.get_xlabel() == "StyleGAN3"
    assert len(beside.collections[0].get_offsets()) == len(smoke.seeds)
    assert [ax.get_title() for ax in (paper, fitted)] == [PAPER, CROSSFIT]
    assert "at most 2.30" in paper.get_ylabel()


def test_agreement_has_a_line_a_protocol_and_split(smoke):
    figure = smoke.show("fig-agreement")
    axes, beside = figure.axes
    cells = [f"{protocol}, {split}" for protocol in (PAPER, CROSSFIT) for split in ("train", "test")]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(cells)
    assert beside.get_xlabel() == "StyleGAN3"
    assert axes.get_ylim()[1] <= 100
    rows = smoke.rows("figure8")
    mine = rows[(rows.protocol == PAPER) & (rows.split == "test")]
    (line,) = (c.lines[0] for c in axes.containers if c.get_label() == f"{PAPER}, test")
    assert line.get_ydata() == pytest.approx(100 * mine.groupby("t_re").agreement.mean().to_numpy())


def test_the_papers_protocol_asks_the_classifier_of_all_real_images_and_the_cross_fitted_one_that_of_half(smoke):
    for (protocol, split, _, seed), spec in classifiers.entropy_cells(smoke.design).items():
        assert isinstance(spec, Predict)
        wanted = smoke.main.classifier(seed, 0) if protocol == PAPER else smoke.main.crossfit(seed)
        assert spec.classifier == wanted
        hidden = {smoke.main.data[part].fingerprint for part in ("test", "probe", "other")}
        assert (split == "test") == bool(behind(spec.images) & hidden)


# features


def test_the_picture_of_table_2_has_our_changes_and_the_papers(smoke):
    figure = smoke.show("fig-accuracy")
    (axes,) = figure.axes
    assert set(legend(axes)) == {"digits", "mnist5k", "the paper: CIFAR-10", "the paper: CIFAR-100"}
    by_name = {line.get_label(): line for line in axes.lines}
    theirs = by_name["the paper: CIFAR-10"]
    assert theirs.get_ydata()[-1] == pytest.approx(89.85 - 95.58)
    ours = next(c.lines[0] for c in axes.containers if c.get_label() == "digits")
    accuracy = smoke.rows("table2").query("dataset == 'digits'").groupby("t_re").accuracy.mean()
    assert ours.get_ydata() == pytest.approx(100 * (accuracy - accuracy[0]).to_numpy())
    assert {theirs.get_color(), theirs.get_marker()}.isdisjoint({ours.get_color(), ours.get_marker()})
    assert f"{100 * accuracy[0]:.1f}%" in figure.get_label()


def test_figure_9_shows_one_class_by_default_the_last(smoke):
    figure = smoke.show("fig-9")
    assert "class 9" in figure.get_suptitle()
    assert "class 3" in smoke.show("fig-9", label=3).get_suptitle()
    labels = smoke.store.get(smoke.main.data["train"]).labels
    titles = [axes.get_title().partition(" (")[0] for axes in figure.axes]
    assert titles == ["t_re = 0, real", "t_re = 50", "t_re = 100, synthetic", "StyleGAN3"]
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes] == [(labels == 9).sum()] * 4
    with pytest.raises(UserError, match="label is 10; this data set has classes 0 to 9"):
        smoke.show("fig-9", label=10)


def test_concentration_has_a_floor_in_both_protocols(smoke):
    rows = smoke.rows("concentration")
    assert set(rows[rows.protocol == PAPER].t_re) == {FLOOR, 30, 50, 70, 100, GAN}
    assert set(rows[rows.protocol == CROSSFIT].t_re) == {0, 30, 50, 70, 100, GAN}
    assert rows[["trace_ratio", "distance_ratio"]].gt(0).all(axis=None)
    assert rows.outer_coverage.between(0, 1).all()
    # ten classes, of which four real images each, one of them outermost; cross-fitted these are all 40 test images
    assert rows.grain.tolist() == pytest.approx([0.1] * len(rows))
    assert classifiers.other_real(smoke.main, 0).images == smoke.main.data["test"]
    assert len(parsed(smoke.show("tab-concentration"))) == 12


@pytest.mark.parametrize("view", [classifiers.concentration_table, classifiers.concentration_trends])
def test_where_nothing_could_be_measured_it_is_said(view):
    assert parsed(view(design(), pd.DataFrame())).index.name == "left out"


def test_the_classifiers_of_real_images_need_no_generator(smoke):
    cells = classifiers.step_cells(smoke.design)
    real = [spec for (_, t, _), spec in cells.items() if t == 0]
    assert not any(isinstance(s, TrainDiffusion) for s in in_order(real))
