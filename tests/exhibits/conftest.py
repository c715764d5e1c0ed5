"""The small data set of a reader's own, for all tests of exhibits."""

import pytest
from given_set import drawn_lab, given_lab


@pytest.fixture(scope="session")
def given(shared):
    return given_lab(shared / "given", "resnet18")


@pytest.fixture(scope="session")
def heads(shared):
    """The same set, judged by a linear head on frozen features."""
    return given_lab(shared / "given", "features")


@pytest.fixture(scope="session")
def drawn(shared):
    """Images of a study's own generators, judged by linear heads at the real images' own size."""
    return drawn_lab(shared / "drawn", "features")
