"""The training loop against an independent implementation in numpy, in double precision."""

import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import interactions, planted
from mfrec.config.settings import OptimizerConfig, TrainingConfig
from mfrec.data.features import Features
from mfrec.data.pipelines import EpochShape, training_loops
from mfrec.errors import InputError
from mfrec.evaluation.ratings import RatingEvaluator
from mfrec.losses import get as get_loss
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training import optimizers
from mfrec.training import trainer as training
from mfrec.training.history import NonFiniteLoss, PreviousTraining
from mfrec.training.statistics import statistics
from mfrec.training.trainer import Trainer

# Eight ratings of three users and five items, the last of which nobody has rated: ids repeat in
# every batch of three, and the third batch is two ratings and one padding. Three steps make two
# loops of two, so that the second loop has an empty step.
RATED = interactions([0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 3, 1, 0, 2], [5, 3, 4, 2, 1, 4, 5, 2])
TRAIN = dataclasses.replace(RATED, items=interactions([0], [4], [1]).items)
SHAPE = {"batch_size": 3, "steps_per_loop": 2}
TABLES = ("user_embedding", "item_embedding", "user_bias", "item_bias")
CHARGES = {"regularization": 0.06, "bias_regularization": 0.05}
CONSTANT = {"learning_rate_schedule": "constant"}


def new_model(**settings):
    return MatrixFactorization(3, 5, 2, init_stddev=1.0, **{"seed": 3} | settings)


def tables_of(model):
    return {name: getattr(model, name).numpy().astype(np.float64) for name in TABLES}


def train(
    optimizer=None, loss="mse", model=None, data=TRAIN, validation=None, fit=None, **settings
):
    """Trains on the eight ratings, uncompiled; returns model, history and trainer."""
    model = model or new_model()
    optimizer = optimizer or OptimizerConfig("adam", learning_rate=0.1)
    usual = {"epochs": 1, "jit_compile": False, "frequency_exponent": 0.5} | SHAPE | CHARGES
    trainer = Trainer(model, optimizer, loss, **usual | settings)
    history = trainer.fit(data, validation, **fit or {})
    return model, history, trainer


class Reference:
    """Biased matrix factorization on squared error by the formulas, example by example."""

    def __init__(self, model, data, frequency_exponent=0.5):
        self.tables, self.data = tables_of(model), data
        self.mean = data.ratings.astype(np.float64).mean()
        self.penalties = CHARGES.values()
        self.charges = []
        for ids in (data.user_ids, data.item_ids):
            counts = {i: ids.tolist().count(i) for i in ids.tolist()}
            raw = {i: n ** (frequency_exponent - 1) for i, n in counts.items()}
            mean = sum(raw[i] for i in ids.tolist()) / len(ids)
            self.charges.append({i: w / mean for i, w in raw.items()})
        self.optimizer_state = {name: [0.0, 0.0] for name in TABLES}
        self.steps = 0

    def gradients(self, positions):
        """Mean loss, mean R and their sum's gradients over these examples."""
        p, q, b, c = (self.tables[name] for name in TABLES)
        grads = {name: np.zeros_like(table) for name, table in self.tables.items()}
        g_p, g_q, g_b, g_c = grads.values()
        lam, lam_b = self.penalties
        loss = regularization = 0.0
        share = 1 / len(positions)
        for n in positions:
            u, i, r = self.data.user_ids[n], self.data.item_ids[n], float(self.data.ratings[n])
            w_u, w_i = self.charges[0][u], self.charges[1][i]
            error = self.mean + b[u] + c[i] + p[u] @ q[i] - r
            loss += share * error**2
            regularization += share * lam * (w_u * p[u] @ p[u] + w_i * q[i] @ q[i])
            regularization += share * lam_b * (w_u * b[u] ** 2 + w_i * c[i] ** 2)
            g_p[u] += share * (2 * error * q[i] + 2 * lam * w_u * p[u])
            g_q[i] += share * (2 * error * p[u] + 2 * lam * w_i * q[i])
            g_b[u] += share * (2 * error + 2 * lam_b * w_u * b[u])
            g_c[i] += share * (2 * error + 2 * lam_b * w_i * c[i])
        return loss, regularization, grads

    def step(self, grads, rate, optimizer="sgd"):
        self.steps += 1
        for name, g in grads.items():
            if optimizer == "adam":
                # β1 = 0.8, β2 = 0.95
                m, v = self.optimizer_state[name]
                m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
                self.optimizer_state[name] = [m, v]
                m_hat, v_hat = m / (1 - 0.8**self.steps), v / (1 - 0.95**self.steps)
                self.tables[name] = self.tables[name] - rate * m_hat / (np.sqrt(v_hat) + 1e-7)
            else:
                self.tables[name] = self.tables[name] - rate * g


def batches(epochs=1, seed=0, batch_size=3):
    """The positions of every real example, step by step, in the order of the pipeline."""
    shape = EpochShape.fit(len(TRAIN), batch_size, 2)
    for loop in training_loops(shape, epochs, seed):
        for positions in loop.positions.numpy()[: int(loop.num_steps)]:
            yield positions[positions < len(TRAIN)]


def assert_tables(model, expected, **tolerance):
    tolerance = {"rtol": 1e-5, "atol": 1e-6} | tolerance
    for name in TABLES:
        np.testing.assert_allclose(getattr(model, name), expected[name], err_msg=name, **tolerance)


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0])
def test_one_step_of_gradient_descent(exponent):
    model = new_model()
    reference = Reference(model, TRAIN, exponent)
    _, _, grads = reference.gradients(range(8))
    reference.step(grads, rate=0.1)
    optimizer = OptimizerConfig("sgd", learning_rate=0.1, **CONSTANT)
    train(optimizer, model=model, batch_size=8, frequency_exponent=exponent)
    assert model.global_bias.numpy() == 3.25
    assert_tables(model, reference.tables)


@pytest.mark.parametrize(
    "optimizer, args", [("sgd", ""), ("adam", "beta_1=0.8,beta_2=0.95,epsilon=1e-7")]
)
def test_steps_with_repeated_ids_and_a_padded_batch(optimizer, args):
    model = new_model()
    reference = Reference(model, TRAIN)
    sums = np.zeros(2)
    sizes = []
    for positions in batches(epochs=2):
        loss, regularization, grads = reference.gradients(positions)
        if len(sizes) >= 3:
            sums += np.multiply(len(positions), [loss, regularization])
        reference.step(grads, 0.1, optimizer)
        sizes.append(len(positions))
    assert sizes == [3, 3, 2] * 2
    settings = OptimizerConfig(optimizer, learning_rate=0.1, optimizer_args=args, **CONSTANT)
    _, history, trainer = train(settings, model=model, epochs=2)
    # an empty step would move Adam by its momentum and count as one
    assert_tables(model, reference.tables, rtol=1e-4, atol=1e-5)
    assert history.steps == int(trainer.optimizer.iterations) == 6
    # what is logged is the mean over the epoch's examples
    logged = history.epochs[1].train
    assert logged["loss"] == pytest.approx(sums[0] / 8, rel=1e-4)
    assert logged["regularization"] == pytest.approx(sums[1] / 8, rel=1e-4)


@pytest.mark.parametrize(
    "schedule, rates",
    [
        # three steps an epoch, decayed by a half each; half a cosine over six steps
        ("exponential", [0.1 * 0.5 ** (t / 3) for t in range(6)]),
        ("cosine", [0.1 * (1 + math.cos(math.pi * t / 6)) / 2 for t in range(6)]),
    ],
)
def test_the_loop_follows_the_schedule(schedule, rates):
    model = new_model()
    reference = Reference(model, TRAIN)
    for positions, rate in zip(batches(epochs=2), rates, strict=True):
        reference.step(reference.gradients(positions)[2], rate)
    optimizer = OptimizerConfig(
        "sgd", learning_rate=0.1, learning_rate_schedule=schedule, learning_rate_decay=0.5
    )
    _, history, _ = train(optimizer, model=model, epochs=2)
    assert_tables(model, reference.tables)
    # the learning rate at an epoch's end
    assert [log.train["learning_rate"] for log in history.epochs] == pytest.approx(
        [rates[3], 0.025 if schedule == "exponential" else 0]
    )


def test_gradients_are_scaled_down_to_the_clip_norm():
    model = new_model()
    reference = Reference(model, TRAIN)
    for positions in batches():
        grads = reference.gradients(positions)[2]
        norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
        assert norm > 0.5
        reference.step({name: 0.5 / norm * g for name, g in grads.items()}, 0.1)
    train(OptimizerConfig("sgd", learning_rate=0.1, clip_norm=0.5, **CONSTANT), model=model)
    assert_tables(model, reference.tables)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_the_gradient_norm_is_that_of_the_trained_weights_before_clipping(run_eagerly):
    # a batch of all eight examples, so that it matters little which were drawn
    optimizer = OptimizerConfig("sgd", learning_rate=0.1, clip_norm=0.5, **CONSTANT)
    way = {"epochs": 2, "batch_size": 8, "run_eagerly": run_eagerly}
    model, history, trainer = train(optimizer, fit={"gradient_norm": True}, **way)
    grads = Reference(model, TRAIN).gradients(range(8))[2]
    norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
    assert norm > 0.5
    assert history.epochs[-1].train["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert history.epochs[0].train["gradient_norm"] != pytest.approx(norm, rel=1e-2)
    assert history.gradient_seconds > 0
    if not run_eagerly:
        assert trainer._gradient_norm.experimental_get_tracing_count() == 1
    # measuring changes nothing
    unwatched, history, _ = train(optimizer, **way)
    assert_tables(model, tables_of(unwatched), rtol=0, atol=0)
    assert "gradient_norm" not in history.epochs[-1].train


def test_average_weights_is_the_moving_average_of_every_step():
    model = new_model()
    reference = Reference(model, TRAIN)
    averages, after_epochs, evaluated, latest = {}, [], [], []
    for number, positions in enumerate(batches(epochs=2), start=1):
        reference.step(reference.gradients(positions)[2], 0.1)
        for name, table in reference.tables.items():
            averages[name] = 0.8 * averages.get(name, table) + 0.2 * table
        if number % 3 == 0:
            after_epochs.append(dict(averages))
    optimizer = OptimizerConfig("sgd", learning_rate=0.1, average_weights=0.8, **CONSTANT)
    fit = {
        "on_epoch": lambda log: evaluated.append(tables_of(model)),
        "on_loop": lambda log: latest.append(tables_of(model)),
    }
    train(optimizer, model=model, epochs=2, fit=fit)
    # evaluated and kept are the averages, trained on are the latest weights
    for name in TABLES:
        expected = [(evaluated[0], after_epochs[0]), (latest[-1], reference.tables)]
        for found, table in expected:
            np.testing.assert_allclose(found[name], table[name], rtol=1e-5, atol=1e-6)
    assert_tables(model, after_epochs[1])
    assert np.abs(averages["user_bias"] - reference.tables["user_bias"]).max() > 0.01


def test_every_variable_moves_after_one_step():
    model = new_model()
    before = tables_of(model)
    train(model=model, batch_size=8)
    for name, table in tables_of(model).items():
        moved = (table != before[name]).reshape(len(table), -1).all(axis=1)
        # item 4 has no rating
        expected = [True] * 4 + [False] if name.startswith("item") else [True] * 3
        assert moved.tolist() == expected


def test_without_biases_they_stay_at_0():
    model = new_model(use_bias=False)
    train(model=model, epochs=2)
    assert not model.user_bias.numpy().any() and not model.item_bias.numpy().any()
    score = float(model((tf.constant([1]), tf.constant([2])))[0])
    p, q = model.user_embedding.numpy()[1], model.item_embedding.numpy()[2]
    assert score == pytest.approx(3.25 + p @ q, rel=1e-6)


# ------------------------------------------------------- compiled, traced, eager, repeatable


@pytest.fixture(scope="module")
def ways():
    """The same training in every way to run it; "again" repeats "compiled"."""
    ways = {"compiled": {"jit_compile": True}, "again": {"jit_compile": True}, "traced": {}}
    ways |= {"eager": {"run_eagerly": True}, "other": {"seed": 1}}
    return {name: train(epochs=3, **way) for name, way in ways.items()}


def test_compiled_equals_traced_equals_eager(ways):
    expected = tables_of(ways["eager"][0])
    for name in ("compiled", "traced"):
        assert_tables(ways[name][0], expected, rtol=1e-4, atol=1e-5)
        for log, eager in zip(ways[name][1].epochs, ways["eager"][1].epochs, strict=True):
            assert log.train["loss"] == pytest.approx(eager.train["loss"], rel=1e-4)
            assert log.step == eager.step


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(ways):
    for name, table in tables_of(ways["compiled"][0]).items():
        assert (table == tables_of(ways["again"][0])[name]).all()
        # the models start alike: only the order of the examples differs
        assert np.abs(table - tables_of(ways["other"][0])[name]).max() > 1e-3
    losses = [[log.train["loss"] for log in ways[n][1].epochs] for n in ("compiled", "again")]
    assert losses[0] == losses[1]


def test_the_loop_is_traced_and_compiled_once(ways):
    # its loops have two steps and one
    for name in ("compiled", "traced"):
        trainer = ways[name][2]
        assert trainer._compiled_loop.experimental_get_tracing_count() == 1
        assert trainer._step.experimental_get_tracing_count() == 1


def printing(ratings, predictions):
    tf.print("seen", tf.size(ratings), output_stream="file:///dev/null")
    return tf.square(ratings - predictions)


def in_python(ratings, predictions):
    squares = tf.py_function(lambda r, p: tf.square(r - p), [ratings, predictions], tf.float32)
    return tf.ensure_shape(squares, ratings.shape)


@pytest.mark.parametrize("loss", [printing, in_python])
def test_a_loss_that_xla_cannot_compile_is_told_and_works_without(loss):
    with pytest.raises(InputError, match=loss.__name__) as error:
        train(loss=loss, jit_compile=True)
    assert "--nojit_compile" in str(error.value) and "--run_eagerly" in str(error.value)
    # what XLA itself says, and where
    operation = {"printing": "PrintV2", "in_python": "EagerPyFunc"}[loss.__name__]
    assert f"unsupported operations: {operation}, made at trainer_test.py:" in str(error.value)
    assert "\n" not in str(error.value)
    expected = tables_of(train(epochs=1)[0])
    for way in ({"jit_compile": False}, {"run_eagerly": True}):
        assert_tables(train(loss=loss, **way)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_a_reduced_loss_is_refused(run_eagerly):
    def reduced(ratings, predictions):
        return tf.reduce_mean(tf.square(ratings - predictions))

    with pytest.raises(
        InputError, match=r"loss 'reduced' returned float32 \(\) for a batch of \(2,\)"
    ):
        train(loss=reduced, run_eagerly=run_eagerly)


# ----------------------------------------------------------------------- a step of one's own


class Measuring(Trainer):
    """Plain gradient descent by hand, and a scalar of its own to log."""

    def train_step(self, batch):
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            means = self.mean_losses(batch)
            objective = means["loss"] + means["regularization"]
        gradients = tape.gradient(objective, [v.value for v in variables])
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.assign_sub(0.1 * tf.convert_to_tensor(gradient))
        return means | {"rating": tf.reduce_sum(batch.weights * batch.ratings) / 3}


@pytest.mark.parametrize(
    "way", [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}]
)
def test_a_step_of_ones_own_trains_and_its_scalars_are_logged(way):
    model = new_model()
    reference = Reference(model, TRAIN)
    expected = 0.0
    for positions in batches():
        reference.step(reference.gradients(positions)[2], 0.1)
        # Σ ratings / 3, weighted by the examples of the step: three, three and two
        expected += len(positions) * TRAIN.ratings[positions].sum() / 3 / 8
    settings = {"epochs": 1, "jit_compile": False} | SHAPE | CHARGES | way
    history = Measuring(model, **settings).fit(TRAIN)
    assert_tables(model, reference.tables)
    assert history.epochs[0].train["rating"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize(
    "returned, message",
    [
        ({"rating": 1.0}, '"loss" among them'),
        (tf.constant(1.0), "a dict of the scalars"),
        ({"loss": tf.constant([1.0])}, r"'loss' has shape \(1,\)"),
    ],
)
def test_what_a_step_returns_is_checked(run_eagerly, returned, message):
    class Wrong(Trainer):
        def train_step(self, batch):
            return returned

    config = TrainingConfig(epochs=1, jit_compile=False, run_eagerly=run_eagerly)
    with pytest.raises(InputError, match=message):
        Wrong(new_model(), config=config).fit(TRAIN)


# ------------------------------------------------------------------ epochs, stopping, the best


def test_epochs_are_an_iterator_that_may_be_left():
    model, by_epoch = new_model(), []
    settings = {"epochs": 4, "jit_compile": False, "learning_rate": 0.1} | SHAPE | CHARGES
    trainer = Trainer(model, **settings)
    for log in trainer.epochs(TRAIN, evaluate=scripted([1.0, 0.8, 0.9])):
        by_epoch.append(tables_of(model))
        if log.epoch == 3:
            break
    # the best epoch's weights, as `fit` leaves them
    assert_tables(model, by_epoch[1], rtol=0, atol=0)
    assert (trainer.history.best_epoch, len(trainer.history.epochs)) == (2, 3)
    stopped, _, by_epoch_of_fit = fit_scripted([1.0, 0.8, 0.9, 1.0], epochs=4)
    assert_tables(stopped, by_epoch[1], rtol=0, atol=0)
    assert len(by_epoch_of_fit) == 4


def scripted(values):
    """An evaluate() that returns these RMSEs one after the other."""
    values = iter(values)
    return lambda: {"rmse": next(values)}


def fit_scripted(rmses, epochs, **loop):
    """Trains with scripted validation RMSEs; returns model, history and tables by epoch."""
    model, by_epoch = new_model(), []
    fit = {"evaluate": scripted(rmses), "on_epoch": lambda log: by_epoch.append(tables_of(model))}
    _, history, _ = train(model=model, epochs=epochs, fit=fit, **loop)
    return model, history, by_epoch


def test_early_stopping_keeps_the_best_weights():
    # 0.8 is the best; neither its equal nor NaN is better
    rmses = [1.0, 0.8, 0.8, float("nan"), 0.9, 0.1]
    model, history, by_epoch = fit_scripted(rmses, epochs=6, early_stopping_patience=3)
    assert len(history.epochs) == 5
    assert history.best_epoch == 2
    assert [log.is_best for log in history.epochs] == [True, True, False, False, False]
    assert_tables(model, by_epoch[1], rtol=0, atol=0)
    assert (by_epoch[1]["user_bias"] != by_epoch[4]["user_bias"]).all()
    assert history.seconds_to_best == history.epochs[1].seconds < history.train_seconds


def test_waiting_starts_anew_with_every_better_epoch():
    rmses = [1.0, 1.1, 0.9, 1.1, 0.8, 1.1, 1.1, 0.1]
    _, history, _ = fit_scripted(rmses, epochs=8, early_stopping_patience=2)
    assert (len(history.epochs), history.best_epoch) == (7, 5)


def test_patience_0_never_stops():
    model, history, by_epoch = fit_scripted([1, 2, 3, 4], epochs=4, early_stopping_patience=0)
    assert (len(history.epochs), history.best_epoch) == (4, 1)
    assert_tables(model, by_epoch[0], rtol=0, atol=0)


def test_eval_every_skips_epochs_but_never_the_last():
    model, history, by_epoch = fit_scripted([3, 1, 2], epochs=5, eval_every=2)
    measured = [log.validation.get("rmse") for log in history.epochs]
    assert measured == [None, 3, None, 1, 2]
    assert [log.is_best for log in history.epochs] == [False, True, False, True, False]
    assert history.best_epoch == 4
    assert_tables(model, by_epoch[3], rtol=0, atol=0)


def test_without_validation_the_last_epoch_stands():
    model, by_epoch = new_model(), []
    fit = {"on_epoch": lambda log: by_epoch.append(tables_of(model))}
    _, history, _ = train(model=model, epochs=3, fit=fit)
    assert history.best_epoch == 3 and all(log.is_best for log in history.epochs)
    assert_tables(model, by_epoch[2], rtol=0, atol=0)
    assert history.seconds_to_best == history.train_seconds


def test_validation_is_measured_but_never_trained_on():
    validation = interactions([0, 1, -1], [3, 2, 0], [1, 5, 2])
    logs, by_epoch = [], []
    for part in (None, validation):
        model = new_model()

        def on_epoch(log, model=model):
            logs.append(log)
            by_epoch.append(tables_of(model))

        train(model=model, validation=part, epochs=2, fit={"on_epoch": on_epoch})
    for name in TABLES:
        assert (by_epoch[1][name] == by_epoch[3][name]).all()
    # its errors are those of the epoch's model: unknown users fall back to μ + b_i
    p, q, b, c = (by_epoch[2][name] for name in TABLES)
    scores = [
        3.25 + b[0] + c[3] + p[0] @ q[3],
        3.25 + b[1] + c[2] + p[1] @ q[2],
        3.25 + c[0],
    ]
    errors = np.clip(scores, 1, 5) - [1, 5, 2]
    assert logs[0].validation == {}
    assert logs[2].validation["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert logs[2].validation["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_stop_after_ends_early_on_the_same_schedule():
    optimizer = OptimizerConfig("sgd", learning_rate=0.1, learning_rate_schedule="cosine")
    by_epoch = []
    model = new_model()
    fit = {"on_epoch": lambda log: by_epoch.append(tables_of(model))}
    train(optimizer, model=model, epochs=4, fit=fit)
    stopped, history, _ = train(optimizer, epochs=4, fit={"stop_after": 2})
    assert len(history.epochs) == history.best_epoch == 2
    assert history.epochs[-1].epochs == 2
    assert_tables(stopped, by_epoch[1], rtol=0, atol=0)
    assert history.epochs[-1].train["learning_rate"] == pytest.approx(0.05)


def test_epochs_of_fit_come_before_those_of_the_config():
    assert len(train(epochs=1, fit={"epochs": 3})[1].epochs) == 3
    assert len(train(epochs=2)[1].epochs) == 2


def test_logs_and_history_count_loops_steps_and_seconds():
    loops = []
    _, history, _ = train(epochs=2, fit={"on_loop": loops.append})
    assert [(log.epoch, log.loops_done, log.loops_in_all) for log in loops] == [
        *((1, 1, 4), (1, 2, 4), (2, 3, 4), (2, 4, 4))
    ]
    assert [(log.epoch, log.epochs, log.step) for log in history.epochs] == [(1, 2, 3), (2, 2, 6)]
    assert loops[1].loss == history.epochs[0].train["loss"]
    assert loops[3].loss == history.epochs[1].train["loss"]
    # an epoch's loss starts anew; the first loop holds six of eight examples
    assert loops[2].loss != pytest.approx(loops[1].loss)
    assert history.examples_per_second == pytest.approx(16 / history.train_seconds)
    assert history.epochs[-1].seconds == history.train_seconds > history.epochs[0].seconds > 0
    assert history.steps == 6


def test_seconds_and_speed_by_a_clock_that_ticks_when_read(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    loops = []
    fit = {"on_loop": loops.append, "evaluate": scripted([1.0, 2.0])}
    _, history, _ = train(epochs=2, fit=fit)
    # every loop takes a second; loops hold six and two examples
    assert [log.examples_per_second for log in loops] == [6, 8 / 2, 14 / 3, 16 / 4]
    assert [log.seconds for log in history.epochs] == [2, 4]
    assert (history.compile_seconds, history.train_seconds) == (1, 4)
    assert (history.evaluation_seconds, history.seconds_to_best) == (2, 2)
    assert history.examples_per_second == 4


def test_a_loss_that_is_not_finite_names_epoch_and_loop_and_leaves_the_best_weights():
    model, by_epoch = new_model(), []

    def on_epoch(log):
        by_epoch.append(tables_of(model))
        if log.epoch == 2:
            model.user_bias.assign([np.inf, np.inf, np.inf])

    with pytest.raises(NonFiniteLoss, match="in epoch 3, loop 1 of 2; lower --learning_rate"):
        train(model=model, epochs=4, fit={"on_epoch": on_epoch})
    assert len(by_epoch) == 2
    assert_tables(model, by_epoch[1], rtol=0, atol=0)


def test_a_loss_that_is_not_finite_in_the_middle_of_an_epoch_names_the_loop():
    model = new_model()

    def on_loop(log):
        if log.loops_done == 3:
            model.user_bias.assign([np.nan, np.nan, np.nan])

    with pytest.raises(NonFiniteLoss, match="in epoch 2, loop 2 of 2"):
        train(model=model, epochs=4, fit={"on_loop": on_loop})
    assert_tables(model, tables_of(train(epochs=4, fit={"stop_after": 1})[0]), rtol=0, atol=0)


def test_weights_that_are_not_finite_are_never_the_best():
    model, kept = new_model(), []

    def evaluate():
        if kept:
            model.item_bias.assign(np.full(5, np.nan))
        kept.append(tables_of(model))
        return {"rmse": 1.0 / len(kept)}

    with pytest.raises(NonFiniteLoss, match="weights became NaN or infinite at the end of epoch 2"):
        train(model=model, epochs=3, fit={"evaluate": evaluate})
    assert_tables(model, kept[0], rtol=0, atol=0)


# ------------------------------------------------------------- settings that follow from data


@pytest.mark.parametrize(
    "loss, ratings, gradient, spread",
    [
        # gradients 2(2 − r) = ±2, curvature 2
        ("mse", [1, 3], 2, 1),
        # gradients ±1/2, curvature 1
        ("huber", [1.5, 2.5], 0.5, 0.5),
        # gradients 1/2 − y = ±1/2, curvature 1/4
        ("logistic", [1, 5], 0.5, 2),
        # gradients 2 − r = ±1, curvature 2
        ("poisson", [1, 3], 1, 0.5),
        # gradients ±1 without curvature: as far as the ratings
        ("mae", [1, 5], 1, 2),
        # nothing to tell from
        ("mse", [3, 3], 1, 1),
    ],
)
def test_statistics_by_hand(loss, ratings, gradient, spread):
    data = interactions([0, 0], [0, 1], ratings, num_users=1)
    found = statistics(data, get_loss(loss))
    assert (found.num_ratings, found.num_users, found.num_items) == (2, 1, 2)
    assert found.row_ratings == pytest.approx(math.sqrt(2))
    assert (found.gradient, found.spread) == pytest.approx((gradient, spread), rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_noise_compares_variances_within_and_between_rows(loss):
    # users: ratings (1, 3) and (5, 7), 2 within; means 2 and 6 vary by 4, of which 2/2 is noise:
    # 2 / (4 − 1). Items: (1, 5) and (3, 7), 8 within; means 3 and 5 vary by less than the noise
    # in them would: 10 at most. Errors of huber with so wide a δ are those of mse, halved.
    data = interactions([0, 0, 1, 1], [0, 1, 0, 1], [1, 3, 5, 7])
    loss = get_loss(loss, {"delta": 9.0} if loss == "huber" else None)
    assert statistics(data, loss).noise == pytest.approx(math.sqrt(2 / 3 * 10), rel=1e-6)


def test_a_loss_without_gradient_at_the_mean_is_told():
    root = get_loss(lambda ratings, predictions: tf.abs(ratings - predictions) ** 0.5)
    with pytest.raises(InputError, match="has no finite gradient where every prediction is the"):
        statistics(interactions([0, 0, 0], [0, 1, 2], [1, 2, 3]), root)


def test_settings_that_nobody_gave_follow_from_the_ratings_of_every_fit():
    trainer = Trainer(loss="mse", embedding_dim=2, epochs=1, jit_compile=False)
    given = trainer.config
    trainer.fit(TRAIN)
    first = trainer.resolved
    trainer.fit(planted(20, 15, 200))
    second = trainer.resolved
    for section, setting in (
        ("regularizer", "regularization"),
        ("regularizer", "bias_regularization"),
        ("optimizer", "learning_rate"),
        ("model", "init_stddev"),
    ):
        values = [getattr(getattr(of, section), setting) for of in (given, first, second)]
        assert values[0] is None and 0 < values[1] != values[2] > 0
    assert trainer.config == given
    assert trainer.model.num_users == 20
    trainer = train(regularization=0.5, bias_regularization=0.0)[2]
    charges = trainer.resolved.regularizer
    assert (charges.regularization, charges.bias_regularization) == (0.5, 0.0)


# --------------------------------------------------------------------------- does it learn?


def test_a_planted_low_rank_matrix_is_recovered():
    data = planted(200, 150, 12_000, rank=3, noise=0.3)
    test, validation = data.take(slice(1_000)), data.take(slice(1_000, 2_000))
    rest = data.take(slice(2_000, None))
    model = MatrixFactorization(200, 150, 3)
    optimizer = OptimizerConfig(
        learning_rate=0.03, learning_rate_schedule="cosine", optimizer_args="epsilon=1e-7"
    )
    charges = {"regularization": 0.003, "bias_regularization": 0.003}
    trainer = Trainer(model, optimizer, "mse", batch_size=256, **charges)
    history = trainer.fit(rest, validation, 40)
    evaluator = RatingEvaluator(rest)
    rmse = evaluator.evaluate(model, test)["rmse"]
    # the noise of 0.3 is the least that any model can do; the biases miss the products' 1
    assert 0.28 < rmse < 0.36
    assert evaluator.baselines(test)["biases"]["rmse"] > 2.5 * rmse
    assert history.epochs[-1].train["loss"] < 0.1 * history.epochs[0].train["loss"]


# ------------------------------------------------------------------ features of users and items


def test_features_learn_what_their_rows_share_and_tell_new_rows_apart():
    """Items 0 and 1 are new: 1 is of the sort that everybody likes, 0 of the other."""
    random = np.random.default_rng(0)
    users, items = np.divmod(random.permutation(40 * 30)[:600], 30)
    ratings = 3 + 2 * (items % 2) + random.normal(0, 0.3, 600)
    items = items + 2
    train = interactions(users, items, ratings, 40, 32)
    features = Features(
        ("odd", "even"),
        1 - (np.arange(32) % 2)[:, None].astype(np.int32),
        np.ones((32, 1), np.float32),
    )
    model = MatrixFactorization(40, 32, 4, item_features=features)
    Trainer(model, config=TrainingConfig(batch_size=60, jit_compile=False)).fit(train, epochs=20)
    odd, even = model.predict_ratings([0, 0], [1, 0]).numpy()
    # their means, 5 and 3, shrunk towards that of all
    assert 4.3 < odd < 5 and 3 < even < 3.7
    fixed = model.item_vectors().numpy()[:2, :4]
    np.testing.assert_allclose(fixed, model.item_feature_embedding.numpy()[[1, 0]], rtol=1e-6)


def test_new_items_are_their_features_alone_for_losses_of_rankings_too():
    features = Features(("odd",), np.zeros((3, 1), np.int32), np.ones((3, 1), np.float32))
    train = interactions([0, 0, 1], [0, 1, 0], [1, 1, 1], 2, 3)
    model = MatrixFactorization(2, 3, 4, item_features=features)
    Trainer(model, loss="bpr", config=TrainingConfig(jit_compile=False)).fit(train, epochs=1)
    new, of_feature = model.item_vectors().numpy()[2, :4], model.item_feature_embedding.numpy()[0]
    np.testing.assert_allclose(new, of_feature, rtol=1e-6)


@pytest.mark.parametrize(("loss", "mean"), [("mse", 3.0), ("bpr", 0.0)])
def test_scores_hold_the_mean_rating_only_where_ratings_are_predicted(loss, mean):
    train = interactions([0, 0, 1], [0, 1, 2], [1, 3, 5])
    model = MatrixFactorization(2, 3, 2)
    Trainer(model, loss=loss, config=TrainingConfig(jit_compile=False)).fit(train, epochs=1)
    assert model.global_bias.numpy() == mean


# ------------------------------------------------------------------ going on from a training


def built(model, **settings):
    """An optimizer of a model, as `fit` would build it, after two steps of known gradients."""
    config = OptimizerConfig(learning_rate=0.01, **settings)
    optimizer = optimizers.build(config, 1, 1)
    optimizer.build(model.trainable_variables)
    for gradient in (1.0, 3.0):
        gradients = [gradient * tf.ones_like(table) for table in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
    return optimizer


def test_old_rows_keep_values_and_memory_and_new_ones_start_as_always():
    earlier = MatrixFactorization(2, 3, 2, seed=1)
    memory = built(earlier)
    model, fresh = MatrixFactorization(3, 5, 2, seed=0), MatrixFactorization(3, 5, 2, seed=0)
    trainer = Trainer(
        model,
        OptimizerConfig(learning_rate=1e-12),
        config=TrainingConfig(batch_size=2, epochs=1, run_eagerly=True),
        previous=PreviousTraining(earlier, memory),
    )
    train = interactions([0, 2], [1, 4], [2, 5])
    trainer.fit(train)
    for name in TABLES:
        table, old, new = (getattr(of, name).numpy() for of in (model, earlier, fresh))
        np.testing.assert_allclose(table[: len(old)], old, atol=1e-9)
        np.testing.assert_allclose(table[len(old) :], new[len(old) :], atol=1e-9)
    assert model.global_bias.numpy() == 3.5 and model.rating_range.numpy().tolist() == [2, 5]
    # m = 0.9·(0.1·1) + 0.1·3 and v = 0.999·(0.001·1) + 0.001·9 after two steps, and then the
    # third (β2 = 0.99) has a gradient for the rows in training alone; new rows start from 0
    slots = {variable.name: variable.numpy() for variable in trainer.optimizer.variables}
    assert slots["iteration"] == 3
    m = slots["matrix_factorization_item_bias_momentum"]
    v = slots["matrix_factorization_item_bias_velocity"]
    assert m[0] == pytest.approx(0.9 * 0.39, rel=1e-6)
    assert v[0] == pytest.approx(0.99 * 0.009999, rel=1e-5)
    assert m[3] == 0 and v[3] == 0 and m[4] != 0


def test_schedules_begin_anew():
    earlier = MatrixFactorization(3, 5, 2)
    trainer = Trainer(
        MatrixFactorization(3, 5, 2),
        OptimizerConfig(learning_rate=0.5),
        config=TrainingConfig(batch_size=2, epochs=4, run_eagerly=True),
        previous=PreviousTraining(earlier, built(earlier)),
    )
    history = trainer.fit(interactions([0, 2], [1, 4], [2, 5]))
    rates = [log.train["learning_rate"] for log in history.epochs]
    assert rates == pytest.approx([0.25 * (1 + math.cos(math.pi * t / 4)) for t in (1, 2, 3, 4)])
    assert history.steps == 6
