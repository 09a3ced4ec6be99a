"""Ranks of held-out items: one pass over each row of scores counts the items before them."""

import functools

import numpy as np

from mfrec.evaluation.top_items import CHUNK
from mfrec.quiet_tensorflow import tf

# Held-out items of a user that one pass over the scores counts for.
_ITEMS_PER_PASS = 4
_HALF = 1 << 16


def exact_ranks(
    scores: tf.Tensor, owners: np.ndarray, item_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of items among all scores of their rows, exact, with ties.

    Args:
        scores: float32 [B, n · CHUNK]; −∞ for an item that is no candidate.
        owners: the items' rows of `scores`, int [n], rising.
        item_ids: the items, int [n].

    Returns:
        ranks: from 1, equal scores ordered by item id, float64 [n].
        better: candidates with a higher score plus half of the others with the same, float64 [n].
        Both are infinite for an item that is no candidate.
    """
    columns = np.arange(len(owners)) - np.searchsorted(owners, owners)
    width = columns.max(initial=0) + 1
    width += -width % _ITEMS_PER_PASS
    table = np.zeros((len(scores), width), np.int32)
    table[owners, columns] = item_ids
    passes = np.split(table, width // _ITEMS_PER_PASS, axis=1)
    counts = [_count(scores, items) for items in passes]
    before, higher = (
        np.concatenate([count[i] for count in counts], axis=1)[owners, columns] for i in (0, 1)
    )
    is_candidate = before >= 0
    return np.where(is_candidate, before + 1, np.inf), np.where(
        is_candidate, (higher - 1) / 2, np.inf
    )


@functools.partial(tf.function, jit_compile=True)
def _count(scores: tf.Tensor, item_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Count the items before some items of each row; int32 [B, C] each.

    Both counts travel as halves of one int32, which would not hold those of a whole row. XLA
    uses vector registers for sums over a chunk, not for sums over a row.

    Args:
        scores: float32 [B, n · CHUNK].
        item_ids: int32 [B, C].

    Returns:
        The number of items with a higher score, or the same and a lower id; −1 for an item of
        score −∞. The number with a higher score plus the number with a score as high, the item
        itself included.
    """
    own_scores = tf.gather(scores, item_ids, batch_dims=1)
    own_score, own_id = (x[:, :, None, None] for x in (own_scores, item_ids))
    chunks = tf.reshape(scores, (scores.shape[0], 1, -1, CHUNK))
    ids = tf.reshape(tf.range(scores.shape[1]), (-1, CHUNK))
    if_equal = tf.where(ids < own_id, _HALF + 1, 1)
    counts = tf.where(chunks > own_score, _HALF + 2, tf.where(chunks == own_score, if_equal, 0))
    counts = tf.reduce_sum(counts, axis=3)
    before = tf.reduce_sum(counts // _HALF, axis=2)
    higher = tf.reduce_sum(counts % _HALF, axis=2)
    return tf.where(own_scores == -np.inf, -1, before), higher
