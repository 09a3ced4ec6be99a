"""What ratings look like that mean something else than they say: warnings, a line each."""

from collections.abc import Mapping

import numpy as np

from mfrec.data.counting import value_counts
from mfrec.data.interactions import Interactions
from mfrec.data.splits import count_of

# Fewer rows than this with one row a user may be an example.
_FEWEST_ROWS = 10
# A rating is far off if it is further from the others than this many times their range.
_FAR = 2.0
# Others that lie as close to the lower end, in shares of their range, are counts: large ones are
# no codes.
_CROWDED = 0.1
# From this many held-out ratings on most of them lie outside those of training by no accident.
_FEWEST_HELD_OUT = 10
# A range of held-out ratings is another scale if so few of the training's could by chance be in it.
_CHANCE = 1e-6


def of_training(interactions: Interactions, by_flags: bool = True) -> list[str]:
    """Return warnings about ratings that are to be trained on; see `of_ratings`."""
    return [*of_ratings(interactions, by_flags), *_one_row_each(interactions, by_flags)]


def of_ratings(interactions: Interactions, by_flags: bool = True) -> list[str]:
    """Return warnings about ratings that are codes for "not rated", by all appearances.

    Args:
        interactions: the ratings.
        by_flags: whether flags mend it: the ratings come from files, not from Python.
    """
    if not interactions.has_ratings:
        return []
    values, counts = value_counts(interactions.ratings)
    codes = _codes(values, counts)
    if not codes:
        return []
    is_code = np.isin(values, np.array(codes, np.float32))
    others = values[~is_code]
    found = " and ".join(
        f"{count:,} are {code:g}" for code, count in zip(codes, counts[is_code], strict=True)
    )
    listed = ",".join(f"{code:g}" for code in codes)
    remedy = f"--missing_ratings={listed} leaves them out"
    if not by_flags:
        remedy = f"leave them out: ratings.take(~np.isin(ratings.ratings, [{listed}]))"
    return [
        f"of {count_of(len(interactions), 'rating')} {found}, the others lie between "
        f"{others.min():g} and {others.max():g}; if that means not rated, {remedy}"
    ]


def of_scales(train: Interactions, parts: Mapping[str, Interactions | None]) -> list[str]:
    """Return warnings about held-out ratings on another scale than those of training.

    That is, more than half of them lie outside the training's range, and either they are many or
    this far outside: by more than the range and than its ends; or none is in the upper half of a
    range from 0 or more, where by chance some would be.

    Args:
        train: the training part.
        parts: the held-out parts by name; None where there is none.
    """
    return [
        f"{name} ratings lie between {rows.ratings.min():g} and {rows.ratings.max():g}, those of "
        f"training between {train.ratings.min():g} and {train.ratings.max():g}: if their scales "
        "differ, the errors say nothing"
        for name, rows in parts.items()
        if rows is not None and _is_other_scale(train, rows)
    ]


def _is_other_scale(train: Interactions, rows: Interactions) -> bool:
    if not (train.has_ratings and rows.has_ratings and len(train) and len(rows)):
        return False
    low, high = float(train.ratings.min()), float(train.ratings.max())
    outside = np.maximum(low - rows.ratings, rows.ratings - high)
    margin = 0.0 if len(rows) >= _FEWEST_HELD_OUT else max(high - low, abs(low), abs(high))
    if 2 * np.count_nonzero(outside > margin) > len(rows):
        return True
    highest = rows.ratings.max()
    share_below = float((train.ratings <= highest).mean())
    return low >= 0 and highest <= high / 2 and share_below ** len(rows) < _CHANCE


def codes_for_missing(ratings: np.ndarray) -> list[float]:
    """Return the ratings that look like codes for "not rated", in ascending order.

    That is the lowest or highest value, and then the next one, if it is

    - far off: the distance to the next value is more than twice the range of all others, and
      these are no counts, which crowd at their lower end;
    - negative, among others from 0 on;
    - 0 below the whole numbers from 1 to 5, or 0 below whole numbers up to 10 and more frequent
      than the two next to it together, or than every other and a quarter of all.

    Args:
        ratings: finite, float32 [n].
    """
    return _codes(*value_counts(ratings))


def _codes(values: np.ndarray, counts: np.ndarray) -> list[float]:
    """The same of distinct ratings in ascending order, and how often each comes."""
    if len(values) < 3:
        return []
    lowest, low, high, highest = values[[0, 1, -2, -1]].tolist()
    middle = _median(values[:-1], counts[:-1])
    is_counted = middle - low <= _CROWDED * (high - low)
    codes = []
    top = highest
    if _is_far(highest - high, low, high) and not is_counted:
        codes, top = [highest], high
    if _is_below_scale(values, counts, low, top) or _is_far(low - lowest, low, high):
        codes.append(lowest)
    if not codes:
        return []
    is_other = ~np.isin(values, np.array(codes, np.float32))
    return sorted([*codes, *_codes(values[is_other], counts[is_other])])


def _median(values: np.ndarray, counts: np.ndarray) -> float:
    """Return the median of values in ascending order that come so often."""
    ends, num = np.cumsum(counts), counts.sum()
    middle = np.searchsorted(ends, [(num - 1) // 2, num // 2], side="right")
    return float(values[middle].mean())


def _is_far(distance: float, low: float, high: float) -> bool:
    return high > low and distance > _FAR * (high - low)


def _is_below_scale(values: np.ndarray, counts: np.ndarray, low: float, top: float) -> bool:
    """Whether the lowest rating stands below a scale from `low` to `top`."""
    lowest = float(values[0])
    if lowest <= -1:
        return low >= max(0.0, lowest + 1) and top - low > 1
    if lowest != 0 or not 1 <= low < top <= 10 or (values != np.floor(values)).any():
        return False
    zeros, *found = counts[values <= top].tolist()
    if top == 5 and len(found) == 5:
        return True
    is_most_frequent = zeros > max(found) and zeros > counts.sum() / 4
    return len(found) >= 4 and (zeros > found[0] + found[1] or is_most_frequent)


def _one_row_each(interactions: Interactions, by_flags: bool) -> list[str]:
    """Warn if no user, or no item, comes twice: a column of row numbers was taken for it."""
    if len(interactions) < _FEWEST_ROWS:
        return []
    counts = {"user": interactions.user_counts, "item": interactions.item_counts}
    return [
        f"every {role} has one rating, so that nothing can be learnt about any: is its column one "
        f"of row numbers?{f' --{role}_column names another' if by_flags else ''}"
        for role, of_rows in counts.items()
        if of_rows.max() == 1
    ]
