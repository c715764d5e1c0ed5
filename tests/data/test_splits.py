"""Stratified splits: properties that hold for any labels and any possible sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgap.base.errors import UserError
from synthgap.data.splits import _proportional, stratified_split, stratified_take

NAMES = ("train", "validation", "test")
few = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def labels_strategy(draw, least=3):
    """Shuffled labels of 1–6 classes with `least` to 25 images each; label values may have gaps."""
    counts = draw(st.lists(st.integers(least, 25), min_size=1, max_size=6))
    values = draw(st.permutations(range(8)))[: len(counts)]
    return np.random.default_rng(0).permutation(np.repeat(values, counts))


@st.composite
def possible_split(draw):
    """(labels, sizes): every split has room for every class, one of them may take the rest."""
    labels = draw(labels_strategy())
    k, n = len(np.unique(labels)), len(labels)
    train = draw(st.integers(k, n - 2 * k))
    validation = draw(st.integers(k, n - train - k))
    test = draw(st.one_of(st.none(), st.integers(k, n - train - validation)))
    return labels, {"train": train, "validation": validation, "test": test}


@few
@given(possible_split(), st.integers(0, 9))
def test_split_is_disjoint_exact_and_has_every_class_in_every_split(case, seed):
    labels, sizes = case
    parts = stratified_split(labels, sizes, seed)
    np.random.seed(1)  # noqa: NPY002 (the global state is what must not matter)
    again = stratified_split(labels, sizes, seed)
    assert all(np.array_equal(again[split], parts[split]) for split in NAMES)
    everything = np.concatenate(list(parts.values()))
    assert list(parts) == list(NAMES)
    assert len(np.unique(everything)) == len(everything)
    for split, positions in parts.items():
        assert set(labels[positions]) == set(labels)
        assert np.array_equal(positions, np.sort(positions))
        if sizes[split] is not None:
            assert len(positions) == sizes[split]
    if sizes["test"] is None:
        assert np.array_equal(np.sort(everything), np.arange(len(labels)))


@few
@given(labels_strategy())
def test_fractions_are_of_the_whole_and_at_least_one_image_a_class(labels):
    n, k = len(labels), len(np.unique(labels))
    parts = stratified_split(labels, {"train": None, "validation": 0.2, "test": 0.2}, 0)
    held_out = max(int(0.2 * n), k)
    assert [len(parts[s]) for s in NAMES] == [n - 2 * held_out, held_out, held_out]
    assert all(set(labels[p]) == set(labels) for p in parts.values())


def test_another_seed_gives_another_split():
    labels = np.repeat(np.arange(4), 25)
    parts = [stratified_split(labels, {"train": 50, "test": None}, seed)["train"] for seed in (0, 1)]
    assert not np.array_equal(*parts)
    for part in parts:
        assert np.ptp(np.bincount(labels[part])) <= 1  # balanced classes stay balanced
    assert stratified_split(np.array([1, 0, 1]), {"train": None}, 0)["train"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2])
def test_class_with_fewer_images_than_splits_is_named(count):
    labels = np.array([0] * 10 + [1] * count)
    with pytest.raises(UserError, match=f"'rare' has {count} image"):
        stratified_split(labels, {"train": None, "validation": 0.2, "test": 0.2}, 0, ("common", "rare"))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 20, "test": 11}, "more than the 30 images"),
        ({"train": 30, "test": None}, "more than the 30 images"),
        ({"train": 31}, "more than the 30 images"),
        ({"train": 0.9, "test": 0.2}, "more than the 30 images"),
        ({"train": 2, "test": None}, "train split of 2 can't hold 3 classes"),
        ({"train": -5, "test": None}, "train split of -5 can't hold 3 classes"),
        ({"train": 28, "test": None}, "test split of 2 can't hold 3 classes"),
    ],
)
def test_impossible_sizes_are_a_user_error(sizes, message):
    with pytest.raises(UserError, match=message):
        stratified_split(np.arange(30) % 3, sizes, 0)


@few
@given(labels_strategy(least=1), st.data())
def test_take_gives_exactly_the_count_with_every_class(labels, data):
    count = data.draw(st.integers(len(np.unique(labels)), len(labels)))
    taken = stratified_take(labels, count, 0)
    assert len(np.unique(taken)) == count
    assert np.array_equal(taken, np.sort(taken))
    assert set(labels[taken]) == set(labels)
    assert np.array_equal(taken, stratified_take(labels, count, 0))
    assert stratified_take(labels, len(labels) + 4, 0).tolist() == list(range(len(labels)))
    fewer = len(set(labels)) - 1
    with pytest.raises(UserError, match=f"{fewer} images can't hold {fewer + 1} classes"):
        stratified_take(labels, fewer, 0)


@st.composite
def quota_problem(draw):
    """(count, weights, most) with a solution: every class has room for one and all together for `count`."""
    pairs = draw(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=6))
    weights, most = np.array(pairs).T
    return draw(st.integers(len(pairs), int(most.sum()))), weights, most


@few
@given(quota_problem())
def test_quotas_sum_to_the_count_within_their_bounds(problem):
    count, weights, most = problem
    quota = _proportional(count, weights, most)
    assert quota.sum() == count
    assert (quota >= 1).all()
    assert (quota <= most).all()


@few
@given(st.lists(st.integers(5, 30), min_size=1, max_size=6), st.data())
def test_quotas_are_within_one_of_the_exact_share_where_no_bound_acts(weights, data):
    weights = np.array(weights)
    count = data.draw(st.integers(-(-weights.sum() // weights.min()), int(weights.sum())))  # shares of 1 or more
    quota = _proportional(count, weights, most=weights)
    assert (np.abs(quota - count * weights / weights.sum()) < 1).all()


@pytest.mark.parametrize("count", [1, 7])
def test_quotas_without_a_solution_are_a_user_error(count):
    with pytest.raises(UserError, match=f"can't take {count} images"):
        _proportional(count, np.array([1, 1]), most=np.array([3, 3]))
