"""The small data set of a reader's own, for all tests of exhibits."""

import pytest
from given_set import given_lab


@pytest.fixture(scope="session")
def given(tmp_path_factory):
    return given_lab(tmp_path_factory.getbasetemp() / "given", "resnet18")


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """The same set, judged by a linear head on frozen features."""
    return given_lab(tmp_path_factory.getbasetemp() / "heads", "features")
