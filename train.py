"""Trains a matrix factorization model on ratings and measures it.

    python train.py --embedding_dim=10
    python train.py --dataset=movielens-1m --preset=movielens-1m
    python train.py --ratings=my_ratings.csv --loss=my_losses.py:focal

Settings: flag > --config > --preset > default. Results go to standard output, the rest to
standard error; everything stays in the run folder.
"""

import sys
import time

from mfrec.cli.command_line import CommandLine
from mfrec.config import settings
from mfrec.data import datasets, loading, splitters, splitting
from mfrec.progress import waiting

_STARTED = time.perf_counter()

COMMAND = CommandLine(__doc__)
_RUN = "The run."
RUN_DIR = COMMAND.define(
    _RUN, "run_dir", str, None, "where it is kept (default: runs/ + data set, loss and time)"
)
OVERWRITE = COMMAND.define(_RUN, "overwrite", bool, False, "replace an earlier run in --run_dir")
PRESET = COMMAND.define(
    _RUN, "preset", str, None, "a recipe of settings that flags override", tuple(settings.PRESETS)
)
CONFIG = COMMAND.define(_RUN, "config", str, None, "config.json of an earlier run, to repeat it")
COMMAND.define_settings({"dataset": datasets.NAMES, "split": tuple(splitters.REGISTRY)})


def train() -> None:
    """What the command does, from flags to the printed table."""
    given = COMMAND.given_settings()
    config = settings.resolve(given, PRESET.value, CONFIG.value, splitters.REGISTRY)
    config = splitting.complete(loading.complete(config))
    source = loading.load(config.data)

    # TensorFlow takes seconds to import: wrong flags and files are answered before
    with waiting("starting TensorFlow"):
        from mfrec.cli import reporting
        from mfrec.experiment import run as experiment

    run_dir = RUN_DIR.value or experiment.default_run_dir(config, source)
    run = experiment.cross_validate if config.split.cross_validate else experiment.run
    results = run(config, source, run_dir, _STARTED, OVERWRITE.value)
    for part in results["metrics"]:
        print(reporting.table(results, part), end="\n\n")
    print(reporting.timing(results))
    is_watched = config.training.tensorboard != "off"
    print(f"run folder: {run_dir}" + f"   (tensorboard --logdir={run_dir})" * is_watched)


def main(argv: list[str]) -> int:
    return COMMAND.run(argv, train)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
