"""Cross-validation: every fold into a folder of its own, and their means."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.config.settings import Config
from mfrec.data import splitting
from mfrec.data.loading import Source
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.experiment.preparation import prepare
from mfrec.experiment.run import run
from mfrec.progress import say
from mfrec.runs.results import Results, Timing
from mfrec.runs.run_folder import RunFolder
from mfrec.stopwatch import Stopwatch


def cross_validate(
    config: Config,
    source: Source,
    run_dir: str | Path,
    clock: Stopwatch,
    overwrite: bool = False,
    workers: OneProcess = ONE_PROCESS,
) -> Results:
    """Run every fold into a folder below the run folder; arguments and errors as for `run`.

    Returns:
        Means over the folds, see `mean_results`; of the timing, "total_seconds" is of all folds.
    """
    num_folds = config.split.num_folds
    # before anything is written
    for fold in range(num_folds):
        prepare(config if workers.number > 1 else _fold_config(config, fold), source, workers)
    for note in source.notes:
        say(note)
    source = dataclasses.replace(source, notes=())
    results: list[Results] = []
    with RunFolder.create(run_dir, overwrite) as folder:
        folder.save_config(config, {})
        for fold in range(num_folds):
            say(f"fold {fold} of {num_folds}")
            fold_dir = folder.path / f"fold-{fold}"
            try:
                fold_config = _fold_config(config, fold)
                results.append(run(fold_config, source, fold_dir, Stopwatch()))
            except KeyboardInterrupt as stop:
                raise type(stop)(f"{_folds_done(fold_dir, fold, num_folds)}; {stop}") from None
        means = mean_results(results, splitting.describe(config))
        timing = dataclasses.replace(means.timing, total_seconds=clock.elapsed)
        means = dataclasses.replace(means, timing=timing)
        folder.save_results(means)
    return means


def _fold_config(config: Config, fold: int) -> Config:
    return config.replace({"cross_validate": False, "fold": fold})


def mean_results(results: Sequence[Results], split: str) -> Results:
    """Return the means over folds.

    "std" is the sample standard deviation of the metrics, "folds" are the metrics of each fold.

    Args:
        results: of each fold.
        split: the split of all folds, in words.
    """

    def mean(name: str) -> Any:
        return _combine([getattr(result, name) for result in results], _mean)

    metrics = [result.metrics for result in results]
    timings = [dataclasses.asdict(result.timing) for result in results]
    return dataclasses.replace(
        results[0],
        split=split,
        epochs=mean("epochs"),
        steps=mean("steps"),
        parameters=mean("parameters"),
        metrics=mean("metrics"),
        # intervals over the users of one fold are none of the mean
        intervals={},
        baselines=mean("baselines"),
        warnings=sorted({line for result in results for line in result.warnings}),
        held_out={
            part: _digest("".join(result.held_out[part] for result in results))
            for part in results[0].held_out
        },
        counts=mean("counts"),
        timing=Timing(**_combine(timings, _mean)),
        std=_combine(metrics, _standard_deviation),
        folds=metrics,
    )


def _combine(values: Sequence[Any], function: Callable[[Sequence[float]], float]) -> Any:
    """Apply the function to each number of objects of one shape."""
    if isinstance(values[0], dict):
        return {key: _combine([value[key] for value in values], function) for key in values[0]}
    return function(values)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _standard_deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _folds_done(fold_dir: Path, fold: int, num_folds: int) -> str:
    """Return where a cross-validation was stopped and how to evaluate the finished folds."""
    stopped = f"stopped in fold {fold} (of 0 to {num_folds - 1})"
    if not fold:
        return f"{stopped}, none is done"
    done = " ".join(f"--run_dir={fold_dir.with_name(f'fold-{number}')}" for number in range(fold))
    return f"{stopped}, done: python eval.py {done}"
