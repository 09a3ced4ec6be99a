"""Ratings in numpy's own files: columns, sparse and dense matrices. Nothing is unpickled."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.errors import InputError

_ENDINGS = (".npz", ".npy")
_COLUMNS = ("user_ids", "item_ids", "ratings")


def known_by_ending(path: str | Path) -> bool:
    """Return whether `read` reads a file: its name ends in .npz or .npy."""
    return Path(path).suffix.lower() in _ENDINGS


def read(path: str | Path) -> Interactions:
    """Read an .npz or .npy file of ratings.

    Args:
        path: an .npz file with the arrays `user_ids`, `item_ids` (integers or text), `ratings`
            and perhaps `timestamps`, all [n]; an .npz file as `scipy.sparse.save_npz` writes it
            in csr, csc or coo form, whose stored entries are the ratings, zeros too; or one
            matrix [num_users, num_items], alone in an .npz or an .npy file, where NaN means
            not rated. The ids of matrices are their row and column numbers.

    Raises:
        InputError: the file is missing, broken, pickled, or holds something else.
    """
    try:
        # numpy closes only files that it can read.
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                interactions = _from_matrix(content)
            else:
                interactions = _from_archive({name: content[name] for name in content.files})
        if not len(interactions):
            raise InputError("holds no ratings; give a file with ratings")
        return interactions
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file inside it") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        if "pickle" in str(error):
            reason = "holds Python objects, which are not read; save plain numbers or text"
        else:
            reason = f"no readable numpy file ({' '.join(str(error).split())}); save it anew"
        raise InputError(f"{path}: {reason}") from None


def _from_archive(arrays: Mapping[str, np.ndarray]) -> Interactions:
    if all(name in arrays for name in _COLUMNS):
        columns = [*_COLUMNS, *(["timestamps"] if "timestamps" in arrays else [])]
        for name in columns:
            if arrays[name].ndim != 1:
                raise InputError(f"{name} has {arrays[name].ndim} dimensions; give one")
        user_ids, item_ids = (_as_raw_ids(name, arrays[name]) for name in _COLUMNS[:2])
        return Interactions.from_arrays(
            user_ids, item_ids, arrays["ratings"], arrays.get("timestamps")
        )
    if "format" in arrays and "shape" in arrays:
        return _from_sparse(arrays)
    if len(arrays) == 1:
        return _from_matrix(*arrays.values())
    found = ", ".join(arrays) or "nothing"
    raise InputError(f"holds {found} where user_ids, item_ids, ratings or one matrix should be")


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


def _from_matrix(matrix: np.ndarray) -> Interactions:
    if matrix.dtype.kind not in "iufb":
        raise InputError(f"a matrix of {matrix.dtype}; save it as numbers")
    if matrix.ndim != 2:
        raise InputError(f"an array of {matrix.ndim} dimensions; a matrix of ratings has 2")
    return Interactions.from_matrix(matrix)


def _from_sparse(arrays: Mapping[str, np.ndarray]) -> Interactions:
    """Read the arrays that scipy saves; the differences of "indptr" are the entries per row."""
    kind = arrays["format"].item()
    kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
    if kind not in ("csr", "csc", "coo"):
        raise InputError(f"a sparse matrix in {kind} form; save matrix.tocsr()")
    needed = ("row", "col", "data") if kind == "coo" else ("indptr", "indices", "data")
    if not all(name in arrays for name in needed) or arrays["shape"].shape != (2,):
        raise InputError(f"a sparse matrix without its {', '.join(needed)}; save it anew")
    num_users, num_items = (int(length) for length in arrays["shape"])
    data = arrays["data"]
    if kind == "coo":
        rows, columns = arrays["row"], arrays["col"]
    else:
        counts = np.diff(arrays["indptr"])
        if (counts < 0).any() or counts.sum() != len(data):
            raise InputError("a sparse matrix whose indptr does not fit its data; save it anew")
        rows, columns = np.repeat(np.arange(len(counts)), counts), arrays["indices"]
        if kind == "csc":
            rows, columns = columns, rows
    for ids, length in ((rows, num_users), (columns, num_items)):
        if ids.dtype.kind not in "iu" or len(ids) != len(data):
            raise InputError("a sparse matrix whose arrays do not fit each other; save it anew")
        if len(ids) and not (ids.min() >= 0 and ids.max() < length):
            raise InputError("a sparse matrix with entries outside its shape; save it anew")
    return Interactions.from_entries(rows, columns, data, (num_users, num_items))
