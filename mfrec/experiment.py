"""One experiment from settings to results: config -> data -> Trainer -> Evaluator -> run folder."""

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import losses, reporting
from mfrec.config import Config, parse_arguments, settings
from mfrec.data import loading, readers, splits
from mfrec.data.interactions import Interactions
from mfrec.data.loading import Source
from mfrec.data.splits import Split
from mfrec.defaults import adapt
from mfrec.errors import InputError
from mfrec.evaluation import Evaluator
from mfrec.model import MatrixFactorization
from mfrec.reporting import say
from mfrec.runs import RunFolder, build_model
from mfrec.summaries import Summaries
from mfrec.training import EpochLog, History, Trainer, statistics


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
    """
    loss = _loss(config)
    split = loading.split(source, config)
    folder = RunFolder.create(run_dir, overwrite)
    given = config
    config = adapt(config, statistics(split.train, loss))
    load_seconds = time.perf_counter() - started
    _announce(given, config, source, split)

    with Summaries(folder.path) as summaries:
        model, history = _fit(config, loss, split, folder, summaries)
        metrics = {}
        if split.validation is not None:
            metrics["validation"] = history.epochs[history.best_epoch - 1].validation
        histories = [history]
        if config.training.refit:
            split = split.with_validation_in_training()
            say(f"refit: {history.best_epoch} epochs on {len(split.train):,} ratings")
            model, history = _fit(config, loss, split, folder, summaries, history.best_epoch)
            histories.append(history)

        evaluation_started = time.perf_counter()
        baselines = {}
        if split.test is not None:
            evaluator = Evaluator(split.train)
            metrics["test"] = evaluator.evaluate(model, split.test)
            baselines = evaluator.baselines(split.test)
            summaries.scalars("test", metrics["test"], history.steps)
        evaluation_seconds = time.perf_counter() - evaluation_started
    results = {
        "dataset": source.name,
        "split": loading.describe(config),
        "model": f"{loss.name} d={config.model.embedding_dim}",
        "protocol": _protocol(model),
        "epochs": history.best_epoch,
        "steps": history.steps,
        "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        "metrics": metrics,
        "baselines": baselines,
        "counts": split.counts,
        "timing": {
            "load_seconds": load_seconds,
            "compile_seconds": sum(h.compile_seconds for h in histories),
            "train_seconds": sum(h.train_seconds for h in histories),
            "evaluation_seconds": evaluation_seconds + sum(h.evaluation_seconds for h in histories),
            "seconds_to_best": histories[0].seconds_to_best,
            "examples_per_second": history.examples_per_second,
            "total_seconds": time.perf_counter() - started,
        },
        "versions": _versions(),
    }
    folder.save_results(results)
    return results


def cross_validate(
    config: Config, source: Source, run_dir: str | Path, started: float, overwrite: bool = False
) -> dict[str, Any]:
    """Runs every fold into a folder of its own below the run folder; arguments as for `run`.

    Returns:
        The object of results.json: means over the folds, with the sample standard deviation of
        the metrics under "std" and every fold's metrics under "folds". Timing is a fold's mean,
        too, except for "total_seconds".
    """
    folds = [
        config.replace({"cross_validate": False, "fold": fold})
        for fold in range(config.split.num_folds)
    ]
    _loss(config)
    loading.split(source, folds[0])
    folder = RunFolder.create(run_dir, overwrite)
    results = []
    for fold, of_fold in enumerate(folds):
        say(f"fold {fold} of {len(folds)}")
        fold_dir = folder.path / f"fold-{fold}"
        results.append(run(of_fold, source, fold_dir, time.perf_counter()))
    combined = _over_folds(results, loading.describe(config))
    combined["timing"]["total_seconds"] = time.perf_counter() - started
    folder.save_config(config, {})
    folder.save_results(combined)
    return combined


def evaluate_run(
    run_dir: str | Path,
    part: str = "test",
    ratings: str | None = None,
    data_dir: str | None = None,
    predictions: str | None = None,
) -> dict[str, Any]:
    """Measures a finished run again.

    Args:
        run_dir: the run folder, of one training.
        part: "test" or "validation" of the run's own split.
        ratings: a file of ratings to measure on instead, as the "test" part.
        data_dir: where the named data sets are, if no longer where training found them.
        predictions: file to write raw user, raw item, rating, prediction and error of every
            row to, separated by tabs.

    Returns:
        The object of results.json with this part's metrics and baselines measured anew.

    Raises:
        InputError: the folder, the data or the file cannot be used.
    """
    if part == "validation" and ratings:
        raise InputError("--part=validation is the run's own; leave out --ratings or --part")
    folds = sorted(Path(run_dir).glob("fold-*"), key=lambda fold: (len(fold.name), fold.name))
    if folds:
        if predictions:
            raise InputError(f"--predictions needs one fold of {run_dir}, such as {folds[0]}")
        results = [evaluate_run(fold, part, ratings, data_dir) for fold in folds]
        split = f"all of {ratings}" if ratings else RunFolder(run_dir).load_results()["split"]
        return _over_folds(results, split)

    folder = RunFolder(run_dir)
    config, _ = folder.load_config()
    if data_dir:
        config = config.replace({"data_dir": os.path.abspath(data_dir)})
    results = folder.load_results()
    saved = folder.load_data()
    train = saved["train"]
    loss = _loss(config)
    model = folder.load_model(config, loss, (train.num_users, train.num_items))
    if ratings:
        split = splits.assemble(train, None, readers.read_ratings(ratings).without_repeats())
        results["split"] = f"all of {ratings}"
    else:
        split = _same_split(config, saved, folder)
    held_out = split.validation if part == "validation" else split.test
    if held_out is None:
        raise InputError(f"{folder.path}: the run has no {part} part; give --ratings=FILE")

    evaluator = Evaluator(split.train)
    results["metrics"] = {part: evaluator.evaluate(model, held_out)}
    results["baselines"] = evaluator.baselines(held_out) if part == "test" else {}
    results["counts"] = split.counts
    if predictions:
        _write_predictions(predictions, split, part, model.predict_interactions(held_out))
    return results


def _loss(config: Config) -> losses.Loss:
    """The configured loss; raises InputError where there is none."""
    return losses.get(config.loss.loss, parse_arguments(config.loss.loss_args))


def _fit(
    config: Config,
    loss: losses.Loss,
    split: Split,
    folder: RunFolder,
    summaries: Summaries,
    refit_epochs: int | None = None,
) -> tuple[MatrixFactorization, History]:
    """Trains a new model, saving it whenever it is the best so far."""
    train = split.train
    model = build_model(config, loss, (train.num_users, train.num_items))
    folder.save_config(config, _derived(train))
    folder.save_data(split)

    def on_epoch(log: EpochLog) -> None:
        report.epoch(log)
        summaries.epoch(log, refit=refit_epochs is not None)
        if log.is_best:
            folder.save_model(model, log.step)

    with reporting.TrainingReport() as report:
        history = Trainer(model, config.optimizer, loss, config.training).fit(
            train,
            split.validation,
            stop_after=refit_epochs,
            on_loop=report.loop,
            on_epoch=on_epoch,
        )
    return model, history


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


def _announce(given: Config, config: Config, source: Source, split: Split) -> None:
    """Says what is about to be trained on what."""
    counts = split.counts
    say(
        f"{source.name} · {loading.describe(config)} · "
        f"{counts['users']:,} users, {counts['items']:,} items in training"
    )
    say(
        f"train {counts['train']:,} · validation {counts['validation']:,} · test "
        f"{counts['test']:,} ratings"
    )
    for note in split.notes:
        say(note)
    derived = [
        f"{setting.name}={getattr(getattr(config, section), setting.name)}"
        for section, setting in settings()
        if getattr(getattr(given, section), setting.name)
        != getattr(getattr(config, section), setting.name)
    ]
    if derived:
        say(f"chosen from the data: {' '.join(derived)}")


def _protocol(model: MatrixFactorization) -> str:
    low, high = model.rating_range.numpy()
    clipped = f"clipped to [{low:g}, {high:g}]" if model.clip_predictions else "not clipped"
    return f"errors over every held-out rating; ids unknown to training fall back; {clipped}"


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
    combined["std"] = _combine(metrics, lambda values: np.std(values, ddof=1))
    combined["folds"] = metrics
    return combined


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
    split = loading.split(loading.load(config.data), config)
    if config.training.refit:
        split = split.with_validation_in_training()
    train = saved["train"]
    again = split.train
    if not (
        again.users.raw_ids == train.users.raw_ids
        and again.items.raw_ids == train.items.raw_ids
        and np.array_equal(again.user_ids, train.user_ids)
        and np.array_equal(again.item_ids, train.item_ids)
        and np.array_equal(again.ratings, train.ratings)
    ):
        raise InputError(
            f"{folder.path}: its ratings have changed since training, so its test part cannot be "
            "told; restore them, or give --ratings=FILE"
        )
    return split


def _write_predictions(path: str, split: Split, part: str, predictions: np.ndarray) -> None:
    users, items = split.raw_pairs(part)
    ratings = split.raw[part].ratings
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write("user\titem\trating\tprediction\terror\n")
            for row in zip(users, items, ratings.tolist(), predictions.tolist(), strict=True):
                user, item, rating, prediction = row
                file.write(
                    f"{user}\t{item}\t{rating:g}\t{prediction:.6g}\t{prediction - rating:.6g}\n"
                )
    except OSError as error:
        raise InputError(f"--predictions={path}: {error.strerror}") from None
