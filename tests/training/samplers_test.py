"""Samplers of negatives: how often an item is drawn, and known positives."""

import numpy as np
import pytest

from helpers import interactions
from mfrec.config import settings as config
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers
from mfrec.training.samplers import KnownPairs, alias_tables

COUNTS = np.array([4, 0, 1, 9, 2])
DRAWS = 200_000


def draw(name, shape=(DRAWS,), seed=(1, 2), exponent=1.0, batch_items=(0,)):
    sample = samplers.get(name).make(COUNTS, exponent)
    compiled = tf.function(lambda s, items: sample(s, shape, items), jit_compile=True)
    return compiled(tf.constant(seed), tf.constant(batch_items))


def shares(item_ids):
    return np.bincount(item_ids.numpy().ravel(), minlength=5) / tf.size(item_ids).numpy()


def test_flags_name_every_sampler():
    assert config.SAMPLERS == tuple(samplers.REGISTRY)


@pytest.mark.parametrize(
    "name, exponent, probabilities",
    [
        ("uniform", 1.0, [1 / 5] * 5),
        ("popularity", 1.0, [4 / 16, 0, 1 / 16, 9 / 16, 2 / 16]),
        # square roots 2, 1, 3 and √2; what nobody rated is never drawn
        ("popularity", 0.5, np.array([2, 0, 1, 3, 2**0.5]) / (6 + 2**0.5)),
        ("popularity", 0.0, [1 / 4, 0, 1 / 4, 1 / 4, 1 / 4]),
    ],
)
def test_items_come_as_often_as_their_probability_says(name, exponent, probabilities):
    ids, log_probabilities = draw(name, exponent=exponent)
    # five standard errors of a share among 200,000 draws are below 0.006
    np.testing.assert_allclose(shares(ids), probabilities, atol=0.006)
    expected = np.array(probabilities)[ids.numpy()]
    np.testing.assert_allclose(np.exp(log_probabilities), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["uniform", "popularity"])
def test_draws_depend_on_the_seed_alone_and_fill_their_shape(name):
    first = draw(name, (50, 3))
    assert first.item_ids.shape == first.log_probabilities.shape == (50, 3)
    assert first.item_ids.dtype == tf.int32
    np.testing.assert_array_equal(first.item_ids, draw(name, (50, 3)).item_ids)
    for other in ((1, 3), (2, 2)):
        assert (first.item_ids.numpy() != draw(name, (50, 3), other).item_ids.numpy()).any()


def test_in_batch_takes_the_batchs_items_with_their_share_of_the_examples():
    ids, log_probabilities = draw("in_batch", batch_items=(3, 0, 3))
    assert ids.numpy().tolist() == [3, 0, 3]
    np.testing.assert_allclose(np.exp(log_probabilities), [9 / 16, 4 / 16, 9 / 16], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_alias_tables_hold_the_probabilities_exactly(size):
    probabilities = np.random.default_rng(size).exponential(size=size) ** 3
    probabilities /= probabilities.sum()
    thresholds, aliases = alias_tables(probabilities)
    held = thresholds.astype(np.float64)
    np.add.at(held, aliases, 1.0 - thresholds)
    np.testing.assert_allclose(held / size, probabilities, atol=1e-7)


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
    keys = users.astype(np.int64) * 2_000_000 + items
    places = samplers._bucket(keys, 4)
    assert ((places >= 0) & (places < 4)).all()
    np.testing.assert_array_equal(samplers._bucket(tf.constant(keys), 4), places)
