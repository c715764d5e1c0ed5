"""Every figure of the study: labelled axes, the series it promises, and no trace in pyplot."""

import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from synthgap.design.arms import CROSSFIT, PAPER
from synthgap.exhibits import plots

CURVES = ("figure1", "figure2", "figure9", "figure_agreement", "figure_memorization", "figure_multiples")
CURVES += ("figure_learning_curve",)
IMAGES = ("figure4", "figure5")


def legend(axes) -> list[str]:
    return [t.get_text() for t in axes.get_legend().get_texts()]


@pytest.mark.parametrize("name", CURVES)
def test_a_figure_of_numbers_has_labelled_axes(smoke, name):
    figure = getattr(smoke, name)()
    assert isinstance(figure, Figure)
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_xticklabels()[0].get_text() == "real"
    assert figure.axes[0].get_ylabel()
    assert figure.axes[0].get_title() or figure.get_suptitle()


@pytest.mark.parametrize("name", [*CURVES, *IMAGES])
def test_a_figure_can_be_drawn_and_is_not_shown_by_pyplot(smoke, name):
    before = pyplot.get_fignums()
    file = io.BytesIO()
    getattr(smoke, name)().savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    assert pyplot.get_fignums() == before


def test_figure_1_has_a_bar_for_each_set_and_a_dot_for_each_seed(smoke):
    axes = smoke.figure1().axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "real",
        *("synthetic\n×1", "synthetic\n×3"),
        *("StyleGAN3\n×1", "StyleGAN3\n×3"),
    ]
    rows = smoke.table3().set_index(["arm", "multiple"]).accuracy
    cells = [("real only", 0), *((arm, k) for arm in ("synthetic only", "StyleGAN3 only") for k in (1, 3))]
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([100 * rows.loc[cell].mean() for cell in cells])
    assert [len(dots.get_offsets()) for dots in axes.collections if isinstance(dots, PathCollection)] == [2] * 5
    assert len({bar.get_hatch() for bar in axes.patches}) == 5


def test_figure_2_shows_all_classes_over_the_real_ones(smoke):
    (axes,) = smoke.figure2().axes
    assert legend(axes) == ["real (t_re = 0)", "t_re = 100 (fully synthetic)"]
    assert [len(dots.get_offsets()) for dots in axes.collections] == [40, 40]
    assert "% of variance" in axes.get_xlabel()


def test_figure_9_shows_one_class_by_default_the_last(smoke):
    figure = smoke.figure9()
    assert "class 9" in figure.get_suptitle()
    assert "class 3" in smoke.figure9(3).get_suptitle()
    labels = smoke.store.get(smoke.main.data["train"]).labels
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert [len(dots.get_offsets()) for dots in axes.collections] == [(labels == 9).sum()] * 2
    assert legend(figure.axes[0])[1] == "t_re = 50"


def test_figure_4_shows_noisy_images_above_and_reconstructions_below(smoke):
    figure = smoke.figure4()
    assert len(figure.axes) == 10
    assert [a.get_title().split("\n")[0] for a in figure.axes[:5]] == [f"t_re = {t}" for t in (0, 25, 50, 75, 100)]
    assert [figure.axes[i].get_ylabel() for i in (0, 5)] == ["noisy", "reconstructed"]
    real = smoke.store.get(smoke.main.data["grid"]).images[0, 0] / 255
    assert np.allclose(figure.axes[5].images[0].get_array(), real)


def test_figure_5_has_a_row_for_each_reverse_step_and_a_column_for_each_image(smoke):
    figure = smoke.figure5()
    assert len(figure.axes) == (1 + 7) * 4
    labels = [a.get_ylabel() for a in figure.axes if a.get_ylabel()]
    assert labels[0] == "real"
    assert [int(label.split()[2].rstrip(",")) for label in labels[1:]] == [20, 30, 40, 50, 60, 70, 80]
    assert all("σ" in label for label in labels[1:])


def test_figure_6_shows_distance_precision_and_recall_with_their_floors(smoke):
    left, right, fitted_left, fitted_right = smoke.figure6().axes
    assert left.get_ylabel() == fitted_left.get_ylabel() == "Fréchet distance (FD-classifier)"
    assert set(legend(left)) == {"n = 40, 40", "other real images, n = 40", "StyleGAN3"}
    assert {"precision", "recall"} < set(legend(right))
    assert legend(fitted_right) == ["precision", "recall", "precision, StyleGAN3", "recall, StyleGAN3"]
    assert [ax.get_title() for ax in (left, fitted_left)] == [PAPER, CROSSFIT]
    assert fitted_left.get_xlabel() == fitted_right.get_xlabel() == "reverse step t_re"


def test_figure_7_has_a_row_for_each_classifier_and_a_column_for_each_image(smoke):
    figure = smoke.figure7(4)
    assert len(figure.axes) == (1 + 6) * 4
    labels = [a.get_ylabel() for a in figure.axes if a.get_ylabel()]
    assert labels == ["image", "real (t_re = 0)", "t_re = 30", "t_re = 50", "t_re = 70", "t_re = 100", "StyleGAN3"]
    assert smoke.attention_layer() == "layer2"


def test_the_likelihood_has_a_panel_for_each_noise_level(smoke):
    panels = smoke.figure_likelihood().axes
    assert [ax.get_title() for ax in panels] == ["σ = 0.002", "σ = 0.1"]
    assert legend(panels[0]) == ["made from train (n = 4)", "made from test (n = 4)"]
    assert all("lower is likelier" in ax.get_ylabel() for ax in panels)


def test_figure_8_has_a_line_for_train_and_one_for_test(smoke):
    paper, fitted = smoke.figure8().axes
    assert legend(paper) == ["Train Samples (n = 40)", "StyleGAN3", "Test Samples (n = 20)"]
    assert legend(fitted) == ["Train Samples (n = 20)", "StyleGAN3", "Test Samples (n = 20)"]
    assert [ax.get_title() for ax in (paper, fitted)] == [PAPER, CROSSFIT]
    assert "at most 2.30" in paper.get_ylabel()


def test_series_of_a_figure_differ_in_colour_marker_and_line():
    assert len(set(plots.MARKERS)) == len(set(map(str, plots.LINES))) == 5
    assert len({tuple(c) for c in plots.COLOURS}) >= 5


def test_one_seed_can_be_drawn():
    rows = pd.DataFrame({"arm": ["real only", "synthetic only"], "multiple": [0, 1], "seed": 0, "accuracy": [0.9, 0.8]})
    figure = plots.real_against_synthetic(rows, "digits")
    assert [bar.get_height() for bar in figure.axes[0].patches] == pytest.approx([90, 80])


def test_no_interval_and_no_seed_of_the_first_figure_is_cut_off():
    rows = pd.DataFrame({"arm": "real only", "multiple": 0, "seed": [0, 1, 2], "accuracy": [0.95, 0.97, 0.99]})
    (axes,) = plots.real_against_synthetic(rows, "digits").axes
    low, high = axes.get_ylim()
    ((bottom, top),) = (segment[:, 1] for c in axes.containers[1].lines[2] for segment in c.get_segments())
    assert low < bottom < 95
    assert 99 < top < high


def test_colour_images_are_drawn_in_colour(make_images):
    images = {label: make_images(3, shape=(3, 8, 12), seed=i).images for i, label in enumerate(("real", "t_re = 50"))}
    figure = plots.image_rows(images)
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["real", "t_re = 50"]
    assert np.allclose(figure.axes[0].images[0].get_array(), images["real"][0].transpose(1, 2, 0) / 255)


def test_every_arm_with_multiples_is_a_line_of_the_multiples_figure(smoke):
    panels = smoke.figure_multiples().axes
    assert [len(legend(axes)) for axes in panels] == [1 + 4, 1 + 5, 1 + 4]  # real only and its arms
    assert all(legend(axes)[0] == "real only" for axes in panels)
    rows = smoke.table3()
    naive = rows[rows.arm == "100"].groupby("multiple").accuracy.mean()
    line = panels[1].lines[legend(panels[1]).index("t_re = 100 (naïve)")]
    assert np.abs(line.get_xdata() - [1, 3]).max() < 0.2  # beside one another
    assert line.get_ydata() == pytest.approx(100 * naive.to_numpy())


def test_the_learning_curve_has_a_point_a_subset_and_a_line_a_synthetic_set(smoke):
    (axes,) = smoke.figure_learning_curve().axes
    assert legend(axes) == ["synthetic ×1", "synthetic ×3", "real images alone"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["10", "20", "40"]


def test_the_first_figure_is_of_its_data_set_and_its_labels_stay_apart():
    arms = [("real only", 0), *((arm, k) for arm in ("synthetic only", "StyleGAN3 only") for k in (1, 3, 5))]
    rows = pd.DataFrame(
        {"arm": arm, "multiple": k, "seed": s, "accuracy": 0.9 - 0.01 * s} for arm, k in arms for s in (0, 1)
    )
    figure = plots.real_against_synthetic(rows, "digits")
    axes = figure.axes[0]
    assert axes.get_title().startswith("digits: 2 seeds")
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["real", "synthetic\n×1"]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
