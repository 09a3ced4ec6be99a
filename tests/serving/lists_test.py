"""From scores to lists, eagerly and in a graph that knows neither users nor k."""

import numpy as np
import pytest

from mfrec.data.vocabulary import UNKNOWN
from mfrec.quiet_tensorflow import tf
from mfrec.serving import lists

SCORES = tf.constant([[5, 4, 3, 2, 1], [1, 1, 2, 2, 0]], tf.float32)


def as_lists(found):
    return [tensor.numpy().tolist() for tensor in found]


def test_lists_of_different_lengths():
    items, scores = as_lists(lists.best(SCORES, tf.constant([1, 3])))
    assert items == [[0, UNKNOWN, UNKNOWN], [2, 3, 0]]
    assert scores == [[5, 0, 0], [2, 2, 1]]


def test_lists_end_where_no_item_is_left():
    allowed = np.array([True, True, True, False, False])
    left_out = tf.constant([[0, 1], [1, 0], [1, 2]])
    items, scores = as_lists(lists.best(SCORES, 9, allowed, left_out))
    assert items == [[0, 2] + [UNKNOWN] * 3, [1] + [UNKNOWN] * 4]
    assert scores == [[5, 3, 0, 0, 0], [1, 0, 0, 0, 0]]
    by_row = tf.constant([[False] * 5, [True] * 5])
    assert as_lists(lists.best(SCORES, 1, by_row))[0] == [[UNKNOWN], [2]]


def test_places_of_known_items_alone():
    assert lists.places(tf.constant([[2, UNKNOWN, 0], [UNKNOWN, 1, 1]])).numpy().tolist() == [
        *([0, 2], [0, 0], [1, 1], [1, 1])
    ]
    ragged = tf.ragged.constant([[], [3, UNKNOWN], [0]], dtype=tf.int32)
    assert lists.places(ragged).numpy().tolist() == [[1, 3], [2, 0]]
    assert lists.places(tf.zeros([2, 0], tf.int32)).shape == (0, 2)
    among = lists.is_among(tf.constant([[2, UNKNOWN, 2], [UNKNOWN] * 3]), 3)
    assert among.numpy().tolist() == [[False, False, True], [False] * 3]


def test_cosines_of_rows_with_all_rows():
    units = tf.constant([[1, 0], [0.6, 0.8]], tf.float32)
    found = lists.cosines(units, tf.constant([1])).numpy()
    assert found == pytest.approx(np.array([[0.6, 1]]))


def test_a_graph_answers_as_eager_calls_do():
    def answer(scores, k, history):
        left_out = lists.places(history)
        return lists.best(scores, k, lists.is_among(history + 1, 5), left_out)

    signature = [
        tf.TensorSpec([None, 5], tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None], tf.int32),
    ]
    inputs = SCORES, tf.constant([2, 4]), tf.constant([[0, 1, UNKNOWN], [2, 2, 1]])
    traced = tf.function(answer, input_signature=signature)
    assert as_lists(traced(*inputs)) == as_lists(answer(*inputs))
    # allowed are 1, 2 and 0 in the first row, 3 and 2 in the second; 0 and 1, and 2, are left out
    assert as_lists(answer(*inputs))[0] == [[2, UNKNOWN, UNKNOWN, UNKNOWN], [3] + [UNKNOWN] * 3]
