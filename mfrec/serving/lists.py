"""From scores to lists: pure TensorFlow, run eagerly by `Recommender` and traced by the SavedModel.

Scores are float32 [B, num_items]. Ids are rows, UNKNOWN (−1) for none. A *place* is a pair (row of
the scores, item).
"""

import numpy as np

from mfrec.data.vocabulary import UNKNOWN
from mfrec.evaluation.top_items import best_items
from mfrec.quiet_tensorflow import tf


def places(item_ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Return the places of the known items that each row names, int32 [n, 2].

    Args:
        item_ids: int32 [B, …]; UNKNOWN is padding, anywhere.
    """
    if isinstance(item_ids, tf.Tensor):
        item_ids = tf.RaggedTensor.from_tensor(item_ids)
    rows = tf.cast(item_ids.value_rowids(), tf.int32)
    found = tf.stack([rows, item_ids.values], axis=1)
    return tf.boolean_mask(found, item_ids.values != UNKNOWN)


def is_among(item_ids: tf.Tensor, num_items: int) -> tf.Tensor:
    """Return which items of the catalogue each row names, bool [B, num_items].

    Args:
        item_ids: int32 [B, N]; UNKNOWN is padding.
        num_items: size of the catalogue.
    """
    found = places(item_ids)
    shape = (tf.shape(item_ids)[0], num_items)
    return tf.scatter_nd(found, tf.ones_like(found[:, 0]), shape) > 0


def best(
    scores: tf.Tensor,
    k: int | tf.Tensor,
    allowed: tf.Tensor | None = None,
    left_out: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the best items of each row, highest scores first, lower ids first among equal ones.

    Args:
        scores: float32 [B, num_items].
        k: lengths of the lists, int32 [] or [B].
        allowed: items that may be listed, bool [num_items] or [B, num_items]; all by default.
        left_out: places that may not be listed, int32 [n, 2].

    Returns:
        Item ids int32 [B, K], UNKNOWN behind the end of a list, and their scores float32 [B, K],
        0 there. K is the largest k, at most num_items.
    """
    if allowed is not None:
        scores = tf.where(allowed, scores, -np.inf)
    if left_out is not None:
        worst = tf.fill(tf.shape(left_out)[:1], -np.inf)
        scores = tf.tensor_scatter_nd_update(scores, left_out, worst)
    items, values = best_items(scores, tf.minimum(tf.reduce_max(k), scores.shape[1]))
    is_listed = (items != UNKNOWN) & (tf.range(tf.shape(items)[1]) < tf.reshape(k, (-1, 1)))
    return tf.where(is_listed, items, UNKNOWN), tf.where(is_listed, values, 0)


def cosines(units: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Return the cosines of these rows with all rows, float32 [B, n].

    Args:
        units: embeddings divided by their lengths, float32 [n, d].
        rows: int32 [B].
    """
    return tf.matmul(tf.gather(units, rows), units, transpose_b=True)
