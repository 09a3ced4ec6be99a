"""Numbers that come in through Python: ratings, weights, and counts such as k."""

import contextlib
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from mfrec import parallel
from mfrec.errors import InputError
from mfrec.progress import say

DROP = "drop such rows first"
_LONGEST_SHOWN = 60
# Smaller numbers are 0 to float32, or to what computes with it.
SMALLEST = float(np.finfo(np.float32).tiny)
TOO_SMALL = "is so small that float32 takes it for 0; write 0, or scale the column"
# From here on float32 skips whole numbers, and float64 does.
_LARGEST_WHOLE, _LARGEST_WHOLE_64 = 2.0**24, 2.0**53
# What Python and the data frame libraries print for a missing value.
_MISSING = ("none", "nan", "<na>", "nat")


def as_numbers(values: Any, what: str) -> np.ndarray:
    """Return numbers as float32 [n].

    Args:
        values: a list, array or column of a frame: numbers, booleans (1 and 0) or texts of numbers.
        what: they are, for errors.

    Raises:
        InputError: one is missing, not finite or no number, or there is more than one dimension.
    """
    refuse_masked(values, what)
    refuse_sets(values, what)
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iufbUSO":
            raise InputError(f"{what}s must be numbers: these are {array.dtype}")
        # what float32 holds exactly needs no float64 beside it
        is_held = np.can_cast(array.dtype, np.float32)
        # nobody can change an array that owns its numbers and is locked
        is_ours = array.base is None and not array.flags.writeable
        exact = array.astype(np.float32 if is_held else np.float64, copy=not is_ours)
        with np.errstate(over="ignore"):
            found = exact.astype(np.float32, copy=False)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        missing = [is_missing(value) for value in values] if hasattr(values, "__iter__") else []
        if any(missing):
            raise InputError(
                f"{what} at position {missing.index(True)} is missing; {DROP}"
            ) from None
        reason = _first_no_number(values, what) or " ".join(str(error).split())
        raise InputError(f"{what}s must be numbers: {reason}") from None
    if found.ndim != 1:
        raise InputError(f"{what}s of shape {found.shape}; give one dimension")
    bad = _first(lambda block: ~np.isfinite(found[block]), len(found))
    if bad is not None:
        raise InputError(
            f"{what} at position {bad} is {exact[bad]:g}, no finite number that float32 holds; "
            f"{DROP}"
        )
    small = _first(
        lambda block: (np.abs(exact[block]) < SMALLEST) & (exact[block] != 0), len(found)
    )
    if small is not None:
        raise InputError(f"{what} at position {small} is {exact[small]:g}: {TOO_SMALL}")
    if not is_held:
        for note in note_on_rounding(exact):
            say(f"{what}s: {note}")
    return found


def _first(which: Callable[[slice], np.ndarray], length: int) -> int | None:
    """Return the first position that a function of a block finds; None if there is none."""
    for block in parallel.blocks(length):
        found = np.flatnonzero(which(block))
        if len(found):
            return block.start + int(found[0])
    return None


def _first_no_number(values: Any, what: str) -> str:
    """Return where the first value stands that is no number, and which; "" if all are."""
    for position, value in enumerate(values if hasattr(values, "__iter__") else ()):
        complaint = no_number(value)
        if complaint:
            return f"{what} at position {position} is {complaint}"
    return ""


def no_number(value: Any) -> str:
    """Return how messages quote a value that is no number, and what is meant; "" for a number."""
    try:
        float(value)
        return ""
    except (TypeError, ValueError, OverflowError):
        pass
    value = str(value) if isinstance(value, str) else value
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "…"
    if not isinstance(value, str):
        return f"{shown} ({type(value).__name__})"
    if not value.strip():
        return f"{shown}, which is empty; {DROP}"
    with contextlib.suppress(ValueError):
        return f"{shown}; write {float(value.replace(',', '.')):g}"
    return shown


def note_on_rounding(values: np.ndarray) -> tuple[str, ...]:
    """Return a line if float32 holds other numbers than these, and that may matter.

    That is so for whole numbers above 16777216, and for numbers so close together that different
    ones become the same.

    Args:
        values: finite, float64 [n].
    """
    if not len(values):
        return ()
    stored = values.astype(np.float32)
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if _LARGEST_WHOLE < largest < _LARGEST_WHOLE_64:
        changed = np.flatnonzero((stored != values) & (values == np.floor(values)))
        if len(changed):
            first = changed[0]
            return (
                f"{values[first]:.17g} is stored as {float(stored[first]):.17g}: float32 does not "
                f"hold it exactly, like {len(changed) - 1:,} others",
            )
    spread = float(values.max()) - float(values.min())
    if 1e-12 * largest < spread < 1e-4 * largest:
        distinct, left = len(np.unique(values)), len(np.unique(stored))
        if left < distinct:
            return (
                f"{distinct:,} different values are stored as {left:,}, which is all that float32 "
                "tells apart between them; subtract what they have in common",
            )
    return ()


def refuse_masked(values: Any, what: str) -> None:
    """Refuse a masked array in which something is masked: numpy would hand on what is below."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        position = np.flatnonzero(np.ma.getmaskarray(values))[0]
        raise InputError(f"{what} at position {position} is missing (masked); {DROP}")


def refuse_sets(values: Any, what: str) -> None:
    """Refuse a set, whose order changes from process to process, where values go by their order."""
    if isinstance(values, (set, frozenset)):
        raise InputError(f"{what}s: a set has no order; give a list")


def is_missing(value: Any) -> bool:
    """Return whether a value is what Python or a data frame library has for none."""
    return not isinstance(value, (str, bytes)) and str(value).lower() in _MISSING


def as_weights(values: Any) -> np.ndarray:
    """Return weights as float32 [n]; refuses what `as_numbers` does and what is not above 0."""
    weights = as_numbers(values, "weight")
    bad = np.flatnonzero(weights <= 0)
    if len(bad):
        raise InputError(f"weight at position {bad[0]} is {weights[bad[0]]}, not above 0; {DROP}")
    return weights


def as_flag(value: Any, name: str) -> bool:
    """Return True or False; refuse texts such as "False", which Python takes for true.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name}={value!r}: give True or False")
    return bool(value)


def as_number(value: Any, name: str) -> float:
    """Return one finite number, of Python's, numpy's or TensorFlow's.

    Raises:
        InputError: it is something else.
    """
    is_other = isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value) != 0
    try:
        number = float("nan") if is_other else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not np.isfinite(number):
        raise InputError(f"{name}={value!r}: give one finite number")
    return number


def as_count(value: Any, name: str, most: int | None = None) -> int:
    """Return a whole number of 1 or more, such as k or a cutoff.

    Args:
        value: an integer of Python's or numpy's.
        name: of the argument, for errors.
        most: the largest that makes sense; by default any.

    Raises:
        InputError: it is something else.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise InputError(f"{name}={value!r}: give a whole number")
    count = int(value)
    if count < 1:
        raise InputError(f"{name}={count}: ask for at least 1")
    if most is not None and count > most:
        raise InputError(f"{name}={count}: more than makes sense; give at most {most:,}")
    return count
