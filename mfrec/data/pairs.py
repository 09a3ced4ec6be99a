"""Pairs (user, item) that come twice, within many rows or in two sets of rows.

Each pair is one number, and equal numbers are found by sorting: numpy sorts plain 64-bit integers
many times as fast as it finds the order that sorts them. So the position of a row stands below the
number of its pair, and both are sorted as one number. Pieces that stay close to a processor are
sorted first, on all processors, then put together one range of numbers after the other.
"""

from collections.abc import Callable

import numpy as np

from mfrec import parallel

# Numbers of a piece, in blocks.
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


def repeated_rows(
    user_ids: np.ndarray, item_ids: np.ndarray, num_users: int, num_items: int
) -> list[np.ndarray]:
    """Return the rows whose pair comes more than once, ascending: int64 arrays without a common
    pair.

    Args:
        user_ids: int [n], below `num_users`.
        item_ids: int [n], below `num_items`.
        num_users: of the vocabulary.
        num_items: of the vocabulary.
    """
    bits = len(user_ids).bit_length()
    if ((num_users + 1) * (num_items + 1)).bit_length() + bits > _BITS:
        return _rows_of_repeated_numbers(user_ids, item_ids, num_items)
    keys = np.empty(len(user_ids), np.int64)

    def fill(block: slice) -> None:
        found = numbers(user_ids[block], item_ids[block], num_items) << bits
        found |= np.arange(block.start, block.stop)
        keys[block] = found

    def repeated(ordered: np.ndarray) -> np.ndarray:
        pairs = ordered >> bits
        same = np.flatnonzero(pairs[1:] == pairs[:-1])
        is_repeated = np.zeros(len(ordered) if len(same) else 0, bool)
        is_repeated[same] = True
        is_repeated[same + 1] = True
        return np.sort(ordered[: len(is_repeated)][is_repeated] & ((1 << bits) - 1))

    parallel.each(fill, parallel.blocks(len(keys)))
    return [rows for rows in _in_ranges(keys, repeated, bits) if len(rows)]


def _rows_of_repeated_numbers(
    user_ids: np.ndarray, item_ids: np.ndarray, num_items: int
) -> list[np.ndarray]:
    """The same for numbers that leave no room for positions."""
    pairs = numbers(user_ids, item_ids, num_items)

    def repeated(ordered: np.ndarray) -> np.ndarray:
        return ordered[1:][ordered[1:] == ordered[:-1]]

    found = np.concatenate([pairs[:0], *_in_ranges(pairs.copy(), repeated)])
    return [np.flatnonzero(_are_among(pairs, found))] if len(found) else []


def distinct(pairs: np.ndarray) -> np.ndarray:
    """Return the distinct numbers of pairs in ascending order."""

    def first_of_each(ordered: np.ndarray) -> np.ndarray:
        is_first = np.ones(len(ordered), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
        return ordered[is_first]

    # np.unique hashes them, which takes many times as long
    return np.concatenate([pairs[:0], *_in_ranges(pairs.copy(), first_of_each)])


def count_shared(pairs: np.ndarray, known: np.ndarray) -> int:
    """Return how many numbers of pairs are among known ones."""
    return int(np.count_nonzero(_are_among(np.sort(pairs), distinct(known))))


def _are_among(pairs: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return which numbers are among others, which are in ascending order."""
    if not len(known):
        return np.zeros(len(pairs), bool)
    # np.isin does the same, ten times as slowly
    places = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    return known[places] == pairs


def _in_ranges(
    keys: np.ndarray, function: Callable[[np.ndarray], np.ndarray], bits: int = 0
) -> list[np.ndarray]:
    """Return what a function makes of each range of numbers, ascending ones of ascending numbers.

    Args:
        keys: int64 [n]; they are moved.
        function: takes all numbers of a range, in ascending order.
        bits: numbers that are equal but for these lowest ones are in one range.
    """
    pieces = [keys[block] for block in parallel.blocks(len(keys), _BLOCKS * parallel.BLOCK)]
    parallel.each(np.ndarray.sort, pieces)
    if not pieces:
        return []
    # of every piece as many as to cut it into as many ranges
    some = np.sort(np.concatenate([piece[:: -(-len(piece) // 64)] for piece in pieces]))
    borders = some[np.arange(1, len(pieces)) * len(some) // len(pieces)] >> bits << bits
    places = [[0, *np.searchsorted(piece, borders), len(piece)] for piece in pieces]

    def of_range(number: int) -> np.ndarray:
        parts = [
            piece[of_piece[number] : of_piece[number + 1]]
            for piece, of_piece in zip(pieces, places, strict=True)
        ]
        together = np.concatenate(parts)
        together.sort()
        return function(together)

    return parallel.each(of_range, range(len(pieces)))
