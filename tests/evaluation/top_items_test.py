"""The k best of a row of scores, and the items that each user has."""

import numpy as np
import pytest

from helpers import interactions
from mfrec.data.vocabulary import UNKNOWN
from mfrec.evaluation.top_items import ItemsByUser, best_items, users_per_block
from mfrec.quiet_tensorflow import tf


@pytest.mark.parametrize("num_items, k", [(1024, 1), (1024, 5), (1024, 32), (1021, 40), (45, 45)])
def test_best_items_in_the_order_of_ids_where_scores_are_equal(num_items, k):
    random = np.random.default_rng(k)
    scores = random.integers(0, 40, (20, num_items)).astype(np.float32)
    scores[random.random(scores.shape) < 0.3] = -np.inf
    scores[0] = 0
    scores[0, 7] = -0.0
    scores[1] = -np.inf
    scores[1, [30, 3, 44]] = 1
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, expected, axis=1)
    found, values = best_items(tf.constant(scores), k)
    assert found.numpy().tolist() == np.where(best == -np.inf, UNKNOWN, expected).tolist()
    assert values.numpy().tolist() == best.tolist()
    assert found.numpy()[1].tolist() == ([3, 30, 44] + [UNKNOWN] * k)[:k]


def test_best_items_in_a_graph_that_knows_neither_users_nor_k():
    traced = tf.function(
        best_items,
        input_signature=[tf.TensorSpec([None, 70], tf.float32), tf.TensorSpec([], tf.int32)],
    )
    scores = tf.constant(np.random.default_rng(0).integers(0, 9, (3, 70)), tf.float32)
    for k in (2, 70):
        for of_graph, eager in zip(traced(scores, k), best_items(scores, k), strict=True):
            assert of_graph.numpy().tolist() == eager.numpy().tolist()


def test_distinct_items_by_user_whatever_the_order_of_the_rows():
    train = interactions([2, 0, 2, 0, 2], [4, 1, 0, 1, 4], np.ones(5), num_users=4, num_items=5)
    more = interactions([3, 0], [0, 9], np.ones(2))
    seen = ItemsByUser.from_parts(train, [train, more])
    assert seen.counts.tolist() == [1, 0, 2, 1] and seen.pairs.tolist() == [1, 10, 14, 15]
    owners, item_ids = seen.select(np.array([3, 2, 1, 2]))
    assert owners.tolist() == [0, 1, 1, 3, 3] and item_ids.tolist() == [0, 0, 4, 0, 4]


def test_as_many_users_as_fit_a_block():
    assert users_per_block(40_981) == (1 << 25) // (4 * 40_981)
    assert users_per_block(10) == 1_024 and users_per_block(1 << 30) == 1
