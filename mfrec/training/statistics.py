"""Settings that nobody gave, derived from statistics of the training ratings under the loss."""

import math

import numpy as np

from mfrec import losses, models, parallel
from mfrec.config.defaults import Statistics, adapt
from mfrec.config.optimizer_choice import AUTO, Choice, choose
from mfrec.config.settings import Config, ModelConfig
from mfrec.data.counting import sum_rows
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError
from mfrec.losses.checks import checked_losses
from mfrec.progress import say
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range
from mfrec.training import samplers


def resolve(
    config: Config, loss: losses.Loss, train: Interactions, model: models.Model | None = None
) -> Config:
    """Return the settings with every default that follows from the training ratings filled in.

    train.py and `Trainer` both call it, so that the same settings train the same model.
    `optimizer_choice` says why an optimizer was chosen.

    Args:
        config: the settings; None stands for what is to be derived.
        loss: what is minimised.
        train: the training part.
        model: a model that was made before. The settings that it was made with stand; where they
            are not the loss's defaults, a line on standard error says so.

    Raises:
        InputError: a setting does not go with the model, the loss is not made for such ratings, or
            it or its gradient is not finite where every prediction is the mean.
    """
    resolved = _adapted(config, loss, train, model)
    if config.optimizer.optimizer.lower() == AUTO:
        choice = optimizer_choice(resolved, loss, train, model)
        resolved = resolved.replace({"optimizer": choice.optimizer})
    return resolved


def optimizer_choice(
    config: Config, loss: losses.Loss, train: Interactions, model: models.Model | None = None
) -> Choice:
    """Return what --optimizer=auto is under these settings, and why; arguments as `resolve`."""
    kind = models.get(config.model.model) if model is None else type(model)
    of_data = (config.data.user_features, config.data.item_features)
    of_model = (model.user_features, model.item_features) if model is not None else ()
    reads_whole = ""
    if kind is not models.MatrixFactorization:
        name = config.model.model if model is None else model.name
        reads_whole = f"model '{name}'"
    elif any(features is not None for features in (*of_data, *of_model)):
        reads_whole = "a model with features"
    num_rows = (train.num_users, train.num_items)
    return choose(config, num_rows, loss.traits.reads_vectors, reads_whole)


def _adapted(
    config: Config, loss: losses.Loss, train: Interactions, model: models.Model | None
) -> Config:
    _check_ratings(loss, train)
    own = models.suit(config) if model is None else config.replace(models.settings_of(model))
    unmeasured = Statistics(*_sizes(train), gradient=1.0, spread=1.0, noise=1.0, traits=loss.traits)
    takes_batch_items = samplers.get(config.sampler.negative_sampler).takes_batch_items
    if adapt(own, unmeasured, takes_batch_items) == own:
        # nothing is left open, so nothing needs to be measured
        return own
    measured = statistics(train, loss)
    if model is not None:
        _report_differences(own.model, adapt(config, measured).model, loss)
    return adapt(own, measured, takes_batch_items)


def _check_ratings(loss: losses.Loss, train: Interactions) -> None:
    """Refuse a training part with a rating outside the loss's domain; name it."""
    domain = loss.domain.get("ratings", Range())
    for rating in train.rating_range:
        if domain.broken_bound(rating):
            found = (rows for rows in train.shards() if (rows.ratings == rating).any())
            first = next(found)
            row = int(np.argmax(first.ratings == rating))
            user = train.users.raw_ids[first.user_ids[row]]
            item = train.items.raw_ids[first.item_ids[row]]
            raise InputError(
                f"loss '{loss.name}' is made for ratings that are {domain}; user '{user}' rates "
                f"item '{item}' {rating:g}: take another loss"
            )


def _report_differences(own: ModelConfig, usual: ModelConfig, loss: losses.Loss) -> None:
    names = ("use_bias", "normalize", "init_stddev")
    differences = [
        f"{name}={getattr(own, name)} (default {getattr(usual, name)})"
        for name in names
        # None: the model takes no such argument
        if getattr(own, name) not in (None, getattr(usual, name))
    ]
    if differences:
        say(
            f"loss '{loss.name}' trains a model with {', '.join(differences)}; a Trainer without "
            "a model makes the default one"
        )


def statistics(train: Interactions, loss: losses.Loss) -> Statistics:
    """Return the size of the data and the scale of the loss.

    For rating losses, gradient and curvature are those of the loss's mean at the score that
    stands for the mean rating. A loss without curvature there (mae) is taken to spread as the
    ratings do. Other losses compare scores with each other, on a scale of their own.

    Raises:
        InputError: the loss or its gradient is not finite there.
    """
    sizes = _sizes(train)
    if not loss.predicts_ratings:
        return Statistics(*sizes, gradient=1.0, spread=1.0, noise=1.0, traits=loss.traits)
    measure = _of_shards if train.is_streamed else _of_columns
    gradient, curvature, noise, squares = measure(train, loss)
    low, high = train.rating_range
    spread = gradient / curvature if curvature > 0 else train.rating_stddev
    if squares == 0 and low < high:
        raise InputError(
            f"loss '{loss.name}' has a gradient of 0 where every prediction is the mean rating: it "
            "would learn nothing; take another loss or other --loss_args"
        )
    if not math.isfinite(gradient + spread):
        raise InputError(
            f"loss '{loss.name}' has no finite gradient where every prediction is the mean rating, "
            f"for ratings from {low:g} to {high:g}; give ratings on a smaller scale, or take "
            "another loss"
        )
    return Statistics(
        *sizes, gradient or 1.0, spread or 1.0, math.sqrt(math.prod(noise)), loss.traits
    )


# Standard deviation of the gradient, mean curvature, noise of users and of items, and the sum of
# the squared gradients.
_Measured = tuple[float, float, tuple[float, float], float]


def _of_columns(train: Interactions, loss: losses.Loss) -> _Measured:
    """Measure ratings in memory."""
    mean = float(tf.reduce_mean(tf.constant(train.ratings)))
    gradients, curvature = _derivatives(train, loss, (*train.rating_range, mean))
    noise = (
        _noise_ratio(train.user_ids, train.user_counts, gradients),
        _noise_ratio(train.item_ids, train.item_counts, gradients),
    )
    deviation = float(tf.math.reduce_std(gradients))
    return deviation, curvature, noise, float(np.any(gradients))


def _of_shards(train: Interactions, loss: losses.Loss) -> _Measured:
    """Measure ratings shard by shard, by sums."""
    scale = (*train.rating_range, train.rating_mean)
    total = squares = curvature = 0.0
    of_users, of_items = np.zeros(train.num_users), np.zeros(train.num_items)
    for rows in train.shards():
        if not len(rows):
            continue
        gradients, of_shard = _derivatives(rows, loss, scale)
        values = gradients.astype(np.float64)
        total, squares = total + values.sum(), squares + np.square(values).sum()
        curvature += of_shard * len(rows)
        of_users += np.bincount(rows.user_ids, values, minlength=len(of_users))
        of_items += np.bincount(rows.item_ids, values, minlength=len(of_items))
    variance = max(squares / len(train) - (total / len(train)) ** 2, 0.0)
    noise = (
        _noise_of_sums(of_users, train.user_counts, squares),
        _noise_of_sums(of_items, train.item_counts, squares),
    )
    return math.sqrt(variance), curvature / len(train), noise, squares


def _noise_of_sums(sums: np.ndarray, counts: np.ndarray, squares: float) -> float:
    """As `_noise_ratio`, of sums by row and of the sum of all squares."""
    has_any = counts > 0
    means, counts = sums[has_any] / counts[has_any], counts[has_any]
    num_values = counts.sum()
    within = (squares - (np.square(means) * counts).sum()) / max(num_values - len(counts), 1)
    return _ratio(within, means, counts)


def _ratio(within: float, means: np.ndarray, counts: np.ndarray) -> float:
    between = means.var() - within * np.mean(1 / counts)
    return float(within / max(between, within / 10)) if within > 0 else 1.0


def _derivatives(
    train: Interactions, loss: losses.Loss, scale: tuple[float, float, float]
) -> tuple[np.ndarray, float]:
    """The gradient of each example's loss at the score of the mean rating, and the mean curvature.

    Args:
        train: the ratings, or some of them.
        loss: is minimised.
        scale: the lowest, the highest and the mean of all ratings.

    Returns:
        float32 [n]; the mean, 0 if the gradients do not depend on the score.

    Raises:
        InputError: the loss has no gradient, or is not per example.
    """
    link = losses.LINKS[loss.link]
    low, high, mean = *scale[:2], tf.constant(scale[2], tf.float32)
    gradients = np.empty(len(train), np.float32)
    curvature = 0.0
    # of two ratings first: a loss of [n, n] would not fit into memory
    for number, block in enumerate((slice(0, 2), *parallel.blocks(len(train)))):
        ratings = tf.constant(train.ratings[block])
        ones = tf.ones_like(ratings)
        batch = {
            "weights": ones,
            "user_weights": ones,
            "user_counts": ones,
            "item_counts": ones,
            "num_users": train.num_users,
            "num_items": train.num_items,
        }
        targets = link.to_target(ratings, low, high)
        score = ones * link.to_score(mean, low, high)
        with tf.GradientTape() as outer:
            outer.watch(score)
            with tf.GradientTape() as inner:
                inner.watch(score)
                values = checked_losses(loss(targets, score, batch=batch), ones, loss.name)
            of_block = inner.gradient(values, score)
        if of_block is None:
            raise InputError(
                f"loss '{loss.name}' has no gradient: what it returns does not depend on the "
                "predictions, or not in TensorFlow alone"
            )
        gradients[block] = of_block
        curvatures = outer.gradient(of_block, score)
        if curvatures is not None and number > 0:
            curvature += float(tf.reduce_mean(curvatures)) * len(ratings) / len(train)
    return gradients, curvature


def _sizes(train: Interactions) -> tuple[int, int, int]:
    """Ratings, and the users and items that have any."""
    users, items = (int(np.count_nonzero(c)) for c in (train.user_counts, train.item_counts))
    return len(train), users, items


def _noise_ratio(ids: np.ndarray, counts: np.ndarray, values: np.ndarray) -> float:
    """The variance within rows over the variance of the rows' own means, estimated; at most 10.

    Observed means also differ by the noise in them, on average by the variance within a row times
    the mean of 1 / n (analysis of variance, method of moments).

    Args:
        ids: the row of each value.
        counts: the number of values of each row, 0 for those without.
        values: [n].
    """
    has_any = counts > 0
    sums = sum_rows(ids, lambda block: values[block].astype(np.float64), len(counts))
    means = sums / np.maximum(counts, 1)
    squares = sum(
        np.square(values[block].astype(np.float64) - means[ids[block]]).sum()
        for block in parallel.blocks(len(values))
    )
    means, counts = means[has_any], counts[has_any]
    within = squares / max(len(values) - len(counts), 1)
    return _ratio(within, means, counts)
