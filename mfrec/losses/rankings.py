"""Losses of rankings: (positive_scores [B], negative_scores [B, N]) -> [B]."""

from __future__ import annotations

from typing import Any

from mfrec.losses.registry import ranking
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range

_AT_LEAST_0 = Range(minimum=0)
_ABOVE_0 = Range(above=0)
# For losses that want to see much of the catalogue.
_MANY_SHARED: dict[str, Any] = {
    "num_negatives": 1024,
    "shared_negatives": True,
    "positives_per_row": 16,
}


@ranking("bpr")
def bpr(positive_scores, negative_scores):
    """Bayesian personalized ranking: −log σ(s⁺ − s⁻), mean over the negatives.

    Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from
    implicit feedback". bpr(1, [1]) = log 2.
    """
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.nn.softplus(-margins), axis=-1)


@ranking("hinge", domain={"margin": _AT_LEAST_0})
def hinge(positive_scores, negative_scores, margin=1.0):
    """max(0, margin − s⁺ + s⁻), mean over the negatives. hinge(1, [0.5]) = 0.5.

    Args:
        margin: by how much a positive should score above a negative.
    """
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.nn.relu(margin - margins), axis=-1)


@ranking("warp", domain={"margin": _AT_LEAST_0}, hard_negatives=False, num_negatives=32)
def warp(positive_scores, negative_scores, num_items, margin=1.0):
    """Weighted approximate-rank pairwise: log(1 + rank) · max(0, margin − s⁺ + s⁻).

    s⁻ is the first of the negatives, in the order in which they were drawn, within the margin; if
    it is the t-th, the positive's rank is estimated as (num_items − 1) / t, rounded down. Without
    such a negative the loss is 0. Weston, Bengio, Usunier 2011, "WSABIE: scaling up to large
    vocabulary image annotation". warp(0, [−2, 0.5]) of 5 items: rank 2, log 3 · 1.5.

    Args:
        margin: by how much a positive should score above a negative.
    """
    violations = margin - positive_scores[..., tf.newaxis] + negative_scores
    is_violation = tf.cast(violations > 0, tf.int32)
    trials = tf.argmax(is_violation, axis=-1, output_type=tf.int32)
    is_first = tf.one_hot(trials, violations.shape[-1])
    violation = tf.nn.relu(tf.reduce_sum(is_first * violations, axis=-1))
    rank = tf.floor((num_items - 1) / (1.0 + tf.cast(trials, tf.float32)))
    return tf.math.log1p(rank) * violation


@ranking("sampled_logistic", log_q=True, domain={"negative_weight": _AT_LEAST_0}, num_negatives=4)
def sampled_logistic(positive_scores, negative_scores, negative_weight=1.0):
    """Binary cross-entropy: −log σ(s⁺) − negative_weight · Σ log(1 − σ(s⁻)).

    He et al. 2017, "Neural collaborative filtering"; Rendle et al. 2020, "Neural collaborative
    filtering vs. matrix factorization revisited". sampled_logistic(0, [0, 0]) = 3 log 2.

    Args:
        negative_weight: of each negative beside the positive's 1.
    """
    negatives = tf.reduce_sum(tf.nn.softplus(negative_scores), axis=-1)
    return tf.nn.softplus(-positive_scores) + negative_weight * negatives


@ranking(
    "sampled_softmax",
    log_q=True,
    domain={"temperature": _ABOVE_0},
    normalize=True,
    **_MANY_SHARED,
)
def sampled_softmax(positive_scores, negative_scores, temperature=0.1):
    """−log(e^(s⁺/τ) / (e^(s⁺/τ) + Σ e^(s⁻/τ))).

    Bengio, Senécal 2008, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model"; with cosine scores Wu et al. 2022, "On the effectiveness of
    sampled softmax loss for item recommendation". At τ = 1, sampled_softmax(0, [0, 0]) = log 3.

    Args:
        temperature: τ.
    """
    negatives = tf.reduce_logsumexp(negative_scores / temperature, axis=-1)
    return tf.nn.softplus(negatives - positive_scores / temperature)


@ranking(
    "cosine_contrastive",
    # of cosines
    domain={"margin": Range(minimum=-1), "negative_weight": _AT_LEAST_0},
    normalize=True,
    **_MANY_SHARED,
)
def cosine_contrastive(positive_scores, negative_scores, margin=0.9, negative_weight=150.0):
    """1 − s⁺ + negative_weight · mean of max(0, s⁻ − margin), for cosine scores.

    Mao et al. 2021, "SimpleX: a simple and strong baseline for collaborative filtering".
    cosine_contrastive(0.5, [0.95, 0.2]) with weight 10: 0.5 + 10 · 0.025 = 0.75.

    Args:
        margin: cosine from which on a negative is pushed away.
        negative_weight: of the negatives' mean beside the positive.
    """
    negatives = tf.reduce_mean(tf.nn.relu(negative_scores - margin), axis=-1)
    return 1 - positive_scores + negative_weight * negatives


@ranking(
    "bsl",
    domain={"temperature": _ABOVE_0, "positive_temperature": _ABOVE_0},
    normalize=True,
    **_MANY_SHARED,
)
def bsl(positive_scores, negative_scores, temperature=0.1, positive_temperature=0.1):
    """Bilateral softmax: −s⁺/τ⁺ + log of the mean of e^(s⁻/τ), for cosine scores.

    Wu et al. 2024, "BSL: understanding and improving softmax loss for recommendation". A
    positive temperature above the negatives' trusts noisy positives less. At τ = τ⁺ = 1,
    bsl(0.5, [0, 0]) = −0.5.

    Args:
        temperature: τ of the negatives.
        positive_temperature: τ⁺ of the positive.
    """
    count = tf.cast(tf.shape(negative_scores)[-1], tf.float32)
    negatives = tf.reduce_logsumexp(negative_scores / temperature, axis=-1) - tf.math.log(count)
    return negatives - positive_scores / positive_temperature


@ranking(
    "ultragcn",
    domain={"constant_weight": _AT_LEAST_0, "negative_weight": _AT_LEAST_0},
    **_MANY_SHARED,
)
def ultragcn(
    positive_scores,
    negative_scores,
    user_counts,
    item_counts,
    negative_counts,
    constant_weight=1e-7,
    negative_weight=300.0,
):
    """Logistic loss weighted by degrees: (c + β⁺)·−log σ(s⁺) + w · mean (c + β⁻)·−log(1 − σ(s⁻)).

    β(u, i) = √((n_u + 1)/(n_i + 1)) / n_u, n_u and n_i being training examples: the weight of an
    edge that infinitely many layers of graph convolution converge to. Mao et al. 2021, "UltraGCN:
    ultra simplification of graph convolutional networks for recommendation", without its
    item-item term.

    Args:
        constant_weight: c.
        negative_weight: w, of the negatives' mean beside the positive.
    """

    def weight(counts: tf.Tensor, users: tf.Tensor) -> tf.Tensor:
        return constant_weight + tf.sqrt((users + 1) / (counts + 1)) / users

    negatives = weight(negative_counts, user_counts[..., tf.newaxis]) * tf.nn.softplus(
        negative_scores
    )
    positives = weight(item_counts, user_counts) * tf.nn.softplus(-positive_scores)
    return positives + negative_weight * tf.reduce_mean(negatives, axis=-1)
