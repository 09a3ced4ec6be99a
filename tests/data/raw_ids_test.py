"""Raw ids as text: what is the same id in every form, and what is refused."""

import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mfrec.data.interactions import Interactions
from mfrec.data.raw_ids import as_raw_id, as_raw_ids, factorized
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

# the ids 27, 7, 27 as people bring them
FORMS = {
    "integers": [27, 7, 27],
    "text": ["27", "7", "27"],
    "bytes": [b"27", b"7", b"27"],
    "floats": [27.0, 7.0, 27.0],
    "all sorts": [27, "7", b"27"],
    "decimals": [Decimal("27"), Decimal("7.0"), Decimal("27")],
    "a tuple": (27, 7, 27),
    "a generator": (number for number in (27, 7, 27)),
    "numpy integers": list(np.int64([27, 7, 27])),
    "uint8": np.uint8([27, 7, 27]),
    "float32": np.float32([27, 7, 27]),
    "numpy text": np.array(["27", "7", "27"]),
    "numpy bytes": np.array([b"27", b"7", b"27"]),
    "numpy objects": np.array([27, "7", b"27"], object),
    "unmasked": np.ma.array([27, 7, 27]),
    "pandas": pd.Series([27, 7, 27], index=[5, 5, 1]),
    "nullable": pd.Series([27, 7, 27], dtype="Int64"),
    "pandas text": pd.Series(["27", "7", "27"], dtype="string"),
    "category": pd.Series([27, 7, 27], dtype="category"),
    "category of text": pd.Series(["27", "7", "27"], dtype="category"),
    "arrow integers": pd.Series([27, 7, 27], dtype="int64[pyarrow]"),
    "arrow text": pd.Series(["27", "7", "27"], dtype="string[pyarrow]"),
    "an index": pd.Index([27, 7, 27]),
    "polars": pl.Series([27, 7, 27]),
    "polars text": pl.Series(["27", "7", "27"]),
    "polars categories": pl.Series(["27", "7", "27"], dtype=pl.Categorical),
    "arrow": pa.array([27, 7, 27]),
    "arrow chunks": pa.chunked_array([["27", "7"], ["27"]]),
    "tensor": tf.constant([27, 7, 27]),
    "tensor of text": tf.constant(["27", "7", "27"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_id_in_many_forms(form):
    values = FORMS[form]
    values = list(values) if form == "a generator" else values
    assert as_raw_ids(values) == ["27", "7", "27"]
    ids, texts = factorized(values)
    assert (ids.tolist(), ids.dtype, texts) == ([0, 1, 0], np.int32, ("27", "7"))
    vocabulary = Vocabulary(("3", "7", "27"))
    assert vocabulary.lookup(values).tolist() == [2, 1, 2]
    assert vocabulary.resolve(values).tolist() == [2, 1, 2]
    data = Interactions.from_arrays(values, values, [1, 2, 3])
    assert data.users.raw_ids == data.items.raw_ids == ("27", "7")
    assert data.item_ids.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "one", ["27", 27, b"27", 27.0, np.int32(27), np.array(27), tf.constant(27)]
)
def test_a_bare_id_is_one_id(one):
    assert as_raw_id(one) == "27" and as_raw_ids(one) == ["27"]
    assert Vocabulary(("2", "7", "27")).lookup(one).tolist() == [2]


def test_a_uuid_is_its_text():
    assert as_raw_ids([uuid.UUID(int=5)]) == ["00000000-0000-0000-0000-000000000005"]


def test_integers_keep_all_their_digits_and_text_its_zeros():
    large = [2**63 - 1, 2**64 + 1, -5]
    assert as_raw_ids(large) == [str(number) for number in large]
    assert as_raw_ids(np.uint64([2**64 - 1])) == ["18446744073709551615"]
    assert as_raw_ids(["007", "27.0", "nan", " 7"]) == ["007", "27.0", "nan", " 7"]


@pytest.mark.parametrize(
    "values, message",
    [
        ([7, None], r"id at position 1 is missing \(None\); drop such rows first"),
        ([float("nan"), 7], r"position 0 is missing \(nan\)"),
        (np.array([7, np.nan]), r"position 1 is missing"),
        (pd.Series([7, None], dtype="Int64"), "position 1 is missing"),
        (pd.Series(["7", None], dtype="string[pyarrow]"), "position 1 is missing"),
        (pl.Series(["7", None]), r"position 1 is missing \(None\)"),
        (pl.Series([7, None]), "position 1 is missing"),
        ([pd.NaT], r"position 0 is missing \(NaT\)"),
        (np.ma.array([7, 27], mask=[False, True]), r"position 1 is missing \(masked\)"),
        ([7, True], r"position 1 is True \(bool\); give integers or text"),
        (np.array([True]), r"position 0 is True \(bool\)"),
        ([7, 27.5], "position 1 is 27.5, no whole number; give integers or text"),
        (np.array([7, 0.5]), "position 1 is .*0.5.*, no whole number"),
        ([Decimal("2.5")], "no whole number"),
        ([2.0**53], "position 0 is 9007199254740992.0, a float so large that its last digits"),
        (np.float32([7, 2**24]), "position 1 is .*16777216.*, a float so large"),
        ([float("inf")], "a float so large"),
        ([(1, 2)], r"position 0 is \(1, 2\) \(tuple\)"),
        ([[1], [2]], r"position 0 is \[1\] \(list\)"),
        (np.array([[27], [7]]), r"ids of shape \(2, 1\); give one dimension"),
        (pd.DataFrame({"user_id": [1]}), r"ids of shape \(1, 1\)"),
        ({"7": 5}, "ids: a dict; give a list of them"),
        ([b"\xff"], r"position 0 is b'\\xff', which is not UTF-8"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"datetime.date\(2020, 1, 1\) \(date\)"),
        ([1j], r"position 0 is 1j \(complex\)"),
        ([object], "position 0 is <class 'object'>"),
    ],
)
def test_what_is_no_id_is_refused_in_a_line(values, message):
    for ask in (as_raw_ids, factorized, Vocabulary(("7", "27")).lookup):
        with pytest.raises(InputError, match=message) as refusal:
            ask(values)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", [None, True, float("nan"), 2.5, (1, 2), [7], {"7"}, b"\xff"])
def test_what_is_no_id_is_none_alone_either(value):
    with pytest.raises(InputError, match="^user (is|is missing) "):
        as_raw_id(value, "user")


def test_vocabularies_hold_text_whatever_they_are_made_of():
    for raw_ids in ((27, 7), [27, 7], np.array([27, 7]), ("27", 7)):
        vocabulary = Vocabulary(raw_ids)
        assert vocabulary.raw_ids == ("27", "7")
        assert vocabulary.lookup([7, "27", 9]).tolist() == [1, 0, UNKNOWN]
    with pytest.raises(InputError, match="a vocabulary with two rows '7'"):
        Vocabulary(("7", "5", 7)).lookup(["7"])


def test_labels_are_given_by_raw_ids_in_any_form():
    titles = {27: "Alien", b"7": "Beta", 8: "nobody's"}
    for labels in (titles, pd.Series({27: "Alien", 7: "Beta"})):
        assert Vocabulary(("7", "27")).with_labels(labels).labels == ("Beta", "Alien")
    missing = {7: None, 27: float("nan")}
    assert Vocabulary(("7", "27"), ("B", "A")).with_labels(missing).labels is None
