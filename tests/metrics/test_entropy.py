"""Output entropy (Eq. 4)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from synthgap.metrics.entropy import entropies, marginal_entropy, output_entropy


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 20), st.integers(2, 30), st.floats(0, 1e4), st.integers(0, 99))
def test_entropy_lies_between_0_and_ln_c(n, c, scale, seed):
    logits = scale * np.random.default_rng(seed).standard_normal((n, c))
    each = entropies(logits)
    assert (each >= 0).all()
    assert (each <= np.log(c)).all()
    assert output_entropy(logits) == each.mean()
    assert each.mean() - 1e-12 <= marginal_entropy(logits) <= np.log(c)  # entropy is concave


@pytest.mark.parametrize("c", [2, 10, 100])
def test_a_uniform_answer_has_entropy_ln_c(c):
    assert output_entropy(np.full((3, c), -7.0, np.float32)) == pytest.approx(np.log(c))


def test_large_logits_do_not_overflow_and_a_sure_answer_has_no_entropy():
    assert output_entropy(np.array([[1e4, 0, -1e4], [-1e4, 1e4, 0]], np.float32)) == 0
    assert output_entropy(np.array([[1e4, 1e4, -1e4]])) == pytest.approx(np.log(2))


def test_it_is_the_mean_of_each_answers_entropy_not_the_entropy_of_the_mean_answer():
    logits = np.random.default_rng(0).standard_normal((50, 7))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert output_entropy(logits) == pytest.approx(np.mean([stats.entropy(row) for row in p]))
    opposite = np.array([[50.0, 0], [0, 50.0]])
    assert output_entropy(opposite) == pytest.approx(0, abs=1e-12)


def test_a_constant_added_to_an_images_logits_changes_nothing():
    logits = np.random.default_rng(1).standard_normal((9, 4))
    assert output_entropy(logits + 123) == pytest.approx(output_entropy(logits))


def test_the_marginal_entropy_is_that_of_the_mean_answer():
    logits = np.random.default_rng(0).standard_normal((50, 7))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert marginal_entropy(logits) == pytest.approx(stats.entropy(p.mean(axis=0)))
    assert marginal_entropy(np.array([[50.0, 0], [0, 50.0]])) == pytest.approx(np.log(2))
    assert marginal_entropy(np.array([[50.0, 0], [50.0, 0]])) == pytest.approx(0, abs=1e-12)


def test_logits_in_float32_lose_nothing_after_they_were_made():
    logits = (5 * np.random.default_rng(2).standard_normal((40, 6))).astype(np.float32)
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    assert entropies(logits).dtype == np.float64
    np.testing.assert_allclose(entropies(logits), -(p * np.log(p)).sum(axis=1), rtol=1e-12)
    assert marginal_entropy(logits) == pytest.approx(stats.entropy(p.mean(axis=0)), rel=1e-12)


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.zeros(3), np.array([[0, np.nan]]), np.array([[np.inf, 0]])])
def test_logits_without_an_entropy_are_refused(logits):
    for entropy in (entropies, output_entropy, marginal_entropy):
        with pytest.raises(ValueError, match="logits"):
            entropy(logits)
