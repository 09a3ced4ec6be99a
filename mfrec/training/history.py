"""What training reports and leaves behind: logs, history, the best weights, its final state."""

import math
from dataclasses import dataclass, field

import numpy as np

from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.errors import InputError, did_you_mean
from mfrec.evaluation.metrics import better
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import tf


@dataclass(frozen=True)
class LoopLog:
    """Where training stands after a loop.

    Attributes:
        epoch: the current epoch, counted from 1.
        loops_done: loops since the start of training.
        loops_in_all: loops of all epochs.
        loss: mean over the epoch's examples so far.
        examples_per_second: over all loops so far.
    """

    epoch: int
    loops_done: int
    loops_in_all: int
    loss: float
    examples_per_second: float


@dataclass(frozen=True)
class EpochLog:
    """The result of one epoch.

    Attributes:
        epoch: counted from 1.
        epochs: the last epoch, if nothing ends training before.
        step: optimizer steps since the start.
        train: means over the epoch's examples of whatever `Trainer.train_step` returns ("loss" and
            "regularization"); "learning_rate" at the epoch's end; "examples_per_second" over all
            loops so far; "gradient_norm" if asked for.
        validation: what evaluate() returned; empty if nothing was evaluated.
        is_best: whether the model now holds its best weights so far: those of the best value of
            `metric`, or the latest if nothing is ever evaluated.
        seconds: spent in loops since the start.
        metric: name of the validation metric that picks the best epoch.
    """

    epoch: int
    epochs: int
    step: int
    train: dict[str, float]
    validation: dict[str, float]
    is_best: bool
    seconds: float
    metric: str = "rmse"


@dataclass
class History:
    """What training has done so far.

    Attributes:
        epochs: one log per epoch.
        last_epoch: the epoch after which training ends, if nothing ends it before.
        best_epoch: the epoch whose weights the model holds at the end, counted from 1; 0 before
            the first.
        steps: optimizer steps in all.
        prepare_seconds: making tables, examples and the optimizer.
        compile_seconds: tracing and compiling the loop, before the first step; and tracing the
            gradient norm, if asked for.
        train_seconds: the loops alone, every epoch, without compiling and evaluating.
        evaluation_seconds: evaluating between epochs.
        gradient_seconds: measuring the gradient norm between epochs.
        seconds_to_best: train_seconds up to the best epoch.
        examples_per_epoch: training examples.
        examples_per_second: training examples of all epochs / train_seconds.
    """

    epochs: list[EpochLog] = field(default_factory=list)
    last_epoch: int = 0
    best_epoch: int = 0
    steps: int = 0
    prepare_seconds: float = 0.0
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    gradient_seconds: float = 0.0
    seconds_to_best: float = 0.0
    examples_per_epoch: int = 0
    examples_per_second: float = 0.0

    @property
    def best_validation(self) -> dict[str, float]:
        """The validation metrics of the best epoch; empty if nothing was evaluated."""
        return self.epochs[self.best_epoch - 1].validation if self.best_epoch else {}

    def add(self, log: EpochLog) -> None:
        """Append an epoch."""
        self.epochs.append(log)
        if log.is_best:
            self.best_epoch = log.epoch
            self.seconds_to_best = self.train_seconds


@dataclass(frozen=True, eq=False)
class PreviousTraining:
    """Model and optimizer state to continue from.

    Attributes:
        model: its users, items and features are the first rows of the new model's.
        optimizer: whose state of those rows is kept; None if it is unknown or of another kind.
    """

    model: Model
    optimizer: tf.keras.optimizers.Optimizer | None = None


class NonFiniteLoss(InputError):
    """The loss became NaN or infinite; the message names epoch and loop."""


class BestWeights:
    """The weights of the best validation metric, or the latest if nothing is evaluated.

    Args:
        model: the model that is trained.
        metric: name of the validation metric that decides.
        workers: who train together; the weights of all have to be finite.
    """

    def __init__(
        self, model: tf.keras.Model, metric: str, workers: OneProcess = ONE_PROCESS
    ) -> None:
        self._model = model
        self._metric = metric
        self._workers = workers
        self._value: float | None = None
        self._weights: list[np.ndarray] | None = None

    def offer(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Keep the model's weights if they are the best so far, and return whether they are.

        Args:
            epoch: the epoch that just ended.
            metrics: of the model as it is; empty if nothing is ever evaluated.

        Raises:
            InputError: the deciding metric is not among them.
            NonFiniteLoss: the weights are not finite.
        """
        if metrics:
            if self._metric not in metrics:
                names = did_you_mean(self._metric, metrics)
                raise InputError(f"--eval_metric={self._metric} is not measured{names}")
            value = metrics[self._metric]
            if not math.isfinite(value):
                return False
            if self._value is not None and not better(self._metric, value, self._value):
                return False
            self._value = value
        # arrays that share memory with the variables; get_weights() would copy them all
        weights = [np.asarray(tf.convert_to_tensor(each)) for each in self._model.weights]
        broken = sum(not _is_finite(values) for values in weights)
        if self._workers.sum(np.array(broken)):
            raise NonFiniteLoss(
                f"the weights became NaN or infinite at the end of epoch {epoch}; "
                "lower --learning_rate or set --clip_norm"
            )
        if self._weights is None:
            self._weights = list(map(np.copy, weights))
        else:
            for kept, values in zip(self._weights, weights, strict=True):
                np.copyto(kept, values)
        return True

    def restore(self) -> None:
        """Give the model its best weights back, if any were offered."""
        if self._weights is not None:
            self._model.set_weights(self._weights)


def _is_finite(values: np.ndarray) -> bool:
    """Whether all are, without an array of what each of them is."""
    return not values.size or bool(np.isfinite(values.min()) and np.isfinite(values.max()))


class EarlyStopping:
    """Ends training after `patience` evaluations in a row that were not the best; 0: never."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._waited = 0

    def should_stop(self, log: EpochLog) -> bool:
        """Return whether this epoch's evaluation was one too many without a better one."""
        if log.is_best:
            self._waited = 0
        elif log.validation:
            self._waited += 1
        return 0 < self._patience <= self._waited
