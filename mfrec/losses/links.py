"""Links: how scores become ratings, and ratings the targets of scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mfrec.quiet_tensorflow import tf


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
