"""Section 3, in motion: a few images on their way from noise to image, state by state, as HTML without a network.

It is a list of states, which the script of `slider` turns into a slider with a button that plays it. Nothing moves
before a reader asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..base.modes import sampling_mode
from ..base.threads import one_thread
from ..base.words import plural
from ..design.loading import Design
from ..diffusion.edm import EDM
from ..diffusion.pixels import to_uint8
from ..diffusion.reconstruct import generate, noisy_start
from ..diffusion.schedule import REVERSE_STEPS
from ..diffusion.solver import Solver
from .base import IMAGES, Html, Values, exhibit, result
from .slider import attributes, picture

SHOWN = 8  # images, one a class
MILLISECONDS = 400  # between two states
MOST_BYTES = 120_000  # of pixels of all states

# its makers have no names, and so no part in the hash of what makes numbers (`book.stale`): it makes none
_drawer = result("drawer", lambda d: {("model",): d.main.generator(d.seeds[0])}, no_rows=IMAGES)
drawer = _drawer(lambda d, values: values)


@dataclass(frozen=True)
class State:
    """Images at one level of their reverse process, and the denoiser's guess from each; float N × C × H × W."""

    sigma: float
    noisy: np.ndarray
    guess: np.ndarray


@exhibit("fig-states", [drawer], apart="the paper shows no state between noise and image")
def states_figure(d: Design, values: Values) -> Html:
    """Fully synthetic images of the first seed as they come about: the noisy images, and what is guessed from them."""
    edm, solver = values["model",].cpu(), d.main.preset.generator.solver
    size = int(np.prod(edm.image_shape))
    fit = MOST_BYTES // (2 * (solver.steps_from(REVERSE_STEPS) + 1) * size)
    count = int(np.clip(fit, 1, min(SHOWN, edm.config.network.label_dim or SHOWN)))
    return html(states(edm, solver, count, d.seeds[0]))


def states(edm: EDM, solver: Solver, count: int, seed: int) -> list[State]:
    """The states of `count` images, of the first classes where the model knows classes, from pure noise to the end."""
    shape = edm.image_shape
    labels = np.arange(count) if edm.config.network.label_dim else None
    blank = np.zeros(shape, dtype=np.uint8)
    starts = [noisy_start(edm.config, blank, REVERSE_STEPS, seed, i, solver.levels) for i in range(count)]
    found: dict[int, tuple[float, np.ndarray]] = {0: (starts[0][1], np.stack([start for start, _ in starts]))}

    def note(index: int, step: int, sigma: float, x: np.ndarray) -> None:
        found.setdefault(step, (float(sigma), np.zeros((count, *shape))))[1][index] = x

    with one_thread():
        generate(edm, labels, seed, count=None if labels is not None else count, solver=solver, callback=note)
        return [State(sigma, noisy, _guess(edm, noisy, sigma, labels)) for sigma, noisy in found.values()]


def _guess(edm: EDM, noisy: np.ndarray, sigma: float, labels: np.ndarray | None) -> np.ndarray:
    told = None if labels is None else torch.from_numpy(labels)
    with torch.no_grad(), sampling_mode(edm):
        return edm(torch.from_numpy(noisy), torch.tensor(sigma), told).double().numpy()


def html(several: list[State]) -> Html:
    """The list of states, each a picture of two rows: the noisy images above, the guesses below."""
    last = len(several) - 1
    items = []
    for number, state in enumerate(several):
        bright = state.noisy / np.sqrt(1 + state.sigma**2)  # so that noise of any level fits between black and white
        rows = to_uint8(np.stack([bright, state.guess]))
        level = f"σ = {state.sigma:.2g}"
        told = f"{plural(number, 'step')} of {last}, {level}" if number else f"the start: pure noise, {level}"
        what = f"{len(state.noisy)} images after {told}; below each the denoiser's guess"
        shown = picture(rows, what, between=255)  # noise is grey in the mean
        items.append(f'<li data-step="{number}" data-name="{level}"><p>{told}</p>\n{shown}</li>')
    told = {
        "label": "Step of the reverse process",
        "ends": "0 (noise)|end (images)",
        "start": "0",
        "title": "above the noisy images, below what the denoiser guesses from them",
        "all": "All steps at once",
        "play": str(MILLISECONDS),
    }
    listed = '<ol class="reverse-steps">\n' + "\n".join(items) + "\n</ol>"
    return Html(f'<div class="reverse-step film" {attributes(told)}>\n{listed}\n</div>')
