"""The reverse process state by state: it is the one that made the study's images, and stands still until asked."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from reading import in_browser, needs_browser

from synthgap.data.imageset import ImageSet
from synthgap.diffusion.exact import ExactDenoiser
from synthgap.diffusion.pixels import to_uint8
from synthgap.diffusion.reconstruct import generate
from synthgap.diffusion.solver import Solver
from synthgap.exhibits import film


@pytest.fixture(scope="module")
def several():
    """An exact denoiser, and the states of three of its images."""
    images = np.random.default_rng(0).integers(0, 256, (6, 1, 5, 7), dtype=np.uint8)
    exact = ExactDenoiser(ImageSet(images, np.zeros(6, dtype=np.int64), ("a",)))
    return exact, film.states(exact, Solver(steps=7), 3, seed=4)


def pictures(told):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', told)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_states_begin_at_noise_and_end_at_the_images_that_are_generated(several):
    exact, states = several
    assert len(states) == 7 + 1
    assert states[0].sigma == pytest.approx(exact.config.sigma_max)
    assert [s.sigma for s in states] == sorted((s.sigma for s in states), reverse=True)
    assert states[-1].sigma == 0
    images = generate(exact, count=3, seed=4, solver=Solver(steps=7)).images
    assert (to_uint8(states[-1].noisy) == images).all()


def test_the_guess_is_the_denoisers_from_the_state_above_it(several):
    exact, states = several
    mean = exact.clean.numpy().mean(axis=0)
    assert np.abs(states[0].guess - mean).mean() < 0.5 * np.abs(states[-1].noisy - mean).mean()  # blurred
    assert np.allclose(states[-1].guess, states[-1].noisy)  # nothing is left to guess
    off = [np.abs(state.guess - states[-1].noisy).mean() for state in states]
    assert off[-2] < 0.1 * off[0]


def test_each_state_is_a_picture_with_words(several):
    _, states = several
    told = film.html(states)
    shown = pictures(told)
    assert all(one.shape == (2 * 5 + 1, 3 * 7 + 2) for one in shown)
    assert (shown[-1][6:, :7] == to_uint8(states[-1].guess)[0, 0]).all()
    alts = re.findall(r'alt="([^"]+)"', told)
    assert len(set(alts)) == len(shown) == len(states)
    assert all("guess" in alt for alt in alts)


def test_a_study_shows_a_state_for_each_step_of_its_solver_one_image_a_class(smoke):
    told = smoke.show("fig-states")
    shown = pictures(told)
    assert len(shown) == smoke.main.preset.generator.solver.steps + 1
    assert shown[0].shape == (2 * 8 + 1, film.SHOWN * 9 - 1)


@needs_browser
def test_it_stands_still_until_it_is_played_and_stops_at_its_end(several, tmp_path):
    told = film.html(several[1]).replace(f'data-play="{film.MILLISECONDS}"', 'data-play="20"')
    still, playing, ended, again = in_browser(
        tmp_path,
        told,
        """
        const input = document.querySelector("input"), button = document.querySelector("button");
        const state = () => [Number(input.value), button.textContent, document.querySelector("output").textContent];
        const later = (ms) => new Promise((done) => setTimeout(done, ms));
        (async () => {
          await later(200);
          const still = state();
          button.click();
          const playing = state();
          await later(1000);
          const ended = state();
          button.click();
          button.click();
          tell([still, playing, ended, state()]);
        })();""",
    )
    assert still[:2] == [0, "Play"]
    assert still[2].startswith("the start: pure noise, σ = ")
    assert playing[:2] == [0, "Pause"]
    assert ended == [7, "Play", "7 steps of 7, σ = 0"]
    assert again[:2] == [0, "Play"]  # from the start, and paused at once
