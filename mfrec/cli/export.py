"""Exports a trained model: a SavedModel that recommends without mfrec, or vectors alone.

    python export.py --run_dir=runs/my-run --output_dir=models/mfrec/1
    python export.py --run_dir=runs/my-run --output_dir=vectors --format=npy

mfrec/serving/export.py describes the SavedModel's signatures and the files.
"""

from collections.abc import Sequence

from mfrec import files
from mfrec.cli.command_line import CommandLine
from mfrec.errors import InputError
from mfrec.progress import waiting
from mfrec.terminal import visible

COMMAND = CommandLine(__doc__)
_WHAT = "What is exported."
RUN_DIR = COMMAND.define(_WHAT, "run_dir", str, None, "the run folder")
ALLOW_CODE = COMMAND.define_allow_code(_WHAT)
_OUTPUT = "Output."
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


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its flags.
    """
    return COMMAND.run(argv, export)


def export() -> None:
    """Write the files."""
    run_dir = RUN_DIR.value
    files.check_run_dir(run_dir, "export")
    if not OUTPUT_DIR.value:
        raise InputError("--output_dir=FOLDER is needed: where to write")
    files.check_new_folder(OUTPUT_DIR.value, OVERWRITE.value)
    if FORMAT.value == "faiss":
        # refuses the format where faiss is not installed
        from mfrec.serving import ann  # noqa: F401

    # TensorFlow takes seconds to import: wrong flags are answered before
    with waiting("starting TensorFlow"):
        from mfrec.serving.export import FORMATS
        from mfrec.serving.recommender import Recommender

    recommender = Recommender.load(run_dir, ALLOW_CODE.value)
    FORMATS[FORMAT.value](recommender, OUTPUT_DIR.value, OVERWRITE.value)
    users, items = len(recommender.users), len(recommender.items)
    print(visible(f"{OUTPUT_DIR.value}: {users:,} users, {items:,} items"))
