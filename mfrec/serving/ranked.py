"""Rows of lists: what `Recommender` returns."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mfrec.data.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class RankedItem:
    """One row of a list of items.

    Attributes:
        rank: from 1.
        item: raw id.
        label: such as a title; the raw id where the item has none.
        score: the list is ordered by it.
    """

    rank: int
    item: str
    label: str
    score: float


@dataclass(frozen=True)
class RankedUser:
    """One row of a list of users; like `RankedItem`."""

    rank: int
    user: str
    label: str
    score: float


@dataclass(frozen=True)
class UserList:
    """The list of one user.

    Attributes:
        user: as named in the request.
        user_id: the user's row in the vocabulary; UNKNOWN for a user that the run does not know.
        items: the list.
    """

    user: str
    user_id: int
    items: list[RankedItem]


def ranked(kind: type, vocabulary: Vocabulary, rows: np.ndarray, scores: np.ndarray) -> list[Any]:
    """Return the rows of a list as RankedItems or RankedUsers.

    Args:
        kind: RankedItem or RankedUser.
        vocabulary: of the rows.
        rows: int [n] in order; UNKNOWN behind the end of the list.
        scores: float [n].
    """
    pairs = enumerate(zip(rows.tolist(), scores.tolist(), strict=True), start=1)
    return [
        kind(rank, vocabulary.raw_ids[row], vocabulary.label(row), score)
        for rank, (row, score) in pairs
        if row != UNKNOWN
    ]
