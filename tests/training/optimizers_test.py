"""Learning rate schedules, and optimizers by name with their arguments."""

import math

import numpy as np
import pytest

from mfrec.config.settings import OPTIMIZERS, OptimizerConfig
from mfrec.errors import InputError
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.training import optimizers


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


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_builds_its_optimizer(name):
    config = OptimizerConfig(name, learning_rate=0.5, clip_norm=2.0)
    optimizer = optimizers.build(config, 1, 1)
    assert type(optimizer).__name__.lower() == name
    assert optimizer.global_clipnorm == 2.0
    assert not optimizer.use_ema


def test_own_arguments_reach_the_optimizer_or_are_refused():
    config = OptimizerConfig(optimizer_args="beta_1=0.5,epsilon=0.25", learning_rate=0.1)
    optimizer = optimizers.build(config, 1, 1)
    assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 0.25)
    with pytest.raises(InputError, match="--optimizer_args for sgd: .*beta_1"):
        optimizers.build(
            OptimizerConfig("sgd", optimizer_args="beta_1=0.5", learning_rate=0.1), 1, 1
        )


def test_arguments_of_the_optimizer_are_numbers():
    for text in ("epsilon=tiny", "epsilon=1e-7,name=x"):
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
def test_copies_are_table_gradient_best_values_and_what_is_remembered(settings, remembered):
    assert optimizers.copies(OptimizerConfig(learning_rate=0.1, **settings)) == 3 + remembered


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
