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
"""

import numpy as np

from mfrec.config import ModelConfig
from mfrec.data import pipelines
from mfrec.data.interactions import Interactions
from mfrec.losses import LINKS
from mfrec.quiet_tensorflow import tf


class MatrixFactorization(tf.keras.Model):
    """Embeddings and biases of users and items, as explicit variables.

    Variables, all float32: `user_embedding` [num_users, embedding_dim], `item_embedding`
    [num_items, embedding_dim], `user_bias` [num_users], `item_bias` [num_items], and the fixed
    `global_bias` [], `rating_range` [2].

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
        self.clip_predictions = clip_predictions
        self.link = link

        def table(name: str, shape: tuple[int, ...], seed: int) -> tf.Variable:
            start = tf.keras.initializers.RandomNormal(
                stddev=init_stddev / np.sqrt(embedding_dim), seed=seed
            )
            return self.add_weight(name=name, shape=shape, initializer=start)

        def bias(name: str, rows: int) -> tf.Variable:
            return self.add_weight(
                name=name, shape=(rows,), initializer="zeros", trainable=use_bias
            )

        self.user_embedding = table("user_embedding", (num_users, embedding_dim), 2 * seed)
        self.item_embedding = table("item_embedding", (num_items, embedding_dim), 2 * seed + 1)
        self.user_bias = bias("user_bias", num_users)
        self.item_bias = bias("item_bias", num_items)
        self.global_bias = self.add_weight(
            name="global_bias", shape=(), initializer="zeros", trainable=False
        )
        self.rating_range = self.add_weight(
            name="rating_range", shape=(2,), initializer="zeros", trainable=False
        )
        self.built = True

    def adapt(self, train: Interactions) -> None:
        """Takes the constants μ and the rating range from the training ratings."""
        low, high = float(train.ratings.min()), float(train.ratings.max())
        mean = np.float32(train.ratings.mean(dtype=np.float64))
        self.rating_range.assign([low, high])
        self.global_bias.assign(LINKS[self.link].to_score(mean, low, high))

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Scores ŷ(u,i) of pairs, float32 [B].

        Args:
            inputs: (user_ids, item_ids), int32 [B] each. UNKNOWN (−1) is a row of zeros, which
                leaves μ + b_i for an unknown user, μ + b_u for an unknown item, and μ for both.
        """
        user_ids, item_ids = inputs
        user_known, item_known = (tf.cast(ids >= 0, tf.float32) for ids in inputs)
        users, items = tf.maximum(user_ids, 0), tf.maximum(item_ids, 0)
        p_u, b_u = self._scaled(self.user_embedding, users), tf.gather(self.user_bias, users)
        q_i, b_i = self._scaled(self.item_embedding, items), tf.gather(self.item_bias, items)
        interaction = user_known * item_known * tf.reduce_sum(p_u * q_i, axis=1)
        return self.global_bias + user_known * b_u + item_known * b_i + interaction

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[p_u, b_u, 1], or p_u without biases: float32 [..., dim] of int32 [...], or of all.

        score − μ = <user_vectors(u), item_vectors(i)>.
        """
        vectors = self._scaled(self.user_embedding, user_ids)
        if not self.use_bias:
            return vectors
        biases = _rows(self.user_bias, user_ids)[..., tf.newaxis]
        return tf.concat([vectors, biases, tf.ones_like(biases)], axis=-1)

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[q_i, 1, b_i], or q_i without biases: float32 [..., dim] of int32 [...], or of all."""
        vectors = self._scaled(self.item_embedding, item_ids)
        if not self.use_bias:
            return vectors
        biases = _rows(self.item_bias, item_ids)[..., tf.newaxis]
        return tf.concat([vectors, tf.ones_like(biases), biases], axis=-1)

    def score_catalogue(self, user_ids: tf.Tensor) -> tf.Tensor:
        """Scores ŷ of every item for these users, float32 [B, num_items].

        Args:
            user_ids: int32 [B], all known.
        """
        scores = tf.matmul(self.user_vectors(user_ids), self.item_vectors(), transpose_b=True)
        return self.global_bias + scores

    def _scaled(self, table: tf.Variable, ids: tf.Tensor | None) -> tf.Tensor:
        """These rows of a table of embeddings, of length 1 where scores are cosines."""
        rows = _rows(table, ids)
        return tf.math.l2_normalize(rows, axis=-1) if self.normalize else rows

    def targets(self, ratings: tf.Tensor) -> tf.Tensor:
        """Ratings on the scale on which the loss compares them with scores, float32 [B]."""
        return LINKS[self.link].to_target(ratings, self.rating_range[0], self.rating_range[1])

    def predict_ratings(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Expected ratings of pairs, float32 [B]: the score through the link, then clipped.

        Args:
            user_ids: int32 [B], UNKNOWN (−1) allowed.
            item_ids: int32 [B], UNKNOWN (−1) allowed.
        """
        low, high = self.rating_range[0], self.rating_range[1]
        scores = self((tf.convert_to_tensor(user_ids), tf.convert_to_tensor(item_ids)))
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

    def row_charges(self, counts: np.ndarray) -> np.ndarray:
        """w = n^(ν−1) of every row, scaled to mean 1 over the training examples, float32 [rows].

        Args:
            counts: training ratings of each row, [rows]; rows without any are charged 0.
        """
        charges = np.power(
            counts, self.frequency_exponent - 1, where=counts > 0, out=np.zeros(len(counts))
        )
        return (charges * (counts.sum() / (charges * counts).sum())).astype(np.float32)

    def regularizer(self, user_charges: tf.Tensor, item_charges: tf.Tensor) -> tf.Tensor:
        """Σ_u c_u(λ‖p_u‖² + λ_b b_u²) + Σ_i c_i(λ‖q_i‖² + λ_b b_i²), float32 [].

        With c_u = Σ w_u / B over the examples of user u in a batch, this is the mean of R over
        its examples. Summed by row rather than by example it reads the tables once in order,
        where R(u,i) would gather them again: at d = 64 that costs a third of the step.

        Args:
            user_charges: c_u, float32 [num_users].
            item_charges: c_i, float32 [num_items].
        """

        def charge(charges: tf.Tensor, embedding: tf.Variable, bias: tf.Variable) -> tf.Tensor:
            squares = self.regularization * tf.reduce_sum(tf.square(embedding), axis=1)
            return tf.reduce_sum(charges * (squares + self.bias_regularization * tf.square(bias)))

        return charge(user_charges, self.user_embedding, self.user_bias) + charge(
            item_charges, self.item_embedding, self.item_bias
        )


def _rows(table: tf.Variable, ids: tf.Tensor | None) -> tf.Tensor:
    return tf.convert_to_tensor(table) if ids is None else tf.gather(table, ids)
