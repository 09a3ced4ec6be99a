"""Matrices of ratings, users by items, in the forms that Python has for them.

numpy arrays, nested lists   NaN and None are not rated, zero is a rating of zero
masked arrays                what is masked is not rated
scipy sparse matrices        stored entries are the ratings, zeros too; repeated ones are added
                             up, as scipy does
pandas frames                index and columns name users and items, missing is not rated; of
                             sparse columns the stored entries are the ratings
True and False               True is a pair without a rating, False is none
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mfrec import memory
from mfrec.data import corners, doubts
from mfrec.data.usual_names import plain_name
from mfrec.data.values import is_missing, no_number
from mfrec.errors import InputError

# A name of a row or column and its place in dictionaries, about.
_BYTES_PER_NAME = 200
# Rows and columns that nothing is said of: this many are made at once, more only if there are
# entries for them.
_MANY_ROWS = 10_000_000
_ROWS_PER_ENTRY = 100
# Fewer rows than this are not told from ratings by what is in them.
_FEWEST_TRIPLES = 10
_FEWEST_PAIRS = 100
_SAMPLE_ROWS = 50_000
_EARLIEST_SECONDS = 10**8
# Columns are no ratings of one scale if all of one are larger than those of another by the first
# factor, or in many rows, its largest by the second; or if one is in order.
_FAR = 10
_RATHER_FAR = 4
_DISTINCT_IN_ORDER = 5


@dataclass(frozen=True, eq=False)
class Entries:
    """The entries of a matrix that are ratings.

    Attributes:
        rows: integers [n].
        columns: integers [n].
        values: numbers [n].
        shape: [num_users, num_items].
        row_names: raw ids of the rows, if the matrix has names.
        column_names: raw ids of the columns, if the matrix has names.
        has_ratings: False if the values say nothing but that there is a pair.
        notes: what was assumed, one line each, for people.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]
    row_names: Any = None
    column_names: Any = None
    has_ratings: bool = True
    notes: tuple[str, ...] = ()


def entries_of(matrix: Any, rows_named: bool = False, columns_named: bool = False) -> Entries:
    """Return the ratings in a matrix.

    Args:
        matrix: any of the forms above.
        rows_named: whether the caller has names for the rows.
        columns_named: whether the caller has names for the columns.

    Raises:
        InputError: no matrix, no numbers, names that cannot be read, or rows of ratings.
    """
    if hasattr(matrix, "iloc"):
        return _of_frame(matrix, rows_named, columns_named)
    if hasattr(matrix, "tocoo"):
        coo = matrix.tocoo()
        _check_dimensions(len(coo.shape))
        is_padded = getattr(matrix, "format", "") in ("bsr", "dia") and coo.dtype.kind != "b"
        if is_padded and matrix.nnz != matrix.count_nonzero():
            raise InputError(
                f"the zeros in a sparse matrix of {matrix.format} form may be ratings or padding; "
                "make a csr, csc or coo matrix of the ratings alone"
            )
        return of_sparse(coo.row, coo.col, coo.data, coo.shape)
    if hasattr(matrix, "columns"):
        # a polars frame has no index
        if not rows_named:
            raise InputError(
                "a frame whose rows have no names: give the columns of ratings alone, and the "
                "users by users="
            )
        return replace(of_dense(matrix), column_names=matrix.columns)
    entries = of_dense(matrix)
    array = np.asarray(matrix)
    if not (rows_named or columns_named) and (triples(array) or may_be_rows(array)):
        raise InputError(
            f"an array of shape {entries.shape} that looks like {describe(array.shape[1])}: give "
            "from_arrays(*array.T), or items= if it is a matrix"
        )
    return entries


def of_dense(matrix: Any) -> Entries:
    """Return the ratings in an array or nested lists; masked cells, NaN and None are none."""
    mask = np.ma.getmaskarray(matrix) if isinstance(matrix, np.ma.MaskedArray) else None
    try:
        array = np.asarray(matrix)
        if array.dtype.kind not in "iufbUSO":
            raise InputError(f"a matrix of ratings holds numbers: these are {array.dtype}")
        is_pairs = array.dtype.kind == "b"
        dense = array.astype(np.float64)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        reason = _first_no_cell(matrix) or _one_line(error)
        raise InputError(f"a matrix of ratings holds numbers: {reason}") from None
    _check_dimensions(dense.ndim)
    check_size(dense.shape[0], dense.shape[1], dense.size)
    is_rated = dense != 0 if is_pairs else ~np.isnan(dense)
    if mask is not None:
        is_rated &= ~mask
    rows, columns = np.nonzero(is_rated)
    values = dense[rows, columns]
    notes: tuple[str, ...] = ()
    zeros = np.count_nonzero(values == 0)
    if len(values) == dense.size and 2 * zeros > len(values):
        notes = (
            f"{zeros:,} of {len(values):,} cells are zeros and taken for ratings; if zero is not "
            "rated, give scipy.sparse.csr_array(matrix), or NaN in their place",
        )
    shape = (dense.shape[0], dense.shape[1])
    return Entries(rows, columns, values, shape, has_ratings=not is_pairs, notes=notes)


def of_sparse(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, ...]
) -> Entries:
    """Return stored entries as ratings; those of one pair are added up, as scipy does.

    Args:
        rows: integers [n].
        columns: integers [n].
        values: numbers [n]; of booleans True is a pair without a rating, False is none.
        shape: [num_users, num_items].
    """
    num_users, num_items = map(int, shape)
    check_size(num_users, num_items, len(values))
    is_pairs = values.dtype.kind == "b"
    if is_pairs:
        rows, columns, values = rows[values], columns[values], values[values]
    notes: tuple[str, ...] = ()
    pairs = rows.astype(np.int64) * num_items + columns
    # most matrices repeat nothing: rows in order show that at once, a plain sort soon
    if not ((np.diff(pairs) > 0).all() or (np.diff(np.sort(pairs)) != 0).all()):
        if values.dtype.kind not in "iufb":
            raise InputError(f"a matrix of ratings holds numbers: these are {values.dtype}")
        _, first, place = np.unique(pairs, return_index=True, return_inverse=True)
        order = np.argsort(first)
        kept = first[order]
        rows, columns, sums = rows[kept], columns[kept], np.bincount(place, values)[order]
        if not is_pairs:
            notes = (f"{len(pairs):,} entries of {len(kept):,} pairs: repeated ones are added up",)
        values = values[kept] if is_pairs else sums
    shape = (num_users, num_items)
    return Entries(rows, columns, values, shape, has_ratings=not is_pairs, notes=notes)


def check_size(num_users: int, num_items: int, num_entries: int) -> None:
    """Refuse a matrix whose rows and columns have no place in memory, before they are named."""
    for what, length in (("rows", num_users), ("columns", num_items)):
        needed = length * _BYTES_PER_NAME
        is_absurd = length > max(_MANY_ROWS, _ROWS_PER_ENTRY * num_entries)
        if length < 0 or is_absurd or needed > memory.free_bytes() or length > np.iinfo("i4").max:
            raise InputError(
                f"a matrix of {num_users} x {num_items} with {num_entries:,} entries has more "
                f"{what} than can be named; give user_ids, item_ids and ratings"
            )


def triples(array: np.ndarray) -> int:
    """Return how many columns of an array are user, item[, rating[, timestamp]], 0 for a matrix.

    Rows are taken for ratings only if nothing else is plausible: whole ids, hardly a pair
    repeated, ratings that are fewer than the ids, times that are seconds since 1970.
    """
    if array.ndim != 2 or array.shape[1] not in (2, 3, 4) or array.dtype.kind not in "iuf":
        return 0
    fewest = _FEWEST_PAIRS if array.shape[1] == 2 else _FEWEST_TRIPLES
    ids = array[:, :2]
    if len(array) < fewest or not (np.isfinite(array).all() and (ids == np.floor(ids)).all()):
        return 0
    # distinct rows of all of them would take long
    some = array[:_SAMPLE_ROWS]
    if (ids < 0).any() or len(np.unique(some[:, :2], axis=0)) < 0.99 * len(some):
        return 0
    numbers = [len(np.unique(column)) for column in some.T[:3]]
    if array.shape[1] > 2 and not numbers[2] < min(numbers[:2]):
        return 0
    if array.shape[1] == 4 and array[:, 3].min() < _EARLIEST_SECONDS:
        return 0
    return array.shape[1]


def may_be_rows(array: np.ndarray) -> bool:
    """Return whether the columns of an array differ as those of ratings do, one rating a row.

    The columns of a matrix hold ratings of one scale: there none lies far beyond another, and they
    are not in order, nor whole in the first two columns and fractions in the third.
    """
    if array.ndim != 2 or array.shape[1] not in (2, 3, 4) or array.dtype.kind not in "iuf":
        return False
    ids = array[:, :2]
    if not len(array) or not (np.isfinite(ids).all() and (ids >= 0).all()):
        return False
    rated = array[np.isfinite(array).all(axis=1)]
    if not len(rated) or (ids != np.floor(ids)).any():
        return False
    least, most = rated.min(axis=0), rated.max(axis=0)
    if least.max() > _FAR * max(most.min(), 1):
        return True
    if len(array) < (_FEWEST_PAIRS if array.shape[1] == 2 else _FEWEST_TRIPLES):
        return False
    are_apart = least.max() > most.min() or most.max() > _RATHER_FAR * max(most.min(), 1)
    is_in_order = any(
        (np.diff(column) >= 0).all() and len(np.unique(column)) >= _DISTINCT_IN_ORDER
        for column in ids.T
    )
    has_fractions = array.shape[1] > 2 and (rated[:, 2] != np.floor(rated[:, 2])).any()
    return bool(are_apart or is_in_order or has_fractions)


def describe(width: int) -> str:
    """Return what rows of this many numbers are, as `triples` finds it."""
    names = ("user", "item", "rating", "timestamp")[:width]
    return f"rows of {', '.join(names[:-1])} and {names[-1]}"


def _check_dimensions(number: int) -> None:
    if number != 2:
        raise InputError(f"a rating matrix has 2 dimensions, this one {number}")


def _of_frame(frame: Any, rows_named: bool, columns_named: bool) -> Entries:
    """Return the ratings of a pandas frame, named by its index and columns."""
    for names, is_named, what, argument in (
        (frame.index, rows_named, "rows", "users"),
        (frame.columns, columns_named, "columns", "items"),
    ):
        if names.nlevels > 1 and not is_named:
            raise InputError(
                f"the {what} of the frame have names of {names.nlevels} levels; give {argument}=, "
                "or pivot it with values='rating'"
            )
    first = str(frame.columns[0]) if len(frame.columns) else ""
    is_users = corners.says_users(first)
    if is_users and type(frame.index).__name__ == "RangeIndex" and not rows_named:
        raise InputError(
            f"column {first!r} is no item: frame.set_index({first!r}) makes it the users of a "
            "matrix; from_dataframe reads a frame of one rating a row"
        )
    kinds = {getattr(dtype, "kind", "O") for dtype in frame.dtypes}
    if kinds & set("mM"):
        raise InputError("a matrix of ratings holds numbers: a column of this frame holds times")
    if len(frame.columns) and all(hasattr(dtype, "fill_value") for dtype in frame.dtypes):
        entries = _of_sparse_frame(frame)
    else:
        try:
            entries = of_dense(
                frame.to_numpy(bool) if kinds == {"b"} else frame.to_numpy(float, na_value=np.nan)
            )
        except (TypeError, ValueError) as error:
            reason = _first_no_cell(frame) or _one_line(error)
            raise InputError(f"a matrix of ratings holds numbers: {reason}") from None
    if not rows_named and not columns_named:
        _refuse_edges(frame, entries)
    return replace(entries, row_names=frame.index, column_names=frame.columns)


def _refuse_edges(frame: Any, entries: Entries) -> None:
    """Refuse users among the ratings, and sums of them at the edges.

    Raises:
        InputError: the first column can hardly hold ratings, or the last row or column is a sum.
    """
    for names, what, how in (
        (frame.index, "row", "frame.drop(index={!r})"),
        (frame.columns, "column", "frame.drop(columns={!r})"),
    ):
        # most frames are done here
        if not _end_in_sum(names):
            continue
        *others, last = map(str, names)
        if doubts.is_total(others, last) or all(map(_end_in_sum, (frame.index, frame.columns))):
            raise InputError(
                f"the last {what} {names[-1]!r} looks like a sum of the "
                f"others: give {how.format(names[-1])}"
            )
    if type(frame.index).__name__ != "RangeIndex" or type(frame.columns).__name__ == "RangeIndex":
        return
    is_first = entries.columns == 0
    first = np.full(entries.shape[0], np.nan)
    first[entries.rows[is_first]] = entries.values[is_first]
    if corners.may_be_names(first, entries.values[~is_first]):
        name = frame.columns[0]
        raise InputError(
            f"the numbers of column {name!r} may be users rather than ratings: give "
            f"frame.set_index({name!r}) if they are, users= if not"
        )


def _end_in_sum(names: Any) -> bool:
    """Whether the last row or column has the name of a sum, as pandas' margins."""
    return len(names) > 0 and plain_name(str(names[-1])) in doubts.TOTALS


def _of_sparse_frame(frame: Any) -> Entries:
    stored = [frame.iloc[:, column].array for column in range(frame.shape[1])]
    rows = [column.sp_index.to_int_index().indices for column in stored]
    columns = np.repeat(np.arange(len(rows)), list(map(len, rows)))
    values = np.concatenate([column.sp_values for column in stored])
    return of_sparse(np.concatenate(rows), columns, values, frame.shape)


def _first_no_cell(matrix: Any) -> str:
    """Return where the first cell stands that is no number, or the first row of another length."""
    if isinstance(matrix, (list, tuple)):
        lengths = [len(row) if hasattr(row, "__len__") else 1 for row in matrix]
        odd = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
        if odd is not None:
            return (
                f"row {odd} has another length, {lengths[odd]}, than row 0, {lengths[0]}; give NaN "
                "where nothing is rated"
            )
    for place, value in np.ndenumerate(np.asarray(matrix, object)):
        complaint = "" if is_missing(value) else no_number(value)
        if complaint:
            return f"row {place[0]}, column {place[-1]} holds {complaint}"
    return ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
