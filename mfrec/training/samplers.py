"""Negative samplers: where the negatives of ranking losses come from.

A sampler draws item ids inside the compiled loop, from a seed that changes with every step, and
knows the log-probability of each draw:

    uniform      every item alike
    popularity   in proportion to (training examples)^exponent, by alias tables (Walker 1977):
                 two table look-ups a draw, where searching a cumulative distribution is
                 hundreds of times slower under XLA
    in_batch     the items of the batch's own positives, shared by the whole batch

Negatives are drawn for every example, or once for the whole batch (`shared`): shared ones are
scored by one matrix product, so that thousands of them cost as much as a few of the others.

Log-Q correction makes the negatives stand for the whole catalogue: with N draws from q, the score
of item j becomes s_j − log(N q_j), so that the sum of e^s over the negatives has the sum over the
catalogue as its mean (Bengio, Senécal 2008; for in-batch negatives Yi et al. 2019,
"Sampling-bias-corrected neural modeling for large corpus item recommendations").
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.errors import InputError, did_you_mean
from mfrec.quiet_tensorflow import tf

# What masks the score of a negative that is none: far enough for every loss, and finite, so that
# no gradient becomes NaN.
MASKED = -1e9


class Negatives(NamedTuple):
    """Drawn items.

    Attributes:
        item_ids: int32, [N] where the whole batch shares them, else [B, N].
        log_probabilities: float32, of the same shape: log q of each.
    """

    item_ids: tf.Tensor
    log_probabilities: tf.Tensor


# The generator that TensorFlow chooses on a CPU and on a GPU; told to choose, it draws the same
# numbers, but XLA takes 15 to 80 times as long.
_draw = functools.partial(tf.random.stateless_uniform, alg="philox")

# Draws from (seed int32 [2], shape of the draws, items of the batch's positives int32 [B]).
Sampler = Callable[[tf.Tensor, tuple[int, ...], tf.Tensor], Negatives]


@dataclass(frozen=True)
class Registered:
    """A sampler as it was registered.

    Attributes:
        make: returns the sampler for (training examples of every item, popularity exponent).
        takes_batch_items: whether it takes the batch's own items: the batch shares them, and
            there is no number of negatives to choose.
    """

    make: Callable[[np.ndarray, float], Sampler]
    takes_batch_items: bool = False


REGISTRY: dict[str, Registered] = {}


def register(name: str, *, takes_batch_items: bool = False) -> Callable[[Callable], Callable]:
    """Register a sampler under the name that --negative_sampler takes."""

    def decorate(make: Callable) -> Callable:
        REGISTRY[name] = Registered(make, takes_batch_items)
        return make

    return decorate


def get(name: str) -> Registered:
    """Return the sampler of that name.

    Raises:
        InputError: there is none.
    """
    if name not in REGISTRY:
        raise InputError(f"unknown sampler '{name}'{did_you_mean(name, REGISTRY)}")
    return REGISTRY[name]


@register("uniform")
def uniform(item_counts: np.ndarray, exponent: float) -> Sampler:
    """Every item of the catalogue with probability 1 / num_items."""
    num_items = len(item_counts)

    def sample(seed: tf.Tensor, shape: tuple[int, ...], _: tf.Tensor) -> Negatives:
        ids = _draw(shape, seed, 0, num_items, tf.int32)
        return Negatives(ids, tf.fill(shape, np.float32(-np.log(num_items))))

    return sample


@register("popularity")
def popularity(item_counts: np.ndarray, exponent: float) -> Sampler:
    """Items in proportion to count^exponent; items without training examples never."""
    weights = np.where(item_counts > 0, np.maximum(item_counts, 1.0) ** exponent, 0.0)
    probabilities = weights / weights.sum()
    thresholds, aliases = (tf.constant(table) for table in alias_tables(probabilities))
    with np.errstate(divide="ignore"):
        log_probabilities = tf.constant(np.log(probabilities).astype(np.float32))

    def sample(seed: tf.Tensor, shape: tuple[int, ...], _: tf.Tensor) -> Negatives:
        columns = _draw(shape, seed, 0, len(item_counts), tf.int32)
        heights = _draw(shape, seed + tf.constant([0, 1 << 30]))
        ids = tf.where(
            heights < tf.gather(thresholds, columns), columns, tf.gather(aliases, columns)
        )
        return Negatives(ids, tf.gather(log_probabilities, ids))

    return sample


@register("in_batch", takes_batch_items=True)
def in_batch(item_counts: np.ndarray, exponent: float) -> Sampler:
    """The batch's own items, [B]: popular ones as often as they are rated."""
    with np.errstate(divide="ignore"):
        shares = np.log(item_counts / item_counts.sum()).astype(np.float32)
    log_probabilities = tf.constant(shares)

    def sample(_: tf.Tensor, __: tuple[int, ...], batch_items: tf.Tensor) -> Negatives:
        return Negatives(batch_items, tf.gather(log_probabilities, batch_items))

    return sample


def alias_tables(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables: draw a column, keep it with its threshold, else take its alias.

    Args:
        probabilities: float64 [n], summing to 1.

    Returns:
        thresholds: float32 [n].
        aliases: int32 [n].
    """
    n = len(probabilities)
    heights = probabilities * n
    thresholds, aliases = np.ones(n), np.arange(n)
    small = np.flatnonzero(heights < 1).tolist()
    large = np.flatnonzero(heights >= 1).tolist()
    while small and large:
        low, high = small.pop(), large[-1]
        thresholds[low], aliases[low] = heights[low], high
        heights[high] -= 1 - heights[low]
        if heights[high] < 1:
            small.append(large.pop())
    return thresholds.astype(np.float32), aliases.astype(np.int32)


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
    def of(cls, train: Interactions) -> "KnownPairs":
        """The pairs of the training part."""
        keys = np.unique(train.user_ids.astype(np.int64) * train.num_items + train.item_ids)
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
