"""The training loop: one compiled function a loop of steps, one visit to Python a loop.

    for every loop of the epoch (tf.data):            Python
        for every step of the loop (while):           inside one tf.function(jit_compile=True)
            Σ weight·loss / Σ weight + mean of R      under the GradientTape
            optimizer.apply(gradients)

Everything that is not a tensor stays outside: summaries, progress, checkpoints, early stopping.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mfrec import losses
from mfrec.config.defaults import (
    Statistics,
    adapt_optimizer,
    adapt_regularizer,
    adapt_sampler,
    adapt_training,
)
from mfrec.config.settings import (
    OptimizerConfig,
    RegularizerConfig,
    SamplerConfig,
    TrainingConfig,
    nearest,
)
from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import EpochShape, Examples, Loop, training_examples, training_loops
from mfrec.errors import InputError
from mfrec.evaluation.metrics import ERRORS, rating_errors
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import graph_function, tf
from mfrec.training import optimizers
from mfrec.training.objective import Objective, row_charges


@dataclass(frozen=True)
class LoopLog:
    """Where training stands after a loop.

    Attributes:
        epoch: counted from 1.
        loops_done: since the start of training.
        loops_in_all: of all epochs.
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
    """What an epoch came to.

    Attributes:
        epoch: counted from 1.
        epochs: how many there are to be.
        step: steps since the start.
        train: "loss" and "regularization", means over the epoch's examples; "learning_rate"
            at its end; "examples_per_second" over all loops so far; "gradient_norm" where asked
            for.
        validation: what evaluate() returned; empty where nothing was evaluated.
        is_best: whether the model now holds its best weights so far: those of the best value of
            that metric, or the latest where nothing is ever evaluated.
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
    """What `Trainer.fit` did, or has done so far.

    Attributes:
        epochs: one log an epoch.
        last_epoch: the epoch after which training is to end, if nothing ends it before.
        best_epoch: whose weights the model now holds, counted from 1.
        steps: optimizer steps in all.
        compile_seconds: tracing and compiling the loop, before the first step; and tracing the
            gradient norm, where asked for.
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
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    gradient_seconds: float = 0.0
    seconds_to_best: float = 0.0
    examples_per_epoch: int = 0
    examples_per_second: float = 0.0

    @property
    def best_validation(self) -> dict[str, float]:
        """The validation metrics of the best epoch; empty where nothing was evaluated."""
        return self.epochs[self.best_epoch - 1].validation if self.best_epoch else {}


@dataclass(frozen=True, eq=False)
class Trained:
    """A training to go on from.

    Attributes:
        model: its users, items and features are the first ones of those to come.
        optimizer: what it remembers of them; None where that is not known or of no use.
    """

    model: Model
    optimizer: tf.keras.optimizers.Optimizer | None = None


class NonFiniteLoss(InputError):
    """The loss became NaN or infinite; the message names epoch and loop."""


class Trainer:
    """Trains a `Model` on a loss.

    Args:
        model: what is trained; `fit` first lets it adapt to the training ratings.
        optimizer: a name ("adam") or the settings of one.
        loss: a registered name, FILE.py:function, a function (ratings [B], predictions [B]) ->
            [B], or a losses.Loss.
        config: the loop's settings; what is None there follows from the training data.
        sampler: how negatives are drawn, for ranking losses; None there follows from the loss.
        earlier: what `fit` goes on from, instead of from the model's random start. μ and the
            range of ratings are those of the new ratings all the same.

    Attributes:
        history: what `fit` has done, up to date also where it was interrupted.
    """

    def __init__(
        self,
        model: Model,
        optimizer: str | OptimizerConfig = "adam",
        loss: "str | Callable | losses.Loss" = "mse",
        config: TrainingConfig | None = None,
        sampler: SamplerConfig | None = None,
        earlier: Trained | None = None,
    ) -> None:
        self.model = model
        self._earlier = earlier
        self.loss = losses.get(loss)
        self.config = config or TrainingConfig()
        self.history = History()
        self.sampler_config = sampler or SamplerConfig()
        is_name = isinstance(optimizer, str)
        self.optimizer_config = OptimizerConfig(optimizer) if is_name else optimizer

    def fit(
        self,
        train: Interactions,
        validation: Interactions | None = None,
        epochs: int | None = None,
        *,
        stop_after: int | None = None,
        evaluate: Callable[[], dict[str, float]] | None = None,
        on_loop: Callable[[LoopLog], None] | None = None,
        on_epoch: Callable[[EpochLog], None] | None = None,
        gradient_norm: bool = False,
    ) -> History:
        """Trains for so many epochs, or until the validation metric no longer improves.

        With a validation part the model ends with the weights of its best evaluated epoch,
        without one with those of the last. That also holds where an exception ends it, such as
        Ctrl-C; before the first epoch that counts the model keeps the weights that it has.

        Args:
            train: ratings to learn from.
            validation: ratings that stop training and pick the epoch; never trained on.
            epochs: passes over the ratings, which the learning-rate schedule spans; by default
                the config's.
            stop_after: ends after this epoch of the schedule.
            evaluate: returns the validation metrics, the one that picks the epoch among them; by
                default errors, or for losses of rankings the ranking metrics, on `validation`.
            on_loop: called after every loop.
            on_epoch: called after every epoch, while the model holds the weights that were
                evaluated (their moving average, where the optimizer keeps one).
            gradient_norm: whether to log the norm of the objective's gradient at the end of
                every epoch, before any clipping, on the same random batch of examples.

        Raises:
            NonFiniteLoss: the loss became NaN or infinite; the model then holds its best
                weights of the epochs before.
            InputError: XLA cannot compile the loss, or the loss is not per example.
        """
        history = self.history = History(examples_per_epoch=len(train))
        config, optimizer_config = self._adapt(train)
        epochs = epochs or config.epochs
        last_epoch = history.last_epoch = min(stop_after or epochs, epochs)
        if validation is not None and evaluate is None:
            evaluate = self._measure_on(train, validation, config.eval_metric)
        num_rows = self._examples.user_ids.shape[0] - 1
        rows = max(config.batch_size // config.positives_per_row, 1)
        shape = EpochShape.fit(num_rows, rows, config.steps_per_loop)
        best = _BestWeights(self.model, config.eval_metric)
        history.compile_seconds = self._prepare(train, shape, optimizer_config, epochs)
        if gradient_norm:
            history.compile_seconds += self._prepare_gradient_norm(shape)
        loops = iter(training_loops(shape, last_epoch, config.seed))
        try:
            for epoch in range(1, last_epoch + 1):
                sums = self._train_epoch(loops, shape, (epoch, last_epoch), history, on_loop)
                train_log = {
                    "loss": float(sums[0] / sums[2]),
                    "regularization": float(sums[1] / sums[2]),
                    "learning_rate": float(self.optimizer.learning_rate),
                    "examples_per_second": history.examples_per_second,
                }
                if gradient_norm:
                    started = time.perf_counter()
                    train_log["gradient_norm"] = float(self._gradient_norm())
                    history.gradient_seconds += time.perf_counter() - started
                with optimizers.averaged_weights(self.model, self.optimizer):
                    metrics = {}
                    if evaluate and (epoch % config.eval_every == 0 or epoch == last_epoch):
                        started = time.perf_counter()
                        metrics = evaluate()
                        history.evaluation_seconds += time.perf_counter() - started
                    is_best = best.offer(epoch, metrics) if metrics or not evaluate else False
                    log = EpochLog(
                        epoch,
                        last_epoch,
                        history.steps,
                        train_log,
                        metrics,
                        is_best,
                        history.train_seconds,
                        config.eval_metric,
                    )
                    history.epochs.append(log)
                    if is_best:
                        history.best_epoch = epoch
                        history.seconds_to_best = history.train_seconds
                    if on_epoch:
                        on_epoch(log)
                if best.waited == config.early_stopping_patience > 0:
                    break
        finally:
            best.restore()
        return history

    def _measure_on(
        self, train: Interactions, validation: Interactions, metric: str
    ) -> Callable[[], dict[str, float]]:
        if self.loss.traits.kind == "rating":
            return lambda: rating_errors(
                validation.ratings, self.model.predict_interactions(validation)
            )
        cutoff = int(metric.partition("@")[2] or 10)
        evaluator = RankingEvaluator(train, cutoffs=(cutoff,))
        return lambda: evaluator.evaluate(self.model.score_catalogue, validation).metrics

    def _adapt(self, train: Interactions) -> tuple[TrainingConfig, OptimizerConfig]:
        """The settings with what follows from the training data; fills in the model's, too."""
        self.model.link = self.loss.link if self.loss.traits.kind == "rating" else None
        self.model.adapt(train)
        if self._earlier:
            self.model.take_over(self._earlier.model)
        data = statistics(train, self.loss)
        config = adapt_training(self.config, data)
        derived = adapt_regularizer(RegularizerConfig(), data, self.model.normalize)
        if self.model.regularization is None:
            self.model.regularization = derived.regularization
        if self.model.bias_regularization is None:
            self.model.bias_regularization = derived.bias_regularization
        sampling = adapt_sampler(self.sampler_config, data)
        self._objective = Objective.of(self.model, self.loss, train, sampling)
        self._examples = training_examples(train, config.positives_per_row, config.seed)
        return config, adapt_optimizer(self.optimizer_config, data, config.batch_size)

    def _prepare(
        self,
        train: Interactions,
        shape: EpochShape,
        optimizer_config: OptimizerConfig,
        epochs: int,
    ) -> float:
        """Builds all that the compiled loop refers to, compiles it, and returns the seconds."""
        self._charges, self._feature_charges = self._row_and_feature_charges(train)
        before = self._earlier.optimizer if self._earlier else None
        first_step = int(before.iterations) if before else 0
        self.optimizer = optimizers.build(optimizer_config, shape.steps, epochs, first_step)
        self.optimizer.build(self.model.trainable_variables)
        if before:
            optimizers.take_over(self.optimizer, before)
        self._compiled_loop = self._loop
        if not self.config.run_eagerly:
            self._compiled_loop = graph_function(self._loop, jit_compile=self.config.jit_compile)
        # an InputError raised while the loop is traced would reach nobody as such
        first = self._examples.take(tf.zeros(shape.batch_size, tf.int32))
        self._objective.example_losses(first, self._seed())
        started = time.perf_counter()
        block = (shape.steps_per_loop, shape.batch_size)
        try:
            # a loop of no steps compiles everything and trains nothing
            self._compiled_loop(Loop(tf.zeros(block, tf.int32), tf.constant(0)))
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not self.config.jit_compile or "XLA" not in str(error):
                raise
            raise InputError(
                f"XLA cannot compile loss '{self.loss.name}' (tf.print, tf.py_function and the "
                "like): train with --nojit_compile, or step through it with --run_eagerly"
            ) from None
        return time.perf_counter() - started

    def _prepare_gradient_norm(self, shape: EpochShape) -> float:
        """Chooses the examples it is measured on, traces it, and returns the seconds.

        The compiled loop itself does not return it: there it would take a pass over gradients
        that XLA otherwise never writes down, a sixth of a step at d = 64.
        """
        started = time.perf_counter()
        random = np.random.default_rng(self.config.seed)
        chosen = random.choice(shape.num_examples, shape.batch_size, replace=False)
        batch = self._examples.take(tf.constant(chosen, tf.int32))

        def measure() -> tf.Tensor:
            return tf.linalg.global_norm(self._gradients(batch)[2])

        self._gradient_norm = measure if self.config.run_eagerly else graph_function(measure)
        self._gradient_norm()
        return time.perf_counter() - started

    def _row_and_feature_charges(
        self, train: Interactions
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """The frequency weights w of users and items in R, float32 [rows] each; and what an
        example is charged for each of their features, float32 [features] each, none without.

        A feature is charged as a row that had all the examples of the rows with it, and that
        by every example alike, whether the batch has the feature or not: over an epoch it is
        the same, and needs no look at the batch.
        """
        model = self.model
        by_user = np.bincount(train.user_ids, minlength=model.num_users)
        by_item = np.bincount(train.item_ids, minlength=model.num_items)
        of_rows, of_features = [], []
        for counts, others, features in (
            (by_user, len(by_item), model.user_features),
            (by_item, len(by_user), model.item_features),
        ):
            weights = row_charges(model, self.loss, counts, counts, others)
            of_rows.append(tf.constant(weights, tf.float32))
            charges = np.zeros(0)
            if features is not None:
                examples = features.counts(counts)
                pairs = others * features.counts(np.ones(len(counts)))
                weights = row_charges(model, self.loss, counts, examples, pairs)
                charges = examples * weights / counts.sum()
            of_features.append(tf.constant(charges, tf.float32))
        return of_rows, of_features

    def _train_epoch(
        self,
        loops: "tf.data.Iterator[Loop]",
        shape: EpochShape,
        epoch_of: tuple[int, int],
        history: History,
        on_loop: Callable[[LoopLog], None] | None,
    ) -> np.ndarray:
        """Sums over the epoch's examples: weight·loss, weight·R and weight, float64 [3]."""
        epoch, epochs = epoch_of
        sums = np.zeros(3)
        for number in range(1, shape.loops + 1):
            started = time.perf_counter()
            sums += self._compiled_loop(next(loops)).numpy()
            history.train_seconds += time.perf_counter() - started
            if not np.isfinite(sums).all():
                raise NonFiniteLoss(
                    f"the loss became {sums[:2].sum()} in epoch {epoch}, loop {number} of "
                    f"{shape.loops}; lower --learning_rate or set --clip_norm"
                )
            history.steps = int(self.optimizer.iterations)
            seen = min(number * shape.steps_per_loop * shape.batch_size, shape.num_examples)
            epochs_done = epoch - 1 + seen / shape.num_examples
            history.examples_per_second = (
                epochs_done * history.examples_per_epoch / history.train_seconds
            )
            if on_loop:
                done = (epoch - 1) * shape.loops + number
                loss = float(sums[0] / sums[2])
                on_loop(
                    LoopLog(epoch, done, epochs * shape.loops, loss, history.examples_per_second)
                )
        return sums

    def _loop(self, loop: Loop) -> tf.Tensor:
        """Runs a loop's real steps; returns the sums of what they return, float32 [3]."""
        # all steps' examples at once: fetched within a step, XLA would fetch them for every use
        blocks = self._examples.take(loop.positions)
        sums, step = tf.zeros(3), tf.constant(0)
        # tf.range(num_steps) would compile anew for every number of steps
        while step < loop.num_steps:
            sums += self._step(Examples(*(block[step] for block in blocks)))
            step += 1
        return sums

    def _step(self, batch: Examples) -> tf.Tensor:
        """One optimizer step on a batch; returns Σ weight·loss, R·Σ weight and Σ weight."""
        loss, regularization, gradients = self._gradients(batch)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return tf.stack([loss, regularization, 1.0]) * tf.reduce_sum(batch.weights)

    def _gradients(self, batch: Examples) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Loss and R of a batch, float32 [] each, and the dense gradients of their sum."""
        total_weight = tf.reduce_sum(batch.weights)
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            example_losses = self._objective.example_losses(batch, self._seed())
            loss = tf.reduce_sum(batch.weights * example_losses) / total_weight
            regularization = self._regularization(batch, total_weight)
            objective = loss + regularization
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(objective, variables)]
        return loss, regularization, gradients

    def _regularization(self, batch: Examples, total_weight: tf.Tensor) -> tf.Tensor:
        """The mean of R over the batch's examples, float32 []."""
        if not (self.model.regularization or self.model.bias_regularization):
            return tf.constant(0.0)
        weights = batch.weights
        if len(weights.shape) > 1:
            by_user = (batch.user_ids, tf.reduce_sum(weights, axis=1))
            by_item = (tf.reshape(batch.item_ids, [-1]), tf.reshape(weights, [-1]))
        else:
            by_user, by_item = (batch.user_ids, weights), (batch.item_ids, weights)
        charges = [
            tf.math.unsorted_segment_sum(tf.gather(charges, ids) * of_rows, ids, charges.shape[0])
            for charges, (ids, of_rows) in zip(self._charges, (by_user, by_item), strict=True)
        ]
        of_rows = self.model.regularizer(*(of_table / total_weight for of_table in charges))
        return of_rows + self.model.feature_regularizer(*self._feature_charges)

    def _seed(self) -> tf.Tensor:
        """The seed of the next step's draws, int32 [2]."""
        return tf.stack([self.config.seed, tf.cast(self.optimizer.iterations, tf.int32)])


def statistics(train: Interactions, loss: losses.Loss) -> Statistics:
    """What the defaults are derived from.

    For losses of ratings, gradient and curvature are those of the loss's mean at the score that
    serves the mean rating. A loss without curvature there (mae) is taken to spread as the ratings
    do. Other losses compare scores with each other, on a scale of their own.

    Raises:
        InputError: the loss or its gradient is not finite there.
    """
    rows = [np.count_nonzero(np.bincount(ids)) for ids in (train.user_ids, train.item_ids)]
    sizes = (len(train), *rows)
    if loss.traits.kind != "rating":
        return Statistics(*sizes, gradient=1.0, spread=1.0, noise=1.0, traits=loss.traits)
    ratings = tf.constant(train.ratings)
    link = losses.LINKS[loss.link]
    low, high = float(train.ratings.min()), float(train.ratings.max())
    ones = tf.ones_like(ratings)
    batch = {
        "weights": ones,
        "user_weights": ones,
        "user_counts": ones,
        "item_counts": ones,
        "num_users": train.num_users,
        "num_items": train.num_items,
    }
    score = ones * link.to_score(tf.reduce_mean(ratings), low, high)
    with tf.GradientTape() as outer:
        outer.watch(score)
        with tf.GradientTape() as inner:
            inner.watch(score)
            values = loss(link.to_target(ratings, low, high), score, batch=batch)
        gradients = inner.gradient(values, score)
    curvatures = outer.gradient(gradients, score)
    gradient = float(tf.math.reduce_std(gradients))
    curvature = float(tf.reduce_mean(curvatures)) if curvatures is not None else 0.0
    spread = gradient / curvature if curvature > 0 else float(train.ratings.std())
    if not math.isfinite(gradient + spread):
        raise InputError(
            f"loss '{loss.name}' has no finite gradient where every prediction is the mean rating"
        )
    values = gradients.numpy().astype(np.float64)
    noise = [_noise_ratio(ids, values) for ids in (train.user_ids, train.item_ids)]
    return Statistics(
        *sizes, gradient or 1.0, spread or 1.0, math.sqrt(math.prod(noise)), loss.traits
    )


def _noise_ratio(ids: np.ndarray, values: np.ndarray) -> float:
    """Variance within rows over variance of the rows' own means, estimated; at most 10.

    The means that are seen differ by the noise in them as well, on average by the variance
    within a row times the mean of 1 / n (analysis of variance, method of moments).
    """
    counts = np.bincount(ids)
    counts = counts[counts > 0]
    rows = np.unique(ids, return_inverse=True)[1]
    means = np.bincount(rows, values) / counts
    free = max(len(values) - len(counts), 1)
    within = np.square(values - means[rows]).sum() / free
    between = means.var() - within * np.mean(1 / counts)
    return float(within / max(between, within / 10)) if within > 0 else 1.0


class _BestWeights:
    """The weights of the best validation metric, or the latest where nothing is evaluated."""

    def __init__(self, model: Model, metric: str) -> None:
        self._model = model
        self._metric = metric
        self._sign = -1 if metric in ERRORS else 1
        self._value = -math.inf
        self._weights: list[np.ndarray] | None = None
        self.waited = 0

    def offer(self, epoch: int, metrics: dict[str, float]) -> bool:
        """Keeps the model's weights if they are the best so far, and says so.

        Raises:
            InputError: the metric is none of those that were measured.
        """
        value = -math.inf
        if metrics:
            if self._metric not in metrics:
                names = nearest(self._metric, metrics)
                raise InputError(f"--eval_metric={self._metric} is not measured{names}")
            value = self._sign * metrics[self._metric]
            if not value > self._value:
                self.waited += 1
                return False
        weights = self._model.get_weights()
        if not all(np.isfinite(values).all() for values in weights):
            raise NonFiniteLoss(
                f"the weights became NaN or infinite at the end of epoch {epoch}; "
                "lower --learning_rate or set --clip_norm"
            )
        self._value, self._weights, self.waited = value, weights, 0
        return True

    def restore(self) -> None:
        """Gives the model its best weights back, if any were offered."""
        if self._weights is not None:
            self._model.set_weights(self._weights)
