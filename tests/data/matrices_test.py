"""Matrices of ratings in every form: masks, names, repeats, booleans, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sparse
from interactions_test import raw_rows

from mfrec.data import matrices
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError

NAN = float("nan")
# user 10 rated item 7 with 4 and item 9 with 0, user 20 item 8 with 2.5
LONG = pd.DataFrame(
    {"user_id": [10, 10, 20], "item_id": [7, 9, 8], "rating": [4.0, 0.0, 2.5]}, index=[3, 3, 3]
)
NAMED = [("10", "7", 4), ("10", "9", 0), ("20", "8", 2.5)]
NUMBERED = [("0", "0", 4), ("0", "2", 0), ("1", "1", 2.5)]
DENSE = np.array([[4, NAN, 0], [NAN, 2.5, NAN]])


@pytest.mark.parametrize(
    "matrix",
    [
        DENSE,
        DENSE.tolist(),
        [[4, None, 0], [None, 2.5, None]],
        np.ma.masked_invalid(DENSE),
        np.ma.array([[4, 9, 0], [9, 2.5, 9]], mask=[[0, 1, 0], [1, 0, 1]]),
        np.asmatrix(DENSE),
        np.asfortranarray(DENSE),
        np.array([[4, None, 0], [None, 2.5, None]], object),
        sparse.coo_matrix(([4, 0, 2.5], ([0, 0, 1], [0, 2, 1]))),
        sparse.coo_array(([4, 0, 2.5], ([0, 0, 1], [0, 2, 1])), (2, 3)),
        sparse.csr_array(([4, 0, 2.5], ([0, 0, 1], [0, 2, 1])), (2, 3)),
        sparse.lil_matrix(sparse.csr_matrix(([4, 0, 2.5], ([0, 0, 1], [0, 2, 1])))),
        pd.DataFrame(DENSE),
    ],
    ids=lambda matrix: type(matrix).__name__,
)
def test_forms_of_one_matrix(matrix):
    data = Interactions.from_matrix(matrix)
    assert sorted(raw_rows(data)) == NUMBERED and data.has_ratings
    assert (data.num_users, data.num_items) == (2, 3)
    named = Interactions.from_matrix(matrix, users=[10, 20], items=np.array([7, 8, 9]))
    assert sorted(raw_rows(named)) == NAMED


def pivot(**options):
    return LONG.pivot(index="user_id", columns="item_id", values="rating", **options)


@pytest.mark.parametrize(
    "frame",
    [
        pivot(),
        LONG.pivot_table(index="user_id", columns="item_id", values="rating"),
        LONG.set_index(["user_id", "item_id"])["rating"].unstack(),
        pivot().astype("Float64"),
        pivot().astype("float64[pyarrow]"),
        pivot().astype(object),
        pivot().astype(pd.SparseDtype(float, NAN)),
    ],
)
def test_frames_name_their_users_and_items(frame):
    data = Interactions.from_matrix(frame)
    assert sorted(raw_rows(data)) == NAMED
    assert (data.users.raw_ids, data.items.raw_ids) == (("10", "20"), ("7", "8", "9"))
    others = Interactions.from_matrix(frame, users=["a", "b"])
    assert (others.users.raw_ids, others.items.raw_ids) == (("a", "b"), ("7", "8", "9"))


def test_sparse_columns_hold_ratings_where_something_is_stored():
    frame = pd.DataFrame.sparse.from_spmatrix(
        sparse.csr_matrix([[5, 0, 3], [0, 1, 0]]), index=["x", "y"], columns=["a", "b", "c"]
    )
    expected = [("x", "a", 5), ("x", "c", 3), ("y", "b", 1)]
    assert sorted(raw_rows(Interactions.from_matrix(frame))) == expected


def test_repeated_entries_are_added_up_as_scipy_does(capsys):
    rows, columns = [0, 2, 0, 1, 0], [1, 0, 1, 1, 2]
    matrix = sparse.coo_matrix(([1, 2, 3, 4, 5], (rows, columns)), (3, 3))
    data = Interactions.from_matrix(matrix)
    assert raw_rows(data) == [("0", "1", 4), ("2", "0", 2), ("1", "1", 4), ("0", "2", 5)]
    dense = np.zeros((3, 3))
    dense[data.user_ids, data.item_ids] = data.ratings
    np.testing.assert_array_equal(dense, matrix.toarray())
    assert capsys.readouterr().err == (
        "from_matrix: 5 entries of 4 pairs: repeated ones are added up\n"
    )
    ones = sparse.coo_matrix((np.ones(5, bool), (rows, columns)))
    assert len(Interactions.from_matrix(ones)) == 4


def test_true_is_a_pair_without_a_rating_and_false_is_none():
    dense = np.array([[True, False], [False, True]])
    stored = sparse.coo_matrix(([True, False, True], ([0, 0, 1], [0, 1, 1])))
    for matrix in (dense, dense.tolist(), sparse.csr_array(dense), stored, pd.DataFrame(dense)):
        data = Interactions.from_matrix(matrix)
        assert raw_rows(data) == [("0", "0", 1), ("1", "1", 1)]
        assert not data.has_ratings and data.num_items == 2


def test_a_matrix_mostly_of_zeros_is_told(capsys):
    Interactions.from_matrix([[5, 0, 0], [0, 0, 1]])
    assert "4 of 6 cells are zeros and taken for ratings; if zero is not" in capsys.readouterr().err
    Interactions.from_matrix([[5, 0, NAN], [0, 0, 1]])
    Interactions.from_matrix(sparse.csr_array([[5, 0, 0], [0, 0, 1]]))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "matrix, message",
    [
        ([[1, 2], [3]], "a matrix of ratings holds numbers"),
        ([["good", 2]], "a matrix of ratings holds numbers"),
        (np.array([[1j]]), "a matrix of ratings holds numbers: these are complex128"),
        (np.array([["2020-01-01"]], "M8[D]"), "holds numbers: these are datetime64"),
        (pd.DataFrame({"a": ["x"]}, index=["u"]), "a matrix of ratings holds numbers"),
        (pd.DataFrame({"a": pd.to_datetime(["2020"])}), "a column of this frame holds times"),
        (LONG, None),
        (LONG.reset_index(drop=True), "column 'user_id' is no item: frame.set_index"),
        (pivot().reset_index(), "column 'user_id' is no item: frame.set_index"),
        (
            LONG.pivot_table(index="user_id", columns="item_id", values=["rating"]),
            "the columns of the frame have names of 2 levels; give items=, or pivot it with",
        ),
        (LONG.set_index(["user_id", "item_id"]), "the rows of the frame have names of 2 levels"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", None]), "column name at position 1 is missing"),
        (pl.DataFrame({"user_id": [1], "7": [4.0]}), "a frame whose rows have no names"),
        (sparse.coo_array(([1], ([0],)), (3,)), "2 dimensions, this one 1"),
        (sparse.csr_matrix(([NAN], ([0], [0]))), "rating at position 0 is nan"),
        (sparse.coo_matrix((3, 2**31)), "has more columns than can be named"),
        (sparse.coo_matrix((10**8, 3)), "has more rows than can be named; give user_ids, item_id"),
    ],
)
def test_what_is_no_matrix_of_ratings_is_refused(matrix, message):
    if message is None:
        # its index is no range: these are names of items, however odd
        message = "two rows are named '3'"
    with pytest.raises(InputError, match=message) as refusal:
        Interactions.from_matrix(matrix)
    assert "\n" not in str(refusal.value)


def test_polars_frames_with_users_beside_them():
    frame = pl.DataFrame({"7": [4.0, None], "8": [None, 2.5], "9": [0.0, None]})
    assert sorted(raw_rows(Interactions.from_matrix(frame, users=[10, 20]))) == NAMED


def rows_of(width):
    random = np.random.default_rng(0)
    pairs = random.permutation(30 * 25)[:150]
    columns = [pairs // 25, pairs % 25, random.integers(1, 6, 150), 1_300_000_000 + pairs]
    return np.stack(columns[:width], axis=1)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_rows_of_ratings_are_told_from_matrices(width):
    rows = rows_of(width)
    for plain in (rows, rows.astype(np.int16 if width < 4 else np.float64)):
        assert matrices.triples(plain) == width
    with pytest.raises(InputError, match=r"shape \(150, .\) that looks like rows of user.*item"):
        Interactions.from_matrix(rows)
    assert len(Interactions.from_matrix(rows, items=range(width))) == 150 * width
    random = np.random.default_rng(1)
    full = random.integers(1, 6, (150, width))
    for matrix in (
        full,
        full[:9],
        rows[:9],
        np.where(rows == 3, np.nan, rows),
        rows + 0.5,
        rows - 1,
        rows[:, :1],
        np.concatenate([rows, rows]),
    ):
        assert matrices.triples(matrix) == 0
    if width == 4:
        assert matrices.triples(np.where(rows > 10**9, 7, rows)) == 0


PADDED = sparse.coo_matrix(([5.0, 4, 3], ([0, 1, 1], [0, 0, 1])), shape=(2, 2))


def test_forms_that_pad_with_zeros_are_refused_if_they_do():
    blocks = PADDED.tobsr(blocksize=(2, 2))
    diagonals = sparse.dia_matrix(([[5.0, 0, 3]], [0]), shape=(3, 3))
    for matrix in (blocks, diagonals):
        with pytest.raises(InputError, match=f"{matrix.format} form may be ratings or padding; ma"):
            Interactions.from_matrix(matrix)
    for matrix in (PADDED.tobsr(blocksize=(1, 1)), PADDED.todia(), PADDED, PADDED.todok()):
        assert sorted(Interactions.from_matrix(matrix).ratings) == [3, 4, 5]
    pairs = PADDED.astype(bool).tobsr(blocksize=(2, 2))
    assert len(Interactions.from_matrix(pairs)) == 3


def ratings_of(num_users, first_item, num_rows, ratings):
    """One rating a row, pairs drawn with repeats, in no order."""
    random = np.random.default_rng(3)
    users, items = random.integers(0, num_users, num_rows), random.integers(0, 9, num_rows)
    return np.column_stack([users, first_item + items, random.choice(ratings, num_rows)])


FIVE, HALVES = [1, 2, 3, 4, 5], np.arange(1, 11) / 2


@pytest.mark.parametrize(
    "rows",
    [
        ratings_of(50, 1000, 300, FIVE),
        ratings_of(50, 0, 300, FIVE),
        ratings_of(9, 0, 40, HALVES),
        np.sort(ratings_of(9, 0, 40, FIVE), axis=0),
        np.column_stack([ratings_of(9, 100, 32, FIVE), 1_600_000_000_000 + np.arange(32)]),
        # few rows
        ratings_of(9, 100, 3, FIVE),
        np.array([[1, 101], [2, 102]]),
        np.array([[7, 1, 5, 1_300_000_000], [8, 2, np.nan, 1_300_000_001]]),
    ],
)
def test_columns_that_are_no_ratings_of_one_scale_are_no_matrix(rows):
    assert matrices.may_be_rows(rows)
    with pytest.raises(InputError, match="looks like rows of user.*or items= if it is a matrix"):
        Interactions.from_matrix(rows)
    assert Interactions.from_matrix(rows, users=range(len(rows))).num_items == rows.shape[1]


def test_matrices_of_few_items_stay_matrices():
    random = np.random.default_rng(0)
    for width in (2, 3, 4):
        for high in (2, 6, 11, 101):
            assert not matrices.may_be_rows(random.integers(0, high, (200, width)))
        assert not matrices.may_be_rows(random.integers(1, 11, (200, width)) / 2)
    counts = random.poisson([3, 8, 5], (200, 3))
    assert not matrices.may_be_rows(counts)
    assert not matrices.may_be_rows(np.array([[5, 3, 0], [1, 0, 99], [2, 50, 1]]))
    assert not matrices.may_be_rows(np.full((20, 3), 4))


def test_names_in_a_set_are_refused():
    with pytest.raises(InputError, match="a set has no order; give a list"):
        Interactions.from_matrix([[5, 4], [1, 2]], users={"zoe", "bob"})
