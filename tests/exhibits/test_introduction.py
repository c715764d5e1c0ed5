"""Section 1: the gap, its figure and its sentences, and where features lie."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from reading import design, right

from synthgap.design.values import FLOOR, GAN, Arm
from synthgap.exhibits import introduction
from synthgap.exhibits.introduction import Planes, accuracy_dots, feature_planes, gaps

CELLS = [("real only", 0), *((arm, k) for arm in ("synthetic only", "StyleGAN3 only") for k in (1, 3))]


def table(cells, accuracy):
    """accuracy: from the place of a cell and the seed."""
    return pd.DataFrame(
        {"arm": arm, "multiple": k, "seed": s, "accuracy": accuracy(i, s)}
        for i, (arm, k) in enumerate(cells)
        for s in (0, 1, 2)
    )


def test_the_data_table_names_sizes_shape_and_members_of_every_data_set(smoke):
    rows = smoke.lab.value(introduction.data)
    assert list(rows["data set"]) == ["digits", "mnist5k"]
    assert list(zip(rows.train, rows.validation, rows.test, strict=True)) == [(40, 20, 40)] * 2
    assert set(rows.pixels) == {"8×8 grey"}
    assert (rows["members (SHA-256)"].str.len() == 12).all()
    assert all(name in smoke.show("tab-data") for name in ("digits", "mnist5k"))


def test_figure_1_has_a_mean_for_each_set_and_a_dot_for_each_seed_and_the_gan_apart():
    rows = table(CELLS, lambda i, s: 0.9 - 0.1 * i - 0.01 * s)
    figure = accuracy_dots(design(), rows.sample(frac=1, random_state=0))
    ours, gan = figure.axes
    labels = [[label.get_text() for label in axes.get_xticklabels()] for axes in (ours, gan)]
    assert labels == [["real", "synthetic\n×1", "synthetic\n×3"], ["StyleGAN3\n×1", "StyleGAN3\n×3"]]
    means = [c.lines[0].get_ydata()[0] for axes in (ours, gan) for c in axes.containers]
    assert means == pytest.approx([89, 79, 69, 59, 49])
    dots = [d.get_offsets() for axes in (ours, gan) for d in axes.collections if isinstance(d, PathCollection)]
    assert [sorted(d[:, 1]) for d in dots] == [pytest.approx([88 - 10 * i, 89 - 10 * i, 90 - 10 * i]) for i in range(5)]
    assert "3 seeds" in figure.get_suptitle()
    figure.canvas.draw()
    boxes = [label.get_window_extent() for axes in (ours, gan) for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_no_interval_and_no_seed_of_figure_1_is_cut_off_and_no_axis_goes_beyond_100_percent():
    (axes,) = accuracy_dots(design(), table(CELLS[:1], lambda i, s: 0.95 + 0.02 * s)).axes
    low, high = axes.get_ylim()
    ((bottom, top),) = (segment[:, 1] for c in axes.containers[0].lines[2] for segment in c.get_segments())
    assert low < bottom < 95
    assert 99 < top <= high == 100


def test_a_gan_does_not_set_the_scale_of_figure_1():
    accuracy = [0.9, 0.86, 0.91, 0.1, 0.2]
    ours, gan = accuracy_dots(design(), table(CELLS, lambda i, s: accuracy[i] + 0.001 * s)).axes
    assert ours.get_ylim()[0] > 80
    assert gan.get_ylim()[1] < 40


def test_one_seed_can_be_drawn():
    rows = table(CELLS[:2], lambda i, s: 0.9 - 0.1 * i)
    figure = accuracy_dots(design(seeds=(0,)), rows[rows.seed == 0])
    assert [c.lines[0].get_ydata()[0] for c in figure.axes[0].containers] == pytest.approx([90, 80])
    assert "one seed" in figure.get_suptitle()


def test_the_cells_of_figure_1_are_those_of_table_3(smoke):
    names = ["arm", "multiple", "seed"]
    mine, theirs = (smoke.rows(name).set_index(names).accuracy for name in ("figure1", "table3"))
    assert sorted({cell[:2] for cell in mine.index}) == sorted(CELLS)
    assert mine.to_dict() == theirs.loc[mine.index].to_dict()


def test_the_gap_is_a_difference_in_points_with_its_interval_and_no_verdict():
    d, alone = design(), design(seeds=(0,))
    d.main.preset = alone.main.preset = SimpleNamespace(replication=(1, 3))
    cells = dict(zip(((Arm(arm), k) for arm, k in CELLS), ((0.9,) * 3, (0.85, 0.84, 0.83), (0.78,) * 3), strict=False))
    one, three = gaps(d, right(cells))
    assert one.startswith("real − synthetic ×1: +6.0 points (95% interval ")
    assert three.startswith("real − synthetic ×3: +12.0 points")
    assert "3 seeds" in one
    assert "run two seeds or more" in gaps(alone, right({cell: share[0] for cell, share in cells.items()}, (0,)))[0]


def test_the_points_of_the_maps_are_those_of_every_image_from_where_the_real_ones_lie(smoke):
    points = smoke.rows("projections")
    train = smoke.main.data["train"]
    assert dict(points.groupby("t_re").size()) == dict.fromkeys((0, 50, 100, FLOOR, GAN), train.count)
    real = points[points.t_re == 0]
    assert real[["x", "y"]].mean().to_numpy() == pytest.approx([0, 0], abs=1e-4)  # the plane is theirs
    assert real.x.var() >= real.y.var()
    assert real.label.to_list() == smoke.store.get(train).labels.tolist()


@pytest.fixture
def planes():
    rng = np.random.default_rng(0)
    steps = (0, 50, FLOOR, 100, GAN)
    points, labels = {t: rng.random((6, 2)) for t in steps}, dict.fromkeys(steps, np.array([0, 0, 1, 1, 1, 2]))
    return Planes(points, labels, (0.5, 0.25), ("a", "b", "c"))


def test_figure_2_shows_all_classes_by_number_real_and_synthetic_side_by_side_on_one_scale(planes):
    figure = introduction.all_classes(design(), planes)
    real, other, synthetic, empty = figure.axes
    assert not empty.axison
    for axes, t in ((real, 0), (other, FLOOR), (synthetic, 100)):
        found = np.concatenate([dots.get_offsets() for dots in axes.collections])
        assert np.array_equal(np.sort(found, axis=0), np.sort(planes.points[t], axis=0))
        assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]
        assert len({dots.get_paths()[0].vertices.shape for dots in axes.collections}) > 1  # markers differ
    assert real.get_xlim() == synthetic.get_xlim()
    assert "50% of variance" in figure.get_supxlabel()
    assert "25%" in figure.get_supylabel()
    assert "times as far" in figure.get_label()


def test_one_class_can_be_shown_at_several_steps_and_what_lies_outside_is_counted(planes):
    planes.points[GAN][3] = 99
    panels = feature_planes(planes, (0, 50, 100, GAN), "class b", label=1).axes
    titles = ["t_re = 0, real", "t_re = 50", "t_re = 100, synthetic", "StyleGAN3 (1 lie outside)"]
    assert [axes.get_title() for axes in panels] == titles
    assert [len(axes.collections[0].get_offsets()) for axes in panels] == [3] * 4
    assert np.array_equal(panels[1].collections[0].get_offsets(), planes.points[50][2:5])


def test_figure_2_computes_no_more_than_it_reads(smoke):
    kinds = {s.kind for s in introduction.projections.specs(replace(smoke.design, seeds=(0,)))}
    assert kinds == {"data", "predict"}
