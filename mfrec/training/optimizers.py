"""Keras optimizers from settings, and the moving average of the weights.

Keras 3 optimizers are handed dense gradients: given `IndexedSlices` they do not sum repeated
ids first and rewrite the whole table all the same, so dense is right, and compiled it is
faster.
"""

import contextlib
from collections.abc import Iterator

from mfrec.config.parsing import parse_arguments
from mfrec.config.settings import OptimizerConfig
from mfrec.errors import InputError
from mfrec.models.base import with_first_rows
from mfrec.quiet_tensorflow import tf

_CLASSES = {
    "adam": tf.keras.optimizers.Adam,
    "adamw": tf.keras.optimizers.AdamW,
    "adagrad": tf.keras.optimizers.Adagrad,
    "sgd": tf.keras.optimizers.SGD,
    "nadam": tf.keras.optimizers.Nadam,
}


class _Later(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins after so many steps."""

    def __init__(
        self, schedule: tf.keras.optimizers.schedules.LearningRateSchedule, first_step: int
    ) -> None:
        self._schedule = schedule
        self._first_step = first_step

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._schedule(step - self._first_step)


def build(
    config: OptimizerConfig, steps_per_epoch: int, epochs: int, first_step: int = 0
) -> tf.keras.optimizers.Optimizer:
    """The optimizer with its learning-rate schedule.

    Schedules, with t the step: constant; exponential, learning_rate · decay^(t /
    steps_per_epoch); cosine, learning_rate · (1 + cos(π t / (steps_per_epoch · epochs))) / 2.

    Args:
        config: which optimizer, learning rates, clipping, averaging.
        steps_per_epoch: steps after which the exponential schedule has decayed once.
        epochs: when the cosine schedule reaches 0.
        first_step: steps that an earlier training has taken; the schedule begins with them.

    Raises:
        InputError: the optimizer does not take one of `optimizer_args`.
    """
    schedules = tf.keras.optimizers.schedules
    rate = config.learning_rate
    if config.learning_rate_schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps_per_epoch, config.learning_rate_decay)
    elif config.learning_rate_schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps_per_epoch * epochs)
    if first_step and not isinstance(rate, float):
        rate = _Later(rate, first_step)
    arguments = parse_arguments(config.optimizer_args or "")
    for name, value in arguments.items():
        if isinstance(value, str):
            raise InputError(f"--optimizer_args: {name}={value} is no number")
    averaging = {"use_ema": True, "ema_momentum": config.average_weights}
    try:
        return _CLASSES[config.optimizer](
            rate,
            global_clipnorm=config.clip_norm,
            **(averaging if config.average_weights else {}),
            **arguments,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"--optimizer_args for {config.optimizer}: {error}") from None


def copies(config: OptimizerConfig) -> int:
    """How many arrays of a table's size training holds.

    The table itself, its gradient, its best values so far, and what the optimizer remembers.

    Raises:
        InputError: the optimizer does not take one of `optimizer_args`.
    """
    optimizer = build(config, steps_per_epoch=1, epochs=1)
    optimizer.build([tf.keras.Variable([0.0, 0.0])])
    return 3 + sum(tuple(variable.shape) == (2,) for variable in optimizer.variables)


def take_over(
    optimizer: tf.keras.optimizers.Optimizer, earlier: tf.keras.optimizers.Optimizer
) -> None:
    """Gives an optimizer the number of steps of an earlier one, and what it remembers of rows.

    Args:
        optimizer: built for tables whose first rows are those of the earlier one.
        earlier: of the same kind; learning rates are not taken.
    """
    pairs = zip(_memory(optimizer), _memory(earlier), strict=True)
    for variable, of_earlier in pairs:
        variable.assign(with_first_rows(variable, of_earlier))


def _memory(optimizer: tf.keras.optimizers.Optimizer) -> list[tf.Variable]:
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


@contextlib.contextmanager
def averaged_weights(
    model: tf.keras.Model, optimizer: tf.keras.optimizers.Optimizer
) -> Iterator[None]:
    """Within, the model holds the moving average of its weights, where the optimizer keeps one."""
    if not optimizer.use_ema:
        yield
        return
    latest = [variable.numpy() for variable in model.trainable_variables]
    optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, latest, strict=True):
            variable.assign(value)
