"""The registry of models: how a name, a class or an address becomes a model."""

from collections.abc import Callable, Mapping
from typing import Any

from mfrec import own_code
from mfrec.config.parsing import parse_arguments
from mfrec.config.settings import Config, ModelConfig
from mfrec.data.features import Features
from mfrec.errors import InputError, did_you_mean
from mfrec.losses.registry import Loss
from mfrec.models.base import Model
from mfrec.models.inner_product import InnerProduct
from mfrec.models.keras_model import SIZES, arguments

REGISTRY: dict[str, type[Model]] = {}


def register(name: str) -> Callable[[type[Model]], type[Model]]:
    """Register a class of models under the name that --model takes; one name, one class."""

    def registered(model: type[Model]) -> type[Model]:
        taken = REGISTRY.get(name)
        # the same class may come again: a notebook's cell run twice, a file loaded twice
        if taken and not own_code.is_same(taken, model):
            raise ValueError(f"there is a model named '{name}' already")
        REGISTRY[name] = model
        return model

    return registered


def get(model: str) -> type[Model]:
    """Return the class by that name, or in that file or module.

    Args:
        model: 'svdpp', 'my_models.py:TwoTowers' or 'package.module:TwoTowers'.

    Raises:
        InputError: there is no such name, file, module or class, or the class is no `Model`.
    """
    found = own_code.load(model, "model") if own_code.is_address(model) else REGISTRY.get(model)
    if found is None:
        raise InputError(
            f"unknown model '{model}'{did_you_mean(model, REGISTRY)}; "
            "a model of your own is FILE.py:Class or package.module:Class"
        )
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise InputError(f"--model={model}: no subclass of mfrec.models.Model")
    asked = ("user_rows", "item_rows") if found.has_vectors else ("scores",)
    for name in asked:
        if getattr(found, name) is getattr(InnerProduct if found.has_vectors else Model, name):
            raise InputError(f"--model={model}: the class has to override {name}")
    return found


# Arguments that come from settings and from the data, not from --model_args.
_NOT_OWN = {*SIZES, *vars(ModelConfig()), "link", "seed", "user_features", "item_features"}

# The settings that only some models take, and what stands for their absence.
_OPTIONAL = {"use_bias": False, "normalize": False, "user_ids": True, "item_ids": True}


def suit(config: Config) -> Config:
    """Return the settings as far as the model takes them; the others are turned off.

    Raises:
        InputError: a setting that the model does not take was given, or --model_args names an
            argument that it does not have.
    """
    model, name = get(config.model.model), config.model.model
    taken = arguments(model)
    given = parse_arguments(config.model.model_args, "model_args")
    own = {other: taken[other].default for other in taken if other not in _NOT_OWN}
    own_code.check_arguments(given, own, "model_args", f"model '{name}'", model.domain)
    changes = {}
    for setting, absent in _OPTIONAL.items():
        value = getattr(config.model, setting)
        if setting not in taken:
            if value not in (None, absent):
                raise InputError(f"--{setting}={value}: model '{name}' has no such argument")
            changes[setting] = absent
    for role in ("user", "item"):
        if getattr(config.data, f"{role}_features") and f"{role}_features" not in taken:
            raise InputError(f"--{role}_features: model '{name}' reads no features of {role}s")
    if config.split.split == "held_out_users" and not model.has_vectors:
        raise InputError(
            f"--split=held_out_users folds users in, and model '{name}' has no vectors; take "
            "another split, or a model with vectors"
        )
    return config.replace(changes)


def own_arguments(model: Model) -> dict[str, Any]:
    """Return the arguments that a model was made with and no setting names: its --model_args."""
    made_with = vars(model)["_arguments"]
    return {name: value for name, value in made_with.items() if name not in _NOT_OWN}


def settings_of(model: Model) -> dict[str, Any]:
    """Return the settings that a model was made with, by flat name, those of --model_args aside."""
    defaults = {name: parameter.default for name, parameter in arguments(type(model)).items()}
    made_with = defaults | vars(model)["_arguments"]
    return {name: made_with[name] for name in vars(ModelConfig()) if name in made_with}


def build(
    config: Config, loss: Loss, rows: tuple[int, int], features: Mapping[str, Features] = {}
) -> Model:
    """Return an untrained model of the configured class.

    Args:
        config: the settings, resolved.
        loss: what it is trained on.
        rows: numbers of users and items.
        features: of "user" and "item" rows, where they have any.
    """
    make = get(config.model.model)
    taken = arguments(make)
    settings = {
        **vars(config.model),
        "link": loss.link if loss.predicts_ratings else None,
        "seed": config.training.seed,
        "user_features": features.get("user"),
        "item_features": features.get("item"),
    }
    settings = {name: value for name, value in settings.items() if name in taken}
    settings |= parse_arguments(config.model.model_args, "model_args")
    return make(*rows, **settings)
