"""One training of a run: a new model, and what it leaves in the run folder."""

import contextlib
from functools import partial
from typing import Any

import numpy as np

from mfrec import models
from mfrec.data.interactions import Interactions
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.evaluation import metrics
from mfrec.experiment.part_evaluator import PartEvaluator
from mfrec.experiment.preparation import Setup
from mfrec.experiment.training_report import TrainingReport
from mfrec.progress import waiting
from mfrec.runs.run_folder import RunFolder
from mfrec.stopwatch import Stopwatch
from mfrec.tensorboard.summaries import Summaries
from mfrec.terminal import number
from mfrec.training.history import EpochLog, History
from mfrec.training.trainer import Trainer


class Fit:
    """One training.

    Args:
        setup: settings, loss, split, features, and what to continue from.
        folder: where the model is saved whenever it is the best so far.
        clock: adds up the seconds of saving.
        refit_epochs: the number of epochs of a refit; None if this is none.
        workers: who train together, each the tables of its own users.

    Attributes:
        split: training, validation and test part.
        model: the model; after training with the weights that are kept.
        validation: evaluates it on the validation part; None if there is none.
        test: evaluates it on the test part; None if there is none.
        best_on_test: test metrics of the epoch that is best on the test part itself, with the
            "epoch"; empty without --test_every.
    """

    def __init__(
        self,
        setup: Setup,
        folder: RunFolder,
        clock: Stopwatch,
        refit_epochs: int | None = None,
        workers: OneProcess = ONE_PROCESS,
    ) -> None:
        config, split = setup.config, setup.split
        num_users = np.count_nonzero(workers.owns(split.train.users))
        rows = (int(num_users), split.train.num_items)
        own = config.replace({"seed": workers.seed(config.training.seed)})
        self.model = models.build(own, setup.loss, rows, setup.features)
        self.split = split
        self._setup = setup
        self._folder = folder
        self._clock = clock
        self._refit_epochs = refit_epochs
        self._trainer = Trainer(
            self.model, loss=setup.loss, config=config, previous=setup.earlier, workers=workers
        )
        self.validation = self.test = None
        if split.validation:
            self.validation = PartEvaluator(config, setup.loss, split, "validation", workers)
        if split.test:
            self.test = PartEvaluator(config, setup.loss, split, "test", workers)
        self.best_on_test: dict[str, float] = {}
        self._data_saved = False

    @property
    def history(self) -> History:
        """What the training logged so far."""
        return self._trainer.history

    @property
    def draws_ratings(self) -> bool:
        """Whether TensorBoard shows predicted ratings, which needs users that the model knows."""
        return self._setup.loss.predicts_ratings and not self.split.histories

    def train(self, summaries: Summaries) -> History:
        """Train, report, save the best weights and return the history."""
        validation = self.validation
        evaluate = partial(validation.metrics, self.model) if validation else None
        with TrainingReport() as report:
            epochs = self._trainer.epochs(
                self.split.train,
                self.split.validation,
                stop_after=self._refit_epochs,
                evaluate=evaluate,
                on_loop=report.loop,
                gradient_norm=self._setup.config.training.tensorboard == "full",
            )
            # closing restores the best weights, after Ctrl-C too
            with contextlib.closing(epochs):
                for log in epochs:
                    report.epoch(log)
                    self._finish_epoch(log, summaries)
        return self.history

    def _finish_epoch(self, log: EpochLog, summaries: Summaries) -> None:
        ratings = self.split.validation if self.draws_ratings else None
        summaries.epoch(log, self.model, ratings, refit=self._refit_epochs is not None)
        if log.is_best:
            self.save()
        test_every = self._setup.config.evaluation.test_every
        if self.test and test_every and (log.epoch % test_every == 0 or log.epoch == log.epochs):
            found, best = self.test.metrics(self.model), self.best_on_test
            if not best or metrics.better(log.metric, found[log.metric], than=best[log.metric]):
                self.best_on_test = found | {"epoch": log.epoch}

    def protocols(self) -> dict[str, str]:
        """Return by part what its metrics mean, for the parts that were measured."""
        evaluators = {"validation": self.validation, "test": self.test}
        return {part: of.protocol for part, of in evaluators.items() if of and of.protocol}

    def save(self) -> None:
        """Write the model; the first time also the data that it belongs to."""
        with self._clock.part("save"), waiting("saving the run"):
            # not earlier: the model before a refit is kept until the refit has one
            if not self._data_saved:
                self._folder.save_config(self._setup.config, derived_constants(self.split.train))
                self._folder.save_data(self.split, self._setup.features)
                self._data_saved = True
            self._folder.save_model(self.model, self.history.steps, self._trainer.optimizer)

    def stopped(self) -> str:
        """Return when training was stopped, in words."""
        done, epochs = len(self.history.epochs), self.history.last_epoch
        when = f"after epoch {done} of {epochs}" if done else f"in epoch 1 of {epochs}"
        return f"{when} of the refit" if self._refit_epochs else when

    def kept(self) -> str:
        """Return which weights the model holds after training was stopped, in words."""
        best, validation = self.history.best_epoch, self.history.best_validation
        if validation:
            name = self.history.epochs[-1].metric
            value = f"validation {name.upper()} {number(validation[name])}"
            return f"the best so far (epoch {best}, {value}) is kept"
        if best:
            return f"the weights of epoch {best} are kept"
        return "the weights are kept as they were then"


def derived_constants(train: Interactions) -> dict[str, Any]:
    """Return the constants that come from the training ratings, for config.json."""
    return {
        "num_users": train.num_users,
        "num_items": train.num_items,
        "num_ratings": len(train),
        "global_mean": train.rating_mean,
        "rating_min": train.rating_range[0],
        "rating_max": train.rating_range[1],
        "rating_stddev": train.rating_stddev,
    }
