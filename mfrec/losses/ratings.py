"""Losses of ratings: (ratings [B], predictions [B]) -> [B]."""

from __future__ import annotations

from mfrec.losses.registry import rating
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range


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


@rating("huber", domain={"delta": Range(above=0)})
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


@rating("poisson", link="exp", domain={"ratings": Range(minimum=0)})
def poisson(ratings, predictions):
    """Poisson deviance without its constant: e^ŷ − r·ŷ, for ratings that are counts.

    Predictions are log rates; what is served is e^ŷ. Gopalan, Hofman, Blei 2015, "Scalable
    recommendation with hierarchical Poisson factorization". poisson(2, 0) = 1.
    """
    return tf.exp(predictions) - ratings * predictions
