"""Shards as loops of examples: read in parallel, shuffled, with every example once an epoch.

    passes over the shards            four an epoch, each with some rows of every shard
    the order of the shards           drawn from (seed, epoch, pass)
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
from mfrec.data.pipelines import EpochShape, Examples, rows_of_examples, untuned
from mfrec.data.shards.parts import ShardedRatings
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

WINDOW_ROWS = 2_000_000
# Examples of a loop: two loops wait while a third trains.
LOOP_ROWS = 1 << 20
# Passes over the shards in an epoch: each takes some rows of every shard, so that the rows of a
# user, who lives in one shard, are not all in one stretch of the epoch.
PASSES = 4
ALL = -1
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
        self.shape = EpochShape.fit(num_rows, rows, steps, of_workers, workers.num_parts)
        self._numbers = [number for number in train.data.numbers if train.rows_of(number)]
        # a window holds one of PASSES parts of each of its shards
        largest = max(map(train.rows_of, self._numbers)) / PASSES
        self._shards_at_once = max(int(WINDOW_ROWS / largest), 1)
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
        # tracing takes a second: here, and not in the first epoch
        return self._with_errors(iter(untuned(dataset.prefetch(2))))

    def _with_errors(self, loops: Iterator[StreamedLoop]) -> Iterator[StreamedLoop]:
        try:
            yield from loops
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
            columns = self._columns(found, 0, ALL)
            if len(columns[0]) >= self.shape.batch_size:
                break
        return Examples(*(tf.constant(c[: self.shape.batch_size]) for c in columns))

    @cached_property
    def _first(self) -> list[np.ndarray]:
        """The columns of one example, [1, …]."""
        return [column[:1] for column in self._columns(self._numbers[:1], 0, ALL)]

    def _epoch(self, epoch: tf.Tensor, seed: int, first: list[np.ndarray]) -> tf.data.Dataset:
        """The loops of an epoch; a first example fills up the last of them."""
        columns = tf.data.Dataset.range(PASSES).flat_map(
            lambda number: self._pass(epoch, number, seed)
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

    def _pass(self, epoch: tf.Tensor, number: tf.Tensor, seed: int) -> tf.data.Dataset:
        """The windows of one pass over the shards, in an order of its own."""
        key = tf.stack([seed, tf.cast(epoch * PASSES + number, tf.int32)])
        order = tf.random.experimental.stateless_shuffle(
            tf.constant(self._numbers, tf.int32), seed=key
        )
        windows = tf.data.Dataset.from_tensor_slices(order).batch(self._shards_at_once)
        return windows.map(
            lambda shards: self._read(shards, epoch, number), num_parallel_calls=_READERS
        )

    def _read(
        self, shards: tf.Tensor, epoch: tf.Tensor, number: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """The shuffled columns of a window, as tensors of a graph."""
        kinds = (tf.int32, tf.int32, tf.float32, tf.float32)
        columns = tf.numpy_function(self._columns_or_error, (shards, epoch, number), kinds)
        inner = [] if self._width == 1 else [self._width]
        shapes = ([None], *([None, *inner] for _ in range(3)))
        for column, shape in zip(columns, shapes, strict=True):
            column.set_shape(shape)
        return tuple(columns)

    def _columns_or_error(
        self, shards: np.ndarray, epoch: np.ndarray, number: np.ndarray
    ) -> list[np.ndarray]:
        try:
            return self._columns(shards.tolist(), int(epoch), int(number))
        except InputError as error:
            # tf.data would raise an error of its own, with another message
            self._error = self._error or error
            raise

    def _columns(self, shards: list[int], epoch: int, number: int) -> list[np.ndarray]:
        """The columns of some shards, shuffled: user_ids, item_ids, ratings, weights.

        Args:
            shards: their numbers.
            epoch: decides, with the shard, which pass a row is in.
            number: of the pass, or ALL.
        """
        found = [self._rows(shard, epoch, number) for shard in shards]
        columns = [np.concatenate(column) for column in zip(*found, strict=True)]
        # they need no shuffling
        ones = [np.ones(len(columns[0]), np.float32)] if len(columns) < 4 else []
        # 64 bits of a position would be read for nothing
        order = np.arange(len(columns[0]), dtype=np.int32)
        np.random.default_rng([self._seed, epoch, number + 1, *shards]).shuffle(order)
        return [column[order] for column in columns] + ones

    def _rows(self, shard: int, epoch: int, number: int) -> list[np.ndarray]:
        """The columns of the rows of a shard that are in a pass."""
        arrays = self._train.data.columns("train", shard)
        names = ("user_ids", "item_ids", "ratings", "weights")
        columns = [arrays[name] for name in names if name in arrays]
        if self._width > 1:
            weights = [] if len(columns) == 4 else [np.ones(len(columns[0]), np.float32)]
            columns = rows_of_examples([*columns, *weights], self._width, self._seed)
        if number == ALL:
            return columns
        random = np.random.default_rng([self._seed, epoch, shard])
        is_now = random.integers(0, PASSES, len(columns[0]), np.uint8) == number
        return [column[is_now] for column in columns]

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
