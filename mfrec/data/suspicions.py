"""What ratings look like that mean something else than they say: warnings, a line each."""

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.splits import count_of

# Fewer rows than this with one row a user may be an example.
_FEWEST_ROWS = 10
# A rating is far off if it is further from the others than this many times their range.
_FAR = 2.0
# Others that lie as close to the lower end, in shares of their range, are counts: large ones are
# no codes.
_CROWDED = 0.1


def of_training(interactions: Interactions) -> list[str]:
    """Return warnings about ratings that are to be trained on."""
    return [*of_ratings(interactions), *_one_row_each(interactions)]


def of_ratings(interactions: Interactions) -> list[str]:
    """Return warnings about ratings that are codes for "not rated", by all appearances."""
    if not interactions.has_ratings:
        return []
    codes = codes_for_missing(interactions.ratings)
    if not codes:
        return []
    ratings = interactions.ratings
    others = ratings[~np.isin(ratings, np.array(codes, np.float32))]
    found = " and ".join(
        f"{int((ratings == np.float32(code)).sum()):,} are {code:g}" for code in codes
    )
    flag = f"--missing_ratings={','.join(f'{code:g}' for code in codes)}"
    return [
        f"of {count_of(len(ratings), 'rating')} {found}, the others lie between {others.min():g} "
        f"and {others.max():g}; if that means not rated, {flag} leaves them out"
    ]


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
    if not len(ratings):
        return []
    lowest, highest = float(ratings.min()), float(ratings.max())
    inner = ratings[(ratings != lowest) & (ratings != highest)]
    if not len(inner):
        return []
    low, high = float(inner.min()), float(inner.max())
    middle = float(np.median(ratings[ratings != highest]))
    is_counted = middle - low <= _CROWDED * (high - low)
    codes = []
    top = highest
    if _is_far(highest - high, low, high) and not is_counted:
        codes, top = [highest], high
    if _is_below_scale(ratings, lowest, low, top) or _is_far(low - lowest, low, high):
        codes.append(lowest)
    if not codes:
        return []
    others = ratings[~np.isin(ratings, np.array(codes, np.float32))]
    return sorted([*codes, *codes_for_missing(others)])


def _is_far(distance: float, low: float, high: float) -> bool:
    return high > low and distance > _FAR * (high - low)


def _is_below_scale(ratings: np.ndarray, lowest: float, low: float, top: float) -> bool:
    """Whether the lowest rating stands below a scale from `low` to `top`."""
    if lowest <= -1:
        return low >= max(0.0, lowest + 1) and top - low > 1
    if lowest != 0 or not 1 <= low < top <= 10 or (ratings != np.floor(ratings)).any():
        return False
    zeros, *others = np.bincount(ratings[ratings <= top].astype(np.int64)).tolist()
    found = [count for count in others if count]
    if top == 5 and len(found) == 5:
        return True
    is_most_frequent = zeros > max(found) and zeros > len(ratings) / 4
    return len(found) >= 4 and (zeros > found[0] + found[1] or is_most_frequent)


def _one_row_each(interactions: Interactions) -> list[str]:
    """Warn if no user, or no item, comes twice: a column of row numbers was taken for it."""
    if len(interactions) < _FEWEST_ROWS:
        return []
    counts = {"user": interactions.user_counts, "item": interactions.item_counts}
    return [
        f"every {role} has one rating, so that nothing can be learnt about any: is its column one "
        f"of row numbers? --{role}_column names another"
        for role, of_rows in counts.items()
        if of_rows.max() == 1
    ]
