"""Every setting of mfrec, once: flags and config.json are made from these data classes.

One frozen data class a concern. A setting that is None is derived from the training data in
mfrec/config/defaults.py; what it became is printed and written to config.json. Precedence: flag >
--config=FILE > --preset > default.
"""

import dataclasses
import difflib
import json
import math
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, get_args

from mfrec.errors import InputError
from mfrec.own_code import is_address

# The built-in losses, for --help; TensorFlow, which mfrec/losses needs, is not imported here.
RATING_LOSSES = ("mse", "mae", "huber", "logistic", "poisson")
RANKING_LOSSES = (
    *("bpr", "hinge", "warp", "sampled_logistic", "sampled_softmax", "cosine_contrastive"),
    *("bsl", "ultragcn", "softmax", "implicit_squared"),
)
OPTIMIZERS = ("adam", "adamw", "adagrad", "sgd", "nadam")
SCHEDULES = ("constant", "exponential", "cosine")
TENSORBOARD_LEVELS = ("off", "basic", "full")
RATINGS_FORMATS = ("auto", "table", "matrix", "adjacency")
# What says that items are ranked among all, not among fixed negatives.
NO_CANDIDATES = "none"
WEIGHT_TRANSFORMS = ("linear", "log1p", "none")
SAMPLERS = ("uniform", "popularity", "in_batch")


def _setting(default: Any, help: str, **checks: Any) -> Any:
    """A field with its help text and checks: minimum, above, below (bounds) or choices (names)."""
    return field(default=default, metadata={"help": help, **checks})


@dataclass(frozen=True)
class DataConfig:
    """Where the ratings come from."""

    dataset: str | None = _setting(None, "named data set")
    ratings: str | None = _setting(None, "text file of ratings, to be split")
    train_ratings: str | None = _setting(None, "ready-made split: the training part")
    validation_ratings: str | None = _setting(None, "ready-made split: the validation part")
    test_ratings: str | None = _setting(None, "ready-made split: the test part")
    ratings_format: str = _setting(
        "auto",
        "what those files are: table is text of one rating a line, matrix text of one user a "
        "line, adjacency text of one user and then that user's items a line; auto takes text for "
        "a table, unless it can only be adjacency",
        choices=RATINGS_FORMATS,
    )
    user_column: str | None = _setting(
        None, "the users' column, by name or number from 0 (default: by usual names or first)"
    )
    item_column: str | None = _setting(None, "the items' column (default: likewise, or second)")
    rating_column: str | None = _setting(
        None, "the ratings' column (default: likewise, or third), or none: all lines are positives"
    )
    timestamp_column: str | None = _setting(
        None, "the timestamps' column (default: likewise, or fourth, if there is one)"
    )
    weight_column: str | None = _setting(
        None, "column of how much each line counts, such as how often; repeated pairs add up"
    )
    delimiter: str | None = _setting(
        None, "what separates the fields: tab, comma, ::, … (default: guessed)"
    )
    item_labels: str | None = _setting(
        None, "text file of item id, title and perhaps genres (default: those of a named set)"
    )
    user_features: str | None = _setting(
        None, "text file of what is known of users besides: user id, and a column a feature"
    )
    item_features: str | None = _setting(
        None, "likewise of items, such as genres (a|b); items without ratings join the catalogue"
    )
    data_dir: str | None = _setting(
        None, "folder of the named sets (default: $MFREC_DATA_DIR, else ~/.cache/mfrec)"
    )


@dataclass(frozen=True)
class PositivesConfig:
    """Which rows count, and how much."""

    min_rating: float | None = _setting(None, "keep only what is rated so high or higher")
    weight_transform: str = _setting(
        "linear",
        "weight of a pair whose values in --weight_column add up to v: linear v, log1p log(1 + v), "
        "none 1",
        choices=WEIGHT_TRANSFORMS,
    )
    min_user_interactions: int = _setting(
        0,
        "drop users with fewer distinct items, and again until users and items all have enough",
        minimum=0,
    )
    min_item_interactions: int = _setting(
        0, "drop items with fewer distinct users, likewise", minimum=0
    )


@dataclass(frozen=True)
class SplitConfig:
    """Which ratings train, which validate, which test."""

    split: str | None = _setting(
        None,
        "how the test part is chosen: a data set's own u1 … u5, ua, ub, published; your own "
        "FILE.py:function or package.module:function (default: published if a set has that, else "
        "random); or one of",
    )
    validation_fraction: float | None = _setting(
        None,
        "share held out for validation: of all ratings (random, temporal), of each user's "
        "(per_user), of all items or users (held_out_items, held_out_users), of the training part "
        "(folds, a set's own, ready-made parts); "
        "0: none; leave_last_out takes one rating of each user (default: 0.1; of the training part "
        "0)",
        minimum=0,
        below=1,
    )
    test_fraction: float | None = _setting(
        None,
        "share held out for the test: of all ratings (random, temporal), of each user's (per_user, "
        "--fold_by=users), of all items or users (held_out_items, held_out_users) "
        "(default: 0.1)",
        minimum=0,
        below=1,
    )
    fold_in_fraction: float | None = _setting(
        None,
        "held_out_users: share of each held-out user's ratings to be folded in; the rest is to be "
        "predicted (default: 0.8)",
        above=0,
        below=1,
    )
    fold: int | None = _setting(None, "test on this fold, counted from 0", minimum=0)
    num_folds: int = _setting(5, "number of folds", minimum=2)
    fold_by: str = _setting(
        "ratings",
        "what is dealt into folds: ratings, or users, of whose ratings --test_fraction is tested",
        choices=("ratings", "users"),
    )
    cross_validate: bool = _setting(False, "run every fold; report mean and standard deviation")


@dataclass(frozen=True)
class ModelConfig:
    """What scores users and items: μ + b_u + b_i + <p_u, q_i>, or another model."""

    model: str = _setting(
        "matrix_factorization",
        "matrix_factorization, svdpp, or your own: FILE.py:Class or package.module:Class",
    )
    model_args: str = _setting("", "the model's own arguments: name=value,name=value")
    embedding_dim: int = _setting(64, "length d of the user and item embeddings", minimum=1)
    use_bias: bool | None = _setting(
        None, "learn a bias for every user and item (default: for losses of ratings)"
    )
    normalize: bool | None = _setting(
        None, "score by the cosine of the embeddings (default: for losses made for cosines)"
    )
    init_stddev: float | None = _setting(
        None,
        "embeddings start at N(0, init_stddev/√embedding_dim) (default: from the data)",
        minimum=0,
    )
    user_ids: bool = _setting(
        True, "users have embeddings of their own beside those of their --user_features"
    )
    item_ids: bool = _setting(
        True, "likewise items; --noitem_ids (or --no_item_ids) is a model of their features alone"
    )
    clip_predictions: bool = _setting(True, "clip predictions to the training ratings' range")


@dataclass(frozen=True)
class RegularizerConfig:
    """What keeps the embeddings and biases small: R, added to the loss."""

    regularization: float | None = _setting(
        None, "λ: charge on the squared embeddings (default: from the data)", minimum=0
    )
    bias_regularization: float | None = _setting(
        None, "λ_b: charge on the squared biases (default: from the data)", minimum=0
    )
    frequency_exponent: float | None = _setting(
        None,
        "ν: 1 charges every example alike, 0 every row once (default: by loss)",
        minimum=0,
        maximum=1,
    )
    feature_regularization: float = _setting(
        6.0, "features are charged so many times as much as a row with their examples", minimum=0
    )


@dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    loss: str = _setting(
        "mse",
        f"of ratings: {', '.join(RATING_LOSSES)}; of rankings: {', '.join(RANKING_LOSSES)}; or "
        "your own: FILE.py:function or package.module:function",
    )
    loss_args: str = _setting("", "the loss's own arguments: name=value,name=value")


@dataclass(frozen=True)
class SamplerConfig:
    """Where the negatives of ranking losses come from."""

    negative_sampler: str = _setting("uniform", "how negatives are drawn", choices=SAMPLERS)
    num_negatives: int | None = _setting(
        None, "negatives an example, or a batch where it shares them (default: by loss)", minimum=1
    )
    shared_negatives: bool | None = _setting(
        None, "draw negatives once for a whole batch (default: by loss)"
    )
    popularity_exponent: float = _setting(
        0.75, "popularity sampler: probability ∝ count^exponent", minimum=0
    )
    log_q_correction: bool = _setting(
        False, "let the negatives stand for the whole catalogue: score − log of how often drawn"
    )
    reject_positives: bool = _setting(
        False, "leave out negatives that are training positives of the user"
    )
    hard_negatives: int = _setting(
        1,
        "draw so many times as many negatives and keep the best scored of each so many",
        minimum=1,
    )


@dataclass(frozen=True)
class OptimizerConfig:
    """How it is minimised."""

    optimizer: str = _setting("adam", "optimizer", choices=OPTIMIZERS)
    optimizer_args: str | None = _setting(
        None, "the Keras optimizer's own arguments: name=value,name=value (default: from the data)"
    )
    learning_rate: float | None = _setting(
        None, "first learning rate (default: from the data)", above=0
    )
    learning_rate_schedule: str = _setting(
        "cosine", "what the learning rate does over the epochs", choices=SCHEDULES
    )
    learning_rate_decay: float = _setting(
        0.9, "exponential schedule: factor an epoch", above=0, maximum=1
    )
    clip_norm: float | None = _setting(
        None, "scale gradients down to this global norm (default: off)", above=0
    )
    average_weights: float = _setting(
        0.0,
        "momentum of a moving average of the weights, used for evaluation and saving; 0: off",
        minimum=0,
        below=1,
    )


@dataclass(frozen=True)
class TrainingConfig:
    """The loop."""

    epochs: int | None = _setting(
        None, "passes over the training ratings (default: 20, more for tiny data)", minimum=1
    )
    batch_size: int | None = _setting(None, "examples a step (default: from the data)", minimum=1)
    positives_per_row: int | None = _setting(
        None,
        "ranking: up to so many positives of one user side by side, sharing its negatives; "
        "1: every example by itself (default: by loss)",
        minimum=1,
    )
    steps_per_loop: int = _setting(
        128, "steps inside the compiled loop between two visits to Python, at most", minimum=1
    )
    early_stopping_patience: int = _setting(
        5, "stop after so many evaluations without a better validation metric; 0: never", minimum=0
    )
    eval_metric: str | None = _setting(
        None,
        "validation metric that picks the epoch and stops training: rmse, ndcg@10, recall@20 … "
        "(default: rmse; for losses of rankings ndcg at the first cutoff)",
    )
    eval_every: int = _setting(1, "evaluate the validation part every so many epochs", minimum=1)
    init_from: str | None = _setting(
        None,
        "go on from this run on other ratings: with its settings, its rows and what its optimizer "
        "remembers of them; what is new gets rows behind",
    )
    refit: bool = _setting(
        False, "then train anew on train + validation for the best number of epochs"
    )
    seed: int = _setting(
        0, "fixes split, initialisation, shuffling and sampling", minimum=0, maximum=2**30
    )
    jit_compile: bool = _setting(True, "compile the loop with XLA")
    run_eagerly: bool = _setting(False, "run every step in Python, for a debugger")
    tensorboard: str = _setting(
        "basic",
        "basic: scalars, settings and HParams; full: also gradient norm, histograms, calibration "
        "and the projector",
        choices=TENSORBOARD_LEVELS,
    )


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured, and how."""

    cutoffs: str | None = _setting(
        None, "k of the ranking metrics: 10 or 10,20,50 (default: 10 for losses of rankings)"
    )
    mask_seen: bool = _setting(True, "rank without the items that the user had in training")
    candidates: str | None = _setting(
        None,
        "rank among fixed negatives from this file (.test.negative), not the full catalogue; none: "
        "the full catalogue (default: none, but ncf-movielens-1m brings such a file)",
    )
    test_every: int | None = _setting(
        None,
        "measure the test part every so many epochs as well and report the best of them apart, "
        "as many papers do: optimistic",
        minimum=1,
    )


@dataclass(frozen=True)
class Config:
    """All settings of one experiment."""

    data: DataConfig = DataConfig()
    positives: PositivesConfig = PositivesConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    regularizer: RegularizerConfig = RegularizerConfig()
    loss: LossConfig = LossConfig()
    sampler: SamplerConfig = SamplerConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def replace(self, values: Mapping[str, Any]) -> "Config":
        """A copy with the named settings (flat names) changed.

        Raises InputError for an unknown name, a value of the wrong type or out of bounds.
        """
        known = {setting.name: section for section, setting in settings()}
        changes: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                raise InputError(f"unknown setting '{name}'{nearest(name, known)}")
            changes.setdefault(known[name], {})[name] = value
        config = dataclasses.replace(
            self,
            **{
                section: dataclasses.replace(getattr(self, section), **values)
                for section, values in changes.items()
            },
        )
        config._check()
        return config

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Sections of settings, as config.json holds them."""
        return dataclasses.asdict(self)

    def _check(self) -> None:
        for section, setting in settings():
            _check_value(setting, getattr(getattr(self, section), setting.name))


# Recipes that any flag overrides. How each was found stands in BUILD_NOTES.md.
PRESETS: dict[str, dict[str, Any]] = {
    "movielens-100k": {
        "dataset": "movielens-100k",
        "loss": "logistic",
        "embedding_dim": 64,
        "init_stddev": 0.073,
        "regularization": 0.0119,
        "bias_regularization": 0.0023,
        "frequency_exponent": 0.5,
        "optimizer": "adam",
        "optimizer_args": "beta_2=0.99,epsilon=3.9e-5",
        "learning_rate": 0.0053,
        "learning_rate_schedule": "cosine",
        "batch_size": 256,
        "epochs": 15,
        "early_stopping_patience": 0,
    },
    "movielens-1m": {
        "dataset": "movielens-1m",
        "loss": "logistic",
        "embedding_dim": 64,
        "init_stddev": 0.104,
        "regularization": 0.0063,
        "bias_regularization": 0.0023,
        "frequency_exponent": 0.6,
        "optimizer": "adam",
        "optimizer_args": "beta_2=0.99,epsilon=5.2e-6",
        "learning_rate": 0.0085,
        "learning_rate_schedule": "cosine",
        "batch_size": 8192,
        "epochs": 20,
        "early_stopping_patience": 0,
    },
    "movielens-100k-ranking": {
        "dataset": "movielens-100k",
        "split": "per_user",
        "test_fraction": 0.25,
        "validation_fraction": 0.0,
        "loss": "implicit_squared",
        "loss_args": "unobserved_weight=0.2",
        "embedding_dim": 32,
        "regularization": 0.02,
        "learning_rate": 0.01,
        "learning_rate_schedule": "constant",
        "batch_size": 2048,
        "positives_per_row": 16,
        "epochs": 40,
        "early_stopping_patience": 0,
    },
    "ncf-movielens-1m": {
        "dataset": "ncf-movielens-1m",
        "validation_fraction": 0.0,
        "loss": "softmax",
        "loss_args": "temperature=1",
        "normalize": False,
        "embedding_dim": 192,
        "regularization": 0.02,
        "learning_rate": 0.01,
        "batch_size": 32768,
        "positives_per_row": 32,
        "epochs": 30,
        "early_stopping_patience": 0,
    },
    "gowalla": {
        "dataset": "gowalla",
        "validation_fraction": 0.1,
        "loss": "bsl",
        "loss_args": "temperature=0.1,positive_temperature=0.12",
        "num_negatives": 2048,
        "embedding_dim": 64,
        "learning_rate": 0.01,
        "batch_size": 16384,
        "epochs": 300,
        "eval_every": 25,
        "test_every": 25,
        "refit": True,
        "early_stopping_patience": 0,
        "cutoffs": "20",
    },
}


def settings() -> Iterator[tuple[str, dataclasses.Field]]:
    """Every (section name, setting) in the order in which --help shows them."""
    for section in dataclasses.fields(Config):
        for setting in dataclasses.fields(section.type):
            yield section.name, setting


def resolve(
    flags: Mapping[str, Any],
    preset: str | None = None,
    config_file: str | None = None,
    splits: Container[str] = (),
) -> Config:
    """The settings in force: flag > config file > preset > default.

    Args:
        flags: what the user typed, by flat name.
        preset: a name in PRESETS.
        config_file: a config.json of an earlier run, or a part of one.
        splits: names of splits that every data set has; those that a data set defines itself
            are dropped when flags name another data set.

    Raises:
        InputError: a name, value or file that cannot be used.
    """
    values: dict[str, Any] = {}
    if "init_from" in flags:
        if preset is not None or config_file:
            raise InputError("--init_from brings its run's settings; leave out --preset, --config")
        config_file = os.path.join(flags["init_from"], "config.json")
    if preset is not None:
        if preset not in PRESETS:
            raise InputError(f"unknown preset '{preset}'{nearest(preset, PRESETS)}")
        values.update(PRESETS[preset])
    if config_file:
        values.update(read_settings(config_file))
    if {"ratings", "train_ratings"} & set(flags):
        # the user's own file replaces the data set that the recipe was made for
        values = {k: v for k, v in values.items() if k not in {"dataset", *_FILES}}
    elif "dataset" in flags:
        about_files = {*_FILES, *FILE_OPTIONS, "weight_transform"}
        values = {k: v for k, v in values.items() if k not in about_files}
    if {"ratings", "train_ratings", "dataset"} & set(flags):
        split = values.get("split") or ""
        if split not in splits and not is_address(split):
            # the data set's own split goes with it
            values.pop("split", None)
    if flags.get("optimizer", values.get("optimizer")) != values.get("optimizer"):
        # another optimizer takes other arguments
        values.pop("optimizer_args", None)
    if "init_from" in flags:
        # the earlier run's own beginning and end are no settings of what follows, nor is how its
        # ratings were cut one of parts that are ready-made
        cuts = _OF_CUTS if "train_ratings" in flags else ()
        values = {k: v for k, v in values.items() if k not in ("init_from", "refit", *cuts)}
    values.update(flags)
    config = Config().replace({k: _absolute(k, v) for k, v in values.items()})
    if config.training.init_from:
        _check_continues(config, config.training.init_from)
    return config


_OF_CUTS = tuple(setting.name for setting in dataclasses.fields(SplitConfig))

# What decides which tables a model has and what is in them.
_OF_TABLES = (
    "model",
    "model_args",
    "embedding_dim",
    "use_bias",
    "normalize",
    "user_ids",
    "item_ids",
)


def _check_continues(config: Config, run_dir: str) -> None:
    """Refuses to go on from a run in a way in which its tables would mean something else."""
    earlier = Config().replace(read_settings(os.path.join(run_dir, "config.json")))
    if earlier.split.cross_validate:
        raise InputError(
            f"--init_from={run_dir} is a cross-validation; name one of its folds, such as fold-0"
        )
    if config.training.refit or config.split.cross_validate:
        flag = "--refit" if config.training.refit else "--cross_validate"
        raise InputError(f"{flag} trains anew and --init_from goes on; leave one out")
    same = {
        name: (getattr(config.model, name), getattr(earlier.model, name)) for name in _OF_TABLES
    }
    same["loss"] = (config.loss.loss, earlier.loss.loss)
    for name, (now, then) in same.items():
        if now != then:
            raise InputError(
                f"--{name}={now}: the run {run_dir} was trained with {then}; leave it out, or "
                "train anew"
            )
    for name in ("user_features", "item_features"):
        now, then = getattr(config.data, name), getattr(earlier.data, name)
        if bool(now) != bool(then):
            wish = f"add --{name}=FILE" if then else f"leave out --{name}"
            has = "with" if then else "without"
            raise InputError(f"the run {run_dir} was trained {has} {name}; {wish}")


_FILES = (
    *("ratings", "train_ratings", "validation_ratings", "test_ratings", "item_labels"),
    *("user_features", "item_features", "candidates"),
)

# How text files of ratings are read.
COLUMNS = ("user_column", "item_column", "rating_column", "timestamp_column", "weight_column")
FILE_OPTIONS = ("ratings_format", *COLUMNS, "delimiter")


def _absolute(name: str, value: Any) -> Any:
    """Paths are kept absolute, so that config.json means the same from every folder."""
    if not isinstance(value, str) or not value:
        return value
    if name in ("loss", "model", "split") and ".py:" in value:
        file, _, function = value.rpartition(":")
        return f"{os.path.abspath(file)}:{function}"
    if name == "candidates" and value == NO_CANDIDATES:
        return value
    return os.path.abspath(value) if name in (*_FILES, "data_dir", "init_from") else value


def read_settings(path: str) -> dict[str, Any]:
    """The settings of a config.json, by flat name.

    Raises:
        InputError: no such file, no JSON object, or a section, setting or value that mfrec does
            not have.
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    sections = {section.name for section in dataclasses.fields(Config)}
    if not isinstance(content, dict) or not any(name in content for name in sections):
        raise InputError(f"{path}: no settings found; expected an object with {sorted(sections)}")
    values = {}
    for section in sections & set(content):
        if not isinstance(content[section], dict):
            raise InputError(f"{path}: '{section}' is no object of settings")
        values.update(content[section])
    try:
        Config().replace(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return values


def parse_arguments(text: str) -> dict[str, Any]:
    """'margin=0.9,name=x' as a dict; numbers and true/false become Python values.

    Raises:
        InputError: an entry that is not name=value.
    """
    arguments: dict[str, Any] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"'{entry}' is not name=value")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            arguments[name] = value
        if _is_infinite(value):
            raise InputError(f"'{entry}': must be a finite number")
    return arguments


def _is_infinite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def parse_cutoffs(text: str) -> tuple[int, ...]:
    """'10,20' as (10, 20), in rising order.

    Raises:
        InputError: an entry that is no whole number above 0.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    wrong = [entry for entry in entries if not entry.isdecimal() or not int(entry)]
    if wrong:
        raise InputError(f"--cutoffs={text}: '{wrong[0]}' is no whole number above 0")
    return tuple(sorted(set(map(int, entries))))


def nearest(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """'; did you mean …?' for a misspelt name; where none is near `otherwise`, or all names."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are: {', '.join(names)}" if otherwise is None else otherwise


# What TensorFlow's int32 and float32 hold.
_LARGEST = {int: 2**31 - 1, float: 3.4e38}


def _check_value(setting: dataclasses.Field, value: Any) -> None:
    kind, checks = python_type(setting), setting.metadata
    if value is None:
        if NoneType not in _types(setting):
            raise InputError(f"--{setting.name} needs a value")
        return
    number = kind in (int, float)
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (number and isinstance(value, bool)):
        raise InputError(f"--{setting.name}={value}: not of type {kind.__name__}")
    if number and not math.isfinite(value):
        raise InputError(f"--{setting.name}={value}: must be a finite number")
    if number and abs(value) > _LARGEST[kind]:
        raise InputError(f"--{setting.name}={value}: must be at most {_LARGEST[kind]}")
    bounds = {
        "minimum": ("at least", lambda bound: value >= bound),
        "maximum": ("at most", lambda bound: value <= bound),
        "above": ("above", lambda bound: value > bound),
        "below": ("below", lambda bound: value < bound),
    }
    for name, (words, holds) in bounds.items():
        if name in checks and not holds(checks[name]):
            raise InputError(f"--{setting.name}={value}: must be {words} {checks[name]}")
    choices = checks.get("choices")
    if choices and value not in choices:
        raise InputError(f"--{setting.name}={value}: unknown{nearest(value, choices)}")


def python_type(setting: dataclasses.Field) -> type:
    """str, int, float or bool: the type of a setting's values, None aside."""
    return next(kind for kind in _types(setting) if kind is not NoneType)


def _types(setting: dataclasses.Field) -> tuple[type, ...]:
    return get_args(setting.type) or (setting.type,)
