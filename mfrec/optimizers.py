"""Keras optimizers from settings, and the moving average of the weights.

Keras 3 optimizers are handed dense gradients: given `IndexedSlices` they do not sum repeated
ids first and rewrite the whole table all the same, so dense is right, and compiled it is
faster.
"""

import contextlib
from collections.abc import Iterator

from mfrec.config import OptimizerConfig, parse_arguments
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

_CLASSES = {
    "adam": tf.keras.optimizers.Adam,
    "adamw": tf.keras.optimizers.AdamW,
    "adagrad": tf.keras.optimizers.Adagrad,
    "sgd": tf.keras.optimizers.SGD,
    "nadam": tf.keras.optimizers.Nadam,
}


def build(
    config: OptimizerConfig, steps_per_epoch: int, epochs: int
) -> tf.keras.optimizers.Optimizer:
    """The optimizer with its learning-rate schedule.

    Schedules, with t the step: constant; exponential, learning_rate · decay^(t /
    steps_per_epoch); cosine, learning_rate · (1 + cos(π t / (steps_per_epoch · epochs))) / 2.

    Args:
        config: which optimizer, learning rates, clipping, averaging.
        steps_per_epoch: steps after which the exponential schedule has decayed once.
        epochs: when the cosine schedule reaches 0.

    Raises:
        InputError: the optimizer does not take one of `optimizer_args`.
    """
    schedules = tf.keras.optimizers.schedules
    rate = config.learning_rate
    if config.learning_rate_schedule == "exponential":
        rate = schedules.ExponentialDecay(rate, steps_per_epoch, config.learning_rate_decay)
    elif config.learning_rate_schedule == "cosine":
        rate = schedules.CosineDecay(rate, steps_per_epoch * epochs)
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
