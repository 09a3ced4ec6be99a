"""Settings into data: the one place that knows which flags name ratings and which cut them."""

import os
import sys
from dataclasses import dataclass

from mfrec.config import Config, DataConfig
from mfrec.data import datasets, readers, splits
from mfrec.data.interactions import Interactions
from mfrec.data.splits import Split
from mfrec.errors import InputError

# What a random split holds out for validation where nobody says how much.
_RANDOM_VALIDATION = 0.1


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
        return Source(data.dataset, {"all": datasets.load(data.dataset, data.data_dir)})
    files = {
        "all": data.ratings,
        "train": data.train_ratings,
        "validation": data.validation_ratings,
        "test": data.test_ratings,
    }
    parts = {part: readers.read_ratings(file) for part, file in files.items() if file}
    file = data.ratings or data.train_ratings
    return Source(os.path.splitext(os.path.basename(file))[0], parts)


def split(source: Source, config: Config) -> Split:
    """Training, validation and test part as the settings want them.

    Raises:
        InputError: a split that the data do not have, or that leaves no training rows.
    """
    cut, seed = config.split, config.training.seed
    validation = cut.validation_fraction
    if "train" in source.parts:
        parts = (source.parts.get(name) for name in ("train", "validation", "test"))
        return splits.ready_made_split(*parts, seed, validation or 0.0)
    ratings = source.parts["all"]
    if cut.fold is not None:
        return splits.fold_split(ratings, seed, cut.fold, cut.num_folds, validation or 0.0)
    if cut.split != "random":
        train, test = datasets.predefined_split(
            source.name, ratings, cut.split, config.data.data_dir
        )
        return splits.ready_made_split(train, None, test, seed, validation or 0.0)
    validation = _RANDOM_VALIDATION if validation is None else validation
    return splits.random_split(ratings, seed, validation, cut.test_fraction)


def describe(config: Config) -> str:
    """The split in a few words, for tables and results.json."""
    cut, seed = config.split, config.training.seed
    fraction = (
        f", {cut.validation_fraction:g} of it for validation" if cut.validation_fraction else ""
    )
    if config.data.train_ratings:
        return "ready-made" + fraction
    if cut.cross_validate:
        return f"{cut.num_folds} random folds, seed {seed}" + fraction
    if cut.fold is not None:
        return f"fold {cut.fold} of {cut.num_folds}, seed {seed}" + fraction
    if cut.split != "random":
        return cut.split + fraction
    validation = _RANDOM_VALIDATION if cut.validation_fraction is None else cut.validation_fraction
    shares = (1 - validation - cut.test_fraction, validation, cut.test_fraction)
    return f"random {'/'.join(f'{100 * share:.3g}' for share in shares)}, seed {seed}"


def _check_split(config: Config) -> None:
    cut = config.split
    ready_made = config.data.train_ratings is not None
    wishes = {
        "--cross_validate": cut.cross_validate,
        "--fold": cut.fold is not None,
        f"--split={cut.split}": cut.split != "random",
        "--train_ratings": ready_made,
    }
    given = [flag for flag, value in wishes.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each define the test part; give one of them")
    if cut.split != "random" and config.data.dataset is None:
        raise InputError(f"--split={cut.split} belongs to a named data set; use --split=random")
    has_validation = (
        bool(cut.validation_fraction)
        or config.data.validation_ratings is not None
        or (not given and cut.validation_fraction is None)
    )
    if config.training.refit and not has_validation:
        raise InputError(
            "--refit needs a validation part to choose the epochs on; add --validation_fraction=0.1"
        )
