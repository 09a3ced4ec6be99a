"""Arguments of functions of one's own: by their names, whatever their order."""

import numpy as np
import pytest

from mfrec import losses
from mfrec.errors import InputError
from mfrec.evaluation import metrics
from mfrec.named_inputs import order
from mfrec.quiet_tensorflow import tf

RATINGS = ("ratings", "predictions")
NEGATIVES = ("positive_scores", "negative_scores")
VECTORS = ("positive_scores", "user_vectors", "item_vectors")


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [
        (lambda ratings, predictions, power=2: 0, RATINGS, (0, 1)),
        (lambda predictions, ratings, weights: 0, RATINGS, (1, 0)),
        (lambda y_true, y_pred: 0, RATINGS, (0, 1)),
        (lambda y_pred, y_true: 0, RATINGS, (1, 0)),
        # PyTorch's; one of the names tells
        (lambda input, target: 0, RATINGS, (1, 0)),
        (lambda x, labels: 0, RATINGS, (1, 0)),
        (lambda output, x: 0, RATINGS, (1, 0)),
        # names that say nothing go by position, and so does a parameter further back
        (lambda a, b, target=3: 0, RATINGS, (0, 1)),
        (lambda *both: 0, RATINGS, (0, 1)),
        (lambda negative_scores, positive_scores: 0, NEGATIVES, (1, 0)),
        (lambda scores, negatives: 0, NEGATIVES, (0, 1)),
        (lambda item_vectors, positive_scores, user_vectors: 0, VECTORS, (2, 0, 1)),
        (lambda users, items, scores: 0, VECTORS, (1, 2, 0)),
    ],
)
def test_names_tell_and_others_go_by_position(function, inputs, expected):
    assert order(function, inputs, "f") == expected


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (lambda predictions, scores: 0, RATINGS),
        (lambda ratings, delta=1.0, predictions=0: 0, RATINGS),
        (lambda positive_scores, negative_scores: 0, RATINGS),
        (lambda ratings, predictions: 0, NEGATIVES),
    ],
)
def test_names_that_contradict_are_refused(function, inputs):
    with pytest.raises(InputError, match=rf"f takes \(.*\); its first .* {', '.join(inputs)}"):
        order(function, inputs, "f")


@pytest.mark.parametrize("head", ["ratings, predictions", "predictions, ratings", "y_pred, y_true"])
def test_a_loss_gets_its_arguments_by_name(head):
    first, second = head.split(", ")
    truth = first if first in ("ratings", "y_true") else second
    function = eval(f"lambda {head}, scale=1.0: scale * {truth}")
    loss = losses.get(function, {"scale": 10.0})
    found = loss(tf.constant([1.0, 2.0]), tf.constant([3.0, 3.0]), batch={})
    assert found.numpy().tolist() == [10, 20]


def test_a_loss_of_another_kind_is_refused_before_training(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def f(positive_scores, negative_scores):\n    return positive_scores\n")
    with pytest.raises(InputError, match=r"loss 'f' takes .* register it as a loss of its kind"):
        losses.get(f"{file}:f")


def test_a_metric_gets_its_arguments_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "REGISTRY", dict(metrics.REGISTRY))
    file = tmp_path / "mine.py"
    file.write_text(
        "from mfrec import metrics\n"
        "def bias(predictions, ratings):\n    return (predictions - ratings).mean()\n"
        "@metrics.rating('share')\n"
        "def share(y_pred, y_true):\n    return (y_pred / y_true).mean()\n"
    )
    metrics.load(f"{file}:bias,{file}:share")
    errors = metrics.rating_errors(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert (errors["bias"], errors["share"]) == (2, 2.5)
    metrics.load("")
