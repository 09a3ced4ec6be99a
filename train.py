"""Trains a matrix factorization model on ratings and measures it.

    python train.py --embedding_dim=10
    python train.py --dataset=movielens-1m --preset=movielens-1m
    python train.py --ratings=my_ratings.csv --loss=my_losses.py:focal

Settings: flag > --config > --preset > default. Results go to standard output, the rest to
standard error; everything stays in the run folder.
"""

import time

from absl import app, flags

from mfrec import config as settings
from mfrec.data import loading
from mfrec.errors import InputError, exit_code

_STARTED = time.perf_counter()
_DEFINE = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_bool,
}

for _, setting in settings.settings():
    _DEFINE[settings.python_type(setting)](setting.name, setting.default, setting.metadata["help"])
PRESET = flags.DEFINE_string("preset", None, f"a recipe of settings: {', '.join(settings.PRESETS)}")
CONFIG = flags.DEFINE_string("config", None, "config.json of an earlier run, to repeat it")
RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "where the run is kept (default: runs/ + data set, loss and time)"
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace an earlier run in --run_dir")


def train() -> None:
    """What the command does, from flags to the printed table."""
    given = {
        setting.name: flags.FLAGS[setting.name].value
        for _, setting in settings.settings()
        if flags.FLAGS[setting.name].present
    }
    config = loading.choose(settings.resolve(given, PRESET.value, CONFIG.value))
    source = loading.load(config.data)

    # TensorFlow takes seconds to import: wrong flags and files are answered before
    from mfrec import experiment, reporting

    run_dir = RUN_DIR.value or experiment.default_run_dir(config, source)
    run = experiment.cross_validate if config.split.cross_validate else experiment.run
    results = run(config, source, run_dir, _STARTED, OVERWRITE.value)
    for part in results["metrics"]:
        print(reporting.table(results, part), end="\n\n")
    print(reporting.timing(results))
    print(f"run folder: {run_dir}   (tensorboard --logdir={run_dir})")


def main(argv: list[str]) -> int:
    def work() -> None:
        if len(argv) > 1:
            raise InputError(f"'{argv[1]}' is no flag; flags are --name=value")
        train()

    return exit_code("train.py", work)


if __name__ == "__main__":
    app.run(main)
