"""What happens to the scores of negatives before a loss sees them; pure functions, [..., N].

The same for every loss and sampler, in this order: log-Q correction, masking of accidental hits,
hard negatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.pairs import distinct
from mfrec.quiet_tensorflow import tf

# Score of a masked negative: low enough for every loss, and finite, so that no gradient is NaN.
MASKED = -1e9


def log_q_corrected(
    scores: tf.Tensor, log_probabilities: tf.Tensor, temperature: float = 1.0
) -> tf.Tensor:
    """Return s − τ log(N q): then the negatives stand for the whole catalogue.

    With N draws from q, the sum of e^(s/τ) over the negatives has the sum over the catalogue as
    its mean. Bengio, Senécal 2008, "Adaptive importance sampling to accelerate training of a
    neural probabilistic language model"; for in-batch negatives Yi et al. 2019,
    "Sampling-bias-corrected neural modeling for large corpus item recommendations".

    Args:
        scores: float32 [..., N].
        log_probabilities: log q of each negative; of a shape that broadcasts to that of scores.
        temperature: τ, by which the loss divides scores.
    """
    return scores - temperature * (log_probabilities + math.log(scores.shape[-1]))


def without_hits(scores: tf.Tensor, is_hit: tf.Tensor) -> tf.Tensor:
    """Return the scores with accidental hits, negatives that are positives, far below all others.

    Args:
        scores: float32 [..., N].
        is_hit: bool, of a shape that broadcasts to that of scores.
    """
    return tf.where(is_hit, MASKED, scores)


def hardest(scores: tf.Tensor, num_draws: int) -> tf.Tensor:
    """Return the highest of every `num_draws` scores, float32 [..., N / num_draws].

    The others get no gradient.
    """
    groups = [scores.shape[-1] // num_draws, num_draws]
    shape = tf.concat([tf.shape(scores)[:-1], groups], axis=0)
    return tf.reduce_max(tf.reshape(scores, shape), axis=-1)


def hits_in_batch(positive_ids: tf.Tensor, negative_ids: tf.Tensor) -> tf.Tensor:
    """Return which negatives are positives of the same row of the batch, bool.

    Args:
        positive_ids: int32 [B], or [B, P] where rows hold P positives of one user.
        negative_ids: int32 [N], shared by the batch.

    Returns:
        [B, N] or [B, 1, N].
    """
    is_hit = positive_ids[..., tf.newaxis] == negative_ids
    return tf.reduce_any(is_hit, axis=-2, keepdims=True) if len(is_hit.shape) > 2 else is_hit


class PairSet(Protocol):
    """Pairs of a user and an item, such as `KnownPairs`."""

    def contain(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Return which pairs are in the set, bool of the shape that the ids broadcast to."""


@dataclass(frozen=True)
class KnownPairs:
    """The training pairs as a hash table that the compiled loop can ask.

    Pairs that share a bucket stand side by side in it; an answer reads one bucket.

    Attributes:
        buckets: int64 [num_buckets, width] of user · num_items + item, −1 where empty.
        num_items: rows of the item table.
    """

    buckets: tf.Tensor
    num_items: int

    @classmethod
    def of(cls, train: Interactions) -> KnownPairs:
        """The pairs of the training part."""
        keys = distinct(train.user_ids.astype(np.int64) * train.num_items + train.item_ids)
        num_buckets = len(keys) + 1
        places = _bucket(keys, num_buckets)
        order = np.argsort(places, kind="stable")
        keys, places = keys[order], places[order]
        column = np.arange(len(keys)) - np.searchsorted(places, places)
        buckets = np.full((num_buckets, column.max() + 1), -1)
        buckets[places, column] = keys
        return cls(tf.constant(buckets), train.num_items)

    def contain(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Tells which pairs are known, bool, of the shape that the two have together."""
        keys = tf.cast(user_ids, tf.int64) * self.num_items + tf.cast(item_ids, tf.int64)
        places = _bucket(keys, self.buckets.shape[0])
        return tf.reduce_any(tf.gather(self.buckets, places) == keys[..., tf.newaxis], axis=-1)


def _bucket(keys: np.ndarray | tf.Tensor, num_buckets: int) -> np.ndarray | tf.Tensor:
    """Scatters neighbouring keys: Fibonacci hashing below 2^31, so that nothing overflows."""
    return (keys % 2147483647 * 1640531527) % 4294967291 % num_buckets
