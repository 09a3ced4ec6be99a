"""Settings into data: the one place that knows which flags name ratings and which cut them."""

import dataclasses
import os
import sys
from dataclasses import dataclass

from mfrec.config import (
    COLUMNS,
    FILE_OPTIONS,
    HELD_OUT,
    SPLITS,
    Config,
    DataConfig,
    nearest,
)
from mfrec.data import arrays, cache, datasets, items, splits
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.splits import Split
from mfrec.errors import InputError
from mfrec.progress import waiting

_TAKE_TEST_FRACTION = ("random", "per_user", "temporal", "folds of users")


@dataclass(frozen=True, eq=False)
class Source:
    """Ratings as they were read, not yet split.

    Attributes:
        name: of the data set, or the file's without its ending.
        parts: all ratings under "all", or ready-made "train", "validation" and "test" parts.
    """

    name: str
    parts: dict[str, Interactions]


def choose(config: Config) -> Config:
    """The settings with a data set in them, where the user named neither set nor file.

    Raises:
        InputError: flags that contradict each other, or no such data set.
    """
    data = config.data
    ready_made = (data.train_ratings, data.validation_ratings, data.test_ratings)
    named = {
        "--dataset": data.dataset,
        "--ratings": data.ratings,
        "--train_ratings": any(ready_made),
    }
    given = [flag for flag, value in named.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each bring ratings; give one of them")
    if any(ready_made) and not data.train_ratings:
        raise InputError("ready-made parts need --train_ratings")
    data_dir = data.data_dir or str(datasets.default_data_dir())
    config = config.replace({"data_dir": os.path.abspath(data_dir)})
    _check_options(config.data)
    if not given:
        name, reason = datasets.choose_default(data_dir)
        print(f"no --dataset or --ratings given: taking {name} ({reason})", file=sys.stderr)
        config = config.replace({"dataset": name})
    _check_split(config)
    return config


def load(data: DataConfig) -> Source:
    """Reads what the settings name; repeats included.

    Raises:
        InputError: a set or file that cannot be had or read.
    """
    if data.dataset:
        parts = {"all": datasets.load(data.dataset, data.data_dir)}
    else:
        parts = {part: read(file, data) for part, file in _files(data).items() if file}
    if data.item_labels:
        parts = _labelled(parts, data.item_labels)
    file = data.dataset or os.path.splitext(os.path.basename(data.ratings or data.train_ratings))[0]
    return Source(file, parts)


def read(path: str, data: DataConfig) -> Interactions:
    """Reads one file of ratings, through the cache, as the settings say that files are read.

    Raises:
        InputError: it cannot be read.
    """
    options = {name: getattr(data, name) for name in FILE_OPTIONS}
    data_dir = data.data_dir or datasets.default_data_dir()
    with waiting(f"reading {path}"):
        return cache.read_ratings(path, data_dir, **options)


def split(source: Source, config: Config) -> Split:
    """Training, validation and test part as the settings want them.

    Raises:
        InputError: a split that the data do not have, or that leaves no training rows.
    """
    cut, seed = config.split, config.training.seed
    validation, test = _fractions(config)
    kind = _kind(config)
    if kind == "ready-made":
        parts = (source.parts.get(name) for name in ("train", "validation", "test"))
        return splits.ready_made_split(*parts, seed, validation)
    ratings = source.parts["all"]
    if kind == "folds of ratings":
        return splits.fold_split(ratings, seed, cut.fold, cut.num_folds, validation)
    if kind == "folds of users":
        return splits.user_fold_split(ratings, seed, cut.fold, cut.num_folds, validation, test)
    if kind == "random":
        return splits.random_split(ratings, seed, validation, test)
    if kind == "per_user":
        return splits.per_user_split(ratings, seed, validation, test)
    if kind == "leave_last_out":
        return splits.leave_last_out_split(ratings, with_validation=validation > 0)
    if kind == "temporal":
        return splits.temporal_split(ratings, validation, test)
    parts = datasets.predefined_split(source.name, ratings, cut.split, config.data.data_dir)
    return splits.ready_made_split(parts[0], None, parts[1], seed, validation)


def describe(config: Config) -> str:
    """The split in a few words, for tables and results.json."""
    cut, kind = config.split, _kind(config)
    validation, test = _fractions(config)
    seed = f", seed {config.training.seed}"
    if kind == "leave_last_out":
        return kind + (", the one before for validation" if validation else "")
    if kind in SPLITS:
        shares = (1 - validation - test, validation, test)
        named = f"{kind} {'/'.join(f'{100 * share:.3g}' for share in shares)}"
        return named if kind == "temporal" else named + seed
    fraction = f", {validation:g} of it for validation" if validation else ""
    if not kind.startswith("folds"):
        return kind + fraction
    of_users = f" by users, {test:g} of each tested" if cut.fold_by == "users" else ""
    if cut.cross_validate:
        return f"{cut.num_folds} random folds{of_users}{seed}{fraction}"
    return f"fold {cut.fold} of {cut.num_folds}{of_users}{seed}{fraction}"


def _kind(config: Config) -> str:
    """What defines the test part: a name in SPLITS or of a set's own split, folds or files."""
    if config.data.train_ratings is not None:
        return "ready-made"
    if config.split.cross_validate or config.split.fold is not None:
        return f"folds of {config.split.fold_by}"
    return config.split.split


def _fractions(config: Config) -> tuple[float, float]:
    """The validation and the test fraction in force, defaults filled in."""
    validation, test = config.split.validation_fraction, config.split.test_fraction
    if validation is None:
        validation = HELD_OUT if _kind(config) in SPLITS else 0.0
    return validation, HELD_OUT if test is None else test


def _files(data: DataConfig) -> dict[str, str | None]:
    return {
        "all": data.ratings,
        "train": data.train_ratings,
        "validation": data.validation_ratings,
        "test": data.test_ratings,
    }


def _labelled(parts: dict[str, Interactions], path: str) -> dict[str, Interactions]:
    """The same parts, with labels and genres of the items from a file."""
    descriptions = items.read_items(path)
    described = {
        name: items.describe(Vocabulary(part.items.raw_ids), descriptions)
        for name, part in parts.items()
    }
    if not any(found.labels or found.genres for found in described.values()):
        raise InputError(
            f"{path}: none of its item ids is an item of the ratings; check its columns and "
            "which file it is"
        )
    return {
        name: dataclasses.replace(part, items=items.describe(part.items, descriptions))
        for name, part in parts.items()
    }


def _check_options(data: DataConfig) -> None:
    """Refuses settings about files where they could do nothing."""
    default = DataConfig()
    given = [f"--{name}" for name in FILE_OPTIONS if getattr(data, name) != getattr(default, name)]
    if not given:
        return
    files = [file for file in _files(data).values() if file]
    if not files:
        raise InputError(
            f"{', '.join(given)} is about files of ratings; leave it out, or name one by --ratings"
        )
    if data.ratings_format == "auto" and all(map(arrays.known_by_ending, files)):
        raise InputError(f"{', '.join(given)} is about text files; leave it out with {files[0]}")
    columns = [flag for flag in given if flag.removeprefix("--") in COLUMNS]
    if data.ratings_format == "matrix" and columns:
        raise InputError(f"{', '.join(columns)} means nothing in a matrix; leave it out")


def _check_split(config: Config) -> None:
    cut, data, kind = config.split, config.data, _kind(config)
    wishes = {
        "--cross_validate": cut.cross_validate,
        "--fold": cut.fold is not None,
        f"--split={cut.split}": cut.split != "random",
        "--train_ratings": data.train_ratings is not None,
    }
    given = [flag for flag, value in wishes.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each define the test part; give one of them")
    known = SPLITS + (datasets.predefined_splits(data.dataset) if data.dataset else ())
    if cut.split not in known:
        what = data.dataset or "a file of ratings"
        raise InputError(
            f"--split={cut.split}: {what} has no such split{nearest(cut.split, known)}"
        )
    if cut.fold_by == "users" and kind != "folds of users":
        raise InputError("--fold_by=users needs folds; add --cross_validate or --fold=0")
    if cut.validation_fraction and kind == "leave_last_out":
        raise InputError(
            "--split=leave_last_out takes one rating of each user for validation; leave out "
            "--validation_fraction, or make it 0 for none"
        )
    if cut.test_fraction is not None and kind not in _TAKE_TEST_FRACTION:
        raise InputError(f"--test_fraction means nothing with {given[0]}; leave one of them out")
    if cut.test_fraction == 0 and kind == "folds of users":
        raise InputError("--test_fraction=0 leaves nothing to test in a fold; make it more")
    if config.training.refit and data.validation_ratings is None and not _fractions(config)[0]:
        remedy = "add --validation_fraction=0.1"
        if cut.validation_fraction == 0:
            remedy = "leave out --validation_fraction=0"
        raise InputError(f"--refit needs a validation part to choose the epochs on; {remedy}")
