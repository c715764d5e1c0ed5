"""Section 4.1: reconstructed images, fidelity, detection and copying."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reading import cell, design, legend, parsed

from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.design.values import FLOOR, GAN
from synthgap.exhibits import samples, samples_drawn
from synthgap.exhibits.text import UNMEASURED
from synthgap.graph.specs import MeasureFidelity, Subset
from synthgap.metrics.fidelity import MEASURES

# images


def test_figure_5_has_a_row_for_each_reverse_step_and_a_column_for_each_image(smoke):
    figure = smoke.show("fig-5")
    assert len(figure.axes) == (1 + 7) * 4
    labels = [a.get_ylabel() for a in figure.axes if a.get_ylabel()]
    steps = (20, 30, 40, 50, 60, 70, 80)
    assert labels == ["real", *(f"t_re = {t}, σ = {smoke.main.sigma(t):.2g}" for t in steps)]
    real = smoke.store.get(smoke.main.data["grid"]).images
    assert np.allclose(figure.axes[1].images[0].get_array(), real[1, 0] / 255)


# fidelity


def test_fidelity_is_perfect_at_reverse_step_0_and_has_a_floor(smoke):
    rows = smoke.rows("figure6")
    assert list(rows.columns) == ["protocol", "t_re", "seed", *MEASURES, "n_real", "n_fake"]
    assert (rows.groupby(["protocol", "t_re", "seed"]).size() == 1).all()
    fitted, rows = rows[rows.protocol == CROSSFIT], rows[rows.protocol == PAPER]
    assert set(fitted.t_re) == {0, 50, 100, GAN}  # its own floor
    assert (fitted.frechet > 0).all()
    assert set(fitted.n_real) == set(fitted.n_fake) == {20}
    assert set(rows.t_re) == {FLOOR, 0, 50, 100, GAN}
    at_0 = rows[rows.t_re == 0]
    assert at_0.frechet.to_numpy() == pytest.approx(0, abs=1e-4)
    assert (at_0[["precision", "recall"]] == 1).all(axis=None)
    assert (rows[rows.t_re == FLOOR].frechet > 0).all()
    assert set(rows.n_real) == set(rows.n_fake) == {40}


def test_fidelity_in_the_papers_protocol_is_of_the_real_classifier(smoke):
    real = {smoke.main.classifier(s, 0).key for s in smoke.seeds}
    for (protocol, _, _), spec in samples.fidelity_cells(smoke.design).items():
        assert isinstance(spec, MeasureFidelity)
        if protocol == PAPER:
            assert {spec.real.classifier.key, spec.fake.classifier.key} <= real
            assert spec.real.images == smoke.main.data["train"]


def test_the_cross_fitted_protocol_compares_equal_numbers_with_images_that_nothing_was_trained_on(smoke):
    test = {i.tobytes() for i in smoke.store.get(smoke.main.data["test"]).images}
    half = smoke.store.get(Subset(images=smoke.main.data["train"], half="b"))
    for (protocol, t_re, _), spec in samples.fidelity_cells(smoke.design).items():
        if protocol == CROSSFIT:
            reference, judged = (smoke.store.get(s.images) for s in (spec.real, spec.fake))
            assert {i.tobytes() for i in reference.images} <= test
            assert len(reference) == len(judged) == 20
            assert np.array_equal(judged.labels, half.labels), t_re


@pytest.fixture
def rows6():
    """Figure 6's rows: at step t a distance of t + seed, precision and recall that fall."""
    cells = [
        (p, t, s)
        for p in (PAPER, CROSSFIT)
        for t in ((0, 50, 100, FLOOR) if p == PAPER else (0, 50, 100))
        for s in range(3)
    ]
    rows = pd.DataFrame(cells, columns=["protocol", "t_re", "seed"])
    n = np.where(rows.protocol == PAPER, 40, 20)
    fidelity = {
        "frechet": rows.t_re.clip(lower=7) + rows.seed,
        "kid": 0.1,
        "precision": 0.9,
        "recall": 0.9 - rows.t_re / 200,
    }
    return rows.assign(**fidelity, density=1.0, coverage=1.0, n_real=n, n_fake=n)


def test_figure_6_shows_distance_precision_and_recall_with_their_floors(rows6):
    figure = samples_drawn.fidelity_curves(design(), rows6)
    left, right, fitted_left, fitted_right = figure.axes
    assert left.get_ylabel() == fitted_left.get_ylabel() == "Fréchet distance\n(FD-classifier)"
    assert "recall falls from 0.90 to 0.40" in figure.get_label()
    assert set(legend(left)) == {"n = 40, 40", "other real images, n = 40"}
    assert {"precision", "recall"} < set(legend(right))
    assert legend(fitted_right) == ["precision", "recall"]
    assert [ax.get_title() for ax in (left, fitted_left)] == [PAPER, CROSSFIT]
    assert fitted_right.get_xlabel() == "reverse step t_re"
    line = left.containers[0].lines[0]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0, 50, 100], [8, 51, 101])
    floor = next(line for line in left.lines if line.get_label().startswith("other real"))
    assert set(floor.get_ydata()) == {8}


def test_a_gan_far_off_has_a_scale_of_its_own_and_every_seed_is_a_dot(rows6):
    far = rows6[rows6.t_re == 100].assign(t_re=GAN, frechet=1e4)
    _, alone, *_ = samples_drawn.fidelity_curves(design(), rows6).axes
    left, beside, right, shares, *_ = samples_drawn.fidelity_curves(design(), pd.concat([rows6, far])).axes
    assert left.get_ylim()[1] < 200
    assert beside.get_ylim()[0] > 200
    assert beside.collections[0].get_offsets()[:, 1].tolist() == [1e4] * 3
    assert shares.get_ylim() == right.get_ylim()  # where it fits, the scale is one
    dots = left.collections[-1].get_offsets()
    assert len(dots) == len(rows6[(rows6.protocol == PAPER) & (rows6.t_re >= 0)])
    assert alone.get_ylabel().startswith("precision")


def test_the_table_of_fidelity_has_a_line_a_protocol_and_step(rows6):
    out = parsed(samples.fidelity_table(design(), rows6))
    assert len(out) == 4 + 3
    assert cell(out, f"{PAPER}: 50", "FD-classifier").startswith("51.00 (50.00, 51.00, 52.00)")
    assert cell(out, f"{PAPER}: other real images", "FD-classifier").startswith("8.00")


def test_trends_of_fidelity_are_told_under_both_protocols_and_see_no_floor_and_no_gan(rows6):
    text = samples.fidelity_trends(design(), rows6)
    out = parsed(text)
    assert list(out.index) == ["Fréchet distance", "precision", "recall"] * 2
    changes = out["change from t_re = 0 to 100"][out.index == "recall"]
    assert all(change.startswith("-") for change in changes)
    rival = rows6[rows6.t_re == 100].assign(t_re=GAN, frechet=-1e6, recall=5.0)
    assert samples.fidelity_trends(design(), pd.concat([rows6, rival])) == text


# detection


def test_fake_detection_is_chance_at_reverse_step_0(smoke):
    rows = smoke.rows("table1")
    assert list(rows.columns) == ["domain", "detector", "t_re", "seed", "accuracy", "n"]
    assert (rows[rows.t_re == 0].accuracy == 0.5).all()
    assert set(rows.n) == {40}
    assert len(rows) == 2 * (5 + 1) * 2


def detected(pixel, dct, t_re=100):
    cells = [
        (d, "logistic", t_re, s, v) for d, values in (("pixel", pixel), ("dct", dct)) for s, v in enumerate(values)
    ]
    return pd.DataFrame(cells, columns=["domain", "detector", "t_re", "seed", "accuracy"]).assign(n=500)


def test_table_1_puts_ours_beside_the_papers_and_says_what_was_not_run():
    table, _ = samples.detection_table(design(), detected([0.90, 0.91, 0.92], [0.5, 0.5, 0.5]))
    out = parsed(table)
    assert cell(out, "EDM, digits", "pixel") == "91.0 (90.0, 91.0, 92.0)"
    assert cell(out, "EDM, CIFAR-10 (paper)", "DCT") == "58.91"
    assert cell(out, "StyleGAN3, CIFAR-10 (paper)", "pixel") == "89.56"
    assert cell(out, "StyleGAN3, digits", "pixel") == "not run"
    assert "500 pairs" in table
    with_gan = pd.concat([detected([0.9] * 3, [0.5] * 3), detected([0.8] * 3, [0.6] * 3, GAN)])
    out = parsed(samples.detection_table(design(), with_gan)[0])
    assert cell(out, "StyleGAN3, digits", "pixel") == "80.0 (80.0, 80.0, 80.0)"


def told_apart(rows):
    return samples.detection_table(design(), rows)[1]


def test_detection_is_read_by_its_interval():
    text = told_apart(detected([0.90, 0.91, 0.92], [0.45, 0.50, 0.56]))
    assert re.search(r"on pixels 91\.0% [^;]*?\(88\.5 to 93\.5\)", text)
    assert "50% is chance" in text
    assert "above" not in text  # a table's interval is no verdict
    assert "no interval" in told_apart(detected([0.9], [0.5]))
    assert UNMEASURED in told_apart(detected([0.9, 0.91], []))


# copying


def test_memorization_reads_reverse_step_0_as_copying(smoke):
    rows = smoke.rows("memorization").set_index("t_re")
    assert (rows.loc[0, ["authentic", "ratio", "closest"]] == 0).all(axis=None)
    assert (rows.loc[0].copying < -3).all()
    assert (rows.loc[100].authentic > 0).all()


@pytest.mark.parametrize(
    ("score", "words"),
    [(-9.0, "reads as copying"), (0.3, "no sign of copying"), (8.0, "no copying"), (np.nan, "too few images")],
)
def test_copying_is_read_by_its_score(score, words):
    rows = pd.DataFrame({"t_re": [0, 30, 100], "seed": 0, "copying": [-10.0, -9.5, score]})
    rows = rows.assign(authentic=0.5, ratio=1.0, closest=3.0, n_fake=40)
    table, text = samples.memorization_table(design(), rows)
    assert text.startswith("At reverse step 30 C_T is −9.5 (**reads as copying**)")
    assert words in text.split(";")[1]
    assert cell(parsed(table), "30", "C_T") == "-9.50"


def test_the_figure_of_copies_has_its_line_at_1_and_the_gan_beside_it():
    rows = pd.DataFrame(
        {"t_re": [0, 50, 100, GAN], "seed": 0, "authentic": 0.5, "ratio": [0.0, 0.9, 1.0, 0.8], "n_fake": 40}
    )
    left, _, right, beside = samples_drawn.memorization_curves(design(), rows).axes
    assert legend(right) == ["no nearer to train", "reconstructed"]
    assert beside.collections[0].get_offsets()[:, 1].tolist() == [0.8]
    line = right.containers[0].lines[0]
    assert line.get_xdata().tolist() == [0, 50, 100]
    assert "share" in left.get_ylabel()


# what was not measured


@pytest.mark.parametrize(
    ("view", "label"),
    [
        (samples.fidelity_table, "tab-fidelity"),
        (samples.fidelity_trends, "tab-fidelity-trends"),
        (lambda d, rows: samples.detection_table(d, rows)[0], "tab-1"),
    ],
)
def test_a_table_that_nothing_was_measured_for_says_why_under_its_own_label(view, label):
    text = view(design(), pd.DataFrame(columns=["protocol", "t_re"]))
    assert f":name: {label}\n" in text
    assert UNMEASURED in text


def test_a_figure_that_nothing_was_measured_for_says_why():
    (axes,) = samples_drawn.fidelity_curves(design(), pd.DataFrame()).axes
    assert "too few images" in axes.texts[0].get_text()


def test_the_first_detector_judges_every_step_and_the_others_the_fully_synthetic_set_alone(smoke):
    preset = smoke.main.preset.model_copy(update={"detectors": ("logistic", "cnn")})
    main = SimpleNamespace(preset=preset, data=smoke.main.data, samples=smoke.main.samples, rivals=(GAN,), device="cpu")
    cells = samples.detection_cells(SimpleNamespace(main=main, seeds=(0,)))
    steps = {name: {t for _, detector, t, _ in cells if detector == name} for name in preset.detectors}
    assert steps == {"logistic": {*preset.table2, GAN}, "cnn": {100, GAN}}
