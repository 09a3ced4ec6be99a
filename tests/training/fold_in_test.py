"""Fold-in: closed forms against numpy, the gradient path against the closed form and training."""

import dataclasses

import numpy as np
import pytest

from helpers import interactions, planted
from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.interactions import UNKNOWN
from mfrec.errors import InputError
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training import fold_in
from mfrec.training.fold_in import FoldIn
from mfrec.training.trainer import Trainer

ITEMS = [[2, 0, 5, UNKNOWN], [1, UNKNOWN, UNKNOWN, UNKNOWN]]
RATINGS = [[4, 1, 3, 0], [5, 0, 0, 0]]
WEIGHTS = [[1, 2, 0.5, 0], [3, 0, 0, 0]]

CHARGES = {"regularization": 0.1, "bias_regularization": 0.03}

# Every way in which a loss reads its batch, and its negatives.
SETTINGS = {
    "mse": {},
    "logistic": {},
    "bpr": {"num_negatives": 2, "shared_negatives": False, "reject_positives": True},
    "hinge": {"num_negatives": 4, "hard_negatives": 2, "shared_negatives": False},
    "warp": {"num_negatives": 4, "shared_negatives": False},
    "sampled_softmax": {"num_negatives": 8, "shared_negatives": True, "positives_per_row": 2},
    "ultragcn": {"negative_sampler": "in_batch", "positives_per_row": 2, "batch_size": 16},
    "sampled_logistic": {
        "num_negatives": 3,
        "shared_negatives": False,
        "positives_per_row": 2,
        "negative_sampler": "popularity",
        "log_q_correction": True,
    },
    "softmax": {"positives_per_row": 2},
    "implicit_squared": {},
}


def train():
    return planted(20, 6, 60)


def fold_in_of(name, use_bias=True, **changes):
    """A fold-in of a model with random vectors and biases, trained on by the loss of this name."""
    loss = losses.get(name)
    settings = {"positives_per_row": 1, "jit_compile": False} | CHARGES
    settings |= {"frequency_exponent": 0.5} | SETTINGS[name] | changes
    config = Config().replace(settings)
    made = MatrixFactorization(
        *(20, 6, 3),
        use_bias=use_bias,
        normalize=loss.traits.normalize,
        init_stddev=1.0,
        link=loss.link if loss.predicts_ratings else None,
    )
    made.adapt(train())
    if use_bias:
        random = np.random.default_rng(1)
        made.item_bias.assign(random.normal(size=6))
        made.user_bias.assign(random.normal(size=20))
    return FoldIn(made, loss, config, train()), made


def histories(items=ITEMS, ratings=RATINGS, weights=WEIGHTS):
    return (
        tf.constant(items, tf.int32),
        tf.constant(ratings, tf.float32),
        tf.constant(weights, tf.float32),
    )


def charge(count):
    """w of a row with so many examples, at ν = 0.5, from its formula."""
    counts = np.bincount(train().user_ids)
    counts = counts[counts > 0]
    return count**-0.5 * counts.sum() / np.sqrt(counts).sum()


@pytest.mark.parametrize("use_bias", [True, False])
def test_squared_errors_are_a_ridge_regression(use_bias):
    folded, model = fold_in_of("mse", use_bias)
    found = folded(*histories()).numpy()
    q, item_bias = model.item_embedding.numpy(), model.item_bias.numpy()
    for row, (items, ratings, weights) in enumerate(zip(ITEMS, RATINGS, WEIGHTS, strict=True)):
        n = sum(item != UNKNOWN for item in items)
        items, y, w = items[:n], np.array(ratings[:n]), np.array(weights[:n])
        x = np.hstack([q[items], np.ones((n, 1))]) if use_bias else q[items]
        ridge = np.diag([0.1] * 3 + [0.03] * use_bias) * charge(n) * w.sum()
        y = y - float(model.global_bias) - item_bias[items]
        expected = np.linalg.solve(x.T * w @ x + ridge, x.T * w @ y)
        expected = np.append(expected, 1) if use_bias else expected
        np.testing.assert_allclose(found[row], expected, rtol=1e-4)


@pytest.mark.parametrize("use_bias", [True, False])
def test_implicit_squared_counts_every_item(use_bias):
    folded, model = fold_in_of("implicit_squared", use_bias)
    alpha, charged = 0.1, (3 + 0.1 * 6) ** 0.5
    items, w = ITEMS[0][:3], np.array(WEIGHTS[0][:3])
    vectors = model.item_vectors().numpy().astype(np.float64)
    # all items weigh α with target 0, those of the history w more with target 1
    x, offset = (vectors[:, :4], vectors[:, 4]) if use_bias else (vectors, np.zeros(6))
    ridge = np.diag([0.1] * 3 + [0.03] * use_bias) * charged / 3 * w.sum()
    system = alpha * x.T @ x + x[items].T * w @ x[items] + ridge
    right = x[items].T @ (w * (1 - offset[items])) - alpha * x.T @ offset
    found = folded(*histories()).numpy()[0]
    np.testing.assert_allclose(found[: len(right)], np.linalg.solve(system, right), rtol=1e-4)
    np.testing.assert_array_equal(found[len(right) :], [1] * use_bias)


@pytest.mark.parametrize("name", ["mse", "implicit_squared"])
def test_steps_of_the_same_loss_reach_the_closed_form(name, monkeypatch):
    monkeypatch.setattr(fold_in, "_STEPS", 400)
    closed, model = fold_in_of(name)
    loss = dataclasses.replace(losses.get(name), quadratic=None)
    settings = {"positives_per_row": 1, "jit_compile": False, "frequency_exponent": 0.5}
    config = Config().replace(settings | CHARGES)
    stepwise = FoldIn(model, loss, config, train())
    np.testing.assert_allclose(stepwise(*histories()), closed(*histories()), atol=1e-2)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_vector_depends_on_the_history_alone(name):
    folded, model = fold_in_of(name)
    found = folded(*histories()).numpy()
    assert np.isfinite(found).all() and found.shape == (2, 5)
    assert np.ptp(found[:, :3], axis=0).min() > 1e-3
    # not on who else is there, on padding, or on the order
    alone = folded(*(column[:1] for column in histories()))
    np.testing.assert_allclose(alone[0], found[0], rtol=2e-3, atol=2e-3)
    padded = [
        [[-1, 0, 2, -1, 5, -1]],
        [[0, 1, 4, 0, 3, 0]],
        [[0, 2, 1, 0, 0.5, 0]],
    ]
    np.testing.assert_allclose(folded(*histories(*padded))[0], found[0], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["mse", "bpr", "implicit_squared"])
def test_weights_count(name):
    folded, _ = fold_in_of(name)
    equal = folded(*histories(weights=np.sign(WEIGHTS))).numpy()
    assert np.abs(folded(*histories()).numpy() - equal)[0].max() > 1e-3


@pytest.mark.parametrize("name", ["mse", "softmax"])
def test_of_repeated_items_the_last_counts(name):
    folded, _ = fold_in_of(name)
    repeated = folded(*histories([[2, 0, 2]], [[1, 1, 4]], [[7, 2, 1]]))
    once = folded(*histories([[0, 2]], [[1, 4]], [[2, 1]]))
    np.testing.assert_allclose(repeated, once, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("name", ["mse", "bpr", "softmax", "implicit_squared"])
def test_an_empty_history_is_an_unknown_user(name, use_bias):
    folded, _ = fold_in_of(name, use_bias)
    found = folded(*histories([[UNKNOWN], [3]], [[0], [2]], [[0], [1]])).numpy()
    np.testing.assert_array_equal(found[0], [0, 0, 0, 0, 1] if use_bias else [0, 0, 0])
    assert np.abs(found[1, :3]).max() > 1e-3
    assert folded(*histories([[]], [[]], [[]])).shape == (1, len(found[0]))


@pytest.mark.parametrize("name", ["mse", "bpr", "softmax"])
def test_many_users_in_blocks(name, monkeypatch):
    monkeypatch.setattr(fold_in, "_LONGEST", [1, 2, 8])
    monkeypatch.setattr(fold_in, "_BLOCK_SIZE", 100)
    folded, model = fold_in_of(name)
    model.rating_range.assign([1, 5])
    users = [3, 0, 1, 0, 2, 3, 0, 3, 2, 4]
    items = [1, 2, 0, 5, 3, 1, 4, 2, 4, 9]
    ratings = [1, 2, 3, 4, 5, 1.5, 2.5, 3.5, 4.5, 1]
    found = folded.of_interactions(interactions(users[:-1], items[:-1], ratings[:-1], 4, 6))
    padded = [
        [[2, 5, 4], [0, -1, -1], [3, 4, -1], [1, 2, -1]],
        [[2, 4, 2.5], [3, 0, 0], [5, 4.5, 0], [1.5, 3.5, 0]],
        [[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 0]],
    ]
    np.testing.assert_allclose(found, folded(*histories(*padded)), rtol=2e-3, atol=2e-3)
    with pytest.raises(InputError, match="user 'u4' has no item that the model knows"):
        folded.of_interactions(interactions(users, items, ratings))


def test_in_somebody_elses_graph_and_with_the_items_of_the_day():
    folded, model = fold_in_of("bpr")
    before = folded(*histories()).numpy()
    outer = tf.function(lambda *columns: folded(*columns) + 1)
    np.testing.assert_allclose(outer(*histories()), before + 1, rtol=1e-5)
    model.item_embedding.assign(-model.item_embedding)
    np.testing.assert_allclose(folded(*histories())[:, :3], -before[:, :3], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("name", "cosine"), [("mse", 0.999), ("softmax", 0.99)])
def test_a_training_users_own_history_leads_to_their_vector(name, cosine):
    """Where training has come to rest, users' vectors are the minima that fold-in looks for."""
    data = planted(60, 40, 1200, noise=0.2)
    loss = losses.get(name)
    if not loss.predicts_ratings:
        data = data.take(data.ratings > 3.5)
    settings = {"epochs": 100, "batch_size": 256, "learning_rate": 0.03, "init_stddev": 0.1}
    if not loss.predicts_ratings:
        settings["regularization"] = 0.02
    trainer = Trainer(loss=loss, embedding_dim=3, **settings)
    trainer.fit(data)
    model, config = trainer.model, trainer.resolved
    known = np.unique(data.user_ids)
    rows = data.encode(data.users.take(known), data.items)
    folded = FoldIn(model, loss, config, data).of_interactions(rows)
    trained = model.user_vectors(known).numpy()
    lengths = np.linalg.norm(folded, axis=1) * np.linalg.norm(trained, axis=1)
    cosines = (folded * trained).sum(axis=1) / lengths
    assert np.median(cosines) > cosine, sorted(cosines)[:20]
