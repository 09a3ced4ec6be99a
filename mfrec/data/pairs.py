"""Pairs (user, item) that come twice, within many rows or in two sets of rows.

Each pair is one number, and equal numbers are found by sorting a stretch of users at a time, one a
processor. numpy sorts plain 64-bit integers many times as fast as it finds the order that sorts
them; so where the row's position has room below the pair's number, both are sorted as one number.
"""

from dataclasses import dataclass

import numpy as np

from mfrec import parallel

# Rows of a stretch, in blocks: a sort of so many stays in a processor's cache or close to it.
_BLOCKS = 8
_BITS = 63


def numbers(user_ids: np.ndarray, item_ids: np.ndarray, num_items: int) -> np.ndarray:
    """Return one number for each (user, item): int64 [n], equal for equal pairs."""
    # UNKNOWN is -1: everything moves up by one so that no pair takes another's number.
    found = user_ids.astype(np.int64)
    found += 1
    found *= num_items + 1
    found += item_ids
    found += 1
    return found


@dataclass(frozen=True)
class Stretch:
    """Users from `first` to before `end`."""

    first: int
    end: int

    def rows(self, user_ids: np.ndarray) -> np.ndarray:
        """Return the rows of these users, ascending: int64."""
        return np.flatnonzero((user_ids >= self.first) & (user_ids < self.end))


def stretches(user_counts: np.ndarray) -> list[Stretch]:
    """Return stretches of users, UNKNOWN before the first, with about as many rows each.

    Args:
        user_counts: rows of each user, int [num_users].
    """
    ends = np.cumsum(user_counts)
    size = _BLOCKS * parallel.BLOCK
    wanted = np.arange(size, ends[-1] if len(ends) else 0, size)
    borders = np.unique(np.searchsorted(ends, wanted)).tolist()
    ends_of = [*borders, len(user_counts)]
    return [Stretch(*pair) for pair in zip([-1, *borders], ends_of, strict=True)]


def repeated_rows(
    user_ids: np.ndarray, item_ids: np.ndarray, num_items: int, user_counts: np.ndarray
) -> list[np.ndarray]:
    """Return the rows whose pair comes more than once, ascending, for each stretch of users."""

    def find(stretch: Stretch) -> np.ndarray:
        rows = stretch.rows(user_ids)
        return rows[_repeated(numbers(user_ids[rows] - stretch.first, item_ids[rows], num_items))]

    return [rows for rows in parallel.each(find, stretches(user_counts)) if len(rows)]


def distinct(pairs: np.ndarray) -> np.ndarray:
    """Return the distinct numbers in ascending order."""
    # np.unique hashes them, which takes many times as long
    pairs = np.sort(pairs)
    is_first = np.ones(len(pairs), bool)
    np.not_equal(pairs[1:], pairs[:-1], out=is_first[1:])
    return pairs[is_first]


def count_shared(pairs: np.ndarray, known: np.ndarray) -> int:
    """Return how many pairs are among known ones, both given as numbers."""
    if not len(known):
        return 0
    # np.isin does the same, ten times as slowly
    pairs, known = np.sort(pairs), np.sort(known)
    places = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    return int((known[places] == pairs).sum())


def _repeated(pairs: np.ndarray) -> np.ndarray:
    """Return the positions of numbers that come more than once, ascending."""
    bits = len(pairs).bit_length()
    if int(pairs.max(initial=0)).bit_length() + bits > _BITS:
        order = np.argsort(pairs, kind="stable")
        ordered = pairs[order]
    else:
        both = pairs << bits
        both |= np.arange(len(pairs))
        both.sort()
        ordered = both >> bits
        both &= (1 << bits) - 1
        order = both
    is_repeated = np.zeros(len(pairs), bool)
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    is_repeated[order[same]] = True
    is_repeated[order[same + 1]] = True
    return np.flatnonzero(is_repeated)
