"""Errors of predicted ratings and their baselines, by hand and against numpy."""

import dataclasses
import math

import numpy as np
import pytest

from helpers import interactions
from mfrec.data.vocabulary import UNKNOWN
from mfrec.evaluation import baselines
from mfrec.evaluation.ratings import RatingEvaluator
from mfrec.models.matrix_factorization import MatrixFactorization

# The toy matrix [[5, 4, 3], [2, 3, 5], [4, 5, 2]] with one rating of each user held out.
TRAIN = interactions([0, 0, 1, 1, 2, 2], [0, 1, 0, 2, 1, 2], [5, 4, 2, 5, 5, 2])
TEST = interactions([0, 1, 2], [2, 1, 0], [3, 3, 4])


@pytest.fixture(autouse=True)
def damping(monkeypatch):
    """Two numbers that cannot be mistaken for each other, whatever the defaults."""
    monkeypatch.setattr(baselines, "ITEM_DAMPING", 25.0)
    monkeypatch.setattr(baselines, "USER_DAMPING", 10.0)


def test_global_mean_by_hand():
    # the mean is 23/6; the errors are −5/6, −5/6 and 1/6
    errors = RatingEvaluator(TRAIN).baselines(TEST)["global_mean"]
    assert errors["rmse"] == pytest.approx(math.sqrt((25 + 25 + 1) / 36 / 3))
    assert errors["mae"] == pytest.approx(11 / 18)


def test_damped_biases_by_hand():
    # deviations from 23/6 in sixths: users (7, 1), (−11, 7), (7, −11); two ratings an item
    items = [(7 - 11) / 6 / 27, (1 + 7) / 6 / 27, (7 - 11) / 6 / 27]
    users = [
        (8 / 6 - items[0] - items[1]) / 12,
        (-4 / 6 - items[0] - items[2]) / 12,
        (-4 / 6 - items[1] - items[2]) / 12,
    ]
    predictions = [
        23 / 6 + users[0] + items[2],
        23 / 6 + users[1] + items[1],
        23 / 6 + users[2] + items[0],
    ]
    errors = [3 - predictions[0], 3 - predictions[1], 4 - predictions[2]]
    baseline = RatingEvaluator(TRAIN).baselines(TEST)["biases"]
    assert baseline["rmse"] == pytest.approx(math.sqrt(sum(e * e for e in errors) / 3))
    assert baseline["mae"] == pytest.approx(sum(map(abs, errors)) / 3)


def test_baselines_and_model_against_numpy_with_strangers():
    random = np.random.default_rng(0)
    n, users, items = 400, 30, 20
    train = interactions(
        *(random.integers(0, users, n), random.integers(0, items, n)),
        *(random.integers(2, 6, n), users, items),
    )
    test = interactions(
        *(random.integers(-1, users, 90), random.integers(-1, items, 90)),
        *(random.integers(1, 6, 90), users, items),
    )
    assert (test.user_ids == UNKNOWN).any() and (test.item_ids == UNKNOWN).any()
    mean = train.ratings.mean(dtype=np.float64)
    rows = list(zip(train.user_ids, train.item_ids, train.ratings, strict=True))
    item_bias, user_bias = {UNKNOWN: 0.0}, {UNKNOWN: 0.0}
    for item in range(items):
        of_item = [r - mean for _, i, r in rows if i == item]
        item_bias[item] = sum(of_item) / (len(of_item) + 25)
    for user in range(users):
        of_user = [r - mean - item_bias[i] for u, i, r in rows if u == user]
        user_bias[user] = sum(of_user) / (len(of_user) + 10)
    model = MatrixFactorization(users, items, 4, init_stddev=3.0)
    model.adapt(train)
    model.user_bias.assign(random.normal(size=users))
    p, q = model.user_embedding.numpy(), model.item_embedding.numpy()
    expected = {"biases": [], "model": []}
    for u, i in zip(test.user_ids, test.item_ids, strict=True):
        expected["biases"].append(mean + user_bias[u] + item_bias[i])
        b_u = model.user_bias.numpy()[u] if u >= 0 else 0
        expected["model"].append(mean + b_u + (p[u] @ q[i] if u >= 0 and i >= 0 else 0))
    evaluator = RatingEvaluator(train)
    found = {"model": evaluator.evaluate(model, test), **evaluator.baselines(test)}
    for name, predictions in expected.items():
        errors = np.clip(predictions, 2, 5) - test.ratings
        assert found[name]["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
        assert found[name]["mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    assert set(found) == {"model", "global_mean", "biases"}


def test_all_baselines_are_clipped_to_the_training_range():
    # 25 users give item 0 a 5 and thirty others a 1; user 0 gives those thirty a 5. Item 0 is
    # liked more than most and user 0 likes more than most: 1.27 + 1.86 + 2.84 for the two.
    ratings = np.ones((26, 31))
    ratings[1:, 0] = ratings[0] = 5
    users, items = np.nonzero(ratings)
    train = interactions(users[1:], items[1:], ratings[users, items][1:])
    assert train.ratings.mean() == pytest.approx(1.27, abs=0.005)
    assert (
        RatingEvaluator(train).baselines(interactions([0], [0], [5], 26, 31))["biases"]["mae"] == 0
    )


def test_oracle_where_the_expected_ratings_are_known():
    test = dataclasses.replace(TEST, expected_ratings=np.float32([2.5, 7, 4]))
    oracle = RatingEvaluator(TRAIN).baselines(test)["oracle"]
    # 7 is clipped to the training ratings' highest, 5: errors 1/2, −2, 0
    assert oracle["rmse"] == pytest.approx(math.sqrt((0.25 + 4) / 3))
    assert oracle["mae"] == pytest.approx(2.5 / 3)
    assert "oracle" not in RatingEvaluator(TRAIN).baselines(TEST)
