"""The numbers that a loss is made for: its parameters, and the ratings that it learns."""

import pytest

from helpers import interactions
from mfrec import losses
from mfrec.config.settings import Config
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.training.statistics import resolve


@pytest.mark.parametrize(
    "loss, argument, value, bound",
    [
        ("huber", "delta", -1, "above 0"),
        ("huber", "delta", 0, "above 0"),
        ("hinge", "margin", -0.5, "at least 0"),
        ("warp", "margin", -1, "at least 0"),
        ("sampled_logistic", "negative_weight", -1, "at least 0"),
        ("sampled_softmax", "temperature", 0, "above 0"),
        ("cosine_contrastive", "margin", -2, "at least -1"),
        ("cosine_contrastive", "negative_weight", -1, "at least 0"),
        ("bsl", "temperature", -0.1, "above 0"),
        ("bsl", "positive_temperature", 0, "above 0"),
        ("ultragcn", "constant_weight", -1e-7, "at least 0"),
        ("ultragcn", "negative_weight", -1, "at least 0"),
        ("softmax", "temperature", 0, "above 0"),
        ("implicit_squared", "unobserved_weight", -1, "at least 0"),
        ("binary_focal_crossentropy", "gamma", -1, "at least 0"),
        ("binary_focal_crossentropy", "alpha", 2, "at most 1"),
        ("binary_crossentropy", "label_smoothing", -0.1, "at least 0"),
    ],
)
def test_parameters_outside_a_losss_domain_are_refused(loss, argument, value, bound):
    with pytest.raises(InputError) as error:
        losses.get(loss, {argument: value})
    expected = f"--loss_args: {argument}={value} of loss '{loss}' must be {bound}"
    assert str(error.value) == expected


def test_every_parameter_of_a_registered_loss_has_a_domain_that_holds_its_default():
    for loss in losses.REGISTRY.values():
        for name, value in loss.parameters.items():
            assert loss.domain[name].broken_bound(value) == ""


@pytest.mark.parametrize(
    "loss, ratings, complaint",
    [
        ("poisson", [3, -1, 2], "at least 0; user 'u1' rates item 'i1' -1: take"),
        ("mean_squared_logarithmic_error", [-0.5, 1, 2], "at least 0; user 'u0'"),
        ("mean_absolute_percentage_error", [0, 1, 2], "above 0; user 'u0'"),
        ("binary_crossentropy", [0, 1, 5], "at least 0 and at most 1; user 'u2'"),
        ("squared_hinge", [1, 2, 1], "at least -1 and at most 1; user 'u1'"),
    ],
)
def test_ratings_that_a_loss_is_not_made_for_are_refused_by_name(loss, ratings, complaint):
    train = interactions([0, 1, 2], [0, 1, 0], ratings, 3, 2)
    with pytest.raises(
        InputError, match=f"^loss '{loss}' is made for ratings that are {complaint}"
    ):
        resolve(Config(), losses.get(loss), train)


def test_a_keras_loss_has_its_domain_however_it_is_given():
    keras = tf.keras.losses
    for given in (keras.SquaredHinge, keras.SquaredHinge(), keras.squared_hinge):
        assert losses.get(given).domain["ratings"].maximum == 1


@pytest.mark.parametrize("loss", ["poisson", "mse", "logistic", "log_cosh"])
def test_ratings_inside_the_domain_are_taken(loss):
    train = interactions([0, 1, 2], [0, 1, 0], [0, 1, 2], 3, 2)
    assert resolve(Config(), losses.get(loss), train).optimizer.learning_rate > 0


def test_a_loss_that_cannot_learn_is_refused():
    train = interactions([0, 1, 2], [0, 1, 0], [0, 1, 2], 3, 2)
    keras = tf.keras.losses
    for loss, complaint in (
        (keras.CTC(), "Keras cannot compute this loss of single ratings: Logits `y_pred` are"),
        (lambda ratings, predictions: 0 * predictions, "gradient of 0 .*: it would learn nothing"),
    ):
        with pytest.raises(InputError, match=complaint):
            resolve(Config(), losses.get(loss), train)
    # nothing is to be learnt where all ratings are alike
    resolve(Config(), losses.get("mse"), interactions([0, 1], [0, 1], [2, 2], 2, 2))


def test_a_loss_of_ones_own_states_its_domain():
    @losses.rating("mine", domain={"power": losses.Range(above=1)})
    def mine(ratings, predictions, power=2.0):
        return (ratings - predictions) ** power

    with pytest.raises(InputError, match="power=1 of loss 'mine' must be above 1"):
        losses.get("mine", {"power": 1})
    with pytest.raises(ValueError, match="domain: loss 'other' has no parameter 'powre'"):

        @losses.rating("other", domain={"powre": losses.Range(above=1)})
        def other(ratings, predictions, power=2.0):
            return ratings
