"""Typed histories, and which of their rows count."""

import numpy as np
import pytest

from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.serving.histories import is_in_range, is_liked, most_commas, parse_history, read_names

ITEMS = {"1", "2", "a:3", "a", "Usual Suspects, The (1995)", "x:y", "1,000"}


def parsed(text):
    return parse_history(text, ITEMS.__contains__)


@pytest.mark.parametrize(
    "text, known, unknown",
    [
        ("1,2", [("1", None), ("2", None)], []),
        ("1:5, 2:3.5", [("1", 5.0), ("2", 3.5)], []),
        # a colon and a number start a rating only where the whole is no item
        ("a:3,a:4,a:3:5", [("a:3", None), ("a", 4.0), ("a:3", 5.0)], []),
        ("x:y,x:y:1", [("x:y", None), ("x:y", 1.0)], []),
        # the longest stretch that is an item
        ("Usual Suspects, The (1995):4,1", [("Usual Suspects, The (1995)", 4.0), ("1", None)], []),
        ("1,000,1:2", [("1,000", None), ("1", 2.0)], []),
        ("9:5,1:4,b c, ,Usual", [("1", 4.0)], ["9", "b c", "Usual"]),
        ("1:nan,1:x", [], ["1:nan", "1:x"]),
        ("", [], []),
    ],
)
def test_histories(text, known, unknown):
    assert parsed(text) == (known, unknown)


def test_the_number_of_stretches_that_are_tried_grows_with_the_text_alone():
    asked = []

    def is_item(name):
        asked.append(name)
        return name in ITEMS

    longest = most_commas(Vocabulary(("1", "2", "a"), ("1,000", "", "b, c, d")))
    assert longest == 2 and most_commas(Vocabulary(())) == 0
    names = [f"unknown {number}" for number in range(2_000)]
    known, unknown = parse_history(",".join([*names, "1,000:3", "1"]), is_item, longest)
    assert (known, unknown) == ([("1,000", 3.0), ("1", None)], names)
    # three stretches a name, each asked for a few times
    assert len(asked) < 10 * len(names)
    assert max(name.count(",") for name in asked) == 2


def test_histories_in_files_hold_one_item_a_line(tmp_path):
    file = tmp_path / "history.txt"
    file.write_text("\ufeffUsual Suspects, The (1995):4\n1\n\nx:y:2\n7\n", encoding="utf-8")
    known = [("Usual Suspects, The (1995)", 4.0), ("1", None), ("x:y", 2.0)]
    assert parsed(f"@{file}") == (known, ["7"])


@pytest.mark.parametrize(
    "content, message",
    [(None, " no such file"), (b"", " empty; one name a line"), (b"\xff\n", "1: not UTF-8")],
)
def test_names_that_cannot_be_read(tmp_path, content, message):
    file = tmp_path / "names.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=f"names.txt:{message}"):
        read_names(file)


def test_names_keep_their_spaces_but_not_their_line_ends(tmp_path):
    (tmp_path / "names.txt").write_bytes(b" a\r\n\r\nb c \n")
    assert read_names(tmp_path / "names.txt") == [" a", "b c "]


def test_what_counts_in_a_history():
    items, ratings = np.int32([3, UNKNOWN, 4]), np.float32([3, 5, 2.5])
    for kind in (np.asarray, tf.constant):
        columns = kind(items), kind(ratings)
        assert np.asarray(is_liked(*columns, 3.0)).tolist() == [True, False, False]
        assert np.asarray(is_liked(*columns, None)).tolist() == [True, False, True]
        assert np.asarray(is_in_range(columns[1], (2.5, 3))).tolist() == [True, False, True]
