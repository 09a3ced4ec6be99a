"""What makes models good citizens of Keras: configs, copies, files, `fit` and `predict` of ids.

Nothing here knows how a model scores.
"""

import inspect
import random
import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from mfrec.data.features import Features
from mfrec.models import checks
from mfrec.models.bag import Bag
from mfrec.quiet_tensorflow import tf

# What every model is made from, in this order.
SIZES = ("num_users", "num_items", "embedding_dim")


class _Reproducible(type(tf.keras.Model)):  # type: ignore[misc]
    """Makes models, and the layers inside, of float32 and of the model's own seed.

    Global policies and generators neither change a model nor are changed by making one.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> "KerasModel":
        policy, state = tf.keras.config.dtype_policy(), random.getstate()
        # half-precision tables stop learning; layers inside a model go with its tables
        tf.keras.config.set_dtype_policy("float32")
        try:
            model = super().__call__(*args, **kwargs)
        finally:
            tf.keras.config.set_dtype_policy(policy)
            random.setstate(state)
        # not an attribute of Keras's: it would wrap the dict
        model.__dict__["_arguments"] = _named_arguments(cls, args, kwargs)
        return model


class KerasModel(tf.keras.Model, metaclass=_Reproducible):
    """A Keras model of pairs of ids, float32 under every global policy; see `Model`."""

    num_users: int
    num_items: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tf.keras.utils.register_keras_serializable("mfrec")(cls)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Scores ŷ(u,i) of pairs, as `call` gives them, once their ids are checked.

        Args:
            inputs: (user_ids, item_ids), integers of one shape, UNKNOWN (−1) allowed.
            args: what else Keras hands on.
            kwargs: likewise.

        Raises:
            InputError: ids are no integers, outside the tables, or of two shapes.
        """
        user_ids, item_ids = checks.checked_pair(inputs, self.num_users, self.num_items)
        if tf.TensorShape(user_ids.shape).rank:
            return super().__call__((user_ids, item_ids), *args, **kwargs)
        # layers inside a model take no single vectors, and none of unknown rank
        pair = tf.reshape(user_ids, [-1]), tf.reshape(item_ids, [-1])
        return tf.reshape(super().__call__(pair, *args, **kwargs), tf.shape(user_ids))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Keras's loss of a batch, each example counted alike whatever the shape of the ids."""
        return super().compute_loss(x, *_in_columns(y, y_pred), sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Keras's metrics so far, each example counted alike whatever the shape of the ids."""
        return super().compute_metrics(x, *_in_columns(y, y_pred), sample_weight)

    # each begins with the examples
    fit = checks.checks_ids_first(tf.keras.Model.fit)
    evaluate = checks.checks_ids_first(tf.keras.Model.evaluate)
    predict = checks.checks_ids_first(tf.keras.Model.predict)
    train_on_batch = checks.checks_ids_first(tf.keras.Model.train_on_batch)
    test_on_batch = checks.checks_ids_first(tf.keras.Model.test_on_batch)
    predict_on_batch = checks.checks_ids_first(tf.keras.Model.predict_on_batch)

    def export(self, filepath: str, *args: Any, **kwargs: Any) -> None:
        """Write Keras's SavedModel of `call`, by default for ids int32 [B].

        Args:
            filepath: the folder to write.
            args: Keras's, such as the format.
            kwargs: likewise; `input_signature` asks for other shapes.
        """
        self._build_layers()
        spec = tf.TensorSpec([None], tf.int32)
        kwargs.setdefault("input_signature", [(spec, spec)])
        super().export(filepath, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that the model was made with, by name; and its link, as it is now."""
        config = {name: _as_json(value) for name, value in self._arguments.items()}
        # a Trainer sets it to that of the loss
        return config | ({"link": self.link} if "link" in arguments(type(self)) else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "KerasModel":
        """The untrained model of a `get_config`; Keras's own entries are ignored."""
        taken = arguments(cls)
        return cls(
            **{
                name: _from_json(value, custom_objects)
                for name, value in config.items()
                if name in taken or name not in ("name", "dtype", "trainable")
            }
        )

    def __deepcopy__(self, memo: dict) -> "KerasModel":
        cls = type(self)
        # a later class of the same name may have taken its place
        with tf.keras.utils.custom_object_scope({tf.keras.utils.get_registered_name(cls): cls}):
            load, saved = cast(tuple, self.__reduce__())
            return load(*saved)

    def save_own_variables(self, store: Any) -> None:
        """Write variables, and what the model looks up in the training part."""
        self._build_layers()
        super().save_own_variables(store)
        for name, bag in self._bags():
            store[f"{name}_splits"], store[f"{name}_members"] = bag.splits, bag.members

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        kept = {key: np.array(store[key]) for key in store.keys()}
        for name in [key.removesuffix("_splits") for key in kept if key.endswith("_splits")]:
            setattr(self, name, Bag(kept.pop(f"{name}_splits"), kept.pop(f"{name}_members")))
        super().load_own_variables(kept)
        # Keras loads those of layers next
        self._build_layers()

    def _bags(self) -> Iterator[tuple[str, Bag]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Bag))

    def _build_layers(self) -> None:
        """Make the variables of layers inside the model, which come with the first ids."""
        if not all(layer.built for layer in self._flatten_layers(include_self=False)):
            first = tf.zeros([1], tf.int32)
            self.scores(first, first)


def arguments(model: type[KerasModel]) -> dict[str, inspect.Parameter]:
    """What a model's constructor takes by name, that of its base classes included."""
    found: dict[str, inspect.Parameter] = {}
    for cls in model.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        # what a constructor does not hand on its bases cannot be given
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _named_arguments(
    model: type[KerasModel], args: tuple, kwargs: dict[str, Any]
) -> dict[str, Any]:
    parameters = list(inspect.signature(model.__init__).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        names += [name for name in SIZES if name not in names]
    return dict(zip(names, args, strict=False)) | kwargs


def _as_json(value: Any) -> Any:
    if isinstance(value, Features):
        return {
            "names": list(value.names),
            "ids": value.ids.tolist(),
            "values": value.values.tolist(),
        }
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any, custom_objects: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"names", "ids", "values"}:
        return Features(
            tuple(value["names"]),
            np.array(value["ids"], np.int32),
            np.array(value["values"], np.float32),
        )
    if isinstance(value, dict) and "class_name" in value:
        return tf.keras.utils.deserialize_keras_object(value, custom_objects)
    return value


def _in_columns(y: Any, y_pred: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """Ratings and scores, both [B, 1] where they are [B].

    Keras's losses are means over the last axis, which is to be no axis of examples.
    """
    if y_pred.shape.rank == 1:
        y_pred = y_pred[:, tf.newaxis]
    elif y_pred.shape.rank is None:
        y_pred = tf.reshape(y_pred, (tf.shape(y_pred)[0], -1))
    return y if y is None else tf.reshape(y, tf.shape(y_pred)), y_pred


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
