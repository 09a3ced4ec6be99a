"""Errors of predicted ratings, the model's and the baselines'.

All predictions are clipped to the training ratings' range, the model's by the model itself.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from mfrec.data.interactions import Interactions, check_kind, require_ratings
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.errors import InputError
from mfrec.evaluation.baselines import DampedBiases
from mfrec.evaluation.metrics import rating_errors, rating_metrics
from mfrec.models import Model

# Metrics that are power means of the errors: those of shards add up to that of all.
_POWERS = {"rmse": 2, "mae": 1}
Predict = Callable[[Interactions], Any]


class RatingEvaluator:
    """Measures predictions of held-out ratings.

    Held-out rows may come in any vocabularies: they are matched by raw id.

    Args:
        train: the training part, to which the baselines are fitted.
        workers: who measure together, each a model of its own users.
    """

    def __init__(self, train: Interactions, workers: OneProcess = ONE_PROCESS) -> None:
        if not len(check_kind(train, "training part")):
            raise InputError("the training part holds no rows; bring some ratings")
        self._users, self._items = train.users, train.items
        self._train = train
        self._workers = workers

    @cached_property
    def _biases(self) -> DampedBiases:
        return DampedBiases(self._train)

    def evaluate(self, model: Model, held_out: Interactions) -> dict[str, float]:
        """Return the model's "rmse" and "mae" over all held-out rows, unknown ids by the fallback.

        Args:
            model: the model; held-out rows are matched with its own rows by raw id.
            held_out: the ratings to predict.
        """
        if not len(check_kind(held_out, "held-out rows")):
            raise InputError("no held-out rows; nothing to measure")
        require_ratings(held_out, "the held-out part", "errors are measured by; bring some")
        if model.vocabularies is None:
            held_out = held_out.encode(self._users, self._items)
        return _errors(held_out, partial(self._predict, model))

    def _predict(self, model: Model, rows: Interactions) -> np.ndarray:
        """The predictions of all workers, each for its own users."""
        is_own = self._workers.owns_rows(rows)
        predictions = np.zeros(len(rows), np.float32)
        predictions[is_own] = model.predict_interactions(rows.take(is_own))
        return self._workers.sum(predictions)

    def baselines(self, held_out: Interactions) -> dict[str, dict[str, float]]:
        """Return the errors of "global_mean", "biases" and, for generated ratings, "oracle".

        The oracle predicts the expected ratings, which only a generated data set knows.
        """
        held_out = held_out.encode(self._users, self._items)
        mean, biases = self._biases.mean, self._biases
        baselines: dict[str, Predict] = {
            "global_mean": lambda rows: np.full(len(rows), mean),
            "biases": lambda rows: biases.predict(rows.user_ids, rows.item_ids),
        }
        if held_out.expected_ratings is not None:
            baselines["oracle"] = lambda rows: rows.expected_ratings
        low, high = self._train.rating_range
        return {
            name: _errors(held_out, partial(_clipped, predict, low, high))
            for name, predict in baselines.items()
        }


def _clipped(predict: Predict, low: float, high: float, rows: Interactions) -> np.ndarray:
    return np.clip(predict(rows), low, high)


def _errors(held_out: Interactions, predict: Predict) -> dict[str, float]:
    """The errors over all rows.

    Of rows that are streamed, nothing stays where every metric is a power mean; else, with metrics
    of the user's own, ratings and predictions do.
    """
    shards = (rows for rows in held_out.shards() if len(rows))
    if not held_out.is_streamed or set(rating_metrics()) - _POWERS.keys():
        parts = [(rows.ratings, predict(rows)) for rows in shards]
        if len(parts) == 1:
            return rating_errors(*parts[0])
        return rating_errors(*map(np.concatenate, zip(*parts, strict=True)))
    sums = dict.fromkeys(_POWERS, 0.0)
    for rows in shards:
        for name, error in rating_errors(rows.ratings, predict(rows)).items():
            sums[name] += error ** _POWERS[name] * len(rows)
    return {name: (total / len(held_out)) ** (1 / _POWERS[name]) for name, total in sums.items()}
