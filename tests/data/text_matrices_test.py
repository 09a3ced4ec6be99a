"""What a matrix of text takes for names, and that it says so."""

import pytest

from mfrec.data.readers import read
from mfrec.errors import InputError


@pytest.fixture
def read_matrix(tmp_path):
    def write_and_read(content):
        path = tmp_path / "m.csv"
        path.write_text(content)
        interactions, notes = read(path, ratings_format="matrix")
        return interactions.users.raw_ids, interactions.items.raw_ids, notes[0]

    return write_and_read


NUMBERED = ("0", "1"), ("0", "1", "2")


@pytest.mark.parametrize(
    "content, users, items",
    [
        ("5,,3\n?,1,2\n", *NUMBERED),
        # an empty first cell is one that is not rated
        (",4,4.5\n3,,1\n", *NUMBERED),
        (",4,4\n3,,1\n", *NUMBERED),
        (",4,\n3,,1\n", *NUMBERED),
        (",-1,3\n2,,1\n", *NUMBERED),
        # ... or stands above and beside names
        (",4,11\n3,,1\n", ("3",), ("4", "11")),
        (",a,b\n1,,1\n", ("1",), ("a", "b")),
        (",1,2\nx,,1\n", ("x",), ("1", "2")),
        ("user,1,2\n1,5,4\n", ("1",), ("1", "2")),
        ("id,a,b\n1,5,4\n", ("1",), ("a", "b")),
        ("Unnamed: 0,a,b\n1,5,4\n", ("1",), ("a", "b")),
        ("a,b\n5,4\n", ("0",), ("a", "b")),
        ("5,4\n", ("0",), ("0", "1")),
    ],
)
def test_names_are_told_from_ratings_and_that_is_said(read_matrix, content, users, items):
    found_users, found_items, note = read_matrix(content)
    assert (found_users, found_items) == (users, items)
    assert ("its first column names the users" in note) == (users[0] != "0")
    assert ("its first row names the items" in note) == (items[0] != "0")


@pytest.mark.parametrize(
    "content, message",
    [
        (
            ",4,5\n3,,4\n",
            "m.csv:1: beside an empty first cell, the numbers of the first row and column may be "
            "names or ratings; write user there if they are names, ? if they are ratings",
        ),
        # a scale to 90
        (",1,2,3\n4,90,70,\n", "m.csv:1: beside an empty first cell"),
        (",0,1,2\n0,5,3,\n1,,4,1\n", "m.csv:1: beside an empty first cell"),
        ("item_id,u1,u2\n1,5,4\n", "m.csv:1: the first cell is 'item_id': a matrix has one user"),
        ("user,a,\nx,1,2\n", "m.csv: item 2 has no name; give it one"),
        (",a,b\nx,1,2\n,3,4\n", "m.csv: user 2 has no name; give it one"),
    ],
)
def test_what_may_be_either_is_refused(read_matrix, content, message):
    with pytest.raises(InputError) as raised:
        read_matrix(content)
    assert message in str(raised.value)
