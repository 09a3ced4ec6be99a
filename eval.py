"""Measures a finished run again, on its own held-out part or on a file of ratings.

    python eval.py --run_dir=runs/my-run
    python eval.py --run_dir=runs/my-run --output=json --predictions=predictions.tsv

Results go to standard output, the rest to standard error.
"""

import json
import sys

from mfrec.command_line import CommandLine
from mfrec.errors import InputError
from mfrec.progress import waiting

COMMAND = CommandLine(__doc__)
_WHAT = "What is measured, on what."
RUN_DIR = COMMAND.define(_WHAT, "run_dir", str, None, "the run folder that train.py left")
PART = COMMAND.define(
    _WHAT, "part", str, "test", "the part of the run's data", ["validation", "test"]
)
RATINGS = COMMAND.define(_WHAT, "ratings", str, None, "measure on this file of ratings instead")
DATA_DIR = COMMAND.define(
    _WHAT, "data_dir", str, None, "where the data sets are now, if they moved"
)
_OUTPUT = "What comes out."
OUTPUT = COMMAND.define(_OUTPUT, "output", str, "table", "what to print", ["table", "json"])
PREDICTIONS = COMMAND.define(
    _OUTPUT,
    "predictions",
    str,
    None,
    "write user, item, rating, prediction, error of every row to this file",
)


def evaluate() -> None:
    """What the command does, from flags to the printed table."""
    if not RUN_DIR.value:
        raise InputError("--run_dir=FOLDER is needed: the run to measure")

    # TensorFlow takes seconds to import: wrong flags are answered before
    with waiting("starting TensorFlow"):
        from mfrec import experiment, reporting

    results = experiment.evaluate_run(
        RUN_DIR.value, PART.value, RATINGS.value, DATA_DIR.value, PREDICTIONS.value
    )
    if OUTPUT.value == "json":
        print(json.dumps(results, indent=2))
    else:
        print(reporting.table(results, PART.value))


def main(argv: list[str]) -> int:
    return COMMAND.run(argv, evaluate)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
