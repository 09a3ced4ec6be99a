"""The settings in force: flag > --config=FILE > --preset > default."""

import dataclasses
import os
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from mfrec import digests
from mfrec.config import kept_code
from mfrec.config.presets import PRESETS
from mfrec.config.settings import FILE_OPTIONS, NO_CANDIDATES, Config, SplitConfig, settings
from mfrec.errors import InputError, did_you_mean
from mfrec.files import read_json, require_run_dir
from mfrec.own_code import absolute, is_address, is_same_code
from mfrec.progress import say

# Files that belong to one data set.
_FILES = (
    "ratings",
    "train_ratings",
    "validation_ratings",
    "test_ratings",
    "item_labels",
    "user_features",
    "item_features",
    "candidates",
)
_PATHS = (*_FILES, "data_dir", "init_from")
_SPLIT_SETTINGS = tuple(setting.name for setting in dataclasses.fields(SplitConfig))
# These decide which tables a model has and what they mean.
_TABLE_SETTINGS = (
    "model",
    "model_args",
    "embedding_dim",
    "use_bias",
    "normalize",
    "user_ids",
    "item_ids",
)


def resolve(
    flags: Mapping[str, Any],
    preset: str | None = None,
    config_file: str | None = None,
    splits: Container[str] = (),
    allow_code: bool = False,
) -> Config:
    """Return the settings in force.

    Args:
        flags: what the user typed, by flat name.
        preset: a name in PRESETS.
        config_file: a config.json of an earlier run, or a part of one.
        splits: names of splits that every data set has; those that a data set defines itself
            are dropped when flags name another data set.
        allow_code: whether a config file may name code that this user has not trained with.

    Raises:
        InputError: a name, value or file that cannot be used, or code that is not allowed.
    """
    if "init_from" in flags:
        if preset is not None or config_file:
            raise InputError("--init_from brings its run's settings; leave out --preset, --config")
        require_run_dir(flags["init_from"], f"--init_from={flags['init_from']}")
        config_file = os.path.join(flags["init_from"], "config.json")
    if preset is not None and preset not in PRESETS:
        raise InputError(f"unknown preset '{preset}'{did_you_mean(preset, PRESETS)}")
    inherited = dict(PRESETS[preset]) if preset is not None else {}
    content = read_json(config_file) if config_file else {}
    if config_file:
        inherited.update(settings_in(content, config_file))
        digest, run = content.get(digests.DIGEST), str(content.get("run", ""))
        if digest is not None and digest != digests.of_json(run, "config.json", content):
            say(f"{config_file} was edited since its run: its settings are used as they are now")
    _refuse_empty(flags, inherited)
    for name in (*_not_inherited(inherited, flags, splits), *flags):
        inherited.pop(name, None)
    if config_file:
        inherited = kept_code.located(inherited, content, Path(config_file), allow_code)
    values = inherited | dict(flags)
    config = Config().replace({name: _absolute(name, value) for name, value in values.items()})
    if config.training.init_from:
        _check_continues(config, config.training.init_from, allow_code)
    return config


def _refuse_empty(flags: Mapping[str, Any], inherited: Mapping[str, Any]) -> None:
    """Refuse an empty text that unsets nothing: where a script's variable is not set, it is none.

    Raises:
        InputError: names the flag.
    """
    for _, setting in settings():
        may_be_empty = setting.default == "" or "parse" in setting.metadata
        if flags.get(setting.name) == "" and setting.name not in inherited and not may_be_empty:
            raise InputError(f"--{setting.name}=: empty; give a value, or leave it out")


def _not_inherited(
    inherited: Mapping[str, Any], flags: Mapping[str, Any], splits: Container[str]
) -> set[str]:
    """Return the settings of a preset or config file that the flags make meaningless."""
    dropped: set[str] = set()
    own_files = "ratings" in flags or "train_ratings" in flags
    if own_files:
        # the user's own file replaces the data set that the recipe was made for
        dropped |= {"dataset", *_FILES}
    elif "dataset" in flags:
        dropped |= {*_FILES, *FILE_OPTIONS, "weight_transform"}
    split = inherited.get("split") or ""
    if (own_files or "dataset" in flags) and split not in splits and not is_address(split):
        # a data set's own split goes with it
        dropped.add("split")
    if flags.get("optimizer", inherited.get("optimizer")) != inherited.get("optimizer"):
        # another optimizer takes other arguments
        dropped.add("optimizer_args")
    if "init_from" in flags:
        # how the earlier run began and ended is its own, and who trained it
        dropped |= {"init_from", "refit", "distribution"}
        if "train_ratings" in flags:
            # and ready-made parts are not split again
            dropped |= set(_SPLIT_SETTINGS)
    return dropped


def _check_continues(config: Config, run_dir: str, allow_code: bool) -> None:
    """Refuse to continue from a run whose tables would mean something else."""
    path = Path(run_dir) / "config.json"
    content = read_json(path)
    values = kept_code.located(settings_in(content, path), content, path, allow_code)
    earlier = Config().replace(values)
    if earlier.split.cross_validate:
        raise InputError(
            f"--init_from={run_dir} is a cross-validation; name one of its folds, such as fold-0"
        )
    if config.training.refit or config.split.cross_validate:
        flag = "--refit" if config.training.refit else "--cross_validate"
        raise InputError(f"{flag} trains anew and --init_from goes on; leave one out")
    for name in (*_TABLE_SETTINGS, "loss"):
        now, then = config.flat()[name], earlier.flat()[name]
        if now != then and not is_same_code(str(now), str(then)):
            raise InputError(
                f"--{name}={now}: the run {run_dir} was trained with {then}; leave it out, or "
                "train anew"
            )
    for name in ("user_features", "item_features"):
        now, then = getattr(config.data, name), getattr(earlier.data, name)
        if bool(now) != bool(then):
            remedy = f"add --{name}=FILE" if then else f"leave out --{name}"
            has = "with" if then else "without"
            raise InputError(f"the run {run_dir} was trained {has} {name}; {remedy}")


def _absolute(name: str, value: Any) -> Any:
    """Return a path as an absolute one, so that config.json means the same from every folder."""
    if not isinstance(value, str) or not value:
        return value
    if name in kept_code.SETTINGS:
        return ",".join(absolute(address.strip()) for address in value.split(","))
    if name == "candidates" and value == NO_CANDIDATES:
        return value
    return os.path.abspath(value) if name in _PATHS else value


def read_settings(path: str | Path) -> dict[str, Any]:
    """Return the settings of a config.json, by flat name.

    Raises:
        InputError: no such file, no JSON object, or see `settings_in`.
    """
    return settings_in(read_json(path), path)


def settings_in(content: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Return the settings in the object of a config.json, by flat name.

    Args:
        content: the object.
        path: of the file; errors begin with it.

    Raises:
        InputError: a section, setting or value that mfrec does not have.
    """
    sections = {section.name for section in dataclasses.fields(Config)}
    if not any(name in content for name in sections):
        raise InputError(f"{path}: no settings found; expected an object with {sorted(sections)}")
    values: dict[str, Any] = {}
    for section in sections & set(content):
        if not isinstance(content[section], dict):
            raise InputError(f"{path}: '{section}' is no object of settings")
        values.update(content[section])
    exponent = values.pop("popularity_exponent", 0.75)
    if exponent != 0.75 and values.get("negative_sampler", "popularity") == "popularity":
        # a setting of its own until samplers took arguments
        values.setdefault("sampler_args", f"exponent={exponent}")
    try:
        Config().replace(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return values
