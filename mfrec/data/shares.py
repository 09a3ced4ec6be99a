"""The shares that workers have of the ratings: each the rows of its own users."""

from dataclasses import dataclass, fields, replace

import numpy as np

from mfrec.data.dealing import part_of
from mfrec.data.interactions import Interactions
from mfrec.data.splits import Split


def dealt(split: Split, num_workers: int) -> Split:
    """Return the same split with its users numbered worker by worker.

    So the rows of a worker's users follow one another, in the run folder as well.
    """
    if num_workers == 1 or split.recipe is None:
        return split
    users, items = split.train.users, split.train.items
    order = np.argsort(part_of(users.raw_ids, num_workers), kind="stable")
    return replace(split.recipe, earlier=(users.take(order), items)).encode()


@dataclass(frozen=True, eq=False)
class OwnRows(Interactions):
    """The rows of a worker's own users, who alone are in the vocabulary of users.

    Attributes:
        all_rows: the rows of all users.
    """

    all_rows: Interactions | None = None

    @classmethod
    def of(cls, own: Interactions, all_rows: Interactions) -> "OwnRows":
        """Return these rows as a share of all."""
        columns = {field.name: getattr(own, field.name) for field in fields(Interactions)}
        return cls(**columns, all_rows=all_rows)

    @property
    def whole(self) -> Interactions:
        """The rows of all users, of which these are a share."""
        return self.all_rows or self
