"""Writes a trained model for others to use: a SavedModel that answers by itself, or bare vectors.

    python export.py --run_dir=runs/my-run --output_dir=models/mfrec/1
    python export.py --run_dir=runs/my-run --output_dir=vectors --format=npy

mfrec/serving/export.py says what the SavedModel can be asked and what is in the files.
"""

import sys

from mfrec import files
from mfrec.cli.command_line import CommandLine
from mfrec.errors import InputError
from mfrec.progress import waiting

COMMAND = CommandLine(__doc__)
_WHAT = "What is exported."
RUN_DIR = COMMAND.define(_WHAT, "run_dir", str, None, "the run folder that train.py left")
_OUTPUT = "What comes out."
FORMAT = COMMAND.define(
    _OUTPUT,
    "format",
    str,
    "savedmodel",
    "savedmodel: for TensorFlow and TensorFlow Serving; npy: vectors as numpy arrays; text: "
    "vectors as word2vec writes them; faiss: as npy, and an index of nearest neighbours",
    ["savedmodel", "npy", "text", "faiss"],
)
OUTPUT_DIR = COMMAND.define(
    _OUTPUT,
    "output_dir",
    str,
    None,
    "the folder to write; TensorFlow Serving wants NAME/VERSION, such as mfrec/1",
)
OVERWRITE = COMMAND.define(
    _OUTPUT, "overwrite", bool, False, "replace an earlier export in that folder"
)


def write() -> None:
    """What the command does, from flags to files."""
    run_dir = RUN_DIR.value
    files.check_run_dir(run_dir, "export")
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir=FOLDER is needed: where to write")
    files.check_new_folder(OUTPUT_DIR.value, OVERWRITE.value)
    if FORMAT.value == "faiss":
        # tells where faiss is missing
        from mfrec.serving import ann  # noqa: F401

    # TensorFlow takes seconds to import: wrong flags are answered before
    with waiting("starting TensorFlow"):
        from mfrec.serving import export
        from mfrec.serving.recommender import Recommender

    recommender = Recommender.load(run_dir)
    export.FORMATS[FORMAT.value](recommender, OUTPUT_DIR.value, OVERWRITE.value)
    print(f"{OUTPUT_DIR.value}: {len(recommender.users):,} users, {len(recommender.items):,} items")


def main(argv: list[str]) -> int:
    return COMMAND.run(argv, write)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
