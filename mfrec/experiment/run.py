"""One experiment from settings to results: config -> data -> Trainer -> Evaluator -> run folder."""

import dataclasses
import hashlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import losses, memory, models
from mfrec.cli import reporting
from mfrec.cli.reporting import say
from mfrec.config.defaults import adapt
from mfrec.config.settings import Config, settings
from mfrec.data import loading, splitting
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.loading import Source
from mfrec.data.splits import Split, SplitRecipe
from mfrec.errors import InputError
from mfrec.evaluation import significance
from mfrec.evaluation.metrics import ERRORS
from mfrec.evaluation.rankings import RankingResult
from mfrec.experiment.part_evaluator import Measured, Yardstick
from mfrec.files import replacing
from mfrec.runs.run_folder import RunFolder
from mfrec.tensorboard.summaries import Summaries
from mfrec.training import objective as objectives
from mfrec.training.trainer import EpochLog, History, Trained, Trainer, optimizers, statistics


def default_run_dir(config: Config, source: Source) -> Path:
    """runs/ + data set, loss and time."""
    loss = config.loss.loss.rpartition(":")[2]
    return Path("runs") / f"{source.name}-{loss}-{time.strftime('%Y%m%d-%H%M%S')}"


def run(
    config: Config, source: Source, run_dir: str | Path, started: float, overwrite: bool = False
) -> dict[str, Any]:
    """Trains and measures once, leaving everything in the run folder.

    Args:
        config: the settings; what is None follows from the training data.
        source: the ratings.
        run_dir: the run folder, made once loss and split are known to be good.
        started: time.perf_counter() when the command began.
        overwrite: whether an earlier run there is replaced.

    Returns:
        The object of results.json.

    Raises:
        InputError: a setting or the data cannot be used, or training diverged.
        KeyboardInterrupt: Ctrl-C or SIGTERM. What was learnt until then is in the folder, and
            the message says where; results.json holds what is known, and under "stopped" when
            it was.
    """
    given, (loss, split, config, features, earlier) = config, _prepare(config, source)
    load_seconds = time.perf_counter() - started
    chosen = _chosen(given, config)
    with RunFolder.create(run_dir, overwrite) as folder:
        _announce(chosen, config, source, split, earlier)
        folder.save_config(config, {})
        fits: list[_Fit] = []
        test, evaluation_seconds = Measured(), 0.0
        stopped = None
        try:
            with Summaries(folder.path, config.training.tensorboard) as summaries:
                summaries.settings(config, chosen)
                fits.append(_Fit(config, loss, split, features, folder, earlier=earlier))
                history = fits[0].train(summaries)
                if config.training.refit:
                    split = split.recipe.with_validation_in_training().encode()
                    say(f"refit: {history.best_epoch} epochs on {len(split.train):,} ratings")
                    features = source.encode_features(split.train)
                    fits.append(_Fit(config, loss, split, features, folder, history.best_epoch))
                    history = fits[1].train(summaries)

                evaluation_started = time.perf_counter()
                if fits[-1].test:
                    test = fits[-1].test.measure(fits[-1].model)
                evaluation_seconds = time.perf_counter() - evaluation_started
                last = fits[-1]
                summaries.end(last.model, split, test.metrics, history.steps, last.draws_ratings)
        except KeyboardInterrupt as stop:
            stopped = stop
            fits = [fit for fit in fits if fit.history.steps]
            if not fits:
                raise type(stop)("stopped before training began; nothing was written") from None
        first, last, digest = fits[0].history, fits[-1].history, fits[0].split.digest
        metrics = {"validation": first.best_validation, "test": test.metrics}
        if fits[-1].best_on_test:
            metrics["test_best_epoch"] = fits[-1].best_on_test
        results = {
            "dataset": source.name,
            "split": splitting.describe(config),
            "model": f"{loss.name} d={config.model.embedding_dim}",
            "protocol": fits[0].protocols() | fits[-1].protocols(),
            "epochs": last.best_epoch,
            "steps": last.steps,
            "parameters": sum(int(np.prod(v.shape)) for v in fits[-1].model.trainable_variables),
            "metrics": {part: measured for part, measured in metrics.items() if measured},
            "intervals": {"test": test.intervals},
            "baselines": test.baselines,
            "warnings": test.warnings,
            "held_out": {part: digest(part) for part in metrics if part in fits[0].split.raw},
            "counts": fits[-1].split.counts | {"ranked": test.counts},
            "timing": {
                "load_seconds": load_seconds,
                "compile_seconds": sum(fit.history.compile_seconds for fit in fits),
                "train_seconds": sum(fit.history.train_seconds for fit in fits),
                "evaluation_seconds": evaluation_seconds
                + sum(fit.history.evaluation_seconds for fit in fits),
                "summary_seconds": summaries.seconds
                + sum(fit.history.gradient_seconds for fit in fits),
                "seconds_to_best": first.seconds_to_best,
                "examples_per_second": last.examples_per_second,
                "total_seconds": time.perf_counter() - started,
            },
            "versions": _versions(),
        }
        if stopped is None:
            folder.save_results(results)
            return results
        results["stopped"] = fits[-1].stopped()
        try:
            fits[-1].save()
            folder.save_results(results)
        except KeyboardInterrupt as again:
            raise type(again)(f"stopped while saving: {run_dir} may lack the latest") from None
        raise type(stopped)(
            f"stopped {results['stopped']}; {fits[-1].kept()}: "
            f"python eval.py --run_dir={run_dir} · tensorboard --logdir={run_dir}"
        )


def cross_validate(
    config: Config, source: Source, run_dir: str | Path, started: float, overwrite: bool = False
) -> dict[str, Any]:
    """Runs every fold into a folder of its own below the run folder; arguments as for `run`.

    Returns:
        The object of results.json: means over the folds, with the sample standard deviation of
        the metrics under "std" and every fold's metrics under "folds". Timing is a fold's mean,
        too, except for "total_seconds".
    """
    num_folds = config.split.num_folds

    def of_fold(fold: int) -> Config:
        return config.replace({"cross_validate": False, "fold": fold})

    _prepare(of_fold(0), source)
    results: list[dict[str, Any]] = []
    with RunFolder.create(run_dir, overwrite) as folder:
        folder.save_config(config, {})
        for fold in range(num_folds):
            say(f"fold {fold} of {num_folds}")
            fold_dir = folder.path / f"fold-{fold}"
            try:
                results.append(run(of_fold(fold), source, fold_dir, time.perf_counter()))
            except KeyboardInterrupt as stop:
                raise type(stop)(f"{_folds_done(fold_dir, fold, num_folds)}; {stop}") from None
        combined = _over_folds(results, splitting.describe(config))
        combined["timing"]["total_seconds"] = time.perf_counter() - started
        folder.save_results(combined)
    return combined


@dataclass(frozen=True)
class Remeasuring:
    """What to measure of a finished run.

    Attributes:
        part: "test" or "validation" of the run's own split.
        ratings: a file of ratings to measure on instead, as the "test" part.
        data_dir: where the named data sets are, if no longer where training found them.
        cutoffs: k of the ranking metrics, if not those of training.
    """

    part: str = "test"
    ratings: str | None = None
    data_dir: str | None = None
    cutoffs: str | None = None

    def __post_init__(self) -> None:
        if self.part == "validation" and self.ratings:
            raise InputError("--part=validation is the run's own; leave out --ratings or --part")


def evaluate_run(
    run_dir: str | Path, what: Remeasuring = Remeasuring(), predictions: str | None = None
) -> dict[str, Any]:
    """Measures a finished run again.

    Args:
        run_dir: the run folder, of one training or of a cross-validation.
        what: the part, and what is different from training.
        predictions: file to write raw user, raw item, rating, prediction and error of every
            row to, separated by tabs.

    Returns:
        The object of results.json with this part's metrics and baselines measured anew.

    Raises:
        InputError: the folder, the data or the file cannot be used.
    """
    folds = sorted(Path(run_dir).glob("fold-*"), key=lambda fold: (len(fold.name), fold.name))
    if not folds:
        return _remeasure(RunFolder(run_dir), what, predictions)[0]
    if not (Path(run_dir) / "results.json").is_file():
        raise InputError(
            f"{run_dir}: a cross-validation that did not come to its end; measure the folds "
            f"that did, such as {folds[0]}"
        )
    if predictions:
        raise InputError(f"--predictions needs one fold of {run_dir}, such as {folds[0]}")
    results = [evaluate_run(fold, what) for fold in folds]
    of = what.ratings
    return _over_folds(
        results, f"all of {of}" if of else RunFolder(run_dir).load_results()["split"]
    )


def compare_runs(
    first: str | Path, second: str | Path, what: Remeasuring = Remeasuring()
) -> significance.Comparison:
    """Compares the rankings of two finished runs user by user.

    Raises:
        InputError: a run cannot be measured or ranks nothing, or they have no user in common.
    """
    measured = []
    for run_dir in (first, second):
        _, ranking, users = _remeasure(RunFolder(run_dir), what, None)
        if ranking is None:
            raise InputError(f"{run_dir}: the run was measured by errors alone; add --cutoffs=10")
        names = users.take(ranking.user_ids).raw_ids
        measured.append(significance.PerUser(names, ranking.per_user))
    return significance.compare(*measured)


def _remeasure(
    folder: RunFolder, what: Remeasuring, predictions: str | None
) -> tuple[dict[str, Any], RankingResult | None, Vocabulary]:
    """The run's results measured anew, its rankings user by user, and who its users are."""
    config, _ = folder.load_config()
    changes = {"data_dir": what.data_dir and os.path.abspath(what.data_dir)}
    changes |= {"cutoffs": what.cutoffs}
    config = config.replace({name: value for name, value in changes.items() if value})
    results = folder.load_results()
    saved = folder.load_data()
    train, part = saved["train"], what.part
    loss = losses.configured(config.loss)
    model = folder.load_model(config, loss, train)
    if what.ratings:
        held_out = loading.read_held_out(what.ratings, config)
        parts = SplitRecipe(train, saved.get("validation"), held_out, catalogue=train.items)
        split = parts.encode()
        results["split"] = f"all of {what.ratings}"
    else:
        split = _same_split(config, saved, folder)
    held_out = split.validation if part == "validation" else split.test
    if held_out is None:
        raise InputError(f"{folder.path}: the run has no {part} part; give --ratings=FILE")

    yardstick = Yardstick(config, loss, split, part)
    measured = yardstick.measure(model)
    results["metrics"] = {part: measured.metrics}
    results["intervals"] = {part: measured.intervals}
    results["baselines"] = measured.baselines if part == "test" else {}
    results["protocol"] = {part: yardstick.protocol}
    results["warnings"] = measured.warnings
    results["held_out"] = {part: split.digest(part)}
    results["counts"] = split.counts | {"ranked": measured.counts}
    if predictions:
        _write_predictions(
            predictions, split, part, yardstick.of_users(model).predict_interactions(held_out)
        )
    return results, measured.ranking, split.histories.get(part, train).users


def _prepare(
    config: Config, source: Source
) -> tuple[losses.Loss, Split, Config, dict[str, Features], Trained | None]:
    """Loss, split, resolved settings, the features of the training part's rows and what to go on
    from: all that can be wrong before anything is written.
    """
    loss = losses.configured(config.loss)
    objectives.check(loss, config)
    if loss.traits.kind == "rating" and not source.has_ratings:
        raise InputError(
            f"{source.name} has no ratings, which loss '{loss.name}' learns; take a loss of "
            "rankings, such as --loss=bpr"
        )
    recipe = splitting.recipe(source, config)
    earlier = None
    if config.training.init_from:
        before = RunFolder(config.training.init_from)
        settings_before, _ = before.load_config()
        seen = before.load_data()
        earlier = before.load_trained(settings_before, loss, seen["train"])
        if settings_before.optimizer.optimizer != config.optimizer.optimizer or bool(
            settings_before.optimizer.average_weights
        ) != bool(config.optimizer.average_weights):
            # it remembers something else
            earlier = Trained(earlier.model)
        recipe = recipe.after(seen["train"], seen.get("validation"))
    split = recipe.encode()
    config = adapt(config, statistics(split.train, loss))
    features = source.encode_features(split.train, _features(earlier))
    rows = split.train.num_users + split.train.num_items
    rows += sum(len(of_rows.names) for of_rows in features.values())
    memory.check_tables(config.model.embedding_dim, rows, optimizers.copies(config.optimizer))
    return loss, split, config, features, earlier


def _features(earlier: Trained | None) -> dict[str, Features]:
    """The features that an earlier model knows, by "user" and "item"."""
    if earlier is None:
        return {}
    known = {"user": earlier.model.user_features, "item": earlier.model.item_features}
    return {role: features for role, features in known.items() if features is not None}


class _Fit:
    """One training: a new model, and what it leaves in the run folder.

    Args:
        config: the settings, resolved.
        loss: what is minimised.
        split: what is learnt from and validated on.
        features: of the split's "user" and "item" rows, where they have any.
        folder: where the model is saved whenever it is the best so far.
        refit_epochs: how many epochs a refit has; None where this is none.
        earlier: what it goes on from; None where it starts anew.
    """

    def __init__(
        self,
        config: Config,
        loss: losses.Loss,
        split: Split,
        features: dict[str, Features],
        folder: RunFolder,
        refit_epochs: int | None = None,
        earlier: Trained | None = None,
    ) -> None:
        self.split = split
        rows = (split.train.num_users, split.train.num_items)
        self.model = models.build(config, loss, rows, features)
        self._features = features
        self._config = config
        self._folder = folder
        self._refit_epochs = refit_epochs
        self._loss = loss
        self._trainer = Trainer(
            self.model, config.optimizer, loss, config.training, config.sampler, earlier
        )
        self.validation, self.test = (
            getattr(split, part) and Yardstick(config, loss, split, part)
            for part in ("validation", "test")
        )
        self.best_on_test: dict[str, float] = {}
        self._data_saved = False

    @property
    def history(self) -> History:
        return self._trainer.history

    @property
    def draws_ratings(self) -> bool:
        """Whether TensorBoard shows predicted ratings: of users whom the model has rows for."""
        return self._loss.traits.kind == "rating" and not self.split.histories

    def train(self, summaries: Summaries) -> History:
        is_refit = self._refit_epochs is not None
        test_every = self._config.evaluation.test_every

        def on_epoch(log: EpochLog) -> None:
            report.epoch(log)
            rated = self.split.validation if self.draws_ratings else None
            summaries.epoch(log, self.model, rated, is_refit)
            if log.is_best:
                self.save()
            is_due = test_every and (log.epoch % test_every == 0 or log.epoch == log.epochs)
            if self.test and is_due:
                self._offer_on_test(log, self.test.metrics(self.model))

        with reporting.TrainingReport() as report:
            return self._trainer.fit(
                self.split.train,
                self.split.validation,
                stop_after=self._refit_epochs,
                evaluate=self.validation and (lambda: self.validation.metrics(self.model)),
                on_loop=report.loop,
                on_epoch=on_epoch,
                gradient_norm=self._config.training.tensorboard == "full",
            )

    def protocols(self) -> dict[str, str]:
        """What the metrics of each part mean that was measured."""
        parts = {"validation": self.validation, "test": self.test}
        return {part: of.protocol for part, of in parts.items() if of and of.protocol}

    def _offer_on_test(self, log: EpochLog, metrics: dict[str, float]) -> None:
        """Keeps the test metrics of the epoch that is best on the test part itself."""
        sign = -1 if log.metric in ERRORS else 1
        best = self.best_on_test
        if not best or sign * metrics[log.metric] > sign * best[log.metric]:
            self.best_on_test = metrics | {"epoch": log.epoch}

    def save(self) -> None:
        """Writes the model; the first time also the data that it belongs to."""
        # not before: the model of a fit that a refit follows is kept until there is another
        if not self._data_saved:
            self._folder.save_config(self._config, _derived(self.split.train))
            self._folder.save_data(self.split, self._features)
            self._data_saved = True
        self._folder.save_model(self.model, self.history.steps, self._trainer.optimizer)

    def stopped(self) -> str:
        """When training was stopped, in words."""
        done, of = len(self.history.epochs), self.history.last_epoch
        when = f"after epoch {done} of {of}" if done else f"in epoch 1 of {of}"
        return f"{when} of the refit" if self._refit_epochs else when

    def kept(self) -> str:
        """Which weights the model holds after it was stopped, in words."""
        best, validation = self.history.best_epoch, self.history.best_validation
        if validation:
            name = self.history.epochs[-1].metric
            value = f"validation {name.upper()} {validation[name]:.4f}"
            return f"the best so far (epoch {best}, {value}) is kept"
        if best:
            return f"the weights of epoch {best} are kept"
        return "the weights are kept as they were then"


def _derived(train: Interactions) -> dict[str, Any]:
    """The constants that come from the training ratings, for config.json."""
    return {
        "num_users": train.num_users,
        "num_items": train.num_items,
        "num_ratings": len(train),
        "global_mean": float(train.ratings.mean(dtype=np.float64)),
        "rating_min": float(train.ratings.min()),
        "rating_max": float(train.ratings.max()),
        "rating_stddev": float(train.ratings.std(dtype=np.float64)),
    }


def _chosen(given: Config, config: Config) -> dict[str, Any]:
    """The settings that were chosen from the data, by flat name."""
    values = {
        setting.name: [getattr(getattr(of, section), setting.name) for of in (given, config)]
        for section, setting in settings()
    }
    return {name: resolved for name, (asked, resolved) in values.items() if asked != resolved}


def _announce(
    chosen: dict[str, Any],
    config: Config,
    source: Source,
    split: Split,
    earlier: Trained | None,
) -> None:
    """Says what is about to be trained on what."""
    counts = split.counts
    say(
        f"{source.name} · {splitting.describe(config)} · "
        f"{counts['users']:,} users, {counts['items']:,} items in training"
    )
    say(
        f"train {counts['train']:,} · validation {counts['validation']:,} · test "
        f"{counts['test']:,} ratings"
    )
    if earlier:
        train, model = split.train, earlier.model
        memory_kept = "" if earlier.optimizer else ", without what its optimizer remembers"
        say(
            f"going on from {config.training.init_from}{memory_kept}: "
            f"{train.num_users - model.num_users:,} new users, "
            f"{train.num_items - model.num_items:,} new items"
        )
    for note in (*split.notes, *source.notes_on_features(split.train)):
        say(note)
    if chosen:
        values = (f"{name}={value}" for name, value in chosen.items() if value != "")
        say(f"chosen from the data: {' '.join(values)}")


def _versions() -> dict[str, str]:
    packages = ("mfrec", "tensorflow", "keras", "numpy")
    return {name: metadata.version(name) for name in packages} | {
        "python": platform.python_version()
    }


def _over_folds(results: list[dict[str, Any]], split: str) -> dict[str, Any]:
    """One object of results.json for all folds: means, "std" and "folds"."""
    combined = dict(results[0])
    for name in ("epochs", "steps", "parameters", "metrics", "baselines", "counts", "timing"):
        combined[name] = _combine([result[name] for result in results], np.mean)
    metrics = [result["metrics"] for result in results]
    combined["split"] = split
    # of single folds: the means have none
    combined["intervals"] = {}
    combined["warnings"] = sorted({line for result in results for line in result["warnings"]})
    combined["std"] = _combine(metrics, lambda values: np.std(values, ddof=1))
    combined["folds"] = metrics
    combined["held_out"] = {
        part: hashlib.sha256("".join(r["held_out"][part] for r in results).encode()).hexdigest()[
            :16
        ]
        for part in results[0]["held_out"]
    }
    return combined


def _folds_done(fold_dir: Path, fold: int, num_folds: int) -> str:
    """Where a cross-validation was stopped and what of it can be measured, in words."""
    stopped = f"stopped in fold {fold} (of 0 to {num_folds - 1})"
    if not fold:
        return f"{stopped}, none is done"
    done = " ".join(f"--run_dir={fold_dir.with_name(f'fold-{number}')}" for number in range(fold))
    return f"{stopped}, done: python eval.py {done}"


def _combine(values: list[Any], function: Callable[[list[float]], float]) -> Any:
    """The function of each number in objects of one shape."""
    if isinstance(values[0], dict):
        return {key: _combine([value[key] for value in values], function) for key in values[0]}
    return float(function(values))


def _same_split(config: Config, saved: dict[str, Interactions], folder: RunFolder) -> Split:
    """The run's split, made again from its source.

    Raises:
        InputError: the source no longer yields the training part that the run saved.
    """
    train = saved["train"]
    # the features are the run's own by now, and so are the items that they brought
    ratings = dataclasses.replace(config.data, user_features=None, item_features=None)
    recipe = splitting.recipe(loading.load(ratings), config)
    if config.training.refit:
        recipe = recipe.with_validation_in_training()
    if config.training.init_from:
        recipe = recipe.after(train, saved.get("validation"))
    if config.data.item_features:
        recipe = dataclasses.replace(recipe, catalogue=train.items)
    split = recipe.encode()
    again = split.train
    if not (
        again.users.raw_ids == train.users.raw_ids
        and again.items.raw_ids == train.items.raw_ids
        and np.array_equal(again.user_ids, train.user_ids)
        and np.array_equal(again.item_ids, train.item_ids)
        and np.array_equal(again.ratings, train.ratings)
        and np.array_equal(again.weights_or_ones(), train.weights_or_ones())
    ):
        raise InputError(
            f"{folder.path}: its ratings have changed since training, so its test part cannot be "
            "told; restore them, or give --ratings=FILE"
        )
    return split


def _write_predictions(path: str, split: Split, part: str, predictions: np.ndarray) -> None:
    users, items = split.raw_pairs(part)
    ratings = split.raw[part].ratings
    rows = zip(users, items, ratings.tolist(), predictions.tolist(), strict=True)
    with replacing(path) as target, target.open("w", encoding="utf-8", newline="\n") as file:
        file.write("user\titem\trating\tprediction\terror\n")
        for user, item, rating, prediction in rows:
            error = prediction - rating
            file.write(f"{user}\t{item}\t{rating:g}\t{prediction:.6g}\t{error:.6g}\n")
