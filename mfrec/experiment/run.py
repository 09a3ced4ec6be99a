"""One experiment: settings -> data -> Trainer -> evaluation -> run folder."""

import platform
import re
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.config.settings import Config, ModelConfig
from mfrec.data import splitting
from mfrec.data.loading import Source
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.experiment.fit import Fit
from mfrec.experiment.part_evaluator import Measurement
from mfrec.experiment.preparation import Setup, prepare
from mfrec.models.base import Model
from mfrec.progress import say
from mfrec.runs.results import Results, Timing
from mfrec.runs.shared_folder import SharedRunFolder
from mfrec.tensorboard.summaries import Summaries
from mfrec.training.statistics import optimizer_choice


def default_run_dir(config: Config, source: Source) -> Path:
    """Return runs/ + data set, loss and time, in letters that need no quotes in a shell."""
    loss = config.loss.loss.rpartition(":")[2]
    # names of files are of any length, 255 bytes at most; a letter has up to four
    name = re.sub(r"[^\w.-]+", "-", f"{source.name[:40]}-{loss[:20]}").strip("-.")
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def run(
    config: Config,
    source: Source,
    run_dir: str | Path | None,
    started: float,
    overwrite: bool = False,
    workers: OneProcess = ONE_PROCESS,
) -> Results:
    """Train and evaluate once, leaving everything in the run folder.

    Args:
        config: the settings; those that are None are derived from the training data.
        source: the ratings.
        run_dir: the run folder, made once the settings and data are known to be good.
        started: time.perf_counter() when the command began.
        overwrite: whether an earlier run there is replaced.
        workers: who train together, all of whom call this; the chief's run folder counts.

    Raises:
        InputError: a setting or the data cannot be used, or training diverged.
        KeyboardInterrupt: Ctrl-C or SIGTERM. The folder then holds the model as far as it was
            trained and a results.json with "stopped"; the message says so.
    """
    setup = prepare(config, source, workers)
    load_seconds = time.perf_counter() - started
    chosen = _chosen(config, setup.config)
    with SharedRunFolder.shared(run_dir, overwrite, workers) as folder:
        _announce(setup, chosen, source)
        folder.save_config(setup.config, {})
        level = setup.config.training.tensorboard if workers.is_chief else "off"
        summaries = Summaries(folder.path, level)
        fits: list[Fit] = []
        test, test_seconds = Measurement(), 0.0
        stop = None
        try:
            with summaries:
                summaries.settings(setup.config, chosen)
                fits.append(Fit(setup, folder, workers=workers))
                history = fits[0].train(summaries)

                if setup.config.training.refit:
                    refit, epochs = setup.with_validation_in_training(source), history.best_epoch
                    say(f"refit: {epochs} epochs on {len(refit.split.train):,} ratings")
                    fits.append(Fit(refit, folder, refit_epochs=epochs, workers=workers))
                    history = fits[1].train(summaries)

                last = fits[-1]
                evaluation_started = time.perf_counter()
                if last.test:
                    test = last.test.measure(last.model)
                test_seconds = time.perf_counter() - evaluation_started
                summaries.end(
                    last.model, last.split, test.metrics, history.steps, last.draws_ratings
                )
        except KeyboardInterrupt as interrupt:
            stop = interrupt
            fits = [fit for fit in fits if fit.history.steps]
            if not fits:
                raise type(stop)("stopped before training began; nothing was written") from None

        timing = Timing(
            load_seconds=load_seconds,
            compile_seconds=sum(fit.history.compile_seconds for fit in fits),
            train_seconds=sum(fit.history.train_seconds for fit in fits),
            evaluation_seconds=test_seconds + sum(fit.history.evaluation_seconds for fit in fits),
            summary_seconds=summaries.seconds + sum(fit.history.gradient_seconds for fit in fits),
            seconds_to_best=fits[0].history.seconds_to_best,
            examples_per_second=fits[-1].history.examples_per_second,
            total_seconds=time.perf_counter() - started,
        )
        results = _results(setup, source, fits, test, timing, workers)
        if stop is None:
            folder.save_results(results)
            return results
        try:
            fits[-1].save()
            folder.save_results(replace(results, stopped=fits[-1].stopped()))
        except KeyboardInterrupt as again:
            raise type(again)(f"stopped while saving: {run_dir} may lack the latest") from None
        raise type(stop)(
            f"stopped {fits[-1].stopped()}; {fits[-1].kept()}: "
            f"python eval.py --run_dir={run_dir} · tensorboard --logdir={run_dir}"
        )


def _results(
    setup: Setup,
    source: Source,
    fits: list[Fit],
    test: Measurement,
    timing: Timing,
    workers: OneProcess,
) -> Results:
    first, last = fits[0], fits[-1]
    metrics = {"validation": first.history.best_validation, "test": test.metrics}
    if last.best_on_test:
        metrics["test_best_epoch"] = last.best_on_test
    return Results(
        dataset=source.name,
        split=_split_in_words(setup.config, source),
        model=_model_name(setup.config.model, setup.loss.name),
        protocol=first.protocols() | last.protocols(),
        epochs=last.history.best_epoch,
        steps=last.history.steps,
        parameters=_num_parameters(last.model, workers),
        metrics={part: measured for part, measured in metrics.items() if measured},
        intervals={"test": test.intervals},
        baselines=test.baselines,
        warnings=[*setup.split.warnings, *test.warnings],
        held_out={part: first.split.digest(part) for part in metrics if part in first.split.raw},
        counts=last.split.counts | {"ranked": test.counts},
        timing=timing,
        versions=versions(),
    )


def _num_parameters(model: Model, workers: OneProcess) -> int:
    """Return the trainable numbers of a model, those of all workers' users."""
    own = set(map(id, model.rows_of_users()))
    numbers = {True: 0, False: 0}
    for variable in model.trainable_variables:
        numbers[id(variable) in own] += int(np.prod(variable.shape))
    return numbers[False] + int(workers.sum(np.array(numbers[True])))


def _split_in_words(config: Config, source: Source) -> str:
    if source.converted is not None:
        return source.converted.manifest.split
    return splitting.describe(config)


def _model_name(model: ModelConfig, loss: str) -> str:
    """Return loss and dimension, after the model unless it is plain matrix factorization."""
    name = model.model.rpartition(":")[2]
    shown = "" if name == ModelConfig().model else f"{name} "
    return f"{shown}{loss} d={model.embedding_dim}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the numbers depend on."""
    packages = ("mfrec", "tensorflow", "keras", "numpy")
    return {name: metadata.version(name) for name in packages} | {
        "python": platform.python_version()
    }


def _chosen(given: Config, resolved: Config) -> dict[str, Any]:
    """Return the settings that were chosen from the data, by flat name."""
    asked = given.flat()
    return {name: value for name, value in resolved.flat().items() if value != asked[name]}


def _announce(setup: Setup, chosen: dict[str, Any], source: Source) -> None:
    """Say what is about to be trained on what."""
    config, split, earlier = setup.config, setup.split, setup.earlier
    counts = split.counts
    for note in source.notes:
        say(note)
    say(
        f"{source.name} · {_split_in_words(config, source)} · "
        f"{counts['users']:,} users, {counts['items']:,} items in training"
    )
    say(
        f"train {counts['train']:,} · validation {counts['validation']:,} · test "
        f"{counts['test']:,} ratings"
    )
    if earlier:
        train, model = split.train, earlier.model
        without = "" if earlier.optimizer else ", without its optimizer state"
        say(
            f"continuing from {config.training.init_from}{without}: "
            f"{train.num_users - model.num_users:,} new users, "
            f"{train.num_items - model.num_items:,} new items"
        )
    for note in (*split.notes, *source.notes_on_features(split.train)):
        say(note)
    for warning in split.warnings:
        say(f"warning: {warning}")
    if chosen:
        values = {name: f"{name}={value}" for name, value in chosen.items() if value != ""}
        if "optimizer" in values:
            values["optimizer"] += f" ({optimizer_choice(config, setup.loss, split.train).reason})"
        say(f"chosen from the data: {' '.join(values.values())}")
