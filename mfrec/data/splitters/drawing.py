"""Shares of rows, and each user's rows in a given order."""

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.errors import InputError


def as_mask(rows: np.ndarray, length: int) -> np.ndarray:
    """Return row numbers, or a mask, as a mask: bool [length]."""
    mask = np.zeros(length, bool)
    mask[np.asarray(rows)] = True
    return mask


def places_within_users(rows: Interactions, order: np.ndarray) -> np.ndarray:
    """Return the place of each row among the rows of its user, from 0: int [rows].

    Args:
        rows: distinct pairs.
        order: every row number once; the places follow it.
    """
    # All rows of the first user in their order, then all of the second, and so on.
    by_user = order[np.argsort(rows.user_ids[order], kind="stable")]
    starts = np.cumsum(rows.user_counts) - rows.user_counts
    places = np.empty(len(rows), np.int64)
    places[by_user] = np.arange(len(rows)) - np.repeat(starts, rows.user_counts)
    return places


def share_of_each(num_rows: np.ndarray, fraction: float) -> np.ndarray:
    """Return the fraction of each number, rounded, such that at least one is left."""
    share = np.round(num_rows * fraction).astype(np.int64)
    return np.minimum(share, np.maximum(num_rows - 1, 0))


def check_range(name: str, fraction: float) -> None:
    """Raise InputError for a fraction that is not in [0, 1)."""
    if not 0 <= fraction < 1:
        raise InputError(f"{name} is {fraction}; give a share from 0 to below 1")
