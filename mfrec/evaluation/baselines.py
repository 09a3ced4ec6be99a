"""Baselines: what every model is compared with, none of which needs training.

Of ratings: the global mean μ of the training ratings, and damped biases,

    b_i = Σ_u (r − μ) / (n_i + d_i),    b_u = Σ_i (r − μ − b_i) / (n_u + d_u),

which shrink the means of items and users with few ratings towards 0 (the form of Koren 2010,
"Factor in the neighbors", section 2.1). d_i = d_u = 5: on all but one of fourteen rating sets this
baseline is as good as or better than with Koren's 25 and 10, and so harder to beat.

Of rankings: random scores, and popularity, the number of training users who have an item.
"""

from collections.abc import Callable

import numpy as np

from mfrec import parallel
from mfrec.data.counting import sum_rows
from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import UNKNOWN
from mfrec.quiet_tensorflow import tf

ITEM_DAMPING = 5.0
USER_DAMPING = 5.0


class DampedBiases:
    """μ + b_u + b_i, fitted to the training ratings.

    Args:
        train: the training part.

    Attributes:
        mean: μ.
    """

    def __init__(self, train: Interactions) -> None:
        total, items, users = 0.0, np.zeros(train.num_items), np.zeros(train.num_users)
        for rows in train.shards():
            for block in parallel.blocks(len(rows)):
                total += rows.ratings[block].astype(np.float64).sum()
        self.mean = total / len(train)
        for rows in train.shards():
            items += sum_rows(rows.item_ids, self._above_mean(rows), train.num_items)
        self._item_bias = _damped_means(items, train.item_counts, ITEM_DAMPING)
        for rows in train.shards():
            users += sum_rows(rows.user_ids, self._residuals(rows), train.num_users)
        self._user_bias = _damped_means(users, train.user_counts, USER_DAMPING)

    def _above_mean(self, rows: Interactions) -> Callable[[slice], np.ndarray]:
        return lambda block: rows.ratings[block].astype(np.float64) - self.mean

    def _residuals(self, rows: Interactions) -> Callable[[slice], np.ndarray]:
        above_mean = self._above_mean(rows)
        return lambda block: above_mean(block) - self._item_bias[rows.item_ids[block]]

    def predict(self, user_ids: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
        """Return the predictions of pairs, float64 [n]; an UNKNOWN id has a bias of 0."""
        return self.mean + self._user_bias[user_ids] + self._item_bias[item_ids]


def _damped_means(sums: np.ndarray, counts: np.ndarray, damping: float) -> np.ndarray:
    """Return Σ values / (n + damping) of every row, float64 [rows + 1]; the last is UNKNOWN's 0."""
    assert UNKNOWN == -1
    return np.append(sums / (counts + damping), 0.0)


def random_scores(user_ids: tf.Tensor, num_items: int, seed: int) -> tf.Tensor:
    """Return uniform scores from 0 to 2²⁴ − 1, float32 [B, num_items].

    A score is a hash of seed, user and item, so that it does not depend on the block that a user
    comes in.
    """
    users = _hashed(tf.cast(user_ids, tf.uint32) ^ np.uint32(seed % (1 << 32)))
    items = tf.cast(tf.range(num_items), tf.uint32)
    hashes = _hashed(users[:, None] ^ items)
    return tf.cast(tf.bitwise.right_shift(hashes, np.uint32(8)), tf.float32)


def popularity_scores(user_ids: tf.Tensor, users_per_item: np.ndarray) -> tf.Tensor:
    """Return every item's number of users for each of these users, float32 [B, num_items]."""
    scores = tf.constant(users_per_item, tf.float32)
    return tf.broadcast_to(scores, (tf.shape(user_ids)[0], len(users_per_item)))


def _hashed(values: tf.Tensor) -> tf.Tensor:
    """Mix the bits of uint32 (the finalizer of MurmurHash3, Appleby 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        values = (values ^ tf.bitwise.right_shift(values, np.uint32(shift))) * np.uint32(factor)
    return values
