"""Section 3: noise levels as the solver reads them, the strip of Figure 4, and the forms of Algorithm 1."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from reading import cell, design, parsed

from synthgap.design.preset import changed
from synthgap.diffusion.ddpm import LinearSchedule
from synthgap.diffusion.schedule import vp_sigma
from synthgap.exhibits import preliminary
from synthgap.exhibits.preliminary import ALGORITHM_STEPS, STRIP, Strip


@pytest.fixture
def vp(smoke):
    """The smoke design, whose solver reads a reverse step as a time of the VP process."""
    generator = changed(smoke.main.preset.generator, {"solver": {"levels": "vp"}})
    main = replace(smoke.main, preset=smoke.main.preset.model_copy(update={"generator": generator}))
    return replace(smoke.design, columns=(main, *smoke.design.columns[1:]))


def expected_vp(t):
    import torch

    return float(vp_sigma(torch.tensor(t / 100, dtype=torch.float64)))


def test_sigma_rises_from_0_to_sigma_max_and_evaluations_with_it(smoke):
    rows = smoke.rows("noise_levels").set_index("t_re")
    assert rows.sigma[0] == 0
    assert rows.sigma[1] == pytest.approx(0.002)
    assert rows.sigma[100] == pytest.approx(80 * 8 / 32)
    assert rows.paper_scale[100] == pytest.approx(80)
    assert all(np.diff(rows.sigma) > 0)
    assert rows.vp[50] == pytest.approx(float(LinearSchedule(1000).sigma[500]))
    assert rows.evaluations[0] == 0
    assert rows.evaluations[100] == 4  # of a multistep process, one a step
    assert rows.evaluations.is_monotonic_increasing


def test_the_table_shows_the_levels(smoke):
    out = parsed(smoke.show("tab-noise"))
    rows = smoke.rows("noise_levels").set_index("t_re")
    assert [int(t) for t in out.index] == list(rows.index)
    assert cell(out, "50", "σ", "in this run") == f"{rows.sigma[50]:.3g}"
    assert cell(out, "100", "network evaluations") == "4"
    assert "(the multistep solver, 4 steps from t_re = 100)" in smoke.show("tab-noise").split("\n")[0]


def test_levels_are_those_that_the_solver_reads(vp, smoke):
    rows = preliminary.noise_levels.make(vp).set_index("t_re")
    assert rows.sigma[50] == pytest.approx(expected_vp(50))
    values = {**{(t,): smoke.store.get(smoke.main.data["grid"]) for t in STRIP}}
    values["model",] = smoke.store.get(smoke.main.generator(0))
    shown = preliminary.strip.make(vp, values)
    assert [shown.sigmas[t] for t in STRIP] == pytest.approx([expected_vp(t) for t in STRIP])


def test_figure_4_shows_noisy_images_above_and_reconstructions_below():
    rng = np.random.default_rng(0)
    noisy = {t: rng.normal(size=(1, 4, 4)) * t for t in STRIP}
    restored = {t: rng.integers(0, 256, (1, 4, 4), dtype=np.uint8) for t in STRIP}
    shown = Strip(noisy, restored, {t: t / 8 for t in STRIP})
    before = pyplot.get_fignums()
    figure = preliminary.noised_and_restored(design(), shown)
    figure.savefig(io.BytesIO(), format="png")
    assert pyplot.get_fignums() == before  # nothing is shown twice
    above, below = figure.axes[:5], figure.axes[5:]
    assert [a.get_title() for a in above] == [f"t_re = {t}\nσ = {t / 8:.3g}" for t in STRIP]
    assert (above[0].get_ylabel(), below[0].get_ylabel()) == ("noisy", "reconstructed")
    for ax, t in zip(below, STRIP, strict=True):
        assert np.allclose(ax.images[0].get_array(), restored[t][0] / 255)
    brightness = np.asarray(above[3].images[0].get_array())
    assert (brightness.min(), brightness.max()) == (0, 1)  # rescaled


def test_the_strip_starts_from_the_first_training_image(smoke):
    shown = smoke.lab.value(preliminary.strip)
    real = smoke.store.get(smoke.main.data["grid"]).images[0]
    assert np.array_equal(shown.restored[0], real)
    assert np.allclose(shown.noisy[0], real / 127.5 - 1)
    assert shown.sigmas == pytest.approx({t: smoke.main.sigma(t) for t in STRIP})


def test_distances_of_the_algorithms_are_mean_grey_levels(smoke):
    real = np.full((2, 1, 3, 3), 100, np.uint8)
    images = {("real", 0): real}
    for t in ALGORITHM_STEPS:
        images |= {("EDM", t): real + np.uint8(t), ("corrected", t): real - np.uint8(10), ("printed", t): real}
    out = parsed(preliminary.algorithm_table(smoke.design, images))
    assert [cell(out, str(t), "distance", "EDM") for t in ALGORITHM_STEPS] == ["25.0", "50.0", "75.0", "100.0"]
    assert set(out["distance, corrected"]) == {"10.0"}
    assert set(out["distance, printed"]) == {"0.0"}
    assert cell(out, "50", "σ", "EDM") == f"{smoke.main.sigma(50):.3g}"
    assert cell(out, "50", "σ", "DDPM") == f"{float(LinearSchedule(100).sigma[50]):.3g}"
    figure = preliminary.algorithm_images(smoke.design, images)
    labels = [ax.get_ylabel().replace("\n", " ") for ax in figure.axes if ax.get_ylabel()]
    assert len(labels) == 1 + 3 * 4
    assert labels[:3] == ["real", "EDM, t_re = 25", "Algorithm 1, corrected, t_re = 25"]


def test_the_table_of_algorithms_says_the_solvers_sigma(vp, smoke):
    out = parsed(preliminary.algorithm_table(vp, smoke.lab.value(preliminary.algorithms)))
    assert cell(out, "50", "σ", "EDM") == f"{expected_vp(50):.3g}"


def test_the_printed_algorithm_returns_nearly_the_image_at_every_step_and_the_corrected_one_does_not(smoke):
    images = smoke.lab.value(preliminary.algorithms)
    real = images["real", 0].astype(float)
    moved = {cell: np.abs(several - real).mean() for cell, several in images.items()}
    printed = [moved["printed", t] for t in ALGORITHM_STEPS]
    assert max(printed) < 10
    assert printed[-1] == pytest.approx(printed[0], abs=2)
    assert moved["corrected", 100] > 3 * printed[-1]
    assert all(np.diff([moved["EDM", t] for t in ALGORITHM_STEPS]) > 0)
