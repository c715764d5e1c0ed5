"""Portions: what fits stays whole, what does not is divided, and nothing is lost or done twice."""

import pytest
import torch

from synthgap.base.portions import Portions


def fits(room):
    """Work that a card with room for so many images does; it returns the places that it was asked for."""

    def work(part):
        if part.stop - part.start > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(part.start, part.stop))

    return work


@pytest.mark.parametrize(("size", "count"), [(4, 0), (4, 3), (4, 4), (4, 9)])
def test_where_there_is_room_the_portions_are_as_large_as_asked(size, count, capsys):
    made = list(Portions(size).map(count, fits(size)))
    assert all(len(several) == size for _, several in made[:-1])
    assert [i for _, several in made for i in several] == list(range(count))
    assert capsys.readouterr().err == ""


def test_a_portion_that_does_not_fit_is_halved_until_it_does_and_the_size_is_kept(capsys):
    portions = Portions(100)
    made = list(portions.map(60, fits(20)))
    assert [i for _, several in made for i in several] == list(range(60))
    assert [len(several) for _, several in made] == [15, 15, 15, 15]
    assert portions.size == 15
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "synthgap: the GPU's memory is full with 60 images at once; going on with 30"
    assert len(told) == 2


def test_of_portions_that_are_filled_up_their_full_size_counts():
    portions, seen = Portions(8), []

    def work(part):
        seen.append(portions.size)
        if portions.size > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return part.stop - part.start

    assert [count for _, count in portions.map(1, work, filled=True)] == [1]
    assert seen == [8, 4, 2]


def test_where_one_image_does_not_fit_the_error_is_pytorchs():
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        list(Portions(8).map(5, fits(0)))


def test_a_portion_holds_one_image_at_least():
    with pytest.raises(ValueError, match="size is 0"):
        Portions(0)
