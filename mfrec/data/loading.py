"""Settings into data: the one place that knows which flags name, choose and cut the ratings."""

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mfrec.config.settings import (
    COLUMNS,
    FILE_OPTIONS,
    FOLDED_IN,
    HELD_OUT,
    NO_CANDIDATES,
    SPLITS,
    Config,
    DataConfig,
)
from mfrec.data import arrays, cache, datasets, items, positives, splits
from mfrec.data.candidates import read_candidates
from mfrec.data.features import FeatureFile, Features, read_features
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.splits import Split
from mfrec.errors import InputError, did_you_mean
from mfrec.progress import waiting

_TAKE_TEST_FRACTION = (
    *("random", "per_user", "temporal", "held_out_items", "held_out_users", "folds of users"),
)


@dataclass(frozen=True, eq=False)
class Source:
    """Ratings as they were read, not yet split.

    Attributes:
        name: of the data set, or the file's without its ending.
        parts: all ratings under "all", or ready-made "train", "validation" and "test" parts.
        catalogue: all items of a set that came as parts, for its published split; None where
            the training part decides which items there are.
        candidates: the fixed negatives that a set brings for its published split, see `Split`.
        features: the files about "user" and "item", where there are any.
    """

    name: str
    parts: dict[str, Interactions]
    catalogue: Vocabulary | None = None
    candidates: Interactions | None = None
    features: Mapping[str, FeatureFile] = field(default_factory=dict)

    @property
    def has_ratings(self) -> bool:
        """Whether every part has ratings, and not just pairs."""
        return all(part.has_ratings for part in self.parts.values())

    def features_of(
        self, train: Interactions, earlier: Mapping[str, Features] = {}
    ) -> dict[str, Features]:
        """The features of the rows of a training part, by "user" and "item".

        Args:
            train: the training part.
            earlier: features whose numbers are kept.

        Raises:
            InputError: no row of it has any.
        """
        return {
            role: file.of(
                *_rows_and_counts(train, role), earlier[role].names if role in earlier else ()
            )
            for role, file in self.features.items()
        }

    def notes_on_features(self, train: Interactions) -> list[str]:
        """What became of the files of features, one line each, for people."""
        features = self.features_of(train)
        return [
            line
            for role, file in self.features.items()
            for line in file.describe(*_rows_and_counts(train, role), features[role])
        ]


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
    _check_positives(config)
    for role in ("user", "item"):
        if not getattr(config.model, f"{role}_ids") and not getattr(data, f"{role}_features"):
            raise InputError(
                f"--no{role}_ids leaves {role}s nothing but features; add --{role}_features=FILE"
            )
    if _kind(config) in _known_splits(config):
        config = config.replace({"split": _kind(config)})
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
    features = _features(data, parts)
    if not data.dataset:
        file = data.ratings or data.train_ratings
        return Source(os.path.splitext(os.path.basename(file))[0], parts, features=features)
    catalogue, candidates = None, datasets.load_candidates(data.dataset, data.data_dir)
    if datasets.PUBLISHED in datasets.predefined_splits(data.dataset):
        catalogue = parts["all"].items
    if candidates is not None:
        catalogue = catalogue.extended(candidates.items)
    return Source(data.dataset, parts, catalogue, candidates, features)


def read(path: str, data: DataConfig) -> Interactions:
    """Reads one file of ratings, through the cache, as the settings say that files are read.

    Raises:
        InputError: it cannot be read.
    """
    options = {name: getattr(data, name) for name in FILE_OPTIONS}
    data_dir = data.data_dir or datasets.default_data_dir()
    with waiting(f"reading {path}"):
        return cache.read_ratings(path, data_dir, **options)


def read_held_out(path: str, config: Config) -> Interactions:
    """Reads a file of ratings to be measured on: the distinct pairs that count as they do.

    Raises:
        InputError: it cannot be read, or nothing in it counts.
    """
    every_user_and_item = {"min_user_interactions": 0, "min_item_interactions": 0}
    settings = config.replace(every_user_and_item).positives
    return positives.select(read(path, config.data), settings).rows.without_repeats()


def split(source: Source, config: Config) -> Split:
    """Training, validation and test part as the settings want them.

    Raises:
        InputError: a split that the data do not have, or that leaves no training rows.
    """
    parts = _parts(source, config)
    selected = {name: positives.select(part, config.positives) for name, part in parts.items()}
    cut = _cut({name: selection.rows for name, selection in selected.items()}, config)
    repeated = sum(selection.repeated_pairs for selection in selected.values())
    counts = cut.counts | {"repeated_pairs": cut.counts["repeated_pairs"] + repeated}
    notes = tuple(
        note if name == "all" else f"{name}: {note}"
        for name, selection in selected.items()
        for note in selection.notes
    )
    cut = dataclasses.replace(cut, counts=counts, cut_notes=notes + cut.cut_notes)
    catalogue, candidates = _catalogue_and_candidates(source, config)
    if catalogue is None and candidates is None:
        return cut
    return cut.with_catalogue(catalogue, candidates)


def _parts(source: Source, config: Config) -> dict[str, Interactions]:
    """What is there to choose from, each part of a split that is made already by itself."""
    kind = _kind(config)
    if _is_made_here(kind) or "all" not in source.parts:
        return source.parts
    ratings, data_dir = source.parts["all"], config.data.data_dir
    parts = datasets.predefined_split(source.name, ratings, kind, data_dir)
    return dict(zip(("train", "test"), parts, strict=True))


def _catalogue_and_candidates(
    source: Source, config: Config
) -> tuple[Vocabulary | None, Interactions | None]:
    """The items beyond the training part's, and the fixed negatives; None where there are none."""
    path = config.evaluation.candidates
    catalogue = candidates = None
    if _kind(config) == datasets.PUBLISHED:
        catalogue, candidates = source.catalogue, source.candidates
    if path is not None:
        candidates = None
    if path not in (None, NO_CANDIDATES):
        held_out, candidates = read_candidates(path)
        for listed in (held_out.items, candidates.items):
            catalogue = listed if catalogue is None else catalogue.extended(listed)
    if "item" in source.features:
        described = source.features["item"].rows
        catalogue = described if catalogue is None else catalogue.extended(described)
    return catalogue, candidates


def _features(data: DataConfig, parts: dict[str, Interactions]) -> dict[str, FeatureFile]:
    """The files of features that the settings name, by what they describe."""
    features = {}
    if data.user_features:
        known = [part.users for part in parts.values()]
        features["user"] = read_features(data.user_features, "user", known)
    if data.item_features:
        known = [part.items for part in parts.values()]
        features["item"] = read_features(data.item_features, "item", known)
    return features


def _rows_and_counts(train: Interactions, role: str) -> tuple[Vocabulary, np.ndarray]:
    """The vocabulary of a role, and the training rows of each of its rows, int [rows]."""
    vocabulary, ids = (
        (train.users, train.user_ids) if role == "user" else (train.items, train.item_ids)
    )
    return vocabulary, np.bincount(ids, minlength=len(vocabulary))


def _cut(parts: dict[str, Interactions], config: Config) -> Split:
    """The parts, all in one or already apart, as a split."""
    cut, seed = config.split, config.training.seed
    validation, test = _fractions(config)
    kind = _kind(config)
    if "all" not in parts:
        ready_made = (parts.get(name) for name in ("train", "validation", "test"))
        return splits.ready_made_split(*ready_made, seed, validation)
    ratings = parts["all"]
    if kind == "folds of ratings":
        return splits.fold_split(ratings, seed, cut.fold, cut.num_folds, validation)
    if kind == "folds of users":
        return splits.user_fold_split(ratings, seed, cut.fold, cut.num_folds, validation, test)
    if kind == "random":
        return splits.random_split(ratings, seed, validation, test)
    if kind == "per_user":
        return splits.per_user_split(ratings, seed, validation, test)
    if kind == "held_out_items":
        return splits.held_out_items_split(ratings, seed, validation, test)
    if kind == "held_out_users":
        folded_in = cut.fold_in_fraction or FOLDED_IN
        return splits.held_out_users_split(ratings, seed, validation, test, folded_in)
    if kind == "leave_last_out":
        return splits.leave_last_out_split(ratings, with_validation=validation > 0)
    return splits.temporal_split(ratings, validation, test)


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
        if kind == "held_out_users":
            named += f", {cut.fold_in_fraction or FOLDED_IN:g} of each folded in"
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
    if config.split.split is not None:
        return config.split.split
    return datasets.PUBLISHED if datasets.PUBLISHED in _known_splits(config) else "random"


def _is_made_here(kind: str) -> bool:
    """Whether we cut the split from all ratings, and nobody has done so before."""
    return kind in SPLITS or kind.startswith("folds")


def _known_splits(config: Config) -> tuple[str, ...]:
    name = config.data.dataset
    return SPLITS + (datasets.predefined_splits(name) if name else ())


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
    if data.ratings_format in ("matrix", "adjacency") and columns:
        raise InputError(
            f"{', '.join(columns)} means nothing with --ratings_format={data.ratings_format}; "
            "leave it out"
        )


def _check_positives(config: Config) -> None:
    """Refuses settings about rows where they could do nothing, or do harm."""
    settings, kind = config.positives, _kind(config)
    if config.data.weight_column is None and settings.weight_transform != "linear":
        raise InputError(
            f"--weight_transform={settings.weight_transform} needs weights; name their column by "
            "--weight_column"
        )
    least = {
        name: getattr(settings, name) for name in ("min_user_interactions", "min_item_interactions")
    }
    for name, number in least.items():
        if number > 1 and not _is_made_here(kind):
            raise InputError(
                f"--{name}={number} would take rows out of a split that is made already ({kind}); "
                "leave it out, or split by --split=random and such"
            )


def _check_split(config: Config) -> None:
    cut, data = config.split, config.data
    wishes = {
        "--cross_validate": cut.cross_validate,
        "--fold": cut.fold is not None,
        f"--split={cut.split}": cut.split not in (None, "random"),
        "--train_ratings": data.train_ratings is not None,
    }
    given = [flag for flag, value in wishes.items() if value]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} each define the test part; give one of them")
    known = _known_splits(config)
    if cut.split is not None and cut.split not in known:
        what = data.dataset or "a file of ratings"
        raise InputError(
            f"--split={cut.split}: {what} has no such split{did_you_mean(cut.split, known)}"
        )
    kind = _kind(config)
    if kind == "held_out_items" and not data.item_features:
        raise InputError(
            "--split=held_out_items holds out every rating of some items: only features can tell "
            "these apart; add --item_features=FILE"
        )
    if kind != "held_out_users" and cut.fold_in_fraction is not None:
        raise InputError("--fold_in_fraction means nothing but with --split=held_out_users")
    if kind == "held_out_users" and config.training.init_from:
        raise InputError(
            "--init_from with --split=held_out_users: whom the earlier run knows is not held out; "
            "leave one of them out"
        )
    if kind == "held_out_users" and config.evaluation.candidates not in (None, NO_CANDIDATES):
        raise InputError(
            "--candidates with --split=held_out_users: the full catalogue is ranked for users whom "
            "training does not know; leave one of them out"
        )
    if cut.fold_by == "users" and kind != "folds of users":
        raise InputError("--fold_by=users needs folds; add --cross_validate or --fold=0")
    if cut.validation_fraction and kind == "leave_last_out":
        raise InputError(
            "--split=leave_last_out takes one rating of each user for validation; leave out "
            "--validation_fraction, or make it 0 for none"
        )
    if cut.test_fraction is not None and kind not in _TAKE_TEST_FRACTION:
        raise InputError(
            f"--test_fraction means nothing with {(given or [f'--split={kind}'])[0]}; leave one of "
            "them out"
        )
    if cut.test_fraction == 0 and kind == "folds of users":
        raise InputError("--test_fraction=0 leaves nothing to test in a fold; make it more")
    if config.training.refit and data.validation_ratings is None and not _fractions(config)[0]:
        remedy = "add --validation_fraction=0.1"
        if cut.validation_fraction == 0:
            remedy = "leave out --validation_fraction=0"
        raise InputError(f"--refit needs a validation part to choose the epochs on; {remedy}")
