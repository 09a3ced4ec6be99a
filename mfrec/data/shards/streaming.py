"""Shards as loops of examples: read in parallel, shuffled, with every example once an epoch.

    the order of the shards           drawn from (seed, epoch)
    windows of a few shards           read and shuffled by two threads
    loops of S steps of B examples    cut from the windows in a row

The next loops are made while one trains. A window holds about two million rows, so that memory does
not depend on the size of the data.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mfrec.config.settings import TrainingConfig
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.pipelines import EpochShape, Examples, rows_of_examples
from mfrec.data.shards.parts import ShardedRatings
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

WINDOW_ROWS = 2_000_000
# Examples of a loop: two loops wait while a third trains.
LOOP_ROWS = 1 << 20
_READERS = 2


class StreamedLoop(NamedTuple):
    """The examples of up to S steps.

    Attributes:
        examples: [S, B]; the padding of the last loop repeats an example, with weight 0.
        num_steps: int32 [], number of real steps.
    """

    examples: Examples
    num_steps: tf.Tensor


class ShardStream:
    """A training part that is read from its shards; see `pipelines.TrainingData`.

    Args:
        train: the training part.
        config: the settings of the loop, resolved.
        workers: who train together; the training part is the share of this one.
    """

    def __init__(
        self, train: ShardedRatings, config: TrainingConfig, workers: OneProcess = ONE_PROCESS
    ) -> None:
        self._train = train
        self._seed = config.seed
        self._width = config.positives_per_row or 1
        num_rows = int(np.ceil(train.user_counts / self._width).sum())
        if self._width == 1:
            num_rows = len(train)
        rows = max((config.batch_size or 1) // self._width, 1)
        steps = max(min(config.steps_per_loop, LOOP_ROWS // (rows * self._width)), 1)
        of_workers = workers.concatenated(np.array([num_rows])).tolist()
        self.shape = EpochShape.fit(num_rows, rows, steps, of_workers)
        self._numbers = [number for number in train.data.numbers if train.rows_of(number)]
        largest = max(map(train.rows_of, self._numbers))
        self._shards_at_once = max(WINDOW_ROWS // largest, 1)
        self._error: InputError | None = None

    def loops(self, epochs: int, seed: int) -> Iterator[StreamedLoop]:
        """Yield the loops of all epochs in a row.

        Raises:
            InputError: a shard is missing, damaged or of another conversion.
        """
        self._error = None
        # read while nothing is traced
        first = self._first
        dataset = tf.data.Dataset.range(epochs).flat_map(
            lambda epoch: self._epoch(epoch, seed, first)
        )
        try:
            yield from dataset.prefetch(2)
        except tf.errors.OpError:
            if self._error is None:
                raise
            raise self._error from None

    def blocks(self, loop: StreamedLoop) -> Examples:
        """Return the examples of a loop, [S, B]."""
        return loop.examples

    def empty_loop(self) -> StreamedLoop:
        """Return a loop of no steps that holds the first example."""
        block = (self.shape.steps_per_loop, self.shape.width)
        repeated = (tf.constant(np.broadcast_to(c[0], block + c.shape[1:])) for c in self._first)
        return StreamedLoop(Examples(*repeated), tf.constant(0))

    def sample(self, seed: int) -> Examples:
        """Return a batch of different examples, [B], from as few shards as hold so many."""
        random = np.random.default_rng(seed)
        found: list[int] = []
        columns: list[np.ndarray] = []
        for number in random.permutation(self._numbers).tolist():
            found.append(number)
            columns = self._columns(found, 0)
            if len(columns[0]) >= self.shape.batch_size:
                break
        return Examples(*(tf.constant(c[: self.shape.batch_size]) for c in columns))

    @cached_property
    def _first(self) -> list[np.ndarray]:
        """The columns of one example, [1, …]."""
        return [column[:1] for column in self._columns(self._numbers[:1], 0)]

    def _epoch(self, epoch: tf.Tensor, seed: int, first: list[np.ndarray]) -> tf.data.Dataset:
        """The loops of an epoch; a first example fills up the last of them."""
        size = self._shards_at_once
        order = tf.random.experimental.stateless_shuffle(
            tf.constant(self._numbers, tf.int32), seed=tf.stack([seed, tf.cast(epoch, tf.int32)])
        )
        windows = tf.data.Dataset.from_tensor_slices(order).batch(size)
        columns = windows.map(
            lambda numbers: self._read(numbers, epoch), num_parallel_calls=_READERS
        )
        shape = self.shape
        rows = shape.steps_per_loop * shape.batch_size
        padding = [
            tf.repeat(column, shape.loops * rows - shape.num_examples, axis=0) for column in first
        ]
        padding[-1] = tf.zeros_like(padding[-1])
        columns = columns.concatenate(tf.data.Dataset.from_tensors(tuple(padding)))
        steps = [
            min(shape.steps_per_loop, shape.steps - at)
            for at in range(0, shape.steps, shape.steps_per_loop)
        ]
        num_steps = tf.data.Dataset.from_tensor_slices(tf.constant(steps, tf.int32))
        return tf.data.Dataset.zip(
            (columns.rebatch(rows, drop_remainder=True).map(self._blocks), num_steps)
        ).map(StreamedLoop)

    def _read(self, numbers: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The shuffled columns of a window, as tensors of a graph."""
        kinds = (tf.int32, tf.int32, tf.float32, tf.float32)
        columns = tf.numpy_function(self._columns_or_error, (numbers, epoch), kinds)
        inner = [] if self._width == 1 else [self._width]
        shapes = ([None], *([None, *inner] for _ in range(3)))
        for column, shape in zip(columns, shapes, strict=True):
            column.set_shape(shape)
        return tuple(columns)

    def _columns_or_error(self, numbers: np.ndarray, epoch: np.ndarray) -> list[np.ndarray]:
        try:
            return self._columns(numbers.tolist(), int(epoch))
        except InputError as error:
            # tf.data would raise an error of its own, with another message
            self._error = self._error or error
            raise

    def _columns(self, numbers: list[int], epoch: int) -> list[np.ndarray]:
        """The columns of some shards, shuffled: user_ids, item_ids, ratings, weights."""
        found = [self._train.data.columns("train", number) for number in numbers]
        columns = [
            np.concatenate([shard[name] for shard in found])
            for name in ("user_ids", "item_ids", "ratings", "weights")
            if name in found[0]
        ]
        ones = [] if self._train.has_weights else [np.ones(len(columns[0]), np.float32)]
        if self._width > 1:
            columns, ones = rows_of_examples([*columns, *ones], self._width, self._seed), []
        # 64 bits of a position would be read for nothing
        order = np.arange(len(columns[0]), dtype=np.int32)
        np.random.default_rng([self._seed, epoch, *numbers]).shuffle(order)
        return [column[order] for column in columns] + ones

    def _blocks(self, *columns: tf.Tensor) -> Examples:
        """The examples of a loop, [S, B]; with several workers B is the largest batch of any."""
        shape = self.shape
        wide = shape.width - shape.batch_size
        blocks = []
        for number, column in enumerate(columns):
            size = (shape.steps_per_loop, shape.batch_size, *column.shape[1:])
            block = tf.reshape(column, size)
            if wide:
                padding = tf.repeat(block[:, :1], wide, axis=1)
                padding = tf.zeros_like(padding) if number == len(columns) - 1 else padding
                block = tf.concat([block, padding], axis=1)
            blocks.append(block)
        return Examples(*blocks)
