"""Raw ids as text: one rule for ids that come from files, arrays, frames and calls.

The integer 27, numpy's 27, the float 27.0 (data frames make floats of integers beside a missing
value), the bytes b"27" and the text "27" are the same raw id "27". Whatever is missing, or has no
obvious text, is refused: None, NaN, booleans, 27.5, lists, dates. A bare id is a list of one.
"""

import numbers
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from mfrec.data.numbering import number_integers
from mfrec.data.values import DROP, is_missing, refuse_masked
from mfrec.errors import InputError

_HOW = "give integers or text"
_LONGEST_SHOWN = 60


def as_raw_id(value: Any, what: str = "id") -> str:
    """Return a raw id as text.

    Args:
        value: an integer, a whole float, UTF-8 bytes, text or a UUID.
        what: it is, for errors.

    Raises:
        InputError: it is missing or something else.
    """
    text = _text(value)
    if text is None:
        raise InputError(f"{what} {_complaint(value)}; {_HOW}")
    return text


def as_raw_ids(values: Any, what: str = "id") -> list[str]:
    """Return raw ids as a list of texts.

    Args:
        values: a list, array, column of a frame or another iterable of raw ids; or one raw id.
        what: they are, for errors.

    Raises:
        InputError: one is missing or no raw id, or there is more than one dimension.
    """
    values = _listed(values, what)
    if isinstance(values, np.ndarray):
        return list(map(str, values.tolist()))
    if set(map(type, values)) <= {str}:
        return values
    texts = [_text(value) for value in values]
    if None in texts:
        position = texts.index(None)
        value = values[position]
        how = DROP if is_missing(value) else _HOW
        raise InputError(f"{what} at position {position} {_complaint(value)}; {how}")
    return texts  # type: ignore[return-value]


def factorized(values: Any, what: str = "id") -> tuple[np.ndarray, tuple[str, ...]]:
    """Number raw ids in order of first appearance: int32 [n], and the distinct ones.

    Args and errors are those of `as_raw_ids`.
    """
    values = _listed(values, what)
    if isinstance(values, np.ndarray):
        rows, distinct = number_integers(values)
        return rows, tuple(map(str, distinct.tolist()))
    texts = as_raw_ids(values, what)
    numbers_of = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    _refuse_surrogates(numbers_of, texts, what)
    ids = np.fromiter(map(numbers_of.__getitem__, texts), np.int32, len(texts))
    return ids, tuple(numbers_of)


def _refuse_surrogates(distinct: Iterable[str], texts: list[str], what: str) -> None:
    """Refuse halves of characters, which no file could hold: bytes that were no UTF-8 leave some.

    Args:
        distinct: the different ones of the texts.
        texts: the ids.
        what: they are, for errors.
    """
    try:
        "".join(distinct).encode()
    except UnicodeEncodeError:
        for position, text in enumerate(texts):
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InputError(
                    f"{what} at position {position} is {ascii(text)}, which UTF-8 cannot hold; "
                    "read it in its own encoding"
                ) from None


def _listed(values: Any, what: str) -> list[Any] | np.ndarray:
    """Return the ids as an array of integers if all are, or else as a list of whatever they are."""
    if isinstance(values, Mapping):
        raise InputError(f"{what}s: a {type(values).__name__}; give a list of them")
    refuse_masked(values, what)
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.ndim > 1:
            raise InputError(f"{what}s of shape {array.shape}; give one dimension")
        array = array.reshape(-1)
        if array.dtype.kind == "f" and _are_whole(array).all():
            array = array.astype(np.int64)
        if array.dtype.kind in "iu":
            return array
        # numpy's own floats know how many digits they hold
        return list(array) if array.dtype.kind == "f" else array.tolist()
    is_one = isinstance(values, (str, bytes, bytearray)) or not isinstance(values, Iterable)
    return [values] if is_one else list(values)


def _text(value: Any) -> str | None:
    """Return the text of a raw id, None for anything that is none."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, numbers.Integral):
        return format(int(value), "d")
    if isinstance(value, (float, np.floating)):
        return format(int(value), "d") if _are_whole(np.asarray(value)) else None
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value == value.to_integral_value()
        return format(int(value), "d") if is_whole else None
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "__array__") and np.ndim(value) == 0:
        return _text(np.asarray(value).item())
    return None


def _are_whole(values: np.ndarray) -> np.ndarray:
    """Return which floats are whole numbers so small that no other has the same float."""
    largest = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    return (np.abs(values) < largest) & (values == np.floor(values))


def _complaint(value: Any) -> str:
    value = float(value) if isinstance(value, np.floating) else value
    if is_missing(value):
        return f"is missing ({value!r})"
    shown = " ".join(repr(value).split())
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[:_LONGEST_SHOWN] + "…"
    if isinstance(value, bytes):
        return f"is {shown}, which is not UTF-8"
    if isinstance(value, (float, Decimal)):
        if 0 < float(value) % 1 < 1:
            return f"is {shown}, no whole number"
        return f"is {shown}, a float so large that its last digits may be lost"
    return f"is {shown} ({type(value).__name__})"
