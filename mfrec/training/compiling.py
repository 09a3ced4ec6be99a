"""What can be wrong with a training step when it is compiled."""

import re
from typing import Any

import numpy as np

from mfrec.errors import InputError, first_line
from mfrec.quiet_tensorflow import tf


def checked_scalars(means: Any) -> dict[str, tf.Tensor]:
    """Return what a `train_step` returned.

    Raises:
        InputError: it is no dict of scalars with "loss" among them.
    """
    if not isinstance(means, dict) or "loss" not in means:
        raise InputError('train_step returns a dict of the scalars to log, "loss" among them')
    for name, value in means.items():
        if np.shape(value) != ():
            raise InputError(f"train_step: '{name}' has shape {np.shape(value)} and is no scalar")
    return means


def not_compiled(error: tf.errors.OpError, loss: str, model: str) -> InputError:
    """Return the error for a step that XLA cannot compile.

    Args:
        error: what XLA said.
        loss: name of the loss.
        model: name of the model.
    """
    return InputError(
        f"XLA cannot compile the training step of loss '{loss}' and model '{model}' "
        f"({_reason(error)}): train with --nojit_compile, or step through it with --run_eagerly"
    )


def _reason(error: tf.errors.OpError) -> str:
    """XLA's own first line, less the names of graphs and kernels, and where the op was made."""
    reason = first_line(error).partition(" (No registered")[0]
    reason = re.sub(r" when trying to compile graph \S+ on \w+", "", reason)
    lines = re.search(r"The op is created at:(.*?)\n\t", str(error), re.DOTALL)
    # TensorFlow cuts off what all paths have in common
    places = re.findall(r'File ".*?([^/"]+)", line (\d+)', lines[1] if lines else "")
    return f"{reason}, made at {':'.join(places[-1])}" if places else reason
