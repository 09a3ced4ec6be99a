"""Errors of predicted ratings, the model's and the baselines'.

All predictions are clipped to the training ratings' range, the model's by the model itself.
"""

import numpy as np

from mfrec.data.interactions import Interactions, check_kind, require_ratings
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.errors import InputError
from mfrec.evaluation.baselines import DampedBiases
from mfrec.evaluation.metrics import rating_errors
from mfrec.models import Model


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
        self._range = train.ratings.min(), train.ratings.max()
        self._biases = DampedBiases(train)
        self._workers = workers

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
        is_own = self._workers.owns_rows(held_out)
        predictions = np.zeros(len(held_out), np.float32)
        predictions[is_own] = model.predict_interactions(held_out.take(is_own))
        return rating_errors(held_out.ratings, self._workers.sum(predictions))

    def baselines(self, held_out: Interactions) -> dict[str, dict[str, float]]:
        """Return the errors of "global_mean", "biases" and, for generated ratings, "oracle".

        The oracle predicts the expected ratings, which only a generated data set knows.
        """
        held_out = held_out.encode(self._users, self._items)
        predictions = {
            "global_mean": np.full(len(held_out), self._biases.mean),
            "biases": self._biases.predict(held_out.user_ids, held_out.item_ids),
        }
        if held_out.expected_ratings is not None:
            predictions["oracle"] = held_out.expected_ratings
        return {
            name: rating_errors(held_out.ratings, np.clip(values, *self._range))
            for name, values in predictions.items()
        }
