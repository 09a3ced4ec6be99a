"""Parquet and Feather files hold what a CSV file with the same columns would."""

import datetime
import decimal
import sys

import numpy as np
import pytest

from helpers import rows
from mfrec import memory
from mfrec.data.items import read_items
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

COLUMNS = {
    "review": [["a", "list"], []],
    "movieId": ["x", "07"],
    "rating": [4.5, 3.0],
    "userId": [27, 2**60],
    "timestamp": [100, 90],
}
ROWS = [("27", "x", 4.5, 100), (str(2**60), "07", 3, 90)]


@pytest.fixture
def write(tmp_path):
    def write_file(columns, kind="parquet"):
        path = tmp_path / f"ratings.{kind}"
        table = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns)
        if kind == "parquet":
            parquet.write_table(table, path)
        else:
            feather.write_feather(table, path)
        return path

    return write_file


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_columns_are_found_by_name(write, kind):
    assert rows(read_ratings(write(COLUMNS, kind))) == ROWS
    swapped = read_ratings(write(COLUMNS, kind), user_column="movieId", item_column="userId")
    assert swapped.users.raw_ids == ("x", "07")


@pytest.mark.parametrize(
    "values, raw_ids",
    [
        (pyarrow.array([1, 2], pyarrow.int8()), ("1", "2")),
        (pyarrow.array([1.0, 2.0]), ("1", "2")),
        (pyarrow.array([1.0, 2.0**23], pyarrow.float32()), ("1", "8388608")),
        (pyarrow.array(["é", "a,b\n"]), ("é", "a,b\n")),
        (pyarrow.array(["é", "a"], pyarrow.large_string()), ("é", "a")),
        (pyarrow.array([b"a", b"b"]), ("a", "b")),
        (pyarrow.array(["b", "a"]).dictionary_encode(), ("b", "a")),
        (pyarrow.chunked_array([["b"], ["a"]]), ("b", "a")),
        (pyarrow.array(["c", "b", "a"]).slice(1), ("b", "a")),
    ],
)
def test_kinds_of_ids(write, values, raw_ids):
    for kind in ("parquet", "feather"):
        data = read_ratings(write(pyarrow.table({"user": values, "item": ["x", "y"]}), kind))
        assert data.users.raw_ids == raw_ids
        assert not data.has_ratings


SECONDS = [1317427200, 1317427201]


@pytest.mark.parametrize(
    "values, times",
    [
        (np.array(SECONDS, "M8[s]"), SECONDS),
        (np.array(SECONDS, "M8[s]").astype("M8[us]"), SECONDS),
        (pyarrow.array(SECONDS, pyarrow.timestamp("s", "Europe/Berlin")), SECONDS),
        (pyarrow.array([1500, -500], pyarrow.timestamp("ms")), [1.5, -0.5]),
        (pyarrow.array([234, 1_000_000], pyarrow.timestamp("us")), [0.000234, 1]),
        (pyarrow.array([datetime.date(1970, 1, 2), datetime.date(1969, 12, 31)]), [86400, -86400]),
        (pyarrow.array([0.5, 1.0]), [0.5, 1]),
        (["2011-10-01", "2011-10-01 00:00:01"], SECONDS),
    ],
)
def test_kinds_of_times(write, values, times):
    columns = {"user": [1, 2], "item": [1, 2], "rating": [1, 2], "time": values}
    found = read_ratings(write(columns)).timestamps
    assert found.tolist() == times
    assert found.dtype == (np.int64 if all(float(t).is_integer() for t in times) else np.float64)


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"user": [1, None], "item": [1, 2], "rating": [1, 2]}, ":2: the user id is empty"),
        ({"user": [1, 2], "item": [1, 2], "rating": [1, None]}, ":2: the rating '' is no number"),
        ({"user": [1], "item": [1], "rating": [np.nan]}, ":1: the rating 'nan' is not finite"),
        ({"user": [1], "item": [[1]], "rating": [1]}, ":1: 'item' holds list<"),
        ({"user": [1], "item": ["\0"], "rating": [1]}, ":1: 'item' holds text with NUL bytes"),
        (
            {"user": [1], "item": [b"\xff"], "rating": [1]},
            ":1: 'item' holds bytes that are not",
        ),
        ({"user": [], "item": [], "rating": []}, ": holds no rows; give a file with ratings"),
        ({"who": [1], "item": [1], "rating": [1]}, ":1: cannot tell the user column; the file has"),
    ],
)
def test_what_is_refused(write, columns, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(columns))
    assert f"ratings.parquet{message}" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_damaged_files(write, kind):
    path = write(COLUMNS, kind)
    whole = path.read_bytes()
    for content in (whole[:-20], whole[:4], whole[:40] + whole[60:], whole[:6] + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"ratings.{kind}: no readable (Parquet|Feather) fi"):
            read_ratings(path)


def test_files_that_would_not_fit_into_memory(write, monkeypatch):
    path = write({name: np.ones(10**6, int) for name in ("user", "item", "rating")})
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(memory, "free_bytes", lambda: 5e7)
    with pytest.raises(InputError, match="1,000,000 rows of 3 columns need 96 MB, 50 MB are free"):
        read_ratings(path)


def test_without_pyarrow_the_extra_is_named(write, monkeypatch):
    path = write(COLUMNS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow: pip install 'mfrec\[arrow\]', or export"):
        read_ratings(path)


TIME = datetime.datetime(2011, 1, 1)


@pytest.mark.parametrize(
    "values, message",
    [
        ([TIME, TIME], ":1: the user id is '2011-01-01 00:00:00', a time; give integers"),
        ([TIME.date(), TIME.date()], ":1: the user id is '2011-01-01', a time; give integers"),
        ([True, False], ":1: the user id is 'True', a boolean; give"),
        ([1.0, 1.5], ":2: the user id is '1.5', which is not whole"),
        ([1e17, 1.0], ":1: the user id is '1e+17', which is not whole"),
        ([1.0, np.nan], ":2: the user id is 'nan'"),
        ([1.0, None], ":2: the user id is empty"),
        (pyarrow.array([1, 2**24], pyarrow.float32()), ":2: the user id is '16777216.0'"),
        ([decimal.Decimal("1.0"), decimal.Decimal("1.5")], ":2: the user id is '1.5'"),
        (pyarrow.array([1.5, 2.0]).dictionary_encode(), ":1: the user id is '1.5'"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_ids_are_what_they_are_in_data_frames(write, kind, values, message):
    columns = {"user": values, "item": [1, 2], "rating": [1.5, 2.0]}
    with pytest.raises(InputError) as raised:
        read_ratings(write(columns, kind))
    assert message in str(raised.value)
    named = write({"a": values, "user": [1, 2], "item": [1, 2], "rating": [1.5, 2]}, kind)
    assert len(read_ratings(named)) == 2


def test_ratings_are_what_they_are_in_data_frames(write):
    pairs = {"user": [1, 2], "item": [1, 2]}
    assert read_ratings(write(pairs | {"rating": [True, False]})).ratings.tolist() == [1, 0]
    weights = read_ratings(
        write(pairs | {"w": [True, True]}), rating_column="none", weight_column="w"
    )
    assert weights.weights.tolist() == [1, 1]
    for times in ([TIME, TIME], [TIME.date(), TIME.date()]):
        with pytest.raises(InputError, match=":1: column 'rating' holds times where numbers shou"):
            read_ratings(write(pairs | {"rating": times}))


def test_labels(write):
    path = write({"title": ["Heat", "é"], "item_id": [7, 8]})
    assert read_items(path).labels == {"7": "Heat", "8": "é"}
