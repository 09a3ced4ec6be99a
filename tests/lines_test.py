"""Fields of CSV lines: read back as they are, and no formulas."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfrec.lines import CsvWriter, as_no_formula

# Python before 3.11 reads no NUL
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
ODD = [
    "a,b",
    'say "x"',
    "a\nb",
    "a\rb",
    "a\r\nb",
    "\r",
    " a ",
    "=1+1",
    "-5",
    "@x",
    "tab\tbed",
    "",
    "é",
]


def test_every_field_is_read_back():
    file = io.StringIO(newline="")
    table = CsvWriter(file)
    for field in ODD:
        table.row(field, 1, 0.5, field)
    text = file.getvalue()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [[f, "1", "0.5", f] for f in ODD]
    # a reader that knows of line ends alone, as pandas's, sees as many rows
    assert text.count('"a\rb"') == 2


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1))
def test_whatever_text_is_read_back(rows):
    file = io.StringIO(newline="")
    table = CsvWriter(file)
    for row in rows:
        table.row(*row)
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [list(r) for r in rows]


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_title_is_a_formula(title):
    assert as_no_formula(title) == f"'{title}"


@pytest.mark.parametrize("title", ["Alien", "1+1", "'=1", "", "a=b"])
def test_other_titles_stay(title):
    assert as_no_formula(title) == title
