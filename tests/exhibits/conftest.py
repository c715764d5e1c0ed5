"""The small data set of a reader's own, for all tests of exhibits."""

import pytest
from given_set import given_lab


@pytest.fixture(scope="session")
def given(shared):
    return given_lab(shared / "given", "resnet18")


@pytest.fixture(scope="session")
def heads(shared):
    """The same set, judged by a linear head on frozen features."""
    return given_lab(shared / "given", "features")
