"""Biased matrix factorization: ŷ(u,i) = μ + b_u + b_i + <p_u, q_i>.

Koren, Bell, Volinsky 2009, "Matrix factorization techniques for recommender systems". The
regularizer is

    R(u,i) = λ(w_u‖p_u‖² + w_i‖q_i‖²) + λ_b(w_u b_u² + w_i b_i²),   w_u = n_u^(ν−1) scaled to
    mean 1

over the training examples, n_u being the user's number of training ratings (items likewise). ν
= 1 charges every example alike, ν = 0 every row once. R charges the user and the (positive) item
of each example, not sampled negatives.

For ranking, the biases fold into the vectors, so that a plain inner product ranks as the score
does: user_vectors = [p_u, b_u, 1], item_vectors = [q_i, 1, b_i]. With cosine scores
(`normalize`) p_u and q_i are divided by their lengths first.

Where users or items have features (Kula 2015, "Metadata embeddings for user and item cold-start
recommendations"), p_u, b_u and q_i, b_i are sums: of the row's own embedding and bias, and of
those of its features, each times how much it counts:

    q_i = e_i + Σ_f x_if v_f,    b_i = a_i + Σ_f x_if a_f

A row that training has not seen has nothing of its own: it is the sum of its features. R then
charges own rows and features each by themselves, a feature as if it were a row that has all the
examples of the rows that have it, times `feature_regularization`: the sum of several spreads wider
than each of them, and charged alike they fit noise.
"""

from dataclasses import dataclass

import numpy as np

from mfrec.config.settings import ModelConfig, RegularizerConfig
from mfrec.data import pipelines
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions
from mfrec.losses import LINKS
from mfrec.quiet_tensorflow import tf


@dataclass(frozen=True, eq=False)
class _FeatureTable:
    """What rows have beside their own embeddings and biases.

    Attributes:
        places: as many pairs as a row has features at most: which feature each row has there,
            int32 [rows], and how much it counts, float32 [rows].
        embedding: float32 [features, embedding_dim].
        bias: float32 [features].
        is_trained: float32 [rows], 1 for rows that have something of their own, 0 for others.
    """

    places: list[tuple[tf.Tensor, tf.Tensor]]
    embedding: tf.Variable
    bias: tf.Variable
    is_trained: tf.Variable

    def added_to(
        self, embeddings: tf.Tensor, biases: tf.Tensor, ids: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Own embeddings [..., d] and biases [...] of rows, with those of their features."""
        is_trained = _rows(self.is_trained, ids)
        embeddings, biases = is_trained[..., tf.newaxis] * embeddings, is_trained * biases
        # one place after the other: [rows, width, d] at once would take twice as long
        for place in self.places:
            features, values = (_rows(of_rows, ids) for of_rows in place)
            embeddings += values[..., tf.newaxis] * tf.gather(self.embedding, features)
            biases += values * tf.gather(self.bias, features)
        return embeddings, biases


class MatrixFactorization(tf.keras.Model):
    """Embeddings and biases of users and items, as explicit variables.

    Variables, all float32: `user_embedding` [num_users, embedding_dim], `item_embedding`
    [num_items, embedding_dim], `user_bias` [num_users], `item_bias` [num_items], and the fixed
    `global_bias` [], `rating_range` [2]. With features of users `user_feature_embedding`
    [features, embedding_dim], `user_feature_bias` [features] and the fixed `user_is_trained`
    [num_users], 0 for rows without training examples; likewise with features of items.

    Args:
        num_users: rows of the user tables.
        num_items: rows of the item tables.
        embedding_dim: length of an embedding.
        use_bias: False keeps both biases at 0.
        normalize: divide the embeddings by their lengths: <p_u, q_i> becomes their cosine.
        init_stddev: embeddings start at N(0, init_stddev/√embedding_dim), biases at 0.
        regularization: λ; None lets it follow from the training data.
        bias_regularization: λ_b; None lets it follow from the training data.
        frequency_exponent: ν.
        clip_predictions: whether predicted ratings are clipped to the training ratings' range.
        link: how scores become ratings, a name in losses.LINKS.
        seed: fixes the initial embeddings.
        user_features: of every user; None where there are none.
        item_features: of every item; None where there are none.
        user_ids: False leaves users nothing but their features: their own rows stay 0.
        item_ids: False leaves items nothing but their features.
        feature_regularization: how many times as much a feature is charged as a row.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = ModelConfig.embedding_dim,
        *,
        use_bias: bool = True,
        normalize: bool = False,
        init_stddev: float = 0.1,
        regularization: float | None = None,
        bias_regularization: float | None = None,
        frequency_exponent: float = 0.5,
        clip_predictions: bool = True,
        link: str = "identity",
        seed: int = 0,
        user_features: Features | None = None,
        item_features: Features | None = None,
        user_ids: bool = True,
        item_ids: bool = True,
        feature_regularization: float = RegularizerConfig.feature_regularization,
    ) -> None:
        super().__init__(name="matrix_factorization")
        self.num_users = num_users
        self.num_items = num_items
        self.embedding_dim = embedding_dim
        self.use_bias = use_bias
        self.normalize = normalize
        self.regularization = regularization
        self.bias_regularization = bias_regularization
        self.frequency_exponent = frequency_exponent
        self.feature_regularization = feature_regularization
        self.clip_predictions = clip_predictions
        self.link = link
        self.user_features = user_features
        self.item_features = item_features

        def table(name: str, rows: int, seed: int, trainable: bool = True) -> tf.Variable:
            start = "zeros"
            if trainable:
                stddev = init_stddev / np.sqrt(embedding_dim)
                start = tf.keras.initializers.RandomNormal(stddev=stddev, seed=seed)
            shape = (rows, embedding_dim)
            return self.add_weight(name=name, shape=shape, initializer=start, trainable=trainable)

        def bias(name: str, rows: int, trainable: bool = True) -> tf.Variable:
            return self.add_weight(
                name=name, shape=(rows,), initializer="zeros", trainable=use_bias and trainable
            )

        def feature_table(
            side: str, features: Features | None, rows: int, seed: int
        ) -> _FeatureTable | None:
            if features is None:
                return None
            number = len(features.names)
            is_trained = self.add_weight(
                name=f"{side}_is_trained", shape=(rows,), initializer="ones", trainable=False
            )
            made = {
                "embedding": table(f"{side}_feature_embedding", number, seed),
                "bias": bias(f"{side}_feature_bias", number),
            }
            # checkpoints know variables by the names of attributes
            setattr(self, f"{side}_is_trained", is_trained)
            for name, variable in made.items():
                setattr(self, f"{side}_feature_{name}", variable)
            columns = zip(features.ids.T, features.values.T, strict=True)
            places = [(tf.constant(ids), tf.constant(values)) for ids, values in columns]
            return _FeatureTable(places, **made, is_trained=is_trained)

        self.user_embedding = table("user_embedding", num_users, 2 * seed, user_ids)
        self.item_embedding = table("item_embedding", num_items, 2 * seed + 1, item_ids)
        self.user_bias = bias("user_bias", num_users, user_ids)
        self.item_bias = bias("item_bias", num_items, item_ids)
        features = feature_table("user", user_features, num_users, 2**32 - 1 - 2 * seed)
        self._of_user_features = features
        features = feature_table("item", item_features, num_items, 2**32 - 2 - 2 * seed)
        self._of_item_features = features
        self.global_bias = self.add_weight(
            name="global_bias", shape=(), initializer="zeros", trainable=False
        )
        self.rating_range = self.add_weight(
            name="rating_range", shape=(2,), initializer="zeros", trainable=False
        )
        self.built = True

    def adapt(self, train: Interactions, predicts_ratings: bool = True) -> None:
        """Takes the constants from the training ratings: μ, their range, and who has any.

        Where items are only ranked, μ stays 0.
        """
        if predicts_ratings:
            low, high = float(train.ratings.min()), float(train.ratings.max())
            mean = np.float32(train.ratings.mean(dtype=np.float64))
            self.rating_range.assign([low, high])
            self.global_bias.assign(LINKS[self.link].to_score(mean, low, high))
        for table, ids in (
            (self._of_user_features, train.user_ids),
            (self._of_item_features, train.item_ids),
        ):
            if table is not None:
                counts = np.bincount(ids, minlength=table.is_trained.shape[0])
                table.is_trained.assign(counts > 0)

    def take_over(self, earlier: "MatrixFactorization") -> None:
        """Gives the first rows of all tables the values that they have in an earlier model."""
        tables = zip(self.trainable_variables, earlier.trainable_variables, strict=True)
        for table, of_earlier in tables:
            table.assign(with_first_rows(table, of_earlier))
        for now, then in (
            (self._of_user_features, earlier._of_user_features),
            (self._of_item_features, earlier._of_item_features),
        ):
            if now is not None:
                # whether it is trained again or not
                is_trained, before = now.is_trained.numpy(), then.is_trained.numpy()
                is_trained[: len(before)] = np.maximum(is_trained[: len(before)], before)
                now.is_trained.assign(is_trained)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Scores ŷ(u,i) of pairs, float32 [B].

        Args:
            inputs: (user_ids, item_ids), int32 [B] each. UNKNOWN (−1) is a row of zeros, which
                leaves μ + b_i for an unknown user, μ + b_u for an unknown item, and μ for both.
        """
        user_ids, item_ids = inputs
        user_known, item_known = (tf.cast(ids >= 0, tf.float32) for ids in inputs)
        users, items = tf.maximum(user_ids, 0), tf.maximum(item_ids, 0)
        p_u, b_u = self._users(users)
        q_i, b_i = self._items(items)
        interaction = user_known * item_known * tf.reduce_sum(p_u * q_i, axis=1)
        return self.global_bias + user_known * b_u + item_known * b_i + interaction

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[p_u, b_u, 1], or p_u without biases: float32 [..., dim] of int32 [...], or of all.

        score − μ = <user_vectors(u), item_vectors(i)>.
        """
        vectors, biases = self._users(user_ids)
        if not self.use_bias:
            return vectors
        biases = biases[..., tf.newaxis]
        return tf.concat([vectors, biases, tf.ones_like(biases)], axis=-1)

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[q_i, 1, b_i], or q_i without biases: float32 [..., dim] of int32 [...], or of all."""
        vectors, biases = self._items(item_ids)
        if not self.use_bias:
            return vectors
        biases = biases[..., tf.newaxis]
        return tf.concat([vectors, tf.ones_like(biases), biases], axis=-1)

    def score_catalogue(self, user_ids: tf.Tensor) -> tf.Tensor:
        """Scores ŷ of every item for these users, float32 [B, num_items].

        Args:
            user_ids: int32 [B], all known.
        """
        scores = tf.matmul(self.user_vectors(user_ids), self.item_vectors(), transpose_b=True)
        return self.global_bias + scores

    def _users(self, ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """p_u [..., d] and b_u [...] of these users, or of all."""
        return self._effective(self.user_embedding, self.user_bias, self._of_user_features, ids)

    def _items(self, ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """q_i [..., d] and b_i [...] of these items, or of all."""
        return self._effective(self.item_embedding, self.item_bias, self._of_item_features, ids)

    def _effective(
        self,
        embedding: tf.Variable,
        bias: tf.Variable,
        features: _FeatureTable | None,
        ids: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Rows as they score: with their features, and of length 1 where scores are cosines."""
        if features is not None and ids is not None:
            number = tf.TensorShape(ids.shape).num_elements()
            if number is not None and number >= embedding.shape[0]:
                # as in a training step: every row once is less than every id by itself
                rows = self._effective(embedding, bias, features, None)
                return tuple(tf.gather(of_rows, ids) for of_rows in rows)
        vectors, biases = _rows(embedding, ids), _rows(bias, ids)
        if features is not None:
            vectors, biases = features.added_to(vectors, biases, ids)
        if self.normalize:
            vectors = tf.math.l2_normalize(vectors, axis=-1)
        return vectors, biases

    def targets(self, ratings: tf.Tensor) -> tf.Tensor:
        """Ratings on the scale on which the loss compares them with scores, float32 [B]."""
        return LINKS[self.link].to_target(ratings, self.rating_range[0], self.rating_range[1])

    def predict_ratings(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Expected ratings of pairs, float32 [B]: the score through the link, then clipped.

        Args:
            user_ids: int32 [B], UNKNOWN (−1) allowed.
            item_ids: int32 [B], UNKNOWN (−1) allowed.
        """
        scores = self((tf.convert_to_tensor(user_ids), tf.convert_to_tensor(item_ids)))
        return self.to_ratings(scores)

    def to_ratings(self, scores: tf.Tensor) -> tf.Tensor:
        """What scores, float32 [B], mean as ratings: through the link, then clipped."""
        low, high = self.rating_range[0], self.rating_range[1]
        ratings = LINKS[self.link].from_score(scores, low, high)
        return tf.clip_by_value(ratings, low, high) if self.clip_predictions else ratings

    def predict_interactions(self, interactions: Interactions) -> np.ndarray:
        """Expected ratings of all rows, float32 [n], in blocks of bounded memory."""
        blocks = [
            self._predict_block(user_ids, item_ids)
            for user_ids, item_ids in pipelines.evaluation_blocks(interactions)
        ]
        return np.concatenate(blocks)[: len(interactions)]

    @tf.function
    def _predict_block(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        return self.predict_ratings(user_ids, item_ids)

    def row_charges(self, counts: np.ndarray, of: np.ndarray | None = None) -> np.ndarray:
        """w = n^(ν−1) of every row, scaled to mean 1 over the training examples, float32 [rows].

        Args:
            counts: training ratings of each row, [rows]; rows without any are charged 0.
            of: training ratings of what is charged on that scale, where not of the rows.
        """

        def powers(counts: np.ndarray) -> np.ndarray:
            exponent, zeros = self.frequency_exponent - 1, np.zeros(len(counts))
            return np.power(counts, exponent, where=counts > 0, out=zeros)

        scale = counts.sum() / (powers(counts) * counts).sum()
        return (powers(counts if of is None else of) * scale).astype(np.float32)

    def feature_regularizer(self, user_charges: tf.Tensor, item_charges: tf.Tensor) -> tf.Tensor:
        """κ Σ_f c_f(λ‖v_f‖² + λ_b a_f²) over the features of users and items, float32 [].

        κ is `feature_regularization`.

        Args:
            user_charges: c_f, float32 [features]; nothing where users have none.
            item_charges: likewise.
        """
        sides = ((user_charges, self._of_user_features), (item_charges, self._of_item_features))
        charged = [
            self._charged(charges, table.embedding, table.bias)
            for charges, table in sides
            if table is not None
        ]
        return self.feature_regularization * sum(charged, tf.constant(0.0))

    def regularizer(self, user_charges: tf.Tensor, item_charges: tf.Tensor) -> tf.Tensor:
        """Σ_u c_u(λ‖p_u‖² + λ_b b_u²) + Σ_i c_i(λ‖q_i‖² + λ_b b_i²), float32 [].

        With c_u = Σ w_u / B over the examples of user u in a batch, this is the mean of R over
        its examples. Summed by row rather than by example it reads the tables once in order,
        where R(u,i) would gather them again: at d = 64 that costs a third of the step.

        Args:
            user_charges: c_u, float32 [num_users].
            item_charges: c_i, float32 [num_items].
        """
        return self._charged(user_charges, self.user_embedding, self.user_bias) + self._charged(
            item_charges, self.item_embedding, self.item_bias
        )

    def _charged(self, charges: tf.Tensor, embedding: tf.Variable, bias: tf.Variable) -> tf.Tensor:
        squares = self.regularization * tf.reduce_sum(tf.square(embedding), axis=1)
        return tf.reduce_sum(charges * (squares + self.bias_regularization * tf.square(bias)))


def with_first_rows(variable: tf.Variable, earlier: tf.Variable) -> np.ndarray:
    """The values of a variable, with those of an earlier one in place of its first rows."""
    values, of_earlier = variable.numpy(), earlier.numpy()
    if not values.shape:
        return of_earlier
    values[: len(of_earlier)] = of_earlier
    return values


def _rows(table: tf.Variable, ids: tf.Tensor | None) -> tf.Tensor:
    return tf.convert_to_tensor(table) if ids is None else tf.gather(table, ids)
