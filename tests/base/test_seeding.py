"""Random numbers of training: functions of (seed, purpose, step), and epochs that show every item once."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgap.base.seeding import batch_positions, step_generator, torch_seed

few = settings(max_examples=60, deadline=None, derandomize=True)
counts, batches = st.integers(1, 40), st.integers(1, 90)


@few
@given(counts, batches, st.integers(0, 5))
def test_every_item_is_seen_once_an_epoch_also_when_a_batch_is_larger_than_one(count, batch, seed):
    steps = -(-3 * count // batch)
    stream = np.concatenate([batch_positions(count, batch, seed, 0, s) for s in range(steps)])
    for epoch in range(3):
        assert np.array_equal(np.sort(stream[epoch * count : (epoch + 1) * count]), np.arange(count))


@few
@given(counts, batches, batches)
def test_the_order_of_items_does_not_depend_on_the_batch_size(count, batch, other):
    def stream(size):
        return np.concatenate([batch_positions(count, size, 0, 0, s) for s in range(-(-100 // size))])[:100]

    assert np.array_equal(stream(batch), stream(other))


def test_a_step_can_be_asked_for_alone_and_again():
    in_order = [batch_positions(10, 4, 1, 0, s) for s in range(30)]
    for step in (29, 3, 0, 17):
        assert np.array_equal(batch_positions(10, 4, 1, 0, step), in_order[step])


def test_epochs_seeds_and_purposes_are_shuffled_differently():
    orders = {
        tuple(batch_positions(50, 50, seed, purpose, epoch))
        for seed in range(4)
        for purpose in range(4)
        for epoch in range(4)
    }
    assert len(orders) == 64


def test_a_shuffle_puts_every_item_in_every_place_equally_often():
    first = np.array([batch_positions(4, 4, seed, 0, 0)[0] for seed in range(2000)])
    counts = np.bincount(first, minlength=4)
    assert ((counts - 500) ** 2 / 500).sum() < 16.3  # chi-square, 3 degrees of freedom, p = 0.001


def test_seeds_of_different_seeds_purposes_and_steps_differ_and_fit_63_bits():
    seeds = [torch_seed(a, b, c) for a in range(8) for b in range(8) for c in range(8)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**63 for s in seeds)
    assert max(seeds) > 2**62  # not a small range of seeds


def test_a_step_generator_is_a_function_of_its_arguments_and_leaves_the_global_state():
    before = torch.get_rng_state()
    draws = [torch.randn(5, generator=step_generator(3, 1, 7)) for _ in range(2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], torch.randn(5, generator=step_generator(3, 1, 8)))
    assert torch.equal(before, torch.get_rng_state())


def test_streams_of_neighbouring_steps_are_uncorrelated():
    draws = torch.stack([torch.randn(2000, generator=step_generator(0, 0, s)) for s in range(12)])
    off = torch.corrcoef(draws) - torch.eye(12)
    assert off.abs().max() < 5 / 2000**0.5


@pytest.mark.parametrize("seed", [-1, -(2**40)])
def test_a_negative_seed_is_refused(seed):
    with pytest.raises(ValueError, match="non-negative"):
        torch_seed(seed, 0, 0)
