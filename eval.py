"""Measures a finished run again, on its own held-out part or on a file of ratings.

python eval.py --run_dir=runs/my-run
python eval.py --run_dir=runs/my-run --output=json --predictions=predictions.tsv
"""

import json

from absl import app, flags

from mfrec.errors import InputError, exit_code

RUN_DIR = flags.DEFINE_string("run_dir", None, "the run folder that train.py left")
PART = flags.DEFINE_enum("part", "test", ["validation", "test"], "which part to measure on")
RATINGS = flags.DEFINE_string("ratings", None, "measure on this file of ratings instead")
DATA_DIR = flags.DEFINE_string("data_dir", None, "where the data sets are now, if they moved")
OUTPUT = flags.DEFINE_enum("output", "table", ["table", "json"], "what to print")
PREDICTIONS = flags.DEFINE_string(
    "predictions", None, "write user, item, rating, prediction, error of every row to this file"
)


def evaluate() -> None:
    """What the command does, from flags to the printed table."""
    if not RUN_DIR.value:
        raise InputError("--run_dir=FOLDER is needed: the run to measure")

    # TensorFlow takes seconds to import: wrong flags are answered before
    from mfrec import experiment, reporting

    results = experiment.evaluate_run(
        RUN_DIR.value, PART.value, RATINGS.value, DATA_DIR.value, PREDICTIONS.value
    )
    if OUTPUT.value == "json":
        print(json.dumps(results, indent=2))
    else:
        print(reporting.table(results, PART.value))


def main(argv: list[str]) -> int:
    def work() -> None:
        if len(argv) > 1:
            raise InputError(f"'{argv[1]}' is no flag; flags are --name=value")
        evaluate()

    return exit_code("eval.py", work)


if __name__ == "__main__":
    app.run(main)
