"""Every setting of mfrec, once: flags and config.json are made from these data classes.

One frozen data class for each concern; its docstring is a heading of `train.py --help`. A setting
that is None is derived from the training data (mfrec/config/defaults.py); the derived value is
printed and written to config.json.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, get_args

from mfrec.config.parsing import parse_arguments, parse_cutoffs
from mfrec.errors import InputError, did_you_mean
from mfrec.ranges import Range

SCHEDULES = ("constant", "exponential", "cosine")
DISTRIBUTIONS = ("none", "multi_worker", "mirrored")
TENSORBOARD_LEVELS = ("off", "basic", "full")
RATINGS_FORMATS = ("auto", "table", "matrix", "adjacency")
# How text files of ratings are read.
COLUMNS = ("user_column", "item_column", "rating_column", "timestamp_column", "weight_column")
FILE_OPTIONS = ("ratings_format", *COLUMNS, "delimiter", "encoding")
# --candidates=none: rank the full catalogue even if the data set brings fixed negatives.
NO_CANDIDATES = "none"
WEIGHT_TRANSFORMS = ("linear", "log1p", "none")


def _setting(default: Any, help: str, **checks: Any) -> Any:
    """Return a field with its help text and checks.

    Args:
        default: the value if nothing is given; None if it is derived or absent.
        help: what --help says.
        checks: bounds (minimum, maximum, above, below), choices (names), or parse, a function of
            text and name that raises InputError. And around_training: whether it is about what
            train.py does around a training, which a `Trainer` refuses, unless it is `off`.
    """
    return field(default=default, metadata={"help": help, **checks})


@dataclass(frozen=True)
class DataConfig:
    """Where the ratings come from."""

    dataset: str | None = _setting(None, "named data set")
    ratings: str | None = _setting(
        None, "file of ratings, to be split; or a folder that convert.py made, to be streamed"
    )
    train_ratings: str | None = _setting(None, "ready-made split: file of the training part")
    validation_ratings: str | None = _setting(None, "ready-made split: file of the validation part")
    test_ratings: str | None = _setting(None, "ready-made split: file of the test part")
    ratings_format: str = _setting(
        "auto",
        "layout of these files: table has one rating a line; matrix one user a line, a column for "
        "each item; adjacency one user a line, followed by that user's items; auto reads text as "
        "a table unless it can only be adjacency",
        choices=RATINGS_FORMATS,
    )
    user_column: str | None = _setting(
        None, "column of user ids, by name or number from 0 (default: by a usual name, or first)"
    )
    item_column: str | None = _setting(
        None, "column of item ids (default: by a usual name, or second)"
    )
    rating_column: str | None = _setting(
        None,
        "column of ratings, or none: every line is a positive (default: by a usual name, or third)",
    )
    timestamp_column: str | None = _setting(
        None, "column of timestamps, or none (default: by a usual name, or fourth if there is one)"
    )
    weight_column: str | None = _setting(
        None, "column of weights, such as play counts; weights of repeated pairs are summed"
    )
    missing_ratings: str | None = _setting(
        None, "values that stand for no rating, such as -1,99 or 0: rows with them are left out"
    )
    delimiter: str | None = _setting(None, "field delimiter: tab, comma, ::, … (default: detected)")
    encoding: str = _setting(
        "auto",
        "encoding of all text files, such as latin-1, cp1252 or utf-16; auto is UTF-8, or what a "
        "byte order mark says",
    )
    item_labels: str | None = _setting(
        None, "text file of item id, title and optional genres (default: the named set's own)"
    )
    user_features: str | None = _setting(
        None, "text file of user features: user id, then one column for each feature"
    )
    item_features: str | None = _setting(
        None,
        "text file of item features, such as genres (a|b); its items join the catalogue even "
        "without ratings",
    )
    data_dir: str | None = _setting(
        None, "folder of the named data sets (default: $MFREC_DATA_DIR, else ~/.cache/mfrec)"
    )


@dataclass(frozen=True)
class PositivesConfig:
    """Which rows count, and how much."""

    min_rating: float | None = _setting(None, "keep only ratings of at least this value")
    weight_transform: str = _setting(
        "linear",
        "weight of a pair whose --weight_column sums to v: linear v, log1p log(1 + v), none 1",
        choices=WEIGHT_TRANSFORMS,
    )
    min_user_interactions: int = _setting(
        0,
        "drop users with fewer distinct items; repeated with --min_item_interactions until all "
        "have enough (k-core)",
        minimum=0,
    )
    min_item_interactions: int = _setting(
        0, "drop items with fewer distinct users; see --min_user_interactions", minimum=0
    )


@dataclass(frozen=True)
class SplitConfig:
    """Which ratings train, validate and test."""

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
        "(folds, a set's own split, ready-made parts); 0: none; leave_last_out takes one rating of "
        "each user (default: 0.1; of the training part 0)",
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
        "held_out_users: share of each held-out user's ratings to fold in; the rest is predicted "
        "(default: 0.8)",
        above=0,
        below=1,
    )
    fold: int | None = _setting(None, "test on this fold, counted from 0", minimum=0)
    num_folds: int = _setting(5, "number of folds", minimum=2)
    fold_by: str = _setting(
        "ratings",
        "assign ratings to folds, or users: then --test_fraction of each user's ratings is tested",
        choices=("ratings", "users"),
    )
    cross_validate: bool = _setting(False, "run every fold and report mean and standard deviation")


@dataclass(frozen=True)
class ModelConfig:
    """The model that scores users and items: μ + b_u + b_i + <p_u, q_i>, or another."""

    model: str = _setting(
        "matrix_factorization",
        "matrix_factorization, svdpp, or your own: FILE.py:Class or package.module:Class",
    )
    model_args: str = _setting(
        "", "the model's own arguments: name=value,name=value", parse=parse_arguments
    )
    embedding_dim: int = _setting(64, "dimension d of the user and item embeddings", minimum=1)
    use_bias: bool | None = _setting(
        None, "learn a bias for every user and item (default: for losses of ratings)"
    )
    normalize: bool | None = _setting(
        None, "score by the cosine of the embeddings (default: for losses made for cosines)"
    )
    init_stddev: float | None = _setting(
        None,
        "initialize embeddings from N(0, init_stddev/√embedding_dim) (default: from the data)",
        minimum=0,
    )
    user_ids: bool = _setting(True, "give each user its own embedding in addition to its features'")
    item_ids: bool = _setting(True, "give each item its own embedding in addition to its features'")
    clip_predictions: bool = _setting(True, "clip predictions to the training ratings' range")


@dataclass(frozen=True)
class RegularizerConfig:
    """The regularizer R, which is added to the loss."""

    regularization: float | None = _setting(
        None, "λ: weight of the squared embeddings (default: from the data)", minimum=0
    )
    bias_regularization: float | None = _setting(
        None, "λ_b: weight of the squared biases (default: from the data)", minimum=0
    )
    frequency_exponent: float | None = _setting(
        None,
        "ν: 1 regularizes a row once for each of its examples, 0 every row once (default: by loss)",
        minimum=0,
        maximum=1,
    )
    feature_regularization: float = _setting(
        6.0,
        "how much more strongly feature embeddings are regularized than a row with as many "
        "examples",
        minimum=0,
    )


@dataclass(frozen=True)
class LossConfig:
    """The loss."""

    loss: str = _setting(
        "mse",
        "of ratings or of rankings, or your own, FILE.py:function or package.module:function",
    )
    loss_args: str = _setting(
        "", "the loss's own arguments: name=value,name=value", parse=parse_arguments
    )


@dataclass(frozen=True)
class SamplerConfig:
    """The negatives of ranking losses."""

    negative_sampler: str = _setting(
        "uniform", "how negatives are drawn, or your own, FILE.py:function"
    )
    num_negatives: int | None = _setting(
        None, "negatives per example, or per batch if it shares them (default: by loss)", minimum=1
    )
    shared_negatives: bool | None = _setting(
        None, "draw one set of negatives for the whole batch (default: by loss)"
    )
    sampler_args: str = _setting(
        "",
        "the sampler's own arguments: name=value; popularity has exponent=0.75",
        parse=parse_arguments,
    )
    log_q_correction: bool = _setting(
        False,
        "log-Q correction: subtract the log of each negative's expected number of draws from its "
        "score",
    )
    reject_positives: bool = _setting(
        False, "mask negatives that are training positives of the user"
    )
    hard_negatives: int = _setting(
        1,
        "draw this many candidates per negative and keep the highest-scoring one",
        minimum=1,
    )


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimizer."""

    optimizer: str = _setting(
        "auto",
        "a Keras optimizer, one by rows (sparse_, rowwise_), or your own, FILE.py:Class; auto is "
        "adam, or sparse_adam where a batch reads a small part of large tables",
    )
    optimizer_args: str | None = _setting(
        None,
        "the optimizer's own arguments: name=value,name=value (default: from the data)",
        parse=parse_arguments,
    )
    learning_rate: float | None = _setting(
        None, "initial learning rate (default: from the data)", above=0
    )
    learning_rate_schedule: str = _setting(
        "cosine", "learning rate over the epochs", choices=SCHEDULES
    )
    learning_rate_decay: float = _setting(
        0.9, "exponential schedule: factor per epoch", above=0, maximum=1
    )
    clip_norm: float | None = _setting(
        None, "clip gradients to this global norm (default: off)", above=0
    )
    average_weights: float = _setting(
        0.0,
        "momentum of a moving average of the weights, used for evaluation and saving; 0: off",
        minimum=0,
        below=1,
    )


@dataclass(frozen=True)
class TrainingConfig:
    """The training loop."""

    epochs: int | None = _setting(
        None,
        "passes over the training ratings (default: 20, more for tiny data)",
        minimum=1,
        maximum=1_000_000,
    )
    batch_size: int | None = _setting(None, "examples per step (default: from the data)", minimum=1)
    positives_per_row: int | None = _setting(
        None,
        "ranking losses: group up to this many positives of a user into one row that shares "
        "negatives; 1: every example by itself (default: by loss)",
        minimum=1,
    )
    steps_per_loop: int = _setting(
        128, "most steps of the compiled loop between two returns to Python", minimum=1
    )
    early_stopping_patience: int = _setting(
        5,
        "early stopping: stop after this many evaluations without a better validation metric; "
        "0: never",
        minimum=0,
    )
    eval_metric: str | None = _setting(
        None,
        "validation metric for choosing the epoch and early stopping: rmse, ndcg@10, recall@20 … "
        "(default: rmse; for losses of rankings ndcg at the first cutoff)",
    )
    eval_every: int = _setting(1, "evaluate the validation part every this many epochs", minimum=1)
    init_from: str | None = _setting(
        None,
        "continue from this run: reuse its settings, rows and optimizer state; new users and items "
        "are appended",
        around_training=True,
    )
    refit: bool = _setting(
        False,
        "in the end train anew on train + validation, for the best number of epochs",
        around_training=True,
    )
    seed: int = _setting(
        0, "seed of split, initialization, shuffling and sampling", minimum=0, maximum=2**30
    )
    distribution: str = _setting(
        "none",
        "multi_worker: several processes, which TF_CONFIG names, train one model; each holds its "
        "own users' ratings and table rows, and the table rows of all items. mirrored: all GPUs of "
        "this machine, each with all tables",
        choices=DISTRIBUTIONS,
        around_training=True,
    )
    jit_compile: bool = _setting(True, "compile the loop with XLA")
    run_eagerly: bool = _setting(False, "run every step in Python, for debugging")
    tensorboard: str = _setting(
        "basic",
        "basic: scalars, settings and HParams; full: also gradient norm, histograms, calibration "
        "and the projector",
        choices=TENSORBOARD_LEVELS,
        around_training=True,
        off="off",
    )


@dataclass(frozen=True)
class EvaluationConfig:
    """Evaluation."""

    cutoffs: str | None = _setting(
        None,
        "cutoffs k of the ranking metrics: 10 or 10,20,50 (default: 10 for losses of rankings)",
        parse=parse_cutoffs,
    )
    metrics: str | None = _setting(
        None, "metrics of your own for every table: FILE.py:name, several with commas"
    )
    mask_seen: bool = _setting(True, "rank without the user's training items")
    candidates: str | None = _setting(
        None,
        "rank among the fixed negatives of this file (.test.negative) instead of the full "
        "catalogue; none: the full catalogue (default: none, but ncf-movielens-1m brings such a "
        "file)",
        around_training=True,
        off=NO_CANDIDATES,
    )
    test_every: int | None = _setting(
        None,
        "also evaluate the test part every this many epochs and report the best epoch apart, as "
        "many papers do: optimistic",
        minimum=1,
        around_training=True,
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
        """Return a copy with these settings changed, given by flat name.

        Raises:
            InputError: an unknown name, or a value of the wrong type or out of bounds.
        """
        known = {setting.name: section for section, setting in settings()}
        changes: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            if name not in known:
                raise InputError(f"unknown setting '{name}'{did_you_mean(name, known)}")
            changes.setdefault(known[name], {})[name] = value
        sections = {
            section: dataclasses.replace(getattr(self, section), **changed)
            for section, changed in changes.items()
        }
        config = dataclasses.replace(self, **sections)
        for section, setting in settings():
            _check_value(setting, getattr(getattr(config, section), setting.name))
        return config

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the sections of settings, as config.json holds them."""
        return dataclasses.asdict(self)

    def flat(self) -> dict[str, Any]:
        """Return all settings by flat name."""
        return {
            name: value for section in self.as_dict().values() for name, value in section.items()
        }


def settings() -> Iterator[tuple[str, dataclasses.Field]]:
    """Yield every (section name, setting) in the order of --help."""
    for name, section in vars(Config()).items():
        for setting in dataclasses.fields(section):
            yield name, setting


def python_type(setting: dataclasses.Field) -> type:
    """Return the type of a setting's values besides None: str, int, float or bool."""
    return next(kind for kind in _types(setting) if kind is not NoneType)


def _types(setting: dataclasses.Field) -> tuple[type, ...]:
    return get_args(setting.type) or (setting.type,)


# What TensorFlow's int32 and float32 hold.
_LARGEST = {int: 2**31 - 1, float: 3.4e38}
_SMALLEST = 1.2e-38


def _check_value(setting: dataclasses.Field, value: Any) -> None:
    kind, checks = python_type(setting), setting.metadata
    if value is None:
        if NoneType not in _types(setting):
            raise InputError(f"--{setting.name} needs a value")
        return
    is_number = kind in (int, float)
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (is_number and isinstance(value, bool)):
        shown = value if isinstance(value, (str, int, float)) else "…"
        raise InputError(f"--{setting.name}={shown}: not of type {kind.__name__}")
    if kind is str and not _is_text(value):
        raise InputError(f"--{setting.name}={ascii(value)}: no text in UTF-8")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"--{setting.name}={value}: must be a finite number")
    if is_number and abs(value) > _LARGEST[kind]:
        raise InputError(f"--{setting.name}={value}: must be at most {_LARGEST[kind]}")
    if is_number and 0 < abs(value) < _SMALLEST:
        raise InputError(f"--{setting.name}={value}: float32 makes 0 of it; give 0, or more")
    bounds = {bound.name: checks.get(bound.name) for bound in dataclasses.fields(Range)}
    broken = Range(**bounds).broken_bound(value)
    if broken:
        raise InputError(f"--{setting.name}={value}: must be {broken}")
    if "parse" in checks:
        checks["parse"](value, setting.name)
    choices = checks.get("choices")
    if choices and value not in choices:
        raise InputError(f"--{setting.name}={value}: unknown{did_you_mean(value, choices)}")


def _is_text(value: str) -> bool:
    """Whether it can be written anywhere: surrogates stand for bytes that are no UTF-8."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
