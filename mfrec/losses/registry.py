"""The registry of losses: what a loss is, the decorators, and how a name becomes a loss."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec import own_code
from mfrec.config.defaults import Traits
from mfrec.config.parsing import parse_arguments
from mfrec.config.settings import LossConfig
from mfrec.errors import InputError, did_you_mean
from mfrec.losses.links import LINKS
from mfrec.quiet_tensorflow import tf

# What a batch can tell a loss beyond its scores, by the argument's name, all float32:
#   weights [B] of the examples; user_weights [B], the sum of the weights of all training examples
#   of the example's user; user_counts [B] and item_counts [B], training examples of the example's
#   user and item; negative_counts, [B, N] or [N] those of the negatives; num_users and num_items.
BATCH_ARGUMENTS = (
    *("weights", "user_weights", "user_counts", "item_counts", "negative_counts"),
    *("num_users", "num_items"),
)

# What each kind of loss reads.
_OF_RATINGS = ("ratings", "predictions")
_OF_NEGATIVES = ("positive_scores", "negative_scores")
_OF_VECTORS = ("positive_scores", "user_vectors", "item_vectors")


@dataclass(frozen=True)
class Loss:
    """A loss function, what it was registered with, and the values of its parameters.

    Attributes:
        name: what --loss takes.
        function: what computes it.
        traits: which kind of batch it wants, and how it is usually trained.
        link: how scores become ratings, a name in LINKS; for rating losses.
        log_q: whether the sampler's log-Q correction makes sense for it: its negatives stand for
            a sum over the catalogue.
        row_charges: its own frequency weights of the regularizer, instead of n^(ν−1): a function
            of (counts [rows], the number of rows of the other table, frequency_exponent and the
            loss's parameters) that returns w [rows].
        quadratic: for a loss that adds up to Σ w(y − s)² + α Σ s² over a user's examples and over
            all items: a function of (targets [B] of the ratings, and the loss's parameters) that
            returns y [B] and α. Then new users are folded in by closed form.
        arguments: values of its parameters.
    """

    name: str
    function: Callable[..., tf.Tensor]
    traits: Traits = Traits()
    link: str = "identity"
    log_q: bool = False
    row_charges: Callable[..., np.ndarray] | None = None
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *inputs: tf.Tensor, batch: Mapping[str, Any]) -> tf.Tensor:
        """The loss of every example, float32 [B].

        Args:
            inputs: what this kind of loss reads: ratings on the scale of the link's targets and
                scores, both float32 [B]; or positive and negative scores; or positive scores and
                the vectors of users and items.
            batch: what a loss may ask for, by the names in BATCH_ARGUMENTS.
        """
        wanted = {name: batch[name] for name in self.batch_arguments}
        return self.function(*inputs, **wanted, **self.arguments)

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
        """The parameter of that name, which divides the scores inside the loss; 1 without."""
        return self.parameters.get("temperature", 1.0)

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter with its value."""
        return self._defaults() | dict(self.arguments)

    @property
    def batch_arguments(self) -> tuple[str, ...]:
        """Those of BATCH_ARGUMENTS that the function names among its arguments."""
        return tuple(n for n in BATCH_ARGUMENTS if n in inspect.signature(self.function).parameters)

    def with_arguments(self, arguments: Mapping[str, Any]) -> "Loss":
        """The same loss with these parameters.

        Raises:
            InputError: the function has no such parameter.
        """
        parameters = self._defaults()
        for name, value in arguments.items():
            if name not in parameters:
                has = f"has {', '.join(parameters)}" if parameters else "has none"
                raise InputError(f"--loss_args: loss '{self.name}' {has}, not '{name}'")
            if isinstance(value, str) and not isinstance(parameters[name], str):
                raise InputError(f"--loss_args: {name}={value} of loss '{self.name}' is no number")
        return replace(self, arguments=dict(arguments))

    def _defaults(self) -> dict[str, Any]:
        return {
            name: parameter.default
            for name, parameter in inspect.signature(self.function).parameters.items()
            if parameter.default is not parameter.empty and name not in BATCH_ARGUMENTS
        }


REGISTRY: dict[str, Loss] = {}


def rating(
    name: str,
    link: str = "identity",
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None,
) -> Callable[[Callable], Callable]:
    """Registers a rating loss: (ratings [B], predictions [B]) -> [B], both float32.

    Args:
        name: what --loss takes; one name, one loss.
        link: how scores become ratings, a name in LINKS.
        quadratic: what it is made of, if it is a sum of squares; see `Loss`.
    """
    if link not in LINKS:
        raise ValueError(f"unknown link '{link}'{did_you_mean(link, LINKS)}")

    return _registering(name, Traits(), link=link, quadratic=quadratic)


def ranking(name: str, *, log_q: bool = False, **traits: Any) -> Callable[[Callable], Callable]:
    """Registers a ranking loss: (positive_scores [B], negative_scores [B, N]) -> [B], float32.

    Args:
        name: what --loss takes; one name, one loss.
        log_q: whether its negatives stand for a sum over the catalogue, so that the scores of
            negatives may be corrected by the logarithm of how often they are drawn.
        traits: how it is usually trained; see `defaults.Traits`.
    """
    return _registering(
        name, Traits(predicts_ratings=False, draws_negatives=True, **traits), log_q=log_q
    )


def catalogue(
    name: str,
    *,
    row_charges: Callable[..., np.ndarray] | None = None,
    quadratic: Callable[..., tuple[tf.Tensor, float]] | None = None,
    **traits: Any,
) -> Callable[[Callable], Callable]:
    """Registers a loss over every item at once, without a sampler.

    It takes positive_scores [B], user_vectors [B, d] and item_vectors [I, d], whose inner
    products are the scores of all items, and returns [B], all float32.

    Args:
        name: what --loss takes; one name, one loss.
        row_charges: its own frequency weights of the regularizer; see `Loss`.
        quadratic: what it is made of, if it is a sum of squares; see `Loss`.
        traits: how it is usually trained; see `defaults.Traits`.
    """
    traits = Traits(predicts_ratings=False, reads_vectors=True, **traits)
    return _registering(name, traits, row_charges=row_charges, quadratic=quadratic)


def _registering(name: str, traits: Traits, **properties: Any) -> Callable[[Callable], Callable]:
    def register(function: Callable) -> Callable:
        taken = REGISTRY.get(name)
        # the same function may come again: a notebook's cell run twice, a file loaded twice
        if taken and taken.function.__qualname__ != function.__qualname__:
            raise ValueError(f"there is a loss named '{name}' already")
        REGISTRY[name] = Loss(name, function, traits, **properties)
        return function

    return register


def get(loss: "str | Callable | Loss", arguments: Mapping[str, Any] | None = None) -> Loss:
    """The loss by that name, in that file or module, or made of that function.

    Args:
        loss: 'mse', 'my_losses.py:focal', 'package.module:focal', a function or a Loss.
        arguments: values for its parameters.

    Raises:
        InputError: there is no such name, file, module, function or parameter.
    """
    found = loss if isinstance(loss, Loss) else None
    if isinstance(loss, str):
        found = _loaded(loss) if own_code.is_address(loss) else REGISTRY.get(loss)
        if found is None:
            raise InputError(
                f"unknown loss '{loss}'{did_you_mean(loss, REGISTRY)}; "
                "a loss of your own is FILE.py:function or package.module:function"
            )
    elif callable(loss) and found is None:
        found = _of_function(loss)
    return found.with_arguments(arguments) if arguments else found


def configured(settings: LossConfig) -> Loss:
    """The loss that these settings name, with its arguments; errors as for `get`."""
    return get(settings.loss, parse_arguments(settings.loss_args))


def _of_function(function: Callable) -> Loss:
    registered = (loss for loss in REGISTRY.values() if loss.function is function)
    loss = next(registered, None) or Loss(function.__name__, function)
    try:
        inspect.signature(function).bind(*loss.inputs, **dict.fromkeys(loss.batch_arguments))
    except TypeError as error:
        raise InputError(
            f"loss '{loss.name}' does not take ({', '.join(loss.inputs)}): {error}"
        ) from None
    return loss


def _loaded(address: str) -> Loss:
    """The loss at FILE.py:function or package.module:function."""
    function = own_code.load(address, "loss")
    if not callable(function):
        raise InputError(f"--loss={address}: {function!r} is no function")
    return _of_function(function)
