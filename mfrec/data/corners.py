"""What the first row and the first column of a matrix hold: names, or ratings.

Text is a name. Of numbers the corner tells, and where it does not, numbers that can hardly be
ratings are refused, not guessed.
"""

import numpy as np

from mfrec.data.usual_names import USUAL_NAMES, plain_name

_USERS = USUAL_NAMES["user"] | {
    *("id", "index", "unnamed", "row", "rows", "u", "reader", "readers", "viewer", "viewers"),
    *("member", "client", "person", "customerno", "customernumber", "userno", "usernumber"),
    *("kunde", "kunden", "nutzer", "benutzer"),
}
_ITEMS = {"item", "items", "itemid", "movie", "movies", "movieid", "title", "titles"}
# Ratings are in this range, if the others of a matrix are not elsewhere.
USUAL_RATINGS = (0.0, 10.0)
# Numbers are far beyond others from this many times the largest.
_FAR = 2.0
# This many numbers in order are no ratings; fewer where they count up, or lie beyond.
_MANY_IN_ORDER = 6
_FEW_IN_ORDER = 3


def says_users(corner: str) -> bool:
    """Return whether the first cell says that its column names the users."""
    name = plain_name(corner)
    return name in _USERS or name.startswith(("userid", "useritem", "usermovie", "usertitle"))


def says_items(corner: str) -> bool:
    """Return whether the first cell says that its column names the items: a matrix on its side."""
    name = plain_name(corner)
    return name in _ITEMS or name.startswith(("itemid", "itemuser", "movieid", "movieuser"))


def may_be_names(numbers: np.ndarray, ratings: np.ndarray) -> bool:
    """Return whether numbers at the edge of a matrix can hardly be ratings, but names.

    They are whole, none is missing, all differ, and either lie far beyond all ratings or are in
    order: many, or 0, 1, 2, …, or beyond the ratings.

    Args:
        numbers: of the first row or column, NaN where one is missing.
        ratings: all others, NaN where one is missing.
    """
    ratings = ratings[np.isfinite(ratings)]
    if len(numbers) < 2 or not np.isfinite(numbers).all() or (numbers < 0).any():
        return False
    if (numbers != np.floor(numbers)).any() or len(np.unique(numbers)) < len(numbers):
        return False
    highest = max(USUAL_RATINGS[1], ratings.max(initial=0.0))
    if numbers.min() > _FAR * highest:
        return True
    if (np.diff(numbers) <= 0).any() or len(numbers) < _FEW_IN_ORDER:
        return False
    counts = numbers[0] in (0, 1) and (np.diff(numbers) == 1).all()
    return bool(len(numbers) >= _MANY_IN_ORDER or counts or numbers.max() > highest)
