"""Fixtures of the tests of data."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path: write(content, name)."""

    def write_file(content, name="ratings.csv"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write_file
