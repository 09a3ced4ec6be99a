"""Interactions as tf.data: loops of shuffled positions for training, blocks for evaluation.

The usual pipeline shuffles and batches example by example, which takes microseconds per example;
a training step takes a tenth of one. Here the ratings stay in memory, an epoch is one
permutation of their positions, and an element of the data set is a whole *loop*: positions
[steps_per_loop, batch_size], from which the compiled loop gathers the examples of each step. That
moves a quarter of the bytes of blocks of whole examples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from mfrec import parallel
from mfrec.config.settings import TrainingConfig
from mfrec.data.interactions import Interactions
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.vocabulary import UNKNOWN
from mfrec.quiet_tensorflow import tf

# Bytes; TensorFlow's own tensors begin at multiples of it.
_ALIGNMENT = 64
EVALUATION_BLOCK = 1 << 17
# Less than any batch with an example weighs.
_LEAST_WEIGHT = 1e-30


class Examples(NamedTuple):
    """Columns of examples, of a training set or of a step.

    With `positives_per_row` P above 1 an entry is a row of up to P examples of one user.

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


def total_weight_of(batch: Examples) -> tf.Tensor:
    """Return Σ weight of a batch, by which sums become means, float32 []; above 0.

    Only a worker whose examples of an epoch are used up sees a batch without weight.
    """
    return tf.maximum(tf.reduce_sum(batch.weights), _LEAST_WEIGHT)


class Loop(NamedTuple):
    """Positions of the examples of up to S steps of B examples.

    Attributes:
        positions: int32 [S, B] into the training set's columns; n is the padding example.
        num_steps: int32 [], number of real steps; the steps after these hold only padding.
    """

    positions: tf.Tensor
    num_steps: tf.Tensor


@dataclass(frozen=True)
class EpochShape:
    """The division of an epoch into loops, steps and examples.

    Attributes:
        num_examples: examples per epoch.
        batch_size: examples per step; the last step of an epoch may have fewer.
        steps_per_loop: steps per loop; the last loop of an epoch may have fewer.
        steps: steps per epoch.
        width: entries of a step's block, `batch_size` and padding: the same for all workers.
    """

    num_examples: int
    batch_size: int
    steps_per_loop: int
    steps: int
    width: int

    @classmethod
    def fit(
        cls,
        num_examples: int,
        batch_size: int,
        steps_per_loop: int,
        of_workers: Sequence[int] | None = None,
        num_parts: int = 1,
    ) -> "EpochShape":
        """Return the shape with the least padding.

        Of several workers each has its share of every batch, in proportion to its examples, and
        all take the same steps.

        Args:
            num_examples: examples per epoch.
            batch_size: most examples per step, of all workers together.
            steps_per_loop: most steps per loop.
            of_workers: the examples of every worker, if there are several.
            num_parts: into how many equal parts a step's block is divided.
        """
        counts = [num_examples] if of_workers is None else [int(count) for count in of_workers]
        in_all = sum(counts)
        batch_size = min(batch_size, in_all)
        shares = [-(-batch_size * count // in_all) for count in counts]
        # shares are rounded up: all may be through before in_all / batch_size steps
        steps = max(-(-count // share) for count, share in zip(counts, shares, strict=True))
        loops = -(-steps // steps_per_loop)
        own = shares[counts.index(num_examples)]
        width = -(-max(shares) // num_parts) * num_parts
        return cls(num_examples, own, -(-steps // loops), steps, width)

    @property
    def loops(self) -> int:
        """Loops per epoch."""
        return -(-self.steps // self.steps_per_loop)


class TrainingData(Protocol):
    """Where the training loop takes its examples from: the training part, wherever it lies.

    Attributes:
        shape: the division of an epoch; the loops of every epoch have it.
    """

    shape: EpochShape

    def loops(self, epochs: int, seed: int) -> tf.data.Dataset:
        """Return the loops of all epochs in a row, prefetched; each epoch in an order of its own.

        Elements are tuples with a field `num_steps`, such as `Loop`.
        """

    def blocks(self, loop: Any) -> Examples:
        """Return the examples of a loop, [S, B]; called inside the compiled loop."""

    def empty_loop(self) -> Any:
        """Return a loop of no steps whose blocks hold valid examples, to trace and compile with."""

    def sample(self, seed: int) -> Examples:
        """Return a batch of different examples, [B], always the same one for a seed."""


class ColumnsInMemory:
    """A training part that is held in memory as columns; see `TrainingData`.

    Args:
        train: the training part.
        config: the settings of the loop, resolved.
        workers: who train together; the training part is the share of this one.
    """

    def __init__(
        self, train: Interactions, config: TrainingConfig, workers: OneProcess = ONE_PROCESS
    ) -> None:
        width = config.positives_per_row or 1
        self._examples = training_examples(train, width, config.seed)
        num_rows = len(self._examples)
        of_workers = workers.concatenated(np.array([num_rows])).tolist()
        rows = max((config.batch_size or 1) // width, 1)
        self.shape = EpochShape.fit(
            num_rows, rows, config.steps_per_loop, of_workers, workers.num_parts
        )

    def loops(self, epochs: int, seed: int) -> tf.data.Dataset:
        """Return the loops of all epochs in a row, as positions of examples."""
        return training_loops(self.shape, epochs, seed)

    def blocks(self, loop: Loop) -> Examples:
        """Return the examples at a loop's positions, [S, B]."""
        return self._examples.take(loop.positions)

    def empty_loop(self) -> Loop:
        """Return a loop of no steps, whose positions are those of the first example."""
        block = (self.shape.steps_per_loop, self.shape.width)
        return Loop(tf.zeros(block, tf.int32), tf.constant(0))

    def sample(self, seed: int) -> Examples:
        """Return a batch of different examples, [B]."""
        size = self.shape.batch_size
        chosen = np.random.default_rng(seed).choice(self.shape.num_examples, size, replace=False)
        return self._examples.take(tf.constant(chosen, tf.int32))


class PackedExamples:
    """Examples as rows of one table: whoever reads them in any order touches memory once for each.

    Args:
        columns: users [n], and items, ratings and weights, [n] or [n, P] each.
    """

    def __init__(self, columns: list[np.ndarray]) -> None:
        wide = [column.reshape(len(column), -1) for column in columns]
        ends = np.cumsum([column.shape[1] for column in wide])
        # Ids are kept as the floats of the same bits: TensorFlow holds float32 where it computes,
        # int32 on the host.
        table = _aligned(len(columns[0]) + 1, ends[-1])

        def fill(block: slice) -> None:
            for column, end in zip(wide, ends, strict=True):
                table[block, end - column.shape[1] : end] = column[block].view(np.float32)

        parallel.each(fill, parallel.blocks(len(table) - 1))
        # the padding example repeats the first, so that every loss can compute it
        table[-1] = table[0]
        table[-1, ends[2] :] = 0
        self._is_flat = columns[1].ndim == 1
        # the tensor is the array's memory, or a copy on the device that computes
        self._table = tf.identity(tf.experimental.dlpack.from_dlpack(table.__dlpack__()))

    def __len__(self) -> int:
        return self._table.shape[0] - 1

    def take(self, positions: tf.Tensor) -> Examples:
        """Return the examples at these positions, int32 of any shape; that of the length is the
        padding example, of weight 0.
        """
        rows = tf.gather(self._table, positions)
        parts = tf.split(rows[..., 1:], 3, axis=-1)
        if self._is_flat:
            parts = [tf.squeeze(part, -1) for part in parts]
        users, items = tf.bitcast(rows[..., 0], tf.int32), tf.bitcast(parts[0], tf.int32)
        return Examples(users, items, *parts[1:])


def training_examples(
    train: Interactions, positives_per_row: int = 1, seed: int = 0
) -> PackedExamples:
    """Return the examples of a training part.

    Args:
        train: the training part.
        positives_per_row: P. Above 1 an entry is a row of up to P examples of one user.
        seed: fixes which examples of a user share a row.
    """
    weights = train.weights
    if weights is None:
        weights = np.broadcast_to(np.float32(1), len(train))
    columns = [train.user_ids, train.item_ids, train.ratings, weights]
    if positives_per_row > 1:
        columns = rows_of_examples(columns, positives_per_row, seed)
    return PackedExamples(columns)


def _aligned(num_rows: int, width: int) -> np.ndarray:
    """Return an empty array, float32 [num_rows, width], that begins where a tensor may."""
    size = 4 * num_rows * width
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(np.float32).reshape(num_rows, width)


def rows_of_examples(columns: list[np.ndarray], width: int, seed: int) -> list[np.ndarray]:
    """Users [rows] and the other columns [rows, width], padded with weight 0."""
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
    """Return the loops of all epochs in a row, prefetched.

    An epoch visits every example once, in the order of a permutation drawn from (seed, epoch).

    Args:
        shape: the division of an epoch.
        epochs: passes over the examples.
        seed: fixes the order.
    """
    loops, steps, batch = shape.loops, shape.steps_per_loop, shape.batch_size
    padding = loops * steps * batch - shape.num_examples
    num_steps = [min(steps, shape.steps - loop * steps) for loop in range(loops)]

    def epoch_loops(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(shape.num_examples), seed=tf.stack([seed, tf.cast(epoch, tf.int32)])
        )
        padded = tf.pad(order, [[0, padding]], constant_values=shape.num_examples)
        positions = tf.reshape(padded, (loops, steps, batch))
        wide = [[0, 0], [0, 0], [0, shape.width - batch]]
        positions = tf.pad(positions, wide, constant_values=shape.num_examples)
        return tf.data.Dataset.from_tensor_slices(Loop(positions, tf.constant(num_steps)))

    return untuned(tf.data.Dataset.range(epochs).flat_map(epoch_loops).prefetch(2))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return a data set without tf.data's tuner: there is nothing to tune.

    Whoever drops an iterator waits until its tuner wakes up, which took up to 15 s after 20 s of
    training.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def evaluation_blocks(
    interactions: Interactions, size: int = EVALUATION_BLOCK
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (user_ids, item_ids) in blocks of one length, int32; UNKNOWN pads the last one."""
    # of few sizes: each is traced anew
    size = min(size, 1 << max(len(interactions) - 1, 0).bit_length())

    def padded(block: np.ndarray) -> np.ndarray:
        return np.pad(block, (0, size - len(block)), constant_values=UNKNOWN)

    for start in range(0, len(interactions), size):
        stretch = slice(start, start + size)
        yield padded(interactions.user_ids[stretch]), padded(interactions.item_ids[stretch])
