"""The small data set of a reader's own, for all tests of exhibits."""

import pytest
from given_set import given_lab


@pytest.fixture(scope="session")
def given(tmp_path_factory):
    return given_lab(tmp_path_factory.getbasetemp() / "given")
