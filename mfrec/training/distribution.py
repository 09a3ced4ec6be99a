"""Several workers train one model: TensorFlow's MultiWorkerMirroredStrategy as the exchange.

Users are dealt to workers by a hash of their raw ids. A user's ratings, rows of tables and
optimizer slots are on that worker only; everything else of the model is on all of them. In a step

1. each worker computes losses and gradients of its own users' examples, compiled;
2. gradients of what all have are exchanged: rows with their ids by one `all_gather`, what was read
   whole by one `all_reduce`;
3. each worker updates its own users' rows and, as all others do, everything else; compiled.

Gradients are weighted by Σ weight of each worker's examples, so that the step is that of one
process with all of them in one batch. XLA has no collectives on the CPU, hence the loop is a graph
that alternates compiled parts and exchanges. The strategy holds no variables: Keras's are plain
ones of each worker.
"""

import contextlib
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from mfrec.data.dealing import part_of
from mfrec.data.interactions import Interactions
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.shards.parts import ShardedRatings
from mfrec.data.shares import OwnRows
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError, LostWorker, first_line
from mfrec.optimizers import RowOptimizer
from mfrec.progress import mute, say
from mfrec.quiet_tensorflow import graph_function, tf
from mfrec.training import cluster, meeting
from mfrec.training.mirrored import Mirrored

# How TensorFlow tells that another worker is gone, in whatever operation finds out.
_LOST = re.compile(r"aborted by|Collective|Coordination|CoordService|RecvBuf|CompleteInstance")
_TASK = re.compile(r"/job:worker/(?:replica:\d+/)?task:(\d+)")
# Seconds that an exchange may wait for a worker that lives but does not come.
_LONGEST_WAIT = 3600
# Seconds in which the heartbeats of TensorFlow's coordination service tell all workers who is lost.
_LINGER = 15


@contextlib.contextmanager
def start(distribution: str, met: meeting.Meeting | None = None) -> Iterator[OneProcess]:
    """Yield the workers of a training; to be called before TensorFlow computes anything.

    Args:
        distribution: the setting: "none", "multi_worker" as TF_CONFIG says, or "mirrored": all
            GPUs that TensorFlow sees.
        met: where they tell each other why they end; by default opened here.

    Raises:
        InputError: TF_CONFIG cannot be used, or another worker ended by a mistake.
        LostWorker: another worker died or hangs.
    """
    if distribution == "mirrored":
        devices = [device.name for device in tf.config.list_logical_devices("GPU")]
        if len(devices) < 2:
            raise InputError(
                f"--distribution=mirrored: TensorFlow sees {len(devices)} GPUs of two or more"
            )
        say(f"every batch is divided among {len(devices)} GPUs")
        yield Mirrored(devices)
        return
    if distribution != "multi_worker":
        yield ONE_PROCESS
        return
    if met is None:
        with meeting.opened(distribution) as met, start(distribution, met) as workers:
            yield workers
        return
    met.wait()
    workers = Workers(met)
    with contextlib.nullcontext() if workers.is_chief else mute():
        try:
            yield workers
        except tf.errors.OpError as error:
            if not _LOST.search(str(error)):
                raise
            # If it ended by a mistake, it has said which. Of more than two, the next worker would
            # otherwise take this one for the lost one.
            met.look(_LINGER if workers.number > 2 else 1)
            raise LostWorker(_lost(met.task, str(error), workers.checkpoint)) from None


def _lost(task: cluster.Task, message: str, checkpoint: Path | None) -> str:
    """Name the worker of which an error tells."""
    others = [int(index) for index in _TASK.findall(message) if int(index) != task.index]
    # the heartbeats are the chief's, and where there are two workers it is the other one
    if not others and (task.index or len(task.addresses) == 2):
        others = [0 if task.index else 1]
    lost = task.named(others[-1]) if others else "one of the other workers"
    hint = "; no checkpoint was written yet"
    if checkpoint:
        hint = f", with --init_from={checkpoint} to continue from the last checkpoint"
    return f"{lost} is gone or hangs; start all workers again{hint}"


def _strategy_of(met: meeting.Meeting) -> tf.distribute.Strategy:
    """Return the strategy, when TensorFlow has joined all workers.

    Signals do not reach Python while TensorFlow waits, so that another thread waits for it.
    """
    made: list[Any] = []

    def make() -> None:
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=_LONGEST_WAIT)
        try:
            made.append(tf.distribute.MultiWorkerMirroredStrategy(communication_options=options))
        except Exception as error:
            made.append(error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    until = time.monotonic() + meeting.LONGEST_WAIT
    while thread.is_alive():
        met.look(0.2)
        met.check_all_there()
        if time.monotonic() > until:
            raise InputError(
                f"{met.task.named(met.task.index)}: TensorFlow did not reach the others in "
                f"{meeting.LONGEST_WAIT} seconds; each has to reach {', '.join(met.task.addresses)}"
            )
    if isinstance(made[0], Exception):
        raise InputError(f"{met.task.named(met.task.index)}: {first_line(made[0])}")
    return made[0]


class Workers(OneProcess):
    """The workers of a training, as one of them sees them; see `OneProcess`.

    Args:
        met: where they have met.

    Attributes:
        checkpoint: the run folder, once a checkpoint is in it.
    """

    def __init__(self, met: meeting.Meeting) -> None:
        task = self._task = met.task
        self.index, self.number = task.index, len(task.addresses)
        self.checkpoint: Path | None = None
        self._strategy = _strategy_of(met)
        if self._strategy.num_replicas_in_sync != self.number:
            raise InputError(
                f"{task.named(task.index)} sees several GPUs; start a worker for each, with "
                "CUDA_VISIBLE_DEVICES"
            )
        self._graphs: dict[Any, Any] = {}
        self._owned: dict[int, tuple[Vocabulary, np.ndarray]] = {}

    # users

    def owns(self, users: Vocabulary) -> np.ndarray:
        known = self._owned.get(id(users))
        if known is None or known[0] is not users:
            known = users, part_of(users.raw_ids, self.number) == self.index
            self._owned[id(users)] = known
        return known[1]

    def owns_rows(self, rows: Interactions) -> np.ndarray:
        # unknown users are −1, for which the chief stands in
        return np.append(self.owns(rows.users), self.is_chief)[rows.user_ids]

    def own_rows(self, rows: Any) -> Any:
        if rows.is_streamed:
            return ShardedRatings(rows.data.of_worker(self.index), rows.name)
        users = rows.users.take(np.flatnonzero(self.owns(rows.users)))
        own = rows.take(self.owns_rows(rows))
        return OwnRows.of(own.encode(users, rows.items), rows)

    def seed(self, seed: int) -> int:
        # far apart, so that the runs of seeds 0, 1, … have no tables in common; the chief's stays
        return (seed + self.index * 0x9E3779B1) % 2**30

    # on the host

    def sum(self, values: np.ndarray) -> np.ndarray:
        return self._traced(self._reduced, tf.constant(values)).numpy()

    def concatenated(self, values: np.ndarray) -> np.ndarray:
        lengths = np.zeros(self.number, np.int64)
        lengths[self.index] = len(values)
        lengths = self.sum(lengths)
        # of few lengths, each of which is traced
        size = 1 << int(lengths.max()).bit_length()
        padded = np.zeros((size, *values.shape[1:]), values.dtype)
        padded[: len(values)] = values
        gathered = self._traced(self._gathered, tf.constant(padded)).numpy()
        starts = range(0, self.number * size, size)
        parts = [gathered[at : at + n] for at, n in zip(starts, lengths, strict=True)]
        return np.concatenate(parts)

    def _traced(self, exchange: Callable[[tf.Tensor], tf.Tensor], values: tf.Tensor) -> tf.Tensor:
        """Exchange outside of the training loop, by a graph for each shape."""
        key = exchange.__name__, values.dtype, tuple(values.shape)
        if key not in self._graphs:
            self._graphs[key] = graph_function(exchange)
        return self._graphs[key](values)

    def texts(self, text: str) -> list[str]:
        content = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        lengths = self.concatenated(np.array([len(content)], np.int32))
        contents = np.split(self.concatenated(content), np.cumsum(lengths)[:-1])
        return [part.astype(np.uint8).tobytes().decode() for part in contents]

    def share(self, variables: Sequence[Any]) -> None:
        for variable in variables:
            value = tf.convert_to_tensor(variable)
            of_chief = value if self.is_chief else tf.zeros_like(value)
            variable.assign(self._traced(self._reduced, of_chief))

    def check_agreement(self, facts: Callable[[], dict[str, str]]) -> None:
        """Refuse workers that differ in a fact; it is called for the facts by name.

        Raises:
            InputError: names what differs, and the workers.
        """
        found = [json.loads(text) for text in self.texts(json.dumps(facts()))]
        for index, other in enumerate(found):
            for name in {**found[0], **other}:
                values = [each.get(name, "nothing") for each in (found[0], other)]
                if values[0] != values[1]:
                    raise InputError(
                        f"workers differ in {name}: {values[0]} on {self._task.named(0)}, "
                        f"{values[1]} on {self._task.named(index)}; give all the same"
                    )

    def barrier(self) -> None:
        self.sum(np.zeros(1, np.int32))

    def note_checkpoint(self, run_dir: Path) -> None:
        self.checkpoint = run_dir

    @contextlib.contextmanager
    def stopping_together(self) -> Iterator[Callable[[], None]]:
        received: list[int] = []

        def note(number: int, _: FrameType | None) -> None:
            received.append(number)

        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        heeded = {each: old for each, old in before.items() if callable(old)}

        def stop_if_asked() -> None:
            number = int(self.concatenated(np.array(received[:1] or [0], np.int32)).max())
            if number:
                put_back()
                heeded[signal.Signals(number)](number, None)

        def put_back() -> None:
            for each, old in heeded.items():
                signal.signal(each, old)

        for each in heeded:
            signal.signal(each, note)
        try:
            yield stop_if_asked
        finally:
            put_back()

    # inside the training loop

    compiles_loops = False

    def part(self, function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
        return graph_function(function, jit_compile=jit_compile)

    def clipping(
        self, optimizer: tf.keras.optimizers.Optimizer, is_own: Sequence[bool]
    ) -> Callable[..., Any]:
        limit = optimizer.global_clipnorm
        if not limit:
            return super().clipping(optimizer, is_own)
        # which knows the norm of what this worker has
        optimizer.global_clipnorm = None
        squares = graph_function(partial(_squares, optimizer, is_own))

        def clipped(gradients: Sequence[Any]) -> list[Any]:
            of_own, of_shared = squares(gradients)
            norm = tf.sqrt(self._reduced(of_own) + of_shared)
            scale = limit / tf.maximum(norm, limit)
            return [_scaled(gradient, scale) for gradient in gradients]

        return clipped

    def exchanged(
        self, gradients: Sequence[Any], means: dict[str, Any], weight: Any, is_own: Sequence[bool]
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        shared = [g for g, own in zip(gradients, is_own, strict=True) if not own]
        slices = [g for g in shared if isinstance(g, tf.IndexedSlices)]
        dense = [weight * g for g in shared if not isinstance(g, tf.IndexedSlices)]
        scalars = [weight, *(weight * mean for mean in means.values())]
        if slices:
            # one exchange for both
            scalars, gathered = self._gathered_slices(scalars, slices, weight)
        else:
            scalars, gathered = scalars, []
        if dense or not slices:
            # Sums of what was read whole. The scalars are there already if they were gathered.
            first = [] if slices else scalars
            summed = self.total([*first, *dense])
            scalars, dense = (
                (scalars, summed) if slices else (summed[: len(scalars)], summed[len(scalars) :])
            )
        total = scalars[0]
        rows, whole = iter(gathered), iter(dense)

        def exchanged(gradient: Any, own: bool) -> Any:
            if own:
                return _scaled(gradient, weight / total)
            found = next(rows if isinstance(gradient, tf.IndexedSlices) else whole)
            return _scaled(found, 1 / total)

        pairs = zip(gradients, is_own, strict=True)
        means = {name: value / total for name, value in zip(means, scalars[1:], strict=True)}
        return [exchanged(gradient, own) for gradient, own in pairs], means

    def _gathered_slices(
        self, scalars: Sequence[tf.Tensor], slices: Sequence[tf.IndexedSlices], weight: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[tf.IndexedSlices]]:
        """Return sums of scalars, and the rows of all workers, weighted; exchanged in one go."""
        rows = [part for each in slices for part in (each.indices, weight * each.values)]
        sent = [tf.stack(scalars), *rows]
        bits = [part if part.dtype == tf.int32 else tf.bitcast(part, tf.int32) for part in sent]
        received = tf.reshape(self._gathered(_joined(bits)), (self.number, -1))
        sizes = [part.shape.num_elements() for part in sent]
        parts = [
            tf.reshape(bits, (self.number * part.shape[0], *part.shape[1:]))
            for part, bits in zip(sent, tf.split(received, sizes, axis=1), strict=True)
        ]
        sums = tf.reduce_sum(
            tf.reshape(tf.bitcast(parts[0], tf.float32), (self.number, -1)), axis=0
        )
        ids_and_values = zip(slices, parts[1::2], parts[2::2], strict=True)
        return tf.unstack(sums), [
            tf.IndexedSlices(tf.bitcast(values, tf.float32), ids, each.dense_shape)
            for each, ids, values in ids_and_values
        ]

    def total(self, values: Any) -> Any:
        flat = tf.nest.flatten(values)
        return tf.nest.pack_sequence_as(values, _split(self._reduced(_joined(flat)), flat))

    # TensorFlow's collectives; identities, as a value has to be on a device

    def _reduced(self, value: tf.Tensor) -> tf.Tensor:
        def reduce(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        return self._strategy.run(reduce, args=(value,))

    def _gathered(self, value: tf.Tensor) -> tf.Tensor:
        def gather(value: tf.Tensor) -> tf.Tensor:
            return tf.distribute.get_replica_context().all_gather(tf.identity(value), axis=0)

        return self._strategy.run(gather, args=(value,))


def _joined(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the numbers of all tensors in one, [n]."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _split(numbers: tf.Tensor, like: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return tensors of the shapes of others from what `_joined` made of them."""
    parts = tf.split(numbers, [tensor.shape.num_elements() for tensor in like])
    return [tf.reshape(part, tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def _squares(
    optimizer: tf.keras.optimizers.Optimizer, is_own: Sequence[bool], gradients: Sequence[Any]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return Σ g² over the tables of own users, and over those that all have: float32 [] each."""
    if isinstance(optimizer, RowOptimizer):
        # a row that repeats counts once, with the sum of its gradients
        gradients = optimizer.summed(gradients)
    sums = {True: tf.constant(0.0), False: tf.constant(0.0)}
    for gradient, own in zip(gradients, is_own, strict=True):
        values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
        sums[own] += tf.reduce_sum(tf.square(values))
    return sums[True], sums[False]


def _scaled(gradient: Any, scale: tf.Tensor) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * scale, gradient.indices, gradient.dense_shape)
    return gradient * scale
