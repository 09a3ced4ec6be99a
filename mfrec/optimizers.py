"""Keras optimizers whose step costs what the batch touches, not what the tables hold.

    from mfrec.optimizers import SparseAdam

Keras's own rewrite a whole table and its slots each step, even when given `tf.IndexedSlices`. These
take `IndexedSlices` for what was read by `tf.gather`, and change the rows in it alone; a dense
gradient of what was read whole changes every row. A row that occurs several times in a batch counts
once, with the sum of its gradients, as in a dense gradient.

The sum needs neither a sort nor `tf.unique`. A slot per row, uint32 [rows], takes the position of
each occurrence of the row in the batch; whichever is written last is read back by all occurrences,
and is the segment in which they are added up.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from mfrec.gathering import gather
from mfrec.quiet_tensorflow import tf

# Positions and steps in variables: those of int32 lie in host memory even beside a GPU.
_COUNTS = "uint32"
# Rows that are brought up to date at once.
_ROWS_AT_ONCE = 1 << 18

Slots = dict[str, tf.Tensor]

# Arguments of Keras's optimizers for which a step has to visit all rows.
_OF_WHOLE_TABLES = (
    "weight_decay",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)


class RowOptimizer(tf.keras.optimizers.Optimizer):
    """What the optimizers by rows share; a subclass overrides `next_slots` and `change`.

    Args:
        learning_rate: a number, or a Keras schedule.
        kwargs: `use_ema`, `ema_momentum`, `clipnorm`, `clipvalue`, `global_clipnorm`, as every
            Keras optimizer. The average of a row that a step does not touch is brought up to date
            when it is read, so that it is the one of a dense optimizer.
    """

    # the slots of a table: with a number for each of its numbers, and with one a row
    table_slots: Sequence[str] = ()
    row_slots: Sequence[str] = ()
    # whether slots change while a row is not seen
    slots_decay = False

    def __init__(self, learning_rate: Any = 0.001, *, name: str | None = None, **kwargs: Any):
        for argument in _OF_WHOLE_TABLES:
            if kwargs.get(argument):
                raise ValueError(f"{argument}={kwargs[argument]}: it would change every row")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)

    def next_slots(self, gradients: tf.Tensor, slots: Slots, elapsed: tf.Tensor) -> Slots:
        """Return the slots of rows after a step.

        Args:
            gradients: float32 [n, ...], n rows.
            slots: of these rows, by name: float32 [n, ...], or [n, 1] for one number a row.
            elapsed: steps since each row was seen, this one included: float32 [n, 1]; 1 where
                slots do not decay.
        """
        return slots

    def step_size(self, step: tf.Tensor) -> tf.Tensor:
        """Return what `drift` and `change` are multiples of, float32 [], in step 1, 2, …"""
        return tf.cast(self.learning_rate, tf.float32)

    def drift(self, slots: Slots, elapsed: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Return what the steps since rows were seen, but for this one, subtract from them.

        Args:
            slots: of these rows when they were seen.
            elapsed: steps since then, this one included.
            rate: the size of a step.
        """
        return tf.zeros([])

    def change(self, gradients: tf.Tensor, slots: Slots, rate: tf.Tensor) -> tf.Tensor:
        """Return what a step subtracts from rows, float32 [n, ...].

        Args:
            gradients: float32 [n, ...].
            slots: of these rows after the step.
            rate: the size of a step.
        """
        raise NotImplementedError

    def initial_value(self) -> float:
        """Return the value with which slots start."""
        return 0.0

    def build(self, variables: Sequence[tf.keras.Variable]) -> None:
        """Make the slots of these variables."""
        if self.built:
            return
        super().build(variables)
        # not as an attribute: Keras would take the model's variables for the optimizer's own
        self.__dict__["_tables"] = [self._table(*numbered) for numbered in enumerate(variables)]

    def _table(self, index: int, variable: tf.keras.Variable) -> "_Table":
        start = tf.keras.initializers.Constant(self.initial_value())
        rows = variable.shape[:1]
        slots = {n: self.add_variable_from_reference(variable, n, start) for n in self.table_slots}
        slots |= {n: self.add_variable(rows, start, name=n) for n in self.row_slots}
        last_seen = average = None
        if self.use_ema:
            average = self._model_variables_moving_average[index]
            average.assign(variable)
        if self.use_ema or self.slots_decay:
            last_seen = self.add_variable(rows, "zeros", _COUNTS, name="last_seen")
        # no state: read only where the same step has written, so not among the variables
        positions = tf.Variable(tf.zeros(rows, _COUNTS), trainable=False)
        return _Table(variable, slots, last_seen, average, positions)

    def apply(
        self,
        grads: Sequence[tf.Tensor | tf.IndexedSlices],
        trainable_variables: Sequence[tf.keras.Variable] | None = None,
    ) -> None:
        """Take a step.

        Args:
            grads: of each variable: dense, or `IndexedSlices` in which rows may repeat.
            trainable_variables: the variables; by default those that the slots were made for.
        """
        variables = list(trainable_variables or self._trainable_variables)
        self.build(variables)
        tables = [self._tables[self._get_variable_index(variable)] for variable in variables]
        summed = _summed(grads, tables)
        clipped = self._clip([grad for grad, _ in summed])
        for table, grad, (_, owners) in zip(tables, clipped, summed, strict=True):
            self._update(table, grad, owners)
        self.iterations.assign_add(1)

    def summed(self, grads: Sequence[tf.Tensor | tf.IndexedSlices]) -> list[Any]:
        """Return the gradients of all variables, a row's sum at one of its occurrences."""
        return [grad for grad, _ in _summed(grads, self._tables)]

    def _update(
        self, table: "_Table", gradient: tf.Tensor | tf.IndexedSlices, owners: tf.Tensor | None
    ) -> None:
        """Change the rows of a table that have a gradient, and their slots."""
        ids = None
        if isinstance(gradient, tf.IndexedSlices):
            # all occurrences of a row compute the same
            ids, gradient = gradient.indices, tf.gather(gradient.values, owners)
        step = tf.cast(self.iterations + 1, tf.int32)
        elapsed = tf.constant(1.0)
        if table.last_seen is not None:
            last_seen = tf.cast(_read(table.last_seen, ids), tf.int32)
            last_seen = last_seen if ids is None else _once(last_seen)
            elapsed = table.beside_rows(tf.cast(step - last_seen, tf.float32))
            # the step, in terms of what was read, so that the write waits for the read
            _write(table.last_seen, ids, tf.cast(tf.maximum(last_seen, step), _COUNTS))
        rate = self.step_size(step)
        slots = {name: table.read(slot, ids) for name, slot in table.slots.items()}
        drift = self.drift(slots, elapsed, rate)
        for name, value in self.next_slots(gradient, slots, elapsed).items():
            _write(table.slots[name], ids, value)
        # read back: a value that is used both here and there would be computed twice, once after
        # the slot was written, from what was there before
        slots = {name: table.read(slot, ids) for name, slot in table.slots.items()}
        before = _read(table.variable, ids)
        after = before - drift - self.change(gradient, slots, rate)
        if table.average is not None:
            momentum = tf.where(step > 1, self.ema_momentum, 0.0)
            average = _held(_read(table.average, ids), before, self.ema_momentum, elapsed - 1)
            _write(table.average, ids, after + momentum * (average - after))
        _write(table.variable, ids, after)

    def _clip(self, gradients: list[Any]) -> list[Any]:
        """Return gradients clipped as Keras clips them; rows occur once in their norms."""
        if self.global_clipnorm:
            return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]
        if self.clipnorm:
            return [tf.clip_by_norm(gradient, self.clipnorm) for gradient in gradients]
        if self.clipvalue:
            limit = self.clipvalue
            return [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]
        return gradients

    def catch_up(self) -> None:
        """Bring rows and slots to where steps that did not see them would have brought them.

        Rows move by their momentum when they are seen next; before a model is measured or saved,
        this moves all of them.
        """
        step = tf.cast(self.iterations, tf.int32)
        rate = self.step_size(tf.maximum(step, 1))
        for table in self._tables:
            if table.last_seen is None:
                continue
            for start in range(0, table.variable.shape[0], _ROWS_AT_ONCE):
                ids = tf.range(start, min(start + _ROWS_AT_ONCE, table.variable.shape[0]))
                elapsed = table.elapsed(step, ids)
                before = _read(table.variable, ids)
                slots = {name: table.read(slot, ids) for name, slot in table.slots.items()}
                after = before - self.drift(slots, elapsed + 1, rate)
                for name, value in self.next_slots(tf.zeros_like(before), slots, elapsed).items():
                    _write(table.slots[name], ids, value)
                if table.average is not None:
                    average = _read(table.average, ids)
                    average = _held(average, after, self.ema_momentum, elapsed)
                    _write(table.average, ids, average)
                _write(table.variable, ids, after)
                _write(table.last_seen, ids, tf.fill(ids.shape, tf.cast(step, _COUNTS)))

    def finalize_variable_values(self, var_list: Sequence[tf.keras.Variable]) -> None:
        """Give the variables their moving averages, if these are kept."""
        if not self.use_ema:
            return
        for variable in var_list:
            table = self._tables[self._get_variable_index(variable)]
            values = tf.convert_to_tensor(variable)
            elapsed = table.elapsed(self.iterations, None)
            variable.assign(_held(table.average, values, self.ema_momentum, elapsed))


class _Table(NamedTuple):
    """A variable and what an optimizer keeps for it.

    Attributes:
        variable: float32 [rows, ...].
        slots: by name, of the same shape or [rows].
        last_seen: the last step that had a gradient of each row, uint32 [rows], if it is needed.
        average: the moving average of the variable, if there is one.
        positions: uint32 [rows], see the module's first lines.
    """

    variable: tf.keras.Variable
    slots: dict[str, tf.keras.Variable]
    last_seen: tf.keras.Variable | None
    average: tf.keras.Variable | None
    positions: tf.Variable

    def summed(
        self, gradient: tf.Tensor | tf.IndexedSlices, found: dict[Any, tf.Tensor]
    ) -> tuple[tf.Tensor | tf.IndexedSlices, tf.Tensor | None]:
        """Return a gradient with a row's sum at one of its occurrences, 0 at the others.

        Args:
            gradient: of the variable.
            found: the occurrences of other tables that were read by the same ids, to which these
                are added: embeddings and biases have them in common.

        Returns:
            The gradient, and which occurrence has the sum of each one's row, int32 [n]; a dense
            gradient as it is, and None.
        """
        if not isinstance(gradient, tf.IndexedSlices):
            return gradient, None
        ids = gradient.indices
        number = ids.shape[0] or tf.size(ids)
        known = _source(ids), self.positions.shape[0]
        if known not in found:
            own = tf.cast(tf.range(number), _COUNTS)
            self.positions.scatter_update(tf.IndexedSlices(own, ids))
            found[known] = tf.cast(tf.gather(self.positions, ids), tf.int32)
        owners = found[known]
        sums = tf.math.unsorted_segment_sum(gradient.values, owners, number)
        return tf.IndexedSlices(sums, ids, gradient.dense_shape), owners

    def read(self, slot: tf.keras.Variable, ids: tf.Tensor | None) -> tf.Tensor:
        """Return rows of a slot in a shape that goes with rows of the variable."""
        values = _read(slot, ids)
        return values if len(slot.shape) > 1 else self.beside_rows(values)

    def elapsed(self, step: tf.Tensor, ids: tf.Tensor | None) -> tf.Tensor:
        """Return the steps since rows were seen, float32 [n, ...]."""
        last_seen = tf.cast(_read(self.last_seen, ids), tf.int32)
        return self.beside_rows(tf.cast(tf.cast(step, tf.int32) - last_seen, tf.float32))

    def beside_rows(self, numbers: tf.Tensor) -> tf.Tensor:
        """Return one number a row, [n], in a shape that goes with rows of the variable."""
        return tf.reshape(numbers, [-1] + [1] * (len(self.variable.shape) - 1))


class SparseAdam(RowOptimizer):
    """Adam whose moments decay while a row is not seen, as if its gradients were 0.

        w ← w − a (β1 + … + β1^(k−1)) · m/(√v + ε)      k steps since it was seen
        m ← β1^k m + (1 − β1) g      v ← β2^k v + (1 − β2) g²
        w ← w − a m/(√v + ε)      a = α √(1 − β2^t)/(1 − β1^t)

    Kingma, Ba 2015, "Adam: a method for stochastic optimization", and k = 1. The moments of a row
    that is seen are those of dense Adam. What differs: dense Adam moves a row by its momentum in
    each step that does not see it, this one makes up for all of them when the row is seen next
    (the first line), so that until then the row lags behind; and there a is this step's, and v
    decayed to the middle of these steps. `catch_up` makes up for all rows.

    Args:
        learning_rate: α.
        beta_1: decay of the mean of the gradients per step.
        beta_2: decay of the mean of their squares per step.
        epsilon: ε.
        kwargs: as `RowOptimizer`.
    """

    table_slots = ("momentum", "velocity")
    slots_decay = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def next_slots(self, gradients: tf.Tensor, slots: Slots, elapsed: tf.Tensor) -> Slots:
        """Return m and v; see the class's formula."""
        momentum = _power(self.beta_1, elapsed) * slots["momentum"] + (1 - self.beta_1) * gradients
        velocity = _power(self.beta_2, elapsed) * slots["velocity"]
        return {
            "momentum": momentum,
            "velocity": velocity + (1 - self.beta_2) * tf.square(gradients),
        }

    def step_size(self, step: tf.Tensor) -> tf.Tensor:
        """Return a; see the class's formula."""
        t = tf.cast(step, tf.float32)
        return super().step_size(step) * tf.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

    def drift(self, slots: Slots, elapsed: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Return what momentum subtracts from w while it is not seen; see the class's formula."""
        middle = tf.minimum(elapsed / 2, 1 / (1 - self.beta_1))
        slots = slots | {"velocity": _power(self.beta_2, middle) * slots["velocity"]}
        return _spent(self.beta_1, elapsed) * self.change(None, slots, rate)

    def change(self, gradients: tf.Tensor | None, slots: Slots, rate: tf.Tensor) -> tf.Tensor:
        """Return what is subtracted from w; see the class's formula."""
        return rate * slots["momentum"] / (tf.sqrt(slots["velocity"]) + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return super().get_config() | own


class SparseAdagrad(RowOptimizer):
    """Adagrad by rows, equal to the dense one: a gradient of 0 changes nothing.

        a ← a + g²      w ← w − α g/√(a + ε)

    Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization".

    Args:
        learning_rate: α.
        initial_accumulator_value: a before the first step.
        epsilon: ε.
        kwargs: as `RowOptimizer`.
    """

    table_slots: Sequence[str] = ("accumulator",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def next_slots(self, gradients: tf.Tensor, slots: Slots, elapsed: tf.Tensor) -> Slots:
        """Return a; see the class's formula."""
        return {"accumulator": slots["accumulator"] + self.squares(gradients)}

    def change(self, gradients: tf.Tensor, slots: Slots, rate: tf.Tensor) -> tf.Tensor:
        """Return what is subtracted from w; see the class's formula."""
        return rate * gradients * tf.math.rsqrt(slots["accumulator"] + self.epsilon)

    def squares(self, gradients: tf.Tensor) -> tf.Tensor:
        """Return what a step adds to the accumulators of rows."""
        return tf.square(gradients)

    def initial_value(self) -> float:
        """Return the value with which accumulators start."""
        return self.initial_accumulator_value

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        own = {
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
        return super().get_config() | own


class RowwiseAdagrad(SparseAdagrad):
    """Adagrad with one accumulator a row: a table of width d has 1/d of Adagrad's state.

        a ← a + mean(g²) over the row      w ← w − α g/√(a + ε)

    As in FBGEMM and TorchRec, "exact row-wise Adagrad". Arguments as `SparseAdagrad`.
    """

    table_slots = ()
    row_slots = ("accumulator",)

    def squares(self, gradients: tf.Tensor) -> tf.Tensor:
        """Return what a step adds to the accumulators of rows, float32 [n, 1]."""
        axes = list(range(1, len(gradients.shape)))
        return tf.reduce_mean(tf.square(gradients), axis=axes, keepdims=True)


class SparseSGD(RowOptimizer):
    """Stochastic gradient descent by rows, with momentum.

        w ← w − α (μ + … + μ^(k−1)) m      k steps since the row was seen
        m ← μ^k m + g      w ← w − α m

    What differs from dense momentum: that moves a row in each step that does not see it, this
    makes up for them when the row is seen next (the first line), or by `catch_up`.

    Args:
        learning_rate: α.
        momentum: μ; 0 is plain gradient descent, without a slot.
        kwargs: as `RowOptimizer`.
    """

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = momentum
        self.table_slots = ("momentum",) if momentum else ()
        self.slots_decay = bool(momentum)

    def next_slots(self, gradients: tf.Tensor, slots: Slots, elapsed: tf.Tensor) -> Slots:
        """Return the mean of gradients that momentum keeps; see the class's formula."""
        return {n: _power(self.momentum, elapsed) * m + gradients for n, m in slots.items()}

    def drift(self, slots: Slots, elapsed: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Return what momentum subtracts from w while it is not seen; see the class's formula."""
        if not slots:
            return tf.zeros([])
        return rate * _spent(self.momentum, elapsed) * slots["momentum"]

    def change(self, gradients: tf.Tensor, slots: Slots, rate: tf.Tensor) -> tf.Tensor:
        """Return what is subtracted from w; see the class's formula."""
        return rate * slots.get("momentum", gradients)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this optimizer again."""
        return super().get_config() | {"momentum": self.momentum}


def _summed(
    grads: Sequence[tf.Tensor | tf.IndexedSlices], tables: Sequence[_Table]
) -> list[tuple[tf.Tensor | tf.IndexedSlices, tf.Tensor | None]]:
    """Return what `_Table.summed` does for each gradient; equal ids are looked up once."""
    found: dict[Any, tf.Tensor] = {}
    return [table.summed(grad, found) for grad, table in zip(grads, tables, strict=True)]


def _source(ids: tf.Tensor) -> Any:
    """Return what tells the tensor that these ids are, whatever the tape made of its shape."""
    if tf.executing_eagerly():
        return id(ids)
    while ids.op.type == "Reshape":
        ids = ids.op.inputs[0]
    return ids.name


def _read(variable: tf.keras.Variable, ids: tf.Tensor | None) -> tf.Tensor:
    """Return these rows of a variable, or all."""
    return tf.convert_to_tensor(variable) if ids is None else gather(variable.value, ids)


def _write(variable: tf.keras.Variable, ids: tf.Tensor | None, values: tf.Tensor) -> None:
    """Set these rows of a variable, or all; rows that repeat have equal values."""
    values = tf.reshape(values, [-1, *variable.shape[1:]])
    if ids is None:
        variable.assign(values)
    else:
        variable.value.scatter_update(tf.IndexedSlices(values, ids))


def _power(base: float, exponent: tf.Tensor) -> tf.Tensor:
    """Return base^exponent of exponents above 0, vectorised unlike `tf.pow`."""
    return tf.exp(exponent * math.log(base)) if base else tf.zeros_like(exponent)


def _spent(decay: float, elapsed: tf.Tensor) -> tf.Tensor:
    """Return decay + decay² + … + decay^(elapsed − 1)."""
    return (decay - _power(decay, elapsed)) / (1 - decay)


def _once(values: tf.Tensor) -> tf.Tensor:
    """Return what was read from a table, computed before XLA goes on.

    It would read the table in each of its uses, some after the write, and copy it for them: this
    is a sum of nothing else, which it computes once.
    """
    number = values.shape[0] or tf.shape(values)[0]
    return tf.math.unsorted_segment_sum(values, tf.range(number), number)


def _held(average: tf.Tensor, values: tf.Tensor, momentum: float, steps: tf.Tensor) -> tf.Tensor:
    """Return the moving average after a number of steps in which the values stayed the same."""
    return values + momentum**steps * (average - values)
