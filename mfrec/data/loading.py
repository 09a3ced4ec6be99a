"""Settings into ratings: which flags name data sets and files, and how these are read."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mfrec.config.parsing import parse_numbers
from mfrec.config.settings import COLUMNS, FILE_OPTIONS, Config, DataConfig
from mfrec.data import arrays, cache, datasets, encodings, items, opening, positives, suspicions
from mfrec.data.features import FeatureFile, Features, read_features
from mfrec.data.held_out import warn_of_strangers
from mfrec.data.interactions import Interactions
from mfrec.data.readers import note_on
from mfrec.data.shards import split as sharded
from mfrec.data.shards.manifest import is_converted
from mfrec.data.shards.parts import Converted
from mfrec.data.splits import count_of
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError, short
from mfrec.progress import say, waiting


@dataclass(frozen=True, eq=False)
class Source:
    """Ratings as they were read, not yet split.

    Attributes:
        name: of the data set, or of the file without its ending.
        parts: all ratings under "all", or ready-made "train", "validation" and "test" parts.
        catalogue: all items of a set that came as parts, for its published split; None if the
            training part decides which items there are.
        candidates: the fixed negatives that a set brings for its published split, see `Split`.
        features: the files of features by role, "user" or "item".
        notes: what was assumed in reading the files, one line each, for people.
        warnings: what is suspicious about the ratings, one line each.
        num_missing: the number of rows left out for --missing_ratings.
        converted: the folder of shards that the ratings are, instead of parts.
    """

    name: str
    parts: dict[str, Interactions]
    catalogue: Vocabulary | None = None
    candidates: Interactions | None = None
    features: Mapping[str, FeatureFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    num_missing: int = 0
    converted: Converted | None = None

    def encode_features(
        self, train: Interactions, earlier: Mapping[str, Features] = {}
    ) -> dict[str, Features]:
        """Return the features of a training part's rows, by role.

        Args:
            train: the training part.
            earlier: features that keep their numbers, by role.

        Raises:
            InputError: no training row has any.
        """
        return {
            role: file.encode(
                *_rows_and_counts(train, role), earlier[role].names if role in earlier else ()
            )
            for role, file in self.features.items()
        }

    def notes_on_features(self, train: Interactions) -> list[str]:
        """Return what became of the files of features, one line each, for people."""
        features = self.encode_features(train)
        return [
            line
            for role, file in self.features.items()
            for line in file.notes_on(*_rows_and_counts(train, role), features[role])
        ]


def complete(config: Config) -> Config:
    """Return the settings with the data folder and the default data set in them.

    Raises:
        InputError: settings about data sets, files or rows that contradict each other.
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
    if is_converted(data.ratings):
        sharded.check(config)
    _check_options(config.data)
    positives.check(config.positives, config.data)
    for role in ("user", "item"):
        if not getattr(config.model, f"{role}_ids") and not getattr(data, f"{role}_features"):
            raise InputError(
                f"--no{role}_ids leaves {role}s nothing but features; add --{role}_features=FILE"
            )
    if not given:
        name, reason = datasets.choose_default(data_dir)
        say(f"no --dataset or --ratings given: taking {name} ({reason})")
        config = config.replace({"dataset": name})
    return config


def load(data: DataConfig) -> Source:
    """Read what the settings name, repeated pairs included.

    Raises:
        InputError: a set or file that is missing or cannot be read.
    """
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    num_missing = 0
    if data.ratings and is_converted(data.ratings):
        converted = Converted.open(data.ratings)
        return Source(converted.manifest.source, {}, converted=converted)
    if data.dataset:
        parts = {"all": datasets.load(data.dataset, _data_dir(data))}
    else:
        files = {part: file for part, file in _files(data).items() if file}
        found = {part: read(file, data) for part, file in files.items()}
        parts = {part: of_file.ratings for part, of_file in found.items()}
        notes = tuple(
            note_on(files[part], note) for part, of_file in found.items() for note in of_file.notes
        )
        num_missing = sum(of_file.num_missing for of_file in found.values())
    if data.item_labels:
        parts, labelling, warnings = _labelled(parts, data.item_labels, data.encoding)
        notes += labelling
    features = _features(data, parts)
    warnings += tuple(_warn_of_features(parts, features))
    if not data.dataset:
        file = data.ratings or data.train_ratings or ""
        warnings = (*_warn_of(parts), *warnings)
        name = opening.stem_of(file)
        return Source(name, parts, None, None, features, notes, warnings, num_missing)
    catalogue = candidates = None
    if datasets.PUBLISHED in datasets.predefined_splits(data.dataset):
        catalogue = parts["all"].items
        candidates = datasets.load_candidates(data.dataset, _data_dir(data))
        if candidates is not None:
            catalogue = catalogue.extended(candidates.items)
    return Source(data.dataset, parts, catalogue, candidates, features, notes, warnings)


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file of ratings as the settings say.

    Attributes:
        ratings: its rows.
        notes: what was assumed in reading them, one line each, for people.
        num_missing: the number of rows left out for --missing_ratings.
        repeated_pairs: the number of rows dropped because their pair was repeated.
    """

    ratings: Interactions
    notes: tuple[str, ...]
    num_missing: int = 0
    repeated_pairs: int = 0


def read(path: str, data: DataConfig) -> ReadFile:
    """Read one file of ratings as the settings say, through the cache.

    Raises:
        InputError: it cannot be read.
    """
    options = {name: getattr(data, name) for name in FILE_OPTIONS}
    with waiting(f"reading {path}"):
        interactions, notes = cache.read(path, _data_dir(data), **options)
    if data.missing_ratings is None:
        return ReadFile(interactions, notes)
    codes = parse_numbers(data.missing_ratings, "missing_ratings")
    try:
        rows, note = positives.without_missing(interactions, codes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return ReadFile(rows, (*notes, note), len(interactions) - len(rows))


def read_held_out(path: str, config: Config) -> ReadFile:
    """Read a file of ratings to evaluate on: its distinct pairs that the settings select.

    Users and items with few rows stay: in a file of held-out rows few are usual.

    Raises:
        InputError: it cannot be read, or no pair is left.
    """
    every_user_and_item = {"min_user_interactions": 0, "min_item_interactions": 0}
    settings = config.replace(every_user_and_item).positives
    file = read(path, config.data)
    selection = positives.select(file.ratings, settings)
    distinct = selection.rows.without_repeats()
    repeated = selection.repeated_pairs + len(selection.rows) - len(distinct)
    notes = (*file.notes, *selection.notes)
    if repeated:
        notes += (f"{count_of(repeated, 'repeated pair')} dropped: the last rating is kept",)
    notes = tuple(note_on(path, note) for note in notes)
    return ReadFile(distinct, notes, file.num_missing, repeated)


def _warn_of(parts: Mapping[str, Interactions]) -> Iterator[str]:
    """What is suspicious about the ratings of files."""
    for name, part in parts.items():
        is_trained_on = name in ("all", "train")
        find = suspicions.of_training if is_trained_on else suspicions.of_ratings
        yield from (line if name == "all" else f"{name}: {line}" for line in find(part))


def _warn_of_features(
    parts: Mapping[str, Interactions], features: Mapping[str, FeatureFile]
) -> Iterator[str]:
    """Say so if files of features describe other users and items than are rated."""
    rated = parts["all" if "all" in parts else "train"]
    for role, file in features.items():
        own = rated.users if role == "user" else rated.items
        where = opening.name_of(file.path)
        yield from warn_of_strangers(f"{role}s", own, file.rows, where)


def _features(data: DataConfig, parts: dict[str, Interactions]) -> dict[str, FeatureFile]:
    """The files of features that the settings name, by role."""
    features = {}
    if data.user_features:
        known = [part.users for part in parts.values()]
        features["user"] = read_features(data.user_features, "user", known, encoding=data.encoding)
    if data.item_features:
        known = [part.items for part in parts.values()]
        features["item"] = read_features(data.item_features, "item", known, encoding=data.encoding)
    return features


def _rows_and_counts(train: Interactions, role: str) -> tuple[Vocabulary, np.ndarray]:
    """The vocabulary of a role, and the number of training rows of each of its rows."""
    if role == "user":
        return train.users, train.user_counts
    return train.items, train.item_counts


def _data_dir(data: DataConfig) -> str | Path:
    return data.data_dir or datasets.default_data_dir()


def _files(data: DataConfig) -> dict[str, str | None]:
    return {
        "all": data.ratings,
        "train": data.train_ratings,
        "validation": data.validation_ratings,
        "test": data.test_ratings,
    }


def _labelled(
    parts: dict[str, Interactions], path: str, encoding: str
) -> tuple[dict[str, Interactions], tuple[str, ...], tuple[str, ...]]:
    """The same parts with labels and genres of the items from a file, notes and warnings."""
    descriptions = items.read_items(path, encoding=encoding)
    described = {
        name: items.labelled(Vocabulary(part.items.raw_ids), descriptions)
        for name, part in parts.items()
    }
    rated = described["all" if "all" in parts else "train"]
    if not any(found.labels or found.genres for found in described.values()):
        first = next(iter({**descriptions.labels, **descriptions.genres}), "")
        raise InputError(
            f"{path}: none of its item ids is an item of the ratings; check its columns and "
            f"which file it is (it has {short(first)}, the ratings {short(rated.raw_ids[0])})"
        )
    nothing = ("",) * len(rated)
    texts = np.array([rated.labels or nothing, rated.genres or nothing])
    # zeros before an id do not matter here
    known = Vocabulary(tuple({**descriptions.labels, **descriptions.genres}))
    known = known.extended(rated.take(np.flatnonzero((texts != "").any(axis=0))))
    warnings = tuple(warn_of_strangers("items", rated, known, opening.name_of(path)))
    parts = {
        name: replace(part, items=items.labelled(part.items, descriptions))
        for name, part in parts.items()
    }
    return parts, tuple(note_on(path, note) for note in descriptions.notes), warnings


def _check_options(data: DataConfig) -> None:
    """Refuse settings about files that would have no effect."""
    encodings.check(data.encoding)
    default = DataConfig()
    if data.missing_ratings is not None:
        parse_numbers(data.missing_ratings, "missing_ratings")
        if not any(_files(data).values()):
            raise InputError(
                "--missing_ratings is about files of ratings; leave it out, or name one by "
                "--ratings"
            )
    given = [f"--{name}" for name in FILE_OPTIONS if getattr(data, name) != getattr(default, name)]
    if not given:
        return
    files = [file for file in _files(data).values() if file]
    others = (data.item_labels, data.item_features, data.user_features)
    if given == ["--encoding"] and any(others):
        return
    if not files:
        raise InputError(
            f"{', '.join(given)} is about files of ratings; leave it out, or name one by --ratings"
        )
    if data.ratings_format == "auto" and all(map(arrays.known_by_ending, files)):
        raise InputError(f"{', '.join(given)} is about text files; leave it out with {files[0]}")
    columns = [flag for flag in given if flag.removeprefix("--") in COLUMNS]
    if data.ratings_format in ("matrix", "adjacency") and columns:
        raise InputError(
            f"{', '.join(columns)} means nothing with --ratings_format={data.ratings_format}; "
            "leave it out"
        )
