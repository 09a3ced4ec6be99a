"""Fold-in: a vector for a user that training has not seen, from a history of that user.

The items stay fixed. The user's vector minimises the objective of training, restricted to that
user: with the history's examples e of weight w_e,

    Σ w_e · loss_e / Σ w_e + c(λ‖p‖² + λ_b b²)

where c is R's charge for a user with this number of examples, on the scale of the training
counts. Counts and weights that a loss asks for are those of the history.

Losses that are quadratic in the scores (`Loss.quadratic`) have their minimum in closed form: one
system of linear equations for each user, as in alternating least squares (Hu, Koren, Volinsky
2008, "Collaborative filtering for implicit feedback datasets"). All other losses, your own too, are
minimised by a few gradient steps through the `Objective` that training uses: every coordinate moves
by the same amount against the sign of its gradient, and by less from step to step. Negatives have
seeds of their own and are the same for every user, so that a vector does not depend on who else is
folded in.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mfrec.config.settings import Config
from mfrec.data.interactions import UNKNOWN, Interactions, check_kind, require_ratings
from mfrec.data.pipelines import Examples
from mfrec.errors import InputError
from mfrec.losses import Loss
from mfrec.models.inner_product import InnerProduct, VectorScores
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.models.reads import rows
from mfrec.quiet_tensorflow import graph_function, tf
from mfrec.training import samplers
from mfrec.training.objective import Objective
from mfrec.training.regularizer import Regularizer
from mfrec.training.samplers import Negatives

# BUILD_NOTES.md says how these were found. Steps are a multiple of the size of an item
# vector's coordinates, which those of a user's vector resemble, and fall to 0 along a cosine.
_STEPS = 40
_RATE = 0.3
_SMALL = 0.2
# If every example has its own negatives: the number of different draws within a history.
_DRAWS = 64
# Keeps a system solvable without regularization; relative to its diagonal.
_LEAST_RIDGE = 1e-6
# The most numbers in the largest tensor of users that are folded in together.
_BLOCK_SIZE = 1 << 22
# Histories are padded to the longest in their bucket; bucket limits are powers of 4.
_LONGEST = [4**power for power in range(2, 16)]


class FoldIn:
    """Makes user vectors from histories, with the items as the model has them at the time.

    Args:
        model: a trained model, or one that is being trained.
        loss: what it is trained on.
        config: the settings of its training, resolved.
        train: the training part.
    """

    def __init__(
        self, model: InnerProduct, loss: Loss, config: Config, train: Interactions
    ) -> None:
        if not model.has_vectors:
            raise InputError(
                f"model '{model.name}' has no vectors, so nobody can be folded in from a "
                "history; take a model with vectors, such as --model=matrix_factorization"
            )
        train = model.matched_training_part(train)
        self._model = model
        self._loss = loss
        self._items = train.items
        self._folded: MatrixFactorization | None = None
        width = config.training.positives_per_row
        self._is_flat = width == 1
        # the known items are the history's, not those of training
        sampling = dataclasses.replace(config.sampler, reject_positives=False)
        self._objective = Objective.of(model, loss, train, sampling)
        self._rejects_positives = config.sampler.reject_positives
        self._num_negatives = (sampling.num_negatives or 0) * sampling.hard_negatives
        if self._objective.takes_batch_items:
            self._num_negatives = max(min(config.training.batch_size, len(train)) // width, 1)
            by_popularity = samplers.popularity(train, exponent=1.0)
            self._objective = dataclasses.replace(self._objective, sampler=by_popularity)
        regularizer = Regularizer(config.regularizer, loss, train, model)
        self._weights, self._ridge = regularizer.new_user_weights(), regularizer.user_ridge()
        columns = (tf.int32, tf.float32, tf.float32)
        signature = [tf.TensorSpec([None, None], dtype) for dtype in columns]
        self._any_shape = graph_function(self._fold, input_signature=signature)
        self._one_shape = self._any_shape
        if config.training.jit_compile and not self._is_quadratic:
            self._one_shape = graph_function(self._fold, jit_compile=True)

    def __call__(self, item_ids: tf.Tensor, ratings: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Return user vectors of histories, float32 [B, dim], as `model.user_vectors` has them.

        A pure TensorFlow function of any B and H. Of an item that comes again in a history the
        last row counts. A history without items gives the vector of an unknown user, who is
        ranked the items' biases.

        Args:
            item_ids: int32 [B, H]; UNKNOWN (−1) is padding, anywhere.
            ratings: float32 [B, H].
            weights: float32 [B, H], above 0.
        """
        return self._any_shape(item_ids, ratings, weights)

    def of_interactions(self, interactions: Interactions) -> np.ndarray:
        """Return vectors of all users of a vocabulary, float32 [num_users, dim].

        Args:
            interactions: the histories, in vocabularies of their own; items that training does
                not have are passed over.

        Raises:
            InputError: a user has no item that training has; where the loss predicts ratings, one
                is missing or outside the range of training's.
        """
        interactions = check_kind(interactions, "histories")
        if self._loss.predicts_ratings:
            self._check_ratings(interactions)
        return self._vectors(interactions)

    def _check_ratings(self, histories: Interactions) -> None:
        """Refuse ratings on another scale, as `Recommender.recommend_from_history` does."""
        use = f"loss '{self._loss.name}' learns; bring some"
        require_ratings(histories, "the history", use)
        low, high = self._model.rating_range.numpy().tolist()
        outside = np.flatnonzero((histories.ratings < low) | (histories.ratings > high))
        for row in outside[:1].tolist():
            item = histories.items.raw_ids[histories.item_ids[row]]
            raise InputError(
                f"rating {histories.ratings[row]:g} of item '{item}': the run's are from {low:g} "
                f"to {high:g}"
            )

    def _vectors(self, interactions: Interactions) -> np.ndarray:
        rows = interactions.without_repeats().encode(interactions.users, self._items)
        rows = rows.take(rows.item_ids != UNKNOWN)
        lengths = np.bincount(rows.user_ids, minlength=rows.num_users)
        if not lengths.all():
            raise InputError(
                f"user '{rows.users.raw_ids[np.argmin(lengths)]}' has no item that the model "
                "knows; give a history of one or more"
            )
        vectors = np.empty((rows.num_users, self._model.item_vectors([0]).shape[-1]), np.float32)
        for user_ids, block in self._blocks(rows, lengths):
            vectors[user_ids] = self._one_shape(*block).numpy()[: len(user_ids)]
        return vectors

    def model_of(self, interactions: Interactions) -> MatrixFactorization:
        """Return a model of the same items for folded-in users, with rows as in their vocabulary.

        Always the same object for as many users, with what the items are now.

        Args:
            interactions: the histories; a user without an item that training has is refused.
        """
        # held-out users may well rate beyond the range of training
        model, vectors = self._model, self._vectors(interactions)
        if self._folded is None or self._folded.num_users != len(vectors):
            self._folded = MatrixFactorization(
                len(vectors),
                model.num_items,
                model.width,
                use_bias=model.has_biases,
                clip_predictions=model.clip_predictions,
                link=model.link,
            )
        folded = self._folded
        folded.name_rows(interactions.users, self._items)
        p, b = model.split_user_vectors(vectors)
        q, a = model.split_item_vectors(model.item_vectors())
        folded.user_embedding.assign(p)
        folded.item_embedding.assign(q)
        if model.has_biases:
            folded.user_bias.assign(b)
            folded.item_bias.assign(a)
        folded.global_bias.assign(model.global_bias)
        folded.rating_range.assign(model.rating_range)
        return folded

    def _blocks(
        self, rows: Interactions, lengths: np.ndarray
    ) -> Iterator[tuple[np.ndarray, list[tf.Tensor]]]:
        """Yield user ids [n] and histories [B, H] of n ≤ B of them, in few different shapes."""
        rows = rows.take(np.argsort(rows.user_ids, kind="stable"))
        columns = ((rows.item_ids, UNKNOWN), (rows.ratings, 0), (rows.weights_or_ones(), 0))
        starts = np.cumsum(lengths) - lengths
        by_length = np.argsort(lengths, kind="stable")
        ends = np.searchsorted(lengths[by_length], _LONGEST, side="right")
        for group in np.split(by_length, np.unique(ends)):
            if not len(group):
                continue
            width = lengths[group[-1]]
            size = min(max(_BLOCK_SIZE // self._size_of_user(width), 1), len(group))
            for first in range(0, len(group), size):
                user_ids = group[first : first + size]
                owners = np.repeat(np.arange(len(user_ids)), lengths[user_ids])
                places = np.arange(len(owners)) - np.searchsorted(owners, owners)
                block = []
                for column, padding in columns:
                    table = np.full((size, width), padding, column.dtype)
                    table[owners, places] = column[starts[user_ids][owners] + places]
                    block.append(tf.constant(table))
                yield user_ids, block

    def _size_of_user(self, width: int) -> int:
        """Return about how many numbers the largest tensor holds for a history of this width."""
        dim = self._model.width
        if self._is_quadratic:
            return max(width, dim) * dim
        scores = 0
        if self._loss.draws_negatives:
            scores = self._num_negatives * (1 if self._objective.shares_negatives else dim)
        elif self._loss.reads_vectors:
            scores = self._model.num_items
        return width * dim + scores * (width if self._is_flat else 1)

    @property
    def _is_quadratic(self) -> bool:
        return self._loss.quadratic is not None and not self._model.normalize

    def _fold(self, item_ids: tf.Tensor, ratings: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        histories = _Histories.of(item_ids, ratings, weights)
        solve = self._least_squares if self._is_quadratic else self._descend
        vectors = solve(histories)
        unknown = tf.zeros_like(vectors)
        if self._model.has_biases:
            unknown = tf.concat([unknown[:, 1:], tf.ones_like(unknown[:, :1])], axis=-1)
        return tf.where(histories.counts[:, tf.newaxis] > 0, vectors, unknown)

    def _least_squares(self, histories: "_Histories") -> tf.Tensor:
        """Return the minimum of Σ w(y − s)² + α Σ s² over all items + Σ w · c(λ‖p‖² + λ_b b²).

        With item vectors [x_i, b_i] and user vectors [z, 1], s_i = <x_i, z> + b_i and

            (Σ w x xᵀ + α Σ x xᵀ + Σ w · c · diag(λ)) z = Σ w(y − b_i)x − α Σ b_i x
        """
        model, weights = self._model, histories.weights
        targets, unobserved = self._loss.quadratic(
            model.targets(histories.ratings), **self._loss.parameters
        )
        if self._loss.predicts_ratings:
            targets -= model.global_bias
        vectors, ridge = model.item_vectors(histories.item_ids), self._ridge
        free = ridge.shape[0]
        x, biases = vectors[..., :free], tf.reduce_sum(vectors[..., free:], axis=-1)
        weighted = weights[..., tf.newaxis] * x
        system = tf.matmul(weighted, x, transpose_a=True)
        right = tf.reduce_sum((targets - biases)[..., tf.newaxis] * weighted, axis=1)
        if unobserved:
            items = model.item_vectors()
            gramian = unobserved * tf.matmul(items, items, transpose_a=True)
            system += gramian[:free, :free]
            right -= tf.reduce_sum(gramian[:free, free:], axis=1)
        charges = tf.gather(self._weights, histories.counts) * histories.total_weights
        least = _LEAST_RIDGE * tf.reduce_max(tf.linalg.diag_part(system), axis=1)
        # 1 for an empty history, whose system would be all zeros
        least = tf.where(histories.counts > 0, least, 1.0)
        diagonal = charges[:, tf.newaxis] * ridge + least[:, tf.newaxis]
        system = tf.linalg.set_diag(system, tf.linalg.diag_part(system) + diagonal)
        factors = tf.linalg.cholesky(tf.cast(system, tf.float64))
        right = tf.cast(right, tf.float64)[..., tf.newaxis]
        found = tf.cast(tf.linalg.cholesky_solve(factors, right)[..., 0], tf.float32)
        return tf.concat([found, tf.ones_like(found[:, : vectors.shape[-1] - free])], axis=-1)

    def _descend(self, histories: "_Histories") -> tf.Tensor:
        """Take gradient steps from 0 or, for cosines, from the mean of the history's items."""
        model, ridge = self._model, self._ridge
        items = tf.convert_to_tensor(model.item_vectors())
        batch = histories.examples(self._is_flat)
        charges = tf.gather(self._weights, histories.counts)
        total_weights = tf.maximum(histories.total_weights, 1e-30)
        objective = dataclasses.replace(
            self._objective,
            tables=self._objective.tables
            | {
                "user_counts": tf.cast(histories.counts, tf.float32),
                "user_weights": histories.total_weights,
            },
            sampler=self._sampler(histories) if self._objective.sampler else None,
            known=_HistoryItems.of(histories, model.num_items) if self._rejects_positives else None,
        )
        dim = model.width
        q, biases = model.split_item_vectors(items)
        sizes = [tf.sqrt(tf.reduce_mean(tf.square(q)))] * dim
        if biases is not None:
            sizes.append(tf.sqrt(tf.reduce_mean(tf.square(biases))))
        rate = _RATE * tf.stack(sizes)

        def user_vectors(z: tf.Tensor) -> tf.Tensor:
            p, bias = z[:, :dim], z[:, dim:]
            p = tf.math.l2_normalize(p, axis=-1) if model.normalize else p
            return tf.concat([p, bias, tf.ones_like(bias)], axis=-1)

        z = tf.zeros([tf.shape(histories.item_ids)[0], ridge.shape[0]])
        if model.normalize:
            taken = histories.weights[..., tf.newaxis] * tf.gather(items, histories.item_ids)
            start = tf.math.l2_normalize(tf.reduce_sum(taken[..., :dim], axis=1), axis=-1)
            z = tf.concat([start, z[:, dim:]], axis=-1)
        for step in tf.range(_STEPS):
            with tf.GradientTape() as tape:
                tape.watch(z)
                users = _NewUsers(model, items, user_vectors(z))
                of_users = dataclasses.replace(objective, model=users)
                losses = of_users.example_losses(batch, tf.stack([0, step])) * batch.weights
                losses = tf.reduce_sum(tf.reshape(losses, tf.shape(histories.weights)), axis=1)
                charged = charges * tf.reduce_sum(ridge * tf.square(z), axis=1)
                total = tf.reduce_sum(losses / total_weights + charged)
            gradient = tape.gradient(total, z)
            # nearly its sign, but what is much smaller than the largest hardly counts: near the
            # minimum, and where a loss does not see the bias, it is nothing but rounding
            size = tf.abs(gradient)
            size += _SMALL * tf.reduce_max(size, axis=1, keepdims=True) + 1e-30
            cosine = (1 + tf.cos(np.pi * tf.cast(step, tf.float32) / _STEPS)) / 2
            z -= rate * cosine * gradient / size
        return user_vectors(z)

    def _sampler(self, histories: "_Histories"):
        """Return a sampler that draws as in training, the same negatives for every user.

        In place of the batch's own items, which a user alone does not have, come those of the
        training rows: by popularity.
        """
        sample, number = self._objective.sampler, self._num_negatives

        def draw(
            seed: tf.Tensor, shape: tuple, user_ids: tf.Tensor, batch_items: tf.Tensor
        ) -> Negatives:
            is_shared = self._objective.shares_negatives
            shape = (number,) if is_shared else (_DRAWS, number)
            # the sampler has never seen these users
            nobody = tf.fill([_DRAWS], UNKNOWN)
            items = tf.fill([_DRAWS], batch_items[0])
            drawn = sample(seed=seed, shape=shape, user_ids=nobody, batch_items=items)
            if len(drawn.item_ids.shape) == 1:
                return drawn
            if not self._is_flat:
                rows = tf.zeros_like(histories.item_ids[:, 0])
            else:
                width = tf.shape(histories.item_ids)[1]
                rows = tf.range(tf.size(histories.item_ids)) % width % _DRAWS
            return Negatives(*(tf.gather(values, rows) for values in drawn))

        return draw


class _Histories(NamedTuple):
    """Histories in the order of their item ids, padding last.

    Attributes:
        item_ids: int32 [B, H]; the padding repeats what comes first.
        ratings: float32 [B, H], likewise.
        weights: float32 [B, H], 0 where there is padding.
        counts: distinct items, int32 [B].
        total_weights: float32 [B].
    """

    item_ids: tf.Tensor
    ratings: tf.Tensor
    weights: tf.Tensor
    counts: tf.Tensor
    total_weights: tf.Tensor

    @classmethod
    def of(cls, item_ids: tf.Tensor, ratings: tf.Tensor, weights: tf.Tensor) -> "_Histories":
        """Sort by item; all but the last row of an item get weight 0."""
        keys = tf.where(item_ids == UNKNOWN, tf.int32.max, item_ids)
        order = tf.argsort(keys, axis=1, stable=True)
        item_ids, ratings, weights = (
            tf.gather(column, order, batch_dims=1) for column in (item_ids, ratings, weights)
        )
        behind = tf.fill(tf.shape(item_ids[:, :1]), UNKNOWN)
        is_last = item_ids != tf.concat([item_ids[:, 1:], behind], axis=1)
        is_padding = item_ids == UNKNOWN
        weights = tf.where(is_last & ~is_padding, weights, 0.0)
        return cls(
            tf.maximum(tf.where(is_padding, item_ids[:, :1], item_ids), 0),
            tf.where(is_padding, ratings[:, :1], ratings),
            weights,
            tf.reduce_sum(tf.cast(is_last & ~is_padding, tf.int32), axis=1),
            tf.reduce_sum(weights, axis=1),
        )

    def examples(self, is_flat: bool) -> Examples:
        """Return rows of positives [B, H], or examples [B · H]; user ids are 0 to B − 1."""
        users = tf.range(tf.shape(self.item_ids)[0])
        columns = [self.item_ids, self.ratings, self.weights]
        if is_flat:
            users = tf.repeat(users, tf.shape(self.item_ids)[1])
            columns = [tf.reshape(column, [-1]) for column in columns]
        return Examples(users, *columns)


class _NewUsers(VectorScores):
    """Users of their own beside a model's items: all that `Objective` asks of a model.

    Args:
        model: whose items.
        items: their vectors, float32 [num_items, dim].
        users: vectors of the users 0 to B − 1, float32 [B, dim].
    """

    def __init__(self, model: InnerProduct, items: tf.Tensor, users: tf.Tensor) -> None:
        self.num_users, self.num_items = model.num_users, model.num_items
        self.targets = model.targets
        self.global_bias = model.global_bias
        self._items, self._users = items, users

    def __call__(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        return self.scores(*inputs)

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        return rows(self._users, user_ids)

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        return rows(self._items, item_ids)


class _HistoryItems(NamedTuple):
    """The items of histories, for `Objective` in place of `samplers.KnownPairs`.

    Attributes:
        table: bool [B, num_items].
    """

    table: tf.Tensor

    @classmethod
    def of(cls, histories: _Histories, num_items: int) -> "_HistoryItems":
        """Return the items of all histories; padding repeats one of them."""
        shape = tf.shape(histories.item_ids)
        users = tf.repeat(tf.range(shape[0]), shape[1])
        pairs = tf.stack([users, tf.reshape(histories.item_ids, [-1])], axis=1)
        counts = tf.scatter_nd(pairs, tf.ones_like(users), [shape[0], num_items])
        return cls(counts > 0)

    def contain(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Return whether the pairs are in the histories, bool of the shape they broadcast to."""
        users = user_ids + tf.zeros_like(item_ids)
        items = item_ids + tf.zeros_like(user_ids)
        return tf.gather_nd(self.table, tf.stack([users, items], axis=-1))
