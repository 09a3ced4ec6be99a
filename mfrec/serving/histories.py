"""Input of requests: names in files, and histories of items with ratings.

`is_in_range` and `is_liked` take numpy arrays and tensors alike; nothing here loads TensorFlow.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfrec.data import encodings, opening
from mfrec.data.fields import with_newlines
from mfrec.data.values import as_numbers
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError


def read_names(path: str | Path) -> list[str]:
    """Return raw ids or labels from a file, one per line, unchanged; empty lines are skipped.

    Raises:
        InputError: the file is missing, not UTF-8 or empty.
    """
    data, _ = opening.read_bytes(path)
    data, _, _ = encodings.as_utf8(path, data)
    names = [line for line in with_newlines(data).decode().split("\n") if line]
    if not names:
        raise InputError(f"{path}: empty; one name a line is expected")
    return names


def most_commas(items: Vocabulary) -> int:
    """Return the most commas in a raw id or label, so that longer stretches name no item."""
    names = itertools.chain(items.raw_ids, items.labels or ())
    return max((name.count(",") for name in names), default=0)


def parse_history(
    text: str, is_item: Callable[[str], bool], longest: int | None = None
) -> tuple[list[tuple[str, float | None]], list[str]]:
    """Parse 'item:rating,item:rating', 'item,item', or @FILE with `item[:rating]` lines.

    Names of items may contain commas and colons: the longest stretch that names an item is taken,
    and a colon followed by a number starts a rating only if the whole names no item.

    Args:
        text: the typed text.
        is_item: returns whether a text names an item.
        longest: the most commas in the name of an item; without it, a long text of unknown names
            takes long.

    Returns:
        The items with their ratings (None without one), and the names that are no items.

    Raises:
        InputError: the file cannot be read.
    """
    lines = read_names(text[1:]) if text.startswith("@") else [text]
    known, unknown = [], []
    for line in lines:
        pieces = line.split(",")
        most = len(pieces) if longest is None else longest + 1
        start = 0
        while start < len(pieces):
            for end in range(min(start + most, len(pieces)), start, -1):
                item, rating = _entry(",".join(pieces[start:end]).strip(), is_item)
                if is_item(item):
                    known.append((item, rating))
                    break
            else:
                unknown += [item] if item else []
            start = end
    return known, unknown


def _entry(text: str, is_item: Callable[[str], bool]) -> tuple[str, float | None]:
    """Return an item and its rating, if it has one."""
    item, colon, number = text.rpartition(":")
    if not colon or is_item(text):
        return text, None
    try:
        rating = float(number)
    except ValueError:
        return text, None
    return (item.strip(), rating) if math.isfinite(rating) else (text, None)


def is_in_range(ratings: Any, rating_range: tuple[float, float]) -> Any:
    """Return which ratings lie between the lowest and the highest, bool of their shape."""
    low, high = rating_range
    return (ratings >= low) & (ratings <= high)


def is_liked(item_ids: Any, ratings: Any, min_rating: float | None) -> Any:
    """Return which rows of histories make a user's vector: known items rated high enough.

    Args:
        item_ids: int32 of any shape, UNKNOWN for none.
        ratings: float32 of the same shape.
        min_rating: the lowest rating that counts; None if all do.

    Returns:
        bool of the same shape.
    """
    is_known = item_ids != UNKNOWN
    return is_known if min_rating is None else is_known & (ratings >= min_rating)


def check_history(
    items: Sequence[Any],
    item_ids: np.ndarray,
    ratings: ArrayLike | None,
    rating_range: tuple[float, float] | None,
    min_rating: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of a history that count, as `FoldIn` takes them.

    Args:
        items: as named in the request, for errors.
        item_ids: their ids, int32 [n], UNKNOWN for items that the run does not know.
        ratings: of the items, [n], or of the only one; None if there are none.
        rating_range: the lowest and the highest rating where the run predicts ratings, else None.
        min_rating: the lowest rating that counts; None if all do.

    Returns:
        Item ids int32 [m], ratings float32 [m] (1 without any), and weights 1, float32 [m].

    Raises:
        InputError: no item counts, or ratings that are missing, too few, or out of range.
    """
    if ratings is None and rating_range:
        raise InputError("the run predicts ratings: give one with every item of the history")
    if ratings is None:
        ratings, min_rating = [1.0] * len(item_ids), None
    values = as_numbers([ratings] if np.ndim(ratings) == 0 else ratings, "rating")
    if len(values) != len(item_ids):
        raise InputError(f"{len(values)} ratings for a history of {len(item_ids)} items")
    if rating_range:
        low, high = rating_range
        for position in np.flatnonzero(~is_in_range(values, rating_range)).tolist():
            raise InputError(
                f"rating {values[position]:g} of item '{items[position]}': the run's are from "
                f"{low:g} to {high:g}"
            )
    counted = is_liked(item_ids, values, min_rating)
    if not counted.any():
        rated = "" if min_rating is None else f" rated {min_rating:g} or higher"
        raise InputError(f"the history holds no item{rated} that the run knows")
    return item_ids[counted], values[counted], np.ones(counted.sum(), np.float32)
