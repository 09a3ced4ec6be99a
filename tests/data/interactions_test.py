"""Interactions: made from arrays, frames and matrices; repeated pairs, encoding, counts."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mfrec.data.interactions import Interactions, concatenate
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError


class Frame(dict):
    """As much of a data frame as from_dataframe may rely on."""

    @property
    def columns(self):
        return list(self)


class SparseMatrix:
    """As much of a scipy sparse matrix as from_matrix may rely on."""

    def __init__(self, row, col, data, shape):
        self.row, self.col, self.data = np.array(row), np.array(col), np.array(data)
        self.shape = shape

    def tocoo(self):
        return self


def raw_rows(interactions):
    users = [interactions.users.raw_ids[user] for user in interactions.user_ids]
    items = [interactions.items.raw_ids[item] for item in interactions.item_ids]
    return list(zip(users, items, interactions.ratings.tolist(), strict=True))


def test_from_arrays_numbers_ids_by_first_appearance():
    data = Interactions.from_arrays(["b", "a", "b"], np.array([30, 10, 10]), [1, 2.5, 3], [9, 8, 7])
    assert data.users.raw_ids == ("b", "a")
    assert data.items.raw_ids == ("30", "10")
    assert data.user_ids.tolist() == [0, 1, 0]
    assert data.item_ids.tolist() == [0, 1, 1]
    assert data.ratings.tolist() == [1, 2.5, 3]
    assert data.timestamps.tolist() == [9, 8, 7]
    assert (data.num_users, data.num_items, len(data)) == (2, 2, 3)
    dtypes = [
        data.user_ids.dtype,
        data.item_ids.dtype,
        data.ratings.dtype,
        data.timestamps.dtype,
    ]
    assert dtypes == [np.int32, np.int32, np.float32, np.int64]


def test_from_arrays_defaults_to_ratings_of_one():
    data = Interactions.from_arrays([1, 2], [1, 1])
    assert data.ratings.tolist() == [1, 1]
    assert data.timestamps is None


def test_from_arrays_turns_datetimes_into_seconds():
    times = np.array(["1970-01-01T00:01:00", "1970-01-02"], "datetime64[ns]")
    assert Interactions.from_arrays([1, 2], [1, 2], timestamps=times).timestamps.tolist() == [
        60,
        86_400,
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["x", "y"]), "1 user ids, 2 item ids, 1 ratings"),
        ((["a"], ["x"], [1, 2]), "2 ratings"),
        ((["a"], ["x"], [1], [1, 2]), "2 timestamps"),
        ((["a", "b"], ["x", "y"], [1, float("nan")]), "position 1 is nan"),
        ((["a", "b"], ["x", "y"], [float("-inf"), 1]), "position 0 is -inf"),
        ((["a", "b"], ["x", "y"], [1, 1e39]), "position 1 is 1e.39, no finite"),
        ((["a"], ["x"], ["good"]), "ratings must be numbers"),
        ((["a", None], ["x", "y"]), "user id at position 1 is missing"),
        ((["a", "b"], ["x", float("nan")]), "item id at position 1 is missing"),
        ((["a", ""], ["x", "y"]), "user id at position 1 is missing"),
        (({"a", "b"}, ["x", "y"]), "user ids: a set has no order; give a list"),
        ((["a", "b"], ["x", "y"], {4, 5}), "ratings: a set has no order; give a list"),
        ((["a"], ["x"], [1], [float("nan")]), "timestamp at position 0 is missing"),
        ((["a"], ["x"], [1], np.array(["NaT"], "datetime64[s]")), "timestamp at position 0"),
    ],
)
def test_from_arrays_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        Interactions.from_arrays(*arguments)


def test_the_text_nan_is_an_id_like_any_other():
    assert Interactions.from_arrays(["nan", "None"], [1, 1]).users.raw_ids == ("nan", "None")


def test_from_dataframe_takes_named_columns_and_finds_timestamps():
    frame = Frame(who=["a", "b"], what=["x", "x"], stars=[4, 2], timestamp=[5, 6])
    data = Interactions.from_dataframe(frame, "who", "what", "stars")
    assert raw_rows(data) == [("a", "x", 4), ("b", "x", 2)]
    assert data.timestamps.tolist() == [5, 6]
    without_ratings = Interactions.from_dataframe(frame, "who", "what", rating_column=None)
    assert without_ratings.ratings.tolist() == [1, 1]


def test_from_dataframe_names_the_columns_it_has():
    with pytest.raises(InputError, match="no column 'rating' in the frame; its columns: user_id"):
        Interactions.from_dataframe(Frame(user_id=["a"], item_id=["x"]))


def test_made_by_hand_they_are_checked():
    users, items = Vocabulary(("a", "b")), Vocabulary(("x",))
    data = Interactions([0, 1], [0, 0], [1, 2.5], [5, 6], users, items)
    assert (data.user_ids.dtype, data.ratings.dtype) == (np.int32, np.float32)
    assert raw_rows(data.take([1])) == [("b", "x", 2.5)]
    with pytest.raises(InputError, match=r"ratings of shape \(1,\), user_ids of \(2,\)"):
        Interactions([0, 1], [0, 0], [1], None, users, items)
    for wrong in ([0, 2], [0, -2]):
        data = Interactions(wrong, [0, 0], [1, 2], None, users, items)
        with pytest.raises(InputError, match="of a vocabulary with 2 rows; from_arrays numbers"):
            data.encode(Vocabulary(("b", "c")), items)


# user 10 rated 7 with 4 and 9 with 5, user 20 item 7 with 3, at these times
COLUMNS = {
    "user_id": [10, 10, 20],
    "item_id": ["7", "9", "7"],
    "rating": [4.0, 5.0, 3.5],
    "timestamp": [100.0, 200.5, 300.0],
}
ROWS = [("10", "7", 4), ("10", "9", 5), ("20", "7", 3.5)]


@pytest.mark.parametrize(
    "frame",
    [
        COLUMNS,
        pd.DataFrame(COLUMNS, index=[7, 7, 7]),
        pd.DataFrame(COLUMNS).astype({"user_id": float, "item_id": "category"}),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
        pd.DataFrame(COLUMNS).astype({"user_id": "category", "rating": "category"}),
        pd.DataFrame(COLUMNS).assign(item_id=[b"7", b"9", b"7"], rating=["4", "5", "3.5"]),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        pd.DataFrame(COLUMNS).to_records(),
    ],
)
def test_tables_of_every_kind(frame):
    data = Interactions.from_dataframe(frame)
    assert raw_rows(data) == ROWS
    assert data.timestamps.tolist() == [100, 200.5, 300]


@pytest.mark.parametrize(
    "times",
    [
        ["2019-10-01", "2019-10-01T00:00:01Z", "2019-10-01 02:00:02+02:00"],
        pd.to_datetime(["2019-10-01 00:00:00", "2019-10-01 00:00:01", "2019-10-01 00:00:02"]),
        pd.to_datetime([1569888000, 1569888001, 1569888002], unit="s", utc=True).tz_convert(
            "Asia/Tokyo"
        ),
        [datetime.datetime(2019, 10, 1, 0, 0, second) for second in range(3)],
        pl.Series(
            ["2019-10-01 00:00:00", "2019-10-01 00:00:01", "2019-10-01 00:00:02"]
        ).str.to_datetime(),
    ],
)
def test_times_of_frames_are_seconds(times):
    make = pl.DataFrame if isinstance(times, pl.Series) else pd.DataFrame
    data = Interactions.from_dataframe(make(COLUMNS | {"timestamp": times}))
    assert data.timestamps.tolist() == [1569888000, 1569888001, 1569888002]


@pytest.mark.parametrize(
    "frame, message",
    [
        (
            pd.DataFrame([[1, 2, 3, 4]], columns=["user_id", "item_id", "rating", "rating"]),
            "2 columns are named 'rating'; rename all but one",
        ),
        (
            pd.DataFrame(COLUMNS).set_index("user_id"),
            "'user_id' is the frame's index; give frame.r",
        ),
        (
            pd.DataFrame({("a", "user_id"): [1]}),
            r"no column 'user_id' in the frame; its columns: \(",
        ),
        (pl.LazyFrame({"user_id": [1]}), r"a LazyFrame holds no rows yet; give frame.collect\(\)"),
        (np.ones((2, 3)), "ndarray is no table with named columns; see from_arrays"),
        (pd.DataFrame(COLUMNS).assign(user_id=[1, None, 2]), "user id at position 1 is missing"),
        (
            pd.DataFrame(COLUMNS).assign(rating=pd.array([1, None, 2], "Int64")),
            "rating at position 1 is (missing|nan)",
        ),
        (
            pd.DataFrame(COLUMNS).assign(user_id=[1.5, 2, 2]),
            "user id at position 0 is 1.5, no whole",
        ),
        (
            pd.DataFrame(COLUMNS).assign(user_id=[True, False, True]),
            "user id at position 0 is True",
        ),
        (
            pd.DataFrame(COLUMNS).assign(timestamp=[1, None, 2]),
            "timestamp at position 1 is missing",
        ),
        (pd.DataFrame(COLUMNS).assign(rating=["4", "x", "5"]), "ratings must be numbers"),
        (
            pd.DataFrame(COLUMNS).assign(rating=pd.to_datetime(["2020"] * 3)),
            "ratings must be numbers",
        ),
    ],
)
def test_tables_that_are_refused_in_a_line(frame, message):
    with pytest.raises(InputError, match=message) as refusal:
        Interactions.from_dataframe(frame)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("column", ["user id", "item id", "rating", "timestamp", "weight"])
def test_masked_values_are_missing(column):
    values = {
        name: np.ma.array([1, 2], mask=[False, name == column])
        for name in ("user id", "item id", "rating", "timestamp", "weight")
    }
    with pytest.raises(InputError, match=rf"{column} at position 1 is missing \(masked\)"):
        Interactions.from_arrays(*values.values())


def test_ratings_that_are_decimals_booleans_or_text():
    for ratings in ([Decimal("1"), Decimal("0")], [True, False], ["1", "0"], [b"1", "0.0"]):
        assert Interactions.from_arrays([1, 2], [1, 2], ratings).ratings.tolist() == [1, 0]
    for ratings, message in (
        ([None, 1], "rating at position 0 is nan"),
        ([[1], [2]], r"ratings of shape \(2, 1\); give one dimension"),
        ([[1], 2], "ratings must be numbers"),
        (5, r"ratings of shape \(\); give one dimension"),
        ([1j, 2], "ratings must be numbers: these are complex128"),
        (["4", pd.NA], "rating at position 1 is missing"),
    ):
        with pytest.raises(InputError, match=message):
            Interactions.from_arrays([1, 2], [1, 2], ratings)


def test_from_dataframe_says_how_to_name_the_columns():
    frame = Frame(userId=[1], movieId=[2], stars=[3], what=[4])
    for given, how in (
        ({}, "userId, movieId, stars, what; give user_column='userId'"),
        ({"user_column": "userId"}, "give item_column='movieId'"),
        (
            {"user_column": "userId", "item_column": "movieId"},
            "give rating_column='stars', or None for pairs without ratings",
        ),
        (
            {"user_column": "userId", "item_column": "what", "rating_column": "stars"}
            | {"timestamp_column": "when"},
            "give timestamp_column='…'",
        ),
    ):
        with pytest.raises(InputError, match=how):
            Interactions.from_dataframe(frame, **given)


def test_from_matrix_skips_nan_and_keeps_rows_and_columns_without_ratings():
    nan = float("nan")
    data = Interactions.from_matrix([[nan, 4, 0], [nan, nan, nan]], users=["u", "v"])
    assert raw_rows(data) == [("u", "1", 4), ("u", "2", 0)]
    assert data.users.raw_ids == ("u", "v")
    assert data.items.raw_ids == ("0", "1", "2")


def test_from_matrix_takes_stored_entries_of_a_sparse_matrix():
    data = Interactions.from_matrix(SparseMatrix([1, 0], [0, 2], [3, 0], (2, 3)))
    assert raw_rows(data) == [("1", "0", 3), ("0", "2", 0)]
    assert data.num_items == 3


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        ([1, 2], {}, "2 dimensions, this one 1"),
        ([[1, 2]], {"users": ["a", "b"]}, "2 names for 1 rows"),
        ([[1, 2]], {"items": ["a", "a"]}, "two columns are named 'a'"),
        ([[1, float("inf")]], {}, "position 1 is inf"),
    ],
)
def test_from_matrix_refuses(matrix, names, message):
    with pytest.raises(InputError, match=message):
        Interactions.from_matrix(matrix, **names)


def test_the_last_rating_of_a_pair_wins_by_time_then_by_place():
    users = ["a", "a", "b", "a", "a", "a"]
    items = ["x", "y", "x", "x", "y", "x"]
    data = Interactions.from_arrays(users, items, [1, 2, 3, 4, 5, 6], [9, 7, 1, 9, 6, 2])
    # a-x: rows 0, 3, 5 at times 9, 9, 2 -> row 3; a-y: rows 1, 4 at times 7, 6 -> row 1.
    assert raw_rows(data.without_repeats()) == [("a", "y", 2), ("b", "x", 3), ("a", "x", 4)]


def test_without_timestamps_the_last_place_wins():
    data = Interactions.from_arrays(["a", "b", "a"], ["x", "x", "x"], [1, 2, 3])
    assert raw_rows(data.without_repeats()) == [("b", "x", 2), ("a", "x", 3)]


def test_weights_of_repeated_pairs_add_up():
    data = Interactions.from_arrays(
        ["a", "b", "a", "a", "b"],
        ["x", "x", "x", "y", "x"],
        [1, 2, 3, 4, 5],
        [30, 20, 10, 0, 20],
        [0.5, 2, 4, 8, 16],
    )
    distinct = data.without_repeats()
    assert raw_rows(distinct) == [("a", "x", 1), ("a", "y", 4), ("b", "x", 5)]
    assert distinct.weights.tolist() == [4.5, 8, 18] and distinct.weights.dtype == np.float32
    assert data.weights.tolist() == [0.5, 2, 4, 8, 16]


def test_without_repeats_leaves_distinct_pairs_alone():
    data = Interactions.from_arrays(["a", "b", "b"], ["x", "x", "y"], [1, 2, 3])
    assert raw_rows(data.without_repeats()) == raw_rows(data)
    assert len(data.take([]).without_repeats()) == 0


def test_pairs_of_unknown_users_and_items_are_no_others():
    data = Interactions.from_arrays(["a", "b"], ["x", "y"])
    numbers = [
        Interactions(
            np.array([user], np.int32),
            np.array([item], np.int32),
            data.ratings[:1],
            None,
            data.users,
            data.items,
        ).pairs()[0]
        for user in (UNKNOWN, 0, 1)
        for item in (UNKNOWN, 0, 1)
    ]
    assert len(set(numbers)) == 9


def test_compact_drops_ids_without_rows():
    data = Interactions.from_arrays(["a", "b", "c"], ["x", "y", "z"], [1, 2, 3])
    part = data.take([2, 0]).compact()
    assert part.users.raw_ids == ("a", "c")
    assert part.items.raw_ids == ("x", "z")
    assert raw_rows(part) == [("c", "z", 3), ("a", "x", 1)]


def test_compact_leaves_unknown_rows_unknown():
    data = Interactions.from_arrays(["a", "b"], ["x", "y"])
    part = data.encode(Vocabulary(("z", "b")), data.items).compact()
    assert part.users.raw_ids == ("b",)
    assert part.user_ids.tolist() == [UNKNOWN, 0]


def test_encode_marks_what_the_other_vocabularies_lack():
    data = Interactions.from_arrays(["a", "b"], ["x", "y"], [1, 2])
    encoded = data.encode(Vocabulary(("b",)), Vocabulary(("w", "x")))
    assert encoded.user_ids.tolist() == [UNKNOWN, 0]
    assert encoded.item_ids.tolist() == [1, UNKNOWN]
    # Unknown rows stay unknown, whatever they are encoded into next.
    again = encoded.encode(data.users, data.items)
    assert again.user_ids.tolist() == [UNKNOWN, 1]
    assert again.item_ids.tolist() == [0, UNKNOWN]


def test_concatenate_unites_the_vocabularies():
    first = Interactions.from_arrays(["a", "b"], ["x", "y"], [1, 2], [10, 20])
    second = Interactions.from_arrays(["c", "a"], ["y", "z"], [3, 4], [30, 40])
    both = concatenate(first, second)
    assert both.users.raw_ids == ("a", "b", "c")
    assert both.items.raw_ids == ("x", "y", "z")
    assert raw_rows(both) == [("a", "x", 1), ("b", "y", 2), ("c", "y", 3), ("a", "z", 4)]
    assert both.timestamps.tolist() == [10, 20, 30, 40]


def test_concatenate_drops_timestamps_that_only_one_has():
    first = Interactions.from_arrays(["a"], ["x"], [1], [10])
    assert concatenate(first, Interactions.from_arrays(["a"], ["y"])).timestamps is None


def test_concatenate_keeps_weights_and_ratings_that_both_have():
    first = Interactions.from_arrays(["a"], ["x"], [1], weights=[2])
    second = Interactions.from_arrays(["b"], ["x"], weights=[3])
    assert concatenate(first, second).weights.tolist() == [2, 3]
    assert concatenate(first, first).has_ratings
    assert not concatenate(first, second).has_ratings
    without = Interactions.from_arrays(["a"], ["x"], [1])
    assert concatenate(first, without).weights is None


def test_weights_and_missing_ratings_come_from_arrays_and_frames():
    assert not Interactions.from_arrays(["a"], ["x"]).has_ratings
    assert Interactions.from_arrays(["a"], ["x"], [1]).weights is None
    frame = Frame(user_id=["a", "b"], item_id=["x", "y"], plays=[3, 0.5])
    data = Interactions.from_dataframe(frame, rating_column=None, weight_column="plays")
    assert data.weights.tolist() == [3, 0.5] and not data.has_ratings
    assert data.take([1]).weights.tolist() == [0.5]
    assert not data.take([1]).encode(data.users, data.items).compact().has_ratings


def test_rows_are_counted_by_user_and_item_without_unknown_ones():
    data = Interactions.from_arrays(["a", "b", "a", "c"], ["x", "x", "y", "y"])
    assert (data.user_counts.tolist(), data.item_counts.tolist()) == ([2, 1, 1], [2, 2])
    part = data.encode(Vocabulary(("z", "a")), Vocabulary(("y", "w")))
    assert (part.user_counts.tolist(), part.item_counts.tolist()) == ([0, 2], [2, 0])
    assert part.take([0]).user_counts.tolist() == [0, 1]
