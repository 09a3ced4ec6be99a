"""Interactions as tf.data: loops of shuffled positions for training, blocks for evaluation.

The usual pipeline shuffles and batches example by example, which costs microseconds an example
where a training step needs a tenth of one. Here the ratings lie still in memory as columns, an
epoch is one permutation of their positions, and an element of the data set is a whole *loop*:
positions [steps_per_loop, batch_size] that the compiled loop walks through on its own,
gathering each step's examples. So a quarter of the bytes move that blocks of whole examples
would take.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mfrec.data.interactions import UNKNOWN, Interactions
from mfrec.quiet_tensorflow import tf

EVALUATION_BLOCK = 1 << 17


class Examples(NamedTuple):
    """Columns of examples, or of rows of P examples of one user: of a training set, or of a step.

    Attributes:
        user_ids: int32 [n].
        item_ids: int32 [n] or [n, P].
        ratings: float32 [n] or [n, P].
        weights: float32 [n] or [n, P]; 0 marks padding.
    """

    user_ids: tf.Tensor
    item_ids: tf.Tensor
    ratings: tf.Tensor
    weights: tf.Tensor

    def take(self, positions: tf.Tensor) -> "Examples":
        """The examples at these positions, int32 of any shape."""
        return Examples(*(tf.gather(column, positions) for column in self))


class Loop(NamedTuple):
    """Where the examples of up to S steps of B examples stand, and how many steps are real.

    Attributes:
        positions: int32 [S, B] into the training set's columns; n is the padding example.
        num_steps: int32 []; steps from there on hold nothing but padding.
    """

    positions: tf.Tensor
    num_steps: tf.Tensor


@dataclass(frozen=True)
class EpochShape:
    """How an epoch divides into loops, steps and examples.

    Attributes:
        num_examples: examples of an epoch.
        batch_size: examples a step; the last step of an epoch may have fewer.
        steps_per_loop: steps a loop; the last loop of an epoch may have fewer.
    """

    num_examples: int
    batch_size: int
    steps_per_loop: int

    @classmethod
    def fit(cls, num_examples: int, batch_size: int, steps_per_loop: int) -> "EpochShape":
        """The shape with at most so many examples a step and steps a loop, and least padding."""
        batch_size = min(batch_size, num_examples)
        steps = -(-num_examples // batch_size)
        loops = -(-steps // steps_per_loop)
        return cls(num_examples, batch_size, -(-steps // loops))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.num_examples // self.batch_size)

    @property
    def loops(self) -> int:
        """Loops of an epoch."""
        return -(-self.steps // self.steps_per_loop)


def training_examples(train: Interactions, positives_per_row: int = 1, seed: int = 0) -> Examples:
    """The training set's columns: n examples or rows of them, and one of weight 0 as padding.

    The padding repeats what comes first, so that whatever a loss can do with real ratings it
    can do with the padding.

    Args:
        train: the training part.
        positives_per_row: P. 1: columns [n + 1]. Above: rows of up to P examples of one user,
            user_ids [rows + 1] and all other columns [rows + 1, P].
        seed: fixes which of a user's examples share a row.
    """
    columns = [train.user_ids, train.item_ids, train.ratings, train.weights_or_ones()]
    if positives_per_row > 1:
        columns = _rows_of_examples(columns, positives_per_row, seed)
    padding = [column[:1] for column in columns[:3]] + [np.zeros_like(columns[3][:1])]
    return Examples(*map(tf.constant, map(np.concatenate, zip(columns, padding, strict=True))))


def _rows_of_examples(columns: list[np.ndarray], width: int, seed: int) -> list[np.ndarray]:
    """Users [rows] and the other columns [rows, width], rows filled up with weight 0."""
    users = columns[0]
    order = np.lexsort((np.random.default_rng([seed, 2]).random(len(users)), users))
    users = users[order]
    place = np.arange(len(users)) - np.searchsorted(users, users)
    row = np.cumsum(place % width == 0) - 1
    firsts = np.flatnonzero(place % width == 0)
    blocks = [np.repeat(column[order][firsts, np.newaxis], width, axis=1) for column in columns[1:]]
    blocks[-1][:] = 0
    for block, column in zip(blocks, columns[1:], strict=True):
        block[row, place % width] = column[order]
    return [users[firsts], *blocks]


def training_loops(shape: EpochShape, epochs: int, seed: int) -> tf.data.Dataset:
    """The loops of all epochs, one after the other, prefetched.

    An epoch visits every example once, in the order of a permutation drawn from (seed, epoch).

    Args:
        shape: how an epoch divides.
        epochs: passes over the examples.
        seed: fixes the order.
    """
    loops, steps, batch = shape.loops, shape.steps_per_loop, shape.batch_size
    padding = loops * steps * batch - shape.num_examples
    num_steps = [min(steps, shape.steps - loop * steps) for loop in range(loops)]

    def loops_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(shape.num_examples), seed=tf.stack([seed, tf.cast(epoch, tf.int32)])
        )
        padded = tf.pad(order, [[0, padding]], constant_values=shape.num_examples)
        positions = tf.reshape(padded, (loops, steps, batch))
        return tf.data.Dataset.from_tensor_slices(Loop(positions, tf.constant(num_steps)))

    return tf.data.Dataset.range(epochs).flat_map(loops_of).prefetch(2)


def evaluation_blocks(
    interactions: Interactions, size: int = EVALUATION_BLOCK
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(user_ids, item_ids) in blocks of one length, int32; UNKNOWN fills up the last one."""
    size = min(size, len(interactions))
    for start in range(0, len(interactions), size):
        ids = (interactions.user_ids, interactions.item_ids)
        blocks = (column[start : start + size] for column in ids)
        yield tuple(
            np.pad(block, (0, size - len(block)), constant_values=UNKNOWN) for block in blocks
        )
