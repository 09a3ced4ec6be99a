"""Keras optimizers from settings, and the moving average of the weights.

Keras 3 optimizers are handed dense gradients: given `IndexedSlices` they do not sum repeated
ids first and rewrite the whole table all the same, so dense is right, and compiled it is
faster. Those of `mfrec.optimizers` are handed what the tape gives.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mfrec import memory, own_code
from mfrec.config.optimizer_choice import AUTO
from mfrec.config.parsing import format_arguments, parse_arguments
from mfrec.config.settings import Config, OptimizerConfig
from mfrec.errors import InputError, did_you_mean
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range

# What Keras calls them; --optimizer takes the names in any case.
CLASSES = (
    "Adam",
    "AdamW",
    "Adagrad",
    "SGD",
    "Nadam",
    "Adadelta",
    "Adafactor",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "RMSprop",
)
# Those of `mfrec.optimizers`, whose step costs what the batch touches.
ROW_CLASSES = {
    "sparse_adam": "SparseAdam",
    "sparse_adagrad": "SparseAdagrad",
    "rowwise_adagrad": "RowwiseAdagrad",
    "sparse_sgd": "SparseSGD",
}
NAMES = (*(name.lower() for name in CLASSES), *ROW_CLASSES)
# What --optimizer takes.
CHOICES = (AUTO, *NAMES)
# What their arguments may be; Keras itself looks at few of them.
_SHARE = Range(minimum=0, below=1)
_DOMAIN = {
    **dict.fromkeys(("beta_1", "beta_2", "rho", "momentum", "ema_momentum"), _SHARE),
    **dict.fromkeys(("epsilon", "clipnorm", "clipvalue", "global_clipnorm"), Range(above=0)),
    **dict.fromkeys(("weight_decay", "initial_accumulator_value"), Range(minimum=0)),
}


def check_name(name: str) -> None:
    """Check a name without importing TensorFlow or the user's own code.

    Raises:
        InputError: it is neither Keras's nor an address.
    """
    if not own_code.is_address(name) and name.lower() not in CHOICES:
        raise InputError(
            f"--optimizer={name}: unknown{did_you_mean(name.lower(), CHOICES)}; "
            "an optimizer of your own is FILE.py:Class or package.module:Class"
        )


def canonical(name: str) -> str:
    """Return 'adam' for 'Adam'; an address as it is."""
    return name if own_code.is_address(name) else name.lower()


def build(
    config: OptimizerConfig,
    steps_per_epoch: int,
    epochs: int,
    first_step: int = 0,
    own: tf.keras.optimizers.Optimizer | type | None = None,
) -> tf.keras.optimizers.Optimizer:
    """Return a new optimizer with its learning-rate schedule.

    Schedules, with t the step: constant; exponential, learning_rate · decay^(t /
    steps_per_epoch); cosine, learning_rate · (1 + cos(π t / (steps_per_epoch · epochs))) / 2.

    Args:
        config: which optimizer, learning rates, clipping, averaging.
        steps_per_epoch: steps after which the exponential schedule has decayed once.
        epochs: when the cosine schedule reaches 0.
        first_step: steps that an earlier training has taken; the schedule begins with them.
        own: a class, in place of the one that the settings name; or an optimizer, which is made
            anew from its own config, learning rate and all. Neither is changed.

    Raises:
        InputError: there is no such optimizer, or it does not take one of `optimizer_args`.
    """
    make = _named(config.optimizer) if own is None else own
    if isinstance(make, tf.keras.optimizers.Optimizer):
        return _made_anew(make)
    arguments = parse_arguments(config.optimizer_args or "", "optimizer_args")
    if not callable(make):
        raise InputError(f"--optimizer={config.optimizer}: {make!r} makes no Keras optimizer")
    parameters = own_code.parameters(make)
    known = {name: value for name, value in arguments.items() if name in parameters}
    domain = {} if own_code.is_address(config.optimizer) else _DOMAIN
    owner = f"optimizer '{config.optimizer}'"
    own_code.check_arguments(known, parameters, "optimizer_args", owner, domain)
    for name, value in arguments.items():
        if isinstance(value, str) and not isinstance(parameters.get(name), str):
            raise InputError(f"--optimizer_args: {name}={value} of {owner} is no number")
    if config.clip_norm:
        arguments["global_clipnorm"] = config.clip_norm
    if config.average_weights:
        arguments |= {"use_ema": True, "ema_momentum": config.average_weights}
    rate = _learning_rate(config, steps_per_epoch, epochs, first_step)
    try:
        optimizer = make(rate, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"--optimizer_args for {config.optimizer}: {error}") from None
    if not isinstance(optimizer, tf.keras.optimizers.Optimizer):
        raise InputError(f"--optimizer={config.optimizer}: made {optimizer!r}, no Keras optimizer")
    return optimizer


def _made_anew(optimizer: tf.keras.optimizers.Optimizer) -> tf.keras.optimizers.Optimizer:
    config = optimizer.get_config()
    # Keras writes down a schedule, but finds those of its own alone again
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, tf.keras.optimizers.schedules.LearningRateSchedule) or (
        callable(rate) and not isinstance(rate, tf.keras.Variable)
    ):
        config["learning_rate"] = rate
    return type(optimizer).from_config(config)


def _named(name: str) -> Callable[..., Any] | tf.keras.optimizers.Optimizer:
    """The class, factory or object of that name."""
    check_name(name)
    if own_code.is_address(name):
        return own_code.load(name, "optimizer")
    # "auto" of no particular tables
    name = "adam" if name.lower() == AUTO else name.lower()
    if name in ROW_CLASSES:
        # here, so that the names above are known without TensorFlow
        from mfrec import optimizers

        return getattr(optimizers, ROW_CLASSES[name])
    found = getattr(tf.keras.optimizers, CLASSES[NAMES.index(name)], None)
    if found is None:
        raise InputError(f"--optimizer={name}: Keras {tf.keras.__version__} has none")
    return found


def _learning_rate(
    config: OptimizerConfig, steps_per_epoch: int, epochs: int, first_step: int
) -> float | tf.keras.optimizers.schedules.LearningRateSchedule:
    schedules = tf.keras.optimizers.schedules
    rate = config.learning_rate
    if config.learning_rate_schedule == "exponential":
        schedule = schedules.ExponentialDecay(rate, steps_per_epoch, config.learning_rate_decay)
    elif config.learning_rate_schedule == "cosine":
        schedule = schedules.CosineDecay(rate, steps_per_epoch * epochs)
    else:
        return rate
    return _from_step(schedule, first_step) if first_step else schedule


def _from_step(
    schedule: tf.keras.optimizers.schedules.LearningRateSchedule, first_step: int
) -> tf.keras.optimizers.schedules.LearningRateSchedule:
    """The schedule, beginning after this many steps."""

    class Later(tf.keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: tf.Tensor) -> tf.Tensor:
            return schedule(step - first_step)

        def get_config(self) -> dict[str, Any]:
            # Keras asks for it where an optimizer is made anew, which takes the schedule itself
            return {}

    return Later()


def with_own(config: Config, optimizer: tf.keras.optimizers.Optimizer | type) -> Config:
    """Return the settings with those of this optimizer, or its class's name if none can say it.

    Raises:
        InputError: it is neither a Keras optimizer nor a class of them.
    """
    is_class = inspect.isclass(optimizer)
    kind = optimizer if is_class else type(optimizer)
    if not issubclass(kind, tf.keras.optimizers.Optimizer):
        raise InputError(f"optimizer {optimizer!r} is neither a name nor a Keras optimizer")
    try:
        settings = settings_of(optimizer)
    except InputError:
        return config.replace({"optimizer": kind.__name__})
    if is_class:
        return config.replace({"optimizer": settings.optimizer})
    return replace(config, optimizer=settings)


def settings_of(optimizer: tf.keras.optimizers.Optimizer | type) -> OptimizerConfig:
    """Return settings from which `build` makes this optimizer again, for a run folder.

    Raises:
        InputError: nothing names its class, or its config holds more than numbers.
    """
    kind: Any = optimizer if isinstance(optimizer, type) else type(optimizer)
    is_keras = getattr(tf.keras.optimizers, kind.__name__, None) is kind
    address = f"keras.optimizers:{kind.__name__}" if is_keras else own_code.address_of(kind)
    if is_keras and kind.__name__ in CLASSES:
        address = kind.__name__.lower()
    by_class = {made: name for name, made in ROW_CLASSES.items()}
    if kind.__module__ == "mfrec.optimizers":
        address = by_class.get(kind.__name__, address)
    owner = f"optimizer {kind.__name__}"
    if address is None:
        raise own_code.without_address(owner, "optimizer")
    if isinstance(optimizer, type):
        return OptimizerConfig(address)
    config = optimizer.get_config()
    rate = config.pop("learning_rate")
    try:
        usual = kind(0.1).get_config()
    except TypeError:
        usual = {}
    changed = {
        name: value for name, value in config.items() if name != "name" and value != usual.get(name)
    }
    averages = changed.pop("use_ema", False)
    momentum = config.get("ema_momentum") if averages else 0.0
    changed.pop("ema_momentum", None)
    clip_norm = changed.pop("global_clipnorm", None)
    if not isinstance(rate, float | int):
        raise InputError(f"{owner}: a run folder cannot hold its learning-rate schedule")
    return OptimizerConfig(
        address,
        optimizer_args=format_arguments(changed, owner),
        learning_rate=float(rate),
        learning_rate_schedule="constant",
        clip_norm=clip_norm,
        average_weights=momentum,
    )


def held(
    config: OptimizerConfig, own: tf.keras.optimizers.Optimizer | type | None = None
) -> memory.Held:
    """Return what training holds of a table.

    The table itself, its best values so far, the optimizer's slots, and its gradient unless the
    optimizer goes by rows.

    Raises:
        InputError: as for `build`.
    """
    optimizer = build(config, steps_per_epoch=1, epochs=1, own=own)
    optimizer.build([tf.keras.Variable([[0.0, 0.0]])])
    shapes = [tuple(variable.shape) for variable in optimizer.variables]
    slots, of_rows = shapes.count((1, 2)), shapes.count((1,))
    # here, so that the names above are known without TensorFlow
    from mfrec.optimizers import RowOptimizer

    by_rows = isinstance(optimizer, RowOptimizer)
    return memory.Held(slots + (2 if by_rows else 3), of_rows + by_rows)


def state_of(
    optimizer: tf.keras.optimizers.Optimizer, model: tf.keras.Model, tables: list[Any]
) -> list[Any]:
    """Return the variables of an optimizer with a row for each row of these tables of a model."""
    wanted = set(map(id, tables))
    # the same optimizer for tables of two rows, where all else has three, tells them apart
    alike = [
        tf.keras.Variable(
            np.zeros((2 if id(each) in wanted else 3, *each.shape[1:])[: len(each.shape)])
        )
        for each in model.trainable_variables
    ]
    twin = _made_anew(optimizer)
    twin.build(alike)
    pairs = zip(optimizer.variables, twin.variables, strict=True)
    return [own for own, other in pairs if tuple(other.shape[:1]) == (2,)]


def gradients(
    tape: tf.GradientTape,
    objective: tf.Tensor,
    variables: list[tf.keras.Variable],
    by_rows: bool = False,
) -> list[tf.Tensor | tf.IndexedSlices]:
    """Return the gradient of each variable.

    Args:
        tape: recorded the objective.
        objective: float32 [].
        variables: of the model.
        by_rows: keep `IndexedSlices` of fewer rows than the table has; else all are dense, since
            Keras's optimizers do not sum the repeated ids of `IndexedSlices`.
    """
    found = tape.gradient(
        objective, [variable.value for variable in variables], unconnected_gradients="zero"
    )

    def is_short(gradient: tf.Tensor | tf.IndexedSlices, variable: tf.keras.Variable) -> bool:
        is_slices = isinstance(gradient, tf.IndexedSlices)
        return is_slices and (gradient.indices.shape[0] or math.inf) < variable.shape[0]

    return [
        gradient if by_rows and is_short(gradient, variable) else tf.convert_to_tensor(gradient)
        for gradient, variable in zip(found, variables, strict=True)
    ]


@contextlib.contextmanager
def averaged_weights(
    model: tf.keras.Model, optimizer: tf.keras.optimizers.Optimizer
) -> Iterator[None]:
    """Let the model hold the moving average of its weights within, if the optimizer keeps one.

    Rows that an optimizer by rows has not seen for a while are brought up to date first, for good.
    """
    # here, so that the names above are known without TensorFlow
    from mfrec.optimizers import RowOptimizer

    if isinstance(optimizer, RowOptimizer):
        optimizer.catch_up()
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
