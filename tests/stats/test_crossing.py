"""Where a curve reaches a value: between measured places nothing is known better than at them."""

import math

import numpy as np
import pytest

from synthgap.base.errors import UserError
from synthgap.stats.crossed import crossed, crossing
from synthgap.stats.judge import reached
from synthgap.stats.nulls import place

IMAGES = 4000


def exact(levels, places=(1, 3, 5), seeds=3):
    """A curve of these levels, the same for every seed and image."""
    return [(x, np.full((seeds, IMAGES), level)) for x, level in zip(places, levels, strict=True)]


def of_seeds(*by_seed):
    """Seeds × images, all images of a seed at its level."""
    return np.repeat(np.array(by_seed)[:, None], IMAGES, axis=1)


def test_estimate_and_interval_are_the_lines_through_the_measured_differences_and_their_ends():
    rng = np.random.default_rng(0)
    curve = [(x, rng.normal(level, 0.3, (3, 500))) for x, level in ((1, 0.5), (4, 0.6))]
    target = rng.normal(0.55, 0.3, (3, 500))
    below, above = (crossed(values - target) for _, values in curve)
    found = crossing(curve, target)
    for height, at in (("mean", found.value), ("high", found.low), ("low", found.high)):
        first, last = getattr(below, height), getattr(above, height)
        assert at == pytest.approx(4 ** (-first / (last - first)))
    assert 1 < found.low < found.value < found.high < 4


def test_errors_that_cancel_between_two_places_make_no_end_there():
    """At ×3 and at ×5 the real images are not told to be beaten, for seeds err in opposite ways there."""
    curve = [
        (1, of_seeds(-0.1, -0.1, -0.1)),
        (3, of_seeds(0.08, 0.01, -0.06)),
        (5, of_seeds(-0.06, 0.01, 0.08)),
    ]
    real = np.zeros((3, IMAGES))
    middle = (curve[1][1] + curve[2][1]) / 2
    assert crossed(middle).low > 0  # interpolated values would say so in between
    assert all(crossed(values).low < 0 for _, values in curve)
    found = crossing(curve, real)
    assert 1 < found.low < found.value < 3
    assert found.high == math.inf


@pytest.mark.parametrize(
    ("levels", "falls"), [((0.8, 0.6, 0.9), (1, 3)), ((0.5, 0.8, 0.7), (3, 5)), ((0.5, 0.6, 0.6), None)]
)
def test_where_the_curve_falls_nothing_is_identified(levels, falls):
    curve, target = exact(levels), np.full((3, IMAGES), 0.58)
    found = crossing(curve, target)
    assert found.falls == falls
    if falls:
        assert (found.low, found.high) == (0, math.inf)
        assert not place(curve, target).identifiable
        with pytest.raises(UserError, match=f"falls from ×{falls[0]} to ×{falls[1]}"):
            reached(curve, target, 1, 3)


def test_a_fall_within_the_noise_is_none():
    rng = np.random.default_rng(0)
    curve = [(x, (rng.random((3, 200)) < 0.6).astype(float)) for x in (1, 3, 5)]
    assert crossing(curve, np.full((3, 200), 0.5)).falls is None
    assert crossing(exact((0.8, 0.6, 0.9), seeds=1), np.full((1, IMAGES), 0.7)).falls is None  # one seed tells nothing
