"""What a loss returned, checked before anything is computed with it."""

from __future__ import annotations

from typing import Any

from mfrec.errors import InputError
from mfrec.faults import described
from mfrec.quiet_tensorflow import tf


def checked_losses(values: Any, like: tf.Tensor, name: str) -> tf.Tensor:
    """Return the losses of a batch's examples.

    Args:
        values: what the loss returned.
        like: a value for every example.
        name: of the loss.

    Raises:
        InputError: they are not float32 of this shape.
    """
    is_float = tf.is_tensor(values) and values.dtype == tf.float32
    if is_float and values.shape.is_compatible_with(like.shape):
        # a graph may not know the shape
        return tf.ensure_shape(values, like.shape) if tf.is_symbolic_tensor(values) else values
    hint = ""
    if len(like.shape) > 1:
        hint = "; write it over the last axis only, or train with --positives_per_row=1"
    raise InputError(
        f"loss '{name}' returned {described(values)} for a batch of {tuple(like.shape)}; a loss "
        f"returns a float32 tensor of one value an example and is never reduced{hint}"
    )
