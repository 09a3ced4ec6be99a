"""Trains a matrix factorization model on ratings and measures it.

    python train.py --embedding_dim=10
    python train.py --dataset=movielens-1m --preset=movielens-1m
    python train.py --ratings=my_ratings.csv --loss=my_losses.py:focal

Settings: flag > --config > --preset > default. Results go to standard output, progress and notes
to standard error; everything is kept in the run folder.
"""

import contextlib
from collections.abc import Sequence

from mfrec import losses
from mfrec.cli.command_line import CommandLine
from mfrec.config.presets import PRESETS
from mfrec.config.resolution import resolve
from mfrec.data import datasets, loading, splitters, splitting
from mfrec.files import reserved_folder
from mfrec.progress import waiting
from mfrec.stopwatch import Stopwatch
from mfrec.terminal import visible
from mfrec.training import meeting, optimizers, samplers

COMMAND = CommandLine(__doc__)
_RUN = "The run."
RUN_DIR = COMMAND.define(
    _RUN, "run_dir", str, None, "the run folder (default: runs/ + data set, loss and time)"
)
OVERWRITE = COMMAND.define(_RUN, "overwrite", bool, False, "replace an earlier run in --run_dir")
PRESET = COMMAND.define(
    _RUN, "preset", str, None, "a recipe of settings that flags override", tuple(PRESETS)
)
CONFIG = COMMAND.define(_RUN, "config", str, None, "repeat the run of this config.json")
ALLOW_CODE = COMMAND.define_allow_code(_RUN)
COMMAND.define_settings(
    {
        "dataset": datasets.NAMES,
        "split": tuple(splitters.REGISTRY),
        "loss": (*losses.REGISTRY, *losses.KERAS_NAMES),
        "negative_sampler": tuple(samplers.REGISTRY),
        "optimizer": optimizers.CHOICES,
    }
)

COMMAND.show_first(
    "The flags that matter most.",
    "dataset ratings preset model loss embedding_dim epochs learning_rate seed run_dir".split(),
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its flags.
    """
    clock = Stopwatch()
    # the run folder is complete before the first table is printed, whether anybody reads it or not
    return COMMAND.run(argv, lambda: train(clock), unread=0)


def train(clock: Stopwatch) -> None:
    """Train, measure and print the tables.

    Args:
        clock: started when the command began.
    """
    given = COMMAND.given_settings()
    config = resolve(given, PRESET.value, CONFIG.value, splitters.REGISTRY, ALLOW_CODE.value)
    losses.check_name(config.loss.loss)
    samplers.check_name(config.sampler.negative_sampler)
    optimizers.check_name(config.optimizer.optimizer)
    config = splitting.complete(loading.complete(config))
    with contextlib.ExitStack() as around:
        met = around.enter_context(meeting.opened(config.training.distribution))
        with clock.part("read"):
            source = loading.load(config.data)
        if met:
            met.wait()

        # TensorFlow takes seconds to import: wrong flags and files are answered before
        with clock.part("import"), waiting("starting TensorFlow"):
            from mfrec.cli import reporting
            from mfrec.experiment.folds import cross_validate
            from mfrec.experiment.run import default_run_dir, run
            from mfrec.training import distribution

        workers = around.enter_context(distribution.start(config.training.distribution, met))
        run_dir = RUN_DIR.value
        if not run_dir and workers.is_chief:
            run_dir = around.enter_context(reserved_folder(default_run_dir(config, source)))
        train_and_evaluate = cross_validate if config.split.cross_validate else run
        arguments = (config, source, run_dir, clock, OVERWRITE.value)
        results = train_and_evaluate(*arguments, workers)
    if not workers.is_chief:
        return
    for part in results.metrics:
        print(reporting.table(results, part), end="\n\n")
    print(reporting.timing(results))
    hint = "" if config.training.tensorboard == "off" else f"   (tensorboard --logdir={run_dir})"
    print(visible(f"run folder: {run_dir}{hint}"))
