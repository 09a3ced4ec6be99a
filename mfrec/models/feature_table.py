"""Embeddings and biases of features, added to those of the rows that have them."""

from dataclasses import dataclass

import numpy as np

from mfrec.data.features import Features
from mfrec.errors import InputError
from mfrec.models.base import Model
from mfrec.models.reads import rows
from mfrec.quiet_tensorflow import tf


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """What rows have beside their own embeddings and biases.

    Attributes:
        places: one pair for each feature that a row can have: which feature each row has there,
            int32 [rows], and how much it counts, float32 [rows].
        embedding: float32 [features, embedding_dim].
        bias: float32 [features].
        is_trained: float32 [rows], 1 for rows that have an embedding of their own, 0 for others.
    """

    places: list[tuple[tf.Tensor, tf.Tensor]]
    embedding: tf.Variable
    bias: tf.Variable
    is_trained: tf.Variable

    @classmethod
    def of(
        cls, model: Model, side: str, features: Features | None, seed: int, use_bias: bool
    ) -> "FeatureTable | None":
        """Make the tables of a model's users' or items' features; None where there are none.

        Args:
            model: whose tables.
            side: "user" or "item".
            features: of every row.
            seed: of the embeddings.
            use_bias: whether features have biases; else these stay 0.

        Raises:
            InputError: they are not the features of this many rows.
        """
        if features is None:
            return None
        _check(features, side, model.num_users if side == "user" else model.num_items)
        is_trained = model.add_weight(
            name=f"{side}_is_trained",
            shape=(len(features.ids),),
            initializer="ones",
            trainable=False,
        )
        setattr(model, f"{side}_is_trained", is_trained)
        number, name = len(features.names), f"{side}_feature"
        columns = zip(features.ids.T, features.values.T, strict=True)
        return cls(
            [(tf.constant(ids), tf.constant(values)) for ids, values in columns],
            model.table(f"{name}_embedding", f"{name}s", seed=seed, number=number),
            model.table(
                f"{name}_bias", f"{name}s", is_bias=True, trainable=use_bias, number=number
            ),
            is_trained,
        )

    def added_to(
        self, embeddings: tf.Tensor, biases: tf.Tensor, ids: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return own embeddings [..., d] and biases [...] of rows with those of their features."""
        is_trained = rows(self.is_trained, ids)
        embeddings, biases = is_trained[..., tf.newaxis] * embeddings, is_trained * biases
        # one place after the other: [rows, width, d] at once would take twice as long
        for features, values in self.places:
            features, values = rows(features, ids), rows(values, ids)
            embeddings += values[..., tf.newaxis] * tf.gather(self.embedding, features)
            biases += values * tf.gather(self.bias, features)
        return embeddings, biases

    def adapt(self, counts: np.ndarray) -> None:
        """Leave rows without training examples, int [rows], nothing but their features."""
        self.is_trained.assign(counts > 0)

    def take_over(self, earlier: "FeatureTable") -> None:
        """Keep the own embeddings of rows that an earlier model was trained on."""
        is_trained, before = self.is_trained.numpy(), earlier.is_trained.numpy()
        is_trained[: len(before)] = np.maximum(is_trained[: len(before)], before)
        self.is_trained.assign(is_trained)


def _check(features: Features, side: str, num_rows: int) -> None:
    name = f"{side}_features"
    if not isinstance(features, Features):
        raise InputError(
            f"{name}: a {type(features).__name__}; give Features, as `encode` of what "
            "data.features.read_features returns makes them"
        )
    ids, shape = np.asarray(features.ids), np.shape(features.values)
    if ids.ndim != 2 or ids.shape != shape or len(ids) != num_rows:
        raise InputError(
            f"{name}: ids of shape {ids.shape} and values of {shape} for {num_rows} {side}s; give "
            f"both a row for every {side}"
        )
    if ids.size and (ids.min() < 0 or ids.max() >= len(features.names)):
        raise InputError(
            f"{name}: ids from {ids.min()} to {ids.max()} of {len(features.names)} features"
        )
