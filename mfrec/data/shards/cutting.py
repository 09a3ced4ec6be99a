"""Which rows train, validate and test, decided row by row or user by user.

random          by a hash of seed, user and item: the same for every order of the rows
temporal        by two points in time, found in a histogram of a million bins
others          by the splitter of that name, a shard at a time: it has all rows of its users
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfrec.data import splitters
from mfrec.data.dealing import mixed
from mfrec.data.interactions import Interactions

# Splits that look at the rows of one user alone.
BY_USER = ("per_user", "leave_last_out")
SPLITS = ("random", "temporal", *BY_USER)

_BINS = 1 << 20


@dataclass
class Cut:
    """A split of rows that come shard by shard.

    Args:
        split: one of `SPLITS`.
        seed: fixes what is drawn.
        given: the splitter's settings, such as test_fraction; its own defaults hold otherwise.

    Attributes:
        times: from when on rows are held out, and from when on they are tested; inf for never.
    """

    split: str
    seed: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ends: tuple[float, float] | None = None
        self.times: tuple[float, float] = (np.inf, np.inf)
        values = splitters.get(self.split).resolve(self.given)
        self._shares = values.get("validation_fraction") or 0.0, values.get("test_fraction", 0.0)

    @property
    def needs_times(self) -> bool:
        """Whether rows have to have timestamps."""
        return self.split == "temporal"

    def describe(self) -> str:
        """Return the split in a few words."""
        splitter = splitters.get(self.split)
        seed = f", seed {self.seed}" if splitter.draws else ""
        by_hash = ", by hash" if self.split == "random" else ""
        return splitter.describe(self.given) + by_hash + seed

    def lacking(self, rows: Mapping[str, int]) -> list[str]:
        """Return which held-out parts were to be made and have no rows.

        Args:
            rows: by part.
        """
        shares = dict(zip(("validation", "test"), self._shares, strict=True))
        return [part for part, share in shares.items() if share and not rows[part]]

    def look_at(self, times: np.ndarray) -> None:
        """Take note of the earliest and the latest time."""
        low, high = float(times.min()), float(times.max())
        before = self._ends or (low, high)
        self._ends = min(before[0], low), max(before[1], high)

    def decide(self, times: Iterable[np.ndarray]) -> None:
        """Find the points in time, once all times were looked at.

        Args:
            times: of all rows, some at a time; repeated pairs count as often as they come.
        """
        if not self.needs_times or self._ends is None:
            return
        low, high = self._ends
        high += high == low
        edges = np.linspace(low, high, _BINS + 1)
        # rows of the latest time are in the last bin, and nothing is behind it
        edges[-1] = np.inf
        counts = np.zeros(_BINS, np.int64)
        for some in times:
            bins = ((some - low) * (_BINS / (high - low))).astype(np.int64)
            # rounded, a time at an edge may be in the bin beside its own
            bins -= some < edges[bins]
            bins += some >= edges[bins + 1]
            # np.histogram would go over all bins, however few times there are
            np.add.at(counts, bins, 1)
        # the bins whose rows are later than the cut, from the last one on
        later = np.cumsum(counts[::-1])[::-1] / max(counts.sum(), 1)
        validation, test = self._shares

        def edge(share: float) -> float:
            """The earliest edge with at most this share of the rows behind it."""
            return edges[int(np.argmax(np.append(later, 0.0) <= share))]

        self.times = edge(validation + test), edge(test)

    def parts(
        self, rows: Interactions, user_hashes: np.ndarray, item_hashes: np.ndarray, shard: int
    ) -> dict[str, Interactions]:
        """Return the "train", "validation" and "test" rows of a shard.

        Args:
            rows: distinct pairs, with all rows of their users.
            user_hashes: uint32 [num_users].
            item_hashes: uint32 [num_items].
            shard: its number.
        """
        if not len(rows):
            return {"train": rows, "validation": rows, "test": rows}
        if self.split in BY_USER:
            recipe = splitters.cut(rows, self.split, self.seed + shard, **self.given)
            nothing = rows.take(slice(0))
            parts = {"validation": recipe.validation, "test": recipe.test}
            found = {name: nothing if part is None else part for name, part in parts.items()}
            return {"train": recipe.train, **found}
        if self.needs_times:
            assert rows.timestamps is not None
            is_held_out, is_test = (rows.timestamps >= time for time in self.times)
        else:
            validation, test = self._shares
            salted = item_hashes[rows.item_ids] + np.uint32(self.seed * 0x9E3779B1 % 2**32)
            draws = mixed(user_hashes[rows.user_ids] ^ mixed(salted))
            is_test = draws < test * 2**32
            is_held_out = draws < (validation + test) * 2**32
        return {
            "train": rows.take(~is_held_out),
            "validation": rows.take(is_held_out & ~is_test),
            "test": rows.take(is_test),
        }
