"""The registry of losses: what a loss is, the decorators, and how a name becomes a loss."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec import named_inputs, own_code
from mfrec.config.defaults import Traits
from mfrec.config.parsing import format_arguments, parse_arguments
from mfrec.config.settings import LossConfig
from mfrec.errors import InputError, did_you_mean
from mfrec.losses import keras_losses
from mfrec.losses.links import LINKS
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range

# What a loss receives if it names it among its arguments, float32:
#   weights [B]: of the examples
#   user_weights [B]: the sum of the weights of all training examples of the example's user
#   user_counts [B], item_counts [B]: training examples of the example's user, of its item
#   negative_counts [B, N] or [N]: training examples of each negative
#   num_users, num_items: rows of the tables
BATCH_ARGUMENTS = (
    "weights",
    "user_weights",
    "user_counts",
    "item_counts",
    "negative_counts",
    "num_users",
    "num_items",
)

# What a loss is called with.
_OF_RATINGS = ("ratings", "predictions")
_OF_NEGATIVES = ("positive_scores", "negative_scores")
_OF_VECTORS = ("positive_scores", "user_vectors", "item_vectors")


@dataclass(frozen=True)
class Loss:
    """A loss function, what it was registered with, and the values of its parameters.

    Attributes:
        name: as it is printed.
        function: computes it.
        traits: what it reads, and how it is usually trained.
        link: how scores become ratings, a name in LINKS; for rating losses.
        log_q: whether log-Q correction makes sense for it: its negatives stand for a sum over the
            catalogue.
        frequency_weights: its own w of the regularizer, instead of n^(ν−1): a function of (counts
            [rows], the number of rows of the other table, frequency_exponent and the loss's
            parameters) that returns w [rows].
        quadratic: for a loss that adds up to Σ w(y − s)² + α Σ s² over a user's examples and over
            all items: a function of (targets [B] of the ratings, and the loss's parameters) that
            returns y [B] and α. New users are then folded in by a closed form.
        domain: the numbers for which it is made, by the name of a parameter, or of "ratings".
        arguments: values of its parameters.
        address: what --loss takes to find it again; None if nothing does, as for a lambda.
    """

    name: str
    function: Callable[..., tf.Tensor]
    traits: Traits = Traits()
    link: str = "identity"
    log_q: bool = False
    frequency_weights: Callable[..., np.ndarray] | None = None
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None
    domain: Mapping[str, Range] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None

    def __call__(self, *inputs: tf.Tensor, batch: Mapping[str, Any]) -> tf.Tensor:
        """Return the loss of every example, float32 [B].

        Args:
            inputs: tensors, in the order of `self.inputs`. Ratings come on the scale of the
                link's targets, predictions as scores.
            batch: values of BATCH_ARGUMENTS by name.
        """
        wanted = {name: batch[name] for name in self.batch_arguments}
        ordered = [inputs[number] for number in self._order()]
        return self.function(*ordered, **wanted, **self.arguments)

    def checked(self) -> Loss:
        """Return the same loss; raises InputError if it does not take what it is called with."""
        batch = dict.fromkeys(self.batch_arguments)
        own_code.check_takes(self.function, f"loss '{self.name}'", *self.inputs, **batch)
        self._order()
        return self

    @property
    def predicts_ratings(self) -> bool:
        """Whether it compares predictions with ratings; else it ranks positives."""
        return self.traits.predicts_ratings

    @property
    def draws_negatives(self) -> bool:
        """Whether it compares positives with negatives that a sampler draws."""
        return self.traits.draws_negatives

    @property
    def reads_vectors(self) -> bool:
        """Whether it reads the vectors of users and of all items, beside scores."""
        return self.traits.reads_vectors

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that it is called with."""
        if self.draws_negatives:
            return _OF_NEGATIVES
        return _OF_VECTORS if self.reads_vectors else _OF_RATINGS

    @property
    def temperature(self) -> float:
        """The parameter of that name, which divides the scores inside the loss; else 1."""
        return self.parameters.get("temperature", 1.0)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter with its value."""
        return self._defaults() | dict(self.arguments)

    @property
    def batch_arguments(self) -> tuple[str, ...]:
        """Those of BATCH_ARGUMENTS that the function names among its arguments."""
        return tuple(n for n in BATCH_ARGUMENTS if n in inspect.signature(self.function).parameters)

    def with_arguments(self, arguments: Mapping[str, Any]) -> Loss:
        """Return the same loss with these parameters.

        Raises:
            InputError: the function has no such parameter, or it is outside the loss's domain.
        """
        owner = f"loss '{self.name}'"
        own_code.check_arguments(arguments, self._defaults(), "loss_args", owner, self.domain)
        return replace(self, arguments=dict(arguments))

    def settings(self) -> LossConfig:
        """Return the settings from which `configured` makes this loss again.

        Raises:
            InputError: nothing names it: it is a lambda, say, or stands in a notebook.
        """
        owner = f"loss '{self.name}'"
        if self.address is None:
            raise own_code.without_address(owner, "loss")
        return LossConfig(self.address, format_arguments(self.arguments, owner))

    def _order(self) -> tuple[int, ...]:
        """Which of the inputs each of the function's first arguments is."""
        return named_inputs.order(self.function, self.inputs, f"loss '{self.name}'")

    def _defaults(self) -> dict[str, Any]:
        parameters = own_code.parameters(self.function)
        return {name: parameters[name] for name in parameters if name not in BATCH_ARGUMENTS}


REGISTRY: dict[str, Loss] = {}


def rating(
    name: str,
    link: str = "identity",
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None,
    domain: Mapping[str, Range] = {},
) -> Callable[[Callable], Callable]:
    """Register a rating loss: (ratings [B], predictions [B]) -> [B], all float32.

    Args:
        name: what --loss takes; one name, one loss.
        link: how scores become ratings, a name in LINKS.
        quadratic: its parts, if it is a sum of squares; see `Loss`.
        domain: {"delta": Range(above=0), "ratings": Range(minimum=0)}: what is refused before
            training if it is outside, by the name of a parameter, or of "ratings".

    Raises:
        ValueError: another loss has this name, or there is no such link.
    """
    if link not in LINKS:
        raise ValueError(f"unknown link '{link}'{did_you_mean(link, LINKS)}")

    return _registering(name, Traits(), link=link, quadratic=quadratic, domain=domain)


def ranking(
    name: str, *, log_q: bool = False, domain: Mapping[str, Range] = {}, **traits: Any
) -> Callable[[Callable], Callable]:
    """Register a ranking loss: (positive_scores [B], negative_scores [B, N]) -> [B], float32.

    Args:
        name: what --loss takes; one name, one loss.
        log_q: whether its negatives stand for a sum over the catalogue, so that their scores may
            be corrected by the logarithm of how often they are drawn.
        domain: the numbers that its parameters may be, by name; see `rating`.
        traits: how it is usually trained; see `defaults.Traits`.

    Raises:
        ValueError: another loss has this name.
    """
    usual = Traits(predicts_ratings=False, draws_negatives=True, **traits)
    return _registering(name, usual, log_q=log_q, domain=domain)


def catalogue(
    name: str,
    *,
    frequency_weights: Callable[..., np.ndarray] | None = None,
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None,
    domain: Mapping[str, Range] = {},
    **traits: Any,
) -> Callable[[Callable], Callable]:
    """Register a loss over every item at once, without a sampler.

    It takes positive_scores [B], user_vectors [B, d] and item_vectors [I, d], whose inner
    products are the scores of all items, and returns [B], all float32.

    Args:
        name: what --loss takes; one name, one loss.
        frequency_weights: its own w of the regularizer; see `Loss`.
        quadratic: its parts, if it is a sum of squares; see `Loss`.
        domain: the numbers that its parameters may be, by name; see `rating`.
        traits: how it is usually trained; see `defaults.Traits`.

    Raises:
        ValueError: another loss has this name.
    """
    usual = Traits(predicts_ratings=False, reads_vectors=True, **traits)
    properties = {"frequency_weights": frequency_weights, "quadratic": quadratic}
    return _registering(name, usual, domain=domain, **properties)


def _registering(name: str, traits: Traits, **properties: Any) -> Callable[[Callable], Callable]:
    def register(function: Callable) -> Callable:
        domain = properties["domain"]
        unknown = domain and domain.keys() - {"ratings", *own_code.parameters(function)}
        if unknown:
            raise ValueError(f"domain: loss '{name}' has no parameter '{min(unknown)}'")
        taken = REGISTRY.get(name)
        # the same function may come again: a notebook's cell run twice, a file loaded twice
        if taken and not own_code.is_same(taken.function, function):
            raise ValueError(f"there is a loss named '{name}' already")
        is_ours = function.__module__.startswith(f"{__package__}.")
        address = name if is_ours else own_code.address_of(function)
        REGISTRY[name] = Loss(name, function, traits, address=address, **properties)
        return function

    return register


def get(loss: str | Callable | Loss, arguments: Mapping[str, Any] | None = None) -> Loss:
    """Return the loss of that name, in that file or module, or made of that function.

    Args:
        loss: a registered name ('mse') or one of keras_losses.NAMES ('log_cosh'), in any case;
            'my_losses.py:focal' or 'package.module:focal'; a function, `functools.partial`,
            method or callable object; a `keras.losses.Loss` or a subclass of it; a Loss.
        arguments: values for its parameters.

    Raises:
        InputError: there is no such name, file, module, function or parameter.
    """
    found = (_named(loss) if isinstance(loss, str) else _made_of(loss)).checked()
    return found.with_arguments(arguments) if arguments else found


def configured(settings: LossConfig) -> Loss:
    """Return the loss that these settings name, with its arguments; errors as for `get`."""
    return get(settings.loss, parse_arguments(settings.loss_args, "loss_args"))


def check_name(name: str) -> None:
    """Check a name without importing TensorFlow or the user's own code.

    Raises:
        InputError: it is neither registered, nor Keras's, nor an address.
    """
    if not own_code.is_address(name) and _key(name) not in _names():
        raise InputError(
            f"unknown loss '{name}'{did_you_mean(name.lower(), _names().values())}; "
            "a loss of your own is FILE.py:function or package.module:function"
        )


def _key(name: str) -> str:
    """'MeanSquaredError' and 'mean_squared_error' are one name."""
    return name.lower().replace("_", "")


def _names() -> dict[str, str]:
    """The names that --loss takes, by key; a registered one goes before Keras's."""
    return {_key(name): name for name in (*keras_losses.NAMES, *REGISTRY)}


def _named(name: str) -> Loss:
    check_name(name)
    if own_code.is_address(name):
        function = own_code.load(name, "loss")
        if not callable(function):
            raise InputError(f"--loss={name}: {function!r} is no function")
        loss = _made_of(function, name.rpartition(":")[2])
        return replace(loss, address=own_code.absolute(name))
    if name in REGISTRY:
        return REGISTRY[name]
    name = _names()[_key(name)]
    if name in REGISTRY:
        return REGISTRY[name]
    return replace(_made_of(keras_losses.class_named(name)), address=name)


def _made_of(given: Callable | Loss, name: str | None = None) -> Loss:
    """The loss of a function or object; `name` is used where it has none of its own."""
    if isinstance(given, Loss):
        return given
    registered = _registered(given)
    if registered:
        return registered
    if keras_losses.is_from_keras(given):
        function, arguments, address = keras_losses.per_example(given)
        kind = given if inspect.isroutine(given) or inspect.isclass(given) else type(given)
        name = keras_losses.snake_case(name or kind.__name__)
        domain = keras_losses.domain(name)
        return Loss(name, function, domain=domain, arguments=arguments, address=address)
    if isinstance(given, functools.partial) and not given.args:
        registered = _registered(given.func)
        if registered:
            return registered.with_arguments(given.keywords)
    return Loss(name or _name(given), given, address=own_code.address_of(given))


def _registered(function: Any) -> Loss | None:
    return next((loss for loss in REGISTRY.values() if loss.function is function), None)


def _name(function: Callable) -> str:
    """'focal' of a function, method or partial of that name, or of an object of class Focal."""
    if isinstance(function, functools.partial):
        return _name(function.func)
    name = getattr(function, "__name__", keras_losses.snake_case(type(function).__name__))
    return name.strip("<>")
