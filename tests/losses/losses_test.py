"""Every loss against numbers worked out by hand, and one contract for all of them.

A new loss needs a row in GOLDEN and nothing else: the contract tests find it in the registry.
"""

import functools
import math
import sys

import numpy as np
import pytest

from helpers import interactions, planted
from mfrec import losses
from mfrec.config.settings import LossConfig, OptimizerConfig, TrainingConfig
from mfrec.data.pipelines import Examples
from mfrec.errors import InputError
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.evaluation.ratings import RatingEvaluator
from mfrec.losses import LINKS
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training.trainer import Trainer

# name -> rows of (inputs, arguments, expected) and what the batch tells beyond BATCH.
# rating losses: ratings on the scale of the link's targets, predictions as scores.
# ranking losses: scores of the positives, scores of their negatives.
# catalogue losses: scores of the positives, vectors of their users, vectors of all items.
GOLDEN = {
    "mse": [(([4, 1, 2], [3, 3.5, 2]), {}, [1, 6.25, 0])],
    "mae": [(([4, 1, 2], [2.5, 3, 2]), {}, [1.5, 2, 0])],
    "huber": [
        # errors 1/2, 2, 1: e²/2 = 1/8, then |e| − 1/2
        (([4, 4, 1], [3.5, 2, 2]), {}, [0.125, 1.5, 0.5]),
        # errors 1/2 and −2 at δ = 1/2: e²/2 = 1/8, then (|e| − 1/4)/2
        (([4, 1], [3.5, 3]), {"delta": 0.5}, [0.125, 0.875]),
    ],
    "logistic": [
        # σ(0) = 1/2, σ(log 3) = 3/4
        (([1, 0], [0, 0]), {}, [math.log(2), math.log(2)]),
        (([1, 0], [math.log(3), math.log(3)]), {}, [math.log(4 / 3), math.log(4)]),
        (([0.5], [math.log(3)]), {}, [(math.log(4 / 3) + math.log(4)) / 2]),
    ],
    "poisson": [(([2, 3, 0], [0, math.log(2), 0]), {}, [1, 2 - 3 * math.log(2), 1])],
    "bpr": [
        # −log σ(0) and the mean of −log σ(log 3) and −log σ(−log 3)
        (([1], [[1]]), {}, [math.log(2)]),
        (
            ([math.log(3)], [[0, 2 * math.log(3)]]),
            {},
            [(math.log(4 / 3) + math.log(4)) / 2],
        ),
    ],
    "hinge": [
        (([1, 0], [[0.5, -1], [0.25, 0.5]]), {}, [0.25, 1.375]),
        (([1], [[0.5, 0.9]]), {"margin": 0.2}, [0.05]),
    ],
    "warp": [
        # 5 items: the 2nd negative is the first within the margin, rank ⌊4/2⌋ = 2; then the 1st,
        # rank 4; then none
        (([0, 0, 5], [[-2, 0.5], [0.5, 3], [0, 1]]), {}, [math.log(3) * 1.5, math.log(5) * 1.5, 0]),
        (([0, 0], [[-2, 0.5], [-1, -1]]), {"margin": 0.5}, [math.log(3), 0]),
    ],
    "sampled_logistic": [
        (([0], [[0, 0]]), {}, [3 * math.log(2)]),
        (
            ([math.log(3)], [[math.log(3)]]),
            {"negative_weight": 0.5},
            [math.log(4 / 3) + math.log(4) / 2],
        ),
    ],
    "sampled_softmax": [
        (([0], [[0, 0]]), {"temperature": 1.0}, [math.log(3)]),
        # e^(s/τ): 4 beside 1 and 3
        (([math.log(2)], [[0, math.log(3) / 2]]), {"temperature": 0.5}, [math.log(2)]),
    ],
    "cosine_contrastive": [
        (([0.5], [[0.95, 0.2]]), {"negative_weight": 10.0}, [0.5 + 10 * 0.05 / 2]),
        (([1], [[0.5, 0.7]]), {"margin": 0.4, "negative_weight": 2.0}, [0.4]),
    ],
    "bsl": [
        (([0.5], [[0, 0]]), {"temperature": 1.0, "positive_temperature": 1.0}, [-0.5]),
        # the mean of 1 and 9 is 5
        (
            ([0.5], [[0, math.log(3)]]),
            {"temperature": 0.5, "positive_temperature": 0.25},
            [math.log(5) - 2],
        ),
    ],
    "ultragcn": [
        # n_u = 3, n_i = 0: β⁺ = 2/3; negatives of 3 and 15 examples: 1/3 and 1/6
        (
            ([0], [[0, 0]]),
            {"constant_weight": 0.5, "negative_weight": 10.0},
            [math.log(2) * (0.5 + 2 / 3 + 10 * (0.5 + (1 / 3 + 1 / 6) / 2))],
            {"user_counts": [3], "item_counts": [0], "negative_counts": [3, 15]},
        ),
    ],
    "softmax": [
        (([0], [[0, 0]], [[1, 0], [0, 1], [2, 2]]), {"temperature": 1.0}, [math.log(3)]),
        # e^(s/τ): 4 beside 4 and 1
        (([math.log(2)], [[math.log(2)]], [[1], [0]]), {"temperature": 0.5}, [math.log(5 / 4)]),
    ],
    "implicit_squared": [
        # (1 − 0.5)² + α((1·1 + 0·2)² + (1·3 + 0·0)²)/2 with user [1, 0]
        (
            ([0.5], [[1, 0]], [[1, 2], [3, 0]]),
            {"unobserved_weight": 0.2},
            [0.25 + 0.2 * 10 / 2],
            {"user_weights": [2]},
        ),
    ],
}
ROWS = [(name, *row, *[{}] * (4 - len(row))) for name, rows in GOLDEN.items() for row in rows]
every_loss = pytest.mark.parametrize("name", sorted(losses.REGISTRY))
every_rating_loss = pytest.mark.parametrize(
    "name", sorted(n for n, loss in losses.REGISTRY.items() if loss.predicts_ratings)
)
every_other_loss = pytest.mark.parametrize(
    "name", sorted(n for n, loss in losses.REGISTRY.items() if not loss.predicts_ratings)
)

LOW, HIGH = 1.0, 5.0


def normal(seed, *shape, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def integers(seed, *shape, low=1, high=9):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.float32)


# a rating and a score for each of 40 examples, far-off scores among them; a seed for each array,
# so that another array changes none of the others
RATINGS = integers(0, 40, high=6)
SCORES = np.append(normal(1, 36, scale=2), np.float32([-25, -8, 8, 25]))
NEGATIVES, USERS, ITEMS = normal(2, 40, 6), normal(3, 40, 3), normal(4, 9, 3)
BATCH = {
    "weights": tf.ones(40),
    "user_weights": tf.constant(integers(5, 40)),
    "user_counts": tf.constant(integers(6, 40)),
    "item_counts": tf.constant(integers(7, 40)),
    "negative_counts": tf.constant(integers(8, 40, 6)),
    "num_users": 7,
    "num_items": 5,
}


def inputs_of(loss, scores=SCORES):
    """What this kind of loss reads, [40] examples, with these scores of theirs."""
    scores = tf.constant(scores)
    if loss.predicts_ratings:
        return LINKS[loss.link].to_target(tf.constant(RATINGS), LOW, HIGH), scores
    if loss.draws_negatives:
        return scores, tf.constant(NEGATIVES)
    return scores, tf.constant(USERS), tf.constant(ITEMS)


def part_of(loss, inputs, batch, rows):
    """Inputs and batch of these examples alone; the catalogue's vectors are everybody's."""
    shared = inputs[2:] if loss.reads_vectors else ()
    own = inputs[: len(inputs) - len(shared)]
    batch = {k: v[rows] if tf.is_tensor(v) else v for k, v in batch.items()}
    return (*(column[rows] for column in own), *shared), batch


@pytest.fixture
def registry(monkeypatch):
    """A registry of the test's own, so that its losses are gone after it."""
    copied = dict(losses.REGISTRY)
    monkeypatch.setattr(losses, "REGISTRY", copied)
    monkeypatch.setattr("mfrec.losses.registry.REGISTRY", copied)
    return copied


@pytest.mark.parametrize("name, inputs, arguments, expected, told", ROWS)
def test_golden_values(name, inputs, arguments, expected, told):
    batch = BATCH | {key: tf.constant(value, tf.float32) for key, value in told.items()}
    inputs = [tf.constant(values, tf.float32) for values in inputs]
    values = losses.get(name, arguments)(*inputs, batch=batch)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


@every_loss
def test_every_registered_loss_has_a_golden_row(name):
    assert GOLDEN.get(name), f"add a row of hand-made values for '{name}' to GOLDEN"


@every_loss
def test_a_loss_gives_one_finite_value_and_gradient_an_example(name):
    loss = losses.get(name)
    inputs = inputs_of(loss)
    scores = inputs[1] if loss.predicts_ratings else inputs[0]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        values = loss(*inputs, batch=BATCH)
    gradient = tape.gradient(values, scores)
    assert values.shape == gradient.shape == (40,)
    assert values.dtype == gradient.dtype == tf.float32
    assert np.isfinite(values).all() and np.isfinite(gradient).all()
    assert np.any(gradient)


@every_loss
def test_a_loss_is_never_reduced(name):
    # the value of each example is what it is on its own
    loss = losses.get(name)
    together = loss(*inputs_of(loss), batch=BATCH)
    for n in (0, 17, 39):
        inputs, batch = part_of(loss, inputs_of(loss), BATCH, slice(n, n + 1))
        np.testing.assert_allclose(
            loss(*inputs, batch=batch), together[n : n + 1], rtol=1e-5, atol=1e-6
        )


@every_loss
def test_a_compiled_loss_equals_the_eager_one(name):
    loss = losses.get(name)
    compiled = tf.function(lambda *inputs: loss(*inputs, batch=BATCH), jit_compile=True)
    eager = loss(*inputs_of(loss), batch=BATCH)
    np.testing.assert_allclose(compiled(*inputs_of(loss)), eager, rtol=1e-5, atol=1e-6)


@every_other_loss
def test_rows_of_positives_lose_what_their_examples_lose(name):
    # 10 users with 4 positives each, as rows [10, 4] and as examples [40]
    loss = losses.get(name)
    rows = dict(zip(("first", "second", "third"), inputs_of(loss), strict=False))
    by_user = {"second": rows["second"][:10, tf.newaxis]}
    repeated = {"second": tf.repeat(rows["second"][:10], 4, axis=0)}
    of_user = ("user_weights", "user_counts", "negative_counts")
    told = {k: BATCH[k][:10, tf.newaxis] for k in of_user}
    told |= {k: tf.reshape(BATCH[k], (10, 4)) for k in ("weights", "item_counts")}
    flat = BATCH | {k: tf.repeat(BATCH[k][:10], 4, axis=0) for k in of_user}
    in_rows = rows | by_user | {"first": tf.reshape(rows["first"], (10, 4))}
    values = loss(*in_rows.values(), batch=BATCH | told)
    expected = loss(*(rows | repeated).values(), batch=flat)
    assert values.shape == (10, 4)
    np.testing.assert_allclose(tf.reshape(values, [40]), expected, rtol=1e-5, atol=1e-5)


@every_other_loss
def test_a_loss_pulls_positives_up_and_negatives_down(name):
    loss = losses.get(name)
    positives, *others = inputs_of(loss, np.zeros(40, np.float32))
    with tf.GradientTape() as tape:
        tape.watch([positives, others[0]])
        values = loss(positives, *others, batch=BATCH)
    up, down = tape.gradient(values, [positives, others[0]])
    assert (up.numpy() <= 0).all() and (up.numpy() < 0).mean() > 0.9
    if loss.draws_negatives:
        assert (down.numpy() >= 0).all() and (down.numpy() > 0).any()


@every_rating_loss
def test_a_loss_pulls_the_score_to_the_one_that_serves_the_rating(name):
    # at the score that the link serves as r, the loss of r is lowest
    loss, ratings = losses.get(name), tf.constant([2.0, 3.0, 4.5])
    link = LINKS[loss.link]
    target, best = link.to_target(ratings, LOW, HIGH), link.to_score(ratings, LOW, HIGH)
    batch = {k: v[:3] if tf.is_tensor(v) else v for k, v in BATCH.items()}
    lowest = loss(target, best, batch=batch).numpy()
    for away in (-0.5, -0.05, 0.05, 0.5):
        assert (loss(target, best + away, batch=batch).numpy() > lowest).all()


def weights_after_a_step(name, weights):
    """The tables after a step on five examples of these weights, from wherever fit() led."""
    train = interactions([0, 1, 2, 0, 1], [0, 1, 2, 3, 0], [1, 2, 3, 4, 5])
    model = MatrixFactorization(3, 4, 2, link=losses.get(name).link)
    optimizer = OptimizerConfig("sgd", learning_rate=0.1, learning_rate_schedule="constant")
    config = TrainingConfig(run_eagerly=True, batch_size=5, positives_per_row=1)
    trainer = Trainer(model, optimizer, name, config)
    trainer.fit(train, epochs=1)
    columns = (train.user_ids, train.item_ids, train.ratings, np.float32(weights))
    trainer.train_step(Examples(*map(tf.constant, columns)))
    return np.concatenate([v.numpy().ravel() for v in model.trainable_variables])


@every_loss
def test_the_loop_honours_weights(name):
    def after(*weights):
        return weights_after_a_step(name, weights)

    # an example of weight 0 changes nothing, neither does the unit of the weights
    np.testing.assert_allclose(after(1, 1, 0, 1, 0), after(3, 3, 0, 3, 0), rtol=1e-5)
    assert np.abs(after(1, 1, 0, 1, 0) - after(1, 1, 1, 1, 1)).max() > 1e-3
    assert np.abs(after(1, 2, 1, 1, 1) - after(1, 1, 1, 1, 1)).max() > 1e-3


@every_rating_loss
def test_a_loss_learns_planted_preferences(name):
    data = planted(60, 40, 1_400)
    train, test = data.take(slice(200, None)), data.take(slice(200))
    train.ratings[:] = np.clip(train.ratings, 0.1, None)
    model = MatrixFactorization(60, 40, 3, init_stddev=0.3)
    optimizer = OptimizerConfig(
        learning_rate=0.05, learning_rate_schedule="cosine", optimizer_args="epsilon=1e-7"
    )
    settings = {"regularization": 0.002, "bias_regularization": 0.005, "batch_size": 128}
    settings |= {"epochs": 15, "jit_compile": False}
    Trainer(model, optimizer, name, **settings).fit(train)
    evaluator = RatingEvaluator(train)
    baselines = evaluator.baselines(test)
    assert evaluator.evaluate(model, test)["rmse"] < 0.7 * baselines["global_mean"]["rmse"]
    assert evaluator.evaluate(model, test)["rmse"] < 0.8 * baselines["biases"]["rmse"]


@every_other_loss
def test_a_loss_learns_planted_rankings(name):
    # users like the items of their own half, and have had half of those
    random = np.random.default_rng(0)
    liked = np.arange(40)[:, None] % 2 == np.arange(60) % 2
    had = liked & (random.random((40, 60)) < 0.5)
    data = interactions(*np.nonzero(had), np.ones(had.sum()))
    held_out = interactions(*np.nonzero(liked & ~had), np.ones((liked & ~had).sum()))
    # made for catalogues a thousand times as large
    loss = losses.get(name, {"negative_weight": 2} if name == "ultragcn" else None)
    model = MatrixFactorization(40, 60, 4, use_bias=False, normalize=loss.traits.normalize)
    optimizer = OptimizerConfig(learning_rate=0.05)
    config = TrainingConfig(batch_size=256, epochs=30, jit_compile=False, seed=3)
    Trainer(model, optimizer, loss, config, regularization=1e-4).fit(data)
    evaluator = RankingEvaluator(data)
    learnt = evaluator.evaluate(model.score_catalogue, held_out).metrics["auc"]
    popularity = evaluator.baselines(held_out)["popularity"].metrics["auc"]
    assert popularity < 0.6 and learnt > 0.85


@every_rating_loss
def test_a_loss_serves_ratings_that_are_all_alike(name):
    train = interactions([0, 0, 1, 1, 2], [0, 1, 0, 2, 1], [3, 3, 3, 3, 3])
    model = MatrixFactorization(3, 3, 2, link=losses.get(name).link)
    config = TrainingConfig(batch_size=3, epochs=2, jit_compile=False)
    Trainer(model, OptimizerConfig(learning_rate=0.01), name, config).fit(train)
    assert model.predict_interactions(train).tolist() == [3, 3, 3, 3, 3]


@pytest.mark.parametrize("name", sorted(LINKS))
def test_links_invert(name):
    link, ratings = LINKS[name], tf.constant([1.0, 1.5, 3.0, 4.75, 5.0])
    back = link.from_score(link.to_score(ratings, LOW, HIGH), LOW, HIGH)
    np.testing.assert_allclose(back, ratings, rtol=1e-5)


def test_links_by_hand():
    ratings = tf.constant([1.0, 2.0, 5.0])
    sigmoid, exp = LINKS["sigmoid"], LINKS["exp"]
    assert sigmoid.to_target(ratings, 1.0, 5.0).numpy().tolist() == [0, 0.25, 1]
    # 1/4 of the way is the logit log(1/3)
    assert float(sigmoid.to_score(ratings, 1.0, 5.0)[1]) == pytest.approx(-math.log(3))
    assert sigmoid.from_score(tf.constant([0.0]), 1.0, 4.0)[0] == 2.5
    assert float(exp.from_score(tf.constant(math.log(7)), 1.0, 5.0)) == pytest.approx(7)
    assert exp.to_target(ratings, 1.0, 5.0).numpy().tolist() == [1, 2, 5]
    identity = LINKS["identity"]
    for convert in (identity.from_score, identity.to_target, identity.to_score):
        assert convert(ratings, 1.0, 5.0).numpy().tolist() == [1, 2, 5]


@pytest.mark.parametrize("name", sorted(LINKS))
def test_links_stay_finite_where_the_range_is_a_point_or_holds_0(name):
    link = LINKS[name]
    for low, high in ((3.0, 3.0), (0.0, 5.0)):
        ends = tf.constant([low, high])
        assert np.isfinite(link.to_score(ends, low, high)).all()
        assert np.isfinite(link.to_target(ends, low, high)).all()


# ------------------------------------------------------------------ what may be a loss


def cubed(ratings, predictions, scale=1.0):
    return scale * tf.abs(ratings - predictions) ** 3


class Cubed:
    def __call__(self, ratings, predictions):
        return cubed(ratings, predictions)

    def tenfold(self, ratings, predictions):
        return cubed(ratings, predictions, 10.0)


class KerasCubed(tf.keras.losses.Loss):
    """Leaves the last axis to Keras; its config says nothing of its power."""

    def __init__(self, power=3.0, **keywords):
        super().__init__(**keywords)
        self.power = power

    def call(self, y_true, y_pred):
        return tf.abs(y_true - y_pred) ** self.power


# |r − ŷ| is 1, 5/2 and 0
GIVEN = [
    (cubed, "cubed", [1, 15.625, 0]),
    (lambda ratings, predictions: cubed(ratings, predictions), "lambda", [1, 15.625, 0]),
    (lambda y_true, y_pred: cubed(y_true, y_pred), "lambda", [1, 15.625, 0]),
    (functools.partial(cubed, scale=2.0), "cubed", [2, 31.25, 0]),
    (functools.partial(losses.huber, delta=2.0), "huber", [0.5, 3, 0]),
    (Cubed(), "cubed", [1, 15.625, 0]),
    (Cubed().tenfold, "tenfold", [10, 156.25, 0]),
    (tf.function(cubed), "cubed", [1, 15.625, 0]),
    (tf.keras.losses.MeanSquaredError(), "mean_squared_error", [1, 6.25, 0]),
    (tf.keras.losses.MeanAbsoluteError, "mean_absolute_error", [1, 2.5, 0]),
    (tf.keras.losses.Huber(delta=2.0), "huber", [0.5, 3, 0]),
    (tf.keras.losses.get("mse"), "mean_squared_error", [1, 6.25, 0]),
    (KerasCubed, "keras_cubed", [1, 15.625, 0]),
    (KerasCubed(2.0, reduction="sum"), "keras_cubed", [1, 6.25, 0]),
    ("mean_squared_error", "mean_squared_error", [1, 6.25, 0]),
    ("MeanSquaredError", "mean_squared_error", [1, 6.25, 0]),
    ("Mean_Absolute_Percentage_Error", "mean_absolute_percentage_error", [25, 250, 0]),
    ("log_cosh", "log_cosh", [math.log(math.cosh(1)), math.log(math.cosh(2.5)), 0]),
    ("keras.losses:MeanSquaredError", "mean_squared_error", [1, 6.25, 0]),
    ("MSE", "mse", [1, 6.25, 0]),
    ("Huber", "huber", [0.5, 2, 0]),
]


@pytest.mark.parametrize(
    "given, name, expected", GIVEN, ids=[f"{n}-{row[1]}" for n, row in enumerate(GIVEN)]
)
def test_whatever_maps_ratings_and_predictions_to_losses_is_a_loss(given, name, expected):
    loss = losses.get(given)
    assert loss.name == name and loss.predicts_ratings
    ratings, predictions = tf.constant([4.0, 1, 2]), tf.constant([3, 3.5, 2])
    compiled = tf.function(lambda r, p: loss(r, p, batch={}), jit_compile=True)
    for values in (loss(ratings, predictions, batch={}), compiled(ratings, predictions)):
        assert values.shape == (3,) and values.dtype == tf.float32
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


def test_any_of_them_trains():
    train = interactions([0, 1, 2, 0, 1], [0, 1, 2, 3, 0], [1, 2, 3, 4, 5])
    config = TrainingConfig(batch_size=3, epochs=1, jit_compile=False)

    def trained(loss):
        model = MatrixFactorization(3, 4, 2)
        history = Trainer(model, "adam", loss, config).fit(train)
        return [history.epochs[0].train["loss"], *model.user_embedding.numpy().ravel()]

    expected = trained("mse")
    for loss in (
        tf.keras.losses.MeanSquaredError(),
        lambda ratings, predictions: tf.square(ratings - predictions),
        "mean_squared_error",
    ):
        np.testing.assert_allclose(trained(loss), expected, rtol=1e-5)


def test_a_keras_loss_stays_as_it_was():
    given = tf.keras.losses.Huber(delta=2.0, reduction="sum")
    losses.get(given)(tf.constant([4.0]), tf.constant([3.0]), batch={})
    assert given.reduction == "sum"


def test_arguments_of_a_keras_class_are_parameters():
    loss = losses.get("binary_crossentropy", {"label_smoothing": 0.5, "from_logits": True})
    # σ(0) = 1/2 costs log 2 whatever the label
    values = loss(tf.constant([1.0, 0.0]), tf.constant([0.0, 0.0]), batch={})
    np.testing.assert_allclose(values, [math.log(2)] * 2, rtol=1e-6)
    with pytest.raises(InputError, match="loss 'log_cosh' has none, not 'delta'"):
        losses.get("log_cosh", {"delta": 1})


def test_a_loss_that_was_registered_keeps_its_link_in_a_partial(registry):
    @losses.rating("powered", link="exp")
    def powered(ratings, predictions, power=2.0):
        return tf.abs(ratings - predictions) ** power

    loss = losses.get(functools.partial(powered, power=3.0))
    assert (loss.name, loss.link, loss.parameters) == ("powered", "exp", {"power": 3.0})


@pytest.mark.parametrize("name", losses.KERAS_NAMES)
def test_every_keras_name_is_a_loss_per_example(name):
    loss = losses.get(name)
    ratings, predictions = tf.constant([0.0, 1.0, 1.0]), tf.constant([0.25, 0.75, 0.5])
    values = loss(ratings, predictions, batch={})
    alone = [loss(ratings[n : n + 1], predictions[n : n + 1], batch={})[0] for n in range(3)]
    assert values.shape == (3,) and len(set(values.numpy())) > 1
    np.testing.assert_allclose(values, alone, rtol=1e-6)


def test_settings_of_a_loss_make_it_again(tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(MY_LOSSES)
    for given in (
        "mse",
        losses.get("huber", {"delta": 2.5}),
        functools.partial(losses.bsl, temperature=0.2),
        f"{file}:weighted",
        losses.get(f"{file}:decorated"),
        "mean_squared_error",
        tf.keras.losses.MeanAbsoluteError,
    ):
        loss = losses.get(given)
        again = losses.configured(loss.settings())
        assert (again.name, again.link, again.parameters) == (loss.name, loss.link, loss.parameters)
    assert losses.get("huber", {"delta": 2.5}).settings() == LossConfig("huber", "delta=2.5")
    assert losses.get(f"{file}:weighted").settings().loss == f"{file}:weighted"


@pytest.mark.parametrize(
    "given",
    [
        lambda ratings, predictions: ratings - predictions,
        Cubed(),
        tf.keras.losses.Huber(delta=2.0),
        functools.partial(losses.huber, delta=np.float32(2)),
    ],
)
def test_a_loss_that_nothing_names_has_no_settings(given):
    with pytest.raises(InputError, match="no name that a run folder could hold|cannot hold delta"):
        losses.get(given).settings()


# ------------------------------------------------------------------ finding and registering


def test_unknown_loss_suggests_and_says_how_to_bring_one():
    with pytest.raises(InputError, match="unknown loss 'hubert'; did you mean huber") as error:
        losses.get("hubert")
    assert "FILE.py:function" in str(error.value)
    # Keras's are near as well, in any case
    for name in ("mean_squared_eror", "MeanSquared_Error2"):
        with pytest.raises(InputError, match="did you mean .*mean_squared_error"):
            losses.get(name)


def test_loss_arguments_must_be_parameters():
    assert losses.get("huber", {"delta": 2}).arguments == {"delta": 2}
    assert losses.get("huber").arguments == {}
    with pytest.raises(InputError, match="loss 'huber' has delta, not 'margin'"):
        losses.get("huber", {"margin": 2})
    with pytest.raises(InputError, match="loss 'mse' has none, not 'delta'"):
        losses.get("mse", {"delta": 2})


def test_a_function_is_a_rating_loss_and_a_registered_one_keeps_its_link():
    loss = losses.get(cubed)
    assert (loss.name, loss.link, loss.function) == ("cubed", "identity", cubed)
    assert losses.get(losses.logistic) == losses.REGISTRY["logistic"]
    assert losses.get(loss) is loss


def test_registering(registry):
    @losses.rating("tested", link="exp")
    def tested(ratings, predictions, scale=2.0):
        return scale * tf.abs(ratings - predictions)

    loss = losses.get("tested", {"scale": 3.0})
    assert (loss.name, loss.link) == ("tested", "exp")
    assert loss(tf.constant([1.0]), tf.constant([3.0]), batch={}).numpy().tolist() == [6]
    # a notebook's cell may run twice, but one name is one loss
    losses.rating("tested")(tested)
    with pytest.raises(ValueError, match="a loss named 'tested' already"):
        losses.rating("tested")(lambda ratings, predictions: ratings)
    with pytest.raises(ValueError, match="unknown link 'sigmoidal'; did you mean sigmoid"):
        losses.rating("other", link="sigmoidal")
    assert "other" not in registry


MY_LOSSES = """
import tensorflow as tf
from mfrec import config, losses

def weighted(ratings, predictions, power=2.0):
    return tf.abs(ratings - predictions) ** power

@losses.rating("decorated", link="sigmoid")
def decorated(ratings, predictions):
    return tf.square(ratings - tf.sigmoid(predictions))

number = 3
"""


def test_a_loss_from_a_file(tmp_path, registry):
    file = tmp_path / "my_losses.py"
    file.write_text(MY_LOSSES)
    loss = losses.get(f"{file}:weighted", {"power": 3})
    assert (loss.name, loss.link) == ("weighted", "identity")
    assert loss(tf.constant([1.0]), tf.constant([3.0]), batch={}).numpy().tolist() == [8]
    # decorated ones keep their link, and may be loaded more than once
    for _ in range(2):
        loss = losses.get(f"{file}:decorated")
        assert (loss.name, loss.link) == ("decorated", "sigmoid")


def test_a_loss_from_a_module(tmp_path, registry, monkeypatch):
    (tmp_path / "losses_of_mine.py").write_text(MY_LOSSES)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    try:
        assert losses.get("losses_of_mine:weighted").name == "weighted"
        with pytest.raises(InputError, match="no 'wieghted' there, only .*'weighted'"):
            losses.get("losses_of_mine:wieghted")
    finally:
        sys.modules.pop("losses_of_mine", None)
    assert sys.path == path


def test_a_loss_that_is_not_there(tmp_path, registry):
    file = tmp_path / "my_losses.py"
    with pytest.raises(InputError, match=f"no file {file}"):
        losses.get(f"{file}:weighted")
    file.write_text(MY_LOSSES)
    with pytest.raises(InputError, match="no 'focal' there, only .*'weighted'"):
        losses.get(f"{file}:focal")
    with pytest.raises(InputError, match="my_losses.py:number: 3 is no function"):
        losses.get(f"{file}:number")
    with pytest.raises(InputError, match="No module named 'no_such_module'"):
        losses.get("no_such_module:focal")


def test_a_loss_receives_what_it_names():
    seen = {}

    def curious(
        ratings, predictions, weights, user_counts, item_counts, num_users, num_items=0, power=2
    ):
        counts = tf.stack([ratings, weights, user_counts, item_counts])
        seen.update(counts=counts.numpy(), rows=(num_users, num_items), power=power)
        return tf.square(ratings - predictions)

    of_rankings = {"user_weights", "negative_counts"}
    assert set(losses.get(curious).batch_arguments) == set(losses.BATCH_ARGUMENTS) - of_rankings
    assert losses.get("mse").batch_arguments == ()
    # what comes from the batch is no parameter, with or without a default
    for name in ("weights", "num_items"):
        with pytest.raises(InputError, match=f"has power, not '{name}'"):
            losses.get(curious, {name: 1})

    train = interactions([0, 0, 0, 1, 1], [0, 1, 2, 0, 1], [1, 2, 3, 4, 5], num_users=4)
    rows = []
    loss = losses.get(curious, {"power": 3})
    config = TrainingConfig(batch_size=3, epochs=1, run_eagerly=True)
    Trainer(MatrixFactorization(4, 3, 2), "adam", loss, config).fit(
        train, on_loop=lambda _: rows.append(seen["counts"])
    )
    assert seen["rows"] == (4, 3) and seen["power"] == 3
    # the last of two steps: two examples, told by their ratings, and one padding
    (last,) = rows
    assert sorted(last[1]) == [0, 1, 1]
    of_rating = {1: (3, 2), 2: (3, 2), 3: (3, 1), 4: (2, 2), 5: (2, 2)}
    for rating, _, user_count, item_count in last.T:
        assert (user_count, item_count) == of_rating[rating]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("def f(ratings, predictions:\n    pass\n", r"mine\.py:1: SyntaxError"),
        ("import math\nmath.nothing\n", r"mine\.py:2: AttributeError"),
        ("def f(ratings):\n    return ratings\n", r"does not take \(ratings, predictions\)"),
    ],
)
def test_a_broken_loss_file_is_one_line_with_its_place(tmp_path, content, complaint):
    file = tmp_path / "mine.py"
    file.write_text(content)
    with pytest.raises(InputError, match=complaint):
        losses.get(f"{file}:f")


def test_a_word_where_a_loss_takes_a_number_is_refused():
    with pytest.raises(InputError, match="delta=abc of loss 'huber' is no number"):
        losses.get("huber", {"delta": "abc"})
