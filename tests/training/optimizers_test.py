"""Learning rate schedules, and optimizers by name with their arguments."""

import math

import keras
import numpy as np
import pytest

from helpers import interactions
from mfrec.config.settings import OptimizerConfig
from mfrec.data.pipelines import training_examples
from mfrec.errors import InputError
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training import optimizers
from mfrec.training.statistics import optimizer_choice
from mfrec.training.trainer import Trainer


def rates(at_steps, **settings):
    """The learning rate at these steps, of ten steps an epoch and four epochs."""
    config = OptimizerConfig(learning_rate=0.2, **settings)
    optimizer = optimizers.build(config, steps_per_epoch=10, epochs=4)
    values = []
    for step in at_steps:
        optimizer.iterations.assign(step)
        values.append(float(optimizer.learning_rate))
    return values


def test_constant_schedule():
    assert rates([0, 7, 40], learning_rate_schedule="constant") == pytest.approx([0.2] * 3)


def test_exponential_schedule_decays_by_the_factor_an_epoch():
    found = rates([0, 5, 10, 30], learning_rate_schedule="exponential", learning_rate_decay=0.25)
    assert found == pytest.approx([0.2, 0.1, 0.05, 0.2 / 64])


def test_cosine_schedule_ends_at_0_with_the_last_epoch():
    found = rates([0, 10, 20, 40], learning_rate_schedule="cosine")
    assert found == pytest.approx([0.2, 0.1 * (1 + math.sqrt(0.5)), 0.1, 0], abs=1e-7)


def every_keras_optimizer():
    classes = vars(tf.keras.optimizers).values()
    kinds = [kind for kind in classes if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, tf.keras.optimizers.Optimizer)]
    # wrappers of optimizers, and the class that all have in common
    return {kind.__name__ for kind in kinds} - {
        "LossScaleOptimizer",
        "MultiOptimizer",
        "Optimizer",
        "ScheduleFreeAdamW",
    }


def test_every_keras_optimizer_has_a_name():
    assert every_keras_optimizer() == set(optimizers.CLASSES)


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_every_name_builds_an_optimizer_that_steps(name):
    if name == "muon" and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 13):
        pytest.skip("Keras's Muon takes no TensorFlow variables before Keras 3.13")
    config = OptimizerConfig(name, learning_rate=0.5, clip_norm=2.0)
    optimizer = optimizers.build(config, 10, 4)
    assert type(optimizer).__name__.lower() == name.replace("_", "")
    assert optimizer.global_clipnorm == 2.0
    assert not optimizer.use_ema
    variables = [tf.keras.Variable(np.ones(shape, np.float32)) for shape in ((4, 3), (4,))]
    optimizer.build(variables)

    @tf.function(jit_compile=True)
    def step():
        # down the slope of Σ x²
        optimizer.apply([2 * variable.value for variable in variables], variables)

    step()
    assert optimizer.iterations.numpy() == 1
    for variable in variables:
        assert (variable.numpy() < 1).all() and np.isfinite(variable.numpy()).all()


def test_names_in_any_case():
    for name in ("Adam", "ADAM", "adam"):
        optimizer = optimizers.build(OptimizerConfig(name, learning_rate=0.5), 1, 1)
        assert type(optimizer) is tf.keras.optimizers.Adam
    assert type(optimizers.build(OptimizerConfig("RMSprop", learning_rate=0.5), 1, 1)) is (
        tf.keras.optimizers.RMSprop
    )


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="=adamm: unknown; did you mean adam") as error:
        optimizers.build(OptimizerConfig("adamm", learning_rate=0.1), 1, 1)
    assert "FILE.py:Class" in str(error.value)


MY_OPTIMIZERS = """
import keras

class Slow(keras.optimizers.SGD):
    def __init__(self, learning_rate, slowness=2.0, **keywords):
        super().__init__(learning_rate, **keywords)
        self.slowness = slowness

def halved(learning_rate, **keywords):
    return keras.optimizers.SGD(learning_rate / 2, **keywords)

ready = keras.optimizers.Adam(0.125, beta_1=0.5)
number = 3

def nothing(learning_rate):
    return None
"""


def test_an_optimizer_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MY_OPTIMIZERS)

    def build(name, **settings):
        return optimizers.build(
            OptimizerConfig(
                f"{file}:{name}", learning_rate=0.5, learning_rate_schedule="constant", **settings
            ),
            *(1, 1),
        )

    slow = build("Slow", optimizer_args="slowness=3", clip_norm=1.5)
    assert type(slow).__name__ == "Slow"
    assert (slow.slowness, float(slow.learning_rate), slow.global_clipnorm) == (3, 0.5, 1.5)
    assert float(build("halved").learning_rate) == 0.25
    # an object has its own settings
    assert (float(build("ready").learning_rate), build("ready").beta_1) == (0.125, 0.5)
    for name in ("number", "nothing"):
        with pytest.raises(InputError, match=f"mine.py:{name}"):
            build(name)
    with pytest.raises(InputError, match="no 'Slower' there, only .*'Slow'"):
        build("Slower")


def test_an_object_is_made_anew_and_stays_as_it_was():
    given = tf.keras.optimizers.Adam(0.25, beta_1=0.5, global_clipnorm=3.0)
    first, second = (optimizers.build(OptimizerConfig(), 1, 1, own=given) for _ in range(2))
    assert len({id(given), id(first), id(second)}) == 3
    assert (float(first.learning_rate), first.beta_1, first.global_clipnorm) == (0.25, 0.5, 3.0)
    variable = tf.keras.Variable([1.0])
    first.build([variable])
    first.apply([np.float32([1])], [variable])
    assert int(first.iterations) == 1
    assert int(given.iterations) == int(second.iterations) == 0 and not given.built


def test_an_object_keeps_its_schedule():
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.25)
    made = optimizers.build(OptimizerConfig(), 1, 1, own=tf.keras.optimizers.SGD(schedule))
    made.iterations.assign(20)
    assert float(made.learning_rate) == 0.5 / 16


def test_a_class_takes_the_settings():
    config = OptimizerConfig(learning_rate=0.5, learning_rate_schedule="constant")
    made = optimizers.build(config, 1, 1, own=tf.keras.optimizers.Lion)
    assert type(made) is tf.keras.optimizers.Lion and float(made.learning_rate) == 0.5


def config_of(optimizer):
    """All but the name, which Keras numbers."""
    return {name: value for name, value in optimizer.get_config().items() if name != "name"}


def test_settings_of_an_object_make_it_again():
    given = tf.keras.optimizers.SGD(
        0.25, momentum=0.5, nesterov=True, global_clipnorm=3.0, use_ema=True, ema_momentum=0.75
    )
    settings = optimizers.settings_of(given)
    assert settings == OptimizerConfig(
        "sgd",
        optimizer_args="momentum=0.5,nesterov=true",
        learning_rate=0.25,
        learning_rate_schedule="constant",
        clip_norm=3.0,
        average_weights=0.75,
    )
    made = optimizers.build(settings, 1, 1)
    assert config_of(made) == config_of(given)
    assert optimizers.settings_of(tf.keras.optimizers.Adagrad) == OptimizerConfig("adagrad")
    for name in optimizers.CLASSES:
        given = getattr(tf.keras.optimizers, name)(0.25)
        made = optimizers.build(optimizers.settings_of(given), 1, 1)
        assert config_of(made) == config_of(given)


def test_what_a_run_folder_cannot_keep_is_one_line():
    class Own(tf.keras.optimizers.SGD):
        pass

    with pytest.raises(InputError, match="optimizer Own has no name that a run folder could hold"):
        optimizers.settings_of(Own(0.1))
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.25)
    with pytest.raises(InputError, match="a run folder cannot hold its learning-rate schedule"):
        optimizers.settings_of(tf.keras.optimizers.SGD(schedule))


def test_own_arguments_reach_the_optimizer_or_are_refused():
    config = OptimizerConfig(optimizer_args="beta_1=0.5,epsilon=0.25", learning_rate=0.1)
    optimizer = optimizers.build(config, 1, 1)
    assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 0.25)
    with pytest.raises(InputError, match="--optimizer_args for sgd: .*beta_1"):
        optimizers.build(
            OptimizerConfig("sgd", optimizer_args="beta_1=0.5", learning_rate=0.1), 1, 1
        )


def test_arguments_of_the_optimizer_are_numbers():
    for text in ("epsilon=tiny", "epsilon=1e-7,beta_1=x"):
        config = OptimizerConfig(optimizer_args=text, learning_rate=0.1)
        with pytest.raises(InputError, match="--optimizer_args: .*is no number"):
            optimizers.build(config, 1, 1)


@pytest.mark.parametrize(
    "settings, remembered",
    [
        ({"optimizer": "adam"}, 2),
        ({"optimizer": "nadam"}, 2),
        ({"optimizer": "adam", "optimizer_args": "amsgrad=true"}, 3),
        ({"optimizer": "adagrad"}, 1),
        ({"optimizer": "sgd"}, 0),
        ({"optimizer": "sgd", "optimizer_args": "momentum=0.9"}, 1),
        ({"optimizer": "sgd", "average_weights": 0.9}, 1),
    ],
)
def test_held_are_table_gradient_best_values_and_what_is_remembered(settings, remembered):
    held = optimizers.held(OptimizerConfig(learning_rate=0.1, **settings))
    assert held == (3 + remembered, 0)


@pytest.mark.parametrize(
    "settings, remembered, of_rows",
    [
        # when a row was seen, and where in the batch it is
        ({"optimizer": "sparse_adam"}, 2, 2),
        ({"optimizer": "sparse_adam", "average_weights": 0.9}, 3, 2),
        ({"optimizer": "sparse_adagrad"}, 1, 1),
        # an accumulator a row
        ({"optimizer": "rowwise_adagrad"}, 0, 2),
        ({"optimizer": "sparse_sgd"}, 0, 1),
    ],
)
def test_optimizers_by_rows_hold_no_gradient(settings, remembered, of_rows):
    held = optimizers.held(OptimizerConfig(learning_rate=0.1, **settings))
    assert held == (2 + remembered, of_rows)


def test_averaged_weights_are_there_within_and_gone_after():
    model = MatrixFactorization(2, 2, 1)
    config = OptimizerConfig(
        "sgd", learning_rate=1.0, learning_rate_schedule="constant", average_weights=0.75
    )
    optimizer = optimizers.build(config, 1, 1)
    optimizer.build(model.trainable_variables)
    for gradient in (1.0, -3.0):
        optimizer.apply([np.full(v.shape, gradient, np.float32) for v in model.trainable_variables])
    # a bias goes from 0 to −1 to 2; its average from −1 to −3/4 + 2/4
    with pytest.raises(KeyError), optimizers.averaged_weights(model, optimizer):
        assert model.user_bias.numpy().tolist() == [-0.25, -0.25]
        raise KeyError
    assert model.user_bias.numpy().tolist() == [2, 2]


def test_without_averaging_the_weights_stay():
    model = MatrixFactorization(2, 2, 1)
    optimizer = optimizers.build(OptimizerConfig(learning_rate=1.0), 1, 1)
    optimizer.build(model.trainable_variables)
    before = model.user_embedding.numpy()
    with optimizers.averaged_weights(model, optimizer):
        model.user_bias.assign([1, 2])
        assert (model.user_embedding.numpy() == before).all()
    # what changes within is not undone, for there was nothing to swap
    assert model.user_bias.numpy().tolist() == [1, 2]


def trained(optimizer, **settings):
    """A model after two epochs, and its trainer."""
    train = interactions([0, 1, 2, 0, 1], [0, 1, 2, 3, 0], [1, 2, 3, 4, 5])
    trainer = Trainer(
        MatrixFactorization(3, 4, 2), optimizer, "mse", batch_size=2, jit_compile=False, **settings
    )
    trainer.fit(train, epochs=2)
    return trainer.model.user_embedding.numpy(), trainer


def test_a_trainer_takes_names_objects_and_classes():
    constant = {"learning_rate": 0.25, "learning_rate_schedule": "constant"}
    sgd = tf.keras.optimizers.SGD
    expected, _ = trained("sgd", optimizer_args="momentum=0.5", **constant)
    given = sgd(0.25, momentum=0.5)
    found, trainer = trained(given)
    np.testing.assert_array_equal(found, expected)
    assert not given.built and trainer.config.optimizer.optimizer_args == "momentum=0.5"

    class Own(sgd):
        pass

    # one that no setting can name, and a schedule
    for own in (Own(0.25, momentum=0.5), sgd(lambda: 0.25, momentum=0.5)):
        np.testing.assert_array_equal(trained(own)[0], expected)
    expected, _ = trained("SGD", **constant)
    for own in (sgd, Own):
        np.testing.assert_array_equal(trained(own, **constant)[0], expected)
    for wrong in (3, sgd.build, dict):
        with pytest.raises(InputError, match="is neither a name nor a Keras optimizer"):
            trained(wrong)
    with pytest.raises(InputError, match="did you mean sgd"):
        trained("sgdd")


def test_a_second_fit_starts_the_optimizer_anew():
    train = interactions([0, 1, 2, 0, 1], [0, 1, 2, 3, 0], [1, 2, 3, 4, 5])
    given = tf.keras.optimizers.Adam(0.1)
    trainer = Trainer(None, given, "mse", batch_size=2, embedding_dim=2, jit_compile=False)
    losses_of = [
        [log.train["loss"] for log in trainer.fit(train, epochs=2).epochs] for _ in range(2)
    ]
    assert losses_of[0] == losses_of[1] and int(given.iterations) == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "mse", "regularization": 0.1, "bias_regularization": 0.05},
        {"loss": "mse", "regularization": 0.1, "clip_norm": 0.01, "average_weights": 0.8},
        {"loss": "bpr", "regularization": 0.1},
        {"loss": "sampled_softmax", "positives_per_row": 2, "num_negatives": 3},
        # reads the item table whole
        {"loss": "softmax", "regularization": 0.1},
    ],
    ids=["ratings", "clipped and averaged", "ranking", "rows of positives", "catalogue"],
)
def test_a_training_by_rows_equals_the_dense_one(settings):
    """Adagrad's steps by rows are those of dense gradients: so are trainings, R included."""
    random = np.random.default_rng(0)
    train = interactions(
        random.integers(0, 40, 60), random.integers(0, 50, 60), random.integers(1, 6, 60)
    )

    def tables(optimizer):
        trainer = Trainer(
            None, optimizer, batch_size=8, embedding_dim=3, jit_compile=False, **settings
        )
        history = trainer.fit(train, epochs=2)
        return [variable.numpy() for variable in trainer.model.trainable_variables], history

    found, history = tables("sparse_adagrad")
    expected, dense = tables("adagrad")
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-4, atol=1e-6)
    assert history.epochs[-1].train["loss"] == pytest.approx(dense.epochs[-1].train["loss"])


def test_gradients_by_rows_stay_short():
    table = tf.keras.Variable(np.ones((10, 2), np.float32))
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(tf.gather(table.value, tf.constant([3, 3, 4])))
    (found,) = optimizers.gradients(tape, objective, [table], by_rows=True)
    assert found.indices.numpy().tolist() == [3, 3, 4]
    # as many ids as rows: dense costs no more
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(tf.gather(table.value, tf.range(10)))
    (found,) = optimizers.gradients(tape, objective, [table], by_rows=True)
    assert found.shape == (10, 2)


def test_settings_name_optimizers_by_rows():
    from mfrec.optimizers import RowwiseAdagrad, SparseAdam

    settings = optimizers.settings_of(SparseAdam(0.25, beta_1=0.5, epsilon=0.125))
    assert (settings.optimizer, settings.learning_rate) == ("sparse_adam", 0.25)
    assert settings.optimizer_args == "beta_1=0.5,epsilon=0.125"
    made = optimizers.build(settings, 1, 1)
    assert (type(made), made.beta_1) == (SparseAdam, 0.5)
    assert optimizers.settings_of(RowwiseAdagrad).optimizer == "rowwise_adagrad"
    config = OptimizerConfig("sparse_adam", "weight_decay=0.1", learning_rate=0.1)
    with pytest.raises(InputError, match="weight_decay=0.1: it would change every row"):
        optimizers.build(config, 1, 1)


def test_auto_picks_by_the_tables_and_says_why(capfd):
    """Both doors resolve it so; a model of one's own may read whole tables."""
    users = np.arange(5_000)
    train = interactions(users, users % 50, users % 5 + 1)
    settings = {"batch_size": 64, "embedding_dim": 2, "epochs": 1, "jit_compile": False}
    for loss, asked, made in [("mse", "auto", "SparseAdam"), ("mse", "adam", "Adam")]:
        trainer = Trainer(None, asked, loss, **settings)
        trainer.fit(train)
        assert type(trainer.optimizer).__name__ == made
        said = capfd.readouterr().err
        assert ("optimizer=sparse_adam (a batch reads 128 of 5,050 rows" in said) == (
            asked == "auto"
        )
    trainer = Trainer(loss="mse", model="svdpp", **settings)
    trainer.fit(train)
    assert trainer.resolved.optimizer.optimizer == "adam"
    assert capfd.readouterr().err == ""
    choice = optimizer_choice(trainer.resolved, trainer.loss, train)
    assert choice == ("adam", "model 'svdpp' may read whole tables")


def test_loss_and_regularizer_read_a_row_once():
    """The gradient of a table has a row for each example, not one for each term as well."""
    train = interactions(np.arange(40), np.arange(40) % 30, np.arange(40) % 5)
    trainer = Trainer(None, "sparse_adam", "mse", batch_size=4, embedding_dim=2, jit_compile=False)
    trainer.fit(train, epochs=1)

    @tf.function
    def rows_of_gradients(positions):
        with tf.GradientTape() as tape:
            losses = trainer.mean_losses(training_examples(train).take(positions))
            objective = tf.add_n(list(losses.values()))
        variables = trainer.model.trainable_variables
        found = optimizers.gradients(tape, objective, variables, by_rows=True)
        return [gradient.indices for gradient in found]

    for rows in rows_of_gradients(tf.constant([7, 8, 8, 9])):
        assert rows.numpy().tolist() == [7, 8, 8, 9]
