"""How columns are called in the data that people have."""

import re
from collections.abc import Mapping

# The usual names of the columns, as `plain_name` returns them: a name of an earlier group wins,
# and of two names in one group neither.
# fmt: off
_PREFERRED = {
    "user": (
        {"userid"},
        {"user", "users", "uid"},
        {"customerid", "reviewerid"},
        {"customer", "reviewer"},
        {"username"},
    ),
    "item": (
        {"itemid"},
        {"item", "items", "iid"},
        {
            "movieid", "isbn", "bookid", "asin", "productid", "artistid", "songid", "trackid",
            "businessid", "animeid", "gameid", "stockcode", "sku",
        },
        {"parentasin"},
        {
            "movie", "book", "product", "artist", "song", "track", "business", "anime", "game",
        },
    ),
    "rating": (
        {"rating", "ratings"},
        {"score", "stars", "overall", "ratingvalue", "bookrating"},
        {"value"},
    ),
    "timestamp": ({"timestamp"}, {"unixtime", "unixreviewtime"}, {"datetime"}, {"time", "date"}),
}
# fmt: on
USUAL_NAMES = {role: frozenset().union(*groups) for role, groups in _PREFERRED.items()}


def plain_name(name: str) -> str:
    """Return a column's name without case, punctuation and RecBole's ":type"."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def best_matches(role: str, names: Mapping[int, str]) -> list[int]:
    """Return the columns that have the most usual name of a role; several are as good.

    Args:
        role: "user", "item", "rating" or "timestamp".
        names: of the columns, by number.
    """
    plain = {number: plain_name(name) for number, name in names.items()}
    for group in _PREFERRED[role]:
        matches = [number for number, name in plain.items() if name in group]
        if matches:
            return matches
    return []
