"""From a batch to the loss of every example: the one place where the kinds of losses differ.

    rating      targets of the ratings, scores                  -> loss
    ranking     scores of the positives, scores of negatives    -> loss
    catalogue   scores of the positives, vectors of everything  -> loss

A batch holds examples [B], or rows of positives of one user each [B, P]; then everything that
belongs to the user has an axis of length 1 in place of P, and losses broadcast over it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mfrec.config.settings import Config, SamplerConfig
from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import Examples
from mfrec.errors import InputError
from mfrec.losses import Loss
from mfrec.models.base import Model, VectorScores
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers
from mfrec.training.samplers import MASKED, KnownPairs, Sampler


@dataclass(frozen=True)
class Objective:
    """The losses of a batch's examples under a model.

    Attributes:
        model: what scores.
        loss: what is minimised.
        sampling: how negatives are drawn.
        sampler: what draws them; None unless the loss is a ranking loss.
        known: the training pairs, where negatives among them are masked.
        tables: "user_counts" [num_users], "user_weights" [num_users] and "item_counts"
            [num_items] of the training part, float32.
    """

    model: Model | VectorScores
    loss: Loss
    sampling: SamplerConfig
    sampler: Sampler | None
    known: KnownPairs | None
    tables: dict[str, tf.Tensor]

    @classmethod
    def of(
        cls,
        model: Model,
        loss: Loss,
        train: Interactions,
        sampling: SamplerConfig,
    ) -> "Objective":
        """The objective of this training part.

        Raises:
            InputError: the loss reads vectors, and the model has none.
        """
        check_vectors(loss, model.name, model.has_vectors)
        weights = train.weights_or_ones()
        counts = {
            "user_counts": np.bincount(train.user_ids, minlength=model.num_users),
            "user_weights": np.bincount(train.user_ids, weights, minlength=model.num_users),
            "item_counts": np.bincount(train.item_ids, minlength=model.num_items),
        }
        sampler = known = None
        if loss.draws_negatives:
            make = samplers.get(sampling.negative_sampler).make
            sampler = make(counts["item_counts"], sampling.popularity_exponent)
            known = KnownPairs.of(train) if sampling.reject_positives else None
        tables = {name: tf.constant(count, tf.float32) for name, count in counts.items()}
        return cls(model, loss, sampling, sampler, known, tables)

    def example_losses(self, batch: Examples, seed: tf.Tensor) -> tf.Tensor:
        """The loss of every example, float32 of the shape of batch.weights.

        Args:
            batch: examples [B], or rows of positives [B, P].
            seed: int32 [2], another one for every step.

        Raises:
            InputError: the loss returns another shape.
        """
        if self.loss.draws_negatives:
            values = self._ranking(batch, seed)
        elif self.loss.reads_vectors:
            values = self._catalogue(batch)
        else:
            values = self._rating(batch)
        if values.shape != batch.weights.shape:
            hint = ""
            if len(batch.weights.shape) > 1:
                hint = "; write it over the last axis only, or train with --positives_per_row=1"
            raise InputError(
                f"loss '{self.loss.name}' returned shape {values.shape} for a batch of "
                f"{batch.weights.shape}; a loss returns one value an example and is never "
                f"reduced{hint}"
            )
        return values

    def _rating(self, batch: Examples) -> tf.Tensor:
        scores = self.model((batch.user_ids, batch.item_ids))
        return self.loss(self.model.targets(batch.ratings), scores, batch=self._told(batch))

    def _catalogue(self, batch: Examples) -> tf.Tensor:
        users = self.model.user_vectors(_by_user(batch))
        scores = tf.reduce_sum(users * self.model.item_vectors(batch.item_ids), axis=-1)
        return self.loss(scores, users, self.model.item_vectors(), batch=self._told(batch))

    def _ranking(self, batch: Examples, seed: tf.Tensor) -> tf.Tensor:
        negatives = self._draw(batch, seed)
        positive_scores, scores = self.model.contrast(
            _by_user(batch), batch.item_ids, negatives.item_ids
        )
        scores = self._corrected(scores, negatives, batch)
        counts = tf.gather(self.tables["item_counts"], negatives.item_ids)
        if self.sampling.hard_negatives > 1:
            # the highest score of each group; the others get no gradient
            size = self.sampling.hard_negatives
            groups = [scores.shape[-1] // size, size]
            groups = tf.concat([tf.shape(scores)[:-1], groups], axis=0)
            scores = tf.reduce_max(tf.reshape(scores, groups), axis=-1)
        told = self._told(batch) | {"negative_counts": counts}
        return self.loss(positive_scores, scores, batch=told)

    @property
    def shares_negatives(self) -> bool:
        """Whether all examples of a batch see the same negatives."""
        return self.sampling.shared_negatives or self.takes_batch_items

    @property
    def takes_batch_items(self) -> bool:
        """Whether the negatives are the batch's own items."""
        return samplers.get(self.sampling.negative_sampler).takes_batch_items

    def _draw(self, batch: Examples, seed: tf.Tensor) -> samplers.Negatives:
        """Negatives [N] for the whole batch, or [B, N] or [B, 1, N] for each of its rows."""
        drawn = (self.sampling.num_negatives or 0) * self.sampling.hard_negatives
        shape = (drawn,) if self.shares_negatives else (*_by_user(batch).shape, drawn)
        batch_items = batch.item_ids
        if len(batch_items.shape) > 1:
            # of every row the first: the others are padding in some rows
            batch_items = batch_items[:, 0]
        return self.sampler(seed, shape, batch_items)

    def _corrected(
        self, scores: tf.Tensor, negatives: samplers.Negatives, batch: Examples
    ) -> tf.Tensor:
        """Scores of negatives after log-Q correction, with those masked that are none."""
        if self.sampling.log_q_correction:
            count = np.log(scores.shape[-1])
            scores -= self.loss.temperature * (negatives.log_probabilities + count)
        users = _by_user(batch)[..., tf.newaxis]
        if self.known is not None:
            is_known = self.known.contain(users, negatives.item_ids)
        elif self.takes_batch_items:
            positives = batch.item_ids[..., tf.newaxis]
            is_known = positives == negatives.item_ids
            if len(batch.weights.shape) > 1:
                is_known = tf.reduce_any(is_known, axis=-2, keepdims=True)
        else:
            return scores
        return tf.where(is_known, MASKED, scores)

    def _told(self, batch: Examples) -> dict[str, Any]:
        """What a loss may ask for, by the names in losses.BATCH_ARGUMENTS."""
        users = _by_user(batch)
        return {
            "weights": batch.weights,
            "user_counts": tf.gather(self.tables["user_counts"], users),
            "user_weights": tf.gather(self.tables["user_weights"], users),
            "item_counts": tf.gather(self.tables["item_counts"], batch.item_ids),
            "num_users": self.model.num_users,
            "num_items": self.model.num_items,
        }


def _by_user(batch: Examples) -> tf.Tensor:
    """User ids [B] of examples, [B, 1] of rows of positives."""
    is_row = len(batch.item_ids.shape) > 1
    return batch.user_ids[:, tf.newaxis] if is_row else batch.user_ids


def check_vectors(loss: Loss, model: str, has_vectors: bool) -> None:
    """Refuses a loss of the whole catalogue for a model without vectors."""
    if loss.reads_vectors and not has_vectors:
        raise InputError(
            f"loss '{loss.name}' reads item vectors, and model '{model}' has none; take a loss of "
            "ratings or of sampled negatives"
        )


def check(loss: Loss, config: Config) -> None:
    """Refuses settings that make no sense together with a loss.

    Args:
        loss: what is minimised.
        config: the settings as they were given; what is None follows from the loss.

    Raises:
        InputError: says which and why.
    """
    sampling, defaults = config.sampler, SamplerConfig()
    changed = [name for name, value in vars(sampling).items() if value != vars(defaults)[name]]
    width = config.training.positives_per_row or loss.traits.positives_per_row
    takes_batch_items = samplers.get(sampling.negative_sampler).takes_batch_items
    wrong = {
        f"--{'/'.join(changed)}: loss '{loss.name}' draws no negatives"
        + (": it sees every item" if loss.reads_vectors else ""): not loss.draws_negatives
        and changed,
        f"--positives_per_row={width}: loss '{loss.name}' reads single ratings": (
            loss.predicts_ratings and width > 1
        ),
        f"--min_rating={config.positives.min_rating}: it leaves positives to rank, and loss "
        f"'{loss.name}' wants all ratings": loss.predicts_ratings
        and config.positives.min_rating is not None,
        f"--normalize: cosines rank items but are no ratings, which loss '{loss.name}' wants": (
            loss.predicts_ratings and config.model.normalize
        ),
        f"--log_q_correction: the negatives of loss '{loss.name}' stand for themselves, not for "
        "a sum over the catalogue": sampling.log_q_correction and not loss.log_q,
        "--log_q_correction with --hard_negatives: the best of several draws has no known "
        "probability": sampling.log_q_correction and sampling.hard_negatives > 1,
        f"--negative_sampler={sampling.negative_sampler} takes the batch's own items: leave out "
        "--num_negatives, --hard_negatives and --noshared_negatives": takes_batch_items
        and (
            sampling.num_negatives is not None
            or sampling.hard_negatives > 1
            or sampling.shared_negatives is False
        ),
        f"--hard_negatives: loss '{loss.name}' weighs every negative by its count": (
            sampling.hard_negatives > 1 and "negative_counts" in loss.batch_arguments
        ),
        f"--hard_negatives: loss '{loss.name}' counts on random draws": (
            sampling.hard_negatives > 1 and not loss.traits.hard_negatives
        ),
    }
    for reason, holds in wrong.items():
        if holds:
            raise InputError(reason)
