"""The training loop: one compiled function for a loop of steps, one visit to Python per loop.

    for every loop of the epoch (tf.data):            Python
        for every step of the loop (while):           inside one tf.function(jit_compile=True)
            Trainer.train_step(batch)

Whatever is not a tensor stays outside: `Trainer.epochs` is an iterator over the epochs, which
progress, summaries, checkpoints and stopping consume.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np

from mfrec import losses, memory, models
from mfrec.config.optimizer_choice import AUTO, DENSE
from mfrec.config.settings import Config, OptimizerConfig, TrainingConfig
from mfrec.data.interactions import Interactions, check_kind, continuing, require_ratings
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.pipelines import ColumnsInMemory, Examples, TrainingData, total_weight_of
from mfrec.data.shards.parts import naming
from mfrec.data.shards.streaming import ShardStream
from mfrec.errors import InputError
from mfrec.models import reads
from mfrec.models.base import Model
from mfrec.models.checks import check_training_part
from mfrec.optimizers import RowOptimizer
from mfrec.progress import say
from mfrec.quiet_tensorflow import graph_function, tf
from mfrec.training import objective as objectives
from mfrec.training import optimizers, sizes
from mfrec.training.compiling import checked_scalars, not_compiled
from mfrec.training.earlier_slots import take_over
from mfrec.training.history import (
    BestWeights,
    EarlyStopping,
    EpochLog,
    History,
    LoopLog,
    NonFiniteLoss,
    PreviousTraining,
)
from mfrec.training.objective import Objective
from mfrec.training.regularizer import Regularizer
from mfrec.training.statistics import optimizer_choice, resolve
from mfrec.training.validation import check_metrics, validator

Epochs = Generator[EpochLog, None, None]


class Trainer:
    """Trains a model on a loss.

    Attributes:
        model: the model; after training with the weights of its best epoch.
        config: the settings as given; `resolved` as the latest fit derived them.
        history: what the latest fit did, up to date also while it runs.
        parts: its training and validation part, in the rows of the model.
    """

    def train_step(self, batch: Examples) -> dict[str, tf.Tensor]:
        """Take one optimizer step on a batch and return the scalars to log.

        The loop calls it inside one compiled function. A subclass may override it: means of
        whatever scalars it returns, "loss" among them, are logged and drawn by their names, over
        an epoch's examples.

        Args:
            batch: examples [B], or rows of positives [B, P]; weight 0 marks padding.

        Returns:
            Means over the batch's examples, float32 [] each.
        """
        gradients, means, weight = self._gradients(batch)
        gradients, means = self._workers.exchanged(gradients, means, weight, self._is_own)
        self._apply(self._clipped(gradients))
        return means

    def _own_gradients(self, batch: Examples) -> tuple[list[Any], dict[str, tf.Tensor], tf.Tensor]:
        """Return the objective's gradients, its terms, and Σ weight of the batch."""
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            # variables are anyway; not so what stands for them on another device
            tape.watch([variable.value for variable in variables])
            means = self.mean_losses(batch)
            objective = tf.add_n(list(means.values()))
        gradients = optimizers.gradients(tape, objective, variables, self._by_rows)
        return gradients, means, tf.reduce_sum(batch.weights)

    def _update(self, gradients: list[Any]) -> None:
        """Let the optimizer take a step."""
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def mean_losses(self, batch: Examples) -> dict[str, tf.Tensor]:
        """Return the terms of the objective, means over the batch's examples, float32 [] each."""
        with reads.shared() if self._by_rows else contextlib.nullcontext():
            example_losses = self._objective.example_losses(batch, self._seed())
            regularization = self._regularizer.mean(batch, self._by_rows)
        mean_loss = tf.reduce_sum(batch.weights * example_losses) / total_weight_of(batch)
        return {"loss": mean_loss, "regularization": regularization}

    @property
    def _by_rows(self) -> bool:
        """Whether a step changes only the rows of its batch."""
        return isinstance(self.optimizer, RowOptimizer)

    def __init__(
        self,
        model: "Model | str | None" = None,
        optimizer: "str | OptimizerConfig | tf.keras.optimizers.Optimizer | type | None" = None,
        loss: "str | Callable | losses.Loss | None" = None,
        config: "Config | TrainingConfig | None" = None,
        *,
        previous: "PreviousTraining | None" = None,
        workers: OneProcess = ONE_PROCESS,
        **settings: Any,
    ) -> None:
        """Keep the settings; nothing is derived from data or compiled before `fit`.

        Args:
            model: the model to train, or the name or FILE.py:Class of the one to make; None makes
                the one that train.py would make. `fit` adapts
                it to the training ratings and gives it the loss's link.
            optimizer: a name ("adam"), the settings of one, or a Keras optimizer or class of
                them, from which every fit makes its own; by default that of the config.
            loss: whatever `losses.get` takes: a registered name, FILE.py:function, a function
                (ratings [B], predictions [B]) -> [B], a Keras loss; by default that of the config.
            config: all settings, or those of the loop alone. Every fit derives anew what is None.
            previous: a training to continue from, instead of the model's random start. μ and the
                range of ratings are those of the new ratings all the same.
            workers: who train the model together; each has a model of its own users.
            settings: single settings, named as the flags of train.py: learning_rate=0.01, ...

        Raises:
            InputError: a setting is unknown, out of bounds, or makes no sense with the loss.
        """
        self._own_optimizer = None
        if isinstance(config, TrainingConfig):
            config = Config(training=config)
        config = config or Config()
        if isinstance(optimizer, OptimizerConfig):
            config = dataclasses.replace(config, optimizer=optimizer)
        elif isinstance(optimizer, str):
            settings["optimizer"] = optimizers.canonical(optimizer)
        elif optimizer is not None:
            config = optimizers.with_own(config, optimizer)
            self._own_optimizer = optimizer
        if isinstance(loss, str):
            settings["loss"], loss = loss, None
        if isinstance(model, str):
            settings["model"], model = model, None
        if model is not None and not isinstance(model, Model):
            raise InputError(f"model={model!r}: give a model, or the name or address of its class")
        made_with = {} if model is None else models.settings_of(model)
        for name in made_with.keys() & settings.keys():
            if settings[name] != made_with[name]:
                raise InputError(
                    f"{name}={settings[name]}: the model was made with {name}={made_with[name]}"
                )
        self.config = config.replace(settings)
        self._check_settings(self.config)
        if self._own_optimizer is None:
            optimizers.check_name(self.config.optimizer.optimizer)
        self.loss = losses.configured(self.config.loss) if loss is None else losses.get(loss)
        objectives.check(self.loss, self.config)
        self.model = model
        self.history = History()
        self._given_model = model
        self._previous = previous
        self._workers = workers
        self.parts: tuple[Interactions, Interactions | None] | None = None

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
        """Train for a number of epochs, or until the validation metric no longer improves.

        Arguments and errors are those of `epochs`, and:

        Args:
            on_epoch: called after every epoch, while the model holds the weights that were
                evaluated.

        Returns:
            The history, which `self.history` holds up to date also while training runs.
        """
        run = self.epochs(
            train,
            validation,
            epochs,
            stop_after=stop_after,
            evaluate=evaluate,
            on_loop=on_loop,
            gradient_norm=gradient_norm,
        )
        with contextlib.closing(run):
            for log in run:
                if on_epoch:
                    on_epoch(log)
        return self.history

    def epochs(
        self,
        train: Interactions,
        validation: Interactions | None = None,
        epochs: int | None = None,
        *,
        stop_after: int | None = None,
        evaluate: Callable[[], dict[str, float]] | None = None,
        on_loop: Callable[[LoopLog], None] | None = None,
        gradient_norm: bool = False,
    ) -> Epochs:
        """Compile the loop, and return an iterator that trains one epoch per item.

            with contextlib.closing(trainer.epochs(train, validation)) as epochs:
                for log in epochs:
                    print(log.epoch, log.train["loss"], log.validation["rmse"])

        Between two epochs the model holds the weights that were evaluated: their moving average
        if the optimizer keeps one. Once the iterator is exhausted or closed, the model holds the
        weights of its best evaluated epoch if there is a validation part, or else those of the last
        epoch. That is true also if an exception such as Ctrl-C ends training; before the first
        epoch is complete the model keeps the weights that it has.

        Args:
            train: ratings to learn from. A model that was trained before goes on with the rows
                that it has for their raw ids.
            validation: ratings that stop training and pick the epoch; never trained on. They are
                matched with the training part by raw id.
            epochs: passes over the ratings, which the learning-rate schedule spans; by default
                the config's.
            stop_after: ends after this epoch of the schedule.
            evaluate: returns the validation metrics, the one that picks the epoch among them; by
                default errors, or for ranking losses the ranking metrics, on `validation`.
            on_loop: called after every loop.
            gradient_norm: log the norm of the objective's gradient at the end of every epoch,
                before any clipping, on the same random batch of examples.

        Raises:
            NonFiniteLoss: the loss became NaN or infinite; the model then holds its best
                weights of the epochs before.
            InputError: ratings do not fit the model's tables, XLA cannot compile the loss, or the
                loss is not per example.
        """
        started = time.perf_counter()
        train = self._workers.own_rows(check_kind(train, "training part"))
        train = self._matched(train)
        given = None
        if validation is not None:
            given = check_kind(validation, "validation part")
            validation = self._workers.own_rows(given).encode(train.users, train.items)
        self._check_rated(train, validation)
        self._look_at(train, given, validation)
        self.parts = (train, validation)
        config = self.config if epochs is None else self.config.replace({"epochs": epochs})
        history = self.history = History(examples_per_epoch=len(train.whole))
        self.resolved = config = self._adapt(config, train)
        loop = config.training
        history.last_epoch = min(stop_after or loop.epochs, loop.epochs)
        if evaluate is None:
            check_metrics(self.loss, config)
        if validation is not None and evaluate is None:
            evaluate = validator(self.model, self.loss, config, train, validation)
        history.compile_seconds = self._prepare()
        history.prepare_seconds = time.perf_counter() - started - history.compile_seconds
        if gradient_norm:
            history.compile_seconds += self._prepare_gradient_norm()
        return self._epochs(evaluate, on_loop, gradient_norm)

    def _epochs(
        self,
        evaluate: Callable[[], dict[str, float]] | None,
        on_loop: Callable[[LoopLog], None] | None,
        gradient_norm: bool,
    ) -> Epochs:
        config, history = self.resolved.training, self.history
        last_epoch = history.last_epoch
        best = BestWeights(self.model, config.eval_metric, self._workers)
        early_stopping = EarlyStopping(config.early_stopping_patience)
        started = time.perf_counter()
        loops = iter(self._data.loops(last_epoch, config.seed))
        history.prepare_seconds += time.perf_counter() - started
        stopping = contextlib.ExitStack()
        try:
            stop_if_asked = stopping.enter_context(self._workers.stopping_together())
            for epoch in range(1, last_epoch + 1):
                means = self._train_epoch(loops, epoch, on_loop, stop_if_asked)
                means["learning_rate"] = float(self.optimizer.learning_rate)
                means["examples_per_second"] = history.examples_per_second
                if gradient_norm:
                    started = time.perf_counter()
                    means["gradient_norm"] = float(self._gradient_norm())
                    history.gradient_seconds += time.perf_counter() - started
                with optimizers.averaged_weights(self.model, self.optimizer):
                    metrics = {}
                    if evaluate and (epoch % config.eval_every == 0 or epoch == last_epoch):
                        started = time.perf_counter()
                        metrics = evaluate()
                        history.evaluation_seconds += time.perf_counter() - started
                    log = EpochLog(
                        epoch,
                        last_epoch,
                        history.steps,
                        means,
                        metrics,
                        is_best=best.offer(epoch, metrics) if metrics or not evaluate else False,
                        seconds=history.train_seconds,
                        metric=config.eval_metric,
                    )
                    history.add(log)
                    yield log
                if early_stopping.should_stop(log):
                    break
        finally:
            stopping.close()
            best.restore()

    def _check_settings(self, config: Config) -> None:
        """Refuse settings of what happens around a training: train.py applies them."""

    def _check_rated(self, train: Interactions, validation: Interactions | None) -> None:
        """Refuse pairs without ratings for a loss of ratings."""
        if not self.loss.predicts_ratings:
            return
        name = self.loss.name
        use = f"loss '{name}' learns; bring some, or take a loss of rankings, such as loss='bpr'"
        require_ratings(train, "the training part", use)
        if validation is not None:
            use = f"a model of loss '{name}' is measured by; bring some, or leave it out"
            require_ratings(validation, "the validation part", use)

    def _look_at(
        self, train: Interactions, given: Interactions | None, validation: Interactions | None
    ) -> None:
        """See what is odd about the parts: train.py has warned of its own."""

    def _matched(self, train: Interactions) -> Interactions:
        """Return the training part in rows that go with those of the models that are given."""
        earlier = self._previous.model if self._previous else self._given_model
        if earlier is not None and earlier.vocabularies is not None:
            train = continuing(train, *earlier.vocabularies)
        tables = train if self._given_model is None else self._given_model
        check_training_part(train, tables.num_users, tables.num_items)
        if not len(train):
            raise InputError("the training part holds no rows; bring some ratings")
        return train

    def _adapt(self, config: Config, train: Interactions) -> Config:
        """Resolve the settings, and make or adapt all that depends on the training ratings."""
        asked = config.optimizer.optimizer
        config = resolve(config, self.loss, train.whole, self._given_model)
        if asked.lower() == AUTO:
            choice = optimizer_choice(config, self.loss, train.whole, self._given_model)
            # from Python, what everybody expects needs no line
            if choice.optimizer != DENSE:
                say(f"chosen from the data: optimizer={choice.optimizer} ({choice.reason})")
        sizes.check(config, self.loss, train)
        if self._given_model is None:
            held = optimizers.held(config.optimizer, self._own_optimizer)
            rows = train.num_users + train.num_items
            memory.check_tables(config.model.embedding_dim, rows, held)
            own = config.replace({"seed": self._workers.seed(config.training.seed)})
            self.model = models.build(own, self.loss, (train.num_users, train.num_items))
        self.model.link = self.loss.link if self.loss.predicts_ratings else None
        with naming(f"--model={config.model.model}"):
            self.model.prepare(train)
        if self._previous:
            self.model.take_over(self._previous.model)
        self._objective = Objective.of(self.model, self.loss, train, config.sampler)
        self._regularizer = Regularizer(config.regularizer, self.loss, train, self.model)
        make: Any = ShardStream if train.is_streamed else ColumnsInMemory
        self._data: TrainingData = make(train, config.training, self._workers)
        return config

    def _prepare(self) -> float:
        """Build all that the compiled loop refers to, compile it, and return the seconds."""
        config = self.resolved.training
        before = self._previous.optimizer if self._previous else None
        first_step = int(before.iterations) if before else 0
        self.optimizer = optimizers.build(
            self.resolved.optimizer,
            self._data.shape.steps,
            config.epochs,
            first_step,
            self._own_optimizer,
        )
        variables = self.model.trainable_variables
        self.optimizer.build(variables)
        if before:
            take_over(self.optimizer, before)
        own = set(map(id, self.model.rows_of_users()))
        self._is_own = [id(variable) in own for variable in variables]
        self._workers.share([each for each in self.model.variables if id(each) not in own])
        read, jit = [*self.model.variables, self.optimizer.iterations], config.jit_compile
        self._gradients = self._workers.gradients(self._own_gradients, read, jit)
        self._apply = self._workers.update(self._update, read, variables, jit)
        self._clipped = self._workers.clipping(self.optimizer, self._is_own)
        # an InputError raised while the loop is traced would reach nobody as such
        empty_loop = self._data.empty_loop()
        first = Examples(*(block[0] for block in self._data.blocks(empty_loop)))
        self._objective.example_losses(first, self._seed())
        started = time.perf_counter()
        self._logged: tuple[str, ...] = ()
        if config.run_eagerly:
            self._step: Any = lambda batch: checked_scalars(self.train_step(batch))
            self._compiled_loop = self._loop
            return time.perf_counter() - started
        self._step = graph_function(self.train_step)
        is_compiled = config.jit_compile and self._workers.compiles_loops
        self._compiled_loop = graph_function(self._loop, jit_compile=is_compiled)
        try:
            # a compiled while loop has to know beforehand what a step returns
            scalars = self._step.get_concrete_function(first).structured_outputs
            self._logged = tuple(checked_scalars(scalars))
            # a loop of no steps compiles everything and trains nothing
            self._compiled_loop(empty_loop)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not config.jit_compile or "XLA" not in str(error):
                raise
            raise not_compiled(error, self.loss.name, self.model.name) from None
        return time.perf_counter() - started

    def _prepare_gradient_norm(self) -> float:
        """Choose the examples that it is measured on, trace it, and return the seconds.

        The compiled loop itself does not return it: there it would take a pass over gradients
        that XLA otherwise never writes down, a sixth of a step at d = 64.
        """
        started = time.perf_counter()
        batch = self._data.sample(self.resolved.training.seed)

        def measure() -> tf.Tensor:
            with tf.GradientTape() as tape:
                objective = tf.add_n(list(self.mean_losses(batch).values()))
            variables = self.model.trainable_variables
            return tf.linalg.global_norm(optimizers.gradients(tape, objective, variables))

        self._gradient_norm = (
            measure if self.resolved.training.run_eagerly else graph_function(measure)
        )
        self._gradient_norm()
        return time.perf_counter() - started

    def _train_epoch(
        self,
        loops: Iterator[Any],
        epoch: int,
        on_loop: Callable[[LoopLog], None] | None,
        stop_if_asked: Callable[[], None],
    ) -> dict[str, float]:
        """Train an epoch, and return means over its examples of what `train_step` returns."""
        history, shape = self.history, self._data.shape
        sums: dict[str, float] = {}
        total_weight = 0.0
        for number in range(1, shape.loops + 1):
            started = time.perf_counter()
            loop_sums, weight = self._compiled_loop(next(loops))
            for name, value in loop_sums.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            total_weight += float(weight)
            history.train_seconds += time.perf_counter() - started
            means = {name: value / total_weight for name, value in sums.items()}
            objective = sums["loss"] + sums.get("regularization", 0.0)
            if not np.isfinite(objective):
                raise NonFiniteLoss(
                    f"the loss became {objective} in epoch {epoch}, loop {number} of "
                    f"{shape.loops}; lower --learning_rate or set --clip_norm"
                )
            history.steps = int(self.optimizer.iterations)
            seen = min(number * shape.steps_per_loop * shape.batch_size, shape.num_examples)
            epochs_done = epoch - 1 + seen / shape.num_examples
            history.examples_per_second = (
                epochs_done * history.examples_per_epoch / history.train_seconds
            )
            stop_if_asked()
            if on_loop:
                done, in_all = (epoch - 1) * shape.loops + number, history.last_epoch * shape.loops
                speed = history.examples_per_second
                on_loop(LoopLog(epoch, done, in_all, means["loss"], speed))
        return means

    def _loop(self, loop: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Run a loop's real steps; return weighted sums of what they return, and Σ weight."""
        # all steps' examples at once: fetched within a step, XLA would fetch them for every use
        blocks = self._data.blocks(loop)
        self._workers.begin_loop()
        sums = dict.fromkeys(self._logged, tf.constant(0.0))
        total_weight, step = tf.constant(0.0), tf.constant(0)
        # tf.range(num_steps) would compile anew for every number of steps
        while step < loop.num_steps:
            batch = Examples(*(block[step] for block in blocks))
            means, weight = self._step(batch), tf.reduce_sum(batch.weights)
            sums = {name: sums.get(name, 0.0) + weight * means[name] for name in means}
            total_weight += weight
            step += 1
        return self._workers.total((sums, total_weight))

    def _seed(self) -> tf.Tensor:
        """The seed of the next step's draws, another one on each worker, int32 [2]."""
        step, workers = tf.cast(self.optimizer.iterations, tf.int32), self._workers
        step = step * workers.number + workers.index
        step = step * workers.num_parts + workers.part_number
        return tf.stack([self.resolved.training.seed, step])
