"""Biased matrix factorization: ŷ(u,i) = μ + b_u + b_i + <p_u, q_i>.

Koren, Bell, Volinsky 2009, "Matrix factorization techniques for recommender systems".
With cosine scores (`normalize`) p_u and q_i are divided by their lengths first.

Where users or items have features (Kula 2015, "Metadata embeddings for user and item cold-start
recommendations"), p_u, b_u and q_i, b_i are sums: of the row's own embedding and bias, and of
those of its features, each times how much it counts:

    q_i = e_i + Σ_f x_if v_f,    b_i = a_i + Σ_f x_if a_f

A row that training has not seen has nothing of its own: it is the sum of its features.
"""

from typing import Any

from mfrec.config.settings import ModelConfig
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions
from mfrec.data.values import as_flag
from mfrec.errors import InputError
from mfrec.models.base import Model
from mfrec.models.feature_table import FeatureTable
from mfrec.models.inner_product import InnerProduct
from mfrec.models.reads import rows
from mfrec.models.registry import register
from mfrec.quiet_tensorflow import tf


@register("matrix_factorization")
class MatrixFactorization(InnerProduct):
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
        use_bias: False keeps both biases at 0, and leaves them out of the vectors.
        normalize: divide the embeddings by their lengths: <p_u, q_i> becomes their cosine.
        user_features: of every user; None where there are none.
        item_features: of every item; None where there are none.
        user_ids: False leaves users nothing but their features: their own rows stay 0.
        item_ids: False leaves items nothing but their features.
        settings: those of `Model`: init_stddev, clip_predictions, link, seed.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = ModelConfig.embedding_dim,
        *,
        use_bias: bool = True,
        normalize: bool = False,
        user_features: Features | None = None,
        item_features: Features | None = None,
        user_ids: bool = True,
        item_ids: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(num_users, num_items, embedding_dim, **settings)
        # None in settings that are not resolved
        self.use_bias = use_bias is not None and as_flag(use_bias, "use_bias")
        self.normalize = normalize is not None and as_flag(normalize, "normalize")
        for role, ids, features in (
            ("user", user_ids, user_features),
            ("item", item_ids, item_features),
        ):
            if not as_flag(ids, f"{role}_ids") and features is None:
                raise InputError(
                    f"{role}_ids=False leaves {role}s nothing but features; give {role}_features"
                )
        self.user_features = user_features
        self.item_features = item_features
        seed = self.seed
        self.table("user_embedding", "users", trainable=user_ids, seed=2 * seed)
        self.table("item_embedding", "items", trainable=item_ids, seed=2 * seed + 1)
        self.table("user_bias", "users", is_bias=True, trainable=use_bias and user_ids)
        self.table("item_bias", "items", is_bias=True, trainable=use_bias and item_ids)
        self._user_feature_table = FeatureTable.of(
            self, "user", user_features, 2**32 - 1 - 2 * seed, use_bias
        )
        self._item_feature_table = FeatureTable.of(
            self, "item", item_features, 2**32 - 2 - 2 * seed, use_bias
        )

    def user_rows(self, user_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return p_u, float32 [..., d], and b_u, float32 [...] or None, of these users or all."""
        return self._rows(self.user_embedding, self.user_bias, self._user_feature_table, user_ids)

    def item_rows(self, item_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return q_i, float32 [..., d], and b_i, float32 [...] or None, of these items or all."""
        return self._rows(self.item_embedding, self.item_bias, self._item_feature_table, item_ids)

    def adapt(self, train: Interactions) -> None:
        """Take μ and the range of ratings, and which rows have training examples at all."""
        super().adapt(train)
        for table, counts in (
            (self._user_feature_table, train.user_counts),
            (self._item_feature_table, train.whole.item_counts),
        ):
            if table is not None:
                table.adapt(counts)

    def take_over(self, earlier: Model) -> None:
        """Give the first rows of all variables the values that they have in an earlier model."""
        super().take_over(earlier)
        for now, then in (
            (self._user_feature_table, earlier._user_feature_table),
            (self._item_feature_table, earlier._item_feature_table),
        ):
            if now is not None:
                now.take_over(then)

    def _rows(
        self,
        embedding: tf.Variable,
        bias: tf.Variable,
        features: FeatureTable | None,
        ids: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return rows as they score: with their features, of length 1 for cosine scores."""
        if features is not None and ids is not None:
            number = tf.TensorShape(ids.shape).num_elements()
            if number is not None and number >= embedding.shape[0]:
                # as in a training step: every row once is less than every id by itself
                vectors, biases = self._rows(embedding, bias, features, None)
                return rows(vectors, ids), biases if biases is None else rows(biases, ids)
        vectors, biases = rows(embedding, ids), rows(bias, ids)
        if features is not None:
            vectors, biases = features.added_to(vectors, biases, ids)
        if self.normalize:
            vectors = tf.math.l2_normalize(vectors, axis=-1)
        return vectors, biases if self.use_bias else None
