"""Checks of ids before they reach a table, as XLA answers ids outside a table with its last row.

Of tensors in a graph, only dtypes and shapes are checked, while the graph is traced.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mfrec.data.interactions import UNKNOWN, Interactions
from mfrec.errors import InputError
from mfrec.faults import described
from mfrec.quiet_tensorflow import tf

_EXAMPLES = "arrays (user_ids, item_ids), or a tf.data.Dataset of ((user_ids, item_ids), …)"


def checked_ids(ids: Any, num_rows: int, role: str, lowest: int = 0) -> Any:
    """Return ids as an int32 tensor; tensors of a graph as they are, of int32 or int64.

    Args:
        ids: integers of any shape.
        num_rows: the rows of the table.
        role: "user" or "item".
        lowest: the lowest id that is allowed: 0, or UNKNOWN.

    Raises:
        InputError: ids are no integers, or outside the table.
    """
    if isinstance(ids, tf.keras.KerasTensor) or tf.is_symbolic_tensor(ids):
        dtype = tf.as_dtype(ids.dtype)
        _refuse_dtype(dtype.is_integer, dtype.name, role)
        is_usual = dtype in (tf.int32, tf.int64) or isinstance(ids, tf.keras.KerasTensor)
        return ids if is_usual else tf.cast(ids, tf.int64)
    return tf.constant(_checked_array(ids, num_rows, role, lowest))


def checked_pair(inputs: Any, num_users: int, num_items: int) -> tuple[Any, Any]:
    """Return user ids and item ids, each as `checked_ids` does; UNKNOWN is allowed.

    Raises:
        InputError: there are not two, their shapes differ, or `checked_ids` refuses them.
    """
    pair = _pair(inputs)
    user_ids = checked_ids(pair[0], num_users, "user", UNKNOWN)
    item_ids = checked_ids(pair[1], num_items, "item", UNKNOWN)
    _refuse_shapes(user_ids.shape, item_ids.shape)
    return user_ids, item_ids


def check_interactions(
    interactions: Interactions, num_users: int, num_items: int, lowest: int = 0
) -> None:
    """Refuse interactions that do not fit a model's tables.

    Args:
        interactions: what the model is trained on, or predicts.
        num_users: the model's.
        num_items: the model's.
        lowest: the lowest id that is allowed: 0, or UNKNOWN.

    Raises:
        InputError: they name more users or items than the model has, or an id is outside the
            tables or no integer.
    """
    for role, named, rows in (
        ("user", interactions.num_users, num_users),
        ("item", interactions.num_items, num_items),
    ):
        if named > rows:
            raise InputError(
                f"the ratings name {named} {role}s, the model has {rows}: "
                f"make it with num_{role}s={named}"
            )
    # rows that are streamed are checked by their digests
    if not interactions.is_streamed:
        _checked_array(interactions.user_ids, num_users, "user", lowest)
        _checked_array(interactions.item_ids, num_items, "item", lowest)


def check_training_part(train: Interactions, num_users: int, num_items: int) -> None:
    """Refuse a training part that names more or fewer users or items than the model has.

    Raises:
        InputError: as `check_interactions`; or rows of the model would stand for nobody.
    """
    check_interactions(train, num_users, num_items)
    for role, named, rows in (
        ("user", train.num_users, num_users),
        ("item", train.num_items, num_items),
    ):
        if named != rows:
            raise InputError(
                f"the ratings name {named} {role}s, the model has {rows}: make it with "
                f"num_{role}s={named}, or give the ratings a vocabulary of all {role}s"
            )


def traced_outputs(function: Callable[..., Any], *shapes: list[int]) -> Any:
    """Return what a function of ids returns in a graph, where nothing is computed.

    Args:
        function: a model's method.
        shapes: of the ids, int32, that it is called with.
    """
    with tf.Graph().as_default():
        ids = [tf.TensorSpec(shape, tf.int32) for shape in shapes]
        return tf.function(function).get_concrete_function(*ids).structured_outputs


def is_float32(value: Any, shape: list[int | None]) -> bool:
    """Return whether a value is a float32 tensor of this shape, as far as a graph knows it."""
    is_tensor = isinstance(value, tf.TensorSpec) or tf.is_tensor(value)
    return is_tensor and value.dtype == tf.float32 and value.shape.is_compatible_with(shape)


def check_scores(scores: Callable[..., Any]) -> None:
    """Refuse a model's `scores` that are not one float32 number a pair.

    Raises:
        InputError: says what they are.
    """
    returned = traced_outputs(scores, [2], [2])
    if not is_float32(returned, [2]):
        raise InputError(
            f"{scores.__qualname__} returned {described(returned)} for ids (2,); it returns a "
            "float32 tensor of one score a pair"
        )


def checks_ids_first(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of Keras's, such as `fit`, that checks the ids of its examples first.

    Arrays are checked before the method begins, data sets batch by batch as they are read.
    """

    @functools.wraps(method)
    def check_first(model: Any, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        sizes = model.num_users, model.num_items
        validation = kwargs.get("validation_data")
        if isinstance(validation, tf.data.Dataset):
            kwargs["validation_data"] = _examples(validation, *sizes)
        elif validation is not None:
            kwargs["validation_data"] = (_examples(validation[0], *sizes), *validation[1:])
        try:
            return method(model, _examples(x, *sizes), *args, **kwargs)
        except tf.errors.InvalidArgumentError as error:
            refused = re.search(r"(user|item) ids: [^\]]*", str(error))
            if refused is None:
                raise
            raise InputError(refused[0]) from None

    return check_first


def _examples(x: Any, num_users: int, num_items: int) -> Any:
    """Return arrays as int32 arrays, a data set as one that checks its ids."""
    if x is None:
        return x
    if not isinstance(x, tf.data.Dataset):
        return tuple(ids.numpy() for ids in checked_pair(x, num_users, num_items))

    @tf.autograph.experimental.do_not_convert
    def check(inputs: Any, *others: Any) -> tuple[Any, ...]:
        pair = checked_pair(inputs, num_users, num_items)
        roles = ("user", num_users), ("item", num_items)
        asserts = [
            check_row(ids, bound, message=f"{role} ids: {_allowed(rows, role, UNKNOWN)}")
            for ids, (role, rows) in zip(pair, roles, strict=True)
            for check_row, bound in (
                (tf.debugging.assert_less, tf.cast(rows, ids.dtype)),
                (tf.debugging.assert_greater_equal, tf.cast(UNKNOWN, ids.dtype)),
            )
        ]
        with tf.control_dependencies(asserts):
            return tuple(tf.cast(ids, tf.int32) for ids in pair), *others

    _pair(x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec)
    return x.map(check)


def _pair(inputs: Any) -> Any:
    if not isinstance(inputs, (tuple, list)) or len(inputs) != 2:
        kind = (
            f"{len(inputs)} inputs" if isinstance(inputs, (tuple, list)) else type(inputs).__name__
        )
        raise InputError(f"a model reads {_EXAMPLES}; this is {kind}")
    return inputs


def _checked_array(ids: Any, num_rows: int, role: str, lowest: int) -> np.ndarray:
    try:
        values = np.asarray(ids)
    except ValueError:
        raise InputError(f"{role} ids: lists of unequal length; give one array") from None
    _refuse_dtype(values.dtype.kind in "iu" or not values.size, values.dtype.name, role)
    wrong = values.size and (values.min() < lowest or values.max() >= num_rows)
    if wrong:
        position = int(np.flatnonzero((values < lowest) | (values >= num_rows))[0])
        raise InputError(
            f"{role} ids: {values.ravel()[position]} at position {position}; "
            f"{_allowed(num_rows, role, lowest)}"
        )
    return values.astype(np.int32)


def _allowed(num_rows: int, role: str, lowest: int) -> str:
    unknown = f", and {UNKNOWN} for unknown ones" if lowest == UNKNOWN else ""
    return f"the model has {role}s 0 to {num_rows - 1}{unknown}"


def _refuse_dtype(is_integer: bool, dtype: str, role: str) -> None:
    if not is_integer:
        raise InputError(f"{role} ids: {dtype}; give integers, the rows of the model's tables")


def _refuse_shapes(user_shape: Any, item_shape: Any) -> None:
    if not tf.TensorShape(user_shape).is_compatible_with(tf.TensorShape(item_shape)):
        raise InputError(
            f"user ids: shape {tuple(user_shape)}, but item ids: {tuple(item_shape)}; "
            "give one item for every user"
        )
