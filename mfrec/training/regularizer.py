"""The regularizer R: what keeps embeddings and biases small.

    R(u,i) = λ(w_u‖p_u‖² + w_i‖q_i‖²) + λ_b(w_u b_u² + w_i b_i²)
    w_u = n_u^(ν−1), scaled to mean 1 over the training examples; likewise w_i

n_u is the number of the user's training examples. ν = 1 charges every example alike, ν = 0 every
row once. R charges the user and the (positive) item of each example, not sampled negatives. A loss
may bring frequency weights w of its own, as iALS does.

Every table of a model with a row for each user or item is charged so, its rows' squares by λ, those
of biases by λ_b. A table of features adds

    κ Σ_f c_f(λ‖v_f‖² + λ_b a_f²),   c_f = w_f · (examples of the rows with f) / (all examples)

which charges a feature as a row that had all the examples of the rows with it, times κ: the sum of
several spreads wider than each of them, and charged alike they fit noise.
"""

import numpy as np

from mfrec.config.settings import RegularizerConfig
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import Examples, total_weight_of
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.models.reads import rows as read_rows
from mfrec.quiet_tensorflow import tf


class Regularizer:
    """R of a model under a loss, with the frequency weights of a training part.

    Args:
        settings: λ, λ_b, ν and κ; all of them resolved.
        loss: what is minimised; its own frequency weights come before n^(ν−1).
        train: the training part, whose examples are counted.
        model: the model whose tables are charged.

    Attributes:
        row_weights: the frequency weights w of "users" and "items", float32 [rows].
        feature_weights: c_f of "user_features" and "item_features", float32 [features]; only of
            those that the model has. Every example is charged them, whether it has the feature or
            not: over an epoch it is the same, and needs no look at the batch.
    """

    def __init__(
        self, settings: RegularizerConfig, loss: Loss, train: Interactions, model: Model
    ) -> None:
        self._settings = settings
        self._loss = loss
        self._model = model
        # of all users: those of a worker are some of them
        self._user_counts, item_counts = train.whole.user_counts, train.whole.item_counts
        num_users = max(model.num_users, train.whole.num_users)
        self.row_weights: dict[str, tf.Tensor] = {}
        self.feature_weights: dict[str, tf.Tensor] = {}
        for side, counts, in_all, num_partners, features in (
            ("user", train.user_counts, self._user_counts, model.num_items, model.user_features),
            ("item", item_counts, item_counts, num_users, model.item_features),
        ):
            weights = self.frequency_weights(in_all, counts, num_partners)
            self.row_weights[f"{side}s"] = tf.constant(weights, tf.float32)
            if features is not None:
                weights = self._weights_of_features(features, counts, num_partners)
                self.feature_weights[f"{side}_features"] = tf.constant(weights, tf.float32)

    def mean(self, batch: Examples, by_rows: bool = False) -> tf.Tensor:
        """Return the mean of R over a batch's examples, float32 [].

        With c_u = Σ w_u / B over the examples of user u in the batch, that is Σ_u c_u(λ‖p_u‖² +
        λ_b b_u²), likewise for items. Summed by row rather than by example it reads the tables once
        in order, where R(u,i) would gather them again: at d = 64 that costs a third of the step.
        By rows it does gather them, for large tables, of which a batch holds a small part.

        Args:
            batch: examples [B], or rows of positives [B, P]; weighted by their weights.
            by_rows: read the rows of the batch alone.
        """
        if not (self._settings.regularization or self._settings.bias_regularization):
            return tf.constant(0.0)
        weights, total_weight = batch.weights, total_weight_of(batch)
        if len(weights.shape) > 1:
            users = (batch.user_ids, tf.reduce_sum(weights, axis=1))
            items = (tf.reshape(batch.item_ids, [-1]), tf.reshape(weights, [-1]))
        else:
            users, items = (batch.user_ids, weights), (batch.item_ids, weights)
        charged = []
        for rows, (ids, example_weights) in (("users", users), ("items", items)):
            w = self.row_weights[rows]
            charges = tf.gather(w, ids) * example_weights / total_weight
            if not by_rows:
                charges, ids = tf.math.unsorted_segment_sum(charges, ids, w.shape[0]), None
            charged.append(self._charged(rows, charges, ids))
        mean = tf.add_n(charged)
        if self.feature_weights:
            features = [self._charged(*weights) for weights in self.feature_weights.items()]
            mean += self._settings.feature_regularization * tf.add_n(features)
        return mean

    def _charged(self, rows: str, charges: tf.Tensor, ids: tf.Tensor | None = None) -> tf.Tensor:
        """Σ_r c_r(λ‖v_r‖² + λ_b a_r²) over these rows of the tables, or all, float32 []."""
        terms = []
        for table in self._model.tables():
            if table.rows == rows and table.variable.trainable:
                squares = tf.square(read_rows(table.variable, ids))
                if len(squares.shape) > 1:
                    terms.append(self._settings.regularization * tf.reduce_sum(squares, axis=1))
                else:
                    terms.append(self._settings.bias_regularization * squares)
        return tf.reduce_sum(charges * tf.add_n(terms)) if terms else tf.constant(0.0)

    def frequency_weights(
        self, row_counts: np.ndarray, charged_counts: np.ndarray, num_partners: np.ndarray | int
    ) -> np.ndarray:
        """Return w, the loss's own or n^(ν−1), float32 [charged]; 0 for n = 0.

        Args:
            row_counts: training examples of each row, int [rows]; over these w has mean 1.
            charged_counts: n, the examples of what is charged, int [charged].
            num_partners: rows of the other table (for a feature, times the rows that have it), int
                [] or [charged]; for losses whose own weights depend on it.
        """
        exponent = self._settings.frequency_exponent
        if self._loss.frequency_weights is not None:
            return self._loss.frequency_weights(
                charged_counts, num_partners, exponent, **self._loss.parameters
            )

        def powers(counts: np.ndarray) -> np.ndarray:
            zeros = np.zeros(len(counts))
            return np.power(counts, exponent - 1, where=counts > 0, out=zeros)

        scale = row_counts.sum() / (powers(row_counts) * row_counts).sum()
        return (powers(charged_counts) * scale).astype(np.float32)

    def _weights_of_features(
        self, features: Features, row_counts: np.ndarray, num_partners: int
    ) -> np.ndarray:
        """c_f, float [features]."""
        examples = features.counts(row_counts)
        pairs = num_partners * features.counts(np.ones(len(row_counts)))
        return examples * self.frequency_weights(row_counts, examples, pairs) / row_counts.sum()

    def new_user_weights(self) -> tf.Tensor:
        """Return w of users outside training who have 0, 1, … num_items examples, float32."""
        counts = np.arange(self._model.num_items + 1)
        weights = self.frequency_weights(self._user_counts, counts, self._model.num_items)
        return tf.constant(weights, tf.float32)

    def user_ridge(self) -> tf.Tensor:
        """Return λ for each number of p_u and, with biases, λ_b for b_u, float32 [numbers].

        The model is an `InnerProduct`.
        """
        ridge = [self._settings.regularization] * self._model.width
        if self._model.has_biases:
            ridge.append(self._settings.bias_regularization)
        return tf.constant(ridge, tf.float32)
