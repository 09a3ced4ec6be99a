"""Linear counts over long columns, a block at a time."""

from collections.abc import Callable

import numpy as np

from mfrec import parallel
from mfrec.data.vocabulary import UNKNOWN


def count_rows(ids: np.ndarray, num_rows: int) -> np.ndarray:
    """Return how often each id comes, int64 [num_rows]; UNKNOWN is counted nowhere."""
    counts = np.zeros(num_rows + 1, np.int64)
    # a block's counts are as long as these
    for block in parallel.blocks(len(ids), max(parallel.BLOCK, num_rows)):
        counts += np.bincount(ids[block] - UNKNOWN, minlength=num_rows + 1)[: num_rows + 1]
    return counts[-UNKNOWN:]


def sum_rows(ids: np.ndarray, values: Callable[[slice], np.ndarray], num_rows: int) -> np.ndarray:
    """Return the sum of the values of each id, float64 [num_rows].

    Args:
        ids: int [n], without UNKNOWN.
        values: returns those of a block of rows.
        num_rows: ids are below it.
    """
    sums = np.zeros(num_rows)
    for block in parallel.blocks(len(ids), max(parallel.BLOCK, num_rows)):
        sums += np.bincount(ids[block], values(block), minlength=num_rows)
    return sums


def which_come(ids: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the distinct ids but UNKNOWN in ascending order, int64."""
    comes = np.zeros(num_rows + 1, bool)
    # UNKNOWN is -1, the last entry
    comes[ids] = True
    return np.flatnonzero(comes[:-1])


def value_counts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values in ascending order, and how often each comes, int64.

    Linear for values that come often, such as ratings; others are sorted.
    """
    parts = parallel.each(
        lambda block: np.unique(values[block], return_counts=True), parallel.blocks(len(values))
    )
    if not parts:
        return values[:0], np.empty(0, np.int64)
    found, counts = map(np.concatenate, zip(*parts, strict=True))
    if len(found) > len(values) / 4:
        return np.unique(values, return_counts=True)
    distinct, places = np.unique(found, return_inverse=True)
    # of whole numbers below 2**53 the sums are exact
    return distinct, np.bincount(places, counts).astype(np.int64)
