"""Random numbers of an image: functions of (seed, purpose, index), with the stated distributions."""

import numpy as np
import pytest
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.diffusion.noise import CHURN, INITIAL_NOISE, REVERSE_STEP, image_rng, initial_noise, reverse_steps

SHAPE = (3, 4, 5)


def test_noise_of_an_image_does_not_depend_on_what_else_is_drawn_or_when():
    in_order = [initial_noise(0, i, SHAPE) for i in range(20)]
    np.random.default_rng(0).standard_normal(7)
    for i in (19, 0, 7):
        assert np.array_equal(initial_noise(0, i, SHAPE), in_order[i])
    assert in_order[0].dtype == np.float64


def test_seeds_purposes_and_indices_have_their_own_streams():
    draws = {
        float(image_rng(seed, purpose, index).standard_normal())
        for seed in range(6)
        for purpose in (INITIAL_NOISE, REVERSE_STEP, CHURN)
        for index in range(6)
    }
    assert len(draws) == 6 * 3 * 6


def test_noise_is_standard_normal_and_uncorrelated_between_neighbours():
    noise = np.stack([initial_noise(0, i, (1, 20, 20)).ravel() for i in range(30)])
    assert stats.kstest(noise.ravel(), "norm").pvalue > 0.001
    assert np.abs(np.corrcoef(noise) - np.eye(30)).max() < 5 / np.sqrt(400)
    other = initial_noise(1, 0, (1, 20, 20)).ravel()
    assert abs(np.corrcoef(noise[0], other)[0, 1]) < 5 / np.sqrt(400)


def test_drawn_reverse_steps_are_uniform_with_both_ends():
    drawn = reverse_steps((20, 29), 0, np.arange(5000))
    assert drawn.min() == 20
    assert drawn.max() == 29
    assert stats.chisquare(np.bincount(drawn - 20, minlength=10)).pvalue > 0.001


def test_a_range_of_two_has_both_and_a_range_of_one_is_fixed():
    assert set(reverse_steps((0, 1), 0, np.arange(50))) == {0, 1}
    assert reverse_steps((100, 100), 0, np.arange(3)).tolist() == [100] * 3
    assert reverse_steps(40, 0, np.arange(3)).tolist() == [40] * 3


def test_the_reverse_step_of_an_image_depends_on_the_image_alone():
    indices = np.arange(40)
    drawn = reverse_steps((0, 100), 3, indices)
    order = np.random.default_rng(0).permutation(40)
    assert np.array_equal(reverse_steps((0, 100), 3, indices[order]), drawn[order])
    assert np.array_equal(reverse_steps((0, 100), 3, indices[13:17]), drawn[13:17])
    assert not np.array_equal(reverse_steps((0, 100), 4, indices), drawn)


def test_no_image_has_no_reverse_step():
    assert len(reverse_steps((0, 100), 0, np.arange(0))) == 0


def test_a_range_out_of_bounds_is_refused():
    with pytest.raises(UserError, match="t_re"):
        reverse_steps((0, 101), 0, np.arange(3))
