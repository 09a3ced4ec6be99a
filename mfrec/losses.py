"""Losses and their registry: the seam that mfrec is for.

A loss is one small pure function, per example and never reduced. A decorator registers it under
the name that --loss takes and says which kind of batch it wants:

    @losses.rating("mse")                        # ratings [B], predictions [B] -> [B]
    @losses.rating("logistic", link="sigmoid")   # targets and scores live on the link's scale

Keyword arguments with a default are the loss's parameters, set by --loss_args=name=value. A
loss that names `weights`, `user_counts` or `item_counts` (float32 [B]: example weight, training
ratings of the example's user and item), `num_users` or `num_items` among its arguments receives
them.

A loss in a file of your own needs no registration: --loss=path/to/my_losses.py:my_loss.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mfrec.config import nearest
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

# What a batch can tell a loss beyond ratings and predictions, by the argument's name.
BATCH_ARGUMENTS = ("weights", "user_counts", "item_counts", "num_users", "num_items")


@dataclass(frozen=True)
class Link:
    """How scores become ratings on the training range [low, high]: from_score(score).

    `to_target` puts a rating on the scale on which the loss compares it with from_score(score),
    and `to_score` is the score that serves a rating: the mean rating's is the global bias μ.
    """

    from_score: Callable[[tf.Tensor, float, float], tf.Tensor]
    to_target: Callable[[tf.Tensor, float, float], tf.Tensor]
    to_score: Callable[[tf.Tensor, float, float], tf.Tensor]


def _to_unit(ratings: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return tf.math.divide_no_nan(ratings - low, high - low)


def _logit(ratings: tf.Tensor, low: float, high: float) -> tf.Tensor:
    share = tf.clip_by_value(_to_unit(ratings, low, high), 1e-6, 1 - 1e-6)
    return tf.math.log(share) - tf.math.log1p(-share)


LINKS = {
    "identity": Link(
        from_score=lambda scores, low, high: scores,
        to_target=lambda ratings, low, high: ratings,
        to_score=lambda ratings, low, high: ratings,
    ),
    # scores are logits of the rating's place between the lowest and the highest
    "sigmoid": Link(
        from_score=lambda scores, low, high: low + (high - low) * tf.sigmoid(scores),
        to_target=_to_unit,
        to_score=_logit,
    ),
    # scores are logarithms: the log link of Poisson regression
    "exp": Link(
        from_score=lambda scores, low, high: tf.exp(scores),
        to_target=lambda ratings, low, high: ratings,
        to_score=lambda ratings, low, high: tf.math.log(tf.maximum(ratings, 1e-6)),
    ),
}


@dataclass(frozen=True)
class Loss:
    """A loss function with its name, its link and the values of its parameters."""

    name: str
    function: Callable[..., tf.Tensor]
    link: str = "identity"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(
        self, ratings: tf.Tensor, predictions: tf.Tensor, batch: Mapping[str, Any]
    ) -> tf.Tensor:
        """The loss of every example, float32 [B].

        Args:
            ratings: float32 [B], on the scale of the link's targets.
            predictions: float32 [B], the model's scores.
            batch: what a loss may ask for, by the names in BATCH_ARGUMENTS.
        """
        wanted = {name: batch[name] for name in self.batch_arguments}
        return self.function(ratings, predictions, **wanted, **self.arguments)

    @property
    def batch_arguments(self) -> tuple[str, ...]:
        """Those of BATCH_ARGUMENTS that the function names among its arguments."""
        return tuple(n for n in BATCH_ARGUMENTS if n in inspect.signature(self.function).parameters)

    def with_arguments(self, arguments: Mapping[str, Any]) -> "Loss":
        """The same loss with these parameters.

        Raises:
            InputError: the function has no such parameter.
        """
        parameters = {
            name: parameter.default
            for name, parameter in inspect.signature(self.function).parameters.items()
            if parameter.default is not parameter.empty and name not in BATCH_ARGUMENTS
        }
        for name, value in arguments.items():
            if name not in parameters:
                has = f"has {', '.join(parameters)}" if parameters else "has none"
                raise InputError(f"--loss_args: loss '{self.name}' {has}, not '{name}'")
            if isinstance(value, str) and not isinstance(parameters[name], str):
                raise InputError(f"--loss_args: {name}={value} of loss '{self.name}' is no number")
        return Loss(self.name, self.function, self.link, dict(arguments))


REGISTRY: dict[str, Loss] = {}


def rating(name: str, link: str = "identity") -> Callable[[Callable], Callable]:
    """Registers a rating loss: (ratings [B], predictions [B]) -> [B], both float32.

    Args:
        name: what --loss takes; one name, one loss.
        link: how scores become ratings, a name in LINKS.
    """
    if link not in LINKS:
        raise ValueError(f"unknown link '{link}'{nearest(link, LINKS)}")

    def register(function: Callable) -> Callable:
        taken = REGISTRY.get(name)
        # the same function may come again: a notebook's cell run twice, a file loaded twice
        if taken and taken.function.__qualname__ != function.__qualname__:
            raise ValueError(f"there is a loss named '{name}' already")
        REGISTRY[name] = Loss(name, function, link)
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
        found = _imported(loss) if ":" in loss else REGISTRY.get(loss)
        if found is None:
            raise InputError(
                f"unknown loss '{loss}'{nearest(loss, REGISTRY)}; "
                "a loss of your own is FILE.py:function or package.module:function"
            )
    elif callable(loss) and found is None:
        found = _of_function(loss)
    return found.with_arguments(arguments) if arguments else found


def _of_function(function: Callable) -> Loss:
    registered = (loss for loss in REGISTRY.values() if loss.function is function)
    loss = next(registered, None) or Loss(function.__name__, function)
    try:
        inspect.signature(function).bind(None, None, **dict.fromkeys(loss.batch_arguments))
    except TypeError as error:
        raise InputError(
            f"loss '{loss.name}' does not take (ratings, predictions): {error}"
        ) from None
    return loss


def _imported(address: str) -> Loss:
    """The loss at FILE.py:function or package.module:function."""
    place, _, name = address.rpartition(":")
    if place.endswith(".py") and not os.path.isfile(place):
        raise InputError(f"--loss={address}: no file {place}")
    sys.path.insert(0, os.getcwd())
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(os.path.basename(place)[:-3], place)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
    except Exception as error:
        line = (
            getattr(error, "lineno", None) or traceback.extract_tb(error.__traceback__)[-1].lineno
        )
        where = f"{place}:{line}" if os.path.isfile(place) else place
        raise InputError(f"--loss={address}: {where}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.pop(0)
    function = getattr(module, name, None)
    if not callable(function):
        names = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        raise InputError(f"--loss={address}: no function '{name}' there, only {names}")
    return _of_function(function)


@rating("mse")
def mse(ratings, predictions):
    """Squared error: (r − ŷ)².

    The loss of biased matrix factorization (Koren, Bell, Volinsky 2009, "Matrix factorization
    techniques for recommender systems"). mse(4, 3) = 1.
    """
    return tf.square(ratings - predictions)


@rating("mae")
def mae(ratings, predictions):
    """Absolute error: |r − ŷ|. Serves the median rather than the mean. mae(4, 2.5) = 1.5."""
    return tf.abs(ratings - predictions)


@rating("huber")
def huber(ratings, predictions, delta=1.0):
    """Squared error near, absolute error far: e²/2 for |e| ≤ δ, else δ(|e| − δ/2), with e = r − ŷ.

    Huber 1964, "Robust estimation of a location parameter". At δ = 1: huber(4, 3.5) = 0.125,
    huber(4, 2) = 1.5.

    Args:
        delta: where the two meet, in units of the rating.
    """
    error = tf.abs(ratings - predictions)
    near = tf.minimum(error, delta)
    return near * (error - near / 2)


@rating("logistic", link="sigmoid")
def logistic(ratings, predictions):
    """Cross-entropy: −y log σ(ŷ) − (1 − y) log(1 − σ(ŷ)), y ∈ [0, 1] the place in the range.

    Predictions are logits; what is served is low + (high − low)·σ(ŷ), which never leaves the
    range. Collins, Dasgupta, Schapire 2001, "A generalization of principal components analysis
    to the exponential family". logistic(1, 0) = log 2.
    """
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=ratings, logits=predictions)


@rating("poisson", link="exp")
def poisson(ratings, predictions):
    """Poisson deviance without its constant: e^ŷ − r·ŷ, for ratings that are counts.

    Predictions are log rates; what is served is e^ŷ. Gopalan, Hofman, Blei 2015, "Scalable
    recommendation with hierarchical Poisson factorization". poisson(2, 0) = 1.
    """
    return tf.exp(predictions) - ratings * predictions
