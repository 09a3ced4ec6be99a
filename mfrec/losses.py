"""Losses and their registry: the seam that mfrec is for.

A loss is one small pure function, per example and never reduced. A decorator registers it under
the name that --loss takes and says which kind of batch it wants:

    @losses.rating("mse")                        # ratings [B], predictions [B] -> [B]
    @losses.rating("logistic", link="sigmoid")   # targets and scores live on the link's scale
    @losses.ranking("bpr")       # positive_scores [B], negative_scores [B, N] -> [B]
    @losses.catalogue("softmax")
    # positive_scores [B], user_vectors [B, d], item_vectors [I, d] -> [B]

Keyword arguments with a default are the loss's parameters, set by --loss_args=name=value. A
loss that names one of `BATCH_ARGUMENTS` among its arguments receives it.

Ranking losses read positives, with negatives that a sampler drew. Where a batch's rows hold P
positives of one user each (--positives_per_row=P), positive_scores are [B, P] and everything that
belongs to the user gets an axis of length 1 there: negative_scores [B, 1, N], user_vectors
[B, 1, d]. A loss that speaks of the last axis only (`axis=-1`, `positive_scores[..., None]`) is
right for both.

A rating loss in a file of your own needs no registration: --loss=path/to/my_losses.py:my_loss. A
ranking loss there is decorated as above.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec.config import LossConfig, nearest, parse_arguments
from mfrec.defaults import Traits
from mfrec.errors import InputError
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
_INPUTS = {
    "rating": ("ratings", "predictions"),
    "ranking": ("positive_scores", "negative_scores"),
    "catalogue": ("positive_scores", "user_vectors", "item_vectors"),
}


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


def _unchanged(values: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return values


LINKS = {
    "identity": Link(_unchanged, _unchanged, _unchanged),
    # scores are logits of the rating's place between the lowest and the highest
    "sigmoid": Link(
        from_score=lambda scores, low, high: low + (high - low) * tf.sigmoid(scores),
        to_target=_to_unit,
        to_score=_logit,
    ),
    # scores are logarithms: the log link of Poisson regression
    "exp": Link(
        from_score=lambda scores, low, high: tf.exp(scores),
        to_target=_unchanged,
        to_score=lambda ratings, low, high: tf.math.log(tf.maximum(ratings, 1e-6)),
    ),
}


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
        raise ValueError(f"unknown link '{link}'{nearest(link, LINKS)}")

    return _registering(name, Traits("rating"), link=link, quadratic=quadratic)


def ranking(name: str, *, log_q: bool = False, **traits: Any) -> Callable[[Callable], Callable]:
    """Registers a ranking loss: (positive_scores [B], negative_scores [B, N]) -> [B], float32.

    Args:
        name: what --loss takes; one name, one loss.
        log_q: whether its negatives stand for a sum over the catalogue, so that the scores of
            negatives may be corrected by the logarithm of how often they are drawn.
        traits: how it is usually trained; see `defaults.Traits`.
    """
    return _registering(name, Traits("ranking", **traits), log_q=log_q)


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
    properties = {"row_charges": row_charges, "quadratic": quadratic}
    return _registering(name, Traits("catalogue", **traits), **properties)


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
        found = _imported(loss) if ":" in loss else REGISTRY.get(loss)
        if found is None:
            raise InputError(
                f"unknown loss '{loss}'{nearest(loss, REGISTRY)}; "
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
        inspect.signature(function).bind(
            *_INPUTS[loss.traits.kind], **dict.fromkeys(loss.batch_arguments)
        )
    except TypeError as error:
        raise InputError(
            f"loss '{loss.name}' does not take ({', '.join(_INPUTS[loss.traits.kind])}): {error}"
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


# For losses that want to see much of the catalogue.
_MANY_SHARED = {"num_negatives": 1024, "shared_negatives": True, "positives_per_row": 16}


def _squared_errors(targets: tf.Tensor) -> tuple[tf.Tensor, float]:
    return targets, 0.0


@rating("mse", quadratic=_squared_errors)
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


@ranking("bpr")
def bpr(positive_scores, negative_scores):
    """Bayesian personalized ranking: −log σ(s⁺ − s⁻), mean over the negatives.

    Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from
    implicit feedback". bpr(1, [1]) = log 2.
    """
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.nn.softplus(-margins), axis=-1)


@ranking("hinge")
def hinge(positive_scores, negative_scores, margin=1.0):
    """max(0, margin − s⁺ + s⁻), mean over the negatives. hinge(1, [0.5]) = 0.5.

    Args:
        margin: by how much a positive should score above a negative.
    """
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.nn.relu(margin - margins), axis=-1)


@ranking("warp", num_negatives=32)
def warp(positive_scores, negative_scores, num_items, margin=1.0):
    """Weighted approximate-rank pairwise: log(1 + rank) · max(0, margin − s⁺ + s⁻).

    s⁻ is the first of the negatives, in the order in which they were drawn, within the margin; if
    it is the t-th, the positive's rank is estimated as (num_items − 1) / t, rounded down. Without
    such a negative the loss is 0. Weston, Bengio, Usunier 2011, "WSABIE: scaling up to large
    vocabulary image annotation". warp(0, [−2, 0.5]) of 5 items: rank 2, log 3 · 1.5.

    Args:
        margin: by how much a positive should score above a negative.
    """
    violations = margin - positive_scores[..., tf.newaxis] + negative_scores
    is_violation = tf.cast(violations > 0, tf.int32)
    trials = tf.argmax(is_violation, axis=-1, output_type=tf.int32)
    is_first = tf.one_hot(trials, violations.shape[-1])
    violation = tf.nn.relu(tf.reduce_sum(is_first * violations, axis=-1))
    rank = tf.floor((num_items - 1) / (1.0 + tf.cast(trials, tf.float32)))
    return tf.math.log1p(rank) * violation


@ranking("sampled_logistic", log_q=True, num_negatives=4)
def sampled_logistic(positive_scores, negative_scores, negative_weight=1.0):
    """Binary cross-entropy: −log σ(s⁺) − negative_weight · Σ log(1 − σ(s⁻)).

    He et al. 2017, "Neural collaborative filtering"; Rendle et al. 2020, "Neural collaborative
    filtering vs. matrix factorization revisited". sampled_logistic(0, [0, 0]) = 3 log 2.

    Args:
        negative_weight: of each negative beside the positive's 1.
    """
    negatives = tf.reduce_sum(tf.nn.softplus(negative_scores), axis=-1)
    return tf.nn.softplus(-positive_scores) + negative_weight * negatives


@ranking("sampled_softmax", log_q=True, normalize=True, **_MANY_SHARED)
def sampled_softmax(positive_scores, negative_scores, temperature=0.1):
    """−log(e^(s⁺/τ) / (e^(s⁺/τ) + Σ e^(s⁻/τ))).

    Bengio, Senécal 2008, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model"; with cosine scores Wu et al. 2022, "On the effectiveness of
    sampled softmax loss for item recommendation". At τ = 1, sampled_softmax(0, [0, 0]) = log 3.

    Args:
        temperature: τ.
    """
    negatives = tf.reduce_logsumexp(negative_scores / temperature, axis=-1)
    return tf.nn.softplus(negatives - positive_scores / temperature)


@ranking("cosine_contrastive", normalize=True, **_MANY_SHARED)
def cosine_contrastive(positive_scores, negative_scores, margin=0.9, negative_weight=150.0):
    """1 − s⁺ + negative_weight · mean of max(0, s⁻ − margin), for cosine scores.

    Mao et al. 2021, "SimpleX: a simple and strong baseline for collaborative filtering".
    cosine_contrastive(0.5, [0.95, 0.2]) with weight 10: 0.5 + 10 · 0.025 = 0.75.

    Args:
        margin: cosine from which on a negative is pushed away.
        negative_weight: of the negatives' mean beside the positive.
    """
    negatives = tf.reduce_mean(tf.nn.relu(negative_scores - margin), axis=-1)
    return 1 - positive_scores + negative_weight * negatives


@ranking("bsl", normalize=True, **_MANY_SHARED)
def bsl(positive_scores, negative_scores, temperature=0.1, positive_temperature=0.1):
    """Bilateral softmax: −s⁺/τ⁺ + log of the mean of e^(s⁻/τ), for cosine scores.

    Wu et al. 2024, "BSL: understanding and improving softmax loss for recommendation". A
    positive temperature above the negatives' trusts noisy positives less. At τ = τ⁺ = 1,
    bsl(0.5, [0, 0]) = −0.5.

    Args:
        temperature: τ of the negatives.
        positive_temperature: τ⁺ of the positive.
    """
    count = tf.cast(tf.shape(negative_scores)[-1], tf.float32)
    negatives = tf.reduce_logsumexp(negative_scores / temperature, axis=-1) - tf.math.log(count)
    return negatives - positive_scores / positive_temperature


@ranking("ultragcn", **_MANY_SHARED)
def ultragcn(
    positive_scores,
    negative_scores,
    user_counts,
    item_counts,
    negative_counts,
    constant_weight=1e-7,
    negative_weight=300.0,
):
    """Logistic loss weighted by degrees: (c + β⁺)·−log σ(s⁺) + w · mean (c + β⁻)·−log(1 − σ(s⁻)).

    β(u, i) = √((n_u + 1)/(n_i + 1)) / n_u, n_u and n_i being training examples: the weight of an
    edge that infinitely many layers of graph convolution converge to. Mao et al. 2021, "UltraGCN:
    ultra simplification of graph convolutional networks for recommendation", without its
    item-item term.

    Args:
        constant_weight: c.
        negative_weight: w, of the negatives' mean beside the positive.
    """

    def weight(counts: tf.Tensor, users: tf.Tensor) -> tf.Tensor:
        return constant_weight + tf.sqrt((users + 1) / (counts + 1)) / users

    negatives = weight(negative_counts, user_counts[..., tf.newaxis]) * tf.nn.softplus(
        negative_scores
    )
    positives = weight(item_counts, user_counts) * tf.nn.softplus(-positive_scores)
    return positives + negative_weight * tf.reduce_mean(negatives, axis=-1)


@catalogue("softmax", normalize=True, positives_per_row=16)
def softmax(positive_scores, user_vectors, item_vectors, temperature=0.1):
    """−log(e^(s⁺/τ) / Σ e^(s/τ)) over every item of the catalogue, no sampling.

    With scores all 0 and I items it is log I.

    Args:
        temperature: τ.
    """
    scores = tf.tensordot(user_vectors, item_vectors, axes=(-1, -1)) / temperature
    return tf.reduce_logsumexp(scores, axis=-1) - positive_scores / temperature


def _ials_charges(
    counts: np.ndarray, num_others: int, frequency_exponent: float, unobserved_weight: float
) -> np.ndarray:
    """(n + α·others)^ν / n, so that a row's charges add up to (n + α·others)^ν."""
    return np.where(
        counts > 0,
        (counts + unobserved_weight * num_others) ** frequency_exponent / np.maximum(counts, 1),
        0,
    )


def _ials_parts(targets: tf.Tensor, unobserved_weight: float) -> tuple[tf.Tensor, float]:
    """Positives are 1, everything counts as 0 besides."""
    return tf.ones_like(targets), unobserved_weight


@catalogue(
    "implicit_squared",
    row_charges=_ials_charges,
    quadratic=_ials_parts,
    frequency_exponent=1.0,
)
def implicit_squared(
    positive_scores, user_vectors, item_vectors, user_weights, unobserved_weight=0.1
):
    """The objective of iALS, exact: Σ w(1 − s⁺)² over the positives + α Σ s² over all pairs.

    The second sum is α Σ_u p_uᵀ(Σ_i q_i q_iᵀ)p_u, the Gramian of the items in place of the items
    themselves; divided among the user's examples in proportion to their weights, so that these
    (confidences) act on the first sum alone. Its regularizer charges a row λ(n + α·others)^ν.
    Hu, Koren, Volinsky 2008, "Collaborative filtering for implicit feedback datasets"; Rendle,
    Krichene, Zhang, Koren 2022, "Revisiting the performance of iALS on item recommendation
    benchmarks".

    Args:
        unobserved_weight: α.
    """
    gramian = tf.matmul(item_vectors, item_vectors, transpose_a=True)
    squares = tf.reduce_sum(user_vectors * tf.tensordot(user_vectors, gramian, axes=1), axis=-1)
    return tf.square(1 - positive_scores) + unobserved_weight * squares / user_weights
