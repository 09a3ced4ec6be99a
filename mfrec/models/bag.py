"""Sums over what every row holds, such as the items that each user has rated."""

import numpy as np

from mfrec.quiet_tensorflow import tf


class Bag:
    """Which members every row holds, in the order of the rows.

    Args:
        splits: where the members of each row begin and end, int64 [rows + 1].
        members: int32 [n], rows of some table.
    """

    def __init__(self, splits: np.ndarray, members: np.ndarray) -> None:
        self.splits = splits
        self.members = members
        counts = np.diff(splits)
        self._weights = (1 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
        # tensors, not arrays: these would be written into every graph that sums
        self._members = tf.constant(members)
        self._owners = tf.constant(np.repeat(np.arange(len(counts), dtype=np.int32), counts))

    @classmethod
    def of_pairs(cls, rows: np.ndarray, members: np.ndarray, num_rows: int) -> "Bag":
        """Return the distinct members of every row, from pairs in any order, int32 [n] each."""
        pairs = np.unique(np.stack([rows, members], axis=1), axis=0)
        splits = np.searchsorted(pairs[:, 0], np.arange(num_rows + 1))
        return cls(splits, pairs[:, 1].astype(np.int32))

    def sum(self, table: tf.Tensor | tf.Variable, row_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Return n^(−1/2) times the sum of the table's rows over a row's n members.

        0 where a row has none. A compiled function always sums all rows, as XLA knows no ragged
        tensors; outside of one only those that are asked for are summed.

        Args:
            table: float32 [members, width].
            row_ids: int32 [...]; None for all rows.

        Returns:
            float32 [..., width].
        """
        if row_ids is None or not tf.executing_eagerly():
            sums = self._sums(table, self._members, self._owners, len(self._weights))
            sums *= self._weights[:, np.newaxis]
            return sums if row_ids is None else tf.gather(sums, row_ids)
        wanted = np.asarray(row_ids)
        starts, ends = self.splits[wanted.ravel()], self.splits[wanted.ravel() + 1]
        owners = np.repeat(np.arange(wanted.size, dtype=np.int32), ends - starts)
        behind = np.cumsum(ends - starts)[owners] - np.arange(len(owners))
        members = self.members[ends[owners] - behind]
        sums = self._sums(table, members, owners, wanted.size)
        sums *= self._weights[wanted.ravel()][:, np.newaxis]
        return tf.reshape(sums, (*wanted.shape, sums.shape[-1]))

    @staticmethod
    def _sums(
        table: tf.Tensor | tf.Variable, members: np.ndarray, owners: np.ndarray, num_rows: int
    ) -> tf.Tensor:
        return tf.math.unsorted_segment_sum(tf.gather(table, members), owners, num_rows)
