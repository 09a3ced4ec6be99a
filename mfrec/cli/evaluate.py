"""Measures finished runs again, on their own held-out part or on a file of ratings.

    python eval.py --run_dir=runs/my-run
    python eval.py --run_dir=runs/my-run --output=json --predictions=predictions.tsv
    python eval.py --run_dir=runs/my-run --run_dir=runs/another
    python eval.py --run_dir='runs/*'
    python eval.py --run_dir=runs/my-run --compare_to=runs/another

Results go to standard output, the rest to standard error.
"""

import dataclasses
import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path

from mfrec.cli.command_line import CommandLine
from mfrec.config import kept_code
from mfrec.config.parsing import parse_cutoffs
from mfrec.errors import InputError
from mfrec.files import is_run_dir, require_run_dir
from mfrec.progress import waiting

COMMAND = CommandLine(__doc__)
_WHAT = "What is measured."
RUN_DIR = COMMAND.define(
    _WHAT,
    "run_dir",
    str,
    None,
    "the run folder; several are shown side by side, 'runs/*' for all in a folder",
    repeated=True,
)
PART = COMMAND.define(
    _WHAT, "part", str, "test", "the part of the run's data", ["validation", "test"]
)
RATINGS = COMMAND.define(_WHAT, "ratings", str, None, "measure on this file of ratings instead")
DATA_DIR = COMMAND.define(
    _WHAT, "data_dir", str, None, "folder of the data sets, if it has moved since training"
)
CUTOFFS = COMMAND.define(
    _WHAT,
    "cutoffs",
    str,
    None,
    "cutoffs k of the ranking metrics, such as 10,20 (default: those of training)",
)
COMPARE_TO = COMMAND.define(
    _WHAT, "compare_to", str, None, "test the difference to this run over users for significance"
)
ALLOW_CODE = COMMAND.define_allow_code(_WHAT)
_OUTPUT = "Output."
OUTPUT = COMMAND.define(_OUTPUT, "output", str, "table", "what to print", ["table", "json"])
PREDICTIONS = COMMAND.define(
    _OUTPUT,
    "predictions",
    str,
    None,
    "write user, item, rating, prediction and error of every row to this file: .csv, .jsonl, else "
    "tabs",
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its flags.
    """
    return COMMAND.run(argv, evaluate)


def evaluate() -> None:
    """Measure the runs and print the table."""
    run_dirs = _run_dirs(RUN_DIR.value or [])
    if PREDICTIONS.value and len(run_dirs) > 1:
        raise InputError(f"--predictions needs one run, not {len(run_dirs)}")
    if COMPARE_TO.value and (PREDICTIONS.value or len(run_dirs) > 1):
        raise InputError("--compare_to compares one run with another; leave out the rest")
    parse_cutoffs(CUTOFFS.value or "")

    # TensorFlow takes seconds to import: wrong flags are answered before
    with waiting("starting TensorFlow"):
        from mfrec.cli import reporting
        from mfrec.experiment.remeasuring import Remeasuring, compare_runs, evaluate_run
        from mfrec.runs.results import as_json
        from mfrec.runs.run_folder import RunFolder

    what = Remeasuring(PART.value, RATINGS.value, DATA_DIR.value, CUTOFFS.value, ALLOW_CODE.value)
    if COMPARE_TO.value:
        (other,) = _run_dirs([COMPARE_TO.value])
        comparison = compare_runs(run_dirs[0], other, what)
        if OUTPUT.value == "json":
            print(json.dumps(as_json(dataclasses.asdict(comparison)), indent=2))
        else:
            print(reporting.significance_table(comparison, run_dirs[0], other))
        return
    runs = {run_dir: evaluate_run(run_dir, what, PREDICTIONS.value) for run_dir in run_dirs}
    if OUTPUT.value == "json":
        objects = {run_dir: results.as_dict() for run_dir, results in runs.items()}
        print(json.dumps(objects if len(runs) > 1 else objects[run_dirs[0]], indent=2))
    elif len(runs) == 1:
        print(reporting.table(runs[run_dirs[0]], PART.value))
    else:
        configs = {
            run_dir: kept_code.shown(RunFolder(run_dir).load_config()[0]) for run_dir in runs
        }
        print(reporting.comparison(runs, configs, PART.value))


def _run_dirs(given: list[str]) -> list[str]:
    """Return the run folders in the order in which they are named, patterns expanded.

    Raises:
        InputError: none is named, or one is no run folder.
    """
    found: dict[str, None] = {}
    for name in given:
        is_pattern = glob.has_magic(name) and not os.path.exists(name)
        names = sorted(glob.glob(_pattern(name))) if is_pattern else [name.rstrip("/")]
        if not is_pattern:
            require_run_dir(names[0], f"--run_dir={name}")
        folders = [folder for folder in names if is_run_dir(folder)]
        if not folders:
            raise InputError(f"--run_dir={name}: no run folder has such a name")
        found.update(dict.fromkeys(folders))
    if not found:
        raise InputError("--run_dir=FOLDER is needed: the run to measure")
    return list(found)


def _pattern(name: str) -> str:
    """Return a pattern whose folders that are there are no part of it, whatever their names."""
    folder = Path(name)
    while not os.path.exists(folder):
        folder = folder.parent
    rest = Path(name).parts[len(folder.parts) :]
    return os.path.join(glob.escape(str(folder)), *rest) if folder.parts else name
