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
from mfrec.progress import say, waiting
from mfrec.runs.results import Results, Timing
from mfrec.runs.shared_folder import SharedRunFolder
from mfrec.stopwatch import Stopwatch
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
    clock: Stopwatch,
    overwrite: bool = False,
    workers: OneProcess = ONE_PROCESS,
) -> Results:
    """Train and evaluate once, leaving everything in the run folder.

    Args:
        config: the settings; those that are None are derived from the training data.
        source: the ratings.
        run_dir: the run folder, made once the settings and data are known to be good.
        clock: started when the command began.
        overwrite: whether an earlier run there is replaced.
        workers: who train together, all of whom call this; the chief's run folder counts.

    Raises:
        InputError: a setting or the data cannot be used, or training diverged.
        KeyboardInterrupt: Ctrl-C or SIGTERM. The folder then holds the model as far as it was
            trained and a results.json with "stopped"; the message says so.
    """
    with clock.part("split"), waiting("splitting the ratings"):
        setup = prepare(config, source, workers)
    load_seconds = clock.elapsed
    chosen = _chosen(config, setup.config)
    with SharedRunFolder.shared(run_dir, overwrite, workers) as folder:
        _announce(setup, chosen, source)
        with clock.part("save"):
            folder.save_config(setup.config, {})
        level = setup.config.training.tensorboard if workers.is_chief else "off"
        summaries = Summaries(folder.path, level)
        fits: list[Fit] = []
        test = Measurement()
        stop = None
        try:
            with summaries:
                summaries.settings(setup.config, chosen)
                with clock.part("prepare"):
                    fits.append(Fit(setup, folder, clock, workers=workers))
                history = fits[0].train(summaries)

                if setup.config.training.refit:
                    refit, epochs = setup.with_validation_in_training(source), history.best_epoch
                    say(f"refit: {epochs} epochs on {len(refit.split.train):,} ratings")
                    with clock.part("prepare"):
                        fits.append(Fit(refit, folder, clock, epochs, workers))
                    history = fits[1].train(summaries)

                last = fits[-1]
                with clock.part("test"), waiting("evaluating on the test part"):
                    if last.test:
                        test = last.test.measure(last.model)
                summaries.end(
                    last.model, last.split, test.metrics, history.steps, last.draws_ratings
                )
        except KeyboardInterrupt as interrupt:
            stop = interrupt
            fits = [fit for fit in fits if fit.history.steps]
            if not fits:
                raise type(stop)("stopped before training began; nothing was written") from None

        results = _results(setup, source, fits, test, clock, workers)
        timing = _timing(clock, load_seconds, fits, summaries)
        results = replace(results, timing=timing)
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
    clock: Stopwatch,
    workers: OneProcess,
) -> Results:
    """What was measured, without the timing."""
    first, last = fits[0], fits[-1]
    metrics = {"validation": first.history.best_validation, "test": test.metrics}
    if last.best_on_test:
        metrics["test_best_epoch"] = last.best_on_test
    with clock.part("save"):
        split = first.split
        held_out = {part: split.digest(part) for part in metrics if part in split.raw}
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
        held_out=held_out,
        counts=last.split.counts | {"ranked": test.counts},
        timing=Timing(),
        versions=versions(),
    )


def _timing(clock: Stopwatch, load_seconds: float, fits: list[Fit], summaries: Summaries) -> Timing:
    def of_all(name: str) -> float:
        return sum(getattr(fit.history, f"{name}_seconds") for fit in fits)

    parts = clock.seconds
    return Timing(
        load_seconds=load_seconds,
        read_seconds=parts["read"],
        import_seconds=parts["import"],
        split_seconds=parts["split"],
        prepare_seconds=parts["prepare"] + of_all("prepare"),
        compile_seconds=of_all("compile"),
        train_seconds=of_all("train"),
        evaluation_seconds=parts["test"] + of_all("evaluation"),
        summary_seconds=summaries.seconds + of_all("gradient"),
        save_seconds=parts["save"],
        seconds_to_best=fits[0].history.seconds_to_best,
        examples_per_second=fits[-1].history.examples_per_second,
        total_seconds=clock.elapsed,
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
        known = int(setup.workers.sum(np.array(model.num_users)))
        without = "" if earlier.optimizer else ", without its optimizer state"
        say(
            f"continuing from {config.training.init_from}{without}: "
            f"{train.num_users - known:,} new users, "
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
