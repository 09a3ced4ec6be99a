"""Several GPUs of one machine train one model: each computes gradients of its part of every batch.

All tables are on all devices. The optimizer takes the step on the first one, and what it changed,
rows or whole tables, is copied to the others. Keras's `StatelessScope` lets the model read the
copies: so any model and any optimizer will do.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mfrec.data.one_process import OneProcess
from mfrec.data.pipelines import Examples
from mfrec.quiet_tensorflow import graph_function, tf


class Mirrored(OneProcess):
    """One process whose batches are computed by several devices; see `OneProcess`.

    Args:
        devices: their names; the optimizer's state is on the first.
    """

    compiles_loops = False

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = devices
        self.num_parts = len(devices)
        self._variables: Sequence[Any] = []
        self._copies: list[dict[int, tf.Variable]] = []

    def gradients(
        self, function: Callable[..., Any], variables: Sequence[Any], jit_compile: bool
    ) -> Callable[..., Any]:
        def on_copies(part: int, batch: Examples) -> Any:
            self.part_number = part
            copies = self._copies[part - 1]
            read = [(each, copies[id(each)]) for each in variables]
            try:
                with tf.keras.StatelessScope(read):
                    return function(batch)
            finally:
                self.part_number = 0

        self._variables, self._copies = variables, []
        for device in self._devices[1:]:
            with tf.device(device):
                self._copies.append({id(v): tf.Variable(v, trainable=False) for v in variables})
        others = [partial(on_copies, part) for part in range(1, self.num_parts)]
        functions: list[Callable[..., Any]] = [function, *others]
        parts = [graph_function(part, jit_compile=jit_compile) for part in functions]

        def gradients(batch: Examples) -> Any:
            columns = [tf.split(column, self.num_parts) for column in batch]
            found = []
            for part, device, *own in zip(parts, self._devices, *columns, strict=True):
                with tf.device(device):
                    found.append(part(Examples(*own)))
            with tf.device(self._devices[0]):
                return _together(found)

        return gradients

    def begin_loop(self) -> None:
        for device, copies in zip(self._devices[1:], self._copies, strict=True):
            with tf.device(device):
                for variable in self._variables:
                    _copy(variable, copies[id(variable)], None)

    def update(
        self,
        function: Callable[..., Any],
        variables: Sequence[Any],
        trainable: Sequence[Any],
        jit_compile: bool,
    ) -> Callable[..., Any]:
        step = graph_function(function, jit_compile=jit_compile)

        def update(gradients: Sequence[Any]) -> None:
            with tf.device(self._devices[0]):
                step(gradients)
            changed = dict(zip(map(id, trainable), gradients, strict=True))
            for device, copies in zip(self._devices[1:], self._copies, strict=True):
                with tf.device(device):
                    for variable in variables:
                        _copy(variable, copies[id(variable)], changed.get(id(variable)))

        return update


def _copy(variable: Any, copy: tf.Variable, gradient: Any) -> None:
    """Bring a copy up to date after a step."""
    if isinstance(gradient, tf.IndexedSlices):
        rows = tf.gather(variable.value, gradient.indices)
        copy.scatter_update(tf.IndexedSlices(rows, gradient.indices))
    else:
        copy.assign(variable.value)


def _together(found: Sequence[tuple[list[Any], dict[str, tf.Tensor], tf.Tensor]]) -> Any:
    """Return gradients, means and Σ weight of the whole batch from those of its parts."""
    total = tf.add_n([weight for _, _, weight in found])
    shares = [weight / total for _, _, weight in found]

    def joined(parts: Sequence[Any]) -> Any:
        pairs = list(zip(parts, shares, strict=True))
        if not isinstance(parts[0], tf.IndexedSlices):
            return tf.add_n([part * share for part, share in pairs])
        values = tf.concat([part.values * share for part, share in pairs], axis=0)
        ids = tf.concat([part.indices for part in parts], axis=0)
        return tf.IndexedSlices(values, ids, parts[0].dense_shape)

    gradients = [joined(parts) for parts in zip(*(each[0] for each in found), strict=True)]
    means = {name: joined([each[1][name] for each in found]) for name in found[0][1]}
    return gradients, means, total
