"""Models that live in the tests alone: two towers of unequal width, none of vectors, a layer."""

from mfrec import models
from mfrec.quiet_tensorflow import tf


class TwoTowers(models.InnerProduct):
    """Vectors twice as wide as the embeddings: x W for users and relu(x V) for items; no biases."""

    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        dim = self.embedding_dim
        self.table("user_embedding", "users")
        self.table("item_embedding", "items")
        self.table("user_tower", dim, width=2 * dim)
        self.table("item_tower", dim, width=2 * dim)

    def user_rows(self, user_ids):
        embeddings = models.rows(self.user_embedding, user_ids)
        return tf.tensordot(embeddings, self.user_tower.value, axes=1), None

    def item_rows(self, item_ids):
        embeddings = models.rows(self.item_embedding, item_ids)
        return tf.nn.leaky_relu(tf.tensordot(embeddings, self.item_tower.value, axes=1)), None


class NeuMF(models.Model):
    """No inner product: μ + b_i + h·[p ∘ q, relu([p, q] W)], after He et al. 2017."""

    def __init__(self, *sizes, hidden=6, **settings):
        super().__init__(*sizes, **settings)
        dim = self.embedding_dim
        self.table("user_embedding", "users")
        self.table("item_embedding", "items")
        self.table("item_bias", "items", is_bias=True)
        self.table("hidden_weights", 2 * dim, width=hidden)
        self.table("output_weights", dim + hidden, width=1)

    def scores(self, user_ids, item_ids):
        p, q = tf.gather(self.user_embedding, user_ids), tf.gather(self.item_embedding, item_ids)
        # to one shape, as concatenating does not broadcast
        p, q = p + tf.zeros_like(q), q + tf.zeros_like(p)
        hidden = tf.tensordot(tf.concat([p, q], axis=-1), self.hidden_weights.value, axes=1)
        features = tf.concat([p * q, tf.nn.relu(hidden)], axis=-1)
        bias = tf.gather(self.item_bias, item_ids)
        product = tf.tensordot(features, self.output_weights.value, axes=1)[..., 0]
        return self.global_bias + bias + product


class DenseInside(models.MatrixFactorization):
    """Matrix factorization whose user embeddings pass a Keras layer first."""

    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        self.dense = tf.keras.layers.Dense(self.embedding_dim, activation="tanh")

    def user_rows(self, user_ids):
        vectors, biases = super().user_rows(user_ids)
        return self.dense(vectors), biases


class Hidden(models.MatrixFactorization):
    """A variable that no attribute of the model holds, and layers inside of a layer."""

    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        # past Keras, which would find it as an attribute
        self.__dict__["hidden"] = [self.add_weight(name="hidden", shape=(2,))]
        self.tower = tf.keras.Sequential([tf.keras.layers.Dense(3), tf.keras.layers.Dense(4)])

    def item_rows(self, item_ids):
        vectors, biases = super().item_rows(item_ids)
        return self.tower(vectors) + self.hidden[0][0], biases
