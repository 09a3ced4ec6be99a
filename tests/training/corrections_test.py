"""What happens to the scores of negatives, by hand."""

import math
from types import SimpleNamespace

import numpy as np

from helpers import interactions
from mfrec.quiet_tensorflow import tf
from mfrec.training import corrections
from mfrec.training.corrections import MASKED, KnownPairs


def test_log_q_correction_by_hand():
    # two draws of 1/4 and 1/8 are expected 1/2 and 1/4 times
    scores = tf.constant([[1.0, 2.0], [0.0, 3.0]])
    log_probabilities = tf.math.log([0.25, 0.125])
    expected = [[1 + math.log(2), 2 + math.log(4)], [math.log(2), 3 + math.log(4)]]
    found = corrections.log_q_corrected(scores, log_probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # where the loss divides scores by τ, so it does the correction
    found = corrections.log_q_corrected(scores, log_probabilities, temperature=0.5)
    expected = [[1 + math.log(2) / 2, 2 + math.log(2)], [math.log(2) / 2, 3 + math.log(2)]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_log_q_correction_makes_a_sum_over_draws_one_over_the_catalogue():
    random = np.random.default_rng(0)
    scores, probabilities = random.normal(size=5), np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    ids = random.choice(5, 100_000, p=probabilities)
    corrected = corrections.log_q_corrected(
        tf.constant(scores[ids], tf.float32), tf.constant(np.log(probabilities[ids]), tf.float32)
    )
    total = np.exp(corrected.numpy().astype(np.float64)).sum()
    np.testing.assert_allclose(total, np.exp(scores).sum(), rtol=0.01)


def test_hits_are_masked_and_others_stay():
    scores = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    # of shared negatives one tells for all rows
    found = corrections.without_hits(scores, tf.constant([False, True, False]))
    assert found.numpy().tolist() == [[1, MASKED, 3], [4, MASKED, 6]]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        masked = corrections.without_hits(scores, scores > 4)
        loss = tf.reduce_sum(tf.exp(masked / 0.01 - 500))
    gradient = tape.gradient(loss, scores).numpy()
    assert np.isfinite(gradient).all() and gradient[1, 1:].tolist() == [0, 0]


def test_the_hardest_of_each_group_is_kept_with_its_gradient():
    scores = tf.constant([[1.0, 3.0, 2.0, 5.0, 4.0, 0.0], [0.0, -1.0, -2.0, -9.0, -8.0, -7.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        kept = corrections.hardest(scores, 3)
    assert kept.numpy().tolist() == [[3, 5], [0, -7]]
    gradient = tape.gradient(kept, scores).numpy().tolist()
    assert gradient == [[0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1]]
    # of shared negatives and of rows of positives alike
    assert corrections.hardest(scores[0], 2).numpy().tolist() == [3, 5, 4]
    assert corrections.hardest(scores[:, tf.newaxis], 6).shape == (2, 1, 1)


def test_hits_in_a_batch_are_the_rows_own_positives():
    negatives = tf.constant([7, 3, 9])
    found = corrections.hits_in_batch(tf.constant([3, 7]), negatives)
    assert found.numpy().tolist() == [[False, True, False], [True, False, False]]
    found = corrections.hits_in_batch(tf.constant([[3, 9], [1, 1]]), negatives)
    assert found.numpy().tolist() == [[[False, True, True]], [[False, False, False]]]


def test_known_pairs_are_told_from_all_others():
    random = np.random.default_rng(0)
    pairs = random.choice(300 * 200, 5_000, replace=False)
    train = interactions(pairs // 200, pairs % 200, np.ones(5_000), 300, 200)
    known = KnownPairs.of(train)
    users, items = np.indices((300, 200), np.int32)
    contain = tf.function(known.contain, jit_compile=True)(tf.constant(users), tf.constant(items))
    expected = np.zeros((300, 200), bool)
    expected[pairs // 200, pairs % 200] = True
    np.testing.assert_array_equal(contain, expected)
    # shapes broadcast: users [B, 1] against items [N] shared by all
    shared = known.contain(tf.constant(users[:, :1]), tf.range(200))
    np.testing.assert_array_equal(shared, expected)


def test_known_pairs_of_large_tables():
    # 3 million users times 2 million items passes 2^32 by far
    users, items = np.array([2_999_999, 5, 5]), np.array([1_999_999, 1_999_999, 0])
    train = SimpleNamespace(user_ids=users, item_ids=items, num_items=2_000_000)
    known = KnownPairs.of(train)
    assert known.contain(tf.constant(users), tf.constant(items)).numpy().all()
    others = [(2_999_999, 0), (2_999_999, 1_999_998), (5, 1), (0, 0), (4, 1_999_999)]
    assert not known.contain(*map(tf.constant, zip(*others, strict=True))).numpy().any()
