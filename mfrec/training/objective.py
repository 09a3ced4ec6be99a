"""From a batch to the loss of every example: what each kind of loss is called with.

    rating      targets of the ratings, scores                          -> loss
    ranking     scores of the positives, scores of negatives            -> loss
    catalogue   scores of the positives, vectors of users and all items -> loss

A batch holds examples [B], or rows of positives of one user each [B, P]; then everything that
belongs to the user has an axis of length 1 in place of P, and losses broadcast over it.
"""

from dataclasses import dataclass
from typing import Any

from mfrec.config.settings import Config, SamplerConfig
from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import Examples
from mfrec.data.shards.parts import naming
from mfrec.errors import InputError
from mfrec.faults import described
from mfrec.losses import Loss
from mfrec.losses.checks import checked_losses
from mfrec.models.base import Model
from mfrec.models.checks import checked_ids
from mfrec.models.inner_product import VectorScores
from mfrec.quiet_tensorflow import tf
from mfrec.training import corrections, samplers
from mfrec.training.corrections import KnownPairs, PairSet
from mfrec.training.samplers import Sampler


@dataclass(frozen=True)
class Objective:
    """The losses of a batch's examples under a model.

    Attributes:
        model: gives the scores.
        loss: is minimised.
        sampling: settings of the negatives.
        sampler: draws negatives; None if the loss needs none.
        takes_batch_items: whether negatives are the batch's own items.
        known: the training pairs, if negatives among them are masked.
        tables: "user_counts" [num_users], "user_weights" [num_users] and "item_counts"
            [num_items] of the training part, float32.
        num_users: users in all, those of other workers too.
    """

    model: Model | VectorScores
    loss: Loss
    sampling: SamplerConfig
    sampler: Sampler | None
    takes_batch_items: bool
    known: PairSet | None
    tables: dict[str, tf.Tensor]
    num_users: int

    @classmethod
    def of(
        cls,
        model: Model,
        loss: Loss,
        train: Interactions,
        sampling: SamplerConfig,
    ) -> "Objective":
        """Return the objective of this training part.

        Raises:
            InputError: the loss reads vectors, and the model has none.
        """
        check_vectors(loss, model.name, model.has_vectors)
        counts = {
            "user_counts": train.user_counts,
            "user_weights": train.user_weights,
            "item_counts": train.whole.item_counts,
        }
        sampler = known = None
        takes_batch_items = False
        if loss.draws_negatives:
            kind = samplers.get(sampling.negative_sampler)
            with naming(f"--negative_sampler={sampling.negative_sampler}"):
                sampler = kind.build(train, sampling.sampler_args)
            takes_batch_items = kind.takes_batch_items
            known = KnownPairs.of(train) if sampling.reject_positives else None
        tables = {name: tf.constant(count, tf.float32) for name, count in counts.items()}
        num_users = max(model.num_users, train.whole.num_users)
        return cls(model, loss, sampling, sampler, takes_batch_items, known, tables, num_users)

    def example_losses(self, batch: Examples, seed: tf.Tensor) -> tf.Tensor:
        """Return the loss of every example, float32 of the shape of batch.weights.

        Args:
            batch: examples [B], or rows of positives [B, P].
            seed: int32 [2], a different one for every step.

        Raises:
            InputError: the loss returns something else.
        """
        if self.loss.draws_negatives:
            values = self._ranking(batch, seed)
        elif self.loss.reads_vectors:
            values = self._catalogue(batch)
        else:
            values = self._rating(batch)
        return checked_losses(values, batch.weights, self.loss.name)

    def _rating(self, batch: Examples) -> tf.Tensor:
        model: Any = self.model
        scores, targets = model((batch.user_ids, batch.item_ids)), model.targets(batch.ratings)
        return self.loss(targets, scores, batch=self._batch_arguments(batch))

    def _catalogue(self, batch: Examples) -> tf.Tensor:
        users = self.model.user_vectors(_by_user(batch))
        scores = tf.reduce_sum(users * self.model.item_vectors(batch.item_ids), axis=-1)
        return self.loss(
            scores, users, self.model.item_vectors(), batch=self._batch_arguments(batch)
        )

    def _ranking(self, batch: Examples, seed: tf.Tensor) -> tf.Tensor:
        negatives = self._draw(batch, seed)
        positive_scores, scores = self.model.contrast(
            _by_user(batch), batch.item_ids, negatives.item_ids
        )
        scores = self._corrected(scores, negatives, batch)
        counts = tf.gather(self.tables["item_counts"], negatives.item_ids)
        arguments = self._batch_arguments(batch) | {"negative_counts": counts}
        return self.loss(positive_scores, scores, batch=arguments)

    @property
    def shares_negatives(self) -> bool:
        """Whether all examples of a batch see the same negatives."""
        return self.sampling.shared_negatives or self.takes_batch_items

    def _draw(self, batch: Examples, seed: tf.Tensor) -> samplers.Negatives:
        """Negatives [N] for the whole batch, or [B, N] or [B, 1, N] for each of its rows."""
        number = (self.sampling.num_negatives or 0) * self.sampling.hard_negatives
        in_rows = len(batch.item_ids.shape) > 1
        # of every row the first: the others are padding in some rows
        batch_items = batch.item_ids[:, 0] if in_rows else batch.item_ids
        negatives = self.sampler(
            seed=seed,
            shape=(number,) if self.shares_negatives else (*batch.user_ids.shape, number),
            user_ids=batch.user_ids,
            batch_items=batch_items,
        )
        negatives = self._checked(negatives, batch)
        if in_rows and len(negatives.item_ids.shape) > 1:
            negatives = samplers.Negatives(*(values[:, tf.newaxis] for values in negatives))
        return negatives

    def _checked(self, negatives: Any, batch: Examples) -> samplers.Negatives:
        """What a sampler returned, as tensors."""
        owner = f"--negative_sampler={self.sampling.negative_sampler}"
        if not isinstance(negatives, tuple) or len(negatives) != 2:
            raise InputError(
                f"{owner} returned {described(negatives)}; a sampler returns a pair, item ids and "
                "their log-probabilities"
            )
        ids, log_probabilities = map(tf.convert_to_tensor, negatives)
        is_shape = len(ids.shape) == 1 or (
            len(ids.shape) == 2 and ids.shape[:1].is_compatible_with(batch.user_ids.shape)
        )
        is_shape = is_shape and ids.shape.is_compatible_with(log_probabilities.shape)
        if not is_shape or ids.dtype != tf.int32 or log_probabilities.dtype != tf.float32:
            raise InputError(
                f"{owner} returned {ids.dtype.name} {ids.shape} and log-probabilities "
                f"{log_probabilities.dtype.name} {log_probabilities.shape}; a sampler returns "
                "int32 item ids, [N] or [B, N], and as many float32 log-probabilities"
            )
        # once, before training: a graph cannot look
        if not tf.is_symbolic_tensor(ids):
            checked_ids(ids, self.model.num_items, "item")
        return samplers.Negatives(ids, log_probabilities)

    def _corrected(
        self, scores: tf.Tensor, negatives: samplers.Negatives, batch: Examples
    ) -> tf.Tensor:
        """Scores of negatives, [..., N], corrected as the settings say."""
        if self.sampling.log_q_correction:
            scores = corrections.log_q_corrected(
                scores, negatives.log_probabilities, self.loss.temperature
            )
        if self.known is not None:
            users = _by_user(batch)[..., tf.newaxis]
            is_hit = self.known.contain(users, negatives.item_ids)
            scores = corrections.without_hits(scores, is_hit)
        elif self.takes_batch_items:
            is_hit = corrections.hits_in_batch(batch.item_ids, negatives.item_ids)
            scores = corrections.without_hits(scores, is_hit)
        if self.sampling.hard_negatives > 1:
            scores = corrections.hardest(scores, self.sampling.hard_negatives)
        return scores

    def _batch_arguments(self, batch: Examples) -> dict[str, Any]:
        """Values of losses.BATCH_ARGUMENTS by name, other than those of negatives."""
        users = _by_user(batch)
        return {
            "weights": batch.weights,
            "user_counts": tf.gather(self.tables["user_counts"], users),
            "user_weights": tf.gather(self.tables["user_weights"], users),
            "item_counts": tf.gather(self.tables["item_counts"], batch.item_ids),
            "num_users": self.num_users,
            "num_items": self.model.num_items,
        }


def _by_user(batch: Examples) -> tf.Tensor:
    """User ids [B] of examples, [B, 1] of rows of positives."""
    is_row = len(batch.item_ids.shape) > 1
    return batch.user_ids[:, tf.newaxis] if is_row else batch.user_ids


def check_vectors(loss: Loss, model: str, has_vectors: bool) -> None:
    """Refuse a loss of the whole catalogue for a model without vectors."""
    if loss.reads_vectors and not has_vectors:
        raise InputError(
            f"loss '{loss.name}' reads item vectors, and model '{model}' has none; take a loss of "
            "ratings or of sampled negatives"
        )


def check(loss: Loss, config: Config) -> None:
    """Refuse settings that make no sense together with a loss.

    Args:
        loss: is minimised.
        config: the settings as given; what is None follows from the loss.

    Raises:
        InputError: says which and why.
    """
    for is_wrong, message in _contradictions(loss, config):
        if is_wrong:
            raise InputError(message)


def _contradictions(loss: Loss, config: Config) -> list[tuple[bool, str]]:
    """Return pairs: whether these settings contradict each other, and what to say then."""
    sampling, name = config.sampler, loss.name
    changed = [key for key, value in vars(sampling).items() if value != vars(SamplerConfig())[key]]
    width = config.training.positives_per_row or loss.traits.positives_per_row
    takes_batch_items = samplers.get(sampling.negative_sampler).takes_batch_items
    chooses_number = (
        sampling.num_negatives is not None
        or sampling.hard_negatives > 1
        or sampling.shared_negatives is False
    )
    sees_all = ": it sees every item" if loss.reads_vectors else ""
    return [
        (
            bool(changed) and not loss.draws_negatives,
            f"--{'/'.join(changed)}: loss '{name}' draws no negatives{sees_all}",
        ),
        (
            loss.predicts_ratings and width > 1,
            f"--positives_per_row={width}: loss '{name}' reads single ratings",
        ),
        (
            loss.predicts_ratings and config.positives.min_rating is not None,
            f"--min_rating={config.positives.min_rating}: it leaves positives to rank, and loss "
            f"'{name}' wants all ratings",
        ),
        (
            loss.predicts_ratings and bool(config.model.normalize),
            f"--normalize: cosines rank items but are no ratings, which loss '{name}' wants",
        ),
        (
            sampling.log_q_correction and not loss.log_q,
            f"--log_q_correction: the negatives of loss '{name}' stand for themselves, not for a "
            "sum over the catalogue",
        ),
        (
            sampling.log_q_correction and sampling.hard_negatives > 1,
            "--log_q_correction with --hard_negatives: the best of several draws has no known "
            "probability",
        ),
        (
            takes_batch_items and chooses_number,
            f"--negative_sampler={sampling.negative_sampler} takes the batch's own items: leave "
            "out --num_negatives, --hard_negatives and --noshared_negatives",
        ),
        (
            sampling.hard_negatives > 1 and "negative_counts" in loss.batch_arguments,
            f"--hard_negatives: loss '{name}' weighs every negative by its count",
        ),
        (
            sampling.hard_negatives > 1 and not loss.traits.hard_negatives,
            f"--hard_negatives: loss '{name}' counts on random draws",
        ),
    ]
