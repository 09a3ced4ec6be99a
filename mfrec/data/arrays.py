"""Ratings in numpy's own files: columns, rows, sparse and dense matrices. Nothing is unpickled."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mfrec import numpy_files
from mfrec.data import matrices
from mfrec.data.interactions import Interactions
from mfrec.data.usual_names import best_matches, plain_name
from mfrec.errors import InputError, did_you_mean

_ENDINGS = (".npz", ".npy")
COLUMNS = ("user_ids", "item_ids", "ratings", "timestamps", "weights")
REQUIRED = COLUMNS[:3]
# what scipy.sparse.save_npz writes
_SPARSE = ("format", "shape", "data", "indices", "indptr", "row", "col", "_is_array")

Notes = tuple[str, ...]


def known_by_ending(path: str | Path) -> bool:
    """Return whether `read` reads a file: its name ends in .npz or .npy."""
    return Path(path).suffix.lower() in _ENDINGS


def read(path: str | Path) -> tuple[Interactions, Notes]:
    """Read an .npz or .npy file of ratings.

    Args:
        path: an .npz file with the arrays `user_ids`, `item_ids` (integers or text), `ratings`
            and perhaps `timestamps` and `weights`, all [n]; an .npz file as
            `scipy.sparse.save_npz` writes it in csr, csc or coo form, whose stored entries are the
            ratings, zeros too; a structured array of named columns; rows of user, item[, rating[,
            timestamp]], if they can be nothing else; or one matrix [num_users, num_items], where
            NaN means not rated. The last three are alone in an .npz or an .npy file. The ids of
            matrices are their row and column numbers.

    Returns:
        The ratings, and what was assumed, one line each.

    Raises:
        InputError: the file is missing, broken, pickled, or holds something else.
    """
    content = numpy_files.read(path)
    try:
        if isinstance(content, np.ndarray):
            interactions, notes = _from_array(content)
        else:
            interactions, notes = _from_archive(content)
        if not len(interactions):
            raise InputError("holds no ratings; give a file with ratings")
        return interactions, notes
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _from_archive(arrays: Mapping[str, np.ndarray]) -> tuple[Interactions, Notes]:
    if all(name in arrays for name in REQUIRED):
        return from_columns(arrays), unread(arrays, COLUMNS)
    if "format" in arrays and "shape" in arrays:
        interactions, notes = _from_sparse(arrays)
        return interactions, notes + unread(arrays, _SPARSE)
    if len(arrays) == 1:
        return _from_array(*arrays.values())
    found = ", ".join(arrays) or "nothing"
    raise InputError(f"holds {found} where user_ids, item_ids, ratings or one matrix should be")


def from_columns(arrays: Mapping[str, np.ndarray]) -> Interactions:
    """Return the ratings of `COLUMNS` by name; see `read`."""
    for name in COLUMNS:
        if name in arrays and arrays[name].ndim != 1:
            raise InputError(f"{name} has {arrays[name].ndim} dimensions; give one")
    user_ids, item_ids = (_as_raw_ids(name, arrays[name]) for name in COLUMNS[:2])
    return Interactions.from_arrays(user_ids, item_ids, *map(arrays.get, COLUMNS[2:]))


def unread(names: Iterable[str], known: tuple[str, ...]) -> Notes:
    """Return a note about arrays that nobody reads, such as a misspelt one."""
    others = [name for name in names if name not in known]
    meant = "".join(did_you_mean(name, known, otherwise="") for name in others[:1])
    return (f"not read: {', '.join(others)}{meant}",) if others else ()


def _as_raw_ids(name: str, ids: np.ndarray) -> np.ndarray:
    if ids.dtype.kind == "S":
        try:
            return np.char.decode(ids, "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{name} holds text that is not UTF-8; save it as str") from None
    if ids.dtype.kind not in "iuU":
        # 1.0 would be another raw id than 1
        raise InputError(f"{name} are {ids.dtype}; save them as integers or text")
    return ids


def _from_array(array: np.ndarray) -> tuple[Interactions, Notes]:
    if array.dtype.names:
        return _from_structured(array)
    if array.dtype.kind not in "iufb":
        raise InputError(f"a matrix of {array.dtype}; save it as numbers")
    if array.ndim != 2:
        raise InputError(f"an array of {array.ndim} dimensions; a matrix of ratings has 2")
    width = matrices.triples(array)
    if width:
        note = f"an array of shape {array.shape} is taken for {matrices.describe(width)}"
        return Interactions.from_arrays(*array.T), (note,)
    if matrices.may_be_rows(array):
        raise InputError(
            f"an array of shape {array.shape} may be {matrices.describe(array.shape[1])}, or a "
            "matrix; save rows by np.savez(path, user_ids=…, item_ids=…, ratings=…), a matrix by "
            "scipy.sparse.save_npz"
        )
    entries = matrices.of_dense(array)
    size = f"a matrix of {array.shape[0]:,} users and {array.shape[1]:,} items"
    return Interactions.from_entries(entries), (size, *entries.notes)


def _from_structured(array: np.ndarray) -> tuple[Interactions, Notes]:
    """Read an array of records by the usual names of its fields."""
    names = list(array.dtype.names)
    fields: dict[str, str] = {}
    for role, column in zip(("user", "item", "rating", "timestamp"), COLUMNS, strict=False):
        found = [names[number] for number in best_matches(role, dict(enumerate(names)))] or [
            name for name in names if plain_name(name) == plain_name(column)
        ]
        if len(found) > 1:
            raise InputError(f"fields {' and '.join(found)} may each be the {role}; rename one")
        fields |= dict.fromkeys(found, column)
    if not {"user_ids", "item_ids"} <= set(fields.values()):
        raise InputError(f"an array of {', '.join(names)}; name two of them user_id and item_id")
    if "ratings" not in fields.values() and (others := [n for n in names if n not in fields]):
        raise InputError(
            f"cannot tell the rating among the fields {', '.join(names)}; name it rating, or leave "
            f"out {' and '.join(others)} if every row is a positive"
        )
    interactions = from_columns({column: array[name] for name, column in fields.items()})
    return interactions, (f"fields {', '.join(fields)}", *unread(names, tuple(fields)))


def _from_sparse(arrays: Mapping[str, np.ndarray]) -> tuple[Interactions, Notes]:
    """Read the arrays that scipy saves; the differences of "indptr" are the entries per row."""
    kind = (arrays["format"].ravel().tolist() or [""])[0]
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    if kind not in ("csr", "csc", "coo"):
        raise InputError(f"a sparse matrix in {kind} form; save matrix.tocsr()")
    needed = ("row", "col", "data") if kind == "coo" else ("indptr", "indices", "data")
    if not all(name in arrays and arrays[name].ndim == 1 for name in (*needed, "shape")):
        raise InputError(f"a sparse matrix without its {', '.join(needed)}; save it anew")
    if len(arrays["shape"]) != 2 or any(
        arrays[name].dtype.kind not in "iu" for name in ("shape", *needed[:2])
    ):
        raise InputError("a sparse matrix whose arrays do not fit each other; save it anew")
    data = arrays["data"]
    shape = num_users, num_items = arrays["shape"].tolist()
    matrices.check_size(num_users, num_items, len(data))
    if kind == "coo":
        rows, columns = arrays["row"], arrays["col"]
    else:
        ends = arrays["indptr"].astype(np.int64)
        counts = np.diff(ends)
        fits = len(counts) == shape[kind == "csc"] and counts.sum() == len(data)
        if not fits or (counts < 0).any() or ends[0] != 0:
            raise InputError("a sparse matrix whose indptr does not fit its data; save it anew")
        rows, columns = np.repeat(np.arange(len(counts)), counts), arrays["indices"]
        if kind == "csc":
            rows, columns = columns, rows
    for ids, length in ((rows, num_users), (columns, num_items)):
        if len(ids) != len(data):
            raise InputError("a sparse matrix whose arrays do not fit each other; save it anew")
        if len(ids) and not (ids.min() >= 0 and ids.max() < length):
            raise InputError("a sparse matrix with entries outside its shape; save it anew")
    entries = matrices.of_sparse(rows, columns, data, shape)
    return Interactions.from_entries(entries), entries.notes
