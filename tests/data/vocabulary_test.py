"""Vocabularies: raw ids, labels, files, and names that users type."""

import numpy as np
import pytest

from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import UNKNOWN, Vocabulary, factorize
from mfrec.errors import InputError


def test_lookup_finds_rows_and_marks_unknown_ids():
    vocabulary = Vocabulary(("7", "007", "x"))
    ids = vocabulary.lookup(["x", "07", "007", "7"])
    assert ids.tolist() == [2, UNKNOWN, 1, 0]
    assert ids.dtype == np.int32


def test_label_falls_back_to_the_raw_id():
    vocabulary = Vocabulary(("a", "b")).with_labels({"a": "Alien", "z": "Zorro"})
    assert [vocabulary.label(row) for row in (0, 1)] == ["Alien", "b"]
    assert Vocabulary(("a",)).label(0) == "a"


def test_labels_of_another_length_are_refused():
    with pytest.raises(InputError, match="1 labels for 2 raw ids; give one for each"):
        Vocabulary(("a", "b"), ("A",))


def test_take_reorders_raw_ids_labels_and_genres():
    vocabulary = Vocabulary(("a", "b", "c"), ("A", "", "C"), ("x", "", "y|z")).take([2, 0])
    assert vocabulary == Vocabulary(("c", "a"), ("C", "A"), ("y|z", "x"))


def test_new_labels_and_genres_replace_the_old():
    vocabulary = Vocabulary(("a", "b"), ("A", "B"), ("x", "")).with_labels({"b": "C"}, {"b": "y"})
    assert vocabulary == Vocabulary(("a", "b"), ("A", "C"), ("x", "y"))
    assert Vocabulary(("a",)).with_labels({}, {}) == Vocabulary(("a",))


def test_extended_appends_only_what_is_new():
    extended = Vocabulary(("a", "b")).extended(Vocabulary(("b", "c"), ("B", "C")))
    assert extended == Vocabulary(("a", "b", "c"), ("", "", "C"))
    extended = Vocabulary(("a",), None, ("x",)).extended(Vocabulary(("b",), None, None))
    assert extended == Vocabulary(("a", "b"), None, ("x", ""))


def test_saved_vocabulary_comes_back_exactly(tmp_path):
    odd = ("007", "7", " a ", "tab\there", "line\nend", "c:\\new\\t", "\r", "Ünïcode\u2028\x85")
    for vocabulary in (
        Vocabulary(odd),
        Vocabulary(odd, ("", "Bond", "a\tb", "\\n", "", "", "", "é")),
        Vocabulary(odd, None, ("", "Crime|Drama", "a\tb", "\\n", "", "", "", "é")),
        Vocabulary(odd, odd, odd),
        Vocabulary(()),
    ):
        vocabulary.save(tmp_path / "users.tsv")
        assert Vocabulary.load(tmp_path / "users.tsv") == vocabulary


def test_vocabulary_file_is_one_plain_line_a_row(tmp_path):
    Vocabulary(("1", "a\tb"), ("Toy Story", "")).save(tmp_path / "items.tsv")
    assert (tmp_path / "items.tsv").read_bytes() == b"1\tToy Story\na\\tb\t\n"
    Vocabulary(("1", "2"), None, ("Comedy|Drama", "")).save(tmp_path / "items.tsv")
    assert (tmp_path / "items.tsv").read_bytes() == b"1\t\tComedy|Drama\n2\t\t\n"


def test_damaged_vocabulary_file_names_the_line(tmp_path):
    (tmp_path / "items.tsv").write_text("1\tToy Story\n2\n")
    with pytest.raises(InputError, match=r"items\.tsv:2: 1 fields"):
        Vocabulary.load(tmp_path / "items.tsv")
    (tmp_path / "items.tsv").write_text("1\tToy Story\tComedy\n2\tHeat\n")
    with pytest.raises(InputError, match=r"items\.tsv:2: 2 fields where raw id and label and g"):
        Vocabulary.load(tmp_path / "items.tsv")


def test_rows_go_by_raw_id_and_then_by_label():
    vocabulary = Vocabulary(("a", "b", "c", "Alpha"), ("Alpha", "Beta", "BETA", ""))
    names = ["b", "Alpha", "alpha", "beta", "", "x"]
    assert [vocabulary.row(name) for name in names] == [1, 3, 0, UNKNOWN, UNKNOWN, UNKNOWN]
    assert vocabulary.labelled("beta") == [1, 2] and vocabulary.labelled("") == []
    assert Vocabulary(("a",)).labelled("a") == []


def test_names_are_raw_ids_or_labels_and_a_bare_string_is_one():
    vocabulary = Vocabulary(("10", "20", "30"), ("Heat", "Heat", "Kolya"))
    assert vocabulary.resolve([30, b"10", "kolya", "heat", 40]).tolist() == [2, 0, 2, -1, -1]
    assert vocabulary.resolve("kolya").tolist() == [2]
    assert vocabulary.resolve(np.array([20, 10])).tolist() == [1, 0]


def test_suggestions_are_rows_of_the_label_then_labels_with_the_name_then_similar_raw_ids():
    vocabulary = Vocabulary(("10", "20", "user30"), ("Heat", "Heat", "Kolya"))
    assert vocabulary.suggestion("heat") == "; did you mean 10 (Heat) or 20 (Heat)?"
    assert vocabulary.suggestion("oly") == "; did you mean user30 (Kolya)?"
    assert vocabulary.suggestion("user3") == "; did you mean user30?"
    assert vocabulary.suggestion("x") == "" == vocabulary.suggestion("")


def test_integers_bytes_and_text_are_the_same_raw_ids():
    texts = ["7", "12", "7"]
    for raw_ids in ([7, 12, 7], texts, [b"7", b"12", b"7"], np.array(texts, "S"), np.array(texts)):
        ids, vocabulary = factorize(raw_ids, "user id")
        assert ids.tolist() == [0, 1, 0] and vocabulary.raw_ids == ("7", "12")
        assert vocabulary.lookup(raw_ids).tolist() == [0, 1, 0]
    assert factorize("abc", "user id")[1].raw_ids == ("abc",)
    with pytest.raises(InputError, match="user id at position 1 is missing"):
        factorize([b"a", b""], "user id")
    assert Interactions.from_arrays([b"u"], [b"i"]).users.raw_ids == ("u",)


def test_a_float_suggests_its_whole_number():
    assert Vocabulary(("1", "27")).suggestion("27.0") == "; did you mean 27?"
    assert Vocabulary(("1", "x")).suggestion("27.0") == ""
