"""Losses of the whole catalogue: positive_scores [B], user_vectors [B, d], item_vectors [I, d]
-> [B]."""

from __future__ import annotations

import numpy as np

from mfrec.losses.registry import catalogue
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range


@catalogue("softmax", domain={"temperature": Range(above=0)}, normalize=True, positives_per_row=16)
def softmax(positive_scores, user_vectors, item_vectors, temperature=0.1):
    """−log(e^(s⁺/τ) / Σ e^(s/τ)) over every item of the catalogue, no sampling.

    With scores all 0 and I items it is log I.

    Args:
        temperature: τ.
    """
    scores = tf.tensordot(user_vectors, item_vectors, axes=(-1, -1)) / temperature
    return tf.reduce_logsumexp(scores, axis=-1) - positive_scores / temperature


def _ials_weights(
    counts: np.ndarray,
    num_partners: np.ndarray | int,
    frequency_exponent: float,
    unobserved_weight: float,
) -> np.ndarray:
    """(n + α·partners)^ν / n, so that a row's weights add up to (n + α·partners)^ν."""
    totals = (counts + unobserved_weight * num_partners) ** frequency_exponent
    return np.where(counts > 0, totals / np.maximum(counts, 1), 0)


def _ials_parts(targets: tf.Tensor, unobserved_weight: float) -> tuple[tf.Tensor, float]:
    """Positives are 1; besides, every pair counts as 0."""
    return tf.ones_like(targets), unobserved_weight


@catalogue(
    "implicit_squared",
    frequency_weights=_ials_weights,
    quadratic=_ials_parts,
    domain={"unobserved_weight": Range(minimum=0)},
    frequency_exponent=1.0,
)
def implicit_squared(
    positive_scores, user_vectors, item_vectors, user_weights, unobserved_weight=0.1
):
    """The objective of iALS, exact: Σ w(1 − s⁺)² over the positives + α Σ s² over all pairs.

    The second sum is α Σ_u p_uᵀ(Σ_i q_i q_iᵀ)p_u, the Gramian of the items in place of the items
    themselves; divided among the user's examples in proportion to their weights, so that these
    (confidences) act on the first sum alone. Its regularizer weighs a row by (n + α·partners)^ν.
    Hu, Koren, Volinsky 2008, "Collaborative filtering for implicit feedback datasets"; Rendle,
    Krichene, Zhang, Koren 2022, "Revisiting the performance of iALS on item recommendation
    benchmarks".

    Args:
        unobserved_weight: α.
    """
    gramian = tf.matmul(item_vectors, item_vectors, transpose_a=True)
    squares = tf.reduce_sum(user_vectors * tf.tensordot(user_vectors, gramian, axes=1), axis=-1)
    return tf.square(1 - positive_scores) + unobserved_weight * squares / user_weights
