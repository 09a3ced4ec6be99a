"""The regularizer R, what it charges per row and per feature."""

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import Examples
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import tf
from mfrec.training.objective import row_charges


class Regularizer:
    """R of a model under a loss and a training part.

    Args:
        model: the model whose tables are charged.
        loss: what is minimised; its own frequency weights come before n^(ν−1).
        train: the training part, whose examples are counted.

    Attributes:
        row_weights: the frequency weights w of users and items, float32 [rows] each.
        feature_charges: what every example is charged for each feature of users and items,
            float32 [features] each, none without. A feature is charged as a row that had all the
            examples of the rows with it, and that by every example alike, whether the batch has
            the feature or not: over an epoch it is the same, and needs no look at the batch.
    """

    def __init__(self, model: Model, loss: Loss, train: Interactions) -> None:
        self._model = model
        by_user = np.bincount(train.user_ids, minlength=model.num_users)
        by_item = np.bincount(train.item_ids, minlength=model.num_items)
        self.row_weights, self.feature_charges = [], []
        for counts, others, features in (
            (by_user, len(by_item), model.user_features),
            (by_item, len(by_user), model.item_features),
        ):
            weights = row_charges(model, loss, counts, counts, others)
            self.row_weights.append(tf.constant(weights, tf.float32))
            charges = np.zeros(0)
            if features is not None:
                examples = features.counts(counts)
                pairs = others * features.counts(np.ones(len(counts)))
                weights = row_charges(model, loss, counts, examples, pairs)
                charges = examples * weights / counts.sum()
            self.feature_charges.append(tf.constant(charges, tf.float32))

    def of_batch(self, batch: Examples) -> tf.Tensor:
        """Return the mean of R over the batch's examples, float32 []."""
        if not (self._model.regularization or self._model.bias_regularization):
            return tf.constant(0.0)
        weights, total_weight = batch.weights, tf.reduce_sum(batch.weights)
        if len(weights.shape) > 1:
            by_user = (batch.user_ids, tf.reduce_sum(weights, axis=1))
            by_item = (tf.reshape(batch.item_ids, [-1]), tf.reshape(weights, [-1]))
        else:
            by_user, by_item = (batch.user_ids, weights), (batch.item_ids, weights)
        charges = [
            tf.math.unsorted_segment_sum(tf.gather(w, ids) * of_rows, ids, w.shape[0])
            for w, (ids, of_rows) in zip(self.row_weights, (by_user, by_item), strict=True)
        ]
        of_rows = self._model.regularizer(*(of_table / total_weight for of_table in charges))
        return of_rows + self._model.feature_regularizer(*self.feature_charges)
