"""Texts numbered and read as numbers, and the positions of fields, against plain Python."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfrec import parallel
from mfrec.data import fields, numbering

FIXED = settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# as files have them: numbers of any length, zeros before them, points, signs, other letters
number = st.integers(0, 10**18).map(str) | st.integers(0, 12).map(str)
padded = st.tuples(st.sampled_from(["0", "00"]), number).map("".join)
word = st.text(st.sampled_from("01.-aé日 "), max_size=20)
columns = st.one_of(
    st.lists(number, min_size=1, max_size=20),
    st.lists(number | padded, min_size=1, max_size=20),
    st.lists(number | padded | word, min_size=1, max_size=20),
)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that a few rows are several blocks."""
    monkeypatch.setattr(parallel, "BLOCK", 4)
    monkeypatch.setattr(numbering, "_SAMPLE_ROWS", 2)


def positions(texts):
    """The texts in one array of bytes: it, and where each begins and how long it is."""
    encoded = [text.encode() for text in texts]
    lengths = np.array([len(text) for text in encoded], np.int32)
    data = b"".join(encoded) + bytes(numbering.WORD)
    return data, np.cumsum(lengths, dtype=np.int32) - lengths, lengths


@FIXED
@given(texts=columns)
def test_texts_are_numbered_in_order_of_first_appearance(texts):
    codes, rows = numbering.number_texts(*positions(texts))
    distinct = list(dict.fromkeys(texts))
    assert codes.dtype == np.int32
    assert codes.tolist() == [distinct.index(text) for text in texts]
    assert rows.tolist() == [texts.index(text) for text in distinct]


@FIXED
@given(texts=columns)
def test_integers_are_parsed_where_all_texts_are_digits(texts):
    found = numbering.parse_integers(*positions(texts))
    if all(text.isdecimal() and text.isascii() and len(text) <= 16 for text in texts):
        assert found.tolist() == list(map(int, texts))
    else:
        assert found is None


@FIXED
@given(
    lines=st.lists(st.lists(st.text("ab0é", max_size=3), max_size=3), min_size=1, max_size=9),
    delimiter=st.sampled_from([",", "\t", "::"]),
    end=st.sampled_from(["", "\n"]),
)
def test_fields_are_where_python_splits(lines, delimiter, end):
    text = "\n".join(map(delimiter.join, lines)) + end
    found = fields.split_plainly(text.encode(), delimiter)
    rows = [line.split(delimiter) for line in text.split("\n")]
    expected = [(number, row) for number, row in enumerate(rows, 1) if row != [""]]
    assert [field.decode() for field in found.texts()] == [f for _, row in expected for f in row]
    assert found.counts.tolist() == [len(row) for _, row in expected]
    assert found.numbers.tolist() == [number for number, _ in expected]
