"""Ratings drawn from a known factorization: the data set `planted-100k`."""

import math

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import Vocabulary


def planted_100k() -> Interactions:
    """Draw 100,000 ratings from a known factorization of rank 8.

    The score of a pair is s = 3.5 + b_u + b_i + <p_u, q_i>, with biases of standard deviation
    0.4 and inner products of 0.5; its rating is s + N(0, 0.8), rounded and clipped to 1..5.
    No model can know more than the mean rating given s, which is
    1 + sum over k = 1..4 of P(rating > k) = 1 + sum of 1 - Phi((k + 0.5 - s) / 0.8).

    Pairs and ratings follow from sums, products, quotients and square roots alone, so that every
    platform draws the same.
    """
    num_users, num_items, num_ratings, rank, noise = 1_000, 1_700, 100_000, 8, 0.8
    random = np.random.default_rng(20_240_601)

    # Activity falls as 1 / rank above a floor of 20; the most active users take the remainder.
    activity = 1 / np.arange(40.0, 40.0 + num_users)
    spare = num_ratings - 20 * num_users
    num_rated = 20 + np.floor(spare * activity / activity.sum()).astype(np.int64)
    num_rated[: num_ratings - num_rated.sum()] += 1
    num_rated = random.permutation(num_rated)
    # Popularity falls as rank ** -1.5. The smallest of exponential waiting times are a draw
    # without replacement.
    popularity = 1 / np.arange(60.0, 60.0 + num_items)
    popularity = random.permutation(popularity * np.sqrt(popularity))
    waits = random.standard_exponential((num_users, num_items)) / popularity
    in_order = np.argsort(waits, axis=1, kind="stable")
    user_ids, places = np.nonzero(np.arange(num_items) < num_rated[:, None])
    item_ids = in_order[user_ids, places]
    order = random.permutation(num_ratings)
    user_ids, item_ids = user_ids[order], item_ids[order]

    user_bias = 0.4 * random.standard_normal(num_users)
    item_bias = 0.4 * random.standard_normal(num_items)
    # The product of two entries of variance v has variance v ** 2; `rank` of them make 0.25.
    spread = math.sqrt(math.sqrt(0.25 / rank))
    user_embedding = spread * random.standard_normal((num_users, rank))
    item_embedding = spread * random.standard_normal((num_items, rank))
    scores = 3.5 + user_bias[user_ids] + item_bias[item_ids]
    for dim in range(rank):
        # Not a matrix product: the order of its sums differs between machines.
        scores += user_embedding[user_ids, dim] * item_embedding[item_ids, dim]
    ratings = np.clip(np.round(scores + noise * random.standard_normal(num_ratings)), 1, 5)

    expected = np.ones(num_ratings)
    for k in range(1, 5):
        # 1 - Phi(x) = erfc(x / sqrt(2)) / 2
        x = (k + 0.5 - scores) / (noise * math.sqrt(2))
        expected += np.fromiter(map(math.erfc, x.tolist()), np.float64) / 2
    return Interactions(
        user_ids.astype(np.int32),
        item_ids.astype(np.int32),
        ratings.astype(np.float32),
        1_000_000_000 + 60 * np.arange(num_ratings, dtype=np.int64),
        Vocabulary(tuple(f"user{user + 1}" for user in range(num_users))),
        Vocabulary(tuple(f"item{item + 1}" for item in range(num_items))),
        expected.astype(np.float32),
    )
