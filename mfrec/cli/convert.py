"""Converts a file of ratings to a folder of shards, which train.py streams, however large it is.

    python convert.py --ratings=ratings.csv --output_dir=converted
    zcat ratings.csv.gz | python convert.py --ratings=/dev/stdin --output_dir=converted
    python convert.py --ratings=ratings.parquet --split=temporal --output_dir=converted
    python train.py --ratings=converted

The file is read once. In memory are a chunk of it, a shard, and about 150 bytes for each user and
item. A hash of a user's id assigns the user to a shard, --split assigns ratings to the training,
validation and test part. docs/data-formats.md describes the folder.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from mfrec import files
from mfrec.cli.command_line import CommandLine
from mfrec.config.parsing import parse_numbers
from mfrec.config.settings import FILE_OPTIONS, Config
from mfrec.data import chunks, encodings, items, opening, positives
from mfrec.data.readers import note_on
from mfrec.data.shards.converting import Recipe, convert
from mfrec.data.shards.cutting import SPLITS, Cut
from mfrec.data.shards.manifest import PARTS, Manifest, is_converted
from mfrec.data.splits import count_of
from mfrec.errors import InputError, did_you_mean
from mfrec.progress import say, speed
from mfrec.terminal import visible

COMMAND = CommandLine(__doc__)
_OUTPUT = "The folder."
OUTPUT_DIR = COMMAND.define(_OUTPUT, "output_dir", str, None, "the folder to write")
OVERWRITE = COMMAND.define(
    _OUTPUT, "overwrite", bool, False, "replace an earlier conversion in that folder"
)
NUM_SHARDS = COMMAND.define(
    _OUTPUT,
    "num_shards",
    int,
    None,
    "number of shards (default: 12, 24, 60, 120 or 240, for at most a million rows in each)",
)
COMMAND.define_settings(
    {"split": SPLITS},
    only=(
        *("ratings", *FILE_OPTIONS, "missing_ratings", "item_labels"),
        *("min_rating", "weight_transform"),
        *("split", "validation_fraction", "test_fraction", "seed"),
    ),
)
_MOST_SHARDS = 10_000
_FILES = re.compile(
    r"manifest\.json|items\.tsv|counts\.npz|users-\d+\.tsv|(train|validation|test)-\d+\.npz"
)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code.

    Args:
        argv: the program's name and its flags.
    """
    return COMMAND.run(argv, run)


def run() -> None:
    """Convert, and print what the folder holds."""
    started = time.perf_counter()
    config, output_dir = Config().replace(COMMAND.given_settings()), OUTPUT_DIR.value
    path = config.data.ratings
    if not path:
        raise InputError("--ratings=FILE is needed: the ratings to convert")
    if not output_dir:
        raise InputError("--output_dir=FOLDER is needed: where to write")
    if is_converted(path):
        raise InputError(f"--ratings={path}: is a converted folder already; train on it")
    files.check_new_folder(output_dir, OVERWRITE.value)
    recipe = _recipe(config)
    options = {name: getattr(config.data, name) for name in FILE_OPTIONS}
    own = [entry.name for entry in Path(output_dir).glob("*") if _FILES.fullmatch(entry.name)]
    with files.new_folder(output_dir, OVERWRITE.value, own) as folder:
        manifest = convert(chunks.read(path, **options), folder, recipe)
    for note in manifest.notes:
        say(note_on(path, note))
    for warning in manifest.warnings:
        say(f"warning: {warning}")
    for line in _summary(output_dir, manifest, time.perf_counter() - started):
        print(visible(line))


def _recipe(config: Config) -> Recipe:
    """The settings of a conversion.

    Raises:
        InputError: they contradict each other.
    """
    data, num_shards = config.data, NUM_SHARDS.value
    encodings.check(data.encoding)
    positives.check(config.positives, data)
    name = config.split.split or "random"
    if name not in SPLITS:
        raise InputError(
            f"--split={name}: a file that is converted cannot be split this way"
            f"{did_you_mean(name, SPLITS)}"
        )
    if num_shards is not None and not 1 <= num_shards <= _MOST_SHARDS:
        raise InputError(f"--num_shards={num_shards}: give 1 to {_MOST_SHARDS:,}")
    fractions = {n: getattr(config.split, n) for n in ("validation_fraction", "test_fraction")}
    given = {name: value for name, value in fractions.items() if value is not None}
    if sum(given.values()) >= 1:
        raise InputError("--validation_fraction and --test_fraction leave nothing to train on")
    descriptions = None
    if data.item_labels:
        descriptions = items.read_items(data.item_labels, encoding=data.encoding)
    missing = parse_numbers(data.missing_ratings, "missing_ratings") if data.missing_ratings else ()
    cut = Cut(name, config.training.seed, given)
    # refuses settings that contradict the split
    cut.describe()
    return Recipe(
        cut,
        config.positives,
        tuple(missing),
        num_shards,
        opening.stem_of(data.ratings or ""),
        descriptions,
    )


def _summary(output_dir: str, manifest: Manifest, seconds: float) -> list[str]:
    counts, rows = manifest.counts, sum(map(manifest.rows, PARTS))
    parts = " · ".join(f"{part} {counts[part]:,}" for part in PARTS)
    return [
        f"{manifest.split}: {parts} ratings",
        f"{counts['users']:,} users and {counts['items']:,} items in training · "
        f"{count_of(len(manifest.shards), 'shard')} · "
        f"{seconds:.1f} s, {speed(rows / seconds)} ratings/s",
        f"converted folder: {output_dir}   (train.py --ratings={output_dir})",
    ]
