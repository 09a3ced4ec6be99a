"""Statistics of the training ratings under a loss, from which the defaults are derived."""

import math

import numpy as np

from mfrec import losses
from mfrec.config.defaults import Statistics
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf


def statistics(train: Interactions, loss: losses.Loss) -> Statistics:
    """What the defaults are derived from.

    For losses of ratings, gradient and curvature are those of the loss's mean at the score that
    serves the mean rating. A loss without curvature there (mae) is taken to spread as the ratings
    do. Other losses compare scores with each other, on a scale of their own.

    Raises:
        InputError: the loss or its gradient is not finite there.
    """
    rows = [np.count_nonzero(np.bincount(ids)) for ids in (train.user_ids, train.item_ids)]
    sizes = (len(train), *rows)
    if not loss.predicts_ratings:
        return Statistics(*sizes, gradient=1.0, spread=1.0, noise=1.0, traits=loss.traits)
    ratings = tf.constant(train.ratings)
    link = losses.LINKS[loss.link]
    low, high = float(train.ratings.min()), float(train.ratings.max())
    ones = tf.ones_like(ratings)
    batch = {
        "weights": ones,
        "user_weights": ones,
        "user_counts": ones,
        "item_counts": ones,
        "num_users": train.num_users,
        "num_items": train.num_items,
    }
    score = ones * link.to_score(tf.reduce_mean(ratings), low, high)
    with tf.GradientTape() as outer:
        outer.watch(score)
        with tf.GradientTape() as inner:
            inner.watch(score)
            values = loss(link.to_target(ratings, low, high), score, batch=batch)
        gradients = inner.gradient(values, score)
    curvatures = outer.gradient(gradients, score)
    gradient = float(tf.math.reduce_std(gradients))
    curvature = float(tf.reduce_mean(curvatures)) if curvatures is not None else 0.0
    spread = gradient / curvature if curvature > 0 else float(train.ratings.std())
    if not math.isfinite(gradient + spread):
        raise InputError(
            f"loss '{loss.name}' has no finite gradient where every prediction is the mean rating"
        )
    values = gradients.numpy().astype(np.float64)
    noise = [_noise_ratio(ids, values) for ids in (train.user_ids, train.item_ids)]
    return Statistics(
        *sizes, gradient or 1.0, spread or 1.0, math.sqrt(math.prod(noise)), loss.traits
    )


def _noise_ratio(ids: np.ndarray, values: np.ndarray) -> float:
    """Variance within rows over variance of the rows' own means, estimated; at most 10.

    The means that are seen differ by the noise in them as well, on average by the variance
    within a row times the mean of 1 / n (analysis of variance, method of moments).
    """
    counts = np.bincount(ids)
    counts = counts[counts > 0]
    rows = np.unique(ids, return_inverse=True)[1]
    means = np.bincount(rows, values) / counts
    free = max(len(values) - len(counts), 1)
    within = np.square(values - means[rows]).sum() / free
    between = means.var() - within * np.mean(1 / counts)
    return float(within / max(between, within / 10)) if within > 0 else 1.0
