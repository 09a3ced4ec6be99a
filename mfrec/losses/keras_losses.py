"""Keras's losses as losses of ratings: y_true and y_pred are ratings and predictions.

Keras averages over the last axis and then over the batch. Here each rating is an axis of its own
and the batch stays, so that the loss is one value per example like any other.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mfrec import own_code
from mfrec.errors import InputError, first_line
from mfrec.faults import fault
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range

# Those that --loss takes by name. Any other is FILE.py:name or keras.losses:Name.
CLASSES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "SquaredHinge",
)
# The numbers that they are made for; Keras itself computes something for all others.
_SHARE = Range(minimum=0, maximum=1)
_DOMAINS = {
    **dict.fromkeys(("hinge", "squared_hinge"), {"ratings": Range(minimum=-1, maximum=1)}),
    **dict.fromkeys(("mean_squared_logarithmic_error", "poisson"), {"ratings": Range(minimum=0)}),
    "huber": {"delta": Range(above=0)},
    "kl_divergence": {"ratings": _SHARE},
    "binary_crossentropy": {"ratings": _SHARE, "label_smoothing": _SHARE},
    "binary_focal_crossentropy": {
        **{"ratings": _SHARE, "label_smoothing": _SHARE},
        **{"alpha": _SHARE, "gamma": Range(minimum=0)},
    },
    # it divides by the rating
    "mean_absolute_percentage_error": {"ratings": Range(above=0)},
}
# What every Keras loss has among its arguments and mfrec decides.
_DECIDED = ("self", "reduction", "name", "dtype")


def snake_case(name: str) -> str:
    """'MeanSquaredError' as 'mean_squared_error'."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


NAMES = tuple(map(snake_case, CLASSES))


def class_named(name: str) -> type:
    """Return the class in keras.losses of one of NAMES."""
    return getattr(tf.keras.losses, CLASSES[NAMES.index(name)])


def domain(name: str) -> Mapping[str, Range]:
    """Return the domain of a loss as `snake_case` names it; see `Loss`."""
    return _DOMAINS.get(name, {})


def is_from_keras(loss: Any) -> bool:
    """Return whether `loss` is a Keras loss: a class, an instance or a function of Keras's own."""
    keras = sys.modules.get("keras")
    if keras is None:
        return False
    kind = loss if inspect.isclass(loss) else type(loss)
    is_function = inspect.isfunction(loss) and loss.__module__.startswith("keras.")
    return issubclass(kind, keras.losses.Loss) or is_function


def per_example(loss: Any) -> tuple[Callable[..., tf.Tensor], dict[str, Any], str | None]:
    """Return a function (ratings [B], predictions [B]) -> [B], arguments for it, and its address.

    Args:
        loss: what `is_from_keras` knows. A class's parameters are those of its constructor.
    """
    if inspect.isfunction(loss):
        rest = list(inspect.signature(loss).parameters.values())[2:]
        return _flat(loss, rest), {}, _address(loss)
    kind = loss if inspect.isclass(loss) else type(loss)
    parameters = [
        parameter
        for parameter in inspect.signature(kind.__init__).parameters.values()
        if parameter.name not in _DECIDED and parameter.default is not parameter.empty
    ]

    def made(**arguments: Any) -> Any:
        return _unreduced(kind(**arguments))

    if kind is loss:
        return _flat_loss(made, parameters), {}, _address(kind)
    config = loss.get_config()
    if all(parameter.name in config for parameter in parameters):
        changed = {p.name: config[p.name] for p in parameters if config[p.name] != p.default}
        if all(isinstance(value, (bool, int, float, str)) for value in changed.values()):
            return _flat_loss(made, parameters), changed, _address(kind)
    # copy.copy would make a Keras object anew from its config, which may lack its arguments
    twin = object.__new__(kind)
    vars(twin).update(vars(loss))
    return _flat_loss(lambda: _unreduced(twin), []), {}, None


def _address(code: Any) -> str | None:
    """'keras.losses:Tversky' rather than where Keras keeps it."""
    is_public = getattr(tf.keras.losses, code.__name__, None) is code
    return f"keras.losses:{code.__name__}" if is_public else own_code.address_of(code)


def _unreduced(loss: Any) -> Any:
    loss.reduction = "none"
    return loss


def _flat_loss(
    make: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., tf.Tensor]:
    def call(ratings: tf.Tensor, predictions: tf.Tensor, **arguments: Any) -> tf.Tensor:
        return make(**arguments)(ratings, predictions)

    return _flat(call, parameters)


def _flat(
    call: Callable[..., tf.Tensor], parameters: list[inspect.Parameter]
) -> Callable[..., tf.Tensor]:
    """`call` of values [B, 1] as a function of values [B], with these parameters."""

    def function(ratings: tf.Tensor, predictions: tf.Tensor, **arguments: Any) -> tf.Tensor:
        columns = ratings[..., tf.newaxis], predictions[..., tf.newaxis]
        try:
            values = call(*columns, **arguments)
        except (TypeError, ValueError) as error:
            if fault(error):
                raise
            raise InputError(
                f"Keras cannot compute this loss of single ratings: {first_line(error)}"
            ) from None
        # a class of one's own may leave the last axis to Keras
        return values[..., 0] if len(values.shape) > len(ratings.shape) else values

    named = [p.replace(kind=p.KEYWORD_ONLY) for p in parameters]
    inputs = list(inspect.signature(function).parameters.values())[:2]
    function.__signature__ = inspect.Signature([*inputs, *named])  # type: ignore[attr-defined]
    return function
