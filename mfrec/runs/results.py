"""The content of results.json."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, get_args, get_origin


@dataclass(frozen=True)
class Timing:
    """Where the time of a run went.

    Attributes:
        load_seconds: whatever comes before training: reading and splitting the data, deriving
            settings, importing TensorFlow.
        read_seconds: reading files, of load_seconds.
        import_seconds: importing TensorFlow, of load_seconds.
        split_seconds: splitting the data and deriving settings, of load_seconds.
        prepare_seconds: making the model's tables, the evaluators, and the training examples.
        compile_seconds: tracing and compiling the training loop.
        train_seconds: the training loops alone, of every epoch, a refit included.
        evaluation_seconds: all evaluations.
        summary_seconds: writing for TensorBoard.
        save_seconds: writing the run folder, digests included.
        seconds_to_best: train_seconds up to the best epoch.
        examples_per_second: speed of the training loops.
        total_seconds: from the beginning of the command.
    """

    load_seconds: float = 0.0
    read_seconds: float = 0.0
    import_seconds: float = 0.0
    split_seconds: float = 0.0
    prepare_seconds: float = 0.0
    compile_seconds: float = 0.0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    summary_seconds: float = 0.0
    save_seconds: float = 0.0
    seconds_to_best: float = 0.0
    examples_per_second: float = 0.0
    total_seconds: float = 0.0


@dataclass(frozen=True)
class Results:
    """What a run measured.

    Attributes:
        dataset: name of the data set, or of the file without its ending.
        split: the split in words.
        model: loss and dimension.
        protocol: by part, what its metrics mean.
        epochs: passes over the training part until the weights that are kept.
        steps: optimizer steps.
        parameters: trainable numbers of the model.
        metrics: by part ("validation", "test", "test_best_epoch"), metrics by name.
        baselines: metrics on the test part of methods without training, by name.
        counts: rows of each part, users, items, unknown ids, ranked users …
        timing: where the time went.
        intervals: by part, 95 % bootstrap intervals over users.
        warnings: a line for each suspicious finding.
        held_out: by part, a fingerprint of its rows.
        versions: of Python and the packages.
        stopped: when training was stopped, in words; None if it ended by itself.
        std: of a cross-validation: standard deviation of the metrics over the folds.
        folds: of a cross-validation: the metrics of each fold.
    """

    dataset: str
    split: str
    model: str
    protocol: Mapping[str, str]
    epochs: float
    steps: float
    parameters: float
    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(
        default_factory=dict, kw_only=True
    )
    baselines: Mapping[str, Mapping[str, float]]
    warnings: list[str] = field(default_factory=list, kw_only=True)
    held_out: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    counts: Mapping[str, Any]
    timing: Timing
    versions: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    stopped: str | None = field(default=None, kw_only=True)
    std: Mapping[str, Mapping[str, float]] | None = field(default=None, kw_only=True)
    folds: list[Mapping[str, Mapping[str, float]]] | None = field(default=None, kw_only=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the object of results.json; what the run does not have is left out.

        Metrics that are no finite number, which JSON does not have, are None.
        """
        values = dataclasses.asdict(self)
        return {name: as_json(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Results":
        """Return the results that `as_dict` was made of; names that are unknown here are ignored.

        Raises:
            KeyError: one of the names that every run has is missing.
            ValueError: a value is of another type; says where.
        """
        return _read(values, cls, "")


def as_json(value: Any) -> Any:
    """Return a value with None for every number that is not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: Any, kind: Any, place: str) -> Any:
    """Return the value that `as_json` was given, of the type that an annotation names.

    Raises:
        KeyError: a field without a default is missing.
        ValueError: it is of another type.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        return None if value is None else _read(value, inner[0], place)
    if kind is float and value is None:
        return math.nan
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if origin is Mapping and isinstance(value, Mapping):
        return {name: _read(v, inner[1], f"{place}/{name}") for name, v in value.items()}
    if origin is list and isinstance(value, list):
        return [_read(v, inner[0], place) for v in value]
    if origin is tuple and isinstance(value, (list, tuple)) and len(value) == len(inner):
        return tuple(_read(v, of, place) for v, of in zip(value, inner, strict=True))
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _read_fields(value, kind, place)
    raise ValueError(f"'{place}' is not of the right type")


def _read_fields(values: Mapping[str, Any], cls: Any, place: str) -> Any:
    given = {}
    for setting in dataclasses.fields(cls):
        if setting.name in values:
            here = f"{place}/{setting.name}".lstrip("/")
            given[setting.name] = _read(values[setting.name], setting.type, here)
        elif not setting.kw_only and setting.default is dataclasses.MISSING:
            raise KeyError(setting.name)
    return cls(**given)
