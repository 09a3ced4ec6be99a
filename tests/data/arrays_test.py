"""Ratings in numpy's own files: what is read, and what is refused in one line."""

import io

import numpy as np
import pytest
from readers_test import rows

from mfrec.data import arrays
from mfrec.data.interactions import Interactions
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError

# Entries (0, 2, 4), (1, 0, 0), (1, 1, 2.5) of a 3 x 3 matrix, as scipy saves them.
CSR = {
    "format": b"csr",
    "shape": [3, 3],
    "indptr": [0, 1, 3, 3],
    "indices": np.array([2, 0, 1], np.int32),
    "data": [4, 0, 2.5],
}
CSC = CSR | {"format": b"csc", "indptr": [0, 1, 2, 3], "indices": [1, 1, 0], "data": [0, 2.5, 4]}
COO = {"format": "coo", "shape": [3, 3], "row": [0, 1, 1], "col": [2, 0, 1], "data": [4, 0, 2.5]}
ENTRIES = [("0", "2", 4), ("1", "0", 0), ("1", "1", 2.5)]


@pytest.fixture
def read(tmp_path):
    def save_and_read(content):
        if isinstance(content, dict):
            path = tmp_path / "ratings.npz"
            np.savez(path, **content)
        else:
            path = tmp_path / "ratings.npy"
            np.save(path, content)
        return read_ratings(path)

    return save_and_read


@pytest.mark.parametrize("ids", [["7", "8", "7"], [b"7", b"8", b"7"], np.array([7, 8, 7], "u1")])
def test_reads_columns(read, ids):
    arrays = {"user_ids": ids, "item_ids": np.array([3, 3, 10**12]), "ratings": [1, 2.5, 3]}
    expected = [("7", "3", 1), ("8", "3", 2.5), ("7", "1000000000000", 3)]
    assert rows(read(arrays)) == expected
    with_times = read(arrays | {"timestamps": [9, 8, 7], "extra": [0]})
    times = [9, 8, 7]
    assert rows(with_times) == [(*row, time) for row, time in zip(expected, times, strict=True)]


def test_weights_and_times_with_fractions_are_read(read, capsys):
    arrays = {"user_ids": [7, 8], "item_ids": ["a", "b"], "ratings": [1, 2]}
    data = read(arrays | {"weights": [0.5, 3], "timestamps": [1.25, 2.5]})
    assert data.weights.tolist() == [0.5, 3] and data.timestamps.tolist() == [1.25, 2.5]
    dates = np.array(["1970-01-02", "1970-01-03"], "datetime64[D]")
    assert read(arrays | {"timestamps": dates}).timestamps.tolist() == [86_400, 172_800]
    with pytest.raises(InputError, match="weight at position 1 is -1.0, not above 0"):
        read(arrays | {"weights": [1, -1]})


def test_arrays_that_nobody_reads_are_told(read, capsys):
    arrays = {"user_ids": [7, 8], "item_ids": ["a", "b"], "ratings": [1, 2]}
    read(arrays | {"timestamp": [1, 2], "x": [0]})
    assert "not read: timestamp, x; did you mean timestamps?" in capsys.readouterr().err
    read(arrays)
    assert "not read" not in capsys.readouterr().err


def test_repeated_entries_of_a_sparse_matrix_are_added_up(read, capsys):
    repeated = COO | {"row": [0, 1, 0, 1], "col": [2, 0, 2, 1], "data": [4, 0, 5, 2.5]}
    assert rows(read(repeated)) == [("0", "2", 9), ("1", "0", 0), ("1", "1", 2.5)]
    assert "4 entries of 3 pairs: repeated ones are added up" in capsys.readouterr().err
    repeated = CSR | {"indices": [2, 1, 1]}
    assert rows(read(repeated)) == [("0", "2", 4), ("1", "1", 2.5)]


def test_rows_of_ratings_are_read_as_such_and_told(read, capsys):
    triples = np.array(
        [[10 * user + 3, item, (user + item) % 3] for user in range(5) for item in range(4)]
    )
    assert rows(read(triples)) == [(str(u), str(i), r) for u, i, r in triples.tolist()]
    assert "shape (20, 3) is taken for rows of user, item and rating" in capsys.readouterr().err
    assert rows(read({"x": triples.astype(float)})) == rows(read(triples))
    times = np.column_stack([triples, 10**9 + np.arange(20)])
    assert read(times).timestamps.tolist() == (10**9 + np.arange(20)).tolist()
    capsys.readouterr()
    assert read(triples[:9]).num_items == 3
    assert "a matrix of 9 users and 3 items" in capsys.readouterr().err


def test_structured_arrays_go_by_their_names(read, capsys):
    names = [("userId", "i4"), ("hours", "f4"), ("movieId", "U2"), ("rating", "f4")]
    data = read(np.array([(1, 0.5, "a", 4), (2, 0.5, "b", 5)], names))
    assert rows(data) == [("1", "a", 4), ("2", "b", 5)]
    told = capsys.readouterr().err
    assert "fields userId, movieId, rating" in told and "not read: hours" in told
    with pytest.raises(InputError, match="an array of a, b; name two of them user_id and item_id"):
        read(np.array([(1, 2)], [("a", "i4"), ("b", "i4")]))
    with pytest.raises(InputError, match="fields user_id and userId may each be the user"):
        read(np.array([(1, 2)], [("user_id", "i4"), ("userId", "i4")]))


def test_structured_arrays_need_a_rating_beside_other_fields(read):
    names = [("user_id", "i4"), ("game_id", "i4"), ("hours", "f4")]
    with pytest.raises(InputError, match="cannot tell the rating among .*hours; name it rating"):
        read(np.array([(1, 2, 0.5)], names))
    assert not read(np.array([(1, 2), (1, 3)], names[:2])).has_ratings
    times = [*names[:2], ("timestamp", "i8")]
    assert read(np.array([(1, 2, 10**9)], times)).timestamps.tolist() == [10**9]
    # of two usual names the more usual one, as in text
    named = [("user", "i4"), ("user_id", "i4"), ("item", "i4"), ("value", "f4"), ("rating", "f4")]
    assert rows(read(np.array([(1, 2, 3, 4, 5)], named))) == [("2", "3", 5)]


def test_rows_that_may_be_ratings_or_a_matrix_are_refused(read):
    rows_of_ratings = np.random.default_rng(0).integers([0, 1000, 1], [50, 1100, 6], (300, 3))
    rows_of_ratings[1] = rows_of_ratings[0]
    with pytest.raises(InputError, match=r"shape \(300, 3\) may be rows of .*, or a matrix; save "):
        read(rows_of_ratings)
    assert read(np.random.default_rng(0).integers(1, 6, (300, 3))).num_items == 3


def test_matrices_of_absurd_size_are_refused_before_anything_is_made(read, tmp_path, monkeypatch):
    monkeypatch.delattr("mfrec.data.interactions.named")
    absurd = COO | {"shape": [2**31, 2**31]}
    for content in (
        absurd,
        CSR | {"shape": [3, 2**62]},
        COO | {"shape": [3, 10**8]},
        COO | {"shape": [-3, 3]},
    ):
        with pytest.raises(InputError, match="has more (rows|columns) than can be named"):
            read(content)
    with pytest.raises(InputError, match="indptr does not fit its data"):
        read(CSR | {"shape": [10**7, 3]})
    header = {"descr": "<i8", "fortran_order": False, "shape": (0, 10**9)}
    with (tmp_path / "empty.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(InputError, match="empty.npy: .*has more columns than can be named"):
        read_ratings(tmp_path / "empty.npy")


def test_reads_sparse_matrices(read):
    assert rows(read(CSR)) == ENTRIES
    assert rows(read(COO)) == ENTRIES
    # column after column
    assert rows(read(CSC)) == [ENTRIES[1], ENTRIES[2], ENTRIES[0]]
    assert (read(CSC).num_users, read(CSC).num_items) == (3, 3)


def test_reads_what_scipy_saves(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.coo_matrix(([4, 0, 2.5], ([0, 1, 1], [2, 0, 1])), (3, 3))
    for kind in ("coo", "csr", "csc"):
        sparse.save_npz(tmp_path / f"{kind}.npz", matrix.asformat(kind))
        data = read_ratings(tmp_path / f"{kind}.npz")
        assert sorted(rows(data)) == ENTRIES
        assert rows(data) == rows(Interactions.from_matrix(matrix.asformat(kind)))


def test_reads_dense_matrices_whose_zeros_are_ratings(read):
    nan = np.nan
    matrix = np.array([[nan, nan, 4], [0, 2.5, nan], [nan, nan, nan]])
    assert rows(read(matrix)) == ENTRIES
    assert rows(read({"anything": matrix})) == ENTRIES
    assert rows(read(np.array([[1, 0]]))) == [("0", "0", 1), ("0", "1", 0)]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"user_ids": [1.0], "item_ids": [1], "ratings": [1]}, "user_ids are float64; save them"),
        ({"user_ids": [1], "item_ids": [1, 2], "ratings": [1]}, "lengths differ: 1 user ids, 2"),
        ({"user_ids": [[1]], "item_ids": [[1]], "ratings": [[1]]}, "user_ids has 2 dimensions"),
        ({"user_ids": [1], "item_ids": [1], "ratings": [np.nan]}, "rating at position 0 is nan"),
        ({"user_ids": [1], "item_ids": [b"\xff"], "ratings": [1]}, "item_ids holds text that is"),
        (
            {"user_ids": [1], "item_ids": [1]},
            "holds user_ids, item_ids where user_ids, item_ids, r",
        ),
        ({"user_ids": [], "item_ids": [], "ratings": []}, "are float64"),
        ({"x": np.array([[None]])}, "holds Python objects, which are not read"),
        ({"x": np.array([1, 2])}, "an array of 1 dimensions; a matrix of ratings has 2"),
        (np.array([["a"]]), "a matrix of <U1; save it as numbers"),
        (np.array([[np.nan]]), "holds no ratings"),
        (np.array([[np.inf]]), "rating at position 0 is inf"),
        (CSR | {"format": b"bsr"}, "a sparse matrix in bsr form; save matrix.tocsr()"),
        (CSR | {"indices": [2, 0, 3]}, "entries outside its shape"),
        (CSR | {"indices": [2, 0, -1]}, "entries outside its shape"),
        (CSR | {"indptr": [0, 1, 4, 3]}, "indptr does not fit its data"),
        (CSR | {"indptr": [0, 1, 2, 2]}, "indptr does not fit its data"),
        (COO | {"row": [0, 1]}, "arrays do not fit each other"),
        ({"format": b"coo", "shape": [3, 3], "data": [1]}, "without its row, col, data"),
    ],
)
def test_bad_files_are_refused_in_one_line(read, arrays, message):
    with pytest.raises(InputError) as raised:
        read(arrays)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert "ratings.np" in str(raised.value)


def test_broken_files_are_refused(tmp_path):
    for name, content in {"a.npz": b"PK\x03\x04", "b.npy": b"\x93NUMPY", "c.npy": b"1,2,3"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: (no readable numpy|holds Python)"):
            read_ratings(tmp_path / name)
    with pytest.raises(InputError, match="d.npz: no such file"):
        read_ratings(tmp_path / "d.npz")
    (tmp_path / "e.npz").mkdir()
    with pytest.raises(InputError, match="e.npz: is a folder"):
        read_ratings(tmp_path / "e.npz")


def files_of_every_kind():
    """Bytes of .npz files of columns and sparse matrices, of .npy ones of a matrix and of rows."""
    random = np.random.default_rng(0)
    pairs = random.permutation(300)[:60]
    columns = {
        "user_ids": pairs // 20,
        "item_ids": np.array([f"i{item}" for item in pairs % 20]),
        "ratings": random.random(60) * 5,
        "timestamps": np.arange(60) * 1.5,
        "weights": random.random(60) + 0.1,
    }
    dense = np.where(random.random((9, 7)) < 0.5, np.nan, random.integers(1, 6, (9, 7)))
    records = np.array([(1, 2, 3.0)] * 5, [("user", "i4"), ("item", "i8"), ("rating", "f4")])
    for save, content in (
        (np.savez, columns),
        (np.savez_compressed, columns),
        (np.savez, CSR),
        (np.savez, CSC),
        (np.savez, COO),
        (np.save, dense),
        (np.save, np.column_stack([pairs // 20, pairs % 20, random.integers(1, 6, 60)])),
        (np.save, records),
    ):
        file = io.BytesIO()
        if isinstance(content, dict):
            save(file, **content)
        else:
            save(file, content)
        yield file.getvalue()


@pytest.mark.parametrize("content", files_of_every_kind())
def test_damaged_files_are_ratings_or_a_line(tmp_path, content):
    random = np.random.default_rng(len(content))
    file = tmp_path / "ratings.npz"
    header = max(content.find(b"descr"), 0)
    for number in range(150):
        damaged = bytearray(content)
        for _ in range(random.integers(1, 4)):
            # half of them where shapes and types are written
            place = random.integers(len(damaged) if number % 2 else header + 80)
            new = (
                random.bytes(1) if number % 4 > 1 else random.choice(list(b"0123456789<|()', OUS"))
            )
            damaged[place] = new[0] if isinstance(new, bytes) else new
        file.write_bytes(damaged)
        try:
            interactions, _ = arrays.read(file)
        except InputError as error:
            assert "\n" not in str(error) and "ratings.npz: " in str(error)
        else:
            assert len(interactions) and np.isfinite(interactions.ratings).all()
            assert interactions.user_ids.max() < interactions.num_users <= 10_000_000
